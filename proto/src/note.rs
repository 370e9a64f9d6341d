//! What a commit says about itself.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Number, Value};

use crate::excerpt::excerpt;

/// What keys begin with under which a server says something itself.
const RESERVED: &str = "shoots.";

/// What a commit says about itself: kept with it, and given back by everything that describes it.
///
/// In requests these are fields beside the others. Keys of the metadata that begin with `shoots.` are for what servers
/// say themselves; a request that has one is refused.
///
/// ```
/// use shoots_proto::action::{RESTORE, RestoreRequest};
/// use shoots_proto::decode;
///
/// let json = br#"{"name":"prices","as_of":-2,"message":"bad feed","author":"ada"}"#;
/// let note = decode::<RestoreRequest>(RESTORE, json)?.note();
/// assert_eq!(note.message.as_deref(), Some("bad feed"));
/// assert_eq!(note.author.as_deref(), Some("ada"));
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Note {
    /// What the commit is about.
    pub message: Option<String>,
    /// Who makes it.
    pub author: Option<String>,
    /// Facts for programs.
    pub metadata: Option<Map<String, Value>>,
}

/// Reads facts that a caller gives. What a server says about a commit, no caller can say.
pub(crate) fn facts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Map<String, Value>>, D::Error> {
    let facts = Option::<Map<String, Value>>::deserialize(deserializer)?;
    let mut entries = facts.iter().flatten();
    if let Some((key, _)) = entries.find(|(_, value)| !is_kept(value)) {
        return Err(D::Error::custom(format!(
            "has a number under the key `{}` that has too many digits to be read again as the same: give it as text",
            excerpt(key, 60)
        )));
    }
    let mut keys = facts.iter().flat_map(Map::keys);
    match keys.find(|key| key.starts_with(RESERVED)) {
        Some(key) => Err(D::Error::custom(format!(
            "has the key `{}`; keys that begin with `{RESERVED}` are the server's own, choose another one",
            excerpt(key, 60)
        ))),
        None => Ok(facts),
    }
}

/// Whether each number is read again, from what is written of it, as the same. Reading is exact for integers of 64 bits, and
/// for others up to some fifteen digits; what is beyond is rounded, and once more each time.
fn is_kept(value: &Value) -> bool {
    match value {
        Value::Number(number) if number.is_f64() => {
            serde_json::from_str::<Number>(&number.to_string()).is_ok_and(|again| again == *number)
        }
        Value::Array(values) => values.iter().all(is_kept),
        Value::Object(fields) => fields.values().all(is_kept),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use crate::decode;
    use crate::put::PutCommand;

    #[test]
    fn numbers_that_would_change_are_refused_with_their_key_and_others_are_kept() {
        let put = |number: &str| {
            let command =
                format!(r#"{{"name":"a","metadata":{{"fine":1,"depth":[{{"m":{number}}}]}}}}"#);
            decode::<PutCommand>("command", command.as_bytes())
        };
        for number in [
            "0.1",
            "-1.5e300",
            "18446744073709551615",
            "-9223372036854775808",
            "1e23",
            "0.30000000000000004",
        ] {
            put(number).unwrap();
        }
        // Read by the library without its exact way, each is another number once it was written.
        let digits = (1..100_000_u64).map(|n| format!("{}{}", n * 7_919_111, "123456789012345"));
        let changing: Vec<String> = digits
            .filter(|digits| {
                let once: serde_json::Value = serde_json::from_str(digits).unwrap();
                let again: serde_json::Value = serde_json::from_str(&once.to_string()).unwrap();
                once != again
            })
            .take(3)
            .collect();
        assert_eq!(changing.len(), 3);
        for number in changing {
            let error = put(&number).unwrap_err().to_string();
            for word in ["metadata", "`depth`", "as text"] {
                assert!(error.contains(word), "{error}");
            }
        }
    }
}
