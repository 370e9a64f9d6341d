//! What a transfer is told: where from or to, and how.

use arrow_schema::Schema;
use serde_json::Value;
use shoots_proto::Closed;
use shoots_proto::action::Favour;

use super::peer::Peer;
use super::progress::ProgressSink;
use crate::error::{Error, Result};
use crate::index::Span;
use crate::lineage::record::Listed;

/// Another place that keeps frames, and what it is called here.
#[derive(Debug, Clone, Copy)]
pub struct RemoteEnd<'a> {
    /// Under this name the frames here remember what they know of it.
    pub name: &'a str,
    /// The place.
    pub peer: &'a dyn Peer,
}

/// How frames are cloned.
#[derive(Debug, Clone, Default)]
pub struct CloneOptions {
    /// Only the newest state, without what led to it.
    pub newest_only: bool,
    /// Of the newest state only segments that may hold rows in this range of the index. The others are promised.
    pub range: Option<IndexRange>,
    /// Where progress is told.
    pub progress: ProgressSink,
}

/// How frames are fetched.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    /// Brings the commits, too, that lie before a newest state which was cloned alone, with their rows as far as the
    /// remote keeps them.
    pub unshallow: bool,
    /// Where progress is told.
    pub progress: ProgressSink,
}

/// A range of the first index column, as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexRange {
    /// Where it begins; none: with the first row.
    pub start: Option<Value>,
    /// Where it ends; none: with the last row.
    pub stop: Option<Value>,
    /// Which of the ends belong to it.
    pub closed: Closed,
}

/// How frames are pulled.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// Whether histories that went apart are merged.
    pub merge: bool,
    /// Whose side is taken where they cannot be put together.
    pub favour: Option<Favour>,
    /// Where progress is told.
    pub progress: ProgressSink,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self {
            merge: true,
            favour: None,
            progress: ProgressSink::default(),
        }
    }
}

/// Which segments are wanted.
pub(super) struct Wanted(Option<Span>);

impl Wanted {
    /// Those that may hold rows in a range of the index of a frame with this index and schema.
    pub(super) fn new(
        range: Option<&IndexRange>,
        index: &[String],
        schema: &Schema,
    ) -> Result<Self> {
        let Some(range) = range else {
            return Ok(Self(None));
        };
        let column = index
            .first()
            .and_then(|name| schema.field_with_name(name).ok());
        let Some(column) = column else {
            let problem = "the frame has no index, so there is no range of it";
            return Err(Error::invalid("start", problem));
        };
        let (start, stop) = (range.start.as_ref(), range.stop.as_ref());
        Span::parse(column, start, stop, range.closed).map(|span| Self(Some(span)))
    }

    pub(super) fn holds(&self, listed: &Listed) -> bool {
        match (&self.0, &listed.segment.range) {
            (Some(span), Some(range)) => !span.excludes(range),
            _ => true,
        }
    }
}
