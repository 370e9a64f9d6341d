//! The client: what can be asked of a server.

use std::sync::Arc;

use arrow_flight::{Empty, FlightDescriptor};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use shoots_proto::action::{
    self, BucketsRequest, CombineHow, CombineRequest, CombineSource, CompactRequest,
    ContinuousRequest, DeleteBucketRequest, DeleteBucketResult, DeleteRequest, DeleteResult,
    DropSnapshotRequest, ExpireRequest, RetentionRequest, ShutdownRequest, ShutdownResult,
    SnapshotRequest, SnapshotsRequest, SweepRequest, UsageRequest, VerifyRequest,
};
use shoots_proto::{BucketDeleteMode, BucketName, RequestError, SnapshotName};

use crate::connection::{Connection, answer};
use crate::frame::bucket_name;
use crate::{
    ActionCall, ClientBuilder, ColumnsRequest, Error, Frame, FrameInfo, GetRequest, ListRequest,
    PutRequest, QueryRequest, ToFrameId,
};

/// A client of one Shoots server.
///
/// A clone is cheap and shares the connection; calls run side by side on it. A connection that
/// breaks is made again by the next call.
///
/// ```
/// use shoots_client::{BucketDeleteMode, ShootsClient};
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
/// # let url = server.url();
/// let client = ShootsClient::connect(url).await?;
/// client.ping().await?;
/// assert!(!client.exists("nyc/flights").await?);
///
/// # use std::sync::Arc;
/// # use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// # let n: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
/// # let flights = RecordBatch::try_from_iter([("n", n)])?;
/// client.put("nyc/flights").send_batch(flights).await?;
/// assert!(client.exists("nyc/flights").await?);
/// assert_eq!(client.info("nyc/flights").await?.summary.rows, 2);
/// assert_eq!(client.buckets().await?[0].as_str(), "nyc");
///
/// client.delete("nyc/flights").await?;
/// client.delete_bucket("nyc", BucketDeleteMode::Error).await?;
/// assert!(client.buckets().await?.is_empty());
/// # server.shutdown().await?; Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ShootsClient {
    connection: Arc<Connection>,
}

impl ShootsClient {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection: Arc::new(connection),
        }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Connects with the default settings; see [`ClientBuilder`] for others and for how a
    /// server is addressed.
    pub async fn connect(address: impl Into<String>) -> Result<Self, Error> {
        Self::builder(address).connect().await
    }

    /// A connection to be set up.
    pub fn builder(address: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(address)
    }

    /// Puts rows into a frame; goes on at [`PutRequest`].
    pub fn put(&self, frame: impl ToFrameId) -> PutRequest {
        PutRequest::new(self.connection.clone(), frame)
    }

    /// Gets rows of a frame; goes on at [`GetRequest`].
    pub fn get(&self, frame: impl ToFrameId) -> GetRequest {
        GetRequest::new(self.connection.clone(), frame)
    }

    /// Gets the result of a query, which names the frame as a table; goes on at
    /// [`GetRequest`].
    pub fn sql(&self, frame: impl ToFrameId, query: impl Into<String>) -> GetRequest {
        self.get(frame).sql(query)
    }

    /// Gets the result of a query, which names its frames itself: `frame`, `bucket.frame`; goes on at
    /// [`QueryRequest`].
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch};
    /// use shoots_client::ShootsClient;
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
    /// # let client = ShootsClient::connect(server.url()).await?;
    /// # let n: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    /// # let batch = RecordBatch::try_from_iter([("n", n)])?;
    /// # for name in ["numbers", "math/numbers"] {
    /// #     client.put(name).send_batch(batch.clone()).await?;
    /// # }
    /// let query = "select a.n from numbers a join math.numbers b on a.n = b.n";
    /// assert_eq!(client.query(query).collect_one().await?.num_rows(), 2);
    /// let tables = client.query("show tables").bucket("math").collect_one().await?;
    /// assert_eq!(tables.num_rows(), 2);
    /// # server.shutdown().await?; Ok(()) }
    /// ```
    pub fn query(&self, sql: impl Into<String>) -> QueryRequest {
        QueryRequest::new(self.connection.clone(), sql.into())
    }

    /// One frame: its history, and what else can be done to it; goes on at [`Frame`].
    pub fn frame(&self, frame: impl ToFrameId) -> Frame {
        Frame::new(self.connection.clone(), frame)
    }

    /// Columns of several frames side by side, aligned on the index that the frames share; goes on at
    /// [`ColumnsRequest`].
    pub fn columns<C: Into<String>>(&self, columns: impl IntoIterator<Item = C>) -> ColumnsRequest {
        ColumnsRequest::new(self.connection.clone(), columns)
    }

    /// Puts into a frame what is made of several others: joins, as-of joins, concatenation. Each is read in its
    /// newest state; [`source`](ActionCall::source) adds one in another.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch};
    /// use shoots_client::{CombineHow, ShootsClient};
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
    /// # let url = server.url();
    /// # let client = ShootsClient::connect(url).await?;
    /// # for (name, times) in [("trades", vec![3, 5, 9]), ("quotes", vec![1, 4, 8])] {
    /// #     let times: ArrayRef = Arc::new(Int64Array::from(times));
    /// #     let columns = [("time", times.clone()), (name, times)];
    /// #     client.put(name).index(["time"]).send_batch(RecordBatch::try_from_iter(columns)?).await?;
    /// # }
    /// let priced = client
    ///     .combine(CombineHow::Asof, ["trades", "quotes"], "priced")
    ///     .on(["time"])
    ///     .tolerance(1)
    ///     .index(["time"])
    ///     .send()
    ///     .await?;
    /// assert_eq!(priced.target_rows, 3);
    ///
    /// let columns = client.columns(["trades.trades", "quotes.quotes"]).start(4).collect_one().await?;
    /// assert_eq!((columns.num_rows(), columns.num_columns()), (4, 3));
    ///
    /// let newest = client.frame("trades").latest(["time"]).collect_one().await?;
    /// assert_eq!(newest.num_rows(), 3);
    /// # server.shutdown().await?; Ok(()) }
    /// ```
    pub fn combine<F: ToFrameId>(
        &self,
        how: CombineHow,
        sources: impl IntoIterator<Item = F>,
        target: impl ToFrameId,
    ) -> ActionCall<CombineRequest> {
        let sources = sources.into_iter();
        let sources = sources.map(|frame| Ok(CombineSource::from(frame.to_frame_id()?)));
        let request = sources
            .collect::<Result<Vec<_>, Error>>()
            .and_then(|sources| Ok(CombineRequest::new(how, sources, target.to_frame_id()?)));
        ActionCall::new(&self.connection, request)
    }

    /// Lists the frames of a bucket that [follow](ActionCall::continuous) others.
    ///
    /// ```
    /// use shoots_client::ShootsClient;
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use shoots_client::arrow_array::{ArrayRef, RecordBatch, TimestampSecondArray};
    /// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
    /// # let client = ShootsClient::connect(server.url()).await?;
    /// # let time: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0, 60, 400]));
    /// # let price: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0, 60, 400]));
    /// # let batch = RecordBatch::try_from_iter([("time", time), ("price", price)])?;
    /// client.put("trades").index(["time"]).send_batch(batch).await?;
    /// let bars = client.frame("trades").resample("bars", "5min", "max");
    /// assert_eq!(bars.continuous().send().await?.target_rows, 2);
    ///
    /// let following = client.following(None).send().await?;
    /// assert_eq!(following.frames[0].source.as_str(), "trades");
    /// # server.shutdown().await?; Ok(()) }
    /// ```
    pub fn following(&self, bucket: Option<&str>) -> ActionCall<ContinuousRequest> {
        let bucket = bucket.map(bucket_name).transpose();
        let request = bucket.map(|bucket| ContinuousRequest {
            bucket,
            ..ContinuousRequest::default()
        });
        ActionCall::new(&self.connection, request)
    }

    /// Lets a frame follow no other one any more. Its rows stay.
    pub fn stop_following(&self, frame: impl ToFrameId) -> ActionCall<ContinuousRequest> {
        let request = frame.to_frame_id().map(|frame| ContinuousRequest {
            name: Some(frame.name),
            bucket: frame.bucket,
            stop: true,
        });
        ActionCall::new(&self.connection, request)
    }

    /// Names the newest state of many frames, and so keeps it.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch};
    /// use shoots_client::ShootsClient;
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
    /// # let url = server.url();
    /// # let client = ShootsClient::connect(url).await?;
    /// # let n: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    /// # let batch = RecordBatch::try_from_iter([("n", n)])?;
    /// # for name in ["rates", "nyc/weather", "nyc/flights"] {
    /// #     client.put(name).send_batch(batch.clone()).await?;
    /// # }
    /// let taken = client.snapshot("year end").frame("rates").bucket("nyc").send().await?;
    /// assert_eq!(taken.frames.len(), 3);
    /// assert_eq!(client.snapshots().send().await?.snapshots[0].snapshot, "year end");
    /// client.drop_snapshot("year end").send().await?;
    /// # server.shutdown().await?; Ok(()) }
    /// ```
    pub fn snapshot(&self, snapshot: &str) -> ActionCall<SnapshotRequest> {
        let request = snapshot_name(snapshot).map(|snapshot| SnapshotRequest {
            snapshot,
            frames: Vec::new(),
            buckets: Vec::new(),
            message: None,
        });
        ActionCall::new(&self.connection, request)
    }

    /// The snapshots, by name.
    pub fn snapshots(&self) -> ActionCall<SnapshotsRequest> {
        ActionCall::new(&self.connection, Ok(SnapshotsRequest {}))
    }

    /// Drops a snapshot. Its frames stay; it no longer keeps their versions.
    pub fn drop_snapshot(&self, snapshot: &str) -> ActionCall<DropSnapshotRequest> {
        let request = snapshot_name(snapshot).map(|snapshot| DropSnapshotRequest { snapshot });
        ActionCall::new(&self.connection, request)
    }

    /// Joins small and overlapping segments of every frame of a bucket; the default one if none is said.
    pub fn compact(&self) -> ActionCall<CompactRequest> {
        ActionCall::new(&self.connection, Ok(CompactRequest::default()))
    }

    /// Asks or sets which versions of the frames of a bucket are kept; the default one if none is said.
    pub fn retention(&self) -> ActionCall<RetentionRequest> {
        ActionCall::new(&self.connection, Ok(RetentionRequest::default()))
    }

    /// Lets the versions of a bucket's frames expire that no rule keeps; the default one's if none is said.
    pub fn expire(&self) -> ActionCall<ExpireRequest> {
        ActionCall::new(&self.connection, Ok(ExpireRequest::default()))
    }

    /// Removes the objects of a bucket that nothing needs any more; of the default one if none is said.
    pub fn sweep(&self) -> ActionCall<SweepRequest> {
        ActionCall::new(&self.connection, Ok(SweepRequest::default()))
    }

    /// Checks the stored objects of a bucket against their hashes; of the default one if none is said.
    pub fn verify(&self) -> ActionCall<VerifyRequest> {
        ActionCall::new(&self.connection, Ok(VerifyRequest::default()))
    }

    /// What a bucket takes up; the default one if none is said.
    pub fn usage(&self) -> ActionCall<UsageRequest> {
        ActionCall::new(&self.connection, Ok(UsageRequest::default()))
    }

    /// Lists frames; goes on at [`ListRequest`].
    pub fn list(&self) -> ListRequest {
        ListRequest::new(self.connection.clone())
    }

    /// A frame's schema.
    pub async fn schema(&self, frame: impl ToFrameId) -> Result<SchemaRef, Error> {
        self.get(frame).schema().await
    }

    /// A frame's schema, version, rows and size.
    pub async fn info(&self, frame: impl ToFrameId) -> Result<FrameInfo, Error> {
        let descriptor = FlightDescriptor::new_path(frame.to_frame_id()?.to_path());
        let connection = &self.connection;
        connection
            .read("info", || async {
                let request = connection.request(descriptor.clone());
                let info = answer(connection.flight().get_flight_info(request).await)?;
                FrameInfo::of(&info)
            })
            .await
    }

    /// Whether there is such a frame.
    pub async fn exists(&self, frame: impl ToFrameId) -> Result<bool, Error> {
        match self.info(frame).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The names of the buckets, without the default one, which has none.
    pub async fn buckets(&self) -> Result<Vec<BucketName>, Error> {
        let connection = &self.connection;
        connection
            .read(action::BUCKETS, || async {
                connection
                    .json_action(action::BUCKETS, &BucketsRequest {})
                    .await
            })
            .await
    }

    /// Deletes a frame. Its history stays with the store for as long as that keeps it.
    pub async fn delete(&self, frame: impl ToFrameId) -> Result<DeleteResult, Error> {
        let request = DeleteRequest::new(frame.to_frame_id()?);
        let call = self.connection.json_action(action::DELETE, &request);
        self.connection.change("the delete", call).await
    }

    /// Deletes a bucket; frames in it are either a reason to refuse, or deleted too.
    pub async fn delete_bucket(
        &self,
        bucket: &str,
        mode: BucketDeleteMode,
    ) -> Result<DeleteBucketResult, Error> {
        let request = DeleteBucketRequest {
            name: bucket_name(bucket)?,
            mode,
        };
        let call = self.connection.json_action(action::DELETE_BUCKET, &request);
        self.connection.change("the delete_bucket", call).await
    }

    /// Asks whether the server answers.
    pub async fn ping(&self) -> Result<(), Error> {
        let connection = &self.connection;
        let answer = connection
            .read(action::PING, || async {
                connection.action(action::PING, Bytes::new()).await
            })
            .await?;
        if answer == action::PING_REPLY {
            Ok(())
        } else {
            Err(Error::unexpected(action::PING, "it is not `pong`"))
        }
    }

    /// Tells the server to stop: it lets running calls finish and ends. Returns what it said.
    pub async fn shutdown(&self) -> Result<Vec<String>, Error> {
        let call = self
            .connection
            .json_action(action::SHUTDOWN, &ShutdownRequest {});
        let ShutdownResult(messages) = self.connection.change("the shutdown", call).await?;
        Ok(messages)
    }

    /// The actions that the server knows.
    pub async fn actions(&self) -> Result<Vec<ActionInfo>, Error> {
        let connection = &self.connection;
        connection
            .read("actions", || async {
                let request = connection.request(Empty {});
                let mut types = answer(connection.flight().list_actions(request).await)?;
                let mut actions = Vec::new();
                while let Some(action) = types.message().await? {
                    actions.push(ActionInfo {
                        name: action.r#type,
                        description: action.description,
                    });
                }
                Ok(actions)
            })
            .await
    }
}

fn snapshot_name(name: &str) -> Result<SnapshotName, Error> {
    SnapshotName::parse(name).map_err(|error| RequestError::new("snapshot", None, error).into())
}

/// An action that a server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActionInfo {
    /// The action's type.
    pub name: String,
    /// What it does, takes and gives.
    pub description: String,
}
