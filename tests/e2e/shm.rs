//! Rows in files that clients on the server's machine map: what comes, what stays, who may look, and what is left of it.
//!
//! That rows come from a file and not over the connection shows in what the test's own process has mapped.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use arrow_array::RecordBatch;
use shoots_client::{AsOf, ErrorKind, PutMode, ShootsClient};
use tempfile::TempDir;

use crate::disks::Mounted;
use crate::frames::everything;
use crate::operating::{address_of, page, value};
use crate::peer::Peer;
use crate::rows::{get, put, rows};
use crate::server::{Server, binary, fresh_folder, run, until};

/// Numbers and texts that take some two hundred kilobytes.
const ROWS: i64 = 10_000;

/// A place for shared files, and what is in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A server that shares all rows, however few.
    async fn server(&self, more: &[&str]) -> Server {
        let place = format!("--shm-dir={}", self.0.path().display());
        let mut flags = vec![place.as_str(), "--shm-min-bytes=0", "--compaction=false"];
        flags.extend(more);
        Server::with(&flags).await
    }

    /// The folders of servers.
    fn folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The finished files of all servers, and everything else but the locks.
    fn files(&self) -> Vec<PathBuf> {
        let folders = self.folders().into_iter();
        let entries = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
        let files = entries.map(|entry| entry.unwrap().path());
        files.filter(|file| !file.ends_with("lock")).collect()
    }

    fn bytes(&self) -> u64 {
        let files = self.files().into_iter();
        files.map(|file| fs::metadata(file).unwrap().len()).sum()
    }

    /// How many files this process has mapped, those included that have no name any more.
    fn mapped(&self) -> usize {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let place = self.0.path().to_str().unwrap();
        maps.lines().filter(|line| line.contains(place)).count()
    }
}

/// A client that has rows sent.
async fn streaming(server: &Server) -> ShootsClient {
    let client = ShootsClient::builder(server.url()).shared_memory(false);
    client.connect().await.unwrap()
}

async fn put_rows(client: &ShootsClient, frame: &str) {
    put(client, frame, PutMode::Error, rows(0..ROWS)).await;
}

/// All rows of a frame, as they come.
async fn collect(client: &ShootsClient, frame: &str) -> Vec<RecordBatch> {
    client.get(frame).collect().await.unwrap()
}

#[tokio::test]
async fn rows_are_the_same_from_a_file_and_over_the_connection() {
    let place = Place::new();
    let server = place.server(&[]).await;
    let (client, streaming) = (server.client().await, streaming(&server).await);
    let batch = everything();
    put(&client, "all", PutMode::Error, batch.clone()).await;
    let got = get(&client, "all").await;
    assert_eq!(place.mapped(), 1);
    assert_eq!(got, batch);
    drop(got);
    assert_eq!(place.mapped(), 0, "the mapping lives as long as the rows");
    // In another segment, with dictionaries of its own.
    put(&client, "all", PutMode::Append, batch.slice(1, 3)).await;
    put(&client, "none", PutMode::Error, batch.slice(0, 0)).await;
    client
        .put("sorted")
        .index(["n"])
        .send_batch(rows(0..ROWS))
        .await
        .unwrap();
    put(&client, "sorted", PutMode::Append, rows(ROWS..2 * ROWS)).await;
    let gets = |client: &ShootsClient| {
        let (all, sorted) = (|| client.get("all"), || client.get("sorted"));
        [
            all(),
            all().as_of(AsOf::Version(1)),
            all().offset(2).limit(4),
            client.get("none"),
            sorted(),
            sorted().columns(["Text"]),
            sorted().start(1000).stop(7000),
            sorted().tail(9),
        ]
    };
    for (at, (shared, sent)) in gets(&client).into_iter().zip(gets(&streaming)).enumerate() {
        let shared = shared.collect_one().await.unwrap();
        let sent = sent.collect_one().await.unwrap();
        assert_eq!(shared, sent, "get {at}");
    }
    assert_eq!(place.files().len(), 8);
    let bytes = place.bytes();
    assert!(bytes.is_multiple_of(64), "{bytes}");
    let counted = client.sql("sorted", "select count(*) from sorted");
    assert_eq!(counted.collect_one().await.unwrap().num_rows(), 1);
    assert_eq!(
        place.files().len(),
        8,
        "queries are answered over the connection"
    );
    server.stop().await;
    assert!(place.folders().is_empty());
}

#[tokio::test]
async fn many_small_segments_come_as_few_large_batches() {
    let place = Place::new();
    let server = place.server(&[]).await;
    let client = server.client().await;
    put_rows(&client, "a").await;
    for turn in 1..6 {
        let more = rows(turn * ROWS..(turn + 1) * ROWS);
        put(&client, "a", PutMode::Append, more).await;
    }
    let got = collect(&client, "a").await;
    assert_eq!(got.len(), 1);
    assert_eq!(got[0], rows(0..6 * ROWS));
    server.stop().await;
}

#[tokio::test]
async fn the_same_rows_are_one_file_and_another_version_is_another() {
    let place = Place::new();
    let mut server = place.server(&["--metrics-port=0"]).await;
    let pages = address_of(&mut server).await;
    let counted = async |metric: &str| value(&page(&pages, "/metrics").await.1, metric);
    let client = server.client().await;
    put_rows(&client, "a").await;
    let others = [server.client().await, server.client().await];
    let at_once = [&client, &others[0], &others[1]].map(|client| collect(client, "a"));
    let at_once = futures::future::join_all(at_once).await;
    assert_eq!(place.files().len(), 1);
    assert_eq!(place.mapped(), 3);
    assert!(at_once.iter().all(|got| *got == [rows(0..ROWS)]));
    put(&client, "a", PutMode::Append, rows(0..1)).await;
    let newer = get(&client, "a").await;
    assert_eq!(newer.num_rows() as i64, ROWS + 1);
    assert_eq!(place.files().len(), 2);
    assert_eq!(counted("shoots_shm_files").await, 2.0);
    assert_eq!(counted("shoots_shm_misses_total").await, 2.0);
    assert_eq!(counted("shoots_shm_hits_total").await, 2.0);
    let used = counted("shoots_memory_used_bytes{budget=\"shm\"}").await;
    assert_eq!(used, place.bytes() as f64);
    server.stop().await;
    // Who has mapped them keeps them.
    assert_eq!(at_once[0], [rows(0..ROWS)]);
    assert_eq!(newer.slice(0, ROWS as usize), rows(0..ROWS));
}

#[tokio::test]
async fn files_give_way_to_others_but_never_under_a_reader() {
    let place = Place::new();
    let one = Place::new();
    let server = one.server(&[]).await;
    let client = server.client().await;
    put_rows(&client, "a").await;
    drop(get(&client, "a").await);
    let bytes = one.bytes();
    server.stop().await;

    let limit = 2 * bytes + bytes / 2;
    let server = place.server(&[&format!("--shm-bytes={limit}")]).await;
    let client = server.client().await;
    for frame in ["a", "b", "c", "d"] {
        put_rows(&client, frame).await;
    }
    let held = get(&client, "a").await;
    drop(get(&client, "b").await);
    let other = get(&client, "c").await;
    assert_eq!(place.mapped(), 2);
    assert!(place.bytes() <= limit);
    // Both that are left are in use, so that these rows are sent.
    let sent = get(&client, "d").await;
    assert_eq!((place.mapped(), place.files().len()), (2, 2));
    for got in [&held, &other, &sent] {
        assert_eq!(*got, rows(0..ROWS));
    }
    drop(held);
    let shared = get(&client, "d").await;
    assert_eq!((place.mapped(), place.files().len()), (2, 2));
    assert!(place.bytes() <= limit);
    assert_eq!(shared, other);
    server.stop().await;
}

#[tokio::test]
async fn what_nobody_uses_for_a_while_is_removed() {
    let place = Place::new();
    let server = place.server(&["--shm-unused-seconds=2"]).await;
    let client = server.client().await;
    put_rows(&client, "a").await;
    put_rows(&client, "b").await;
    let held = get(&client, "a").await;
    drop(get(&client, "b").await);
    until("the file that nobody uses is gone", async || {
        place.files().len() == 1
    })
    .await;
    assert_eq!(place.mapped(), 1);
    assert_eq!(held, rows(0..ROWS));
    drop(held);
    until("the other is gone, too", async || place.files().is_empty()).await;
    server.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_is_sent_and_leaves_nothing() {
    let place = Place::new();
    let server = place.server(&["--shm-bytes=100000"]).await;
    let client = server.client().await;
    put_rows(&client, "a").await;
    for _ in 0..2 {
        assert_eq!(get(&client, "a").await, rows(0..ROWS));
        assert!(place.files().is_empty());
    }
    let part = client.get("a").limit(100).collect_one().await.unwrap();
    assert_eq!(part, rows(0..100));
    assert_eq!((place.files().len(), place.mapped()), (1, 1));
    server.stop().await;
}

#[tokio::test]
async fn a_memory_that_is_full_makes_no_get_fail() {
    let place = Place::new();
    let Some(_mounted) = Mounted::on(place.0.path(), 1) else {
        eprintln!("skipped: this user may not mount a file system");
        return;
    };
    let mut server = place.server(&[]).await;
    let client = server.client().await;
    put(&client, "a", PutMode::Error, rows(0..20 * ROWS)).await;
    assert_eq!(get(&client, "a").await, rows(0..20 * ROWS));
    assert!(place.files().is_empty());
    assert!(server.process().log().contains("cannot write to shm_dir"));
    server.stop().await;
}

#[tokio::test]
async fn few_rows_are_sent() {
    let place = Place::new();
    let flag = format!("--shm-dir={}", place.0.path().display());
    let server = Server::with(&[&flag]).await;
    let client = server.client().await;
    put_rows(&client, "a").await;
    assert_eq!(get(&client, "a").await, rows(0..ROWS));
    assert!(place.files().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_starts_removes_what_crashed_ones_have_left_and_spares_others() {
    let place = Place::new();
    let crashing = place.server(&[]).await;
    put_rows(&crashing.client().await, "a").await;
    drop(get(&crashing.client().await, "a").await);
    let left = place.folders();
    crashing.kill().await;
    assert_eq!(place.files().len(), 1);

    let living = place.server(&[]).await;
    let client = living.client().await;
    assert!(!left[0].exists());
    put_rows(&client, "a").await;
    let held = get(&client, "a").await;
    let another = place.server(&[]).await;
    assert_eq!(place.folders().len(), 2);
    another.stop().await;
    drop(held);
    assert_eq!(get(&client, "a").await, rows(0..ROWS));
    assert_eq!((place.folders().len(), place.files().len()), (1, 1));
    living.stop().await;
    assert!(place.folders().is_empty());
}

#[tokio::test]
async fn a_client_that_cannot_use_files_has_rows_sent_and_asks_no_more() {
    let place = Place::new();
    let mut server = place.server(&["--metrics-port=0"]).await;
    let pages = address_of(&mut server).await;
    let hits = async || value(&page(&pages, "/metrics").await.1, "shoots_shm_hits_total");
    let client = server.client().await;
    put_rows(&client, "a").await;
    drop(get(&client, "a").await);
    assert_eq!(hits().await, 0.0);
    if chown(place.files().remove(0), Some(12345), None).is_err() {
        eprintln!("skipped: this user may not give files away");
        return;
    }
    for _ in 0..3 {
        let sent = get(&client, "a").await;
        assert_eq!((sent, place.mapped()), (rows(0..ROWS), 0));
    }
    assert_eq!(hits().await, 1.0);
    server.stop().await;
}

#[tokio::test]
async fn files_that_others_have_removed_are_written_anew_or_rows_are_sent() {
    let place = Place::new();
    let mut server = place.server(&["--metrics-port=0"]).await;
    let pages = address_of(&mut server).await;
    let metrics = async || page(&pages, "/metrics").await.1;
    let client = server.client().await;
    put_rows(&client, "a").await;
    drop(get(&client, "a").await);
    fs::remove_file(place.files().remove(0)).unwrap();
    let anew = get(&client, "a").await;
    assert_eq!((place.files().len(), place.mapped()), (1, 1));
    let used = value(&metrics().await, "shoots_memory_used_bytes{budget=\"shm\"}");
    assert_eq!(used, place.bytes() as f64);
    fs::remove_dir_all(place.folders().remove(0)).unwrap();
    let sent = get(&client, "a").await;
    assert_eq!(place.mapped(), 1);
    assert_eq!((&anew, &sent), (&rows(0..ROWS), &rows(0..ROWS)));
    server.stop().await;
}

#[tokio::test]
async fn files_of_frames_that_are_removed_are_removed() {
    let place = Place::new();
    let server = place.server(&[]).await;
    let client = server.client().await;
    for frame in ["purged", "deleted", "renamed", "bucket/a", "kept"] {
        put_rows(&client, frame).await;
    }
    let mut held = Vec::new();
    for frame in ["purged", "deleted", "renamed", "bucket/a", "kept"] {
        held.push(get(&client, frame).await);
    }
    assert_eq!(place.files().len(), 5);
    let left = async |files: usize| assert_eq!(place.files().len(), files);
    client.frame("purged").purge().send().await.unwrap();
    left(4).await;
    client.delete("deleted").await.unwrap();
    left(3).await;
    client
        .frame("renamed")
        .rename("other")
        .send()
        .await
        .unwrap();
    left(2).await;
    let mode = shoots_client::BucketDeleteMode::Delete;
    client.delete_bucket("bucket", mode).await.unwrap();
    left(1).await;
    assert_eq!(place.mapped(), 5, "what is mapped stays with its reader");
    assert!(held.iter().all(|got| *got == rows(0..ROWS)));
    let error = client.get("purged").collect_one().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FileNotFoundError);
    server.stop().await;
}

#[tokio::test]
async fn a_path_is_told_only_to_who_may_read_the_rows() {
    const SECRET: &str = "a secret for tests that is long enough";
    let token = async |flags: &[&str]| {
        let mut command = binary();
        command
            .env("SHOOTS_SECRET", SECRET)
            .arg("token")
            .args(flags);
        run(&mut command).await.1.trim_end().to_owned()
    };
    let place = Place::new();
    let secret = format!("--secret={SECRET}");
    let server = place.server(&[&secret, "--allow-insecure-auth"]).await;
    let client = async |token: String| {
        let client = ShootsClient::builder(server.url()).token(token);
        client.token_without_tls(true).connect().await.unwrap()
    };
    let admin = client(token(&["--admin"]).await).await;
    put_rows(&admin, "one/a").await;
    put_rows(&admin, "two/a").await;
    let held = [get(&admin, "one/a").await, get(&admin, "two/a").await];
    let ada = client(token(&["--read=one"]).await).await;
    let hers = get(&ada, "one/a").await;
    assert_eq!(hers, held[0]);
    assert_eq!((place.files().len(), place.mapped()), (2, 3));
    let error = ada.get("two/a").collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDeniedError);
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.folders()[0]), 0o700);
    assert!(place.files().iter().all(|file| mode(file) == 0o400));
    server.stop().await;
}

#[tokio::test]
async fn who_does_not_ask_for_it_is_sent_rows() {
    let place = Place::new();
    let server = place.server(&[]).await;
    put_rows(&server.client().await, "a").await;
    let mut peer = Peer::of(&server).await;
    assert_eq!(peer.get(r#"{"name":"a"}"#).await.unwrap(), rows(0..ROWS));
    assert!(place.files().is_empty());
    let none = peer.get(r#"{"name":"a","shm":true}"#).await.unwrap();
    assert_eq!((none.num_rows(), place.files().len()), (0, 1));
    server.stop().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_told_at_the_start() {
    let folder = fresh_folder();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let mut command = binary();
    command.args(["--port=0", "--bucket-dir=memory://"]);
    command.arg(format!("--shm-dir={}", file.display()));
    let (code, _, log) = run(&mut command).await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("shm_dir: cannot use"), "{log}");
}
