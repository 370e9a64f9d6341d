//! Parts of files, files of others, and files that are not what they should be.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{
    DictionaryArray, Float64Array, Int32Array, Int64Array, StringArray, UInt64Array,
};
use arrow_schema::{DataType, TimeUnit};
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::super::Limits;
use super::super::samples::{
    Dice, Nulls, dictionary, encode, everything, leaf_types, open, open_segment, read_part,
    read_segment, sample,
};
use super::*;
use crate::error::ErrorKind;

/// Waits for a read as the store does, where tasks can be begun: steps are decoded in some.
fn block_on<F: Future>(read: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(read)
}

mod cost;
mod kept;

/// A segment with a column of numbers, one of text, one of lists, one of categories and one of floats.
fn segment(rows: usize) -> (RecordBatch, Bytes) {
    let mut dice = Dice::new(11);
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    let fields = [
        ("text", DataType::Utf8View),
        ("list", list),
        ("category", dictionary(DataType::Int8, DataType::Utf8)),
        ("float", DataType::Float64),
    ];
    let mut schema = vec![Field::new("row", DataType::Int64, false)];
    let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(0..rows as i64))];
    for (name, data_type) in fields {
        let field = Field::new(name, data_type, true);
        columns.push(sample(&field, rows, Nulls::Some, &mut dice));
        schema.push(field);
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(schema)), columns).unwrap();
    let segments = encode(
        &batch.schema(),
        std::slice::from_ref(&batch),
        Limits::default(),
    );
    (batch, segments[0].bytes.clone())
}

fn part(columns: Option<Vec<usize>>, offset: u64, limit: Option<u64>) -> Rows {
    Rows {
        columns,
        offset,
        limit,
        hidden: None,
        batch_rows: 1_000,
    }
}

fn whole(batches: &[RecordBatch]) -> RecordBatch {
    concat_batches(&batches[0].schema(), batches).unwrap()
}

#[test]
fn any_range_of_rows_is_that_slice() {
    let (batch, bytes) = segment(50_000);
    let schema = batch.schema();
    for (offset, limit) in [
        (0, 1),
        (0, 20_000),
        (19_999, 2),
        (20_000, 20_000),
        (33_333, 9),
        (49_999, 5),
    ] {
        let back = read_part(&bytes, &schema, part(None, offset, Some(limit)));
        let rows = limit.min(50_000 - offset);
        assert_eq!(whole(&back), batch.slice(offset as usize, rows as usize));
        assert!(back.iter().all(|batch| batch.num_rows() <= 1_000));
    }
    for (offset, limit) in [
        (50_000, None),
        (90_000, Some(1)),
        (0, Some(0)),
        (u64::MAX, Some(u64::MAX)),
    ] {
        assert!(read_part(&bytes, &schema, part(None, offset, limit)).is_empty());
    }
    let rest = read_part(&bytes, &schema, part(None, 41_000, None));
    assert_eq!(whole(&rest), batch.slice(41_000, 9_000));
}

#[test]
fn rows_read_in_steps_are_the_same() {
    const ROWS: u64 = 150_000;
    let (batch, _) = segment(ROWS as usize);
    let schema = batch.schema();
    let segment = encode(&schema, std::slice::from_ref(&batch), Limits::default()).remove(0);
    let hidden: RoaringBitmap = (10_000..90_000).chain([99_999, 149_999]).collect();
    for (offset, limit) in [
        (0, None),
        (0, Some(1)),
        (19_999, Some(40_002)),
        (60_000, Some(60_000)),
        (149_998, None),
        (ROWS, None),
    ] {
        for hidden in [None, Some(Arc::new(hidden.clone()))] {
            for columns in [None, Some(vec![3, 0])] {
                let rows = Rows {
                    hidden: hidden.clone(),
                    batch_rows: 7_000,
                    ..part(columns, offset, limit)
                };
                let [near, far] = [true, false].map(|near| {
                    let file = open_segment(&segment).near(near);
                    let read = read(file, Origin::Segment, &schema, rows.clone());
                    let batches = block_on(async { read.await.unwrap().try_collect().await });
                    let batches: Vec<RecordBatch> = batches.unwrap();
                    assert!(batches.iter().all(|batch| batch.num_rows() <= 7_000));
                    (!batches.is_empty()).then(|| whole(&batches))
                });
                assert_eq!(near, far, "{rows:?}");
            }
        }
    }
}

#[test]
fn columns_come_in_the_order_asked_for() {
    let (batch, bytes) = segment(3_000);
    for columns in [vec![4, 0], vec![3], vec![2, 1, 3], vec![0, 1, 2, 3, 4]] {
        let back = read_part(
            &bytes,
            &batch.schema(),
            part(Some(columns.clone()), 0, None),
        );
        assert_eq!(whole(&back), batch.project(&columns).unwrap());
    }
}

#[test]
fn no_columns_are_still_rows() {
    let (batch, bytes) = segment(3_000);
    let back = read_part(
        &bytes,
        &batch.schema(),
        part(Some(Vec::new()), 100, Some(2_500)),
    );
    let rows: Vec<usize> = back.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [1_000, 1_000, 500]);
    assert_eq!(back[0].num_columns(), 0);
}

#[test]
fn hidden_rows_are_left_out_wherever_they_are() {
    let (batch, _) = segment(50_000);
    let schema = batch.schema();
    let segment = encode(&schema, std::slice::from_ref(&batch), Limits::default()).remove(0);
    let mut dice = Dice::new(77);
    let some = RoaringBitmap::from_iter((0..50_000).filter(|_| dice.below(3) == 0));
    let mut runs = RoaringBitmap::new();
    runs.insert_range(0..10);
    runs.insert_range(15_000..45_000);
    let mut all = RoaringBitmap::new();
    all.insert_range(0..50_000);
    for hidden in [some, runs, all, RoaringBitmap::new()] {
        for (offset, limit) in [
            (0, None),
            (5, Some(30_000)),
            (15_000, Some(30_000)),
            (19_999, Some(2)),
            (44_990, None),
            (60_000, None),
        ] {
            let end = limit.map_or(50_000, |limit| (offset + limit).min(50_000));
            let visible = (offset..end).filter(|row| !hidden.contains(*row as u32));
            let visible = UInt64Array::from_iter_values(visible);
            let expected = arrow_select::take::take_record_batch(&batch, &visible).unwrap();
            for columns in [None, Some(vec![])] {
                let rows = Rows {
                    hidden: Some(Arc::new(hidden.clone())),
                    ..part(columns.clone(), offset, limit)
                };
                let back = read_segment(&segment, &schema, rows);
                let count: usize = back.iter().map(RecordBatch::num_rows).sum();
                assert_eq!(count, expected.num_rows(), "{offset} {limit:?}");
                if columns.is_none() && count > 0 {
                    assert_eq!(whole(&back), expected, "{offset} {limit:?}");
                }
            }
        }
    }
}

#[test]
fn what_a_frame_learned_later_is_null_in_older_segments() {
    let (batch, bytes) = segment(10);
    let mut fields: Vec<FieldRef> = batch.schema().fields().iter().cloned().collect();
    fields[0] = Arc::new(Field::new("row", DataType::Int64, true));
    fields.insert(
        1,
        Arc::new(Field::new(
            "later",
            dictionary(DataType::Int8, DataType::Utf8),
            true,
        )),
    );
    let schema = Arc::new(Schema::new(fields.clone()));
    let back = read_part(&bytes, &schema, everything(100));
    assert_eq!(back[0].schema(), schema);
    assert_eq!(back[0].column(0), batch.column(0));
    assert_eq!(back[0].column(1).null_count(), 10);
    assert_eq!(back[0].column(2), batch.column(1));
    let only_later = read_part(&bytes, &schema, part(Some(vec![1]), 3, None));
    assert_eq!(only_later[0].num_rows(), 7);

    fields.push(Arc::new(Field::new("needed", DataType::Int8, false)));
    let schema = Arc::new(Schema::new(fields));
    let file = open(&bytes);
    let error = block_on(read(file, Origin::Segment, &schema, everything(10)))
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("needed"), "{error}");
}

#[test]
fn another_type_than_the_frame_has_is_damage() {
    let (batch, bytes) = segment(10);
    for data_type in leaf_types() {
        for column in 0..5 {
            if batch.column(column).data_type() == &data_type {
                continue;
            }
            let mut fields: Vec<FieldRef> = batch.schema().fields().iter().cloned().collect();
            fields[column] = Arc::new(Field::new(fields[column].name(), data_type.clone(), true));
            let schema = Arc::new(Schema::new(fields));
            let outcome = outcome(&bytes, &schema);
            // Some types differ in nothing that a file shows, so they are read as what they are said to be.
            if let Err(error) = outcome {
                assert_eq!(error.kind(), ErrorKind::Damaged, "{data_type}: {error}");
                assert!(error.to_string().contains("one.parquet"), "{error}");
            }
        }
    }
}

/// Reads a file that may be damaged, as a caller would: until the end or the first error.
fn outcome(bytes: &Bytes, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
    let file = open(bytes);
    block_on(async {
        let mut batches = read(file, Origin::Segment, schema, everything(64)).await?;
        let mut good = Vec::new();
        while let Some(batch) = batches.next().await {
            good.push(batch?);
        }
        Ok(good)
    })
}

#[test]
fn damaged_files_are_errors_that_name_them() {
    let (batch, bytes) = segment(300);
    let schema = batch.schema();
    let mut dice = Dice::new(9);
    let mut found = 0;
    for round in 0..600 {
        let mut broken = bytes.to_vec();
        match round % 3 {
            0 => broken.truncate(dice.below(bytes.len() as u64) as usize),
            1 => {
                let at = dice.below(bytes.len() as u64) as usize;
                broken[at] = dice.roll() as u8;
            }
            _ => {
                for _ in 0..20 {
                    let at = dice.below(bytes.len() as u64) as usize;
                    broken[at] ^= 1 << dice.below(8);
                }
            }
        }
        if let Err(error) = outcome(&broken.into(), &schema) {
            found += 1;
            assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
            assert!(
                error.to_string().contains("frame/segments/one.parquet"),
                "{error}"
            );
        }
    }
    assert!(found > 300, "{found}");
    for nonsense in [
        &b""[..],
        b"PAR1",
        b"PAR1PAR1",
        b"not a Parquet file at all, but long enough for one",
    ] {
        let error = outcome(&Bytes::from_static(nonsense), &schema).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
    }
}

#[test]
fn a_missing_file_is_damage_and_a_shorter_one_too() {
    let (batch, bytes) = segment(10);
    let store: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
    let file = ObjectReader::new(store, Path::from("gone.parquet"), 4_000);
    let error = block_on(read(file, Origin::Segment, &batch.schema(), everything(10)))
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("gone.parquet"), "{error}");
    let mut file = open(&bytes.slice(..bytes.len() / 2));
    file = ObjectReader::new(
        Arc::clone(file.store()),
        file.path().clone(),
        bytes.len() as u64,
    );
    let error = block_on(read(file, Origin::Segment, &batch.schema(), everything(10)))
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("it ends before"), "{error}");
}

/// A file as another program writes it.
fn foreign(batches: &[RecordBatch]) -> Bytes {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(100))
        .build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap().into()
}

#[test]
fn files_of_others_are_read_as_they_describe_themselves() {
    let mut dice = Dice::new(21);
    let item = Arc::new(Field::new("array", DataType::Utf8, true));
    let fields = vec![
        Field::new("number", DataType::UInt16, false),
        Field::new(
            "time",
            DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into())),
            true,
        ),
        Field::new("list", DataType::LargeList(item), true),
        Field::new(
            "category",
            dictionary(DataType::UInt32, DataType::Utf8),
            true,
        ),
        Field::new("text", DataType::LargeUtf8, true),
    ];
    let metadata = [("pandas".to_owned(), "{}".to_owned())].into();
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let columns = schema
        .fields()
        .iter()
        .map(|field| sample(field, 350, Nulls::Some, &mut dice))
        .collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let bytes = foreign(std::slice::from_ref(&batch));
    let plain = block_on(plain_schema(open(&bytes))).unwrap();
    assert_eq!(plain.rows, 350);
    assert_eq!(plain.schema, schema);
    for (offset, limit) in [(0, None), (95, Some(110)), (300, None)] {
        let file = open(&bytes);
        let back: Vec<RecordBatch> = block_on(async {
            let rows = part(None, offset, limit);
            let batches = read(file, Origin::Plain, &plain.schema, rows)
                .await
                .unwrap();
            batches.map(Result::unwrap).collect().await
        });
        let rows = limit.unwrap_or(350 - offset);
        assert_eq!(whole(&back), batch.slice(offset as usize, rows as usize));
    }
}

#[test]
fn small_keys_in_files_of_others_are_widened() {
    let field = Field::new("c", dictionary(DataType::Int8, DataType::Utf8), false);
    let schema = Arc::new(Schema::new(vec![field]));
    let batches: Vec<RecordBatch> = (0..3)
        .map(|batch| {
            let names = (0..100).map(|name| format!("{batch} {name}"));
            let values = StringArray::from_iter_values(names);
            let array = DictionaryArray::<arrow_array::types::Int8Type>::new(
                (0..100).collect(),
                Arc::new(values),
            );
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(array)]).unwrap()
        })
        .collect();
    let bytes = foreign(&batches);
    let plain = block_on(plain_schema(open(&bytes))).unwrap();
    assert_eq!(
        plain.schema.field(0).data_type(),
        &dictionary(DataType::Int32, DataType::Utf8)
    );
    let back: Vec<RecordBatch> = block_on(async {
        let rows = everything(1_000);
        let batches = read(open_later(&bytes).await, Origin::Plain, &plain.schema, rows)
            .await
            .unwrap();
        batches.map(Result::unwrap).collect().await
    });
    let names: Vec<String> = back
        .iter()
        .flat_map(|batch| {
            let column = batch.column(0).as_dictionary::<Int32Type>();
            let names = column.downcast_dict::<StringArray>().unwrap();
            names
                .into_iter()
                .map(|name| name.unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(names.len(), 300);
    assert_eq!(names[299], "2 99");
}

async fn open_later(bytes: &Bytes) -> ObjectReader {
    use object_store::ObjectStoreExt;
    let store: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
    let path = Path::from("plain.parquet");
    store.put(&path, bytes.clone().into()).await.unwrap();
    ObjectReader::new(store, path, bytes.len() as u64)
}

#[test]
fn dictionaries_of_numbers_in_files_of_others_are_dictionaries() {
    let values: ArrayRef = Arc::new(Int64Array::from(vec![30, 10, 20]));
    let keys = Int32Array::from(vec![Some(2), Some(2), None, Some(0)]);
    let array: ArrayRef = Arc::new(DictionaryArray::new(keys, values));
    let batch = RecordBatch::try_from_iter_with_nullable([("n", array, true)]).unwrap();
    let bytes = foreign(std::slice::from_ref(&batch));
    let plain = block_on(plain_schema(open(&bytes))).unwrap();
    assert_eq!(
        plain.schema.field(0).data_type(),
        &dictionary(DataType::Int32, DataType::Int64)
    );
    let file = open(&bytes);
    let back: Vec<RecordBatch> = block_on(async {
        let batches = read(file, Origin::Plain, &plain.schema, everything(10))
            .await
            .unwrap();
        batches.map(Result::unwrap).collect().await
    });
    let plain = arrow_cast::cast(back[0].column(0), &DataType::Int64).unwrap();
    let expected = Int64Array::from(vec![Some(20), Some(20), None, Some(30)]);
    assert_eq!(plain.as_primitive::<Int64Type>(), &expected);
}

#[test]
fn files_of_others_that_cannot_be_frames_are_refused() {
    let number: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let twice = vec![
        Field::new("n", DataType::Int32, false),
        Field::new("n", DataType::Int32, false),
    ];
    let columns = vec![Arc::clone(&number), number];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(twice)), columns).unwrap();
    let error = block_on(plain_schema(open(&foreign(&[batch])))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    let error = block_on(plain_schema(open(&Bytes::from_static(b"not Parquet")))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
}

#[test]
fn a_text_that_stands_in_every_row_makes_small_batches() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["long ".repeat(12_000); 600]));
    let number: ArrayRef = Arc::new(Int64Array::from_iter_values(0..600));
    let batch = RecordBatch::try_from_iter([("text", text), ("number", number)]).unwrap();
    let schema = batch.schema();
    let segment = encode(&schema, std::slice::from_ref(&batch), Limits::default()).remove(0);
    assert!(segment.bytes.len() < 100_000);
    let batches = read_part(&segment.bytes, &schema, everything(65_536));
    assert!(
        batches.iter().all(|batch| batch.num_rows() <= 34),
        "{} batches",
        batches.len()
    );
    assert_eq!(whole(&batches), batch);
    let numbers = part(Some(vec![1]), 0, None);
    assert_eq!(read_part(&segment.bytes, &schema, numbers).len(), 1);
}

#[test]
fn rows_that_are_too_much_for_one_array_are_read_in_smaller_batches() {
    let (batch, bytes) = segment(100);
    let overflow = Error::damaged("a segment", "index overflow decoding byte array");
    let progress = Progress {
        reading: Reading {
            file: super::super::samples::open(&bytes),
            origin: Origin::Segment,
            schema: batch.schema(),
        },
        batches: stream::iter([Ok(batch.slice(0, 10)), Err(overflow)]).boxed(),
        rows: Rows {
            batch_rows: 64,
            ..part(None, 0, Some(90))
        },
        taken: 0,
    };
    let rest: Vec<RecordBatch> =
        block_on(stream::try_unfold(progress, Progress::next).try_collect()).unwrap();
    let sizes: Vec<usize> = rest.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(sizes, [10, 32, 32, 16]);
    assert_eq!(whole(&rest), batch.slice(0, 90));
}

#[test]
fn rows_that_are_read_again_are_those_that_were_not_hidden() {
    let (batch, bytes) = segment(100);
    let hidden: RoaringBitmap = [0, 3, 4, 11, 12, 13, 50, 99].into();
    let kept = UInt64Array::from_iter_values((0..90).filter(|row| !hidden.contains(*row as u32)));
    let expected = arrow_select::take::take_record_batch(&batch, &kept).unwrap();
    for taken in [0, 1, 7, 8, 10, 40] {
        let overflow = Error::damaged("a segment", "index overflow decoding byte array");
        let progress = Progress {
            reading: Reading {
                file: open(&bytes),
                origin: Origin::Segment,
                schema: batch.schema(),
            },
            batches: stream::iter([Ok(expected.slice(0, taken)), Err(overflow)]).boxed(),
            rows: Rows {
                batch_rows: 64,
                hidden: Some(Arc::new(hidden.clone())),
                ..part(None, 0, Some(90))
            },
            taken: 0,
        };
        let rest: Vec<RecordBatch> =
            block_on(stream::try_unfold(progress, Progress::next).try_collect()).unwrap();
        assert_eq!(whole(&rest), expected);
    }
}
