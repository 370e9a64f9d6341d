//! Compares what a store says with the model: the newest state, parts of any, and in the end everything.

use std::collections::BTreeMap;

use shoots_proto::as_of::AsOf;
use shoots_store::{ErrorKind, Frame, ReadOptions, Snapshot, Store};

use crate::batches;
use crate::meaning::first_kind;
use crate::op::ReadSeed;
use crate::table::{Cell, Kind, Span, Table};
use crate::world::{World, ends};

impl World {
    pub(crate) async fn compare_newest(&self, frame: &Frame) {
        match (frame.snapshot(None).await, self.present()) {
            (Ok(snapshot), Some(table)) => {
                assert_eq!(snapshot.version(), Some(self.versions.len() as u64));
                compare(&snapshot, table).await;
            }
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
            (snapshot, table) => {
                let version = snapshot.map(|snapshot| snapshot.version());
                panic!("{version:?} instead of {table:?}");
            }
        }
    }

    pub(crate) async fn read(&self, who: bool, seed: &ReadSeed) {
        let (as_of, table) = match self.find(seed.as_of) {
            Ok((as_of, place)) => (as_of, self.versions[place].step.table.as_ref()),
            Err(as_of) => (as_of, None),
        };
        let snapshot = self.frame(who).snapshot(Some(&as_of)).await;
        match (snapshot, table) {
            (Ok(snapshot), Some(table)) => compare_part(&snapshot, table, seed).await,
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
            (snapshot, table) => {
                let version = snapshot.map(|snapshot| snapshot.version());
                panic!("{version:?} instead of {table:?}");
            }
        }
    }

    /// Compares every version, every tag and the history with what a store that was just opened makes of them.
    pub(crate) async fn compare_all(&self, store: &Store) {
        let frame = store.frame(self.frames[0].id());
        for (version, known) in (1_i64..).zip(&self.versions) {
            let snapshot = frame.snapshot(Some(&AsOf::Version(version))).await;
            let kept = known.step.table.as_ref();
            match (
                snapshot,
                kept.filter(|_| self.keeps(version.unsigned_abs())),
            ) {
                (Ok(snapshot), Some(table)) => {
                    assert_eq!(snapshot.commit().as_ref(), Some(&known.commit));
                    compare(&snapshot, table).await;
                }
                (Err(error), None) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
                (snapshot, table) => {
                    let version = snapshot.map(|snapshot| snapshot.version());
                    panic!("{version:?} instead of {table:?}");
                }
            }
        }
        if !self.versions.is_empty() {
            self.compare_tags(&frame).await;
            self.compare_history(&frame).await;
        }
    }

    async fn compare_tags(&self, frame: &Frame) {
        let tags = frame.tags().await.unwrap().into_iter();
        let tags: BTreeMap<String, u64> = tags.map(|tag| (tag.tag, tag.version)).collect();
        assert_eq!(tags, self.tags);
        for (tag, version) in tags {
            let snapshot = frame.snapshot(Some(&AsOf::Tag(tag))).await.unwrap();
            assert_eq!(snapshot.version(), Some(version));
        }
    }

    async fn compare_history(&self, frame: &Frame) {
        let history = frame.history(usize::MAX, None).await.unwrap();
        assert!(!history.more);
        assert_eq!(history.commits.len(), self.versions.len());
        for (record, known) in history.commits.iter().rev().zip(&self.versions) {
            let step = &known.step;
            assert_eq!(
                (&record.operation[..], &record.commit),
                (step.operation, &known.commit)
            );
            assert_eq!(record.rows_removed, step.removed, "{record:?}");
            if let Some(table) = &step.table {
                assert_eq!(record.rows, table.rows.len() as u64, "{record:?}");
            }
            let tags = self
                .tags
                .iter()
                .filter(|(_, version)| **version == record.version);
            let tags: Vec<&String> = tags.map(|(tag, _)| tag).collect();
            assert_eq!(record.tags.iter().collect::<Vec<_>>(), tags);
        }
    }
}

/// Compares all that a snapshot says.
async fn compare(snapshot: &Snapshot, table: &Table) {
    assert_eq!(batches::columns(&snapshot.schema()), table.columns);
    assert_eq!(snapshot.index(), table.index);
    assert_eq!(snapshot.rows(), table.rows.len() as u64);
    let rows = snapshot.read(ReadOptions::default()).await.unwrap();
    assert_eq!(batches::columns(&rows.schema()), table.columns);
    let rows = batches::rows(&rows.collect().await.unwrap());
    assert_eq!(rows, table.rows);
}

/// Compares a part of the rows.
async fn compare_part(snapshot: &Snapshot, table: &Table, seed: &ReadSeed) {
    let kind = first_kind(table).unwrap_or(Kind::Int64);
    let span = seed.span.and_then(|span| span.read(kind));
    let (start, stop) = ends(span.as_ref(), kind);
    let mut columns = seed.columns.as_ref().map(|numbers| {
        let place = |number: &u8| usize::from(*number) % table.columns.len();
        numbers.iter().map(place).collect::<Vec<_>>()
    });
    if let Some(columns) = &mut columns {
        let mut seen = Vec::new();
        columns.retain(|place| {
            !seen.contains(place) && {
                seen.push(*place);
                true
            }
        });
    }
    let names = |places: &Vec<usize>| {
        let names = places
            .iter()
            .map(|place| table.columns[*place].name.clone());
        names.collect()
    };
    let options = ReadOptions {
        columns: columns.as_ref().map(names),
        start,
        stop,
        closed: span.as_ref().map(|span| span.closed).unwrap_or_default(),
        offset: seed.offset,
        limit: seed.limit,
        tail: seed.tail,
        part: None,
        filter: None,
        watch: None,
        batch_rows: seed.batch_rows,
    };
    let refused = span
        .as_ref()
        .is_some_and(|span| table.index.is_empty() || span.is_reversed());
    let rows = match snapshot.read(options).await {
        Ok(rows) => batches::rows(&rows.collect().await.unwrap()),
        Err(error) => {
            assert!(refused, "{error}");
            return assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        }
    };
    assert!(!refused);
    assert_eq!(rows, part(table, span.as_ref(), columns, seed));
}

/// A part of the rows of a table.
fn part(
    table: &Table,
    span: Option<&Span>,
    columns: Option<Vec<usize>>,
    seed: &ReadSeed,
) -> Vec<Vec<Cell>> {
    let mut rows = table.rows.clone();
    if let Some(span) = span {
        let mut within = table.first_keys().into_iter().map(|key| span.has(key));
        rows.retain(|_| within.next().unwrap());
    }
    let count = rows.len();
    let small = |number: u64| usize::try_from(number).unwrap();
    let offset = seed
        .tail
        .map_or(small(seed.offset), |tail| count.saturating_sub(small(tail)));
    let limit = seed.limit.map_or(count, small);
    let rows = rows.into_iter().skip(offset).take(limit);
    rows.map(|row| match &columns {
        Some(columns) => columns.iter().map(|place| row[*place].clone()).collect(),
        None => row,
    })
    .collect()
}
