//! Whether the parts of a message fit together.
//!
//! A message that is a sound flatbuffer can still contradict itself: name a type that does not exist, or announce more
//! rows than a buffer has bits for. `arrow-ipc` panics on some of these. What it would panic on is refused before, here,
//! with what is wrong: types when a [`schema`] is read, lengths when a [`batch`] is.

pub(crate) mod batch;
pub(crate) mod schema;

use arrow_schema::ArrowError;

/// That something does not fit.
fn wrong(problem: impl Into<String>) -> ArrowError {
    ArrowError::ParseError(problem.into())
}
