//! What a frame remembers of changes that carried a request id, so that a retry is not applied twice.
//!
//! Every entry carries what is remembered, so a record is short: 24 hexadecimal digits of the BLAKE3 hash of the id, 8
//! of what was asked for, and the version that the first attempt got. The answer to a retry is in that version's entry.
//!
//! ```text
//! ["5b0b9c1e0f7d3a2c44e1f0aa9d3c77e1",57]
//! ```
//!
//! An id that comes with another change is a mistake of its caller, who would otherwise hear that a change was made
//! which never was. What was asked for is compared by what no retry of the same change can alter: the kind of change,
//! its parameters, and of rows the count and which columns hold values, not how they were cut into batches or what
//! became of them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::commit::Request;
use crate::error::{Error, Result};

/// How many puts with a request id a frame remembers, the newest ones.
pub(crate) const REMEMBERED_REQUESTS: usize = 128;

const ID_DIGITS: usize = 24;
const ASKED_DIGITS: usize = 8;

/// A caller's request id, and what it was given for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestKey(String);

impl RequestKey {
    pub(crate) fn new(request_id: &str, asked: &Value) -> Self {
        let asked = blake3::hash(asked.to_string().as_bytes()).to_hex();
        Self(format!(
            "{}{}",
            id_digits(request_id),
            &asked[..ASKED_DIGITS]
        ))
    }

    fn id(&self) -> &str {
        &self.0[..ID_DIGITS]
    }
}

fn id_digits(request_id: &str) -> String {
    blake3::hash(request_id.as_bytes()).to_hex()[..ID_DIGITS].to_owned()
}

/// The latest changes that carried a request id, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Remembered(VecDeque<(String, u64)>);

impl Remembered {
    /// The version that a change with this request id got, whatever it was.
    pub(crate) fn version_of(&self, request_id: &str) -> Option<u64> {
        self.find(&id_digits(request_id))
            .map(|(_, version)| *version)
    }

    /// The version that an earlier attempt of this very change got.
    pub(crate) fn answered(&self, key: &RequestKey) -> Result<Option<u64>> {
        let Some((known, version)) = self.find(key.id()) else {
            return Ok(None);
        };
        // Older records do not say what was asked for.
        if *known == key.0 || known.len() == ID_DIGITS {
            return Ok(Some(*version));
        }
        let problem = format!(
            "it was given before, with another change, which became version {version}: repeat a change with exactly what it was given the first time, and give every other change an id of its own"
        );
        Err(Error::invalid("request_id", problem))
    }

    fn find(&self, id: &str) -> Option<&(String, u64)> {
        self.0.iter().find(|(known, _)| known.starts_with(id))
    }

    pub(crate) fn remember(&mut self, key: &RequestKey, version: u64) {
        self.push(key.0.clone(), version);
    }

    /// Takes over what an older program has remembered.
    pub(crate) fn take_over(&mut self, requests: VecDeque<Request>) {
        for request in requests {
            let id = request.id.chars().take(ID_DIGITS).collect();
            self.push(id, request.version);
        }
    }

    fn push(&mut self, known: String, version: u64) {
        self.0.push_back((known, version));
        if self.0.len() > REMEMBERED_REQUESTS {
            self.0.pop_front();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_is_answered_for_what_it_was_given_first_and_refused_for_anything_else() {
        let mut remembered = Remembered::default();
        let key = RequestKey::new("a", &json!(["append", 3]));
        assert_eq!(remembered.answered(&key).unwrap(), None);
        remembered.remember(&key, 7);
        assert_eq!(remembered.answered(&key).unwrap(), Some(7));
        assert_eq!(remembered.version_of("a"), Some(7));
        assert_eq!(remembered.version_of("b"), None);
        let other = RequestKey::new("a", &json!(["append", 4]));
        let refused = remembered.answered(&other).unwrap_err().to_string();
        assert!(refused.starts_with("request_id: "), "{refused}");
        assert!(refused.contains("version 7"), "{refused}");
    }

    #[test]
    fn what_an_older_program_remembered_is_answered_whatever_was_asked() {
        let id = blake3::hash(b"a").to_hex()[..32].to_owned();
        let old = json!([{"id": id, "version": 5, "commit": "ab", "rows": 1, "bytes": 2}]);
        let mut remembered = Remembered::default();
        remembered.take_over(serde_json::from_value(old).unwrap());
        let key = RequestKey::new("a", &json!(["append", 3]));
        assert_eq!(remembered.answered(&key).unwrap(), Some(5));
    }

    #[test]
    fn what_is_remembered_stays_small() {
        let mut remembered = Remembered::default();
        for n in 0..10_000 {
            let key = RequestKey::new(&n.to_string(), &json!(n));
            remembered.remember(&key, 1_000_000 + n);
        }
        assert_eq!(remembered.len(), REMEMBERED_REQUESTS);
        let bytes = serde_json::to_vec(&remembered).unwrap().len();
        assert!(bytes < 50 * REMEMBERED_REQUESTS, "{bytes}");
    }
}
