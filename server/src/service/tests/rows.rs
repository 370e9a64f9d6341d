//! Putting, getting, and describing what a get delivers.

use arrow_flight::{FlightData, FlightDescriptor};
use futures::{TryStreamExt, stream};
use serde_json::{Value, json};
use shoots_proto::ErrorKind;
use tonic::{Code, Status};

use super::peer::{Peer, assert_refused, encoded, rows, schema, told};

#[tokio::test]
async fn what_is_put_is_got() {
    let mut peer = Peer::new().await;
    let result = peer
        .put(json!({"name": "a"}), &[rows(0..3), rows(3..5)])
        .await
        .unwrap();
    assert_eq!(result["version"], 1);
    assert_eq!(result["rows"], 5);
    assert_eq!(result["commit"].as_str().unwrap().len(), 64);
    let got = peer
        .get(json!({"name": "a", "bucket": null}))
        .await
        .unwrap();
    assert_eq!(got, rows(0..5));
    let command = json!({"name": "a", "mode": "append", "bucket": null, "batch_size": 5000});
    assert_eq!(
        peer.put(command, &[rows(5..6)]).await.unwrap()["version"],
        2
    );
    assert_eq!(peer.get(json!({"name": "a"})).await.unwrap(), rows(0..6));
    peer.put(json!({"name": "a", "mode": "replace"}), &[])
        .await
        .unwrap();
    let got = peer.get(json!({"name": "a"})).await.unwrap();
    assert_eq!((got.num_rows(), got.schema()), (0, schema()));
}

#[tokio::test]
async fn a_get_selects_columns_rows_and_versions() {
    let mut peer = Peer::new().await;
    peer.put(json!({"name": "a", "bucket": "b"}), &[rows(0..4)])
        .await
        .unwrap();
    peer.put(
        json!({"name": "a", "bucket": "b", "mode": "append"}),
        &[rows(4..8)],
    )
    .await
    .unwrap();
    let got = peer
        .get(json!({"name": "a", "bucket": "b", "columns": ["text"], "offset": 3, "limit": 2}))
        .await
        .unwrap();
    assert_eq!(got, rows(3..5).project(&[1]).unwrap());
    let got = peer
        .get(json!({"name": "a", "bucket": "b", "as_of": 1}))
        .await
        .unwrap();
    assert_eq!(got, rows(0..4));
    let sql = "select n from A where n >= 2";
    let ticket = json!({"name": "a", "bucket": "b", "sql": sql, "as_of": {"version": 1}});
    let got = peer.get(ticket).await.unwrap();
    assert_eq!(got, rows(2..4).project(&[0]).unwrap());
}

#[tokio::test]
async fn a_put_that_breaks_off_changes_nothing() {
    let mut peer = Peer::new().await;
    let messages = encoded(&json!({"name": "a"}), &[rows(0..1000)]).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(8);
    for message in messages {
        sender.send(message).await.unwrap();
    }
    let receiver = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let answers = peer.client.do_put(receiver).await.unwrap();
    drop(answers);
    drop(sender);
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        let got = peer.get(json!({"name": "a"})).await;
        assert_refused(got, Code::NotFound, ErrorKind::FileNotFoundError);
    }
    let mut messages = encoded(&json!({"name": "a"}), &[rows(0..10)]).await;
    messages.push(FlightData::new().with_data_header(vec![1, 2, 3]));
    let outcome = match peer.client.do_put(stream::iter(messages)).await {
        Ok(answers) => answers.into_inner().try_collect::<Vec<_>>().await,
        Err(status) => Err(status),
    };
    assert_refused(
        outcome,
        Code::InvalidArgument,
        ErrorKind::InvalidRequestError,
    );
    let got = peer.get(json!({"name": "a"})).await;
    assert_refused(got, Code::NotFound, ErrorKind::FileNotFoundError);
}

#[tokio::test]
async fn a_put_says_what_is_wrong_with_its_command() {
    let mut peer = Peer::new().await;
    for (command, field) in [
        (json!({"name": "a", "mode": "upend"}), "mode"),
        (json!({"name": "a", "colour": 1}), "colour"),
        (json!({"bucket": "a"}), "name"),
        (json!({"name": "a/b"}), "name"),
        (json!({"name": "a", "bucket": ".."}), "bucket"),
    ] {
        let status = peer.put(command, &[]).await.unwrap_err();
        let body = told(&status);
        assert_eq!(body.kind, ErrorKind::InvalidRequestError);
        assert!(body.message.contains(field), "{body}");
    }
    let mut messages = encoded(&json!({"name": "a"}), &[]).await;
    messages[0].flight_descriptor = None;
    let answers = peer.client.do_put(stream::iter(messages)).await.unwrap();
    let outcome: Result<Vec<_>, Status> = answers.into_inner().try_collect().await;
    assert_refused(
        outcome,
        Code::InvalidArgument,
        ErrorKind::InvalidRequestError,
    );
    let answers = peer.client.do_put(stream::empty()).await.unwrap();
    let outcome: Result<Vec<_>, Status> = answers.into_inner().try_collect().await;
    assert_refused(
        outcome,
        Code::InvalidArgument,
        ErrorKind::InvalidRequestError,
    );
}

#[tokio::test]
async fn information_agrees_with_what_is_delivered() {
    let mut peer = Peer::new().await;
    peer.put(json!({"name": "a"}), &[rows(0..10)])
        .await
        .unwrap();
    peer.put(json!({"name": "a", "bucket": "b"}), &[rows(0..2)])
        .await
        .unwrap();
    let command = |ticket: Value| FlightDescriptor::new_cmd(ticket.to_string());
    let path = |parts: &[&str]| {
        FlightDescriptor::new_path(parts.iter().map(ToString::to_string).collect())
    };
    for (descriptor, records, whole) in [
        (path(&["a"]), 10, true),
        (path(&["a", "b"]), 2, true),
        (command(json!({"name": "a"})), 10, true),
        (
            command(json!({"name": "a", "limit": 3, "offset": 8})),
            2,
            false,
        ),
        (
            command(json!({"name": "a", "columns": ["text"], "limit": 4})),
            4,
            false,
        ),
        (
            command(json!({"name": "a", "sql": "select text, n + 1 as m from a"})),
            -1,
            false,
        ),
        (
            command(json!({"name": "a", "sql": "select count(*) from a"})),
            -1,
            false,
        ),
    ] {
        let info = peer.info(descriptor.clone()).await.unwrap();
        assert_eq!(info.total_records, records);
        assert_eq!(info.total_bytes > 0, whole);
        assert_eq!(info.flight_descriptor, Some(descriptor));
        let summary: Value = serde_json::from_slice(&info.app_metadata).unwrap();
        assert_eq!(summary["version"], 1);
        let ticket = info.endpoint[0].ticket.clone().unwrap().ticket;
        let got = peer
            .get(serde_json::from_slice(&ticket).unwrap())
            .await
            .unwrap();
        let announced = shoots_flight::read_schema_message(&info.schema).unwrap();
        assert_eq!(*got.schema(), announced);
        if records >= 0 {
            assert_eq!(got.num_rows() as i64, records);
        }
    }
    assert_refused(
        peer.info(path(&["c"])).await,
        Code::NotFound,
        ErrorKind::FileNotFoundError,
    );
    for bad in [
        path(&[]),
        path(&["a", "b", "c"]),
        FlightDescriptor::default(),
    ] {
        assert_refused(
            peer.info(bad).await,
            Code::InvalidArgument,
            ErrorKind::InvalidRequestError,
        );
    }
}

#[tokio::test]
async fn a_ticket_from_information_names_the_version_described() {
    let mut peer = Peer::new().await;
    peer.put(json!({"name": "a"}), &[rows(0..2)]).await.unwrap();
    let info = peer
        .info(FlightDescriptor::new_path(vec!["a".into()]))
        .await
        .unwrap();
    peer.put(json!({"name": "a", "mode": "append"}), &[rows(2..4)])
        .await
        .unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap().ticket;
    let got = peer
        .get(serde_json::from_slice(&ticket).unwrap())
        .await
        .unwrap();
    assert_eq!(got, rows(0..2));
}

#[tokio::test]
async fn every_form_of_ticket_is_described_as_it_is_delivered_and_stays_what_it_was() {
    let mut peer = Peer::new().await;
    let put = |mode: &str| json!({"name": "a", "mode": mode, "index": ["n"]});
    peer.put(put("error"), &[rows(0..10)]).await.unwrap();
    peer.put(put("append"), &[rows(10..20)]).await.unwrap();
    peer.act("tag", r#"{"name":"a","tag":"eod"}"#)
        .await
        .unwrap();
    let time = "2100-01-01T00:00:00Z";
    let mut described = Vec::new();
    for (ticket, count) in [
        (json!({"name": "a", "start": 5, "stop": 12}), 7),
        (
            json!({"name": "a", "start": 5, "stop": 12, "closed": "both", "columns": ["text"]}),
            8,
        ),
        (json!({"name": "a", "tail": 3}), 3),
        (
            json!({"name": "a", "as_of": {"version": 1}, "offset": 2}),
            8,
        ),
        (json!({"name": "a", "as_of": "eod"}), 20),
        (json!({"name": "a", "as_of": {"time": time}, "limit": 4}), 4),
        (json!({"name": "a", "allow_stale": true}), 20),
        (json!({"name": "a", "diff": {"from": 1}}), 10),
        (
            json!({"name": "a", "diff": {"from": -3, "to": "eod"}, "columns": ["_change", "n"]}),
            10,
        ),
        (
            json!({"name": "a", "sql": "select n from a where n >= 15"}),
            5,
        ),
        (
            json!({"name": "a", "sql": "select n from a", "as_of": {"version": 1}}),
            10,
        ),
        (
            json!({"name": "a", "sql": "select * from as_of('a', 1) where n < 3"}),
            3,
        ),
        (
            json!({"name": "a", "sql": "select * from segments('a')"}),
            2,
        ),
    ] {
        let info = peer
            .info(FlightDescriptor::new_cmd(ticket.to_string()))
            .await
            .unwrap();
        let schema = shoots_flight::read_schema_message(&info.schema).unwrap();
        let got = peer.get(ticket.clone()).await.unwrap();
        assert_eq!(got.num_rows(), count, "{ticket}");
        assert_eq!(*got.schema(), schema, "{ticket}");
        assert!(
            [-1, got.num_rows() as i64].contains(&info.total_records),
            "{ticket}"
        );
        described.push((ticket, info, got));
    }
    peer.put(put("replace"), &[rows(0..1)]).await.unwrap();
    for (ticket, info, got) in described {
        let pinned = info.endpoint[0].ticket.clone().unwrap().ticket;
        let pinned: serde_json::Value = serde_json::from_slice(&pinned).unwrap();
        if ticket["as_of"]["time"] == time && ticket["sql"].is_null() {
            assert_eq!(pinned["as_of"]["version"], info_version(&info), "{pinned}");
        }
        assert_eq!(peer.get(pinned).await.unwrap(), got, "{ticket}");
    }
}

fn info_version(info: &arrow_flight::FlightInfo) -> serde_json::Value {
    let summary: serde_json::Value = serde_json::from_slice(&info.app_metadata).unwrap();
    summary["version"].clone()
}

#[tokio::test]
async fn a_query_at_a_point_in_time_keeps_it_for_every_frame() {
    let mut peer = Peer::new().await;
    for name in ["a", "b"] {
        peer.put(json!({"name": name}), &[rows(0..2)])
            .await
            .unwrap();
    }
    let log = peer.act("log", r#"{"name":"b"}"#).await.unwrap();
    let log: serde_json::Value = serde_json::from_str(&log).unwrap();
    let time = log["commits"][0]["published"].clone();
    for name in ["a", "b"] {
        let more = json!({"name": name, "mode": "append"});
        peer.put(more, &[rows(2..4)]).await.unwrap();
    }
    let sql = "select a.n from a join b on a.n = b.n order by a.n";
    let ticket = json!({"name": "a", "sql": sql, "as_of": {"time": time}});
    let info = peer
        .info(FlightDescriptor::new_cmd(ticket.to_string()))
        .await
        .unwrap();
    let pinned = info.endpoint[0].ticket.clone().unwrap().ticket;
    let pinned: serde_json::Value = serde_json::from_slice(&pinned).unwrap();
    assert_eq!(pinned["as_of"], json!({"time": time}));
    assert_eq!(peer.get(pinned).await.unwrap().num_rows(), 2);
}
