//! Schemas on their own, as `FlightInfo` and `SchemaResult` carry them, and what the IPC
//! format can say about a schema.

use std::sync::Arc;

use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions, write_message};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, UnionFields};
use bytes::Bytes;

use crate::Error;
use crate::decode::{root, schema_of, unpanicked};

/// What an encapsulated message begins with, before its length.
const CONTINUATION: [u8; 4] = [0xff; 4];
const LENGTH_BYTES: usize = 4;

/// The schema as an encapsulated IPC message: marker, length, flatbuffer, padding.
///
/// This is what Flight wants in `FlightInfo.schema` and `SchemaResult.schema`, and what
/// [`read_schema_message`] and pyarrow's `FlightInfo.schema` read.
///
/// ```
/// use arrow_schema::{DataType, Field, Schema};
///
/// let schema = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
/// let message = shoots_flight::schema_message(&schema)?;
/// assert_eq!(shoots_flight::read_schema_message(&message)?, schema);
/// # Ok::<_, shoots_flight::Error>(())
/// ```
pub fn schema_message(schema: &Schema) -> Result<Bytes, Error> {
    check_supported(schema)?;
    let options = IpcWriteOptions::default();
    let encoded = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
        schema,
        &mut DictionaryTracker::new(false),
        &options,
    );
    let mut message = Vec::new();
    write_message(&mut message, encoded, &options).map_err(Error::Encode)?;
    Ok(message.into())
}

/// Reads what [`schema_message`] writes, from any peer.
pub fn read_schema_message(message: &[u8]) -> Result<Schema, Error> {
    let schema = unpanicked("a schema", || {
        // Older writers leave the marker out.
        let message = message.strip_prefix(&CONTINUATION).unwrap_or(message);
        let header = message.split_first_chunk::<LENGTH_BYTES>();
        schema_of(root(header.map_or(&[], |(_, header)| header))?)
    })?;
    Ok(without_dictionary_ids(&schema))
}

/// Refuses the one type that IPC metadata cannot express: a dictionary whose values are
/// themselves directly a dictionary.
pub(crate) fn check_supported(schema: &Schema) -> Result<(), Error> {
    schema
        .fields()
        .iter()
        .try_for_each(|field| check_type(field.name(), field.data_type()))
}

fn check_type(path: &str, data_type: &DataType) -> Result<(), Error> {
    match data_type {
        DataType::Dictionary(_, values) if matches!(**values, DataType::Dictionary(_, _)) => {
            Err(Error::Unsupported {
                column: path.to_string(),
                reason: "a dictionary's values cannot be a dictionary",
            })
        }
        DataType::Dictionary(_, values) => check_type(path, values),
        other => children(other).into_iter().try_for_each(|child| {
            check_type(&format!("{path}.{}", child.name()), child.data_type())
        }),
    }
}

/// The fields directly inside a type.
pub(crate) fn children(data_type: &DataType) -> Vec<&FieldRef> {
    match data_type {
        DataType::List(child)
        | DataType::LargeList(child)
        | DataType::ListView(child)
        | DataType::LargeListView(child)
        | DataType::FixedSizeList(child, _)
        | DataType::Map(child, _) => vec![child],
        DataType::Struct(fields) => fields.iter().collect(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| field).collect(),
        DataType::RunEndEncoded(ends, values) => vec![ends, values],
        _ => Vec::new(),
    }
}

/// The schema without the dictionary ids of the message it came in.
///
/// The ids mean something only to the messages of one stream, but arrow compares them when
/// it merges schemas, so they must not leave the decoder.
pub(crate) fn without_dictionary_ids(schema: &Schema) -> Schema {
    let fields: Fields = schema.fields().iter().map(clean_field).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

fn clean_field(field: &FieldRef) -> FieldRef {
    let mut clean = Field::new(
        field.name(),
        clean_type(field.data_type()),
        field.is_nullable(),
    )
    .with_metadata(field.metadata().clone());
    if let Some(ordered) = field.dict_is_ordered() {
        clean = clean.with_dict_is_ordered(ordered);
    }
    Arc::new(clean)
}

fn clean_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::List(child) => DataType::List(clean_field(child)),
        DataType::LargeList(child) => DataType::LargeList(clean_field(child)),
        DataType::ListView(child) => DataType::ListView(clean_field(child)),
        DataType::LargeListView(child) => DataType::LargeListView(clean_field(child)),
        DataType::FixedSizeList(child, size) => DataType::FixedSizeList(clean_field(child), *size),
        DataType::Map(child, sorted) => DataType::Map(clean_field(child), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(clean_field).collect()),
        DataType::Union(fields, mode) => {
            let clean: UnionFields = fields
                .iter()
                .map(|(type_id, field)| (type_id, clean_field(field)))
                .collect();
            DataType::Union(clean, *mode)
        }
        DataType::RunEndEncoded(ends, values) => {
            DataType::RunEndEncoded(clean_field(ends), clean_field(values))
        }
        DataType::Dictionary(keys, values) => {
            DataType::Dictionary(keys.clone(), Box::new(clean_type(values)))
        }
        other => other.clone(),
    }
}
