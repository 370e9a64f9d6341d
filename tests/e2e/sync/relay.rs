//! A server between a server and its remote: it passes on what they say to each other, writes down what that was, and
//! can tell something else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, Result as Answer, SchemaResult,
    Ticket,
};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use shoots_client::ErrorKind;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};

/// What is told to a call instead of the truth.
pub(super) enum Told {
    /// The truth.
    Truth,
    /// What these pieces of a true answer are made into.
    Otherwise(Box<dyn FnOnce(Vec<Bytes>) -> Vec<Bytes> + Send>),
    /// Something else.
    Instead(BoxStream<'static, Bytes>),
    /// The truth, after something else.
    After(BoxStream<'static, Bytes>),
    /// Nothing, ever: not even that the call was heard.
    Silence,
    /// That it failed, as a server says it.
    Failure(ErrorKind),
}

impl Told {
    pub(super) fn pieces(pieces: Vec<Bytes>) -> Self {
        Self::Instead(stream::iter(pieces).boxed())
    }

    pub(super) fn json(value: &Value) -> Self {
        Self::pieces(vec![value.to_string().into()])
    }

    pub(super) fn otherwise(change: impl FnOnce(Vec<u8>) -> Vec<u8> + Send + 'static) -> Self {
        Self::Otherwise(Box::new(|pieces| {
            vec![Bytes::from(change(pieces.concat()))]
        }))
    }
}

/// What is told to the call of this name with this request. A put is called as its command.
pub(super) type Lie = Arc<dyn Fn(&str, &Value) -> Told + Send + Sync>;

/// What was asked for, and how many bytes of answers and of what was brought there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) calls: BTreeMap<String, usize>,
    /// The objects that were read or brought, by kind.
    pub(super) objects: BTreeMap<String, usize>,
    pub(super) bytes: usize,
    /// Calls that are under way.
    pub(super) running: usize,
}

pub(super) struct Relay {
    address: String,
    middle: Middle,
    serving: JoinHandle<()>,
}

impl Relay {
    /// A relay that tells the truth.
    pub(super) async fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().to_string();
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let honest = FlightServiceClient::new(endpoint.connect_lazy());
        let middle = Middle {
            honest: honest.max_decoding_message_size(usize::MAX),
            lie: Arc::new(Mutex::new(Arc::new(|_, _| Told::Truth))),
            log: Arc::default(),
        };
        let service = FlightServiceServer::new(middle.clone());
        let service = service.max_decoding_message_size(usize::MAX);
        let serving = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
        let serving = tokio::spawn(async move { serving.await.unwrap() });
        Self {
            address: own,
            middle,
            serving,
        }
    }

    /// The argument with which a server knows it as `origin`.
    pub(super) fn origin(&self) -> String {
        format!("--remote=origin=grpc://{}", self.address)
    }

    pub(super) fn url(&self) -> String {
        format!("grpc://{}", self.address)
    }

    pub(super) fn tell(&self, lie: impl Fn(&str, &Value) -> Told + Send + Sync + 'static) {
        *self.middle.lie.lock().unwrap() = Arc::new(lie);
    }

    pub(super) fn tell_the_truth(&self) {
        self.tell(|_, _| Told::Truth);
    }

    /// What was said since this was last asked.
    pub(super) fn log(&self) -> Log {
        let mut log = self.middle.log.lock().unwrap();
        let running = log.running;
        std::mem::replace(
            &mut *log,
            Log {
                running,
                ..Log::default()
            },
        )
    }

    /// How many calls are under way.
    pub(super) fn running(&self) -> usize {
        self.middle.log.lock().unwrap().running
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[derive(Clone)]
struct Middle {
    honest: FlightServiceClient<Channel>,
    lie: Arc<Mutex<Lie>>,
    log: Arc<Mutex<Log>>,
}

/// A call that is under way, until this is dropped.
struct Running(Arc<Mutex<Log>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().unwrap().running -= 1;
    }
}

impl Running {
    fn count(&self, bytes: usize) {
        self.0.lock().unwrap().bytes += bytes;
    }
}

impl Middle {
    fn begin(&self, name: &str, request: &Value) -> Running {
        let mut log = self.log.lock().unwrap();
        *log.calls.entry(name.to_owned()).or_default() += 1;
        if let Some(kind) = request["object"]["kind"].as_str() {
            *log.objects.entry(kind.to_owned()).or_default() += 1;
        }
        log.running += 1;
        Running(Arc::clone(&self.log))
    }

    fn told(&self, name: &str, request: &Value) -> Told {
        let lie = Arc::clone(&self.lie.lock().unwrap());
        lie(name, request)
    }

    /// What is told in place of, or with, the true answers of a call.
    async fn answer<T: Send + 'static>(
        &self,
        name: &str,
        request: &Value,
        honest: impl Future<Output = Result<Answers<T>, Status>> + Send,
        (read, write): Ends<T>,
    ) -> Result<Response<Answers<T>>, Status> {
        let running = self.begin(name, request);
        let pieces: Answers<Bytes> = match self.told(name, request) {
            Told::Truth => honest.await?.map_ok(read).boxed(),
            Told::Otherwise(change) => {
                let pieces: Vec<Bytes> = honest.await?.map_ok(read).try_collect().await?;
                stream::iter(change(pieces).into_iter().map(Ok)).boxed()
            }
            Told::Instead(pieces) => pieces.map(Ok).boxed(),
            Told::After(pieces) => {
                let honest = honest.await?.map_ok(read);
                pieces.map(Ok).chain(honest).boxed()
            }
            Told::Silence => std::future::pending().await,
            Told::Failure(kind) => return Err(failure(kind)),
        };
        let answers = pieces.map_ok(move |piece| {
            running.count(piece.len());
            write(piece)
        });
        Ok(Response::new(answers.boxed()))
    }
}

type Answers<T> = BoxStream<'static, Result<T, Status>>;

/// How an answer is read, and how another one is made of bytes.
type Ends<T> = (fn(T) -> Bytes, fn(Bytes) -> T);

/// How servers say what a call failed with.
fn failure(kind: ErrorKind) -> Status {
    let body = json!({"type": kind, "message": "as it was told"});
    Status::with_details(Code::Unknown, "as it was told", body.to_string().into())
}

/// Nobody asks a relay for this.
fn unheard<T>() -> Result<T, Status> {
    Err(Status::unimplemented("only what servers ask each other"))
}

#[tonic::async_trait]
impl FlightService for Middle {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoExchangeStream = Answers<FlightData>;
    type DoActionStream = Answers<Answer>;
    type ListActionsStream = Answers<ActionType>;

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        let action = request.into_inner();
        let name = action.r#type.clone();
        let asked = serde_json::from_slice(&action.body).unwrap_or_default();
        let mut client = self.honest.clone();
        let honest = async move { Ok(client.do_action(action).await?.into_inner().boxed()) };
        let body = (
            (|answer: Answer| answer.body) as fn(Answer) -> Bytes,
            (|body| Answer { body }) as fn(Bytes) -> Answer,
        );
        self.answer(&name, &asked, honest, body).await
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        let mut messages = request.into_inner();
        let first = messages.message().await?.unwrap_or_default();
        let command = first.flight_descriptor.clone().unwrap_or_default().cmd;
        let command: Value = serde_json::from_slice(&command).unwrap_or_default();
        let (name, asked) = match command
            .as_object()
            .and_then(|command| command.iter().next())
        {
            Some((name, asked)) => (name.clone(), asked.clone()),
            None => return unheard(),
        };
        let mut client = self.honest.clone();
        let log = Arc::clone(&self.log);
        let rest = messages.filter_map(|message| std::future::ready(message.ok()));
        let messages = stream::iter([first]).chain(rest).inspect(move |message| {
            log.lock().unwrap().bytes += message.data_body.len();
        });
        let honest = async move { Ok(client.do_put(messages).await?.into_inner().boxed()) };
        let metadata = (
            (|answer: PutResult| answer.app_metadata) as fn(PutResult) -> Bytes,
            (|app_metadata| PutResult { app_metadata }) as fn(Bytes) -> PutResult,
        );
        self.answer(&name, &asked, honest, metadata).await
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        unheard()
    }

    async fn list_flights(
        &self,
        _: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        unheard()
    }

    async fn get_flight_info(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        unheard()
    }

    async fn poll_flight_info(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        unheard()
    }

    async fn get_schema(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        unheard()
    }

    async fn do_get(&self, _: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        unheard()
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        unheard()
    }

    async fn list_actions(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        unheard()
    }
}
