//! How often an exchange begins again: an end may move, or give up rows, between the look at it and what is done.
//!
//! Whoever looks anew finds another state, so nothing is lost by that, and what has arrived is not sent again. An end
//! that removes objects at this moment is given some time for it.

use std::time::Duration;

use shoots_proto::name::FrameId;
use tokio::time::sleep;

use crate::error::{Cause, Error, Result};

const MAX_ATTEMPTS: u32 = 8;
/// After an end has removed something; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// After so many, the frame's writers have to wait for a merge.
const PATIENCE: u32 = 2;

/// The attempts at one frame.
#[derive(Debug)]
pub(super) struct Attempts<'a> {
    frame: &'a FrameId,
    made: u32,
}

impl<'a> Attempts<'a> {
    pub(super) fn at(frame: &'a FrameId) -> Self {
        Self { frame, made: 0 }
    }

    /// Whether the frame's writers are to wait for a merge, because others were faster too often.
    pub(super) fn hold(&self) -> bool {
        self.made >= PATIENCE
    }

    /// What came of an attempt; none: another one is to be made.
    ///
    /// # Errors
    /// That of the attempt, unless another may do better, and that of the last one.
    pub(super) async fn judge<T>(&mut self, outcome: Result<Option<T>>) -> Result<Option<T>> {
        let overtaken = match outcome {
            Ok(Some(done)) => return Ok(Some(done)),
            Ok(None) => None,
            Err(error) if error.is_overtaken() => Some(error),
            Err(error) => return Err(error),
        };
        self.made += 1;
        if self.made == MAX_ATTEMPTS {
            return Err(overtaken.unwrap_or_else(|| self.moving()));
        }
        if overtaken.is_some() {
            sleep(FIRST_PAUSE * 2_u32.pow(self.made - 1)).await;
        }
        Ok(None)
    }

    fn moving(&self) -> Error {
        let problem = format!(
            "frame {} was changed by others again and again meanwhile",
            self.frame
        );
        Cause::Conflict(problem).into()
    }
}

#[cfg(test)]
mod tests {
    use shoots_proto::name::FrameName;

    use super::*;
    use crate::error::ErrorKind;

    #[tokio::test]
    async fn an_attempt_that_was_overtaken_is_made_again_and_the_last_one_says_why() {
        let frame = FrameId::new(None, FrameName::parse("f").unwrap());
        let mut attempts = Attempts::at(&frame);
        let swept = || Error::damaged("segment", "it is gone").overtaken();
        for _ in 1..MAX_ATTEMPTS {
            assert_eq!(attempts.judge::<()>(Err(swept())).await.unwrap(), None);
        }
        assert!(attempts.hold());
        let error = attempts.judge::<()>(Err(swept())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert_eq!(error.to_string(), "segment is damaged: it is gone");
    }

    #[tokio::test]
    async fn what_another_attempt_cannot_mend_ends_it() {
        let frame = FrameId::new(None, FrameName::parse("f").unwrap());
        let mut attempts = Attempts::at(&frame);
        assert_eq!(attempts.judge(Ok(Some(1))).await.unwrap(), Some(1));
        let damaged = Err::<Option<()>, _>(Error::damaged("segment", "it is gone"));
        attempts.judge(damaged).await.unwrap_err();
        for _ in 1..MAX_ATTEMPTS {
            assert_eq!(attempts.judge::<()>(Ok(None)).await.unwrap(), None);
        }
        let error = attempts.judge::<()>(Ok(None)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    }
}
