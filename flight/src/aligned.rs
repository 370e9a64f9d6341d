//! Intervals at addresses that suit all that is done with them.
//!
//! arrow aligns an interval that it reads as its parts want it, and copies rows of such a column between arrays as if each
//! were one number, which wants more: it panics where that differs. So whatever arrives at another address is copied.

use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::Buffer;
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType};

use crate::schema::children;

/// The alignment of the widest interval, as one number.
const ALIGNMENT: usize = 16;

/// The same column, with its intervals where they can be copied from.
pub(crate) fn aligned(column: ArrayRef) -> Result<ArrayRef, ArrowError> {
    if !has_interval(column.data_type()) {
        return Ok(column);
    }
    align(column.to_data()).map(make_array)
}

fn has_interval(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(_) => true,
        DataType::Dictionary(_, values) => has_interval(values),
        other => children(other)
            .into_iter()
            .any(|field| has_interval(field.data_type())),
    }
}

fn align(data: ArrayData) -> Result<ArrayData, ArrowError> {
    let children = data.child_data().iter().cloned().map(align);
    let children = children.collect::<Result<Vec<_>, _>>()?;
    let mut buffers = data.buffers().to_vec();
    if matches!(data.data_type(), DataType::Interval(_)) {
        for buffer in &mut buffers {
            if !(buffer.as_ptr() as usize).is_multiple_of(ALIGNMENT) {
                *buffer = Buffer::from(buffer.as_slice());
            }
        }
    }
    let builder = data.into_builder().buffers(buffers);
    builder.child_data(children).build()
}
