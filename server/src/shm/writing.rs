//! Rows into a file: joined into large batches, as messages whose buffers are aligned, written and not mapped.
//!
//! A file in memory that is mapped and then finds no memory ends its process; a write that finds none fails, and the rows
//! are streamed.

use std::cell::Cell;
use std::io;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use shoots_flight::{EncodeOptions, Joiner, encode, file};
use tracing::{debug, warn};

use super::Source;
use super::shelf::Flight;
use crate::status::Failure;

/// How large a batch of a file is at most. What a reader does for each is all it does.
const BATCH_BYTES: usize = 64 << 20;

/// Why a file is not finished.
enum Obstacle {
    /// Nobody waits for it any more.
    Unwanted,
    /// It does not fit beside what is in use.
    NoRoom,
    /// The storage does not take it.
    Storage(io::Error),
    /// The rows cannot be read, which a stream will say, too.
    Rows(Failure),
}

/// Writes the file of a flight. Whoever waits for it is told, also if there is none in the end.
pub(super) async fn write(mut flight: Flight, schema: SchemaRef, rows: Source) {
    let unwanted = flight.unwanted();
    let written = tokio::select! {
        biased;
        () = unwanted => Err(Obstacle::Unwanted),
        written = write_rows(&mut flight, schema, rows) => written,
    };
    let written = match written {
        Ok(rows) => flight.arrive(rows).map_err(Obstacle::Storage),
        Err(obstacle) => {
            if matches!(obstacle, Obstacle::Storage(_)) {
                flight.rest();
            }
            Err(obstacle)
        }
    };
    match written {
        Ok(()) => {}
        Err(Obstacle::Unwanted) => debug!("nobody waits for a file of rows any more"),
        Err(Obstacle::NoRoom) => debug!("a file of rows does not fit into shm_bytes"),
        Err(Obstacle::Storage(error)) => {
            warn!(%error, "cannot write to shm_dir; rows are streamed for a while");
        }
        Err(Obstacle::Rows(failure)) => debug!(%failure, "rows cannot be read"),
    }
}

/// Writes all rows, and says how many there are.
async fn write_rows(flight: &mut Flight, schema: SchemaRef, rows: Source) -> Result<u64, Obstacle> {
    let mut file = flight.create().map_err(Obstacle::Storage)?;
    let count = Cell::new(0_u64);
    let rows = rows.inspect_ok(|batch| count.set(count.get() + batch.num_rows() as u64));
    let options = EncodeOptions::default().with_message_bytes(BATCH_BYTES);
    let joined = joined(Joiner::new(schema.clone(), BATCH_BYTES), rows);
    let mut messages = encode(schema, joined, options);
    while let Some(message) = messages.try_next().await.map_err(Obstacle::Rows)? {
        if !flight.reserve(file::message_bytes(&message) as u64) {
            return Err(Obstacle::NoRoom);
        }
        file::write_message(&mut file, &message).map_err(Obstacle::Storage)?;
    }
    Ok(count.get())
}

/// The same rows in larger batches.
fn joined(
    joiner: Joiner,
    rows: impl Stream<Item = Result<RecordBatch, Failure>> + Unpin,
) -> impl Stream<Item = Result<RecordBatch, Failure>> {
    stream::try_unfold((joiner, Some(rows)), |(mut joiner, rows)| async move {
        let Some(mut rows) = rows else {
            return Ok(None);
        };
        while let Some(batch) = rows.next().await {
            if let Some(joined) = joiner.push(batch?)? {
                return Ok(Some((joined, (joiner, Some(rows)))));
            }
        }
        let last = joiner.finish()?;
        Ok(last.map(|last| (last, (joiner, None))))
    })
}
