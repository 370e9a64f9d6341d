//! What is stored of a snapshot: which version of which frame. It is [`Sealed`].
//!
//! ```text
//! {"shoots":"snapshot","format":1,"id":"…","snapshot":"year end","created":"…","frames":[{"name":"f","version":3,"commit":"…"}]}
//! {"digest":"…"}
//! ```
//!
//! The same bytes stand in two objects: in the attempt, from before any frame is touched until none is, and in the
//! object with the snapshot's name, while the snapshot is visible.

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use shoots_proto::SnapshotName;
use shoots_proto::action::{FrameVersion, SnapshotRecord};
use shoots_proto::name::FrameId;

use crate::error::Result;
use crate::history;
use crate::layout;
use crate::objects::Objects;
use crate::sealed::Sealed;
use crate::time::Timestamp;

/// A snapshot of many frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Under what its frames hold on to their versions. A name can be used again, an id cannot.
    pub(crate) id: String,
    pub(crate) snapshot: SnapshotName,
    pub(crate) created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    pub(crate) frames: Vec<FrameVersion>,
}

impl Sealed for Record {
    const KIND: &'static str = "snapshot";
    const FORMAT: u32 = 1;

    fn belongs_to(&self, object: &Path) -> bool {
        let attempt = layout::snapshot_attempt(&self.snapshot, &self.id);
        [layout::snapshot(&self.snapshot), attempt].contains(object)
    }
}

impl Record {
    pub(crate) fn new(
        id: String,
        snapshot: SnapshotName,
        created: Timestamp,
        message: Option<String>,
        frames: Vec<FrameVersion>,
    ) -> Self {
        Self {
            id,
            snapshot,
            created,
            message,
            frames,
        }
    }

    pub(crate) fn decode(object: &Path, bytes: &[u8]) -> Result<Self> {
        let record = Self::unseal(object, bytes)?;
        layout::check_hex(object, &record.id)?;
        Ok(record)
    }

    /// As users see it.
    pub(crate) fn told(self) -> SnapshotRecord {
        SnapshotRecord {
            snapshot: self.snapshot.to_string(),
            created: history::time(self.created),
            message: self.message,
            frames: self.frames,
        }
    }
}

/// The frame that a version is of.
pub(crate) fn frame_of(version: &FrameVersion) -> FrameId {
    FrameId {
        bucket: version.bucket.clone(),
        name: version.name.clone(),
    }
}

/// The snapshot that is visible under this name.
pub(crate) async fn visible(objects: &Objects, snapshot: &SnapshotName) -> Result<Option<Record>> {
    read(objects, &layout::snapshot(snapshot)).await
}

/// The record in this object.
pub(crate) async fn read(objects: &Objects, object: &Path) -> Result<Option<Record>> {
    let bytes = objects.read(object).await?;
    bytes
        .map(|bytes| Record::decode(object, &bytes))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const GOLDEN: &str = concat!(
        r#"{"shoots":"snapshot","format":1,"id":"0a","snapshot":"year end","#,
        r#""created":"2026-07-25T17:20:00.000000000Z","message":"books closed","#,
        r#""frames":[{"name":"rates","bucket":"nyc","version":3,"commit":"ab"}]}"#,
        "\n",
        r#"{"digest":"DIGEST"}"#,
        "\n"
    );

    fn golden() -> String {
        let line = GOLDEN.split_inclusive('\n').next().unwrap();
        GOLDEN.replace("DIGEST", blake3::hash(line.as_bytes()).to_hex().as_str())
    }

    fn decode(text: &str) -> Result<Record> {
        Record::decode(&Path::from("_snapshots/year end.json"), text.as_bytes())
    }

    #[test]
    fn a_record_has_the_bytes_that_it_has_always_had() {
        let record = decode(&golden()).unwrap();
        assert_eq!(record.message.as_deref(), Some("books closed"));
        assert_eq!(record.frames[0].version, 3);
        assert_eq!(record.seal().unwrap(), golden());
    }

    #[test]
    fn a_record_that_rotted_was_cut_or_is_newer_is_refused() {
        for (changed, kind) in [
            (golden().replace(":3,", ":4,"), ErrorKind::Damaged),
            (golden()[..90].to_owned(), ErrorKind::Damaged),
            (golden().trim_end().to_owned(), ErrorKind::Damaged),
            (
                golden().replace("\"snapshot\",", "\"entry\","),
                ErrorKind::Damaged,
            ),
            (
                golden().replace("format\":1", "format\":2"),
                ErrorKind::Newer,
            ),
            (String::new(), ErrorKind::Damaged),
        ] {
            let error = decode(&changed).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(
                error.to_string().contains("_snapshots/year end.json"),
                "{error}"
            );
        }
    }
}
