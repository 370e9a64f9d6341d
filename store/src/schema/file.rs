//! The bytes a schema is kept as, and the hash it is known by.
//!
//! A schema file is one encapsulated Arrow IPC schema message: the form in which the schema travels over Flight, so
//! everything Arrow knows about it survives (nullability, metadata of schema and fields, ordered dictionaries), and
//! any Arrow library can open it. Equal schemas give equal bytes, metadata being written in the order of its keys,
//! so the hash names the schema and a schema is stored once however often it is put.

use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions, write_message};
use arrow_schema::Schema;
use bytes::Bytes;

use crate::error::{Error, Result};

/// A schema as it is stored: its bytes and the BLAKE3 hash (hex) of them, which is its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaFile {
    pub(crate) bytes: Bytes,
    pub(crate) hash: String,
}

/// The stored form of `schema`.
pub(crate) fn encode(schema: &Schema) -> Result<SchemaFile> {
    let options = IpcWriteOptions::default();
    let mut dictionaries = DictionaryTracker::new(false);
    let message = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
        schema,
        &mut dictionaries,
        &options,
    );
    let mut bytes = Vec::new();
    write_message(&mut bytes, message, &options)
        .map_err(|problem| Error::io("encoding a schema", problem))?;
    let hash = blake3::hash(&bytes).to_hex().to_string();
    Ok(SchemaFile {
        bytes: bytes.into(),
        hash,
    })
}

/// The schema stored as `bytes` under `hash`.
///
/// The hash is checked first: it is what makes sure that the bytes are a message somebody encoded, which the
/// decoder below relies on.
pub(crate) fn decode(hash: &str, bytes: &[u8]) -> Result<Schema> {
    let object = || format!("schema {hash}");
    let found = blake3::hash(bytes).to_hex();
    if found.as_str() != hash {
        return Err(Error::damaged(
            object(),
            format!("its bytes hash to {found}"),
        ));
    }
    arrow_ipc::convert::try_schema_from_ipc_buffer(bytes)
        .map_err(|problem| Error::damaged(object(), problem))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow_schema::{DataType, Field, Fields, Schema};

    use super::*;
    use crate::error::ErrorKind;

    fn category(ordered: bool) -> DataType {
        let _ = ordered;
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))
    }

    fn rich() -> Schema {
        let grade = Field::new("grade", category(true), true)
            .with_dict_is_ordered(true)
            .with_metadata(HashMap::from([
                ("ARROW:extension:name".to_owned(), "acme.grade".to_owned()),
                ("b".to_owned(), "2".to_owned()),
                ("a".to_owned(), "1".to_owned()),
            ]));
        let plain = Field::new("plain", category(false), false);
        Schema::new_with_metadata(
            vec![
                grade.clone(),
                plain.clone(),
                Field::new(
                    "pair",
                    DataType::Struct(Fields::from(vec![grade, plain])),
                    false,
                ),
            ],
            (0..20)
                .map(|n| (format!("key {n}"), format!("value {n}")))
                .collect(),
        )
    }

    #[test]
    fn everything_about_a_schema_survives() {
        let schema = rich();
        let file = encode(&schema).unwrap();
        let back = decode(&file.hash, &file.bytes).unwrap();
        assert_eq!(schema, back);
        // Fields compare equal whatever their dictionaries' order is, so that is asked for by name.
        assert_eq!(back.field(0).dict_is_ordered(), Some(true));
        assert_eq!(back.field(1).dict_is_ordered(), Some(false));
        let DataType::Struct(pair) = back.field(2).data_type() else {
            panic!("{back}")
        };
        assert_eq!(pair[0].dict_is_ordered(), Some(true));
    }

    #[test]
    fn equal_schemas_have_equal_hashes_and_different_ones_do_not() {
        let hash = encode(&rich()).unwrap().hash;
        assert_eq!(hash, encode(&rich()).unwrap().hash);
        let file = encode(&rich()).unwrap();
        let back = decode(&file.hash, &file.bytes).unwrap();
        assert_eq!(hash, encode(&back).unwrap().hash);
        let other = Schema::new(rich().fields().clone());
        assert_ne!(hash, encode(&other).unwrap().hash);
    }

    #[test]
    fn changed_bytes_are_damage() {
        let file = encode(&rich()).unwrap();
        for at in [0, 9, file.bytes.len() / 2, file.bytes.len() - 1] {
            let mut bytes = file.bytes.to_vec();
            bytes[at] ^= 1;
            let error = decode(&file.hash, &bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged);
            assert!(error.to_string().contains(&file.hash), "{error}");
        }
    }
}
