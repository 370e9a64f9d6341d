//! Putting rows into a frame as one commit, wherever the rows come from.
//!
//! The rows of a query go into a frame as those of a put do: one batch at a time, and visible only once all of them are
//! durable. A query that fails halfway, or a caller that goes away before the commit, changes nothing. The query reads
//! snapshots, so it may read the very frame that its rows go into.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use futures::{Stream, TryStreamExt};
use shoots_proto::{ErrorKind, FrameId};
use shoots_store::{FrameWriter, Published, PutOptions};
use tokio::time::timeout;
use tracing::debug;

use super::Shared;
use crate::call::record::{Record, noted};
use crate::query::Plan;
use crate::status::Failure;

/// How long a put may hold memory that others wait for, without rows to put there.
const A_WHILE: Duration = Duration::from_secs(1);

/// In SQL a bucket is a schema, and the schema of this name tells what there is.
const INFORMATION: &str = "information_schema";

/// Refuses to make a bucket whose frames SQL could not tell from its own tables.
pub(super) async fn check_bucket(shared: &Shared, target: &FrameId) -> Result<(), Failure> {
    let Some(bucket) = &target.bucket else {
        return Ok(());
    };
    let taken = bucket.as_str().eq_ignore_ascii_case(INFORMATION);
    if !taken || shared.store.bucket_exists(bucket).await? {
        return Ok(());
    }
    let problem = format!(
        "cannot be {bucket}: in SQL a bucket is a schema, and {INFORMATION} is the one that tells what there is; \
         choose another name"
    );
    Err(Failure::invalid("bucket", None, problem))
}

/// Puts the rows of a query into a frame.
pub(super) async fn put_rows(
    shared: &Arc<Shared>,
    target: &FrameId,
    plan: Plan,
    options: PutOptions,
) -> Result<Published, Failure> {
    noted(|record| record.note_frame(target));
    check_bucket(shared, target).await?;
    let mode = options.mode;
    let mut writer = shared.store.put(target, plan.schema(), options).await?;
    let mut batches = std::pin::pin!(plan.run().await?);
    while let Some(batch) = next_row_batch(&mut writer, batches.as_mut()).await? {
        writer.write(batch).await?;
    }
    let published = commit(writer).await?;
    debug!(
        frame = %target,
        mode = %mode,
        version = published.version,
        rows = published.rows,
        bytes = published.bytes,
        "rows of a query put"
    );
    Ok(published)
}

/// Waits for the next rows of a put. If they are a while coming, its memory goes to puts that wait for some.
pub(super) async fn next_row_batch<S>(
    writer: &mut FrameWriter,
    mut batches: S,
) -> Result<Option<RecordBatch>, Failure>
where
    S: Stream<Item = Result<RecordBatch, Failure>> + Unpin,
{
    loop {
        match timeout(A_WHILE, batches.try_next()).await {
            Ok(next) => return next,
            Err(_) => writer.yield_memory().await?,
        }
    }
}

/// Commits to the end even if the caller goes away: other puts may be waiting for the same publication.
pub(super) async fn commit(writer: FrameWriter) -> Result<Published, Failure> {
    let committing = noted(Record::commits);
    let published = tokio::spawn(writer.commit()).await;
    drop(committing);
    match published {
        Ok(published) => Ok(published?),
        Err(error) => Err(Failure::new(
            ErrorKind::OutcomeUnknownError,
            format!(
                "the commit was interrupted ({error}); read the frame to see whether it took effect"
            ),
        )),
    }
}
