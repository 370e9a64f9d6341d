//! Commits of one frame become versions of another, with the same ids and the same rows.

use std::sync::atomic::{AtomicI64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use bytes::Bytes;
use futures::TryStreamExt;
use shoots_proto::PutMode::{self, Append, Replace, Upsert};
use shoots_proto::action::{Retention, VerifyRequest};
use shoots_proto::as_of::AsOf;
use shoots_proto::name::{FrameId, FrameName};

use super::*;
use crate::lineage::bundle::Kept;
use crate::{
    Changed, ColumnEdit, Environment, ErrorKind, Frame, PutOptions, ReadOptions, RowsToDelete,
    Store, SystemEnvironment,
};

mod apart;

const DAY: i64 = 24 * 3600;

/// The machine's clock, so many seconds ahead.
#[derive(Debug, Default)]
struct Clock(AtomicI64);

impl Clock {
    fn wait(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Environment for Clock {
    fn now(&self) -> Timestamp {
        let ahead = self.0.load(Ordering::Relaxed) * 1_000_000_000;
        Timestamp::from_nanoseconds(SystemEnvironment::default().now().nanoseconds() + ahead)
    }

    fn unique(&self) -> u128 {
        SystemEnvironment::default().unique()
    }
}

/// A store that keeps two versions, and its clock.
async fn store() -> (Store, Arc<Clock>) {
    let clock = Arc::new(Clock::default());
    let store = Store::builder("memory://")
        .environment(Arc::clone(&clock) as Arc<dyn Environment>)
        .retention(Retention {
            keep_versions: Some(2),
            keep_seconds: None,
            keep_tagged: true,
        })
        .open();
    (store.await.unwrap(), clock)
}

fn frame(store: &Store, name: &str) -> Frame {
    let name = FrameName::parse(name).unwrap();
    store.frame(&FrameId::new(None, name))
}

async fn put(frame: &Frame, mode: PutMode, keys: impl IntoIterator<Item = i64>) -> Published {
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(keys));
    let batch = RecordBatch::try_from_iter([("k", keys.clone()), ("v", keys)]).unwrap();
    let options = PutOptions::mode(mode).index(["k"]);
    let mut writer = frame.put(batch.schema(), options).await.unwrap();
    writer.write(batch).await.unwrap();
    writer.commit().await.unwrap()
}

async fn keys(frame: &Frame, as_of: Option<&str>) -> crate::Result<Vec<i64>> {
    let as_of = as_of.map(|id| AsOf::Commit(id.to_owned()));
    let snapshot = frame.snapshot(as_of.as_ref()).await?;
    let batches = snapshot.read(ReadOptions::default()).await?.collect();
    let batches = batches.await?;
    let keys = batches.iter().map(|b| b["k"].as_primitive::<Int64Type>());
    Ok(keys.flat_map(|keys| keys.values().to_vec()).collect())
}

async fn head(frame: &Frame) -> Arc<Entry> {
    frame.frame_log().newest().await.unwrap().unwrap().entry
}

async fn tip(frame: &Frame) -> CommitId {
    head(frame).await.tip().unwrap().commit
}

/// The changes of a frame, oldest first, without lists.
async fn changes(frame: &Frame) -> Vec<Record> {
    let entries = frame.frame_log().reader();
    let entries = entries.walk_back(head(frame).await, 9);
    let entries: Vec<Arc<Entry>> = entries.try_collect().await.unwrap();
    let commits = entries.iter().rev().flat_map(|entry| entry.commits.clone());
    let commits = commits.filter(|(_, commit)| !commit.operation.is_upkeep());
    let record = |(id, commit): (CommitId, Commit)| {
        let line = encode_commit(&commit).unwrap().1;
        let record = Record::new(Bytes::from(line), Vec::new(), None).unwrap();
        assert_eq!(record.id, id);
        record
    };
    commits.map(record).collect()
}

async fn list_at(frame: &Frame, id: &str) -> Vec<Listed> {
    let as_of = AsOf::Commit(id.to_owned());
    let log = frame.frame_log();
    let found = log.seek(&*head(frame).await, Some(&as_of)).await.unwrap();
    let list = found.entry.list_through(found.version);
    let segments = log.checkpoints().segments(list).await.unwrap();
    segments.iter().map(Listed::of).collect()
}

/// Copies all objects of a frame that hold rows or columns.
async fn copy_objects(from: &Frame, to: &Frame) {
    let (source, target) = (from.frame_log(), to.frame_log());
    let folder = source.paths().folder();
    for kind in ["segments", "vectors", "schemas"] {
        let below = object_store::path::Path::from(format!("{folder}/{kind}"));
        for object in source.objects().list_all(&below).await.unwrap() {
            let name = object.location.filename().unwrap();
            let to = format!("{}/{kind}/{name}", target.paths().folder());
            let copied = source.objects();
            let to = object_store::path::Path::from(to);
            copied.copy_immutable(&object.location, &to).await.unwrap();
        }
    }
}

/// What a frame is to get: the changes of another that come after `known`, with the lists that are needed.
async fn foreign(from: &Frame, to: &Frame, known: usize, gone: &[usize]) -> Foreign {
    copy_objects(from, to).await;
    let log = to.frame_log();
    let before = log.newest().await.unwrap().map(|head| head.entry);
    let records = changes(from).await;
    let mut arrivals: Vec<Arrival> = records
        .into_iter()
        .enumerate()
        .skip(known)
        .map(|(place, record)| Arrival {
            record,
            history: Vec::new(),
            gone: gone.contains(&place),
        })
        .collect();
    let commits = arrivals.iter();
    let commits = commits.map(|own| (&own.record, own.gone));
    let unlisted = log
        .unlisted(before.as_deref(), false, commits)
        .await
        .unwrap();
    for arrival in &mut arrivals {
        if unlisted.contains(&arrival.record.id) {
            arrival.record.list = Some(list_at(from, &arrival.record.id).await);
        }
    }
    let tip = before.as_ref().and_then(|entry| entry.tip());
    Foreign {
        expected_tip: tip.map(|tip| tip.commit),
        begins: false,
        basis: before.map_or(0, |entry| entry.last_version()),
        arrivals,
        tracked: None,
        tracks: None,
        promised: None,
    }
}

async fn publish(frame: &Frame, foreign: Foreign) -> crate::Result<Option<Published>> {
    frame.frame_log().publish_foreign(foreign).await
}

async fn assert_sound(store: &Store) {
    let request = VerifyRequest {
        all_buckets: true,
        ..VerifyRequest::default()
    };
    let found = store.verify(&request).await.unwrap();
    assert!(found.ok, "{found:?}");
}

async fn sweep_all(frame: &Frame, clock: &Clock) {
    clock.wait(3 * DAY);
    frame.sweep(false).await.unwrap();
}

/// Every kind of change, with upkeep in between.
async fn with_a_past(store: &Store) -> Frame {
    let source = frame(store, "source");
    let first = put(&source, Append, 0..300).await;
    put(&source, Append, 300..310).await;
    source
        .tag(&"x".parse().unwrap(), None, false)
        .await
        .unwrap();
    put(&source, Upsert, (0..300).step_by(2)).await;
    source.compact(false).await.unwrap();
    put(&source, Upsert, [5, 7, 400]).await;
    let rows = RowsToDelete {
        start: Some(10.into()),
        stop: Some(20.into()),
        ..RowsToDelete::default()
    };
    source.delete_rows(rows).await.unwrap();
    let widen = ColumnEdit {
        rename: [("v".to_owned(), "w".to_owned())].into(),
        ..ColumnEdit::default()
    };
    source.alter(widen).await.unwrap();
    source.delete().await.unwrap();
    source.undelete().await.unwrap();
    source.restore(&AsOf::Commit(first.commit)).await.unwrap();
    put(&source, Replace, 50..60).await;
    put(&source, Append, 60..70).await;
    source
}

#[tokio::test]
async fn foreign_versions_have_the_ids_and_the_rows_that_they_have_where_they_come_from() {
    let (store, _) = store().await;
    let (source, target) = (with_a_past(&store).await, frame(&store, "target"));
    let arrivals = foreign(&source, &target, 0, &[]).await;
    let lists = arrivals
        .arrivals
        .iter()
        .filter(|own| own.record.list.is_some());
    assert!((1..5).contains(&lists.count()));
    let published = publish(&target, arrivals.clone()).await.unwrap().unwrap();

    let records = changes(&source).await;
    assert_eq!(published.version, records.len() as u64);
    assert_eq!(
        (published.frame_rows, published.commit),
        (20, tip(&source).await)
    );
    assert_eq!(changes(&target).await, records);
    for record in &records {
        let expected = keys(&source, Some(&record.id))
            .await
            .map_err(|error| error.kind());
        let found = keys(&target, Some(&record.id))
            .await
            .map_err(|error| error.kind());
        assert_eq!(found, expected, "{:?}", record.commit.operation);
    }
    let (old, new) = (
        source.history(99, None).await.unwrap(),
        target.history(99, None).await,
    );
    let counts = |log: &shoots_proto::action::LogResult| -> Vec<(String, u64, u64, u64)> {
        let commits = log.commits.iter();
        let changes = commits.filter(|own| !["tag", "compact"].contains(&own.operation.as_str()));
        changes
            .map(|own| {
                (
                    own.commit.clone(),
                    own.rows,
                    own.rows_added,
                    own.rows_removed,
                )
            })
            .collect()
    };
    assert_eq!(counts(&old), counts(&new.unwrap()));
    assert_sound(&store).await;

    // Once more is nothing, even when there is more by now.
    assert_eq!(publish(&target, arrivals.clone()).await.unwrap(), None);
    put(&target, Append, 70..80).await;
    assert_eq!(publish(&target, arrivals).await.unwrap(), None);
    assert_eq!(
        keys(&target, None).await.unwrap(),
        (50..80).collect::<Vec<_>>()
    );
    assert_sound(&store).await;
}

#[tokio::test]
async fn a_log_that_has_moved_takes_nothing() {
    let (store, _) = store().await;
    let (source, target) = (frame(&store, "source"), frame(&store, "target"));
    put(&source, Append, 0..3).await;
    publish(&target, foreign(&source, &target, 0, &[]).await)
        .await
        .unwrap();
    put(&source, Append, 3..6).await;
    let next = foreign(&source, &target, 1, &[]).await;
    let own = put(&target, Append, 9..10).await;
    let refused = publish(&target, next.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Diverged);
    assert!(refused.to_string().contains(&own.commit), "{refused}");

    let begins = Foreign {
        begins: true,
        expected_tip: Some(own.commit),
        ..next.clone()
    };
    let refused = publish(&target, begins).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);

    target.purge(false).await.unwrap();
    let anew = Foreign {
        expected_tip: None,
        begins: true,
        ..next
    };
    let refused = publish(&target, anew).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains("purged"), "{refused}");
}

#[tokio::test]
async fn what_does_not_follow_or_does_not_fit_is_refused() {
    let (store, _) = store().await;
    let (source, target) = (frame(&store, "source"), frame(&store, "target"));
    put(&source, Append, 0..3).await;
    put(&source, Append, 3..6).await;
    let whole = foreign(&source, &target, 0, &[]).await;
    let second = Foreign {
        arrivals: whole.arrivals[1..].to_vec(),
        ..whole.clone()
    };
    let mut backwards = whole.clone();
    backwards.arrivals.reverse();
    let mut gone = whole.clone();
    gone.arrivals[1].gone = true;
    let mut miscounted = whole.clone();
    let mut commit = miscounted.arrivals[0].record.commit.clone();
    commit.rows_removed = 1;
    commit.operation = Operation::Append;
    let line = encode_commit(&commit).unwrap().1;
    miscounted.arrivals = vec![Arrival {
        record: Record::new(line.into(), Vec::new(), None).unwrap(),
        history: Vec::new(),
        gone: false,
    }];
    for wrong in [second.clone(), backwards, gone, miscounted] {
        let refused = publish(&target, wrong).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Damaged, "{refused}");
        assert!(refused.to_string().contains("commit "), "{refused}");
    }
    assert!(!target.exists().await.unwrap());
    // Where nothing is, a history may begin with any commit whose list is known.
    let mut shallow = Foreign {
        begins: true,
        ..second
    };
    let id = shallow.arrivals[0].record.id.clone();
    let refused = publish(&target, shallow.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("list"), "{refused}");
    shallow.arrivals[0].record.list = Some(list_at(&source, &id).await);
    publish(&target, shallow).await.unwrap();
    assert_eq!(
        keys(&target, None).await.unwrap(),
        keys(&source, None).await.unwrap()
    );
    assert_eq!(tip(&target).await, tip(&source).await);
}

#[tokio::test]
async fn compaction_on_either_side_changes_no_row() {
    let (store, _) = store().await;
    let (source, target) = (frame(&store, "source"), frame(&store, "target"));
    for start in 0..12 {
        put(&source, Append, (start..100).step_by(12)).await;
    }
    publish(&target, foreign(&source, &target, 0, &[]).await)
        .await
        .unwrap();
    let before = tip(&target).await;
    target.compact(false).await.unwrap();
    assert_eq!(tip(&target).await, before);

    put(&source, Upsert, [3, 4, 200]).await;
    source.compact(false).await.unwrap();
    put(&source, Upsert, [3, 200, 300]).await;
    let arrivals = foreign(&source, &target, 12, &[]).await;
    assert!(arrivals.arrivals[0].record.list.is_some());
    publish(&target, arrivals).await.unwrap();
    assert_eq!(
        keys(&target, None).await.unwrap(),
        keys(&source, None).await.unwrap()
    );
    assert_eq!(tip(&target).await, tip(&source).await);
    assert_sound(&store).await;
}

#[tokio::test]
async fn what_has_expired_elsewhere_is_named_but_not_read() {
    let (store, _) = store().await;
    let (source, target) = (frame(&store, "source"), frame(&store, "target"));
    for start in 0..4 {
        put(&source, Append, start * 10..start * 10 + 10).await;
    }
    let arrivals = foreign(&source, &target, 0, &[0, 1]).await;
    assert!(arrivals.arrivals[2].record.list.is_some());
    publish(&target, arrivals.clone()).await.unwrap();
    let gone = &arrivals.arrivals[1].record.id;
    let refused = keys(&target, Some(gone)).await.unwrap_err();
    assert!(refused.to_string().contains("expired"), "{refused}");
    for id in arrivals.arrivals[2..].iter().map(|own| &own.record.id) {
        let expected = keys(&source, Some(id)).await.unwrap();
        assert_eq!(keys(&target, Some(id)).await.unwrap(), expected);
    }
    let log = target.history(9, None).await.unwrap().commits;
    let expired: Vec<(u64, bool)> = log.iter().map(|own| (own.rows, own.expired)).collect();
    assert_eq!(expired, [(40, false), (30, false), (20, true), (10, true)]);
    target.expire(false).await.unwrap();
    assert_sound(&store).await;
}

#[tokio::test]
async fn upkeep_of_an_older_program_is_not_followed() {
    let (store, _) = store().await;
    let old = frame(&store, "old");
    put(&old, Append, 0..3).await;
    let first = head(&old).await;
    old.tag(&"x".parse().unwrap(), None, false).await.unwrap();
    // As an older program wrote it: it knew of no tip.
    let log = old.frame_log();
    let path = log.paths().entry(2);
    let bytes = log.objects().read(&path).await.unwrap().unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let state = lines.pop().unwrap().split_once(r#""state":"#).unwrap().1;
    let state: serde_json::Value = serde_json::from_str(&state[..state.len() - 1]).unwrap();
    let mut state = state.as_object().unwrap().clone();
    state.remove("tip").unwrap();
    let state = serde_json::to_string(&state).unwrap();
    let before = format!("{}\n", lines.join("\n")).replace(r#","lineage""#, "");
    let mut hasher = blake3::Hasher::new();
    hasher.update(before.as_bytes()).update(state.as_bytes());
    let digest = hasher.finalize().to_hex();
    let bytes = format!("{before}{{\"digest\":\"{digest}\",\"state\":{state}}}\n");
    log.objects().remove(&path).await.unwrap();
    log.objects().create(&path, bytes.into()).await.unwrap();
    log.forget_head();

    let head = log.newest().await.unwrap().unwrap().entry;
    assert!(!head.knows_tip());
    let tip = log.tip(&head).await.unwrap().unwrap();
    assert_eq!(tip.commit, first.commits[0].0);
    put(&old, Append, 3..6).await;
    let records = changes(&old).await;
    assert_eq!(records[1].commit.parents, [records[0].id.clone()]);
    assert_sound(&store).await;
}
