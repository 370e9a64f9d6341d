//! Reading parts of a frame.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use shoots_proto::put::PutMode::Append;
use shoots_store::{ErrorKind, ReadOptions, SegmentLimits, Snapshot};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, put, rows};

on_every_place!(
    offset_and_limit_cut_rows_anywhere,
    columns_come_in_the_order_asked_for,
    columns_that_are_not_there_are_named,
    parts_together_are_the_whole,
    batches_have_the_size_asked_for,
    a_rotten_segment_is_an_error_that_names_it,
);

/// 4 segments of 10, 10, 10 and 7 rows.
async fn snapshot(place: &Place) -> Snapshot {
    let limits = SegmentLimits {
        max_rows: 10,
        ..SegmentLimits::default()
    };
    let store = place.builder().segment_limits(limits).open().await.unwrap();
    let frame = frame(&store, "f");
    put(&frame, Append, rows(0..20)).await;
    put(&frame, Append, rows(20..37)).await;
    let snapshot = frame.snapshot(None).await.unwrap();
    assert_eq!(snapshot.segment_count(), 4);
    snapshot
}

async fn numbers(snapshot: &Snapshot, options: ReadOptions) -> Vec<i64> {
    let batches = snapshot
        .read(options)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let numbers = batches
        .iter()
        .map(|batch| batch["n"].as_primitive::<Int64Type>().values().to_vec());
    numbers.flatten().collect()
}

async fn offset_and_limit_cut_rows_anywhere(place: &Place) {
    let snapshot = snapshot(place).await;
    for offset in [0, 1, 9, 10, 11, 19, 25, 36, 37, 40, u64::MAX] {
        for limit in [
            None,
            Some(0),
            Some(1),
            Some(5),
            Some(10),
            Some(21),
            Some(u64::MAX),
        ] {
            let options = ReadOptions {
                offset,
                limit,
                ..ReadOptions::default()
            };
            let start = i64::try_from(offset.min(37)).unwrap();
            let count = limit.unwrap_or(37).min(37);
            let expected: Vec<i64> = (start..37).take(usize::try_from(count).unwrap()).collect();
            assert_eq!(
                numbers(&snapshot, options).await,
                expected,
                "{offset} {limit:?}"
            );
        }
    }
}

async fn columns_come_in_the_order_asked_for(place: &Place) {
    let snapshot = snapshot(place).await;
    let all = rows(0..37);
    for columns in [vec!["s", "n"], vec!["s"], vec!["n"], vec![]] {
        let wanted = columns.iter().map(ToString::to_string).collect();
        let options = ReadOptions {
            columns: Some(wanted),
            ..ReadOptions::default()
        };
        let read = snapshot.read(options).await.unwrap();
        let schema = read.schema();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        assert_eq!(names, columns);
        let batches = read.collect().await.unwrap();
        let total: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        assert_eq!(total, 37);
        let mut start = 0;
        for batch in batches {
            assert_eq!(batch.schema(), schema);
            for name in &columns {
                assert_eq!(&batch[*name], &all[*name].slice(start, batch.num_rows()));
            }
            start += batch.num_rows();
        }
    }
}

async fn columns_that_are_not_there_are_named(place: &Place) {
    let snapshot = snapshot(place).await;
    for (columns, said) in [
        (["n", "N"], "no column `N`; the columns are n, s"),
        (["s", "s"], "`s` is given twice"),
    ] {
        let columns = Some(columns.map(String::from).to_vec());
        let options = ReadOptions {
            columns,
            ..ReadOptions::default()
        };
        let error = snapshot.read(options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.to_string().contains(said), "{error}");
    }
}

async fn parts_together_are_the_whole(place: &Place) {
    let snapshot = snapshot(place).await;
    for count in 1..7 {
        let mut together = Vec::new();
        for index in 0..count {
            let options = ReadOptions {
                part: Some((index, count)),
                ..ReadOptions::default()
            };
            together.extend(numbers(&snapshot, options).await);
        }
        assert_eq!(together, (0..37).collect::<Vec<_>>(), "{count} parts");
    }
}

async fn batches_have_the_size_asked_for(place: &Place) {
    let snapshot = snapshot(place).await;
    let options = ReadOptions {
        batch_rows: Some(4),
        ..ReadOptions::default()
    };
    let batches = snapshot
        .read(options)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.num_rows()).collect();
    assert_eq!(sizes, [4, 4, 2, 4, 4, 2, 4, 4, 2, 4, 3]);
}

async fn a_rotten_segment_is_an_error_that_names_it(place: &Place) {
    let store = place.open().await;
    put(&frame(&store, "f"), Append, rows(0..1_000)).await;
    let folder = object_store::path::Path::from("_default/f/segments");
    let objects = place.objects();
    let listed: Vec<_> = objects.list(Some(&folder)).try_collect().await.unwrap();
    let path = &listed[0].location;
    let bytes = objects.get(path).await.unwrap().bytes().await.unwrap();
    for at in [100, bytes.len() / 2, bytes.len() - 20] {
        let mut rotten = bytes.to_vec();
        rotten[at] ^= 16;
        place.write(path.as_ref(), rotten).await;
        let store = place.open().await;
        let snapshot = frame(&store, "f").snapshot(None).await.unwrap();
        let rows = snapshot.read(ReadOptions::default()).await.unwrap();
        let error = rows.collect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert!(error.to_string().contains(path.as_ref()), "{error}");
    }
}
