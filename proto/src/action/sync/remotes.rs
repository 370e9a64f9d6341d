//! The actions on remotes: `add_remote`, `remove_remote`, `remotes`.

use serde::{Deserialize, Serialize};

use crate::field;
use crate::name::{BucketName, FrameName};
use crate::remote::{Remote, RemoteName, RemoteUrl, SecretRef};
use crate::request::{Coherent, Misfit, request};
use crate::time::Time;

request! {
    /// Gives another place that keeps frames a name.
    ///
    /// ```
    /// use shoots_proto::action::{ADD_REMOTE, AddRemoteRequest};
    /// use shoots_proto::decode;
    ///
    /// let json = br#"{"remote":"backup","url":"grpc+tls://backup.example","token":"env:SHOOTS_REMOTE_TOKEN"}"#;
    /// let request: AddRemoteRequest = decode(ADD_REMOTE, json)?;
    /// assert_eq!(request.remote.as_str(), "backup");
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Eq)]
    pub struct AddRemoteRequest () {
        /// Its name.
        pub remote: RemoteName,
        /// Where it is.
        pub url: RemoteUrl,
        /// Where the token is found that a server asks for: `env:NAME` or `file:/path`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub token: Option<SecretRef>,
        /// Where the certificate is found of the authority that signed the server's.
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

impl AddRemoteRequest {
    /// Names this place.
    #[must_use]
    pub fn new(remote: RemoteName, place: Remote) -> Self {
        Self {
            remote,
            url: place.url,
            token: place.token,
            ca: place.ca,
            certificate: place.certificate,
            key: place.key,
            allow_insecure_token: place.allow_insecure_token,
        }
    }

    /// The place that is named.
    #[must_use]
    pub fn place(&self) -> Remote {
        Remote {
            url: self.url.clone(),
            token: self.token.clone(),
            ca: self.ca.clone(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            allow_insecure_token: self.allow_insecure_token,
        }
    }
}

impl Coherent for AddRemoteRequest {
    fn check(&self) -> Result<(), Misfit> {
        self.place().check()
    }
}

request! {
    /// Forgets a remote. Frames that came from it stay, and know of it no more.
    #[derive(Eq)]
    pub struct RemoveRemoteRequest () {
        /// Its name.
        pub remote: RemoteName,
    }
}

impl Coherent for RemoveRemoteRequest {}

/// The remote that was added or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct RemoteResult {
    /// Its name.
    pub remote: RemoteName,
    /// Where it is.
    pub url: String,
}

request! {
    /// Lists the remotes.
    ///
    /// ```
    /// use shoots_proto::action::{REMOTES, RemotesRequest};
    /// use shoots_proto::{decode, decode_or_default};
    ///
    /// assert!(!decode_or_default::<RemotesRequest>(REMOTES, b"")?.frames);
    /// assert!(decode::<RemotesRequest>(REMOTES, br#"{"bucket":"nyc","frames":true}"#)?.frames);
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Default, Eq)]
    pub struct RemotesRequest () {
        /// Only this one; `None` is all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub remote: Option<RemoteName>,
        /// Whether to tell, too, how far the frames of a bucket are ahead of the remotes and behind, as far as is known.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub frames: bool,
        /// The bucket of these frames; `None` is the default bucket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub bucket: Option<BucketName>,
    }
}

impl Coherent for RemotesRequest {
    fn check(&self) -> Result<(), Misfit> {
        if self.bucket.is_some() && !self.frames {
            let problem = "is the bucket of `frames`; set that too, or leave it out";
            return Err(Misfit::new("bucket", problem));
        }
        Ok(())
    }
}

/// The remotes that a server knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct RemotesResult {
    /// The remotes, by name.
    pub remotes: Vec<RemoteRecord>,
}

/// A remote. What it is let in with is not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct RemoteRecord {
    /// Its name.
    pub remote: RemoteName,
    /// Where it is.
    pub url: String,
    /// Whether the server's settings define it, so that it cannot be changed by an action.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub configured: bool,
    /// Whether a token is sent there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_token: bool,
    /// The frames that know of it, if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<Vec<TrackedFrame>>,
}

/// What is known here of a frame at a remote, since it was last fetched from there or pushed to there.
///
/// ```
/// use shoots_proto::action::TrackedFrame;
/// use shoots_proto::decode;
///
/// let json = br#"{"name":"prices","remote":"backup","remote_name":"prices","ahead":2,"behind":1,
///     "commit":"9f86","seen":"2024-01-31T09:30:00Z"}"#;
/// let frame: TrackedFrame = decode("tracked frame", json)?;
/// assert_eq!(frame.to_string(), "ahead 2, behind 1");
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct TrackedFrame {
    /// The frame's name here.
    pub name: FrameName,
    /// Its bucket here; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// The remote.
    pub remote: String,
    /// Its name there.
    pub remote_name: FrameName,
    /// Its bucket there; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_bucket: Option<BucketName>,
    /// How many commits are here and not there.
    pub ahead: u64,
    /// How many commits are there and not here.
    pub behind: u64,
    /// The commit that its history ended with there, in hexadecimal digits.
    pub commit: String,
    /// When that was.
    pub seen: Time,
}

impl std::fmt::Display for TrackedFrame {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ahead {}, behind {}", self.ahead, self.behind)
    }
}
