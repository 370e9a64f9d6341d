//! Getting rows of a frame, and asking what a get would deliver.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::{FlightDescriptor, FlightInfo, Ticket};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::TryStreamExt;
use shoots_flight::{decode, read_schema_message};
use shoots_proto::action::Resampling;
use shoots_proto::{
    AsOf, Closed, DiffRange, FrameSummary, GetTicket, IndexValue, ParameterValue, QueryParameters,
};

use crate::connection::{Connection, answer, json, read_json};
use crate::frame::bucket_name;
use crate::{Batches, Error, ToFrameId};

/// A get in the making: which rows and columns of which state of a frame.
///
/// Nothing is sent before [`stream`](Self::stream), [`collect`](Self::collect) or one of the
/// other calls; what is wrong with a name is said then.
///
/// ```
/// # use std::sync::Arc;
/// # use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// use shoots_client::{AsOf, PutMode, ShootsClient};
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
/// # let url = server.url();
/// # let client = ShootsClient::connect(url).await?;
/// # let n: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
/// # let numbers = RecordBatch::try_from_iter([("n", n.clone()), ("m", n)])?;
/// client.put("numbers").bucket("math").send_batch(numbers.clone()).await?;
/// client.put("math/numbers").mode(PutMode::Append).send_batch(numbers).await?;
///
/// let some = client.get("math/numbers").columns(["m"]).offset(998).limit(4).collect_one().await?;
/// assert_eq!((some.num_rows(), some.num_columns()), (4, 1));
///
/// let before = client.get("math/numbers").as_of(AsOf::Version(1)).describe().await?;
/// assert_eq!(before.rows, Some(1000));
/// # server.shutdown().await?; Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent before `stream`, `collect`, `collect_one`, `schema` or `describe`"]
pub struct GetRequest {
    connection: Arc<Connection>,
    ticket: Result<GetTicket, Error>,
}

impl GetRequest {
    pub(crate) fn new(connection: Arc<Connection>, frame: impl ToFrameId) -> Self {
        let ticket = frame.to_frame_id().map(|frame| GetTicket {
            bucket: frame.bucket,
            ..GetTicket::new(frame.name)
        });
        Self { connection, ticket }
    }

    /// The bucket of the frame, instead of the one its name said.
    pub fn bucket(mut self, bucket: &str) -> Self {
        self.ticket = self.ticket.and_then(|ticket| {
            Ok(GetTicket {
                bucket: Some(bucket_name(bucket)?),
                ..ticket
            })
        });
        self
    }

    /// Only these columns, in this order.
    pub fn columns<C: Into<String>>(self, columns: impl IntoIterator<Item = C>) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        self.with(|ticket| ticket.columns = Some(columns))
    }

    /// At most this many rows.
    pub fn limit(self, rows: u64) -> Self {
        self.with(|ticket| ticket.limit = Some(rows))
    }

    /// Without this many rows at the beginning.
    pub fn offset(self, rows: u64) -> Self {
        self.with(|ticket| ticket.offset = Some(rows))
    }

    /// Only rows that are not before this in the index.
    pub fn start(self, start: impl Into<IndexValue>) -> Self {
        self.with(|ticket| ticket.start = Some(start.into()))
    }

    /// Only rows that are before this in the index, unless [`closed`](Self::closed) says otherwise.
    pub fn stop(self, stop: impl Into<IndexValue>) -> Self {
        self.with(|ticket| ticket.stop = Some(stop.into()))
    }

    /// Which of the given ends belong to the range; `start` alone if it is not said.
    pub fn closed(self, closed: Closed) -> Self {
        self.with(|ticket| ticket.closed = Some(closed))
    }

    /// Only so many rows from the end; instead of [`limit`](Self::limit) and [`offset`](Self::offset).
    pub fn tail(self, rows: u64) -> Self {
        self.with(|ticket| ticket.tail = Some(rows))
    }

    /// The newest state that the server has at hand, when the storage behind it is away. What comes then says so:
    /// [`Batches::is_stale`], [`FrameSummary::stale`].
    pub fn allow_stale(self) -> Self {
        self.with(|ticket| ticket.allow_stale = true)
    }

    /// The rows that only one of two states has, with a column `_change` that says `added` or `removed`; `to` is the
    /// newest if it is not given.
    pub fn diff(self, from: AsOf, to: Option<AsOf>) -> Self {
        self.with(|ticket| ticket.diff = Some(DiffRange { from, to }))
    }

    /// The frame as it was at a version, time, tag or commit.
    pub fn as_of(self, state: AsOf) -> Self {
        self.with(|ticket| ticket.as_of = Some(state))
    }

    /// The result of a query, which names the frame as a table, instead of the frame itself.
    pub fn sql(self, query: impl Into<String>) -> Self {
        self.with(|ticket| ticket.sql = Some(query.into()))
    }

    /// Values for the parameters of the query: `$1`, `$2`, …, or one `?` after the other.
    ///
    /// ```
    /// # async fn example(client: shoots_client::ShootsClient) -> Result<(), shoots_client::Error> {
    /// let query = "select * from flights where origin = $1 and distance > $2";
    /// let far = client.sql("flights", query).parameters(["JFK".into(), 2000.into()]).collect().await?;
    /// # Ok(()) }
    /// ```
    pub fn parameters(self, values: impl IntoIterator<Item = ParameterValue>) -> Self {
        let values = QueryParameters::from_iter(values);
        self.with(|ticket| ticket.parameters = Some(values))
    }

    /// Values for the parameters of the query that have names: `$origin`, named without the `$`.
    pub fn named_parameters<N: Into<String>>(
        self,
        values: impl IntoIterator<Item = (N, ParameterValue)>,
    ) -> Self {
        let values = QueryParameters::from_iter(values);
        self.with(|ticket| ticket.parameters = Some(values))
    }

    /// One row for each bin of time, in place of the rows; [`start`](Self::start) and [`stop`](Self::stop) then choose
    /// by time which rows take part.
    pub fn resample(self, resampling: Resampling) -> Self {
        self.with(|ticket| ticket.resample = Some(resampling))
    }

    fn with(mut self, set: impl FnOnce(&mut GetTicket)) -> Self {
        if let Ok(ticket) = &mut self.ticket {
            set(ticket);
        }
        self
    }

    /// The rows as a stream. When this returns, the server has accepted the request and said
    /// the schema.
    pub async fn stream(self) -> Result<Batches, Error> {
        stream(&self.connection, json(&self.ticket?)?).await
    }

    /// All rows, in the batches they come in.
    ///
    /// With the feature `shm`, and from a server on the same machine that
    /// [shares memory](crate::ClientBuilder::shared_memory), they are not sent but mapped, in large batches. Texts and keys
    /// of dictionaries are checked once, as those that are sent.
    pub async fn collect(self) -> Result<Vec<RecordBatch>, Error> {
        self.whole().await?.try_collect().await
    }

    /// The rows, all of which will be taken.
    async fn whole(self) -> Result<Batches, Error> {
        #[cfg(all(feature = "shm", unix))]
        return crate::shm::stream(&self.connection, self.ticket?).await;
        #[cfg(not(all(feature = "shm", unix)))]
        self.stream().await
    }

    /// All rows as one batch.
    pub async fn collect_one(self) -> Result<RecordBatch, Error> {
        self.whole().await?.into_one_batch().await
    }

    /// The schema that the rows would have.
    pub async fn schema(self) -> Result<SchemaRef, Error> {
        schema(&self.connection, json(&self.ticket?)?).await
    }

    /// What the rows would be, as far as the server knows without reading them.
    pub async fn describe(self) -> Result<Description, Error> {
        let descriptor = FlightDescriptor::new_cmd(json(&self.ticket?)?);
        let connection = self.connection;
        connection
            .read("describe", || async {
                let request = connection.request(descriptor.clone());
                let info = answer(connection.flight().get_flight_info(request).await)?;
                Description::of(&info)
            })
            .await
    }
}

/// The rows that a ticket stands for.
pub(crate) async fn stream(connection: &Connection, ticket: Bytes) -> Result<Batches, Error> {
    connection
        .open("get", || async {
            let ticket = Ticket {
                ticket: ticket.clone(),
            };
            let request = connection.request(ticket);
            let streaming = answer(connection.flight().do_get(request).await)?;
            let mut batches = decode(connection.messages("get", streaming));
            let schema = batches.read_schema().await?;
            let stale = is_stale(batches.app_metadata())?;
            Ok(Batches::new(schema, stale, batches))
        })
        .await
}

/// Whether the first message of an answer says that the state was the newest one at hand.
pub(crate) fn is_stale(told: &Bytes) -> Result<bool, Error> {
    if told.is_empty() {
        return Ok(false);
    }
    Ok(read_json::<FrameSummary>("frame summary", told)?.stale)
}

/// The schema of the rows that a ticket stands for.
pub(crate) async fn schema(connection: &Connection, ticket: Bytes) -> Result<SchemaRef, Error> {
    let descriptor = FlightDescriptor::new_cmd(ticket);
    connection
        .read("schema", || async {
            let request = connection.request(descriptor.clone());
            let result = answer(connection.flight().get_schema(request).await)?;
            Ok(Arc::new(read_schema_message(&result.schema)?))
        })
        .await
}

/// What a get would deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// The schema of the rows.
    pub schema: SchemaRef,
    /// How many rows there are; `None` if only the query can tell.
    pub rows: Option<u64>,
    /// How many bytes they have in the store; `None` if that is not known.
    pub bytes: Option<u64>,
    /// The frame as a whole, and its version.
    pub frame: FrameSummary,
}

impl Description {
    fn of(info: &FlightInfo) -> Result<Self, Error> {
        Ok(Self {
            schema: Arc::new(read_schema_message(&info.schema)?),
            rows: u64::try_from(info.total_records).ok(),
            bytes: u64::try_from(info.total_bytes).ok(),
            frame: read_json("frame summary", &info.app_metadata)?,
        })
    }
}
