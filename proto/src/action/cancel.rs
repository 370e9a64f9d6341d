//! The action that ends another call: `cancel`.
//!
//! A client of gRPC ends its call by cancelling it. Who waits inside of a library that has no way to do so gives the call
//! a name when it begins, in the header [`CALL_NAME`], and ends it with another call.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::field;
use crate::request::{Coherent, request};

/// The header with which a caller names its call, so that [`CANCEL`](super::CANCEL) can end it.
pub const CALL_NAME: &str = "x-shoots-call-name";

/// How long a name is, in characters.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=64;

/// The name that a caller gives to its call: 16 to 64 letters, digits and hyphens.
///
/// Who knows the name can end the call, so it has to be drawn at random, as a UUID is.
///
/// ```
/// use shoots_proto::action::CallName;
///
/// let name: CallName = "0d6bd2e2-4f0e-4c35-9f57-d3b0c5d8a001".parse()?;
/// assert_eq!(name.as_str().len(), 36);
///
/// let refused = "call 1".parse::<CallName>().unwrap_err();
/// assert_eq!(refused.to_string(), "must be 16 to 64 letters, digits and hyphens, drawn at random, such as a UUID");
/// # Ok::<(), shoots_proto::action::CallNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallName(String);

/// Why a text cannot name a call. It does not repeat the text, which may be somebody's name for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {} to {} letters, digits and hyphens, drawn at random, such as a UUID", LENGTH.start(), LENGTH.end())]
pub struct CallNameError;

impl CallName {
    /// The name as its caller wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for CallName {
    type Err = CallNameError;

    fn from_str(text: &str) -> Result<Self, CallNameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !LENGTH.contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(CallNameError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl Serialize for CallName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CallName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        field::parsed(deserializer, "the name of a call (a string)")
    }
}

request! {
    /// Ends the calls of a name.
    ///
    /// ```
    /// use shoots_proto::action::{CANCEL, CancelRequest};
    /// use shoots_proto::decode;
    ///
    /// let refused = decode::<CancelRequest>(CANCEL, br#"{"call":"1"}"#).unwrap_err();
    /// assert_eq!(
    ///     refused.to_string(),
    ///     "cancel: call: must be 16 to 64 letters, digits and hyphens, drawn at random, such as a UUID"
    /// );
    /// ```
    #[derive(Eq)]
    pub struct CancelRequest () {
        /// The name that the call was given.
        pub call: CallName,
    }
}

impl Coherent for CancelRequest {}

/// Whether there was such a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct CancelResult {
    /// False if no call of this name was running.
    pub cancelled: bool,
}
