//! Measures Parquet's encodings on the kinds of columns that dataframes have, one thread, and prints a table.
//!
//! `cargo run --release -p shoots-store --example encodings` repeats the measurement behind `ENCODINGS.md`, which
//! decides how `store/src/segment/encoding.rs` encodes each type. Each number is the median of several rounds, in
//! megabytes of Arrow data per second; sizes are those of the Parquet file, in bytes per value.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float64Array, Int32Array,
    Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

const ROWS: usize = 1_000_000;
const BATCH_ROWS: usize = 65_536;
const PAGE_ROWS: usize = 20_000;
const ROUNDS: usize = 5;

/// One way to encode a column.
#[derive(Clone, Copy)]
struct Candidate {
    name: &'static str,
    dictionary: bool,
    encoding: Encoding,
    compression: Compression,
}

/// What a round took, in seconds, and the bytes it made.
struct Round {
    encode: f64,
    decode: f64,
    bytes: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("{ROWS} rows, pages of {PAGE_ROWS} rows, median of {ROUNDS} rounds, one thread\n");
    println!("| column | encoding | encode MB/s | decode MB/s | bytes per value |");
    println!("|---|---|---:|---:|---:|");
    for (name, array, candidates) in columns()? {
        for candidate in candidates {
            measure(name, &array, candidate)?;
        }
    }
    Ok(())
}

fn measure(name: &str, array: &ArrayRef, candidate: Candidate) -> Result<(), Box<dyn Error>> {
    let megabytes = array.get_buffer_memory_size() as f64 / 1e6;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(round(array, candidate)?);
    }
    let median = |of: fn(&Round) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[ROUNDS / 2]
    };
    println!(
        "| {name} | {} | {:.0} | {:.0} | {:.2} |",
        candidate.name,
        megabytes / median(|round| round.encode),
        megabytes / median(|round| round.decode),
        median(|round| round.bytes as f64) / ROWS as f64,
    );
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "measuring is about the clock")]
fn round(array: &ArrayRef, candidate: Candidate) -> Result<Round, Box<dyn Error>> {
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(candidate.dictionary)
        .set_encoding(candidate.encoding)
        .set_compression(candidate.compression)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .build();
    let batch = RecordBatch::try_from_iter([("column", Arc::clone(array))])?;

    let start = Instant::now();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties))?;
    for from in (0..ROWS).step_by(BATCH_ROWS) {
        writer.write(&batch.slice(from, BATCH_ROWS.min(ROWS - from)))?;
    }
    let bytes = Bytes::from(writer.into_inner()?);
    let encode = start.elapsed().as_secs_f64();

    let start = Instant::now();
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone())?
        .with_batch_size(BATCH_ROWS)
        .build()?;
    for batch in reader {
        black_box(batch?);
    }
    let decode = start.elapsed().as_secs_f64();

    Ok(Round {
        encode,
        decode,
        bytes: bytes.len(),
    })
}

type Column = (&'static str, ArrayRef, Vec<Candidate>);

fn columns() -> Result<Vec<Column>, Box<dyn Error>> {
    let mut dice = Dice(1);
    let mut level = 100.0;
    let walk: Vec<f64> = (0..ROWS)
        .map(|_| {
            level += dice.unit() - 0.5;
            level
        })
        .collect();
    let prices: Vec<f64> = walk
        .iter()
        .map(|price| (price * 100.0).round() / 100.0)
        .collect();
    let ids: Vec<i64> = (0..ROWS as i64)
        .map(|row| 1_000_000_000 + row * 3)
        .collect();
    let random: Vec<i64> = (0..ROWS).map(|_| dice.roll() as i64).collect();
    let small: Vec<i32> = (0..ROWS).map(|_| (dice.roll() % 1_000) as i32).collect();
    let second = 1_000_000_000;
    let start = 1_700_000_000 * second;
    let regular: Vec<i64> = (0..ROWS as i64).map(|row| start + row * second).collect();
    let jittered: Vec<i64> = regular
        .iter()
        .map(|time| time + (dice.roll() % second as u64) as i64)
        .collect();
    let names: Vec<String> = (0..500).map(|number| format!("SYM{number:03}")).collect();
    let symbols: Vec<&str> = (0..ROWS)
        .map(|_| names[(dice.roll() % 500) as usize].as_str())
        .collect();
    let words = [
        "late",
        "early",
        "departure",
        "arrival",
        "wind",
        "gate",
        "north",
        "of",
    ];
    let text: Vec<String> = (0..ROWS)
        .map(|row| {
            let mut text = format!("{row}:");
            for _ in 0..4 + dice.roll() % 4 {
                text.push(' ');
                text.push_str(words[(dice.roll() % words.len() as u64) as usize]);
            }
            text
        })
        .collect();
    let decimals = Decimal128Array::from_iter_values(
        small.iter().map(|cents| i128::from(*cents) * 1_000_000_007),
    )
    .with_precision_and_scale(20, 2)?;
    let flags: Vec<bool> = (0..ROWS).map(|_| dice.roll().is_multiple_of(3)).collect();
    let category: DictionaryArray<Int32Type> = symbols.iter().copied().collect();
    let time = |values| Arc::new(TimestampNanosecondArray::from_iter_values(values)) as ArrayRef;
    Ok(vec![
        (
            "float, random walk",
            Arc::new(Float64Array::from(walk)),
            floats()?,
        ),
        (
            "float, prices of two digits",
            Arc::new(Float64Array::from(prices)),
            floats()?,
        ),
        (
            "integer, rising ids",
            Arc::new(Int64Array::from(ids)),
            integers()?,
        ),
        (
            "integer, random",
            Arc::new(Int64Array::from(random)),
            integers()?,
        ),
        (
            "integer, below 1000",
            Arc::new(Int32Array::from(small)),
            integers()?,
        ),
        ("time, regular", time(regular), integers()?),
        ("time, jittered", time(jittered), integers()?),
        ("category, 500 symbols", Arc::new(category), texts()?),
        (
            "string, 500 symbols",
            Arc::new(StringArray::from(symbols)),
            texts()?,
        ),
        ("string, text", Arc::new(StringArray::from(text)), texts()?),
        ("decimal of 20 digits", Arc::new(decimals), fixed()?),
        ("boolean", Arc::new(BooleanArray::from(flags)), booleans()?),
    ])
}

fn candidate(name: &'static str, encoding: Encoding, compression: Compression) -> Candidate {
    Candidate {
        name,
        dictionary: name.starts_with("dictionary"),
        encoding,
        compression,
    }
}

fn zstd() -> Result<Compression, Box<dyn Error>> {
    Ok(Compression::ZSTD(ZstdLevel::try_new(1)?))
}

fn floats() -> Result<Vec<Candidate>, Box<dyn Error>> {
    use Compression::{LZ4_RAW, SNAPPY, UNCOMPRESSED};
    Ok(vec![
        candidate("plain", Encoding::PLAIN, UNCOMPRESSED),
        candidate("plain, lz4", Encoding::PLAIN, LZ4_RAW),
        candidate("plain, zstd 1", Encoding::PLAIN, zstd()?),
        candidate(
            "byte stream split",
            Encoding::BYTE_STREAM_SPLIT,
            UNCOMPRESSED,
        ),
        candidate(
            "byte stream split, lz4",
            Encoding::BYTE_STREAM_SPLIT,
            LZ4_RAW,
        ),
        candidate(
            "byte stream split, snappy",
            Encoding::BYTE_STREAM_SPLIT,
            SNAPPY,
        ),
        candidate(
            "byte stream split, zstd 1",
            Encoding::BYTE_STREAM_SPLIT,
            zstd()?,
        ),
        candidate("dictionary, snappy", Encoding::PLAIN, SNAPPY),
    ])
}

fn integers() -> Result<Vec<Candidate>, Box<dyn Error>> {
    use Compression::{LZ4_RAW, SNAPPY, UNCOMPRESSED};
    Ok(vec![
        candidate("plain", Encoding::PLAIN, UNCOMPRESSED),
        candidate("plain, lz4", Encoding::PLAIN, LZ4_RAW),
        candidate("plain, zstd 1", Encoding::PLAIN, zstd()?),
        candidate(
            "byte stream split, lz4",
            Encoding::BYTE_STREAM_SPLIT,
            LZ4_RAW,
        ),
        candidate("delta", Encoding::DELTA_BINARY_PACKED, UNCOMPRESSED),
        candidate("delta, lz4", Encoding::DELTA_BINARY_PACKED, LZ4_RAW),
        candidate("delta, zstd 1", Encoding::DELTA_BINARY_PACKED, zstd()?),
        candidate("dictionary", Encoding::PLAIN, UNCOMPRESSED),
        candidate("dictionary, snappy", Encoding::PLAIN, SNAPPY),
    ])
}

fn texts() -> Result<Vec<Candidate>, Box<dyn Error>> {
    use Compression::{LZ4_RAW, SNAPPY, UNCOMPRESSED};
    Ok(vec![
        candidate("plain", Encoding::PLAIN, UNCOMPRESSED),
        candidate("plain, lz4", Encoding::PLAIN, LZ4_RAW),
        candidate("plain, zstd 1", Encoding::PLAIN, zstd()?),
        candidate(
            "delta length",
            Encoding::DELTA_LENGTH_BYTE_ARRAY,
            UNCOMPRESSED,
        ),
        candidate(
            "delta length, lz4",
            Encoding::DELTA_LENGTH_BYTE_ARRAY,
            LZ4_RAW,
        ),
        candidate(
            "delta length, zstd 1",
            Encoding::DELTA_LENGTH_BYTE_ARRAY,
            zstd()?,
        ),
        candidate("dictionary, else plain", Encoding::PLAIN, UNCOMPRESSED),
        candidate("dictionary, else plain, lz4", Encoding::PLAIN, LZ4_RAW),
        candidate("dictionary, else plain, snappy", Encoding::PLAIN, SNAPPY),
        candidate("dictionary, else plain, zstd 1", Encoding::PLAIN, zstd()?),
        candidate(
            "dictionary, else delta length, lz4",
            Encoding::DELTA_LENGTH_BYTE_ARRAY,
            LZ4_RAW,
        ),
    ])
}

fn fixed() -> Result<Vec<Candidate>, Box<dyn Error>> {
    Ok(vec![
        candidate("plain", Encoding::PLAIN, Compression::UNCOMPRESSED),
        candidate("plain, lz4", Encoding::PLAIN, Compression::LZ4_RAW),
        candidate("plain, zstd 1", Encoding::PLAIN, zstd()?),
        candidate(
            "byte stream split, lz4",
            Encoding::BYTE_STREAM_SPLIT,
            Compression::LZ4_RAW,
        ),
        candidate(
            "delta byte array",
            Encoding::DELTA_BYTE_ARRAY,
            Compression::UNCOMPRESSED,
        ),
    ])
}

fn booleans() -> Result<Vec<Candidate>, Box<dyn Error>> {
    Ok(vec![
        candidate("plain", Encoding::PLAIN, Compression::UNCOMPRESSED),
        candidate("plain, lz4", Encoding::PLAIN, Compression::LZ4_RAW),
        candidate("run length", Encoding::RLE, Compression::UNCOMPRESSED),
    ])
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        // Xorshift64*, by Sebastiano Vigna.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn unit(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
