//! Record batches over the wire and back: what comes out equals what went in.
//!
//! `sample` makes an array of every type, `fidelity` sends them through every nesting and
//! slicing, `dictionary` watches which dictionaries travel, `size` checks cutting and
//! compaction, `aligned` lets bodies arrive at any address, `file` keeps messages in one, `malformed` and `inflated` send
//! what no honest peer would.

mod aligned;
mod dictionary;
mod fidelity;
mod file;
mod inflated;
mod malformed;
mod sample;
mod size;

use crate::{EncodeOptions, Error, decode, encode};
use arrow_array::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_schema::SchemaRef;
use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt, stream};

/// The messages that carry `batches`.
fn messages(
    schema: SchemaRef,
    batches: &[RecordBatch],
    options: EncodeOptions,
) -> Result<Vec<FlightData>, Error> {
    let source = stream::iter(batches.to_vec()).map(Ok::<_, Error>);
    block_on(encode(schema, source, options).try_collect())
}

/// What a receiver makes of `messages`: the schema and the batches.
fn received(messages: Vec<FlightData>) -> Result<(SchemaRef, Vec<RecordBatch>), Error> {
    block_on(async {
        let mut decoder = decode(stream::iter(messages).map(Ok::<_, Error>));
        let schema = decoder.read_schema().await?;
        Ok((schema, decoder.try_collect().await?))
    })
}

/// What arrow-flight's own decoder makes of `messages`.
fn received_by_arrow_flight(messages: Vec<FlightData>) -> Vec<RecordBatch> {
    let messages = stream::iter(messages).map(Ok);
    block_on(FlightRecordBatchStream::new_from_flight_data(messages).try_collect()).unwrap()
}
