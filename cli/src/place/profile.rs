//! The configuration file: profiles, each with a name, and which of them applies if none is named.
//!
//! ```toml
//! default = "lab"
//!
//! [profiles.lab]
//! server = "grpc+tls://shoots.lab.example:8081"
//! ca = "/etc/ssl/lab.pem"
//! token = "env:LAB_TOKEN"
//! bucket = "nyc"
//!
//! [profiles.archive]
//! store = "s3://archive/shoots"
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::secret::Secret;
use crate::failure::Failure;

/// What the file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    #[serde(skip)]
    path: PathBuf,
    default: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// A place, and what goes with it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    pub(super) server: Option<String>,
    pub(super) store: Option<String>,
    pub(super) token: Option<Secret>,
    #[serde(default)]
    pub(super) allow_insecure_token: bool,
    pub(super) ca: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) domain: Option<String>,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) bucket: Option<String>,
    pub(super) author: Option<String>,
}

impl Config {
    /// The file of the user; none is as good as an empty one.
    pub(super) fn at_home(variable: &impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let folder = variable("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".config")));
        match folder.map(|folder| folder.join("shoots/config.toml")) {
            Some(path) if path.exists() => Self::read(&path),
            _ => Ok(Self::default()),
        }
    }

    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
        let config: Self = toml::from_str(&text).map_err(|error| mistake(path, &text, &error))?;
        for (name, profile) in &config.profiles {
            if profile.server.is_some() && profile.store.is_some() {
                let problem = format!(
                    "{}: the profile {name:?} names a server and a store; leave one of them out",
                    path.display()
                );
                return Err(Failure::usage(problem));
            }
            if profile.token.as_ref().is_some_and(Secret::is_written) && readable_by_others(path) {
                let problem = format!(
                    "{}: the profile {name:?} has a token, and others can read the file; take that from them \
                     (chmod 600), or write env:NAME or file:PATH in its place",
                    path.display()
                );
                return Err(Failure::usage(problem));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            ..config
        })
    }

    /// The profile of a name, or else the one that applies without one.
    pub(super) fn profile(&self, name: Option<&str>) -> Result<Profile, Failure> {
        let Some(name) = name.or(self.default.as_deref()) else {
            return Ok(Profile::default());
        };
        let found = self.profiles.get(name).cloned();
        found.ok_or_else(|| {
            let names: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
            let known = match (self.path.as_os_str().is_empty(), names.is_empty()) {
                (true, _) => {
                    "there is no configuration file (~/.config/shoots/config.toml)".to_owned()
                }
                (false, true) => format!("{} has none", self.path.display()),
                (false, false) => format!("{} has {}", self.path.display(), names.join(", ")),
            };
            Failure::usage(format!("there is no profile {name:?}: {known}"))
        })
    }
}

/// What is wrong with the file. Lines with tokens are not repeated.
fn mistake(path: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    let message = error.message();
    Failure::usage(format!("{}: line {line}: {message}", path.display()))
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_path: &Path) -> bool {
    false
}
