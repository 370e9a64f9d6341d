//! Puts that can be told by their rows: every row says which put it belongs to and where in it.
//!
//! How many rows a put has follows from its number, so what a frame holds shows whether each put in it is
//! whole, without knowing who put it or when.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt64Array};
use shoots_client::{Error, PutMode, PutResult, ShootsClient};

/// The number of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stamp(pub(crate) u64);

impl Stamp {
    /// How many rows the put has.
    pub(crate) fn rows(self) -> i64 {
        1 + i64::try_from(self.0 * 7919 % 400).unwrap()
    }

    /// Its rows, in a few batches.
    pub(crate) fn batches(self) -> Vec<RecordBatch> {
        let cut = self.rows() / 3;
        let parts = [0..cut, cut..self.rows()];
        parts.map(|rows| self.part(rows)).to_vec()
    }

    fn part(self, rows: std::ops::Range<i64>) -> RecordBatch {
        let count = rows.clone().count();
        let texts = rows.clone().map(|row| self.text(row));
        let columns: [(&str, ArrayRef); 3] = [
            ("put", Arc::new(UInt64Array::from(vec![self.0; count]))),
            ("row", Arc::new(Int64Array::from_iter_values(rows))),
            ("text", Arc::new(StringArray::from_iter_values(texts))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn text(self, row: i64) -> String {
        format!("row {row} of put {}", self.0)
    }

    /// Puts the rows. The number is also the message of the commit and the request's id.
    pub(crate) async fn put(
        self,
        client: &ShootsClient,
        frame: &str,
        mode: PutMode,
    ) -> Result<PutResult, Error> {
        let batches = self.batches();
        let number = self.0.to_string();
        let put = client
            .put(frame)
            .mode(mode)
            .message(&number)
            .request_id(number);
        put.send(batches[0].schema(), batches).await
    }
}

/// The puts in these rows, in their order. Each must be whole and there only once.
#[track_caller]
pub(crate) fn stamps(rows: &RecordBatch) -> Vec<Stamp> {
    let puts = rows["put"].as_primitive::<UInt64Type>().values();
    let places = rows["row"].as_primitive::<Int64Type>().values();
    let texts = rows["text"].as_string::<i32>();
    let mut found = Vec::new();
    let mut at = 0;
    while at < rows.num_rows() {
        let stamp = Stamp(puts[at]);
        for row in 0..stamp.rows() {
            assert!(at < rows.num_rows(), "{stamp:?} is cut off at row {row}");
            assert_eq!(
                (puts[at], places[at]),
                (stamp.0, row),
                "{stamp:?} is not whole"
            );
            assert_eq!(texts.value(at), stamp.text(row));
            at += 1;
        }
        found.push(stamp);
    }
    let mut once = found.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), found.len(), "a put is there twice: {found:?}");
    found
}
