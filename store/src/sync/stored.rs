//! The objects of a frame as a peer offers and takes them: whether they are there, and their bytes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error as ObjectError, ObjectStoreExt};

use super::peer::{ByteStream, ObjectKind, ObjectName, SentObject};
use crate::error::{Cause, Error, Result};
use crate::frame_log::FrameLog;
use crate::layout;
use crate::objects::Created;

/// Objects that are looked for at the same time.
const PARALLEL_LOOKS: usize = 16;
/// Rather than looking for more objects of one kind, they are listed.
const LOOKS_BEFORE_LISTING: usize = 64;
/// Objects that are remembered between their arrival and their publication.
const MAX_SEEN: usize = 65_536;

/// The longest schema that is taken from another store, in bytes.
const MAX_SCHEMA_BYTES: usize = 64 << 20;

/// Objects whose bytes have been compared with their hash when they came, by path.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<HashSet<(Path, String)>>>);

impl Seen {
    fn insert(&self, path: Path, hash: &str) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MAX_SEEN {
            // What is forgotten is read once more when it is published; most of it never will be.
            seen.clear();
        }
        seen.insert((path, hash.to_owned()));
    }

    /// Whether that was so; asked once.
    pub(super) fn take(&self, path: &Path, hash: &str) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(&(path.clone(), hash.to_owned()))
    }
}

/// Where an object lies; an error if its name could lead elsewhere.
pub(super) fn path_of(log: &FrameLog, object: &ObjectName) -> Result<Path> {
    let id = &object.id;
    if layout::check_hex(&Path::default(), id).is_err() {
        let problem = format!("`{id}` is no name of an object: it has hexadecimal digits only");
        return Err(Error::invalid("object", problem));
    }
    let paths = log.paths();
    Ok(match object.kind {
        ObjectKind::Segment => paths.segment(id),
        ObjectKind::Vector => paths.vector(id),
        ObjectKind::Schema => paths.schema(id),
    })
}

/// The sizes of those objects that are there.
pub(super) async fn have(log: &FrameLog, objects: &[ObjectName]) -> Result<Vec<Option<u64>>> {
    let paths = objects.iter().map(|object| path_of(log, object));
    let paths: Vec<Path> = paths.collect::<Result<_>>()?;
    let mut kinds: BTreeMap<ObjectKind, usize> = BTreeMap::new();
    for object in objects {
        *kinds.entry(object.kind).or_default() += 1;
    }
    let source = log.objects().uncached();
    let mut listed: HashMap<Path, u64> = HashMap::new();
    kinds.retain(|_, count| *count > LOOKS_BEFORE_LISTING);
    for kind in kinds.keys() {
        let sample = objects.iter().position(|object| object.kind == *kind);
        let folder = sample.and_then(|at| paths[at].as_ref().rsplit_once('/'));
        let Some(folder) = folder.and_then(|(folder, _)| Path::parse(folder).ok()) else {
            continue;
        };
        let found = source.list_all(&folder).await?;
        listed.extend(found.into_iter().map(|meta| (meta.location, meta.size)));
    }
    let looks = objects.iter().zip(&paths).map(|(object, path)| {
        let known = kinds.contains_key(&object.kind);
        let known = known.then(|| listed.get(path).copied());
        let source = &source;
        async move {
            match known {
                Some(size) => Ok(size),
                None => source.size(path).await,
            }
        }
    });
    let looks: Vec<_> = looks.collect();
    stream::iter(looks)
        .buffered(PARALLEL_LOOKS)
        .try_collect()
        .await
}

/// The bytes of an object.
pub(super) async fn read(log: &FrameLog, object: &ObjectName) -> Result<ByteStream> {
    let path = path_of(log, object)?;
    let found = log.objects().uncached().inner().get(&path).await;
    let found = found.map_err(|problem| match problem {
        ObjectError::NotFound { .. } => {
            let (what, name) = ("object", path.to_string());
            Error::from(Cause::NotFound { what, name })
        }
        problem => Error::io(format!("reading {path}"), problem),
    })?;
    let failed = move |problem| Error::io(format!("reading {path}"), problem);
    Ok(found.into_stream().map_err(failed).boxed())
}

/// All bytes of a schema from another store, whose length nobody knows before.
pub(super) async fn schema_bytes(hash: &str, mut bytes: ByteStream) -> Result<Bytes> {
    let mut all = BytesMut::new();
    while let Some(piece) = bytes.try_next().await? {
        if all.len() + piece.len() > MAX_SCHEMA_BYTES {
            let problem = format!("it has more than {MAX_SCHEMA_BYTES} bytes, which no schema has");
            return Err(Error::damaged(format!("schema {hash}"), problem));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

/// Stores an object whose bytes are what they are said to be.
pub(super) async fn write(
    log: &FrameLog,
    seen: &Seen,
    object: &SentObject,
    bytes: ByteStream,
) -> Result<()> {
    let shared = log.shared();
    shared.check_writable()?;
    shared.check_space().await?;
    let path = path_of(log, &object.name)?;
    if object.bytes > shared.put_memory.bytes() {
        let problem = format!(
            "{path} has {} bytes, and there is memory for {} (the setting put_memory_bytes)",
            object.bytes,
            shared.put_memory.bytes()
        );
        return Err(Error::invalid("object", problem));
    }
    let _share = shared.put_memory.share(object.bytes).await;
    let bytes = checked(&path, object, bytes).await?;
    match log.objects().create(&path, bytes.clone()).await {
        Ok(Created::Yes) => {
            seen.insert(path, &object.hash);
            Ok(())
        }
        // What lies there is looked at when it is published.
        _ => log.objects().create_immutable(&path, bytes).await,
    }
}

/// All bytes of an object, if they are those that were announced.
async fn checked(path: &Path, object: &SentObject, mut bytes: ByteStream) -> Result<Bytes> {
    let expected = usize::try_from(object.bytes).unwrap_or(usize::MAX);
    let damaged = |problem: String| Error::damaged(path, problem);
    let mut all = BytesMut::with_capacity(expected);
    let mut hasher = blake3::Hasher::new();
    while let Some(piece) = bytes.try_next().await? {
        if all.len() + piece.len() > expected {
            return Err(damaged(format!(
                "more than its {expected} bytes have arrived"
            )));
        }
        hasher.update(&piece);
        all.extend_from_slice(&piece);
    }
    if all.len() != expected {
        let arrived = all.len();
        let problem = format!("{arrived} bytes of it have arrived, it has {expected}");
        return Err(damaged(problem));
    }
    if hasher.finalize().to_hex().as_str() != object.hash {
        let problem = "what has arrived is not what was sent, or was never what its record says";
        return Err(damaged(problem.to_owned()));
    }
    Ok(all.freeze())
}
