//! Every kind of failure that a user can meet, with its gRPC code and its words, and that it changes nothing.

use std::sync::Arc;

use arrow_array::types::IntervalMonthDayNanoType;
use arrow_array::{ArrayRef, IntervalMonthDayNanoArray, RecordBatch};
use arrow_schema::{DataType, Field, Fields, IntervalUnit, Schema, UnionFields, UnionMode};
use futures::stream;
use shoots_client::{Error, ErrorKind, PutMode, PutResult, ShootsClient};

use crate::refusal::{assert_not_sent, assert_refused};
use crate::rows::{get, put, rows, schema};
use crate::server::{Server, files};

/// A put whose rows never come: only a server that refuses without them answers it.
async fn put_without_rows(
    client: &ShootsClient,
    frame: &str,
    mode: PutMode,
    schema: Schema,
) -> Result<PutResult, Error> {
    let rows = stream::pending::<Result<RecordBatch, std::io::Error>>();
    client
        .put(frame)
        .mode(mode)
        .send_stream(Arc::new(schema), rows)
        .await
}

#[tokio::test]
async fn what_is_missing_is_said_by_name() {
    let server = Server::start().await;
    let client = server.client().await;
    put(&client, "nyc/a", PutMode::Error, rows(0..3)).await;
    let before = files(server.folder().path());
    let kind = ErrorKind::FileNotFoundError;
    for frame in ["b", "nyc/b", "rome/a", "a"] {
        assert_refused(client.get(frame).collect_one().await, kind, &[frame]);
        assert_refused(
            client.sql(frame, "select 1").collect_one().await,
            kind,
            &[frame],
        );
        assert_refused(client.get(frame).describe().await, kind, &[frame]);
        assert_refused(client.schema(frame).await, kind, &[frame]);
        assert_refused(client.info(frame).await, kind, &[frame]);
        assert_refused(client.delete(frame).await, kind, &[frame]);
    }
    assert_eq!(files(server.folder().path()), before);
    server.stop().await;
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_by_field() {
    let server = Server::start().await;
    let client = server.client().await;
    put(&client, "a", PutMode::Error, rows(0..3)).await;
    let kind = ErrorKind::InvalidRequestError;
    let unknown = client.get("a").columns(["n", "N"]).collect_one().await;
    assert_refused(unknown, kind, &["columns", "N"]);
    let twice = client.get("a").columns(["n", "n"]).collect_one().await;
    assert_refused(twice, kind, &["ticket: columns", "`n` twice"]);
    for id in [String::new(), "x".repeat(129)] {
        let put = client.put("a").mode(PutMode::Append).request_id(id);
        let refused = put.send_batch(rows(0..1)).await;
        assert_refused(refused, kind, &["put command: request_id", "128"]);
    }
    let other = [RecordBatch::try_from_iter([("x", rows(0..1).column(0).clone())]).unwrap()];
    let unlike = client.put("b").send(schema(), other).await;
    assert_not_sent(unlike, kind, &["schema"]);
    assert!(!client.exists("b").await.unwrap());
    assert_eq!(get(&client, "a").await, rows(0..3));
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_before_any_row() {
    let server = Server::start().await;
    let client = server.client().await;
    put(&client, "a", PutMode::Error, rows(0..3)).await;
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let union = UnionFields::try_new([0], [field("x", DataType::Int8)]).unwrap();
    let ends = Arc::new(Field::new("run_ends", DataType::Int32, false));
    let unsupported = [
        field("months", DataType::Interval(IntervalUnit::MonthDayNano)),
        field("union", DataType::Union(union, UnionMode::Dense)),
        field("hollow", DataType::Struct(Fields::empty())),
        field(
            "runs",
            DataType::RunEndEncoded(ends, Arc::new(field("values", DataType::Int8))),
        ),
        field(
            "deep",
            DataType::new_list(DataType::Struct(Fields::empty()), true),
        ),
    ];
    let kind = ErrorKind::SchemaError;
    for (frame, mode) in [
        ("b", PutMode::Error),
        ("b", PutMode::Append),
        ("a", PutMode::Replace),
    ] {
        for column in &unsupported {
            let schema = Schema::new(vec![field("n", DataType::Int64), column.clone()]);
            let refused = put_without_rows(&client, frame, mode, schema).await;
            assert_refused(refused, kind, &[column.name()]);
        }
        let all = put_without_rows(&client, frame, mode, Schema::new(unsupported.to_vec())).await;
        assert_refused(all, kind, &["months", "union", "hollow", "runs", "deep"]);
        let double = Schema::new(vec![
            field("twin", DataType::Int8),
            field("twin", DataType::Int8),
        ]);
        let double = put_without_rows(&client, frame, mode, double).await;
        assert_refused(double, kind, &["twin", "more than once"]);
        let bare = put_without_rows(&client, frame, mode, Schema::empty()).await;
        assert_refused(bare, kind, &["at least one column"]);
    }
    let rows_too: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![
        IntervalMonthDayNanoType::make_value(1, 2, 3),
    ]));
    let batch = RecordBatch::try_from_iter([("months", rows_too)]).unwrap();
    assert_refused(client.put("b").send_batch(batch).await, kind, &["months"]);
    assert!(!client.exists("b").await.unwrap());
    assert_eq!(get(&client, "a").await, rows(0..3));
    server.stop().await;
}

#[tokio::test]
async fn a_put_that_does_not_suit_the_frame_is_refused_before_any_row() {
    let server = Server::start().await;
    let client = server.client().await;
    put(&client, "a", PutMode::Error, rows(0..3)).await;
    let schema = || schema().as_ref().clone();
    let exists = put_without_rows(&client, "a", PutMode::Error, schema()).await;
    assert_refused(exists, ErrorKind::FileExistsError, &["a exists"]);
    let strange = Schema::new(vec![
        Field::new("n", DataType::Utf8, false),
        Field::new("Text", DataType::Boolean, false),
        Field::new("more", DataType::Int8, true),
    ]);
    let strange = put_without_rows(&client, "a", PutMode::Append, strange).await;
    assert_refused(
        strange,
        ErrorKind::SchemaError,
        &["`n`", "`Text`", "`more`"],
    );
    assert_eq!(client.info("a").await.unwrap().summary.version, Some(1));
    server.stop().await;
}

#[tokio::test]
async fn a_read_only_server_refuses_every_change_and_answers_the_rest() {
    let server = Server::start().await;
    put(&server.client().await, "nyc/a", PutMode::Error, rows(0..3)).await;
    let folder = Arc::clone(server.folder());
    server.stop().await;
    let before = files(folder.path());
    let server = Server::on(&folder, &["--read-only"]).await;
    let client = server.client().await;
    let kind = ErrorKind::ReadOnlyError;
    for mode in [PutMode::Error, PutMode::Append, PutMode::Replace] {
        let put = put_without_rows(&client, "nyc/a", mode, schema().as_ref().clone()).await;
        assert_refused(put, kind, &["read-only"]);
    }
    assert_refused(client.delete("nyc/a").await, kind, &["read-only"]);
    let mode = shoots_client::BucketDeleteMode::Delete;
    assert_refused(
        client.delete_bucket("nyc", mode).await,
        kind,
        &["read-only"],
    );
    assert_eq!(get(&client, "nyc/a").await, rows(0..3));
    assert_eq!(client.list().all_buckets().send().await.unwrap().len(), 1);
    server.stop().await;
    assert_eq!(files(folder.path()), before);
}

#[tokio::test]
async fn a_server_on_a_nearly_full_disk_refuses_puts_and_answers_the_rest() {
    let server = Server::start().await;
    put(&server.client().await, "a", PutMode::Error, rows(0..3)).await;
    let folder = Arc::clone(server.folder());
    server.stop().await;
    let more_than_any_disk = i64::MAX.to_string();
    let server = Server::on(&folder, &["--low-space-bytes", &more_than_any_disk]).await;
    let client = server.client().await;
    for (frame, mode) in [("a", PutMode::Append), ("b", PutMode::Error)] {
        let put = put_without_rows(&client, frame, mode, schema().as_ref().clone()).await;
        let words = ["low_space_bytes", "bytes free"];
        assert_refused(put, ErrorKind::NoSpaceError, &words);
    }
    assert_eq!(get(&client, "a").await, rows(0..3));
    client.delete("a").await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn queries_that_ask_too_much_meet_limits() {
    let server = Server::with(&["--query-seconds", "1", "--query-memory-bytes", "2000000"]).await;
    let client = server.client().await;
    put(&client, "a", PutMode::Error, rows(0..2000)).await;
    let greedy = "select array_agg(x.n + y.n) from a x cross join a y";
    let greedy = client.sql("a", greedy).collect_one().await;
    assert_refused(greedy, ErrorKind::LimitError, &["memory"]);
    let endless = "select count(*) from a x, a y, a z, a w where x.n + y.n + z.n + w.n = 1";
    let endless = client.sql("a", endless).collect_one().await;
    assert_refused(endless, ErrorKind::LimitError, &["1 s"]);
    assert_eq!(get(&client, "a").await, rows(0..2000));
    server.stop().await;
}

#[tokio::test]
async fn damage_is_told_from_absence() {
    let server = Server::start().await;
    let client = server.client().await;
    put(&client, "a", PutMode::Error, rows(0..5000)).await;
    put(&client, "b", PutMode::Error, rows(0..5)).await;
    let folder = Arc::clone(server.folder());
    server.stop().await;
    let segments = files(&folder.path().join("_default/a/segments"));
    let mut bytes = std::fs::read(&segments[0].0).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    std::fs::write(&segments[0].0, bytes).unwrap();
    let server = Server::on(&folder, &[]).await;
    let client = server.client().await;
    let cut = client.get("a").collect_one().await;
    assert_refused(cut, ErrorKind::DamagedError, &["segments"]);
    std::fs::remove_file(&segments[0].0).unwrap();
    let gone = client.get("a").collect_one().await;
    assert_refused(gone, ErrorKind::DamagedError, &["segments"]);
    assert_eq!(client.list().send().await.unwrap().len(), 2);
    assert_eq!(get(&client, "b").await, rows(0..5));
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_gone_is_unavailable() {
    let server = Server::start().await;
    let client = server.client().await;
    client.ping().await.unwrap();
    let url = server.url();
    server.kill().await;
    let ping = client.ping().await.unwrap_err();
    assert_eq!(ping.kind(), ErrorKind::UnavailableError);
    let put = client.put("a").send_batch(rows(0..1)).await.unwrap_err();
    assert_eq!(put.kind(), ErrorKind::UnavailableError);
    let error = ShootsClient::connect(url.clone()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::UnavailableError, None)
    );
    assert!(error.to_string().contains(&url), "{error}");
}
