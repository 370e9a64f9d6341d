//! A frame gets another name: it is copied, and where it was there is a tombstone that says where it went.
//!
//! The tombstone is a delete that takes effect only if nothing was written since the copy; else what is new is copied
//! too, and it is tried again. So no acknowledged write is lost, and a crash in between leaves two frames, never none.
//! The history stays under the old name and can be read there.

use std::sync::Arc;

use async_trait::async_trait;
use shoots_proto::Note;
use shoots_proto::action::NewFrame;
use shoots_proto::name::FrameId;

use super::copy::{Copies, CopyFrame, new_frame};
use crate::error::{Cause, ErrorKind, Result};
use crate::frame::Frame;
use crate::frame_log::FrameLog;
use crate::log::commit::{CommitId, Operation, Published};
use crate::log::derive::{Derive, Step};
use crate::log::entry::Entry;
use crate::log::plan::{Proposal, Wish};
use crate::put;

/// How often other writers may come between the copy and the tombstone.
const ATTEMPTS: u32 = 20;

impl Frame {
    /// Gives the frame another name, another bucket, or both. No row is encoded again. The history stays under the
    /// old name, where it can be read `as_of` and be undeleted.
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
        let mut copied = None;
        let moved = frame.moved(target, &mut copied).await;
        let gives_up = |error: &crate::Error| {
            matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict)
        };
        if let (Err(error), Some(copy)) = (&moved, &copied)
            && gives_up(error)
        {
            // Nobody has asked for a second frame. Unless somebody has written it, it goes.
            let message = format!("{} was not renamed after all", self.id());
            let shared = self.frame_log().shared();
            let log = FrameLog::new(Arc::clone(shared), target);
            frame.bury(&log, &copy.commit, message).await?;
        }
        Ok(new_frame(target, moved?))
    }

    /// Copies and buries until both are of one state. `copied` is the newest copy.
    async fn moved(&self, target: &FrameId, copied: &mut Option<Published>) -> Result<Published> {
        let copies = Copies::default();
        for _ in 0..ATTEMPTS {
            let copy = CopyFrame::of(self, None, copies.clone()).await?;
            let follows = copied.as_ref().map(|copy| copy.commit.clone());
            let copy = copy.following(follows);
            let commit = copy.commit.clone();
            let published = self.publish_copy(target, copy).await?;
            *copied = Some(published.clone());
            let message = format!("renamed to {target}");
            if self.bury(self.frame_log(), &commit, message).await? {
                return Ok(published);
            }
        }
        let problem = format!("others wrote frame {} while it was renamed", self.id());
        Err(Cause::Conflict(problem).into())
    }

    /// Deletes a frame if `commit` is its newest, and says whether it was.
    async fn bury(&self, log: &FrameLog, commit: &CommitId, message: String) -> Result<bool> {
        let wish = Wish::Derived(std::sync::Arc::new(Tombstone { of: commit.clone() }));
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
