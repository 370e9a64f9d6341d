//! How long a caller gives its call, and what ends the call when that is over.
//!
//! Callers of gRPC say with each call how much time is left (`grpc-timeout`), and most of them give up by themselves.
//! But one that is behind a proxy, or is stopped, may not say so, and a server that does not look works for nobody. So the
//! time is kept here, too, from the headers to the end of the answer. The work is dropped when it is over, except a
//! commit that is being published: that cannot be called back, so its outcome is waited for as it is when a server stops.

use shoots_proto::ErrorKind;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use tonic::codegen::http::HeaderMap;

use super::COMMITTING;
use super::record::Record;
use crate::status::Failure;

/// The header.
const TIMEOUT: &str = "grpc-timeout";
/// Most digits of its number.
const DIGITS: usize = 8;

/// When a call must have been answered, if its caller says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// The time that these headers give, from this moment on.
    ///
    /// # Errors
    /// If they give it in another form than gRPC's.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let Some(value) = headers.get(TIMEOUT) else {
            return Ok(Self::default());
        };
        let Some(time) = value.to_str().ok().and_then(parse) else {
            let problem = format!(
                "the header {TIMEOUT} is {value:?}; one to {DIGITS} digits and a unit (H, M, S, m, u or n) are expected, such as 30S"
            );
            return Err(Failure::new(ErrorKind::InvalidRequestError, problem));
        };
        Ok(Self(Instant::now().checked_add(time)))
    }

    /// Waits until the call is out of time, and says how it ends; for ever, if it has all the time that it wants.
    pub(super) async fn out_of_time(self, record: &Record) -> Failure {
        let Some(deadline) = self.0 else {
            return std::future::pending().await;
        };
        sleep_until(deadline).await;
        if !record.is_committing() {
            return Failure::out_of_time();
        }
        sleep(COMMITTING).await;
        Failure::out_of_time_in_a_commit()
    }
}

/// A number and its unit.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let fits = (1..=DIGITS).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = fits.then(|| digits.parse().ok())??;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tonic::metadata::MetadataMap;

    use super::*;

    #[test]
    fn times_are_read_as_grpc_writes_them() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("30S", Some(Duration::from_secs(30))),
            ("00000100m", Some(Duration::from_millis(100))),
            ("5u", Some(Duration::from_micros(5))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("0S", Some(Duration::ZERO)),
            ("", None),
            ("S", None),
            ("30", None),
            ("30s", None),
            ("-1S", None),
            ("+1S", None),
            ("1.5S", None),
            ("123456789S", None),
            ("1é", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_time_that_is_none_is_refused_by_the_name_of_its_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(Deadline::of(&headers), Ok(Deadline(None)));
        headers.insert(TIMEOUT, "soon".parse().unwrap());
        let error = Deadline::of(&headers).unwrap_err();
        assert!(error.to_string().contains("grpc-timeout"), "{error}");
        headers.insert(TIMEOUT, "99999999H".parse().unwrap());
        Deadline::of(&headers).unwrap();
    }

    #[tokio::test]
    async fn a_call_without_a_time_is_never_out_of_it_and_one_that_commits_is_waited_for() {
        let record = Record::detached("DoPut", &MetadataMap::new());
        let never = Deadline::default().out_of_time(&record);
        assert!(never.now_or_never().is_none());
        let passed = Deadline(Some(Instant::now()));
        let committing = record.commits();
        assert!(passed.out_of_time(&record).now_or_never().is_none());
        drop(committing);
        assert_eq!(passed.out_of_time(&record).await, Failure::out_of_time());
    }
}
