//! A frame gets another name: it is copied, and where it was there is a tombstone that says where it went.
//!
//! The tombstone is a delete that takes effect only if nothing was written since the copy; else what is new is copied
//! too, and it is tried again. So no acknowledged write is lost, and a crash in between leaves two frames, never none.
//! The history stays under the old name and can be read there.
//!
//! Undoing the copy would be a write as well, which a full disk refuses like the tombstone, and a process that was killed
//! undoes nothing. So the copy says of which rename it is ([`Begun`]), and the same rename goes on from there when it is
//! made again: by several at once, too. It does not go on if anybody has changed the frame under the new name meanwhile,
//! or if the one under the old name is not the same any more: deleted, and perhaps there again.

use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use shoots_proto::Note;
use shoots_proto::action::NewFrame;
use shoots_proto::name::{BucketName, FrameId, FrameName};

use super::copy::{Copies, CopyFrame, new_frame};
use crate::error::{Cause, ErrorKind, Result};
use crate::frame::Frame;
use crate::frame_log::FrameLog;
use crate::log::commit::{Commit, CommitId, Operation, Published, State};
use crate::log::derive::{Derive, Step};
use crate::log::entry::Entry;
use crate::log::plan::{Proposal, Wish};
use crate::put;

/// How often other writers may come between the copy and the tombstone.
const ATTEMPTS: u32 = 20;
/// Entries that are read ahead when a commit is looked for.
const WANTED: usize = 4;

/// The property of a frame that a rename has begun. Settings of users have other names.
pub(crate) const PROPERTY: &str = "renaming";

/// What the copy that a rename makes says of it: which frame it is to take the place of, and in which state that was.
/// It says so until the frame is changed. Nothing is lost where a program does not know of it and lets it stand.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bucket: Option<BucketName>,
    name: FrameName,
    commit: CommitId,
}

impl Begun {
    fn of(frame: &FrameId, commit: &CommitId) -> Self {
        Self {
            bucket: frame.bucket.clone(),
            name: frame.name.clone(),
            commit: commit.clone(),
        }
    }

    fn said(state: &State) -> Option<Self> {
        let said = state.properties.get(PROPERTY)?;
        serde_json::from_value(said.clone()).ok()
    }
}

/// Whether a frame that a rename has begun is, after such a commit, still what the rename has made of it.
pub(crate) fn leaves_as_begun(operation: Operation) -> bool {
    matches!(operation, Operation::Compact | Operation::Expire)
}

impl Frame {
    /// Gives the frame another name, another bucket, or both. No row is encoded again. The history stays under the
    /// old name, where it can be read `as_of` and be undeleted. A rename that failed half-way, or whose process ended,
    /// goes on when it is made again, unless the frame of the new name was changed meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such frame, [`ErrorKind::AlreadyExists`] if there is a frame of the new
    /// name, [`ErrorKind::Conflict`] if others wrote the frame again and again meanwhile. With any other error there
    /// may be a frame of either name.
    pub async fn rename_to(&self, target: &FrameId) -> Result<NewFrame> {
        self.expect_other(target)?;
        self.adopt().await?;
        // It is more than one change, so that no single one answers a second request.
        let frame = self.clone().request_id(None);
        let log = FrameLog::new(Arc::clone(self.frame_log().shared()), target);
        let mut copied = None;
        let moved = frame.moved(&log, &mut copied).await;
        let (Err(error), Some(copy)) = (&moved, copied) else {
            return Ok(new_frame(target, moved?));
        };
        match error.kind() {
            ErrorKind::NotFound if self.went_to(target).await? => {
                let newest = log.newest().await?.map(|head| head.entry);
                let newest = newest.and_then(|entry| entry.published_at(entry.last_version()));
                Ok(new_frame(target, newest.unwrap_or(copy)))
            }
            ErrorKind::NotFound | ErrorKind::Conflict => {
                // Nobody has asked for a second frame. Unless somebody has written it, it goes.
                let message = format!("{} was not renamed after all", self.id());
                frame.bury(&log, &copy.commit, message).await?;
                moved.map(|moved| new_frame(target, moved))
            }
            _ => Err(Cause::HalfRenamed {
                frame: self.id().to_string(),
                target: target.to_string(),
                error: error.clone(),
            }
            .into()),
        }
    }

    /// Copies and buries until both are of one state. `copied` is the newest copy.
    async fn moved(&self, log: &FrameLog, copied: &mut Option<Published>) -> Result<Published> {
        let target = log.frame();
        let message = || tombstone_to(target);
        if let Some((commit, copy)) = self.begun(log).await? {
            *copied = Some(copy.clone());
            if self.bury(self.frame_log(), &commit, message()).await? {
                return Ok(copy);
            }
        }
        let copies = Copies::default();
        for _ in 0..ATTEMPTS {
            let copy = CopyFrame::of(self, None, copies.clone()).await?;
            let follows = copied.as_ref().map(|copy| copy.commit.clone());
            let commit = copy.commit.clone();
            let begun = Begun::of(self.id(), &commit);
            let copy = copy.following(follows).saying(PROPERTY, &begun)?;
            let published = self.publish_copy(target, copy).await?;
            *copied = Some(published.clone());
            if self.bury(self.frame_log(), &commit, message()).await? {
                return Ok(published);
            }
        }
        let problem = format!("others wrote frame {} while it was renamed", self.id());
        Err(Cause::Conflict(problem).into())
    }

    /// What the same rename has made in the log of its target before, if it did not come to its end and all is as it left
    /// it: the commit of this frame that was copied, and the newest one of the target.
    async fn begun(&self, log: &FrameLog) -> Result<Option<(CommitId, Published)>> {
        let Some(head) = log.newest().await? else {
            return Ok(None);
        };
        let said = Begun::said(&head.entry.state);
        let Some(said) = said.filter(|said| *said == Begun::of(self.id(), &said.commit)) else {
            return Ok(None);
        };
        let changed = |_: &CommitId, commit: &Commit| !leaves_as_begun(commit.operation);
        let last = newest_of(log, Arc::clone(&head.entry), changed).await?;
        let details = last.and_then(|(_, last)| last.details);
        if details.and_then(|details| details.from).as_ref() != Some(&said.commit) {
            return Ok(None);
        }
        let Some(own) = self.frame_log().newest().await? else {
            return Ok(None);
        };
        let ends =
            |id: &CommitId, commit: &Commit| *id == said.commit || commit.leaves_deleted(false);
        let last = newest_of(self.frame_log(), own.entry, ends).await?;
        if last.is_none_or(|(id, _)| id != said.commit) {
            return Ok(None);
        }
        let copy = head.entry.published_at(head.entry.last_version());
        Ok(copy.map(|copy| (said.commit, copy)))
    }

    /// Whether the frame is gone because a rename gave it this name.
    async fn went_to(&self, target: &FrameId) -> Result<bool> {
        let head = self.frame_log().newest().await?;
        let last = head.as_ref().and_then(|head| head.entry.last_commit());
        Ok(last.is_some_and(|(_, last)| {
            let said = last.message.as_deref() == Some(&tombstone_to(target));
            said && last.operation == Operation::Delete
        }))
    }

    /// Deletes a frame if `commit` is its newest, and says whether it was.
    async fn bury(&self, log: &FrameLog, commit: &CommitId, message: String) -> Result<bool> {
        let wish = Wish::Derived(Arc::new(Tombstone { of: commit.clone() }));
        let proposal = self.proposal(wish);
        let note = Note {
            author: proposal.note.author,
            message: Some(message),
            metadata: None,
        };
        let tombstone = Proposal { note, ..proposal };
        let buried = put::try_submit(log, tombstone).await?;
        Ok(buried.is_some())
    }
}

/// What the tombstone of a frame says that is called otherwise now.
fn tombstone_to(target: &FrameId) -> String {
    format!("renamed to {target}")
}

/// The newest commit of a log that is one of those that are looked for, with its id.
async fn newest_of(
    log: &FrameLog,
    head: Arc<Entry>,
    wanted: impl Fn(&CommitId, &Commit) -> bool,
) -> Result<Option<(CommitId, Commit)>> {
    let mut entries = log.reader().walk_back(head, WANTED);
    while let Some(entry) = entries.try_next().await? {
        let mut commits = entry.commits.iter().rev();
        if let Some(found) = commits.find(|(id, commit)| wanted(id, commit)) {
            return Ok(Some(found.clone()));
        }
    }
    Ok(None)
}

/// Deletes a frame, unless it was changed since.
#[derive(Debug)]
struct Tombstone {
    of: CommitId,
}

#[async_trait]
impl Derive for Tombstone {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.live(before)?;
        if entry.last_commit().is_none_or(|(id, _)| *id != self.of) {
            return Ok(None);
        }
        Step::bare(log, entry, Operation::Delete).await.map(Some)
    }
}
