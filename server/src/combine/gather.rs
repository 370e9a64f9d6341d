//! Batches made of rows of several others.
//!
//! Arrow can pick rows from many arrays at once. Two things are added: a pick may be of no row, which gives null, and
//! dictionaries that agree in their values stay as they are, so that categories keep their order.

use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, make_array, new_null_array};
use arrow_schema::{ArrowError, DataType};
use arrow_select::interleave::interleave;
use arrow_select::nullif::nullif;

/// A row of one of several arrays: which array, and which of its rows.
pub(super) type Pick = (usize, usize);

/// Stands for no row.
pub(super) const NONE: Pick = (usize::MAX, 0);

/// The picked values of arrays that all have the type `of`.
pub(super) fn gather(
    of: &DataType,
    arrays: &[&dyn Array],
    picks: &[Pick],
) -> Result<ArrayRef, ArrowError> {
    if arrays.is_empty() {
        return Ok(new_null_array(of, picks.len()));
    }
    if let Some((array, start)) = run(picks) {
        return Ok(arrays[array].slice(start, picks.len()));
    }
    if picks.iter().all(|pick| *pick != NONE) {
        return pick_all(arrays, picks);
    }
    // Any row will do where there is none: it is made null afterwards.
    let Some(stand_in) = arrays.iter().position(|array| !array.is_empty()) else {
        return Ok(new_null_array(of, picks.len()));
    };
    let mut absent = BooleanBufferBuilder::new(picks.len());
    let stood_in: Vec<Pick> = picks
        .iter()
        .map(|pick| {
            absent.append(*pick == NONE);
            if *pick == NONE { (stand_in, 0) } else { *pick }
        })
        .collect();
    let values = pick_all(arrays, &stood_in)?;
    if *of == DataType::Null {
        return Ok(values);
    }
    nullif(&values, &BooleanArray::new(absent.finish(), None))
}

/// The array and the first row of picks that follow each other in one array.
fn run(picks: &[Pick]) -> Option<Pick> {
    let first = *picks.first()?;
    if first == NONE {
        return None;
    }
    let follows = |(place, pick): (usize, &Pick)| *pick == (first.0, first.1 + place);
    picks.iter().enumerate().all(follows).then_some(first)
}

fn pick_all(arrays: &[&dyn Array], picks: &[Pick]) -> Result<ArrayRef, ArrowError> {
    let dictionaries: Option<Vec<_>> = arrays
        .iter()
        .map(|array| array.as_any_dictionary_opt())
        .collect();
    let Some(dictionaries) = dictionaries else {
        return interleave(arrays, picks);
    };
    let values = dictionaries[0].values();
    let agree = |other: &ArrayRef| Arc::ptr_eq(other, values) || **other == **values;
    if !dictionaries[1..].iter().all(|other| agree(other.values())) {
        return interleave(arrays, picks);
    }
    let keys: Vec<&dyn Array> = dictionaries.iter().map(|each| each.keys()).collect();
    let keys = interleave(&keys, picks)?.into_data();
    let dictionary = keys
        .into_builder()
        .data_type(arrays[0].data_type().clone())
        .child_data(vec![values.to_data()]);
    Ok(make_array(dictionary.build()?))
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int8Type;
    use arrow_array::{DictionaryArray, Int64Array};

    use super::*;

    #[test]
    fn a_pick_of_no_row_is_null() {
        let (a, b) = (Int64Array::from(vec![1, 2]), Int64Array::from(vec![3]));
        let picked = gather(&DataType::Int64, &[&a, &b], &[(1, 0), NONE, (0, 1)]).unwrap();
        assert_eq!(*picked, Int64Array::from(vec![Some(3), None, Some(2)]));
        let nothing = gather(&DataType::Int64, &[], &[NONE]).unwrap();
        assert_eq!(nothing.null_count(), 1);
    }

    #[test]
    fn dictionaries_that_agree_keep_unused_values_and_their_order() {
        let of = |keys: Vec<i8>| {
            let values = Arc::new(arrow_array::StringArray::from(vec![
                "low", "high", "unused",
            ]));
            DictionaryArray::<Int8Type>::new(keys.into(), values)
        };
        let (a, b) = (of(vec![1, 0]), of(vec![0]));
        let picked = gather(a.data_type(), &[&a, &b], &[(0, 0), (1, 0), NONE]).unwrap();
        let picked = picked.as_dictionary::<Int8Type>();
        assert_eq!(**picked.values(), **a.values());
        assert_eq!(
            picked.keys().iter().collect::<Vec<_>>(),
            [Some(1), Some(0), None]
        );
    }
}
