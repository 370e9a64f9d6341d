//! Listings, actions, and servers that only read.

use arrow_flight::{Empty, FlightInfo};
use futures::TryStreamExt;
use serde_json::{Value, json};
use shoots_proto::ErrorKind;
use shoots_proto::action::ACTIONS;
use tonic::Code;

use super::peer::{Peer, assert_refused, connect, rows, schema, told};
use crate::{Config, Server};

#[tokio::test]
async fn listings_choose_by_bucket_and_pattern() {
    let mut peer = Peer::new().await;
    for (name, bucket) in [
        ("weather", None),
        ("flights", None),
        ("weather", Some("nyc")),
        ("planes", Some("nyc")),
    ] {
        peer.put(json!({"name": name, "bucket": bucket}), &[rows(0..3)])
            .await
            .unwrap();
    }
    let paths = |infos: Vec<FlightInfo>| -> Vec<String> {
        infos
            .into_iter()
            .map(|i| i.flight_descriptor.unwrap().path.join("@"))
            .collect()
    };
    for (criteria, expected) in [
        ("", vec!["flights", "weather", "planes@nyc", "weather@nyc"]),
        (
            r#"{"bucket":null,"regex":null}"#,
            vec!["flights", "weather"],
        ),
        (
            r#"{"bucket":"nyc","regex":null}"#,
            vec!["planes@nyc", "weather@nyc"],
        ),
        (r#"{"bucket":"nyc","regex":"^w.*r$"}"#, vec!["weather@nyc"]),
        (
            r#"{"all_buckets":true,"regex":"eat"}"#,
            vec!["weather", "weather@nyc"],
        ),
        (r#"{"regex":"nothing"}"#, vec![]),
    ] {
        let infos = peer.list(criteria).await.unwrap();
        for info in &infos {
            assert_eq!(info.total_records, 3);
            assert!(info.total_bytes > 0);
            let summary: Value = serde_json::from_slice(&info.app_metadata).unwrap();
            assert_eq!(
                (&summary["rows"], &summary["segments"]),
                (&json!(3), &json!(1))
            );
            let announced = shoots_flight::read_schema_message(&info.schema).unwrap();
            assert_eq!(announced, *schema());
        }
        assert_eq!(paths(infos), expected, "{criteria}");
    }
    let unknown = peer.list(r#"{"bucket":"rome"}"#).await;
    assert_refused(unknown, Code::NotFound, ErrorKind::FileNotFoundError);
    let status = peer.list(r#"{"regex":"("}"#).await.unwrap_err();
    assert_eq!(told(&status).kind, ErrorKind::InvalidRequestError);
    assert!(told(&status).message.contains("regex"));
}

#[tokio::test]
async fn actions_do_what_they_say() {
    let mut peer = Peer::new().await;
    peer.put(json!({"name": "a", "bucket": "b"}), &[rows(0..1)])
        .await
        .unwrap();
    assert_eq!(peer.act("ping", "").await.unwrap(), "pong");
    assert_eq!(peer.act("buckets", "{}").await.unwrap(), r#"["b"]"#);
    let kept = peer
        .act("delete_bucket", r#"{"name":"b","mode":"error"}"#)
        .await;
    assert_refused(
        kept,
        Code::FailedPrecondition,
        ErrorKind::BucketNotEmptyError,
    );
    let deleted = peer
        .act("delete", r#"{"name":"a","bucket":"b"}"#)
        .await
        .unwrap();
    let deleted: Value = serde_json::from_str(&deleted).unwrap();
    assert_eq!(deleted["success"], true);
    let again = peer.act("delete", r#"{"name":"a","bucket":"b"}"#).await;
    assert_refused(again, Code::NotFound, ErrorKind::FileNotFoundError);
    assert_eq!(peer.act("buckets", "").await.unwrap(), r#"["b"]"#);
    peer.put(json!({"name": "a", "bucket": "b"}), &[rows(0..1)])
        .await
        .unwrap();
    let gone = peer
        .act("delete_bucket", r#"{"name":"b","mode":"delete"}"#)
        .await
        .unwrap();
    assert!(serde_json::from_str::<Value>(&gone).unwrap()["message"].is_string());
    assert_eq!(peer.act("buckets", "{}").await.unwrap(), "[]");
    let unknown = peer.act("delete_bucket", r#"{"name":"b"}"#).await;
    assert_refused(unknown, Code::NotFound, ErrorKind::FileNotFoundError);
    let status = peer.act("explode", "{}").await.unwrap_err();
    let body = told(&status);
    assert_eq!(body.kind, ErrorKind::InvalidRequestError);
    assert!(
        body.message.contains("explode") && body.message.contains("delete_bucket"),
        "{body}"
    );
    let described = peer
        .client
        .list_actions(Empty {})
        .await
        .unwrap()
        .into_inner();
    let described: Vec<_> = described.try_collect().await.unwrap();
    let names: Vec<&str> = described.iter().map(|a| a.r#type.as_str()).collect();
    let known: Vec<&str> = ACTIONS.iter().map(|action| action.name).collect();
    assert_eq!(names[..known.len()], known);
    assert!(described.iter().all(|a| !a.description.is_empty()));
}

#[tokio::test]
async fn every_action_of_the_contract_is_answered() {
    let mut peer = Peer::new().await;
    for action in ACTIONS.iter().filter(|action| action.name != "shutdown") {
        let Err(status) = peer.act(action.name, r#"{"no such field":1}"#).await else {
            assert_eq!(action.name, "ping");
            continue;
        };
        let body = told(&status);
        assert_eq!(body.kind, ErrorKind::InvalidRequestError, "{body}");
        let expected = format!("{}: no such field", action.name);
        assert!(body.message.starts_with(&expected), "{body}");
    }
}

#[tokio::test]
async fn a_read_only_server_refuses_changes_only() {
    let folder = tempfile::tempdir().unwrap();
    let bucket_dir = folder.path().to_str().unwrap().to_owned();
    let at = |read_only| Config {
        port: 0,
        bucket_dir: bucket_dir.clone(),
        read_only,
        ..Config::default()
    };
    let server = Server::start(at(false)).await.unwrap();
    let client = connect(&server, "test").await;
    let mut peer = Peer { server, client };
    peer.put(json!({"name": "a"}), &[rows(0..3)]).await.unwrap();
    peer.server.shutdown().await.unwrap();

    let server = Server::start(at(true)).await.unwrap();
    let client = connect(&server, "test").await;
    let mut peer = Peer { server, client };
    assert_eq!(peer.get(json!({"name": "a"})).await.unwrap(), rows(0..3));
    let put = peer.put(json!({"name": "b"}), &[rows(0..3)]).await;
    assert_refused(put, Code::FailedPrecondition, ErrorKind::ReadOnlyError);
    for (action, body) in [
        ("delete", r#"{"name":"a"}"#),
        ("delete_bucket", r#"{"name":"b"}"#),
        ("delete_rows", r#"{"name":"a","where":"n > 1"}"#),
        ("alter", r#"{"name":"a","drop":["n"]}"#),
        ("tag", r#"{"name":"a","tag":"eod"}"#),
        ("untag", r#"{"name":"a","tag":"eod"}"#),
        ("restore", r#"{"name":"a","as_of":1}"#),
        ("undelete", r#"{"name":"a"}"#),
        ("rename", r#"{"name":"a","new_name":"b"}"#),
        ("copy", r#"{"name":"a","new_name":"b"}"#),
        ("snapshot", r#"{"snapshot":"all","buckets":[null]}"#),
        ("drop_snapshot", r#"{"snapshot":"all"}"#),
        ("compact", "{}"),
        ("retention", r#"{"name":"a","set":null}"#),
        ("expire", "{}"),
        ("forget", r#"{"name":"a","versions":[1]}"#),
        ("sweep", "{}"),
        ("purge", r#"{"name":"a"}"#),
    ] {
        let outcome = peer.act(action, body).await;
        assert_refused(outcome, Code::FailedPrecondition, ErrorKind::ReadOnlyError);
    }
    for (action, body) in [
        ("log", r#"{"name":"a"}"#),
        ("tags", r#"{"name":"a"}"#),
        ("describe", r#"{"name":"a"}"#),
        ("files", r#"{"name":"a"}"#),
        ("diff", r#"{"name":"a","from":1}"#),
        ("retention", r#"{"name":"a"}"#),
        ("compact", r#"{"dry_run":true}"#),
        ("expire", r#"{"name":"a","dry_run":true}"#),
        ("sweep", r#"{"dry_run":true}"#),
        ("purge", r#"{"name":"a","dry_run":true}"#),
        ("snapshots", ""),
        ("usage", ""),
        ("verify", ""),
    ] {
        peer.act(action, body)
            .await
            .unwrap_or_else(|status| panic!("{action}: {status}"));
    }
    assert_eq!(peer.act("ping", "").await.unwrap(), "pong");
}

#[tokio::test]
async fn a_long_listing_is_whole_and_in_order() {
    let mut peer = Peer::new().await;
    let names: Vec<String> = (0..600).map(|number| format!("f{number:03}")).collect();
    for name in &names {
        peer.put(json!({"name": name}), &[rows(0..1)])
            .await
            .unwrap();
    }
    let listed = |infos: Vec<FlightInfo>| -> Vec<String> {
        let paths = infos.into_iter().map(|info| info.flight_descriptor);
        paths.map(|path| path.unwrap().path.concat()).collect()
    };
    assert_eq!(listed(peer.list("").await.unwrap()), names);
    let even = peer.list(r#"{"regex":"[02468]$"}"#).await.unwrap();
    let expected: Vec<_> = names.iter().step_by(2).cloned().collect();
    assert_eq!(listed(even), expected);
}
