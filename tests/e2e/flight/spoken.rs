//! The contract as other clients speak it: actions, descriptors, listings, and how errors are told.

use std::ops::Range;

use arrow_flight::{Empty, FlightDescriptor, FlightInfo, HandshakeRequest};
use futures::{TryStreamExt, stream};
use serde_json::{Value, json};
use shoots_client::ErrorKind;
use shoots_proto::PutResult;
use shoots_proto::action::ACTIONS;
use tonic::Code;

use crate::peer::{Peer, assert_status, messages, summary, told, without_call};
use crate::rows::{rows, schema};
use crate::server::Server;

/// Puts rows as the older Python client does.
async fn put(
    peer: &mut Peer,
    name: &str,
    bucket: Value,
    mode: &str,
    range: Range<i64>,
) -> PutResult {
    let command = json!({"name": name, "mode": mode, "bucket": bucket, "batch_size": 10_000});
    let messages = messages(&command, schema(), vec![rows(range)]).await;
    peer.put(stream::iter(messages)).await.unwrap()
}

fn path(parts: &[&str]) -> FlightDescriptor {
    FlightDescriptor::new_path(parts.iter().map(ToString::to_string).collect())
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

#[tokio::test]
async fn the_calls_of_the_older_python_client_are_answered() {
    let server = Server::start().await;
    let mut peer = Peer::of(&server).await;
    put(&mut peer, "a", Value::Null, "error", 0..3).await;
    put(&mut peer, "a", Value::Null, "append", 3..5).await;
    put(&mut peer, "a", json!("nyc"), "replace", 7..9).await;
    assert_eq!(
        peer.get(r#"{"name":"a","bucket":null}"#).await.unwrap(),
        rows(0..5)
    );
    let ticket = r#"{"name":"a","bucket":"nyc","sql":"select * from a where n > 7"}"#;
    assert_eq!(peer.get(ticket).await.unwrap(), rows(8..9));
    let paths = |infos: Vec<FlightInfo>| -> Vec<Vec<String>> {
        infos
            .into_iter()
            .map(|info| info.flight_descriptor.unwrap().path)
            .collect()
    };
    let null = peer.list(r#"{"bucket":null,"regex":null}"#).await.unwrap();
    assert_eq!(paths(null), [["a"]]);
    let nyc = peer.list(r#"{"bucket":"nyc","regex":null}"#).await.unwrap();
    assert_eq!(paths(nyc), [["a", "nyc"]]);
    let every = peer.list("").await.unwrap();
    assert_eq!(
        every
            .iter()
            .map(|info| info.total_records)
            .collect::<Vec<_>>(),
        [5, 2]
    );
    assert!(every.iter().all(|info| info.total_bytes > 0));
    assert_eq!(paths(every), [vec!["a"], vec!["a", "nyc"]]);
    assert_eq!(peer.act("buckets", "{}").await.unwrap(), r#"["nyc"]"#);
    assert_eq!(peer.act("ping", "").await.unwrap(), "pong");
    let kept = peer
        .act("delete_bucket", r#"{"name":"nyc","mode":"error"}"#)
        .await;
    assert_status(kept, ErrorKind::BucketNotEmptyError, &["nyc"]);
    let deleted = peer
        .act("delete", r#"{"name":"a","bucket":"nyc"}"#)
        .await
        .unwrap();
    let deleted: Value = serde_json::from_slice(&deleted).unwrap();
    assert_eq!(deleted["success"], true);
    assert!(deleted["message"].is_string());
    let gone = peer
        .act("delete_bucket", r#"{"name":"nyc"}"#)
        .await
        .unwrap();
    let gone: Value = serde_json::from_slice(&gone).unwrap();
    assert!(gone["message"].is_string());
    let stopped = peer.act("shutdown", "{}").await.unwrap();
    assert_eq!(text(&stopped), r#"["shutdown command received"]"#);
    server.ended().await;
}

#[tokio::test]
async fn every_action_is_listed_and_others_are_refused_by_name() {
    let server = Server::start().await;
    let mut peer = Peer::of(&server).await;
    let listed = peer
        .flight
        .list_actions(Empty {})
        .await
        .unwrap()
        .into_inner();
    let listed: Vec<_> = listed.try_collect().await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|action| (&*action.r#type, &*action.description))
        .collect();
    let known: Vec<_> = ACTIONS
        .iter()
        .map(|action| (action.name, action.description))
        .collect();
    let (own, sql) = listed.split_at(known.len());
    assert_eq!(own, known);
    assert!(
        sql.iter()
            .any(|(name, _)| *name == "CreatePreparedStatement")
    );
    assert!(
        sql.iter()
            .all(|(_, about)| about.starts_with("Flight SQL: "))
    );
    for name in ["explode", "", "DELETE", "delete "] {
        let refused = peer.act(name, "{}").await;
        let words: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        assert_status(refused, ErrorKind::InvalidRequestError, &words);
    }
    server.stop().await;
}

#[tokio::test]
async fn descriptors_lead_to_tickets_that_deliver_what_was_described() {
    let server = Server::start().await;
    let mut peer = Peer::of(&server).await;
    put(&mut peer, "a", json!("nyc"), "error", 0..2).await;
    let command = |ticket: Value| FlightDescriptor::new_cmd(ticket.to_string());
    for (descriptor, records, expected) in [
        (path(&["a"]), 10, rows(0..10)),
        (path(&["a", "nyc"]), 2, rows(0..2)),
        (
            command(json!({"name": "a", "bucket": null})),
            10,
            rows(0..10),
        ),
        (
            command(json!({"name": "a", "offset": 8, "limit": 9})),
            2,
            rows(8..10),
        ),
        (
            command(json!({"name": "a", "columns": ["n"]})),
            10,
            rows(0..10).project(&[0]).unwrap(),
        ),
        (
            command(json!({"name": "a", "sql": "select * from a where n = 4"})),
            -1,
            rows(4..5),
        ),
    ] {
        put(&mut peer, "a", Value::Null, "replace", 0..10).await;
        let info = peer.info(descriptor.clone()).await.unwrap();
        assert_eq!(info.total_records, records);
        let said = shoots_flight::read_schema_message(&info.schema).unwrap();
        assert_eq!(info.flight_descriptor, Some(descriptor));
        assert_eq!(info.endpoint.len(), 1);
        // What is put afterwards is not what was described.
        put(&mut peer, "a", Value::Null, "append", 10..11).await;
        let ticket = info.endpoint[0].ticket.clone().unwrap().ticket;
        let got = peer.get(ticket).await.unwrap();
        assert_eq!((got.schema().as_ref(), &got), (&said, &expected));
    }
    let newest = put(&mut peer, "a", Value::Null, "append", 11..12).await;
    let described = summary(&peer.info(path(&["a"])).await.unwrap());
    assert_eq!(described.version, Some(newest.version));
    assert_eq!(described.commit, Some(newest.commit));
    for missing in [path(&["b"]), path(&["a", "rome"])] {
        assert_status(peer.info(missing).await, ErrorKind::FileNotFoundError, &[]);
    }
    for bad in [
        path(&[]),
        path(&["a", "b", "c"]),
        path(&["../a"]),
        path(&["a", ".."]),
        FlightDescriptor::default(),
    ] {
        assert_status(peer.info(bad).await, ErrorKind::InvalidRequestError, &[]);
    }
    server.stop().await;
}

#[tokio::test]
async fn errors_are_told_to_arrows_cpp_client_in_its_own_way() {
    let server = Server::start().await;
    let mut python = Peer::named(
        server.address(),
        "grpc-c++/1.71.0 grpc-c/46.0.0 (linux; chttp2)",
    )
    .await;
    let mut go = Peer::named(server.address(), "grpc-go/1.60.0").await;
    for (ticket, kind) in [
        (r#"{"name":"a"}"#, ErrorKind::FileNotFoundError),
        (r#"{"name":"a/b"}"#, ErrorKind::InvalidRequestError),
    ] {
        let status = python.get(ticket).await.unwrap_err();
        assert_eq!((status.code(), told(&status).kind), (Code::Unknown, kind));
        assert_eq!(status.metadata().get("x-arrow-status").unwrap(), "5");
        let message = status
            .metadata()
            .get_bin("x-arrow-status-message-bin")
            .unwrap();
        assert_eq!(text(&message.to_bytes().unwrap()), told(&status).message);
        let other = go.get(ticket).await;
        let (one, another) = (told(&status), told(other.as_ref().unwrap_err()));
        assert_eq!(without_call(&one.message), without_call(&another.message));
        assert_ne!(
            one.message, another.message,
            "each call has an id of its own"
        );
        assert_status(other, kind, &[]);
    }
    server.stop().await;
}

#[tokio::test]
async fn calls_that_are_not_offered_say_so() {
    let server = Server::start().await;
    let mut peer = Peer::of(&server).await;
    let url = "type.googleapis.com/arrow.flight.protocol.sql.CommandStatementSubstraitPlan";
    let mut any = vec![0x0a, u8::try_from(url.len()).unwrap()];
    any.extend(url.bytes());
    let sql = peer.get(any.clone()).await.unwrap_err();
    assert_eq!(sql.code(), Code::Unimplemented);
    assert!(sql.message().contains("Substrait"), "{sql:?}");
    let info = peer.info(FlightDescriptor::new_cmd(any)).await.unwrap_err();
    let poll = peer
        .flight
        .poll_flight_info(path(&["a"]))
        .await
        .unwrap_err();
    let exchange = peer.flight.do_exchange(stream::empty()).await.unwrap_err();
    for status in [info, poll, exchange] {
        assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
    }
    let hello = HandshakeRequest {
        protocol_version: 0,
        payload: "token".into(),
    };
    let answers = peer
        .flight
        .handshake(stream::iter([hello]))
        .await
        .unwrap()
        .into_inner();
    let answers: Vec<_> = answers.try_collect().await.unwrap();
    assert_eq!(answers.len(), 1);
    server.stop().await;
}
