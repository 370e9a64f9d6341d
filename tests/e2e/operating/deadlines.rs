//! Calls whose callers say how much time there is, and then do not look at the clock themselves.

use std::time::Duration;

use arrow_flight::Ticket;
use futures::channel::mpsc;
use futures::{SinkExt, TryStreamExt};
use serde_json::json;
use shoots_client::{ErrorKind, PutMode};
use tonic::Request;

use super::pages::{address_of, page, value};
use crate::escapes::ENDLESS;
use crate::peer::{Peer, assert_status, messages};
use crate::rows::{put, rows, schema};
use crate::server::{Server, until};

const TIME: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_query_that_is_out_of_time_ends_and_computes_no_more() {
    let mut server = Server::with(&["--metrics-port", "0"]).await;
    let pages = address_of(&mut server).await;
    put(
        &server.client().await,
        "numbers",
        PutMode::Error,
        rows(0..4),
    )
    .await;
    let mut peer = Peer::of(&server).await;
    let ticket = json!({"name": "numbers", "sql": ENDLESS[1]}).to_string();
    let mut request = Request::new(Ticket::new(ticket));
    request.set_timeout(TIME);
    // This client watches the time until the answer begins, and not from then on.
    let answers = peer.flight.do_get(request).await.unwrap().into_inner();
    let ended = answers.try_collect::<Vec<_>>().await;
    assert_status(ended, ErrorKind::CallTimeoutError, &["grpc-timeout"]);
    until("no query runs", async || {
        let (_, text) = page(&pages, "/metrics").await;
        value(&text, "shoots_queries_running") == 0.0
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_put_that_is_out_of_time_changes_nothing() {
    let server = Server::start().await;
    let mut peer = Peer::of(&server).await;
    let (mut sender, receiver) = mpsc::channel(0);
    let put = messages(&json!({"name": "a"}), schema(), vec![rows(0..100)]).await;
    let mut put = put.into_iter();
    let mut request = Request::new(receiver);
    request.set_timeout(TIME);
    let feeding = sender.send(put.next().unwrap());
    let (answers, fed) = futures::join!(peer.flight.do_put(request), feeding);
    fed.unwrap();
    let answers = answers.unwrap().into_inner();
    for message in put {
        sender.send(message).await.unwrap();
    }
    let ended = answers.try_collect::<Vec<_>>().await;
    assert_status(ended, ErrorKind::CallTimeoutError, &["grpc-timeout"]);
    let client = server.client().await;
    assert!(!client.exists("a").await.unwrap());
    server.stop().await;
}
