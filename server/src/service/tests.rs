//! Calls against a server with a store in memory, with a raw Flight client.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{Action, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, Ticket};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use shoots_flight::EncodeOptions;
use shoots_proto::{ErrorBody, ErrorKind};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::{Config, Server};

struct Peer {
    server: Server,
    client: FlightServiceClient<Channel>,
}

impl Peer {
    async fn new() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let config = Config {
            port: 0,
            bucket_dir: "memory://".into(),
            ..config
        };
        let server = Server::start(config).await.unwrap();
        let client = connect(&server, "test").await;
        Self { server, client }
    }

    async fn put(&mut self, command: Value, batches: &[RecordBatch]) -> Result<Value, Status> {
        let messages = encoded(&command, batches).await;
        let answers = self.client.do_put(stream::iter(messages)).await?;
        let answers: Vec<_> = answers.into_inner().try_collect().await?;
        assert_eq!(answers.len(), 1);
        Ok(serde_json::from_slice(&answers[0].app_metadata).unwrap())
    }

    async fn get(&mut self, ticket: Value) -> Result<RecordBatch, Status> {
        let ticket = Ticket::new(ticket.to_string());
        let messages = self.client.do_get(ticket).await?.into_inner();
        let received = messages.map_err(Received);
        let mut batches = shoots_flight::decode(received);
        let schema = batches.read_schema().await.map_err(|Received(status)| status)?;
        let batches: Vec<RecordBatch> =
            batches.try_collect().await.map_err(|Received(status)| status)?;
        Ok(arrow_select::concat::concat_batches(&schema, &batches).unwrap())
    }

    async fn info(&mut self, descriptor: FlightDescriptor) -> Result<FlightInfo, Status> {
        let info = self.client.get_flight_info(descriptor.clone()).await?.into_inner();
        let schema = self.client.get_schema(descriptor).await?.into_inner();
        assert_eq!(info.schema, schema.schema);
        Ok(info)
    }

    async fn list(&mut self, criteria: &str) -> Result<Vec<FlightInfo>, Status> {
        let criteria = Criteria {
            expression: criteria.to_owned().into(),
        };
        let infos = self.client.list_flights(criteria).await?;
        infos.into_inner().try_collect().await
    }

    async fn act(&mut self, name: &str, body: &str) -> Result<String, Status> {
        let answers = self.client.do_action(Action::new(name, body.to_owned())).await?;
        let answers: Vec<_> = answers.into_inner().try_collect().await?;
        assert_eq!(answers.len(), 1);
        Ok(String::from_utf8(answers[0].body.to_vec()).unwrap())
    }
}

#[derive(Debug)]
struct Received(Status);

impl From<shoots_flight::Error> for Received {
    fn from(error: shoots_flight::Error) -> Self {
        Self(Status::internal(error.to_string()))
    }
}

async fn connect(server: &Server, agent: &str) -> FlightServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).unwrap();
    let endpoint = endpoint.user_agent(agent.to_owned()).unwrap();
    FlightServiceClient::new(endpoint.connect().await.unwrap()).max_decoding_message_size(usize::MAX)
}

async fn encoded(command: &Value, batches: &[RecordBatch]) -> Vec<FlightData> {
    let descriptor = FlightDescriptor::new_cmd(command.to_string());
    let options = EncodeOptions::default().with_descriptor(descriptor);
    let source = stream::iter(batches.to_vec()).map(Ok::<_, shoots_flight::Error>);
    let messages = shoots_flight::encode(schema(), source, options);
    messages.try_collect().await.unwrap()
}

fn schema() -> SchemaRef {
    let metadata = [("owner".to_owned(), "me".to_owned())];
    Arc::new(Schema::new_with_metadata(
        vec![
            Field::new("n", DataType::Int64, true),
            Field::new("text", DataType::Utf8, true),
        ],
        metadata.into(),
    ))
}

fn rows(numbers: std::ops::Range<i64>) -> RecordBatch {
    let texts: StringArray = numbers.clone().map(|n| Some(format!("row {n}"))).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(numbers)),
        Arc::new(texts),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

#[track_caller]
fn told(status: &Status) -> ErrorBody {
    ErrorBody::from_json(status.details()).unwrap_or_else(|| panic!("no details: {status:?}"))
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, Status>, code: Code, kind: ErrorKind) {
    let status = outcome.unwrap_err();
    assert_eq!((status.code(), told(&status).kind), (code, kind), "{status:?}");
}

#[tokio::test]
async fn what_is_put_is_got() {
    let mut peer = Peer::new().await;
    let result = peer.put(json!({"name": "a"}), &[rows(0..3), rows(3..5)]).await.unwrap();
    assert_eq!(result["version"], 1);
    assert_eq!(result["rows"], 5);
    assert_eq!(result["commit"].as_str().unwrap().len(), 64);
    let got = peer.get(json!({"name": "a", "bucket": null})).await.unwrap();
    assert_eq!(got, rows(0..5));
    let command = json!({"name": "a", "mode": "append", "bucket": null, "batch_size": 5000});
    assert_eq!(peer.put(command, &[rows(5..6)]).await.unwrap()["version"], 2);
    assert_eq!(peer.get(json!({"name": "a"})).await.unwrap(), rows(0..6));
    peer.put(json!({"name": "a", "mode": "replace"}), &[]).await.unwrap();
    let got = peer.get(json!({"name": "a"})).await.unwrap();
    assert_eq!((got.num_rows(), got.schema()), (0, schema()));
}

#[tokio::test]
async fn a_get_selects_columns_rows_and_versions() {
    let mut peer = Peer::new().await;
    peer.put(json!({"name": "a", "bucket": "b"}), &[rows(0..4)]).await.unwrap();
    peer.put(json!({"name": "a", "bucket": "b", "mode": "append"}), &[rows(4..8)]).await.unwrap();
    let got = peer
        .get(json!({"name": "a", "bucket": "b", "columns": ["text"], "offset": 3, "limit": 2}))
        .await
        .unwrap();
    assert_eq!(got, rows(3..5).project(&[1]).unwrap());
    let got = peer.get(json!({"name": "a", "bucket": "b", "as_of": 1})).await.unwrap();
    assert_eq!(got, rows(0..4));
    let sql = "select n from A where n >= 2";
    let ticket = json!({"name": "a", "bucket": "b", "sql": sql, "as_of": {"version": 1}});
    let got = peer.get(ticket).await.unwrap();
    assert_eq!(got, rows(2..4).project(&[0]).unwrap());
}

#[tokio::test]
async fn errors_are_told_with_their_code_and_json() {
    let mut peer = Peer::new().await;
    peer.put(json!({"name": "a"}), &[rows(0..1)]).await.unwrap();
    let again = peer.put(json!({"name": "a", "mode": "error"}), &[rows(1..2)]).await;
    assert_refused(again, Code::AlreadyExists, ErrorKind::FileExistsError);
    for (ticket, code, kind) in [
        (json!({"name": "b"}), Code::NotFound, ErrorKind::FileNotFoundError),
        (json!({"name": "a", "bucket": "b"}), Code::NotFound, ErrorKind::FileNotFoundError),
        (json!({"name": "b", "sql": "select 1"}), Code::NotFound, ErrorKind::FileNotFoundError),
        (json!({"name": "a", "as_of": 9}), Code::NotFound, ErrorKind::FileNotFoundError),
        (json!({"name": "a", "sql": "select * from b"}), Code::InvalidArgument, ErrorKind::DataFusionError),
        (json!({"name": "a", "sql": "selec"}), Code::InvalidArgument, ErrorKind::DataFusionError),
        (json!({"name": "a", "columns": ["x"]}), Code::InvalidArgument, ErrorKind::InvalidRequestError),
        (json!({"name": "../a"}), Code::InvalidArgument, ErrorKind::InvalidRequestError),
        (json!({"name": "a", "colour": 1}), Code::InvalidArgument, ErrorKind::InvalidRequestError),
        (json!([]), Code::InvalidArgument, ErrorKind::InvalidRequestError),
    ] {
        assert_refused(peer.get(ticket).await, code, kind);
    }
    let status = peer.get(json!({"name": "a", "limit": "x"})).await.unwrap_err();
    assert!(told(&status).message.contains("limit"), "{status:?}");
    let mut other = rows(0..1);
    other.remove_column(0);
    let command = json!({"name": "a", "mode": "append"});
    let descriptor = FlightDescriptor::new_cmd(command.to_string());
    let options = EncodeOptions::default().with_descriptor(descriptor);
    let source = stream::iter([Ok::<_, shoots_flight::Error>(other.clone())]);
    let messages: Vec<_> = shoots_flight::encode(other.schema(), source, options)
        .try_collect()
        .await
        .unwrap();
    let answers = peer.client.do_put(stream::iter(messages)).await;
    let refused = match answers {
        Ok(answers) => answers.into_inner().try_collect::<Vec<_>>().await,
        Err(status) => Err(status),
    };
    assert_refused(refused, Code::InvalidArgument, ErrorKind::SchemaError);
}

#[tokio::test]
async fn the_client_of_arrow_cpp_is_told_in_its_own_way() {
    let peer = Peer::new().await;
    let mut client = connect(&peer.server, "grpc-c++/1.71.0").await;
    let status = client.do_get(Ticket::new(r#"{"name":"a"}"#)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    assert_eq!(told(&status).kind, ErrorKind::FileNotFoundError);
    assert_eq!(status.metadata().get("x-arrow-status").unwrap(), "5");
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
    assert_refused(outcome, Code::InvalidArgument, ErrorKind::InvalidRequestError);
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
    assert_refused(outcome, Code::InvalidArgument, ErrorKind::InvalidRequestError);
    let answers = peer.client.do_put(stream::empty()).await.unwrap();
    let outcome: Result<Vec<_>, Status> = answers.into_inner().try_collect().await;
    assert_refused(outcome, Code::InvalidArgument, ErrorKind::InvalidRequestError);
}

#[tokio::test]
async fn information_agrees_with_what_is_delivered() {
    let mut peer = Peer::new().await;
    peer.put(json!({"name": "a"}), &[rows(0..10)]).await.unwrap();
    peer.put(json!({"name": "a", "bucket": "b"}), &[rows(0..2)]).await.unwrap();
    let command = |ticket: Value| FlightDescriptor::new_cmd(ticket.to_string());
    let path = |parts: &[&str]| FlightDescriptor::new_path(parts.iter().map(ToString::to_string).collect());
    for (descriptor, records, whole) in [
        (path(&["a"]), 10, true),
        (path(&["a", "b"]), 2, true),
        (command(json!({"name": "a"})), 10, true),
        (command(json!({"name": "a", "limit": 3, "offset": 8})), 2, false),
        (command(json!({"name": "a", "columns": ["text"], "limit": 4})), 4, false),
        (command(json!({"name": "a", "sql": "select text, n + 1 as m from a"})), -1, false),
        (command(json!({"name": "a", "sql": "select count(*) from a"})), -1, false),
    ] {
        let info = peer.info(descriptor.clone()).await.unwrap();
        assert_eq!(info.total_records, records);
        assert_eq!(info.total_bytes > 0, whole);
        assert_eq!(info.flight_descriptor, Some(descriptor));
        let summary: Value = serde_json::from_slice(&info.app_metadata).unwrap();
        assert_eq!(summary["version"], 1);
        let ticket = info.endpoint[0].ticket.clone().unwrap().ticket;
        let got = peer.get(serde_json::from_slice(&ticket).unwrap()).await.unwrap();
        let announced = shoots_flight::read_schema_message(&info.schema).unwrap();
        assert_eq!(*got.schema(), announced);
        if records >= 0 {
            assert_eq!(got.num_rows() as i64, records);
        }
    }
    assert_refused(peer.info(path(&["c"])).await, Code::NotFound, ErrorKind::FileNotFoundError);
    for bad in [path(&[]), path(&["a", "b", "c"]), FlightDescriptor::default()] {
        assert_refused(peer.info(bad).await, Code::InvalidArgument, ErrorKind::InvalidRequestError);
    }
}

#[tokio::test]
async fn a_ticket_from_information_names_the_version_described() {
    let mut peer = Peer::new().await;
    peer.put(json!({"name": "a"}), &[rows(0..2)]).await.unwrap();
    let info = peer.info(FlightDescriptor::new_path(vec!["a".into()])).await.unwrap();
    peer.put(json!({"name": "a", "mode": "append"}), &[rows(2..4)]).await.unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap().ticket;
    let got = peer.get(serde_json::from_slice(&ticket).unwrap()).await.unwrap();
    assert_eq!(got, rows(0..2));
}

#[tokio::test]
async fn listings_choose_by_bucket_and_pattern() {
    let mut peer = Peer::new().await;
    for (name, bucket) in [("weather", None), ("flights", None), ("weather", Some("nyc")), ("planes", Some("nyc"))] {
        peer.put(json!({"name": name, "bucket": bucket}), &[rows(0..3)]).await.unwrap();
    }
    let paths = |infos: Vec<FlightInfo>| -> Vec<String> {
        infos.into_iter().map(|i| i.flight_descriptor.unwrap().path.join("@")).collect()
    };
    for (criteria, expected) in [
        ("", vec!["flights", "weather", "planes@nyc", "weather@nyc"]),
        (r#"{"bucket":null,"regex":null}"#, vec!["flights", "weather"]),
        (r#"{"bucket":"nyc","regex":null}"#, vec!["planes@nyc", "weather@nyc"]),
        (r#"{"bucket":"nyc","regex":"^w.*r$"}"#, vec!["weather@nyc"]),
        (r#"{"all_buckets":true,"regex":"eat"}"#, vec!["weather", "weather@nyc"]),
        (r#"{"regex":"nothing"}"#, vec![]),
    ] {
        let infos = peer.list(criteria).await.unwrap();
        for info in &infos {
            assert_eq!(info.total_records, 3);
            assert!(info.total_bytes > 0);
            let summary: Value = serde_json::from_slice(&info.app_metadata).unwrap();
            assert_eq!((&summary["rows"], &summary["segments"]), (&json!(3), &json!(1)));
            let announced = shoots_flight::read_schema_message(&info.schema).unwrap();
            assert_eq!(announced, *schema());
        }
        assert_eq!(paths(infos), expected, "{criteria}");
    }
    let unknown = peer.list(r#"{"bucket":"rome"}"#).await;
    assert_refused(unknown, Code::NotFound, ErrorKind::FileNotFoundError);
    let status = peer.list(r#"{"regex":"("}"#).await.unwrap_err();
    assert_eq!(told(&status).kind, ErrorKind::InvalidRequestError);
    assert!(told(&status).message.contains("regex"));
}

#[tokio::test]
async fn actions_do_what_they_say() {
    let mut peer = Peer::new().await;
    peer.put(json!({"name": "a", "bucket": "b"}), &[rows(0..1)]).await.unwrap();
    assert_eq!(peer.act("ping", "").await.unwrap(), "pong");
    assert_eq!(peer.act("buckets", "{}").await.unwrap(), r#"["b"]"#);
    let kept = peer.act("delete_bucket", r#"{"name":"b","mode":"error"}"#).await;
    assert_refused(kept, Code::FailedPrecondition, ErrorKind::BucketNotEmptyError);
    let deleted = peer.act("delete", r#"{"name":"a","bucket":"b"}"#).await.unwrap();
    let deleted: Value = serde_json::from_str(&deleted).unwrap();
    assert_eq!(deleted["success"], true);
    let again = peer.act("delete", r#"{"name":"a","bucket":"b"}"#).await;
    assert_refused(again, Code::NotFound, ErrorKind::FileNotFoundError);
    assert_eq!(peer.act("buckets", "").await.unwrap(), r#"["b"]"#);
    peer.put(json!({"name": "a", "bucket": "b"}), &[rows(0..1)]).await.unwrap();
    let gone = peer.act("delete_bucket", r#"{"name":"b","mode":"delete"}"#).await.unwrap();
    assert!(serde_json::from_str::<Value>(&gone).unwrap()["message"].is_string());
    assert_eq!(peer.act("buckets", "{}").await.unwrap(), "[]");
    let unknown = peer.act("delete_bucket", r#"{"name":"b"}"#).await;
    assert_refused(unknown, Code::NotFound, ErrorKind::FileNotFoundError);
    let status = peer.act("explode", "{}").await.unwrap_err();
    let body = told(&status);
    assert_eq!(body.kind, ErrorKind::InvalidRequestError);
    assert!(body.message.contains("explode") && body.message.contains("delete_bucket"), "{body}");
    let described = peer.client.list_actions(Empty {}).await.unwrap().into_inner();
    let described: Vec<_> = described.try_collect().await.unwrap();
    let names: Vec<&str> = described.iter().map(|a| a.r#type.as_str()).collect();
    assert_eq!(names, ["buckets", "delete", "delete_bucket", "ping", "shutdown"]);
    assert!(described.iter().all(|a| !a.description.is_empty()));
}

#[tokio::test]
async fn a_read_only_server_refuses_changes_only() {
    let folder = tempfile::tempdir().unwrap();
    let bucket_dir = folder.path().to_str().unwrap().to_owned();
    let at = |read_only| Config {
        port: 0,
        bucket_dir: bucket_dir.clone(),
        read_only,
        ..Config::default()
    };
    let server = Server::start(at(false)).await.unwrap();
    let client = connect(&server, "test").await;
    let mut peer = Peer { server, client };
    peer.put(json!({"name": "a"}), &[rows(0..3)]).await.unwrap();
    peer.server.shutdown().await.unwrap();

    let server = Server::start(at(true)).await.unwrap();
    let client = connect(&server, "test").await;
    let mut peer = Peer { server, client };
    assert_eq!(peer.get(json!({"name": "a"})).await.unwrap(), rows(0..3));
    let put = peer.put(json!({"name": "b"}), &[rows(0..3)]).await;
    assert_refused(put, Code::FailedPrecondition, ErrorKind::ReadOnlyError);
    for (action, body) in [("delete", r#"{"name":"a"}"#), ("delete_bucket", r#"{"name":"b"}"#)] {
        let outcome = peer.act(action, body).await;
        assert_refused(outcome, Code::FailedPrecondition, ErrorKind::ReadOnlyError);
    }
    assert_eq!(peer.act("ping", "").await.unwrap(), "pong");
}

#[tokio::test]
async fn what_is_not_answered_says_so() {
    let mut peer = Peer::new().await;
    let url = "type.googleapis.com/arrow.flight.protocol.sql.CommandGetTables";
    let mut any = vec![0x0a, url.len() as u8];
    any.extend(url.bytes());
    let status = peer.client.do_get(Ticket::new(any.clone())).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("Flight SQL"));
    let descriptor = FlightDescriptor::new_cmd(any);
    let status = peer.client.get_flight_info(descriptor.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let status = peer.client.poll_flight_info(descriptor).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let status = peer.client.do_exchange(stream::empty()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn messages_above_the_limit_are_refused() {
    let mut peer = Peer::with(Config {
        max_message_bytes: 10_000,
        ..Config::default()
    })
    .await;
    let outcome = peer.put(json!({"name": "a"}), &[rows(0..5000)]).await;
    assert_refused(outcome, Code::ResourceExhausted, ErrorKind::LimitError);
    peer.put(json!({"name": "a"}), &[rows(0..50)]).await.unwrap();
}

#[tokio::test]
async fn the_shutdown_action_answers_and_ends_the_server() {
    let mut peer = Peer::new().await;
    assert_eq!(peer.act("shutdown", "{}").await.unwrap(), r#"["shutdown command received"]"#);
    peer.server.wait().await.unwrap();
    assert_eq!(peer.act("ping", "").await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn running_calls_may_finish_when_the_server_is_stopped() {
    let mut peer = Peer::new().await;
    let messages = encoded(&json!({"name": "a"}), &[rows(0..3)]).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let receiver = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let answers = peer.client.do_put(receiver).await.unwrap();
    let mut messages = messages.into_iter();
    sender.send(messages.next().unwrap()).await.unwrap();
    peer.act("shutdown", "").await.unwrap();
    for message in messages {
        sender.send(message).await.unwrap();
    }
    drop(sender);
    let answers: Vec<_> = answers.into_inner().try_collect().await.unwrap();
    assert_eq!(answers.len(), 1);
    peer.server.wait().await.unwrap();
}

#[tokio::test]
async fn calls_that_outlast_the_grace_period_are_ended() {
    let mut peer = Peer::with(Config {
        shutdown_grace_seconds: 0,
        ..Config::default()
    })
    .await;
    let answers = peer.client.do_put(stream::pending::<FlightData>()).await.unwrap();
    peer.server.shutdown().await.unwrap();
    let outcome: Result<Vec<_>, Status> = answers.into_inner().try_collect().await;
    assert_refused(outcome, Code::Unavailable, ErrorKind::UnavailableError);
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let peer = Peer::new().await;
    let taken = Config {
        host: "127.0.0.1".into(),
        port: peer.server.address().port(),
        bucket_dir: "memory://".into(),
        ..Config::default()
    };
    let error = Server::start(taken).await.unwrap_err().to_string();
    assert!(error.contains("cannot listen on 127.0.0.1:"), "{error}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let unusable = Config {
        port: 0,
        bucket_dir: file.path().join("buckets").to_str().unwrap().to_owned(),
        ..Config::default()
    };
    let error = Server::start(unusable).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot use ") && error.contains("buckets"), "{error}");
}
