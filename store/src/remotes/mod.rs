//! Remotes: other places that keep frames, by the names that they have in this store.
//!
//! Each is a small object below `_remotes/<name>/`, numbered like a log so that two who change it at the same time do
//! not overwrite each other; the newest one counts, and one without a place says that the remote was removed. No
//! secret is among what is stored: a remote says at most where one is found.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use shoots_proto::action::TrackedFrame;
use shoots_proto::{BucketName, Remote, RemoteName};

use crate::error::{Cause, Error, ErrorKind, Result};
use crate::layout;
use crate::objects::{Created, Objects};
use crate::sealed::Sealed;
use crate::store::Store;

/// Others that may come first when a remote is changed.
const MAX_ATTEMPTS: u32 = 20;

/// A remote as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    /// None: the remote was removed.
    remote: Option<Remote>,
}

impl Sealed for Stored {
    const KIND: &'static str = "remote";
    const FORMAT: u32 = 1;
}

impl Store {
    /// The remotes that this store knows, by name. What cannot be read is left out with a warning in the program's log.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub async fn remotes(&self) -> Result<BTreeMap<RemoteName, Remote>> {
        let objects = &self.shared().objects;
        let mut remotes = BTreeMap::new();
        for (name, (path, _)) in newest(objects, &layout::remotes()).await? {
            match read(objects, &path).await {
                Ok(Some(remote)) => {
                    remotes.insert(name, remote);
                }
                Ok(None) => {}
                Err(error) if error.is_of_the_storage() => return Err(error),
                Err(error) => tracing::warn!(%error, "a remote is left out of the listing"),
            }
        }
        Ok(remotes)
    }

    /// What the frames of a bucket (none: the one without a name) know of remotes, by name. A frame that cannot be read
    /// is left out with a warning in the program's log.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such bucket.
    pub async fn tracked_frames(&self, bucket: Option<&BucketName>) -> Result<Vec<TrackedFrame>> {
        let frames = self.logged_frames(bucket).await?;
        let looks = stream::iter(frames)
            .map(|frame| async move { (frame.id().clone(), frame.tracking().await) })
            .buffered(self.shared().parallel_frames());
        let mut looks = std::pin::pin!(looks);
        let mut tracked = Vec::new();
        while let Some((frame, look)) = looks.next().await {
            match look {
                Ok(known) => tracked.extend(known),
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Newer) => {
                    tracing::warn!(%error, %frame, "a frame is left out of the listing");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(tracked)
    }

    /// The remote of this name, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) if what is stored of it makes no sense.
    pub async fn remote(&self, name: &RemoteName) -> Result<Option<Remote>> {
        Ok(self
            .stored_remote(name)
            .await?
            .and_then(|(remote, _)| remote))
    }

    /// Gives a place a name. That it has it already is success.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists) if another place has this name.
    pub async fn add_remote(&self, name: &RemoteName, remote: &Remote) -> Result<()> {
        self.change_remote(name, |present| match present {
            Some(present) if present == remote => Ok(None),
            Some(present) => {
                let (what, name) = ("remote", format!("{name} at {}", present.url));
                Err(Cause::AlreadyExists { what, name }.into())
            }
            None => Ok(Some(Some(remote.clone()))),
        })
        .await
        .map(|_| ())
    }

    /// Takes a name from a place, and says which one had it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if no place has this name.
    pub async fn remove_remote(&self, name: &RemoteName) -> Result<Remote> {
        let removed = self
            .change_remote(name, |present| match present {
                Some(_) => Ok(Some(None)),
                None => Err(not_found(name)),
            })
            .await?;
        removed.ok_or_else(|| not_found(name))
    }

    /// Lets `change` say what a remote becomes (none: it stays as it is), and gives what it was.
    async fn change_remote(
        &self,
        name: &RemoteName,
        change: impl Fn(Option<&Remote>) -> Result<Option<Option<Remote>>>,
    ) -> Result<Option<Remote>> {
        self.shared().check_writable()?;
        let objects = &self.shared().objects;
        for _ in 0..MAX_ATTEMPTS {
            let stored = self.stored_remote(name).await?;
            let (present, at) = stored.map_or((None, None), |(remote, at)| (remote, Some(at)));
            let Some(remote) = change(present.as_ref())? else {
                return Ok(present);
            };
            let number = at.as_ref().map_or(1, |(_, number)| number + 1);
            let path = layout::remote(name, number);
            let bytes = Stored { remote }.seal()?;
            if objects.create(&path, bytes).await? == Created::Yes {
                if let Some((older, _)) = at {
                    objects.remove(&older).await?;
                }
                return Ok(present);
            }
        }
        let problem = format!("others change the remote {name} again and again");
        Err(Cause::Conflict(problem).into())
    }

    /// What is stored under a name, and where.
    async fn stored_remote(
        &self,
        name: &RemoteName,
    ) -> Result<Option<(Option<Remote>, (Path, u64))>> {
        let objects = &self.shared().objects;
        let mut found = newest(objects, &layout::remote_folder(name)).await?;
        let Some(at) = found.remove(name) else {
            return Ok(None);
        };
        Ok(Some((read(objects, &at.0).await?, at)))
    }
}

fn not_found(name: &RemoteName) -> Error {
    let (what, name) = ("remote", name.to_string());
    Cause::NotFound { what, name }.into()
}

/// The newest object of each remote below a folder, and its number.
async fn newest(objects: &Objects, folder: &Path) -> Result<BTreeMap<RemoteName, (Path, u64)>> {
    let mut newest: BTreeMap<RemoteName, (Path, u64)> = BTreeMap::new();
    for object in objects.list_all(folder).await? {
        let Some((name, number)) = layout::remote_of(&object.location) else {
            continue;
        };
        let at = newest
            .entry(name)
            .or_insert_with(|| (object.location.clone(), number));
        if at.1 < number {
            *at = (object.location, number);
        }
    }
    Ok(newest)
}

/// Reads a remote; none: it was removed.
pub(crate) async fn read(objects: &Objects, path: &Path) -> Result<Option<Remote>> {
    match objects.read(path).await? {
        Some(bytes) => Ok(Stored::unseal(path, &bytes)?.remote),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
