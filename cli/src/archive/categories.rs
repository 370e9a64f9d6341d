//! What dictionaries hold, collected while rows are written and put back while they are read.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowDictionaryKeyType;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, PrimitiveArray, RecordBatch, UInt64Array, downcast_integer,
    new_empty_array,
};
use arrow_buffer::ArrowNativeType;
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::take::take;

/// The values of the dictionaries of rows that pass by.
pub(crate) struct Collected {
    schema: SchemaRef,
    /// For each column that is a dictionary, what it has held.
    values: Vec<Option<Values>>,
}

/// Values, each once, in the order in which they came.
struct Values {
    converter: RowConverter,
    places: HashMap<Box<[u8]>, usize>,
    parts: Vec<ArrayRef>,
    last: Option<ArrayRef>,
}

impl Values {
    fn new(data_type: &DataType) -> Result<Self, ArrowError> {
        Ok(Self {
            converter: RowConverter::new(vec![SortField::new(data_type.clone())])?,
            places: HashMap::new(),
            parts: Vec::new(),
            last: None,
        })
    }

    fn add(&mut self, values: &ArrayRef) -> Result<(), ArrowError> {
        if self
            .last
            .as_ref()
            .is_some_and(|last| Arc::ptr_eq(last, values))
        {
            return Ok(());
        }
        let rows = self.converter.convert_columns(&[Arc::clone(values)])?;
        let mut new = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let place = self.places.len();
            if let std::collections::hash_map::Entry::Vacant(entry) =
                self.places.entry(row.as_ref().into())
            {
                entry.insert(place);
                new.push(at as u64);
            }
        }
        if !new.is_empty() {
            self.parts
                .push(take(values, &UInt64Array::from(new), None)?);
        }
        self.last = Some(Arc::clone(values));
        Ok(())
    }

    fn joined(&self, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let parts: Vec<&dyn Array> = self.parts.iter().map(AsRef::as_ref).collect();
        match parts.as_slice() {
            [] => Ok(new_empty_array(data_type)),
            parts => arrow_select::concat::concat(parts),
        }
    }
}

impl Collected {
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self, ArrowError> {
        let fields = schema.fields().iter();
        let values = fields.map(|field| match field.data_type() {
            DataType::Dictionary(_, values) => Values::new(values).map(Some),
            _ => Ok(None),
        });
        Ok(Self {
            schema: Arc::clone(schema),
            values: values.collect::<Result<_, _>>()?,
        })
    }

    /// Takes the dictionaries of a batch into account.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        for (values, column) in self.values.iter_mut().zip(batch.columns()) {
            if let Some(values) = values {
                values.add(column.as_any_dictionary().values())?;
            }
        }
        Ok(())
    }

    /// A batch without rows whose dictionaries hold everything that was seen.
    pub(crate) fn empty(&self) -> Result<RecordBatch, ArrowError> {
        let columns = self.schema.fields().iter().zip(&self.values);
        let columns = columns.map(|(field, values)| match (field.data_type(), values) {
            (DataType::Dictionary(key, of), Some(values)) => {
                let values = values.joined(of)?;
                dictionary(key, &[], values)
            }
            (other, _) => Ok(new_empty_array(other)),
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

/// What dictionaries held, to be put back.
pub(crate) struct Recorded {
    schema: SchemaRef,
    values: Vec<Option<(ArrayRef, Values)>>,
}

impl Recorded {
    /// From a batch without rows.
    pub(crate) fn new(schema: &SchemaRef, empty: &RecordBatch) -> Result<Self, ArrowError> {
        let columns = empty.columns().iter();
        let values = columns.map(|column| match column.data_type() {
            DataType::Dictionary(_, of) => {
                let values = Arc::clone(column.as_any_dictionary().values());
                let mut known = Values::new(of)?;
                known.add(&values)?;
                Ok(Some((values, known)))
            }
            _ => Ok(None),
        });
        Ok(Self {
            schema: Arc::clone(schema),
            values: values.collect::<Result<_, ArrowError>>()?,
        })
    }

    /// The rows of a batch with the recorded schema and dictionaries.
    pub(crate) fn restore(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = batch.columns().iter().zip(&self.values);
        let columns = columns.map(|(column, recorded)| match (column.data_type(), recorded) {
            (DataType::Dictionary(key, _), Some((values, known))) => {
                recode(key, column, values, known)
            }
            _ => Ok(Arc::clone(column)),
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

/// The same values by the places that they have in another dictionary.
fn recode(
    key: &DataType,
    column: &ArrayRef,
    recorded: &ArrayRef,
    known: &Values,
) -> Result<ArrayRef, ArrowError> {
    let column = column.as_any_dictionary();
    let rows = known
        .converter
        .convert_columns(&[Arc::clone(column.values())]);
    let places: Vec<Option<usize>> = rows?
        .iter()
        .map(|row| known.places.get(row.as_ref()).copied())
        .collect();
    let keys = column.normalized_keys();
    let codes: Vec<Option<usize>> = (0..column.len())
        .map(|at| match column.keys().is_null(at) {
            true => Ok(None),
            false => match places.get(keys[at]) {
                Some(Some(place)) => Ok(Some(*place)),
                _ => Err(ArrowError::InvalidArgumentError(
                    "a value is not in the recorded dictionary".to_owned(),
                )),
            },
        })
        .collect::<Result<_, _>>()?;
    dictionary(key, &codes, Arc::clone(recorded))
}

/// A dictionary with these codes, whose keys are of a type.
fn dictionary(
    key: &DataType,
    codes: &[Option<usize>],
    values: ArrayRef,
) -> Result<ArrayRef, ArrowError> {
    macro_rules! of_keys {
        ($key:ty) => {
            keyed::<$key>(codes, values)
        };
    }
    downcast_integer! {
        key => (of_keys),
        other => Err(ArrowError::InvalidArgumentError(format!("{other} is no type of keys")))
    }
}

fn keyed<K: ArrowDictionaryKeyType>(
    codes: &[Option<usize>],
    values: ArrayRef,
) -> Result<ArrayRef, ArrowError> {
    let codes = codes.iter().map(|code| match code {
        None => Ok(None),
        Some(code) => K::Native::from_usize(*code).map(Some).ok_or_else(|| {
            ArrowError::InvalidArgumentError(
                "a dictionary has more values than its keys tell".to_owned(),
            )
        }),
    });
    let keys: PrimitiveArray<K> = codes.collect::<Result<Vec<_>, _>>()?.into_iter().collect();
    Ok(Arc::new(DictionaryArray::try_new(keys, values)?))
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int8Type;
    use arrow_array::{Int8Array, StringArray};
    use arrow_schema::{Field, Schema};

    use super::*;

    fn batch(schema: &SchemaRef, keys: Vec<Option<i8>>, values: &[&str]) -> RecordBatch {
        let values: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        let column = DictionaryArray::<Int8Type>::new(Int8Array::from(keys), values);
        RecordBatch::try_new(Arc::clone(schema), vec![Arc::new(column)]).unwrap()
    }

    #[test]
    fn values_that_no_row_uses_come_back_in_their_order() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("size", dictionary, true)]));
        let before = batch(
            &schema,
            vec![Some(2), None, Some(0)],
            &["S", "M", "L", "XL"],
        );
        let mut collected = Collected::new(&schema).unwrap();
        collected.add(&before).unwrap();
        let empty = collected.empty().unwrap();
        assert_eq!(empty.num_rows(), 0);

        let file = tempfile::NamedTempFile::new().unwrap();
        super::super::write_schema(file.path(), &empty).unwrap();
        let (read, empty) = super::super::read_schema(file.path()).unwrap();
        let recorded = Recorded::new(&read, &empty).unwrap();

        let parquet = batch(&schema, vec![Some(0), None, Some(1)], &["L", "S"]);
        let after = recorded.restore(&parquet).unwrap();
        assert_eq!(after, before);
        let values = after.column(0).as_any_dictionary().values();
        assert_eq!(
            values
                .as_string::<i32>()
                .iter()
                .flatten()
                .collect::<Vec<_>>(),
            ["S", "M", "L", "XL"]
        );

        let stranger = batch(&schema, vec![Some(0)], &["?"]);
        assert!(recorded.restore(&stranger).is_err());
    }
}
