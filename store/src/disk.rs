//! An object store on a local directory in which "yes" means "still there after a power cut".
//!
//! `object_store`'s own local backend never calls fsync, so what it acknowledged can be gone, or be a file of
//! zeroes, when the machine comes back, and its reads wait at whatever lies in the place of a file. [`Disk`] lays objects out
//! as that backend does, and does the reading ([`reading`]) and the changing itself, the latter in steps that a test can stand
//! in for ([`deeds`]). It offers these, and nothing in between:
//!
//! - [`PutMode::Create`] is **durable create-if-absent**, the one operation that the log is built on. The bytes
//!   go into a file of their own under `_tmp`, that file is fsynced, every directory on the way that may not be
//!   on the disk yet is fsynced, and only then does a hard link give the object its name. The fsync of the
//!   directory that holds the name ends the put. Of several writers of one name, in any number of processes,
//!   exactly one is told yes; the others get [`AlreadyExists`](object_store::Error::AlreadyExists), and not before the object they lost to is
//!   durable too, so that they may build on it.
//! - [`PutMode::Overwrite`] replaces atomically and promises nothing about power cuts. It is for hints that
//!   nobody trusts.
//! - [`CopyMode::Create`] is a **durable link**: the object gets a second name as durably as a create gives the first
//!   one. Nothing is copied, since objects never change; removing one name leaves the other. Linking renews the age of
//!   the file under all of its names, so that a sweep by age leaves a new name alone.
//!
//! What a failure means depends on which side of the link it falls. Before it nothing can be seen and the put
//! simply failed. After it the object can be seen but may not last: [`outcome_unknown`] recognises that error,
//! and a caller must report neither success nor failure.
//!
//! Blocking work runs on tokio's blocking pool, where it goes on to its end when the caller loses interest: a
//! dropped future leaves a whole object or none, and no temporary file. A crash can leave temporary files; they
//! are swept by age ([`Disk::sweep_temporaries`]) because a young one may belong to another process.
//!
//! Deletes are not fsynced: what comes back after a power cut is garbage that the next sweep deletes again.

mod absent;
mod deeds;
mod directory;
mod failure;
mod listing;
mod misplaced;
mod reading;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result,
};

#[cfg(test)]
pub(crate) use deeds::Deeds;
use deeds::Machine;
use directory::Directory;
pub(crate) use directory::IdSource;
pub(crate) use failure::{nothing_done, outcome_unknown};
pub(crate) use misplaced::misplaced;
pub(crate) use reading::NoFile;

/// Objects that are deleted at the same time.
const DELETES_AT_ONCE: usize = 10;

/// An object store on a local directory, with durable creates. Clones share one state.
#[derive(Clone)]
pub(crate) struct Disk {
    directory: Arc<Directory>,
}

impl Disk {
    /// A store under `root`, which need not exist: the first write makes it. `ids` names temporary files and must
    /// never give the same name twice, in this process or another one on the same directory.
    pub(crate) fn new(root: impl Into<PathBuf>, ids: IdSource) -> Self {
        Self {
            directory: Arc::new(Directory::new(root.into(), ids, Arc::new(Machine))),
        }
    }

    /// As [`Disk::new`], with a stand-in for the machine.
    #[cfg(test)]
    pub(crate) fn with_deeds(
        root: impl Into<PathBuf>,
        ids: IdSource,
        deeds: Arc<dyn Deeds>,
    ) -> Self {
        Self {
            directory: Arc::new(Directory::new(root.into(), ids, deeds)),
        }
    }

    /// The folder that it was made on.
    pub(crate) fn root(&self) -> &std::path::Path {
        self.directory.root()
    }

    /// Whether there may be a file at a location: not if there is nothing, or if it is a directory, a pipe, a socket or
    /// a device. Links are followed. What cannot be looked at may be one.
    pub(crate) async fn may_be_file(&self, location: &Path) -> bool {
        let path = self.root().join(location.as_ref());
        let look = move |_: &Directory| match std::fs::metadata(path) {
            Ok(found) => Ok(found.is_file()),
            Err(error) => Ok(error.kind() != std::io::ErrorKind::NotFound),
        };
        self.blocking(look).await.unwrap_or(true)
    }

    /// An error if the folder is not there, or is another one than this store began with.
    pub(crate) async fn check_place(&self) -> Result<()> {
        self.blocking(Directory::check_place).await
    }

    /// How many files and directories this store has fsynced, or tried to, since it was made.
    pub(crate) fn fsyncs(&self) -> u64 {
        self.directory.fsyncs()
    }

    /// Removes temporary files that were last written before `older_than` and gives their number. Puts that take
    /// longer than the age chosen here would lose their file, and fail cleanly.
    pub(crate) async fn sweep_temporaries(&self, older_than: SystemTime) -> Result<u64> {
        self.blocking(move |directory| directory.sweep_temporaries(older_than))
            .await
    }

    /// Makes directories in which objects are about to be created, and makes them last. What goes wrong is for whoever
    /// creates an object there to meet, and to tell.
    pub(crate) async fn prepare(&self, directories: Vec<Path>) {
        let prepared = self.blocking(move |directory| directory.prepare(&directories));
        if let Err(error) = prepared.await {
            tracing::debug!(%error, "directories were not made ahead of their objects");
        }
    }

    /// Runs `work` where blocking is allowed. It is not stopped by dropping the future.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directory) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let directory = Arc::clone(&self.directory);
        tokio::task::spawn_blocking(move || work(&directory)).await?
    }
}

#[async_trait]
impl ObjectStore for Disk {
    /// The result carries no entity tag: what is created here never changes.
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        if !options.attributes.is_empty() {
            return Err(failure::not_supported("attributes of objects"));
        }
        let location = location.clone();
        match options.mode {
            PutMode::Create => {
                self.blocking(move |directory| directory.create(&location, &payload))
                    .await?;
            }
            PutMode::Overwrite => {
                self.blocking(move |directory| directory.overwrite(&location, &payload))
                    .await?;
            }
            PutMode::Update(_) => {
                return Err(failure::not_supported(
                    "put in mode update: objects never change",
                ));
            }
        }
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(failure::not_supported(
            "multipart upload: every object is small enough for one put",
        ))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        // Of a link that leads nowhere the file is absent, and that is not all that there is to say.
        let root = self.directory.opened();
        let root = root.filter(|_| !crate::layout::is_beside_frames(location));
        if root.is_some_and(|root| absent::is_known_absent(&root.path.join(location.as_ref()))) {
            return Err(failure::not_found(location));
        }
        let location = location.clone();
        self.blocking(move |directory| reading::get(directory, &location, &options))
            .await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (location, ranges) = (location.clone(), ranges.to_vec());
        self.blocking(move |directory| reading::read(directory, &location, &ranges))
            .await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let disk = self.clone();
        let remove = move |location: Result<Path>| {
            let disk = disk.clone();
            async move {
                let location = location?;
                let removed = location.clone();
                disk.blocking(move |directory| directory.remove(&removed))
                    .await?;
                Ok(location)
            }
        };
        locations.map(remove).buffered(DELETES_AT_ONCE).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        listing::objects(Arc::clone(&self.directory), prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        listing::objects(Arc::clone(&self.directory), prefix, Some(offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        self.blocking(move |directory| listing::children(directory, &prefix))
            .await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        if options.mode != CopyMode::Create {
            return Err(failure::not_supported(
                "copy over another object: objects never change",
            ));
        }
        let (from, to) = (from.clone(), to.clone());
        self.blocking(move |directory| directory.link(&from, &to))
            .await
    }

    async fn rename_opts(&self, _from: &Path, _to: &Path, _options: RenameOptions) -> Result<()> {
        Err(failure::not_supported("rename: objects keep their name"))
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disk({})", self.directory.root().display())
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
