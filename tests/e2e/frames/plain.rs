//! What lies on disk is plain Parquet, and plain Parquet that lies there is a frame.

use std::path::{Path, PathBuf};

use shoots_client::{ErrorKind, PutMode, ShootsClient};

use crate::refusal::assert_refused;
use crate::rows::{get, put, rows};
use crate::server::{Server, files};

/// Puts rows and gives the Parquet file that they were written to.
async fn segment(server: &Server, client: &ShootsClient) -> PathBuf {
    put(client, "source", PutMode::Error, rows(0..50)).await;
    let segments = server.folder().path().join("_default/source/segments");
    let found = files(&segments);
    assert_eq!(found.len(), 1, "{found:?}");
    PathBuf::from(&found[0].0)
}

fn copy(from: &Path, server: &Server, to: &str) {
    let to = server.folder().path().join(to);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(from, to).unwrap();
}

#[tokio::test]
async fn a_segment_is_a_parquet_file_of_the_rows_and_can_be_put_in_a_bucket() {
    let server = Server::start().await;
    let client = server.client().await;
    let segment = segment(&server, &client).await;
    let bytes = std::fs::read(&segment).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    copy(&segment, &server, "plain.parquet");
    copy(&segment, &server, "old bucket/plain.parquet");
    for frame in ["plain", "old bucket/plain"] {
        let batch = get(&client, frame).await;
        assert_eq!(batch.columns(), rows(0..50).columns());
        let summary = client.info(frame).await.unwrap().summary;
        assert_eq!((summary.version, summary.rows), (None, 50));
        let counted = client
            .sql(frame, "select n from plain where n > 47")
            .collect_one()
            .await;
        assert_eq!(crate::rows::numbers(&counted.unwrap()), [48, 49]);
    }
    let found = client.list().all_buckets().send().await.unwrap();
    let found: Vec<String> = found.iter().map(|info| info.frame.to_string()).collect();
    assert_eq!(found, ["plain", "source", "old bucket/plain"]);
    server.stop().await;
}

#[tokio::test]
async fn a_plain_file_is_not_purged_unless_it_cannot_be_read_and_the_error_says_what_it_is() {
    let server = Server::start().await;
    let client = server.client().await;
    let segment = segment(&server, &client).await;
    copy(&segment, &server, "plain.parquet");
    let refused = client.frame("plain").purge().send().await;
    let words = ["name", "plain file", "delete the file"];
    assert_refused(refused, ErrorKind::InvalidRequestError, &words);
    assert_eq!(get(&client, "plain").await.num_rows(), 50);
    // What cannot be read is no use to anybody, and is in the way of its name.
    let garbage = server.folder().path().join("garbage.parquet");
    std::fs::write(&garbage, "no Parquet").unwrap();
    let purged = client.frame("garbage").purge().send().await.unwrap();
    assert_eq!((purged.objects, purged.bytes), (1, 10));
    assert!(!garbage.exists());
    put(&client, "garbage", PutMode::Error, rows(0..3)).await;
    server.stop().await;
}

#[tokio::test]
async fn the_first_write_adopts_a_plain_file_and_leaves_it_alone() {
    let server = Server::start().await;
    let client = server.client().await;
    let segment = segment(&server, &client).await;
    copy(&segment, &server, "plain.parquet");
    let plain = server.folder().path().join("plain.parquet");
    let before = std::fs::read(&plain).unwrap();
    let appended = put(&client, "plain", PutMode::Append, rows(50..53)).await;
    assert_eq!((appended.version, appended.rows), (2, 3));
    assert_eq!(get(&client, "plain").await.columns(), rows(0..53).columns());
    let adopted = client.get("plain").as_of(shoots_client::AsOf::Version(1));
    assert_eq!(adopted.collect_one().await.unwrap().num_rows(), 50);
    client.delete("plain").await.unwrap();
    assert!(!client.exists("plain").await.unwrap());
    assert_eq!(std::fs::read(&plain).unwrap(), before);
    server.stop().await;
}

#[tokio::test]
async fn a_plain_file_that_is_not_parquet_breaks_no_listing() {
    let server = Server::start().await;
    let client = server.client().await;
    put(&client, "a", PutMode::Error, rows(0..3)).await;
    let folder = server.folder().path();
    for (file, bytes) in [
        ("text.parquet", "this is no parquet file"),
        ("empty.parquet", ""),
        ("cut.parquet", "PAR1PAR1"),
        ("notes.txt", "x"),
    ] {
        std::fs::write(folder.join(file), bytes).unwrap();
    }
    let found = client.list().all_buckets().send().await.unwrap();
    assert_eq!(
        found
            .iter()
            .map(|info| info.frame.to_string())
            .collect::<Vec<_>>(),
        ["a"]
    );
    assert!(client.get("text").collect_one().await.is_err());
    assert!(!client.exists("notes").await.unwrap());
    // A write would have to keep rows that cannot be read.
    client
        .put("text")
        .mode(PutMode::Append)
        .send_batch(rows(0..1))
        .await
        .unwrap_err();
    assert_eq!(get(&client, "a").await, rows(0..3));
    server.stop().await;
}
