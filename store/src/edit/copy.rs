//! A frame begins with the rows of another one, none of which is encoded again.
//!
//! Frames refer only to their own objects, so a copy has its own: the storage copies them itself, and a local disk
//! just gives each file a second name. Segments and deletion vectors get fresh ids: under their old ones they might have
//! been in the target before, and an earlier life of the target may have condemned them. Schemas keep their names, which
//! say their content. All of it is durable before the one commit that refers to it.
//!
//! Settings, such as how long versions are kept, go along. Tags do not: they name versions, and the copy is one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use serde::Serialize;
use serde_json::{Value, json};
use shoots_proto::action::NewFrame;
use shoots_proto::as_of::AsOf;
use shoots_proto::name::FrameId;

use super::rename;
use crate::error::{Cause, Error, Result};
use crate::frame::Frame;
use crate::frame_log::{FrameLog, Freshness};
use crate::layout::FramePaths;
use crate::log::change::Segment;
use crate::log::commit::{CommitId, Operation, Published, Totals};
use crate::log::derive::{Derive, StateEdit, Step};
use crate::log::details::Details;
use crate::log::entry::Entry;
use crate::log::plan::Wish;
use crate::plain;
use crate::put;
use crate::sync::promise;

/// Objects that are copied at the same time.
const PARALLEL_COPIES: usize = 16;

impl Frame {
    /// Makes a frame with the rows of a state of this one; none: the newest. No row is encoded again, and what becomes
    /// of either frame later does not touch the other.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such frame or version,
    /// [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists) if there is a frame of the new name,
    /// [`ErrorKind::Promised`](crate::ErrorKind::Promised) if rows of it were left at a remote.
    pub async fn copy_to(&self, target: &FrameId, as_of: Option<&AsOf>) -> Result<NewFrame> {
        self.expect_other(target)?;
        self.adopt().await?;
        let copy = CopyFrame::of(self, as_of, Copies::default()).await?;
        let published = self.publish_copy(target, copy).await?;
        Ok(new_frame(target, published))
    }

    pub(super) fn expect_other(&self, target: &FrameId) -> Result<()> {
        self.frame_log().shared().check_writable()?;
        if target == self.id() {
            let problem = format!("{target} is where the frame is: give another name or bucket");
            return Err(Error::invalid("new_name", problem));
        }
        Ok(())
    }

    /// Publishes a copy in the log of its frame.
    pub(super) async fn publish_copy(
        &self,
        target: &FrameId,
        copy: CopyFrame,
    ) -> Result<Published> {
        let log = FrameLog::new(Arc::clone(self.frame_log().shared()), target);
        let wish = Wish::Derived(Arc::new(copy));
        put::submit(&log, self.proposal(wish)).await
    }
}

pub(super) fn new_frame(target: &FrameId, published: Published) -> NewFrame {
    NewFrame {
        name: target.name.clone(),
        bucket: target.bucket.clone(),
        version: published.version,
        commit: published.commit,
        rows: published.frame_rows,
    }
}

/// The objects that have a copy in the target, by their ids, and what it is called there.
#[derive(Debug, Clone, Default)]
pub(super) struct Copies(Arc<Mutex<HashMap<String, String>>>);

impl Copies {
    fn get(&self, id: &str) -> Option<String> {
        let copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        copies.get(id).cloned()
    }

    fn keep(&self, id: &str, copy: &str) {
        let mut copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        copies.insert(id.to_owned(), copy.to_owned());
    }
}

/// A state of one frame that becomes the newest one of another.
#[derive(Debug)]
pub(super) struct CopyFrame {
    source: FrameLog,
    /// The commit that led to the state.
    pub(super) commit: CommitId,
    schema: String,
    index: Vec<String>,
    segments: Vec<Segment>,
    totals: Totals,
    properties: BTreeMap<String, Value>,
    copies: Copies,
    /// The newest commit of the target, if that is a copy made before; none: there must be no target.
    follows: Option<CommitId>,
}

impl CopyFrame {
    /// A state of a frame with a log, as it is to be copied. What `copies` has is not copied again.
    pub(super) async fn of(frame: &Frame, as_of: Option<&AsOf>, copies: Copies) -> Result<Self> {
        let log = frame.frame_log();
        let snapshot = frame.snapshot_with(as_of, Freshness::AsOfNow).await?;
        let head = log.newest().await?.ok_or_else(|| log.not_found())?;
        let Some(id) = snapshot.commit() else {
            return Err(log.not_found());
        };
        let Some((_, commit)) = snapshot.place() else {
            let problem = "leads to a commit that is no version here, so its state can be read and not copied: give a version, or clone the frame from the remote under another name";
            return Err(Error::invalid("as_of", problem));
        };
        let segments = snapshot.segments().await?;
        promise::expect_all(log, &head.entry.state, &segments).await?;
        let mut properties = head.entry.state.properties.clone();
        properties.remove(promise::PROPERTY);
        properties.remove(rename::PROPERTY);
        Ok(Self {
            source: log.clone(),
            commit: id,
            schema: commit.schema.clone(),
            index: commit.index.clone(),
            segments,
            totals: snapshot.totals(),
            properties,
            copies,
            follows: None,
        })
    }

    /// The same, to take the place of an earlier copy.
    pub(super) fn following(self, copy: Option<CommitId>) -> Self {
        Self {
            follows: copy,
            ..self
        }
    }

    /// The same, with something among the properties of the copy that its source has not.
    pub(super) fn saying(mut self, property: &str, said: &impl Serialize) -> Result<Self> {
        let said = serde_json::to_value(said);
        let said = said.map_err(|error| Error::io("encoding a property", error))?;
        self.properties.insert(property.to_owned(), said);
        Ok(self)
    }

    async fn check_target(&self, log: &FrameLog, before: Option<&Entry>) -> Result<()> {
        let lives = match (before, &self.follows) {
            (before, Some(expected)) => {
                let last = before.and_then(Entry::last_commit).map(|(id, _)| id);
                if last == Some(expected) {
                    return Ok(());
                }
                let problem = format!("another writer changed frame {} meanwhile", log.frame());
                return Err(Cause::Conflict(problem).into());
            }
            (Some(entry), None) => !entry.state.deleted,
            (None, None) => plain::find(log).await?.is_some(),
        };
        if lives {
            let (what, name) = ("frame", log.frame().to_string());
            return Err(Cause::AlreadyExists { what, name }.into());
        }
        Ok(())
    }

    /// The segments as those of the target, to which they belong from `version` on. They are durable there.
    async fn copied(&self, target: &FrameLog, version: u64) -> Result<Vec<Segment>> {
        let copies: Vec<_> = self
            .segments
            .iter()
            .map(|segment| self.copied_segment(target, segment, version))
            .collect();
        let segments = stream::iter(copies).buffered(PARALLEL_COPIES);
        let segments: Vec<Segment> = segments.try_collect().await?;
        let (from, to) = (self.source.paths(), target.paths());
        let hashes = self.segments.iter().map(|segment| &*segment.schema);
        let hashes: BTreeSet<&str> = hashes.chain([self.schema.as_str()]).collect();
        let schemas: Vec<_> = hashes
            .into_iter()
            .map(|hash| copy_object(target, from.schema(hash), to.schema(hash)))
            .collect();
        let schemas = stream::iter(schemas).buffer_unordered(PARALLEL_COPIES);
        schemas.try_collect::<()>().await?;
        Ok(segments)
    }

    async fn copied_segment(
        &self,
        target: &FrameLog,
        segment: &Segment,
        version: u64,
    ) -> Result<Segment> {
        let mut copy = segment.clone();
        copy.version = version;
        let path = FramePaths::segment;
        copy.record.id = self.copy(target, &segment.record.id, path).await?;
        if let Some(hidden) = &segment.hidden {
            let mut hidden = hidden.as_ref().clone();
            hidden.segment.clone_from(&copy.record.id);
            if let Some(vector) = &mut hidden.vector {
                vector.id = self.copy(target, &vector.id, FramePaths::vector).await?;
            }
            copy.hidden = Some(Arc::new(hidden));
        }
        Ok(copy)
    }

    /// Copies an object with a unique name, unless that was done before, and gives its id in the target.
    async fn copy(
        &self,
        target: &FrameLog,
        id: &str,
        path: impl Fn(&FramePaths, &str) -> Path,
    ) -> Result<String> {
        if let Some(copy) = self.copies.get(id) {
            return Ok(copy);
        }
        let copy = target.unique_id();
        let (from, to) = (path(self.source.paths(), id), path(target.paths(), &copy));
        copy_object(target, from, to).await?;
        self.copies.keep(id, &copy);
        Ok(copy)
    }

    /// The settings that the target has afterwards are those of the source, whatever it had in an earlier life.
    fn property_edits(&self, before: Option<&Entry>) -> Vec<StateEdit> {
        let old = before
            .iter()
            .flat_map(|entry| entry.state.properties.keys());
        let dropped = old.filter(|key| !self.properties.contains_key(*key));
        let dropped = dropped.map(|key| StateEdit::Property(key.clone(), Value::Null));
        let set = self.properties.iter();
        let set = set.map(|(key, value)| StateEdit::Property(key.clone(), value.clone()));
        dropped.chain(set).collect()
    }
}

#[async_trait]
impl Derive for CopyFrame {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        self.check_target(log, before).await?;
        let begins = before.is_none_or(|entry| entry.state.deleted);
        put::create_bucket(log, begins).await?;
        let version = before.map_or(1, |entry| entry.last_version() + 1);
        let segments = self.copied(log, version).await?;
        let list = log.checkpoints().list_of(&segments).await?;
        let schema = log.schema(&self.schema).await?;
        Ok(Some(Step {
            index: self.index.clone(),
            base: Some(list),
            details: Details {
                from: Some(self.commit.clone()),
                ..Details::default()
            },
            edits: self.property_edits(before),
            ..Step::new(Operation::Copy, schema, self.totals)
        }))
    }

    fn asked(&self) -> Value {
        // A copy of the newest state is a copy of another one when it is tried again.
        json!(["copy", self.source.frame().to_string()])
    }
}

async fn copy_object(log: &FrameLog, from: Path, to: Path) -> Result<()> {
    let copied = log.objects().copy_immutable(&from, &to).await?;
    copied.ok_or_else(|| Error::missing(from))
}
