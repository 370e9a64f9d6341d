//! Opening a store: where it is, how large its caches are, and what it gets the time from.

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::disk::Disk;
use crate::environment::{Environment, SystemEnvironment};
use crate::error::{Error, Result};
use crate::objects::Objects;
use crate::place::{Place, RemotePlace};
use crate::remote;
use crate::segment::Limits;
use crate::shared::{Shared, Sizes};
use crate::store::Store;

/// Settings and parts of a store; each has a default.
#[derive(Debug)]
pub struct StoreBuilder {
    location: String,
    object_store: Option<Arc<dyn ObjectStore>>,
    environment: Arc<dyn Environment>,
    read_only: bool,
    sizes: Sizes,
}

impl StoreBuilder {
    pub(crate) fn new(location: &str) -> Self {
        Self {
            location: location.to_owned(),
            object_store: None,
            environment: Arc::new(SystemEnvironment),
            read_only: false,
            sizes: Sizes {
                head_cache_bytes: 64 << 20,
                checkpoint_cache_bytes: 32 << 20,
                put_memory_bytes: 256 << 20,
                limits: Limits::default(),
            },
        }
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

    /// Limits of one segment. Default: a million rows, 64 MiB encoded.
    #[must_use]
    pub fn segment_limits(mut self, limits: Limits) -> Self {
        self.sizes.limits = limits;
        self
    }

    /// Refuse every write, and never touch what is stored.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Another source of time and ids than the machine.
    #[must_use]
    pub fn environment(mut self, environment: Arc<dyn Environment>) -> Self {
        self.environment = environment;
        self
    }

    /// Keep everything in this object store, whatever the location says. It must offer create-if-absent and
    /// confirm only what is durable.
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
        let (object_store, disk): (Arc<dyn ObjectStore>, _) = match self.object_store {
            Some(object_store) => (object_store, None),
            None => match Place::parse(&self.location)? {
                Place::Memory => (Arc::new(InMemory::new()), None),
                Place::Remote(place) => {
                    let remote = open_remote(&place, self.read_only, &self.environment).await?;
                    (remote.store, None)
                }
                Place::Folder(folder) => {
                    let disk = open_disk(&folder, self.read_only, &self.environment).await?;
                    (Arc::clone(&disk) as Arc<dyn ObjectStore>, Some(disk))
                }
            },
        };
        let objects = Objects::new(object_store);
        let shared = Shared::new(objects, disk, self.environment, self.sizes, self.read_only);
        Ok(Store::new(shared))
    }
}

/// Connects to the bucket, and makes sure now that it can be used, not at the first put.
async fn open_remote(
    place: &RemotePlace,
    read_only: bool,
    environment: &Arc<dyn Environment>,
) -> Result<remote::Remote> {
    let remote = remote::connect(place)?;
    let url = place.url.as_str();
    if read_only {
        remote::probe::readable(&remote.store, url).await?;
    } else {
        let unique = format!("{:032x}", environment.unique());
        remote::probe::writable(&remote.store, url, &unique).await?;
    }
    Ok(remote)
}

/// Opens the folder, and makes sure now that it can be used, not at the first put.
async fn open_disk(
    folder: &Path,
    read_only: bool,
    environment: &Arc<dyn Environment>,
) -> Result<Arc<Disk>> {
    let unusable = |error| {
        Error::io(
            format!("the folder {} cannot be used", folder.display()),
            error,
        )
    };
    let folder = std::path::absolute(folder).map_err(unusable)?;
    if read_only {
        drop(tokio::fs::read_dir(&folder).await.map_err(unusable)?);
    } else {
        tokio::fs::create_dir_all(&folder).await.map_err(unusable)?;
        let probe = folder.join(format!("_probe-{:032x}", environment.unique()));
        tokio::fs::write(&probe, b"").await.map_err(unusable)?;
        tokio::fs::remove_file(&probe).await.map_err(unusable)?;
    }
    let environment = Arc::clone(environment);
    let ids = Arc::new(move || format!("{:032x}", environment.unique()));
    Ok(Arc::new(Disk::new(folder, ids)))
}
