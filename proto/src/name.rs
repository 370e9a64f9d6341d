//! The names of frames and buckets, and how a name looks on disk.
//!
//! A [`FrameName`] or [`BucketName`] cannot hold a bad name: parsing normalises to NFC and refuses
//! what no store could keep apart or keep safe (empty, control characters, `/`, `\`, `.`, `..`,
//! too long). Everything else is welcome: spaces, quotes, symbols, any script.
//!
//! [`encode`] turns a name into one path segment in portable ASCII, [`decode()`] is its exact
//! inverse. What the disk reserves for itself never comes out of it: an encoded name neither starts
//! with `_` or `.` nor ends in `.parquet`, so bookkeeping objects and plain Parquet files cannot be
//! taken for frames. Users never see the encoded form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::UnicodeNormalization;

use crate::error::RequestError;
use crate::excerpt::excerpt;
use crate::field;

/// The longest a name may be, in bytes of its [`encode`]d form.
pub const MAX_ENCODED_BYTES: usize = 200;

/// How much of a bad name an error quotes.
const QUOTED_CHARS: usize = 60;

/// The file name extension by which plain Parquet files are told from frames.
const PLAIN_FILE_EXTENSION: &[u8] = b".parquet";

/// Why a text cannot name a frame or a bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is no text at all.
    #[error("must not be empty; give it at least one character")]
    Empty,
    /// `/` or `\`, which file systems and object stores read as the border between two names.
    #[error("must not contain `{separator}` (got `{got}`)")]
    Separator {
        /// The character in question.
        separator: char,
        /// The beginning of the refused text.
        got: String,
    },
    /// `.` or `..`, which file systems read as a folder and its parent.
    #[error("must not be `{got}`, which means a folder to file systems")]
    Dots {
        /// The refused text.
        got: String,
    },
    /// A control character, such as a line break or NUL.
    #[error("must not contain control characters such as U+{:04X} (got `{got}`)", *.character as u32)]
    Control {
        /// The first control character.
        character: char,
        /// The beginning of the refused text, control characters escaped.
        got: String,
    },
    /// Longer than a path segment may be.
    #[error(
        "is too long: {encoded_bytes} bytes once percent-encoded, {MAX_ENCODED_BYTES} are allowed (got `{got}`)"
    )]
    TooLong {
        /// The length of the encoded form.
        encoded_bytes: usize,
        /// The beginning of the refused text.
        got: String,
    },
}

/// Normalises `text` to NFC and checks that it can be a name.
fn parse(text: &str) -> Result<String, NameError> {
    let name: String = text.nfc().collect();
    let got = || excerpt(&name, QUOTED_CHARS);
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if let Some(separator) = name.chars().find(|c| matches!(c, '/' | '\\')) {
        return Err(NameError::Separator {
            separator,
            got: got(),
        });
    }
    if name == "." || name == ".." {
        return Err(NameError::Dots { got: got() });
    }
    if let Some(character) = name.chars().find(|c| c.is_control()) {
        return Err(NameError::Control {
            character,
            got: got(),
        });
    }
    let encoded_bytes = encode(&name).len();
    if encoded_bytes > MAX_ENCODED_BYTES {
        return Err(NameError::TooLong {
            encoded_bytes,
            got: got(),
        });
    }
    Ok(name)
}

/// A name as one path segment: portable ASCII that no file system or object store changes.
///
/// ASCII letters and digits, `-`, `_`, `.` and space stay; every other byte of the UTF-8 becomes
/// `%XX`. Where the disk gives a meaning to a kept character it is encoded too: a leading `_`, `.`
/// or space, a trailing `.` or space, and the dot of a trailing `.parquet` in any case.
///
/// ```
/// use shoots_proto::name::{decode, encode};
///
/// assert_eq!(encode("EUR/USD 1m"), "EUR%2FUSD 1m");
/// assert_eq!(encode("_raw.parquet"), "%5Fraw%2Eparquet");
/// assert_eq!(decode("%5Fraw%2Eparquet").as_deref(), Some("_raw.parquet"));
/// ```
#[must_use]
pub fn encode(name: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = name.as_bytes();
    let extension_dot = bytes
        .len()
        .checked_sub(PLAIN_FILE_EXTENSION.len())
        .filter(|&dot| bytes[dot..].eq_ignore_ascii_case(PLAIN_FILE_EXTENSION));
    let mut encoded = String::with_capacity(bytes.len());
    for (position, &byte) in bytes.iter().enumerate() {
        let first = position == 0;
        let last = position + 1 == bytes.len();
        let kept = match byte {
            b'_' => !first,
            b' ' => !first && !last,
            b'.' => !first && !last && extension_dot != Some(position),
            b'-' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        if kept {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 0xF)]));
        }
    }
    encoded
}

/// The name that [`encode`]s to exactly `encoded`; `None` if there is none.
///
/// Only the one canonical spelling is accepted, so two different path segments never decode to the
/// same name.
///
/// ```
/// use shoots_proto::name::decode;
///
/// assert_eq!(decode("caf%C3%A9").as_deref(), Some("café"));
/// assert_eq!(decode("caf%c3%a9"), None); // not how `encode` writes it
/// assert_eq!(decode("_bucket.json"), None); // reserved
/// ```
#[must_use]
pub fn decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.chars();
    while let Some(character) = rest.next() {
        if character == '%' {
            let high = rest.next()?.to_digit(16)?;
            let low = rest.next()?.to_digit(16)?;
            bytes.push(u8::try_from(high << 4 | low).ok()?);
        } else {
            bytes.push(u8::try_from(character).ok()?);
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (encode(&name) == encoded).then_some(name)
}

/// Defines a newtype over a checked name. Both kinds of name follow the same rules, but one must
/// not be usable where the other is meant.
macro_rules! checked_name {
    ($(#[$attribute:meta])* $name:ident, $expecting:literal) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Normalises `text` to NFC and checks it.
            ///
            /// # Errors
            /// [`NameError`] says which rule the text breaks.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                parse(text).map(Self)
            }

            /// The name whose [`encoded`](Self::encoded) form is exactly `encoded`, if there is one.
            #[must_use]
            pub fn from_encoded(encoded: &str) -> Option<Self> {
                let text = decode(encoded)?;
                Self::parse(&text).ok().filter(|name| name.0 == text)
            }

            /// The name as its users wrote it, in NFC.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name as a path segment, see [`encode`].
            #[must_use]
            pub fn encoded(&self) -> String {
                encode(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                field::parsed(deserializer, $expecting)
            }
        }
    };
}

checked_name! {
    /// The name of a frame within its bucket.
    ///
    /// ```
    /// use shoots_proto::FrameName;
    ///
    /// let name = FrameName::parse("Umsatz 2024 (€)")?;
    /// assert_eq!(name.as_str(), "Umsatz 2024 (€)");
    /// assert_eq!(name.encoded(), "Umsatz 2024 %28%E2%82%AC%29");
    ///
    /// let refused = FrameName::parse("../secrets").unwrap_err();
    /// assert_eq!(refused.to_string(), "must not contain `/` (got `../secrets`)");
    /// # Ok::<(), shoots_proto::NameError>(())
    /// ```
    FrameName, "the name of a frame (a string)"
}

checked_name! {
    /// The name of a bucket. The default bucket has none: it is the absence of a `BucketName`.
    ///
    /// ```
    /// use shoots_proto::BucketName;
    ///
    /// let name: BucketName = "market data".parse()?;
    /// assert_eq!(name.to_string(), "market data");
    /// assert!(BucketName::parse("..").is_err());
    /// # Ok::<(), shoots_proto::NameError>(())
    /// ```
    BucketName, "the name of a bucket (a string)"
}

/// Which frame: its name, and the bucket it is in.
///
/// ```
/// use shoots_proto::{BucketName, FrameId, FrameName};
///
/// let weather = FrameName::parse("weather")?;
/// assert_eq!(FrameId::new(None, weather.clone()).to_string(), "weather");
///
/// let nyc = BucketName::parse("nyc")?;
/// let id = FrameId::new(Some(nyc), weather);
/// assert_eq!(id.to_string(), "nyc/weather");
/// assert_eq!(id.to_path(), ["weather", "nyc"]);
/// # Ok::<(), shoots_proto::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId {
    /// The bucket; `None` is the default bucket.
    pub bucket: Option<BucketName>,
    /// The frame's name within the bucket.
    pub name: FrameName,
}

impl FrameId {
    /// The frame `name` in `bucket`, `None` being the default bucket.
    #[must_use]
    pub fn new(bucket: Option<BucketName>, name: FrameName) -> Self {
        Self { bucket, name }
    }

    /// The path of this frame's Flight descriptor: `[name]`, or `[name, bucket]` outside the
    /// default bucket.
    #[must_use]
    pub fn to_path(&self) -> Vec<String> {
        let bucket = self.bucket.as_ref().map(BucketName::to_string);
        [self.name.to_string()].into_iter().chain(bucket).collect()
    }

    /// The frame that a Flight descriptor's path names; the inverse of [`to_path`](Self::to_path).
    ///
    /// # Errors
    /// A path that does not have one or two parts, or a part that is no name.
    pub fn from_path(path: &[String]) -> Result<Self, RequestError> {
        let refuse =
            |field, error: NameError| RequestError::new("descriptor path", Some(field), error);
        let (name, bucket) = match path {
            [name] => (name, None),
            [name, bucket] => (name, Some(bucket)),
            _ => {
                return Err(RequestError::new(
                    "descriptor path",
                    None,
                    format!(
                        "must be [name] or [name, bucket] (got {} parts)",
                        path.len()
                    ),
                ));
            }
        };
        Ok(Self {
            name: FrameName::parse(name).map_err(|error| refuse("name", error))?,
            bucket: bucket
                .map(|bucket| BucketName::parse(bucket))
                .transpose()
                .map_err(|error| refuse("bucket", error))?,
        })
    }
}

impl fmt::Display for FrameId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bucket {
            Some(bucket) => write!(formatter, "{bucket}/{}", self.name),
            None => write!(formatter, "{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests;
