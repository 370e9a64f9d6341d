//! Connections beyond the limit, without a call, and without a word.

use futures::SinkExt;
use shoots_client::{ErrorKind, ShootsClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::lifecycle::endless_put;
use crate::peer::{Peer, assert_status};
use crate::refusal::assert_refused;
use crate::rows::{get, rows};
use crate::server::{Server, until};

/// HTTP/2's first words of a client, with settings that say nothing.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Reads until the other side closes.
async fn closed(mut tcp: TcpStream) {
    let mut read = Vec::new();
    // A connection that is reset is closed, too.
    let _ = tcp.read_to_end(&mut read).await;
}

async fn impatient(server: &Server) -> ShootsClient {
    let client = ShootsClient::builder(server.url()).retries(0);
    client.connect().await.unwrap()
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_told_so_and_has_its_turn_later() {
    let server = Server::with(&["--max-connections", "2"]).await;
    let (first, second) = (impatient(&server).await, impatient(&server).await);
    first.ping().await.unwrap();
    second.ping().await.unwrap();
    let words = ["max_connections is 2"];
    let third = ShootsClient::builder(server.url())
        .retries(0)
        .connect()
        .await;
    match third {
        Ok(third) => assert_refused(third.ping().await, ErrorKind::LimitError, &words),
        refused => assert_refused(refused.map(|_| ()), ErrorKind::LimitError, &words),
    }
    for agent in [
        "grpc-c++/1.71.0 grpc-c/46.0.0 (linux; chttp2)",
        "grpc-go/1.60.0",
    ] {
        let mut peer = Peer::named(server.address(), agent).await;
        let status = peer.act("ping", "").await.unwrap_err();
        let told = crate::peer::told(&status);
        assert_eq!(told.kind, ErrorKind::LimitError, "{agent}: {status:?}");
        assert!(told.message.contains(words[0]), "{}", told.message);
    }
    first.ping().await.unwrap();
    drop(second);
    until("there is a place", async || {
        match ShootsClient::builder(server.url())
            .retries(0)
            .connect()
            .await
        {
            Ok(client) => client.ping().await.is_ok(),
            Err(_) => false,
        }
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn only_connections_that_carry_no_call_are_closed_after_a_while() {
    let server = Server::with(&["--idle-seconds", "1"]).await;
    let mut peer = Peer::of(&server).await;
    let (put, ends) = endless_put(&mut peer).await;
    let client = server.client().await;
    client.ping().await.unwrap();
    // Idle from here on, as the client is.
    let mut idle = TcpStream::connect(server.address()).await.unwrap();
    idle.write_all(PREFACE).await.unwrap();
    closed(idle).await;
    // It connects anew by itself.
    client.ping().await.unwrap();
    let mut ends = ends;
    ends.close().await.unwrap();
    assert_eq!(put.await.unwrap().unwrap().len(), 1);
    assert_eq!(get(&client, "a").await, rows(0..200));
    server.stop().await;
}

#[tokio::test]
async fn who_connects_and_says_nothing_or_not_enough_is_not_waited_for() {
    let server = Server::with(&["--header-seconds", "1"]).await;
    let silent = TcpStream::connect(server.address()).await.unwrap();
    let mut halfway = TcpStream::connect(server.address()).await.unwrap();
    halfway.write_all(&PREFACE[..20]).await.unwrap();
    closed(silent).await;
    closed(halfway).await;
    server.stop().await;
}

#[tokio::test]
async fn a_call_beyond_the_limit_is_refused_and_health_is_not() {
    let server = Server::with(&["--max-calls", "1"]).await;
    let mut peer = Peer::of(&server).await;
    let (put, ends) = endless_put(&mut peer).await;
    let client = impatient(&server).await;
    let refused = client.ping().await;
    assert_refused(refused, ErrorKind::LimitError, &["max_calls is 1"]);
    let refused = peer.get(r#"{"name":"a"}"#).await;
    assert_status(refused, ErrorKind::LimitError, &["max_calls is 1"]);
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", server.address()));
    let channel = channel.unwrap().connect().await.unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    let question = tonic_health::pb::HealthCheckRequest::default();
    health.check(question).await.unwrap();
    drop(ends);
    put.await.unwrap().unwrap();
    until("there is a place", async || client.ping().await.is_ok()).await;
    server.stop().await;
}
