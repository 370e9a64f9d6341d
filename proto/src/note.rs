//! What a commit says about itself.

use serde_json::{Map, Value};

/// What a commit says about itself: kept with it, and given back by everything that describes it.
///
/// In requests these are fields beside the others.
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
