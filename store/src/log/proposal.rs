//! What waits to be published: changes of every kind, as they were wished for.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use serde_json::{Value, json};
use shoots_proto::{Note, PutMode};

use super::commit::SegmentRecord;
use super::derive::Derive;
use super::foreign::Foreign;
use super::remembered::RequestKey;
use crate::time::Timestamp;

/// A change that waits to be published. Its segments are durable.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    pub(crate) wish: Wish,
    pub(crate) write_id: String,
    /// The caller's request id, and what it was given for.
    pub(crate) request: Option<RequestKey>,
    /// The newest version when rows began to be written for it; none: it has no rows.
    pub(crate) basis: Option<u64>,
    /// When it was seen that the frame has no log, if that was so.
    pub(crate) absent: Option<Timestamp>,
    /// What the metadata of the newest commit has to say under a key; none: whatever it says.
    pub(crate) expected: Option<(String, Value)>,
    /// What people say about it.
    pub(crate) note: Note,
}

#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Put(Box<PutWish>),
    Delete {
        /// The plain file's rows, if the frame is one that was never written.
        adopt: Option<Rows>,
    },
    Undelete,
    /// A frame that was only a plain file gets a log, and these rows.
    Adopt(Rows),
    /// A change that is worked out from the newest state.
    Derived(Arc<dyn Derive>),
    /// Commits of another store.
    Foreign(Arc<Foreign>),
}

impl Wish {
    /// What tells it from other changes, whatever the frame holds. Puts say more of themselves: see [`crate::put`].
    pub(crate) fn asked(&self) -> Value {
        match self {
            Self::Put(_) | Self::Adopt(_) | Self::Foreign(_) => Value::Null,
            Self::Delete { .. } => json!(["delete"]),
            Self::Undelete => json!(["undelete"]),
            Self::Derived(change) => change.asked(),
        }
    }
}

/// Rows to be put in mode `error`, `append` or `replace`.
#[derive(Debug, Clone)]
pub(crate) struct PutWish {
    pub(crate) mode: PutMode,
    /// Columns that the rows are sorted by.
    pub(crate) index: Vec<String>,
    pub(crate) rows: Rows,
    /// The plain file's rows, if the frame is one that was never written.
    pub(crate) adopt: Option<Rows>,
}

/// Rows that lie in segments, and the schema that the frame has when they are in it.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) schema: NamedSchema,
    pub(crate) segments: Vec<SegmentRecord>,
}

impl Rows {
    /// The segments' ids.
    pub(crate) fn ids(&self) -> impl Iterator<Item = String> {
        self.segments.iter().map(|segment| segment.id.clone())
    }
}

/// A schema and the hash that names its object.
#[derive(Debug, Clone)]
pub(crate) struct NamedSchema {
    pub(crate) hash: Arc<str>,
    pub(crate) schema: SchemaRef,
}
