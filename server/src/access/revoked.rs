//! Tokens that are called back before they expire: a file with their ids, one a line.
//!
//! A token's id is its claim `jti`. Empty lines, and what follows a `#`, are for people. The file is looked at again and
//! again; one that cannot be read changes nothing, so that nobody comes back in while it is being written. It must be
//! there when the server starts, even if it is empty: a name that is mistyped would call back nothing.

use std::collections::HashSet;

use tokio::io::AsyncReadExt;

use crate::config::ConfigError;

/// The longest file, in bytes: some ten thousands of ids.
const FILE_BYTES: u64 = 1 << 20;

/// Ids of tokens that are not taken.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Revoked(HashSet<String>);

impl Revoked {
    /// Those in the file; none without a file.
    ///
    /// # Errors
    /// If the file cannot be read, or has lines that are no ids.
    pub(super) async fn read(path: &str) -> Result<Self, ConfigError> {
        if path.is_empty() {
            return Ok(Self::default());
        }
        let wrong = |problem: String| {
            let problem = format!("revoked_tokens_file {path}: {problem}");
            ConfigError::new("settings", problem)
        };
        let unread = |error| wrong(format!("cannot be read: {error}"));
        let file = tokio::fs::File::open(path).await.map_err(unread)?;
        let mut text = Vec::new();
        let mut start = file.take(FILE_BYTES + 1);
        start.read_to_end(&mut text).await.map_err(unread)?;
        if text.len() as u64 > FILE_BYTES {
            let problem = "leave out those that have expired, or change the secret";
            return Err(wrong(format!(
                "is longer than {FILE_BYTES} bytes; {problem}"
            )));
        }
        let text = String::from_utf8(text).map_err(|_| wrong("is no text".to_owned()))?;
        parse(&text).map_err(wrong)
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.0.contains(id)
    }
}

fn parse(text: &str) -> Result<Revoked, String> {
    let mut ids = HashSet::new();
    for (number, line) in text.lines().enumerate() {
        let id = line.split('#').next().unwrap_or_default().trim();
        if id.contains(char::is_whitespace) || id.contains('.') {
            // Not repeated, since it may be a whole token.
            return Err(format!(
                "line {} is no id of a token; `shoots-server token` tells it, and it is the claim jti",
                number + 1
            ));
        }
        if !id.is_empty() {
            ids.insert(id.to_owned());
        }
    }
    Ok(Revoked(ids))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_on_lines_with_words_for_people() {
        let revoked = parse("# lost\n\n  abc # ada's laptop\r\ndef\n").unwrap();
        assert_eq!(revoked, Revoked(["abc", "def"].map(str::to_owned).into()));
        assert!(revoked.contains("abc") && !revoked.contains("ab"));
    }

    #[test]
    fn a_line_that_is_no_id_is_named_and_not_repeated() {
        for line in ["abc def", "eyJh.eyJ0.c2ln"] {
            let problem = parse(&format!("abc\n{line}\n")).unwrap_err();
            assert!(problem.starts_with("line 2 "), "{problem}");
            assert!(!problem.contains(line), "{problem}");
        }
    }
}
