//! What is left of snapshots that were never finished: pins that no reader sees, and the record that says where.
//!
//! Whoever takes a snapshot may crash when some frames are pinned and the snapshot has no name. The attempt's record
//! stays, and says which frames may have pins. An attempt that was begun a day ago and is not what its name stands for
//! is abandoned: whoever takes a snapshot gives up after half that time, so that no clock has to be exact. Taking its
//! pins back is what dropping the name does, and can be repeated, or be done by several at once.
//!
//! A pin can also outlive its record: a commit whose reply was lost may take effect when the attempt was taken back
//! already. Records are there before pins are, and go after them, so a pin without one is nobody's.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;

use super::record::{self, Record};
use super::{is_unreadable, readable};
use crate::error::Result;
use crate::layout;
use crate::store::Store;

/// An attempt that is older and has no name is nobody's any more.
const ABANDONED_SECONDS: u64 = 24 * 3600;
/// An attempt that is older gets no name.
pub(super) const NAMED_SECONDS: u64 = ABANDONED_SECONDS / 2;

/// How many objects say what was left, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Abandoned {
    pub(crate) attempts: u64,
    pub(crate) bytes: u64,
}

/// The id in the name of an attempt's object.
fn id_of(attempt: &Path) -> Option<&str> {
    attempt.filename()?.strip_suffix(".json")
}

impl Store {
    /// Lets frames go that attempts to take a snapshot hold on to which were begun a day ago and never finished: of
    /// those with these ids, or of all. With `dry_run`, only says how many there are.
    pub(crate) async fn withdraw_abandoned(
        &self,
        ids: Option<&HashSet<&str>>,
        dry_run: bool,
    ) -> Result<Abandoned> {
        let mut found = Abandoned::default();
        let listed = self.objects().list_all(&layout::attempts()).await?;
        let listed = listed.into_iter().filter(|object| {
            let id = id_of(&object.location);
            ids.is_none_or(|ids| id.is_some_and(|id| ids.contains(id)))
        });
        let looks = listed.map(|object| async move {
            let record = self.abandoned(&object.location).await?;
            Ok::<_, crate::Error>(record.map(|record| (record, object.size)))
        });
        let looks: Vec<_> = looks.collect();
        let mut looks = stream::iter(looks).buffered(self.shared().parallel_frames());
        while let Some(look) = looks.try_next().await? {
            let Some((record, bytes)) = look else {
                continue;
            };
            found.attempts += 1;
            found.bytes += bytes;
            if !dry_run {
                self.withdraw(&record).await?;
                self.unname(&record.snapshot, |id| *id == record.id).await?;
            }
        }
        Ok(found)
    }

    /// Which of these ids, under which a frame was seen to be pinned before this call, have no record.
    pub(crate) async fn unrecorded<'a>(&self, pins: &HashSet<&'a str>) -> Result<Vec<&'a str>> {
        let listed = self.objects().list_all(&layout::attempts()).await?;
        let known = listed.iter().filter_map(|object| id_of(&object.location));
        let known: HashSet<&str> = known.collect();
        let unrecorded = pins.iter().filter(|id| !known.contains(**id));
        let mut unrecorded: Vec<&'a str> = unrecorded.copied().collect();
        if unrecorded.is_empty() {
            return Ok(unrecorded);
        }
        // Whoever lost attempts otherwise keeps the snapshots that can be seen, or that nobody can read.
        let visible = self.objects().list_folder(&layout::snapshots()).await?;
        for object in visible.objects {
            match record::read(self.objects(), &object.location).await {
                Ok(Some(visible)) => unrecorded.retain(|id| *id != visible.id),
                Ok(None) => {}
                Err(error) if is_unreadable(&error) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        }
        Ok(unrecorded)
    }

    /// The attempt in this object, if it is abandoned. Of what cannot be read nobody knows that.
    async fn abandoned(&self, attempt: &Path) -> Result<Option<Record>> {
        let Some(record) = readable(record::read(self.objects(), attempt).await)? else {
            return Ok(None);
        };
        let now = self.shared().environment.cautious_now();
        if now.seconds_since(record.created) < ABANDONED_SECONDS {
            return Ok(None);
        }
        match record::visible(self.objects(), &record.snapshot).await {
            Ok(Some(visible)) if visible.id == record.id => Ok(None),
            Ok(_) => Ok(Some(record)),
            Err(error) if is_unreadable(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
