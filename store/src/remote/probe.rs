//! Before a store writes to a bucket: is it there, may we, and does it refuse to create what exists?
//!
//! The log is safe only where "create if there is none" is kept. Some servers that speak S3 ignore the condition
//! and overwrite, which would lose commits silently, so a store asks at every opening and refuses such a place.

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::Error as ObjectError;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};

use super::trouble::{self, Trouble};
use crate::error::{Cause, Error, Result};

/// Makes sure that the place can hold a store. `unique` names the object that is written and removed again.
pub(crate) async fn writable(store: &dyn ObjectStore, url: &str, unique: &str) -> Result<()> {
    let path = Path::from(format!("_probe-{unique}"));
    let outcome = create_twice(store, &path, url).await;
    if !matches!(outcome, Err(Failed::First(_))) {
        // An object that stays behind is in nobody's way.
        if let Err(error) = store.delete(&path).await {
            tracing::debug!(%error, "{path} was not removed");
        }
    }
    outcome.map_err(|failed| match failed {
        Failed::First(error) | Failed::Second(error) => error,
    })
}

/// Makes sure that the place can be read.
pub(crate) async fn readable(store: &dyn ObjectStore, url: &str) -> Result<()> {
    let listed = store.list(None).try_next().await;
    listed.map(drop).map_err(|error| unusable(url, error))
}

/// Which creation failed: after the first there is nothing to remove.
enum Failed {
    First(Error),
    Second(Error),
}

async fn create_twice(store: &dyn ObjectStore, path: &Path, url: &str) -> Result<(), Failed> {
    match create(store, path).await {
        // The name is new, so what exists is our own, from an attempt whose reply was lost.
        Ok(()) | Err(ObjectError::AlreadyExists { .. }) => {}
        Err(error) => return Err(Failed::First(unusable(url, error))),
    }
    match create(store, path).await {
        Err(ObjectError::AlreadyExists { .. }) => Ok(()),
        Ok(()) => {
            let problem = format!(
                "{url} cannot hold a store: it overwrote an object that was to be created only if there was none \
                 (`If-None-Match: *`), so writers would lose each other's commits; use a storage that supports it"
            );
            Err(Failed::Second(Error::invalid("location", problem)))
        }
        Err(error) => Err(Failed::Second(unusable(url, error))),
    }
}

async fn create(store: &dyn ObjectStore, path: &Path) -> object_store::Result<()> {
    let payload = Bytes::from_static(b"may be deleted\n").into();
    let written = store.put_opts(path, payload, PutMode::Create.into()).await;
    written.map(drop)
}

fn unusable(url: &str, error: ObjectError) -> Error {
    if let ObjectError::NotImplemented { .. } = error {
        let problem = format!(
            "{url} cannot hold a store: it does not support to create an object only if there is none: {error}"
        );
        return Error::invalid("location", problem);
    }
    if trouble::of(&error) == Trouble::Absent {
        let (what, name) = ("bucket of the object store", url.to_owned());
        return Cause::NotFound { what, name }.into();
    }
    Error::io(format!("opening {url}"), error)
}

#[cfg(test)]
pub(super) mod tests {
    use std::fmt;

    use async_trait::async_trait;
    use futures::stream::BoxStream;
    use object_store::memory::InMemory;
    use object_store::{
        CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
        PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as ObjectResult,
    };

    use super::*;

    /// Ignores conditions, as some servers do.
    #[derive(Debug, Default)]
    pub(in crate::remote) struct Careless(InMemory);

    impl fmt::Display for Careless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("careless")
        }
    }

    #[async_trait]
    impl ObjectStore for Careless {
        async fn put_opts(
            &self,
            location: &Path,
            payload: PutPayload,
            _: PutOptions,
        ) -> ObjectResult<PutResult> {
            self.0.put(location, payload).await
        }

        async fn put_multipart_opts(
            &self,
            location: &Path,
            options: PutMultipartOptions,
        ) -> ObjectResult<Box<dyn MultipartUpload>> {
            self.0.put_multipart_opts(location, options).await
        }

        async fn get_opts(&self, location: &Path, options: GetOptions) -> ObjectResult<GetResult> {
            self.0.get_opts(location, options).await
        }

        fn delete_stream(
            &self,
            locations: BoxStream<'static, ObjectResult<Path>>,
        ) -> BoxStream<'static, ObjectResult<Path>> {
            self.0.delete_stream(locations)
        }

        fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, ObjectResult<ObjectMeta>> {
            self.0.list(prefix)
        }

        async fn list_with_delimiter(&self, prefix: Option<&Path>) -> ObjectResult<ListResult> {
            self.0.list_with_delimiter(prefix).await
        }

        async fn copy_opts(
            &self,
            from: &Path,
            to: &Path,
            options: CopyOptions,
        ) -> ObjectResult<()> {
            self.0.copy_opts(from, to, options).await
        }
    }

    async fn is_empty(store: &dyn ObjectStore) -> bool {
        store.list(None).try_next().await.unwrap().is_none()
    }

    #[tokio::test]
    async fn a_place_that_refuses_the_second_creation_is_fine_and_stays_empty() {
        let store = InMemory::new();
        writable(&store, "s3://b", "1").await.unwrap();
        readable(&store, "s3://b").await.unwrap();
        assert!(is_empty(&store).await);
    }

    #[tokio::test]
    async fn a_place_that_overwrites_is_refused_by_name_and_left_empty() {
        let store = Careless::default();
        let refused = writable(&store, "s3://b", "1").await.unwrap_err();
        assert_eq!(refused.kind(), crate::ErrorKind::InvalidRequest);
        assert!(
            refused.to_string().contains("s3://b cannot hold a store"),
            "{refused}"
        );
        assert!(is_empty(&store).await);
    }
}
