//! What goes wrong, in the words of the wire contract.
//!
//! [`ErrorKind`] is the closed list of what a server reports, [`ErrorBody`] the JSON object
//! `{"type","message"}` that travels in the details of a Flight error. [`RequestError`] is what
//! reading a message at the edge says: which message, which field, and what to do about it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::excerpt::excerpt;

/// How much of a problem's text an error carries, in characters.
const MAX_PROBLEM_CHARS: usize = 1000;

/// How much of a message's or field's name an error carries, in characters.
const MAX_NAME_CHARS: usize = 200;

/// Defines [`ErrorKind`], its names and the list of all kinds from one table, so that none of the
/// three can miss a kind.
macro_rules! error_kinds {
    ($($(#[$attribute:meta])* $kind:ident),+ $(,)?) => {
        /// What kind of thing went wrong, named as the `type` of an [`ErrorBody`].
        ///
        /// ```
        /// use shoots_proto::ErrorKind;
        ///
        /// assert_eq!(ErrorKind::FileNotFoundError.as_str(), "FileNotFoundError");
        /// assert_eq!(ErrorKind::from_name("ConflictError"), Some(ErrorKind::ConflictError));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorKind {
            $($(#[$attribute])* $kind,)+
        }

        impl ErrorKind {
            /// Every kind there is.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The kind's name on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($kind),)+
                }
            }
        }
    };
}

error_kinds! {
    /// The frame exists, and the mode does not allow for that: use another mode or name.
    FileExistsError,
    /// There is no such frame, bucket or version: check the name.
    FileNotFoundError,
    /// The bucket still holds frames: delete them, or ask for them to be deleted with it.
    BucketNotEmptyError,
    /// The SQL cannot be planned or run: change the query.
    DataFusionError,
    /// The storage below failed: try again, or see to the disk or object store.
    ShootsIOError,
    /// The request itself is wrong, as its message says: change it.
    InvalidRequestError,
    /// Types that cannot be stored, or that do not go with the frame's: change the data.
    SchemaError,
    /// Somebody else's change came first, too often: try again.
    ConflictError,
    /// The other side of a push has changes that this side does not: pull first.
    DivergedError,
    /// Two histories cannot be merged by themselves: settle it with `favour`.
    MergeConflictError,
    /// The change may or may not have happened: look, or repeat it with the same `request_id`.
    OutcomeUnknownError,
    /// This server or store takes no changes.
    ReadOnlyError,
    /// The call came without a token that is valid: get one from whoever runs the server.
    UnauthenticatedError,
    /// The token that a client shows first was not signed with the server's secret: get another one.
    InvalidSignatureError,
    /// The token does not allow this: ask for one that does.
    PermissionDeniedError,
    /// A limit on memory, time, size or concurrency was reached: ask for less, or later.
    LimitError,
    /// The storage below is nearly full and takes no more rows: free space there, or let old versions expire.
    NoSpaceError,
    /// Rows that this takes were left at a remote when a part of the frame was cloned: fetch them.
    PromisedError,
    /// Stored bytes are not what was written: restore them from a copy.
    DamagedError,
    /// The server is stopping or not ready: try again elsewhere or later.
    UnavailableError,
    /// The time that the caller gave the call was over before it was answered: give it more, or ask for less.
    CallTimeoutError,
    /// The caller gave up, or the server stopped the call.
    CancelledError,
    /// A defect of the server, or a kind that this version does not know: report it.
    InternalError,
}

impl ErrorKind {
    /// The kind with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for ErrorKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The JSON object in the details of a Flight error.
///
/// ```
/// use shoots_proto::{ErrorBody, ErrorKind};
///
/// let body = ErrorBody::new(ErrorKind::FileNotFoundError, "no frame `weather`");
/// let json = body.to_json_within(4000);
/// assert_eq!(json, r#"{"type":"FileNotFoundError","message":"no frame `weather`"}"#);
/// assert_eq!(ErrorBody::from_json(json.as_bytes()), Some(body));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct ErrorBody {
    /// What kind of thing went wrong.
    #[serde(rename = "type")]
    pub kind: ErrorKind,
    /// What happened and what to do, for people.
    pub message: String,
}

impl ErrorBody {
    /// The error `kind` with `message`.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// The object as JSON in at most `max_bytes` bytes. A message that is too long ends in `…`, cut
    /// between characters.
    ///
    /// The object around the message is never cut: a `max_bytes` too small for it (below 50) gives
    /// an empty message.
    #[must_use]
    pub fn to_json_within(&self, max_bytes: usize) -> String {
        const CUT: char = '…';
        let object = |message: &str| {
            let message = serde_json::Value::from(message);
            format!(r#"{{"type":"{}","message":{message}}}"#, self.kind)
        };
        let room = max_bytes.saturating_sub(object("").len());
        let mut used = 0;
        let mut fits_with_cut = 0;
        for (position, character) in self.message.char_indices() {
            if used + CUT.len_utf8() <= room {
                fits_with_cut = position;
            }
            used += escaped_len(character);
            if used > room {
                let mut cut = self.message[..fits_with_cut].to_owned();
                if CUT.len_utf8() <= room {
                    cut.push(CUT);
                }
                return object(&cut);
            }
        }
        object(&self.message)
    }

    /// Reads the object back; `None` if `bytes` hold no such object.
    ///
    /// A `type` that this version does not know, from a newer server, reads as
    /// [`ErrorKind::InternalError`] with the unknown type put before the message. Unknown fields
    /// are ignored: an error must not become another error for being richer.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl<'de> Deserialize<'de> for ErrorBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(expecting = "a JSON object")]
        struct Wire {
            #[serde(rename = "type")]
            kind: String,
            message: String,
        }

        let Wire { kind, message } = Wire::deserialize(deserializer)?;
        Ok(match ErrorKind::from_name(&kind) {
            Some(kind) => Self::new(kind, message),
            None => Self::new(ErrorKind::InternalError, format!("{kind}: {message}")),
        })
    }
}

/// How many bytes JSON needs for a character inside a string.
fn escaped_len(character: char) -> usize {
    match character {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..='\u{1f}' => 6,
        _ => character.len_utf8(),
    }
}

/// A message that cannot be accepted: which one, which field of it, and why.
///
/// Shown as `ticket: bucket: must not contain `/` (got `a/b`)`. However hostile the message, the
/// error is of bounded length and on one line.
///
/// ```
/// use shoots_proto::{ErrorBody, ErrorKind, RequestError};
///
/// let error = RequestError::new("criteria", Some("regex"), "is not a regular expression");
/// assert_eq!(error.field(), Some("regex"));
/// assert_eq!(error.to_string(), "criteria: regex: is not a regular expression");
/// assert_eq!(ErrorBody::from(error).kind, ErrorKind::InvalidRequestError);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    what: String,
    field: Option<String>,
    problem: String,
}

impl RequestError {
    /// `problem` with `field` of the message `what`, or with all of it.
    #[must_use]
    pub fn new(what: &str, field: Option<&str>, problem: impl fmt::Display) -> Self {
        Self {
            what: excerpt(what, MAX_NAME_CHARS),
            field: field.map(|field| excerpt(field, MAX_NAME_CHARS)),
            problem: excerpt(&problem.to_string(), MAX_PROBLEM_CHARS),
        }
    }

    /// Which message it is about: `ticket`, `put command`, an action's name …
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The path of the offending field, such as `bucket` or `as_of.version`; `None` if it is about
    /// the message as a whole.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// What is wrong, and what to do about it.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(formatter, "{}: {field}: {}", self.what, self.problem),
            None => write!(formatter, "{}: {}", self.what, self.problem),
        }
    }
}

impl std::error::Error for RequestError {}

impl From<RequestError> for ErrorBody {
    fn from(error: RequestError) -> Self {
        Self::new(ErrorKind::InvalidRequestError, error.to_string())
    }
}

#[cfg(test)]
mod tests;
