//! What leads from one state of a frame to another.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use shoots_proto::action::FrameDiff;
use shoots_proto::as_of::AsOf;
use shoots_proto::put::PutMode::{self, Append, Error, Replace, Update, Upsert};
use shoots_store::{
    ColumnEdit, ErrorKind, Frame, NewColumn, PutOptions, ReadOptions, RowsToDelete,
};

use crate::on_every_place;
use crate::place::Place;
use crate::plain::parquet;
use crate::rows::{frame, put, rows, try_put_with};

on_every_place!(
    an_append_adds_rows_and_reads_none,
    equal_values_put_anew_are_no_difference,
    an_upsert_replaces_the_rows_that_it_changed,
    deleted_rows_are_removed_and_restored_ones_added,
    equal_rows_are_counted,
    a_frame_without_index_is_compared_as_a_heap_of_rows,
    other_columns_are_told_and_rows_compared_by_common_ones,
    a_column_that_takes_an_old_name_is_another_one,
    a_frame_put_anew_is_matched_by_names,
    unrelated_types_differ_everywhere,
    rows_that_differ_come_in_the_order_of_the_index,
    states_that_are_not_there_are_named,
    a_compaction_is_no_difference,
    rows_changed_around_a_compaction_are_told_and_no_others;
    not_on_s3 "hundreds of requests, one after the other":
    random_histories_differ_as_their_rows_do,
);

fn indexed(mode: PutMode) -> PutOptions {
    PutOptions {
        index: vec!["n".into()],
        ..PutOptions::mode(mode)
    }
}

/// Rows with a key and a value.
fn pairs(pairs: impl IntoIterator<Item = (i64, i64)>) -> RecordBatch {
    let (keys, values): (Vec<i64>, Vec<i64>) = pairs.into_iter().unzip();
    let keys: ArrayRef = Arc::new(Int64Array::from(keys));
    let values: ArrayRef = Arc::new(Int64Array::from(values));
    RecordBatch::try_from_iter([("n", keys), ("v", values)]).unwrap()
}

async fn put_pairs(frame: &Frame, mode: PutMode, rows: impl IntoIterator<Item = (i64, i64)>) {
    try_put_with(frame, indexed(mode), pairs(rows))
        .await
        .unwrap();
}

async fn diff(frame: &Frame, from: i64, to: i64) -> FrameDiff {
    let (from, to) = (AsOf::Version(from), AsOf::Version(to));
    let diff = frame.diff(&from, Some(&to)).await.unwrap();
    let rows = diff.to.rows + diff.rows_removed;
    assert_eq!(rows, diff.from.rows + diff.rows_added);
    diff
}

/// Rows removed and added; told of the counts and of the rows.
async fn counts(frame: &Frame, from: i64, to: i64) -> (u64, u64) {
    let told = diff(frame, from, to).await;
    let mut counted = (0, 0);
    for batch in changed(frame, from, to).await {
        for word in words(&batch) {
            match word {
                "removed" => counted.0 += 1,
                _ => counted.1 += 1,
            }
        }
    }
    assert_eq!((told.rows_removed, told.rows_added), counted);
    counted
}

async fn changed(frame: &Frame, from: i64, to: i64) -> Vec<RecordBatch> {
    let (from, to) = (AsOf::Version(from), AsOf::Version(to));
    let rows = frame.diff_rows(&from, Some(&to)).await.unwrap();
    let schema = rows.schema();
    let batches = rows.collect().await.unwrap();
    assert!(batches.iter().all(|batch| batch.schema() == schema));
    batches
}

fn words(batch: &RecordBatch) -> Vec<&str> {
    let change = batch.columns().last().unwrap().as_string::<i32>();
    change.iter().flatten().collect()
}

/// The rows that differ, each with its sign, key and value.
async fn signed_pairs(frame: &Frame, from: i64, to: i64) -> Vec<(char, i64, i64)> {
    let mut found = Vec::new();
    for batch in changed(frame, from, to).await {
        let keys = batch["n"].as_primitive::<Int64Type>().values();
        let values = batch["v"].as_primitive::<Int64Type>().values();
        for ((word, key), value) in words(&batch).into_iter().zip(keys).zip(values) {
            let sign = if word == "added" { '+' } else { '-' };
            found.push((sign, *key, *value));
        }
    }
    found
}

async fn an_append_adds_rows_and_reads_none(place: &Place) {
    let store = place.open().await;
    for options in [indexed(Append), PutOptions::mode(Append)] {
        let frame = frame(
            &store,
            if options.index.is_empty() {
                "heap"
            } else {
                "sorted"
            },
        );
        try_put_with(&frame, options.clone(), rows(0..50))
            .await
            .unwrap();
        try_put_with(&frame, options, rows(50..80)).await.unwrap();
        let before = store.requests().segment_bytes;
        let forth = diff(&frame, 1, 2).await;
        assert_eq!((forth.rows_removed, forth.rows_added), (0, 30));
        assert_eq!((forth.from.version, forth.to.version), (Some(1), Some(2)));
        assert_eq!(store.requests().segment_bytes, before);
        assert_eq!(counts(&frame, 2, 1).await, (30, 0));
        assert_eq!(counts(&frame, 2, 2).await, (0, 0));
    }
}

async fn equal_values_put_anew_are_no_difference(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    try_put_with(&frame, indexed(Error), rows(0..100))
        .await
        .unwrap();
    try_put_with(&frame, indexed(Update), rows(10..40))
        .await
        .unwrap();
    try_put_with(&frame, indexed(Upsert), rows((0..100).step_by(3)))
        .await
        .unwrap();
    try_put_with(&frame, indexed(Replace), rows(0..100))
        .await
        .unwrap();
    for (from, to) in [(1, 2), (2, 3), (3, 4), (1, 4), (4, 1)] {
        assert_eq!(
            counts(&frame, from, to).await,
            (0, 0),
            "from {from} to {to}"
        );
    }
}

async fn an_upsert_replaces_the_rows_that_it_changed(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put_pairs(&frame, Error, (0..100).map(|n| (n, n))).await;
    put_pairs(&frame, Upsert, [(7, 7), (8, -8), (200, 1)]).await;
    let expected = [('-', 8, 8), ('+', 8, -8), ('+', 200, 1)];
    assert_eq!(signed_pairs(&frame, 1, 2).await, expected);
    assert_eq!(counts(&frame, 1, 2).await, (1, 2));
}

async fn deleted_rows_are_removed_and_restored_ones_added(place: &Place) {
    let store = place.open().await;
    for name in ["sorted", "heap"] {
        let frame = frame(&store, name);
        match name {
            "sorted" => try_put_with(&frame, indexed(Error), rows(0..100))
                .await
                .unwrap(),
            _ => put(&frame, Error, rows(0..100)).await,
        };
        if name == "heap" {
            put(&frame, Replace, rows(10..100)).await;
        } else {
            let range = RowsToDelete {
                stop: Some(10.into()),
                ..RowsToDelete::default()
            };
            frame.delete_rows(range).await.unwrap();
        }
        frame.restore(&AsOf::Version(1)).await.unwrap();
        assert_eq!(counts(&frame, 1, 2).await, (10, 0), "{name}");
        assert_eq!(counts(&frame, 2, 3).await, (0, 10), "{name}");
        assert_eq!(counts(&frame, 1, 3).await, (0, 0), "{name}");
    }
}

async fn equal_rows_are_counted(place: &Place) {
    let store = place.open().await;
    for name in ["sorted", "heap"] {
        let frame = frame(&store, name);
        let index = match name {
            "sorted" => vec!["n".to_owned()],
            _ => Vec::new(),
        };
        let options = |mode| PutOptions {
            index: index.clone(),
            ..PutOptions::mode(mode)
        };
        let put = async |rows: Vec<(i64, i64)>| {
            try_put_with(&frame, options(Replace), pairs(rows))
                .await
                .unwrap();
        };
        put(vec![(1, 1), (1, 1), (1, 1), (1, 2), (2, 2)]).await;
        put(vec![(1, 2), (1, 1), (1, 3), (1, 2), (2, 2)]).await;
        let mut found = signed_pairs(&frame, 1, 2).await;
        found.sort_unstable();
        let expected = [('+', 1, 2), ('+', 1, 3), ('-', 1, 1), ('-', 1, 1)];
        assert_eq!(found, expected, "{name}");
    }
}

async fn a_frame_without_index_is_compared_as_a_heap_of_rows(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, Error, rows(0..100)).await;
    put(&frame, Replace, rows((5..105).rev())).await;
    assert_eq!(counts(&frame, 1, 2).await, (5, 5));
    let mut found: Vec<(i64, String)> = Vec::new();
    for batch in changed(&frame, 1, 2).await {
        let numbers = batch["n"].as_primitive::<Int64Type>().values();
        let words = words(&batch).into_iter().map(str::to_owned);
        found.extend(numbers.iter().copied().zip(words));
    }
    found.sort();
    let expected = (0..5)
        .map(|n| (n, "removed"))
        .chain((100..105).map(|n| (n, "added")));
    let expected: Vec<_> = expected.map(|(n, word)| (n, word.to_owned())).collect();
    assert_eq!(found, expected);
}

async fn other_columns_are_told_and_rows_compared_by_common_ones(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    try_put_with(&frame, indexed(Error), rows(0..30))
        .await
        .unwrap();
    let edit = ColumnEdit {
        rename: [("n".to_owned(), "number".to_owned())].into(),
        drop: vec!["s".into()],
        add: vec![NewColumn {
            name: "s".into(),
            data_type: "double".into(),
        }],
        ..ColumnEdit::default()
    };
    frame.alter(edit).await.unwrap();
    let told = diff(&frame, 1, 2).await;
    assert_eq!((told.rows_removed, told.rows_added), (0, 0));
    assert_eq!(
        (
            told.columns_added[0].name.as_str(),
            told.columns_added.len()
        ),
        ("s", 1)
    );
    assert_eq!(told.columns_added[0].r#type, "double");
    assert_eq!(told.columns_dropped[0].r#type, "string");
    let renamed = &told.columns_renamed[0];
    assert_eq!(
        (renamed.from.as_str(), renamed.to.as_str()),
        ("n", "number")
    );
    assert!(told.columns_changed.is_empty());

    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![30, 31]));
    let values: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 1.5]));
    let more = RecordBatch::try_from_iter([("number", numbers), ("s", values)]).unwrap();
    put(&frame, Append, more).await;
    let range = RowsToDelete {
        stop: Some(1.into()),
        ..RowsToDelete::default()
    };
    frame.delete_rows(range).await.unwrap();
    assert_eq!(counts(&frame, 1, 4).await, (1, 2));
    let batches = changed(&frame, 1, 4).await;
    let schema = batches[0].schema();
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["number", "s", "s (dropped)", "_change"]);
    assert!(
        schema
            .fields()
            .iter()
            .all(|field| field.metadata().is_empty())
    );
    let nulls = |name: &str| {
        let columns = batches.iter().map(|batch| &batch[name]);
        columns.map(|column| column.null_count()).sum::<usize>()
    };
    // The removed row has no new column, the added ones do not have the old one, and 0 had no text.
    assert_eq!((nulls("s"), nulls("s (dropped)")), (1, 3));
}

/// No segment is left of the first state, and yet the frame was not put anew.
async fn a_column_that_takes_an_old_name_is_another_one(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put_pairs(&frame, Error, (0..30).map(|n| (n, n))).await;
    let edit = ColumnEdit {
        drop: vec!["v".into()],
        add: vec![NewColumn {
            name: "v".into(),
            data_type: "string".into(),
        }],
        ..ColumnEdit::default()
    };
    frame.alter(edit).await.unwrap();
    let edit = ColumnEdit {
        rename: [("v".to_owned(), "w".to_owned())].into(),
        ..ColumnEdit::default()
    };
    frame.alter(edit).await.unwrap();
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..30));
    let values: ArrayRef = Arc::new(Float64Array::from(vec![0.5; 30]));
    let brought = RecordBatch::try_from_iter([("n", numbers), ("v", values)]).unwrap();
    try_put_with(&frame, indexed(Upsert), brought)
        .await
        .unwrap();
    for (from, to, names) in [(1, 4, ["v", "w"]), (4, 1, ["v", ""])] {
        let told = diff(&frame, from, to).await;
        assert!(told.columns_changed.is_empty() && told.columns_renamed.is_empty());
        let mut added: Vec<&str> = told.columns_added.iter().map(|c| c.name.as_str()).collect();
        added.sort_unstable();
        let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        assert_eq!(added, names);
        assert_eq!(told.columns_dropped.len(), 3 - names.len());
        assert_eq!(counts(&frame, from, to).await, (0, 0));
    }
}

async fn a_frame_put_anew_is_matched_by_names(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    try_put_with(&frame, indexed(Error), rows(0..10))
        .await
        .unwrap();
    let edit = ColumnEdit {
        rename: [("s".to_owned(), "text".to_owned())].into(),
        ..ColumnEdit::default()
    };
    frame.alter(edit).await.unwrap();
    let renamed = rows(0..11);
    let renamed = RecordBatch::try_from_iter_with_nullable([
        ("n", Arc::clone(&renamed["n"]), false),
        ("text", Arc::clone(&renamed["s"]), true),
    ])
    .unwrap();
    try_put_with(&frame, indexed(Replace), renamed)
        .await
        .unwrap();
    let told = diff(&frame, 2, 3).await;
    assert!(told.columns_added.is_empty() && told.columns_dropped.is_empty());
    assert_eq!(counts(&frame, 2, 3).await, (0, 1));
}

async fn unrelated_types_differ_everywhere(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1", "2"]));
    put(
        &frame,
        Error,
        RecordBatch::try_from_iter([("n", numbers)]).unwrap(),
    )
    .await;
    put(
        &frame,
        Replace,
        RecordBatch::try_from_iter([("n", texts)]).unwrap(),
    )
    .await;
    let told = diff(&frame, 1, 2).await;
    assert_eq!((told.rows_removed, told.rows_added), (3, 2));
    let changed = &told.columns_changed[0];
    assert_eq!(
        (changed.from.as_str(), changed.to.as_str()),
        ("int64", "string")
    );
    let refused = frame.diff_rows(&AsOf::Version(1), None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidRequest);
    assert!(refused.to_string().contains("`n`"), "{refused}");
}

async fn rows_that_differ_come_in_the_order_of_the_index(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put_pairs(&frame, Error, (0..30_000).map(|n| (n, 0))).await;
    put_pairs(&frame, Upsert, (0..40_000).step_by(2).map(|n| (n, 1))).await;
    put_pairs(&frame, Append, [(-5, 0), (50_000, 0)]).await;
    let found = signed_pairs(&frame, 1, 3).await;
    assert!(found.is_sorted_by_key(|(_, key, _)| *key));
    let removed = found.iter().filter(|(sign, ..)| *sign == '-').count();
    assert_eq!((removed, found.len() - removed), (15_000, 20_002));
    assert_eq!(counts(&frame, 1, 3).await, (15_000, 20_002));
}

async fn states_that_are_not_there_are_named(place: &Place) {
    let store = place.open().await;
    place.write("plain.parquet", parquet(0..2)).await;
    let missing = frame(&store, "none").diff(&AsOf::Version(1), None).await;
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    let plain = frame(&store, "plain").diff(&AsOf::Version(1), None).await;
    assert_eq!(plain.unwrap_err().kind(), ErrorKind::InvalidRequest);
    let frame = frame(&store, "f");
    put(&frame, Error, rows(0..2)).await;
    let missing = frame.diff(&AsOf::Version(5), None).await.unwrap_err();
    assert!(
        missing.to_string().contains("the versions are 1 to 1"),
        "{missing}"
    );
    let clash = rows(0..1).column(0).clone();
    let clash = RecordBatch::try_from_iter([("_change", clash)]).unwrap();
    put(&frame, Replace, clash).await;
    let refused = frame.diff_rows(&AsOf::Version(2), None).await.unwrap_err();
    assert!(refused.to_string().contains("rename it"), "{refused}");
}

/// Whatever was done, the counts are those of the two states' rows as multisets.
async fn random_histories_differ_as_their_rows_do(place: &Place) {
    let store = place.open().await;
    for seed in 0..6_u64 {
        let mut state = seed;
        let mut next = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            i64::try_from((state >> 33) % below).unwrap()
        };
        let frame = frame(&store, &format!("f{seed}"));
        put_pairs(&frame, Error, (0..20).map(|n| (n, 0))).await;
        for _ in 0..8 {
            let start = next(20);
            let rows: Vec<(i64, i64)> =
                (0..next(8) + 1).map(|n| (start + n / 2, next(2))).collect();
            match next(5) {
                0 => put_pairs(&frame, Append, rows).await,
                1 => put_pairs(&frame, Update, rows).await,
                2 => put_pairs(&frame, Upsert, rows).await,
                3 => put_pairs(&frame, Replace, (0..20).map(|n| (n, n % 2))).await,
                _ => {
                    let range = RowsToDelete {
                        start: Some(start.into()),
                        stop: Some((start + 4).into()),
                        ..RowsToDelete::default()
                    };
                    frame.delete_rows(range).await.unwrap();
                }
            }
        }
        let last = frame.snapshot(None).await.unwrap().version().unwrap();
        let mut states = Vec::new();
        for version in 1..=i64::try_from(last).unwrap() {
            states.push((version, tally(&frame, version).await));
        }
        for (from, old) in &states {
            for (to, new) in &states {
                let less = |one: &BTreeMap<(i64, i64), u64>, other: &BTreeMap<(i64, i64), u64>| {
                    let counts = one.iter();
                    counts
                        .map(|(row, n)| n.saturating_sub(other.get(row).copied().unwrap_or(0)))
                        .sum()
                };
                let expected: (u64, u64) = (less(old, new), less(new, old));
                assert_eq!(
                    counts(&frame, *from, *to).await,
                    expected,
                    "seed {seed}: {from} to {to}"
                );
            }
        }
    }
}

async fn tally(frame: &Frame, version: i64) -> BTreeMap<(i64, i64), u64> {
    let snapshot = frame.snapshot(Some(&AsOf::Version(version))).await.unwrap();
    let rows = snapshot
        .read(shoots_store::ReadOptions::default())
        .await
        .unwrap();
    let mut counts = BTreeMap::new();
    for batch in rows.collect().await.unwrap() {
        let keys = batch["n"].as_primitive::<Int64Type>().values();
        let values = batch["v"].as_primitive::<Int64Type>().values();
        for row in keys.iter().copied().zip(values.iter().copied()) {
            *counts.entry(row).or_default() += 1;
        }
    }
    counts
}

async fn version(frame: &Frame) -> i64 {
    let version = frame.snapshot(None).await.unwrap().version().unwrap();
    i64::try_from(version).unwrap()
}

/// All rows in their order.
async fn stored(frame: &Frame, version: i64) -> RecordBatch {
    let snapshot = frame.snapshot(Some(&AsOf::Version(version))).await.unwrap();
    let schema = snapshot.schema();
    let batches = snapshot.read(ReadOptions::default()).await.unwrap();
    let batches = batches.collect().await.unwrap();
    arrow_select::concat::concat_batches(&schema, &batches).unwrap()
}

async fn a_compaction_is_no_difference(place: &Place) {
    let store = place.open().await;
    for (name, options) in [
        ("heap", PutOptions::mode(Append)),
        ("sorted", indexed(Append)),
    ] {
        let frame = frame(&store, name);
        for n in 0..12 {
            // Not in the order of the index.
            let first = 100 * (n * 7 % 12);
            try_put_with(&frame, options.clone(), rows(first..first + 20))
                .await
                .unwrap();
        }
        let twice = rows([100, 100, 101]);
        try_put_with(&frame, options.clone(), twice).await.unwrap();
        if !options.index.is_empty() {
            let gone = RowsToDelete {
                start: Some(300.into()),
                stop: Some(310.into()),
                ..RowsToDelete::default()
            };
            frame.delete_rows(gone).await.unwrap();
        }
        let before = version(&frame).await;
        let compacted = frame.compact(false).await.unwrap();
        assert!(compacted.segments_after < compacted.segments_before);
        let after = version(&frame).await;
        assert!(after > before);
        assert_eq!(counts(&frame, before, after).await, (0, 0), "{name}");
        assert_eq!(counts(&frame, after, before).await, (0, 0), "{name}");
        assert_eq!(stored(&frame, before).await, stored(&frame, after).await);
    }
}

async fn rows_changed_around_a_compaction_are_told_and_no_others(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    for n in 0..10 {
        put_pairs(&frame, Append, (n * 10..n * 10 + 10).map(|key| (key, 0))).await;
    }
    let first = version(&frame).await;
    put_pairs(&frame, Upsert, [(7, 1), (95, 1), (200, 1)]).await;
    let gone = RowsToDelete {
        start: Some(40.into()),
        stop: Some(42.into()),
        ..RowsToDelete::default()
    };
    frame.delete_rows(gone).await.unwrap();
    let before = version(&frame).await;
    frame.compact(false).await.unwrap();
    let compacted = version(&frame).await;
    assert!(compacted > before);
    put_pairs(&frame, Upsert, [(7, 2), (8, 2), (40, 2)]).await;
    let last = version(&frame).await;

    let early = [
        ('-', 7, 0),
        ('+', 7, 1),
        ('-', 40, 0),
        ('-', 41, 0),
        ('-', 95, 0),
        ('+', 95, 1),
        ('+', 200, 1),
    ];
    let late = [
        ('-', 7, 1),
        ('+', 7, 2),
        ('-', 8, 0),
        ('+', 8, 2),
        ('+', 40, 2),
    ];
    let both = [
        ('-', 7, 0),
        ('+', 7, 2),
        ('-', 8, 0),
        ('+', 8, 2),
        ('-', 40, 0),
        ('+', 40, 2),
        ('-', 41, 0),
        ('-', 95, 0),
        ('+', 95, 1),
        ('+', 200, 1),
    ];
    assert_eq!(signed_pairs(&frame, first, before).await, early);
    assert_eq!(signed_pairs(&frame, first, compacted).await, early);
    assert_eq!(signed_pairs(&frame, before, last).await, late);
    assert_eq!(signed_pairs(&frame, compacted, last).await, late);
    assert_eq!(signed_pairs(&frame, first, last).await, both);
}
