//! Where a store gets the time and its unique ids from.
//!
//! Nothing else in this crate reads a clock or draws a random number (its `clippy.toml` sees to that), so a
//! test that hands in its own [`Environment`] decides everything that a store does.

use std::fmt;
use std::time::{Instant, SystemTime};

use crate::time::Timestamp;

/// A source of time and of unique numbers.
pub trait Environment: fmt::Debug + Send + Sync {
    /// The present time. It may jump, also backwards: the log keeps its own order.
    fn now(&self) -> Timestamp;

    /// The present time or an earlier one, for telling what is old enough to be removed for good. It should not follow a
    /// clock that jumps ahead: what was written before the jump would look old at once.
    fn cautious_now(&self) -> Timestamp {
        self.now()
    }

    /// A number that no other call, in any process, has returned or will return.
    fn unique(&self) -> u128;
}

/// The machine's clock and its source of random numbers.
#[derive(Debug, Clone, Copy)]
pub struct SystemEnvironment {
    /// When this was made, by the clock and by a time that never jumps.
    made: (Timestamp, Instant),
}

impl Default for SystemEnvironment {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    fn default() -> Self {
        Self {
            made: (SystemTime::now().into(), Instant::now()),
        }
    }
}

impl Environment for SystemEnvironment {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    /// No later than what has really passed since this was made. After a clock was set ahead, or a machine was suspended,
    /// it stays behind by as much.
    fn cautious_now(&self) -> Timestamp {
        let (made, since) = self.made;
        self.now().min(made.after(since.elapsed()))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that was set ahead by a day after this was made looks as if this was made a day ago by it.
    #[test]
    fn a_clock_that_jumps_ahead_makes_nothing_old() {
        let mut environment = SystemEnvironment::default();
        let day = 86_400_000_000_000;
        let (made, since) = environment.made;
        environment.made = (Timestamp::from_nanoseconds(made.nanoseconds() - day), since);
        assert!(environment.now() >= made);
        assert!(environment.cautious_now() < made);
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed() {
        let mut environment = SystemEnvironment::default();
        let day = 86_400_000_000_000;
        let (made, since) = environment.made;
        environment.made = (Timestamp::from_nanoseconds(made.nanoseconds() + day), since);
        assert!(environment.cautious_now() <= environment.now());
        assert!(environment.cautious_now() < environment.made.0);
    }
}
