//! What calls cost, in requests and bytes, whatever the size of the frame.

use object_store::ObjectStoreExt;
use shoots_proto::as_of::AsOf;
use shoots_proto::name::FrameId;
use shoots_proto::put::PutMode::{Append, Error, Replace, Upsert};
use shoots_store::{ErrorKind, PutOptions, ReadOptions, Requests};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{bucket, frame, id, id_in, numbers, put, rows, try_put_with};

on_every_place!(
    a_warm_append_costs_three_writes_and_no_listing,
    a_frame_without_a_hint_is_found_by_listing,
    a_hint_that_lies_does_no_harm,
    a_retried_put_is_applied_once,
    a_request_id_is_remembered_across_many_puts,
    a_request_id_that_comes_with_another_change_is_refused,
    a_retry_may_come_in_other_batches_and_after_other_changes,
    what_readers_fetch_of_segments_is_counted_apart_from_other_reads,
    a_cold_look_costs_three_reads_for_each_frame,
    a_put_to_a_new_frame_looks_for_its_log_once;
    not_on_s3 "thousands of requests, one after the other":
    a_cold_open_costs_five_reads_and_no_listing,
);

pub(crate) fn since(after: Requests, before: Requests) -> Requests {
    Requests {
        creates: after.creates - before.creates,
        overwrites: after.overwrites - before.overwrites,
        reads: after.reads - before.reads,
        lists: after.lists - before.lists,
        bytes_written: after.bytes_written - before.bytes_written,
        segment_reads: after.segment_reads - before.segment_reads,
        segment_bytes: after.segment_bytes - before.segment_bytes,
    }
}

async fn a_warm_append_costs_three_writes_and_no_listing(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, Error, rows(0..10)).await;
    settle().await;
    let start = store.requests();
    let mut largest = 0;
    for n in 0..200 {
        let before = store.requests();
        put(&frame, Append, rows(n * 10..n * 10 + 10)).await;
        let cost = since(store.requests(), before);
        // The hint follows the answer, so that of the put before may be counted here.
        assert!(cost.creates + cost.overwrites <= 4, "append {n}: {cost:?}");
        largest = largest.max(cost.bytes_written);
    }
    settle().await;
    let cost = since(store.requests(), start);
    assert!(cost.creates + cost.overwrites <= 3 * 200, "{cost:?}");
    assert_eq!(cost.lists, 0);
    assert!(largest < 40_000, "{largest} bytes for one append");
}

async fn a_cold_open_costs_five_reads_and_no_listing(place: &Place) {
    let writer = place.open().await;
    for n in 0..150 {
        put(&frame(&writer, "f"), Append, rows([n])).await;
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let store = place.open().await;
        frame(&store, "f").snapshot(None).await.unwrap();
        let cost = store.requests();
        assert!(cost.reads <= 5, "after {n}: {cost:?}");
        assert_eq!(cost.lists, 0, "after {n}");
    }
}

async fn a_frame_without_a_hint_is_found_by_listing(place: &Place) {
    let store = place.open().await;
    for n in 0..30 {
        put(&frame(&store, "f"), Append, rows([n])).await;
    }
    settle().await;
    place.write("_default/f/log/latest", "garbage").await;
    let store = place.open().await;
    assert_eq!(
        numbers(&frame(&store, "f")).await,
        (0..30).collect::<Vec<_>>()
    );
    assert_eq!(store.requests().lists, 1);
}

async fn a_hint_that_lies_does_no_harm(place: &Place) {
    let store = place.open().await;
    for n in 0..30 {
        put(&frame(&store, "f"), Append, rows([n])).await;
    }
    settle().await;
    for lie in ["1", "29", "18446744073709551615", "-1", "", "0"] {
        place.write("_default/f/log/latest", lie.to_owned()).await;
        let store = place.open().await;
        assert_eq!(
            numbers(&frame(&store, "f")).await,
            (0..30).collect::<Vec<_>>(),
            "{lie}"
        );
    }
}

/// Hints are written after puts are answered.
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
}

fn with_request_id(id: &str) -> PutOptions {
    PutOptions {
        request_id: Some(id.to_owned()),
        ..PutOptions::mode(Append)
    }
}

async fn a_retried_put_is_applied_once(place: &Place) {
    let store = place.open().await;
    let here = frame(&store, "f");
    let first = try_put_with(&here, with_request_id("a"), rows(0..3))
        .await
        .unwrap();
    put(&here, Append, rows(3..4)).await;
    let elsewhere = frame(&place.open().await, "f");
    for frame in [&here, &elsewhere] {
        let again = try_put_with(frame, with_request_id("a"), rows(0..3))
            .await
            .unwrap();
        assert_eq!(again, first);
    }
    assert_eq!(numbers(&here).await, [0, 1, 2, 3]);

    // Both attempts are under way at the same time.
    let attempts = [here.clone(), elsewhere, here.clone()].map(|frame| {
        tokio::spawn(async move { try_put_with(&frame, with_request_id("b"), rows(4..6)).await })
    });
    let mut outcomes = Vec::new();
    for attempt in attempts {
        outcomes.push(attempt.await.unwrap().unwrap());
    }
    assert!(
        outcomes.iter().all(|outcome| *outcome == outcomes[0]),
        "{outcomes:?}"
    );
    assert_eq!(numbers(&here).await, [0, 1, 2, 3, 4, 5]);
}

async fn a_request_id_is_remembered_across_many_puts(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    let first = try_put_with(&frame, with_request_id("0"), rows([0]))
        .await
        .unwrap();
    for n in 1..128_i64 {
        put(&frame, Append, rows([])).await;
        try_put_with(&frame, with_request_id(&n.to_string()), rows([n]))
            .await
            .unwrap();
    }
    assert_eq!(
        try_put_with(&frame, with_request_id("0"), rows([0]))
            .await
            .unwrap(),
        first
    );
    try_put_with(&frame, with_request_id("128"), rows([128]))
        .await
        .unwrap();
    let forgotten = try_put_with(&frame, with_request_id("0"), rows([0]))
        .await
        .unwrap();
    assert!(forgotten.version > first.version);
    let entries = place.objects_below("_default/f/log").await;
    let entries = entries.into_iter().filter(|path| path.ends_with(".jsonl"));
    let newest = object_store::path::Path::from(entries.max().unwrap());
    let bytes = place.objects().get(&newest).await.unwrap();
    let bytes = bytes.bytes().await.unwrap();
    let state = bytes.split(|byte| *byte == b'\n').nth(2).unwrap();
    let text = std::str::from_utf8(state).unwrap();
    let start = text.find("\"remembered\":").unwrap();
    let end = text[start..].find("]]").unwrap();
    assert!(end < 6_000, "{end} bytes for what is remembered");
}

async fn a_request_id_that_comes_with_another_change_is_refused(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    let first = try_put_with(&frame, with_request_id("a"), rows(0..3)).await;
    let first = first.unwrap();
    let other_columns = rows(0..3).project(&[0]).unwrap();
    let replaces = PutOptions {
        mode: Replace,
        ..with_request_id("a")
    };
    for (options, batch) in [
        (with_request_id("a"), rows(0..4)),
        (with_request_id("a"), rows([])),
        (with_request_id("a"), other_columns),
        (replaces, rows(0..3)),
        (with_request_id("a").index(["n"]), rows(0..3)),
    ] {
        let refused = try_put_with(&frame, options, batch).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidRequest, "{refused}");
        let said = refused.to_string();
        assert!(said.starts_with("request_id: "), "{said}");
        assert!(said.contains("version 1"), "{said}");
    }
    let noted = frame.clone().request_id(Some("a".to_owned()));
    let refused = noted.restore(&AsOf::Version(1)).await.unwrap_err();
    assert!(refused.to_string().starts_with("request_id: "), "{refused}");

    // Two that are under way at the same time are told apart, too.
    let attempts = [rows(0..5), rows(0..6)].map(|batch| {
        let frame = frame.clone();
        tokio::spawn(async move { try_put_with(&frame, with_request_id("b"), batch).await })
    });
    let mut outcomes = Vec::new();
    for attempt in attempts {
        outcomes.push(attempt.await.unwrap());
    }
    let refused = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
    assert_eq!(refused.unwrap().kind(), ErrorKind::InvalidRequest);
    assert_eq!(frame.snapshot(None).await.unwrap().version(), Some(2));
    let again = try_put_with(&frame, with_request_id("a"), rows(0..3)).await;
    assert_eq!(again.unwrap(), first);
}

async fn a_retry_may_come_in_other_batches_and_after_other_changes(place: &Place) {
    let store = place.open().await;
    let written = frame(&store, "f");
    let upsert = || PutOptions {
        mode: Upsert,
        index: vec!["n".to_owned()],
        ..with_request_id("a")
    };
    // Of rows with the same key the last one is kept, so fewer are stored than come.
    let given = rows([1, 2, 2, 3]);
    let first = try_put_with(&written, upsert(), given.clone())
        .await
        .unwrap();
    assert_eq!(first.rows, 3);
    put(&written, Replace, rows(0..9)).await;
    for store in [store, place.open().await] {
        let frame = frame(&store, "f");
        let mut writer = frame.put(given.schema(), upsert()).await.unwrap();
        for row in 0..given.num_rows() {
            writer.write(given.slice(row, 1)).await.unwrap();
        }
        assert_eq!(writer.commit().await.unwrap(), first);
        assert_eq!(numbers(&frame).await, (0..9).collect::<Vec<_>>());
    }
}

async fn what_readers_fetch_of_segments_is_counted_apart_from_other_reads(place: &Place) {
    let writer = place.open().await;
    for n in 0..3 {
        put(&frame(&writer, "f"), Append, rows(n * 10..n * 10 + 10)).await;
    }
    let store = place.open().await;
    let snapshot = frame(&store, "f").snapshot(None).await.unwrap();
    let opened = store.requests();
    assert_eq!((opened.segment_reads, opened.segment_bytes), (0, 0));
    let read = async |options| {
        let before = store.requests();
        snapshot
            .read(options)
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        since(store.requests(), before)
    };
    let cold = read(ReadOptions::default()).await;
    assert_eq!(cold.segment_reads, 3);
    assert_eq!(cold.segment_bytes, snapshot.bytes());
    assert_eq!(cold.reads, 0);
    let warm = read(ReadOptions::default()).await;
    assert_eq!(warm.segment_reads, 3);
    assert!(warm.segment_bytes < cold.segment_bytes, "{warm:?}");
    let one = ReadOptions {
        limit: Some(1),
        ..ReadOptions::default()
    };
    assert_eq!(read(one).await.segment_reads, 1);
    let count = ReadOptions {
        columns: Some(Vec::new()),
        ..ReadOptions::default()
    };
    assert_eq!(read(count).await.segment_reads, 0);
}

async fn a_cold_look_costs_three_reads_for_each_frame(place: &Place) {
    const FRAMES: u64 = 7;
    let writer = place.open().await;
    for n in 0..FRAMES {
        for of in [id(&n.to_string()), id_in("b", &n.to_string())] {
            let of = writer.frame(&of);
            put(&of, Append, rows([1])).await;
            put(&of, Append, rows([2])).await;
        }
    }
    settle().await;
    for (of, lists) in [(None, 2), (Some(bucket("b")), 1)] {
        let store = place.open().await;
        let found = store.frames(of.as_ref()).await.unwrap();
        assert_eq!(found.len() as u64, FRAMES);
        let cost = store.requests();
        // The hint, the entry after it, that entry; and a schema, which several may ask for at the same time.
        let schemas = cost.reads - 3 * FRAMES;
        assert!((1..=FRAMES).contains(&schemas), "{cost:?}");
        assert_eq!(cost.lists, lists, "{cost:?}");

        let other = place.open().await;
        let looked = async |name: &str| {
            let before = other.requests();
            let bucket = of.clone();
            let id = FrameId { bucket, ..id(name) };
            other.frame(&id).snapshot(None).await.unwrap();
            since(other.requests(), before).reads
        };
        assert_eq!(looked("0").await, 3 + 1);
        assert_eq!(looked("1").await, 3);
        assert_eq!(looked("1").await, 1);
    }
}

async fn a_put_to_a_new_frame_looks_for_its_log_once(place: &Place) {
    let store = place.open().await;
    put(&store.frame(&id_in("b", "other")), Error, rows([0])).await;
    settle().await;
    let before = store.requests();
    put(&store.frame(&id_in("b", "f")), Error, rows([1])).await;
    settle().await;
    let cost = since(store.requests(), before);
    // The hint, and the bucket's marker: that it is there, and that it still is when the frame is. And a plain file,
    // for which a look at the folder is enough on a local disk.
    let plain = u64::from(!matches!(place, Place::Disk(_)));
    assert_eq!((cost.lists, cost.reads), (1, 3 + plain), "{cost:?}");
    // Its rows, its schema, its entry, and the marker; and the hint.
    assert_eq!((cost.creates, cost.overwrites), (4, 1), "{cost:?}");
}
