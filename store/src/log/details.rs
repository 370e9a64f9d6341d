//! What a commit was asked to do, beyond the rows that it added.
//!
//! The segments and deletion vectors of a commit say what became of one store's rows. These say what was meant, so
//! that the change can be understood, and replayed on other rows when histories are merged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::commit::CommitId;
use crate::index::Span;

/// What an operation was given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Details {
    /// `update`, `delete_rows`: the range of the first index column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) span: Option<Span>,
    /// `update`: only rows with the keys of the added ones were replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) keys: bool,
    /// `delete_rows`: the condition, as its author wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<String>,
    /// `upsert`: the columns that were given; all of them if this is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) given: Vec<String>,
    /// `alter`: what was done to the columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) columns: Option<ColumnChanges>,
    /// `tag`: what the name stands for; none: nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<TagChange>,
    /// `configure`: settings; null: back to the default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) properties: BTreeMap<String, Value>,
    /// `restore`, `copy`: the commit whose state this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<CommitId>,
    /// `merge`: the commit whose side was taken where the two could not be put together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) settled: Option<CommitId>,
    /// `merge`: the frame is deleted after it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleted: bool,
    /// `expire`: the oldest version that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) oldest: Option<u64>,
}

/// What was done to a frame's columns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnChanges {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) added: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) dropped: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) renamed: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) widened: Vec<String>,
}

/// A name that a version got or lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TagChange {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<CommitId>,
    /// A snapshot of many frames gave it, not a tag.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) pin: bool,
}
