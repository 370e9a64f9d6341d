//! Does to a frame in two stores what it does to the model, and compares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::Schema;
use object_store::ObjectStore;
use serde_json::Value;
use shoots_proto::as_of::AsOf;
use shoots_proto::name::{FrameId, FrameName};
use shoots_proto::{PutMode, TagName, UpdateScope};
use shoots_store::{
    ColumnEdit, Condition, Error, ErrorKind, Frame, FrameWriter, NewColumn, PutOptions,
    RowsToDelete, Store,
};

use crate::batches;
use crate::clock::Clock;
use crate::meaning::first_kind;
use crate::op::{AlterSeed, AsOfSeed, Mode, Op, PutSeed, SpanSeed};
use crate::reference::{Outcome, Put, Step, without_rows};
use crate::retained::Retained;
use crate::table::{Cell, Kind, Span, Table};

/// A put that takes longer may be refused.
const LONGEST_PUT_HOURS: u64 = 11;
const TAGS: [&str; 3] = ["end of day", "böse", "t"];

/// A frame, and what it should be.
pub(crate) struct World {
    /// The frame as two writers see it.
    pub(crate) frames: [Frame; 2],
    pub(crate) versions: Vec<Version>,
    pub(crate) tags: BTreeMap<String, u64>,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) retained: Retained,
}

pub(crate) struct Version {
    pub(crate) step: Step,
    pub(crate) commit: String,
    published: AsOf,
    /// How many hours had gone by.
    pub(crate) hour: u64,
    /// The ids of the segments that its rows lie in.
    pub(crate) segments: BTreeSet<String>,
}

/// Why a store did not do what was asked, or nothing if there was nothing to do.
pub(crate) type Answer = Result<(), Error>;

/// Rows whose value in one column leaves a certain rest.
#[derive(Debug, Clone)]
struct Rest {
    column: String,
    rest: u8,
}

impl Rest {
    fn has(&self, cell: &Cell) -> Option<bool> {
        let number = match cell {
            Cell::Null => return None,
            Cell::Int(number) => number.rem_euclid(4),
            Cell::Float(number) => (*number as i64).rem_euclid(4),
            Cell::Text(text) => i64::from(text.as_bytes()[text.len() - 1] % 4),
        };
        Some(number == i64::from(self.rest))
    }
}

impl Condition for Rest {
    fn text(&self) -> &str {
        "the rest is right"
    }

    fn columns(&self, schema: &Schema) -> Result<Vec<String>, String> {
        let known = schema.index_of(&self.column);
        known.map_err(|error| error.to_string())?;
        Ok(vec![self.column.clone()])
    }

    fn meant(&self, batch: &RecordBatch) -> Result<BooleanArray, String> {
        let column = batch.column(0);
        let rows = 0..batch.num_rows();
        Ok(rows
            .map(|row| self.has(&batches::cell(column, row)))
            .collect())
    }
}

impl World {
    pub(crate) fn new(
        stores: &[Store; 2],
        objects: Arc<dyn ObjectStore>,
        clock: Arc<Clock>,
    ) -> Self {
        let name = FrameName::parse("f").unwrap();
        let id = FrameId { bucket: None, name };
        Self {
            frames: [stores[0].frame(&id), stores[1].frame(&id)],
            versions: Vec::new(),
            tags: BTreeMap::new(),
            objects,
            clock,
            retained: Retained::default(),
        }
    }

    pub(crate) fn present(&self) -> Option<&Table> {
        self.versions.last()?.step.table.as_ref()
    }

    /// Does it, by the first writer or the second, and compares what came of it.
    pub(crate) async fn run(&mut self, who: bool, op: &Op) {
        match op {
            Op::Put(put) => self.put(who, put, &[]).await,
            Op::Meanwhile(put, ops) => self.put(who, put, ops).await,
            Op::DeleteRows { span, condition } => {
                self.delete_rows(who, span.as_ref(), *condition).await;
            }
            Op::Alter(alter) => self.alter(who, alter).await,
            Op::Tag {
                name,
                as_of,
                replace,
            } => self.tag(who, *name, *as_of, *replace).await,
            Op::Untag(name) => self.untag(who, *name).await,
            Op::Restore(as_of) => self.restore(who, *as_of).await,
            Op::Delete => {
                let expected = match self.present() {
                    Some(table) => Outcome::becomes(None, "delete", table.rows.len() as u64),
                    None => Outcome::Refused(ErrorKind::NotFound),
                };
                let answer = self.frame(who).delete().await.map(drop);
                self.note(expected, answer).await;
            }
            Op::Undelete => self.undelete(who).await,
            Op::Compact => self.compact(who).await,
            Op::SetRetention(rule) => self.set_retention(who, *rule).await,
            Op::Expire => self.expire(who).await,
            Op::Forget(as_of) => self.forget(who, *as_of).await,
            Op::Sweep => self.sweep(who).await,
            Op::Pass(hours) => self.pass(*hours),
            Op::Read(read) => self.read(who, read).await,
        }
    }

    pub(crate) fn frame(&self, who: bool) -> &Frame {
        &self.frames[usize::from(who)]
    }

    /// Compares the answer, and the frame as the other writer sees it.
    pub(crate) async fn note(&mut self, expected: Outcome, answer: Answer) {
        match (expected, answer) {
            (Outcome::Becomes(step), Ok(())) => self.push(step).await,
            (Outcome::Stays, Ok(())) => {}
            (Outcome::Refused(kind), Err(error)) => assert_eq!(error.kind(), kind, "{error}"),
            (expected, answer) => panic!("{answer:?} instead of {expected:?}"),
        }
        for frame in &self.frames {
            self.compare_newest(frame).await;
        }
    }

    /// There is one more version.
    pub(crate) async fn push(&mut self, step: Step) {
        let version = self.versions.len() as u64 + 1;
        let history = self.frames[0].history(usize::MAX, None).await.unwrap();
        let mut records = history.commits.iter();
        let Some(record) = records.find(|record| record.version == version) else {
            panic!("there is no version {version} after {step:?}");
        };
        let segments = self.segments_of(&step).await;
        self.versions.push(Version {
            step,
            commit: record.commit.clone(),
            published: AsOf::Time(record.published.0),
            hour: self.retained.hour,
            segments,
        });
    }

    /// A put; between its beginning and its end the other writer makes other changes.
    async fn put(&mut self, who: bool, seed: &PutSeed, meanwhile: &[Op]) {
        let before = self.present().cloned();
        let put = match seed.read(before.as_ref()) {
            Ok(put) => put,
            Err(_) => return,
        };
        let staged = match put.staged(before.as_ref()) {
            Ok(staged) => staged,
            Err(kind) => {
                let answer = self.put_now(who, &put).await;
                return self.note(Outcome::Refused(kind), answer).await;
            }
        };
        let begun = self.retained.hour + LONGEST_PUT_HOURS;
        let writer = write(self.frame(who), &put).await.unwrap();
        for op in meanwhile {
            Box::pin(self.run(!who, op)).await;
        }
        let expected = put.applied(self.present(), &staged);
        let others =
            |table: Option<&Table>| table.map(|table| (table.columns.clone(), table.index.clone()));
        let changed = others(before.as_ref()) != others(self.present());
        let answer = match writer.commit().await {
            Ok(published) => {
                if let Outcome::Becomes(Step { table, removed, .. }) = &expected {
                    let rows = table.as_ref().unwrap().rows.len() as u64;
                    assert_eq!(
                        (published.frame_rows, published.rows_removed),
                        (rows, *removed)
                    );
                    assert_eq!(published.version, self.versions.len() as u64 + 1);
                }
                Ok(())
            }
            Err(error) => Err(error),
        };
        let kind = answer.as_ref().err().map(Error::kind);
        let expected = match (kind, put.mode) {
            (Some(ErrorKind::Conflict), _) if changed => Outcome::Refused(ErrorKind::Conflict),
            (Some(ErrorKind::Conflict), _) if self.retained.hour > begun => {
                Outcome::Refused(ErrorKind::Conflict)
            }
            (Some(ErrorKind::AlreadyExists), Mode::Error) if self.present().is_some() => {
                Outcome::Refused(ErrorKind::AlreadyExists)
            }
            (Some(ErrorKind::InvalidRequest), _) if put.has_long_ends(&staged) => {
                Outcome::Refused(ErrorKind::InvalidRequest)
            }
            _ => expected,
        };
        self.note(expected, answer).await;
    }

    async fn put_now(&self, who: bool, put: &Put) -> Answer {
        let writer = write(self.frame(who), put).await?;
        writer.commit().await.map(drop)
    }

    async fn delete_rows(
        &mut self,
        who: bool,
        span: Option<&SpanSeed>,
        condition: Option<(u8, u8)>,
    ) {
        let kind = self.present().and_then(first_kind);
        let span = span.and_then(|span| span.read(kind.unwrap_or(Kind::Int64)));
        let rest = condition.map(|(column, rest)| {
            let columns = self.present().map(|table| &table.columns);
            let column = columns.map(|columns| &columns[usize::from(column) % columns.len()]);
            let column = column.map_or("a".to_owned(), |column| column.name.clone());
            Rest { column, rest }
        });
        let expected = match self.present() {
            _ if span.is_none() && rest.is_none() => Outcome::Refused(ErrorKind::InvalidRequest),
            None => Outcome::Refused(ErrorKind::NotFound),
            Some(table) => without_rows(table, span.as_ref(), |row| match &rest {
                Some(rest) => rest.has(&row[table.place(&rest.column).unwrap()]) == Some(true),
                None => true,
            }),
        };
        let (start, stop) = ends(span.as_ref(), kind.unwrap_or(Kind::Int64));
        let rows = RowsToDelete {
            start,
            stop,
            closed: span.map(|span| span.closed).unwrap_or_default(),
            condition: rest.map(|rest| Arc::new(rest) as Arc<dyn Condition>),
        };
        let answer = match self.frame(who).delete_rows(rows).await {
            Ok(result) => {
                let (version, removed) = match &expected {
                    Outcome::Becomes(step) => (Some(self.versions.len() as u64 + 1), step.removed),
                    _ => (None, 0),
                };
                assert_eq!((result.version, result.rows_removed), (version, removed));
                Ok(())
            }
            Err(error) => Err(error),
        };
        self.note(expected, answer).await;
    }

    async fn alter(&mut self, who: bool, seed: &AlterSeed) {
        let Some(present) = self.present() else {
            let answer = self.frame(who).alter(ColumnEdit::default()).await.map(drop);
            let expected = Outcome::Refused(ErrorKind::NotFound);
            return self.note(expected, answer).await;
        };
        let alter = seed.read(present);
        let expected = alter.applied(present);
        let spell = |kind: &Kind| batches::data_type(*kind).to_string();
        let widen = alter.widen.iter();
        let add = alter.add.iter();
        let edit = ColumnEdit {
            drop: alter.drop.clone(),
            rename: alter.rename.clone(),
            widen: widen
                .map(|(name, kind)| {
                    let wider = kind.as_ref().map_or("nullable".to_owned(), spell);
                    (name.clone(), wider)
                })
                .collect(),
            add: add
                .map(|(name, kind)| NewColumn {
                    name: name.clone(),
                    data_type: spell(kind),
                })
                .collect(),
        };
        let answer = self.frame(who).alter(edit).await.map(drop);
        self.note(expected, answer).await;
    }

    async fn tag(&mut self, who: bool, name: u8, as_of: AsOfSeed, replace: bool) {
        let name = TAGS[usize::from(name)];
        let found = self.find(as_of);
        let version = found.as_ref().ok().map(|(_, version)| *version as u64 + 1);
        let present = self.tags.get(name).copied();
        let current = self.versions.last().map(|last| last.step.table.clone());
        let expected = match (&found, current) {
            (Ok((_, at)), Some(current)) if self.versions[*at].step.table.is_some() => {
                match present {
                    Some(present) if Some(present) == version => Outcome::Stays,
                    Some(_) if !replace => Outcome::Refused(ErrorKind::AlreadyExists),
                    _ => Outcome::becomes(current, "tag", 0),
                }
            }
            _ => Outcome::Refused(ErrorKind::NotFound),
        };
        let as_of = match (as_of, found) {
            (AsOfSeed::Newest, _) => None,
            (_, Ok((as_of, _)) | Err(as_of)) => Some(as_of),
        };
        let tag = TagName::parse(name).unwrap();
        let answer = self.frame(who).tag(&tag, as_of.as_ref(), replace).await;
        if let Ok(result) = &answer {
            assert_eq!(Some(result.version), version);
            self.tags.insert(name.to_owned(), result.version);
        }
        self.note(expected, answer.map(drop)).await;
    }

    async fn untag(&mut self, who: bool, name: u8) {
        let name = TAGS[usize::from(name)];
        let known = self.tags.remove(name);
        let expected = match (known, self.versions.last()) {
            (Some(_), Some(last)) => Outcome::becomes(last.step.table.clone(), "tag", 0),
            _ => Outcome::Refused(ErrorKind::NotFound),
        };
        let tag = TagName::parse(name).unwrap();
        let answer = self.frame(who).untag(&tag).await;
        if let Ok(result) = &answer {
            assert_eq!(Some(result.version), known);
        }
        self.note(expected, answer.map(drop)).await;
    }

    async fn restore(&mut self, who: bool, as_of: AsOfSeed) {
        let found = self.find(as_of);
        let last = self.versions.len().saturating_sub(1);
        let expected = match &found {
            Ok((_, version)) => match &self.versions[*version].step.table {
                None => Outcome::Refused(ErrorKind::NotFound),
                Some(_) if *version == last => Outcome::Stays,
                Some(table) => {
                    let removed = self.present().map_or(0, |present| present.rows.len());
                    Outcome::becomes(Some(table.clone()), "restore", removed as u64)
                }
            },
            Err(_) => Outcome::Refused(ErrorKind::NotFound),
        };
        if let Ok((_, place)) = &found {
            self.restores(*place as u64 + 1);
        }
        let as_of = found.map_or_else(|as_of| as_of, |(as_of, _)| as_of);
        let answer = self.frame(who).restore(&as_of).await.map(drop);
        self.note(expected, answer).await;
    }

    async fn undelete(&mut self, who: bool) {
        let mut tables = self
            .versions
            .iter()
            .rev()
            .map(|version| &version.step.table);
        let expected = match self.present() {
            Some(_) => Outcome::Refused(ErrorKind::AlreadyExists),
            None if self.retained.emptied => Outcome::Refused(ErrorKind::NotFound),
            None => match tables.find_map(Option::as_ref) {
                Some(table) => Outcome::becomes(Some(table.clone()), "undelete", 0),
                None => Outcome::Refused(ErrorKind::NotFound),
            },
        };
        let answer = self.frame(who).undelete().await.map(drop);
        self.note(expected, answer).await;
    }

    /// What names a version, and the place of that version in the list; or only the former, if there is none.
    pub(crate) fn find(&self, seed: AsOfSeed) -> Result<(AsOf, usize), AsOf> {
        let count = self.versions.len();
        let pick = |number: u8| &self.versions[usize::from(number) % count];
        let at = |number: u8| usize::from(number) % (count + 1);
        let signed = |number: usize| i64::try_from(number).unwrap();
        let (as_of, place) = match seed {
            AsOfSeed::Commit(number) if count > 0 => {
                let commit = pick(number).commit.clone();
                (AsOf::Commit(commit), usize::from(number) % count)
            }
            AsOfSeed::Time(number) if count > 0 => {
                (pick(number).published.clone(), usize::from(number) % count)
            }
            AsOfSeed::Tag(name) => {
                let name = TAGS[usize::from(name)].to_owned();
                let version = self.tags.get(&name).copied().unwrap_or(0);
                let place = usize::try_from(version).unwrap().wrapping_sub(1);
                (AsOf::Tag(name), place)
            }
            AsOfSeed::Version(number) => (AsOf::Version(signed(at(number)) + 1), at(number)),
            AsOfSeed::Back(number) => {
                let back = at(number) + 1;
                (AsOf::Version(-signed(back)), count.wrapping_sub(back))
            }
            _ => (AsOf::Version(-1), count.wrapping_sub(1)),
        };
        if place < count && self.keeps(place as u64 + 1) {
            Ok((as_of, place))
        } else {
            Err(as_of)
        }
    }
}

/// Begins a put, and writes its rows.
async fn write(frame: &Frame, put: &Put) -> Result<FrameWriter, Error> {
    let kind = put.span.as_ref().map(span_kind);
    let (start, stop) = ends(put.span.as_ref(), kind.unwrap_or(Kind::Int64));
    let (mode, scope) = match put.mode {
        Mode::Error => (PutMode::Error, UpdateScope::Range),
        Mode::Append => (PutMode::Append, UpdateScope::Range),
        Mode::Replace => (PutMode::Replace, UpdateScope::Range),
        Mode::UpdateRange => (PutMode::Update, UpdateScope::Range),
        Mode::UpdateKeys => (PutMode::Update, UpdateScope::Keys),
        Mode::Upsert => (PutMode::Upsert, UpdateScope::Range),
    };
    let options = PutOptions {
        mode,
        index: put.index.clone(),
        start,
        stop,
        closed: put
            .span
            .as_ref()
            .map(|span| span.closed)
            .unwrap_or_default(),
        scope,
        ..PutOptions::default()
    };
    let schema = batches::schema(&put.given.columns);
    let mut writer = frame.put(schema, options).await?;
    for batch in batches::batches(&put.given, put.batch_rows) {
        writer.write(batch).await?;
    }
    Ok(writer)
}

/// Which kind a range is of: times are the only numbers that large.
fn span_kind(span: &Span) -> Kind {
    let bound = span.start.as_ref().or(span.stop.as_ref()).unwrap();
    match &bound.cell {
        Cell::Int(number) if *number > 1_000_000_000 => Kind::Time,
        Cell::Text(_) => Kind::Text,
        _ => Kind::Int64,
    }
}

pub(crate) fn ends(span: Option<&Span>, kind: Kind) -> (Option<Value>, Option<Value>) {
    let bound = |bound| batches::bound(bound, kind);
    let start = span.and_then(|span| span.start.as_ref()).map(bound);
    let stop = span.and_then(|span| span.stop.as_ref()).map(bound);
    (start, stop)
}
