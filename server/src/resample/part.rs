//! A run of rows of a frame that is in order of time: decoded and gathered by a task of its own.
//!
//! What it gives is what the task that takes the parts one after the other ([`super::exec`]) needs to make whole bins.

use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::error::Result;
use futures::TryStreamExt;
use shoots_store::Rows as StoredRows;
use tokio::sync::mpsc::Sender;

use super::Resample;
use super::bins::Bins;
use super::exec::{BATCH_ROWS, external};
use super::fill::Rows;
use super::gather::{Gather, times};

/// What a part of the frame gives.
pub(super) enum Piece {
    /// Rows of its first bin, which may have begun before.
    Head(RecordBatch),
    /// Bins that are closed.
    Closed(Rows),
    /// The bin that is still open at its end.
    Tail(Box<Gather>),
}

/// A run of rows, in order of time.
pub(super) struct Part {
    pub(super) resample: Arc<Resample>,
    pub(super) bins: Arc<Bins>,
    pub(super) rows: StoredRows,
    /// Whether there are rows before it.
    pub(super) follows: bool,
}

impl Part {
    pub(super) async fn run(mut self, taker: Sender<Piece>) -> Result<()> {
        let all = (i64::MIN, i64::MAX);
        let mut gather = Box::new(Gather::new(&self.resample, &self.bins, all, true)?);
        let mut head = Head::new(self.follows);
        while let Some(batch) = self.rows.try_next().await.map_err(external)? {
            let (passed, rest) = head.split(batch, &self.bins)?;
            if let Some(passed) = passed
                && taker.send(Piece::Head(passed)).await.is_err()
            {
                return Ok(());
            }
            let Some(rest) = rest else {
                continue;
            };
            gather.add(&rest)?;
            if gather.len() > BATCH_ROWS {
                let closed = gather.close(gather.len() - 1)?;
                if taker.send(Piece::Closed(closed)).await.is_err() {
                    return Ok(());
                }
            }
        }
        if gather.len() > 1 {
            let closed = gather.close(gather.len() - 1)?;
            // Who does not take it will not take the tail either.
            let _ = taker.send(Piece::Closed(closed)).await;
        }
        let _ = taker.send(Piece::Tail(gather)).await;
        Ok(())
    }
}

/// The bin that a part begins with, while it lasts.
enum Head {
    Unknown,
    /// Where it begins, and where the next one does.
    Bin(i64, i64),
    Over,
}

impl Head {
    fn new(matters: bool) -> Self {
        match matters {
            true => Self::Unknown,
            false => Self::Over,
        }
    }

    /// The rows of a batch that belong to the head, and the others.
    fn split(
        &mut self,
        batch: RecordBatch,
        bins: &Bins,
    ) -> Result<(Option<RecordBatch>, Option<RecordBatch>)> {
        if matches!(self, Self::Over) || batch.num_rows() == 0 {
            return Ok((None, Some(batch)));
        }
        let times = times(batch.column(0))?;
        if let Self::Unknown = self {
            *self = match bins.of(times.value(0)) {
                Some((_, begin, end)) => Self::Bin(begin, end),
                None => Self::Over,
            };
        }
        let Self::Bin(begin, end) = *self else {
            return Ok((None, Some(batch)));
        };
        let inside = |time: &i64| (begin..end).contains(time);
        let rows = times
            .values()
            .iter()
            .take_while(|time| inside(time))
            .count();
        if rows == batch.num_rows() {
            return Ok((Some(batch), None));
        }
        *self = Self::Over;
        let passed = (rows > 0).then(|| batch.slice(0, rows));
        Ok((passed, Some(batch.slice(rows, batch.num_rows() - rows))))
    }
}
