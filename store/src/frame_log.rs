//! One frame's log together with what the process keeps in memory for it.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use shoots_proto::as_of::AsOf;
use shoots_proto::name::FrameId;

use crate::error::{Cause, Error, Result};
use crate::layout::FramePaths;
use crate::log::checkpoint::Checkpoints;
use crate::log::commit::{Commit, Published, SegmentRecord};
use crate::log::entry::Entry;
use crate::log::head::{Head, LogReader};
use crate::log::plan::{NamedSchema, Proposal};
use crate::log::seek::Found;
use crate::objects::Objects;
use crate::read::ReadWatch;
use crate::schema;
use crate::segment::ObjectReader;
use crate::shared::Shared;
use crate::time::Timestamp;

/// So many entries are looked into for the one that deleted a frame.
const DELETION_ENTRIES: usize = 32;

/// How new the newest entry has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// There was no newer one when the call began.
    AsOfNow,
    /// As the store's `max_staleness` has it.
    Tolerant,
    /// The newest one that this process has seen, however long ago. Only for what is judged again when it is
    /// published.
    Remembered,
}

/// Reads and extends one frame's log. Cheap to make and to clone.
#[derive(Debug, Clone)]
pub(crate) struct FrameLog {
    shared: Arc<Shared>,
    reader: LogReader,
    /// Is told what reading segments costs.
    watch: Option<Arc<dyn ReadWatch>>,
    /// Whether decoded rows are kept for the next reader.
    keeps_rows: bool,
}

impl FrameLog {
    pub(crate) fn new(shared: Arc<Shared>, frame: &FrameId) -> Self {
        let reader = LogReader {
            frame: Arc::new(frame.clone()),
            objects: shared.objects.clone(),
            paths: FramePaths::new(frame),
        };
        Self {
            shared,
            reader,
            watch: None,
            keeps_rows: false,
        }
    }

    /// The same log, whose segments tell what reading them costs.
    pub(crate) fn watched(self, watch: Option<Arc<dyn ReadWatch>>) -> Self {
        Self { watch, ..self }
    }

    /// The same log, whose segments leave decoded rows for whoever reads them next.
    pub(crate) fn keeping_rows(self) -> Self {
        Self {
            keeps_rows: true,
            ..self
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn frame(&self) -> &FrameId {
        &self.reader.frame
    }

    pub(crate) fn reader(&self) -> &LogReader {
        &self.reader
    }

    pub(crate) fn paths(&self) -> &FramePaths {
        &self.reader.paths
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.reader.objects
    }

    /// A reader of one of the frame's segments.
    pub(crate) fn segment(&self, record: &SegmentRecord) -> ObjectReader {
        self.file(self.paths().segment(&record.id), record.bytes)
            .near(self.shared.space.is_some())
            .checked(record.footer.as_ref())
            .remembering(&self.shared.footers)
            .keeping(self.shared.rows.as_ref().filter(|_| self.keeps_rows))
    }

    /// A reader of a file that anybody may have written, and may replace.
    pub(crate) fn file(&self, path: Path, bytes: u64) -> ObjectReader {
        let objects = self.objects();
        ObjectReader::new(Arc::clone(objects.inner()), path, bytes)
            .counting(objects.segment_traffic())
            .watched(self.watch.clone())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.environment.now()
    }

    /// For telling what is old enough to be removed for good.
    pub(crate) fn cautious_now(&self) -> Timestamp {
        self.shared.environment.cautious_now()
    }

    /// A fresh name or id: 32 hexadecimal digits.
    pub(crate) fn unique_id(&self) -> String {
        format!("{:032x}", self.shared.environment.unique())
    }

    pub(crate) fn checkpoints(&self) -> Checkpoints {
        let cache = self.shared.checkpoints.clone();
        Checkpoints::new(
            self.objects().clone(),
            self.paths().clone(),
            cache,
            Arc::clone(&self.shared.environment),
        )
    }

    /// The newest entry that this process has seen, without looking.
    pub(crate) fn remembered_head(&self) -> Option<Head> {
        self.shared.heads.get(self.frame())
    }

    /// The newest entry there is at the time of the call.
    pub(crate) async fn newest(&self) -> Result<Option<Head>> {
        let known = self.remembered_head().map(|head| head.entry);
        self.confirm(known).await
    }

    /// The newest entry for a reader, which may have been confirmed as long ago as the store was told to tolerate.
    /// Writers use [`newest`](Self::newest).
    pub(crate) async fn newest_for(&self, freshness: Freshness) -> Result<Option<Head>> {
        match self.remembered_head() {
            Some(head) if self.is_fresh(&head, freshness) => Ok(Some(head)),
            _ => self.newest().await,
        }
    }

    fn is_fresh(&self, head: &Head, freshness: Freshness) -> bool {
        match freshness {
            Freshness::AsOfNow => false,
            Freshness::Tolerant => self.is_tolerable(head),
            Freshness::Remembered => true,
        }
    }

    fn is_tolerable(&self, head: &Head) -> bool {
        let age = self
            .now()
            .nanoseconds()
            .checked_sub(head.confirmed.nanoseconds());
        let age = age.and_then(|age| u128::try_from(age).ok());
        // A clock that was set back says nothing about the age.
        age.is_some_and(|age| age < self.shared.max_staleness.as_nanos())
    }

    /// The newest entry, at least the one that is given.
    pub(crate) async fn newest_from(&self, known: Arc<Entry>) -> Result<Option<Head>> {
        self.confirm(Some(known)).await
    }

    async fn confirm(&self, known: Option<Arc<Entry>>) -> Result<Option<Head>> {
        let confirmed = self.now();
        let newest = self.reader.newest(known).await?;
        Ok(newest.map(|entry| self.remember(entry, confirmed)))
    }

    /// What a writer that remembers this head may publish after: the same, if its entry is where it was. Nothing, if the
    /// log was purged.
    ///
    /// An entry after one that is gone would hide that; and another writer may have published its number again. Only a
    /// disk is asked: files are removed by hand there, and looking is nothing beside a write. In an object store it would
    /// be one more request for each put.
    pub(crate) async fn attested(&self, head: Head) -> Result<Option<Head>> {
        if self.shared.disk.is_none() {
            return Ok(Some(head));
        }
        let sequence = head.entry.header.sequence;
        let path = self.paths().entry(sequence);
        match self.objects().read(&path).await? {
            Some(bytes) if head.entry.is_in(&bytes) => return Ok(Some(head)),
            Some(_) => {
                let problem = "it is not the entry that this server has seen there: another was published in its place";
                return Err(Error::damaged(path, problem));
            }
            None => {}
        }
        let confirmed = self.now();
        match self.reader.newest(None).await? {
            Some(newer) if newer.header.sequence > sequence => {
                Ok(Some(self.remember(newer, confirmed)))
            }
            Some(_) => Err(Error::missing(path)),
            None => {
                self.forget_head();
                Ok(None)
            }
        }
    }

    /// Forgets what is known of the newest entry.
    pub(crate) fn forget_head(&self) {
        self.shared.heads.remove(self.frame());
    }

    /// Notes an entry that this process has just created.
    pub(crate) fn remember_head(&self, entry: Arc<Entry>) {
        let now = self.now();
        self.shared.touched.note(self.frame(), now);
        self.remember(entry, now);
    }

    fn remember(&self, entry: Arc<Entry>, confirmed: Timestamp) -> Head {
        let head = Head { entry, confirmed };
        let heads = &self.shared.heads;
        let sequence = head.entry.header.sequence;
        let newer_known = heads
            .get(self.frame())
            .is_some_and(|known| known.entry.header.sequence > sequence);
        if !newer_known {
            heads.insert(self.frame().clone(), head.clone());
        }
        head
    }

    /// Says where the newest entry is, for processes that start. Nothing depends on it.
    pub(crate) async fn write_hint(&self, sequence: u64) {
        let path = self.paths().hint();
        let bytes = sequence.to_string().into();
        if let Err(error) = self.objects().overwrite_hint(&path, bytes).await {
            tracing::debug!(%error, "the hint of frame {} was not written", self.frame());
        }
    }

    /// The schema with this hash.
    pub(crate) async fn schema(&self, hash: &str) -> Result<NamedSchema> {
        let named = |schema| NamedSchema {
            hash: hash.into(),
            schema,
        };
        if let Some(schema) = self.shared.schemas.get(hash) {
            return Ok(named(schema));
        }
        let path = self.paths().schema(hash);
        let bytes = self.objects().read(&path).await?;
        let bytes = bytes.ok_or_else(|| Error::missing(&path))?;
        let schema = Arc::new(schema::decode(hash, &bytes)?);
        self.shared
            .schemas
            .insert(hash.to_owned(), Arc::clone(&schema));
        Ok(named(schema))
    }

    /// A schema of the frame, whose object is durable when this returns.
    pub(crate) async fn keep_schema(&self, schema: SchemaRef) -> Result<NamedSchema> {
        let file = schema::encode(&schema)?;
        let named = NamedSchema {
            hash: file.hash.into(),
            schema,
        };
        let path = self.paths().schema(&named.hash);
        self.objects().create_immutable(&path, file.bytes).await?;
        let cached = Arc::clone(&named.schema);
        self.shared.schemas.insert(named.hash.to_string(), cached);
        Ok(named)
    }

    /// Puts back the object of a schema that the frame is remembered to have, if it is gone: people remove files. As with
    /// [`attested`](Self::attested), only a disk is asked. Bytes that would not have the name which the log says are not
    /// written: a program whose bytes were others wrote the schema.
    pub(crate) async fn put_back_schema(&self, known: &NamedSchema) -> Result<()> {
        let path = self.paths().schema(&known.hash);
        match &self.shared.disk {
            Some(disk) if !disk.may_be_file(&path).await => {}
            _ => return Ok(()),
        }
        let file = schema::encode(&known.schema)?;
        if *file.hash != *known.hash {
            return Err(Error::missing(path));
        }
        self.objects().create_immutable(&path, file.bytes).await
    }

    /// The name of a schema that the frame has.
    pub(crate) fn named_schema(&self, schema: &SchemaRef) -> Result<NamedSchema> {
        let file = schema::encode(schema)?;
        Ok(NamedSchema {
            hash: file.hash.into(),
            schema: Arc::clone(schema),
        })
    }

    /// Removes segments that no entry has ever referred to and none will.
    pub(crate) async fn discard(&self, segments: &[String]) -> Result<()> {
        for id in segments {
            self.objects().remove(&self.paths().segment(id)).await?;
        }
        Ok(())
    }

    /// Removes them as far as that can be done: what is left waits for the sweep. So whoever has failed before says why.
    pub(crate) async fn let_go(&self, segments: &[String]) {
        if let Err(error) = self.discard(segments).await {
            tracing::debug!(%error, "segments of frame {} are left for the sweep", self.frame());
        }
    }

    /// The newest entry of a frame that must exist and not be deleted.
    pub(crate) fn live<'a>(&self, before: Option<&'a Entry>) -> Result<&'a Entry> {
        let live = before.filter(|entry| !entry.state.deleted);
        live.ok_or_else(|| self.not_found())
    }

    /// The newest entry of a frame that must have been.
    pub(crate) fn known<'a>(&self, before: Option<&'a Entry>) -> Result<&'a Entry> {
        before.ok_or_else(|| self.not_found())
    }

    pub(crate) fn not_found(&self) -> Error {
        let (what, name) = ("frame", self.frame().to_string());
        Cause::NotFound { what, name }.into()
    }

    /// That there is no frame at a version, because it was deleted then or before: with the version that deleted it,
    /// unless that is long ago.
    pub(crate) async fn deleted(&self, at: Found) -> Error {
        let frame = self.frame();
        let name = match self.deletion(at).await {
            Some(version) => format!("{frame} (deleted in version {version})"),
            None => format!("{frame} (deleted)"),
        };
        let what = "frame";
        Cause::NotFound { what, name }.into()
    }

    /// The version that deleted the frame. A deleted frame can still be tagged, for example.
    async fn deletion(&self, at: Found) -> Option<u64> {
        let deletes = |commit: &Commit| commit.leaves_deleted(false);
        let mut entries = self.reader.walk_back(at.entry, 1).take(DELETION_ENTRIES);
        // This is for an error, and another one on the way to it says less.
        while let Ok(Some(entry)) = entries.try_next().await {
            let until = entry.versions().filter(|(of, ..)| *of <= at.version);
            if let Some((version, ..)) = until.filter(|(.., commit)| deletes(commit)).last() {
                return Some(version);
            }
        }
        None
    }

    /// The version that `as_of` means, given the newest entry; none: the newest one.
    pub(crate) async fn seek(&self, head: &Entry, as_of: Option<&AsOf>) -> Result<Found> {
        let head = Arc::new(head.clone());
        match as_of {
            None => Ok(Found::newest(head)),
            Some(as_of) => self.reader.seek(head, as_of).await,
        }
    }

    /// What the caller heard whose change became this version.
    pub(crate) async fn published(&self, head: &Arc<Entry>, version: u64) -> Result<Published> {
        let found = self.reader.locate(Arc::clone(head), version).await;
        let published = match found {
            Ok(entry) => entry.published_at(version),
            Err(error) if error.is_of_the_storage() || head.state.keeps(version) => {
                return Err(error);
            }
            Err(_) => None,
        };
        published.ok_or_else(|| {
            let problem = format!(
                "the change was made in version {version}, which is no longer kept: give a new change an id of its own"
            );
            Error::invalid("request_id", problem)
        })
    }

    /// An error that says so if a version was given up by now: expired, forgotten or purged. For readers of it that
    /// find something missing.
    pub(crate) async fn given_up(&self, version: u64, commit: &str) -> Option<Error> {
        let how = match self.newest_anew().await.ok()? {
            None => Some("purged"),
            Some(head) => {
                let state = &head.entry.state;
                if version < state.retained.purged || version > head.entry.last_version() {
                    Some("purged")
                } else if !state.keeps(version) {
                    Some("expired")
                } else {
                    // What was purged with its whole log, and came back, counts from one.
                    let entry = self.reader.locate(head.entry, version).await.ok()?;
                    let same = entry
                        .versions()
                        .any(|(of, id, _)| of == version && *id == *commit);
                    (!same).then_some("purged")
                }
            }
        };
        let frame = self.frame().to_string();
        Some(
            Cause::GivenUp {
                version,
                frame,
                how: how?,
            }
            .into(),
        )
    }

    /// The newest entry, whatever this process remembers: entries that it has seen may be gone.
    pub(crate) async fn newest_anew(&self) -> Result<Option<Head>> {
        self.forget_head();
        self.newest().await
    }

    /// Publishes a change and waits until it is durable; `None` if there was nothing to change.
    pub(crate) async fn submit(&self, proposal: Proposal) -> Result<Option<Published>> {
        self.shared.publisher.submit(self, proposal).await
    }
}
