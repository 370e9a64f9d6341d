//! What callers are told when something goes wrong.

use arrow_flight::{FlightDescriptor, Ticket};
use futures::{TryStreamExt, stream};
use serde_json::json;
use shoots_flight::EncodeOptions;
use shoots_proto::ErrorKind;
use tonic::Code;

use super::peer::{Peer, assert_refused, connect, rows, told};
use crate::Config;

#[tokio::test]
async fn errors_are_told_with_their_code_and_json() {
    let mut peer = Peer::new().await;
    peer.put(json!({"name": "a"}), &[rows(0..1)]).await.unwrap();
    let again = peer
        .put(json!({"name": "a", "mode": "error"}), &[rows(1..2)])
        .await;
    assert_refused(again, Code::AlreadyExists, ErrorKind::FileExistsError);
    for (ticket, code, kind) in [
        (
            json!({"name": "b"}),
            Code::NotFound,
            ErrorKind::FileNotFoundError,
        ),
        (
            json!({"name": "a", "bucket": "b"}),
            Code::NotFound,
            ErrorKind::FileNotFoundError,
        ),
        (
            json!({"name": "b", "sql": "select 1"}),
            Code::NotFound,
            ErrorKind::FileNotFoundError,
        ),
        (
            json!({"name": "a", "as_of": 9}),
            Code::NotFound,
            ErrorKind::FileNotFoundError,
        ),
        (
            json!({"name": "a", "sql": "select * from b"}),
            Code::InvalidArgument,
            ErrorKind::DataFusionError,
        ),
        (
            json!({"name": "a", "sql": "selec"}),
            Code::InvalidArgument,
            ErrorKind::DataFusionError,
        ),
        (
            json!({"name": "a", "columns": ["x"]}),
            Code::InvalidArgument,
            ErrorKind::InvalidRequestError,
        ),
        (
            json!({"name": "../a"}),
            Code::InvalidArgument,
            ErrorKind::InvalidRequestError,
        ),
        (
            json!({"name": "a", "colour": 1}),
            Code::InvalidArgument,
            ErrorKind::InvalidRequestError,
        ),
        (
            json!({"name": "a", "sql": " ".repeat(5 << 20)}),
            Code::InvalidArgument,
            ErrorKind::InvalidRequestError,
        ),
        (
            json!([]),
            Code::InvalidArgument,
            ErrorKind::InvalidRequestError,
        ),
    ] {
        assert_refused(peer.get(ticket).await, code, kind);
    }
    let status = peer
        .get(json!({"name": "a", "limit": "x"}))
        .await
        .unwrap_err();
    assert!(told(&status).message.contains("limit"), "{status:?}");
    let mut other = rows(0..1);
    other.remove_column(0);
    let command = json!({"name": "a", "mode": "append"});
    let descriptor = FlightDescriptor::new_cmd(command.to_string());
    let options = EncodeOptions::default().with_descriptor(descriptor);
    let source = stream::iter([Ok::<_, shoots_flight::Error>(other.clone())]);
    let messages: Vec<_> = shoots_flight::encode(other.schema(), source, options)
        .try_collect()
        .await
        .unwrap();
    let answers = peer.client.do_put(stream::iter(messages)).await;
    let refused = match answers {
        Ok(answers) => answers.into_inner().try_collect::<Vec<_>>().await,
        Err(status) => Err(status),
    };
    assert_refused(refused, Code::InvalidArgument, ErrorKind::SchemaError);
}

#[tokio::test]
async fn a_name_that_is_not_there_is_told_with_the_one_that_may_be_meant() {
    let mut peer = Peer::new().await;
    for command in [
        json!({"name": "weather"}),
        json!({"name": "flights", "bucket": "nyc"}),
        json!({"name": "gone"}),
    ] {
        peer.put(command, &[rows(0..1)]).await.unwrap();
    }
    peer.act("tag", r#"{"name": "weather", "tag": "end of day"}"#)
        .await
        .unwrap();
    peer.act(
        "snapshot",
        r#"{"snapshot": "year end", "frames": [{"name": "weather"}]}"#,
    )
    .await
    .unwrap();
    peer.act("delete", r#"{"name": "gone"}"#).await.unwrap();
    for (ticket, told) in [
        (json!({"name": "wether"}), "wether; did you mean `weather`?"),
        (json!({"name": "WEATHER"}), "did you mean `weather`?"),
        (
            json!({"name": "flight", "bucket": "nyc"}),
            "did you mean `nyc/flights`?",
        ),
        (
            json!({"name": "flights", "bucket": "nyk"}),
            "did you mean `nyc/flights`?",
        ),
        (
            json!({"name": "weather", "as_of": {"tag": "end of dya"}}),
            "did you mean `end of day`?",
        ),
        (
            json!({"name": "weather", "as_of": "endofday"}),
            "did you mean `end of day`?",
        ),
    ] {
        let status = peer.get(ticket.clone()).await.unwrap_err();
        let message = told_of(&status);
        assert!(message.contains(told), "{ticket}: {message}");
    }
    for (action, request, told) in [
        (
            "describe",
            r#"{"name": "wether"}"#,
            "did you mean `weather`?",
        ),
        (
            "untag",
            r#"{"name": "weather", "tag": "end of dya"}"#,
            "did you mean `end of day`?",
        ),
        (
            "drop_snapshot",
            r#"{"snapshot": "year-end"}"#,
            "did you mean `year end`?",
        ),
        (
            "delete_bucket",
            r#"{"name": "nycc", "mode": "error"}"#,
            "did you mean `nyc`?",
        ),
    ] {
        let status = peer.act(action, request).await.unwrap_err();
        let message = told_of(&status);
        assert!(message.contains(told), "{action}: {message}");
    }
    // What was deleted is nothing that is meant.
    for name in ["gone", "gon", "planes"] {
        let status = peer.get(json!({"name": name})).await.unwrap_err();
        let message = told_of(&status);
        assert!(!message.contains("did you mean"), "{message}");
    }
}

fn told_of(status: &tonic::Status) -> String {
    told(status).message
}

#[tokio::test]
async fn the_client_of_arrow_cpp_is_told_in_its_own_way() {
    let peer = Peer::new().await;
    let mut client = connect(&peer.server, "grpc-c++/1.71.0").await;
    let status = client
        .do_get(Ticket::new(r#"{"name":"a"}"#))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    assert_eq!(told(&status).kind, ErrorKind::FileNotFoundError);
    assert_eq!(status.metadata().get("x-arrow-status").unwrap(), "5");
}

#[tokio::test]
async fn what_is_not_answered_says_so() {
    let mut peer = Peer::new().await;
    let url = "type.googleapis.com/arrow.flight.protocol.sql.CommandStatementSubstraitPlan";
    let mut any = vec![0x0a, url.len() as u8];
    any.extend(url.bytes());
    let status = peer
        .client
        .do_get(Ticket::new(any.clone()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("Substrait"));
    let descriptor = FlightDescriptor::new_cmd(any);
    let status = peer
        .client
        .get_flight_info(descriptor.clone())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let status = peer.client.poll_flight_info(descriptor).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let status = peer.client.do_exchange(stream::empty()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn messages_above_the_limit_are_refused() {
    let mut peer = Peer::with(Config {
        max_message_bytes: 10_000,
        ..Config::default()
    })
    .await;
    let outcome = peer.put(json!({"name": "a"}), &[rows(0..5000)]).await;
    assert_refused(outcome, Code::ResourceExhausted, ErrorKind::LimitError);
    peer.put(json!({"name": "a"}), &[rows(0..50)])
        .await
        .unwrap();
}
