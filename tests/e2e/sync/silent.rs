//! Remotes that are away, say nothing, or say it slowly: no transfer waits for ever, and none that goes on is given up.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use shoots_client::{ErrorKind, PutMode, ShootsClient, SyncOutcome};
use tokio::net::TcpListener;

use super::cable::{Cable, Way};
use super::relay::{Relay, Told};
use super::{QUIET, outcome};
use crate::peer::{Peer, assert_status};
use crate::refusal::assert_refused;
use crate::rows::{get, put, rows};
use crate::server::{Server, files, until};

const IO: ErrorKind = ErrorKind::ShootsIOError;
/// The shortest silence that can be set as a limit.
const IMPATIENT: &str = "--remote-silence-seconds=3";
/// A silence that no test waits for.
const PATIENT: &str = "--remote-silence-seconds=86400";

/// A server with a frame, one that knows it through a relay, and the relay.
async fn relayed(arguments: &[&str]) -> (Server, Relay, Server) {
    let one = Server::with(QUIET).await;
    let client = one.client().await;
    for n in 0..3 {
        put(&client, "a", PutMode::Append, rows(n..n + 1)).await;
    }
    let relay = Relay::to(one.address()).await;
    let origin = relay.origin();
    let arguments = [QUIET, arguments, &[origin.as_str()]].concat();
    let other = Server::with(&arguments).await;
    (one, relay, other)
}

async fn cloned(client: &ShootsClient) -> Result<SyncOutcome, shoots_client::Error> {
    let cloned = client.clone_frames("origin").frame("a").send().await?;
    Ok(outcome(&cloned))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_takes_connections_and_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let holding = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    let places = [
        format!("plain=grpc://{address}"),
        format!("secret=grpc+tls://{address}"),
    ];
    let mut arguments = vec![IMPATIENT];
    arguments.extend(places.iter().flat_map(|place| ["--remote", place]));
    let server = Server::with(&arguments).await;
    let client = server.client().await;
    put(&client, "a", PutMode::Append, rows(0..2)).await;
    for remote in ["plain", "secret"] {
        let url = address.to_string();
        let words = [remote, &url, "within 3s", "ask again"];
        let refused = client.pull(remote).frame("a").send().await;
        assert_refused(refused, IO, &words);
        let refused = client.push(remote).frame("a").send().await;
        assert_refused(refused, IO, &words);
        let refused = client.fetch(remote).all_buckets().send().await;
        assert_refused(refused, IO, &words);
    }
    server.stop().await;
    holding.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_that_do_not_exist_or_refuse_are_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap().to_string();
    drop(listener);
    let places = [
        format!("nobody=grpc://{nobody}"),
        "nowhere=grpc://no-such-host.invalid:8081".to_owned(),
    ];
    let arguments: Vec<&str> = places.iter().flat_map(|at| ["--remote", at]).collect();
    let server = Server::with(&arguments).await;
    let client = server.client().await;
    for (remote, host) in [
        ("nobody", nobody.as_str()),
        ("nowhere", "no-such-host.invalid"),
    ] {
        let refused = client.pull(remote).frame("a").send().await;
        let words = [remote, host, "cannot connect", "ask again"];
        assert_refused(refused, IO, &words);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_that_falls_silent_is_given_up_wherever_that_is_and_the_next_try_goes_on() {
    let (one, relay, other) = relayed(&[IMPATIENT]).await;
    let there = other.client().await;
    let url = relay.url();
    for silent in ["sync_head", "sync_history", "sync_read"] {
        // Two have answered before they fall silent: nothing at all, and the middle of an answer.
        relay.tell(move |call, _| match (call, silent) {
            ("sync_read", "sync_read") => Told::Instead(
                stream::iter([Bytes::from_static(b"x")])
                    .chain(stream::pending())
                    .boxed(),
            ),
            (call, silent) if call == silent => Told::Silence,
            _ => Told::Truth,
        });
        let words = ["origin", &url, silent, "within 3s", "ask again"];
        assert_refused(cloned(&there).await, IO, &words);
        assert!(!there.exists("a").await.unwrap());
    }
    relay.tell_the_truth();
    assert_eq!(cloned(&there).await.unwrap(), SyncOutcome::Created);

    put(&there, "a", PutMode::Append, rows(3..4)).await;
    let before = get(&one.client().await, "a").await;
    for silent in ["sync_object", "sync_publish"] {
        relay.tell(move |call, _| match call {
            call if call == silent => Told::Silence,
            _ => Told::Truth,
        });
        let refused = there.push("origin").frame("a").send().await;
        let error = refused.unwrap_err().to_string();
        assert!(
            error.contains("within 3s") && error.contains("origin"),
            "{error}"
        );
        assert_eq!(get(&one.client().await, "a").await, before);
    }
    relay.tell_the_truth();
    let pushed = there.push("origin").frame("a").send().await.unwrap();
    assert_eq!(outcome(&pushed), SyncOutcome::Moved);
    assert_eq!(get(&one.client().await, "a").await, rows(0..4));
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_that_is_slow_but_works_is_waited_for() {
    let (one, relay, other) = relayed(&[IMPATIENT]).await;
    let there = other.client().await;
    // It takes longer than a silence may, and says all the while that it works.
    relay.tell(|call, _| match call {
        "sync_head" | "sync_list" | "sync_read" => {
            let beats = stream::iter(0..5).then(|_| async {
                tokio::time::sleep(Duration::from_millis(900)).await;
                Bytes::new()
            });
            Told::After(beats.boxed())
        }
        _ => Told::Truth,
    });
    assert_eq!(cloned(&there).await.unwrap(), SyncOutcome::Created);
    assert_eq!(get(&there, "a").await, rows(0..3));
    // A handful of bytes at a time.
    let trickling = Cable::to(one.address()).await;
    trickling.slow_down(200, Duration::from_millis(100));
    let origin = trickling.origin();
    let third = Server::with(&[QUIET, &[IMPATIENT, &origin]].concat()).await;
    let slow = third.client().await;
    assert_eq!(cloned(&slow).await.unwrap(), SyncOutcome::Created);
    put(&slow, "a", PutMode::Append, rows(3..4)).await;
    let pushed = slow.push("origin").frame("a").send().await.unwrap();
    assert_eq!(outcome(&pushed), SyncOutcome::Moved);
    assert_eq!(get(&one.client().await, "a").await, rows(0..4));
    for server in [third, other, one] {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_ends_the_transfer_which_goes_on_when_it_is_asked_for_again() {
    let (one, relay, other) = relayed(&[PATIENT]).await;
    relay.tell(|call, asked| match call {
        "sync_read" if asked["object"]["kind"] == "segment" => {
            Told::Instead(stream::pending().boxed())
        }
        _ => Told::Truth,
    });
    for goes in ["drops the answer", "closes the connection"] {
        let there = other.client().await;
        let begun = there.clone_frames("origin").frame("a").start().await;
        let begun = begun.unwrap();
        let watched = tokio::spawn(async move { begun.finish().await });
        until("the transfer waits for objects", async || {
            relay.running() > 0
        })
        .await;
        watched.abort();
        if goes == "closes the connection" {
            drop(there);
        }
        until("the transfer has ended", async || relay.running() == 0).await;
    }
    let there = other.client().await;
    assert!(!there.exists("a").await.unwrap());
    relay.tell_the_truth();
    assert_eq!(cloned(&there).await.unwrap(), SyncOutcome::Created);
    assert_eq!(get(&there, "a").await, rows(0..3));
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_in_the_middle_of_bytes_lets_none_follow() {
    let one = Server::with(QUIET).await;
    put(&one.client().await, "a", PutMode::Append, rows(0..20_000)).await;
    let cable = Cable::to(one.address()).await;
    let origin = cable.origin();
    let other = Server::with(&[QUIET, &[PATIENT, &origin]].concat()).await;
    let there = other.client().await;
    cable.slow_down(1000, Duration::from_millis(20));
    let begun = there.clone_frames("origin").frame("a").start().await;
    let watched = tokio::spawn(begun.unwrap().finish());
    until("bytes flow", async || cable.passed(Way::Back) > 20_000).await;
    watched.abort();
    until("the connection is closed", async || {
        cable.connections() == 0
    })
    .await;
    cable.mend();
    assert_eq!(cloned(&there).await.unwrap(), SyncOutcome::Created);
    assert_eq!(get(&there, "a").await, rows(0..20_000));
    other.stop().await;
    one.stop().await;
}

#[tokio::test]
async fn a_sender_that_falls_silent_is_given_up_and_leaves_nothing() {
    let server = Server::with(&["--put-idle-seconds=1"]).await;
    let mut peer = Peer::of(&server).await;
    put(&server.client().await, "a", PutMode::Append, rows(0..2)).await;
    let before = files(server.folder().path());
    let id = "ab".repeat(32);
    let object = serde_json::json!({
        "name": "a", "object": {"kind": "segment", "id": id}, "bytes": 1000, "hash": id,
    });
    for command in [
        serde_json::json!({ "sync_object": object }),
        serde_json::json!({ "sync_publish": {"name": "a"} }),
    ] {
        let descriptor = arrow_flight::FlightDescriptor::new_cmd(command.to_string());
        let message = arrow_flight::FlightData {
            flight_descriptor: Some(descriptor),
            data_body: Bytes::from_static(b"{"),
            ..Default::default()
        };
        let messages = stream::iter([message]).chain(stream::pending());
        let words = ["put_idle_seconds", "nothing was changed"];
        assert_status(peer.put(messages).await, ErrorKind::LimitError, &words);
    }
    assert_eq!(files(server.folder().path()), before);
    server.stop().await;
}
