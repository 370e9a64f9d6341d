//! Joining batches into larger ones, the opposite of [`split`](crate::split()).

use arrow_array::{Array, RecordBatch};
use arrow_data::ArrayData;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::concat::concat_batches;

use crate::{Error, encoded_size};

/// Gathers batches until they are as large as is wanted, and joins them.
///
/// Batches whose dictionaries differ are not joined: that would make new dictionaries, and order, unused values and the
/// type of the keys belong to the rows.
#[derive(Debug)]
pub struct Joiner {
    schema: SchemaRef,
    bytes: usize,
    gathered: Vec<RecordBatch>,
    gathered_bytes: usize,
}

impl Joiner {
    /// A joiner of batches of one schema, into batches of at most so many bytes ([`encoded_size`]).
    #[must_use]
    pub fn new(schema: SchemaRef, bytes: usize) -> Self {
        Self {
            schema,
            bytes,
            gathered: Vec::new(),
            gathered_bytes: 0,
        }
    }

    /// Takes a batch, and gives those before it, joined, if it does not go with them.
    ///
    /// # Errors
    /// If a batch is of another schema.
    pub fn push(&mut self, batch: RecordBatch) -> Result<Option<RecordBatch>, Error> {
        let bytes = encoded_size(&batch);
        let fits = bytes.saturating_add(self.gathered_bytes) <= self.bytes
            && self
                .gathered
                .last()
                .is_none_or(|last| goes_with(last, &batch));
        let joined = if fits { None } else { self.finish()? };
        self.gathered_bytes += bytes;
        self.gathered.push(batch);
        Ok(joined)
    }

    /// What was gathered, joined; nothing if nothing was.
    ///
    /// # Errors
    /// If a batch is of another schema.
    pub fn finish(&mut self) -> Result<Option<RecordBatch>, Error> {
        self.gathered_bytes = 0;
        let gathered = std::mem::take(&mut self.gathered);
        if gathered.len() < 2 {
            return Ok(gathered.into_iter().next());
        }
        let joined = concat_batches(&self.schema, &gathered);
        joined.map(Some).map_err(Error::Batch)
    }
}

/// Whether two batches have the same dictionaries.
fn goes_with(one: &RecordBatch, other: &RecordBatch) -> bool {
    let pairs = one.columns().iter().zip(other.columns());
    pairs
        .filter(|(column, _)| has_dictionary(column.data_type()))
        .all(|(one, other)| have_same_dictionaries(&one.to_data(), &other.to_data()))
}

fn has_dictionary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Dictionary(..))
        || crate::schema::children(data_type)
            .into_iter()
            .any(|child| has_dictionary(child.data_type()))
}

fn have_same_dictionaries(one: &ArrayData, other: &ArrayData) -> bool {
    let mut children = one.child_data().iter().zip(other.child_data());
    match one.data_type() {
        DataType::Dictionary(..) => children.all(|(one, other)| one.ptr_eq(other)),
        _ => children.all(|(one, other)| have_same_dictionaries(one, other)),
    }
}
