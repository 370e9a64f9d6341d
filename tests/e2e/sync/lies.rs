//! Remotes that lie: whatever a server tells another one is checked there, and nothing of a lie is published.

use std::sync::Arc;

use arrow_flight::Action;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use shoots_client::{ErrorKind, PutMode, ShootsClient, SyncOutcome};
use shoots_store::Record;

use super::relay::{Relay, Told};
use super::{QUIET, outcome, tip};
use crate::peer::Peer;
use crate::refusal::assert_refused;
use crate::rows::{get, put, rows};
use crate::server::Server;

const DAMAGED: ErrorKind = ErrorKind::DamagedError;
const CONFLICT: ErrorKind = ErrorKind::ConflictError;

/// Two servers of which one has a frame that is a commit ahead, with a liar between them.
struct Scene {
    one: Server,
    relay: Arc<Relay>,
    other: Server,
    there: ShootsClient,
    /// What the liar would have to tell: where the history ends, and the history, newest first.
    head: Value,
    history: Vec<Value>,
}

/// All pieces of the answer to a call that servers make.
async fn asked(server: &Server, name: &str, request: &Value) -> Vec<u8> {
    let mut peer = Peer::of(server).await;
    let action = Action::new(name, request.to_string());
    let answers = peer.flight.do_action(action).await.unwrap().into_inner();
    let answers: Vec<_> = answers.try_collect().await.unwrap();
    answers
        .iter()
        .flat_map(|answer| answer.body.to_vec())
        .collect()
}

fn lines(text: &[u8]) -> Vec<Value> {
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

impl Scene {
    async fn new() -> Self {
        let one = Server::with(QUIET).await;
        let here = one.client().await;
        for frame in ["a", "secret"] {
            let put = here.put(frame).index(["n"]).send_batch(rows(0..500));
            put.await.unwrap();
        }
        let relay = Arc::new(Relay::to(one.address()).await);
        let origin = relay.origin();
        let other =
            Server::with(&[QUIET, &[&origin, "--remote-silence-seconds=10"]].concat()).await;
        let there = other.client().await;
        there.clone_frames("origin").send().await.unwrap();
        put(&here, "a", PutMode::Upsert, rows(100..300)).await;
        let head: Value =
            serde_json::from_slice(&asked(&one, "sync_head", &json!({"name": "a"})).await).unwrap();
        let from = json!({"name": "a", "from": head["tip"]});
        let history = lines(&asked(&one, "sync_history", &from).await);
        assert_eq!(history.len(), 2);
        Self {
            one,
            relay,
            other,
            there,
            head,
            history,
        }
    }

    /// Lets the liar tell this history, ending with its first record.
    fn tell(&self, history: &[Value]) {
        let mut head = self.head.clone();
        let record = Record::from_json_line(&history[0]["record"].to_string());
        if let Ok(record) = record {
            head["tip"] = json!(record.id());
        }
        let text: String = history.iter().map(|record| format!("{record}\n")).collect();
        self.relay.tell(move |call, asked| match call {
            "sync_head" if asked["name"] == "a" => Told::json(&head),
            "sync_history" if asked["name"] == "a" => Told::pieces(vec![Bytes::from(text.clone())]),
            _ => Told::Truth,
        });
    }

    /// The true history, but for its newest commit.
    fn forged(&self, forge: impl FnOnce(&mut Value)) -> Vec<Value> {
        let mut history = self.history.clone();
        let line = history[0]["record"]["commit"].as_str().unwrap();
        let mut commit: Value = serde_json::from_str(line).unwrap();
        let before = commit.clone();
        forge(&mut commit);
        assert_ne!(commit, before, "nothing was forged");
        history[0]["record"]["commit"] = json!(commit.to_string());
        history
    }

    /// Pulls, which is refused, and changes nothing.
    async fn refused(&self, kind: ErrorKind, words: &[&str]) {
        let before = tip(&self.there, "a").await;
        let pulled = self.there.pull("origin").frame("a").send().await;
        assert_refused(pulled, kind, words);
        self.unharmed(&before).await;
    }

    /// Pulls, which has to be refused with these words and to change nothing; what happened if it was not.
    async fn believed(&self, kind: ErrorKind, words: &str) -> Option<String> {
        let before = tip(&self.there, "a").await;
        let pulled = self.there.pull("origin").frame("a").send().await;
        self.unharmed(&before).await;
        mismatch(pulled, kind, words)
    }

    async fn unharmed(&self, before: &str) {
        assert_eq!(tip(&self.there, "a").await, before);
        for frame in ["a", "secret"] {
            assert_eq!(get(&self.there, frame).await, rows(0..500));
        }
    }

    /// The truth is still welcome, and what was kept of lies does no harm.
    async fn end(self) {
        self.relay.tell_the_truth();
        let pulled = self.there.pull("origin").frame("a").send().await.unwrap();
        assert_eq!(outcome(&pulled), SyncOutcome::Moved);
        let here = self.one.client().await;
        assert_eq!(get(&self.there, "a").await, get(&here, "a").await);
        let verified = self.there.verify().send().await.unwrap();
        assert!(verified.ok, "{verified:?}");
        self.other.stop().await;
        self.one.stop().await;
    }
}

/// What there is to say of an outcome that is no refusal of this kind with these words.
fn mismatch<T: std::fmt::Debug>(
    outcome: Result<T, shoots_client::Error>,
    kind: ErrorKind,
    words: &str,
) -> Option<String> {
    let refused =
        |error: &shoots_client::Error| error.kind() == kind && error.to_string().contains(words);
    let fits = outcome.as_ref().is_err_and(refused);
    (!fits).then(|| format!("{kind} {words}: {outcome:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_are_not_what_they_are_called_are_refused() {
    let scene = Scene::new().await;
    type Change = fn(Vec<u8>) -> Vec<u8>;
    let changes: [(&str, Change); 4] = [
        ("never what its record says", |mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        }),
        ("bytes of it have arrived", |mut bytes| {
            bytes.truncate(bytes.len() / 3);
            bytes
        }),
        ("have arrived", |mut bytes| {
            bytes.push(0);
            bytes
        }),
        ("bytes of it have arrived", |_| Vec::new()),
    ];
    for (told, change) in changes {
        scene.relay.tell(move |call, asked| match call {
            "sync_read" if asked["object"]["kind"] == "segment" => Told::otherwise(change),
            _ => Told::Truth,
        });
        scene.refused(DAMAGED, &["origin", told]).await;
    }
    // Bytes without end, and pieces that are larger than any that servers send.
    scene.relay.tell(|call, _| match call {
        "sync_read" => Told::Instead(stream::repeat(Bytes::from_static(&[7; 65_536])).boxed()),
        _ => Told::Truth,
    });
    scene.refused(DAMAGED, &["origin", "more than its"]).await;
    scene.relay.tell(|call, _| match call {
        "sync_read" => Told::pieces(vec![vec![7; 65 << 20].into()]),
        _ => Told::Truth,
    });
    let pulled = scene.there.pull("origin").frame("a").send().await;
    assert!(pulled.is_err(), "{pulled:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_without_end_and_lists_that_lie_are_refused_by_a_clone() {
    let scene = Scene::new().await;
    let clone = async |newest_only: bool| {
        let call = scene.there.clone_frames("origin").frame("a").target("b");
        let call = if newest_only {
            call.newest_only()
        } else {
            call
        };
        call.send().await
    };
    for newest_only in [false, true] {
        scene.relay.tell(|call, asked| match call {
            "sync_read" if asked["object"]["kind"] == "schema" => {
                Told::Instead(stream::repeat(Bytes::from_static(&[7; 1 << 20])).boxed())
            }
            _ => Told::Truth,
        });
        assert_refused(clone(newest_only).await, DAMAGED, &["no schema has"]);
        scene.relay.tell(|call, asked| match call {
            "sync_read" if asked["object"]["kind"] == "schema" => {
                Told::pieces(vec!["no schema".into()])
            }
            _ => Told::Truth,
        });
        assert_refused(clone(newest_only).await, DAMAGED, &["schema"]);
    }
    type Change = fn(&mut Vec<Value>);
    // The first segment has hidden rows, whose record names it too.
    let changes: [(&str, ErrorKind, Change); 7] = [
        ("no longer kept", CONFLICT, |list| {
            list[0]["segment"]["id"] = json!("ab".repeat(16));
            assert!(list[0]["hidden"]["segment"].is_string());
            list[0]["hidden"]["segment"] = json!("ab".repeat(16));
        }),
        ("its list is wrong about segment abab", DAMAGED, |list| {
            list[0]["segment"]["id"] = json!("ab".repeat(16));
        }),
        ("its list is wrong", DAMAGED, |list| {
            list.push(list[0].clone())
        }),
        ("is not an id", DAMAGED, |list| {
            list[0]["segment"]["id"] = json!("../../secret/segments/ab");
        }),
        ("its list is wrong", DAMAGED, |list| {
            list[0]["segment"]["rows"] = json!(7)
        }),
        ("it has 500 rows, 499 are recorded", DAMAGED, |list| {
            list[0]["segment"]["rows"] = json!(499)
        }),
        ("cannot be read", DAMAGED, |list| list[0]["more"] = json!(1)),
    ];
    let mut believed = Vec::new();
    for (told, kind, change) in changes {
        scene.relay.tell(move |call, _| match call {
            "sync_list" => Told::otherwise(move |text| {
                let mut list = lines(&text);
                change(&mut list);
                let lines: String = list.iter().map(|line| format!("{line}\n")).collect();
                lines.into_bytes()
            }),
            _ => Told::Truth,
        });
        believed.extend(mismatch(clone(true).await, kind, told));
    }
    assert!(believed.is_empty(), "{believed:#?}");
    assert!(!scene.there.exists("b").await.unwrap());
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_lie_are_refused() {
    let scene = Scene::new().await;
    let secret = asked(&scene.one, "sync_head", &json!({"name": "secret"})).await;
    let secret: Value = serde_json::from_slice(&secret).unwrap();
    let list = json!({"name": "secret", "commit": secret["tip"]});
    let secret = lines(&asked(&scene.one, "sync_list", &list).await)[0]["segment"].clone();
    type Forge = Box<dyn FnOnce(&mut Value)>;
    // The first ones are told while nothing has arrived: what has is not sent again.
    let lies: Vec<(&str, ErrorKind, Forge)> = vec![
        (
            "put_memory_bytes",
            ErrorKind::InvalidRequestError,
            Box::new(|c| c["added"][0]["bytes"] = json!(1_u64 << 40)),
        ),
        (
            "more than its 77 bytes have arrived",
            DAMAGED,
            Box::new(|c| c["added"][0]["bytes"] = json!(77)),
        ),
        (
            "never what its record says",
            DAMAGED,
            Box::new(|c| c["added"][0]["hash"] = json!("ab".repeat(32))),
        ),
        (
            "rows",
            DAMAGED,
            Box::new(|c| c["added"][0]["rows"] = json!(199)),
        ),
        (
            "77 are recorded",
            DAMAGED,
            Box::new(|c| c["added"][0]["bytes"] = json!(77)),
        ),
        (
            "not what was written",
            DAMAGED,
            Box::new(|c| c["added"][0]["hash"] = json!("ab".repeat(32))),
        ),
        (
            "keys",
            DAMAGED,
            Box::new(|c| c["added"][0]["range"]["max"][0]["i"] = json!(5000)),
        ),
        (
            "count of hidden rows",
            DAMAGED,
            Box::new(|c| c["hidden"][0]["rows"] = json!(7)),
        ),
        (
            "add up",
            DAMAGED,
            Box::new(|c| c["rows_removed"] = json!(1)),
        ),
        (
            "which is older",
            DAMAGED,
            Box::new(|c| c["time"] = json!("1999-01-01T00:00:00.000000000Z")),
        ),
        (
            "expire",
            DAMAGED,
            Box::new(|c| c["operation"] = json!("expire")),
        ),
        (
            "index",
            DAMAGED,
            Box::new(|c| c["index"] = json!(["nobody"])),
        ),
        (
            "cannot be read",
            DAMAGED,
            Box::new(|c| c["schema"] = json!("../../x")),
        ),
        (
            "cannot be read",
            DAMAGED,
            Box::new(|c| c["added"][0]["id"] = json!("../../secret/x")),
        ),
        (
            "cannot be read",
            DAMAGED,
            Box::new(|c| c["parents"] = json!(vec!["ab".repeat(32); 17])),
        ),
        (
            "cannot be read",
            DAMAGED,
            Box::new(|c| c["parents"] = json!(["../x"])),
        ),
        (
            "cannot be read",
            DAMAGED,
            Box::new(|c| c["added"][0]["rows"] = json!(u64::MAX)),
        ),
        (
            "cannot be read",
            DAMAGED,
            Box::new(|c| c["surprise"] = json!(1)),
        ),
        // A segment of another frame, which both ends have, is none of this one.
        (
            "no longer kept",
            CONFLICT,
            Box::new(move |c| c["added"][0] = secret),
        ),
        // More objects than anybody has.
        (
            "no longer kept",
            CONFLICT,
            Box::new(|c| {
                let segment = c["added"][0].clone();
                let many = (0..20_000).map(|n| {
                    let mut segment = segment.clone();
                    segment["id"] = json!(format!("{n:032x}"));
                    segment
                });
                c["added"] = many.collect();
            }),
        ),
    ];
    let mut believed = Vec::new();
    for (told, kind, forge) in lies {
        scene.tell(&scene.forged(forge));
        believed.extend(scene.believed(kind, told).await);
    }
    assert!(believed.is_empty(), "{believed:#?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_that_go_in_circles_or_make_no_sense_are_refused() {
    let scene = Scene::new().await;
    let [newest, oldest] = [&scene.history[0], &scene.history[1]];
    let newest_id = scene.head["tip"].as_str().unwrap();
    // It says that it follows what follows it; whoever made it has had to guess that id.
    let circle = scene.forged(|commit| commit["parents"] = json!([newest_id]));
    let histories: Vec<(&str, Vec<Value>)> = vec![
        (
            "told after",
            vec![circle[0].clone(), newest.clone(), newest.clone()],
        ),
        ("older", vec![circle[0].clone(), circle[0].clone()]),
        ("cannot be read", vec![json!("hello")]),
        ("cannot be read", vec![json!({"record": {"commit": "{"}})]),
        (
            "cannot be read",
            vec![json!({"record": oldest, "kept": true})],
        ),
    ];
    let mut believed = Vec::new();
    for (told, history) in histories {
        scene.tell(&history);
        believed.extend(scene.believed(DAMAGED, told).await);
    }
    assert!(believed.is_empty(), "{believed:#?}");
    // Ends that no history has.
    for head in [
        json!([]),
        json!({"tip": 7}),
        json!("x"),
        json!({"tip": "../../x", "version": 1, "rows": 1, "bytes": 1, "segments": 1}),
    ] {
        scene.relay.tell(move |call, _| match call {
            "sync_head" => Told::json(&head),
            "sync_history" => Told::pieces(Vec::new()),
            _ => Told::Truth,
        });
        let pulled = scene.there.pull("origin").frame("a").send().await;
        let error = pulled.unwrap_err();
        assert!(
            matches!(error.kind(), DAMAGED | ErrorKind::InvalidRequestError),
            "{error:?}"
        );
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_lead_elsewhere_and_lists_of_them_without_end_are_refused() {
    let scene = Scene::new().await;
    for names in [json!(["../../etc"]), json!(["a/b"]), json!([7]), json!({})] {
        scene.relay.tell(move |call, _| match call {
            "sync_frames" => Told::json(&json!({ "names": names })),
            _ => Told::Truth,
        });
        for everything in [false, true] {
            let call = scene.there.pull("origin");
            let call = if everything { call.all_buckets() } else { call };
            assert_refused(call.send().await, DAMAGED, &["origin", "cannot be read"]);
        }
    }
    scene.relay.tell(|call, _| match call {
        "sync_frames" => {
            Told::Instead(stream::repeat(Bytes::from_static(&[b' '; 1 << 20])).boxed())
        }
        _ => Told::Truth,
    });
    let endless = scene.there.pull("origin").send().await;
    assert_refused(
        endless,
        DAMAGED,
        &["origin", "sync_frames", "more than is taken"],
    );
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_to_a_push_that_make_no_sense_end_it() {
    let scene = Scene::new().await;
    let pulled = scene.there.pull("origin").frame("a").send().await;
    assert_eq!(outcome(&pulled.unwrap()), SyncOutcome::Moved);
    put(&scene.there, "a", PutMode::Append, rows(500..501)).await;
    let newest = tip(&scene.there, "a").await;
    let moved = json!({"outcome": "moved", "tip": "ab".repeat(32)});
    let lists = json!({"outcome": "needs_lists", "commits": [newest]});
    let answers: Vec<(&str, Value, ErrorKind, &str)> = vec![
        ("sync_have", json!({"sizes": []}), DAMAGED, "sizes for"),
        (
            "sync_have",
            json!({"sizes": [7, 7]}),
            DAMAGED,
            "are recorded",
        ),
        (
            "sync_have",
            json!({"sizes": [-1]}),
            DAMAGED,
            "cannot be read",
        ),
        ("sync_object", json!({"bytes": 1}), DAMAGED, "were written"),
        ("sync_object", json!("done"), DAMAGED, "cannot be read"),
        (
            "sync_publish",
            json!({"outcome": "perhaps"}),
            DAMAGED,
            "cannot be read",
        ),
        ("sync_publish", moved, CONFLICT, "again and again"),
        ("sync_publish", lists, CONFLICT, "again and again"),
    ];
    let mut believed = Vec::new();
    for (lied, answer, kind, told) in answers {
        scene.relay.tell(move |call, _| match call {
            call if call == lied => Told::json(&answer),
            _ => Told::Truth,
        });
        let pushed = scene.there.push("origin").frame("a").send().await;
        believed.extend(mismatch(pushed, kind, told));
        let here = scene.one.client().await;
        assert_eq!(get(&here, "a").await.num_rows(), 500);
    }
    assert!(believed.is_empty(), "{believed:#?}");
    scene.relay.tell_the_truth();
    let pushed = scene.there.push("origin").frame("a").send().await;
    assert_eq!(outcome(&pushed.unwrap()), SyncOutcome::Moved);
    assert_eq!(get(&scene.one.client().await, "a").await.num_rows(), 501);
    scene.other.stop().await;
    scene.one.stop().await;
}
