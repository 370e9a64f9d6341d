//! Checking what is stored: nothing is found where nothing is wrong, and whatever is wrong is named.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use futures::{FutureExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use shoots_proto::action::{FaultyObject, Retention, VerifyRequest, VerifyResult};
use shoots_proto::as_of::AsOf;
use shoots_proto::name::FrameName;
use shoots_proto::put::PutMode::{self, Append, Replace, Update, Upsert};
use shoots_proto::{Remote, RemoteName, RemoteUrl, TagName};
use shoots_store::{
    ColumnEdit, Environment, ErrorKind, Frame, NewColumn, PutOptions, RowsToDelete, Store,
    SystemEnvironment, Timestamp,
};

use crate::meddler::Meddler;
use crate::on_every_place;
use crate::place::Place;
use crate::rows::{bucket, frame, id_in, put, rows, try_put_with};

on_every_place!(
    a_flipped_byte_is_found_in_every_kind_of_object_past_every_cache,
    a_missing_object_of_every_kind_is_named,
    what_nothing_refers_to_is_listed_when_it_is_a_day_old,
    a_log_without_a_readable_end_is_reported_and_hides_no_other_frame,
    an_entry_that_does_not_follow_is_found,
    a_sample_reads_less_and_still_sees_what_is_missing_or_too_short,
    all_buckets_and_what_is_beside_them_are_checked_together,
    what_a_sweep_takes_meanwhile_is_not_missed,
    what_is_not_there_cannot_be_checked;
    not_on_s3 "hundreds of puts, one after the other":
    nothing_is_wrong_after_a_long_mixed_history,
);

/// The machine's clock, so many hours ahead.
#[derive(Debug)]
struct Ahead(i64);

impl Environment for Ahead {
    fn now(&self) -> Timestamp {
        let now = SystemEnvironment::default().now().nanoseconds();
        Timestamp::from_nanoseconds(now + self.0 * 3_600_000_000_000)
    }

    fn unique(&self) -> u128 {
        SystemEnvironment::default().unique()
    }
}

/// A store as it would be opened tomorrow.
pub(crate) async fn tomorrow(place: &Place) -> Store {
    let builder = place.builder().environment(Arc::new(Ahead(25)));
    builder.open().await.unwrap()
}

fn request(name: &str) -> VerifyRequest {
    let name = Some(FrameName::parse(name).unwrap());
    VerifyRequest {
        name,
        ..VerifyRequest::default()
    }
}

async fn verify(store: &Store, name: &str) -> VerifyResult {
    store.verify(&request(name)).await.unwrap()
}

fn paths(faulty: &[FaultyObject]) -> Vec<&str> {
    faulty.iter().map(|faulty| faulty.object.as_str()).collect()
}

async fn stored(place: &Place, folder: &str) -> Vec<Path> {
    let objects = place.objects();
    let listed = objects.list(Some(&Path::parse(folder).unwrap()));
    let listed: Vec<_> = listed.try_collect().await.unwrap();
    let mut paths: Vec<Path> = listed.into_iter().map(|object| object.location).collect();
    paths.sort();
    paths
}

async fn bytes_of(place: &Place, path: &Path) -> Bytes {
    place
        .objects()
        .get(path)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap()
}

async fn flip(place: &Place, path: &Path, at: usize) {
    let mut bytes = bytes_of(place, path).await.to_vec();
    bytes[at] ^= 1;
    place.write(path.as_ref(), bytes).await;
}

fn entry(frame: &str, sequence: u64) -> Path {
    Path::from(format!("_default/{frame}/log/{sequence:020}.jsonl"))
}

async fn put_indexed(frame: &Frame, mode: PutMode, numbers: impl Iterator<Item = i64>) {
    let options = PutOptions {
        index: vec!["n".to_owned()],
        ..PutOptions::mode(mode)
    };
    try_put_with(frame, options, rows(numbers)).await.unwrap();
}

/// A bit of everything that can be done to a frame, with as many appends between.
async fn mixed_history(frame: &Frame, appends: i64) {
    put_indexed(frame, Append, 0..300).await;
    put_indexed(frame, Upsert, (0..300).step_by(5)).await;
    for n in 0..appends {
        put_indexed(frame, Append, 300 + n..301 + n).await;
    }
    let tag = TagName::parse("before").unwrap();
    frame.tag(&tag, None, false).await.unwrap();
    put_indexed(frame, Update, 20..40).await;
    let some = RowsToDelete {
        start: Some(50.into()),
        stop: Some(60.into()),
        ..RowsToDelete::default()
    };
    frame.delete_rows(some).await.unwrap();
    let added = NewColumn {
        name: "more".to_owned(),
        data_type: "int64".to_owned(),
    };
    let edit = ColumnEdit {
        add: vec![added],
        ..ColumnEdit::default()
    };
    frame.alter(edit).await.unwrap();
    // Rows without a column of the frame can be upserted, not appended.
    put_indexed(frame, Upsert, 1_000..1_010).await;
    put_indexed(frame, Replace, 0..5).await;
    frame
        .restore(&AsOf::Tag("before".to_owned()))
        .await
        .unwrap();
    put_indexed(frame, Upsert, (1..300).step_by(7)).await;
    frame.delete().await.unwrap();
    frame.undelete().await.unwrap();
}

/// One object of each kind of a frame, in the middle of those that there are.
async fn one_of_each_kind(place: &Place, folder: &str) -> BTreeMap<String, Path> {
    let mut kinds: BTreeMap<String, Vec<Path>> = BTreeMap::new();
    for path in stored(place, folder).await {
        let kind = path.parts().nth(2).unwrap().as_ref().to_owned();
        if path.filename() != Some("latest") {
            kinds.entry(kind).or_default().push(path);
        }
    }
    let middle = |paths: Vec<Path>| paths[paths.len() / 2].clone();
    let kinds = kinds.into_iter();
    kinds.map(|(kind, paths)| (kind, middle(paths))).collect()
}

const KINDS: [&str; 5] = ["checkpoints", "log", "schemas", "segments", "vectors"];

async fn nothing_is_wrong_after_a_long_mixed_history(place: &Place) {
    let store = place.open().await;
    mixed_history(&frame(&store, "f"), 140).await;
    let expected = stored(place, "_default/f").await.len() as u64 - 1;
    for store in [&store, &tomorrow(place).await] {
        let result = verify(store, "f").await;
        assert!(result.ok, "{result:?}");
        assert!(result.unreferenced.is_empty(), "{result:?}");
        assert_eq!((result.frames, result.objects), (1, expected));
        assert!(result.bytes > 100_000, "{}", result.bytes);
    }
}

async fn a_flipped_byte_is_found_in_every_kind_of_object_past_every_cache(place: &Place) {
    let store = place.builder().cache_memory_bytes(64 << 20).open();
    let store = store.await.unwrap();
    mixed_history(&frame(&store, "f"), 66).await;
    assert!(verify(&store, "f").await.ok);
    let kinds = one_of_each_kind(place, "_default/f").await;
    assert!(kinds.keys().eq(KINDS), "{kinds:?}");
    for (kind, path) in kinds {
        let whole = bytes_of(place, &path).await;
        for at in [0, whole.len() / 2, whole.len() - 1] {
            flip(place, &path, at).await;
            for store in [&store, &place.open().await] {
                let result = verify(store, "f").await;
                assert!(!result.ok);
                assert_eq!(paths(&result.damaged), [path.as_ref()], "byte {at}");
                assert!(result.damaged[0].problem.contains("damaged"), "{result:?}");
                assert!(result.missing.is_empty(), "{kind}: {result:?}");
            }
            place.write(path.as_ref(), whole.clone()).await;
        }
    }
    assert!(verify(&store, "f").await.ok);
}

async fn a_missing_object_of_every_kind_is_named(place: &Place) {
    let store = place.builder().cache_memory_bytes(64 << 20).open();
    let store = store.await.unwrap();
    mixed_history(&frame(&store, "f"), 66).await;
    for (kind, path) in one_of_each_kind(place, "_default/f").await {
        let whole = bytes_of(place, &path).await;
        place.objects().delete(&path).await.unwrap();
        let result = verify(&store, "f").await;
        assert!(!result.ok);
        assert_eq!(paths(&result.missing), [path.as_ref()]);
        assert!(result.damaged.is_empty(), "{kind}: {result:?}");
        place.write(path.as_ref(), whole).await;
    }
}

/// Between the look at the log and the look at what it needs, older versions expire, and what only they needed is swept.
async fn what_a_sweep_takes_meanwhile_is_not_missed(place: &Place) {
    let keep = Retention {
        keep_versions: Some(1),
        ..Retention::default()
    };
    let builder = place.builder().retention(keep).sweep_grace_seconds(0);
    let sweeping = builder.open().await.unwrap();
    let written = frame(&sweeping, "f");
    put_indexed(&written, Append, 0..300).await;
    put_indexed(&written, Upsert, (0..300).step_by(5)).await;
    put_indexed(&written, Replace, 0..5).await;
    let before = stored(place, "_default/f").await.len();
    let broken = stored(place, "_default/f/segments").await;
    let deed = move |_| {
        let frame = written.clone();
        async move {
            frame.expire(false).await.unwrap();
            frame.sweep(false).await.unwrap();
        }
        .boxed()
    };
    let meddler = Meddler {
        inner: place.objects(),
        part: "/schemas/",
        times: 1,
        reads: AtomicU64::new(0),
        deed: Box::new(deed),
    };
    let builder = Store::builder("memory://").object_store(Arc::new(meddler));
    let store = builder.open().await.unwrap();
    let result = verify(&store, "f").await;
    assert!(result.ok, "{result:?}");
    let left = stored(place, "_default/f").await;
    assert!(left.len() < before, "nothing was swept");
    let broken = broken.iter().find(|path| left.contains(path)).unwrap();
    place.objects().delete(broken).await.unwrap();
    let result = verify(&store, "f").await;
    assert_eq!(paths(&result.missing), [broken.as_ref()]);
}

async fn what_nothing_refers_to_is_listed_when_it_is_a_day_old(place: &Place) {
    let store = place.open().await;
    put(&frame(&store, "f"), Append, rows(0..3)).await;
    let orphans = [
        "_default/f/checkpoints/00ab.json",
        "_default/f/segments/0123456789abcdef0123456789abcdef.parquet",
        "_default/never/segments/0123456789abcdef0123456789abcdef.parquet",
    ];
    for orphan in orphans {
        place.write(orphan, "four").await;
    }
    let everything = VerifyRequest::default();
    let young = store.verify(&everything).await.unwrap();
    assert!(young.ok && young.unreferenced.is_empty(), "{young:?}");
    let old = tomorrow(place).await.verify(&everything).await.unwrap();
    let found: Vec<_> = old
        .unreferenced
        .iter()
        .map(|o| (o.object.as_str(), o.bytes))
        .collect();
    assert_eq!(found, orphans.map(|orphan| (orphan, 4)));
    assert!(old.ok);
    assert_eq!(old.frames, 1);
}

async fn a_log_without_a_readable_end_is_reported_and_hides_no_other_frame(place: &Place) {
    let store = place.open().await;
    for name in ["f", "g"] {
        for n in 0..3 {
            put(&frame(&store, name), Append, rows(n..n + 1)).await;
        }
    }
    let segments = stored(place, "_default/g/segments").await;
    flip(place, &segments[0], 30).await;
    flip(place, &entry("f", 3), 50).await;
    let everything = VerifyRequest::default();
    for store in [store, tomorrow(place).await] {
        let result = store.verify(&everything).await.unwrap();
        assert_eq!(result.frames, 2);
        let expected = [entry("f", 3).to_string(), segments[0].to_string()];
        assert_eq!(paths(&result.damaged), expected);
        assert!(result.unreferenced.is_empty(), "{result:?}");
    }
    for number in 1..3 {
        flip(place, &entry("f", number), 50).await;
    }
    let result = verify(&place.open().await, "f").await;
    let expected: Vec<String> = (1..4)
        .map(|number| entry("f", number).to_string())
        .collect();
    assert_eq!(paths(&result.damaged), expected);
}

async fn an_entry_that_does_not_follow_is_found(place: &Place) {
    let store = place.open().await;
    for name in ["f", "g"] {
        for n in 0..4 {
            put(&frame(&store, name), Append, rows(n..n + 1)).await;
        }
    }
    let foreign = bytes_of(place, &entry("g", 2)).await;
    place.write(entry("f", 2).as_ref(), foreign).await;
    let result = verify(&place.open().await, "f").await;
    let damaged = paths(&result.damaged);
    assert!(damaged.contains(&entry("f", 2).as_ref()), "{result:?}");
    assert_eq!(result.missing.len(), 1, "the segment of the other frame");
}

async fn a_sample_reads_less_and_still_sees_what_is_missing_or_too_short(place: &Place) {
    let store = place.open().await;
    for n in 0..20 {
        put(&frame(&store, "f"), Append, rows(n..n + 1)).await;
    }
    let segments = stored(place, "_default/f/segments").await;
    let whole = verify(&store, "f").await;
    let few = VerifyRequest {
        sample: Some(1e-9),
        ..request("f")
    };
    let sampled = store.verify(&few).await.unwrap();
    assert!(sampled.ok);
    assert_eq!(sampled.objects, whole.objects);
    assert!(sampled.bytes < whole.bytes, "{sampled:?}");
    let bytes = bytes_of(place, &segments[4]).await;
    place.write(segments[4].as_ref(), bytes.slice(1..)).await;
    place.objects().delete(&segments[7]).await.unwrap();
    let sampled = store.verify(&few).await.unwrap();
    assert_eq!(paths(&sampled.damaged), [segments[4].as_ref()]);
    assert_eq!(paths(&sampled.missing), [segments[7].as_ref()]);
}

async fn all_buckets_and_what_is_beside_them_are_checked_together(place: &Place) {
    let store = place.open().await;
    put(&frame(&store, "f"), Append, rows(0..3)).await;
    put(&store.frame(&id_in("x", "g")), Append, rows(0..3)).await;
    let source = bytes_of(place, &stored(place, "_default/f/segments").await[0]).await;
    place.write("x/plain.parquet", source).await;
    let name = shoots_proto::SnapshotName::parse("s").unwrap();
    let frames = [id_in("x", "g")];
    store
        .take_snapshot(&name, &frames, &[], None)
        .await
        .unwrap();
    let rule = Retention {
        keep_versions: Some(90),
        ..Retention::default()
    };
    let x = bucket("x");
    store.set_retention(Some(&x), Some(rule)).await.unwrap();
    let remote = Remote::new(RemoteUrl::parse("s3://elsewhere").unwrap());
    let origin = RemoteName::parse("origin").unwrap();
    store.add_remote(&origin, &remote).await.unwrap();
    let everything = VerifyRequest {
        all_buckets: true,
        ..VerifyRequest::default()
    };
    let result = store.verify(&everything).await.unwrap();
    assert!(result.ok, "{result:?}");
    assert_eq!(result.frames, 3);
    flip(place, &Path::from("_snapshots/s.json"), 80).await;
    let segments = stored(place, "x/g/segments").await;
    flip(place, &segments[0], 20).await;
    let settings = stored(place, "x/_settings").await;
    flip(place, &settings[0], 70).await;
    let remotes = stored(place, "_remotes").await;
    flip(place, &remotes[0], 70).await;
    let result = store.verify(&everything).await.unwrap();
    let mut damaged = paths(&result.damaged);
    damaged.sort_unstable();
    let expected = [
        &remotes[0],
        &Path::from("_snapshots/s.json"),
        &settings[0],
        &segments[0],
    ];
    assert_eq!(damaged, expected.map(AsRef::<str>::as_ref));
    // A rule that cannot be read lets nothing expire.
    let g = place.open().await.frame(&id_in("x", "g"));
    let error = g.expire(false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("x/_settings"), "{error}");
}

async fn what_is_not_there_cannot_be_checked(place: &Place) {
    let store = place.open().await;
    let missing = store.verify(&request("never")).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let nowhere = VerifyRequest {
        bucket: Some(bucket("nowhere")),
        ..VerifyRequest::default()
    };
    let missing = store.verify(&nowhere).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let nothing = store.verify(&VerifyRequest::default()).await.unwrap();
    assert!(nothing.ok);
    assert_eq!((nothing.frames, nothing.objects), (0, 0));
}
