//! What a put says about itself, and putting the same thing twice.

use std::sync::Arc;

use futures::future;
use serde_json::json;
use shoots_client::{ErrorKind, PutMode, ToFrameId};

use crate::refusal::assert_refused;
use crate::rows::{get, put, rows};
use crate::server::{Server, look_into};

#[tokio::test]
async fn a_commit_keeps_the_message_and_metadata_of_its_put() {
    let server = Server::start().await;
    let client = server.client().await;
    let described = client
        .put("nyc/a")
        .message("first of the month: “März” 𝄞")
        .metadata("source", "almanac")
        .metadata("pages", json!([1, 2.5, null, {"deep": true}]))
        .send_batch(rows(0..3))
        .await
        .unwrap();
    let silent = put(&client, "nyc/a", PutMode::Append, rows(3..5)).await;
    let store = look_into(server.folder()).await;
    let frame = store.frame(&"nyc/a".to_frame_id().unwrap());
    let history = frame.history(10, None).await.unwrap().commits;
    let [second, first] = history.as_slice() else {
        panic!("{history:?}");
    };
    assert_eq!(
        first.message.as_deref(),
        Some("first of the month: “März” 𝄞")
    );
    let metadata = json!({"source": "almanac", "pages": [1, 2.5, null, {"deep": true}]});
    assert_eq!(first.metadata.as_ref(), metadata.as_object());
    assert_eq!((first.version, &first.commit), (1, &described.commit));
    assert_eq!((first.operation.as_str(), first.rows_added), ("create", 3));
    assert_eq!((&second.message, &second.metadata), (&None, &None));
    assert_eq!((second.version, &second.commit), (2, &silent.commit));
    assert_eq!(second.parents, [described.commit]);
    server.stop().await;
}

#[tokio::test]
async fn a_repeated_request_id_is_applied_once() {
    let server = Server::start().await;
    let client = server.client().await;
    let append = |id: &str| client.put("a").mode(PutMode::Append).request_id(id);
    let first = append("monday").send_batch(rows(0..3)).await.unwrap();
    for _ in 0..3 {
        let again = append("monday").send_batch(rows(0..3)).await.unwrap();
        assert_eq!(
            (again.version, &again.commit),
            (first.version, &first.commit)
        );
    }
    let other = append("tuesday").send_batch(rows(3..5)).await.unwrap();
    assert_eq!(other.version, 2);
    // The id belongs to the frame: elsewhere it is another put.
    let elsewhere = client
        .put("b")
        .request_id("monday")
        .send_batch(rows(0..1))
        .await
        .unwrap();
    assert_eq!(elsewhere.rows, 1);
    // A put that made the frame is not told that the frame exists.
    let create = || client.put("c").request_id("create").send_batch(rows(0..2));
    let created = create().await.unwrap();
    assert_eq!(create().await.unwrap().commit, created.commit);
    let stranger = client
        .put("c")
        .request_id("another")
        .send_batch(rows(0..2))
        .await;
    assert_refused(stranger, ErrorKind::FileExistsError, &["c"]);
    assert_eq!(get(&client, "a").await, rows(0..5));
    server.stop().await;
}

#[tokio::test]
async fn a_request_id_outlives_the_server() {
    let server = Server::start().await;
    let client = server.client().await;
    let first = client
        .put("a")
        .request_id("once")
        .send_batch(rows(0..3))
        .await
        .unwrap();
    put(&client, "a", PutMode::Append, rows(3..4)).await;
    let folder = Arc::clone(server.folder());
    server.kill().await;
    let server = Server::on(&folder, &[]).await;
    let client = server.client().await;
    let again = client
        .put("a")
        .request_id("once")
        .send_batch(rows(0..3))
        .await
        .unwrap();
    assert_eq!((again.version, again.commit), (first.version, first.commit));
    assert_eq!(get(&client, "a").await, rows(0..4));
    server.stop().await;
}

#[tokio::test]
async fn repetitions_that_arrive_together_are_applied_once() {
    let server = Server::start().await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(server.client().await);
    }
    for round in 0..5 {
        let id = format!("round {round}");
        let numbers = round * 10..round * 10 + 10;
        let puts = clients
            .iter()
            .flat_map(|client| [client, client])
            .map(|client| {
                let put = client.put("a").mode(PutMode::Append).request_id(&id);
                put.send_batch(rows(numbers.clone()))
            });
        let results = future::try_join_all(puts).await.unwrap();
        for result in &results {
            assert_eq!(result.commit, results[0].commit);
            assert_eq!(result.version, u64::try_from(round).unwrap() + 1);
        }
    }
    assert_eq!(get(&clients[0], "a").await, rows(0..50));
    server.stop().await;
}
