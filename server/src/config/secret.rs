//! Settings that nobody is told.

use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::Value;

/// What stands in the place of a secret where settings are shown. It is refused as a secret, so that settings that were
/// printed and read again do not make a server that anybody may call.
const WITHHELD: &str = "(not shown)";

/// A text that is neither logged nor printed nor written with the other settings. Empty means that there is none.
///
/// ```
/// use shoots_server::Secret;
///
/// let secret = Secret::from("correct horse battery staple");
/// assert!(!secret.is_empty());
/// assert!(!format!("{secret:?}").contains("horse"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "none" } else { WITHHELD })
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_empty() { "" } else { WITHHELD })
    }
}

/// What is wrong is not repeated.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer) {
            Ok(Value::String(text)) if text == WITHHELD => Err(D::Error::custom(
                "a secret is not printed with the other settings: write it in, or name a file with `secret_file`",
            )),
            Ok(Value::String(text)) => Ok(Self(text)),
            _ => Err(D::Error::custom("a secret must be a text in quotes")),
        }
    }
}
