//! What can be set when a frame is resampled.

use shoots_proto::action::ResampleRequest;
use shoots_proto::{IndexValue, PutMode};

use crate::ActionCall;

impl ActionCall<ResampleRequest> {
    /// What to do with rows that the target has; append if it is not said.
    pub fn mode(self, mode: PutMode) -> Self {
        self.with(|request| request.mode = mode)
    }

    /// Leaves out rows of the source before this time.
    pub fn start(self, start: impl Into<IndexValue>) -> Self {
        self.with(|request| request.start = Some(start.into()))
    }

    /// Leaves out rows of the source from this time on.
    pub fn stop(self, stop: impl Into<IndexValue>) -> Self {
        self.with(|request| request.stop = Some(stop.into()))
    }

    /// Lets the target follow the source from now on: after each change the bins that it touches are computed anew. The
    /// target must be new or empty, or be replaced.
    pub fn continuous(self) -> Self {
        self.with(|request| request.continuous = true)
    }
}
