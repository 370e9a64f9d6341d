//! The actions on tags, which name versions of one frame: `tag`, `untag`, `tags`.

use serde::{Deserialize, Serialize};

use crate::as_of::AsOf;
use crate::field;
use crate::label::TagName;
use crate::name::FrameId;
use crate::request::{Coherent, request};
use crate::time::Time;

request! {
    /// Gives a version a name, and so keeps it.
    ///
    /// ```
    /// use shoots_proto::action::{TAG, TagRequest};
    /// use shoots_proto::decode;
    ///
    /// let request: TagRequest = decode(TAG, br#"{"name":"weather","tag":"eod","as_of":-2}"#)?;
    /// assert_eq!((request.tag.as_str(), request.replace), ("eod", false));
    ///
    /// let refused = decode::<TagRequest>(TAG, br#"{"name":"weather","tag":"17"}"#).unwrap_err();
    /// assert_eq!(
    ///     refused.to_string(),
    ///     "tag: tag: must not look like a number (got `17`); put a word before it, such as `at 17`"
    /// );
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    pub struct TagRequest (frame, note) {
        /// The name.
        pub tag: TagName,
        /// The version to name; `None` is the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub as_of: Option<AsOf>,
        /// Take the name from another version that has it, instead of refusing.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub replace: bool,
    }
}

impl TagRequest {
    /// Calls the newest version of `frame` `tag`, if no version is called so.
    #[must_use]
    pub fn new(frame: FrameId, tag: TagName) -> Self {
        Self {
            name: frame.name,
            bucket: frame.bucket,
            tag,
            as_of: None,
            replace: false,
            message: None,
            author: None,
            metadata: None,
        }
    }
}

impl Coherent for TagRequest {}

/// Which version a tag names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct TagResult {
    /// The tag.
    pub tag: String,
    /// The version that it names.
    pub version: u64,
    /// The id of that version's commit, in hexadecimal digits.
    pub commit: String,
}

request! {
    /// Takes a name from a version.
    pub struct UntagRequest (frame, note) {
        /// The name.
        pub tag: TagName,
    }
}

impl UntagRequest {
    /// Takes `tag` from the version of `frame` that has it.
    #[must_use]
    pub fn new(frame: FrameId, tag: TagName) -> Self {
        Self {
            name: frame.name,
            bucket: frame.bucket,
            tag,
            message: None,
            author: None,
            metadata: None,
        }
    }
}

impl Coherent for UntagRequest {}

/// Which version a tag named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct UntagResult {
    /// The tag.
    pub tag: String,
    /// The version that it named.
    pub version: u64,
}

request! {
    /// Lists the tags of a frame.
    #[derive(Eq)]
    pub struct TagsRequest (frame) {}
}

impl Coherent for TagsRequest {}

/// The tags of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct TagsResult {
    /// The tags, by name.
    pub tags: Vec<TagRecord>,
}

/// A tag and the version that it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct TagRecord {
    /// The tag.
    pub tag: String,
    /// The version that it names.
    pub version: u64,
    /// The id of that version's commit, in hexadecimal digits.
    pub commit: String,
    /// When that version was published.
    pub published: Time,
}
