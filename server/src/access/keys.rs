//! The secrets that tokens are signed with.
//!
//! There are two of them, so that they can be changed: new tokens are signed with the present one, and those that were
//! signed with the one before are taken until it is left out of the settings. Tokens may be called back one by one
//! ([`Revoked`]). Files are looked at again and again; one that cannot be read changes nothing, and keeps no other one from
//! its effect.

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::DecodingKey;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tracing::warn;

use super::Access;
use super::revoked::Revoked;
use super::token::{Refusal, verify};
use crate::config::{Config, ConfigError, Secret};
use crate::refresh::keep_looking;

/// The longest file with a secret, in bytes.
const FILE_BYTES: u64 = 64 << 10;
/// Secrets that are shorter can be found by trying, in bytes (RFC 7518, section 3.2).
const GOOD_BYTES: usize = 32;

/// What tokens are checked with at the moment. Clones share it.
#[derive(Clone)]
pub(crate) struct Keys {
    sources: Arc<[Source]>,
    /// The file with tokens that were called back; empty for none.
    revoked: Arc<str>,
    current: watch::Sender<Arc<Current>>,
}

struct Current {
    secrets: Vec<Secret>,
    keys: Vec<DecodingKey>,
    revoked: Revoked,
}

/// Where a secret is.
struct Source {
    setting: &'static str,
    place: Place,
}

enum Place {
    Settings(Secret),
    File(String),
}

impl Source {
    fn of(setting: &'static str, secret: &Secret, file: &str) -> Option<Self> {
        let place = match (secret.is_empty(), file.is_empty()) {
            (false, _) => Place::Settings(secret.clone()),
            (true, false) => Place::File(file.to_owned()),
            (true, true) => return None,
        };
        Some(Self { setting, place })
    }

    async fn read(&self) -> Result<Secret, ConfigError> {
        let path = match &self.place {
            Place::Settings(secret) => return Ok(secret.clone()),
            Place::File(path) => path,
        };
        let wrong = |problem: String| {
            ConfigError::new(
                "settings",
                format!("{}_file {path}: {problem}", self.setting),
            )
        };
        let unread = |error| wrong(format!("cannot be read: {error}"));
        let mut text = Vec::new();
        let file = tokio::fs::File::open(path).await.map_err(unread)?;
        let mut start = file.take(FILE_BYTES + 1);
        start.read_to_end(&mut text).await.map_err(unread)?;
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > FILE_BYTES {
            return Err(wrong(format!("is longer than {FILE_BYTES} bytes")));
        }
        let text = String::from_utf8(text).map_err(|_| wrong("is no text".to_owned()))?;
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.is_empty() {
            return Err(wrong("is empty".to_owned()));
        }
        Ok(Secret::from(secret))
    }
}

/// The secret that new tokens are signed with.
///
/// # Errors
/// If there is none, or the file with it cannot be read.
pub(crate) async fn present(config: &Config) -> Result<Secret, ConfigError> {
    match Source::of("secret", &config.secret, &config.secret_file) {
        Some(source) => source.read().await,
        None => {
            let problem = "there is no secret to sign a token with: name one with --secret-file, or in SHOOTS_SECRET";
            Err(ConfigError::new("settings", problem))
        }
    }
}

impl Keys {
    /// Those of the settings; `None` if calls need no token.
    ///
    /// # Errors
    /// If a file with a secret, or with tokens that were called back, cannot be read.
    pub(crate) async fn open(config: &Config) -> Result<Option<Self>, ConfigError> {
        let (previous, previous_file) = (&config.previous_secret, &config.previous_secret_file);
        let sources = [
            Source::of("secret", &config.secret, &config.secret_file),
            Source::of("previous_secret", previous, previous_file),
        ];
        let sources: Arc<[Source]> = sources.into_iter().flatten().collect();
        if sources.is_empty() {
            return Ok(None);
        }
        let secrets = read(&sources).await?;
        let revoked = Revoked::read(&config.revoked_tokens_file).await?;
        Ok(Some(Self {
            current: watch::Sender::new(Arc::new(Current::new(secrets, revoked)?)),
            revoked: config.revoked_tokens_file.as_str().into(),
            sources,
        }))
    }

    /// What a token gives its holder.
    pub(super) fn verify(&self, token: &[u8]) -> Result<Access, Refusal> {
        let current = Arc::clone(&self.current.borrow());
        let mut refused = Refusal::Signature;
        for key in &current.keys {
            match verify(token, key) {
                Err(Refusal::Signature) => {}
                Err(refusal) => {
                    refused = refusal;
                    break;
                }
                Ok(access) => return current.admit(access),
            }
        }
        Err(refused)
    }

    /// Takes over what changes in the files, for as long as it is polled.
    pub(crate) async fn follow(self) {
        keep_looking("secrets and tokens that were called back", || self.look()).await;
    }

    /// Looks at the files once, and says whether they have changed. What can be read counts, even if something cannot be.
    pub(super) async fn look(&self) -> Result<bool, ConfigError> {
        let current = Arc::clone(&self.current.borrow());
        let mut problems = Vec::new();
        let mut secrets = Vec::with_capacity(self.sources.len());
        for (source, known) in self.sources.iter().zip(&current.secrets) {
            secrets.push(source.read().await.unwrap_or_else(|problem| {
                problems.push(problem);
                known.clone()
            }));
        }
        let revoked = Revoked::read(&self.revoked)
            .await
            .unwrap_or_else(|problem| {
                problems.push(problem);
                current.revoked.clone()
            });
        let changed = secrets != current.secrets || revoked != current.revoked;
        if changed {
            self.current
                .send_replace(Arc::new(Current::new(secrets, revoked)?));
        }
        match problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(changed),
        }
    }
}

impl Current {
    fn new(secrets: Vec<Secret>, revoked: Revoked) -> Result<Self, ConfigError> {
        if secrets
            .iter()
            .any(|secret| secret.as_bytes().len() < GOOD_BYTES)
        {
            warn!("a secret is shorter than {GOOD_BYTES} bytes: it can be found by trying");
        }
        let keys = secrets.iter().map(|secret| {
            let key = DecodingKey::from_secret(secret.as_bytes());
            key.map_err(|_| ConfigError::new("settings", "a secret is empty"))
        });
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
            secrets,
            revoked,
        })
    }

    /// Lets a token in unless it was called back.
    fn admit(&self, access: Access) -> Result<Access, Refusal> {
        if access.token().is_some_and(|id| self.revoked.contains(id)) {
            return Err(Refusal::Revoked);
        }
        Ok(access)
    }
}

async fn read(sources: &[Source]) -> Result<Vec<Secret>, ConfigError> {
    let mut secrets = Vec::new();
    for source in sources {
        secrets.push(source.read().await?);
    }
    Ok(secrets)
}

/// Says nothing of secrets.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}
