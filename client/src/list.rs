//! Listing frames.

use std::sync::Arc;

use arrow_flight::{Criteria, FlightInfo};
use arrow_schema::SchemaRef;
use shoots_flight::read_schema_message;
use shoots_proto::{BucketName, FrameId, FrameName, FrameSummary, ListCriteria};

use crate::Error;
use crate::connection::{Connection, answer, json, read_json};
use crate::frame::bucket_name;

/// A listing in the making: without further words the frames of the default bucket.
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
/// for name in ["weather", "flights", "nyc/weather"] {
///     client.put(name).send_batch(batch.clone()).await?;
/// }
/// let found = client.list().all_buckets().pattern("^wea").send().await?;
/// let names: Vec<String> = found.iter().map(|info| info.frame.to_string()).collect();
/// assert_eq!(names, ["weather", "nyc/weather"]);
/// assert_eq!(found[0].summary.rows, 2);
/// # server.shutdown().await?; Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct ListRequest {
    connection: Arc<Connection>,
    criteria: Result<ListCriteria, Error>,
}

impl ListRequest {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            criteria: Ok(ListCriteria::bucket(None)),
        }
    }

    /// The frames of this bucket.
    pub fn bucket(mut self, bucket: &str) -> Self {
        self.criteria = self.criteria.and_then(|criteria| {
            Ok(ListCriteria {
                bucket: Some(bucket_name(bucket)?),
                all_buckets: false,
                ..criteria
            })
        });
        self
    }

    /// The frames of every bucket.
    pub fn all_buckets(mut self) -> Self {
        self.criteria = self.criteria.map(|criteria| ListCriteria {
            bucket: None,
            all_buckets: true,
            ..criteria
        });
        self
    }

    /// Only frames in whose names this regular expression finds a match.
    pub fn pattern(mut self, regex: impl Into<String>) -> Self {
        self.criteria = self.criteria.map(|criteria| ListCriteria {
            regex: Some(regex.into()),
            ..criteria
        });
        self
    }

    /// Asks the server. Frames that cannot be read are left out ([`send_all`](Self::send_all)).
    pub async fn send(self) -> Result<Vec<FrameInfo>, Error> {
        let Listing { frames, .. } = asked(&self.connection, self.criteria?).await?;
        Ok(frames)
    }

    /// Asks the server, also for the frames that cannot be read.
    pub async fn send_all(self) -> Result<Listing, Error> {
        let criteria = ListCriteria {
            unreadable: true,
            ..self.criteria?
        };
        asked(&self.connection, criteria).await
    }
}

async fn asked(connection: &Connection, criteria: ListCriteria) -> Result<Listing, Error> {
    let expression = json(&criteria)?;
    connection
        .read("list", || async {
            let request = connection.request(Criteria {
                expression: expression.clone(),
            });
            let mut infos = answer(connection.flight().list_flights(request).await)?;
            let mut listing = Listing::default();
            while let Some(info) = infos.message().await? {
                listing.add(&info)?;
            }
            Ok(listing)
        })
        .await
}

/// What a listing finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// Frames and what they hold.
    pub frames: Vec<FrameInfo>,
    /// Frames and buckets that cannot be read, because they are damaged or the server is not let in; `verify` tells more.
    pub unreadable: Vec<Unreadable>,
}

/// A frame that cannot be read, or a bucket of which nothing can.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// The bucket; none is the default bucket.
    pub bucket: Option<BucketName>,
    /// The frame; none is the whole bucket.
    pub name: Option<FrameName>,
    /// What is in the way.
    pub problem: String,
}

impl Listing {
    fn add(&mut self, info: &FlightInfo) -> Result<(), Error> {
        // A frame has a schema, even one without columns.
        if !info.schema.is_empty() {
            self.frames.push(FrameInfo::of(info)?);
            return Ok(());
        }
        let told: shoots_proto::Unreadable = read_json("unreadable", &info.app_metadata)?;
        let (bucket, name) = match told.bucket {
            Some(bucket) => (Some(bucket), None),
            None => {
                let frame = frame_of(info)?;
                (frame.bucket, Some(frame.name))
            }
        };
        self.unreadable.push(Unreadable {
            bucket,
            name,
            problem: told.unreadable,
        });
        Ok(())
    }
}

/// The frame that a listing describes.
fn frame_of(info: &FlightInfo) -> Result<FrameId, Error> {
    let descriptor = info.flight_descriptor.as_ref();
    let path = descriptor.map_or(&[][..], |descriptor| &descriptor.path);
    FrameId::from_path(path).map_err(|error| Error::unexpected("list", error))
}

/// A frame and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameInfo {
    /// The frame.
    pub frame: FrameId,
    /// The schema of its newest version.
    pub schema: SchemaRef,
    /// The newest version, its rows and its size.
    pub summary: FrameSummary,
}

impl FrameInfo {
    pub(crate) fn of(info: &FlightInfo) -> Result<Self, Error> {
        Ok(Self {
            frame: frame_of(info)?,
            schema: Arc::new(read_schema_message(&info.schema)?),
            summary: read_json("frame summary", &info.app_metadata)?,
        })
    }
}
