//! Remotes: other places that keep frames, by the names that they have in this store.
//!
//! Each is a small object below `_remotes/<name>/`, numbered like a log so that two who change it at the same time do
//! not overwrite each other; the newest one counts, and one without a place says that the remote was removed. No
//! secret is among what is stored: a remote says at most where one is found.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use shoots_proto::action::TrackedFrame;
use shoots_proto::{BucketName, Remote, RemoteName};

use crate::error::{Cause, Error, ErrorKind, Result};
use crate::layout;
use crate::numbered;
use crate::objects::{Created, Objects};
use crate::sealed::Sealed;
use crate::store::Store;

/// Others that may come first when a remote is changed.
const MAX_ATTEMPTS: u32 = 20;

/// A remote as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    /// The object itself; none in those that are older than seals.
    #[serde(default)]
    object: Option<String>,
    /// None: the remote was removed.
    remote: Option<Remote>,
}

impl Sealed for Stored {
    const KIND: &'static str = "remote";
    const FORMAT: u32 = 2;
    const UNSEALED: u32 = 1;

    fn belongs_to(&self, object: &Path) -> bool {
        self.object.as_deref() == Some(object.as_ref())
    }
}

impl Store {
    /// The remotes that this store knows, by name. What cannot be read is left out with a warning in the program's log.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub async fn remotes(&self) -> Result<BTreeMap<RemoteName, Remote>> {
        let listed = self.shared().objects.list_all(&layout::remotes()).await?;
        let named = listed.iter().filter_map(|o| layout::remote_of(&o.location));
        let names: BTreeSet<RemoteName> = named.map(|(name, _)| name).collect();
        let mut remotes = BTreeMap::new();
        for name in names {
            match self.remote(&name).await {
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
                Err(error) if error.is_of_one_frame() => {
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
        let folder = layout::remote_folder(name);
        let newest = numbered::newest::<Stored>(&self.shared().objects, &folder).await?;
        match newest {
            Some(stored) => Ok(stored.content?.remote),
            None => Ok(None),
        }
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
        let folder = layout::remote_folder(name);
        for _ in 0..MAX_ATTEMPTS {
            let newest = numbered::newest::<Stored>(objects, &folder).await?;
            let number = newest.as_ref().map_or(0, |stored| stored.number);
            let present = match newest.map(|stored| stored.content) {
                Some(Ok(stored)) => stored.remote,
                // It is no loss that another takes its place.
                Some(Err(error)) if error.kind() == ErrorKind::Damaged => None,
                Some(Err(error)) => return Err(error),
                None => None,
            };
            let Some(remote) = change(present.as_ref())? else {
                return Ok(present);
            };
            let stored = |object| Stored {
                object: Some(object),
                remote,
            };
            if numbered::create_after(objects, &folder, number, stored).await? == Created::Yes {
                return Ok(present);
            }
        }
        let problem = format!("others change the remote {name} again and again");
        Err(Cause::Conflict(problem).into())
    }
}

fn not_found(name: &RemoteName) -> Error {
    let (what, name) = ("remote", name.to_string());
    Cause::NotFound { what, name }.into()
}

/// Looks whether a remote, as it is stored in an object, can be read.
pub(crate) async fn check_stored(objects: &Objects, object: &Path) -> Result<()> {
    match objects.read(object).await? {
        Some(bytes) => Stored::unseal(object, &bytes).map(drop),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
