//! The list of a frame's segments up to some version, in objects of bounded size.
//!
//! An append must write a bounded number of bytes at ten segments or at ten million, so a checkpoint cannot
//! repeat the whole list. It holds the changes since the checkpoint before it, and refers to earlier ones like
//! the digits of a number: up to [`FANOUT`] checkpoints whose own changes count (level 0), up to [`FANOUT`]
//! whose own changes *and level 0* count (level 1), and so on. When a level is full, the checkpoint that closed
//! it is referred to one level up, and the levels below start empty: a carry.
//!
//! ```text
//! read(node, level) = for l in (0..level).rev(): for r in node.levels[l]: read(r, l);   then node.changes
//! ```
//!
//! So a list of n changes is a tree of about n / 64 objects, each written once and named after its hash; writing
//! the next checkpoint needs only the one before it.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::commit::{Change, SegmentRecord};
use super::entry::{decode_json, encode_json};
use crate::error::{Cause, Error, Result};
use crate::layout::{self, FramePaths};
use crate::objects::Objects;

/// How many checkpoints a level refers to at most.
pub(crate) const FANOUT: usize = 64;
const MAGIC: &str = "checkpoint";
const FORMAT: u32 = 1;
/// Objects of one list that are read at the same time.
const PARALLEL_READS: usize = 16;

/// A segment and the schema that it was written with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) record: SegmentRecord,
    pub(crate) schema: Arc<str>,
}

/// One object of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    shoots: String,
    format: u32,
    /// Hashes of earlier checkpoints, oldest first within a level.
    levels: Vec<Vec<String>>,
    /// What changed since the last of those.
    changes: Vec<Change>,
}

impl Checkpoint {
    /// The checkpoint after `previous` (its hash and itself) and the changes since.
    pub(crate) fn after(previous: Option<(&str, &Self)>, changes: Vec<Change>) -> Self {
        let start = changes.iter().rposition(|change| change.clears);
        let levels = match (start, previous) {
            (None, Some((hash, previous))) => previous.levels_with_itself(hash),
            _ => Vec::new(),
        };
        Self {
            shoots: MAGIC.to_owned(),
            format: FORMAT,
            levels,
            changes: changes[start.unwrap_or(0)..].to_vec(),
        }
    }

    fn levels_with_itself(&self, hash: &str) -> Vec<Vec<String>> {
        let mut levels = self.levels.clone();
        let full = levels
            .iter()
            .take_while(|level| level.len() == FANOUT)
            .count();
        levels[..full].iter_mut().for_each(Vec::clear);
        if full == levels.len() {
            levels.push(Vec::new());
        }
        levels[full].push(hash.to_owned());
        levels
    }

    /// Its bytes and the hash that names them.
    pub(crate) fn encode(&self) -> Result<(String, Vec<u8>)> {
        let bytes = encode_json(self)?;
        Ok((blake3::hash(&bytes).to_hex().to_string(), bytes))
    }

    pub(crate) fn decode(object: &Path, hash: &str, bytes: &[u8]) -> Result<Self> {
        if blake3::hash(bytes).to_hex().as_str() != hash {
            return Err(Error::damaged(
                object,
                "its hash is not the one in its name",
            ));
        }
        let text =
            std::str::from_utf8(bytes).map_err(|_| Error::damaged(object, "it is not UTF-8"))?;
        let checkpoint: Self = decode_json(object, "content", text)?;
        if checkpoint.shoots != MAGIC {
            return Err(Error::damaged(object, "it is not a checkpoint"));
        }
        if checkpoint.format > FORMAT {
            let needs = format!("format {}", checkpoint.format);
            let object = object.to_string();
            return Err(Cause::Newer { object, needs }.into());
        }
        let refs = checkpoint.levels.iter().flatten();
        let added = checkpoint.changes.iter().flat_map(|change| &change.added);
        let schemas = checkpoint.changes.iter().map(|change| &change.schema);
        for name in refs.chain(schemas).chain(added.map(|segment| &segment.id)) {
            layout::check_hex(object, name)?;
        }
        Ok(checkpoint)
    }

    /// How many bytes it takes in memory, roughly.
    pub(crate) fn memory_bytes(&self) -> usize {
        let segments: usize = self.changes.iter().map(|change| change.added.len()).sum();
        let refs: usize = self.levels.iter().map(Vec::len).sum();
        256 + refs * 96 + self.changes.len() * 160 + segments * 200
    }
}

/// Reads checkpoints of one frame.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoints {
    objects: Objects,
    paths: FramePaths,
    cache: CheckpointCache,
}

/// Checkpoints by hash, shared by all frames of a store, bounded by their size in memory.
pub(crate) type CheckpointCache =
    Arc<quick_cache::sync::Cache<String, Arc<Checkpoint>, CheckpointWeight>>;

/// Weighs what the cache holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckpointWeight;

impl quick_cache::Weighter<String, Arc<Checkpoint>> for CheckpointWeight {
    fn weight(&self, _: &String, checkpoint: &Arc<Checkpoint>) -> u64 {
        checkpoint.memory_bytes() as u64
    }
}

impl Checkpoints {
    pub(crate) fn new(objects: Objects, paths: FramePaths, cache: CheckpointCache) -> Self {
        Self {
            objects,
            paths,
            cache,
        }
    }

    pub(crate) async fn read(&self, hash: &str) -> Result<Arc<Checkpoint>> {
        if let Some(checkpoint) = self.cache.get(hash) {
            return Ok(checkpoint);
        }
        let path = self.paths.checkpoint(hash);
        let bytes = self.objects.read(&path).await?;
        let bytes = bytes.ok_or_else(|| Error::damaged(&path, "it is missing"))?;
        let checkpoint = Arc::new(Checkpoint::decode(&path, hash, &bytes)?);
        self.cache.insert(hash.to_owned(), checkpoint.clone());
        Ok(checkpoint)
    }

    /// Makes a checkpoint durable and returns its hash.
    pub(crate) async fn write(&self, checkpoint: Checkpoint) -> Result<String> {
        let (hash, bytes) = checkpoint.encode()?;
        let path = self.paths.checkpoint(&hash);
        self.objects.create_immutable(&path, bytes.into()).await?;
        self.cache.insert(hash.clone(), Arc::new(checkpoint));
        Ok(hash)
    }

    /// The live segments in order: those of the checkpoint, changed by the changes since.
    pub(crate) async fn segments(
        &self,
        checkpoint: Option<&str>,
        since: Vec<Change>,
    ) -> Result<Vec<Segment>> {
        let start = since.iter().rposition(|change| change.clears);
        let mut segments = match (start, checkpoint) {
            (None, Some(hash)) => {
                let top = self.read(hash).await?;
                let level = top.levels.len();
                self.read_through(top, level).await?
            }
            _ => Vec::new(),
        };
        collect(since[start.unwrap_or(0)..].iter(), &mut segments);
        Ok(segments)
    }

    fn read_through(
        &self,
        node: Arc<Checkpoint>,
        level: usize,
    ) -> BoxFuture<'_, Result<Vec<Segment>>> {
        async move {
            let older = node.levels.iter().enumerate().take(level).rev();
            let older: Vec<(usize, String)> = older
                .flat_map(|(level, refs)| refs.iter().map(move |hash| (level, hash.clone())))
                .collect();
            let mut lists = stream::iter(older)
                .map(|(level, hash)| async move {
                    self.read_through(self.read(&hash).await?, level).await
                })
                .buffered(PARALLEL_READS);
            let mut segments = Vec::new();
            while let Some(list) = lists.try_next().await? {
                segments.extend(list);
            }
            collect(node.changes.iter(), &mut segments);
            Ok(segments)
        }
        .boxed()
    }
}

fn collect<'a>(changes: impl Iterator<Item = &'a Change>, segments: &mut Vec<Segment>) {
    for change in changes {
        if change.clears {
            segments.clear();
        }
        let schema: Arc<str> = change.schema.as_str().into();
        segments.extend(change.added.iter().map(|record| Segment {
            record: record.clone(),
            schema: schema.clone(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(version: u64) -> Change {
        Change {
            version,
            schema: "ab".into(),
            clears: version == 1,
            added: vec![SegmentRecord {
                id: format!("{version:x}"),
                rows: 1,
                bytes: 1,
                hash: "cd".into(),
                footer: None,
            }],
        }
    }

    fn checkpoints() -> Checkpoints {
        let frame = shoots_proto::name::FrameId {
            bucket: None,
            name: shoots_proto::name::FrameName::parse("f").unwrap(),
        };
        Checkpoints::new(
            Objects::new(Arc::new(object_store::memory::InMemory::new())),
            FramePaths::new(&frame),
            Arc::new(quick_cache::sync::Cache::with_weighter(
                100,
                1 << 20,
                CheckpointWeight,
            )),
        )
    }

    #[tokio::test]
    async fn a_list_of_many_checkpoints_reads_back_in_order_and_each_stays_small() {
        let checkpoints = checkpoints();
        let mut last: Option<String> = None;
        let mut largest = 0;
        let count = (FANOUT * FANOUT + 3 * FANOUT + 5) as u64;
        for version in 1..=count {
            let previous = match &last {
                Some(hash) => Some((hash.as_str(), checkpoints.read(hash).await.unwrap())),
                None => None,
            };
            let previous = previous.as_ref().map(|(hash, node)| (*hash, node.as_ref()));
            let next = Checkpoint::after(previous, vec![change(version)]);
            largest = largest.max(next.encode().unwrap().1.len());
            last = Some(checkpoints.write(next).await.unwrap());
        }
        let segments = checkpoints.segments(last.as_deref(), vec![]).await.unwrap();
        let read: Vec<u64> = segments
            .iter()
            .map(|segment| u64::from_str_radix(&segment.record.id, 16).unwrap())
            .collect();
        assert_eq!(read, (1..=count).collect::<Vec<_>>());
        assert!(largest < 3 * FANOUT * 80, "{largest} bytes");
    }

    #[tokio::test]
    async fn a_change_that_clears_forgets_all_older_checkpoints() {
        let checkpoints = checkpoints();
        let first = Checkpoint::after(None, vec![change(2), change(3)]);
        let hash = checkpoints.write(first.clone()).await.unwrap();
        let mut cleared = change(4);
        cleared.clears = true;
        let second = Checkpoint::after(Some((&hash, &first)), vec![change(5), cleared.clone()]);
        assert_eq!(second, Checkpoint::after(None, vec![cleared.clone()]));
        let segments = checkpoints
            .segments(Some(&hash), vec![cleared])
            .await
            .unwrap();
        assert_eq!(segments.len(), 1);
    }

    #[tokio::test]
    async fn a_damaged_checkpoint_is_named() {
        let checkpoints = checkpoints();
        let path = checkpoints.paths.checkpoint("ab");
        checkpoints
            .objects
            .create(&path, "{}".into())
            .await
            .unwrap();
        let error = checkpoints.read("ab").await.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Damaged);
        assert!(error.to_string().contains("checkpoints/ab"), "{error}");
    }
}
