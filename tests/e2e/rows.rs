//! Rows to put, and what comes back, in the fewest words.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use shoots_client::{PutMode, PutResult, ShootsClient};

/// A number `n`, and its text in `Text`.
pub(crate) fn schema() -> SchemaRef {
    let metadata = [("owner".to_owned(), "somebody".to_owned())];
    let unit = [("unit".to_owned(), "pieces".to_owned())];
    let fields = vec![
        Field::new("n", DataType::Int64, false).with_metadata(unit.into()),
        Field::new("Text", DataType::Utf8, true),
    ];
    Arc::new(Schema::new_with_metadata(fields, metadata.into()))
}

/// A row for each number; every third has no text.
pub(crate) fn rows(numbers: Range<i64>) -> RecordBatch {
    let text = |n: i64| (n % 3 != 0).then(|| format!("number {n}"));
    let texts: StringArray = numbers.clone().map(text).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(numbers)),
        Arc::new(texts),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// One column of one type, which may be null.
pub(crate) fn column(name: &str, values: impl arrow_array::Array + 'static) -> RecordBatch {
    let values: ArrayRef = Arc::new(values);
    RecordBatch::try_from_iter_with_nullable([(name, values, true)]).unwrap()
}

/// The first column of a result, which holds whole numbers.
pub(crate) fn numbers(batch: &RecordBatch) -> Vec<i64> {
    batch
        .column(0)
        .as_primitive::<Int64Type>()
        .values()
        .to_vec()
}

/// A column of text.
pub(crate) fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = batch[name].as_string::<i32>();
    column.iter().map(|text| text.map(str::to_owned)).collect()
}

/// Puts one batch, which must succeed.
pub(crate) async fn put(
    client: &ShootsClient,
    frame: &str,
    mode: PutMode,
    batch: RecordBatch,
) -> PutResult {
    client
        .put(frame)
        .mode(mode)
        .send_batch(batch)
        .await
        .unwrap()
}

/// All rows of a frame, which must exist.
pub(crate) async fn get(client: &ShootsClient, frame: &str) -> RecordBatch {
    client.get(frame).collect_one().await.unwrap()
}
