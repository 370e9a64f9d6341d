//! The sweep: what was condemned a grace period ago is removed for good.
//!
//! The grace period is for readers that nobody knows of, in other processes: they began with a state that was the
//! newest then, and may take that long. Readers of this process are known ([`crate::read`]), and what they may need is
//! left to a later sweep. A crash in the middle of a sweep does no harm: the next one removes what is
//! left, and only then the list.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::Schema;
use async_trait::async_trait;
use shoots_proto::action::{PurgeResult, SweepResult};

use super::claim::{Claim, claim};
use super::condemned;
use super::garbage::ObjectSet;
use crate::edit::marks::DropPin;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Frame;
use crate::frame_log::FrameLog;
use crate::log::commit::{Base, Condemned, Operation, Retained, Totals};
use crate::log::derive::{Derive, StateEdit, Step};
use crate::log::entry::Entry;
use crate::log::plan::Wish;
use crate::plain;
use crate::put;
use crate::snapshots::Abandoned;
use crate::store::Store;
use crate::verify;

/// Lists whose objects are gone.
#[derive(Debug)]
struct Swept(Vec<String>);

#[async_trait]
impl Derive for Swept {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        let mut retained = entry.state.retained.clone();
        retained
            .condemned
            .retain(|list| !self.0.contains(&list.list));
        if retained == entry.state.retained {
            return Ok(None);
        }
        Ok(Some(Step {
            edits: vec![StateEdit::Retain(Box::new(retained))],
            ..Step::bare(log, entry, Operation::Expire).await?
        }))
    }
}

/// A list takes the place of another one with the same objects.
#[derive(Debug)]
struct Renewed {
    old: Condemned,
    new: Condemned,
}

#[async_trait]
impl Derive for Renewed {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        let mut retained = entry.state.retained.clone();
        let mut lists = retained.condemned.iter_mut();
        let Some(list) = lists.find(|list| **list == self.old) else {
            return Ok(None);
        };
        list.clone_from(&self.new);
        Ok(Some(Step {
            edits: vec![StateEdit::Retain(Box::new(retained))],
            ..Step::bare(log, entry, Operation::Expire).await?
        }))
    }
}

/// Everything of a frame goes.
#[derive(Debug)]
struct Emptied;

#[async_trait]
impl Derive for Emptied {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        check_purgeable(entry)?;
        let version = entry.last_version() + 1;
        let retained = Retained {
            oldest: version,
            first_entry: entry.header.sequence + 1,
            emptied: true,
            purged: version,
            ..Retained::default()
        };
        let state = &entry.state;
        let tags = state.tags.keys();
        let remotes = state.tracking.keys();
        let mut edits: Vec<StateEdit> = tags
            .map(|tag| StateEdit::Tag(tag.clone(), None))
            .chain(remotes.map(|remote| StateEdit::Tracking(remote.clone(), None)))
            .collect();
        edits.push(StateEdit::Retain(Box::new(retained)));
        Ok(Some(Step {
            base: Some(Base::default()),
            totals: Totals::default(),
            edits,
            ..Step::bare(log, entry, Operation::Purge).await?
        }))
    }
}

/// A frame of which nothing was left begins as one that was purged, so that a plain file of its name stays ignored. It holds
/// nothing, and so no columns either.
#[derive(Debug)]
struct BeginsPurged;

#[async_trait]
impl Derive for BeginsPurged {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        if before.is_some() {
            return Ok(None);
        }
        let schema = log.keep_schema(Arc::new(Schema::empty())).await?;
        let retained = Retained {
            oldest: 1,
            first_entry: 1,
            emptied: true,
            purged: 1,
            ..Retained::default()
        };
        Ok(Some(Step {
            edits: vec![StateEdit::Retain(Box::new(retained))],
            ..Step::new(Operation::Purge, schema, Totals::default())
        }))
    }
}

fn check_purgeable(entry: &Entry) -> Result<()> {
    if entry.state.pins.is_empty() {
        return Ok(());
    }
    let problem = "a snapshot of many frames holds on to it (the list of snapshots says which): drop that first";
    Err(Error::invalid("name", problem))
}

impl Frame {
    /// Removes what was condemned a grace period ago and no reader in this process needs, and what writers that failed
    /// have left: objects that nothing refers to, more than a day old, and what holds on to versions for a snapshot that
    /// was begun a day ago and never finished. With `dry_run`, only says what would be removed.
    ///
    /// # Errors
    /// If the storage cannot be read or written.
    pub async fn sweep(&self, dry_run: bool) -> Result<SweepResult> {
        let mut result = self.sweep_condemned(dry_run).await?;
        let log = self.frame_log();
        let abandoned = self.withdraw_pins(dry_run).await?;
        result.objects += abandoned.attempts;
        result.bytes += abandoned.bytes;
        let left = verify::unreferenced(log).await?;
        // A schema is named after its content: a put that begins may count on one that nothing refers to so far.
        let schemas = log.paths().schemas();
        let left = left
            .into_iter()
            .filter(|left| !left.object.starts_with(schemas.as_ref()));
        let mut objects = ObjectSet::default();
        let folder = format!("{}/", log.paths().folder());
        for left in left {
            if let Some(name) = left.object.strip_prefix(&folder) {
                objects.0.insert(name.to_owned(), left.bytes);
            }
        }
        result.objects += objects.count();
        result.bytes += objects.bytes();
        if !dry_run && objects.count() > 0 {
            self.log_writable()?;
            condemned::remove_all(log, &objects).await?;
        }
        Ok(result)
    }

    /// Takes pins back that attempts to take a snapshot have left here, with all that these attempts have left.
    async fn withdraw_pins(&self, dry_run: bool) -> Result<Abandoned> {
        let log = self.frame_log();
        let head = log.newest().await?;
        let pins = head.iter().flat_map(|head| head.entry.state.pins.keys());
        let pins: HashSet<&str> = pins.map(String::as_str).collect();
        if pins.is_empty() {
            return Ok(Abandoned::default());
        }
        if !dry_run {
            self.log_writable()?;
        }
        let store = Store::sharing(log.shared());
        for id in store.unrecorded(&pins).await? {
            if !dry_run {
                // Which snapshot it was, nothing tells.
                let (id, snapshot) = (id.to_owned(), id.to_owned());
                self.change(DropPin { id, snapshot }).await?;
            }
        }
        store.withdraw_abandoned(Some(&pins), dry_run).await
    }

    /// Whether anything was condemned a grace period ago, as far as this process knows without looking.
    pub(crate) fn is_sweep_due(&self) -> bool {
        let log = self.frame_log();
        let (now, grace) = (log.cautious_now(), log.shared().sweep_grace_seconds);
        let head = log.remembered_head();
        head.is_none_or(|head| {
            let mut lists = head.entry.state.retained.condemned.iter();
            lists.any(|list| now.seconds_since(list.at) >= grace)
        })
    }

    /// The same for what was condemned only, which takes no listing.
    pub(crate) async fn sweep_condemned(&self, dry_run: bool) -> Result<SweepResult> {
        let log = self.frame_log();
        let mut result = SweepResult {
            objects: 0,
            bytes: 0,
            waiting_objects: 0,
            waiting_bytes: 0,
            in_use_objects: 0,
            in_use_bytes: 0,
            dry_run,
        };
        let Some(head) = log.newest().await? else {
            return Ok(result);
        };
        let (now, grace) = (log.cautious_now(), log.shared().sweep_grace_seconds);
        let lists = &head.entry.state.retained.condemned;
        let (mut due, waiting): (Vec<_>, Vec<_>) = lists
            .iter()
            .partition(|list| now.seconds_since(list.at) >= grace);
        // A version that is kept needs nothing that was condemned.
        let mut read = log.shared().readers.versions(log.frame(), now).into_iter();
        if read.any(|version| !head.entry.state.keeps(version)) {
            for list in due.drain(..) {
                result.in_use_objects += list.objects;
                result.in_use_bytes += list.bytes;
            }
        }
        for list in waiting {
            result.waiting_objects += list.objects;
            result.waiting_bytes += list.bytes;
        }
        if !dry_run && !due.is_empty() {
            self.log_writable()?;
        }
        let due: Vec<Condemned> = match dry_run {
            true => due.into_iter().cloned().collect(),
            false => self.claimed(due).await?,
        };
        for list in &due {
            result.objects += list.objects;
            result.bytes += list.bytes;
        }
        if dry_run || due.is_empty() {
            return Ok(result);
        }
        for list in &due {
            if let Some(objects) = condemned::read(log, list).await? {
                condemned::remove_all(log, &objects).await?;
            }
        }
        let names = due.iter().map(|list| list.list.clone()).collect();
        self.change(Swept(names)).await?;
        for list in &due {
            condemned::remove(log, list).await?;
        }
        Ok(result)
    }

    /// Those lists of which nothing can be needed again, which is so as soon as they are claimed for the sweep.
    async fn claimed(&self, due: Vec<&Condemned>) -> Result<Vec<Condemned>> {
        let log = self.frame_log();
        let mut claimed = Vec::with_capacity(due.len());
        for list in due {
            match claim(log, list, Claim::Sweep).await? {
                Claim::Sweep => claimed.push(list.clone()),
                // Whoever needs some of it may never have said so to the log.
                Claim::Spare => {
                    if let Some(renewed) = self.renewed(list).await?
                        && claim(log, &renewed, Claim::Sweep).await? == Claim::Sweep
                    {
                        claimed.push(renewed);
                    }
                }
            }
        }
        if claimed.is_empty() {
            return Ok(claimed);
        }
        // A list that is gone from the log by now was spared or swept by others, whatever is left of its claim.
        let head = log.newest().await?;
        let lists = head.map_or_else(Vec::new, |head| head.entry.state.retained.condemned.clone());
        let (claimed, gone): (Vec<_>, Vec<_>) =
            claimed.into_iter().partition(|list| lists.contains(list));
        for list in &gone {
            condemned::remove(log, list).await?;
        }
        Ok(claimed)
    }

    /// A list of the same objects that nobody has claimed; none if some of them are needed again by now.
    async fn renewed(&self, list: &Condemned) -> Result<Option<Condemned>> {
        let log = self.frame_log();
        let Some(objects) = condemned::read(log, list).await? else {
            return Ok(None);
        };
        let new = Condemned {
            at: list.at,
            ..condemned::write(log, &objects).await?
        };
        let renewed = Renewed {
            old: list.clone(),
            new: new.clone(),
        };
        let (lost, kept) = match self.change(renewed).await? {
            Some(_) => (list, Some(new.clone())),
            None => (&new, None),
        };
        condemned::remove(log, lost).await?;
        Ok(kept)
    }

    /// Removes the frame and its whole history for good: what holds rows at once. The newest entry of its log stays, so
    /// that versions are never used twice should the name come back, and so do schemas: what puts that begin now may
    /// count on. Older entries, which hold no rows, are left to the sweep, which takes them when they are a day old:
    /// where one was, another process that knows of none so far could otherwise publish a change that is lost. With
    /// `dry_run`, only says what would be removed.
    ///
    /// Readers that are at it will fail, and are told why. A frame whose log is damaged can be purged, too; nothing of it stays
    /// but, if it was a plain file once, that it is gone. Of a plain file that has no log, and cannot be read, the file itself goes:
    /// no other way leads past it to the name. One that can be read is not touched.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there never was such a frame, or it is a plain file that can be read,
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if a snapshot holds on to it.
    pub async fn purge(&self, dry_run: bool) -> Result<PurgeResult> {
        let log = self.frame_log();
        // Whatever this process remembers of the log: it is what lies there that may be beyond help.
        let head = match log.newest_anew().await {
            Ok(head) => head.map(|head| Arc::clone(&head.entry)),
            Err(error) if error.kind() == ErrorKind::Damaged => None,
            Err(error) => return Err(error),
        };
        if !dry_run {
            self.log_writable()?;
        }
        if let Some(head) = &head {
            check_purgeable(head)?;
        }
        // What is written after this list was made is not on it, and what was begun before the commit below cannot be
        // published after it. So nothing goes that anybody may still count on.
        let folder = log.paths().folder();
        let listed = log.objects().list_all(&folder).await?;
        let mut objects = ObjectSet::default();
        for object in &listed {
            if let Some(name) = object.location.as_ref().strip_prefix(folder.as_ref()) {
                let name = name.trim_start_matches('/').to_owned();
                objects.0.insert(name, object.size);
            }
        }
        if head.is_none() && objects.0.is_empty() {
            return self.purge_spoilt_file(dry_run).await;
        }
        let goes_on = head.is_some() && (dry_run || self.publish_emptied().await?);
        if goes_on {
            let stays = |name: &String| name.starts_with("log/") || name.starts_with("schemas/");
            objects.0.retain(|name, _| !stays(name));
        }
        if !dry_run {
            condemned::remove_all(log, &objects).await?;
            if !goes_on {
                log.forget_head();
                self.keep_purged().await?;
            }
        }
        Ok(PurgeResult {
            objects: objects.count(),
            bytes: objects.bytes(),
            dry_run,
        })
    }

    /// Removes the plain file of a frame that is nothing else, if it is no Parquet.
    async fn purge_spoilt_file(&self, dry_run: bool) -> Result<PurgeResult> {
        let log = self.frame_log();
        let Some((path, bytes)) = plain::place(log, log.objects()).await? else {
            return Err(log.not_found());
        };
        match plain::find(log).await {
            Ok(_) => return Err(log.not_found()),
            Err(error) if error.kind() == ErrorKind::Damaged => {}
            Err(error) => return Err(error),
        }
        if !dry_run {
            log.objects().remove(&path).await?;
        }
        Ok(PurgeResult {
            objects: 1,
            bytes,
            dry_run,
        })
    }

    /// Publishes that everything goes; false: the log is too damaged for a next entry.
    async fn publish_emptied(&self) -> Result<bool> {
        match self.change(Emptied).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Damaged => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Lets the frame stay gone, of whose log nothing is left: a plain file that it was once must not come back for it.
    async fn keep_purged(&self) -> Result<()> {
        let log = self.frame_log();
        if plain::place(log, log.objects()).await?.is_some() {
            let wish = Wish::Derived(Arc::new(BeginsPurged));
            put::try_submit(log, self.proposal(wish)).await?;
        }
        Ok(())
    }
}
