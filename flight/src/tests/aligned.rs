//! Bodies at any address: what is decoded can be copied.

use arrow_array::RecordBatch;
use arrow_select::concat::concat;
use bytes::Bytes;

use super::{messages, received, sample};
use crate::EncodeOptions;

#[test]
fn rows_of_any_type_that_arrived_at_any_address_can_be_copied() {
    for (name, array) in sample::plain() {
        let mut arrays = vec![array.clone()];
        arrays.extend(sample::nested(&array).into_iter().map(|(_, nested)| nested));
        for array in arrays {
            let batch = [(name.as_str(), array, true)];
            let batch = RecordBatch::try_from_iter_with_nullable(batch).unwrap();
            let sent = messages(batch.schema(), &[batch], EncodeOptions::default()).unwrap();
            for shift in [0, 1, 2, 4, 8] {
                let mut shifted = sent.clone();
                for message in &mut shifted {
                    let body = [&vec![0; shift][..], &message.data_body[..]].concat();
                    message.data_body = Bytes::from(body).slice(shift..);
                }
                let (_, batches) = received(shifted).unwrap();
                let column = batches[0].column(0);
                let twice = concat(&[column, column]).unwrap();
                assert_eq!(&twice.slice(column.len(), column.len()), column, "{name}");
            }
        }
    }
}
