//! Puts: what is sent, how the server's refusal comes through, and that a put which broke off
//! never looks complete to the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_flight::{FlightData, PutResult};
use futures::stream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use shoots_flight::decode;
use shoots_proto::{ErrorKind, PutMode};
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};

use super::batch;
use super::double::{Answer, Double, Wire, domain_error, one};
use crate::{Error, ShootsClient};

const RESULT: &str = r#"{"version":1,"commit":"9f86","rows":3,"bytes":24}"#;

fn confirmed() -> PutResult {
    PutResult {
        app_metadata: RESULT.into(),
    }
}

/// Reads a put to its end, as the server does.
async fn read(messages: Streaming<FlightData>) -> Result<Vec<RecordBatch>, Error> {
    decode(messages.map_err(Error::from)).try_collect().await
}

#[tokio::test]
async fn a_put_sends_its_command_and_all_rows() {
    let double = Double::new().put(|_, messages| async move {
        let mut batches = decode(messages.map_err(Error::from));
        assert_eq!(batches.read_schema().await.unwrap(), batch(0).schema());
        let command = &batches.descriptor().unwrap().cmd;
        let expected = r#"{"name":"flights","bucket":"nyc","mode":"append","message":"daily","metadata":{"day":7,"source":"faa"},"request_id":"r1"}"#;
        assert_eq!(command, expected);
        let received: Vec<RecordBatch> = batches.try_collect().await.unwrap();
        assert_eq!(received, [batch(1), batch(2)]);
        one(confirmed())
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let put = client
        .put("flights")
        .bucket("nyc")
        .mode(PutMode::Append)
        .message("daily")
        .metadata("source", "faa")
        .metadata("day", 7)
        .request_id("r1")
        .send(batch(0).schema(), [batch(1), batch(2)])
        .await
        .unwrap();
    assert_eq!((put.version, put.rows), (1, 3));
    assert_eq!(put.commit, "9f86");
}

#[tokio::test]
async fn a_put_without_batches_still_sends_its_schema() {
    let double = Double::new().put(|_, messages| async move {
        let mut batches = decode(messages.map_err(Error::from));
        assert_eq!(batches.read_schema().await.unwrap(), batch(0).schema());
        assert!(batches.next().await.is_none());
        one(confirmed())
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    client
        .put("flights")
        .send(batch(0).schema(), [])
        .await
        .unwrap();
}

/// More rows than any window holds, without end.
fn endless() -> impl futures::Stream<Item = Result<RecordBatch, Error>> + Send {
    stream::iter(std::iter::repeat(batch(1 << 17))).map(Ok)
}

#[tokio::test]
async fn a_refusal_arrives_while_rows_are_still_being_sent() {
    type Refuse =
        fn(Streaming<FlightData>) -> futures::future::BoxFuture<'static, Answer<PutResult>>;
    fn exists() -> Status {
        domain_error(ErrorKind::FileExistsError, Code::AlreadyExists, "it exists")
    }
    let refusals: [Refuse; 3] = [
        // Without reading anything.
        |_| async { Err(exists()) }.boxed(),
        // In the answer's stream, after the answer began.
        |messages| {
            async {
                Ok(stream::once(async move {
                    drop(messages);
                    Err(exists())
                })
                .boxed())
            }
            .boxed()
        },
        // After some rows.
        |mut messages| {
            async move {
                for _ in 0..3 {
                    messages.message().await?;
                }
                Err(exists())
            }
            .boxed()
        },
    ];
    for refuse in refusals {
        let double = Double::new().put(move |_, messages| refuse(messages));
        let client = ShootsClient::connect(double.serve().await).await.unwrap();
        let put = client
            .put("flights")
            .send_stream(batch(0).schema(), endless());
        let put = tokio::time::timeout(Duration::from_secs(10), put);
        let error = put.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileExistsError, "{error:?}");
        assert_eq!(error.to_string(), "it exists");
        assert_eq!(double.calls(), 1);
    }
}

/// A double that reads puts and reports how each ended. The answer begins at once or only
/// when the rows were read.
fn reporting(early: bool) -> (Double, mpsc::UnboundedReceiver<Result<usize, Error>>) {
    let (report, reports) = mpsc::unbounded_channel();
    let double = Double::new().put(move |_, messages| {
        let report = report.clone();
        let reading = async move {
            let end = read(messages).await;
            let failed = end.is_err();
            let _nobody_asks = report.send(end.map(|batches| batches.len()));
            if failed {
                Err(Status::cancelled("broke off"))
            } else {
                Ok(confirmed())
            }
        };
        async move {
            // A task of its own: a cancelled call would end the reading before its end.
            let reading = tokio::spawn(reading);
            let result = async move { reading.await.unwrap() };
            if early {
                Ok(stream::once(result).boxed())
            } else {
                one(result.await?)
            }
        }
    });
    (double, reports)
}

#[tokio::test]
async fn a_put_whose_stream_fails_never_looks_complete() {
    for early in [true, false] {
        let (double, mut reports) = reporting(early);
        let client = ShootsClient::connect(double.serve().await).await.unwrap();
        let rows = stream::iter([Ok(batch(10)), Err("the source is dry"), Ok(batch(10))]);
        let put = client.put("flights").send_stream(batch(0).schema(), rows);
        let error = put.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CancelledError);
        assert_eq!(
            error.to_string(),
            "the put was abandoned and nothing changed: the source is dry"
        );
        assert!(std::error::Error::source(&error).is_some());
        let end = reports.recv().await.unwrap();
        assert!(end.is_err(), "the server read {end:?}, early {early}");
    }
}

#[tokio::test]
async fn a_put_with_a_batch_of_other_columns_never_looks_complete() {
    let (double, mut reports) = reporting(true);
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let other = batch(3).slice(0, 3).project(&[]).unwrap();
    let put = client
        .put("flights")
        .send(batch(0).schema(), [batch(1), other]);
    let error = put.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequestError, "{error:?}");
    assert!(reports.recv().await.unwrap().is_err());
}

#[tokio::test]
async fn a_put_that_its_caller_drops_never_looks_complete() {
    for early in [true, false] {
        let (double, mut reports) = reporting(early);
        let client = ShootsClient::connect(double.serve().await).await.unwrap();
        let rows = stream::iter([Ok::<_, Error>(batch(10))]).chain(stream::pending());
        let put = client.put("flights").send_stream(batch(0).schema(), rows);
        let dropped = tokio::time::timeout(Duration::from_millis(200), put).await;
        assert!(dropped.is_err());
        let end = tokio::time::timeout(Duration::from_secs(10), reports.recv()).await;
        let end = end.unwrap_or_else(|_| panic!("the server was not told, early {early}"));
        assert!(end.unwrap().is_err());
    }
}

#[tokio::test]
async fn a_slow_server_holds_the_source_back() {
    let made = Arc::new(AtomicUsize::new(0));
    let double = Double::new().put(|_, mut messages| async move {
        messages.message().await?;
        std::future::pending::<()>().await;
        drop(messages);
        one(confirmed())
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let counter = made.clone();
    let rows = endless().inspect(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let put = client.put("flights").send_stream(batch(0).schema(), rows);
    let unfinished = tokio::time::timeout(Duration::from_millis(300), put).await;
    assert!(unfinished.is_err());
    let made = made.load(Ordering::SeqCst);
    assert!(
        made < 10,
        "{made} batches were made for a server that takes none"
    );
}

/// A double that confirms from the third call on and breaks the wire before.
async fn cut_twice() -> (Double, Wire) {
    let (send, mut cut) = mpsc::unbounded_channel::<()>();
    let double = Double::new().put(move |call, messages| {
        let send = send.clone();
        async move {
            let rows: usize = read(messages)
                .await?
                .iter()
                .map(RecordBatch::num_rows)
                .sum();
            assert_eq!(rows, 3);
            if call < 2 {
                send.send(()).unwrap();
                std::future::pending::<()>().await;
            }
            one(confirmed())
        }
    });
    let wire = Wire::to(&double.serve().await).await;
    let cutter = wire.clone();
    tokio::spawn(async move {
        while cut.recv().await.is_some() {
            cutter.cut();
        }
    });
    (double, wire)
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Status::internal(error.to_string())
    }
}

#[tokio::test]
async fn a_put_whose_confirmation_is_cut_off_is_of_unknown_outcome_and_not_repeated() {
    let (double, wire) = cut_twice().await;
    let client = ShootsClient::connect(&wire.address).await.unwrap();
    let error = client
        .put("flights")
        .send_batch(batch(3))
        .await
        .unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    assert_eq!(double.calls(), 1);
}

#[tokio::test]
async fn a_put_with_a_request_id_is_repeated_until_it_is_confirmed() {
    let (double, wire) = cut_twice().await;
    let client = ShootsClient::connect(&wire.address).await.unwrap();
    let put = client
        .put("flights")
        .request_id("once")
        .send_batch(batch(3));
    assert_eq!(put.await.unwrap().version, 1);
    assert_eq!(double.calls(), 3);
}

#[tokio::test]
async fn a_put_of_a_stream_is_never_repeated() {
    let (double, wire) = cut_twice().await;
    let client = ShootsClient::connect(&wire.address).await.unwrap();
    let rows = stream::iter([Ok::<_, Error>(batch(3))]);
    let put = client
        .put("flights")
        .request_id("once")
        .send_stream(batch(0).schema(), rows);
    assert!(put.await.unwrap_err().is_outcome_unknown());
    assert_eq!(double.calls(), 1);
}

#[tokio::test]
async fn a_put_cut_off_before_its_rows_were_sent_changed_nothing() {
    let (send, mut started) = mpsc::unbounded_channel::<()>();
    let double = Double::new().put(move |_, mut messages| {
        let send = send.clone();
        async move {
            messages.message().await?;
            send.send(()).unwrap();
            std::future::pending::<()>().await;
            drop(messages);
            one(confirmed())
        }
    });
    let wire = Wire::to(&double.serve().await).await;
    let client = ShootsClient::connect(&wire.address).await.unwrap();
    let put = tokio::spawn(
        client
            .put("flights")
            .send_stream(batch(0).schema(), endless()),
    );
    started.recv().await.unwrap();
    wire.cut();
    let error = put.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnavailableError, "{error:?}");
}

#[tokio::test]
async fn a_put_without_a_result_is_not_taken_for_done() {
    let double = Double::new().put(|_, messages| async move {
        read(messages).await?;
        Ok(stream::empty().boxed())
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let error = client
        .put("flights")
        .send_batch(batch(3))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InternalError, "{error:?}");
}
