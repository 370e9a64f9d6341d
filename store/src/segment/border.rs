//! Where in a segment a range of its sorted column begins and ends.
//!
//! The rows of a segment are sorted by a column, and a caller wants those between two bounds. What a bound means is
//! the caller's: a [`Partition`] says of a sorted array how many of its leading values lie before the bound. Asked of
//! the least and the greatest values of all pages, it leaves the few pages that may hold the border; those are
//! decoded, this column only, and asked of their values it says which row it is.
//!
//! Statistics of texts may be cut short, and then they are outer bounds: a page's least value is never above what
//! the page holds, and its greatest never below. So pages may be decoded in vain, but the answer is always exact.
//! Without statistics the whole column is decoded.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures::TryStreamExt;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;

use super::object::ObjectReader;
use super::reader::{self, Origin, Rows};
use super::storage;
use crate::error::{Error, Result};

/// How many leading values of a sorted array lie before a bound. The array is of the column's type; of a dictionary,
/// of the type of its values.
pub(crate) type Partition<'a> = dyn Fn(&dyn Array) -> Result<usize> + Send + Sync + 'a;

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 65_536;

/// The numbers of the rows of a segment that lie between two bounds of a column: those that do not lie before `below`
/// and do lie before `through`.
///
/// The segment's rows are of `schema` and sorted, ascending, by its column number `column`, which holds neither nulls
/// nor NaN; hidden rows count.
///
/// # Errors
/// Those of the bounds, and those of reading: [`ErrorKind::Damaged`](crate::ErrorKind::Damaged), with the object's
/// name, for whatever is wrong with the file.
pub(crate) async fn rows_between(
    file: ObjectReader,
    schema: &SchemaRef,
    column: usize,
    below: &Partition<'_>,
    through: &Partition<'_>,
) -> Result<Range<u64>> {
    let object = file.clone();
    let field = sorted_field(schema, column)?;
    let searched = search(file, field, below, through);
    reader::guarded(&object, searched).await
}

/// The column as it is searched: with the values of a dictionary instead of the dictionary.
fn sorted_field(schema: &Schema, column: usize) -> Result<Field> {
    let field = schema
        .fields()
        .get(column)
        .ok_or_else(|| Error::invalid("columns", format!("there is no column number {column}")))?;
    let data_type = match field.data_type() {
        DataType::Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    Ok(Field::new(
        field.name(),
        data_type.clone(),
        field.is_nullable(),
    ))
}

async fn search(
    mut file: ObjectReader,
    field: Field,
    below: &Partition<'_>,
    through: &Partition<'_>,
) -> Result<Range<u64>> {
    let metadata = reader::load(&mut file, Origin::Segment).await?;
    let total = reader::row_count(&metadata, &file)?;
    let pages = Pages::of(&metadata, &field, total, &file)?;
    let narrow = |bound: &Partition<'_>| match &pages {
        Some(pages) => pages.around(bound, &file),
        None => Ok(0..total),
    };
    let (first, last) = (narrow(below)?, narrow(through)?);
    let column = Column { file, field };
    let [start, end] = if shared(&first, &last) {
        let both = first.start.min(last.start)..first.end.max(last.end);
        column.borders(both, [below, through]).await?
    } else {
        let [start] = column.borders(first, [below]).await?;
        let [end] = column.borders(last, [through]).await?;
        [start, end]
    };
    Ok(start..end.max(start))
}

/// Whether two ranges have a row in common, so that one read serves both.
fn shared(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start.max(other.start) < one.end.min(other.end)
}

/// The pages of a sorted column: where they begin, and between which values their rows lie.
struct Pages {
    name: String,
    /// Number of the first row of each page, and of the rows of all.
    starts: Vec<u64>,
    least: ArrayRef,
    greatest: ArrayRef,
}

impl Pages {
    /// `None` if the file does not say it for every page.
    fn of(
        metadata: &ParquetMetaData,
        field: &Field,
        total: u64,
        file: &ObjectReader,
    ) -> Result<Option<Self>> {
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
        let stored = storage::form(field);
        let converter = StatisticsConverter::from_column_index(leaf, &stored, columns)
            .map_err(|problem| reader::failed(file, problem))?;
        let least = converter.data_page_mins(statistics, places, [&0]);
        let greatest = converter.data_page_maxes(statistics, places, [&0]);
        let restored = |values: Result<ArrayRef, _>| {
            let values = values.map_err(|problem| reader::failed(file, problem))?;
            storage::restore(&values, field.data_type(), &mut std::iter::empty())
                .map_err(|problem| Error::damaged(file.path(), problem))
        };
        let (least, greatest) = (restored(least)?, restored(greatest)?);
        let starts: Option<Vec<u64>> = places
            .first()
            .and_then(|group| group.get(leaf))
            .map(|column| column.page_locations())
            .and_then(|pages| {
                let firsts = pages
                    .iter()
                    .map(|page| page.first_row_index.try_into().ok());
                firsts.chain([Some(total)]).collect()
            });
        let told = |starts: &Vec<u64>| {
            let complete = |values: &ArrayRef| {
                values.len() + 1 == starts.len() && values.logical_null_count() == 0
            };
            starts.first() == Some(&0)
                && starts.is_sorted()
                && complete(&least)
                && complete(&greatest)
        };
        Ok(starts.filter(told).map(|starts| Self {
            name: field.name().clone(),
            starts,
            least,
            greatest,
        }))
    }

    /// The rows of the pages in which the border may lie: all rows ahead of them lie before the bound, and none
    /// behind them.
    fn around(&self, bound: &Partition<'_>, file: &ObjectReader) -> Result<Range<u64>> {
        let before = bound(&self.greatest)?;
        let begun = bound(&self.least)?;
        match (self.starts.get(before), self.starts.get(begun)) {
            (Some(start), Some(end)) if before <= begun => Ok(*start..*end),
            _ => {
                let problem = format!("its rows are not sorted by column {}", self.name);
                Err(Error::damaged(file.path(), problem))
            }
        }
    }
}

/// One column of a file.
struct Column {
    file: ObjectReader,
    field: Field,
}

impl Column {
    /// The numbers of the rows at which bounds lie that are known to lie among `rows`, or at their end.
    async fn borders<const N: usize>(
        &self,
        rows: Range<u64>,
        bounds: [&Partition<'_>; N],
    ) -> Result<[u64; N]> {
        let mut borders = [rows.start; N];
        if rows.is_empty() {
            return Ok(borders);
        }
        let schema = Arc::new(Schema::new(vec![self.field.clone()]));
        let part = Rows {
            columns: None,
            offset: rows.start,
            limit: Some(rows.end - rows.start),
            hidden: None,
            batch_rows: BATCH_ROWS,
        };
        let mut batches = reader::read(self.file.clone(), Origin::Segment, &schema, part).await?;
        let mut read = rows.start;
        while let Some(batch) = batches.try_next().await? {
            for (border, bound) in borders.iter_mut().zip(bounds) {
                // A bound that lies in an earlier batch has no values before it here.
                *border += bound(batch.column(0))? as u64;
            }
            read += batch.num_rows() as u64;
            if borders.iter().all(|border| *border < read) {
                break;
            }
        }
        Ok(borders)
    }
}

#[cfg(test)]
mod tests;
