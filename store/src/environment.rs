//! Where a store gets the time and its unique ids from.
//!
//! Nothing else in this crate reads a clock or draws a random number (its `clippy.toml` sees to that), so a
//! test that hands in its own [`Environment`] decides everything that a store does.

use std::fmt;

use crate::time::Timestamp;

/// A source of time and of unique numbers.
pub trait Environment: fmt::Debug + Send + Sync {
    /// The present time. It may jump, also backwards: the log keeps its own order.
    fn now(&self) -> Timestamp;

    /// A number that no other call, in any process, has returned or will return.
    fn unique(&self) -> u128;
}

/// The machine's clock and its source of random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        chrono::Utc::now().into()
    }

    #[expect(
        clippy::disallowed_methods,
        clippy::expect_used,
        reason = "this is the one place that draws random numbers, and without them no id is safe"
    )]
    fn unique(&self) -> u128 {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has a source of random numbers");
        u128::from_le_bytes(bytes)
    }
}
