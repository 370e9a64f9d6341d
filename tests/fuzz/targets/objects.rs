//! A store in which one object is another: whatever lies there, opening, reading, checking and writing end with an
//! answer, and rows that are given out are those that were put.
//!
//! An input is a word, the object's path and its bytes. With the word `sealed`, sums that the bytes carry of themselves
//! are made right again, so that what is inside of them is looked at: the digest of a log entry, the checksum of a
//! checkpoint in its name and in what refers to it.
//!
//! Frames know nothing of each other. So an input is tried on the frames whose objects it changes, and on everything if it
//! changes what is common to all, or now and then.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use shoots_proto::action::{Retention, VerifyRequest};
use shoots_proto::name::{BucketName, FrameId, FrameName};
use shoots_proto::{AsOf, PutMode, SnapshotName, TagName};
use shoots_store::{
    ColumnEdit, NewColumn, PutOptions, ReadOptions, RowsToDelete, Store, StoreBuilder, time_bound,
};

use super::{bytes, text};
use crate::child::{Target, Verdict};
use crate::input::Input;
use crate::wire::{numbers, prices};

type Stored = BTreeMap<String, Vec<u8>>;

pub(super) struct Objects {
    stored: Stored,
    /// The rows of each version of each frame that can be read.
    known: Vec<(FrameId, i64, RecordBatch)>,
}

/// What lies in a store besides a bucket: one of each must be there to be changed.
const KINDS: [&str; 6] = [
    "/log/",
    "/segments/",
    "/schemas/",
    "/checkpoints/",
    "/_bucket.json",
    "_snapshots/",
];

/// Puts of which `listed` is made: more segments than a log entry lists, so that there are checkpoints.
const PUTS: i64 = 70;
/// How often an input is tried on everything.
const ALL_ONCE_IN: u8 = 16;

/// One with an index that knows all kinds of changes, one without, and one that began with many segments. All of them are
/// small, since inputs read and check all of a frame.
fn frames() -> [FrameId; 3] {
    let nyc = || Some(BucketName::parse("nyc").unwrap());
    let name = |name| FrameName::parse(name).unwrap();
    [
        FrameId::new(None, name("prices")),
        FrameId::new(nyc(), name("numbers")),
        FrameId::new(nyc(), name("listed")),
    ]
}

impl Target for Objects {
    const NAME: &'static str = "objects";

    async fn begin() -> Self {
        let memory = Arc::new(InMemory::new());
        let one = Retention {
            keep_versions: Some(1),
            keep_seconds: Some(0),
            ..Retention::default()
        };
        fill(&builder(&memory).retention(one).open().await.unwrap()).await;
        let store = builder(&memory).open().await.unwrap();
        let mut known = Vec::new();
        // Of the last frame the only one that is kept, by its number: another newest one is none of these.
        let [.., listed] = frames();
        let last = store.frame(&listed).snapshot(None).await.unwrap();
        let last = i64::try_from(last.version().unwrap()).unwrap();
        let versions = [&[1, 3, 5, 6, 9][..], &[1, 3], &[last]];
        for (id, versions) in frames().into_iter().zip(versions) {
            for version in versions {
                let batch = rows(&store, &id, *version).await.unwrap();
                known.push((id.clone(), *version, batch));
            }
        }
        let mut stored = Stored::new();
        for object in memory.list(None).try_collect::<Vec<_>>().await.unwrap() {
            let bytes = memory
                .get(&object.location)
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap();
            stored.insert(object.location.to_string(), bytes.to_vec());
        }
        stored.retain(|path, _| !path.contains(&folder(&source())));
        for kind in KINDS {
            let there = stored.keys().any(|path| path.contains(kind));
            assert!(there, "nothing in {kind} among {:?}", stored.keys());
        }
        Self { stored, known }
    }

    async fn seeds(&mut self) -> Vec<Input> {
        let mut seeds = Vec::new();
        for word in ["as it is", "sealed"] {
            for (path, bytes) in &self.stored {
                seeds.push(vec![word.into(), path.clone().into_bytes(), bytes.clone()]);
            }
        }
        seeds
    }

    async fn run(&mut self, input: &Input) -> Verdict {
        let (path, mut object) = (text(input, 1), bytes(input, 2));
        let Ok(location) = Path::parse(&path) else {
            return Verdict::told("no path");
        };
        let sealed = text(input, 0) == "sealed";
        let mut stored = self.stored.clone();
        if sealed {
            object = seal(object);
            stored = refer(stored, &path, &object);
        }
        stored.insert(location.to_string(), object);
        let all = input_hash(input) < u8::MAX / ALL_ONCE_IN;
        let changed = if all {
            None
        } else {
            self.changed(&stored, &location)
        };
        let memory = Arc::new(InMemory::new());
        for (path, bytes) in stored {
            let location = Path::parse(path).unwrap();
            memory.put(&location, bytes.into()).await.unwrap();
        }
        let mut told = Vec::new();
        let store = builder(&memory).open().await.unwrap();
        let frames = changed.clone().unwrap_or_else(|| frames().to_vec());
        for (id, version, expected) in self.known.iter().filter(|(id, ..)| frames.contains(id)) {
            match rows(&store, id, *version).await {
                // Whoever makes sums right can say anything.
                Ok(found) if sealed || found == *expected => {}
                Ok(found) => {
                    let (found, expected) = (found.num_rows(), expected.num_rows());
                    return Verdict::defect(format!(
                        "{id} at {version} has other rows: {found} instead of {expected}"
                    ));
                }
                Err(error) => told.push(error),
            }
        }
        if changed.is_none() {
            told.push(looked_at(&store).await);
        }
        for id in &frames {
            told.push(used(&store, id).await);
        }
        Verdict::told(told.join("; "))
    }
}

impl Objects {
    /// The frames with the object at hand, or with others that differ; none if there is something else among them.
    fn changed(&self, stored: &Stored, at: &Path) -> Option<Vec<FrameId>> {
        let differ = stored
            .iter()
            .filter(|(path, bytes)| *path == at.as_ref() || self.stored.get(*path) != Some(*bytes));
        let of = |path: &str| frames().into_iter().find(|id| path.contains(&folder(id)));
        let mut changed = Vec::new();
        for (path, _) in differ {
            let id = of(path)?;
            if !changed.contains(&id) {
                changed.push(id);
            }
        }
        Some(changed)
    }
}

/// What the paths of a frame's objects hold.
fn folder(id: &FrameId) -> String {
    format!("/{}/", id.name)
}

/// What `listed` is a copy of. Nothing of it stays.
fn source() -> FrameId {
    FrameId::new(None, FrameName::parse("source").unwrap())
}

fn input_hash(input: &Input) -> u8 {
    let mut hasher = blake3::Hasher::new();
    input.iter().for_each(|part| {
        hasher.update(part);
    });
    hasher.finalize().as_bytes()[0]
}

fn builder(memory: &Arc<InMemory>) -> StoreBuilder {
    let builder =
        Store::builder("memory://").object_store(Arc::clone(memory) as Arc<dyn ObjectStore>);
    builder.sweep_grace_seconds(0)
}

async fn put(
    store: &Store,
    id: &FrameId,
    options: PutOptions,
    batch: RecordBatch,
) -> Result<(), String> {
    let failed = |error: shoots_store::Error| error.to_string();
    let mut writer = store
        .frame(id)
        .put(batch.schema(), options)
        .await
        .map_err(failed)?;
    writer.write(batch).await.map_err(failed)?;
    writer.commit().await.map(drop).map_err(failed)
}

/// Objects of every kind.
async fn fill(store: &Store) {
    let [indexed, plain, listed] = frames();
    let index = |mode| PutOptions::mode(mode).index(["time", "symbol"]);
    put(store, &indexed, index(PutMode::Error), prices(0..40))
        .await
        .unwrap();
    for minutes in [40..60, 60..80, 50..70] {
        let options = PutOptions::mode(PutMode::Append);
        put(store, &indexed, options, prices(minutes))
            .await
            .unwrap();
    }
    put(
        store,
        &indexed,
        PutOptions::mode(PutMode::Upsert),
        prices(5..65),
    )
    .await
    .unwrap();
    put(
        store,
        &plain,
        PutOptions::mode(PutMode::Error),
        numbers(0..50),
    )
    .await
    .unwrap();
    for start in [50, 60] {
        let options = PutOptions::mode(PutMode::Append);
        put(store, &plain, options, numbers(start..start + 2))
            .await
            .unwrap();
    }
    list(store, &listed).await;
    let frame = store.frame(&indexed);
    let some = RowsToDelete {
        start: Some(time_bound(1_700_001_000)),
        stop: Some(time_bound(1_700_002_000)),
        ..RowsToDelete::default()
    };
    frame.delete_rows(some).await.unwrap();
    let tag = TagName::parse("first").unwrap();
    frame
        .tag(&tag, Some(&AsOf::Version(1)), false)
        .await
        .unwrap();
    let edit = ColumnEdit {
        add: vec![NewColumn {
            name: "note".to_owned(),
            data_type: "string".to_owned(),
        }],
        ..ColumnEdit::default()
    };
    frame.alter(edit).await.unwrap();
    frame.compact(false).await.unwrap();
    put(
        store,
        &indexed,
        PutOptions::mode(PutMode::Upsert),
        prices(70..75),
    )
    .await
    .unwrap();
    let name = SnapshotName::parse("nightly").unwrap();
    store
        .take_snapshot(&name, &frames(), &[], None)
        .await
        .unwrap();
}

/// Makes a frame that begins with a checkpoint, and removes what is not needed any more, since each input reads all of it.
async fn list(store: &Store, id: &FrameId) {
    for start in 0..PUTS {
        let options = PutOptions::mode(PutMode::Append);
        put(store, &source(), options, numbers(start..start + 2))
            .await
            .unwrap();
    }
    store.frame(&source()).copy_to(id, None).await.unwrap();
    let frame = store.frame(id);
    frame.compact(false).await.unwrap();
    frame.expire(false).await.unwrap();
    frame.sweep(false).await.unwrap();
    let options = PutOptions::mode(PutMode::Append);
    put(store, id, options, numbers(90..95)).await.unwrap();
}

/// All rows of a version, or why there are none.
async fn rows(store: &Store, id: &FrameId, version: i64) -> Result<RecordBatch, String> {
    let failed = |error: shoots_store::Error| error.to_string();
    let snapshot = store
        .frame(id)
        .snapshot(Some(&AsOf::Version(version)))
        .await
        .map_err(failed)?;
    let batches = snapshot
        .read(ReadOptions::default())
        .await
        .map_err(failed)?;
    let batches = batches.collect().await.map_err(failed)?;
    arrow_select::concat::concat_batches(&snapshot.schema(), &batches)
        .map_err(|error| error.to_string())
}

/// What looks at all that is stored.
async fn looked_at(store: &Store) -> String {
    let everything = VerifyRequest {
        all_buckets: true,
        ..VerifyRequest::default()
    };
    let mut told = Told::default();
    told.tell("verify", store.verify(&everything).await);
    told.tell("buckets", store.buckets().await);
    told.tell("snapshots", store.snapshots().await);
    for id in frames() {
        told.tell("list", store.frames(id.bucket.as_ref()).await);
    }
    told.0.join("; ")
}

/// Everything else that looks at a frame, or changes it.
async fn used(store: &Store, id: &FrameId) -> String {
    let (mut told, frame) = (Told::default(), store.frame(id));
    let alone = VerifyRequest {
        name: Some(id.name.clone()),
        bucket: id.bucket.clone(),
        ..VerifyRequest::default()
    };
    told.tell("verify", store.verify(&alone).await);
    told.tell("history", frame.history(usize::MAX, None).await);
    told.tell("tracking", frame.tracking().await);
    told.tell("tags", frame.tags().await);
    told.tell("retention", frame.retention().await);
    let [indexed, ..] = frames();
    let more = match *id == indexed {
        true => prices(90..95),
        false => numbers(90..95),
    };
    let options = PutOptions::mode(PutMode::Append);
    told.0.extend(put(store, id, options, more).await.err());
    let some = RowsToDelete {
        start: Some(time_bound(1_700_001_900)),
        ..RowsToDelete::default()
    };
    told.tell("delete_rows", frame.delete_rows(some).await);
    told.tell("restore", frame.restore(&AsOf::Version(2)).await);
    told.tell("compact", frame.compact(false).await);
    told.tell("expire", frame.expire(false).await);
    told.tell("sweep", frame.sweep(false).await);
    told.0.join("; ")
}

/// What went wrong, one after the other.
#[derive(Default)]
struct Told(Vec<String>);

impl Told {
    fn tell<T>(&mut self, what: &str, outcome: Result<T, shoots_store::Error>) {
        if let Err(error) = outcome {
            self.0.push(format!("{what}: {:?} {error}", error.kind()));
        }
    }
}

/// A log entry whose digest is that of its bytes; anything else as it is.
fn seal(object: Vec<u8>) -> Vec<u8> {
    const DIGEST: &[u8] = br#"{"digest":""#;
    const STATE: &[u8] = br#"","state":"#;
    let find = |from: usize, what: &[u8]| {
        let at = object[from..]
            .windows(what.len())
            .position(|window| window == what)?;
        Some(from + at)
    };
    let sealed = || {
        let before = find(0, DIGEST)?;
        let digest = before + DIGEST.len();
        let end = find(digest, STATE)?;
        let state = object[end + STATE.len()..].strip_suffix(b"}\n")?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&object[..before]).update(state);
        let hash = hasher.finalize().to_hex();
        Some([&object[..digest], hash.as_bytes(), &object[end..]].concat())
    };
    sealed().unwrap_or(object)
}

/// What lies beside an object, with its new sum and length wherever its old ones were named.
fn refer(stored: Stored, path: &str, object: &[u8]) -> Stored {
    let Some(old) = stored.get(path) else {
        return stored;
    };
    let (old_hash, new_hash) = (blake3::hash(old).to_hex(), blake3::hash(object).to_hex());
    let (old_bytes, new_bytes) = (
        format!("\"bytes\":{}", old.len()),
        format!("\"bytes\":{}", object.len()),
    );
    let speaks_of_it = |bytes: &[u8]| {
        bytes
            .windows(64)
            .any(|window| window == old_hash.as_bytes())
    };
    let refers = |(name, bytes): (String, Vec<u8>)| {
        if name == path || !speaks_of_it(&bytes) {
            return (name, bytes);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let text = text
            .replace(old_hash.as_str(), &new_hash)
            .replace(&old_bytes, &new_bytes);
        (name, seal(text.into_bytes()))
    };
    stored.into_iter().map(refers).collect()
}
