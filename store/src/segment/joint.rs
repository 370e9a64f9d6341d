//! How far segments can become one before their dictionaries would cut them apart again.
//!
//! A segment has one dictionary for all rows of a column, and keys of eight bits tell few values apart. So whether
//! neighbours fit into one segment can be said from their dictionaries alone, without encoding a row: by the same
//! rules as the encoder's.

use arrow_array::RecordBatch;

use super::Limits;
use super::categories::{self, Union};
use super::encoder::{batch_dictionaries, dictionary_bytes, invalid_rows};
use crate::error::Result;
use crate::schema::nested::dictionary_count;

/// The dictionaries of a segment that is thought of.
pub(crate) struct Joint {
    limits: Limits,
    unions: Vec<Union>,
}

impl Joint {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            unions: Vec::new(),
        }
    }

    /// Takes in the dictionaries of a batch. If they do not fit, says because of which column, and begins the next
    /// segment with them.
    pub(crate) fn take(&mut self, batch: &RecordBatch) -> Result<Option<String>> {
        let dictionaries: Vec<_> = batch_dictionaries(batch).into_iter().flatten().collect();
        if self.unions.is_empty() {
            self.unions = dictionaries.iter().map(Union::new).collect();
            return Ok(None);
        }
        let max_bytes = dictionary_bytes(self.limits);
        let to_blame = categories::take_in(&mut self.unions, &dictionaries, max_bytes);
        let Some(number) = to_blame.map_err(invalid_rows)? else {
            return Ok(None);
        };
        self.unions = dictionaries.iter().map(Union::new).collect();
        let schema = batch.schema();
        let owners = schema.fields().iter().flat_map(|field| {
            let count = dictionary_count(field.data_type());
            std::iter::repeat_n(field.name(), count)
        });
        Ok(Some(
            owners.into_iter().nth(number).cloned().unwrap_or_default(),
        ))
    }
}
