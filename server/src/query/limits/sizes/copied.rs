//! Functions that put one of their arguments many times.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use datafusion::arrow::compute::cast;
use datafusion::common::Result;

use super::compared::length;
use super::{counts, row_size, sum, together};

/// The text of a number may be longer than the number by so much.
const TEXT_OF_NUMBER: usize = 3;

/// A value, as often as the second argument says.
pub(super) fn repeated(args: &[ArrayRef]) -> Result<usize> {
    let [value, times] = args else {
        return Ok(0);
    };
    let times = counts(times)?;
    Ok(sum(times.iter().enumerate().map(|(row, times)| {
        row_size(value, row).saturating_mul(*times)
    })))
}

/// As many units as the second argument says, of what the last argument or a space takes.
pub(super) fn padded(args: &[ArrayRef]) -> Result<usize> {
    let [value, length, with @ ..] = args else {
        return Ok(0);
    };
    let (least, most) = match value.data_type() {
        DataType::List(item) | DataType::LargeList(item) => {
            let least = item.data_type().primitive_width();
            (least.unwrap_or(size_of::<u64>()), usize::MAX)
        }
        _ => (1, char::MAX_LEN_UTF8),
    };
    let lengths = counts(length)?;
    Ok(sum(lengths.iter().enumerate().map(|(row, length)| {
        let with = with.first().map_or(0, |with| row_size(with, row).min(most));
        length.saturating_mul(least.max(with))
    })))
}

/// A text in which each occurrence of the second argument becomes the third.
pub(super) fn replaced(args: &[ArrayRef]) -> Result<usize> {
    let [text, from, to] = args else {
        return Ok(0);
    };
    let texts = cast(text, &DataType::Utf8View)?;
    let froms = cast(from, &DataType::Utf8View)?;
    let (texts, froms) = (texts.as_string_view(), froms.as_string_view());
    let rows = 0..texts.len();
    let sizes = rows.filter(|row| texts.is_valid(*row) && froms.is_valid(*row));
    Ok(sum(sizes.map(|row| {
        let (text, from) = (texts.value(row), froms.value(row));
        let times = text.matches(from).count();
        text.len() + times.saturating_mul(row_size(to, row))
    })))
}

/// All arguments, with the first between each two of the others.
pub(super) fn separated(args: &[ArrayRef]) -> Result<usize> {
    let Some(between) = args.first() else {
        return Ok(0);
    };
    let between = sum((0..between.len()).map(|row| row_size(between, row)));
    let all = between.saturating_mul(args.len());
    Ok(all.saturating_add(together(args)?))
}

/// The values of a list as texts, with the second argument between them, and the third for those that are null.
pub(super) fn listed(args: &[ArrayRef]) -> Result<usize> {
    let [list, put @ ..] = args else {
        return Ok(0);
    };
    let put = sum_of_rows(list, put);
    let longer = match list.data_type() {
        DataType::List(item) | DataType::LargeList(item) if item.data_type().is_numeric() => {
            TEXT_OF_NUMBER
        }
        _ => 1,
    };
    Ok(put.saturating_add(together(args)?.saturating_mul(longer)))
}

/// A list, with the third argument in the place of all of its values.
pub(super) fn exchanged(args: &[ArrayRef]) -> Result<usize> {
    let [list, _, to, ..] = args else {
        return Ok(0);
    };
    let put = sum_of_rows(list, std::slice::from_ref(to));
    Ok(put.saturating_add(together(args)?))
}

/// What these values take, once for each value of a list.
fn sum_of_rows(list: &ArrayRef, put: &[ArrayRef]) -> usize {
    sum((0..list.len()).map(|row| {
        let put = sum(put.iter().map(|put| row_size(put, row)));
        length(list, row).saturating_mul(put)
    }))
}
