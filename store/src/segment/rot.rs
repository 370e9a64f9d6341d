//! Rot is never returned as rows: whatever happens to the bytes of a segment, a reader gets what was written or an
//! error that names the object.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::executor::block_on;
use object_store::ObjectStoreExt;

use super::samples::{
    Dice, Nulls, dictionary, encode, everything, leaf_types, open_segment, sample,
};
use super::verify::verify;
use super::*;
use crate::error::{Error, ErrorKind, Result};
use crate::log::commit::SegmentRecord;

const ROWS: usize = 45_000;

/// Rows of every kind of column, in several pages each.
fn rows(seed: u64) -> RecordBatch {
    let mut dice = Dice::new(seed);
    let list = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
    let mut types: Vec<DataType> = leaf_types().into_iter().step_by(4).collect();
    types.extend([
        DataType::Utf8,
        list,
        dictionary(DataType::Int8, DataType::Utf8),
        dictionary(DataType::UInt16, DataType::Int64),
    ]);
    let mut fields = vec![Field::new("row", DataType::Int64, false)];
    let numbers = Int64Array::from_iter_values(0..ROWS as i64);
    let mut columns: Vec<ArrayRef> = vec![Arc::new(numbers)];
    for (number, data_type) in types.into_iter().enumerate() {
        let field = Field::new(format!("c{number}"), data_type, true);
        columns.push(sample(&field, ROWS, Nulls::Some, &mut dice));
        fields.push(field);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn segment(batch: &RecordBatch) -> EncodedSegment {
    let mut segments = encode(
        &batch.schema(),
        std::slice::from_ref(batch),
        Limits::default(),
    );
    assert_eq!(segments.len(), 1);
    segments.remove(0)
}

fn record(segment: &EncodedSegment) -> SegmentRecord {
    SegmentRecord {
        id: "one".into(),
        rows: segment.rows,
        bytes: segment.bytes.len() as u64,
        hash: segment.hash.clone(),
        range: None,
        footer: Some(segment.footer.clone()),
    }
}

/// A reader of `segment` that finds other bytes, or no object.
fn replaced(segment: &EncodedSegment, bytes: Option<Bytes>) -> ObjectReader {
    let file = open_segment(segment);
    let changed = async {
        match bytes {
            Some(bytes) => file.store().put(file.path(), bytes.into()).await.map(drop),
            None => file.store().delete(file.path()).await,
        }
    };
    block_on(changed).unwrap();
    file
}

fn outcome(file: &ObjectReader, schema: &SchemaRef, part: Rows) -> Result<RecordBatch> {
    block_on(async {
        let batches = read(file.clone(), Origin::Segment, schema, part).await?;
        let batches: Vec<RecordBatch> = batches.try_collect().await?;
        Ok(concat_batches(batches[0].schema_ref(), &batches).unwrap())
    })
}

fn assert_names_the_object(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    let told = error.to_string();
    assert!(told.contains("frame/segments/one.parquet"), "{told}");
}

#[test]
fn no_flipped_bit_becomes_a_row() {
    let batch = rows(1);
    let schema = batch.schema();
    let segment = segment(&batch);
    let size = segment.bytes.len();
    let end = size - segment.footer.bytes as usize;
    let mut dice = Dice::new(2);
    let mut positions = vec![0, 3, 4, end - 1, end, end + 3, size - 8, size - 5, size - 1];
    positions.extend((0..130).map(|step| step * end / 130 + dice.below(1_000) as usize));
    positions.extend((0..60).map(|step| end + step * (size - end) / 60));
    for at in positions {
        let mut rotten = segment.bytes.to_vec();
        rotten[at] ^= 1 << dice.below(8);
        let file = replaced(&segment, Some(rotten.into()));
        assert_names_the_object(&outcome(&file, &schema, everything(65_536)).unwrap_err());
        let part = Rows {
            columns: Some(vec![0, schema.fields().len() - 2]),
            offset: 25_000,
            limit: Some(10),
            ..everything(100)
        };
        match outcome(&file, &schema, part) {
            Ok(rows) => {
                let columns = [0, schema.fields().len() - 2];
                let expected = batch.slice(25_000, 10).project(&columns).unwrap();
                assert_eq!(rows, expected, "byte {at}");
            }
            Err(error) => assert_names_the_object(&error),
        }
        let error = block_on(verify(&file, &record(&segment))).unwrap_err();
        assert_names_the_object(&error);
    }
}

#[test]
fn a_small_segment_that_is_read_at_once_is_checked_too() {
    let batch = rows(3).slice(0, 20);
    let schema = batch.schema();
    let segment = segment(&batch);
    assert!(segment.bytes.len() < 64 << 10);
    for at in (0..segment.bytes.len()).step_by(101) {
        let mut rotten = segment.bytes.to_vec();
        rotten[at] ^= 4;
        let file = replaced(&segment, Some(rotten.into()));
        assert_names_the_object(&outcome(&file, &schema, everything(100)).unwrap_err());
    }
}

#[test]
fn truncated_swapped_and_missing_objects_are_damage() {
    let batch = rows(4);
    let schema = batch.schema();
    let segment = segment(&batch);
    let size = segment.bytes.len();
    let other = super::rot::segment(&rows(5)).bytes;
    let mut patched = other.to_vec();
    patched.resize(size, 0);
    let mut same_end = vec![0; size];
    let end = size - segment.footer.bytes as usize;
    same_end[end..].copy_from_slice(&segment.bytes[end..]);
    for bytes in [
        Some(segment.bytes.slice(..size - 1)),
        Some(segment.bytes.slice(..size / 2)),
        Some(segment.bytes.slice(1..)),
        Some(Bytes::new()),
        Some(other),
        Some(patched.into()),
        Some(same_end.into()),
        None,
    ] {
        let file = replaced(&segment, bytes);
        assert_names_the_object(&outcome(&file, &schema, everything(65_536)).unwrap_err());
        let error = block_on(verify(&file, &record(&segment))).unwrap_err();
        assert_names_the_object(&error);
    }
}

#[test]
fn a_longer_object_is_found_by_verifying_and_reads_as_it_was_written() {
    let batch = rows(6);
    let segment = segment(&batch);
    let longer = [&segment.bytes[..], b"more"].concat();
    let file = replaced(&segment, Some(longer.into()));
    let read = outcome(&file, &batch.schema(), everything(65_536)).unwrap();
    assert_eq!(read, batch);
    let error = block_on(verify(&file, &record(&segment))).unwrap_err();
    assert_names_the_object(&error);
    assert!(error.to_string().contains("bytes, "), "{error}");
    block_on(verify(&open_segment(&segment), &record(&segment))).unwrap();
}

#[test]
fn rot_is_found_when_the_footer_is_remembered() {
    let batch = rows(7);
    let schema = batch.schema();
    let segment = segment(&batch);
    let footers = footer_cache(1 << 20);
    let file = open_segment(&segment).remembering(&footers);
    assert_eq!(outcome(&file, &schema, everything(65_536)).unwrap(), batch);
    let mut rotten = segment.bytes.to_vec();
    rotten[segment.bytes.len() / 2] ^= 1;
    for bytes in [Some(rotten.into()), Some(Bytes::new()), None] {
        let file = replaced(&segment, bytes).remembering(&footers);
        assert_names_the_object(&outcome(&file, &schema, everything(65_536)).unwrap_err());
    }
}

#[test]
fn a_record_of_another_segment_is_damage() {
    let batch = rows(8);
    let segment = segment(&batch);
    let other = super::rot::segment(&rows(9));
    let mut longer = segment.footer.clone();
    longer.bytes = u64::MAX;
    let mut shorter = segment.footer.clone();
    shorter.bytes = 3;
    for footer in [other.footer, longer, shorter] {
        let file = open_segment(&segment).checked(Some(&footer));
        let error = outcome(&file, &batch.schema(), everything(65_536)).unwrap_err();
        assert_names_the_object(&error);
    }
}
