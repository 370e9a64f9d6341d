//! Dictionary columns of several batches brought to one dictionary, so that their rows can be mixed.
//!
//! A categorical has categories that no row uses and an order that means something, which Arrow's own kernels lose
//! when they mix rows of different dictionaries. Here the dictionaries of all parts become one: that of the first
//! part as it is, then what the others have besides. Rows are mixed as [`Coded`] columns, in which each dictionary, at
//! any depth, is replaced by its codes.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowDictionaryKeyType;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, PrimitiveArray, UInt64Array, downcast_integer,
};
use arrow_buffer::ArrowNativeType;
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields};

use crate::schema::nested::{child_arrays, dictionary_count, rebuild};

/// Columns of one type whose dictionaries became one.
#[derive(Debug)]
pub(super) struct Coded {
    /// The columns, with codes where they had dictionaries.
    pub(super) columns: Vec<ArrayRef>,
    /// What the codes mean, for each dictionary that the type has.
    values: Vec<ArrayRef>,
    data_type: DataType,
}

impl Coded {
    /// Fails with [`ArrowError::DictionaryKeyOverflowError`] if the columns together have more values than their
    /// keys can count. There must be at least one column.
    pub(super) fn new(columns: &[ArrayRef]) -> Result<Self, ArrowError> {
        let data_type = columns[0].data_type().clone();
        let dictionaries: Vec<Vec<ArrayRef>> = columns
            .iter()
            .map(|column| {
                let mut found = Vec::new();
                collect(column, &mut found);
                found
            })
            .collect();
        let mut values = Vec::new();
        let mut places = vec![Vec::new(); columns.len()];
        for number in 0..dictionary_count(&data_type) {
            let (union, of_columns) = unite(dictionaries.iter().map(|all| &all[number]))?;
            values.push(union);
            for (places, of_column) in places.iter_mut().zip(of_columns) {
                places.push(of_column);
            }
        }
        let columns = columns
            .iter()
            .zip(places)
            .map(|(column, places)| strip(column, &mut places.iter().map(Option::as_deref)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            columns,
            values,
            data_type,
        })
    }

    /// Rows of the [`columns`](Self::columns) with their dictionaries again.
    pub(super) fn restore(&self, codes: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        dress(codes, &self.data_type, &mut self.values.iter())
    }
}

/// `array` with dictionaries, at any depth, that have only what its rows use.
pub(super) fn compact(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let DataType::Dictionary(_, _) = array.data_type() else {
        return if dictionary_count(array.data_type()) == 0 {
            Ok(Arc::clone(array))
        } else {
            rebuild(array, array.data_type(), &mut |child, _| compact(child))
        };
    };
    let dictionary = array.as_any_dictionary();
    if dictionary.values().is_empty() {
        // Arrow's look at the keys panics where there is nothing that they could mean.
        return Ok(Arc::clone(array));
    }
    let mut used = vec![false; dictionary.values().len()];
    for (row, code) in dictionary.normalized_keys().into_iter().enumerate() {
        if dictionary.keys().is_valid(row) {
            used[code] = true;
        }
    }
    let mut places = vec![0; used.len()];
    let mut kept = Vec::new();
    for (code, _) in used.iter().enumerate().filter(|(_, used)| **used) {
        places[code] = kept.len();
        kept.push(code as u64);
    }
    let values = arrow_select::take::take(dictionary.values(), &UInt64Array::from(kept), None)?;
    let codes = recode(array, Some(&places))?;
    dress(&codes, array.data_type(), &mut std::iter::once(&values))
}

/// The values of all dictionaries of `array`, outer before inner and first before last.
fn collect(array: &ArrayRef, found: &mut Vec<ArrayRef>) {
    match array.data_type() {
        DataType::Dictionary(_, _) => found.push(Arc::clone(array.as_any_dictionary().values())),
        data_type if dictionary_count(data_type) == 0 => {}
        _ => {
            for child in child_arrays(array) {
                collect(&child, found);
            }
        }
    }
}

/// Where each value of a dictionary is in the union; nothing if it is where it was.
type Places = Option<Vec<usize>>;

/// One dictionary with the values of all, and the places of each in it.
fn unite<'a>(
    all: impl Iterator<Item = &'a ArrayRef> + Clone,
) -> Result<(ArrayRef, Vec<Places>), ArrowError> {
    let mut all_but_first = all.clone();
    let Some(first) = all_but_first.next() else {
        return Err(ArrowError::InvalidArgumentError("no dictionaries".into()));
    };
    if all_but_first.clone().all(|values| same(first, values)) {
        return Ok((Arc::clone(first), all.map(|_| None).collect()));
    }
    let converter = RowConverter::new(vec![SortField::new(first.data_type().clone())])?;
    let mut known: HashMap<Box<[u8]>, usize> = HashMap::new();
    // Of equal values in the first dictionary both stay, so that its codes do.
    let mut len = first.len();
    let rows = converter.convert_columns(&[Arc::clone(first)])?;
    for (code, row) in rows.iter().enumerate() {
        known.entry(row.as_ref().into()).or_insert(code);
    }
    let mut parts = vec![Arc::clone(first)];
    let mut places: Vec<Places> = vec![None];
    let mut last = first;
    for values in all_but_first {
        if same(values, last) {
            places.push(places.last().cloned().flatten());
            continue;
        }
        let rows = converter.convert_columns(&[Arc::clone(values)])?;
        let mut added = Vec::new();
        let mut of_values = Vec::with_capacity(values.len());
        for (code, row) in (0_u64..).zip(rows.iter()) {
            of_values.push(*known.entry(row.as_ref().into()).or_insert_with(|| {
                added.push(code);
                len += 1;
                len - 1
            }));
        }
        if !added.is_empty() {
            parts.push(arrow_select::take::take(
                values,
                &UInt64Array::from(added),
                None,
            )?);
        }
        places.push(Some(of_values));
        last = values;
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    Ok((arrow_select::concat::concat(&parts)?, places))
}

fn same(one: &ArrayRef, other: &ArrayRef) -> bool {
    Arc::ptr_eq(one, other)
        || (one.len() == other.len() && (one.to_data().ptr_eq(&other.to_data()) || one == other))
}

/// The type of codes for columns of this type.
fn stripped(data_type: &DataType) -> DataType {
    let field = |field: &FieldRef| -> FieldRef {
        let data_type = stripped(field.data_type());
        // Codes of rows that are hidden by their parents may be null.
        let nullable = field.is_nullable() || dictionary_count(field.data_type()) > 0;
        Arc::new(Field::new(field.name(), data_type, nullable))
    };
    match data_type {
        DataType::Dictionary(key, _) => (**key).clone(),
        DataType::List(item) => DataType::List(field(item)),
        DataType::LargeList(item) => DataType::LargeList(field(item)),
        DataType::ListView(item) => DataType::ListView(field(item)),
        DataType::LargeListView(item) => DataType::LargeListView(field(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(field(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect::<Fields>()),
        // A map's own field must not become nullable, and neither may its keys.
        DataType::Map(entries, sorted) => {
            let data_type = match entries.data_type() {
                DataType::Struct(pair) => DataType::Struct(
                    pair.iter()
                        .map(|of_pair| {
                            let nullable = of_pair.is_nullable();
                            Arc::new(field(of_pair).as_ref().clone().with_nullable(nullable))
                        })
                        .collect(),
                ),
                other => stripped(other),
            };
            let entries = entries.as_ref().clone().with_data_type(data_type);
            DataType::Map(Arc::new(entries), *sorted)
        }
        other => other.clone(),
    }
}

/// `array` with codes instead of dictionaries, moved to their `places`.
fn strip(
    array: &ArrayRef,
    places: &mut dyn Iterator<Item = Option<&[usize]>>,
) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Dictionary(_, _) => recode(array, places.next().flatten()),
        data_type if dictionary_count(data_type) == 0 => Ok(Arc::clone(array)),
        data_type => rebuild(array, &stripped(data_type), &mut |child, _| {
            strip(child, places)
        }),
    }
}

/// The other way: `codes` as an array of type `to`, whose dictionaries have these `values`.
fn dress(
    codes: &ArrayRef,
    to: &DataType,
    values: &mut dyn Iterator<Item = &ArrayRef>,
) -> Result<ArrayRef, ArrowError> {
    match to {
        DataType::Dictionary(key, _) => {
            let values = values.next().ok_or_else(|| {
                ArrowError::InvalidArgumentError("a dictionary is missing".into())
            })?;
            macro_rules! build {
                ($key:ty) => {
                    Arc::new(DictionaryArray::try_new(
                        codes.as_primitive::<$key>().clone(),
                        Arc::clone(values),
                    )?)
                };
            }
            Ok(downcast_integer! {
                key.as_ref() => (build),
                other => return Err(no_key(other)),
            })
        }
        to if dictionary_count(to) == 0 => Ok(Arc::clone(codes)),
        to => rebuild(codes, to, &mut |child, field| {
            dress(child, field.data_type(), values)
        }),
    }
}

/// The codes of a dictionary array, moved to their `places`.
fn recode(array: &ArrayRef, places: Option<&[usize]>) -> Result<ArrayRef, ArrowError> {
    fn recode<K: ArrowDictionaryKeyType>(
        array: &ArrayRef,
        places: Option<&[usize]>,
    ) -> Result<ArrayRef, ArrowError> {
        let codes = array.as_dictionary::<K>().keys();
        let Some(places) = places else {
            return Ok(Arc::new(codes.clone()));
        };
        let moved: PrimitiveArray<K> = codes.try_unary(|code| {
            K::Native::from_usize(places[code.as_usize()])
                .ok_or(ArrowError::DictionaryKeyOverflowError)
        })?;
        Ok(Arc::new(moved))
    }
    macro_rules! of_key {
        ($key:ty) => {
            recode::<$key>(array, places)
        };
    }
    match array.data_type() {
        DataType::Dictionary(key, _) => downcast_integer! {
            key.as_ref() => (of_key),
            other => Err(no_key(other)),
        },
        other => Err(no_key(other)),
    }
}

fn no_key(data_type: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("{data_type} cannot be a dictionary key"))
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int8Type;
    use arrow_array::{Int8Array, ListArray, StringArray};
    use arrow_buffer::OffsetBuffer;

    use super::*;

    fn category(codes: Vec<Option<i8>>, values: Vec<&str>) -> ArrayRef {
        let values = Arc::new(StringArray::from(values));
        Arc::new(DictionaryArray::<Int8Type>::try_new(Int8Array::from(codes), values).unwrap())
    }

    fn texts(array: &ArrayRef) -> Vec<Option<String>> {
        let plain = arrow_cast::cast(array, &DataType::Utf8).unwrap();
        let texts = plain.as_string::<i32>().iter();
        texts.map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn categories_keep_their_order_and_what_no_row_uses() {
        let one = category(vec![Some(2), None], vec!["c", "unused", "a"]);
        let other = category(vec![Some(0), Some(1)], vec!["b", "c"]);
        let coded = Coded::new(&[Arc::clone(&one), Arc::clone(&other)]).unwrap();
        for (before, codes) in [one, other].iter().zip(&coded.columns) {
            let after = coded.restore(codes).unwrap();
            assert_eq!(texts(&after), texts(before));
            let values = after.as_any_dictionary().values();
            let values: Vec<_> = values.as_string::<i32>().iter().flatten().collect();
            assert_eq!(values, ["c", "unused", "a", "b"]);
        }
    }

    #[test]
    fn dictionaries_inside_lists_are_united_too() {
        let list = |category: ArrayRef, name: &str| -> ArrayRef {
            let item = Arc::new(Field::new(name, category.data_type().clone(), true));
            let offsets = OffsetBuffer::from_lengths([1, 2]);
            Arc::new(ListArray::new(item, offsets, category, None))
        };
        let one = list(
            category(vec![Some(0), Some(1), None], vec!["a", "b"]),
            "item",
        );
        let other = list(category(vec![Some(0); 3], vec!["z"]), "item");
        let coded = Coded::new(&[Arc::clone(&one), Arc::clone(&other)]).unwrap();
        for (before, codes) in [one, other].iter().zip(&coded.columns) {
            let after = coded.restore(codes).unwrap();
            assert_eq!(after.data_type(), before.data_type());
            let items = |array: &ArrayRef| texts(array.as_list::<i32>().values());
            assert_eq!(items(&after), items(before));
        }
    }

    #[test]
    fn more_values_than_keys_can_count_are_told_and_compact_ones_may_fit() {
        let names: Vec<String> = (0..250).map(|number| number.to_string()).collect();
        let half = |from: usize| {
            let values = names[from..from + 120].iter().map(String::as_str).collect();
            category(vec![Some(0), None, Some(119)], values)
        };
        let halves = [half(0), half(120)];
        let problem = Coded::new(&halves).unwrap_err();
        assert!(matches!(problem, ArrowError::DictionaryKeyOverflowError));
        let compact = halves.map(|half| {
            let compact = compact(&half).unwrap();
            assert_eq!(texts(&compact), texts(&half));
            assert_eq!(compact.as_any_dictionary().values().len(), 2);
            compact
        });
        Coded::new(&compact).unwrap();
    }
}
