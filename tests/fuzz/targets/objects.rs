//! A store in which one object is another: whatever lies there, opening, reading, checking and writing end with an
//! answer, and rows that are given out are those that were put.
//!
//! An input is a word, the object's path and its bytes. With the word `sealed`, sums that the bytes carry of themselves
//! are made right again, so that what is inside of them is looked at: the digest of a log entry, the checksum of a
//! checkpoint in its name and in what refers to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use shoots_proto::action::VerifyRequest;
use shoots_proto::name::{BucketName, FrameId, FrameName};
use shoots_proto::{AsOf, PutMode, SnapshotName, TagName};
use shoots_store::{ColumnEdit, NewColumn, PutOptions, ReadOptions, RowsToDelete, Store};

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

/// How often something is deleted of `changed`, and so many segments it has: more changes than a log entry lists.
const DELETIONS: i64 = 12;
const SEGMENTS: i64 = 6;

/// One with an index that knows all kinds of changes, one without, and one with so many changes that there are
/// checkpoints. All of them are small, since every input reads and checks everything.
fn frames() -> [FrameId; 3] {
    let nyc = || Some(BucketName::parse("nyc").unwrap());
    let name = |name| FrameName::parse(name).unwrap();
    [
        FrameId::new(None, name("prices")),
        FrameId::new(nyc(), name("numbers")),
        FrameId::new(nyc(), name("changed")),
    ]
}

impl Target for Objects {
    const NAME: &'static str = "objects";

    async fn begin() -> Self {
        let memory = Arc::new(InMemory::new());
        let store = open(&memory).await;
        fill(&store).await;
        let mut known = Vec::new();
        // Of the long history only some: each differs from the one before by a few rows.
        let last = SEGMENTS + DELETIONS;
        let versions = [&[1, 3, 5, 6, 9][..], &[1, 3], &[SEGMENTS, last - 2, last]];
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
        let memory = Arc::new(InMemory::new());
        for (path, bytes) in stored {
            let location = Path::parse(path).unwrap();
            memory.put(&location, bytes.into()).await.unwrap();
        }
        memory.put(&location, object.into()).await.unwrap();
        let mut told = Vec::new();
        let store = open(&memory).await;
        for (id, version, expected) in &self.known {
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
        told.push(used(&store).await);
        Verdict::told(told.join("; "))
    }
}

async fn open(memory: &Arc<InMemory>) -> Store {
    let builder =
        Store::builder("memory://").object_store(Arc::clone(memory) as Arc<dyn ObjectStore>);
    builder.sweep_grace_seconds(0).open().await.unwrap()
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
    let [indexed, plain, changed] = frames();
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
    for _ in 0..SEGMENTS {
        let options = PutOptions::mode(PutMode::Append).index(["n"]);
        put(store, &changed, options, numbers(0..40)).await.unwrap();
    }
    for number in 0..DELETIONS {
        // A row of each segment.
        let some = RowsToDelete {
            start: Some(number.into()),
            stop: Some((number + 1).into()),
            ..RowsToDelete::default()
        };
        store.frame(&changed).delete_rows(some).await.unwrap();
    }
    let frame = store.frame(&indexed);
    let some = RowsToDelete {
        start: Some(1_700_001_000.into()),
        stop: Some(1_700_002_000.into()),
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

/// Everything else that looks at what is stored, or changes it.
async fn used(store: &Store) -> String {
    let (mut told, mut appended) = (Vec::new(), Vec::new());
    let mut tell = |what: &str, outcome: Result<(), shoots_store::Error>| {
        if let Err(error) = outcome {
            told.push(format!("{what}: {:?} {error}", error.kind()));
        }
    };
    let everything = VerifyRequest {
        all_buckets: true,
        ..VerifyRequest::default()
    };
    tell("verify", store.verify(&everything).await.map(drop));
    tell("buckets", store.buckets().await.map(drop));
    tell("snapshots", store.snapshots().await.map(drop));
    let [indexed, plain, changed] = frames();
    for id in [plain, changed] {
        let history = store.frame(&id).history(usize::MAX, None).await;
        tell("history", history.map(drop));
    }
    let frame = store.frame(&indexed);
    let id = &indexed;
    tell("list", store.frames(id.bucket.as_ref()).await.map(drop));
    tell("history", frame.history(usize::MAX, None).await.map(drop));
    tell("tracking", frame.tracking().await.map(drop));
    tell("tags", frame.tags().await.map(drop));
    tell("retention", frame.retention().await.map(drop));
    let options = PutOptions::mode(PutMode::Append);
    appended.extend(put(store, id, options, prices(90..95)).await.err());
    let some = RowsToDelete {
        start: Some(1_700_001_900.into()),
        ..RowsToDelete::default()
    };
    tell("delete_rows", frame.delete_rows(some).await.map(drop));
    tell("restore", frame.restore(&AsOf::Version(2)).await.map(drop));
    tell("compact", frame.compact(false).await.map(drop));
    tell("expire", frame.expire(false).await.map(drop));
    tell("sweep", frame.sweep(false).await.map(drop));
    told.extend(appended);
    told.join("; ")
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
