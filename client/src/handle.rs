//! One frame: its rows, its history, and what can be done to it.

use std::sync::Arc;

use shoots_proto::action::{Aggregations, Resampling};
use shoots_proto::action::{
    AlterRequest, CompactRequest, CopyRequest, DeleteRequest, DeleteRowsRequest, DescribeRequest,
    DiffRequest, ExpireRequest, FilesRequest, ForgetRequest, LogRequest, PurgeRequest,
    RenameRequest, ResampleRequest, RestoreRequest, RetentionRequest, SweepRequest, TagRequest,
    TagsRequest, UndeleteRequest, UntagRequest, VerifyRequest,
};
use shoots_proto::{AsOf, FrameId, RequestError, TagName};

use crate::combine::literal;
use crate::connection::Connection;
use crate::{ActionCall, Error, GetRequest, PutRequest, ToFrameId};

/// A frame of a server, whether there is one of the name or not; from
/// [`ShootsClient::frame`](crate::ShootsClient::frame).
///
/// ```
/// use std::sync::Arc;
/// use shoots_client::arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
/// use shoots_client::{AsOf, PutMode, ShootsClient};
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
/// # let url = server.url();
/// # let client = ShootsClient::connect(url).await?;
/// let days = |days: Vec<i64>, price: f64| -> Result<RecordBatch, Box<dyn std::error::Error>> {
///     let prices: ArrayRef = Arc::new(Float64Array::from(vec![price; days.len()]));
///     let days: ArrayRef = Arc::new(Int64Array::from(days));
///     Ok(RecordBatch::try_from_iter([("day", days), ("price", prices)])?)
/// };
/// let prices = client.frame("nyc/prices");
/// prices.put().index(["day"]).author("ada").send_batch(days(vec![1, 2, 3, 4], 1.0)?).await?;
/// prices.tag("first").send().await?;
/// prices.put().mode(PutMode::Update).send_batch(days(vec![2, 3], 2.0)?).await?;
///
/// let some = prices.get().start(2).stop(4).collect_one().await?;
/// assert_eq!(some.num_rows(), 2);
///
/// let diff = prices.diff(AsOf::Tag("first".into()), None).send().await?;
/// assert_eq!((diff.rows_added, diff.rows_removed), (2, 2));
///
/// prices.delete_rows().start(4).condition("price < 1.5").message("too cheap").send().await?;
/// prices.restore(AsOf::Tag("first".into())).message("all wrong").send().await?;
///
/// let log = prices.log().limit(2).send().await?;
/// assert_eq!(log.commits[0].message.as_deref(), Some("all wrong"));
/// assert_eq!(log.commits[1].rows_removed, 1);
/// # server.shutdown().await?; Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Frame {
    connection: Arc<Connection>,
    id: Result<FrameId, Arc<str>>,
}

impl Frame {
    pub(crate) fn new(connection: Arc<Connection>, frame: impl ToFrameId) -> Self {
        let id = frame
            .to_frame_id()
            .map_err(|error| error.to_string().into());
        Self { connection, id }
    }

    fn call<Q: crate::ActionRequest>(
        &self,
        request: impl FnOnce(FrameId) -> Result<Q, Error>,
    ) -> ActionCall<Q> {
        let request = self.to_frame_id().and_then(request);
        ActionCall::new(&self.connection, request)
    }

    /// Puts rows into it; goes on at [`PutRequest`].
    pub fn put(&self) -> PutRequest {
        PutRequest::new(self.connection.clone(), self)
    }

    /// Gets rows of it; goes on at [`GetRequest`].
    pub fn get(&self) -> GetRequest {
        GetRequest::new(self.connection.clone(), self)
    }

    /// Gets the result of a query, which names it as a table.
    pub fn sql(&self, query: impl Into<String>) -> GetRequest {
        self.get().sql(query)
    }

    /// Gets the newest row of each combination of values in these columns.
    pub fn latest<C: Into<String>>(&self, keys: impl IntoIterator<Item = C>) -> GetRequest {
        // A frame whose name is wrong is refused when the request is sent.
        let frame = self.id.as_ref().map_or("", |frame| frame.name.as_str());
        let frame = literal(frame);
        let keys = keys.into_iter().map(|key| literal(&key.into()));
        let keys = keys.collect::<Vec<_>>().join(", ");
        self.sql(format!("select * from latest({frame}, [{keys}])"))
    }

    /// What was done to it, newest first.
    pub fn log(&self) -> ActionCall<LogRequest> {
        self.call(|frame| Ok(LogRequest::new(frame)))
    }

    /// How two states differ, in columns and in counts of rows; `to` is the newest if it is not given.
    pub fn diff(&self, from: AsOf, to: Option<AsOf>) -> ActionCall<DiffRequest> {
        self.call(|FrameId { name, bucket }| {
            Ok(DiffRequest {
                name,
                bucket,
                from,
                to,
            })
        })
    }

    /// The rows that only one of two states has, with a column `_change` that says `added` or `removed`.
    pub fn diff_rows(&self, from: AsOf, to: Option<AsOf>) -> GetRequest {
        self.get().diff(from, to)
    }

    /// Names a version, and so keeps it.
    pub fn tag(&self, tag: &str) -> ActionCall<TagRequest> {
        self.call(|frame| Ok(TagRequest::new(frame, tag_name(tag)?)))
    }

    /// Takes a name from a version.
    pub fn untag(&self, tag: &str) -> ActionCall<UntagRequest> {
        self.call(|frame| Ok(UntagRequest::new(frame, tag_name(tag)?)))
    }

    /// The names of its versions.
    pub fn tags(&self) -> ActionCall<TagsRequest> {
        self.call(|FrameId { name, bucket }| Ok(TagsRequest { name, bucket }))
    }

    /// Makes an older state the newest. The versions between stay.
    pub fn restore(&self, state: AsOf) -> ActionCall<RestoreRequest> {
        self.call(|frame| Ok(RestoreRequest::new(frame, state)))
    }

    /// Deletes it. Its history stays with the store for as long as that keeps it.
    pub fn delete(&self) -> ActionCall<DeleteRequest> {
        self.call(|frame| Ok(DeleteRequest::new(frame)))
    }

    /// Brings it back after it was deleted.
    pub fn undelete(&self) -> ActionCall<UndeleteRequest> {
        self.call(|frame| Ok(UndeleteRequest::new(frame)))
    }

    /// Gives it another name, another bucket, or both.
    pub fn rename(&self, target: impl ToFrameId) -> ActionCall<RenameRequest> {
        self.call(|frame| Ok(RenameRequest::new(frame, target.to_frame_id()?)))
    }

    /// Puts into another frame one row for each bin of time, such as `5min`, and what functions make of the rows in it:
    /// one for all columns, several, or those of each column. It goes on at [`ActionCall`].
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampSecondArray};
    /// use shoots_client::{Resampling, ShootsClient};
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
    /// # let url = server.url();
    /// # let client = ShootsClient::connect(url).await?;
    /// # let time: ArrayRef = Arc::new(TimestampSecondArray::from_iter_values(0..600));
    /// # let size: ArrayRef = Arc::new(Int64Array::from_iter_values(0..600));
    /// # let seconds = RecordBatch::try_from_iter([("time", time), ("size", size)])?;
    /// let trades = client.frame("trades");
    /// trades.put().index(["time"]).send_batch(seconds).await?;
    ///
    /// let done = trades.resample("bars", "1min", [("size", "sum")]).label(shoots_client::BinEnd::Right).send().await?;
    /// assert_eq!((done.source_rows, done.target_rows), (Some(600), 10));
    ///
    /// let bars = trades.get().resample(Resampling::new("5min", ["min", "max"])).collect_one().await?;
    /// assert_eq!((bars.num_rows(), bars.num_columns()), (2, 3));
    /// # server.shutdown().await?; Ok(()) }
    /// ```
    pub fn resample(
        &self,
        target: impl ToFrameId,
        rule: impl Into<String>,
        functions: impl Into<Aggregations>,
    ) -> ActionCall<ResampleRequest> {
        let resampling = Resampling::new(rule, functions);
        self.call(|frame| {
            let target = target.to_frame_id()?;
            Ok(ResampleRequest::time(frame, target, resampling))
        })
    }

    /// Puts into another frame the rows of a query, which names this one as a table.
    pub fn resample_sql(
        &self,
        target: impl ToFrameId,
        query: impl Into<String>,
    ) -> ActionCall<ResampleRequest> {
        self.call(|frame| Ok(ResampleRequest::sql(frame, target.to_frame_id()?, query)))
    }

    /// Copies it, encoding no rows again.
    pub fn copy(&self, target: impl ToFrameId) -> ActionCall<CopyRequest> {
        self.call(|frame| Ok(CopyRequest::new(frame, target.to_frame_id()?)))
    }

    /// What there is to say about a state; the newest if none is given.
    pub fn describe(&self, as_of: Option<AsOf>) -> ActionCall<DescribeRequest> {
        self.call(|FrameId { name, bucket }| {
            Ok(DescribeRequest {
                name,
                bucket,
                as_of,
            })
        })
    }

    /// The files of a state; the newest if none is given.
    pub fn files(&self, as_of: Option<AsOf>) -> ActionCall<FilesRequest> {
        self.call(|FrameId { name, bucket }| {
            Ok(FilesRequest {
                name,
                bucket,
                as_of,
            })
        })
    }

    /// Adds, drops, renames and widens columns, rewriting no rows.
    pub fn alter(&self) -> ActionCall<AlterRequest> {
        self.call(|frame| Ok(AlterRequest::new(frame)))
    }

    /// Deletes rows by a range of the index, a condition, or both.
    pub fn delete_rows(&self) -> ActionCall<DeleteRowsRequest> {
        self.call(|frame| Ok(DeleteRowsRequest::new(frame)))
    }

    /// Joins small and overlapping segments.
    pub fn compact(&self) -> ActionCall<CompactRequest> {
        self.call(|FrameId { name, bucket }| {
            Ok(CompactRequest {
                name: Some(name),
                bucket,
                dry_run: false,
            })
        })
    }

    /// Asks which versions are kept, or [sets](ActionCall::set) it.
    pub fn retention(&self) -> ActionCall<RetentionRequest> {
        self.call(|FrameId { name, bucket }| {
            Ok(RetentionRequest {
                name: Some(name),
                bucket,
                set: None,
            })
        })
    }

    /// Lets the versions expire that no rule keeps.
    pub fn expire(&self) -> ActionCall<ExpireRequest> {
        self.call(|FrameId { name, bucket }| {
            Ok(ExpireRequest {
                name: Some(name),
                bucket,
                dry_run: false,
            })
        })
    }

    /// Forgets chosen versions, whatever the rules say.
    pub fn forget(&self, versions: impl IntoIterator<Item = AsOf>) -> ActionCall<ForgetRequest> {
        self.call(|FrameId { name, bucket }| {
            Ok(ForgetRequest {
                name,
                bucket,
                versions: versions.into_iter().collect(),
                dry_run: false,
            })
        })
    }

    /// Removes the objects that nothing needs any more, once their time has come.
    pub fn sweep(&self) -> ActionCall<SweepRequest> {
        self.call(|FrameId { name, bucket }| {
            Ok(SweepRequest {
                name: Some(name),
                bucket,
                dry_run: false,
            })
        })
    }

    /// Removes it and its history for good.
    pub fn purge(&self) -> ActionCall<PurgeRequest> {
        self.call(|FrameId { name, bucket }| {
            Ok(PurgeRequest {
                name,
                bucket,
                dry_run: false,
            })
        })
    }

    /// Checks its stored objects against their hashes.
    pub fn verify(&self) -> ActionCall<VerifyRequest> {
        self.call(|FrameId { name, bucket }| {
            Ok(VerifyRequest {
                name: Some(name),
                bucket,
                ..VerifyRequest::default()
            })
        })
    }
}

impl ToFrameId for Frame {
    fn to_frame_id(&self) -> Result<FrameId, Error> {
        let refusal =
            |problem: &Arc<str>| Error::new(crate::ErrorKind::InvalidRequestError, &**problem);
        self.id.as_ref().cloned().map_err(refusal)
    }
}

fn tag_name(tag: &str) -> Result<TagName, Error> {
    TagName::parse(tag).map_err(|error| RequestError::new("tag", None, error).into())
}
