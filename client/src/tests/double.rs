//! A Flight service that does what a test tells it, and a wire that a test can cut.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use shoots_flight::TellsCancelled;
use shoots_proto::{ErrorBody, ErrorKind};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status, Streaming};

/// A streamed answer, or a refusal in its place.
pub(crate) type Answer<T> = Result<BoxStream<'static, Result<T, Status>>, Status>;
/// Answers the n-th call, counted from 0.
type Handler<I, O> = Arc<dyn Fn(usize, I) -> BoxFuture<'static, Answer<O>> + Send + Sync>;

/// What the double does; a call without a handler is unimplemented.
#[derive(Clone)]
pub(crate) struct Double {
    calls: Arc<AtomicUsize>,
    headers: Arc<Mutex<MetadataMap>>,
    action: Handler<Action, arrow_flight::Result>,
    get: Handler<Ticket, FlightData>,
    put: Handler<Streaming<FlightData>, PutResult>,
    list: Handler<Criteria, FlightInfo>,
    info: Handler<FlightDescriptor, FlightInfo>,
}

fn unimplemented<I: 'static, O: 'static>() -> Handler<I, O> {
    Arc::new(|_, _| async { Err(Status::unimplemented("the double does not do this")) }.boxed())
}

/// The one message of an answer.
pub(crate) fn one<T: Send + 'static>(message: T) -> Answer<T> {
    Ok(stream::iter([Ok(message)]).boxed())
}

/// A status as the server makes it.
pub(crate) fn domain_error(kind: ErrorKind, code: Code, message: &str) -> Status {
    let json = ErrorBody::new(kind, message).to_json_within(3000);
    Status::with_details(code, message, json.into())
}

macro_rules! handlers {
    ($($name:ident: $input:ty => $output:ty),+ $(,)?) => {
        impl Double {
            $(
                /// Answers these calls with this.
                pub(crate) fn $name<F>(
                    mut self,
                    handler: impl Fn(usize, $input) -> F + Send + Sync + 'static,
                ) -> Self
                where
                    F: Future<Output = Answer<$output>> + Send + 'static,
                {
                    self.$name = Arc::new(move |call, input| handler(call, input).boxed());
                    self
                }
            )+
        }
    };
}

handlers! {
    action: Action => arrow_flight::Result,
    get: Ticket => FlightData,
    put: Streaming<FlightData> => PutResult,
    list: Criteria => FlightInfo,
    info: FlightDescriptor => FlightInfo,
}

impl Double {
    pub(crate) fn new() -> Self {
        Self {
            calls: Arc::default(),
            headers: Arc::default(),
            action: unimplemented(),
            get: unimplemented(),
            put: unimplemented(),
            list: unimplemented(),
            info: unimplemented(),
        }
    }

    /// How many calls came.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// A header of the last call.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let headers = self.headers.lock().unwrap();
        Some(headers.get(name)?.to_str().unwrap().to_owned())
    }

    /// Starts serving; returns the address.
    pub(crate) async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = TellsCancelled(FlightServiceServer::new(self.clone()));
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        format!("grpc://{address}")
    }

    async fn answer<I, O>(
        &self,
        handler: &Handler<I, O>,
        request: Request<I>,
    ) -> Result<Response<BoxStream<'static, Result<O, Status>>>, Status> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        *self.headers.lock().unwrap() = request.metadata().clone();
        handler(call, request.into_inner()).await.map(Response::new)
    }
}

#[tonic::async_trait]
impl FlightService for Double {
    type HandshakeStream = BoxStream<'static, Result<HandshakeResponse, Status>>;
    type ListFlightsStream = BoxStream<'static, Result<FlightInfo, Status>>;
    type DoGetStream = BoxStream<'static, Result<FlightData, Status>>;
    type DoPutStream = BoxStream<'static, Result<PutResult, Status>>;
    type DoExchangeStream = BoxStream<'static, Result<FlightData, Status>>;
    type DoActionStream = BoxStream<'static, Result<arrow_flight::Result, Status>>;
    type ListActionsStream = BoxStream<'static, Result<ActionType, Status>>;

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        Err(Status::unimplemented("handshake"))
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        self.answer(&self.list, request).await
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let mut infos = self.answer(&self.info, request).await?.into_inner();
        let info = infos
            .next()
            .await
            .unwrap_or_else(|| Err(Status::internal("no info")));
        info.map(Response::new)
    }

    async fn poll_flight_info(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        Err(Status::unimplemented("poll"))
    }

    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        let info = self.get_flight_info(request).await?.into_inner();
        Ok(Response::new(SchemaResult {
            schema: info.schema,
        }))
    }

    async fn do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        self.answer(&self.get, request).await
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        self.answer(&self.put, request).await
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        Err(Status::unimplemented("exchange"))
    }

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        self.answer(&self.action, request).await
    }

    async fn list_actions(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        let action = ActionType {
            r#type: "ping".to_owned(),
            description: "asks".to_owned(),
        };
        one(action).map(Response::new)
    }
}

/// A relay between a client and a double whose connections can be cut.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) address: String,
    relays: Arc<Mutex<JoinSet<()>>>,
}

impl Wire {
    pub(crate) async fn to(address: &str) -> Self {
        let server: SocketAddr = address.strip_prefix("grpc://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self {
            address: format!("grpc://{}", listener.local_addr().unwrap()),
            relays: Arc::default(),
        };
        let relays = wire.relays.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                relays.lock().unwrap().spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _cut = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        wire
    }

    /// Cuts every connection; later ones work.
    pub(crate) fn cut(&self) {
        self.relays.lock().unwrap().abort_all();
    }
}
