//! What ends a call before its work is done: its caller's time, or its caller.
//!
//! The time is a [`Deadline`]. A caller that names its call ([`CALL_NAME`]) can end it with the action `cancel`. The work is
//! dropped then, except a commit that is being published: that cannot be called back, so its outcome is waited for as it
//! is when a server stops.

use shoots_proto::ErrorKind;
use shoots_proto::action::{CALL_NAME, CallName};
use tokio::time::sleep;
use tonic::codegen::http::HeaderMap;

use super::COMMITTING;
use super::cancellable::{Cancellable, Cancellation};
use super::deadline::Deadline;
use super::record::Record;
use crate::status::Failure;

/// The calls that their callers gave names.
pub(crate) type NamedCalls = Cancellable<CallName>;

/// What may end one call. It has its name until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Ending {
    deadline: Deadline,
    cancellation: Option<Cancellation<CallName>>,
}

impl Ending {
    /// What the headers of a call say about its end.
    ///
    /// # Errors
    /// If they give a time or a name that is none.
    pub(super) fn of(headers: &HeaderMap, calls: &NamedCalls) -> Result<Self, Failure> {
        let deadline = Deadline::of(headers)?;
        let cancellation = name(headers)?.map(|name| calls.begin(name));
        Ok(Self {
            deadline,
            cancellation,
        })
    }

    /// Waits until the call must end, and says how.
    pub(super) async fn comes(&self, record: &Record) -> Failure {
        let (failure, in_a_commit) = tokio::select! {
            () = self.deadline.passes() => (Failure::out_of_time(), Failure::out_of_time_in_a_commit()),
            () = self.cancelled() => (Failure::cancelled(), Failure::cancelled_in_a_commit()),
        };
        if !record.is_committing() {
            return failure;
        }
        sleep(COMMITTING).await;
        in_a_commit
    }

    async fn cancelled(&self) {
        match &self.cancellation {
            Some(cancellation) => cancellation.cancelled().await,
            None => std::future::pending().await,
        }
    }
}

/// The name that a call was given.
fn name(headers: &HeaderMap) -> Result<Option<CallName>, Failure> {
    let Some(value) = headers.get(CALL_NAME) else {
        return Ok(None);
    };
    match value.to_str().unwrap_or_default().parse() {
        Ok(name) => Ok(Some(name)),
        Err(error) => {
            let problem = format!("the header {CALL_NAME} {error}");
            Err(Failure::new(ErrorKind::InvalidRequestError, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tonic::metadata::MetadataMap;

    use super::*;

    const NAME: &str = "9f86d081884c7d659a2feaa0c55ad015";

    fn headers(header: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header.parse().unwrap(), value.parse().unwrap())])
    }

    #[tokio::test]
    async fn a_call_ends_when_its_time_is_over_or_it_is_cancelled_by_its_name() {
        let record = Record::detached("DoPut", &MetadataMap::new());
        let calls = NamedCalls::default();
        let free = Ending::of(&HeaderMap::new(), &calls).unwrap();
        assert!(free.comes(&record).now_or_never().is_none());
        let late = Ending::of(&headers("grpc-timeout", "0S"), &calls).unwrap();
        assert_eq!(late.comes(&record).await, Failure::out_of_time());
        let named = Ending::of(&headers(CALL_NAME, NAME), &calls).unwrap();
        assert!(named.comes(&record).now_or_never().is_none());
        assert!(calls.cancel(&NAME.parse().unwrap()));
        assert_eq!(named.comes(&record).await, Failure::cancelled());
        drop(named);
        assert!(!calls.cancel(&NAME.parse().unwrap()));
    }

    #[tokio::test]
    async fn a_commit_that_is_under_way_is_waited_for() {
        let record = Record::detached("DoPut", &MetadataMap::new());
        let calls = NamedCalls::default();
        let named = Ending::of(&headers(CALL_NAME, NAME), &calls).unwrap();
        let committing = record.commits();
        calls.cancel(&NAME.parse().unwrap());
        assert!(named.comes(&record).now_or_never().is_none());
        drop(committing);
        assert_eq!(named.comes(&record).await, Failure::cancelled());
    }

    #[test]
    fn a_name_that_is_none_is_refused_by_its_header_and_not_repeated() {
        let error = Ending::of(&headers(CALL_NAME, "my call"), &NamedCalls::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("x-shoots-call-name must be 16"), "{error}");
        assert!(!error.contains("my call"), "{error}");
    }
}
