//! Readers that take nothing of what they asked for: they are told so, or let go of, and hold nothing for ever.

use std::time::Duration;

use arrow_flight::{FlightData, Ticket};
use futures::{TryStreamExt, stream};
use serde_json::json;
use shoots_client::ErrorKind;
use tonic::{Status, Streaming};

use super::memory::numbers;
use super::pages::{address_of, page, value};
use crate::peer::{Peer, assert_status, messages};
use crate::server::{Server, until};

/// A server with a frame that is much larger than what fits into a connection, and the address of its pages.
async fn server(read_idle_seconds: &str) -> (Server, String) {
    let flags = [
        "--metrics-port",
        "0",
        "--read-idle-seconds",
        read_idle_seconds,
    ];
    let mut server = Server::with(&flags).await;
    let pages = address_of(&mut server).await;
    let batches = (0..50).map(numbers).collect();
    let put = messages(&json!({"name": "large"}), numbers(0).schema(), batches).await;
    let mut peer = Peer::of(&server).await;
    peer.put(stream::iter(put)).await.unwrap();
    (server, pages)
}

/// Begins to read the frame, and takes one message.
async fn begin(peer: &mut Peer) -> Streaming<FlightData> {
    let ticket = Ticket::new(r#"{"name":"large"}"#);
    let mut messages = peer.flight.do_get(ticket).await.unwrap().into_inner();
    messages.try_next().await.unwrap().unwrap();
    messages
}

async fn rest(messages: Streaming<FlightData>) -> Result<usize, Status> {
    let count = |sum, _| async move { Ok(sum + 1) };
    messages.try_fold(0, count).await
}

#[tokio::test]
async fn a_reader_that_comes_back_after_too_long_hears_the_setting() {
    let (server, _) = server("4").await;
    let mut peer = Peer::of(&server).await;
    let messages = begin(&mut peer).await;
    // More than the time that it may take, and less than twice that.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let words = ["read_idle_seconds is 4"];
    assert_status(rest(messages).await, ErrorKind::LimitError, &words);
    let again = begin(&mut peer).await;
    assert!(rest(again).await.unwrap() > 0);
    server.stop().await;
}

#[tokio::test]
async fn a_reader_that_never_comes_back_is_let_go_of_with_its_connection() {
    let (server, pages) = server("1").await;
    let mut quiet = Peer::of(&server).await;
    let abandoned = begin(&mut quiet).await;
    let figures = async |names: [&str; 2]| {
        let (_, text) = page(&pages, "/metrics").await;
        names.map(|name| value(&text, name))
    };
    until("its call and its connection are gone", async || {
        let names = ["shoots_calls_running", "shoots_connections_open"];
        figures(names).await == [0.0, 0.0]
    })
    .await;
    let refused = "shoots_call_errors_total{call=\"DoGet\",action=\"\",kind=\"LimitError\"}";
    let [refused, _] = figures([refused, "shoots_calls_running"]).await;
    assert_eq!(refused, 1.0);
    assert!(rest(abandoned).await.is_err());
    // It connects anew by itself.
    let again = begin(&mut quiet).await;
    assert!(rest(again).await.unwrap() > 0);
    server.stop().await;
}
