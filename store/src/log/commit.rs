//! What an entry publishes: commits, and the state that they lead to.
//!
//! These types are the records themselves, as JSON. A field that is not known here is refused when it is read:
//! adding one takes a feature name in the header, see [`super::entry`]. No record holds the name of its frame
//! or bucket, so frames can be copied, renamed and sent elsewhere as they are.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::change::Change;
use super::details::Details;
use super::hidden::HiddenRecord;
use super::remembered::Remembered;
use super::tip::Tip;
use crate::index::KeyRange;
use crate::lineage::tracking::Tracking;
use crate::time::Timestamp;

/// Lower-case hexadecimal BLAKE3 hash of a commit's stored line: the same in every store.
pub(crate) type CommitId = String;

/// One change of a frame, immutable, the same in every store that has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Commit {
    /// The commits that this one follows; none for a frame's first.
    pub(crate) parents: Vec<CommitId>,
    /// Hybrid logical time: later than every parent's.
    pub(crate) time: Timestamp,
    /// Recognises this very write when a reply was lost.
    pub(crate) write_id: String,
    pub(crate) operation: Operation,
    /// Hash of the schema of the frame after this commit.
    pub(crate) schema: String,
    /// Columns that the rows are sorted by after this commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) index: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) added: Vec<SegmentRecord>,
    /// Segments that are no part of the frame after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) removed: Vec<String>,
    /// Which rows of segments are invisible after it, in place of what was said about those segments before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) hidden: Vec<HiddenRecord>,
    /// Rows that were visible before it and are not after it. Older commits say 0 when they take the place of all rows
    /// or delete the frame.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) rows_removed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Details>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Map<String, Value>>,
}

impl Commit {
    /// Whether the frame is deleted after it, given whether it was before.
    pub(crate) fn leaves_deleted(&self, before: bool) -> bool {
        match self.operation {
            Operation::Delete | Operation::Purge => true,
            Operation::Merge => self.details.as_ref().is_some_and(|merge| merge.deleted),
            operation => before && operation.keeps_deleted(),
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a commit does to the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    /// The frame begins, or begins again after it was deleted, with the added rows.
    Create,
    /// The frame begins with the rows of a plain file that had its name.
    Adopt,
    /// The added rows follow the present ones.
    Append,
    /// The added rows take the place of all present ones.
    Replace,
    /// The added rows take the place of those in a range of the index, or of those with the same keys.
    Update,
    /// The added rows take the place of those with the same keys.
    Upsert,
    /// Rows in a range of the index, or that fulfil a condition, are gone.
    DeleteRows,
    /// Columns were added, dropped, renamed or widened.
    Alter,
    /// A name was given to a version, or taken back.
    Tag,
    /// The frame has other settings.
    Configure,
    /// The frame is as it was at an older version.
    Restore,
    /// The frame begins with the rows of another frame.
    Copy,
    /// The changes of two histories that went apart have been put in one order.
    Merge,
    /// The same rows in the same order lie in other segments.
    Compact,
    /// Older versions cannot be read any more.
    Expire,
    /// The frame and all its versions are gone for good.
    Purge,
    /// The frame is gone until it is created again or undeleted.
    Delete,
    /// The frame is back as it was before it was deleted.
    Undelete,
}

impl Operation {
    /// Whether the rows before this operation are no part of the frame after it.
    pub(crate) fn clears(self) -> bool {
        match self {
            Self::Create | Self::Adopt | Self::Replace | Self::Restore | Self::Copy => true,
            Self::Append
            | Self::Update
            | Self::Upsert
            | Self::DeleteRows
            | Self::Alter
            | Self::Merge
            | Self::Tag
            | Self::Configure
            | Self::Compact
            | Self::Expire
            | Self::Purge
            | Self::Delete
            | Self::Undelete => false,
        }
    }

    /// Whether a deleted frame stays deleted after it.
    pub(crate) fn keeps_deleted(self) -> bool {
        matches!(
            self,
            Self::Tag | Self::Configure | Self::Expire | Self::Compact
        )
    }

    /// Whether it is about neither rows nor columns.
    pub(crate) fn is_upkeep(self) -> bool {
        matches!(
            self,
            Self::Tag | Self::Configure | Self::Compact | Self::Expire
        )
    }

    /// Its name, as it is recorded.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Adopt => "adopt",
            Self::Append => "append",
            Self::Replace => "replace",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::DeleteRows => "delete_rows",
            Self::Alter => "alter",
            Self::Tag => "tag",
            Self::Configure => "configure",
            Self::Restore => "restore",
            Self::Copy => "copy",
            Self::Merge => "merge",
            Self::Compact => "compact",
            Self::Expire => "expire",
            Self::Purge => "purge",
            Self::Delete => "delete",
            Self::Undelete => "undelete",
        }
    }
}

/// An immutable Parquet file with rows of the frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentRecord {
    /// Its unique name: `segments/<id>.parquet`.
    pub(crate) id: String,
    pub(crate) rows: u64,
    /// Size of the file in bytes.
    pub(crate) bytes: u64,
    /// BLAKE3 hash of the file in lower-case hexadecimal.
    pub(crate) hash: String,
    /// Between which keys its rows lie, if the frame has an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<KeyRange>,
    /// What the end of the file must be; `None`: a file without checksums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) footer: Option<FooterRecord>,
}

/// The end of a segment's file: the checksums of all blocks before it, and Parquet's footer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FooterRecord {
    /// How many bytes it has.
    pub(crate) bytes: u64,
    /// BLAKE3 hash of these bytes in lower-case hexadecimal.
    pub(crate) hash: String,
}

/// All that a reader must know after an entry, but for the segments of its own commits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Hash of the frame's schema: `schemas/<hash>.arrow`.
    pub(crate) schema: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleted: bool,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) segments: u64,
    /// Rows of those segments that are invisible.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) hidden: u64,
    /// Columns that the rows are sorted by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) index: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) properties: BTreeMap<String, Value>,
    /// Versions with a name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, Mark>,
    /// Versions that snapshots of many frames hold on to, by the snapshot's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) pins: BTreeMap<String, Mark>,
    #[serde(default, skip_serializing_if = "Retained::is_all")]
    pub(crate) retained: Retained,
    /// What [`remembered`](Self::remembered) is in older entries.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) requests: VecDeque<Request>,
    /// The latest changes that carried a request id.
    #[serde(default, skip_serializing_if = "Remembered::is_empty")]
    pub(crate) remembered: Remembered,
    /// The segments up to some version: `checkpoints/<hash>.json`. None: there were none, or all are cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checkpoint: Option<String>,
    /// The changes after the checkpoint and before this entry's own commits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tail: Vec<Change>,
    /// What is true after each of this entry's own commits, unless it has just one that says all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) own: Vec<Own>,
    /// The last commit that changed rows or columns, if the header has the feature `lineage`: see [`super::tip`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tip: Option<Tip>,
    /// What is known of the frame at other places, by the name of the remote.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tracking: BTreeMap<String, Tracking>,
}

/// A version of this frame that has a name, or that something holds on to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    pub(crate) version: u64,
    /// The entry that published it.
    pub(crate) sequence: u64,
}

/// Which older versions can still be read, and what is to be removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retained {
    /// The oldest version that is kept, with all later ones; 0: nothing was expired so far. Of older ones only
    /// those that have a tag or a pin are kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) oldest: u64,
    /// Versions after the oldest that were given up one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) forgotten: Vec<u64>,
    /// Versions before the oldest that a mark has kept so far; what they need is looked at again when it is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) held: Vec<Mark>,
    /// Lists of objects that no version needs, with the time from which the sweep may remove them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) condemned: Vec<Condemned>,
    /// Versions that were restored from older ones: they need what the older ones needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) revived: Vec<Mark>,
    /// The frame was deleted so long ago that its rows are gone, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) emptied: bool,
    /// The version that removed the frame for good, the last time; 0: none did. What was begun before it cannot be
    /// published after it: its objects are gone, too.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) purged: u64,
    /// Entries before this one were removed, but for those that a mark needs; 0: none was.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) first_entry: u64,
}

impl Retained {
    fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

/// A list of objects that the sweep removes: `condemned/<hash>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Condemned {
    pub(crate) list: String,
    /// When they were condemned.
    pub(crate) at: Timestamp,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

/// How much a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Totals {
    /// Visible ones.
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) segments: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) hidden: u64,
}

impl Totals {
    /// With more segments, all of whose rows are visible.
    pub(crate) fn with(self, added: &[SegmentRecord]) -> Self {
        added.iter().fold(self, |sum, segment| Self {
            rows: sum.rows + segment.rows,
            bytes: sum.bytes + segment.bytes,
            segments: sum.segments + 1,
            hidden: sum.hidden,
        })
    }
}

/// What this store knows of one of an entry's own commits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Own {
    pub(crate) totals: Totals,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleted: bool,
    /// The list of segments that the commit is applied to, in place of the one before it: what a restore brings back,
    /// or what a commit leaves that removes most of the segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Base>,
    /// What the commit says of segments is not applied: the list after it is the base or, without one, the list
    /// before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unapplied: bool,
    /// The commit came from another store, or is a merge: what it follows was checked when it came.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) foreign: bool,
    /// Bundles with commits that are part of the frame's history from this one on, without being versions here:
    /// `histories/<hash>.jsonl`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<String>,
}

impl Own {
    /// What is known of a commit that was made here, and says itself what it does to the list of segments.
    pub(crate) fn plain(totals: Totals, deleted: bool) -> Self {
        Self {
            totals,
            deleted,
            base: None,
            unapplied: false,
            foreign: false,
            history: Vec::new(),
        }
    }

    /// Whether it says nothing that the state does not say after an entry of one commit.
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::plain(self.totals, self.deleted)
    }

    /// Whether older programs know what it says.
    pub(crate) fn is_local(&self) -> bool {
        !self.unapplied && !self.foreign && self.history.is_empty()
    }
}

/// A list of segments: those of a checkpoint, and the changes since.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Base {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checkpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) changes: Vec<Change>,
}

impl State {
    /// The same state with all that is remembered in one place.
    pub(crate) fn normal(mut self) -> Self {
        self.remembered
            .take_over(std::mem::take(&mut self.requests));
        self
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            rows: self.rows,
            bytes: self.bytes,
            segments: self.segments,
            hidden: self.hidden,
        }
    }

    pub(crate) fn set_totals(&mut self, totals: Totals) {
        self.rows = totals.rows;
        self.bytes = totals.bytes;
        self.segments = totals.segments;
        self.hidden = totals.hidden;
    }

    /// The marks of a version, whatever made them.
    pub(crate) fn marks(&self) -> impl Iterator<Item = Mark> {
        let named = self.tags.values().chain(self.pins.values()).copied();
        named.chain(self.forks())
    }

    /// The versions from which histories at other places go their own way.
    pub(crate) fn forks(&self) -> impl Iterator<Item = Mark> {
        self.tracking.values().filter_map(|tracking| tracking.fork)
    }

    /// Whether a version can be read: it was neither expired nor forgotten.
    pub(crate) fn keeps(&self, version: u64) -> bool {
        let retained = &self.retained;
        let given_up = version < retained.oldest || retained.forgotten.contains(&version);
        !given_up || self.marks().any(|mark| mark.version == version)
    }
}

/// What a change has become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The version that the change got.
    pub version: u64,
    /// Its commit's id: 64 hexadecimal digits.
    pub commit: String,
    /// Rows that it added.
    pub rows: u64,
    /// Bytes of the segments that it added.
    pub bytes: u64,
    /// Rows that were there before and are not after it.
    pub rows_removed: u64,
    /// Rows that the frame has after it.
    pub frame_rows: u64,
    /// Columns that it added to those that the frame had.
    pub columns_added: Vec<String>,
    /// Whether there was no such frame before; settled, and reset, by `put::submit`.
    pub(crate) began: bool,
}

/// A put that carried a request id, and what became of it, as older programs recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// The first 32 hexadecimal digits of the BLAKE3 hash of the caller's id.
    pub(crate) id: String,
    pub(crate) version: u64,
    pub(crate) commit: CommitId,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) rows_removed: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) frame_rows: u64,
}
