//! What a commit says about itself.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Value};

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
    let mut keys = facts.iter().flat_map(Map::keys);
    match keys.find(|key| key.starts_with(RESERVED)) {
        Some(key) => Err(D::Error::custom(format!(
            "has the key `{}`; keys that begin with `{RESERVED}` are the server's own, choose another one",
            excerpt(key, 60)
        ))),
        None => Ok(facts),
    }
}
