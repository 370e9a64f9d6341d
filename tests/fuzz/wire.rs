//! A server in this process with a few frames in memory, and a bare client, for targets that are reached over the wire.

use std::sync::Arc;

use arrow_array::types::TimestampSecondType;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, PrimitiveArray, RecordBatch, StringArray,
};
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{Action, Criteria, FlightData, FlightDescriptor, Ticket};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use shoots_flight::EncodeOptions;
use shoots_proto::{ErrorBody, ErrorKind};
use shoots_server::{Config, Server};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::child::Verdict;

/// Answers after which the server and its frames are made anew, since many of them leave something.
const LIFE: usize = 400;
/// The most messages and bytes of an answer that are read.
const MOST_MESSAGES: usize = 200;

pub(crate) struct Wire {
    pub(crate) client: FlightServiceClient<Channel>,
    server: Server,
    age: usize,
}

impl Wire {
    pub(crate) async fn new() -> Self {
        let config = Config {
            port: 0,
            bucket_dir: "memory://".into(),
            max_message_bytes: 8 << 20,
            put_memory_bytes: 32 << 20,
            query_memory_bytes: 64 << 20,
            query_memory_bytes_each: 32 << 20,
            query_spill_bytes: 0,
            query_seconds: 5,
            ..Config::default()
        };
        let server = Server::start(config).await.unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let client = FlightServiceClient::new(channel).max_decoding_message_size(64 << 20);
        let mut wire = Self {
            client,
            server,
            age: 0,
        };
        wire.fill().await;
        wire
    }

    async fn fill(&mut self) {
        for (command, batch) in [
            (
                json!({"name": "prices", "index": ["time", "symbol"]}),
                prices(0..40),
            ),
            (
                json!({"name": "prices", "mode": "upsert", "message": "corrected"}),
                prices(10..20),
            ),
            (
                json!({"name": "quotes", "index": ["time", "symbol"]}),
                prices(5..30),
            ),
            (json!({"name": "numbers", "bucket": "nyc"}), numbers(0..20)),
            (
                json!({"name": "numbers", "bucket": "nyc", "mode": "append"}),
                numbers(20..30),
            ),
        ] {
            let messages = messages(&command, &[batch]).await;
            let verdict = self.put(messages).await;
            assert!(verdict.told.starts_with("ok"), "{verdict:?}");
        }
        let tag = json!({"name": "prices", "tag": "first", "as_of": 1}).to_string();
        let verdict = self.act("tag", tag.into_bytes()).await;
        assert!(verdict.told.starts_with("ok"), "{verdict:?}");
    }

    /// To be called before each input.
    pub(crate) async fn refresh(&mut self) {
        self.age += 1;
        if self.age > LIFE {
            let fresh = Self::new().await;
            let old = std::mem::replace(self, fresh);
            old.server.shutdown().await.unwrap();
        }
    }

    pub(crate) async fn put(&mut self, messages: Vec<FlightData>) -> Verdict {
        match self.client.do_put(stream::iter(messages)).await {
            Err(status) => refused(&status),
            Ok(answers) => all(answers.into_inner()).await,
        }
    }

    pub(crate) async fn get(&mut self, ticket: Vec<u8>) -> Verdict {
        let ticket = Ticket {
            ticket: ticket.into(),
        };
        match self.client.do_get(ticket).await {
            Err(status) => refused(&status),
            Ok(answers) => {
                let answers = answers.into_inner().take(MOST_MESSAGES).map_err(Received);
                let batches: Result<Vec<_>, _> = shoots_flight::decode(answers).try_collect().await;
                match batches {
                    Ok(batches) => Verdict::told(format!("ok {}", batches.len().min(2))),
                    Err(Received(status)) => refused(&status),
                }
            }
        }
    }

    pub(crate) async fn act(&mut self, name: &str, body: Vec<u8>) -> Verdict {
        match self.client.do_action(Action::new(name, body)).await {
            Err(status) => refused(&status),
            Ok(answers) => all(answers.into_inner()).await,
        }
    }

    pub(crate) async fn list(&mut self, criteria: Vec<u8>) -> Verdict {
        let expression = criteria.into();
        match self.client.list_flights(Criteria { expression }).await {
            Err(status) => refused(&status),
            Ok(answers) => all(answers.into_inner()).await,
        }
    }

    /// What both calls about a descriptor say.
    pub(crate) async fn about(&mut self, descriptor: FlightDescriptor) -> Verdict {
        let info = self.client.get_flight_info(descriptor.clone()).await;
        let schema = self.client.get_schema(descriptor).await;
        match (info, schema) {
            (Ok(info), Ok(schema)) if info.get_ref().schema == schema.get_ref().schema => {
                Verdict::told("ok")
            }
            (Ok(_), Ok(_)) => Verdict::defect("GetFlightInfo and GetSchema differ"),
            (Err(status), Ok(_)) | (_, Err(status)) => refused(&status),
        }
    }
}

/// All answers of a call.
async fn all<T>(answers: tonic::Streaming<T>) -> Verdict {
    match answers.take(MOST_MESSAGES).try_collect::<Vec<_>>().await {
        Ok(answers) => Verdict::told(format!("ok {}", answers.len().min(2))),
        Err(status) => refused(&status),
    }
}

/// A refusal is fine, unless it is a defect of the server, or says more than there is room for in a trailer.
pub(crate) fn refused(status: &Status) -> Verdict {
    if status.details().len() > 4096 {
        return Verdict::defect(format!("{} bytes of details", status.details().len()));
    }
    match ErrorBody::from_json(status.details()) {
        Some(told) if told.kind == ErrorKind::InternalError => {
            Verdict::defect(format!("an internal error: {}", told.message))
        }
        Some(told) => Verdict::told(format!("{:?} {}", told.kind, told.message)),
        None if matches!(status.code(), tonic::Code::Internal | tonic::Code::Unknown) => {
            Verdict::defect(format!("an error without a kind: {status:?}"))
        }
        None => Verdict::told(format!("{:?} {}", status.code(), status.message())),
    }
}

/// A failure to receive, as the decoder needs it.
#[derive(Debug)]
struct Received(Status);

impl From<shoots_flight::Error> for Received {
    fn from(error: shoots_flight::Error) -> Self {
        Self(Status::internal(error.to_string()))
    }
}

/// The messages of a put.
pub(crate) async fn messages(command: &Value, batches: &[RecordBatch]) -> Vec<FlightData> {
    let descriptor = FlightDescriptor::new_cmd(command.to_string());
    let options = EncodeOptions::default().with_descriptor(descriptor);
    let source = stream::iter(batches.to_vec()).map(Ok::<_, shoots_flight::Error>);
    let messages = shoots_flight::encode(batches[0].schema(), source, options);
    messages.try_collect().await.unwrap()
}

/// Prices of a few symbols at these minutes.
pub(crate) fn prices(minutes: std::ops::Range<i64>) -> RecordBatch {
    let times = minutes.clone().map(|minute| 1_700_000_000 + 60 * minute);
    let times: PrimitiveArray<TimestampSecondType> = times.map(Some).collect();
    let symbols = minutes
        .clone()
        .map(|minute| ["A", "BB", "C\u{e9}"][usize::try_from(minute % 3).unwrap()]);
    let symbols: DictionaryArray<arrow_array::types::Int32Type> = symbols.collect();
    let price =
        |minute: i64| (minute % 7 != 0).then_some(f64::from(i32::try_from(minute).unwrap()) / 4.0);
    let closes: Float64Array = minutes.clone().map(price).collect();
    let sizes: Int64Array = minutes.map(|minute| Some(minute * 100)).collect();
    let columns: [(&str, ArrayRef, bool); 4] = [
        ("time", Arc::new(times), false),
        ("symbol", Arc::new(symbols), false),
        ("close", Arc::new(closes), true),
        ("size", Arc::new(sizes), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Numbers and their texts.
pub(crate) fn numbers(numbers: std::ops::Range<i64>) -> RecordBatch {
    let texts: StringArray = numbers
        .clone()
        .map(|n| Some(format!("number {n}")))
        .collect();
    let columns: [(&str, ArrayRef, bool); 2] = [
        ("n", Arc::new(Int64Array::from_iter_values(numbers)), false),
        ("Text", Arc::new(texts), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}
