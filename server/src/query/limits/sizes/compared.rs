//! Functions that compare everything with everything: nothing ends such a call, so one that would take long is refused.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use datafusion::common::{Result, exec_err};

use super::{row_size, sum, together};

/// So many characters or values may be compared with each other in one call: some seconds.
const MOST_STEPS: usize = 1 << 30;

/// Characters to be taken away that make no difference.
const FEW: usize = 64;

/// So many values of one list may be gathered in one call: a second or so.
const MOST_GATHERED: usize = 1 << 21;

/// Nothing; but how long it takes grows with both texts, and nothing ends it.
pub(super) fn edited(args: &[ArrayRef]) -> Result<usize> {
    let [from, to] = args else {
        return Ok(0);
    };
    let rows = 0..from.len().min(to.len());
    let steps = sum(rows.map(|row| row_size(from, row).saturating_mul(row_size(to, row))));
    if steps > MOST_STEPS {
        return exec_err!(
            "levenshtein compares texts character by character, and these are too long for that"
        );
    }
    Ok(0)
}

/// What all arguments take; but each character is looked for among all that are to be taken away.
pub(super) fn trimmed(args: &[ArrayRef]) -> Result<usize> {
    if let [text, away] = args {
        let rows = (0..text.len().min(away.len())).filter(|row| row_size(away, *row) > FEW);
        let steps = sum(rows.map(|row| row_size(text, row).saturating_mul(row_size(away, row))));
        if steps > MOST_STEPS {
            return exec_err!(
                "trimming looks for each character among those that are to be taken away, and these are too many for that"
            );
        }
    }
    together(args)
}

/// Nothing; but each value of the one list is looked for among all of the other.
pub(super) fn searched(args: &[ArrayRef]) -> Result<usize> {
    let [list, wanted, ..] = args else {
        return Ok(0);
    };
    let rows = 0..list.len().min(wanted.len());
    let steps = sum(rows.map(|row| length(list, row).saturating_mul(length(wanted, row))));
    if steps > MOST_STEPS {
        return exec_err!(
            "the values of a list are looked for one by one among those of another, and these are too many for that; unnest \
             the lists and use a join"
        );
    }
    Ok(0)
}

/// How many values a row has: those of a list, or one.
pub(super) fn length(array: &ArrayRef, row: usize) -> usize {
    let length = match array.data_type() {
        _ if array.is_null(row) => return 0,
        DataType::List(_) => usize::try_from(array.as_list::<i32>().value_length(row)),
        DataType::LargeList(_) => usize::try_from(array.as_list::<i64>().value_length(row)),
        DataType::FixedSizeList(_, length) => usize::try_from(*length),
        _ => Ok(1),
    };
    length.unwrap_or(0)
}

/// What all arguments take; but comparing the values of long lists takes long too.
pub(super) fn gathered(args: &[ArrayRef]) -> Result<usize> {
    let longest = |list: &ArrayRef| match list.data_type() {
        DataType::List(_) => list
            .as_list::<i32>()
            .iter()
            .flatten()
            .map(|of| of.len())
            .max(),
        DataType::LargeList(_) => list
            .as_list::<i64>()
            .iter()
            .flatten()
            .map(|of| of.len())
            .max(),
        _ => None,
    };
    let longest = args.iter().filter_map(longest).max().unwrap_or(0);
    if longest > MOST_GATHERED {
        return exec_err!(
            "the values of a list are compared with each other, and {longest} are too many for that (at most \
             {MOST_GATHERED}); unnest the list and use DISTINCT or a join"
        );
    }
    together(args)
}
