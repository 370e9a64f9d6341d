//! A server with a store in memory, and a raw Flight client to talk to it.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{Action, Criteria, FlightData, FlightDescriptor, FlightInfo, Ticket};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use shoots_flight::EncodeOptions;
use shoots_proto::{ErrorBody, ErrorKind};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::{Config, Server};

pub(super) struct Peer {
    pub(super) server: Server,
    pub(super) client: FlightServiceClient<Channel>,
}

impl Peer {
    pub(super) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(super) async fn with(config: Config) -> Self {
        let config = Config {
            port: 0,
            bucket_dir: "memory://".into(),
            ..config
        };
        let server = Server::start(config).await.unwrap();
        let client = connect(&server, "test").await;
        Self { server, client }
    }

    pub(super) async fn put(
        &mut self,
        command: Value,
        batches: &[RecordBatch],
    ) -> Result<Value, Status> {
        let messages = encoded(&command, batches).await;
        let answers = self.client.do_put(stream::iter(messages)).await?;
        let answers: Vec<_> = answers.into_inner().try_collect().await?;
        assert_eq!(answers.len(), 1);
        Ok(serde_json::from_slice(&answers[0].app_metadata).unwrap())
    }

    pub(super) async fn get(&mut self, ticket: Value) -> Result<RecordBatch, Status> {
        let ticket = Ticket::new(ticket.to_string());
        let messages = self.client.do_get(ticket).await?.into_inner();
        let received = messages.map_err(Received);
        let mut batches = shoots_flight::decode(received);
        let schema = batches
            .read_schema()
            .await
            .map_err(|Received(status)| status)?;
        let batches: Vec<RecordBatch> = batches
            .try_collect()
            .await
            .map_err(|Received(status)| status)?;
        Ok(arrow_select::concat::concat_batches(&schema, &batches).unwrap())
    }

    pub(super) async fn info(
        &mut self,
        descriptor: FlightDescriptor,
    ) -> Result<FlightInfo, Status> {
        let info = self
            .client
            .get_flight_info(descriptor.clone())
            .await?
            .into_inner();
        let schema = self.client.get_schema(descriptor).await?.into_inner();
        assert_eq!(info.schema, schema.schema);
        Ok(info)
    }

    pub(super) async fn list(&mut self, criteria: &str) -> Result<Vec<FlightInfo>, Status> {
        let criteria = Criteria {
            expression: criteria.to_owned().into(),
        };
        let infos = self.client.list_flights(criteria).await?;
        infos.into_inner().try_collect().await
    }

    pub(super) async fn act(&mut self, name: &str, body: &str) -> Result<String, Status> {
        let answers = self
            .client
            .do_action(Action::new(name, body.to_owned()))
            .await?;
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

pub(super) async fn connect(server: &Server, agent: &str) -> FlightServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).unwrap();
    let endpoint = endpoint.user_agent(agent.to_owned()).unwrap();
    FlightServiceClient::new(endpoint.connect().await.unwrap())
        .max_decoding_message_size(usize::MAX)
}

pub(super) async fn encoded(command: &Value, batches: &[RecordBatch]) -> Vec<FlightData> {
    let descriptor = FlightDescriptor::new_cmd(command.to_string());
    let options = EncodeOptions::default().with_descriptor(descriptor);
    let source = stream::iter(batches.to_vec()).map(Ok::<_, shoots_flight::Error>);
    let messages = shoots_flight::encode(schema(), source, options);
    messages.try_collect().await.unwrap()
}

pub(super) fn schema() -> SchemaRef {
    let metadata = [("owner".to_owned(), "me".to_owned())];
    Arc::new(Schema::new_with_metadata(
        vec![
            Field::new("n", DataType::Int64, true),
            Field::new("text", DataType::Utf8, true),
        ],
        metadata.into(),
    ))
}

pub(super) fn rows(numbers: std::ops::Range<i64>) -> RecordBatch {
    let texts: StringArray = numbers.clone().map(|n| Some(format!("row {n}"))).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(numbers)),
        Arc::new(texts),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

#[track_caller]
pub(super) fn told(status: &Status) -> ErrorBody {
    ErrorBody::from_json(status.details()).unwrap_or_else(|| panic!("no details: {status:?}"))
}

#[track_caller]
pub(super) fn assert_refused<T: std::fmt::Debug>(
    outcome: Result<T, Status>,
    code: Code,
    kind: ErrorKind,
) {
    let status = outcome.unwrap_err();
    assert_eq!(
        (status.code(), told(&status).kind),
        (code, kind),
        "{status:?}"
    );
}
