//! Versions get names: tags of one frame, and what snapshots of many frames hold on to.

use async_trait::async_trait;
use shoots_proto::as_of::AsOf;

use crate::error::{Cause, Result};
use crate::frame_log::FrameLog;
use crate::log::commit::{Mark, Operation};
use crate::log::derive::{Derive, StateEdit, Step};
use crate::log::details::{Details, TagChange};
use crate::log::entry::Entry;
use crate::log::seek::Found;
use crate::nearest::meant;

/// Names a version.
#[derive(Debug)]
pub(crate) struct SetTag {
    pub(crate) name: String,
    /// None: the newest version.
    pub(crate) as_of: Option<AsOf>,
    /// Whether the name may be another version's.
    pub(crate) replace: bool,
}

/// Takes a name back.
#[derive(Debug)]
pub(crate) struct DropTag {
    pub(crate) name: String,
}

/// Holds on to a version for a snapshot of many frames.
#[derive(Debug)]
pub(crate) struct SetPin {
    /// The snapshot's id, which no other has.
    pub(crate) id: String,
    /// Its name, which may be used again.
    pub(crate) snapshot: String,
    pub(crate) version: u64,
}

/// Lets go of what a snapshot held on to.
#[derive(Debug)]
pub(crate) struct DropPin {
    pub(crate) id: String,
    pub(crate) snapshot: String,
}

#[async_trait]
impl Derive for SetTag {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        let found = log.seek(entry, self.as_of.as_ref()).await?;
        if found.entry.deleted_at(found.version) {
            return Err(log.deleted(found).await);
        }
        let mark = mark(&found);
        match entry.state.tags.get(&self.name) {
            Some(present) if *present == mark => return Ok(None),
            Some(present) if !self.replace => {
                let name = format!("`{}` (version {})", self.name, present.version);
                return Err(Cause::AlreadyExists { what: "tag", name }.into());
            }
            _ => {}
        }
        let edit = StateEdit::Tag(self.name.clone(), Some(mark));
        tag_step(log, entry, &self.name, commit_of(&found), false, edit).await
    }
}

#[async_trait]
impl Derive for DropTag {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        if !entry.state.tags.contains_key(&self.name) {
            let meant = meant(&self.name, entry.state.tags.keys().map(String::as_str));
            let name = format!("`{}` of frame {}{meant}", self.name, log.frame());
            return Err(Cause::NotFound { what: "tag", name }.into());
        }
        let edit = StateEdit::Tag(self.name.clone(), None);
        tag_step(log, entry, &self.name, None, false, edit).await
    }
}

#[async_trait]
impl Derive for SetPin {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        let version = i64::try_from(self.version).unwrap_or(i64::MAX);
        let found = log.seek(entry, Some(&AsOf::Version(version))).await?;
        let mark = mark(&found);
        if entry.state.pins.get(&self.id) == Some(&mark) {
            return Ok(None);
        }
        let edit = StateEdit::Pin(self.id.clone(), Some(mark));
        tag_step(log, entry, &self.snapshot, commit_of(&found), true, edit).await
    }
}

#[async_trait]
impl Derive for DropPin {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        if !entry.state.pins.contains_key(&self.id) {
            return Ok(None);
        }
        let edit = StateEdit::Pin(self.id.clone(), None);
        tag_step(log, entry, &self.snapshot, None, true, edit).await
    }
}

fn mark(found: &Found) -> Mark {
    Mark {
        version: found.version,
        sequence: found.entry.header.sequence,
    }
}

fn commit_of(found: &Found) -> Option<String> {
    let mut versions = found.entry.versions();
    let own = versions.find(|(version, ..)| *version == found.version);
    own.map(|(_, id, _)| id.clone())
}

async fn tag_step(
    log: &FrameLog,
    entry: &Entry,
    name: &str,
    commit: Option<String>,
    pin: bool,
    edit: StateEdit,
) -> Result<Option<Step>> {
    let tag = TagChange {
        name: name.to_owned(),
        commit,
        pin,
    };
    Ok(Some(Step {
        details: Details {
            tag: Some(tag),
            ..Details::default()
        },
        edits: vec![edit],
        ..Step::bare(log, entry, Operation::Tag).await?
    }))
}
