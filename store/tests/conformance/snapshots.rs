//! Snapshots of many frames: a consistent cut, its name, and what a crash leaves of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::{FutureExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use shoots_proto::SnapshotName;
use shoots_proto::action::SnapshotResult;
use shoots_proto::as_of::AsOf;
use shoots_proto::name::FrameId;
use shoots_proto::put::PutMode::{Append, Replace};
use shoots_store::{ErrorKind, Store};

use crate::meddler::Meddler;
use crate::on_every_place;
use crate::place::Place;
use crate::rows::{bucket, frame, id, id_in, numbers, numbers_as_of, put, rows};
use crate::verify::tomorrow;

on_every_place!(
    a_snapshot_shows_frames_as_they_were_whatever_is_written_later,
    buckets_bring_the_frames_that_are_in_them,
    a_name_is_given_once_and_is_free_again_after_a_drop,
    what_is_not_there_is_named_and_leaves_nothing,
    what_a_crash_left_is_invisible_and_no_obstacle,
    what_a_crash_left_is_swept_a_day_later_and_no_snapshot_with_it,
    a_snapshot_whose_record_is_damaged_keeps_its_frames,
    a_pin_without_a_record_is_swept_unless_its_snapshot_is_visible,
    of_two_that_take_one_name_one_gets_it_whole,
    a_plain_file_is_adopted,
    a_damaged_record_hides_no_other_and_can_be_dropped,
    what_is_written_between_two_looks_is_seen_whole_or_not_at_all,
    a_single_frame_that_never_rests_is_no_obstacle,
    no_snapshot_sees_the_second_of_two_puts_without_the_first;
    not_on_s3 "the pauses between many requests add up":
    frames_that_never_rest_together_are_a_conflict_that_leaves_nothing,
);

fn name(text: &str) -> SnapshotName {
    SnapshotName::parse(text).unwrap()
}

fn as_of(text: &str) -> AsOf {
    AsOf::Snapshot(name(text))
}

async fn take(store: &Store, text: &str, frames: &[FrameId]) -> SnapshotResult {
    let taken = store.take_snapshot(&name(text), frames, &[], None).await;
    taken.unwrap()
}

async fn names(store: &Store) -> Vec<String> {
    let snapshots = store.snapshots().await.unwrap().snapshots;
    snapshots
        .into_iter()
        .map(|record| record.snapshot)
        .collect()
}

/// The paths of everything that is stored for snapshots.
async fn leftovers(place: &Place) -> Vec<String> {
    let objects = place.objects();
    let listed = objects.list(Some(&Path::from("_snapshots")));
    let listed: Vec<_> = listed.try_collect().await.unwrap();
    listed
        .into_iter()
        .map(|object| object.location.to_string())
        .collect()
}

async fn a_snapshot_shows_frames_as_they_were_whatever_is_written_later(place: &Place) {
    let store = place.open().await;
    let (a, b) = (frame(&store, "a"), store.frame(&id_in("x", "b")));
    put(&a, Append, rows(0..3)).await;
    put(&b, Append, rows(5..6)).await;
    put(&b, Append, rows(6..7)).await;
    let frames = [id("a"), id_in("x", "b")];
    let message = Some("books closed".to_owned());
    let taken = store
        .take_snapshot(&name("year end"), &frames, &[], message)
        .await
        .unwrap();
    let versions: Vec<u64> = taken.frames.iter().map(|frame| frame.version).collect();
    assert_eq!(versions, [1, 2]);
    put(&a, Replace, rows(9..10)).await;
    b.delete().await.unwrap();
    for store in [&store, &place.open().await] {
        let (a, b) = (frame(store, "a"), store.frame(&id_in("x", "b")));
        assert_eq!(numbers_as_of(&a, &as_of("year end")).await, [0, 1, 2]);
        assert_eq!(numbers_as_of(&b, &as_of("year end")).await, [5, 6]);
        assert_eq!(numbers(&a).await, [9]);
        let listed = store.snapshots().await.unwrap().snapshots;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].message.as_deref(), Some("books closed"));
        assert_eq!(listed[0].frames, taken.frames);
        assert_eq!(store.buckets().await.unwrap(), [bucket("x")]);
    }
}

async fn buckets_bring_the_frames_that_are_in_them(place: &Place) {
    let store = place.open().await;
    for frame in [
        id("top"),
        id_in("x", "b"),
        id_in("x", "gone"),
        id_in("y", "c"),
    ] {
        put(&store.frame(&frame), Append, rows(0..2)).await;
    }
    store.frame(&id_in("x", "gone")).delete().await.unwrap();
    store.create_bucket(&bucket("empty")).await.unwrap();
    let buckets = [None, Some(bucket("x")), Some(bucket("empty"))];
    let explicit = [id_in("x", "b")];
    let taken = store
        .take_snapshot(&name("s"), &explicit, &buckets, None)
        .await
        .unwrap();
    let found: Vec<&str> = taken
        .frames
        .iter()
        .map(|frame| frame.name.as_str())
        .collect();
    assert_eq!(found, ["top", "b"]);
    let missing = [Some(bucket("nowhere"))];
    let refused = store
        .take_snapshot(&name("t"), &[], &missing, None)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    assert!(refused.to_string().contains("nowhere"), "{refused}");
}

async fn a_name_is_given_once_and_is_free_again_after_a_drop(place: &Place) {
    let store = place.open().await;
    let a = frame(&store, "a");
    put(&a, Append, rows(0..1)).await;
    let long = "é".repeat(100);
    for text in ["../a", long.as_str()] {
        take(&store, text, &[id("a")]).await;
    }
    let mut expected = vec!["../a".to_owned(), long.clone()];
    assert_eq!(names(&store).await, expected);
    let refused = store
        .take_snapshot(&name("../a"), &[id("a")], &[], None)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert!(refused.to_string().contains("../a"), "{refused}");
    put(&a, Append, rows(1..2)).await;
    assert_eq!(numbers_as_of(&a, &as_of("../a")).await, [0]);
    let dropped = store.drop_snapshot(&name("../a")).await.unwrap();
    assert_eq!((dropped.snapshot.as_str(), dropped.frames), ("../a", 1));
    let gone = a.snapshot(Some(&as_of("../a"))).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    let again = store.drop_snapshot(&name("../a")).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
    assert_eq!(names(&store).await, expected.split_off(1));
    take(&store, "../a", &[id("a")]).await;
    assert_eq!(numbers_as_of(&a, &as_of("../a")).await, [0, 1]);
    assert_eq!(numbers_as_of(&a, &as_of(&long)).await, [0]);
    for text in ["../a", long.as_str()] {
        store.drop_snapshot(&name(text)).await.unwrap();
    }
    assert!(leftovers(place).await.is_empty());
}

async fn what_is_not_there_is_named_and_leaves_nothing(place: &Place) {
    let store = place.open().await;
    for text in ["a", "gone"] {
        put(&frame(&store, text), Append, rows(0..1)).await;
    }
    frame(&store, "gone").delete().await.unwrap();
    for missing in ["gone", "never"] {
        let frames = [id("a"), id(missing)];
        let refused = store
            .take_snapshot(&name("s"), &frames, &[], None)
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound);
        assert!(refused.to_string().contains(missing), "{refused}");
    }
    assert!(leftovers(place).await.is_empty());
    assert_eq!(
        frame(&store, "a")
            .history(9, None)
            .await
            .unwrap()
            .commits
            .len(),
        1
    );
}

/// A snapshot without the object with its name is what a crash before the last step leaves.
async fn what_a_crash_left_is_invisible_and_no_obstacle(place: &Place) {
    let store = place.open().await;
    for text in ["a", "b"] {
        put(&frame(&store, text), Append, rows(0..1)).await;
    }
    let visible = Path::from("_snapshots/s.json");
    take(&store, "s", &[id("a"), id("b")]).await;
    place.objects().delete(&visible).await.unwrap();
    assert!(names(&store).await.is_empty());
    let hidden = frame(&store, "b")
        .snapshot(Some(&as_of("s")))
        .await
        .unwrap_err();
    assert_eq!(hidden.kind(), ErrorKind::NotFound);

    put(&frame(&store, "a"), Append, rows(1..2)).await;
    take(&store, "s", &[id("a")]).await;
    assert_eq!(
        numbers_as_of(&frame(&store, "a"), &as_of("s")).await,
        [0, 1]
    );
    let not_in_it = frame(&store, "b")
        .snapshot(Some(&as_of("s")))
        .await
        .unwrap_err();
    assert_eq!(not_in_it.kind(), ErrorKind::NotFound);

    place.objects().delete(&visible).await.unwrap();
    store.drop_snapshot(&name("s")).await.unwrap();
    assert!(leftovers(place).await.is_empty());
    for (text, pins) in [("a", 2), ("b", 1)] {
        let history = frame(&store, text).history(99, None).await.unwrap().commits;
        let tags = history
            .iter()
            .filter(|commit| commit.operation == "tag")
            .count();
        assert_eq!(tags, 2 * pins, "each pin of {text} was taken back");
    }
}

async fn what_a_crash_left_is_swept_a_day_later_and_no_snapshot_with_it(place: &Place) {
    let store = place.open().await;
    for text in ["a", "b"] {
        put(&frame(&store, text), Append, rows(0..1)).await;
    }
    let frames = [id("a"), id("b")];
    take(&store, "kept", &frames).await;
    take(&store, "crashed", &frames).await;
    let visible = Path::from("_snapshots/crashed.json");
    place.objects().delete(&visible).await.unwrap();
    take(&store, "again", &frames).await;
    let pins = async |store: &Store, text: &str| {
        let history = frame(store, text).history(99, None).await.unwrap().commits;
        let tags = history.iter().filter(|commit| commit.operation == "tag");
        tags.count()
    };
    let before = leftovers(place).await.len();
    frame(&store, "a").sweep(false).await.unwrap();
    assert_eq!(
        leftovers(place).await.len(),
        before,
        "it may still be finished"
    );

    let late = tomorrow(place).await;
    let foreseen = frame(&late, "a").sweep(true).await.unwrap();
    assert_eq!(foreseen.objects, 1);
    assert_eq!((pins(&late, "a").await, pins(&late, "b").await), (3, 3));
    let swept = frame(&late, "a").sweep(false).await.unwrap();
    assert_eq!(
        (swept.objects, swept.bytes),
        (foreseen.objects, foreseen.bytes)
    );
    assert_eq!((pins(&late, "a").await, pins(&late, "b").await), (4, 4));
    assert_eq!(leftovers(place).await.len(), before - 1);
    assert_eq!(frame(&late, "b").sweep(false).await.unwrap().objects, 0);

    assert_eq!(names(&late).await, ["again", "kept"]);
    for text in ["a", "b"] {
        put(&frame(&late, text), Replace, rows(5..6)).await;
        for snapshot in ["kept", "again"] {
            let kept = numbers_as_of(&frame(&late, text), &as_of(snapshot)).await;
            assert_eq!(kept, [0]);
        }
    }
    for text in ["kept", "again"] {
        late.drop_snapshot(&name(text)).await.unwrap();
    }
    assert!(leftovers(place).await.is_empty());
    frame(&late, "a").purge(false).await.unwrap();
}

async fn a_snapshot_whose_record_is_damaged_keeps_its_frames(place: &Place) {
    let store = place.open().await;
    put(&frame(&store, "a"), Append, rows(0..1)).await;
    take(&store, "s", &[id("a")]).await;
    let record = Path::from("_snapshots/s.json");
    let whole = place.objects().get(&record).await.unwrap();
    let whole = whole.bytes().await.unwrap();
    place.write("_snapshots/s.json", "{}\n").await;
    let late = tomorrow(place).await;
    assert_eq!(frame(&late, "a").sweep(false).await.unwrap().objects, 0);
    place.write("_snapshots/s.json", whole).await;
    assert_eq!(numbers_as_of(&frame(&late, "a"), &as_of("s")).await, [0]);
}

async fn a_pin_without_a_record_is_swept_unless_its_snapshot_is_visible(place: &Place) {
    let store = place.open().await;
    let a = frame(&store, "a");
    put(&a, Append, rows(0..1)).await;
    take(&store, "s", &[id("a")]).await;
    for attempt in place.objects_below("_snapshots/attempts").await {
        place.objects().delete(&Path::from(attempt)).await.unwrap();
    }
    a.sweep(false).await.unwrap();
    assert_eq!(numbers_as_of(&a, &as_of("s")).await, [0]);
    let visible = Path::from("_snapshots/s.json");
    place.objects().delete(&visible).await.unwrap();
    assert_eq!(
        a.purge(true).await.unwrap_err().kind(),
        ErrorKind::InvalidRequest
    );
    a.sweep(true).await.unwrap();
    assert_eq!(
        a.purge(true).await.unwrap_err().kind(),
        ErrorKind::InvalidRequest
    );
    a.sweep(false).await.unwrap();
    a.purge(true).await.unwrap();
}

async fn of_two_that_take_one_name_one_gets_it_whole(place: &Place) {
    let (one, other) = (place.open().await, place.open().await);
    for text in ["a", "b"] {
        put(&frame(&one, text), Append, rows(0..1)).await;
    }
    for round in 0..5 {
        let name = name("s");
        let frames = [id("a"), id("b")];
        let (first, second) = tokio::join!(
            one.take_snapshot(&name, &frames, &[], None),
            other.take_snapshot(&name, &frames, &[], None),
        );
        let outcomes = [first, second];
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        for lost in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            let expected = [ErrorKind::AlreadyExists, ErrorKind::Conflict];
            assert!(expected.contains(&lost.kind()), "{lost}");
        }
        if won == 0 {
            continue;
        }
        assert_eq!(won, 1, "round {round}");
        for text in ["a", "b"] {
            assert_eq!(numbers_as_of(&frame(&one, text), &as_of("s")).await, [0]);
        }
        one.drop_snapshot(&name).await.unwrap();
        assert!(leftovers(place).await.is_empty());
    }
}

async fn a_plain_file_is_adopted(place: &Place) {
    let store = place.open().await;
    put(&frame(&store, "source"), Append, rows(0..4)).await;
    let folder = Path::from("_default/source/segments");
    let listed: Vec<_> = place
        .objects()
        .list(Some(&folder))
        .try_collect()
        .await
        .unwrap();
    let segment = place.objects().get(&listed[0].location).await.unwrap();
    place
        .write("plain.parquet", segment.bytes().await.unwrap())
        .await;
    place.write("notes.parquet", "not Parquet").await;
    store
        .take_snapshot(&name("s"), &[], &[None], None)
        .await
        .unwrap();
    let plain = frame(&store, "plain");
    put(&plain, Replace, rows(7..8)).await;
    assert_eq!(numbers_as_of(&plain, &as_of("s")).await, [0, 1, 2, 3]);
}

async fn a_damaged_record_hides_no_other_and_can_be_dropped(place: &Place) {
    let store = place.open().await;
    put(&frame(&store, "a"), Append, rows(0..1)).await;
    for text in ["broken", "sound"] {
        take(&store, text, &[id("a")]).await;
    }
    place.write("_snapshots/broken.json", "{}\n").await;
    assert_eq!(names(&store).await, ["sound"]);
    let damaged = frame(&store, "a")
        .snapshot(Some(&as_of("broken")))
        .await
        .unwrap_err();
    assert_eq!(damaged.kind(), ErrorKind::Damaged);
    assert_eq!(
        store.drop_snapshot(&name("broken")).await.unwrap().frames,
        1
    );
    store.drop_snapshot(&name("sound")).await.unwrap();
    assert!(leftovers(place).await.is_empty());
}

/// Just before `b` is read, a row is put to `a` and one to `b`: whoever read `a` earlier must not believe what it saw.
async fn what_is_written_between_two_looks_is_seen_whole_or_not_at_all(place: &Place) {
    let writing = place.open().await;
    for text in ["a", "b"] {
        put(&frame(&writing, text), Append, rows(0..1)).await;
    }
    let deed = move |done: u64| {
        let writing = writing.clone();
        let n = i64::try_from(done).unwrap() + 1;
        async move {
            for text in ["a", "b"] {
                put(&frame(&writing, text), Append, rows(n..n + 1)).await;
            }
        }
        .boxed()
    };
    let meddler = Meddler {
        inner: place.objects(),
        part: "/b/log/",
        times: 7,
        reads: AtomicU64::new(0),
        deed: Box::new(deed),
    };
    let builder = Store::builder("memory://").object_store(Arc::new(meddler));
    let store = builder.open().await.unwrap();
    let frames = [id("a"), id("b")];
    let taken = store.take_snapshot(&name("s"), &frames, &[], None).await;
    assert_eq!(taken.unwrap().frames.len(), 2);
    let [a, b] = ["a", "b"].map(|text| frame(&store, text));
    let expected: Vec<i64> = (0..8).collect();
    assert_eq!(numbers_as_of(&a, &as_of("s")).await, expected);
    assert_eq!(numbers_as_of(&b, &as_of("s")).await, expected);
}

/// Just before each look at `a`, somebody writes it, more often than anybody tries; `b` is left alone.
async fn a_single_frame_that_never_rests_is_no_obstacle(place: &Place) {
    let writing = place.open().await;
    for text in ["a", "b"] {
        put(&frame(&writing, text), Append, rows(0..1)).await;
    }
    let deed = move |_| {
        let frame = frame(&writing, "a");
        async move { drop(put(&frame, Append, rows(1..2)).await) }.boxed()
    };
    let meddler = Meddler {
        inner: place.objects(),
        part: "/a/log/",
        times: 20,
        reads: AtomicU64::new(0),
        deed: Box::new(deed),
    };
    let builder = Store::builder("memory://").object_store(Arc::new(meddler));
    let store = builder.open().await.unwrap();
    let frames = [id("a"), id("b")];
    let taken = store.take_snapshot(&name("s"), &frames, &[], None).await;
    let taken = taken.unwrap().frames;
    assert_eq!(taken[1].version, 1);
    let a = frame(&store, "a")
        .snapshot(Some(&as_of("s")))
        .await
        .unwrap();
    assert_eq!(a.version(), Some(taken[0].version));
}

/// Both frames are written before each look, for ever.
async fn frames_that_never_rest_together_are_a_conflict_that_leaves_nothing(place: &Place) {
    let writing = place.open().await;
    for text in ["a", "b"] {
        put(&frame(&writing, text), Append, rows(0..1)).await;
    }
    let deed = move |_| {
        let frames = ["a", "b"].map(|text| frame(&writing, text));
        async move {
            for frame in frames {
                put(&frame, Append, rows(1..2)).await;
            }
        }
        .boxed()
    };
    let meddler = Meddler {
        inner: place.objects(),
        part: "/b/log/",
        times: u64::MAX,
        reads: AtomicU64::new(0),
        deed: Box::new(deed),
    };
    let builder = Store::builder("memory://").object_store(Arc::new(meddler));
    let store = builder.open().await.unwrap();
    let frames = [id("a"), id("b")];
    let busy = store.take_snapshot(&name("s"), &frames, &[], None).await;
    let busy = busy.unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Conflict);
    assert!(
        busy.to_string().contains(" a among them") || busy.to_string().contains(" b among them"),
        "{busy}"
    );
    assert!(leftovers(place).await.is_empty());
}

/// A writer puts a row to `a` and then one to `b`, again and again: at no time has `b` more rows than `a`, or two less.
async fn no_snapshot_sees_the_second_of_two_puts_without_the_first(place: &Place) {
    let store = place.open().await;
    for text in ["a", "b"] {
        put(&frame(&store, text), Append, rows(0..1)).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (writing, stopped) = (place.open().await, Arc::clone(&stop));
    let writer = tokio::spawn(async move {
        let mut count = 1;
        while !stopped.load(Ordering::Relaxed) {
            put(&frame(&writing, "a"), Append, rows(count..count + 1)).await;
            put(&frame(&writing, "b"), Append, rows(count..count + 1)).await;
            count += 1;
        }
        count
    });
    let wanted = if matches!(place, Place::S3(_)) { 2 } else { 20 };
    let frames = [id("a"), id("b")];
    let mut seen = Vec::new();
    let mut attempts = 0;
    while seen.len() < wanted {
        attempts += 1;
        assert!(attempts < 200, "hardly ever a cut is found");
        let text = format!("cut {attempts}");
        match store.take_snapshot(&name(&text), &frames, &[], None).await {
            Ok(_) => seen.push(text),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    let written = writer.await.unwrap();
    assert!(written > 1);
    for text in seen {
        let a = frame(&store, "a")
            .snapshot(Some(&as_of(&text)))
            .await
            .unwrap()
            .rows();
        let b = frame(&store, "b")
            .snapshot(Some(&as_of(&text)))
            .await
            .unwrap()
            .rows();
        assert!(b <= a && a <= b + 1, "{text}: {a} rows in a, {b} in b");
    }
}
