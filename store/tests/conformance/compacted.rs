//! Frames of many segments that were compacted: reading them costs what is in them, not what was.

use object_store::ObjectStoreExt;
use object_store::path::Path;
use shoots_proto::action::{Retention, VerifyRequest};
use shoots_proto::as_of::AsOf;
use shoots_proto::put::PutMode::{Append, Replace, Update};
use shoots_store::{PutOptions, ReadOptions, Requests, RowsToDelete, SegmentLimits, Store};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, numbers, numbers_as_of, put, rows, try_put_with};

on_every_place!(
    what_stays_after_most_rows_were_deleted_or_replaced_is_listed_once,
    what_stays_between_compacted_segments_keeps_its_place,
    what_followed_a_replaced_list_expires_after_the_list_is_gone;
    not_on_s3 "a thousand segments, one after the other":
    a_compacted_frame_is_read_like_one_that_was_put_at_once,
);

/// A store that puts so many rows into each segment.
async fn splitting(place: &Place, max_rows: usize) -> Store {
    let limits = SegmentLimits {
        max_rows,
        ..SegmentLimits::default()
    };
    place.builder().segment_limits(limits).open().await.unwrap()
}

/// What opening and reading the newest version costs a process that has just started, and the bytes of its entry.
async fn cost_of_reading(place: &Place, name: &str, expected: i64) -> (Requests, u64) {
    let store = place.open().await;
    let snapshot = frame(&store, name).snapshot(None).await.unwrap();
    let read = snapshot.read(ReadOptions::default()).await.unwrap();
    let batches = read.collect().await.unwrap();
    let count: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(count, usize::try_from(expected).unwrap());
    let entries = place.objects_below(&format!("_default/{name}/log")).await;
    let entries = entries.into_iter().filter(|path| path.ends_with(".jsonl"));
    let newest = Path::from(entries.max().unwrap());
    let bytes = place.objects().head(&newest).await.unwrap().size;
    (store.requests(), bytes)
}

async fn a_compacted_frame_is_read_like_one_that_was_put_at_once(place: &Place) {
    const PUTS: i64 = 100;
    const ROWS: i64 = 10;
    let store = splitting(place, 1).await;
    for n in 0..PUTS {
        put(
            &frame(&store, "many"),
            Append,
            rows(n * ROWS..(n + 1) * ROWS),
        )
        .await;
    }
    let store = place.open().await;
    put(&frame(&store, "one"), Append, rows(0..PUTS * ROWS)).await;
    let many = frame(&store, "many");
    let compacted = many.compact(false).await.unwrap();
    assert_eq!(
        (compacted.segments_before, compacted.segments_after),
        (1000, 1)
    );
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;

    let (one, _) = cost_of_reading(place, "one", PUTS * ROWS).await;
    let (just_compacted, entry) = cost_of_reading(place, "many", PUTS * ROWS).await;
    assert!(
        just_compacted.reads <= one.reads + 1,
        "{just_compacted:?} and {one:?}"
    );
    assert_eq!(just_compacted.segment_reads, 1, "{just_compacted:?}");
    // The names of a thousand segments that are gone, and what the entry before had not put into a checkpoint.
    assert!(entry < 150_000, "{entry} bytes");
    let mut expected: Vec<i64> = (0..PUTS * ROWS).collect();
    assert_eq!(numbers(&many).await, expected);

    for n in 0..3 {
        let n = PUTS * ROWS + n;
        put(&many, Append, rows([n])).await;
        expected.push(n);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let (later, entry) = cost_of_reading(place, "many", n + 1).await;
        assert!(later.reads <= one.reads + 2, "{later:?} and {one:?}");
        assert!(entry < 4_000, "{entry} bytes");
    }
    let opened = frame(&place.open().await, "many");
    assert_eq!(numbers(&opened).await, expected);
    for version in [1, PUTS / 2, PUTS, PUTS + 1] {
        let rows = (version * ROWS).min(PUTS * ROWS);
        let read = numbers_as_of(&opened, &AsOf::Version(version)).await;
        assert_eq!(
            read,
            expected[..usize::try_from(rows).unwrap()],
            "version {version}"
        );
    }
    let verified = store.verify(&everything()).await.unwrap();
    assert!(verified.ok, "{verified:?}");
}

fn everything() -> VerifyRequest {
    VerifyRequest {
        all_buckets: true,
        ..VerifyRequest::default()
    }
}

async fn what_stays_between_compacted_segments_keeps_its_place(place: &Place) {
    let small = splitting(place, 1).await;
    let large = splitting(place, 100).await;
    let mut next = 0;
    let mut some = async |store: &Store, count: i64| {
        let frame = frame(store, "f");
        put(&frame, Append, rows(next..next + count)).await;
        next += count;
    };
    some(&large, 100).await;
    some(&small, 10).await;
    some(&large, 100).await;
    some(&small, 150).await;
    some(&large, 100).await;
    let frame = frame(&large, "f");
    frame.compact(false).await.unwrap();
    let expected: Vec<i64> = (0..460).collect();
    assert_eq!(numbers(&frame).await, expected);
    let reopened = frame_of(place).await;
    assert_eq!(numbers(&reopened).await, expected);
    assert_eq!(reopened.snapshot(None).await.unwrap().segment_count(), 6);
    put(&frame, Append, rows([460])).await;
    let expected: Vec<i64> = (0..461).collect();
    assert_eq!(numbers(&frame_of(place).await).await, expected);
}

async fn what_stays_after_most_rows_were_deleted_or_replaced_is_listed_once(place: &Place) {
    let small = splitting(place, 1).await;
    let written = frame(&small, "f");
    let indexed = |mode| PutOptions::mode(mode).index(["n"]);
    for start in [0, 150] {
        let batch = rows(start..start + 150);
        try_put_with(&written, indexed(Append), batch)
            .await
            .unwrap();
    }
    let most = RowsToDelete {
        start: Some(20.into()),
        stop: Some(200.into()),
        ..RowsToDelete::default()
    };
    written.delete_rows(most).await.unwrap();
    let store = place.open().await;
    let mut expected: Vec<i64> = (0..20).chain(200..300).collect();
    assert_eq!(numbers(&frame(&store, "f")).await, expected);
    assert!(store.requests().reads <= 5, "{:?}", store.requests());

    let update = PutOptions {
        start: Some(205.into()),
        stop: Some(295.into()),
        ..indexed(Update)
    };
    try_put_with(&written, update, rows(250..255))
        .await
        .unwrap();
    expected.retain(|n| !(205..295).contains(n) || (250..255).contains(n));
    let opened = frame_of(place).await;
    assert_eq!(numbers(&opened).await, expected);
    let snapshot = opened.snapshot(None).await.unwrap();
    assert_eq!(snapshot.segment_count(), expected.len() as u64);
    written.restore(&AsOf::Version(3)).await.unwrap();
    let restored: Vec<i64> = (0..20).chain(200..300).collect();
    assert_eq!(numbers(&frame_of(place).await).await, restored);
    let verified = small.verify(&everything()).await.unwrap();
    assert!(verified.ok, "{verified:?}");
}

async fn frame_of(place: &Place) -> shoots_store::Frame {
    frame(&place.open().await, "f")
}

/// The entry of a replacement, and of a complete compaction, still names the checkpoint of the list before it.
async fn what_followed_a_replaced_list_expires_after_the_list_is_gone(place: &Place) {
    let open = async || {
        let keep = Retention {
            keep_versions: Some(1),
            ..Retention::default()
        };
        let builder = place.builder().retention(keep).sweep_grace_seconds(0);
        builder.open().await.unwrap()
    };
    let small = splitting(place, 1).await;
    for compacts in [false, true] {
        let name = if compacts { "compacted" } else { "replaced" };
        put(&frame(&small, name), Append, rows(0..300)).await;
        put(&frame(&small, name), Append, rows(300..310)).await;
        let store = open().await;
        let last = frame(&store, name);
        match compacts {
            true => drop(last.compact(false).await.unwrap()),
            false => drop(put(&last, Replace, rows(0..310)).await),
        }
        for n in 310..313 {
            let store = open().await;
            let frame = frame(&store, name);
            frame.expire(false).await.unwrap();
            frame.sweep(false).await.unwrap();
            put(&frame, Append, rows([n])).await;
            let expected: Vec<i64> = (0..=n).collect();
            assert_eq!(numbers(&frame).await, expected);
        }
        let verified = open().await.verify(&everything()).await.unwrap();
        assert!(verified.ok, "{verified:?}");
    }
}
