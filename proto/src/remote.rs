//! Other places that keep frames: what they are called, where they are, and how one is let in.
//!
//! A [`RemoteUrl`] never holds a secret, and a [`SecretRef`] only says where one is found: so a remote can be stored,
//! listed and logged as it is. What is refused here is not repeated in the error, because it may be the very secret
//! that ended up in the wrong place.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::field;
use crate::request::{Coherent, Misfit, request};

/// The longest name of a remote, in characters.
const MAX_NAME_CHARS: usize = 64;
/// The longest URL or reference, in bytes.
const MAX_TEXT_BYTES: usize = 2000;

/// Why a text cannot name a remote, say where it is, or say where a secret is found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RemoteError(String);

fn refused<T>(problem: impl Into<String>) -> Result<T, RemoteError> {
    Err(RemoteError(problem.into()))
}

/// The name of a remote: 1 to 64 ASCII letters, digits, `-`, `_` and `.`, the first one a letter or digit.
///
/// ```
/// use shoots_proto::RemoteName;
///
/// assert_eq!(RemoteName::parse("backup-2024")?.as_str(), "backup-2024");
/// assert!(RemoteName::parse("../backup").is_err());
/// # Ok::<(), shoots_proto::remote::RemoteError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteName(String);

impl RemoteName {
    /// Checks a text.
    ///
    /// # Errors
    /// [`RemoteError`] says which names there are.
    pub fn parse(text: &str) -> Result<Self, RemoteError> {
        let fits = text.len() <= MAX_NAME_CHARS
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if fits {
            return Ok(Self(text.to_owned()));
        }
        refused(format!(
            "must be 1 to {MAX_NAME_CHARS} ASCII letters, digits, `-`, `_` and `.`, and begin with a letter or digit"
        ))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What kind of place a remote is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemoteScheme {
    /// A folder that this machine reaches.
    File,
    /// A bucket of S3, or of what speaks like it.
    S3,
    /// A bucket of Google's storage.
    Gs,
    /// A container of Azure's storage.
    Az,
    /// A Shoots server, unencrypted.
    Grpc,
    /// A Shoots server, encrypted.
    GrpcTls,
}

impl RemoteScheme {
    /// What a URL begins with, without `://`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
            Self::Grpc => "grpc",
            Self::GrpcTls => "grpc+tls",
        }
    }

    /// Whether it is a server.
    #[must_use]
    pub fn is_server(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcTls)
    }

    fn of(text: &str) -> Option<Self> {
        [
            Self::File,
            Self::S3,
            Self::Gs,
            Self::Az,
            Self::Grpc,
            Self::GrpcTls,
        ]
        .into_iter()
        .find(|scheme| scheme.as_str() == text)
    }
}

/// Where a remote is: `file:///folder`, `s3://bucket/folder`, `gs://…`, `az://…`, `grpc://host:port` or
/// `grpc+tls://host:port`. It holds no credentials.
///
/// ```
/// use shoots_proto::RemoteUrl;
/// use shoots_proto::remote::RemoteScheme;
///
/// let url = RemoteUrl::parse("grpc+tls://shoots.example:8081")?;
/// assert_eq!(url.scheme(), RemoteScheme::GrpcTls);
///
/// for bad in ["s3://key:secret@bucket/x", "file://./here", "file:///a/../b", "https://host"] {
///     assert!(RemoteUrl::parse(bad).is_err(), "{bad}");
/// }
/// # Ok::<(), shoots_proto::remote::RemoteError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteUrl(String);

impl RemoteUrl {
    /// Checks a text.
    ///
    /// # Errors
    /// [`RemoteError`] says what is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, RemoteError> {
        if text.len() > MAX_TEXT_BYTES {
            return refused(format!("is too long; {MAX_TEXT_BYTES} bytes are allowed"));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return refused("must not contain spaces or control characters; write them as `%20`");
        }
        let known = "file:///folder, s3://bucket/folder, gs://, az://, grpc://host:port or grpc+tls://host:port";
        let Some((scheme, rest)) = text.split_once("://") else {
            return refused(format!("is not a URL; use {known}"));
        };
        let Some(scheme) = RemoteScheme::of(scheme) else {
            return refused(format!("leads to nothing that is known; use {known}"));
        };
        if rest.contains(['?', '#']) {
            return refused("has a `?` or `#`; leave it out, it may be read by others");
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return refused("holds credentials; leave them out, a remote only refers to them");
        }
        check_parts(scheme, authority, path)?;
        Ok(Self(text.to_owned()))
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What kind of place it is.
    #[must_use]
    pub fn scheme(&self) -> RemoteScheme {
        let scheme = self.0.split_once("://").map(|(scheme, _)| scheme);
        scheme
            .and_then(RemoteScheme::of)
            .unwrap_or(RemoteScheme::File)
    }
}

fn check_parts(scheme: RemoteScheme, authority: &str, path: &str) -> Result<(), RemoteError> {
    if path.split('/').any(leads_elsewhere) {
        return refused("must not contain `.` or `..` as a part of its path");
    }
    match scheme {
        RemoteScheme::File if !authority.is_empty() || path.len() < 2 => {
            refused("must name a folder of this machine by its whole path: file:///folder")
        }
        RemoteScheme::File => Ok(()),
        _ if authority.is_empty() => {
            let example = if scheme.is_server() {
                "host:port"
            } else {
                "bucket/folder"
            };
            refused(format!("names no place: {}://{example}", scheme.as_str()))
        }
        _ if scheme.is_server() && path.len() > 1 => refused(format!(
            "must end after the port: {}://host:port",
            scheme.as_str()
        )),
        _ => Ok(()),
    }
}

/// Whether a part of a path means another folder, however it is written.
fn leads_elsewhere(part: &str) -> bool {
    let plain = part.to_ascii_lowercase().replace("%2e", ".");
    let hidden_slash = plain.contains("%2f") || plain.contains("%5c") || plain.contains('\\');
    hidden_slash || plain == "." || plain == ".."
}

/// Where a secret or a certificate is found: `env:NAME` or `file:/path`. It is read when it is needed, and only what is
/// found there is secret.
///
/// ```
/// use shoots_proto::SecretRef;
///
/// assert_eq!(SecretRef::parse("env:BACKUP_TOKEN")?, SecretRef::Variable("BACKUP_TOKEN".into()));
/// assert_eq!(SecretRef::parse("file:/run/secrets/token")?.to_string(), "file:/run/secrets/token");
/// let refused = SecretRef::parse("hunter2").unwrap_err();
/// assert!(!refused.to_string().contains("hunter2"));
/// # Ok::<(), shoots_proto::remote::RemoteError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretRef {
    /// The value of an environment variable.
    Variable(String),
    /// The content of a file, by its whole path.
    File(String),
}

impl SecretRef {
    /// Checks a text.
    ///
    /// # Errors
    /// [`RemoteError`] says how one is written, without repeating the text: it may be the secret itself.
    pub fn parse(text: &str) -> Result<Self, RemoteError> {
        let how = "must say where it is found, never what it is: `env:NAME` or `file:/path`";
        if text.len() > MAX_TEXT_BYTES || text.chars().any(char::is_control) {
            return refused(how);
        }
        match text.split_once(':') {
            Some(("env", name)) if is_variable(name) => Ok(Self::Variable(name.to_owned())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::File(path.to_owned())),
            _ => refused(how),
        }
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl fmt::Display for SecretRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(formatter, "env:{name}"),
            Self::File(path) => write!(formatter, "file:{path}"),
        }
    }
}

impl fmt::Display for RemoteName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Lets a checked text be read from and written as a JSON string.
macro_rules! as_text {
    ($($name:ident, $expecting:literal;)*) => {
        $(
            impl FromStr for $name {
                type Err = RemoteError;

                fn from_str(text: &str) -> Result<Self, RemoteError> {
                    Self::parse(text)
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    field::parsed(deserializer, $expecting)
                }
            }
        )*
    };
}

as_text! {
    RemoteName, "the name of a remote (a string)";
    RemoteUrl, "the URL of a remote (a string)";
    SecretRef, "where a secret is found (a string)";
}

request! {
    /// Where a remote is and how one is let in there.
    ///
    /// ```
    /// use shoots_proto::Remote;
    /// use shoots_proto::decode;
    ///
    /// let json = br#"{"url":"grpc://host:8081","token":"env:TOKEN"}"#;
    /// let refused = decode::<Remote>("remote", json).unwrap_err();
    /// assert_eq!(refused.field(), Some("token")); // everybody on the way could read it
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Eq)]
    pub struct Remote () {
        /// Where it is.
        pub url: RemoteUrl,
        /// Where the token is found that a server asks for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub token: Option<SecretRef>,
        /// Where the certificate (PEM) is found of the authority that signed the server's; `None` is what the operating
        /// system trusts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub ca: Option<SecretRef>,
        /// Where the certificate (PEM) is found that this end shows, for servers that ask for one; with its `key`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub certificate: Option<SecretRef>,
        /// Where the key (PEM) of the certificate is found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub key: Option<SecretRef>,
        /// Whether the token may travel unencrypted, where everybody on the way can read it.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub allow_insecure_token: bool,
    }
}

impl Remote {
    /// A place where nobody asks who comes.
    #[must_use]
    pub fn new(url: RemoteUrl) -> Self {
        Self {
            url,
            token: None,
            ca: None,
            certificate: None,
            key: None,
            allow_insecure_token: false,
        }
    }
}

impl Coherent for Remote {
    fn check(&self) -> Result<(), Misfit> {
        let scheme = self.url.scheme();
        if self.token.is_some() && !scheme.is_server() {
            let problem = "is for servers; what stores ask for comes from the server's environment";
            return Err(Misfit::new("token", problem));
        }
        if self.token.is_some() && scheme == RemoteScheme::Grpc && !self.allow_insecure_token {
            let problem = "would travel unencrypted over `grpc://`; use `grpc+tls://`, or set `allow_insecure_token`";
            return Err(Misfit::new("token", problem));
        }
        let encrypted = [
            ("ca", &self.ca),
            ("certificate", &self.certificate),
            ("key", &self.key),
        ];
        let given = encrypted.iter().find(|(_, given)| given.is_some());
        if let Some((field, _)) = given.filter(|_| scheme != RemoteScheme::GrpcTls) {
            let problem = "is for encrypted servers; leave it out, or use `grpc+tls://`";
            return Err(Misfit::new(field, problem));
        }
        match (&self.certificate, &self.key) {
            (Some(_), None) => Err(Misfit::new(
                "key",
                "is missing: a certificate is shown with it",
            )),
            (None, Some(_)) => Err(Misfit::new(
                "certificate",
                "is missing: a key is of use with it only",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
