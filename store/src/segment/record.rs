//! Where a segment records its dictionaries, and how they are found again.
//!
//! Each dictionary lies between the pages and the footer of the file, where Parquet's readers do not look. One entry
//! of the footer says which dictionary of which column lies where, and the hash of its bytes: nothing else would
//! tell that they rotted.

use arrow_schema::Schema;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::writer::SerializedFileWriter;
use serde::{Deserialize, Serialize};

use super::categories::{Recorded, Union};
use super::object::ObjectReader;
use super::reader::failed;
use crate::error::{Error, Result};
use crate::schema::nested::dictionary_count;

/// Where one dictionary of a segment is recorded: the `number`th (from 0, depth first) of a column.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DictionaryRecord {
    column: String,
    number: usize,
    offset: u64,
    length: u64,
    /// BLAKE3 of the bytes, in hex.
    hash: String,
}

impl DictionaryRecord {
    /// The footer entry with all records.
    pub(crate) const KEY: &str = "shoots.dictionaries";

    fn all(metadata: &ParquetMetaData, file: &ObjectReader) -> Result<Vec<Self>> {
        let entry = metadata
            .file_metadata()
            .key_value_metadata()
            .and_then(|entries| entries.iter().find(|entry| entry.key == Self::KEY))
            .and_then(|entry| entry.value.as_deref());
        match entry {
            Some(json) => {
                serde_json::from_str(json).map_err(|problem| Error::damaged(file.path(), problem))
            }
            None => Ok(Vec::new()),
        }
    }
}

/// Writes the dictionaries of all columns behind the pages, and the entry that says where they are.
pub(crate) fn write(
    file: &mut SerializedFileWriter<Vec<u8>>,
    columns: &[(&String, Vec<Union>)],
) -> Result<()> {
    let mut records = Vec::new();
    for (column, unions) in columns {
        for (number, union) in unions.iter().enumerate() {
            let bytes = union
                .record()
                .map_err(|problem| Error::io("encoding a dictionary", problem))?;
            let offset = file.bytes_written() as u64;
            file.write_all(&bytes)
                .map_err(|problem| Error::io("encoding a segment", problem))?;
            records.push(DictionaryRecord {
                column: (*column).clone(),
                number,
                offset,
                length: bytes.len() as u64,
                hash: blake3::hash(&bytes).to_hex().to_string(),
            });
        }
    }
    if !records.is_empty() {
        let json = serde_json::to_string(&records)
            .map_err(|problem| Error::io("encoding a segment", problem))?;
        file.append_key_value_metadata(KeyValue::new(DictionaryRecord::KEY.to_owned(), json));
    }
    Ok(())
}

/// The recorded dictionaries of the columns in `wanted`: for each column one place for each dictionary it has.
pub(crate) async fn load(
    metadata: &ParquetMetaData,
    wanted: &Schema,
    file: &mut ObjectReader,
) -> Result<Vec<Vec<Option<Recorded>>>> {
    let mut places: Vec<Vec<Option<Recorded>>> = wanted
        .fields()
        .iter()
        .map(|field| {
            let count = dictionary_count(field.data_type());
            std::iter::repeat_with(|| None).take(count).collect()
        })
        .collect();
    if places.iter().all(Vec::is_empty) {
        return Ok(places);
    }
    let mut found = Vec::new();
    let mut ranges = Vec::new();
    for record in DictionaryRecord::all(metadata, file)? {
        if let Ok(column) = wanted.index_of(&record.column)
            && record.number < places[column].len()
        {
            ranges.push(record.offset..record.offset.saturating_add(record.length));
            found.push((column, record));
        }
    }
    if found.is_empty() {
        return Ok(places);
    }
    let parts = file
        .get_byte_ranges(ranges)
        .await
        .map_err(|problem| failed(file, problem))?;
    for ((column, record), bytes) in found.into_iter().zip(parts) {
        if blake3::hash(&bytes).to_hex().as_str() != record.hash {
            let problem = format!(
                "a dictionary of column {} is not what was written",
                record.column
            );
            return Err(Error::damaged(file.path(), problem));
        }
        let recorded =
            Recorded::parse(&bytes).map_err(|problem| Error::damaged(file.path(), problem))?;
        places[column][record.number] = Some(recorded);
    }
    Ok(places)
}
