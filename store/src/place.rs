//! From a location, as people write it, to the place that it means.
//!
//! A path or `file://` is a folder, `memory://` lives as long as the process, and everything else is a bucket of
//! an object store. A location holds no secrets: credentials come from the environment, and one that carries some
//! all the same is refused without repeating it.

use std::path::PathBuf;

use object_store::path::Path;
use url::Url;

use crate::error::{Error, Result};

/// Where a location leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    Folder(PathBuf),
    Remote(RemotePlace),
}

/// A folder in a bucket of an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemotePlace {
    pub(crate) provider: Provider,
    /// As it was given, for people and for the provider's own parser.
    pub(crate) url: Url,
    /// The folder; empty for the whole bucket.
    pub(crate) prefix: Path,
}

/// Who keeps the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    S3,
    Gcs,
    Azure,
}

impl Place {
    pub(crate) fn parse(location: &str) -> Result<Self> {
        if location.is_empty() {
            return Err(invalid("it is empty: give a folder or a URL"));
        }
        if !location.contains("://") {
            return Ok(Self::Folder(PathBuf::from(location)));
        }
        let url = Url::parse(location).map_err(|problem| {
            invalid(&format!("`{}`: {problem}", printable_location(location)))
        })?;
        match url.scheme() {
            "memory" => Ok(Self::Memory),
            "file" => url.to_file_path().map(Self::Folder).map_err(|()| {
                invalid(&format!(
                    "`{}` is not a path on this machine",
                    printable_location(location)
                ))
            }),
            "s3" | "s3a" => RemotePlace::new(Provider::S3, url).map(Self::Remote),
            "gs" => RemotePlace::new(Provider::Gcs, url).map(Self::Remote),
            "az" | "azure" | "abfs" | "abfss" => {
                RemotePlace::new(Provider::Azure, url).map(Self::Remote)
            }
            other => Err(invalid(&format!(
                "`{other}://` is not known; use a path, file://, s3://, gs://, az:// or memory://"
            ))),
        }
    }
}

impl RemotePlace {
    fn new(provider: Provider, url: Url) -> Result<Self> {
        let container_before_host = provider == Provider::Azure && url.scheme().starts_with("abfs");
        if url.password().is_some() || !(url.username().is_empty() || container_before_host) {
            let problem = "it holds credentials: leave them out, they come from the environment";
            return Err(invalid(problem));
        }
        if url.query().is_some() || url.fragment().is_some() {
            let problem = "it has a `?` or `#`: leave it out, settings come from the environment";
            return Err(invalid(problem));
        }
        if url.host_str().is_none_or(str::is_empty) {
            let scheme = url.scheme();
            let problem = format!("`{url}` names no bucket: write {scheme}://bucket/folder");
            return Err(invalid(&problem));
        }
        let prefix = Path::from_url_path(url.path())
            .map_err(|problem| invalid(&format!("`{url}`: {problem}")))?;
        Ok(Self {
            provider,
            url,
            prefix,
        })
    }
}

fn invalid(problem: &str) -> Error {
    Error::invalid("location", problem)
}

/// A location as it may be shown: without what may be credentials.
///
/// ```
/// use shoots_store::printable_location;
///
/// assert_eq!(printable_location("s3://bucket/folder"), "s3://bucket/folder");
/// assert_eq!(printable_location("s3://key:secret@bucket/folder"), "s3://***@bucket/folder");
/// ```
#[must_use]
pub fn printable_location(location: &str) -> String {
    let without_settings = location.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = without_settings.split_once("://") else {
        return location.to_owned();
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    match host.rsplit_once('@') {
        Some((before, host)) if before.contains(':') || !scheme.starts_with("abfs") => {
            format!("{scheme}://***@{host}/{path}")
        }
        _ => without_settings.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_paths_or_urls() {
        let folder = |path: &str| Place::Folder(PathBuf::from(path));
        let place = |location: &str| Place::parse(location).unwrap();
        assert_eq!(place("./buckets"), folder("./buckets"));
        assert_eq!(place("/data/my shoots"), folder("/data/my shoots"));
        assert_eq!(place("file:///data/a%20b"), folder("/data/a b"));
        assert_eq!(place("memory://"), Place::Memory);
        for bad in ["", "ftp://host/x", "://", "s3://", "s3:///x", "gs:///"] {
            let error = Place::parse(bad).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidRequest, "{bad}");
            assert!(error.to_string().starts_with("location: "), "{error}");
        }
    }

    #[test]
    fn buckets_are_known_by_their_scheme() {
        for (location, provider, prefix) in [
            ("s3://bucket", Provider::S3, ""),
            ("s3a://bucket/", Provider::S3, ""),
            ("s3://my_bucket/a/b/", Provider::S3, "a/b"),
            ("s3://bucket/with%20space", Provider::S3, "with space"),
            ("gs://bucket/a", Provider::Gcs, "a"),
            ("az://container/a", Provider::Azure, "a"),
            ("azure://container/a", Provider::Azure, "a"),
            (
                "abfs://c@account.dfs.core.windows.net/a",
                Provider::Azure,
                "a",
            ),
        ] {
            let Place::Remote(place) = Place::parse(location).unwrap() else {
                panic!("{location} is remote");
            };
            assert_eq!(place.provider, provider, "{location}");
            assert_eq!(place.prefix.as_ref(), prefix, "{location}");
        }
    }

    #[test]
    fn a_location_with_secrets_is_refused_and_not_repeated() {
        for bad in [
            "s3://key:hunter2@bucket/x",
            "s3://hunter2@bucket/x",
            "az://container/x?sig=hunter2",
            "abfs://c:hunter2@account.dfs.core.windows.net/x",
            "gs://bucket/x#hunter2",
            "s3://key:hunter2@bu cket/x",
        ] {
            let error = Place::parse(bad).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(
                !printable_location(bad).contains("hunter2"),
                "{}",
                printable_location(bad)
            );
        }
        let plain = "abfs://c@account.dfs.core.windows.net/x";
        assert_eq!(printable_location(plain), plain);
        assert_eq!(printable_location("/data/a@b?c"), "/data/a@b?c");
    }
}
