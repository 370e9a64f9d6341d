//! Rows that are sorted by one index are compared in its order, once, as both states are merged.
//!
//! Pieces whose keys meet no keys of the other state are not compared at all. Of the others, the rows of one key, all
//! of both states, are held in memory while they are compared. How much that may be is bounded by the memory for puts;
//! a frame with more rows of a single key than that is told so.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::TryStreamExt;

use super::columns::Columns;
use super::differences::{self, Differences, Kind, Output, Work};
use super::pieces::Pieces;
use super::{Encoder, visible};
use crate::error::{Error, Result};
use crate::index::{Index, Input, Keys, compare_keys, merge};
use crate::read::{BATCH_ROWS, Batches, Piece};

/// Rows that are handed on together at most, and batches that they may come from.
const TOGETHER: usize = 8192;
const PARTS: usize = 16;

/// A comparison in the order of the index.
pub(super) struct Keyed {
    columns: Arc<Columns>,
    encoder: Encoder,
    indexes: [Arc<Index>; 2],
    groups: Vec<Group>,
    /// How much memory the rows of one key may take.
    key_bytes: u64,
}

/// Pieces whose keys lie apart from those of all other groups.
#[derive(Default)]
struct Group {
    from: Vec<Piece>,
    to: Vec<Piece>,
}

impl Keyed {
    pub(super) fn new(
        columns: Arc<Columns>,
        pieces: Pieces,
        index: &[String],
        key_bytes: u64,
    ) -> Result<Self> {
        let of = |kind| Index::new(&columns.side(kind).read, index).map(Arc::new);
        Ok(Self {
            encoder: Encoder::new(&columns)?,
            indexes: [of(Kind::Removed)?, of(Kind::Added)?],
            groups: groups(pieces),
            key_bytes,
            columns,
        })
    }

    /// How many rows only the first state has, and how many only the second.
    pub(super) async fn count(mut self) -> Result<(u64, u64)> {
        let (mut removed, mut added) = (0, 0);
        let (alone, met): (Vec<Group>, Vec<Group>) = std::mem::take(&mut self.groups)
            .into_iter()
            .partition(|group| group.from.is_empty() || group.to.is_empty());
        for group in alone {
            removed += visible(&group.from);
            added += visible(&group.to);
        }
        self.groups = met;
        let mut found = differences::of(self);
        while let Some(differences) = found.try_next().await? {
            let (more_removed, more_added) = differences.count();
            removed += more_removed;
            added += more_added;
        }
        Ok((removed, added))
    }

    /// The rows of some pieces of one state in the order of the index.
    fn sorted(&self, kind: Kind, pieces: Vec<Piece>) -> Batches {
        let inputs = pieces.into_iter().filter_map(|piece| {
            let min = piece.range.as_ref()?.min.clone();
            let read = Arc::clone(&self.columns.side(kind).read);
            let open = move || piece.read(&read, BATCH_ROWS);
            Some(Input {
                min,
                open: Box::new(open),
            })
        });
        let index = match kind {
            Kind::Removed => &self.indexes[0],
            Kind::Added => &self.indexes[1],
        };
        merge(Arc::clone(index), inputs.collect(), BATCH_ROWS)
    }

    fn cursor(&self, kind: Kind, pieces: Vec<Piece>) -> Cursor {
        Cursor {
            kind,
            batches: self.sorted(kind, pieces),
            part: None,
            row: 0,
        }
    }

    /// Has a next row in the cursor, unless it is at its end.
    async fn load(&self, cursor: &mut Cursor) -> Result<()> {
        while cursor
            .part
            .as_ref()
            .is_none_or(|part| cursor.row == part.rows())
        {
            cursor.row = 0;
            cursor.part = None;
            let Some(batch) = cursor.batches.try_next().await? else {
                return Ok(());
            };
            let index = match cursor.kind {
                Kind::Removed => &self.indexes[0],
                Kind::Added => &self.indexes[1],
            };
            let keys = index.keys(std::slice::from_ref(&batch))?;
            let batch = self.columns.align(cursor.kind, &batch)?;
            let bytes = self.encoder.rows(&batch)?;
            cursor.part = Some(Arc::new(Part { batch, keys, bytes }));
        }
        Ok(())
    }

    /// The rows with the key of `row` in `part`, beginning with the cursor's next one.
    async fn run(&self, cursor: &mut Cursor, part: &Part, row: usize, held: u64) -> Result<Run> {
        let mut run = Run::new();
        let mut bytes = held;
        loop {
            self.load(cursor).await?;
            let Some(own) = &cursor.part else {
                return Ok(run);
            };
            let end = own.end(cursor.row, |at| {
                own.keys.compare(at, &part.keys, row).is_eq()
            });
            if end == cursor.row {
                return Ok(run);
            }
            bytes += own.size();
            if !run.is_empty() && bytes > self.key_bytes {
                let problem = format!(
                    "the rows of a single key take more than {} bytes (the setting put_memory_bytes), and cannot be compared: raise it, or read the two states",
                    self.key_bytes
                );
                return Err(Error::invalid("diff", problem));
            }
            run.push((Arc::clone(own), cursor.row..end));
            cursor.row = end;
        }
    }

    async fn compare(&self, group: Group, output: &Output) -> Result<()> {
        let mut old = self.cursor(Kind::Removed, group.from);
        let mut new = self.cursor(Kind::Added, group.to);
        let mut found = Found::default();
        loop {
            self.load(&mut old).await?;
            self.load(&mut new).await?;
            let order = match (&old.part, &new.part) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(one), Some(other)) => one.keys.compare(old.row, &other.keys, new.row),
            };
            match order {
                Ordering::Less => old.pass(&new, &mut found),
                Ordering::Greater => new.pass(&old, &mut found),
                Ordering::Equal => {
                    let Some(part) = old.part.clone() else {
                        break;
                    };
                    let row = old.row;
                    let removed = self.run(&mut old, &part, row, 0).await?;
                    let held = removed.iter().map(|(part, _)| part.size()).sum();
                    let added = self.run(&mut new, &part, row, held).await?;
                    found.compare(&removed, &added);
                }
            }
            if found.differences.places.len() >= TOGETHER || found.parts.len() >= PARTS {
                output.send(found.take()).await?;
            } else {
                output.check()?;
            }
        }
        output.send(found.take()).await
    }
}

#[async_trait]
impl Work for Keyed {
    async fn run(mut self, output: &Output) -> Result<()> {
        for group in std::mem::take(&mut self.groups) {
            let (kind, pieces) = match (group.from.is_empty(), group.to.is_empty()) {
                (false, false) => {
                    self.compare(group, output).await?;
                    continue;
                }
                (true, _) => (Kind::Added, group.to),
                (_, true) => (Kind::Removed, group.from),
            };
            let mut batches = self.sorted(kind, pieces);
            while let Some(batch) = batches.try_next().await? {
                let batch = self.columns.align(kind, &batch)?;
                let rows = 0..batch.num_rows();
                output.send(Differences::of(batch, rows, kind)).await?;
            }
        }
        Ok(())
    }
}

/// Where a state is read.
struct Cursor {
    kind: Kind,
    batches: Batches,
    part: Option<Arc<Part>>,
    row: usize,
}

impl Cursor {
    /// Passes the rows of this batch that come before the next one of `other`: that state has none of them.
    fn pass(&mut self, other: &Self, found: &mut Found) {
        let Some(part) = &self.part else {
            return;
        };
        let end = match &other.part {
            Some(next) => part.end(self.row, |row| {
                part.keys.compare(row, &next.keys, other.row).is_lt()
            }),
            None => part.rows(),
        };
        found.take_rows(part, self.row..end, self.kind);
        self.row = end;
    }
}

/// A batch with what its rows are compared by.
struct Part {
    batch: RecordBatch,
    keys: Keys,
    bytes: arrow_row::Rows,
}

impl Part {
    fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn size(&self) -> u64 {
        (self.batch.get_array_memory_size() + self.bytes.size()) as u64
    }

    /// The first row from `row` on that is not `within`.
    fn end(&self, row: usize, within: impl Fn(usize) -> bool) -> usize {
        (row..self.rows())
            .find(|row| !within(*row))
            .unwrap_or(self.rows())
    }
}

/// Rows of one key.
type Run = Vec<(Arc<Part>, Range<usize>)>;

/// The rows of a run as bytes.
fn rows_of(run: &Run) -> impl Iterator<Item = (&Arc<Part>, usize, &[u8])> {
    run.iter().flat_map(|(part, rows)| {
        rows.clone()
            .map(move |row| (part, row, part.bytes.row(row).data()))
    })
}

/// The row of a run that has just one.
fn only(run: &Run) -> Option<&[u8]> {
    let mut rows = rows_of(run).map(|(_, _, row)| row);
    rows.next().filter(|_| rows.next().is_none())
}

/// How often each row occurs.
fn tally(run: &Run) -> HashMap<&[u8], u64> {
    let mut counts = HashMap::new();
    for (_, _, row) in rows_of(run) {
        *counts.entry(row).or_default() += 1;
    }
    counts
}

/// Differences that were not handed on yet.
#[derive(Default)]
struct Found {
    parts: Vec<Arc<Part>>,
    differences: Differences,
}

impl Found {
    fn take_rows(&mut self, part: &Arc<Part>, rows: Range<usize>, kind: Kind) {
        let known = self.parts.iter().position(|known| Arc::ptr_eq(known, part));
        let number = known.unwrap_or_else(|| {
            self.parts.push(Arc::clone(part));
            self.differences.parts.push(part.batch.clone());
            self.parts.len() - 1
        });
        let places = rows.map(|row| (number, row));
        self.differences.places.extend(places);
        let count = self.differences.places.len();
        self.differences.kinds.resize(count, kind);
    }

    /// Notes what only one of two runs of one key has.
    fn compare(&mut self, removed: &Run, added: &Run) {
        if let (Some(one), Some(other)) = (only(removed), only(added))
            && one == other
        {
            return;
        }
        for (own, other, kind) in [
            (removed, added, Kind::Removed),
            (added, removed, Kind::Added),
        ] {
            let mut counts = tally(other);
            for (part, row, bytes) in rows_of(own) {
                match counts.get_mut(bytes) {
                    Some(count) if *count > 0 => *count -= 1,
                    _ => self.take_rows(part, row..row + 1, kind),
                }
            }
        }
    }

    fn take(&mut self) -> Differences {
        std::mem::take(self).differences
    }
}

/// Pieces in groups whose keys lie apart, in order.
fn groups(pieces: Pieces) -> Vec<Group> {
    let of = |pieces: Vec<Piece>, kind| pieces.into_iter().map(move |piece| (piece, kind));
    let mut all: Vec<(Piece, Kind)> = of(pieces.from, Kind::Removed)
        .chain(of(pieces.to, Kind::Added))
        .collect();
    let min = |piece: &Piece| piece.range.as_ref().map(|range| range.min.clone());
    all.sort_by(|(one, _), (other, _)| {
        compare_keys(
            &min(one).unwrap_or_default(),
            &min(other).unwrap_or_default(),
        )
    });
    let mut groups: Vec<Group> = Vec::new();
    let mut reach: Option<Vec<_>> = None;
    for (piece, kind) in all {
        let Some(range) = piece.range.clone() else {
            continue;
        };
        let apart = reach
            .as_ref()
            .is_none_or(|reach| compare_keys(reach, &range.min).is_lt());
        if apart {
            groups.push(Group::default());
        }
        if reach
            .as_ref()
            .is_none_or(|reach| compare_keys(reach, &range.max).is_lt())
        {
            reach = Some(range.max);
        }
        if let Some(group) = groups.last_mut() {
            match kind {
                Kind::Removed => group.from.push(piece),
                Kind::Added => group.to.push(piece),
            }
        }
    }
    groups
}
