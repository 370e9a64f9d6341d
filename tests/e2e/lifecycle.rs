//! From readiness to the exit code: signals, calls that are under way, and what keeps a server from starting.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow_flight::{FlightData, PutResult};
use futures::channel::mpsc;
use futures::{SinkExt, StreamExt, TryStreamExt, stream};
use serde_json::json;
use shoots_client::{Error, ErrorKind, PutMode, ShootsClient};
use tempfile::NamedTempFile;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::Status;

use crate::peer::{Peer, assert_status, messages};
use crate::rows::{get, put, rows, schema};
use crate::server::{Process, Server, binary, fresh_folder, run, until};

/// The schema and two batches of a put into `a`, as messages.
async fn put_messages() -> Vec<FlightData> {
    messages(
        &json!({"name": "a"}),
        schema(),
        vec![rows(0..100), rows(100..200)],
    )
    .await
}

/// A put that goes on for as long as its sender is kept: what becomes of it, and the sender.
pub(crate) async fn endless_put(
    peer: &mut Peer,
) -> (
    JoinHandle<Result<Vec<PutResult>, Status>>,
    mpsc::Sender<FlightData>,
) {
    let (mut sender, receiver) = mpsc::channel(0);
    let mut messages = put_messages().await.into_iter();
    let feeding = sender.send(messages.next().unwrap());
    let (answers, fed) = futures::join!(peer.flight.do_put(receiver), feeding);
    fed.unwrap();
    let answers = tokio::spawn(answers.unwrap().into_inner().try_collect());
    for message in messages {
        sender.send(message).await.unwrap();
    }
    (answers, sender)
}

async fn no_connection_is_accepted(server: &Server) {
    let address = server.address();
    until("the port is closed", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn a_put_under_way_finishes_after_sigterm() {
    let mut server = Server::start().await;
    let mut peer = Peer::of(&server).await;
    let (mut sender, receiver) = mpsc::channel(0);
    let mut messages = put_messages().await.into_iter();
    // That it answers shows that the call has begun.
    let feeding = sender.send(messages.next().unwrap());
    let (answers, fed) = futures::join!(peer.flight.do_put(receiver), feeding);
    let answers = answers.unwrap().into_inner();
    fed.unwrap();

    server.process().signal("TERM");
    no_connection_is_accepted(&server).await;
    assert!(server.process().is_running());
    for message in messages {
        sender.send(message).await.unwrap();
    }
    drop(sender);
    let answers: Vec<_> = answers.try_collect().await.unwrap();
    assert_eq!(answers.len(), 1);
    let folder = Arc::clone(server.folder());
    server.ended().await;
    let server = Server::on(&folder, &[]).await;
    assert_eq!(get(&server.client().await, "a").await, rows(0..200));
    server.stop().await;
}

#[tokio::test]
async fn a_put_that_outlasts_the_grace_period_is_ended_and_changes_nothing() {
    let mut server = Server::with(&["--shutdown-grace-seconds", "0"]).await;
    let mut peer = Peer::of(&server).await;
    let endless = stream::iter(put_messages().await).chain(stream::pending());
    let answers = peer.flight.do_put(endless).await.unwrap().into_inner();
    server.process().signal("TERM");
    let outcome = answers.try_collect::<Vec<_>>().await;
    assert_status(outcome, ErrorKind::UnavailableError, &["stopping"]);
    let folder = Arc::clone(server.folder());
    server.ended().await;
    let server = Server::on(&folder, &[]).await;
    assert!(!server.client().await.exists("a").await.unwrap());
    server.stop().await;
}

#[tokio::test]
async fn what_a_put_has_written_that_the_grace_period_ended_goes_with_it() {
    // There is memory for one batch, so the first is written out when the second comes.
    let flags = ["--shutdown-grace-seconds", "0", "--put-memory-bytes", "1"];
    let mut server = Server::with(&flags).await;
    let mut peer = Peer::of(&server).await;
    let (answers, sender) = endless_put(&mut peer).await;
    let folder = Arc::clone(server.folder());
    let segments = folder.path().join("_default/a/segments");
    let written = || std::fs::read_dir(&segments).map_or(0, Iterator::count);
    until("rows are written out", async || written() == 1).await;
    server.process().signal("TERM");
    assert_status(
        answers.await.unwrap(),
        ErrorKind::UnavailableError,
        &["stopping"],
    );
    server.ended().await;
    assert_eq!(written(), 0);
    drop(sender);
}

/// Puts frames one after the other until one fails: how many were acknowledged, the name of the next one, and why not it.
async fn put_until_it_ends(
    client: ShootsClient,
    worker: usize,
    all: &AtomicUsize,
) -> (usize, Error) {
    for done in 0..100_000 {
        let put = client.put(name_of(worker, done)).mode(PutMode::Error);
        if let Err(error) = put.send_batch(rows(0..100)).await {
            return (done, error);
        }
        all.fetch_add(1, Ordering::Relaxed);
    }
    panic!("the server has not ended");
}

fn name_of(worker: usize, number: usize) -> String {
    format!("drained {worker}/{number}")
}

/// Whatever a put was when the server ended: acknowledged and there, or refused and not there. Only who was not told
/// either has to look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_put_is_cut_off_between_its_commit_and_its_answer() {
    const WORKERS: usize = 8;
    let folder = fresh_folder();
    for round in 0..3 {
        let mut server = Server::on(&folder, &["--shutdown-grace-seconds", "0"]).await;
        let all = Arc::new(AtomicUsize::new(0));
        let mut putting = Vec::new();
        for worker in 0..WORKERS {
            let client = ShootsClient::builder(server.url()).retries(0);
            let (client, all) = (client.connect().await.unwrap(), Arc::clone(&all));
            let worker = round * WORKERS + worker;
            putting.push(tokio::spawn(async move {
                put_until_it_ends(client, worker, &all).await
            }));
        }
        until("puts are under way", async || {
            all.load(Ordering::Relaxed) >= 5 * WORKERS
        })
        .await;
        server.process().signal("TERM");
        let mut outcomes = Vec::new();
        for putting in putting {
            outcomes.push(putting.await.unwrap());
        }
        server.ended().await;
        let server = Server::on(&folder, &[]).await;
        let client = server.client().await;
        for (worker, (done, error)) in outcomes.into_iter().enumerate() {
            let worker = round * WORKERS + worker;
            for number in 0..done {
                let found = get(&client, &name_of(worker, number)).await;
                assert_eq!(found, rows(0..100));
            }
            let next = name_of(worker, done);
            let there = client.exists(next.as_str()).await.unwrap();
            if error
                .to_string()
                .contains("the server is stopping and ended this call")
            {
                assert!(!there, "{next} was refused, and is there: {error}");
            } else if there {
                assert_eq!(get(&client, &next).await, rows(0..100));
            }
        }
        server.stop().await;
    }
}

/// Neither a connection that has said nothing nor one whose calls are answered holds up the end.
#[tokio::test]
async fn connections_without_a_call_are_not_waited_for() {
    let mut server = Server::with(&["--shutdown-grace-seconds", "600"]).await;
    let silent = TcpStream::connect(server.address()).await.unwrap();
    let client = server.client().await;
    put(&client, "a", PutMode::Error, rows(0..3)).await;
    server.process().signal("TERM");
    let ended = tokio::time::timeout(Duration::from_secs(30), server.ended());
    ended.await.unwrap();
    drop((silent, client));
}

#[tokio::test]
async fn a_second_signal_ends_the_wait() {
    let mut server = Server::with(&["--shutdown-grace-seconds", "600"]).await;
    let mut peer = Peer::of(&server).await;
    let endless = stream::iter(put_messages().await).chain(stream::pending());
    let _answers = peer.flight.do_put(endless).await.unwrap();
    server.process().signal("TERM");
    no_connection_is_accepted(&server).await;
    server.process().signal("TERM");
    let status = server.process().exit().await;
    assert_eq!(status.code(), Some(1));
    assert!(server.process().log().contains("SIGTERM again"));
}

#[tokio::test]
async fn sigint_and_sigterm_end_an_idle_server_in_order() {
    for signal in ["INT", "TERM"] {
        let mut server = Server::start().await;
        let client = server.client().await;
        put(&client, "a", PutMode::Error, rows(0..3)).await;
        server.process().signal(signal);
        until("the signal is logged", async || {
            server.process().log().contains(&format!("SIG{signal}"))
        })
        .await;
        server.ended().await;
    }
}

#[tokio::test]
async fn what_prevents_the_start_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = fresh_folder();
    let file = NamedTempFile::new().unwrap();
    let below_a_file = file.path().join("buckets");
    let missing = folder.path().join("missing");
    let folder = folder.path().to_str().unwrap();
    let below_a_file = below_a_file.to_str().unwrap();
    let missing = missing.to_str().unwrap();
    for (arguments, code, words) in [
        (
            vec![
                "--host",
                "127.0.0.1",
                "--port",
                &port,
                "--bucket-dir",
                folder,
            ],
            1,
            ["cannot listen on", &port],
        ),
        (
            vec!["--host", "no.such.host.invalid", "--bucket-dir", folder],
            1,
            ["cannot listen on", "no.such.host"],
        ),
        (
            vec!["--port", "0", "--bucket-dir", below_a_file],
            1,
            ["cannot use", below_a_file],
        ),
        (
            vec!["--port", "0", "--bucket-dir", missing, "--read-only"],
            1,
            ["cannot use", missing],
        ),
        (
            vec!["--port", "0", "--bucket-dir", "ftp://host/x"],
            1,
            ["cannot use", "ftp://"],
        ),
        (vec!["--port", "many"], 1, ["--port", "many"]),
        (vec!["--log-format", "xml"], 1, ["--log-format", "xml"]),
        (
            vec!["--log-level", "shoots=loudly"],
            1,
            ["log_level", "loudly"],
        ),
        (vec!["--log-level", "loud"], 1, ["--log-level", "loud"]),
        (vec!["--config", missing], 1, ["shoots-server", missing]),
        (vec!["--prot", "1"], 2, ["--prot", "--help"]),
    ] {
        let (status, out, log) = run(binary().args(&arguments)).await;
        assert_eq!(
            (status, out.as_str()),
            (Some(code), ""),
            "{arguments:?}: {log}"
        );
        for word in words {
            assert!(log.contains(word), "{arguments:?}: {log}");
        }
        if code == 1 {
            assert_eq!(log.lines().count(), 1, "{arguments:?}: {log}");
        }
    }
}

#[tokio::test]
async fn a_signal_ends_a_server_whose_storage_does_not_answer_while_it_starts() {
    // Connections are taken by the system, and nobody answers them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let mut command = binary();
    command.args(["--port", "0", "--metrics-port", "0"]);
    command.args(["--bucket-dir", "s3://bucket/folder"]);
    command.envs([
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "key"),
        ("AWS_REGION", "us-east-1"),
    ]);
    let mut process = Process::spawn(&mut command);
    until("it starts", async || process.log().contains("metrics on")).await;
    process.signal("TERM");
    let status = process.exit().await;
    assert_eq!(status.code(), Some(0), "{}", process.log());
    assert_eq!(process.out(), "");
    assert!(
        process.log().contains("received SIGTERM"),
        "{}",
        process.log()
    );
}
