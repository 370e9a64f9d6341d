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
