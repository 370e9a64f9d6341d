//! The names that people give to states: tags of one frame, and snapshots of many.
//!
//! Wherever a version may be named, a string is a tag if one has that name, else a time, else the
//! beginning of a commit id. So a [`TagName`] cannot look like any of the other forms, and no tag can
//! hide what a string meant before the tag was made. A [`SnapshotName`] follows the same rules.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::UnicodeNormalization;

use crate::excerpt::excerpt;
use crate::field;
use crate::time::parse_time;

/// The longest a label may be, in bytes of UTF-8.
pub const MAX_BYTES: usize = 200;

/// How many hexadecimal digits may be the beginning of a commit id.
const COMMIT_DIGITS: std::ops::RangeInclusive<usize> = 4..=64;

/// How much of a bad label an error quotes.
const QUOTED_CHARS: usize = 60;

/// Why a text cannot name a tag or a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// There is no text at all.
    #[error("must not be empty; give it at least one character")]
    Empty,
    /// A control character, such as a line break or NUL.
    #[error("must not contain control characters such as U+{:04X} (got `{got}`)", *.character as u32)]
    Control {
        /// The first control character.
        character: char,
        /// The beginning of the refused text, control characters escaped.
        got: String,
    },
    /// More than [`MAX_BYTES`].
    #[error("is too long: {bytes} bytes, {MAX_BYTES} are allowed (got `{got}`)")]
    TooLong {
        /// The length of the text.
        bytes: usize,
        /// The beginning of the refused text.
        got: String,
    },
    /// It could be meant as another way to name a version.
    #[error("must not look like {form} (got `{got}`); put a word before it, such as `at {got}`")]
    Ambiguous {
        /// What it looks like.
        form: &'static str,
        /// The beginning of the refused text.
        got: String,
    },
}

/// Normalises `text` to NFC and checks that it can be a label.
fn parse(text: &str) -> Result<String, LabelError> {
    let label: String = text.nfc().collect();
    let got = || excerpt(&label, QUOTED_CHARS);
    if label.is_empty() {
        return Err(LabelError::Empty);
    }
    if let Some(character) = label.chars().find(|c| c.is_control()) {
        return Err(LabelError::Control {
            character,
            got: got(),
        });
    }
    if label.len() > MAX_BYTES {
        return Err(LabelError::TooLong {
            bytes: label.len(),
            got: got(),
        });
    }
    if let Some(form) = other_form(&label) {
        return Err(LabelError::Ambiguous { form, got: got() });
    }
    Ok(label)
}

/// Which other way to name a version a text looks like, if any.
fn other_form(text: &str) -> Option<&'static str> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.parse::<f64>().is_ok();
    if is_number {
        return Some("a number");
    }
    if parse_time(text).is_ok() {
        return Some("a time");
    }
    let is_commit =
        COMMIT_DIGITS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit.then_some("a commit id (4 to 64 hexadecimal digits)")
}

/// Defines a newtype over a checked label.
macro_rules! label {
    ($(#[$attribute:meta])* $name:ident, $expecting:literal) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Normalises `text` to NFC and checks it.
            ///
            /// # Errors
            /// [`LabelError`] says which rule the text breaks.
            pub fn parse(text: &str) -> Result<Self, LabelError> {
                parse(text).map(Self)
            }

            /// The label as its users wrote it, in NFC.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = LabelError;

            fn from_str(text: &str) -> Result<Self, LabelError> {
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

label! {
    /// The name of a tag: of one version of one frame.
    ///
    /// ```
    /// use shoots_proto::TagName;
    ///
    /// assert_eq!(TagName::parse("end of day")?.as_str(), "end of day");
    ///
    /// let refused = TagName::parse("2024-01-31").unwrap_err();
    /// assert_eq!(
    ///     refused.to_string(),
    ///     "must not look like a time (got `2024-01-31`); put a word before it, such as `at 2024-01-31`"
    /// );
    /// # Ok::<(), shoots_proto::LabelError>(())
    /// ```
    TagName, "the name of a tag (a string)"
}

label! {
    /// The name of a snapshot: of the state of many frames at once.
    ///
    /// ```
    /// use shoots_proto::SnapshotName;
    ///
    /// let name: SnapshotName = "before the migration".parse()?;
    /// assert_eq!(name.to_string(), "before the migration");
    /// # Ok::<(), shoots_proto::LabelError>(())
    /// ```
    SnapshotName, "the name of a snapshot (a string)"
}

#[cfg(test)]
mod tests {
    use super::{LabelError, MAX_BYTES, SnapshotName, TagName};

    #[test]
    fn what_looks_like_another_form_is_refused_with_that_form() {
        let commit = "a commit id (4 to 64 hexadecimal digits)";
        for (text, expected) in [
            ("3", "a number"),
            ("-3", "a number"),
            ("+3", "a number"),
            ("1.5", "a number"),
            ("1e5", "a number"),
            ("99999999999999999999", "a number"),
            ("2024-01-31", "a time"),
            ("2024-01-31 09:30", "a time"),
            ("cafe", commit),
            ("DEADBEEF", commit),
            (&"f".repeat(64), commit),
        ] {
            match TagName::parse(text) {
                Err(LabelError::Ambiguous { form, .. }) => assert_eq!(form, expected, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
            assert!(SnapshotName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_only_resembles_another_form_is_welcome() {
        for text in [
            "v3",
            "abc",
            "infinity",
            "nan",
            "-",
            ".",
            "2024-13-45",
            "2024-01",
            "café",
            "a/b\\c",
            "..",
            " ",
            &"f".repeat(65),
        ] {
            assert_eq!(TagName::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_nobody_could_type_or_store_is_refused() {
        assert_eq!(TagName::parse(""), Err(LabelError::Empty));
        assert_eq!(
            TagName::parse("a\nb").unwrap_err().to_string(),
            r"must not contain control characters such as U+000A (got `a\nb`)"
        );
        assert!(TagName::parse(&"z".repeat(MAX_BYTES)).is_ok());
        assert!(matches!(
            TagName::parse(&"z".repeat(MAX_BYTES + 1)),
            Err(LabelError::TooLong { bytes: 201, .. })
        ));
    }

    #[test]
    fn two_spellings_of_one_character_are_one_label() {
        assert_eq!(
            TagName::parse("cafe\u{301} 1"),
            TagName::parse("caf\u{e9} 1")
        );
    }
}
