//! From a place and the environment's variables to an object store.

use std::env;
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, Result as ObjectResult};

use super::patience::{self, Patient};
use crate::error::{Error, Result};
use crate::place::{Provider, RemotePlace};

/// A bucket that can be talked to.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Tells it from all other places: buckets of one name can be at different endpoints.
    pub(crate) identity: String,
}

/// Prepares a connection. Nothing is sent yet.
pub(crate) fn connect(place: &RemotePlace) -> Result<Remote> {
    let variables = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    connect_with(place, variables)
}

/// As [`connect`], with these variables in place of the environment's.
pub(super) fn connect_with(
    place: &RemotePlace,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Remote> {
    let url = place.url.as_str();
    let connected = match place.provider {
        Provider::S3 => s3(url, variables),
        Provider::Gcs => gcs(url, variables),
        Provider::Azure => azure(url, variables),
    };
    let (store, endpoint) = connected
        .map_err(|problem| Error::io(format!("the storage {url} cannot be set up"), problem))?;
    let store: Arc<dyn ObjectStore> = if place.prefix.is_root() {
        store
    } else {
        Arc::new(PrefixStore::new(store, place.prefix.clone()))
    };
    let identity = format!("{} {url}", endpoint.unwrap_or_default());
    Ok(Remote { store, identity })
}

type Connected = ObjectResult<(Arc<dyn ObjectStore>, Option<String>)>;

/// Settings of the provider among the variables, with lower-case names.
fn settings(
    variables: impl IntoIterator<Item = (String, String)>,
    beginning: &str,
) -> impl Iterator<Item = (String, String)> {
    variables.into_iter().filter_map(move |(name, value)| {
        let named = name.starts_with(beginning) && !value.is_empty();
        named.then(|| (name.to_ascii_lowercase(), value))
    })
}

fn is_plain_http(endpoint: Option<&str>) -> bool {
    endpoint.is_some_and(|endpoint| endpoint.to_ascii_lowercase().starts_with("http://"))
}

fn s3(url: &str, variables: impl IntoIterator<Item = (String, String)>) -> Connected {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in settings(variables, "AWS_") {
        if let Ok(key) = name.parse() {
            builder = builder.with_config(key, value);
        }
    }
    for (key, value) in patience::CLIENT {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
    }
    let endpoint = builder
        .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
        .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
    if is_plain_http(endpoint.as_deref()) {
        builder = builder.with_allow_http(true);
    }
    let store = builder
        .with_url(url)
        .with_retry(patience::retries())
        .with_http_connector(Patient)
        .build()?;
    Ok((Arc::new(store), endpoint))
}

fn gcs(url: &str, variables: impl IntoIterator<Item = (String, String)>) -> Connected {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (name, value) in settings(variables, "GOOGLE_") {
        if let Ok(key) = name.parse() {
            builder = builder.with_config(key, value);
        }
    }
    for (key, value) in patience::CLIENT {
        builder = builder.with_config(GoogleConfigKey::Client(key), value);
    }
    let endpoint = builder.get_config_value(&GoogleConfigKey::BaseUrl);
    let store = builder
        .with_url(url)
        .with_retry(patience::retries())
        .with_http_connector(Patient)
        .build()?;
    Ok((Arc::new(store), endpoint))
}

fn azure(url: &str, variables: impl IntoIterator<Item = (String, String)>) -> Connected {
    let mut builder = MicrosoftAzureBuilder::new();
    for (name, value) in settings(variables, "") {
        let name = match name.as_str() {
            "identity_endpoint" => "azure_identity_endpoint",
            name if name.starts_with("azure_") => name,
            _ => continue,
        };
        if let Ok(key) = name.parse() {
            builder = builder.with_config(key, value);
        }
    }
    for (key, value) in patience::CLIENT {
        builder = builder.with_config(AzureConfigKey::Client(key), value);
    }
    let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
    if is_plain_http(endpoint.as_deref()) {
        builder = builder.with_allow_http(true);
    }
    let account = builder.get_config_value(&AzureConfigKey::AccountName);
    let store = builder
        .with_url(url)
        .with_retry(patience::retries())
        .with_http_connector(Patient)
        .build()?;
    Ok((Arc::new(store), endpoint.or(account)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    fn connected(location: &str, variables: &[(&str, &str)]) -> Result<Remote> {
        let Place::Remote(place) = Place::parse(location).unwrap() else {
            panic!("{location} is remote");
        };
        let variables = variables
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        connect_with(&place, variables)
    }

    const KEYS: [(&str, &str); 2] = [
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
    ];

    #[test]
    fn each_provider_is_set_up_from_its_variables() {
        let account = [
            ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
            ("AZURE_SKIP_SIGNATURE", "true"),
        ];
        for (location, variables, told) in [
            ("s3://b", &KEYS[..], "AmazonS3(b)"),
            ("s3://b/p", &KEYS[..], "PrefixObjectStore(p)"),
            (
                "gs://b",
                &[("GOOGLE_SKIP_SIGNATURE", "true")][..],
                "GoogleCloudStorage(b)",
            ),
            (
                "az://c",
                &account[..],
                "MicrosoftAzure { account: account, container: c }",
            ),
        ] {
            let remote = connected(location, variables).unwrap();
            assert_eq!(remote.store.to_string(), told);
            assert!(!format!("{remote:?}").contains("hunter2"), "{remote:?}");
        }
        assert!(connected("az://c", &[]).is_err(), "without an account");
    }

    #[test]
    fn buckets_at_two_endpoints_are_two_places() {
        let at = |endpoint: &str| {
            let variables = [KEYS.as_slice(), &[("AWS_ENDPOINT_URL", endpoint)]].concat();
            connected("s3://b/p", &variables).unwrap().identity
        };
        assert_ne!(at("http://127.0.0.1:1"), at("http://127.0.0.1:2"));
    }

    #[test]
    fn half_of_the_credentials_is_an_error_that_names_the_place_and_no_secret() {
        let error = connected("s3://b/p", &KEYS[1..]).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Io);
        let told = error.to_string();
        assert!(
            told.contains("s3://b/p") && !told.contains("hunter2"),
            "{told}"
        );
    }
}
