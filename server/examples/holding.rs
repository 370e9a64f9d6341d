//! A Flight server that holds the batches it is given, and does nothing else: the ceiling in Rust of `bench/run.py`.
//!
//! ```text
//! cargo build --release -p shoots-server --example holding
//! ```
//!
//! It is arrow-rs as it comes: its own decoder and encoder of Flight messages, on tonic. A put (`DoPut`, whose command is
//! JSON with `name` and `mode`) replaces or appends; a get (`DoGet`, whose ticket has `name`) sends the batches as they
//! came. Nothing is written, checked or cut otherwise, so no server on these two libraries can be much faster. Prints
//! its address once it listens, and ends with the signal that ends it.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, PoisonError, RwLock};

use arrow_array::RecordBatch;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, Result as Answer, SchemaResult,
    Ticket,
};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Answers<T> = BoxStream<'static, Result<T, Status>>;
type Outcome<T> = Result<Response<T>, Status>;

/// The batches of each name.
#[derive(Default)]
struct Holding {
    frames: RwLock<HashMap<String, Arc<Vec<RecordBatch>>>>,
}

impl Holding {
    fn put(&self, name: String, append: bool, batches: Vec<RecordBatch>) {
        let mut frames = self.frames.write().unwrap_or_else(PoisonError::into_inner);
        let held = frames.entry(name).or_default();
        if append {
            Arc::make_mut(held).extend(batches);
        } else {
            *held = Arc::new(batches);
        }
    }

    fn get(&self, name: &str) -> Option<Arc<Vec<RecordBatch>>> {
        let frames = self.frames.read().unwrap_or_else(PoisonError::into_inner);
        frames.get(name).map(Arc::clone)
    }
}

fn parsed(json: &[u8]) -> Result<Value, Status> {
    serde_json::from_slice(json).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn field(json: &Value, name: &str) -> String {
    json[name].as_str().unwrap_or_default().to_owned()
}

fn not_here<T>() -> Outcome<T> {
    Err(Status::unimplemented("this server only holds batches"))
}

#[tonic::async_trait]
impl FlightService for Holding {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoExchangeStream = Answers<FlightData>;
    type DoActionStream = Answers<Answer>;
    type ListActionsStream = Answers<ActionType>;

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Outcome<Self::DoPutStream> {
        let mut messages = request.into_inner();
        let first = messages.message().await?.unwrap_or_default();
        let command = parsed(&first.flight_descriptor.clone().unwrap_or_default().cmd)?;
        let messages = stream::iter([Ok(first)])
            .chain(messages)
            .map_err(FlightError::from);
        let batches: Vec<RecordBatch> = FlightRecordBatchStream::new_from_flight_data(messages)
            .try_collect()
            .await?;
        let append = field(&command, "mode") == "append";
        self.put(field(&command, "name"), append, batches);
        Ok(Response::new(stream::empty().boxed()))
    }

    async fn do_get(&self, request: Request<Ticket>) -> Outcome<Self::DoGetStream> {
        let name = field(&parsed(&request.into_inner().ticket)?, "name");
        let Some(held) = self.get(&name) else {
            return Err(Status::not_found(name));
        };
        let batches: Vec<Result<RecordBatch, FlightError>> = held.iter().cloned().map(Ok).collect();
        let messages = FlightDataEncoderBuilder::new()
            .build(stream::iter(batches))
            .map_err(Status::from);
        Ok(Response::new(messages.boxed()))
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Outcome<Self::HandshakeStream> {
        not_here()
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Outcome<Self::ListFlightsStream> {
        not_here()
    }

    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Outcome<FlightInfo> {
        not_here()
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Outcome<PollInfo> {
        not_here()
    }

    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Outcome<SchemaResult> {
        not_here()
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Outcome<Self::DoExchangeStream> {
        not_here()
    }

    async fn do_action(&self, _: Request<Action>) -> Outcome<Self::DoActionStream> {
        not_here()
    }

    async fn list_actions(&self, _: Request<Empty>) -> Outcome<Self::ListActionsStream> {
        not_here()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("holding batches on grpc://{}", listener.local_addr()?);
    let service = FlightServiceServer::new(Holding::default())
        .max_decoding_message_size(usize::MAX)
        .max_encoding_message_size(usize::MAX);
    Server::builder()
        .add_service(service)
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}
