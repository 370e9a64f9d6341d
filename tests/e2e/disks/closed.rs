//! A folder that may not be written to.
//!
//! To the system's administrator no folder is closed, so a server that is started by one runs as nobody here. If nobody
//! may not even run it, the test says that it is skipped.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use shoots_client::{ErrorKind, PutMode};

use crate::operating::pages::{address_of, page};
use crate::refusal::assert_refused;
use crate::rows::{get, put, rows};
use crate::server::{Server, binary, fresh_folder, run, until};

/// The user that owns nothing.
const NOBODY: u32 = 65_534;

/// The binary, for a user that can be kept out of a folder; gives the folder to that user.
fn restrained(folder: &Path) -> Option<Command> {
    let mut command = binary();
    // The administrator's, or given away by an earlier call.
    if ![0, NOBODY].contains(&fs::metadata(folder).unwrap().uid()) {
        return Some(command);
    }
    chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    command.uid(NOBODY).gid(NOBODY);
    let mut look = binary();
    let look = look.uid(NOBODY).gid(NOBODY).arg("--version");
    let runs = look.stdout(Stdio::null()).status();
    runs.is_ok_and(|status| status.success()).then_some(command)
}

/// Opens or closes a folder and all below it.
fn set(folder: &Path, mode: u32) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            set(&path, mode);
        }
    }
    fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_folder_that_is_closed_is_read_and_written_once_it_is_open_again() {
    let folder = fresh_folder();
    let Some(command) = restrained(folder.path()) else {
        eprintln!("skipped: nobody may not run the server");
        return;
    };
    let location = folder.path().to_str().unwrap();
    let server = Server::of(command, location, &folder, &[]).await;
    let client = server.client().await;
    put(&client, "a", PutMode::Error, rows(0..100)).await;
    put(&client, "nyc/b", PutMode::Error, rows(0..10)).await;
    set(folder.path(), 0o555);
    for (frame, mode) in [
        ("a", PutMode::Append),
        ("nyc/b", PutMode::Replace),
        ("new", PutMode::Error),
    ] {
        let refused = client.put(frame).mode(mode).send_batch(rows(0..1)).await;
        assert_refused(
            refused,
            ErrorKind::ShootsIOError,
            &["ermission denied", location],
        );
    }
    let refused = client.frame("a").tag("eod").send().await;
    assert_refused(refused, ErrorKind::ShootsIOError, &["ermission denied"]);
    assert_eq!(get(&client, "a").await, rows(0..100));
    assert_eq!(client.list().all_buckets().send().await.unwrap().len(), 2);

    let mut second = restrained(folder.path()).unwrap();
    let second = second.args(["--port", "0", "--bucket-dir", location]);
    let (code, _, log) = run(second).await;
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains(location) && log.contains("ermission denied"),
        "{log}"
    );
    // Who only reads needs no more.
    let mut reading = restrained(folder.path()).unwrap();
    reading.arg("--read-only");
    let reading = Server::of(reading, location, &folder, &[]).await;
    assert_eq!(get(&reading.client().await, "a").await, rows(0..100));
    reading.stop().await;

    set(folder.path(), 0o755);
    put(&client, "a", PutMode::Append, rows(100..200)).await;
    put(&client, "new", PutMode::Error, rows(0..3)).await;
    assert_eq!(get(&client, "a").await, rows(0..200));
    let checked = client.verify().all_buckets().send().await.unwrap();
    assert!(checked.ok, "{checked:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_not_let_into_its_folder_is_not_ready_until_it_is() {
    let folder = fresh_folder();
    let Some(command) = restrained(folder.path()) else {
        eprintln!("skipped: nobody may not run the server");
        return;
    };
    let location = folder.path().to_str().unwrap();
    let flags = ["--metrics-port", "0"];
    let mut server = Server::of(command, location, &folder, &flags).await;
    let address = address_of(&mut server).await;
    let is = |wanted: u16| {
        let address = address.clone();
        until("it says so", async move || {
            page(&address, "/readyz").await.0 == wanted
        })
    };
    is(200).await;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o000)).unwrap();
    is(503).await;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    is(200).await;
    server.stop().await;
}
