//! Names: nearly everything is welcome, and what is not is refused before it reaches the disk.

use shoots_client::{BucketDeleteMode, ErrorKind, PutMode};

use crate::refusal::assert_not_sent;
use crate::rows::{get, put, rows};
use crate::server::{Server, files};

const WELCOME: [&str; 20] = [
    "plain",
    "with space",
    "ends in space ",
    " begins with one",
    "Grüße 東京 🚀",
    "quote ' and \" quote",
    "100 %",
    "%2e%2e",
    "_default",
    "_bucket.json",
    ".hidden",
    "...",
    "a.parquet",
    "dots.",
    "C:",
    "a:b*c?d<e>f|g",
    "$(echo) `x` ;",
    "CON",
    "log",
    "x",
];

#[tokio::test]
async fn frames_and_buckets_are_called_what_their_users_call_them() {
    let server = Server::start().await;
    let client = server.client().await;
    for (number, name) in (0..).zip(WELCOME) {
        put(&client, name, PutMode::Error, rows(number..number + 1)).await;
        client
            .put((name, name))
            .send_batch(rows(number..number + 2))
            .await
            .unwrap();
    }
    for (number, name) in (0..).zip(WELCOME) {
        assert_eq!(get(&client, name).await, rows(number..number + 1), "{name}");
        let other = client.get((name, name)).collect_one().await.unwrap();
        assert_eq!(other, rows(number..number + 2), "{name}");
        let quoted = name.replace('"', "\"\"");
        let asked = client
            .sql(name, format!("select * from \"{quoted}\""))
            .collect_one()
            .await;
        assert_eq!(asked.unwrap(), rows(number..number + 1), "{name}");
    }
    let mut expected = WELCOME.to_vec();
    expected.sort_unstable();
    let found = client.list().send().await.unwrap();
    let found: Vec<&str> = found.iter().map(|info| info.frame.name.as_str()).collect();
    assert_eq!(found, expected);
    let buckets = client.buckets().await.unwrap();
    assert_eq!(
        buckets.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        expected
    );
    for name in WELCOME {
        client.delete(name).await.unwrap();
        client
            .delete_bucket(name, BucketDeleteMode::Delete)
            .await
            .unwrap();
    }
    assert!(client.list().all_buckets().send().await.unwrap().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn one_name_in_two_encodings_of_unicode_is_one_frame() {
    let server = Server::start().await;
    let client = server.client().await;
    put(&client, "caf\u{e9}", PutMode::Error, rows(0..3)).await;
    assert_eq!(get(&client, "cafe\u{301}").await, rows(0..3));
    assert_eq!(client.list().send().await.unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn bad_names_are_refused_by_field_and_touch_nothing() {
    let server = Server::start().await;
    let client = server.client().await;
    let before = files(server.folder().path());
    let long = "x".repeat(300);
    let kind = ErrorKind::InvalidRequestError;
    for bad in [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "line\nbreak",
        "nul\0",
        &long,
    ] {
        let frame = ("nyc", bad);
        let words: &[&str] = &["frame name"];
        assert_not_sent(client.put(frame).send_batch(rows(0..1)).await, kind, words);
        assert_not_sent(client.get(frame).collect_one().await, kind, words);
        assert_not_sent(
            client.sql(frame, "select 1").collect_one().await,
            kind,
            words,
        );
        assert_not_sent(client.info(frame).await, kind, words);
        assert_not_sent(client.exists(frame).await, kind, words);
        assert_not_sent(client.delete(frame).await, kind, words);
        let bucket = (bad, "a");
        let words: &[&str] = &["bucket name"];
        assert_not_sent(client.put(bucket).send_batch(rows(0..1)).await, kind, words);
        assert_not_sent(client.get("a").bucket(bad).collect_one().await, kind, words);
        assert_not_sent(client.list().bucket(bad).send().await, kind, words);
        let deleted = client.delete_bucket(bad, BucketDeleteMode::Delete).await;
        assert_not_sent(deleted, kind, words);
    }
    assert_eq!(files(server.folder().path()), before);
    server.stop().await;
}
