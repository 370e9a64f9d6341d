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
//!
//! A profile with a fault stops only the commands that use it. Paths begin where the file is.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::secret::Secret;
use crate::failure::Failure;

/// What the file says. What is wrong with a profile is told when it is used.
#[derive(Debug, Default)]
pub(super) struct Config {
    path: PathBuf,
    default: Option<String>,
    profiles: BTreeMap<String, Result<Profile, String>>,
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
        Self::parse(path, &text).map_err(Failure::usage)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let told = |error: toml::de::Error| mistake(path, text, &error);
        let mut config = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        for (key, value) in DeTable::parse(text).map_err(told)?.into_inner() {
            let line = line(text, Some(key.span()));
            let wrong = |problem: &str| format!("{}: line {line}: {problem}", path.display());
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("default", _) => {
                    let value = ValueDeserializer::from(value);
                    config.default = Some(String::deserialize(value).map_err(told)?);
                }
                ("profiles", DeValue::Table(profiles)) => {
                    for (name, profile) in profiles.clone() {
                        let name = name.into_inner().into_owned();
                        let profile = ValueDeserializer::from(profile);
                        let profile = Profile::deserialize(profile).map_err(told);
                        let profile = profile.and_then(|profile| profile.checked(&name, path));
                        config.profiles.insert(name, profile);
                    }
                }
                ("profiles", _) => {
                    return Err(wrong("`profiles` holds tables, such as [profiles.lab]"));
                }
                (other, _) => {
                    let problem = format!("`{other}` is neither `default` nor `profiles`");
                    return Err(wrong(&problem));
                }
            }
        }
        Ok(config)
    }

    /// The profile that applies if none is named.
    pub(super) fn default_profile(&self) -> Option<&str> {
        self.default.as_deref()
    }

    /// The profiles that there are, with those that cannot be used.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// The profile of a name, or else the one that applies without one.
    pub(super) fn profile(&self, name: Option<&str>) -> Result<Profile, Failure> {
        let Some(name) = name.or(self.default.as_deref()) else {
            return Ok(Profile::default());
        };
        match self.profiles.get(name) {
            Some(profile) => profile.clone().map_err(Failure::usage),
            None => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &str) -> Failure {
        let names: Vec<&str> = self.names().collect();
        let known = match (self.path.as_os_str().is_empty(), names.is_empty()) {
            (true, _) => "there is no configuration file (~/.config/shoots/config.toml)".to_owned(),
            (false, true) => format!("{} has none", self.path.display()),
            (false, false) => format!("{} has {}", self.path.display(), names.join(", ")),
        };
        Failure::usage(format!("there is no profile {name:?}: {known}"))
    }
}

impl Profile {
    /// The profile with its paths, which begin where the file is, unless something is wrong with it.
    fn checked(mut self, name: &str, file: &Path) -> Result<Self, String> {
        let shown = file.display();
        if self.server.is_some() && self.store.is_some() {
            return Err(format!(
                "{shown}: the profile {name:?} names a server and a store; leave one of them out"
            ));
        }
        if self.token.as_ref().is_some_and(Secret::is_written) && readable_by_others(file) {
            return Err(format!(
                "{shown}: the profile {name:?} has a token, and others can read the file; take that from them \
                 (chmod 600), or write env:NAME or file:PATH in its place"
            ));
        }
        let folder = file.parent().unwrap_or(Path::new(""));
        self.store = self.store.map(|store| match store.contains("://") {
            true => store,
            false => folder.join(store).to_string_lossy().into_owned(),
        });
        for path in [&mut self.ca, &mut self.certificate, &mut self.key] {
            *path = path.take().map(|path| folder.join(path));
        }
        self.token = self.token.map(|token| token.beside(folder));
        Ok(self)
    }
}

/// What is wrong with the file. Lines with tokens are not repeated.
fn mistake(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let line = line(text, error.span());
    let message = error.message();
    format!("{}: line {line}: {message}", path.display())
}

/// The line in which a part of the text begins.
fn line(text: &str, part: Option<Range<usize>>) -> usize {
    let before = part.and_then(|part| text.get(..part.start));
    before.map_or(1, |before| before.matches('\n').count() + 1)
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
