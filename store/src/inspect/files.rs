//! The files in which the rows of a state lie, for people and programs that read Parquet themselves.
//!
//! A file may hold rows that are no part of the state, and columns under names that they had when it was written. The
//! keys are those that the log knows: of all rows of the file, hidden ones too, and of long text only the beginning.

use shoots_proto::action::{FileRecord, FilesResult};
use shoots_proto::as_of::AsOf;

use super::{index_types, readable};
use crate::error::Result;
use crate::frame::Frame;
use crate::read::Files;

impl Frame {
    /// The files of a state; none: the newest. They stay where they are as long as the version is kept.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such frame or version.
    pub async fn files(&self, as_of: Option<&AsOf>) -> Result<FilesResult> {
        let source = self.snapshot(as_of).await?.source().await?;
        let types = index_types(&source.schema, &source.index)?;
        let paths = self.frame_log().paths();
        let files = match &source.files {
            Files::Plain(plain) => vec![FileRecord {
                path: plain.path.to_string(),
                rows: plain.rows,
                hidden_rows: 0,
                bytes: plain.bytes,
                hash: None,
                min: None,
                max: None,
            }],
            Files::Segments(segments) => segments
                .iter()
                .map(|segment| {
                    let record = &segment.record;
                    let range = record.range.as_ref().filter(|_| !types.is_empty());
                    FileRecord {
                        path: paths.segment(&record.id).to_string(),
                        rows: segment.visible_rows(),
                        hidden_rows: segment.hidden_rows(),
                        bytes: record.bytes,
                        hash: Some(record.hash.clone()),
                        min: range.map(|range| readable(&range.min, &types)),
                        max: range.map(|range| readable(&range.max, &types)),
                    }
                })
                .collect(),
        };
        Ok(FilesResult { files })
    }
}
