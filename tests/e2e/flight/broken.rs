//! Streams that break, messages that lie or are too large, and callers that vanish.
//!
//! The servers here would wait ten minutes for calls that run when they are asked to end. So that they end in
//! order shows that they do not take a call for running whose caller is gone.

use std::future::Future;
use std::sync::Arc;

use arrow_flight::{FlightData, Ticket};
use futures::{StreamExt, stream};
use serde_json::json;
use shoots_client::{ErrorKind, PutMode, ToFrameId};
use tempfile::TempDir;
use tonic::Request;

use crate::peer::{Peer, assert_status, messages};
use crate::rows::{get, put, rows, schema};
use crate::server::{Server, look_into};

const PATIENT: [&str; 2] = ["--shutdown-grace-seconds", "600"];

/// The schema and two batches of a put, as three messages.
async fn three_messages(mode: &str) -> Vec<FlightData> {
    let command = json!({"name": "a", "mode": mode});
    let messages = messages(&command, schema(), vec![rows(0..500), rows(500..1000)]).await;
    assert_eq!(messages.len(), 3);
    messages
}

/// Lets a caller work in a runtime of its own, and then takes everything away from it, its socket included.
pub(crate) async fn vanish<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send + 'static) {
    let caller = tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work());
        runtime.shutdown_background();
    });
    caller.await.unwrap();
}

/// What the frame `a` holds, seen past the server: its version and rows, if it exists.
async fn state(folder: &TempDir) -> Option<(u64, u64)> {
    let frame = look_into(folder).await.frame(&"a".to_frame_id().unwrap());
    let snapshot = frame.snapshot(None).await.ok()?;
    Some((snapshot.version()?, snapshot.rows()))
}

#[tokio::test]
async fn a_put_whose_stream_breaks_off_changes_nothing() {
    for (mode, before) in [
        ("error", None),
        ("append", Some((1, 3))),
        ("replace", Some((1, 3))),
    ] {
        let server = Server::with(&PATIENT).await;
        if before.is_some() {
            put(&server.client().await, "a", PutMode::Error, rows(0..3)).await;
        }
        let sent = three_messages(mode).await;

        // Cancelled by its caller, whose connection stays.
        let mut peer = Peer::of(&server).await;
        let mut request = Request::new(stream::iter(sent.clone()).chain(stream::pending()));
        let cancel = request.cancellation_handle();
        let answers = peer.flight.do_put(request).await.unwrap();
        cancel.cancel();
        assert!(answers.into_inner().message().await.is_err());

        // Cut off with the connection.
        let address = server.address().to_owned();
        vanish(move || async move {
            let mut peer = Peer::named(&address, "vanishing").await;
            let endless = stream::iter(sent).chain(stream::pending());
            peer.flight.do_put(endless).await.unwrap();
        })
        .await;

        let folder = Arc::clone(server.folder());
        assert_eq!(state(&folder).await, before, "{mode}");
        server.stop().await;
        assert_eq!(state(&folder).await, before, "{mode}");
    }
}

#[tokio::test]
async fn messages_that_do_not_hold_what_they_announce_are_refused_and_change_nothing() {
    let server = Server::start().await;
    let client = server.client().await;
    put(&client, "a", PutMode::Error, rows(0..3)).await;
    let mut peer = Peer::of(&server).await;
    let good = three_messages("append").await;
    let [first, batch, last] = <[FlightData; 3]>::try_from(good).unwrap();
    let header = |bytes: Vec<u8>| FlightData {
        data_header: bytes.into(),
        ..batch.clone()
    };
    let half = batch.data_body.slice(..batch.data_body.len() / 2);
    let mut flipped = batch.data_header.to_vec();
    for byte in flipped.iter_mut().skip(8).step_by(3) {
        *byte ^= 0x5a;
    }
    let broken: [(&str, FlightData); 7] = [
        ("no IPC message", header(vec![1, 2, 3])),
        ("noise", header(vec![0xff; 200])),
        (
            "half a header",
            header(batch.data_header[..batch.data_header.len() / 2].to_vec()),
        ),
        ("a changed header", header(flipped)),
        (
            "half a body",
            FlightData {
                data_body: half,
                ..batch.clone()
            },
        ),
        (
            "no body",
            FlightData {
                data_body: Default::default(),
                ..batch.clone()
            },
        ),
        (
            "a second schema",
            FlightData {
                flight_descriptor: None,
                ..first.clone()
            },
        ),
    ];
    for (what, broken) in broken {
        let messages = [first.clone(), batch.clone(), broken.clone(), last.clone()];
        let refused = peer.put(stream::iter(messages)).await;
        assert_status(refused, ErrorKind::InvalidRequestError, &["essage"]);
        let headless = FlightData {
            flight_descriptor: first.flight_descriptor.clone(),
            ..broken
        };
        if what != "a second schema" {
            let refused = peer.put(stream::iter([headless, last.clone()])).await;
            assert_status(refused, ErrorKind::InvalidRequestError, &[]);
        }
    }
    assert_eq!(get(&client, "a").await, rows(0..3));
    assert_eq!(client.info("a").await.unwrap().summary.version, Some(1));
    server.stop().await;
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_and_smaller_ones_are_not() {
    let server = Server::with(&["--max-message-bytes", "100000"]).await;
    let mut peer = Peer::of(&server).await;
    let large = messages(
        &json!({"name": "a"}),
        schema(),
        vec![rows(0..10), rows(10..20_000)],
    )
    .await;
    let refused = peer.put(stream::iter(large)).await;
    assert_status(refused, ErrorKind::LimitError, &["smaller"]);
    let client = server.client().await;
    assert!(!client.exists("a").await.unwrap());
    let small = (0..20).map(|part| rows(part * 1000..(part + 1) * 1000));
    client.put("a").send(schema(), small).await.unwrap();
    assert_eq!(get(&client, "a").await, rows(0..20_000));
    server.stop().await;
}

#[tokio::test]
async fn callers_that_vanish_during_a_get_are_let_go() {
    let server = Server::with(&PATIENT).await;
    let client = server.client().await;
    let batches = (0..20).map(|part| rows(part * 5000..(part + 1) * 5000));
    client.put("a").send(schema(), batches).await.unwrap();
    for ticket in [
        r#"{"name":"a"}"#,
        r#"{"name":"a","sql":"select * from a order by Text desc"}"#,
    ] {
        for _ in 0..4 {
            let address = server.address().to_owned();
            vanish(move || async move {
                let mut peer = Peer::named(&address, "vanishing").await;
                let answers = peer.flight.do_get(Ticket::new(ticket)).await.unwrap();
                // The frame is larger than the window: the server is in the middle of it.
                answers.into_inner().message().await.unwrap().unwrap();
            })
            .await;
        }
        // Others stay connected and lose interest.
        let mut peer = Peer::of(&server).await;
        let mut answers = peer
            .flight
            .do_get(Ticket::new(ticket))
            .await
            .unwrap()
            .into_inner();
        answers.message().await.unwrap().unwrap();
        drop(answers);
        peer.act("ping", "").await.unwrap();
    }
    assert_eq!(get(&client, "a").await, rows(0..100_000));
    server.stop().await;
}

#[tokio::test]
async fn a_caller_that_does_not_read_holds_up_nobody_else() {
    let server = Server::start().await;
    let client = server.client().await;
    let batches = (0..20).map(|part| rows(part * 5000..(part + 1) * 5000));
    client.put("a").send(schema(), batches).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..8 {
        let mut peer = Peer::of(&server).await;
        let answers = peer
            .flight
            .do_get(Ticket::new(r#"{"name":"a"}"#))
            .await
            .unwrap();
        idle.push((peer, answers.into_inner()));
    }
    assert_eq!(get(&client, "a").await, rows(0..100_000));
    put(&client, "a", PutMode::Replace, rows(0..3)).await;
    assert_eq!(get(&client, "a").await, rows(0..3));
    // They can still have what they asked for.
    for (_peer, mut answers) in idle {
        let mut messages = 0;
        while answers.message().await.unwrap().is_some() {
            messages += 1;
        }
        assert!(messages > 1);
    }
    server.stop().await;
}
