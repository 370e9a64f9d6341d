//! What a segment's pages say about the values in them: between which values they lie, and how many are null.
//!
//! It is there for every column that is not nested, as far as Parquet's page index has it. Bounds of texts may be cut
//! short, and are outer bounds then. Bounds of floats are left out: they do not tell whether there is a NaN, which SQL
//! takes for greater (or, with a sign, for less) than every number.

use arrow_array::{ArrayRef, UInt64Array};
use arrow_schema::{DataType, Field};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use super::object::ObjectReader;
use super::reader::{self, Origin};
use super::storage;
use crate::error::{Error, Result};

/// The pages of one column of a file.
#[derive(Debug)]
pub(crate) struct PageBounds {
    /// Number of the first row of each page, and of the rows of all.
    pub(crate) starts: Vec<u64>,
    /// For each page a value that is not above any of its values; null if it is not known.
    pub(crate) least: ArrayRef,
    /// For each page a value that is not below any of its values; null if it is not known.
    pub(crate) greatest: ArrayRef,
    /// For each page how many values are null, where it is known.
    pub(crate) nulls: UInt64Array,
}

impl PageBounds {
    /// Those of the column `field` of a segment; `None` if the file does not tell.
    pub(crate) async fn of(mut file: ObjectReader, field: &Field) -> Result<Option<Self>> {
        let object = file.clone();
        reader::guarded(&object, find(&mut file, field)).await
    }
}

/// The type whose values a column's statistics are.
fn plain(field: &Field) -> Option<Field> {
    let of = match field.data_type() {
        DataType::Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    let told = !of.is_nested() && !of.is_floating() && *of != DataType::Null;
    told.then(|| Field::new(field.name(), of.clone(), true))
}

async fn find(file: &mut ObjectReader, field: &Field) -> Result<Option<PageBounds>> {
    let Some(field) = plain(field) else {
        return Ok(None);
    };
    let metadata = reader::load(file, Origin::Segment).await?;
    let total = reader::row_count(&metadata, file)?;
    let columns = metadata.file_metadata().schema_descr();
    let leaf = columns
        .columns()
        .iter()
        .position(|column| column.path().parts() == std::slice::from_ref(field.name()));
    let (Some(leaf), [_], Some(statistics), Some(places)) = (
        leaf,
        metadata.row_groups(),
        metadata.column_index(),
        metadata.offset_index(),
    ) else {
        return Ok(None);
    };
    let failed = |problem| reader::failed(file, problem);
    let stored = storage::form(&field);
    let converter = StatisticsConverter::from_column_index(leaf, &stored, columns);
    let converter = converter.map_err(failed)?;
    let restored = |values: ArrayRef| {
        storage::restore(&values, field.data_type(), &mut std::iter::empty())
            .map_err(|problem| Error::damaged(file.path(), problem))
    };
    let least = converter.data_page_mins(statistics, places, [&0]);
    let greatest = converter.data_page_maxes(statistics, places, [&0]);
    let nulls = converter.data_page_null_counts(statistics, places, [&0]);
    let (least, greatest) = (
        restored(least.map_err(failed)?)?,
        restored(greatest.map_err(failed)?)?,
    );
    let nulls = nulls.map_err(failed)?;
    let Some(pages) = places.first().and_then(|group| group.get(leaf)) else {
        return Ok(None);
    };
    let firsts = pages.page_locations().iter();
    let firsts = firsts.map(|page| page.first_row_index.try_into().ok());
    let starts: Option<Vec<u64>> = firsts.chain([Some(total)]).collect();
    let complete = |starts: &Vec<u64>| {
        let lengths = [least.len(), greatest.len(), arrow_array::Array::len(&nulls)];
        starts.first() == Some(&0)
            && starts.is_sorted()
            && lengths.iter().all(|length| length + 1 == starts.len())
    };
    Ok(starts.filter(complete).map(|starts| PageBounds {
        starts,
        least,
        greatest,
        nulls,
    }))
}
