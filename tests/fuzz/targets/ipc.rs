//! The decoder of Flight messages: whatever it gives out is valid, and nothing makes it take memory beyond bounds.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_flight::FlightData;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
};
use futures::{StreamExt, TryStreamExt, stream};
use shoots_flight::{DecodeLimits, EncodeOptions, Error, decode, encode};

use crate::child::{Target, Verdict};
use crate::input::Input;
use crate::sample;
use crate::wire::{numbers, prices};

/// What a message may become when it is decompressed.
const LIMITS: DecodeLimits = DecodeLimits {
    rows: 16 << 20,
    bytes: 16 << 20,
};

pub(super) struct Ipc;

impl Target for Ipc {
    const NAME: &'static str = "ipc";

    async fn begin() -> Self {
        Self
    }

    async fn seeds(&mut self) -> Vec<Input> {
        streams()
            .await
            .iter()
            .map(|messages| parts(messages))
            .collect()
    }

    async fn run(&mut self, input: &Input) -> Verdict {
        let messages = stream::iter(messages(input)).map(Ok::<_, Error>);
        let mut batches = decode(messages).with_limits(LIMITS);
        let schema = match batches.read_schema().await {
            Ok(schema) => schema,
            Err(error) => return Verdict::told(error.to_string()),
        };
        let mut valid = Vec::new();
        let mut told = "ok".to_owned();
        while let Some(batch) = batches.next().await {
            match batch {
                Ok(batch) => valid.push(batch),
                Err(error) => {
                    told = error.to_string();
                    break;
                }
            }
        }
        for batch in &valid {
            for column in batch.columns() {
                if let Err(error) = column.to_data().validate_full() {
                    return Verdict::defect(format!("a column that is not valid: {error}"));
                }
            }
        }
        match again(schema, valid).await {
            Ok(()) => Verdict::told(told),
            Err(defect) => Verdict::defect(defect),
        }
    }
}

/// What was received can be sent, and is received as the same.
async fn again(schema: arrow_schema::SchemaRef, batches: Vec<RecordBatch>) -> Result<(), String> {
    let source = stream::iter(batches.clone()).map(Ok::<_, Error>);
    let messages: Vec<FlightData> = encode(schema, source, EncodeOptions::default())
        .try_collect()
        .await
        .map_err(|error| format!("what was received cannot be sent: {error}"))?;
    let received = decode(stream::iter(messages).map(Ok::<_, Error>));
    let received: Vec<RecordBatch> = received
        .try_collect()
        .await
        .map_err(|error| format!("what was received and sent cannot be received: {error}"))?;
    let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    if rows(&received) != rows(&batches) {
        return Err("rows are lost on the way".to_owned());
    }
    Ok(())
}

/// Headers and bodies in turns.
pub(super) fn parts(messages: &[FlightData]) -> Input {
    let parts = |message: &FlightData| [message.data_header.to_vec(), message.data_body.to_vec()];
    messages.iter().flat_map(parts).collect()
}

pub(super) fn messages(parts: &[Vec<u8>]) -> Vec<FlightData> {
    let message = |parts: &[Vec<u8>]| FlightData {
        data_header: parts[0].clone().into(),
        data_body: parts.get(1).cloned().unwrap_or_default().into(),
        ..FlightData::default()
    };
    parts.chunks(2).map(message).collect()
}

/// Streams with every type, nested ones, dictionaries, and compressed bodies.
pub(super) async fn streams() -> Vec<Vec<FlightData>> {
    let mut batches = vec![prices(0..30), numbers(0..30)];
    for (name, array) in sample::plain() {
        for (kind, nested) in sample::nested(&array) {
            batches.push(one_column(&format!("{name} {kind}"), nested));
        }
        batches.push(one_column(&name, array));
    }
    let mut streams = Vec::new();
    for batch in batches {
        let source = stream::iter([Ok::<_, Error>(batch.clone())]);
        let messages = encode(batch.schema(), source, EncodeOptions::default());
        streams.push(messages.try_collect().await.unwrap());
    }
    let text: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..200).map(|n| format!("a text that is compressed {}", n % 7)),
    ));
    for batch in [one_column("text", text), prices(0..200), numbers(0..200)] {
        for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
            streams.push(compressed(&batch, codec));
        }
    }
    streams
}

fn one_column(name: &str, array: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([(name, array, true)]).unwrap()
}

fn compressed(batch: &RecordBatch, codec: CompressionType) -> Vec<FlightData> {
    let options = IpcWriteOptions::default();
    let options = options.try_with_compression(Some(codec)).unwrap();
    let generator = IpcDataGenerator::default();
    let mut tracker = DictionaryTracker::new(false);
    let schema = batch.schema();
    let schema = generator.schema_to_bytes_with_dictionary_tracker(&schema, &mut tracker, &options);
    let (dictionaries, rows) = generator
        .encode(
            batch,
            &mut tracker,
            &options,
            &mut IpcWriteContext::default(),
        )
        .unwrap();
    let all = [schema].into_iter().chain(dictionaries).chain([rows]);
    let message = |data: EncodedData| FlightData {
        data_header: data.ipc_message.into(),
        data_body: data.arrow_data.into(),
        ..FlightData::default()
    };
    all.map(message).collect()
}
