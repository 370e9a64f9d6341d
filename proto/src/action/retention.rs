//! The actions that decide how long old versions and their bytes stay: `retention`, `expire`,
//! `forget`, `sweep`, `purge`.

use serde::{Deserialize, Deserializer, Serialize};

use crate::as_of::AsOf;
use crate::field;
use crate::name::{BucketName, FrameName};
use crate::request::{Coherent, Misfit, request};

/// Which versions are kept. A version is kept if any rule keeps it; the newest always is.
///
/// ```
/// use shoots_proto::action::Retention;
///
/// let read = |json| serde_json::from_str::<Retention>(json);
/// assert!(read("{}")?.keep_tagged);
/// assert_eq!(read(r#"{"keep_versions":10}"#)?.keep_versions, Some(10));
/// assert!(read(r#"{"keep_versions":0}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct Retention {
    /// Keep so many of the newest versions, at least 1.
    #[serde(
        default,
        deserialize_with = "field::positive_count",
        skip_serializing_if = "Option::is_none"
    )]
    pub keep_versions: Option<u64>,
    /// Keep a version for so long after the next one took its place.
    #[serde(
        default,
        deserialize_with = "field::count",
        skip_serializing_if = "Option::is_none"
    )]
    pub keep_seconds: Option<u64>,
    /// Keep versions that have a tag. If not, they lose it when nothing else keeps them.
    #[serde(default = "keep_tagged", deserialize_with = "or_keep_tagged")]
    pub keep_tagged: bool,
}

impl Default for Retention {
    /// Every version: without a number and without an age, nothing expires.
    fn default() -> Self {
        Self {
            keep_versions: None,
            keep_seconds: None,
            keep_tagged: keep_tagged(),
        }
    }
}

fn keep_tagged() -> bool {
    true
}

fn or_keep_tagged<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(keep_tagged))
}

request! {
    /// [`Retention`] as a request has it: a rule that is not known is refused.
    struct Rules () {
        #[serde(default, deserialize_with = "field::positive_count")]
        keep_versions: Option<u64>,
        #[serde(default, deserialize_with = "field::count")]
        keep_seconds: Option<u64>,
        #[serde(default = "keep_tagged", deserialize_with = "or_keep_tagged")]
        keep_tagged: bool,
    }
}

impl Coherent for Rules {}

fn rules<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<Retention>>, D::Error> {
    let rules: Option<Rules> = Option::deserialize(deserializer)?;
    Ok(Some(rules.map(|rules| Retention {
        keep_versions: rules.keep_versions,
        keep_seconds: rules.keep_seconds,
        keep_tagged: rules.keep_tagged,
    })))
}

/// Asks or sets which versions of a frame, or of the frames of a bucket, are kept.
///
/// ```
/// use shoots_proto::action::{RETENTION, Retention, RetentionRequest};
/// use shoots_proto::decode;
///
/// let set = |json| decode::<RetentionRequest>(RETENTION, json).map(|request| request.set);
/// assert_eq!(set(br#"{"name":"weather"}"#)?, None); // only ask
/// assert_eq!(set(br#"{"name":"weather","set":null}"#)?, Some(None)); // back to the default
/// assert_eq!(set(br#"{"name":"weather","set":{}}"#)?, Some(Some(Retention::default())));
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct RetentionRequest {
    /// The frame; `None` is the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<FrameName>,
    /// The bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// The rules to set. A missing field changes nothing, and `null` goes back to what holds without
    /// rules of its own.
    #[serde(
        default,
        deserialize_with = "rules",
        skip_serializing_if = "Option::is_none"
    )]
    pub set: Option<Option<Retention>>,
}

/// Which versions are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct RetentionResult {
    /// The frame's or bucket's own rules, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Retention>,
    /// The rules that hold: its own, else its bucket's, else the store's.
    pub effective: Retention,
}

/// Lets the versions expire that no rule keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct ExpireRequest {
    /// The frame; `None` is every frame of the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<FrameName>,
    /// The bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// Say what would be done, and do nothing.
    #[serde(
        default,
        deserialize_with = "field::or_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub dry_run: bool,
}

request! {
    /// Forgets chosen versions of a frame, whatever the rules say.
    ///
    /// ```
    /// use shoots_proto::action::{FORGET, ForgetRequest};
    /// use shoots_proto::{AsOf, decode};
    ///
    /// let request: ForgetRequest = decode(FORGET, br#"{"name":"weather","versions":[3,-2]}"#)?;
    /// assert_eq!(request.versions, [AsOf::Version(3), AsOf::Version(-2)]);
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Eq)]
    pub struct ForgetRequest (frame) {
        /// The versions, at least one.
        pub versions: Vec<AsOf>,
        /// Say what would be done, and do nothing.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub dry_run: bool,
    }
}

impl Coherent for ForgetRequest {
    fn check(&self) -> Result<(), Misfit> {
        if self.versions.is_empty() {
            return Err(Misfit::new("versions", "must name at least one version"));
        }
        Ok(())
    }
}

/// What expiring or forgetting did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ExpireResult {
    /// The frames that lost versions, by name.
    pub frames: Vec<ExpiredFrame>,
    /// Whether this only says what would be done.
    pub dry_run: bool,
}

/// What a frame lost, or would lose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ExpiredFrame {
    /// The frame's name.
    pub name: FrameName,
    /// Its bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// How many versions.
    pub versions_expired: u64,
    /// How many segments nothing needs then; the sweep removes them once their time has come.
    pub segments: u64,
    /// The size of those segments.
    pub bytes: u64,
    /// How many segments the versions had that stay, because versions that are kept need them, too: the
    /// rows in them are not gone.
    #[serde(default)]
    pub still_needed_segments: u64,
    /// Their size.
    #[serde(default)]
    pub still_needed_bytes: u64,
    /// The version that it got; `None` if there was no commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The id of its commit, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Removes the objects that nothing needs any more, once their time has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct SweepRequest {
    /// The frame; `None` is every frame of the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<FrameName>,
    /// The bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// Say what would be done, and do nothing.
    #[serde(
        default,
        deserialize_with = "field::or_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub dry_run: bool,
}

/// What a sweep removed, or would remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SweepResult {
    /// How many objects.
    pub objects: u64,
    /// Their size.
    pub bytes: u64,
    /// How many objects nothing needs whose time has not come.
    pub waiting_objects: u64,
    /// Their size.
    pub waiting_bytes: u64,
    /// How many objects whose time has come were left, because somebody is still reading a version that
    /// needs them.
    #[serde(default)]
    pub in_use_objects: u64,
    /// Their size.
    #[serde(default)]
    pub in_use_bytes: u64,
    /// Whether this only says what would be done.
    pub dry_run: bool,
}

request! {
    /// Removes a frame and its history for good.
    #[derive(Eq)]
    pub struct PurgeRequest (frame) {
        /// Say what would be done, and do nothing.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub dry_run: bool,
    }
}

impl Coherent for PurgeRequest {}

/// What a purge removed, or would remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct PurgeResult {
    /// How many objects.
    pub objects: u64,
    /// Their size.
    pub bytes: u64,
    /// Whether this only says what would be done.
    pub dry_run: bool,
}
