//! One state of a frame.
//!
//! A snapshot holds one entry of the log: it never changes, and what it names is immutable, so a reader sees one
//! state from the first row to the last, whatever is written meanwhile.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use serde_json::{Map, Value};
use shoots_proto::as_of::AsOf;
use shoots_proto::name::FrameId;

use crate::error::{Cause, Error, Result};
use crate::frame_log::FrameLog;
use crate::index::{KeyRange, KeyValue};
use crate::log::change::{self, Segment};
use crate::log::commit::{Commit, CommitId, Totals};
use crate::log::entry::Entry;
use crate::log::noted::Noted;
use crate::log::seek::Found;
use crate::plain::PlainFile;
use crate::read::{self, Files, ReadOptions, Rows, Source};
use crate::schema::identity;
use crate::sync::beside::Beside;
use crate::sync::promise;
use crate::time::Timestamp;

/// Between which values of the first index column the rows of a state lie; a row stands at each end.
#[derive(Debug, Clone)]
pub struct IndexBounds {
    /// The least value: an array of one, of the column's type.
    pub least: ArrayRef,
    /// The greatest value: an array of one, of the column's type.
    pub greatest: ArrayRef,
}

/// One state of a frame. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    log: FrameLog,
    origin: Origin,
    /// As users see it.
    schema: SchemaRef,
    size: Totals,
    stale: bool,
}

#[derive(Debug, Clone)]
enum Origin {
    Log(Arc<State>),
    Beside(Arc<OutsideLog>),
    Plain(PlainFile),
}

/// The state after a commit that is no version of the log.
#[derive(Debug, Clone)]
struct OutsideLog {
    beside: Beside,
    /// As it is stored.
    schema: SchemaRef,
}

/// A version of the log.
#[derive(Debug, Clone)]
struct State {
    entry: Arc<Entry>,
    version: u64,
    commit: (CommitId, Commit),
    noted: Noted,
    /// As it is stored.
    schema: SchemaRef,
}

impl Snapshot {
    pub(crate) fn of_plain(log: FrameLog, plain: PlainFile) -> Self {
        let size = Totals {
            rows: plain.rows,
            bytes: plain.bytes,
            segments: 1,
            hidden: 0,
        };
        Self {
            log,
            schema: Arc::clone(&plain.schema),
            origin: Origin::Plain(plain),
            size,
            stale: false,
        }
    }

    /// The state at a version; an error if the frame was deleted then.
    pub(crate) async fn at(log: FrameLog, found: Found) -> Result<Self> {
        let Found { entry, version } = found;
        let commit = entry.versions().find(|(of, ..)| *of == version);
        let Some((_, id, commit)) = commit else {
            let problem = format!("it does not hold version {version}");
            let path = log.paths().entry(entry.header.sequence);
            return Err(Error::damaged(path, problem));
        };
        if entry.deleted_at(version) {
            return Err(log.deleted(Found { entry, version }).await);
        }
        let schema = log.schema(&commit.schema).await?.schema;
        let size = size_at(&log, &entry, version).await?;
        let public = identity::public(&schema);
        let state = State {
            version,
            commit: (id.clone(), commit.clone()),
            noted: Noted::at(&entry, version),
            schema,
            entry,
        };
        Ok(Self {
            log,
            origin: Origin::Log(Arc::new(state)),
            schema: public,
            size,
            stale: false,
        })
    }

    /// The state after a commit that is no version of the log.
    pub(crate) async fn beside(log: FrameLog, beside: Beside) -> Result<Self> {
        let schema = log.schema(&beside.commit.schema).await?.schema;
        Ok(Self {
            schema: identity::public(&schema),
            size: change::totals(&beside.segments),
            origin: Origin::Beside(Arc::new(OutsideLog { beside, schema })),
            log,
            stale: false,
        })
    }

    fn state(&self) -> Option<&State> {
        match &self.origin {
            Origin::Log(state) => Some(state),
            Origin::Beside(_) | Origin::Plain(_) => None,
        }
    }

    /// The commit that led here, with its id; a plain file has none.
    fn own_commit(&self) -> Option<(&CommitId, &Commit)> {
        match &self.origin {
            Origin::Log(state) => Some((&state.commit.0, &state.commit.1)),
            Origin::Beside(outside) => Some((&outside.beside.id, &outside.beside.commit)),
            Origin::Plain(_) => None,
        }
    }

    pub(crate) fn marked_stale(self) -> Self {
        Self {
            stale: true,
            ..self
        }
    }

    /// Whether it was taken without asking the storage, so that there may be a newer state; see
    /// [`Frame::cached_snapshot`](crate::Frame::cached_snapshot).
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// The frame that this is a state of.
    #[must_use]
    pub fn frame(&self) -> &FrameId {
        self.log.frame()
    }

    /// The columns, with all metadata that was put.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The columns that the rows are sorted by; none if the frame has no index.
    #[must_use]
    pub fn index(&self) -> &[String] {
        self.own_commit().map_or(&[], |(_, commit)| &commit.index)
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.size.rows
    }

    /// How many bytes the segments have.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.size.bytes
    }

    /// How many segments the rows lie in.
    #[must_use]
    pub fn segment_count(&self) -> u64 {
        self.size.segments
    }

    /// How many rows of the segments are invisible, because they were deleted or replaced.
    #[must_use]
    pub fn hidden_rows(&self) -> u64 {
        self.size.hidden
    }

    /// The version; a plain file has none, and neither has a commit of another store that a merge or a fetch brought.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.state().map(|state| state.version)
    }

    /// The id of the commit that led here; a plain file has none.
    #[must_use]
    pub fn commit(&self) -> Option<String> {
        self.own_commit().map(|(id, _)| id.clone())
    }

    /// What names just this state, as long as it can be read: its version, or its commit. A plain file has no name.
    #[must_use]
    pub fn as_of(&self) -> Option<AsOf> {
        let version = self
            .version()
            .and_then(|version| i64::try_from(version).ok());
        let commit = || self.commit().map(AsOf::Commit);
        version.map(AsOf::Version).or_else(commit)
    }

    /// When this store published it; a plain file never was.
    #[must_use]
    pub fn published(&self) -> Option<Timestamp> {
        self.state().map(|state| state.entry.header.published)
    }

    /// What the last commit up to here that changed rows or columns says about itself.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        match &self.origin {
            Origin::Beside(outside) => outside.beside.commit.message.as_deref(),
            _ => self.state()?.noted.message.as_deref(),
        }
    }

    /// Who made the last commit up to here that changed rows or columns.
    #[must_use]
    pub fn author(&self) -> Option<&str> {
        match &self.origin {
            Origin::Beside(outside) => outside.beside.commit.author.as_deref(),
            _ => self.state()?.noted.author.as_deref(),
        }
    }

    /// What else was kept with the commit that led here.
    #[must_use]
    pub fn metadata(&self) -> Option<&Map<String, Value>> {
        self.own_commit()?.1.metadata.as_ref()
    }

    /// Between which values of the first index column the rows lie; `None` if there is no index, there are no rows,
    /// or the log does not tell exactly. No row is read.
    ///
    /// # Errors
    /// If the list of segments cannot be read.
    pub async fn index_bounds(&self) -> Result<Option<IndexBounds>> {
        let Some(column) = self.index().first() else {
            return Ok(None);
        };
        let Ok(field) = self.schema.field_with_name(column) else {
            return Ok(None);
        };
        let segments = self.segments().await?;
        let Some(range) = exact_range(&self.log, &segments).await? else {
            return Ok(None);
        };
        let array = |key: &[KeyValue]| match key.first() {
            Some(value) => value.to_array(field.data_type()).ok().flatten(),
            None => None,
        };
        let ends = (array(&range.min), array(&range.max));
        let (Some(least), Some(greatest)) = ends else {
            return Ok(None);
        };
        Ok(Some(IndexBounds { least, greatest }))
    }

    /// Starts to read rows.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for a column that there is not, or that is
    /// asked for twice, for a range of a frame without an index, and for bounds that are no values of its first
    /// column.
    pub async fn read(&self, options: ReadOptions) -> Result<Rows> {
        let rows = async { read::read(self.source().await?, options).await };
        match rows.await {
            Ok(rows) => {
                let snapshot = self.clone();
                Ok(rows.explained(move |error| {
                    let snapshot = snapshot.clone();
                    async move { snapshot.explain(error).await }
                }))
            }
            Err(error) => Err(self.explain(error).await),
        }
    }

    /// The error of a read of this state: if it found something missing because the state was given up meanwhile,
    /// that it was.
    pub(crate) async fn explain(&self, error: Error) -> Error {
        match self.state() {
            Some(state) if error.is_missing() => {
                let given_up = self.log.given_up(state.version, &state.commit.0).await;
                match given_up {
                    Some(given_up) => given_up,
                    None => promise::explain(&self.log, &state.entry.state, error).await,
                }
            }
            None if error.is_missing() && self.own_commit().is_some() => self.expired(error).await,
            _ => error,
        }
    }

    /// The error of a read of a commit outside the log that found something missing: it is held by a version, or by what
    /// is known of a remote, and that has gone.
    async fn expired(&self, error: Error) -> Error {
        let (Some(commit), Ok(Some(head))) = (self.commit(), self.log.newest_anew().await) else {
            return error;
        };
        let left = promise::explain(&self.log, &head.entry.state, error).await;
        if !left.is_missing() {
            return left;
        }
        let frame = self.frame();
        let (what, name) = (
            "state",
            format!(
                "after commit {commit} of frame {frame} here: its rows have expired; read it where it was made"
            ),
        );
        Cause::NotFound { what, name }.into()
    }

    /// All that reading needs to know.
    pub(crate) async fn source(&self) -> Result<Source> {
        // Before the list of segments is read, which may itself be swept.
        let reading = self.state().map(|state| {
            let readers = &self.log.shared().readers;
            let frame = &self.log.reader().frame;
            Arc::new(readers.begin(frame, state.version, self.log.now()))
        });
        let (schema, files) = match &self.origin {
            Origin::Plain(plain) => (&plain.schema, Files::Plain(plain.clone())),
            Origin::Log(state) => (&state.schema, Files::Segments(self.segments().await?)),
            Origin::Beside(outside) => (&outside.schema, Files::Segments(self.segments().await?)),
        };
        Ok(Source {
            log: self.log.clone(),
            schema: Arc::clone(schema),
            index: self.index().to_vec(),
            files,
            reading,
        })
    }

    /// The segments that the rows lie in; a plain file has none.
    pub(crate) async fn segments(&self) -> Result<Vec<Segment>> {
        match &self.origin {
            Origin::Log(state) => {
                let list = state.entry.list_through(state.version);
                self.log.checkpoints().segments(list).await
            }
            Origin::Beside(outside) => Ok(outside.beside.segments.clone()),
            Origin::Plain(_) => Ok(Vec::new()),
        }
    }

    pub(crate) fn log(&self) -> &FrameLog {
        &self.log
    }

    pub(crate) fn totals(&self) -> Totals {
        self.size
    }

    /// The entry and the commit of this version; a plain file has none.
    pub(crate) fn place(&self) -> Option<(&Arc<Entry>, &Commit)> {
        self.state().map(|state| (&state.entry, &state.commit.1))
    }
}

/// The least range around all rows, if visible rows stand at both its ends.
async fn exact_range(log: &FrameLog, segments: &[Segment]) -> Result<Option<KeyRange>> {
    let ranges = segments.iter().map(|segment| segment.record.range.clone());
    let Some(Some(all)) = ranges.reduce(|one, other| Some(one?.union(other?))) else {
        return Ok(None);
    };
    let (mut begins, mut ends) = (false, false);
    for segment in segments {
        let Some(range) = &segment.record.range else {
            continue;
        };
        let (first, last) = (
            range.min.first() == all.min.first() && !begins,
            range.max.first() == all.max.first() && !ends,
        );
        begins |= first && is_visible(log, segment, 0).await?;
        ends |= last && is_visible(log, segment, segment.record.rows.saturating_sub(1)).await?;
    }
    Ok((begins && ends).then_some(all))
}

async fn is_visible(log: &FrameLog, segment: &Segment, row: u64) -> Result<bool> {
    Ok(match (&segment.hidden, u32::try_from(row)) {
        (None, _) => true,
        (Some(hidden), Ok(row)) => !hidden.read(log).await?.contains(row),
        (Some(_), Err(_)) => false,
    })
}

/// What the frame held. An older entry says it of its last version only; for the others, segments are counted.
async fn size_at(log: &FrameLog, entry: &Entry, version: u64) -> Result<Totals> {
    if let Some(totals) = entry.totals_at(version) {
        return Ok(totals);
    }
    let list = entry.list_through(version);
    Ok(change::totals(&log.checkpoints().segments(list).await?))
}
