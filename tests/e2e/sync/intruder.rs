//! Callers that speak as servers do, and mean harm: nothing outside of the frame that they name can be read, nothing
//! that is not checked is published, and what they send is bounded.

use arrow_flight::{Action, FlightData, FlightDescriptor};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use shoots_client::{ErrorKind, PutMode};
use tonic::Status;

use super::QUIET;
use crate::peer::{Peer, assert_status};
use crate::rows::{get, put, rows};
use crate::server::{Server, files};

const INVALID: ErrorKind = ErrorKind::InvalidRequestError;
const DAMAGED: ErrorKind = ErrorKind::DamagedError;

async fn ask(peer: &mut Peer, name: &str, request: &Value) -> Result<Vec<u8>, Status> {
    let action = Action::new(name, request.to_string());
    let answers = peer.flight.do_action(action).await?.into_inner();
    let answers: Vec<_> = answers.try_collect().await?;
    Ok(answers
        .iter()
        .flat_map(|answer| answer.body.to_vec())
        .collect())
}

/// Puts bytes under a command, in messages of these sizes.
async fn bring(peer: &mut Peer, command: &Value, bodies: Vec<Bytes>) -> Result<Vec<u8>, Status> {
    let mut descriptor = Some(FlightDescriptor::new_cmd(command.to_string()));
    let bodies = if bodies.is_empty() {
        vec![Bytes::new()]
    } else {
        bodies
    };
    let messages: Vec<FlightData> = bodies
        .into_iter()
        .map(|data_body| FlightData {
            flight_descriptor: descriptor.take(),
            data_body,
            ..FlightData::default()
        })
        .collect();
    let answers = peer
        .flight
        .do_put(stream::iter(messages))
        .await?
        .into_inner();
    let answers: Vec<_> = answers.try_collect().await?;
    Ok(answers
        .iter()
        .flat_map(|answer| answer.app_metadata.to_vec())
        .collect())
}

/// A server with two frames, and the id of the only segment of each.
async fn server() -> (Server, Peer, [Value; 2]) {
    let server = Server::with(QUIET).await;
    let client = server.client().await;
    put(&client, "mine", PutMode::Append, rows(0..10)).await;
    put(&client, "nyc/secret", PutMode::Append, rows(90..99)).await;
    let mut peer = Peer::of(&server).await;
    let mut segments = Vec::new();
    for frame in [
        json!({"name": "mine"}),
        json!({"name": "secret", "bucket": "nyc"}),
    ] {
        let head: Value =
            serde_json::from_slice(&ask(&mut peer, "sync_head", &frame).await.unwrap()).unwrap();
        let mut list = frame.clone();
        list["commit"] = head["tip"].clone();
        let list = ask(&mut peer, "sync_list", &list).await.unwrap();
        let text = String::from_utf8(list).unwrap();
        let listed: Value = serde_json::from_str(text.trim()).unwrap();
        segments.push(listed);
    }
    let segments = segments.try_into().unwrap();
    (server, peer, segments)
}

#[tokio::test]
async fn only_the_frame_that_is_asked_for_is_looked_into() {
    let (server, mut peer, [mine, secret]) = server().await;
    let before = files(server.folder().path());
    let object = |listed: &Value| json!({"kind": "segment", "id": listed["segment"]["id"]});
    let have = json!({"name": "mine", "objects": [object(&mine), object(&secret)]});
    let sizes: Value =
        serde_json::from_slice(&ask(&mut peer, "sync_have", &have).await.unwrap()).unwrap();
    assert_eq!(sizes, json!({"sizes": [mine["segment"]["bytes"], null]}));
    // Many are looked for in another way.
    let mut many: Vec<Value> = (0..200)
        .map(|n| json!({"kind": "segment", "id": format!("{n:032x}")}))
        .collect();
    many.extend([object(&secret), object(&mine)]);
    let have = json!({"name": "mine", "objects": many});
    let sizes: Value =
        serde_json::from_slice(&ask(&mut peer, "sync_have", &have).await.unwrap()).unwrap();
    let found: Vec<&Value> = sizes["sizes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|size| !size.is_null())
        .collect();
    assert_eq!(found, [&mine["segment"]["bytes"]]);
    let read = ask(
        &mut peer,
        "sync_read",
        &json!({"name": "mine", "object": object(&secret)}),
    )
    .await;
    assert_status(read, ErrorKind::FileNotFoundError, &["object"]);
    let list = json!({"name": "mine", "commit": "ab".repeat(32)});
    assert_eq!(ask(&mut peer, "sync_list", &list).await.unwrap(), b"");
    let history = json!({"name": "mine", "from": "ab".repeat(32)});
    assert_status(
        ask(&mut peer, "sync_history", &history).await,
        ErrorKind::FileNotFoundError,
        &["commit"],
    );
    let read = ask(
        &mut peer,
        "sync_read",
        &json!({"name": "mine", "object": object(&mine)}),
    )
    .await;
    assert_eq!(
        read.unwrap().len() as u64,
        mine["segment"]["bytes"].as_u64().unwrap()
    );
    assert_eq!(files(server.folder().path()), before);
    server.stop().await;
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused_by_their_field() {
    let (server, mut peer, _) = server().await;
    let before = files(server.folder().path());
    let long = "a".repeat(65);
    let ids = [
        "../log/latest",
        "..",
        "",
        "/etc/passwd",
        "ab/../ab",
        "AB",
        "a b",
        "ab.parquet",
        "%2e%2e",
        &long,
    ];
    for id in ids {
        let object = json!({"kind": "segment", "id": id});
        let read = ask(
            &mut peer,
            "sync_read",
            &json!({"name": "mine", "object": object}),
        )
        .await;
        assert_status(read, INVALID, &["sync_read: object.id"]);
        let have = json!({"name": "mine", "objects": [object]});
        let have = ask(&mut peer, "sync_have", &have).await;
        assert_status(have, INVALID, &["sync_have: objects[0].id"]);
        let write = json!({"sync_object": {"name": "mine", "object": object, "bytes": 1, "hash": "ab".repeat(32)}});
        let write = bring(&mut peer, &write, vec!["x".into()]).await;
        assert_status(write, INVALID, &["sync_object.object.id"]);
    }
    for name in ["../mine", "..", "a/b", ""] {
        for (call, mut request) in [
            ("sync_head", json!({})),
            ("sync_history", json!({"from": "ab".repeat(32)})),
            ("sync_list", json!({"commit": "ab".repeat(32)})),
            ("sync_have", json!({"objects": []})),
            (
                "sync_read",
                json!({"object": {"kind": "schema", "id": "ab"}}),
            ),
        ] {
            request["name"] = json!(name);
            assert_status(
                ask(&mut peer, call, &request).await,
                INVALID,
                &[&format!("{call}: name")],
            );
        }
    }
    for (call, request, words) in [
        (
            "sync_read",
            json!({"name": "mine", "object": {"kind": "log", "id": "ab"}}),
            "object.kind",
        ),
        ("sync_read", json!({"name": "mine"}), "object"),
        (
            "sync_history",
            json!({"name": "mine", "from": "ab"}),
            "from",
        ),
        ("sync_head", json!({"name": "mine", "more": 1}), "more"),
        (
            "sync_have",
            json!({"name": "mine", "objects": vec![json!({"kind": "schema", "id": "ab"}); 5000]}),
            "objects",
        ),
        (
            "sync_have",
            json!({"name": "mine", "objects": 7}),
            "objects",
        ),
    ] {
        assert_status(
            ask(&mut peer, call, &request).await,
            INVALID,
            &[call, words],
        );
    }
    assert_eq!(files(server.folder().path()), before);
    server.stop().await;
}

#[tokio::test]
async fn objects_that_are_not_what_they_are_called_are_not_stored() {
    let (server, mut peer, [mine, _]) = server().await;
    let before = files(server.folder().path());
    let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    let write = |id: &str, bytes: u64, hash: String| {
        json!({"sync_object": {
            "name": "mine", "object": {"kind": "segment", "id": id}, "bytes": bytes, "hash": hash,
        }})
    };
    let fresh = "ab".repeat(16);
    let lies: Vec<(Value, Vec<Bytes>, ErrorKind, &str)> = vec![
        (
            write(&fresh, 4, hash(b"rows")),
            vec!["rats".into()],
            DAMAGED,
            "arrived",
        ),
        (
            write(&fresh, 4, hash(b"rows")),
            vec!["row".into()],
            DAMAGED,
            "arrived",
        ),
        (
            write(&fresh, 4, hash(b"rows")),
            vec!["rows".into(), "!".into()],
            DAMAGED,
            "more than",
        ),
        (write(&fresh, 4, hash(b"rows")), vec![], DAMAGED, "arrived"),
        (
            write(&fresh, u64::MAX, hash(b"rows")),
            vec!["rows".into()],
            INVALID,
            "put_memory_bytes",
        ),
        (
            write(&fresh, 2 << 20, hash(b"rows")),
            vec![vec![0; 2 << 20].into()],
            INVALID,
            "send at most",
        ),
        (
            write(&fresh, 4, "ab".to_owned()),
            vec!["rows".into()],
            INVALID,
            "sync_object.hash",
        ),
        (
            json!({"sync_object": {"name": "mine"}}),
            vec![],
            INVALID,
            "sync_object.object",
        ),
        (json!({"sync_object": 7}), vec![], INVALID, "sync_object"),
    ];
    for (command, bodies, kind, told) in lies {
        let refused = bring(&mut peer, &command, bodies).await;
        assert_status(refused, kind, &[told]);
    }
    assert_eq!(files(server.folder().path()), before);
    // What is there already stays what it is, whatever somebody would like it to be.
    let id = mine["segment"]["id"].as_str().unwrap();
    let size = mine["segment"]["bytes"].as_u64().unwrap();
    for bytes in [vec![7; usize::try_from(size).unwrap()], vec![7; 9]] {
        let command = write(id, bytes.len() as u64, hash(&bytes));
        let brought = bring(&mut peer, &command, vec![bytes.into()]).await;
        assert!(brought.is_ok() || brought.unwrap_err().message().contains("bytes"));
    }
    assert_eq!(files(server.folder().path()), before);
    // What nobody publishes nobody sees.
    let command = json!({"sync_object": {
        "name": "new", "object": {"kind": "segment", "id": fresh}, "bytes": 4, "hash": hash(b"rows"),
    }});
    bring(&mut peer, &command, vec!["ro".into(), "ws".into()])
        .await
        .unwrap();
    let client = server.client().await;
    assert!(!client.exists("new").await.unwrap());
    assert_eq!(get(&client, "mine").await, rows(0..10));
    server.stop().await;
}

#[tokio::test]
async fn commits_that_lie_are_not_published() {
    let (server, mut peer, [mine, secret]) = server().await;
    let head = ask(&mut peer, "sync_head", &json!({"name": "mine"}))
        .await
        .unwrap();
    let head: Value = serde_json::from_slice(&head).unwrap();
    let tip = head["tip"].as_str().unwrap();
    let history = ask(
        &mut peer,
        "sync_history",
        &json!({"name": "mine", "from": tip}),
    )
    .await
    .unwrap();
    let first: Value = serde_json::from_slice(&history).unwrap();
    let before = files(server.folder().path());
    let commit = |change: &dyn Fn(&mut Value)| {
        let mut commit: Value =
            serde_json::from_str(first["record"]["commit"].as_str().unwrap()).unwrap();
        commit["parents"] = json!([tip]);
        commit["time"] = json!("2100-01-01T00:00:00.000000000Z");
        commit["write_id"] = json!("ab");
        change(&mut commit);
        json!({"record": {"commit": commit.to_string()}, "kept": true})
    };
    let published = |arrivals: Vec<Value>| json!({"expected": tip, "arrivals": arrivals});
    let absent = |commit: &mut Value| commit["added"][0]["id"] = json!("cd".repeat(16));
    let lies: Vec<(Value, ErrorKind, &str)> = vec![
        (json!("hello"), INVALID, "publication"),
        (json!({"arrivals": 7}), INVALID, "arrivals"),
        (published(vec![]), INVALID, "1 to 64"),
        (published(vec![commit(&absent); 65]), INVALID, "1 to 64"),
        (published(vec![commit(&absent)]), DAMAGED, "missing"),
        // A segment of another frame.
        (
            published(vec![commit(&|c| c["added"][0] = secret["segment"].clone())]),
            DAMAGED,
            "missing",
        ),
        // One that the frame has already, told otherwise.
        (
            published(vec![commit(&|c| {
                c["added"][0] = mine["segment"].clone();
                c["added"][0]["rows"] = json!(11);
            })]),
            DAMAGED,
            "something else",
        ),
        (
            published(vec![commit(&|c| c["parents"] = json!(["ab".repeat(32)]))]),
            DAMAGED,
            "not known",
        ),
        (
            published(vec![commit(&|c| {
                c["time"] = json!("1999-01-01T00:00:00.000000000Z")
            })]),
            DAMAGED,
            "later",
        ),
        (
            published(vec![commit(&|c| c["operation"] = json!("purge"))]),
            DAMAGED,
            "purge",
        ),
        (
            published(vec![commit(&|c| c["schema"] = json!("../../x"))]),
            INVALID,
            "publication",
        ),
        (
            published(vec![commit(&|c| c["added"][0]["id"] = json!("../x"))]),
            INVALID,
            "publication",
        ),
        (
            published(vec![commit(&|c| c["surprise"] = json!(1))]),
            INVALID,
            "publication",
        ),
    ];
    let command = json!({"sync_publish": {"name": "mine"}});
    for (publication, kind, told) in lies {
        let refused = bring(&mut peer, &command, vec![publication.to_string().into()]).await;
        assert_status(refused, kind, &[told]);
    }
    // Another tip than the frame has is told, and changes nothing.
    let elsewhere = json!({"expected": "ab".repeat(32), "arrivals": [commit(&absent)]});
    let moved = bring(&mut peer, &command, vec![elsewhere.to_string().into()])
        .await
        .unwrap();
    let moved: Value = serde_json::from_slice(&moved).unwrap();
    assert_eq!(moved, json!({"outcome": "moved", "tip": tip}));
    for garbage in ["", "{", "[[[[[[", "\u{0}"] {
        let refused = bring(&mut peer, &command, vec![garbage.into()]).await;
        assert_status(refused, INVALID, &["publication"]);
    }
    let deep = Bytes::from("[".repeat(1 << 20));
    assert_status(
        bring(&mut peer, &command, vec![deep]).await,
        INVALID,
        &["publication"],
    );
    assert_eq!(files(server.folder().path()), before);
    let client = server.client().await;
    assert_eq!(get(&client, "mine").await, rows(0..10));
    assert_eq!(get(&client, "nyc/secret").await, rows(90..99));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publications_are_within_the_memory_for_messages_which_frees_itself() {
    let server = Server::with(&[QUIET, &["--receive-memory-bytes", "16777216"]].concat()).await;
    let mut peer = Peer::of(&server).await;
    let command = json!({"sync_publish": {"name": "mine"}});
    let descriptor = FlightDescriptor::new_cmd(command.to_string());
    let body = Bytes::from(vec![b' '; 1 << 20]);
    let messages = |count: usize| {
        let mut descriptor = Some(descriptor.clone());
        let body = body.clone();
        stream::iter(0..count).map(move |_| FlightData {
            flight_descriptor: descriptor.take(),
            data_body: body.clone(),
            ..FlightData::default()
        })
    };
    let refused = peer.put(messages(9)).await;
    assert_status(
        refused,
        ErrorKind::LimitError,
        &["receive_memory_bytes is 16777216", "publish less at once"],
    );
    // Once it was refused, there is room for others.
    let refused = bring(&mut peer, &command, vec!["x".into()]).await;
    assert_status(refused, INVALID, &["publication"]);
    server.stop().await;
}
