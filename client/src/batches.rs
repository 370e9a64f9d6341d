//! Rows on their way in from the server.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use shoots_proto::ErrorKind;

use crate::Error;

/// A stream of record batches with a schema that is known from the start.
///
/// It is lazy: what is not taken stays with the server, apart from what the connection's
/// window holds. Dropping it ends the call.
///
/// ```
/// # use std::sync::Arc;
/// # use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// use futures::TryStreamExt;
/// use shoots_client::ShootsClient;
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
/// # let url = server.url();
/// # let client = ShootsClient::connect(url).await?;
/// # let n: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
/// # client.put("numbers").send_batch(RecordBatch::try_from_iter([("n", n)])?).await?;
/// let mut batches = client.get("numbers").stream().await?;
/// assert_eq!(batches.schema().field(0).name(), "n");
/// let mut rows = 0;
/// while let Some(batch) = batches.try_next().await? {
///     rows += batch.num_rows();
/// }
/// assert_eq!(rows, 1000);
/// # server.shutdown().await?; Ok(()) }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Batches {
    schema: SchemaRef,
    stale: bool,
    batches: BoxStream<'static, Result<RecordBatch, Error>>,
}

impl Batches {
    pub(crate) fn new(
        schema: SchemaRef,
        stale: bool,
        batches: impl Stream<Item = Result<RecordBatch, Error>> + Send + 'static,
    ) -> Self {
        Self {
            schema,
            stale,
            batches: batches.boxed(),
        }
    }

    /// The schema of every batch, also when there is none.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Whether the storage was away and this is the newest state that the server had at hand; only if the get
    /// [allowed](crate::GetRequest::allow_stale) that.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// All rows as one batch.
    pub async fn into_one_batch(self) -> Result<RecordBatch, Error> {
        let batches: Vec<RecordBatch> = self.batches.try_collect().await?;
        match <[RecordBatch; 1]>::try_from(batches) {
            Ok([batch]) => Ok(batch),
            Err(batches) => {
                arrow_select::concat::concat_batches(&self.schema, &batches).map_err(|error| {
                    let message = format!("the rows do not fit into one batch: {error}");
                    Error::new(ErrorKind::LimitError, message).with_source(error)
                })
            }
        }
    }
}

impl Stream for Batches {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.poll_next_unpin(cx)
    }
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}
