//! Requests that nobody should send: each is refused with words that name the field, and changes nothing.

use arrow_flight::FlightDescriptor;
use bytes::Bytes;
use futures::stream;
use serde_json::json;
use shoots_client::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::peer::{Peer, assert_status, messages};
use crate::rows::{rows, schema};
use crate::server::{Files, Server, files};

const INVALID: ErrorKind = ErrorKind::InvalidRequestError;

/// What is no JSON object at all.
fn garbage() -> Vec<Bytes> {
    vec![
        "\0".into(),
        Bytes::from_static(b"\xff\xfe\xfd"),
        Bytes::from_static(b"\x0a\x7f{}"),
        "{".into(),
        "null".into(),
        "[]".into(),
        "7".into(),
        "\"a\"".into(),
        r#"{"name":"a"} {"name":"a"}"#.into(),
        r#"{"name":"a",}"#.into(),
        "[".repeat(200_000).into(),
        r#"{"name":"#.repeat(200_000).into(),
    ]
}

/// Names that the edge must stop, as JSON.
fn bad_names() -> Vec<String> {
    let long = "x".repeat(300);
    let names = ["", ".", "..", "../x", "a/b", "a\\b", "a\nb", "a\0b", &long];
    let mut values: Vec<String> = names.iter().map(|name| json!(name).to_string()).collect();
    values.extend(["7", "true", "[]", "{}", r#"["a"]"#].map(str::to_owned));
    values
}

/// A server with a frame `a`, and what lies in its folder.
async fn server() -> (Server, Peer) {
    let server = Server::start().await;
    let mut peer = Peer::of(&server).await;
    let messages = messages(&json!({"name": "a"}), schema(), vec![rows(0..3)]).await;
    peer.put(stream::iter(messages)).await.unwrap();
    (server, peer)
}

/// Checks that nothing happened, and ends the server.
async fn unharmed(server: Server, mut peer: Peer, before: &Files) {
    assert_eq!(peer.get(r#"{"name":"a"}"#).await.unwrap(), rows(0..3));
    assert_eq!(&files(server.folder().path()), before);
    server.stop().await;
}

#[tokio::test]
async fn tickets_and_descriptors_are_refused_by_field() {
    let (server, mut peer) = server().await;
    let before = files(server.folder().path());
    let mut cases: Vec<(Bytes, &str)> = garbage().into_iter().map(|bytes| (bytes, "")).collect();
    cases.push((Bytes::new(), "empty"));
    for value in bad_names() {
        cases.push((format!(r#"{{"name":{value}}}"#).into(), "name"));
        if value != "null" {
            cases.push((
                format!(r#"{{"name":"a","bucket":{value}}}"#).into(),
                "bucket",
            ));
        }
    }
    for (fields, field) in [
        (r#""nmae":"a""#, "nmae"),
        (r#""bucket":"a""#, "name"),
        (r#""name":"a","name":"b""#, "name"),
        (r#""name":"a","colour":1"#, "colour"),
        (r#""name":"a","sql":1"#, "sql"),
        (r#""name":"a","columns":"n""#, "columns"),
        (r#""name":"a","columns":["n",1]"#, "columns"),
        (r#""name":"a","limit":-1"#, "limit"),
        (r#""name":"a","limit":1.5"#, "limit"),
        (r#""name":"a","limit":"1""#, "limit"),
        (r#""name":"a","offset":18446744073709551616"#, "offset"),
        (r#""name":"a","as_of":{}"#, "as_of"),
        (r#""name":"a","as_of":{"version":1,"tag":"x"}"#, "as_of"),
        (r#""name":"a","as_of":{"time":"yesterday"}"#, "as_of"),
        (r#""name":"a","as_of":{"commit":"zz"}"#, "as_of"),
        (r#""name":"a","as_of":true"#, "as_of"),
    ] {
        cases.push((format!("{{{fields}}}").into(), field));
    }
    cases.push((
        json!({"name": "a", "sql": "x".repeat(5 << 20)})
            .to_string()
            .into(),
        "bytes",
    ));
    for (bytes, field) in cases {
        assert_status(peer.get(bytes.clone()).await, INVALID, &["ticket", field]);
        let info = peer.info(FlightDescriptor::new_cmd(bytes)).await;
        assert_status(info, INVALID, &["descriptor", field]);
    }
    let unknown = peer.get(r#"{"name":"a","columns":["x"]}"#).await;
    assert_status(unknown, INVALID, &["columns", "`x`"]);
    unharmed(server, peer, &before).await;
}

#[tokio::test]
async fn criteria_and_actions_are_refused_by_field() {
    let (server, mut peer) = server().await;
    let before = files(server.folder().path());
    for bytes in garbage() {
        assert_status(peer.list(bytes.clone()).await, INVALID, &["criteria"]);
        for action in ["delete", "delete_bucket", "buckets", "shutdown"] {
            assert_status(peer.act(action, bytes.clone()).await, INVALID, &[action]);
        }
    }
    for (criteria, field) in [
        (r#"{"bucket":7}"#, "bucket"),
        (r#"{"bucket":"a","all_buckets":true}"#, "all_buckets"),
        (r#"{"all_buckets":"yes"}"#, "all_buckets"),
        (r#"{"regex":7}"#, "regex"),
        (r#"{"regex":"["}"#, "regex"),
        (r#"{"regex":"(a{9999}){9999}"}"#, "regex"),
        (r#"{"pattern":"a"}"#, "pattern"),
    ] {
        assert_status(peer.list(criteria).await, INVALID, &["criteria", field]);
    }
    for value in bad_names() {
        let listed = peer.list(format!(r#"{{"bucket":{value}}}"#)).await;
        assert_status(listed, INVALID, &["criteria", "bucket"]);
        for action in ["delete", "delete_bucket"] {
            let refused = peer.act(action, format!(r#"{{"name":{value}}}"#)).await;
            assert_status(refused, INVALID, &[action, "name"]);
        }
        let refused = peer
            .act("delete", format!(r#"{{"name":"a","bucket":{value}}}"#))
            .await;
        assert_status(refused, INVALID, &["delete", "bucket"]);
    }
    for (action, body, field) in [
        ("delete", "", "empty"),
        ("delete", "{}", "name"),
        ("delete", r#"{"name":"a","mode":"error"}"#, "mode"),
        ("delete_bucket", "{}", "name"),
        ("delete_bucket", r#"{"name":"a","mode":"maybe"}"#, "mode"),
        ("delete_bucket", r#"{"name":"a","bucket":"b"}"#, "bucket"),
        ("buckets", r#"{"name":"a"}"#, "name"),
        ("shutdown", r#"{"now":true}"#, "now"),
    ] {
        assert_status(peer.act(action, body).await, INVALID, &[action, field]);
    }
    unharmed(server, peer, &before).await;
}

#[tokio::test]
async fn put_commands_are_refused_by_field() {
    let (server, mut peer) = server().await;
    let before = files(server.folder().path());
    let template = messages(&json!({"name": "b"}), schema(), vec![rows(0..3)]).await;
    let mut cases: Vec<(Bytes, &str)> = garbage().into_iter().map(|bytes| (bytes, "")).collect();
    for value in bad_names() {
        cases.push((format!(r#"{{"name":{value}}}"#).into(), "name"));
        cases.push((
            format!(r#"{{"name":"b","bucket":{value}}}"#).into(),
            "bucket",
        ));
    }
    for (fields, field) in [
        ("", "name"),
        (r#""name":"b","mode":"upend""#, "mode"),
        (r#""name":"b","mode":7"#, "mode"),
        (r#""name":"b","batch_size":0"#, "batch_size"),
        (r#""name":"b","batch_size":"10""#, "batch_size"),
        (r#""name":"b","message":7"#, "message"),
        (r#""name":"b","metadata":[]"#, "metadata"),
        (r#""name":"b","metadata":"x""#, "metadata"),
        (r#""name":"b","request_id":"""#, "request_id"),
        (r#""name":"b","request_id":7"#, "request_id"),
        (r#""name":"b","colour":"red""#, "colour"),
    ] {
        cases.push((format!("{{{fields}}}").into(), field));
    }
    for (command, field) in cases {
        let mut messages = template.clone();
        messages[0].flight_descriptor = Some(FlightDescriptor::new_cmd(command));
        let refused = peer.put(stream::iter(messages)).await;
        assert_status(refused, INVALID, &["put command", field]);
    }
    for descriptor in [None, Some(FlightDescriptor::new_path(vec!["b".to_owned()]))] {
        let mut messages = template.clone();
        messages[0].flight_descriptor = descriptor;
        let refused = peer.put(stream::iter(messages)).await;
        assert_status(refused, INVALID, &["put command"]);
    }
    assert_status(
        peer.put(stream::empty()).await,
        INVALID,
        &["ended before its schema"],
    );
    unharmed(server, peer, &before).await;
}

#[tokio::test]
async fn noise_on_the_port_harms_nobody() {
    let (server, peer) = server().await;
    let before = files(server.folder().path());
    let noises: [&[u8]; 4] = [
        b"",
        b"GET / HTTP/1.1\r\nHost: shoots\r\n\r\n",
        &[0xff; 4096],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\xff\x99\0\0\0\0\0noise",
    ];
    for noise in noises {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        socket.write_all(noise).await.unwrap();
        socket.shutdown().await.unwrap();
        // Whatever it answers, it ends the connection.
        let mut answer = Vec::new();
        let _reset_is_fine = socket.read_to_end(&mut answer).await;
    }
    unharmed(server, peer, &before).await;
}
