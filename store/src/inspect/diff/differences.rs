//! Rows that differ, on their way from where they are found to whoever asked.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::error::{Cause, Result};
use crate::index::{Gather, Place};

/// Found differences that wait to be taken.
const AHEAD: usize = 2;

/// Which state a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only the first has it.
    Removed,
    /// Only the second has it.
    Added,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Added => "added",
        }
    }
}

/// Some rows that differ, in order.
#[derive(Debug, Default)]
pub(super) struct Differences {
    pub(super) parts: Vec<RecordBatch>,
    /// In terms of parts and their rows.
    pub(super) places: Vec<Place>,
    /// What each place is.
    pub(super) kinds: Vec<Kind>,
}

impl Differences {
    /// These rows of one batch.
    pub(super) fn of(
        batch: RecordBatch,
        rows: impl IntoIterator<Item = usize>,
        kind: Kind,
    ) -> Self {
        let places: Vec<Place> = rows.into_iter().map(|row| (0, row)).collect();
        Self {
            kinds: vec![kind; places.len()],
            parts: vec![batch],
            places,
        }
    }

    /// How many rows only the first state has, and how many only the second.
    pub(super) fn count(&self) -> (u64, u64) {
        let removed = self.kinds.iter().filter(|kind| **kind == Kind::Removed);
        let removed = removed.count();
        (removed as u64, (self.kinds.len() - removed) as u64)
    }

    /// The rows as batches of `schema`, whose last column says what they are.
    pub(super) fn batches(self, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
        if self.places.is_empty() {
            return Ok(Vec::new());
        }
        let batches = Gather::new(self.parts)?.rows(&self.places)?;
        let mut kinds = self.kinds.into_iter().map(Kind::word);
        batches
            .into_iter()
            .map(|batch| {
                let words = kinds.by_ref().take(batch.num_rows());
                let change: ArrayRef = Arc::new(StringArray::from_iter_values(words));
                let mut columns = batch.columns().to_vec();
                columns.push(change);
                RecordBatch::try_new(Arc::clone(schema), columns).map_err(super::failed)
            })
            .collect()
    }
}

/// A stream of differences. Dropping it stops the work.
pub(super) type Stream = BoxStream<'static, Result<Differences>>;

/// Where differences go.
pub(super) struct Output(mpsc::Sender<Result<Differences>>);

impl Output {
    /// Fails if nobody wants them any more, which ends the work.
    pub(super) async fn send(&self, differences: Differences) -> Result<()> {
        let sent = self.0.send(Ok(differences)).await;
        sent.map_err(|_| stopped())
    }

    /// Fails if nobody wants differences any more.
    pub(super) fn check(&self) -> Result<()> {
        match self.0.is_closed() {
            true => Err(stopped()),
            false => Ok(()),
        }
    }
}

fn stopped() -> crate::Error {
    Cause::Task("nobody waits for the differences".to_owned()).into()
}

/// A way to find differences.
#[async_trait]
pub(super) trait Work: Send + 'static {
    async fn run(self, output: &Output) -> Result<()>;
}

/// Finds differences in a task of its own, a little ahead of whoever takes them.
pub(super) fn of(work: impl Work) -> Stream {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let output = Output(sender);
        if let Err(error) = work.run(&output).await {
            // If nobody is there to hear it, that is why the work ended.
            output.0.send(Err(error)).await.ok();
        }
    });
    ReceiverStream::new(receiver).boxed()
}
