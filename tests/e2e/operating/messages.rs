//! Puts and requests that are larger, or slower, than the settings allow: each is told the setting, nothing is stored, and
//! the server goes on.

use std::sync::Arc;

use arrow_array::{NullArray, RecordBatch};
use futures::{StreamExt, stream};
use serde_json::json;
use shoots_client::ErrorKind;
use tonic::Code;

use crate::peer::{Peer, assert_status, messages, told};
use crate::rows::{rows, schema};
use crate::server::Server;

async fn nothing_was_stored(server: Server) {
    let client = server.client().await;
    assert!(!client.exists("a").await.unwrap());
    client.ping().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_told_with_the_setting_whatever_call_it_comes_by() {
    let server = Server::with(&["--max-message-bytes", "20000"]).await;
    let words = ["max_message_bytes is 20000"];
    let mut peer = Peer::of(&server).await;
    let command = json!({"name": "a"});
    let put = messages(&command, schema(), vec![rows(0..10_000)]).await;
    let refused = peer.put(stream::iter(put)).await;
    assert_status(refused, ErrorKind::LimitError, &words);
    let long = "x".repeat(30_000);
    let ticket = json!({"name": long}).to_string();
    let refused = peer.get(ticket.clone()).await;
    assert_status(refused, ErrorKind::LimitError, &words);
    let refused = peer.act("describe", ticket.clone()).await;
    assert_status(refused, ErrorKind::LimitError, &words);
    let refused = peer.list(ticket.clone()).await;
    assert_status(refused, ErrorKind::LimitError, &words);
    let agent = "grpc-c++/1.71.0 grpc-c/46.0.0 (linux; chttp2)";
    let mut cpp = Peer::named(server.address(), agent).await;
    let status = cpp.act("describe", ticket).await.unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    assert_eq!(status.metadata().get("x-arrow-status").unwrap(), "5");
    assert!(told(&status).message.contains(words[0]), "{status:?}");
    let fits = messages(&json!({"name": "b"}), schema(), vec![rows(0..100)]).await;
    assert_eq!(peer.put(stream::iter(fits)).await.unwrap().rows, 100);
    nothing_was_stored(server).await;
}

#[tokio::test]
async fn a_batch_with_more_rows_than_allowed_is_refused_even_if_it_takes_no_bytes() {
    let server = Server::with(&["--max-batch-rows", "1000"]).await;
    let nulls = Arc::new(NullArray::new(1001)) as _;
    let nulls = RecordBatch::try_from_iter([("nothing", nulls)]).unwrap();
    let mut peer = Peer::of(&server).await;
    for batch in [nulls, rows(0..1001)] {
        let put = messages(&json!({"name": "a"}), batch.schema(), vec![batch]).await;
        let refused = peer.put(stream::iter(put)).await;
        let words = ["max_batch_rows is 1000", "1001 rows"];
        assert_status(refused, ErrorKind::LimitError, &words);
    }
    nothing_was_stored(server).await;
}

#[tokio::test]
async fn a_put_that_sends_more_than_allowed_is_refused_as_a_whole() {
    let server = Server::with(&["--max-put-bytes", "100000"]).await;
    let mut peer = Peer::of(&server).await;
    let batches = (0..100).map(|n| rows(n * 100..(n + 1) * 100)).collect();
    let put = messages(&json!({"name": "a"}), schema(), batches).await;
    let refused = peer.put(stream::iter(put)).await;
    assert_status(refused, ErrorKind::LimitError, &["max_put_bytes is 100000"]);
    nothing_was_stored(server).await;
}

#[tokio::test]
async fn a_put_that_brings_nothing_for_a_while_is_ended() {
    let server = Server::with(&["--put-idle-seconds", "1"]).await;
    let mut peer = Peer::of(&server).await;
    let put = messages(&json!({"name": "a"}), schema(), vec![rows(0..100)]).await;
    let put = stream::iter(put).chain(stream::pending());
    let refused = peer.put(put).await;
    assert_status(refused, ErrorKind::LimitError, &["put_idle_seconds is 1"]);
    nothing_was_stored(server).await;
}
