//! The client: what can be asked of a server.

use std::sync::Arc;

use arrow_flight::{Empty, FlightDescriptor};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use shoots_proto::action::{
    self, BucketsRequest, DeleteBucketRequest, DeleteBucketResult, DeleteRequest, DeleteResult,
    ShutdownRequest, ShutdownResult,
};
use shoots_proto::{BucketDeleteMode, BucketName};

use crate::connection::{Connection, answer};
use crate::frame::bucket_name;
use crate::{ClientBuilder, Error, FrameInfo, GetRequest, ListRequest, PutRequest, ToFrameId};

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

/// An action that a server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActionInfo {
    /// The action's type.
    pub name: String,
    /// What it does, takes and gives.
    pub description: String,
}
