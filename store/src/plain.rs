//! Plain Parquet files that people, or an older Shoots, put into a bucket: frames without a history.
//!
//! They are read where they lie. The first write copies their rows into segments, as the frame's first version,
//! and from then on the file is ignored.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use futures::TryStreamExt;
use object_store::path::Path;

use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::layout;
use crate::objects::Objects;
use crate::put::{named, write_schema};
use crate::schema;
use crate::segment::{self, Origin};
use crate::sink::{SegmentSink, StagedRows};

/// Rows that are copied at a time.
const ADOPTED_BATCH_ROWS: usize = 16_384;

/// A plain file that can be read.
#[derive(Debug, Clone)]
pub(crate) struct PlainFile {
    pub(crate) path: Path,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) schema: SchemaRef,
}

/// The plain file of a frame that has no log, if there is one.
pub(crate) async fn find(log: &FrameLog) -> Result<Option<PlainFile>> {
    match place(log, log.objects()).await? {
        Some((path, bytes)) => open(log, path, bytes).await.map(Some),
        None => Ok(None),
    }
}

/// Where the plain file of a frame lies among `objects`, and how many bytes it has.
pub(crate) async fn place(log: &FrameLog, objects: &Objects) -> Result<Option<(Path, u64)>> {
    for path in layout::plain_files(log.frame()) {
        // Whoever opens a pipe waits until somebody writes to it.
        if let Some(disk) = &log.shared().disk
            && !disk.may_be_file(&path).await
        {
            continue;
        }
        if let Some(bytes) = objects.size(&path).await? {
            return Ok(Some((path, bytes)));
        }
    }
    Ok(None)
}

async fn open(log: &FrameLog, path: Path, bytes: u64) -> Result<PlainFile> {
    let found = segment::plain_schema(log.file(path.clone(), bytes)).await?;
    Ok(PlainFile {
        path,
        bytes,
        rows: found.rows,
        schema: found.schema,
    })
}

impl PlainFile {
    /// Copies the rows into segments of the frame, which nobody sees yet.
    pub(crate) async fn adopt(&self, log: &FrameLog) -> Result<StagedRows> {
        schema::check(&self.schema)?;
        let (schema, bytes) = named(Arc::clone(&self.schema))?;
        write_schema(log, &schema, Some(bytes)).await?;
        let mut sink = SegmentSink::new(log.clone(), Arc::clone(&self.schema), None)?;
        let file = log.file(self.path.clone(), self.bytes);
        let everything = segment::Rows {
            columns: None,
            offset: 0,
            limit: None,
            hidden: None,
            batch_rows: ADOPTED_BATCH_ROWS,
        };
        let mut batches = segment::read(file, Origin::Plain, &self.schema, everything).await?;
        while let Some(batch) = batches.try_next().await? {
            sink.write(batch).await?;
        }
        let segments = sink.finish().await?;
        Ok(StagedRows { schema, segments })
    }
}
