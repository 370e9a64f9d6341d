//! Places for a store to live in while a test runs.

use std::io::Write;
use std::sync::{Arc, Once};

use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use shoots_store::{Store, StoreBuilder};
use tempfile::TempDir;

/// Somewhere that several stores, as in several processes, can be opened on.
pub(crate) enum Place {
    Disk(TempDir),
    Memory(Arc<InMemory>),
    S3(S3),
}

/// A folder of its own in the bucket for tests.
pub(crate) struct S3 {
    /// The bucket, such as `s3://bucket`.
    bucket: String,
    folder: String,
}

impl Place {
    pub(crate) fn on_disk() -> Self {
        Self::Disk(TempDir::new().unwrap())
    }

    pub(crate) fn in_memory() -> Self {
        Self::Memory(Arc::new(InMemory::new()))
    }

    /// A fresh folder on S3; none, and a word about it, if there is no S3 for tests.
    pub(crate) fn on_s3() -> Option<Self> {
        static SKIPPED: Once = Once::new();
        let Ok(bucket) = std::env::var("SHOOTS_TEST_S3") else {
            // Past what the test runner captures.
            SKIPPED.call_once(|| {
                let said =
                    "tests on S3 are skipped: SHOOTS_TEST_S3 is not set, see `cargo xtask test`";
                writeln!(std::io::stderr(), "{said}").unwrap();
            });
            return None;
        };
        let random = TempDir::new().unwrap();
        let folder = random.path().file_name().unwrap().to_str().unwrap();
        let folder = format!("test{folder}");
        Some(Self::S3(S3 { bucket, folder }))
    }

    pub(crate) fn builder(&self) -> StoreBuilder {
        match self {
            Self::Disk(folder) => Store::builder(folder.path().to_str().unwrap()),
            Self::Memory(objects) => Store::builder("memory://").object_store(objects.clone()),
            Self::S3(S3 { bucket, folder }) => Store::builder(&format!("{bucket}/{folder}")),
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
            Self::S3(S3 { bucket, folder }) => {
                let s3 = AmazonS3Builder::from_env()
                    .with_url(bucket)
                    .with_allow_http(true)
                    .build()
                    .unwrap();
                Arc::new(PrefixStore::new(s3, folder.as_str()))
            }
        }
    }

    /// The names of the objects below a folder.
    pub(crate) async fn objects_below(&self, folder: &str) -> Vec<String> {
        use futures::TryStreamExt;
        let folder = Path::parse(folder).unwrap();
        let objects = self.objects();
        let listed: Vec<_> = objects.list(Some(&folder)).try_collect().await.unwrap();
        listed
            .into_iter()
            .map(|object| object.location.to_string())
            .collect()
    }

    pub(crate) async fn write(&self, path: &str, bytes: impl Into<Bytes>) {
        let path = Path::parse(path).unwrap();
        self.objects()
            .put(&path, bytes.into().into())
            .await
            .unwrap();
    }
}
