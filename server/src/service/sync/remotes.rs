//! Which other places there are, who may name them, and how they are reached.
//!
//! The server's settings name remotes, and so do callers, whose remotes are kept in the store. What a caller names is
//! reached with this server's eyes, so it is bounded, both when it is named and when it is used (the store may be one
//! that others write to): a folder of this machine, or a file with a token, must lie below a folder that the settings
//! allow, and a variable must have a name that nobody has by accident.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shoots_proto::action::{
    AddRemoteRequest, RemoteRecord, RemoteResult, RemotesRequest, RemotesResult,
    RemoveRemoteRequest,
};
use shoots_proto::remote::RemoteScheme;
use shoots_proto::{ErrorKind, Remote, RemoteName, SecretRef};
use shoots_store::Store;
use tracing::info;
use url::Url;

use crate::config::Config;
use crate::service::Shared;
use crate::status::Failure;

/// What the variables are called that callers may refer to.
const VARIABLES: &str = "SHOOTS_REMOTE_";

/// The remotes of the settings, and what callers may name besides.
#[derive(Debug, Default)]
pub(crate) struct Remotes {
    configured: BTreeMap<RemoteName, Remote>,
    folders: Vec<PathBuf>,
    silence: Duration,
    low_space_bytes: u64,
}

impl Remotes {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            configured: config.remotes.clone(),
            folders: config
                .allow_file_remotes
                .iter()
                .map(PathBuf::from)
                .collect(),
            silence: config.remote_silence(),
            low_space_bytes: config.low_space_bytes,
        }
    }

    /// How long a server at the other end of a transfer may be silent.
    pub(super) fn silence(&self) -> Duration {
        self.silence
    }

    /// Below how many free bytes nothing is brought to a folder of this machine.
    pub(super) fn low_space_bytes(&self) -> u64 {
        self.low_space_bytes
    }

    /// The place that a name stands for.
    pub(super) async fn find(&self, store: &Store, name: &RemoteName) -> Result<Remote, Failure> {
        if let Some(remote) = self.configured.get(name) {
            return Ok(remote.clone());
        }
        let Some(remote) = store.remote(name).await? else {
            let problem = format!("there is no remote {name}: name it with `add_remote`");
            return Err(Failure::new(ErrorKind::FileNotFoundError, problem));
        };
        self.check(&remote).await?;
        Ok(remote)
    }

    /// Refuses what a caller may not let this server reach.
    async fn check(&self, remote: &Remote) -> Result<(), Failure> {
        if remote.url.scheme() == RemoteScheme::File {
            let url = Url::parse(remote.url.as_str()).ok();
            let path = url.and_then(|url| url.to_file_path().ok());
            let path = path.ok_or_else(|| refused("url", "is not a folder of this machine"))?;
            if !self.allows(&path).await {
                let problem = "leads to a folder of this machine that callers may not use; the setting `allow_file_remotes` names those that they may";
                return Err(refused("url", problem));
            }
        }
        let references = [
            ("token", &remote.token),
            ("ca", &remote.ca),
            ("certificate", &remote.certificate),
            ("key", &remote.key),
        ];
        for (field, reference) in references {
            match reference {
                Some(SecretRef::Variable(name)) if !name.starts_with(VARIABLES) => {
                    let problem = format!(
                        "refers to a variable that callers may not use; they may use those that begin with {VARIABLES}"
                    );
                    return Err(refused(field, &problem));
                }
                Some(SecretRef::File(path)) if !self.allows(Path::new(path)).await => {
                    let problem = "refers to a file that callers may not use; the setting `allow_file_remotes` names the folders that they may";
                    return Err(refused(field, problem));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a path leads below one of the folders, whatever links lie on the way.
    async fn allows(&self, path: &Path) -> bool {
        let parts = path.components();
        let plain = parts.clone().all(|part| {
            !matches!(
                part,
                std::path::Component::ParentDir | std::path::Component::CurDir
            )
        });
        if !plain || self.folders.is_empty() {
            return false;
        }
        // What does not exist yet lies where the nearest folder leads that does.
        let mut real = None;
        for ancestor in path.ancestors() {
            if let Ok(found) = tokio::fs::canonicalize(ancestor).await {
                let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
                real = Some(found.join(rest));
                break;
            }
            if tokio::fs::symlink_metadata(ancestor).await.is_ok() {
                // A link to nowhere can be made to lead anywhere.
                return false;
            }
        }
        let Some(real) = real else {
            return false;
        };
        for folder in &self.folders {
            let folder = tokio::fs::canonicalize(folder).await;
            if folder.is_ok_and(|folder| real.starts_with(folder)) {
                return true;
            }
        }
        false
    }
}

fn refused(field: &'static str, problem: &str) -> Failure {
    Failure::invalid("remote", Some(field), problem)
}

/// Names a place.
pub(in crate::service) async fn add(
    shared: Arc<Shared>,
    request: AddRemoteRequest,
) -> Result<RemoteResult, Failure> {
    shared.check_writable("to name a remote")?;
    let (name, place) = (&request.remote, request.place());
    expect_unconfigured(&shared, name)?;
    shared.remotes.check(&place).await?;
    let store = shared.store.whole("name a remote")?;
    store.add_remote(name, &place).await?;
    info!(remote = %name, url = %place.url, "named");
    Ok(told(name, &place))
}

/// Forgets a place.
pub(in crate::service) async fn remove(
    shared: Arc<Shared>,
    RemoveRemoteRequest { remote }: RemoveRemoteRequest,
) -> Result<RemoteResult, Failure> {
    shared.check_writable("to forget a remote")?;
    expect_unconfigured(&shared, &remote)?;
    let store = shared.store.whole("forget a remote")?;
    let place = store.remove_remote(&remote).await?;
    info!(%remote, url = %place.url, "forgotten");
    Ok(told(&remote, &place))
}

fn told(name: &RemoteName, place: &Remote) -> RemoteResult {
    RemoteResult {
        remote: name.clone(),
        url: place.url.to_string(),
    }
}

fn expect_unconfigured(shared: &Shared, name: &RemoteName) -> Result<(), Failure> {
    if shared.remotes.configured.contains_key(name) {
        let problem =
            "is defined by the server's settings; change it there, or choose another name";
        return Err(refused("remote", problem));
    }
    Ok(())
}

/// Lists the places, and what is known of frames there.
pub(in crate::service) async fn list(
    shared: Arc<Shared>,
    request: RemotesRequest,
) -> Result<RemotesResult, Failure> {
    let store = shared.store.whole("see the remotes")?;
    let mut places = store.remotes().await?;
    let configured = &shared.remotes.configured;
    places.extend(configured.clone());
    if let Some(only) = &request.remote {
        places.retain(|name, _| name == only);
        if places.is_empty() {
            let problem = format!("there is no remote {only}");
            return Err(Failure::new(ErrorKind::FileNotFoundError, problem));
        }
    }
    let tracked = if request.frames {
        Some(store.tracked_frames(request.bucket.as_ref()).await?)
    } else {
        None
    };
    let remotes = places.into_iter().map(|(name, place)| RemoteRecord {
        url: place.url.to_string(),
        configured: configured.contains_key(&name),
        has_token: place.token.is_some(),
        frames: tracked.as_ref().map(|tracked| {
            let of_it = tracked.iter().filter(|frame| frame.remote == name.as_str());
            of_it.cloned().collect()
        }),
        remote: name,
    });
    Ok(RemotesResult {
        remotes: remotes.collect(),
    })
}

#[cfg(test)]
mod tests;
