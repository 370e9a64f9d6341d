//! What a dishonest or broken peer may send is an error, never a panic and never wrong rows.

use std::sync::Arc;

use crate::{EncodeOptions, Error, decode, read_schema_message, schema_message};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_flight::FlightData;
use bytes::Bytes;
use futures::executor::block_on;
use futures::{StreamExt, stream};
use proptest::prelude::*;

use super::{messages, received};

fn honest() -> Vec<FlightData> {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    let batch = RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).unwrap();
    messages(batch.schema(), &[batch], EncodeOptions::default()).unwrap()
}

fn refused(messages: Vec<FlightData>) -> String {
    let error = received(messages).unwrap_err();
    assert!(error.is_peers_fault(), "{error}");
    error.to_string()
}

#[test]
fn a_stream_without_a_schema_is_refused() {
    assert!(refused(vec![]).contains("ended before its schema"));
    assert!(refused(honest()[1..].to_vec()).contains("must be a schema"));
}

#[test]
fn a_second_schema_is_refused() {
    let mut messages = honest();
    messages.push(messages[0].clone());
    assert!(refused(messages).contains("second schema"));
}

#[test]
fn metadata_without_data_is_skipped() {
    let mut messages = honest();
    let note = FlightData::new().with_app_metadata("note");
    messages.insert(0, note.clone());
    messages.insert(2, note.clone());
    messages.push(note);
    let (_, batches) = received(messages).unwrap();
    assert_eq!(batches.len(), 1);
}

#[test]
fn a_truncated_body_is_refused() {
    let mut messages = honest();
    messages[1].data_body = messages[1].data_body.slice(..64);
    assert!(refused(messages).contains("more than the 64 bytes it holds"));
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let mut messages = honest();
    let mut body = messages[1].data_body.to_vec();
    let texts = body.windows(3).position(|window| window == b"abc").unwrap();
    body[texts] = 0xff;
    messages[1].data_body = body.into();
    let message = refused(messages);
    assert!(message.to_lowercase().contains("utf8"), "{message}");
}

#[test]
fn nothing_follows_an_error() {
    let mut messages = honest();
    messages.insert(1, FlightData::new().with_data_header("not a flatbuffer"));
    let items: Vec<Result<RecordBatch, Error>> =
        block_on(decode(stream::iter(messages).map(Ok)).collect());
    assert_eq!(items.len(), 1);
    assert!(items[0].is_err());
}

proptest! {
    #[test]
    fn altered_bytes_never_panic(message in 0_usize..2, position in any::<prop::sample::Index>(), value in any::<u8>(), cut in any::<bool>()) {
        let mut messages = honest();
        let altered = |bytes: &Bytes| {
            let mut bytes = bytes.to_vec();
            let at = position.index(bytes.len());
            bytes[at] = value;
            if cut {
                bytes.truncate(at);
            }
            Bytes::from(bytes)
        };
        messages[message].data_header = altered(&messages[message].data_header);
        let _either = received(messages);
        let schema = arrow_schema::Schema::empty();
        let _either = read_schema_message(&altered(&schema_message(&schema).unwrap()));
    }
}
