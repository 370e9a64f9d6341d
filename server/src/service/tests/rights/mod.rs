//! Who may do what: every action and every call, with tokens that give too little and with tokens that give enough.

mod caller;

use arrow_flight::{Empty, FlightData, FlightDescriptor, HandshakeRequest, Ticket};
use futures::{TryStreamExt, stream};
use serde_json::{Value, json};
use shoots_proto::ErrorKind;
use shoots_proto::action::{self, ACTIONS};
use tonic::{Code, Request, Status};

use self::caller::{Caller, another, server, token};
use super::peer::{Peer, connect, told};
use crate::access::action::{NEEDS, Need};

const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[track_caller]
fn is_denied<T: std::fmt::Debug>(outcome: &Result<T, Status>) -> bool {
    let denied = outcome
        .as_ref()
        .is_err_and(|s| s.code() == Code::PermissionDenied);
    if let (true, Err(status)) = (denied, outcome) {
        assert_eq!(told(status).kind, ErrorKind::PermissionDeniedError);
    }
    let unknown = outcome
        .as_ref()
        .is_err_and(|s| s.code() == Code::Unauthenticated);
    assert!(!unknown, "{outcome:?}");
    denied
}

/// A request for each action: about bucket `one`, and about `two` where it has a target.
fn sample(action: &str) -> Value {
    let mut request = json!({"name": "a", "bucket": "one"});
    let more = match action {
        action::BUCKETS | action::PING | action::SNAPSHOTS | action::SHUTDOWN | action::REMOTES => {
            return json!({});
        }
        action::CANCEL => return json!({"call": "9f86d081884c7d659a2feaa0c55ad015"}),
        action::ADD_REMOTE => return json!({"remote": "r", "url": "grpc://localhost:1"}),
        action::REMOVE_REMOTE => return json!({"remote": "r"}),
        action::CLONE | action::FETCH | action::PULL | action::PUSH | action::MERGE => {
            json!({"remote": "none"})
        }
        action::COMBINE => {
            let sources = json!([request, request]);
            return json!({"how": "concat", "sources": sources, "target": "c", "target_bucket": "two"});
        }
        action::RESAMPLE => {
            return json!({"source": "a", "source_bucket": "one", "target": "c", "target_bucket": "two",
                          "sql": "select * from a", "mode": "replace"});
        }
        action::COPY => json!({"new_name": "c", "new_bucket": "two"}),
        action::RENAME => json!({"name": "no such frame", "new_name": "c"}),
        action::DELETE_BUCKET => return json!({"name": "one", "mode": "error"}),
        action::COMPACT | action::EXPIRE | action::SWEEP => json!({"dry_run": true}),
        action::PURGE => json!({"dry_run": true}),
        action::FORGET => json!({"versions": [77], "dry_run": true}),
        action::ALTER => json!({"drop": ["no such column"]}),
        action::DELETE => json!({"name": "no such frame"}),
        action::DELETE_ROWS => json!({"where": "n > 100"}),
        action::DIFF => json!({"from": 1}),
        action::RESTORE => json!({"as_of": 77}),
        action::TAG | action::UNTAG => json!({"tag": "t"}),
        action::SNAPSHOT => return json!({"snapshot": "more", "frames": [request]}),
        action::DROP_SNAPSHOT => return json!({"snapshot": "only one"}),
        action::USAGE | action::SYNC_FRAMES => return json!({"bucket": "one"}),
        action::SYNC_HISTORY => json!({"from": NOBODY}),
        action::SYNC_LIST => json!({"commit": NOBODY}),
        action::SYNC_HAVE => json!({"objects": [{"kind": "segment", "id": "0f"}]}),
        action::SYNC_READ => json!({"object": {"kind": "segment", "id": "0f"}}),
        _ => json!({}),
    };
    for (field, value) in more.as_object().unwrap() {
        request[field] = value.clone();
    }
    request
}

#[tokio::test]
async fn every_action_is_open_to_those_and_only_those_who_have_what_it_needs() {
    let server = server().await;
    for (read, write, enough) in [
        (
            &["other"][..],
            &["other"][..],
            &[Need::Token, Need::Listing][..],
        ),
        (&["one"], &[], &[Need::Token, Need::Listing, Need::Read]),
        (
            &[],
            &["one"],
            &[Need::Token, Need::Listing, Need::Read, Need::Write],
        ),
        (
            &["one"],
            &["two"],
            &[Need::Token, Need::Listing, Need::Read, Need::ReadAndWrite],
        ),
        (&[], &["two"], &[Need::Token, Need::Listing]),
    ] {
        let mut caller = Caller::new(&server, read, write).await;
        for action in ACTIONS {
            let (_, need) = NEEDS.iter().find(|(name, _)| *name == action.name).unwrap();
            let outcome = caller.act(action.name, &sample(action.name)).await;
            let name = action.name;
            let expected = !enough.contains(need);
            assert_eq!(
                is_denied(&outcome),
                expected,
                "{read:?} {write:?} {name} {outcome:?}"
            );
        }
    }
    let mut admin = Caller::admin(&server).await;
    let last = ACTIONS
        .iter()
        .filter(|action| action.name != action::SHUTDOWN);
    for action in last {
        let outcome = admin.act(action.name, &sample(action.name)).await;
        assert!(!is_denied(&outcome), "{} {outcome:?}", action.name);
        let malformed = outcome.is_err_and(|s| told(&s).message.contains("unknown field"));
        assert!(!malformed, "{}", action.name);
    }
    admin.act(action::SHUTDOWN, &json!({})).await.unwrap();
}

#[tokio::test]
async fn what_changes_something_needs_the_right_to_write_in_every_form() {
    let server = server().await;
    let mut reader = Caller::new(&server, &["one", "two", ""], &[]).await;
    let mut writer = Caller::new(&server, &["two"], &["one"]).await;
    let a = json!({"name": "a", "bucket": "one"});
    for (action, request) in [
        (
            action::RETENTION,
            json!({"bucket": "one", "set": {"keep_versions": 5}}),
        ),
        (
            action::RETENTION,
            json!({"name": "a", "bucket": "one", "set": {"keep_versions": 5}}),
        ),
        (
            action::CONTINUOUS,
            json!({"name": "a", "bucket": "one", "stop": true}),
        ),
        (action::COMPACT, json!({"bucket": "one"})),
        (action::EXPIRE, json!({"bucket": "one"})),
        (
            action::SNAPSHOT,
            json!({"snapshot": "s", "buckets": ["one"]}),
        ),
        (action::UNDELETE, a),
    ] {
        let outcome = reader.act(action, &request).await;
        assert!(is_denied(&outcome), "{action} {outcome:?}");
        let outcome = writer.act(action, &request).await;
        assert!(!is_denied(&outcome), "{action} {outcome:?}");
    }
    for (action, request) in [
        (
            action::RENAME,
            json!({"name": "a", "bucket": "one", "new_name": "b", "new_bucket": "two"}),
        ),
        (
            action::RENAME,
            json!({"name": "a", "bucket": "two", "new_name": "b", "new_bucket": "one"}),
        ),
        (
            action::SNAPSHOT,
            json!({"snapshot": "t", "buckets": ["one", "two"]}),
        ),
        (
            action::SNAPSHOT,
            json!({"snapshot": "t", "buckets": ["one", null]}),
        ),
        (action::DROP_SNAPSHOT, json!({"snapshot": "both"})),
        (action::DROP_SNAPSHOT, json!({"snapshot": "never taken"})),
        (
            action::COPY,
            json!({"name": "a", "new_name": "b", "new_bucket": "one"}),
        ),
        (
            action::RESAMPLE,
            json!({"source": "a", "source_bucket": "one", "target": "b", "target_bucket": "one",
                   "sql": "select * from \"\".a"}),
        ),
        (
            action::COMBINE,
            json!({"how": "concat", "sources": [{"name": "a", "bucket": "one"}, {"name": "a"}],
                   "target": "b", "target_bucket": "one"}),
        ),
    ] {
        let outcome = writer.act(action, &request).await;
        assert!(is_denied(&outcome), "{action} {request} {outcome:?}");
    }
    for name in ["one", "two"] {
        let outcome = writer
            .put(json!({"name": "b", "bucket": name, "mode": "append"}))
            .await;
        assert_eq!(is_denied(&outcome), name == "two");
        let outcome = reader
            .put(json!({"name": "b", "bucket": name, "mode": "append"}))
            .await;
        assert!(is_denied(&outcome));
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn listings_and_queries_end_where_the_right_to_read_does() {
    let server = server().await;
    let mut caller = Caller::new(&server, &["one"], &[]).await;
    assert_eq!(caller.list("").await.unwrap(), ["a@one"]);
    assert_eq!(caller.list(r#"{"bucket":"one"}"#).await.unwrap(), ["a@one"]);
    for hidden in [
        r#"{"bucket":null}"#,
        r#"{"bucket":"two"}"#,
        r#"{"bucket":"no such"}"#,
    ] {
        assert!(is_denied(&caller.list(hidden).await), "{hidden}");
    }
    assert_eq!(
        caller.act(action::BUCKETS, &json!({})).await.unwrap(),
        r#"["one"]"#
    );
    let told_of = [
        (action::SYNC_FRAMES, json!({"buckets": true})),
        (action::SNAPSHOTS, json!({})),
        (action::USAGE, json!({"all_buckets": true})),
    ];
    for (action, request) in told_of {
        let told = caller.act(action, &request).await.unwrap();
        assert!(told.contains("one") && !told.contains("two"), "{told}");
    }
    assert!(
        caller
            .get(json!({"name": "a", "bucket": "one"}))
            .await
            .is_ok()
    );
    assert!(
        caller
            .info(json!({"name": "a", "bucket": "one"}))
            .await
            .is_ok()
    );
    for ticket in [
        json!({"name": "a"}),
        json!({"name": "a", "bucket": "two"}),
        json!({"name": "no such frame", "bucket": "two"}),
        json!({"name": "a", "bucket": "two", "diff": {"from": 1}}),
        json!({"columns": ["two.a.n"], "bucket": "one"}),
        json!({"columns": ["n"], "frames": ["two.a"], "bucket": "one"}),
        json!({"columns": ["n"]}),
    ] {
        assert!(is_denied(&caller.get(ticket.clone()).await), "{ticket}");
        assert!(is_denied(&caller.info(ticket.clone()).await), "{ticket}");
    }
    for sql in [
        "select * from two.a",
        "select * from TWO.a",
        "select * from \"two\".\"a\"",
        "select * from \"\".a",
        "select * from shoots.two.a",
        "select a.n from a join two.a as b on a.n = b.n",
        "select * from a where n in (select n from two.a)",
        "with x as (select * from two.a) select * from x",
        "explain select * from two.a",
        "select * from as_of('two.a', 1)",
        "select * from history('two.a')",
        "select * from history('two.no such frame')",
        "select * from segments('two.a')",
        "select * from segments('two.a', 1)",
        "select * from resample('two.a', '1h', 'count')",
        "select * from asof_join('a', 'two.a', 'n')",
        "select * from inner_join('a', 'two.a', 'n')",
        "select * from outer_join('two.a', 'a', 'n')",
        "select * from concat('a', 'two.a')",
        "select * from latest('two.a', 'n')",
        "show columns from two.a",
        "describe two.a",
    ] {
        let outcome = caller
            .get(json!({"name": "a", "bucket": "one", "sql": sql}))
            .await;
        assert!(is_denied(&outcome), "{sql} {outcome:?}");
    }
    for sql in [
        "select * from a",
        "select * from one.a",
        "with two as (select 1 as n) select * from two",
        "select * from history('a')",
    ] {
        let outcome = caller
            .get(json!({"name": "a", "bucket": "one", "sql": sql}))
            .await;
        assert!(outcome.is_ok(), "{sql} {outcome:?}");
    }
    let mut peer = Peer {
        client: caller.client.clone(),
        server,
    };
    for (sql, expected) in [
        ("select * from information_schema.tables", 1),
        ("show tables", 1),
        (
            "select * from information_schema.columns where table_name = 'a'",
            2,
        ),
        (
            "select * from information_schema.schemata where schema_name in ('', 'two')",
            0,
        ),
    ] {
        let ticket = json!({"name": "a", "bucket": "one", "sql": sql});
        let request = caller.request(Ticket::new(ticket.to_string()));
        let messages = peer.client.do_get(request).await.unwrap().into_inner();
        let messages: Vec<FlightData> = messages.try_collect().await.unwrap();
        let messages = stream::iter(messages.into_iter().map(Ok::<_, crate::status::Failure>));
        let batches: Vec<_> = shoots_flight::decode(messages).try_collect().await.unwrap();
        let found: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        assert_eq!(found, expected, "{sql}");
    }
    peer.server.shutdown().await.unwrap();
}

#[tokio::test]
async fn without_a_good_token_no_call_is_answered() {
    let server = server().await;
    for token in [String::new(), "nonsense".to_owned(), another()] {
        let mut caller = Caller::with(&server, token).await;
        let refused = |status: Status| {
            assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
            assert_eq!(told(&status).kind, ErrorKind::UnauthenticatedError);
        };
        for action in ACTIONS {
            refused(
                caller
                    .act(action.name, &sample(action.name))
                    .await
                    .unwrap_err(),
            );
        }
        for name in [
            "CreatePreparedStatement",
            "GetSessionOptions",
            "no such action",
        ] {
            refused(caller.act(name, &json!({})).await.unwrap_err());
        }
        refused(caller.list("").await.unwrap_err());
        refused(caller.get(json!({"name": "a"})).await.unwrap_err());
        refused(caller.info(json!({"name": "a"})).await.unwrap_err());
        refused(caller.put(json!({"name": "b"})).await.unwrap_err());
        let request = caller.request(Empty {});
        refused(caller.client.list_actions(request).await.unwrap_err());
        let request = caller.request(FlightDescriptor::new_path(vec!["a".to_owned()]));
        refused(caller.client.poll_flight_info(request).await.unwrap_err());
        let request = caller.request(stream::iter([FlightData::default()]));
        refused(caller.client.do_exchange(request).await.unwrap_err());
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn handshakes_tell_good_tokens_from_others() {
    let server = server().await;
    let good = token("ada", Some((&["one"], &[])));
    let signature = ErrorKind::InvalidSignatureError;
    let (other, nobody) = (another(), ErrorKind::UnauthenticatedError);
    for (payload, agent, expected) in [
        (good.as_str(), "test", None),
        (&other, "test", Some((Code::Unauthenticated, signature))),
        (&other, "grpc-c++/1.0", Some((Code::Unknown, signature))),
        ("", "grpc-c++/1.0", Some((Code::Unauthenticated, nobody))),
        (
            &"x".repeat(100_000),
            "test",
            Some((Code::ResourceExhausted, ErrorKind::LimitError)),
        ),
    ] {
        let mut client = connect(&server, agent).await;
        let message = HandshakeRequest {
            protocol_version: 0,
            payload: payload.to_owned().into(),
        };
        let answers = async {
            let answers = client.handshake(stream::iter([message])).await?;
            answers.into_inner().try_collect::<Vec<_>>().await
        };
        match (answers.await, expected) {
            (Ok(answers), None) => assert_eq!(answers[0].payload, payload.as_bytes()),
            (Err(status), Some((code, kind))) => {
                assert_eq!(
                    (status.code(), told(&status).kind),
                    (code, kind),
                    "{status:?}"
                );
                let named = status.message().contains("InvalidSignatureError");
                assert_eq!(named, kind == signature, "{status:?}");
                // It has none that could be smaller.
                assert!(!status.message().contains("batches"), "{status:?}");
            }
            (outcome, _) => panic!("{agent} {expected:?} {outcome:?}"),
        }
    }
    let mut client = connect(&server, "test").await;
    let good = token("ada", None);
    let basic =
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("anybody:{good}"));
    let mut request = Request::new(stream::empty());
    let header = format!("Basic {basic}").parse().unwrap();
    request.metadata_mut().insert("authorization", header);
    let answer = client.handshake(request).await.unwrap();
    let header = answer.metadata().get("authorization").unwrap();
    assert_eq!(header.to_str().unwrap(), format!("Bearer {good}"));
    let mut request = Request::new(stream::empty());
    let header = "Basic YTpi".parse().unwrap();
    request.metadata_mut().insert("authorization", header);
    let status = client.handshake(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn commits_carry_the_name_of_whoever_holds_the_token() {
    let server = server().await;
    let mut ada = Caller::new(&server, &[], &["one"]).await;
    let command = json!({"name": "a", "bucket": "one", "mode": "append"});
    ada.put(command.clone()).await.unwrap();
    let a = json!({"name": "a", "bucket": "one"});
    ada.act(action::TAG, &sample(action::TAG)).await.unwrap();
    ada.act(action::DELETE, &a).await.unwrap();
    ada.act(action::UNDELETE, &a).await.unwrap();
    let mut forged = command.clone();
    forged["author"] = json!("bob");
    assert!(is_denied(&ada.put(forged.clone()).await));
    let log: Value = serde_json::from_str(&ada.act(action::LOG, &a).await.unwrap()).unwrap();
    let commits = log["commits"].as_array().unwrap();
    for operation in ["undelete", "delete", "append"] {
        let newest = commits
            .iter()
            .find(|commit| commit["operation"] == operation);
        assert_eq!(newest.unwrap()["author"], "ada", "{log}");
    }
    assert_eq!(commits.last().unwrap()["author"], "root");
    let mut root = Caller::admin(&server).await;
    root.put(forged).await.unwrap();
    let log: Value = serde_json::from_str(&root.act(action::LOG, &a).await.unwrap()).unwrap();
    assert_eq!(log["commits"][0]["author"], "bob");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn no_commit_that_is_brought_makes_a_frame_follow_what_its_sender_may_not_read() {
    let server = server().await;
    let mut admin = Caller::admin(&server).await;
    let request = json!({"source": "ticks", "source_bucket": "two", "target": "bars", "target_bucket": "one",
                         "rule": "1h", "time_col": "t", "aggregation_func": "count", "mode": "replace", "continuous": true});
    let sql = "select cast(n as timestamp) as t, n from a";
    let ticks = json!({"source": "a", "source_bucket": "two", "target": "ticks", "target_bucket": "two", "sql": sql,
                       "mode": "replace"});
    admin.act(action::RESAMPLE, &ticks).await.unwrap();
    admin.act(action::RESAMPLE, &request).await.unwrap();
    let bars = json!({"name": "bars", "bucket": "one"});
    let head: Value =
        serde_json::from_str(&admin.act(action::SYNC_HEAD, &bars).await.unwrap()).unwrap();
    let tip = head["tip"].as_str().or(head["commit"].as_str());
    let tip = tip.unwrap_or_else(|| panic!("{head}")).to_owned();
    let history = json!({"name": "bars", "bucket": "one", "from": tip});
    let history = admin.act(action::SYNC_HISTORY, &history).await.unwrap();
    let record: Value = serde_json::from_str(history.lines().next().unwrap()).unwrap();
    let publication = json!({"arrivals": [{"record": record["record"], "kept": false}]});
    let command = json!({"sync_publish": {"name": "bars", "bucket": "one"}});
    let messages = || {
        vec![FlightData {
            flight_descriptor: Some(FlightDescriptor::new_cmd(command.to_string())),
            data_body: publication.to_string().into(),
            ..FlightData::default()
        }]
    };
    let mut writer = Caller::new(&server, &[], &["one"]).await;
    let outcome = writer.send(messages()).await;
    assert!(is_denied(&outcome), "{outcome:?}");
    let mut both = Caller::new(&server, &["two"], &["one"]).await;
    let outcome = both.send(messages()).await;
    assert!(!is_denied(&outcome), "{outcome:?}");
    let mut reader = Caller::new(&server, &["one", "two"], &[]).await;
    assert!(is_denied(&reader.send(messages()).await));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn nobody_is_told_of_a_name_that_they_may_not_read() {
    let server = server().await;
    let mut admin = Caller::admin(&server).await;
    let command = json!({"name": "weather", "bucket": "secrets"});
    admin.put(command).await.unwrap();
    let request = json!({"name": "wether", "bucket": "secrets"});
    let mut reader = Caller::new(&server, &["secrets"], &["secrets", "secret"]).await;
    let told_to = async |caller: &mut Caller, request: &Value| {
        told(&caller.act(action::DELETE, request).await.unwrap_err()).message
    };
    let message = told_to(&mut reader, &request).await;
    assert!(
        message.contains("did you mean `secrets/weather`?"),
        "{message}"
    );
    // A bucket that only others may read is not told of.
    let mut other = Caller::new(&server, &["secret"], &["secret"]).await;
    let request = json!({"name": "weather", "bucket": "secret"});
    assert!(
        told_to(&mut reader, &request)
            .await
            .contains("`secrets/weather`")
    );
    let message = told_to(&mut other, &request).await;
    assert!(!message.contains("did you mean"), "{message}");
}
