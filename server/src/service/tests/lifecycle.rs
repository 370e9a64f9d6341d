//! How a server starts, and how it ends while calls run.

use arrow_flight::FlightData;
use futures::{TryStreamExt, stream};
use serde_json::json;
use shoots_proto::ErrorKind;
use tonic::{Code, Status};

use super::peer::{Peer, assert_refused, encoded, rows, told};
use crate::{Config, Server};

#[tokio::test]
async fn the_shutdown_action_answers_and_ends_the_server() {
    let mut peer = Peer::new().await;
    assert_eq!(
        peer.act("shutdown", "{}").await.unwrap(),
        r#"["shutdown command received"]"#
    );
    peer.server.wait().await.unwrap();
    assert_eq!(
        peer.act("ping", "").await.unwrap_err().code(),
        Code::Unavailable
    );
}

#[tokio::test]
async fn running_calls_may_finish_when_the_server_is_stopped() {
    let mut peer = Peer::new().await;
    let messages = encoded(&json!({"name": "a"}), &[rows(0..3)]).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let receiver = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let answers = peer.client.do_put(receiver).await.unwrap();
    let mut messages = messages.into_iter();
    sender.send(messages.next().unwrap()).await.unwrap();
    peer.act("shutdown", "").await.unwrap();
    for message in messages {
        sender.send(message).await.unwrap();
    }
    drop(sender);
    let answers: Vec<_> = answers.into_inner().try_collect().await.unwrap();
    assert_eq!(answers.len(), 1);
    peer.server.wait().await.unwrap();
}

#[tokio::test]
async fn calls_that_outlast_the_grace_period_are_ended() {
    let mut peer = Peer::with(Config {
        shutdown_grace_seconds: 0,
        ..Config::default()
    })
    .await;
    let answers = peer
        .client
        .do_put(stream::pending::<FlightData>())
        .await
        .unwrap();
    peer.server.shutdown().await.unwrap();
    let outcome: Result<Vec<_>, Status> = answers.into_inner().try_collect().await;
    assert_refused(outcome, Code::Unavailable, ErrorKind::UnavailableError);
}

#[tokio::test]
async fn a_panic_on_the_threads_of_queries_is_an_internal_error_of_its_call_alone() {
    let mut peer = Peer::new().await;
    peer.put(json!({"name": "a"}), &[rows(0..3)]).await.unwrap();
    let going_on = peer.get(json!({"name": "a"})).await.unwrap();
    let column = going_on.schema().field(0).name().clone();
    for _ in 0..3 {
        let sql = format!("select panic_now({column}) as never from a");
        let outcome = peer.get(json!({"name": "a", "sql": sql})).await;
        let told = told(outcome.as_ref().unwrap_err());
        assert!(
            told.message.contains("asked for by a query"),
            "{}",
            told.message
        );
        assert_refused(outcome, Code::Internal, ErrorKind::InternalError);
        let resampled = json!({"source": "a", "target": "b", "sql": sql, "mode": "replace"});
        let outcome = peer.act("resample", &resampled.to_string()).await;
        assert_refused(outcome, Code::Internal, ErrorKind::InternalError);
    }
    assert_eq!(peer.get(json!({"name": "a"})).await.unwrap(), going_on);
    let counted = peer
        .get(json!({"name": "a", "sql": "select count(*) from a"}))
        .await;
    assert_eq!(counted.unwrap().num_rows(), 1);
    let missing = peer.get(json!({"name": "b"})).await;
    assert_refused(missing, Code::NotFound, ErrorKind::FileNotFoundError);
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let peer = Peer::new().await;
    let taken = Config {
        host: "127.0.0.1".into(),
        port: peer.server.address().port(),
        bucket_dir: "memory://".into(),
        ..Config::default()
    };
    let error = Server::start(taken).await.unwrap_err().to_string();
    assert!(error.contains("cannot listen on 127.0.0.1:"), "{error}");
    let useless = Config {
        port: 0,
        bucket_dir: "memory://".into(),
        query_seconds: 0,
        ..Config::default()
    };
    let error = Server::start(useless).await.unwrap_err().to_string();
    assert!(error.contains("query_seconds is 0"), "{error}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let unusable = Config {
        port: 0,
        bucket_dir: file.path().join("buckets").to_str().unwrap().to_owned(),
        ..Config::default()
    };
    let error = Server::start(unusable).await.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot use ") && error.contains("buckets"),
        "{error}"
    );
}
