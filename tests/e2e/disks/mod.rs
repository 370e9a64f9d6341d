//! Disks that are full, closed, or changed by others under a running server: calls that cannot be done end with an
//! error that says why, no row is ever another, other frames go on, and so does everything once the cause is gone.

mod closed;
mod damaged;
mod full;

pub(crate) use self::full::Mounted;
