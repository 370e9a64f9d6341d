//! Compressed bodies that lie about what they become.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_flight::FlightData;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt, stream};

use super::received;
use crate::{DecodeLimits, Error, decode};

const CODECS: [CompressionType; 2] = [CompressionType::LZ4_FRAME, CompressionType::ZSTD];

/// Values that take much less room when they are compressed.
fn values() -> RecordBatch {
    let values: ArrayRef = Arc::new(Int64Array::from(vec![7; 10_000]));
    RecordBatch::try_from_iter([("n", values)]).unwrap()
}

fn compressed(batch: &RecordBatch, codec: CompressionType) -> Vec<FlightData> {
    let options = IpcWriteOptions::default();
    let options = options.try_with_compression(Some(codec)).unwrap();
    let generator = IpcDataGenerator::default();
    let mut tracker = DictionaryTracker::new(false);
    let schema = batch.schema();
    let schema = generator.schema_to_bytes_with_dictionary_tracker(&schema, &mut tracker, &options);
    let mut context = IpcWriteContext::default();
    let (_, rows) = generator
        .encode(batch, &mut tracker, &options, &mut context)
        .unwrap();
    let messages = [schema, rows].map(|data| FlightData {
        data_header: data.ipc_message.into(),
        data_body: data.arrow_data.into(),
        ..FlightData::default()
    });
    messages.to_vec()
}

/// The same message, whose compressed buffer announces another length.
fn announcing(message: &FlightData, length: i64) -> FlightData {
    let header = arrow_ipc::root_as_message(&message.data_header).unwrap();
    let buffers = header.header_as_record_batch().unwrap().buffers().unwrap();
    let buffer = buffers.iter().find(|buffer| buffer.length() > 0).unwrap();
    let place = usize::try_from(buffer.offset()).unwrap();
    let mut body = message.data_body.to_vec();
    body[place..place + 8].copy_from_slice(&length.to_le_bytes());
    FlightData {
        data_body: body.into(),
        ..message.clone()
    }
}

fn refused(messages: Vec<FlightData>) -> String {
    let error = received(messages).unwrap_err();
    assert!(error.is_peers_fault(), "{error}");
    error.to_string()
}

#[test]
fn what_is_compressed_arrives_as_it_was() {
    for codec in CODECS {
        let (_, batches) = received(compressed(&values(), codec)).unwrap();
        assert_eq!(batches, [values()]);
    }
}

#[test]
fn a_length_beyond_all_memory_is_refused_before_any_is_taken() {
    for codec in CODECS {
        let [schema, rows] = <[FlightData; 2]>::try_from(compressed(&values(), codec)).unwrap();
        for length in [1 << 31, 1 << 40, i64::MAX, i64::MIN, -2] {
            let told = refused(vec![schema.clone(), announcing(&rows, length)]);
            assert!(told.contains("are taken"), "{told}");
        }
    }
}

#[test]
fn a_length_that_is_not_that_of_the_bytes_is_refused() {
    for codec in CODECS {
        let [schema, rows] = <[FlightData; 2]>::try_from(compressed(&values(), codec)).unwrap();
        for length in [1, 79_999, 80_001] {
            refused(vec![schema.clone(), announcing(&rows, length)]);
        }
    }
}

#[test]
fn what_becomes_more_than_the_limit_is_refused() {
    for codec in CODECS {
        let read = |bytes| {
            let rows = 1_000_000;
            let limits = DecodeLimits { rows, bytes };
            let messages = stream::iter(compressed(&values(), codec)).map(Ok::<_, Error>);
            block_on(decode(messages).with_limits(limits).try_collect::<Vec<_>>())
        };
        assert_eq!(read(80_000).unwrap(), [values()]);
        assert!(read(79_999).unwrap_err().is_peers_fault());
    }
}
