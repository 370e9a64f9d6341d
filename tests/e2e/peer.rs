//! A bare Flight client, for what no well-behaved client sends, and for seeing what is really on the wire.

use arrow_array::RecordBatch;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{Action, Criteria, FlightData, FlightDescriptor, FlightInfo, Ticket};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};
use serde_json::Value;
use shoots_flight::EncodeOptions;
use shoots_proto::{ErrorBody, ErrorKind, FrameSummary, PutResult};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::refusal::{assert_says, code_of};
use crate::server::Server;

pub(crate) struct Peer {
    pub(crate) flight: FlightServiceClient<Channel>,
}

impl Peer {
    pub(crate) async fn of(server: &Server) -> Self {
        Self::named(server.address(), "an-agent/1").await
    }

    /// A client that calls itself `agent`.
    pub(crate) async fn named(address: &str, agent: &str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let endpoint = endpoint.user_agent(agent.to_owned()).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let flight = FlightServiceClient::new(channel).max_decoding_message_size(usize::MAX);
        Self { flight }
    }

    pub(crate) async fn get(&mut self, ticket: impl Into<Bytes>) -> Result<RecordBatch, Status> {
        let ticket = Ticket {
            ticket: ticket.into(),
        };
        let messages = self.flight.do_get(ticket).await?.into_inner();
        let mut batches = shoots_flight::decode(messages.map_err(Received));
        let schema = batches.read_schema().await.map_err(Received::status)?;
        let batches: Vec<RecordBatch> = batches.try_collect().await.map_err(Received::status)?;
        Ok(arrow_select::concat::concat_batches(&schema, &batches).unwrap())
    }

    /// Puts messages, and gives the answer.
    pub(crate) async fn put<S>(&mut self, messages: S) -> Result<PutResult, Status>
    where
        S: Stream<Item = FlightData> + Send + 'static,
    {
        let answers = self.flight.do_put(messages).await?.into_inner();
        let answers: Vec<_> = answers.try_collect().await?;
        assert_eq!(answers.len(), 1);
        Ok(shoots_proto::decode("put result", &answers[0].app_metadata).unwrap())
    }

    pub(crate) async fn act(
        &mut self,
        name: &str,
        body: impl Into<Bytes>,
    ) -> Result<Bytes, Status> {
        let action = Action::new(name, body);
        let answers = self.flight.do_action(action).await?.into_inner();
        let answers: Vec<_> = answers.try_collect().await?;
        assert_eq!(answers.len(), 1);
        Ok(answers[0].body.clone())
    }

    pub(crate) async fn list(
        &mut self,
        criteria: impl Into<Bytes>,
    ) -> Result<Vec<FlightInfo>, Status> {
        let expression = criteria.into();
        let infos = self.flight.list_flights(Criteria { expression }).await?;
        infos.into_inner().try_collect().await
    }

    /// What is said about a descriptor, after checking that `GetSchema` says the same.
    pub(crate) async fn info(
        &mut self,
        descriptor: FlightDescriptor,
    ) -> Result<FlightInfo, Status> {
        let schema = self
            .flight
            .get_schema(Request::new(descriptor.clone()))
            .await;
        let info = self.flight.get_flight_info(descriptor).await;
        match (info, schema) {
            (Ok(info), Ok(schema)) => {
                assert_eq!(info.get_ref().schema, schema.get_ref().schema);
                Ok(info.into_inner())
            }
            (Err(one), Err(other)) => {
                assert_eq!(one.code(), other.code());
                assert_eq!(words(&one), words(&other));
                Err(one)
            }
            (info, schema) => panic!("they disagree: {info:?}, {schema:?}"),
        }
    }
}

/// What a status says, if it has details, but for the id of its call.
fn words(status: &Status) -> Option<(ErrorKind, String)> {
    let body = ErrorBody::from_json(status.details())?;
    Some((body.kind, without_call(&body.message).to_owned()))
}

/// A message without the id of the call that ended with it.
pub(crate) fn without_call(message: &str) -> &str {
    let (message, id) = message.rsplit_once(" (call ").unwrap();
    assert!(id.ends_with(')'), "{message}");
    message
}

/// What a `FlightInfo` says about the frame.
pub(crate) fn summary(info: &FlightInfo) -> FrameSummary {
    shoots_proto::decode("frame summary", &info.app_metadata).unwrap()
}

/// The messages of a put.
pub(crate) async fn messages(
    command: &Value,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
) -> Vec<FlightData> {
    let descriptor = FlightDescriptor::new_cmd(command.to_string());
    let options = EncodeOptions::default()
        .with_descriptor(descriptor)
        .with_message_bytes(usize::MAX);
    let source = stream::iter(batches.into_iter().map(Ok::<_, shoots_flight::Error>));
    let messages = shoots_flight::encode(schema, source, options);
    messages.try_collect().await.unwrap()
}

/// What the details of a status say.
#[track_caller]
pub(crate) fn told(status: &Status) -> ErrorBody {
    ErrorBody::from_json(status.details()).unwrap_or_else(|| panic!("no details: {status:?}"))
}

/// Checks that a call was refused with this kind, its code, and these words.
#[track_caller]
pub(crate) fn assert_status<T: std::fmt::Debug>(
    outcome: Result<T, Status>,
    kind: ErrorKind,
    words: &[&str],
) {
    let status = outcome.expect_err("the call should have been refused");
    let body = told(&status);
    assert_eq!(
        (body.kind, status.code()),
        (kind, code_of(kind)),
        "{status:?}"
    );
    assert_says(&body.message, words);
}

/// A failure to receive, as the decoder needs it.
#[derive(Debug)]
struct Received(Status);

impl Received {
    fn status(self) -> Status {
        self.0
    }
}

impl From<shoots_flight::Error> for Received {
    fn from(error: shoots_flight::Error) -> Self {
        Self(Status::internal(error.to_string()))
    }
}
