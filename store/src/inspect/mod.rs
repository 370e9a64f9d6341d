//! Looking at frames without changing them: what a state holds, where it lies, and how two states differ.
//!
//! | module | what it tells |
//! |---|---|
//! | [`describe`] | a state of a frame in numbers and names |
//! | [`files`] | the files in which its rows lie |
//! | [`diff`] | what leads from one state to another, as counts and as rows |

mod describe;
mod diff;
mod files;

use arrow_schema::{DataType, SchemaRef};

use crate::error::{Error, Result};
use crate::index::KeyValue;

/// The types of the columns that rows are sorted by.
fn index_types(schema: &SchemaRef, index: &[String]) -> Result<Vec<DataType>> {
    let types = index.iter().map(|name| {
        let field = schema.field_with_name(name);
        field.map(|field| field.data_type().clone())
    });
    types
        .collect::<Result<_, _>>()
        .map_err(|error| Error::io("finding the index", error))
}

/// A key as people read it.
fn readable(key: &[KeyValue], types: &[DataType]) -> Vec<serde_json::Value> {
    let values = key.iter().zip(types);
    values
        .map(|(value, data_type)| value.to_json(data_type))
        .collect()
}
