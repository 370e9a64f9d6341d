//! Dictionaries of a segment: what they hold, in which order, and what no row uses.
//!
//! To Parquet a dictionary is a way of encoding, so it keeps the values that rows use, in the order they occur. To
//! pandas and Polars it is a type: a categorical has categories that no row uses and an order that means something.
//! So while a segment is written, a [`Union`] for each dictionary collects the values of all its batches (those of
//! the first batch in their order, others after them), which are then recorded in the file as an Arrow IPC stream.
//! When the segment is read, [`Recorded`] translates the codes that Parquet's reader made up into codes of the
//! recorded dictionary, by value.
//!
//! Values are compared as row encodings, which exist for every type a dictionary may have and tell `0.0` from `-0.0`
//! and one NaN from another. A null inside a dictionary's values stays recorded, but rows that point to it come back
//! as null rows; rows that point to the second of two equal values come back pointing to the first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowDictionaryKeyType, Int32Type};
use arrow_array::{
    Array, ArrayRef, ArrowNativeTypeOp, DictionaryArray, PrimitiveArray, RecordBatch, UInt64Array,
    downcast_integer,
};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, DataType, Field, Schema};

use crate::schema::type_name::name as type_name;

/// Finds values of one type by their row encoding.
struct Index {
    converter: RowConverter,
    positions: HashMap<Box<[u8]>, usize>,
    len: usize,
}

impl Index {
    fn new(data_type: &DataType) -> Result<Self, ArrowError> {
        Ok(Self {
            converter: RowConverter::new(vec![SortField::new(data_type.clone())])?,
            positions: HashMap::new(),
            len: 0,
        })
    }

    fn of(values: &ArrayRef) -> Result<Self, ArrowError> {
        let mut index = Self::new(values.data_type())?;
        index.append(values)?;
        Ok(index)
    }

    /// Adds values behind those already there. Of equal ones the first is the one that is found.
    fn append(&mut self, values: &ArrayRef) -> Result<(), ArrowError> {
        let nulls = values.logical_nulls();
        let rows = self.converter.convert_columns(&[Arc::clone(values)])?;
        for (at, row) in rows.iter().enumerate() {
            if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at)) {
                self.positions
                    .entry(row.as_ref().into())
                    .or_insert(self.len + at);
            }
        }
        self.len += values.len();
        Ok(())
    }

    /// Calls `found` for each value with its position, or with nothing for a value that is not here. Nulls are
    /// left out.
    fn find(
        &self,
        values: &ArrayRef,
        mut found: impl FnMut(usize, Option<usize>),
    ) -> Result<(), ArrowError> {
        let nulls = values.logical_nulls();
        let rows = self.converter.convert_columns(&[Arc::clone(values)])?;
        for (at, row) in rows.iter().enumerate() {
            if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at)) {
                found(at, self.positions.get(row.as_ref()).copied());
            }
        }
        Ok(())
    }
}

/// The values of one dictionary over all batches of a segment.
pub(crate) struct Union {
    values: ArrayRef,
    last: ArrayRef,
    index: Option<Index>,
}

/// What a batch adds to a [`Union`].
enum Growth {
    /// Nothing: every value is there already.
    None,
    /// These values, none of which is there yet.
    Values(ArrayRef),
    /// More than the dictionary's keys can tell apart.
    TooMuch,
}

impl Union {
    /// Starts with the dictionary of a first batch.
    pub(crate) fn new(dictionary: &ArrayRef) -> Self {
        let values = Arc::clone(dictionary.as_any_dictionary().values());
        Self {
            last: Arc::clone(&values),
            values,
            index: None,
        }
    }

    /// What `dictionary` would add.
    fn growth(&mut self, dictionary: &ArrayRef) -> Result<Growth, ArrowError> {
        let DataType::Dictionary(key, _) = dictionary.data_type() else {
            return Ok(Growth::None);
        };
        let incoming = dictionary.as_any_dictionary().values();
        if same(incoming, &self.last) || same(incoming, &self.values) {
            return Ok(Growth::None);
        }
        let index = match &mut self.index {
            Some(index) => index,
            none => none.insert(Index::of(&self.values)?),
        };
        let mut absent = Vec::new();
        index.find(incoming, |at, known| {
            if known.is_none() {
                absent.push(at as u64);
            }
        })?;
        if absent.is_empty() {
            self.last = Arc::clone(incoming);
            return Ok(Growth::None);
        }
        let added = arrow_select::take::take(incoming, &UInt64Array::from(absent), None)?;
        Ok(if self.values.len() + added.len() > capacity(key) {
            Growth::TooMuch
        } else {
            Growth::Values(added)
        })
    }

    /// Takes in what [`growth`](Self::growth) found.
    fn grow(&mut self, added: &ArrayRef) -> Result<(), ArrowError> {
        if let Some(index) = &mut self.index {
            index.append(added)?;
        }
        self.values = arrow_select::concat::concat(&[&self.values, added])?;
        Ok(())
    }

    /// Bytes that recording the dictionary takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        super::size::plain_size(&self.values)
    }

    /// The record: an Arrow IPC stream of one batch with one column, the values.
    pub(crate) fn record(&self) -> Result<Vec<u8>, ArrowError> {
        let field = Field::new("values", self.values.data_type().clone(), true);
        let schema = Arc::new(Schema::new(vec![field]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(&self.values)])?;
        let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
        writer.write(&batch)?;
        writer.into_inner()
    }
}

/// Takes the values of a batch's dictionaries into the unions of a segment, each into its own; or, if one of those
/// would have more values than its keys can tell apart, or all of them more than `max_bytes`, takes nothing in and
/// returns the number of one that is to blame.
pub(crate) fn take_in<'a>(
    unions: impl IntoIterator<Item = &'a mut Union>,
    dictionaries: impl IntoIterator<Item = &'a ArrayRef>,
    max_bytes: usize,
) -> Result<Option<usize>, ArrowError> {
    let mut growths = Vec::new();
    let mut bytes = 0;
    for (number, (union, dictionary)) in unions.into_iter().zip(dictionaries).enumerate() {
        match union.growth(dictionary)? {
            Growth::None => {}
            Growth::TooMuch => return Ok(Some(number)),
            Growth::Values(added) => {
                bytes += union.bytes() + super::size::plain_size(&added);
                if bytes > max_bytes {
                    return Ok(Some(number));
                }
                growths.push((union, added));
            }
        }
    }
    for (union, added) in growths {
        union.grow(&added)?;
    }
    Ok(None)
}

fn same(one: &ArrayRef, other: &ArrayRef) -> bool {
    Arc::ptr_eq(one, other)
        || (one.len() == other.len() && (one.to_data().ptr_eq(&other.to_data()) || one == other))
}

/// How many values keys of this type can tell apart.
fn capacity(key: &DataType) -> usize {
    match key {
        DataType::Int8 => 1 << 7,
        DataType::UInt8 => 1 << 8,
        DataType::Int16 => 1 << 15,
        DataType::UInt16 => 1 << 16,
        DataType::Int32 => 1 << 31,
        _ => 1 << 32,
    }
}

/// Where each of some values is in a dictionary; nowhere, for a null.
type Positions = Arc<[Option<usize>]>;

/// A dictionary as a segment recorded it.
pub(crate) struct Recorded {
    values: ArrayRef,
    index: Index,
    /// The last dictionary that was translated, and where its values are here: Parquet's reader gives all batches
    /// of a row group the same one.
    last: Mutex<Option<(ArrayRef, Positions)>>,
}

impl Recorded {
    /// Reads a record that [`Union::record`] made.
    pub(crate) fn parse(record: &[u8]) -> Result<Self, ArrowError> {
        let mut batches = StreamReader::try_new(record, None)?;
        let batch = batches
            .next()
            .unwrap_or_else(|| Err(ArrowError::ParseError("a dictionary is missing".into())))?;
        let Some(values) = batch.columns().first() else {
            return Err(ArrowError::ParseError("a dictionary has no values".into()));
        };
        Ok(Self {
            index: Index::of(values)?,
            values: Arc::clone(values),
            last: Mutex::new(None),
        })
    }

    /// `array`, a dictionary with `Int32` keys or the values themselves, as a dictionary of the recorded values with
    /// keys of type `key`. `restore` brings values from the form they are stored in to the type they were recorded in.
    pub(crate) fn recode(
        &self,
        array: &ArrayRef,
        key: &DataType,
        restore: impl Fn(&ArrayRef) -> Result<ArrayRef, ArrowError>,
    ) -> Result<ArrayRef, ArrowError> {
        if self.values.len() > capacity(key) {
            return Err(too_many(key));
        }
        let (positions, codes) = match array.as_dictionary_opt::<Int32Type>() {
            Some(dictionary) => (
                self.positions(dictionary.values(), restore)?,
                Some(dictionary.keys()),
            ),
            None => (self.find(&restore(array)?)?.into(), None),
        };
        rekey(key, array, codes, &positions, &self.values)
    }

    fn positions(
        &self,
        values: &ArrayRef,
        restore: impl Fn(&ArrayRef) -> Result<ArrayRef, ArrowError>,
    ) -> Result<Positions, ArrowError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, positions)) = &*last
            && known.to_data().ptr_eq(&values.to_data())
        {
            return Ok(Arc::clone(positions));
        }
        let positions: Positions = self.find(&restore(values)?)?.into();
        *last = Some((Arc::clone(values), Arc::clone(&positions)));
        Ok(positions)
    }

    fn find(&self, values: &ArrayRef) -> Result<Vec<Option<usize>>, ArrowError> {
        if values.data_type() != self.values.data_type() {
            return Err(ArrowError::SchemaError(format!(
                "a dictionary of {} is recorded, one of {} is expected",
                self.values.data_type(),
                values.data_type()
            )));
        }
        let mut positions = vec![None; values.len()];
        self.index
            .find(values, |at, position| positions[at] = position)?;
        Ok(positions)
    }
}

/// `array`, a dictionary with `Int32` keys or plain values, as a dictionary of the values it has, in the order in
/// which they first occur. `restore` brings values from the form they are stored in to their own type.
pub(crate) fn encode(
    array: &ArrayRef,
    key: &DataType,
    restore: impl Fn(&ArrayRef) -> Result<ArrayRef, ArrowError>,
) -> Result<ArrayRef, ArrowError> {
    let dictionary = array.as_dictionary_opt::<Int32Type>();
    let values = restore(dictionary.map_or(array, |dictionary| dictionary.values()))?;
    let mut index = Index::new(values.data_type())?;
    index.append(&values)?;
    // The index gives each value the place of its first occurrence; close the gaps between those.
    let mut firsts: Vec<u64> = index.positions.values().map(|at| *at as u64).collect();
    firsts.sort_unstable();
    if firsts.len() > capacity(key) {
        return Err(too_many(key));
    }
    let mut dense = vec![0; values.len()];
    for (place, first) in firsts.iter().enumerate() {
        dense[*first as usize] = place;
    }
    let mut positions = vec![None; values.len()];
    index.find(&values, |at, first| {
        positions[at] = first.map(|first| dense[first]);
    })?;
    let distinct = arrow_select::take::take(&values, &UInt64Array::from(firsts), None)?;
    let codes = dictionary.map(|dictionary| dictionary.keys());
    rekey(key, array, codes, &positions, &distinct)
}

/// A dictionary of `values` for the rows of `array`, whose codes (or rows, without codes) are at `positions`.
fn rekey(
    key: &DataType,
    array: &ArrayRef,
    codes: Option<&PrimitiveArray<Int32Type>>,
    positions: &[Option<usize>],
    values: &ArrayRef,
) -> Result<ArrayRef, ArrowError> {
    let nulls = array.logical_nulls();
    macro_rules! keys {
        ($key:ty) => {
            build::<$key>(codes, positions, nulls, values)
        };
    }
    downcast_integer! {
        key => (keys),
        other => Err(ArrowError::SchemaError(format!("{other} cannot be a dictionary key"))),
    }
}

fn build<K: ArrowDictionaryKeyType>(
    codes: Option<&PrimitiveArray<Int32Type>>,
    positions: &[Option<usize>],
    nulls: Option<NullBuffer>,
    values: &ArrayRef,
) -> Result<ArrayRef, ArrowError> {
    // Rows without a position are null, unless the file is damaged, and then this is out of range.
    let nowhere = K::Native::ZERO.sub_wrapping(K::Native::ONE);
    let native: Vec<K::Native> = positions
        .iter()
        .map(|position| match position {
            Some(position) => K::Native::from_usize(*position),
            None => Some(nowhere),
        })
        .collect::<Option<_>>()
        .ok_or(ArrowError::DictionaryKeyOverflowError)?;
    let keys: Vec<K::Native> = match codes {
        Some(codes) => codes
            .values()
            .iter()
            .map(|code| native.get(*code as usize).copied().unwrap_or(nowhere))
            .collect(),
        None => native,
    };
    let keys = PrimitiveArray::<K>::try_new(ScalarBuffer::from(keys), nulls)?;
    Ok(Arc::new(DictionaryArray::try_new(
        keys,
        Arc::clone(values),
    )?))
}

/// A dictionary with keys of another type; its values stay as they are.
///
/// Values that no row uses are left out if, and only if, the keys could not tell all of them apart.
pub(crate) fn with_keys(array: &ArrayRef, key: &DataType) -> Result<ArrayRef, ArrowError> {
    let dictionary = array.as_any_dictionary();
    let values = dictionary.values();
    if values.len() > capacity(key) {
        let plain = arrow_select::take::take(values, dictionary.keys(), None)?;
        return encode(&plain, key, |values| Ok(Arc::clone(values)));
    }
    let to = DataType::Dictionary(Box::new(key.clone()), Box::new(values.data_type().clone()));
    arrow_cast::cast(array, &to)
}

fn too_many(key: &DataType) -> ArrowError {
    ArrowError::InvalidArgumentError(format!(
        "it has more distinct values than the {} that keys of type {} can tell apart",
        capacity(key),
        type_name(key)
    ))
}
