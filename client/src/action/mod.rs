//! Actions: one builder for all of them.
//!
//! An [`ActionCall`] holds the request of one action, lets its fields be set, and sends it. What an action takes, what it
//! gives and whether it changes something stands in one [table], so a call is repeated, or said to be of
//! unknown outcome, by the same rules as every other.

mod fields;
mod resample;
mod table;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::connection::Connection;

/// The request of an action, and what comes back.
///
/// Implemented by the requests in [`proto::action`](crate::proto::action).
pub trait ActionRequest: Serialize + table::Sealed {
    /// What the server gives.
    type Answer: DeserializeOwned;
    /// The action's type.
    const NAME: &'static str;
    /// Whether it may change something. If not, it is repeated when the server cannot be reached.
    const CHANGES: bool;

    /// The id that makes it safe to repeat a change.
    fn request_id(&self) -> Option<&str> {
        None
    }
}

/// An action in the making.
///
/// Nothing is sent before [`send`](Self::send); what is wrong with a name is said then.
///
/// ```
/// # use std::sync::Arc;
/// # use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// use shoots_client::{AsOf, ErrorKind, ShootsClient};
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
/// # let url = server.url();
/// # let client = ShootsClient::connect(url).await?;
/// # let n: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10));
/// # let batch = RecordBatch::try_from_iter([("n", n)])?;
/// client.put("numbers").send_batch(batch).await?;
/// let numbers = client.frame("numbers");
///
/// let tagged = numbers.tag("eod").as_of(AsOf::Version(1)).author("ada").send().await?;
/// assert_eq!(tagged.version, 1);
///
/// let twice = numbers.tag("2024-01-31").send().await.unwrap_err();
/// assert_eq!(twice.kind(), ErrorKind::InvalidRequestError); // it looks like a time
/// # server.shutdown().await?; Ok(()) }
/// ```
#[must_use = "nothing is sent before `send`"]
pub struct ActionCall<Q> {
    connection: Arc<Connection>,
    request: Result<Q, Error>,
}

impl<Q: ActionRequest> ActionCall<Q> {
    pub(crate) fn new(connection: &Arc<Connection>, request: Result<Q, Error>) -> Self {
        Self {
            connection: Arc::clone(connection),
            request,
        }
    }

    /// Asks the server.
    ///
    /// A call that only reads is repeated when the server cannot be reached, and so is a change that has a
    /// `request_id`. If the answer to any other change gets lost, the kind is
    /// [`OutcomeUnknownError`](crate::ErrorKind::OutcomeUnknownError).
    pub async fn send(self) -> Result<Q::Answer, Error> {
        let request = self.request?;
        let connection = &*self.connection;
        let call = || connection.json_action(Q::NAME, &request);
        if !Q::CHANGES {
            return connection.read(Q::NAME, call).await;
        }
        let what = format!("the {}", Q::NAME);
        match request.request_id() {
            None => connection.change(&what, call()).await,
            Some(_) => {
                let attempt = || connection.change(&what, call());
                let lost = |error: &Error| error.is_transient() || error.is_outcome_unknown();
                connection.retry.run(lost, attempt).await
            }
        }
    }

    pub(crate) fn with(mut self, set: impl FnOnce(&mut Q)) -> Self {
        if let Ok(request) = &mut self.request {
            set(request);
        }
        self
    }

    pub(crate) fn try_with(mut self, set: impl FnOnce(&mut Q) -> Result<(), Error>) -> Self {
        self.request = self.request.and_then(|mut request| {
            set(&mut request)?;
            Ok(request)
        });
        self
    }
}

impl<Q: fmt::Debug> fmt::Debug for ActionCall<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionCall")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
