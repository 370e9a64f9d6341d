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

use super::change::{Change, Segment, SegmentList, changes_of, mentions};
use super::commit::Base;
#[cfg(test)]
use super::commit::SegmentRecord;
use super::entry::{check_changes, decode_json, encode_json};
use crate::environment::Environment;
use crate::error::{Cause, Error, Result};
use crate::layout::{self, FramePaths};
use crate::objects::Objects;

/// How many checkpoints a level refers to at most.
pub(crate) const FANOUT: usize = 64;
const MAGIC: &str = "checkpoint";
const FORMAT: u32 = 1;
/// Objects of one list that are read at the same time.
const PARALLEL_READS: usize = 16;
/// A tree is rebuilt when it speaks of more than so many segments for each live one, beyond what is free.
const STALE_FACTOR: u64 = 4;
const STALE_FREE: u64 = 1024;
/// Segments in one object of a tree that is rebuilt.
const REBUILT_SEGMENTS: usize = 256;
/// Segments that a list holds without a checkpoint.
const LISTED_SEGMENTS: usize = 64;

/// One object of the tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    shoots: String,
    format: u32,
    /// Hashes of earlier checkpoints, oldest first within a level.
    levels: Vec<Vec<String>>,
    /// What changed since the last of those.
    changes: Vec<Change>,
    /// Makes the name unique, so that removing the object can hurt no later list.
    #[serde(default)]
    nonce: String,
    /// How many segments the changes of the whole tree speak of.
    #[serde(default)]
    mentions: u64,
}

impl Checkpoint {
    /// The checkpoint after `previous` (its hash and itself) and the changes since.
    pub(crate) fn after(previous: Option<(&str, &Self)>, changes: Vec<Change>) -> Self {
        let start = changes.iter().rposition(|change| change.clears);
        let previous = previous.filter(|_| start.is_none());
        let changes = changes[start.unwrap_or(0)..].to_vec();
        let earlier = previous.map_or(0, |(_, previous)| previous.mentions);
        Self {
            shoots: MAGIC.to_owned(),
            format: FORMAT,
            levels: previous
                .map(|(hash, previous)| previous.levels_with_itself(hash))
                .unwrap_or_default(),
            nonce: String::new(),
            mentions: earlier + mentions(&changes) as u64,
            changes,
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
        check_changes(object, &checkpoint.changes)?;
        for name in checkpoint.levels.iter().flatten() {
            layout::check_hex(object, name)?;
        }
        Ok(checkpoint)
    }

    /// Hashes of the earlier checkpoints that belong to the same tree.
    pub(crate) fn earlier(&self) -> impl Iterator<Item = &String> {
        self.levels.iter().flatten()
    }

    /// How many bytes it takes in memory, roughly.
    pub(crate) fn memory_bytes(&self) -> usize {
        let segments = mentions(&self.changes);
        let refs: usize = self.levels.iter().map(Vec::len).sum();
        256 + refs * 96 + self.changes.len() * 200 + segments * 400
    }
}

/// Reads checkpoints of one frame.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoints {
    objects: Objects,
    paths: FramePaths,
    cache: CheckpointCache,
    environment: Arc<dyn Environment>,
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
    pub(crate) fn new(
        objects: Objects,
        paths: FramePaths,
        cache: CheckpointCache,
        environment: Arc<dyn Environment>,
    ) -> Self {
        Self {
            objects,
            paths,
            cache,
            environment,
        }
    }

    pub(crate) async fn read(&self, hash: &str) -> Result<Arc<Checkpoint>> {
        if let Some(checkpoint) = self.cache.get(hash) {
            return Ok(checkpoint);
        }
        let path = self.paths.checkpoint(hash);
        let bytes = self.objects.read(&path).await?;
        let bytes = bytes.ok_or_else(|| Error::missing(&path))?;
        let checkpoint = Arc::new(Checkpoint::decode(&path, hash, &bytes)?);
        self.cache.insert(hash.to_owned(), checkpoint.clone());
        Ok(checkpoint)
    }

    /// Makes a checkpoint durable and returns its hash.
    pub(crate) async fn write(&self, mut checkpoint: Checkpoint) -> Result<String> {
        checkpoint.nonce = format!("{:032x}", self.environment.unique());
        let (hash, bytes) = checkpoint.encode()?;
        let path = self.paths.checkpoint(&hash);
        self.objects.create_immutable(&path, bytes.into()).await?;
        self.cache.insert(hash.clone(), Arc::new(checkpoint));
        Ok(hash)
    }

    /// The checkpoint that follows `list`: its changes, on top of the checkpoint it begins with; or, where most of
    /// what that tree speaks of is gone, a tree of just the live segments, so that reading a list costs what is in it.
    pub(crate) async fn write_after(&self, list: Base, live: u64) -> Result<String> {
        let previous = match &list.checkpoint {
            Some(hash) => Some((hash.as_str(), self.read(hash).await?)),
            None => None,
        };
        let previous = previous.as_ref().map(|(hash, node)| (*hash, node.as_ref()));
        let (earlier, free) = match previous {
            Some((_, previous)) => (previous.mentions, STALE_FREE),
            // There is no tree to be read for it.
            None => (0, 0),
        };
        let spoken_of = earlier + mentions(&list.changes) as u64;
        if spoken_of <= STALE_FACTOR * live + free {
            return self.write(Checkpoint::after(previous, list.changes)).await;
        }
        self.write_tree(&self.segments(list).await?).await
    }

    /// A list of just these segments: its changes, or a tree if they are many.
    pub(crate) async fn list_of(&self, segments: &[Segment]) -> Result<Base> {
        if segments.len() > LISTED_SEGMENTS {
            return Ok(Base {
                checkpoint: Some(self.write_tree(segments).await?),
                changes: Vec::new(),
            });
        }
        Ok(Base {
            checkpoint: None,
            changes: changes_of(segments),
        })
    }

    /// A tree of just these segments.
    pub(crate) async fn write_tree(&self, segments: &[Segment]) -> Result<String> {
        let mut last: Option<(String, Arc<Checkpoint>)> = None;
        for chunk in segments.chunks(REBUILT_SEGMENTS) {
            let previous = last.as_ref().map(|(hash, node)| (hash.as_str(), &**node));
            let next = Checkpoint::after(previous, changes_of(chunk));
            let hash = self.write(next).await?;
            let node = self.read(&hash).await?;
            last = Some((hash, node));
        }
        match last {
            Some((hash, _)) => Ok(hash),
            None => self.write(Checkpoint::after(None, Vec::new())).await,
        }
    }

    /// The segments of a list, in order.
    pub(crate) async fn segments(&self, list: Base) -> Result<Vec<Segment>> {
        let list = list.normal();
        let cleared = list.changes.first().is_some_and(|change| change.clears);
        let mut segments = SegmentList::default();
        if let Some(hash) = list.checkpoint.filter(|_| !cleared) {
            let mut nodes = Vec::new();
            let top = self.read(&hash).await?;
            let level = top.levels.len();
            self.collect_nodes(top, level, &mut nodes).await?;
            for (_, node) in nodes {
                node.changes
                    .iter()
                    .for_each(|change| segments.apply(change));
            }
        }
        list.changes
            .iter()
            .for_each(|change| segments.apply(change));
        Ok(segments.into_segments())
    }

    /// The hashes of all objects of a tree.
    pub(crate) async fn tree(&self, hash: &str) -> Result<Vec<String>> {
        let top = self.read(hash).await?;
        let level = top.levels.len();
        let mut nodes = Vec::new();
        self.collect_nodes(top, level, &mut nodes).await?;
        let own = hash.to_owned();
        Ok(nodes
            .into_iter()
            .map(|(hash, _)| hash.unwrap_or_else(|| own.clone()))
            .collect())
    }

    /// Appends the nodes of a tree in the order of their changes; the top one without its hash.
    fn collect_nodes<'a>(
        &'a self,
        node: Arc<Checkpoint>,
        level: usize,
        nodes: &'a mut Vec<(Option<String>, Arc<Checkpoint>)>,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let older = node.levels.iter().enumerate().take(level).rev();
            let older: Vec<(usize, String)> = older
                .flat_map(|(level, refs)| refs.iter().map(move |hash| (level, hash.clone())))
                .collect();
            let mut lists = stream::iter(older)
                .map(|(level, hash)| async move {
                    let mut below = Vec::new();
                    let child = self.read(&hash).await?;
                    self.collect_nodes(child, level, &mut below).await?;
                    if let Some(last) = below.last_mut() {
                        last.0 = Some(hash);
                    }
                    Ok::<_, Error>(below)
                })
                .buffered(PARALLEL_READS);
            while let Some(list) = lists.try_next().await? {
                nodes.extend(list);
            }
            drop(lists);
            nodes.push((None, node));
            Ok(())
        }
        .boxed()
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
            base: None,
            removed: vec![],
            in_place: false,
            hidden: vec![],
            added: vec![SegmentRecord {
                id: format!("{version:x}"),
                rows: 1,
                bytes: 1,
                hash: "cd".into(),
                range: None,
                footer: None,
            }],
        }
    }

    fn list(checkpoint: Option<String>, changes: Vec<Change>) -> Base {
        Base {
            checkpoint,
            changes,
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
            Arc::new(crate::SystemEnvironment::default()),
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
        let segments = checkpoints.segments(list(last, vec![])).await.unwrap();
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
            .segments(list(Some(hash), vec![cleared]))
            .await
            .unwrap();
        assert_eq!(segments.len(), 1);
    }

    #[tokio::test]
    async fn a_tree_of_segments_that_are_gone_is_rebuilt_from_those_that_are_not() {
        let checkpoints = checkpoints();
        let mut last: Option<String> = None;
        for version in 1..=3_000 {
            let mut next = change(version);
            if version > 5 {
                next.removed = vec![format!("{:x}", version - 1)];
            }
            last = Some(
                checkpoints
                    .write_after(list(last, vec![next]), 5)
                    .await
                    .unwrap(),
            );
        }
        let top = checkpoints.read(last.as_deref().unwrap()).await.unwrap();
        assert!(top.mentions < 2 * STALE_FREE, "{}", top.mentions);
        let segments = checkpoints.segments(list(last, vec![])).await.unwrap();
        let read: Vec<&str> = segments
            .iter()
            .map(|segment| segment.record.id.as_str())
            .collect();
        assert_eq!(read, ["1", "2", "3", "4", "bb8"]);
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
