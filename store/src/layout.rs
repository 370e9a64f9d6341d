//! Where everything lies below a store's root.
//!
//! ```text
//! <bucket>/_bucket.json                     marks a bucket that exists even when it is empty
//! <bucket>/<frame>/log/<sequence>.jsonl     the frame's log, see `crate::log`
//! <bucket>/<frame>/log/latest               a hint where its newest entry is
//! <bucket>/<frame>/segments/<id>.parquet    rows
//! <bucket>/<frame>/schemas/<hash>.arrow     schemas
//! <bucket>/<frame>/checkpoints/<hash>.json  long lists of segments
//! <bucket>/<frame>/vectors/<id>.roaring     which rows of a segment are invisible
//! <bucket>/<frame>/histories/<hash>.jsonl   commits of the frame's history that are no versions, see `crate::lineage`
//! <bucket>/<frame>/promised/<hash>.json     segments that stayed at a remote, see `crate::sync`
//! <bucket>/<frame>/condemned/<hash>.json    what the sweep is to remove
//! <bucket>/<frame>/condemned/<hash>.claim   that it does, or that some of it is needed again
//! <bucket>/_settings/<number>.json          settings of a bucket, the newest of which counts
//! <bucket>/<name>.parquet                   a plain file: a frame until it is adopted
//! _default/…, <name>.parquet                the same for the bucket without a name
//! _snapshots/<name>.json                    the state of many frames at once, see `crate::snapshots`
//! _snapshots/attempts/<name>/<id>.json      which frames may hold on to a version for it
//! _remotes/<name>/<number>.json              other places that keep frames, see `crate::remotes`
//! _tmp/                                     files that are being written (local disk)
//! ```
//!
//! Names are percent-encoded (`shoots_proto::name::encode`), so that no user's name can begin with `_` or `.`
//! on disk, end in `.parquet` as a folder, or leave its folder.

use object_store::path::Path;
use shoots_proto::name::{self, BucketName, FrameId};
use shoots_proto::{RemoteName, SnapshotName};

use crate::error::{Error, Result};

const DEFAULT_BUCKET: &str = "_default";
const PLAIN_SUFFIX: &str = ".parquet";
const SNAPSHOTS: &str = "_snapshots";
const ATTEMPTS: &str = "attempts";
const REMOTES: &str = "_remotes";
const BUCKET_MARKER: &str = "_bucket.json";
const BUCKET_SETTINGS: &str = "_settings";

/// Where in a frame's folder the hint of its log stands, which its first commit brings.
pub(crate) const HINT_IN_FRAME: &str = "log/latest";

/// Whether what has this name below a root tells that it is the root of a store.
pub(crate) fn is_store_part(name: &str) -> bool {
    [DEFAULT_BUCKET, SNAPSHOTS, REMOTES].contains(&name) || name.ends_with(PLAIN_SUFFIX)
}

/// Whether what has this name in a folder tells that the folder is a bucket's.
pub(crate) fn is_bucket_part(name: &str) -> bool {
    [BUCKET_MARKER, BUCKET_SETTINGS].contains(&name) || name.ends_with(PLAIN_SUFFIX)
}

/// A path whose parts stand on disk as they are given. (`Path::join` and `From` would encode the `%` of our
/// names once more.) What could not stand there, such as `..`, is encoded instead.
fn path(text: &str) -> Path {
    Path::parse(text).unwrap_or_else(|_| Path::from(text))
}

/// The folder that holds a bucket's frames.
pub(crate) fn bucket_folder(bucket: Option<&BucketName>) -> Path {
    match bucket {
        Some(bucket) => path(&name::encode(bucket.as_str())),
        None => path(DEFAULT_BUCKET),
    }
}

/// The object that keeps an empty bucket in existence.
pub(crate) fn bucket_marker(bucket: &BucketName) -> Path {
    path(&format!("{}/{BUCKET_MARKER}", bucket_folder(Some(bucket))))
}

/// The folder with a bucket's own settings.
pub(crate) fn bucket_settings(bucket: Option<&BucketName>) -> Path {
    path(&format!("{}/{BUCKET_SETTINGS}", bucket_folder(bucket)))
}

/// The folder of what is known of snapshots of many frames. It looks like no bucket.
pub(crate) fn snapshots() -> Path {
    path(SNAPSHOTS)
}

/// The object that makes a snapshot visible.
pub(crate) fn snapshot(name: &SnapshotName) -> Path {
    path(&format!("{SNAPSHOTS}/{}.json", snapshot_part(name)))
}

/// The folder of all attempts to take a snapshot.
pub(crate) fn attempts() -> Path {
    path(&format!("{SNAPSHOTS}/{ATTEMPTS}"))
}

/// The folder of the attempts to take a snapshot of this name.
pub(crate) fn snapshot_attempts(name: &SnapshotName) -> Path {
    path(&format!("{SNAPSHOTS}/{ATTEMPTS}/{}", snapshot_part(name)))
}

/// The object that says which frames an attempt concerns.
pub(crate) fn snapshot_attempt(name: &SnapshotName, id: &str) -> Path {
    path(&format!("{}/{id}.json", snapshot_attempts(name)))
}

/// Whether a folder or an object belongs to buckets or their rules, to snapshots or to remotes, not to frames.
pub(crate) fn is_beside_frames(path: &Path) -> bool {
    let mut parts = path.parts();
    let (first, second) = (parts.next(), parts.next());
    let of_all = first.is_some_and(|part| [SNAPSHOTS, REMOTES].contains(&part.as_ref()));
    let of_buckets = [BUCKET_MARKER, BUCKET_SETTINGS];
    of_all || second.is_some_and(|part| of_buckets.contains(&part.as_ref()))
}

/// Whether an object of those has this path, and no folder.
pub(crate) fn is_object_beside_frames(path: &Path) -> bool {
    let parts: Vec<_> = path.parts().collect();
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    let is_object = matches!(
        parts.as_slice(),
        [_, BUCKET_MARKER]
            | [SNAPSHOTS, _]
            | [SNAPSHOTS, ATTEMPTS, _, _]
            | [REMOTES, _, _]
            | [_, BUCKET_SETTINGS, _]
    );
    is_object && path.as_ref().ends_with(".json")
}

/// The folder of what is known of remotes. It looks like no bucket.
pub(crate) fn remotes() -> Path {
    path(REMOTES)
}

/// The folder of one remote.
pub(crate) fn remote_folder(name: &RemoteName) -> Path {
    path(&format!("{REMOTES}/{name}"))
}

/// The object that says where a remote is, or that it was removed.
#[cfg(test)]
pub(crate) fn remote(name: &RemoteName, number: u64) -> Path {
    path(&format!("{REMOTES}/{name}/{number:020}.json"))
}

/// The remote that an object is about, and the object's number.
pub(crate) fn remote_of(path: &Path) -> Option<(RemoteName, u64)> {
    let parts: Vec<_> = path.parts().collect();
    let [folder, name, file] = parts.as_slice() else {
        return None;
    };
    let number = file.as_ref().strip_suffix(".json")?.parse().ok()?;
    let name = RemoteName::parse(name.as_ref()).ok()?;
    (folder.as_ref() == REMOTES).then_some((name, number))
}

/// A snapshot's name as a part of a path. Of a name that is too long for one there is the hash; what `_` begins is
/// never the encoding of another.
fn snapshot_part(name: &SnapshotName) -> String {
    let encoded = name::encode(name.as_str());
    if encoded.len() <= name::MAX_ENCODED_BYTES {
        return encoded;
    }
    format!("_{}", blake3::hash(name.as_str().as_bytes()).to_hex())
}

/// The folders in which plain files of a bucket may lie, none twice. An older program named folders as users
/// wrote them, without encoding.
pub(crate) fn plain_folders(bucket: Option<&BucketName>) -> Vec<Path> {
    let Some(bucket) = bucket else {
        return vec![Path::ROOT];
    };
    let mut folders = vec![bucket_folder(Some(bucket)), path(bucket.as_str())];
    folders.dedup();
    folders
}

/// Where a plain file of this frame would lie, in order of preference.
pub(crate) fn plain_files(frame: &FrameId) -> Vec<Path> {
    plain_folders(frame.bucket.as_ref())
        .into_iter()
        .map(|folder| path(&format!("{folder}/{}{PLAIN_SUFFIX}", frame.name)))
        .collect()
}

/// The frame's name that a plain file stands for, if it is one.
pub(crate) fn plain_name(path: &Path) -> Option<&str> {
    let file = path.filename()?;
    file.strip_suffix(PLAIN_SUFFIX)
        .filter(|stem| !stem.starts_with('.'))
}

/// The user's name for a folder of the store: of a bucket below the root, of a frame below its bucket.
/// Reserved folders have none. A folder that no encoding yields stands for itself.
pub(crate) fn folder_name(folder: &Path) -> Option<String> {
    let part = folder.filename()?;
    if part.starts_with(['_', '.']) {
        return None;
    }
    match name::decode(part) {
        Some(decoded) if name::encode(&decoded) == part => Some(decoded),
        _ => Some(part.to_owned()),
    }
}

/// The paths of one frame's objects.
#[derive(Debug, Clone)]
pub(crate) struct FramePaths {
    folder: String,
}

impl FramePaths {
    pub(crate) fn new(frame: &FrameId) -> Self {
        let bucket = bucket_folder(frame.bucket.as_ref());
        let folder = format!("{bucket}/{}", name::encode(frame.name.as_str()));
        Self { folder }
    }

    pub(crate) fn log(&self) -> Path {
        path(&format!("{}/log", self.folder))
    }

    /// The folders that every frame has.
    pub(crate) fn folders(&self) -> [Path; 3] {
        [self.log(), self.segments(), self.schemas()]
    }

    /// The folder of its segments.
    fn segments(&self) -> Path {
        path(&format!("{}/segments", self.folder))
    }

    pub(crate) fn entry(&self, sequence: u64) -> Path {
        path(&format!("{}/log/{sequence:020}.jsonl", self.folder))
    }

    pub(crate) fn hint(&self) -> Path {
        path(&format!("{}/{HINT_IN_FRAME}", self.folder))
    }

    pub(crate) fn segment(&self, id: &str) -> Path {
        path(&format!("{}/segments/{id}.parquet", self.folder))
    }

    /// The folder of its schemas.
    pub(crate) fn schemas(&self) -> Path {
        path(&format!("{}/schemas", self.folder))
    }

    pub(crate) fn schema(&self, hash: &str) -> Path {
        path(&format!("{}/schemas/{hash}.arrow", self.folder))
    }

    pub(crate) fn checkpoint(&self, hash: &str) -> Path {
        path(&format!("{}/checkpoints/{hash}.json", self.folder))
    }

    pub(crate) fn vector(&self, id: &str) -> Path {
        path(&format!("{}/vectors/{id}.roaring", self.folder))
    }

    pub(crate) fn history(&self, hash: &str) -> Path {
        path(&format!("{}/histories/{hash}.jsonl", self.folder))
    }

    pub(crate) fn promised(&self, hash: &str) -> Path {
        path(&format!("{}/promised/{hash}.json", self.folder))
    }

    pub(crate) fn condemned(&self, hash: &str) -> Path {
        path(&format!("{}/condemned/{hash}.json", self.folder))
    }

    pub(crate) fn claim(&self, hash: &str) -> Path {
        path(&format!("{}/condemned/{hash}.claim", self.folder))
    }

    /// The folder of all its objects.
    pub(crate) fn folder(&self) -> Path {
        path(&self.folder)
    }

    /// The sequence number in the name of a log object, if it is an entry.
    pub(crate) fn sequence_of(path: &Path) -> Option<u64> {
        let digits = path.filename()?.strip_suffix(".jsonl")?;
        (digits.len() == 20).then(|| digits.parse().ok())?
    }
}

/// Refuses hashes and ids from stored records that could leave the frame's folder.
pub(crate) fn check_hex(object: &Path, text: &str) -> Result<()> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(Error::damaged(object, format!("`{text}` is not an id")))
}

/// Whether what was read from a path can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Immutability {
    /// It can be another object tomorrow.
    Changes,
    /// An entry of a log: it never changes, but once a frame is gone for good, its number can come back.
    Numbered,
    /// Its name is unique or says its content.
    Content,
}

/// What the name of an object below the store's root promises about its content.
pub(crate) fn immutability(path: &Path) -> Immutability {
    let parts: Vec<_> = path.parts().collect();
    let [_, _, kind, _] = parts.as_slice() else {
        return Immutability::Changes;
    };
    match kind.as_ref() {
        "segments" | "schemas" | "checkpoints" | "vectors" | "histories" => Immutability::Content,
        "log" if FramePaths::sequence_of(path).is_some() => Immutability::Numbered,
        _ => Immutability::Changes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_snapshot_has_a_path_of_its_own_below_their_folder() {
        let of = |name: &str| snapshot(&SnapshotName::parse(name).unwrap()).to_string();
        assert_eq!(of("year end"), "_snapshots/year end.json");
        assert_eq!(of("a/../b"), "_snapshots/a%2F..%2Fb.json");
        let (long, longer) = ("é".repeat(99), "é".repeat(100));
        assert_ne!(of(&long), of(&longer));
        for name in [&long, "..", "attempts", "_x"] {
            let found = of(name);
            assert_eq!(found.matches('/').count(), 1, "{found}");
            assert!(found.len() < 255, "{found}");
        }
    }

    #[test]
    fn only_entries_and_what_has_a_unique_name_can_be_kept() {
        use Immutability::{Changes, Content, Numbered};
        for (text, expected) in [
            ("b/f/segments/ab.parquet", Content),
            ("_default/f/schemas/ab.arrow", Content),
            ("b/f/checkpoints/ab.json", Content),
            ("b/f/vectors/ab.bin", Content),
            ("b/f/histories/ab.jsonl", Content),
            ("b/f/log/00000000000000000001.jsonl", Numbered),
            ("b/f/log/latest", Changes),
            ("b/_bucket.json", Changes),
            ("segments/f.parquet", Changes),
            ("b/segments/log/latest", Changes),
            ("b/f/tags/x/y", Changes),
        ] {
            assert_eq!(immutability(&path(text)), expected, "{text}");
        }
    }
}
