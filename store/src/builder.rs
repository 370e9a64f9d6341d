//! Opening a store: where it is, how large its caches are, and what it gets the time from.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use shoots_proto::action::Retention;

use crate::activity::{Counted, Operations};
use crate::cache;
use crate::disk::Disk;
use crate::edit::delete::Conditions;
use crate::environment::{Environment, SystemEnvironment};
use crate::error::{Error, Result};
use crate::objects::Objects;
use crate::place::{Place, RemotePlace};
use crate::remote;
use crate::segment::{Limits, Packing};
use crate::shared::{Shared, Sizes};
use crate::store::Store;
use crate::upkeep::retention::default_retention;

/// Settings and parts of a store; each has a default.
#[derive(Debug)]
pub struct StoreBuilder {
    location: String,
    object_store: Option<Arc<dyn ObjectStore>>,
    environment: Arc<dyn Environment>,
    read_only: bool,
    probed_later: bool,
    conditions: Option<Arc<dyn Conditions>>,
    sizes: Sizes,
    cache: cache::Settings,
}

impl StoreBuilder {
    pub(crate) fn new(location: &str) -> Self {
        Self {
            location: location.to_owned(),
            object_store: None,
            environment: Arc::new(SystemEnvironment::default()),
            read_only: false,
            probed_later: false,
            conditions: None,
            sizes: Sizes {
                head_cache_bytes: 64 << 20,
                checkpoint_cache_bytes: 32 << 20,
                footer_cache_bytes: 64 << 20,
                row_cache_bytes: 0,
                put_memory_bytes: 256 << 20,
                low_space_bytes: 256 << 20,
                limits: Limits::default(),
                packing: None,
                max_staleness: Duration::ZERO,
                retention: default_retention(),
                sweep_grace_seconds: 24 * 3600,
            },
            cache: cache::Settings::default(),
        }
    }

    /// How long versions are kept, if neither their frame nor its bucket says so. Default:
    /// [`default_retention`](crate::default_retention).
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.sizes.retention = retention;
        self
    }

    /// How long what nothing needs any more is kept for readers in other processes, in seconds. Default: a day.
    #[must_use]
    pub fn sweep_grace_seconds(mut self, seconds: u64) -> Self {
        self.sizes.sweep_grace_seconds = seconds;
        self
    }

    /// Memory that the rows of all puts together may take, in bytes. Default: 256 MiB.
    #[must_use]
    pub fn put_memory_bytes(mut self, bytes: u64) -> Self {
        self.sizes.put_memory_bytes = bytes;
        self
    }

    /// Memory for the newest log entries of frames, in bytes. Default: 64 MiB.
    #[must_use]
    pub fn head_cache_bytes(mut self, bytes: u64) -> Self {
        self.sizes.head_cache_bytes = bytes;
        self
    }

    /// Memory for lists of segments, in bytes. Default: 32 MiB.
    #[must_use]
    pub fn checkpoint_cache_bytes(mut self, bytes: u64) -> Self {
        self.sizes.checkpoint_cache_bytes = bytes;
        self
    }

    /// Memory for what is known of segments before their rows are read (schemas, places of pages, checksums), in
    /// bytes. Default: 64 MiB.
    #[must_use]
    pub fn footer_cache_bytes(mut self, bytes: u64) -> Self {
        self.sizes.footer_cache_bytes = bytes;
        self
    }

    /// Memory for decoded rows of segments, in bytes, so that rows that were read before are neither fetched nor decoded
    /// again; 0 for none, which is the default.
    #[must_use]
    pub fn row_cache_bytes(mut self, bytes: u64) -> Self {
        self.sizes.row_cache_bytes = bytes;
        self
    }

    /// Puts are refused while the disk has fewer free bytes than this; reads and deletes go on. Only for stores in a
    /// local folder. Default: 256 MiB.
    #[must_use]
    pub fn low_space_bytes(mut self, bytes: u64) -> Self {
        self.sizes.low_space_bytes = bytes;
        self
    }

    /// Memory for segments and other immutable objects that were read from a bucket, in bytes; 0 for none.
    /// Default: 256 MiB. A store on local disk or in memory has no such cache.
    #[must_use]
    pub fn cache_memory_bytes(mut self, bytes: u64) -> Self {
        self.cache.memory_bytes = Some(bytes);
        self
    }

    /// A folder on local disk for immutable objects that were read from a bucket, which is used by this store alone
    /// and survives restarts. Default: none.
    #[must_use]
    pub fn cache_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache.folder = Some(folder.into());
        self
    }

    /// What the files in the cache folder may take together, in bytes. Default: 10 GiB.
    #[must_use]
    pub fn cache_disk_bytes(mut self, bytes: u64) -> Self {
        self.cache.disk_bytes = bytes;
        self
    }

    /// How old the newest state may be that a read is given without asking the storage. Default: zero, a read is as
    /// fresh as its start. Writes always ask, and a state's own process sees it at once.
    #[must_use]
    pub fn max_staleness(mut self, staleness: Duration) -> Self {
        self.sizes.max_staleness = staleness;
        self
    }

    /// Limits of one segment. Default: a million rows, 64 MiB encoded.
    #[must_use]
    pub fn segment_limits(mut self, limits: Limits) -> Self {
        self.sizes.limits = limits;
        self
    }

    /// What is dear where segments lie. Default: [`Packing::Fast`] in a local folder, [`Packing::Small`] elsewhere. It
    /// counts for segments that are written from now on; all can be read.
    #[must_use]
    pub fn packing(mut self, packing: Packing) -> Self {
        self.sizes.packing = Some(packing);
        self
    }

    /// Refuse every write, and never touch what is stored.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Make sure before the first write that the place can hold a store, not at the opening, which then writes nothing.
    /// For whoever may find that there is nothing to be written.
    #[must_use]
    pub fn probed_later(mut self, later: bool) -> Self {
        self.probed_later = later;
        self
    }

    /// What reads the conditions of deletions anew, where histories are merged and a deletion meets rows that it was not
    /// asked about. Default: nothing does, and merging such histories is a conflict.
    #[must_use]
    pub fn conditions(mut self, conditions: Arc<dyn Conditions>) -> Self {
        self.conditions = Some(conditions);
        self
    }

    /// Another source of time and ids than the machine.
    #[must_use]
    pub fn environment(mut self, environment: Arc<dyn Environment>) -> Self {
        self.environment = environment;
        self
    }

    /// Keep everything in this object store, whatever the location says. It must offer create-if-absent and
    /// confirm only what is durable. It is cached if a setting of the cache was given.
    #[must_use]
    pub fn object_store(mut self, object_store: Arc<dyn ObjectStore>) -> Self {
        self.object_store = Some(object_store);
        self
    }

    /// Opens the store.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if the location means nothing or leads to a
    /// place that cannot hold a store, [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such bucket
    /// of an object store, [`ErrorKind::Io`](crate::ErrorKind::Io) if it cannot be used.
    pub async fn open(self) -> Result<Store> {
        let operations = Arc::new(Operations::default());
        let (objects, disk) = match self.object_store.clone() {
            Some(store) if self.cache.is_asked_for() => {
                let identity = store.to_string();
                let store = Counted::before(store, &operations);
                (self.through_cache(store, &identity).await?, None)
            }
            Some(store) => (Objects::new(Counted::before(store, &operations)), None),
            None => match Place::parse(&self.location)? {
                Place::Memory => {
                    let store = Counted::before(Arc::new(InMemory::new()), &operations);
                    (Objects::new(store), None)
                }
                Place::Remote(place) => {
                    let remote = open_remote(&place, self.access(), &self.environment).await?;
                    let store = Counted::before(remote.store, &operations);
                    let objects = self.through_cache(store, &remote.identity).await?;
                    (objects, None)
                }
                Place::Folder(folder) => {
                    let disk = open_disk(&folder, self.access(), &self.environment).await?;
                    let store = Arc::clone(&disk) as Arc<dyn ObjectStore>;
                    (
                        Objects::new(Counted::before(store, &operations)),
                        Some(disk),
                    )
                }
            },
        };
        let uses = Arc::clone(&self.cache.uses);
        Ok(self.over(objects.counted_by(operations, uses), disk))
    }

    /// A store on this disk, whatever the location says.
    #[cfg(test)]
    pub(crate) fn over_disk(self, disk: Disk) -> Store {
        let disk = Arc::new(disk);
        let objects = Objects::new(Arc::clone(&disk) as Arc<dyn ObjectStore>);
        self.over(objects, Some(disk))
    }

    fn access(&self) -> Access {
        match (self.read_only, self.probed_later) {
            (true, _) => Access::Read,
            (false, true) => Access::WriteLater,
            (false, false) => Access::Write,
        }
    }

    fn over(self, objects: Objects, disk: Option<Arc<Disk>>) -> Store {
        let shared = Shared::new(
            objects,
            disk,
            self.environment,
            self.sizes,
            self.read_only,
            self.conditions,
        );
        Store::new(shared)
    }

    async fn through_cache(&self, store: Arc<dyn ObjectStore>, identity: &str) -> Result<Objects> {
        let wrapped = self
            .cache
            .wrap(Arc::clone(&store), identity, &self.environment);
        Ok(Objects::cached(store, wrapped.await?))
    }
}

/// What a place is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    /// It is read first, and perhaps written to.
    WriteLater,
}

/// Connects to the bucket, and makes sure now that it can be used, not at the first put.
async fn open_remote(
    place: &RemotePlace,
    access: Access,
    environment: &Arc<dyn Environment>,
) -> Result<remote::Remote> {
    let mut remote = remote::connect(place)?;
    let url = place.url.as_str();
    let unique = format!("{:032x}", environment.unique());
    match access {
        Access::Read => remote::probe::readable(&remote.store, url).await?,
        Access::Write => remote::probe::writable(&remote.store, url, &unique).await?,
        Access::WriteLater => {
            remote::probe::readable(&remote.store, url).await?;
            let later = remote::first_write::ProbedLater::new(remote.store, url, unique);
            remote.store = Arc::new(later);
        }
    }
    Ok(remote)
}

/// Opens the folder, and makes sure now that it can be used, not at the first put.
async fn open_disk(
    folder: &Path,
    access: Access,
    environment: &Arc<dyn Environment>,
) -> Result<Arc<Disk>> {
    let unusable = |error| {
        Error::io(
            format!("the folder {} cannot be used", folder.display()),
            error,
        )
    };
    let folder = std::path::absolute(folder).map_err(unusable)?;
    if access == Access::Read {
        drop(tokio::fs::read_dir(&folder).await.map_err(unusable)?);
    } else {
        tokio::fs::create_dir_all(&folder).await.map_err(unusable)?;
    }
    if access == Access::Write {
        let probe = folder.join(format!("_probe-{:032x}", environment.unique()));
        tokio::fs::write(&probe, b"").await.map_err(unusable)?;
        tokio::fs::remove_file(&probe).await.map_err(unusable)?;
    }
    let environment = Arc::clone(environment);
    let ids = Arc::new(move || format!("{:032x}", environment.unique()));
    Ok(Arc::new(Disk::new(folder, ids)))
}
