//! What the client itself is responsible for, tried against a server double: repeating,
//! giving up, aborting a put, telling errors apart, what travels in headers.

mod double;
mod getting;
mod putting;
mod repeating;
mod settings;

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};

/// A batch of `rows` rows of eight bytes.
fn batch(rows: i64) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    RecordBatch::try_from_iter([("n", numbers)]).unwrap()
}
