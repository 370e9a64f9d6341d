//! Places for a store to live in while a test runs.

use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use shoots_store::{Store, StoreBuilder};
use tempfile::TempDir;

/// Somewhere that several stores, as in several processes, can be opened on.
pub(crate) enum Place {
    Disk(TempDir),
    Memory(Arc<InMemory>),
}

impl Place {
    pub(crate) fn on_disk() -> Self {
        Self::Disk(TempDir::new().unwrap())
    }

    pub(crate) fn in_memory() -> Self {
        Self::Memory(Arc::new(InMemory::new()))
    }

    pub(crate) fn builder(&self) -> StoreBuilder {
        match self {
            Self::Disk(folder) => Store::builder(folder.path().to_str().unwrap()),
            Self::Memory(objects) => Store::builder("memory://").object_store(objects.clone()),
        }
    }

    /// A store with empty caches, as a process that just started would have.
    pub(crate) async fn open(&self) -> Store {
        self.builder().open().await.unwrap()
    }

    /// What lies there, past any store.
    pub(crate) fn objects(&self) -> Arc<dyn ObjectStore> {
        match self {
            Self::Disk(folder) => {
                Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap())
            }
            Self::Memory(objects) => objects.clone(),
        }
    }

    pub(crate) async fn write(&self, path: &str, bytes: impl Into<Bytes>) {
        let path = Path::parse(path).unwrap();
        self.objects()
            .put(&path, bytes.into().into())
            .await
            .unwrap();
    }
}
