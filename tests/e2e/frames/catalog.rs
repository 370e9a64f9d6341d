//! Finding frames and buckets, and deleting them.

use std::sync::Arc;

use shoots_client::{BucketDeleteMode, ErrorKind, FrameInfo, PutMode};

use crate::refusal::assert_refused;
use crate::rows::{get, put, rows, schema};
use crate::server::Server;

fn names(found: &[FrameInfo]) -> Vec<String> {
    found.iter().map(|info| info.frame.to_string()).collect()
}

#[tokio::test]
async fn a_listing_is_of_a_bucket_or_of_all_and_by_pattern() {
    let server = Server::start().await;
    let client = server.client().await;
    for (at, frame) in [
        "weather",
        "flights",
        "nyc/weather",
        "nyc/planes",
        "rome/Wetter",
    ]
    .into_iter()
    .enumerate()
    {
        put(
            &client,
            frame,
            PutMode::Error,
            rows(0..i64::try_from(at).unwrap()),
        )
        .await;
    }
    for (request, expected) in [
        (client.list(), vec!["flights", "weather"]),
        (
            client.list().bucket("nyc"),
            vec!["nyc/planes", "nyc/weather"],
        ),
        (
            client.list().all_buckets(),
            vec![
                "flights",
                "weather",
                "nyc/planes",
                "nyc/weather",
                "rome/Wetter",
            ],
        ),
        (client.list().pattern("eat"), vec!["weather"]),
        (client.list().pattern("^eat"), vec![]),
        (
            client.list().bucket("nyc").pattern("^p.*s$"),
            vec!["nyc/planes"],
        ),
        (
            client.list().all_buckets().pattern("(?i)^we"),
            vec!["weather", "nyc/weather", "rome/Wetter"],
        ),
        // The pattern is for the frame's name, not for its bucket's.
        (client.list().all_buckets().pattern("nyc"), vec![]),
    ] {
        assert_eq!(names(&request.send().await.unwrap()), expected);
    }
    for info in client.list().all_buckets().send().await.unwrap() {
        assert_eq!(info.schema, schema());
        assert_eq!(info, client.info(&info.frame).await.unwrap());
    }
    let planes = client
        .list()
        .bucket("nyc")
        .pattern("planes")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (planes[0].summary.rows, planes[0].summary.version),
        (3, Some(1))
    );
    let unknown = client.list().bucket("paris").send().await;
    assert_refused(unknown, ErrorKind::FileNotFoundError, &["bucket", "paris"]);
    let broken = client.list().pattern("(").send().await;
    assert_refused(broken, ErrorKind::InvalidRequestError, &["criteria: regex"]);
    server.stop().await;
}

#[tokio::test]
async fn a_deleted_frame_is_gone_and_its_name_is_free() {
    let server = Server::start().await;
    let client = server.client().await;
    for frame in ["a", "nyc/a"] {
        put(&client, frame, PutMode::Error, rows(0..3)).await;
    }
    assert!(client.exists("a").await.unwrap());
    assert!(!client.exists("b").await.unwrap());
    assert!(!client.exists("rome/a").await.unwrap());
    let deleted = client.delete("a").await.unwrap();
    assert!(deleted.success);
    assert!(deleted.message.contains('a'));
    assert!(!client.exists("a").await.unwrap());
    assert!(client.exists("nyc/a").await.unwrap());
    assert!(client.list().send().await.unwrap().is_empty());
    let outcomes = [
        client.get("a").collect_one().await.map(drop),
        client.info("a").await.map(drop),
        client.schema("a").await.map(drop),
        client.delete("a").await.map(drop),
    ];
    for outcome in outcomes {
        assert_refused(outcome, ErrorKind::FileNotFoundError, &["frame: a"]);
    }
    // Versions go on: one that was there is never another.
    assert_eq!(
        put(&client, "a", PutMode::Error, rows(5..6)).await.version,
        3
    );
    assert_eq!(get(&client, "a").await, rows(5..6));
    server.stop().await;
}

#[tokio::test]
async fn a_bucket_is_deleted_empty_or_with_its_frames() {
    let server = Server::start().await;
    let client = server.client().await;
    assert!(client.buckets().await.unwrap().is_empty());
    for frame in ["rome/a", "nyc/a", "nyc/b", "in no bucket"] {
        put(&client, frame, PutMode::Error, rows(0..3)).await;
    }
    let listed = async || {
        let buckets = client.buckets().await.unwrap();
        buckets.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, ["nyc", "rome"]);

    let kept = client.delete_bucket("nyc", BucketDeleteMode::Error).await;
    assert_refused(kept, ErrorKind::BucketNotEmptyError, &["nyc", "2"]);
    assert_eq!(get(&client, "nyc/a").await, rows(0..3));

    // A bucket whose last frame is deleted is still there.
    client.delete("rome/a").await.unwrap();
    assert_eq!(listed().await, ["nyc", "rome"]);
    assert!(
        client
            .list()
            .bucket("rome")
            .send()
            .await
            .unwrap()
            .is_empty()
    );
    client
        .delete_bucket("rome", BucketDeleteMode::Error)
        .await
        .unwrap();
    assert_eq!(listed().await, ["nyc"]);

    let gone = client
        .delete_bucket("nyc", BucketDeleteMode::Delete)
        .await
        .unwrap();
    assert!(gone.message.contains("nyc"));
    assert!(listed().await.is_empty());
    for frame in ["nyc/a", "nyc/b"] {
        assert!(!client.exists(frame).await.unwrap());
    }
    for mode in [BucketDeleteMode::Error, BucketDeleteMode::Delete] {
        let again = client.delete_bucket("nyc", mode).await;
        assert_refused(again, ErrorKind::FileNotFoundError, &["nyc"]);
    }
    assert_eq!(get(&client, "in no bucket").await, rows(0..3));
    put(&client, "nyc/a", PutMode::Error, rows(1..2)).await;
    assert_eq!(get(&client, "nyc/a").await, rows(1..2));
    assert_eq!(
        names(&client.list().bucket("nyc").send().await.unwrap()),
        ["nyc/a"]
    );
    server.stop().await;
}

#[tokio::test]
async fn the_catalog_outlives_the_server() {
    let server = Server::start().await;
    let client = server.client().await;
    for frame in ["kept", "deleted", "empty/a", "gone/a"] {
        put(&client, frame, PutMode::Error, rows(0..2)).await;
    }
    client.delete("deleted").await.unwrap();
    client.delete("empty/a").await.unwrap();
    client
        .delete_bucket("gone", BucketDeleteMode::Delete)
        .await
        .unwrap();
    let folder = Arc::clone(server.folder());
    server.kill().await;
    let server = Server::on(&folder, &[]).await;
    let client = server.client().await;
    let buckets = client.buckets().await.unwrap();
    assert_eq!(
        buckets.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        ["empty"]
    );
    assert_eq!(
        names(&client.list().all_buckets().send().await.unwrap()),
        ["kept"]
    );
    server.stop().await;
}

#[tokio::test]
async fn a_server_answers_pings_tells_its_actions_and_shuts_down_when_told() {
    let server = Server::start().await;
    let client = server.client().await;
    client.ping().await.unwrap();
    let actions = client.actions().await.unwrap();
    for name in ["buckets", "delete", "delete_bucket", "ping", "shutdown"] {
        let action = actions.iter().find(|action| action.name == name).unwrap();
        assert!(!action.description.is_empty());
    }
    let put = put(&client, "a", PutMode::Error, rows(0..3)).await;
    assert_eq!(
        client.shutdown().await.unwrap(),
        ["shutdown command received"]
    );
    let folder = Arc::clone(server.folder());
    server.ended().await;
    let error = client.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnavailableError);
    let server = Server::on(&folder, &[]).await;
    let found = server.client().await.info("a").await.unwrap();
    assert_eq!(found.summary.commit, Some(put.commit));
    server.stop().await;
}
