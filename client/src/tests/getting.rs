//! Gets, listings and descriptions, and what their answers mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow_flight::{FlightData, FlightDescriptor, FlightInfo};
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use shoots_flight::{EncodeOptions, encode};
use shoots_proto::{AsOf, ErrorKind};
use tonic::{Code, Status};

use super::batch;
use super::double::{Double, domain_error, one};
use crate::{Error, ShootsClient};

/// A get's answer: one batch of this many rows.
pub(crate) async fn rows(rows: i64) -> BoxStream<'static, Result<FlightData, Status>> {
    let batch = batch(rows);
    let source = stream::iter([Ok::<_, Error>(batch.clone())]);
    encode(batch.schema(), source, EncodeOptions::default())
        .map_err(|error| Status::internal(error.to_string()))
        .boxed()
}

#[tokio::test]
async fn a_ticket_says_all_that_was_asked_for() {
    let double = Double::new().get(|_, ticket| async move {
        let expected = r#"{"name":"flights","bucket":"nyc","sql":"select 1","columns":["a","b"],"limit":5,"offset":2,"as_of":{"version":-1}}"#;
        assert_eq!(ticket.ticket, expected);
        Ok(rows(1).await)
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    client
        .sql("flights", "select 1")
        .bucket("nyc")
        .columns(["a", "b"])
        .limit(5)
        .offset(2)
        .as_of(AsOf::Version(-1))
        .collect()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_bad_name_is_refused_before_anything_is_sent() {
    let double = Double::new();
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let errors = [
        client.get("a/b/c").collect().await.unwrap_err(),
        client
            .get("flights")
            .bucket("..")
            .collect()
            .await
            .unwrap_err(),
        client.put("").send_batch(batch(1)).await.unwrap_err(),
        client
            .put("x")
            .bucket("a/b")
            .send_batch(batch(1))
            .await
            .unwrap_err(),
        client.list().bucket("").send().await.unwrap_err(),
        client.info("..").await.unwrap_err(),
        client.delete("").await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::InvalidRequestError, "{error}");
    }
    assert_eq!(double.calls(), 0);
}

#[tokio::test]
async fn the_schema_is_there_without_any_batch() {
    let double = Double::new().get(|_, _| async {
        let messages: Vec<_> = rows(1).await.take(1).collect().await;
        Ok(stream::iter(messages).boxed())
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let batches = client.get("flights").stream().await.unwrap();
    assert_eq!(batches.schema(), batch(0).schema());
    let one = batches.into_one_batch().await.unwrap();
    assert_eq!(one, batch(0));
    assert!(client.get("flights").collect().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_servers_error_is_the_clients_error() {
    let double = Double::new().get(|_, _| async {
        Err(domain_error(
            ErrorKind::DataFusionError,
            Code::InvalidArgument,
            "no column `x`",
        ))
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let error = client
        .sql("flights", "select x")
        .collect()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataFusionError);
    assert_eq!(error.to_string(), "no column `x`");
    assert_eq!(error.code(), Some(Code::InvalidArgument));
}

#[tokio::test]
async fn a_slow_reader_holds_the_sender_back() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let double = Double::new().get(move |_, _| {
        let counter = counter.clone();
        async move {
            let big = batch(1 << 17);
            let source = stream::iter(std::iter::repeat_n(big.clone(), 1000)).map(move |batch| {
                counter.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Error>(batch)
            });
            let messages = encode(big.schema(), source, EncodeOptions::default());
            Ok(messages
                .map_err(|error| Status::internal(error.to_string()))
                .boxed())
        }
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let mut batches = client.get("flights").stream().await.unwrap();
    batches.try_next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    // One mebibyte each: the window holds eight, buffers at both ends a few more.
    let made = made.load(Ordering::SeqCst);
    assert!(made < 20, "{made} batches were made for one that was taken");
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_given_up() {
    let double =
        Double::new().get(|_, _| async { Ok(rows(2).await.chain(stream::pending()).boxed()) });
    let client = ShootsClient::builder(double.serve().await)
        .idle_timeout(Duration::from_millis(100))
        .connect()
        .await
        .unwrap();
    let mut batches = client.get("flights").stream().await.unwrap();
    batches.try_next().await.unwrap().unwrap();
    let error = batches.try_next().await.unwrap_err();
    assert_eq!(error.to_string(), "no answer to get within 100ms");
    assert!(batches.next().await.is_none());
}

#[tokio::test]
async fn a_message_above_the_limit_is_a_limit_error() {
    let double = Double::new().get(|_, _| async { Ok(rows(100_000).await) });
    let client = ShootsClient::builder(double.serve().await)
        .max_message_bytes(10_000)
        .connect()
        .await
        .unwrap();
    let error = client.get("flights").collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitError, "{error:?}");
}

#[tokio::test]
async fn nonsense_from_the_server_is_an_internal_error() {
    let double = Double::new()
        .get(|_, _| async { one(FlightData::new().with_data_header("nonsense")) })
        .action(|_, _| async { one(arrow_flight::Result::new("nonsense")) });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let errors = [
        client.get("flights").collect().await.unwrap_err(),
        client.ping().await.unwrap_err(),
        client.buckets().await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::InternalError, "{error}");
    }
}

fn info(path: &[&str], records: i64, summary: &'static str) -> FlightInfo {
    let path = path.iter().map(|part| part.to_string()).collect();
    let schema = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
    let mut info = FlightInfo::new()
        .with_descriptor(FlightDescriptor::new_path(path))
        .with_total_records(records)
        .with_app_metadata(summary);
    info.schema = shoots_flight::schema_message(&schema).unwrap();
    info
}

const SUMMARY: &str = r#"{"version":3,"commit":"9f86","rows":10,"bytes":20,"segments":1}"#;

#[tokio::test]
async fn a_listing_asks_for_what_was_said_and_reads_every_frame() {
    let double = Double::new().list(|_, criteria| async move {
        assert_eq!(criteria.expression, r#"{"regex":"^f","all_buckets":true}"#);
        Ok(stream::iter([
            Ok(info(&["flights"], 10, SUMMARY)),
            Ok(info(&["flights", "nyc"], 10, SUMMARY)),
        ])
        .boxed())
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let found = client
        .list()
        .pattern("^f")
        .all_buckets()
        .send()
        .await
        .unwrap();
    let names: Vec<String> = found.iter().map(|info| info.frame.to_string()).collect();
    assert_eq!(names, ["flights", "nyc/flights"]);
    assert_eq!(found[0].summary.version, Some(3));
    assert_eq!(found[0].schema.field(0).name(), "n");
}

#[tokio::test]
async fn a_listing_without_words_is_that_of_the_default_bucket() {
    let double = Double::new().list(|_, criteria| async move {
        assert_eq!(criteria.expression, "{}");
        Ok(stream::empty().boxed())
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    assert!(client.list().send().await.unwrap().is_empty());
}

#[tokio::test]
async fn infos_descriptions_and_schemas_are_read() {
    let double = Double::new().info(|_, descriptor| async move {
        match &descriptor.cmd[..] {
            b"" => one(info(&["flights", "nyc"], 10, SUMMARY)),
            command => {
                let expected = br#"{"name":"flights","bucket":"nyc","sql":"select 1"}"#;
                assert_eq!(Bytes::copy_from_slice(command), &expected[..]);
                one(info(&[], -1, SUMMARY))
            }
        }
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let frame = client.info(("nyc", "flights")).await.unwrap();
    assert_eq!(frame.frame.to_string(), "nyc/flights");
    assert_eq!(frame.summary.rows, 10);

    let described = client
        .sql("nyc/flights", "select 1")
        .describe()
        .await
        .unwrap();
    assert_eq!(described.rows, None);
    assert_eq!(described.frame.commit.as_deref(), Some("9f86"));
    let schema = client
        .sql("nyc/flights", "select 1")
        .schema()
        .await
        .unwrap();
    assert_eq!(schema, described.schema);
}

#[tokio::test]
async fn only_not_found_means_that_a_frame_does_not_exist() {
    let double = Double::new().info(|_, descriptor| async move {
        match descriptor.path[0].as_str() {
            "there" => one(info(&["there"], 1, SUMMARY)),
            "missing" => Err(domain_error(
                ErrorKind::FileNotFoundError,
                Code::NotFound,
                "no",
            )),
            _ => Err(domain_error(
                ErrorKind::DamagedError,
                Code::DataLoss,
                "rotten",
            )),
        }
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    assert!(client.exists("there").await.unwrap());
    assert!(!client.exists("missing").await.unwrap());
    let error = client.exists("damaged").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DamagedError);
}
