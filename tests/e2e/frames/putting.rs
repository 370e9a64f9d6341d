//! Putting rows: from an iterator and from a stream, in each mode, many and none, alone and together.

use std::sync::Arc;

use arrow_array::{DictionaryArray, Int32Array, LargeStringArray, RecordBatch, StringArray};
use futures::channel::mpsc;
use futures::{SinkExt, StreamExt, TryStreamExt, future, stream};
use shoots_client::{Error, ErrorKind, PutMode, PutResult, ShootsClient, ToFrameId};

use crate::refusal::assert_refused;
use crate::rows::{column, get, numbers, put, rows, schema, texts};
use crate::server::{Server, look_into};
use crate::stamp::{Stamp, stamps};

/// How a put brings its rows.
#[derive(Clone, Copy)]
enum Source {
    Iterator,
    Stream,
}

impl Source {
    /// Puts the numbers of a range, five at a time.
    async fn put(
        self,
        client: &ShootsClient,
        mode: PutMode,
        range: std::ops::Range<i64>,
    ) -> Result<PutResult, Error> {
        let request = client.put("a").mode(mode);
        let starts = range.clone().step_by(5);
        let batches = starts.map(move |start| rows(start..range.end.min(start + 5)));
        match self {
            Self::Iterator => request.send(schema(), batches).await,
            Self::Stream => {
                let batches = stream::iter(batches).map(Ok::<_, std::io::Error>);
                request.send_stream(schema(), batches).await
            }
        }
    }
}

#[tokio::test]
async fn every_mode_does_what_it_says_with_every_source() {
    for source in [Source::Iterator, Source::Stream] {
        let server = Server::start().await;
        let client = server.client().await;
        let results = [
            source.put(&client, PutMode::Error, 0..12).await.unwrap(),
            source.put(&client, PutMode::Append, 12..20).await.unwrap(),
        ];
        assert_eq!(get(&client, "a").await, rows(0..20));
        let again = source.put(&client, PutMode::Error, 50..60).await;
        assert_refused(again, ErrorKind::FileExistsError, &["a exists already"]);
        assert_eq!(get(&client, "a").await, rows(0..20));
        let replaced = source
            .put(&client, PutMode::Replace, 100..103)
            .await
            .unwrap();
        assert_eq!(get(&client, "a").await, rows(100..103));

        let results = [&results[0], &results[1], &replaced];
        assert_eq!(results.map(|result| result.version), [1, 2, 3]);
        assert_eq!(results.map(|result| result.rows), [12, 8, 3]);
        for result in results {
            assert!(result.bytes > 0);
            assert_eq!(result.commit.len(), 64);
            assert!(result.commit.bytes().all(|digit| digit.is_ascii_hexdigit()));
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn append_and_replace_make_a_frame_that_is_missing() {
    let server = Server::start().await;
    let client = server.client().await;
    for (frame, mode) in [
        ("made/appended", PutMode::Append),
        ("made/replaced", PutMode::Replace),
    ] {
        assert_eq!(put(&client, frame, mode, rows(0..4)).await.version, 1);
        assert_eq!(get(&client, frame).await, rows(0..4));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_fails_puts_nothing_and_its_error_is_the_source() {
    let server = Server::start().await;
    let client = server.client().await;
    put(&client, "a", PutMode::Error, rows(0..3)).await;
    for frame in ["a", "missing"] {
        let broken = stream::iter([
            Ok(rows(3..1000)),
            Err(std::io::Error::other("the feed broke")),
        ]);
        let request = client.put(frame).mode(PutMode::Append);
        let error = request.send_stream(schema(), broken).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CancelledError);
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "the feed broke");
    }
    let folder = Arc::clone(server.folder());
    server.stop().await;
    let store = look_into(&folder).await;
    let frame = store.frame(&"a".to_frame_id().unwrap());
    assert_eq!(frame.snapshot(None).await.unwrap().rows(), 3);
    assert!(
        !store
            .frame(&"missing".to_frame_id().unwrap())
            .exists()
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_put_that_its_caller_gives_up_changes_nothing() {
    let server = Server::with(&["--shutdown-grace-seconds", "600"]).await;
    let client = server.client().await;
    let batch = column("blob", StringArray::from(vec!["x".repeat(1 << 20)]));
    let (mut sender, receiver) = mpsc::channel(0);
    let putting = client
        .put("a")
        .send_stream(batch.schema(), receiver.map(Ok::<_, std::io::Error>));
    // The way to the server holds about ten of them: once all are sent, it has taken some.
    let feeding = async {
        for _ in 0..24 {
            sender.send(batch.clone()).await.unwrap();
        }
    };
    tokio::select! {
        put = putting => panic!("it ended: {put:?}"),
        () = feeding => {}
    }
    assert!(!client.exists("a").await.unwrap());
    // For a call that it believes to be running, the server would wait ten minutes.
    let folder = Arc::clone(server.folder());
    server.stop().await;
    let store = look_into(&folder).await;
    assert!(
        !store
            .frame(&"a".to_frame_id().unwrap())
            .exists()
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn many_batches_are_one_commit_and_come_back_in_order() {
    let server = Server::start().await;
    let client = server.client().await;
    let (batches, size) = (150, 2000);
    let all = (0..batches).map(move |batch| rows(batch * size..(batch + 1) * size));
    let result = client.put("large").send(schema(), all).await.unwrap();
    assert_eq!((result.version, result.rows), (1, 300_000));
    let mut received = client.get("large").stream().await.unwrap();
    assert_eq!(received.schema(), schema());
    let (mut next, mut parts) = (0, 0);
    while let Some(batch) = received.try_next().await.unwrap() {
        let upto = next + i64::try_from(batch.num_rows()).unwrap();
        assert_eq!(batch, rows(next..upto));
        (next, parts) = (upto, parts + 1);
    }
    assert_eq!(next, batches * size);
    assert!(parts > 1, "300,000 rows came as one batch");
    server.stop().await;
}

#[tokio::test]
async fn no_rows_are_a_frame_too() {
    let server = Server::start().await;
    let client = server.client().await;
    let nothing: [RecordBatch; 0] = [];
    let without = client.put("without").send(schema(), nothing).await.unwrap();
    let empty = put(&client, "empty", PutMode::Error, rows(0..0)).await;
    put(&client, "emptied", PutMode::Error, rows(0..9)).await;
    let emptied = put(&client, "emptied", PutMode::Replace, rows(0..0)).await;
    assert_eq!([without, empty, emptied].map(|put| put.rows), [0, 0, 0]);
    for frame in ["without", "empty", "emptied"] {
        assert_eq!(get(&client, frame).await, rows(0..0));
        assert_eq!(client.info(frame).await.unwrap().summary.rows, 0);
        let counted = client.sql(frame, format!("select count(*) from {frame}"));
        assert_eq!(numbers(&counted.collect_one().await.unwrap()), [0]);
        put(&client, frame, PutMode::Append, rows(0..2)).await;
        assert_eq!(get(&client, frame).await, rows(0..2));
    }
    server.stop().await;
}

#[tokio::test]
async fn appended_rows_take_the_types_of_the_frame() {
    let server = Server::start().await;
    let client = server.client().await;
    put(
        &client,
        "text",
        PutMode::Error,
        column("s", StringArray::from(vec!["a"])),
    )
    .await;
    put(
        &client,
        "text",
        PutMode::Append,
        column("s", LargeStringArray::from(vec!["b"])),
    )
    .await;
    let category: DictionaryArray<arrow_array::types::Int8Type> = ["c", "c"].into_iter().collect();
    put(&client, "text", PutMode::Append, column("s", category)).await;
    let nulls = column("s", arrow_array::NullArray::new(1));
    put(&client, "text", PutMode::Append, nulls).await;
    let got = get(&client, "text").await;
    let expected = [Some("a"), Some("b"), Some("c"), Some("c"), None];
    assert_eq!(
        texts(&got, "s"),
        expected.map(|text| text.map(str::to_owned))
    );

    put(&client, "n", PutMode::Error, rows(0..2)).await;
    let loss = client.put("n").mode(PutMode::Append);
    let loss = loss
        .send_batch(column("n", StringArray::from(vec!["2"])))
        .await;
    assert_refused(
        loss,
        ErrorKind::SchemaError,
        &["`n` is string", "int64", "`Text`"],
    );
    let narrow = column("n", Int32Array::from(vec![2]));
    let narrow = client
        .put("n")
        .mode(PutMode::Append)
        .send_batch(narrow)
        .await;
    assert_refused(narrow, ErrorKind::SchemaError, &["`Text`", "missing"]);
    assert_eq!(get(&client, "n").await, rows(0..2));
    server.stop().await;
}

#[tokio::test]
async fn clients_that_write_at_once_each_get_a_version_and_lose_nothing() {
    let server = Server::start().await;
    let mut writers = Vec::new();
    for writer in 0..4 {
        let client = server.client().await;
        writers.push(async move {
            let mut versions = Vec::new();
            for put in 0..10 {
                let stamp = Stamp(writer * 100 + put);
                versions.push(
                    stamp
                        .put(&client, "a", PutMode::Append)
                        .await
                        .unwrap()
                        .version,
                );
            }
            assert!(versions.is_sorted());
            versions
        });
    }
    let mut versions = future::join_all(writers).await.concat();
    versions.sort_unstable();
    assert_eq!(versions, (1..=40).collect::<Vec<u64>>());
    let client = server.client().await;
    let mut found = stamps(&get(&client, "a").await);
    found.sort_unstable();
    let all = (0..4).flat_map(|writer| (0..10).map(move |put| Stamp(writer * 100 + put)));
    assert_eq!(found, all.collect::<Vec<_>>());
    server.stop().await;
}
