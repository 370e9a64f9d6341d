//! A token, or where it is found. It is never shown.

use std::fmt;
use std::path::Path;

use serde::Deserialize;

use crate::failure::Failure;

/// A token: itself, `env:NAME` or `file:PATH`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Secret(Found);

#[derive(Clone, PartialEq, Eq)]
enum Found {
    Written(String),
    Variable(String),
    File(String),
}

impl Secret {
    /// Reads a token, or where it is.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        Self::try_from(text.to_owned()).map_err(Failure::usage)
    }

    /// Whether it is the token itself.
    pub(super) fn is_written(&self) -> bool {
        matches!(self.0, Found::Written(_))
    }

    /// The same, where a path of a file begins in this folder.
    pub(super) fn beside(self, folder: &Path) -> Self {
        Self(match self.0 {
            Found::File(path) => Found::File(folder.join(path).to_string_lossy().into_owned()),
            other => other,
        })
    }

    /// The token.
    pub(super) fn token(&self) -> Result<String, Failure> {
        let (from, text) = match &self.0 {
            Found::Written(token) => return Ok(token.clone()),
            Found::Variable(name) => {
                let value = std::env::var(name);
                let value = value.map_err(|_| {
                    Failure::usage(format!(
                        "the token is to be in the variable {name}, which is not set"
                    ))
                })?;
                (format!("the variable {name}"), value)
            }
            Found::File(path) => {
                let text = std::fs::read_to_string(path);
                let text = text.map_err(|error| {
                    Failure::usage(format!("cannot read the token in {path}: {error}"))
                })?;
                (path.clone(), text)
            }
        };
        match text.trim() {
            "" => Err(Failure::usage(format!(
                "{from} is empty where a token is to be"
            ))),
            token => Ok(token.to_owned()),
        }
    }
}

impl TryFrom<String> for Secret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let found = match text.split_once(':') {
            Some(("env", "")) => return Err("env: needs the name of a variable after it"),
            Some(("file", "")) => return Err("file: needs a path after it"),
            Some(("env", name)) => Found::Variable(name.to_owned()),
            Some(("file", path)) => Found::File(path.to_owned()),
            _ if text.trim().is_empty() => return Err("the token is empty"),
            _ => Found::Written(text.trim().to_owned()),
        };
        Ok(Self(found))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Found::Written(_) => f.write_str("…"),
            Found::Variable(name) => write!(f, "env:{name}"),
            Found::File(path) => write!(f, "file:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_or_found_in_a_file_and_shown_in_neither_case() {
        let written = Secret::read(" abc ").unwrap();
        assert_eq!(written.token().unwrap(), "abc");
        assert_eq!(format!("{written:?}"), "…");

        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from file\n").unwrap();
        let text = format!("file:{}", file.path().display());
        let found = Secret::read(&text).unwrap();
        assert!(!found.is_written());
        assert_eq!(found.token().unwrap(), "from file");
    }

    #[test]
    fn a_token_that_is_nowhere_says_where_it_was_looked_for() {
        for (text, said) in [
            ("env:SHOOTS_NO_SUCH", "SHOOTS_NO_SUCH"),
            ("file:/no/such", "/no/such"),
        ] {
            let failure = Secret::read(text).unwrap().token().unwrap_err();
            assert!(failure.to_string().contains(said), "{failure}");
        }
        for text in ["", "env:", "file:"] {
            assert!(Secret::read(text).is_err(), "{text:?}");
        }
    }
}
