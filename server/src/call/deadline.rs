//! How long a caller gives its call.
//!
//! Callers of gRPC say with each call how much time is left (`grpc-timeout`), and most of them give up by themselves.
//! But one that is behind a proxy, or is stopped, may not say so, and a server that does not look works for nobody. So the
//! time is kept here, too, from the headers to the end of the answer.

use shoots_proto::ErrorKind;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tonic::codegen::http::HeaderMap;

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

    /// Waits until the call is out of time; for ever, if it has all the time that it wants.
    pub(super) async fn passes(self) {
        match self.0 {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
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
    async fn a_call_without_a_time_is_never_out_of_it() {
        assert!(Deadline::default().passes().now_or_never().is_none());
        Deadline(Some(Instant::now())).passes().await;
    }
}
