//! Power cuts: a store's steps are written down, and at every one of them the power goes.
//!
//! What is left is opened as a store: everything that was acknowledged before is there, in every version that is kept,
//! nothing is there in part, nothing is damaged, and life goes on. Once with nothing but what was synced, at each step
//! that makes something durable; and at drawn steps with a drawn part of the rest, in which files may have lost their
//! bytes.
//!
//! `SHOOTS_POWER_CUTS` says how many cuts are drawn, `SHOOTS_POWER_SEED` repeats them.

mod machine;
mod recorder;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use shoots_proto::action::{Retention, VerifyRequest};
use shoots_proto::name::{BucketName, FrameId, FrameName};
use shoots_proto::{AsOf, PutMode, SnapshotName, TagName};

use self::machine::{Left, Machine};
use self::recorder::{Recorder, Step};
use super::ids;
use crate::disk::Disk;
use crate::{
    ColumnEdit, ErrorKind, Frame, NewColumn, PutOptions, ReadOptions, RowsToDelete, Store,
};

/// A row: its key, and the value that was put.
type Rows = Vec<(i64, i64)>;

/// What a caller knows after a call was answered.
#[derive(Clone, Debug)]
enum Told {
    /// The frame has these versions, the newest last; none: it is deleted. Those that can be read by this call's end
    /// have rows.
    Frame {
        id: FrameId,
        versions: BTreeMap<u64, Option<Rows>>,
        deleted: bool,
    },
    Bucket(BucketName),
    Snapshot(SnapshotName),
}

type Log = Arc<Recorder<Told>>;

fn id(bucket: &str, name: &str) -> FrameId {
    let bucket = (!bucket.is_empty()).then(|| BucketName::parse(bucket).unwrap());
    FrameId::new(bucket, FrameName::parse(name).unwrap())
}

fn batch(keys: std::ops::Range<i64>, value: i64) -> RecordBatch {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(keys.clone().map(|_| value)));
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(keys));
    RecordBatch::try_from_iter_with_nullable([("k", keys, false), ("v", values, false)]).unwrap()
}

async fn put(frame: &Frame, mode: PutMode, batch: RecordBatch) -> crate::Result<()> {
    let options = PutOptions::mode(mode).index(["k"]);
    let mut writer = frame.put(batch.schema(), options).await?;
    writer.write(batch).await?;
    writer.commit().await.map(drop)
}

/// The rows of a version; none if it is not kept any more, or is that of a deletion.
async fn rows(frame: &Frame, version: u64) -> crate::Result<Option<Rows>> {
    let version = AsOf::Version(i64::try_from(version).unwrap());
    let snapshot = match frame.snapshot(Some(&version)).await {
        Ok(snapshot) => snapshot,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let batches = snapshot
        .read(ReadOptions::default())
        .await?
        .collect()
        .await?;
    let mut rows = Rows::new();
    for batch in batches {
        let column = |name: &str| batch[name].as_primitive::<Int64Type>().values().to_vec();
        rows.extend(column("k").into_iter().zip(column("v")));
    }
    assert_eq!(rows.len() as u64, snapshot.rows());
    Ok(Some(rows))
}

/// All that the frame is.
async fn looked_at(frame: &Frame) -> Told {
    let newest = frame.history(1, None).await.unwrap().commits[0].version;
    let mut versions = BTreeMap::new();
    for version in 1..=newest {
        versions.insert(version, rows(frame, version).await.unwrap());
    }
    Told::Frame {
        id: frame.id().clone(),
        versions,
        deleted: !frame.exists().await.unwrap(),
    }
}

/// Does something of everything, and writes down what was told after each.
async fn history(store: &Store, log: &Log) {
    let frame = store.frame(&id("b", "a"));
    let told = async |frame: &Frame| log.tell(looked_at(frame).await);
    let empty = BucketName::parse("empty").unwrap();
    store.create_bucket(&empty).await.unwrap();
    log.tell(Told::Bucket(empty));
    put(&frame, PutMode::Error, batch(0..40, 1)).await.unwrap();
    told(&frame).await;
    put(&frame, PutMode::Append, batch(40..60, 2))
        .await
        .unwrap();
    told(&frame).await;
    put(&frame, PutMode::Upsert, batch(30..45, 3))
        .await
        .unwrap();
    told(&frame).await;
    put(&frame, PutMode::Update, batch(10..15, 4))
        .await
        .unwrap();
    told(&frame).await;
    let some = RowsToDelete {
        start: Some(5.into()),
        stop: Some(12.into()),
        ..RowsToDelete::default()
    };
    frame.delete_rows(some).await.unwrap();
    told(&frame).await;
    let tag = TagName::parse("eod").unwrap();
    frame.tag(&tag, None, false).await.unwrap();
    told(&frame).await;
    let edit = ColumnEdit {
        add: vec![NewColumn {
            name: "note".to_owned(),
            data_type: "string".to_owned(),
        }],
        ..ColumnEdit::default()
    };
    frame.alter(edit).await.unwrap();
    told(&frame).await;

    // Writers that wait for each other are published together; others at the same time.
    let other = store.frame(&id("", "other"));
    let both = tokio::join!(
        put(&frame, PutMode::Upsert, batch(50..70, 5)),
        put(&frame, PutMode::Upsert, batch(65..75, 6)),
        put(&other, PutMode::Append, batch(0..10, 7)),
    );
    both.0.and(both.1).and(both.2).unwrap();
    told(&frame).await;
    told(&other).await;
    frame.compact(false).await.unwrap();
    told(&frame).await;
    let name = SnapshotName::parse("nightly").unwrap();
    let taken = [frame.id().clone(), other.id().clone()];
    store.take_snapshot(&name, &taken, &[], None).await.unwrap();
    log.tell(Told::Snapshot(name));
    frame.restore(&AsOf::Version(2)).await.unwrap();
    told(&frame).await;
    let copy = id("c", "copied");
    frame
        .copy_to(&copy, Some(&AsOf::Tag("eod".to_owned())))
        .await
        .unwrap();
    told(&store.frame(&copy)).await;
    let moved = id("", "moved");
    other.rename_to(&moved).await.unwrap();
    told(&other).await;
    told(&store.frame(&moved)).await;
    frame.delete().await.unwrap();
    told(&frame).await;
    frame.undelete().await.unwrap();
    told(&frame).await;
    for value in 8..11 {
        put(&frame, PutMode::Replace, batch(0..5, value))
            .await
            .unwrap();
        told(&frame).await;
    }
    frame.expire(false).await.unwrap();
    told(&frame).await;
    frame.sweep(false).await.unwrap();
    told(&frame).await;
    put(&frame, PutMode::Append, batch(5..9, 11)).await.unwrap();
    told(&frame).await;
}

fn builder(location: &str) -> crate::StoreBuilder {
    let rule = Retention {
        keep_versions: Some(2),
        keep_seconds: Some(0),
        keep_tagged: true,
    };
    Store::builder(location)
        .low_space_bytes(0)
        .sweep_grace_seconds(0)
        .retention(rule)
}

/// The steps of a history, from before there was a folder for the store.
async fn recorded() -> Vec<Step<Told>> {
    let top = tempfile::tempdir().unwrap();
    let path = std::fs::canonicalize(top.path()).unwrap();
    let log: Log = Recorder::new(&path);
    let disk = Disk::with_deeds(path.join("root"), ids(), Arc::clone(&log) as _);
    let store = builder("unused").over_disk(disk);
    history(&store, &log).await;
    log.steps()
}

/// What was told before a step, of each frame what came last; and of the frames what was told next.
struct Knowledge<'a> {
    before: BTreeMap<&'a FrameId, &'a Told>,
    after: BTreeMap<&'a FrameId, &'a Told>,
    others: Vec<&'a Told>,
}

fn knowledge(steps: &[Step<Told>], at: usize) -> Knowledge<'_> {
    let (mut before, mut after, mut others) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Told(told @ Told::Frame { id, .. }) if number < at => {
                before.insert(id, told);
            }
            Step::Told(told @ Told::Frame { id, .. }) => {
                after.entry(id).or_insert(told);
            }
            Step::Told(told) if number < at => others.push(told),
            _ => {}
        }
    }
    Knowledge {
        before,
        after,
        others,
    }
}

/// Opens what a power cut has left, and compares it with what was told.
async fn check(folder: &std::path::Path, known: &Knowledge<'_>) {
    let store = builder(folder.join("root").to_str().unwrap())
        .open()
        .await
        .unwrap();
    for told in &known.others {
        match told {
            Told::Bucket(bucket) => assert!(store.buckets().await.unwrap().contains(bucket)),
            Told::Snapshot(name) => {
                let snapshots = store.snapshots().await.unwrap().snapshots;
                assert!(
                    snapshots
                        .iter()
                        .any(|found| found.snapshot == name.as_str())
                );
            }
            Told::Frame { .. } => {}
        }
    }
    let frames = known.before.keys().chain(known.after.keys());
    let frames: std::collections::BTreeSet<&&FrameId> = frames.collect();
    for id in frames {
        compare(
            &store.frame(id),
            known.before.get(*id).copied(),
            known.after.get(*id).copied(),
        )
        .await;
    }
    let everything = VerifyRequest {
        all_buckets: true,
        ..VerifyRequest::default()
    };
    if known.before.is_empty() {
        return;
    }
    let checked = store.verify(&everything).await.unwrap();
    assert!(checked.ok, "{checked:?}");
    for id in known.before.keys() {
        let frame = store.frame(id);
        put(&frame, PutMode::Replace, batch(0..3, 99))
            .await
            .unwrap();
        let newest = frame.history(1, None).await.unwrap().commits[0].version;
        assert_eq!(
            rows(&frame, newest).await.unwrap(),
            Some(vec![(0, 99), (1, 99), (2, 99)])
        );
    }
}

async fn compare(frame: &Frame, before: Option<&Told>, after: Option<&Told>) {
    let versions = |told: Option<&Told>| match told {
        Some(Told::Frame { versions, .. }) => versions.clone(),
        _ => BTreeMap::new(),
    };
    let (kept_before, kept_after) = (versions(before), versions(after));
    let history = match frame.history(usize::MAX, None).await {
        Ok(history) => history.commits,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => panic!("{}: {error}", frame.id()),
    };
    let found: Vec<u64> = history.iter().rev().map(|record| record.version).collect();
    assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>());
    let least = kept_before.len() as u64;
    let most = (kept_after.len() as u64).max(least);
    let newest = found.len() as u64;
    assert!(
        (least..=most).contains(&newest),
        "{}: version {newest}",
        frame.id()
    );
    for version in found {
        let read = rows(frame, version).await.unwrap();
        let expected = kept_before
            .get(&version)
            .or(kept_after.get(&version))
            .unwrap();
        let later = kept_after.get(&version).unwrap_or(expected);
        // What expires at this moment may be there, or not.
        assert!(
            read == *expected || read == *later,
            "{} {version}: {read:?}",
            frame.id()
        );
    }
    if let (Some(Told::Frame { deleted, .. }), true) = (before, newest == least) {
        assert_eq!(frame.exists().await.unwrap(), !deleted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlasts_a_power_cut_at_every_step() {
    let steps = recorded().await;
    let mut machine = Machine::new();
    let (mut durable, mut cuts) = (machine.durable(), 0);
    for (at, step) in steps.iter().enumerate() {
        machine.take(step);
        let told = matches!(step, Step::Told(_));
        let now = machine.durable();
        if now == durable && !told {
            continue;
        }
        durable = now;
        cuts += 1;
        let folder = tempfile::tempdir().unwrap();
        machine.cut(folder.path(), Left::Nothing);
        check(folder.path(), &knowledge(&steps, at + 1)).await;
    }
    eprintln!("{cuts} power cuts in {} steps", steps.len());
    assert!(cuts > 80);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[should_panic(expected = "version")]
async fn a_store_that_left_out_a_sync_would_be_found_out() {
    let steps = recorded().await;
    let mut machine = Machine::new();
    for step in &steps {
        let entry = matches!(step, Step::SyncDirectory(path) if path.ends_with("log"));
        if !entry {
            machine.take(step);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    machine.cut(folder.path(), Left::Nothing);
    check(folder.path(), &knowledge(&steps, steps.len())).await;
}

/// Random numbers (<https://prng.di.unimi.it/splitmix64.c>).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn number(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlasts_power_cuts_that_leave_some_of_the_rest() {
    let steps = recorded().await;
    let mut seed = number("SHOOTS_POWER_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("SHOOTS_POWER_SEED={seed}");
    for _ in 0..number("SHOOTS_POWER_CUTS").unwrap_or(40) {
        let at = usize::try_from(next(&mut seed)).unwrap() % steps.len();
        let mut machine = Machine::new();
        steps[..at].iter().for_each(|step| machine.take(step));
        let mut draw = |limit: usize| usize::try_from(next(&mut seed)).unwrap() % limit;
        let folder = tempfile::tempdir().unwrap();
        machine.cut(folder.path(), Left::Some(&mut draw));
        check(folder.path(), &knowledge(&steps, at)).await;
    }
}
