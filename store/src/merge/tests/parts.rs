//! What the stores of the tests are built with: clocks, and conditions that can be read anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::edit::delete::{Condition, Conditions};
use crate::{Environment, Timestamp};

const BEGIN: i64 = 1_717_200_000_000_000_000;
const MILLISECOND: i64 = 1_000_000;

/// A clock that is ahead of others, and ids that no other site draws.
#[derive(Debug)]
pub(super) struct Clock {
    now: AtomicI64,
    ids: AtomicU64,
    site: u64,
}

impl Clock {
    /// The clock and the ids of a site. The clock is so many milliseconds ahead of others.
    pub(super) fn new(site: u64, ahead: i64) -> Self {
        Self {
            now: AtomicI64::new(BEGIN + ahead * MILLISECOND),
            ids: AtomicU64::new(0),
            site,
        }
    }

    pub(super) fn tick(&self) {
        self.now.fetch_add(MILLISECOND, Ordering::SeqCst);
    }
}

impl Environment for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanoseconds(self.now.load(Ordering::SeqCst))
    }

    fn unique(&self) -> u128 {
        let number = self.ids.fetch_add(1, Ordering::SeqCst);
        u128::from(number.reverse_bits()) << 64 | u128::from(number << 8 | self.site)
    }
}

/// `column%by=rest`.
#[derive(Debug)]
pub(super) struct Rest(String, String, i64, i64);

impl Condition for Rest {
    fn text(&self) -> &str {
        &self.0
    }

    fn columns(&self, schema: &Schema) -> Result<Vec<String>, String> {
        let found = schema.index_of(&self.1);
        found.map_err(|error| error.to_string())?;
        Ok(vec![self.1.clone()])
    }

    fn meant(&self, batch: &RecordBatch) -> Result<BooleanArray, String> {
        let values = numbers(batch.column(0));
        let meant = |value: &Option<i64>| value.map(|value| value % self.2 == self.3);
        Ok(values.iter().map(meant).collect())
    }
}

/// The condition with this text.
pub(super) fn rest(text: &str) -> Option<Rest> {
    let (column, numbers) = text.split_once('%')?;
    let (by, rest) = numbers.split_once('=')?;
    let (by, rest) = (by.parse().ok()?, rest.parse().ok()?);
    Some(Rest(text.to_owned(), column.to_owned(), by, rest))
}

/// Reads such conditions.
#[derive(Debug)]
pub(super) struct Rests;

impl Conditions for Rests {
    fn parse(&self, text: &str) -> Result<Arc<dyn Condition>, String> {
        let rest = rest(text).ok_or("it is none")?;
        Ok(Arc::new(rest))
    }
}

/// The values of a column.
pub(super) fn numbers(array: &ArrayRef) -> Vec<Option<i64>> {
    let array = arrow_cast::cast(array, &DataType::Int64).unwrap();
    let array = array.as_any().downcast_ref::<Int64Array>().unwrap();
    array.iter().collect()
}

/// Copies objects that are not there yet.
pub(super) async fn copy(from: &InMemory, to: &InMemory, wanted: impl Fn(&str) -> bool) {
    let objects: Vec<_> = from.list(None).try_collect().await.unwrap();
    for object in objects {
        let path = object.location;
        if wanted(path.as_ref()) && to.head(&path).await.is_err() {
            let bytes = from.get(&path).await.unwrap().bytes().await.unwrap();
            to.put(&path, bytes.into()).await.unwrap();
        }
    }
}
