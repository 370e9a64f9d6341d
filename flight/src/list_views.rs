//! Items of list views that are said to be never null.
//!
//! arrow refuses other lists that hold nulls in spite of that when it reads them. It does not look at list views until they
//! are made again, as they are before they are sent, so that they would be received and could not be passed on.

use arrow_array::{Array, ArrayRef};
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType};

use crate::schema::children;

/// Refuses nulls among items that are never null.
pub(crate) fn check(column: &ArrayRef) -> Result<(), ArrowError> {
    match has_list_view(column.data_type()) {
        true => check_items(&column.to_data()),
        false => Ok(()),
    }
}

fn has_list_view(data_type: &DataType) -> bool {
    match data_type {
        DataType::ListView(_) | DataType::LargeListView(_) => true,
        DataType::Dictionary(_, values) => has_list_view(values),
        other => children(other)
            .into_iter()
            .any(|field| has_list_view(field.data_type())),
    }
}

fn check_items(data: &ArrayData) -> Result<(), ArrowError> {
    if let DataType::ListView(item) | DataType::LargeListView(item) = data.data_type()
        && !item.is_nullable()
        && data.child_data().iter().any(|items| items.null_count() > 0)
    {
        return Err(ArrowError::InvalidArgumentError(format!(
            "the items of a {} hold nulls, which their field does not allow",
            data.data_type()
        )));
    }
    data.child_data().iter().try_for_each(check_items)
}
