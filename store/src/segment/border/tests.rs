//! Borders against a plain scan: every type, every layout of pages, bounds everywhere.

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow_row::{OwnedRow, RowConverter, SortField};
use bytes::Bytes;
use futures::executor::block_on;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::prelude::*;

use super::super::samples::{
    Dice, Nulls, dictionary, encode, leaf_types, one_column, open, open_segment, sample,
};
use super::super::{EncodedSegment, Limits, footer_cache};
use super::*;
use crate::error::ErrorKind;
use crate::objects::SegmentTraffic;

/// A bound: a value, and whether it lies before the bound itself.
#[derive(Clone)]
struct Bound {
    value: OwnedRow,
    taken: bool,
    converter: Arc<RowConverter>,
}

impl Bound {
    fn new(values: &ArrayRef, at: usize, taken: bool) -> Self {
        let field = SortField::new(values.data_type().clone());
        let converter = RowConverter::new(vec![field]).unwrap();
        let rows = converter
            .convert_columns(std::slice::from_ref(values))
            .unwrap();
        Self {
            value: rows.row(at).owned(),
            taken,
            converter: Arc::new(converter),
        }
    }

    fn lies_after(&self, values: &dyn Array) -> usize {
        let values = arrow_array::make_array(values.to_data());
        let rows = self.converter.convert_columns(&[values]).unwrap();
        let rows: Vec<_> = rows.iter().collect();
        assert!(rows.is_sorted(), "a bound is asked of sorted values only");
        rows.partition_point(|row| match self.taken {
            true => *row <= self.value.row(),
            false => *row < self.value.row(),
        })
    }
}

fn between(file: ObjectReader, schema: &SchemaRef, bounds: &[Bound; 2]) -> Result<Range<u64>> {
    let [below, through] = bounds;
    block_on(rows_between(
        file,
        schema,
        schema.fields().len() - 1,
        &|values| Ok(below.lies_after(values)),
        &|values| Ok(through.lies_after(values)),
    ))
}

/// How pages are laid out and described.
#[derive(Debug, Clone)]
struct Layout {
    page_rows: usize,
    statistics: EnabledStatistics,
    truncated: Option<usize>,
}

fn layouts() -> impl Strategy<Value = Layout> {
    let statistics = prop_oneof![
        8 => Just(EnabledStatistics::Page),
        1 => Just(EnabledStatistics::Chunk),
        1 => Just(EnabledStatistics::None),
    ];
    let truncated = prop_oneof![Just(None), Just(Some(1)), Just(Some(5)), Just(Some(64))];
    (1_usize..60, statistics, truncated).prop_map(|(page_rows, statistics, truncated)| Layout {
        page_rows,
        statistics,
        truncated,
    })
}

/// A file as the encoder lays columns out, but with small pages.
fn file_of(batch: &RecordBatch, layout: &Layout) -> Bytes {
    let schema = batch.schema();
    let stored: Vec<Field> = schema.fields().iter().map(|f| storage::form(f)).collect();
    let columns = batch
        .columns()
        .iter()
        .zip(&stored)
        .map(|(column, field)| storage::store(column, field).unwrap())
        .collect();
    let stored = Arc::new(Schema::new(stored));
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(matches!(
            schema.field(0).data_type(),
            DataType::Dictionary(..)
        ))
        .set_write_batch_size(layout.page_rows)
        .set_data_page_row_count_limit(layout.page_rows)
        .set_statistics_enabled(layout.statistics)
        .set_column_index_truncate_length(layout.truncated)
        .build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), Arc::clone(&stored), Some(properties)).unwrap();
    let batch = RecordBatch::try_new(stored, columns).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

fn orderable() -> Vec<DataType> {
    let unordered = |leaf: &DataType| matches!(leaf, DataType::Null | DataType::Interval(_));
    let mut types: Vec<DataType> = leaf_types()
        .into_iter()
        .filter(|leaf| !unordered(leaf))
        .collect();
    types.extend(
        [
            DataType::Utf8,
            DataType::Utf8View,
            DataType::LargeBinary,
            DataType::Int64,
            DataType::Decimal128(10, -5),
        ]
        .map(|values| dictionary(DataType::Int16, values)),
    );
    types
}

/// Values of a type without NaN, sorted; few different ones, so that equal ones span pages.
fn sorted(data_type: &DataType, count: usize, kinds: u64, dice: &mut Dice) -> ArrayRef {
    let plain = match data_type {
        DataType::Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    let field = Field::new("key", plain.clone(), false);
    let pool = sample(&field, 200, Nulls::None, dice);
    let numbers: Vec<u64> = (0..200)
        .filter(|at| {
            let value = pool.slice(*at, 1);
            let float = plain.is_floating();
            let value = float.then(|| arrow_cast::cast(&value, &DataType::Float64).unwrap());
            value.is_none_or(|value| !value.as_primitive::<Float64Type>().value(0).is_nan())
        })
        .map(|at| at as u64)
        .collect();
    let kinds = kinds.min(numbers.len() as u64);
    let chosen = (0..count).map(|_| numbers[dice.below(kinds) as usize]);
    let chosen = UInt64Array::from_iter_values(chosen);
    let values = arrow_select::take::take(&pool, &chosen, None).unwrap();
    let converter = RowConverter::new(vec![SortField::new(plain.clone())]).unwrap();
    let rows = converter
        .convert_columns(std::slice::from_ref(&values))
        .unwrap();
    let mut order: Vec<u64> = (0..count as u64).collect();
    order.sort_by_key(|at| rows.row(*at as usize));
    let order = UInt64Array::from(order);
    arrow_select::take::take(&values, &order, None).unwrap()
}

fn keyed(values: &ArrayRef, data_type: &DataType) -> RecordBatch {
    let array = match data_type {
        DataType::Dictionary(..) => {
            // Casting cannot make dictionaries of every type, the segments' own way can.
            let mut none = std::iter::empty();
            let stored = storage::form(&Field::new("key", values.data_type().clone(), false));
            let stored = storage::store(values, &stored).unwrap();
            storage::restore(&stored, data_type, &mut none).unwrap()
        }
        _ => Arc::clone(values),
    };
    one_column(Field::new("key", data_type.clone(), false), array)
}

fn check(data_type: &DataType, seed: u64, count: usize, kinds: u64, layout: &Layout) {
    let mut dice = Dice::new(seed);
    let all = sorted(data_type, count + 10, kinds, &mut dice);
    // Some values are cut off at both ends, to be bounds that lie outside.
    let values = all.slice(5, count);
    let batch = keyed(&values, data_type);
    let bytes = file_of(&batch, layout);
    for _ in 0..4 {
        let bounds = [(); 2].map(|()| {
            let at = dice.below(all.len() as u64) as usize;
            Bound::new(&all, at, dice.below(2) == 0)
        });
        let expected = bounds
            .each_ref()
            .map(|bound| bound.lies_after(&values) as u64);
        let expected = expected[0]..expected[1].max(expected[0]);
        let found = between(open(&bytes), &batch.schema(), &bounds).unwrap();
        assert_eq!(found, expected, "{data_type} {layout:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_range_of_any_type_is_found_exactly(
        number in 0..orderable().len(),
        seed: u64,
        count in 1_usize..300,
        kinds in 1_u64..60,
        layout in layouts(),
    ) {
        check(&orderable()[number], seed, count, kinds, &layout);
    }
}

#[test]
fn every_orderable_type_is_searched() {
    let layout = Layout {
        page_rows: 7,
        statistics: EnabledStatistics::Page,
        truncated: Some(64),
    };
    for data_type in orderable() {
        check(&data_type, 5, 100, 30, &layout);
    }
}

#[test]
fn texts_that_differ_behind_the_cut_of_their_statistics_are_told_apart() {
    let texts = (0..500).map(|number| format!("{}{number:04}", "long ".repeat(20)));
    let values: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    let batch = keyed(&values, &DataType::Utf8);
    let layout = Layout {
        page_rows: 10,
        statistics: EnabledStatistics::Page,
        truncated: Some(64),
    };
    let bytes = file_of(&batch, &layout);
    let bounds = [
        Bound::new(&values, 123, false),
        Bound::new(&values, 321, true),
    ];
    let found = between(open(&bytes), &batch.schema(), &bounds).unwrap();
    assert_eq!(found, 123..322);
}

/// A million rising floats beside other columns.
fn million() -> (SchemaRef, ArrayRef, EncodedSegment) {
    let mut dice = Dice::new(3);
    let mut level = 0.0;
    let keys = Float64Array::from_iter_values((0..1_000_000).map(|_| {
        level += dice.below(1 << 40) as f64 / 7.0;
        level
    }));
    let keys: ArrayRef = Arc::new(keys);
    let other: ArrayRef = Arc::new(UInt64Array::from_iter_values(
        (0..1_000_000).map(|_| dice.roll()),
    ));
    let batch = RecordBatch::try_from_iter([("other", other), ("key", Arc::clone(&keys))]).unwrap();
    let schema = batch.schema();
    let segment = encode(&schema, &[batch], Limits::default()).remove(0);
    (schema, keys, segment)
}

#[test]
fn finding_a_range_costs_the_pages_at_its_ends() {
    let (schema, keys, segment) = million();
    let footers = footer_cache(1 << 20);
    let footer = segment.footer.bytes;
    let column = 8_000_000;
    let fetched = |first: usize, last: usize| {
        let traffic = Arc::new(SegmentTraffic::default());
        let file = open_segment(&segment)
            .counting(&traffic)
            .remembering(&footers);
        let bounds = [
            Bound::new(&keys, first, false),
            Bound::new(&keys, last, true),
        ];
        let found = between(file, &schema, &bounds).unwrap();
        assert_eq!(found, first as u64..last as u64 + 1);
        traffic.bytes()
    };
    let cold = fetched(444_444, 444_448);
    assert!(cold < column / 20 + footer, "{cold}");
    let warm = fetched(444_444, 444_448);
    assert_eq!(warm, cold - footer);
    let apart = fetched(100_000, 900_000);
    assert!(apart < column / 10, "{apart}");
    let before_all = fetched(0, 10);
    assert!(before_all < column / 20, "{before_all}");
}

#[test]
fn rows_that_are_not_sorted_are_damage_or_some_answer_and_never_a_panic() {
    let values: ArrayRef = Arc::new(UInt64Array::from_iter_values((0..100).rev()));
    let batch = keyed(&values, &DataType::UInt64);
    let layout = Layout {
        page_rows: 10,
        statistics: EnabledStatistics::Page,
        truncated: None,
    };
    let bytes = file_of(&batch, &layout);
    let before = |bound: u64| {
        move |values: &dyn Array| {
            let values = values.as_primitive::<arrow_array::types::UInt64Type>();
            Ok(values.values().partition_point(|value| *value < bound))
        }
    };
    for bound in 0..110 {
        let (below, through) = (before(bound), before(bound + 1));
        let found = rows_between(open(&bytes), batch.schema_ref(), 0, &below, &through);
        match block_on(found) {
            Ok(rows) => assert!(rows.start <= rows.end),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Damaged);
                assert!(
                    error.to_string().contains("sorted by column key"),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn a_bound_that_fails_ends_the_search_with_its_error() {
    let values: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..10));
    let batch = keyed(&values, &DataType::UInt64);
    let segment = encode(
        &batch.schema(),
        std::slice::from_ref(&batch),
        Limits::default(),
    )
    .remove(0);
    let refuse = |_: &dyn Array| Err(Error::invalid("start", "it is no number"));
    let found = rows_between(
        open_segment(&segment),
        batch.schema_ref(),
        0,
        &refuse,
        &refuse,
    );
    let error = block_on(found).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}
