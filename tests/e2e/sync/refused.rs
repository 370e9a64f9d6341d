//! What is refused, by field, and what is never told.

use shoots_client::proto::action::{ADD_REMOTE, REMOTES};
use shoots_client::{ErrorKind, PutMode};

use super::relay::{Relay, Told};
use crate::refusal::{assert_not_sent, assert_refused};
use crate::rows::{put, rows};
use crate::server::Server;

#[tokio::test]
async fn remotes_are_named_listed_and_forgotten_without_telling_what_lets_them_in() {
    let server = Server::with(&["--remote", "fixed=grpc+tls://h;token=env:HUNTER2"]).await;
    let client = server.client().await;
    let added = client.add_remote("backup", "grpc+tls://backup.example");
    let added = added.token("env:SHOOTS_REMOTE_HUNTER2").send().await;
    assert_eq!(added.unwrap().url, "grpc+tls://backup.example");
    let listed = client.remotes().send().await.unwrap();
    let told: Vec<_> = listed
        .remotes
        .iter()
        .map(|remote| (remote.remote.as_str(), remote.configured, remote.has_token))
        .collect();
    assert_eq!(told, [("backup", false, true), ("fixed", true, true)]);
    assert!(!format!("{listed:?}").contains("HUNTER2"));
    client.remove_remote("backup").send().await.unwrap();
    let gone = client.remove_remote("backup").send().await;
    assert_refused(gone, ErrorKind::FileNotFoundError, &["backup"]);
    server.stop().await;
}

#[tokio::test]
async fn what_callers_may_not_reach_is_refused_by_its_field() {
    let server = Server::with(&["--remote", "fixed=s3://bucket"]).await;
    let client = server.client().await;
    let invalid = ErrorKind::InvalidRequestError;
    for (remote, url, words) in [
        ("a", "file:///etc", ["url", "allow_file_remotes"]),
        ("fixed", "s3://other", ["remote", "settings"]),
    ] {
        let refused = client.add_remote(remote, url).send().await;
        assert_refused(refused, invalid, &words);
    }
    for (remote, url, word) in [
        ("a/b", "s3://bucket", "add_remote: remote"),
        ("a", "https://host", "add_remote: url"),
    ] {
        let refused = client.add_remote(remote, url).send().await;
        assert_not_sent(refused, invalid, &[word]);
    }
    let secret = client.add_remote("a", "grpc+tls://h");
    let refused = secret.token("env:AWS_SECRET_ACCESS_KEY").send().await;
    assert_refused(refused, invalid, &["token", "SHOOTS_REMOTE_"]);
    let plain = client.add_remote("a", "grpc://h");
    let refused = plain.token("env:SHOOTS_REMOTE_T").send().await;
    assert_refused(
        refused,
        invalid,
        &[ADD_REMOTE, "token", "allow_insecure_token"],
    );
    let unknown = client.remotes().remote("nobody").send().await;
    assert_refused(unknown, ErrorKind::FileNotFoundError, &["nobody"]);
    let unknown = client.pull("nobody").send().await;
    assert_refused(unknown, ErrorKind::FileNotFoundError, &["nobody"]);
    let bad = client.pull("fixed").matching("(").send().await;
    assert_refused(bad, invalid, &["pull: regex"]);
    let names = client.actions().await.unwrap();
    assert!(names.iter().any(|action| action.name == REMOTES));
    server.stop().await;
}

#[tokio::test]
async fn limits_and_ends_of_calls_at_a_remote_stay_what_they_are_and_name_it() {
    let one = Server::with(&[]).await;
    put(&one.client().await, "a", PutMode::Append, rows(0..3)).await;
    let relay = Relay::to(one.address()).await;
    let other = Server::with(&[&relay.origin()]).await;
    let there = other.client().await;
    put(&there, "b", PutMode::Append, rows(0..3)).await;
    let url = relay.url();
    let words = ["remote origin", &url, "as it was told"];
    for kind in [
        ErrorKind::LimitError,
        ErrorKind::CallTimeoutError,
        ErrorKind::CancelledError,
    ] {
        for failing in ["sync_head", "sync_history", "sync_read", "sync_object"] {
            relay.tell(move |call, _| match call {
                call if call == failing => Told::Failure(kind),
                _ => Told::Truth,
            });
            if failing == "sync_object" {
                let refused = there.push("origin").frame("b").send().await;
                assert_refused(refused, kind, &words);
            } else {
                let refused = there.clone_frames("origin").frame("a").send().await;
                assert_refused(refused, kind, &words);
            }
        }
    }
    other.stop().await;
    one.stop().await;
}

#[tokio::test]
async fn a_server_for_reading_gives_and_takes_nothing() {
    let folder = crate::server::fresh_folder();
    let writer = Server::on(&folder, &[]).await;
    put(&writer.client().await, "a", PutMode::Append, rows(0..3)).await;
    writer.stop().await;
    let reader = Server::on(&folder, &["--read-only"]).await;
    let origin = format!("origin=grpc://{}", reader.address());
    let other = Server::with(&["--remote", &origin]).await;
    let client = other.client().await;
    client
        .clone_frames("origin")
        .frame("a")
        .send()
        .await
        .unwrap();
    put(&client, "a", PutMode::Append, rows(3..4)).await;
    let refused = client.push("origin").frame("a").send().await;
    assert_refused(refused, ErrorKind::ReadOnlyError, &["read-only"]);
    let reading = reader.client().await;
    let refused = reading.add_remote("b", "s3://b").send().await;
    assert_refused(refused, ErrorKind::ReadOnlyError, &["read-only"]);
    other.stop().await;
    reader.stop().await;
}
