//! The Flight service: which call is answered where.
//!
//! Flight has few calls, and what each means here is the wire contract's JSON. This file only dispatches;
//! one file per call does the work, as a function from a request type to a result or a
//! [`Failure`](crate::status::Failure). Requests are read with their types in `shoots-proto`, which is the
//! edge where bad input ends.

mod action;
mod difference;
mod flight_sql;
mod follow;
mod frameless;
mod get;
mod info;
mod list;
mod put;
mod same_machine;
mod suggestion;
mod sync;
mod target;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use serde::Serialize;
use shoots_flight::{DecodeLimits, EncodeOptions};
use shoots_proto::{BucketName, ErrorKind, FrameId, FrameName, Note, encode};
use shoots_store::Frame;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Request, Response, Status, Streaming};

pub(crate) use self::action::labels as action_labels;
pub(crate) use self::flight_sql::RunningStatements;
use self::flight_sql::Session;
pub(crate) use self::follow::Followers;
use self::suggestion::suggesting;
pub(crate) use self::sync::{Publications, Remotes};
use crate::access::{Access, CallerStore, Keys, ReadableFrame, greet};
use crate::call::ending::NamedCalls;
use crate::call::record::noted;
use crate::call::{Answers, Call};
use crate::query::{Asker, Queries};
use crate::shm::SharedFiles;
use crate::status::Failure;
use crate::stop::{Phase, Stop, reached};

/// What all calls share, with the store as one of them may use it.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) store: CallerStore,
    /// What tokens are checked with; without it calls need none.
    pub(crate) keys: Option<Keys>,
    pub(crate) remotes: Arc<Remotes>,
    pub(crate) publications: Publications,
    /// Who asks.
    pub(crate) asker: Asker,
    pub(crate) queries: Queries,
    /// Rows for callers on this machine; nothing if all rows are sent.
    pub(crate) files: Option<SharedFiles>,
    pub(crate) calls: NamedCalls,
    pub(crate) statements: RunningStatements,
    pub(crate) followers: Arc<Followers>,
    pub(crate) read_only: bool,
    /// How large a batch of a put may be.
    pub(crate) batch_limits: DecodeLimits,
    pub(crate) stop: Stop,
}

impl Shared {
    /// What the calls of a server share whose store is in memory.
    #[cfg(test)]
    async fn in_memory(config: &crate::Config) -> Arc<Self> {
        let store = shoots_store::Store::open("memory://").await.unwrap();
        Arc::new(Self {
            store: CallerStore::from(&store),
            keys: None,
            remotes: Arc::new(Remotes::new(config)),
            publications: Publications::new(&crate::call::memory::MessageMemory::new(config)),
            asker: None,
            queries: Queries::new(config).unwrap(),
            files: crate::shm::SharedFiles::open(config).unwrap(),
            calls: NamedCalls::default(),
            statements: RunningStatements::default(),
            followers: Arc::new(Followers::default()),
            read_only: false,
            batch_limits: DecodeLimits::default(),
            stop: Stop::default(),
        })
    }

    /// Removes what callers on this machine were given of a frame: they must not get at it any more.
    async fn drop_files_of(&self, frame: &FrameId) {
        if let Some(files) = &self.files {
            files.forget(None, Some(frame.clone())).await;
        }
    }

    /// The same for all frames of a bucket.
    async fn drop_files_in(&self, bucket: &BucketName) {
        if let Some(files) = &self.files {
            files.forget(Some(bucket.clone()), None).await;
        }
    }

    fn check_writable(&self, what: &str) -> Result<(), Failure> {
        if self.read_only {
            return Err(Failure::read_only(what));
        }
        Ok(())
    }

    /// What only says what would be done is as good as reading.
    fn check_writable_unless(&self, dry_run: bool, what: &str) -> Result<(), Failure> {
        if dry_run {
            return Ok(());
        }
        self.check_writable(what)
    }

    /// The frame of this name, or every frame of the bucket that has left anything, deleted ones too, to look after them.
    async fn logged_frames_of(
        &self,
        name: Option<FrameName>,
        bucket: Option<BucketName>,
    ) -> Result<Vec<Frame>, Failure> {
        match name {
            Some(name) => {
                let frame = FrameId::new(bucket, name);
                Ok(vec![self.store.write(&frame, Note::default())?])
            }
            None => self.store.logged_frames(bucket.as_ref()).await,
        }
    }

    /// The frame of this name, or every frame of the bucket, to read it.
    async fn frames_of(
        &self,
        name: Option<FrameName>,
        bucket: Option<BucketName>,
    ) -> Result<Vec<ReadableFrame>, Failure> {
        if let Some(name) = name {
            return Ok(vec![self.store.read(&FrameId::new(bucket, name))?]);
        }
        let frames = self.store.frames(bucket.as_ref()).await?;
        let frames = frames.iter().map(|state| self.store.read(state.frame()));
        frames.collect()
    }

    /// The same, to join their segments.
    async fn frames_to_compact(
        &self,
        name: Option<FrameName>,
        bucket: Option<BucketName>,
    ) -> Result<Vec<Frame>, Failure> {
        let frames = self.frames_of(name, bucket).await?.into_iter();
        let frames = frames.map(|frame| self.store.write(frame.id(), Note::default()));
        frames.collect()
    }

    /// The same for a call of somebody with these rights.
    fn of(&self, access: Access, asker: Asker) -> Self {
        Self {
            store: self.store.of(access),
            asker,
            queries: self.queries.asked_by(asker),
            ..self.clone()
        }
    }
}

/// Answers the calls of one server.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    shared: Arc<Shared>,
}

impl Service {
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Keeps frames that follow others up to date until the server drains.
    pub(crate) async fn follow(self, stop: Stop) {
        let mut phases = stop.watch();
        tokio::select! {
            () = follow::run(self.shared) => {}
            () = reached(&mut phases, Phase::Draining) => {}
        }
    }

    fn begin<T>(&self, name: &'static str, request: &Request<T>) -> (Call, Arc<Shared>) {
        let (headers, extensions) = (request.metadata(), request.extensions());
        let call = Call::begin(name, headers, extensions, self.shared.stop.watch());
        // Who did not come through the gate has no rights.
        let access = extensions.get::<Access>().cloned();
        let asker = request.remote_addr();
        let shared = self.shared.of(access.unwrap_or_default(), asker);
        (call, Arc::new(shared))
    }
}

/// Bytes of a request's JSON: what most gRPC peers accept for a whole message.
pub(crate) const REQUEST_BYTES: usize = 4 << 20;

/// Refuses a request's JSON that is too long to be one.
fn check_length(what: &str, json: &[u8]) -> Result<(), Failure> {
    if json.len() > REQUEST_BYTES {
        let problem = format!("has {} bytes; send at most {REQUEST_BYTES}", json.len());
        return Err(Failure::invalid(what, None, problem));
    }
    Ok(())
}

/// Rows on their way to a caller, as messages.
fn sent(
    schema: SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch, Failure>> + Send + 'static,
    options: EncodeOptions,
) -> flight_sql::Answer {
    let batches = batches.inspect_ok(|batch| {
        noted(|record| record.note_sent_rows(batch.num_rows()));
    });
    Box::pin(shoots_flight::encode(schema, batches, options))
}

/// A result as the JSON of the wire contract.
fn json<T: Serialize>(result: &T) -> Result<Bytes, Failure> {
    encode(result)
        .map(Bytes::from)
        .map_err(|e| Failure::new(ErrorKind::InternalError, e.to_string()))
}

/// An answer with a cookie beside it, for clients of Flight SQL.
fn with_cookie<T>(mut answer: Response<T>, cookie: Option<AsciiMetadataValue>) -> Response<T> {
    if let Some(cookie) = cookie {
        answer.metadata_mut().insert("set-cookie", cookie);
    }
    answer
}

#[tonic::async_trait]
impl FlightService for Service {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoExchangeStream = Answers<FlightData>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        let (call, shared) = self.begin("Handshake", &request);
        let (headers, _, messages) = request.into_parts();
        let mut header = None;
        let answers = async {
            let answers;
            (header, answers) = greet(shared.keys.clone(), &headers, messages)?;
            Ok(answers)
        };
        let mut answer = call.answers(answers).await?;
        if let Some(header) = header {
            answer.metadata_mut().insert("authorization", header);
        }
        Ok(answer)
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        let (call, shared) = self.begin("ListFlights", &request);
        let store = shared.store.clone();
        let list = list::list(shared, request.into_inner());
        call.answers(suggesting(&store, list)).await
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let (call, shared) = self.begin("GetFlightInfo", &request);
        let session = Session::of(request.metadata());
        let cookie = flight_sql::cookie_beside(&session, request.get_ref());
        let info = info::flight_info(&shared, session, request.into_inner());
        let info = Box::pin(suggesting(&shared.store, info));
        Ok(with_cookie(call.answer(info).await?, cookie))
    }

    async fn poll_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        let (call, _) = self.begin("PollFlightInfo", &request);
        call.answer(async {
            Err(Failure::Unimplemented(
                "PollFlightInfo is not available; use GetFlightInfo".into(),
            ))
        })
        .await
    }

    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        let (call, shared) = self.begin("GetSchema", &request);
        let session = Session::of(request.metadata());
        let schema = info::schema(&shared, session, request.into_inner());
        let schema = Box::pin(suggesting(&shared.store, schema));
        call.answer(schema).await
    }

    async fn do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        let (call, shared) = self.begin("DoGet", &request);
        let session = Session::of(request.metadata());
        let store = shared.store.clone();
        let get = get::get(shared, session, request.into_inner());
        let answers = Box::pin(suggesting(&store, get));
        call.answers(answers).await
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        let (call, shared) = self.begin("DoPut", &request);
        let session = Session::of(request.metadata());
        call.answers(async { Ok(put::put(shared, session, request.into_inner())) })
            .await
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        let (call, _) = self.begin("DoExchange", &request);
        call.answers(async {
            Err::<futures::stream::Empty<_>, _>(Failure::Unimplemented(
                "DoExchange is not available; use DoPut and DoGet".into(),
            ))
        })
        .await
    }

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        let (call, shared) = self.begin("DoAction", &request);
        call.note_action(action::label(&request.get_ref().r#type));
        let session = Session::of(request.metadata());
        let cookie = flight_sql::cookie_after(&session, request.get_ref());
        let store = shared.store.clone();
        let act = action::act(shared, session, request.into_inner());
        let answers = Box::pin(suggesting(&store, act));
        Ok(with_cookie(call.answers(answers).await?, cookie))
    }

    async fn list_actions(
        &self,
        request: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        let (call, _) = self.begin("ListActions", &request);
        call.answers(async { Ok(action::list()) }).await
    }
}
