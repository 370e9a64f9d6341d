//! Rows that stay where they are: an answer that says in which file of the machine they lie.

use serde::{Deserialize, Serialize};

/// What comes in place of rows, in the `app_metadata` of a message that has nothing else, when they lie in a file that
/// the caller may map into memory. Only who asked for it ([`GetTicket::shm`](crate::GetTicket::shm)) gets it.
///
/// ```
/// use shoots_proto::{SharedRows, decode};
///
/// let json = br#"{"shm":{"path":"/dev/shm/shoots-7f3a/91.arrows","rows":100,"bytes":2048}}"#;
/// let rows: SharedRows = decode("shared rows", json)?;
/// assert_eq!(rows.shm.rows, 100);
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SharedRows {
    /// The file.
    pub shm: SharedFile,
}

/// A file with rows, as an IPC stream of Arrow whose buffers are aligned. It never changes.
///
/// A reader holds a shared lock (`flock`) on the file from before it looks whether the file still has a name until it has
/// let go of the rows. What is locked is not removed to make room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SharedFile {
    /// Where it lies: a whole path.
    pub path: String,
    /// How many rows it holds.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
}
