//! What leads from one state of a frame to another.
//!
//! Columns are the same if they have one identity, whatever they are called; if the states have no segment in common
//! (one of them was put anew), one name will do. Rows are a multiset: which of two equal rows is which does not matter,
//! nor does the segment that it lies in. They are compared by the columns that both states have, in the wider type
//! where the types differ; where two types have nothing to do with each other, or no column is in both states, all
//! rows differ.
//!
//! The work follows what was written between the two states. Segments that both have, with the same rows hidden,
//! cancel out unread ([`pieces`]). What is left is compared in the order of the index ([`keyed`]), or by hashes of the
//! rows if there is none ([`hashed`]). Either way the memory does not grow with the frame.

mod columns;
mod differences;
mod hashed;
mod keyed;
mod pieces;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_row::{RowConverter, SortField};
use arrow_schema::ArrowError;
use futures::stream;
use futures::{StreamExt, TryStreamExt};
use shoots_proto::action::{FrameDiff, VersionSummary};
use shoots_proto::as_of::AsOf;

use self::columns::Columns;
use self::differences::{Differences, Kind, Output, Work};
use self::hashed::Hashed;
use self::keyed::Keyed;
use self::pieces::Pieces;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::history;
use crate::read::{Piece, Reading, Rows, Source};
use crate::snapshot::Snapshot;

impl Frame {
    /// How two states differ, in columns and in counts of rows; `to` is the newest state if it is not given.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such frame or version.
    pub async fn diff(&self, from: &AsOf, to: Option<&AsOf>) -> Result<FrameDiff> {
        let (from, to) = self.both(from, to).await?;
        let compared = async {
            let comparison = Comparison::of(&from, &to).await?;
            let told = comparison.columns.told.clone();
            Ok((told, comparison.count().await?))
        };
        let (told, (rows_removed, rows_added)) = match compared.await {
            Ok(compared) => compared,
            Err(error) => return Err(explained(&from, &to, error).await),
        };
        Ok(FrameDiff {
            from: summary(&from, "from")?,
            to: summary(&to, "to")?,
            rows_added,
            rows_removed,
            columns_added: told.added,
            columns_dropped: told.dropped,
            columns_renamed: told.renamed,
            columns_changed: told.changed,
        })
    }

    /// The rows that only one of two states has; `to` is the newest state if it is not given.
    ///
    /// They have the columns of `to`, then those that only `from` has (` (dropped)` is put behind a name that `to` has
    /// for another column), and last `_change`, which is `added` or `removed`. Null stands where a row's state does not
    /// have the column. In an indexed frame they come in the order of the index; of equal keys the removed rows first.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such frame or version,
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if a column has unrelated types in the two
    /// states, or is itself called `_change`.
    pub async fn diff_rows(&self, from: &AsOf, to: Option<&AsOf>) -> Result<Rows> {
        let (from, to) = self.both(from, to).await?;
        let comparison = match Comparison::of(&from, &to).await {
            Ok(comparison) => comparison,
            Err(error) => return Err(explained(&from, &to, error).await),
        };
        let schema = comparison.columns.marked()?;
        let output = Arc::clone(&schema);
        let readings = comparison.readings.clone();
        let batches = comparison
            .stream()?
            .map(move |differences| {
                // The stream is a reader for as long as it exists.
                let _ = &readings;
                differences?.batches(&output)
            })
            .map_ok(|batches| stream::iter(batches.into_iter().map(Ok)))
            .try_flatten()
            .boxed();
        Ok(Rows::new(schema, batches).explained(move |error| {
            let (from, to) = (from.clone(), to.clone());
            async move { explained(&from, &to, error).await }
        }))
    }

    async fn both(&self, from: &AsOf, to: Option<&AsOf>) -> Result<(Snapshot, Snapshot)> {
        let state = async |field, as_of| {
            let snapshot = self.snapshot(as_of).await;
            snapshot.map_err(|error| error.of_state(field))
        };
        tokio::try_join!(state("from", Some(from)), state("to", to))
    }
}

/// The error of reading both states: if one of them was given up meanwhile, that it was.
async fn explained(from: &Snapshot, to: &Snapshot, error: Error) -> Error {
    to.explain(from.explain(error).await).await
}

/// One of both states, which `field` of the request names.
fn summary(snapshot: &Snapshot, field: &'static str) -> Result<VersionSummary> {
    let commit = snapshot.commit().ok_or_else(|| {
        let problem = "the frame is a plain file and has no versions until it is written";
        Error::invalid(field, problem)
    })?;
    Ok(VersionSummary {
        version: snapshot.version(),
        commit,
        published: snapshot.published().map(history::time),
        rows: snapshot.rows(),
    })
}

/// Two states, as far as they differ.
struct Comparison {
    columns: Arc<Columns>,
    pieces: Pieces,
    /// The columns of the index under their names in `to`, if both states are sorted by them.
    index: Option<Vec<String>>,
    /// How much memory the rows of one key may take.
    key_bytes: u64,
    /// Keep the sweep from what is read.
    readings: [Option<Arc<Reading>>; 2],
}

impl Comparison {
    async fn of(from: &Snapshot, to: &Snapshot) -> Result<Self> {
        let versions = [from.version(), to.version()].map(Option::unwrap_or_default);
        let between = versions[0].min(versions[1]) + 1..versions[0].max(versions[1]) + 1;
        let (from, to) = tokio::try_join!(from.source(), to.source())?;
        let pieces = Pieces::find(&from, &to).await?;
        let columns = Columns::new(
            &from.schema,
            &to.schema,
            Some(between).filter(|_| !pieces.related),
        );
        let index = common_index(&columns, &from, &to);
        let index = index.filter(|_| pieces.have_ranges());
        let columns = Arc::new(columns);
        Ok(Self {
            columns,
            pieces,
            index,
            key_bytes: to.log.shared().put_memory.bytes(),
            readings: [from.reading, to.reading],
        })
    }

    /// How many rows only the first state has, and how many only the second.
    async fn count(self) -> Result<(u64, u64)> {
        let Self {
            columns,
            pieces,
            index,
            key_bytes,
            readings: _held,
        } = self;
        if !columns.comparable() || pieces.from.is_empty() || pieces.to.is_empty() {
            return Ok((visible(&pieces.from), visible(&pieces.to)));
        }
        match index {
            Some(index) => {
                Keyed::new(columns, pieces, &index, key_bytes)?
                    .count()
                    .await
            }
            None => Hashed::new(columns, pieces)?.count().await,
        }
    }

    /// The rows themselves.
    fn stream(self) -> Result<differences::Stream> {
        let Self {
            columns,
            pieces,
            index,
            key_bytes,
            readings: _,
        } = self;
        let columns_meet = columns.comparable();
        Ok(match index.filter(|_| columns_meet) {
            Some(index) => differences::of(Keyed::new(columns, pieces, &index, key_bytes)?),
            None if columns_meet => differences::of(Hashed::new(columns, pieces)?),
            None => differences::of(Apart { columns, pieces }),
        })
    }
}

/// Rows without a column in common: all of them differ.
struct Apart {
    columns: Arc<Columns>,
    pieces: Pieces,
}

#[async_trait::async_trait]
impl Work for Apart {
    async fn run(self, output: &Output) -> Result<()> {
        for (kind, pieces) in [
            (Kind::Removed, self.pieces.from),
            (Kind::Added, self.pieces.to),
        ] {
            for piece in pieces {
                let mut batches = self.columns.read(kind, piece);
                while let Some(batch) = batches.try_next().await? {
                    let rows = 0..batch.num_rows();
                    output.send(Differences::of(batch, rows, kind)).await?;
                }
            }
        }
        Ok(())
    }
}

/// The index as `to` has it, if `from` has the same.
fn common_index(columns: &Columns, from: &Source, to: &Source) -> Option<Vec<String>> {
    let same = from.index.len() == to.index.len()
        && !to.index.is_empty()
        && from
            .index
            .iter()
            .zip(&to.index)
            .all(|(from, to)| columns.is_same(from, to));
    same.then(|| to.index.clone())
}

fn visible(pieces: &[Piece]) -> u64 {
    pieces.iter().map(Piece::visible).sum()
}

/// Turns rows into bytes that are equal exactly if the rows are, in the columns that both states have.
struct Encoder {
    converter: RowConverter,
    columns: Vec<usize>,
}

impl Encoder {
    fn new(columns: &Columns) -> Result<Self> {
        let compared = columns.compared();
        let types = compared.iter().map(|column| {
            let field = columns.output.field(*column);
            SortField::new(field.data_type().clone())
        });
        Ok(Self {
            converter: RowConverter::new(types.collect()).map_err(failed)?,
            columns: compared,
        })
    }

    fn rows(&self, batch: &RecordBatch) -> Result<arrow_row::Rows> {
        let columns = self.columns.iter();
        let columns: Vec<_> = columns
            .map(|column| Arc::clone(batch.column(*column)))
            .collect();
        self.converter.convert_columns(&columns).map_err(failed)
    }
}

fn failed(error: ArrowError) -> Error {
    Error::io("comparing rows", error)
}
