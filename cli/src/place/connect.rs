//! The way to where frames are: a connection to a server, or a server inside of this process on a store.

use std::path::Path;
use std::time::Duration;

use shoots_client::{ClientBuilder, ShootsClient};
use shoots_server::{Config, EmbeddedServer};

use super::folder::{self, NewFolder};
use super::{At, Place};
use crate::failure::Failure;

/// A client, and what has to live as long as it.
pub(crate) struct Connected {
    pub(crate) client: ShootsClient,
    embedded: Option<EmbeddedServer>,
    /// The folder of the store, if there was none.
    new: Option<NewFolder>,
}

impl Connected {
    /// Lets what was begun on a store be finished. Tells where there is a store that was not there before.
    pub(crate) async fn close(self) -> Option<String> {
        if let Some(server) = self.embedded {
            server.close().await;
        }
        self.new?.kept()
    }
}

impl Place {
    /// Goes there. Only what brings something to keep may `begin` a store.
    pub(crate) async fn connect(&self, begins: bool) -> Result<Connected, Failure> {
        match &self.at {
            At::Server(address) => {
                let connected = self.builder(address)?.connect().await;
                let client = connected.map_err(|error| self.with_files(error))?;
                Ok(Connected {
                    client,
                    embedded: None,
                    new: None,
                })
            }
            At::Store(location) => self.open(location, begins).await,
        }
    }

    /// The same failure, with the flags that help where the server does not want to know who comes, or is met as another
    /// kind of server than it is.
    pub(crate) fn advised(&self, failure: Failure) -> Failure {
        let At::Server(address) = &self.at else {
            return failure;
        };
        let Failure::Client(error, said) = failure else {
            return failure;
        };
        let advice = if error.asks_for_certificate() {
            match self.identity {
                Some(_) => {
                    ": the server may not accept the one of --certificate (expired, for another use, of another authority); its log has the reason"
                }
                None => ": show it one with --certificate and --key",
            }
        } else if error.is_another_protocol() && is_plain(address) {
            "; the server may encrypt its connections: then its address begins with grpc+tls:// instead of grpc://"
        } else if error.is_cut_off() {
            match self.identity {
                _ if is_plain(address) => {
                    "; if the server cuts off every call, it may encrypt its connections: then its address begins with grpc+tls:// instead of grpc://"
                }
                Some(_) => {
                    "; if the server cuts off every call, it may not accept the certificate of --certificate (expired, for another use, of another authority); its log has the reason"
                }
                None => {
                    "; if the server cuts off every call, it may ask for a client certificate: show it one with --certificate and --key"
                }
            }
        } else {
            said
        };
        Failure::Client(error, advice)
    }

    /// A failure to connect, with the files that it is about.
    fn with_files(&self, error: shoots_client::Error) -> Failure {
        let files = match (error.setting(), &self.ca, &self.identity) {
            (Some("ca_certificate"), Some(ca), _) => format!("--ca {}", ca.display()),
            (Some("identity"), _, Some((certificate, key))) => format!(
                "--certificate {}, --key {}",
                certificate.display(),
                key.display()
            ),
            _ => return error.into(),
        };
        Failure::usage(format!("{error} ({files})"))
    }

    fn builder(&self, address: &str) -> Result<ClientBuilder, Failure> {
        let mut builder = self.limited(ShootsClient::builder(address));
        if let Some(token) = &self.token {
            if address.starts_with("grpc://") && !self.allow_insecure_token {
                return Err(Failure::usage(
                    "a token must not travel unencrypted: use a grpc+tls:// address, or allow it with --allow-insecure-token",
                ));
            }
            builder = builder
                .token(token.token()?)
                .token_without_tls(self.allow_insecure_token);
        }
        if let Some(ca) = &self.ca {
            builder = builder.ca_certificate(pem(ca)?);
        }
        if let Some((certificate, key)) = &self.identity {
            builder = builder.identity(pem(certificate)?, pem(key)?);
        }
        if let Some(domain) = &self.domain {
            builder = builder.domain_name(domain);
        }
        Ok(builder)
    }

    fn limited(&self, builder: ClientBuilder) -> ClientBuilder {
        match (self.timeout, self.is_store()) {
            (Some(0), _) | (None, true) => builder.call_timeout(None),
            (Some(seconds), _) => builder.call_timeout(Duration::from_secs(seconds)),
            (None, false) => builder,
        }
    }

    /// The pipes between client and server are inside of this process, so that nobody else can use them. Whoever runs
    /// this may read any file that the user may, so any folder can be a remote.
    async fn open(&self, location: &str, begins: bool) -> Result<Connected, Failure> {
        let new = folder::check(location, begins)?;
        let config = Config {
            bucket_dir: location.to_owned(),
            allow_file_remotes: vec!["/".to_owned()],
            ..Config::default()
        };
        let server = EmbeddedServer::start(config).await?;
        let pipes = server.pipes();
        let client = self.limited(ShootsClient::builder("embedded"));
        let client = client.keep_alive(None).connect_over(move || {
            let pipe = pipes.open();
            async move { pipe }
        })?;
        Ok(Connected {
            client,
            embedded: Some(server),
            new,
        })
    }
}

/// Whether an address is one of unencrypted connections, as the client takes it.
fn is_plain(address: &str) -> bool {
    let scheme = address.split_once("://").map(|(scheme, _)| scheme);
    let scheme = scheme.unwrap_or_default().to_ascii_lowercase();
    !["grpc+tls", "grpcs", "https"].contains(&scheme.as_str())
}

fn pem(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}
