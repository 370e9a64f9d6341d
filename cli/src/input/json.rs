//! JSON: an object for each row, on lines of their own or in a list.
//!
//! All of the input is looked at for its types before the first row is taken, since a number or a field that only a
//! later row has would otherwise be cut or left out without a word.
//!
//! JSON has no times. Texts become such where that is said, or where the frame that the rows join has them.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_json::ReaderBuilder;
use arrow_json::reader::infer_json_schema;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::csv::{Nulls, Wanted, convert};
use super::source::Source;
use super::{BATCH_ROWS, Input, inferred};
use crate::failure::Failure;

/// Opens JSON.
pub(super) fn open(source: Source, types: Wanted, explain: bool) -> Result<Input, Failure> {
    let name = source.name().to_owned();
    let unreadable = {
        let name = name.clone();
        move |error: &dyn std::fmt::Display| Failure::data(format!("{name}: {error}"))
    };
    let (source, mut copy) = source.spooled()?;
    let mut again = copy.try_clone().map_err(|error| unreadable(&error))?;
    copy.seek(SeekFrom::Start(0))
        .map_err(|error| unreadable(&error))?;
    let (found, _) = infer_json_schema(BufReader::new(Rows::new(copy)), None)
        .map_err(|error| unreadable(&error))?;
    let columns = found.fields().iter().map(|field| field.name().as_str());
    types.said.check(&name, columns)?;
    again
        .seek(SeekFrom::Start(0))
        .map_err(|error| unreadable(&error))?;
    check_whole_numbers(&name, again, &found, &types)?;
    let (read_as, schema) = settle(&found, &types);
    types.check_zone_used(&name, &schema, !found.fields().is_empty())?;
    let guessed = schema.fields().iter();
    let guessed = guessed.filter(|field| types.is_guessed(field.name(), field.data_type()));
    let guessed = Schema::new(guessed.cloned().collect::<Vec<_>>());
    let notes = match guessed.fields().is_empty() {
        true => Vec::new(),
        false => vec![inferred(&name, &guessed, explain)],
    };
    // The copy and the source share their place in the file.
    let (read, length) = (source.count(), source.length());
    let source = source.rewound()?;
    let rows = BufReader::with_capacity(1 << 20, Rows::new(source.into_bytes()));
    let reader = ReaderBuilder::new(read_as)
        .with_batch_size(BATCH_ROWS)
        .with_strict_mode(true)
        .build(rows)
        .map_err(|error| unreadable(&error))?;
    let typed = Arc::clone(&schema);
    let mut first = 1;
    let batches = reader.map(move |batch| {
        let batch = batch.map_err(|error| unreadable(&error))?;
        let row = first;
        first += batch.num_rows();
        with_times(&name, &batch, &typed, &types, row)
    });
    Ok(Input {
        schema,
        batches: Box::new(batches),
        notes,
        read,
        length,
    })
}

/// The columns as they are read, and as they become: texts become times.
fn settle(found: &Schema, types: &Wanted) -> (SchemaRef, SchemaRef) {
    let fields = found.fields().iter().map(|field| {
        let guessed = match field.data_type() {
            DataType::Null => DataType::Utf8,
            other => other.clone(),
        };
        let of_frame = || {
            let of_frame = types.frame.get(field.name());
            of_frame.filter(|of_frame| guessed == DataType::Utf8 && is_time(of_frame))
        };
        let wanted = types.said.get(field.name()).or_else(of_frame);
        let wanted = wanted.unwrap_or(&guessed).clone();
        let read_as = match guessed == DataType::Utf8 && is_time(&wanted) {
            true => guessed,
            false => wanted.clone(),
        };
        let field = |data_type| Field::new(field.name(), data_type, true);
        (field(read_as), field(wanted))
    });
    let (read_as, wanted): (Vec<_>, Vec<_>) = fields.unzip();
    (
        Arc::new(Schema::new(read_as)),
        Arc::new(Schema::new(wanted)),
    )
}

/// That no whole number would be rounded, of the columns that hold numbers of which some are no `int64`.
fn check_whole_numbers(
    name: &str,
    bytes: impl Read,
    found: &Schema,
    types: &Wanted,
) -> Result<(), Failure> {
    let guessed = found.fields().iter();
    let guessed = guessed.filter(|field| field.data_type() == &DataType::Float64);
    let guessed = guessed.filter(|field| types.said.get(field.name()).is_none());
    let as_written = guessed.map(|field| Field::new(field.name(), DataType::Utf8, true));
    let as_written = Schema::new(as_written.collect::<Vec<_>>());
    if as_written.fields().is_empty() {
        return Ok(());
    }
    let unreadable = |error| Failure::data(format!("{name}: {error}"));
    let batches = ReaderBuilder::new(Arc::new(as_written))
        .with_batch_size(BATCH_ROWS)
        .with_coerce_primitive(true)
        .build(BufReader::with_capacity(1 << 20, Rows::new(bytes)))
        .map_err(unreadable)?;
    let mut first = 1;
    for batch in batches {
        let batch = batch.map_err(unreadable)?;
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let numbers = column.as_string::<i32>();
            let rounded = numbers
                .iter()
                .position(|number| number.is_some_and(is_rounded));
            if let Some(row) = rounded {
                let (column, number, row) = (field.name(), numbers.value(row), first + row);
                return Err(Failure::data(format!(
                    "{name}: row {row}, column {column:?}: {number} cannot be kept among float64, which would round it: say the \
                     type of the column, as in --types {column}=uint64"
                )));
            }
        }
        first += batch.num_rows();
    }
    Ok(())
}

/// Whether this is a whole number that a float64 cannot be.
fn is_rounded(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    let kept = || number.parse::<f64>().map(|float| format!("{float:.0}"));
    whole && kept().is_ok_and(|kept| kept != number)
}

fn is_time(data_type: &DataType) -> bool {
    use DataType::{Date32, Date64, Time32, Time64, Timestamp};
    matches!(
        data_type,
        Timestamp(..) | Date32 | Date64 | Time32(_) | Time64(_)
    )
}

/// The rows of a batch with times in the place of texts. `first` is the number of the first of them.
fn with_times(
    name: &str,
    batch: &RecordBatch,
    schema: &SchemaRef,
    types: &Wanted,
    first: usize,
) -> Result<RecordBatch, Failure> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| {
        let Some(texts) = column
            .as_string_opt::<i32>()
            .filter(|_| is_time(field.data_type()))
        else {
            return Ok(Arc::clone(column));
        };
        let zone = types.zone_of(field.name());
        let times = convert(texts, field.data_type(), &Nulls::none(), zone.as_ref());
        times.map_err(|misfit| {
            let row = misfit
                .row
                .map_or_else(String::new, |row| format!("row {}, ", first + row));
            let cure = misfit
                .cure
                .map_or_else(String::new, |cure| format!("; {cure}"));
            let (column, problem) = (field.name(), misfit.problem);
            Failure::data(format!("{name}: {row}column {column:?}: {problem}{cure}"))
        })
    });
    let columns = columns.collect::<Result<Vec<_>, Failure>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|error| Failure::data(format!("{name}: {error}")))
}

/// Bytes of JSON in which the objects of a list stand one after the other, without the list around them.
struct Rows<R> {
    bytes: R,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// Before the first character that says something.
    Start,
    /// No list: everything passes.
    Lines,
    /// In the list, this deep in its parts, in a text or behind a backslash in one.
    List {
        depth: u32,
        text: bool,
        escaped: bool,
    },
}

impl<R> Rows<R> {
    fn new(bytes: R) -> Self {
        let state = State::Start;
        Self { bytes, state }
    }

    /// The byte that stands in the place of this one.
    fn pass(&mut self, byte: u8) -> u8 {
        match &mut self.state {
            State::Lines => byte,
            State::Start => match byte {
                b'[' => {
                    self.state = State::List {
                        depth: 0,
                        text: false,
                        escaped: false,
                    };
                    b' '
                }
                byte => {
                    if !byte.is_ascii_whitespace() {
                        self.state = State::Lines;
                    }
                    byte
                }
            },
            State::List {
                depth,
                text,
                escaped,
            } => {
                if *text {
                    match byte {
                        _ if *escaped => *escaped = false,
                        b'\\' => *escaped = true,
                        b'"' => *text = false,
                        _ => {}
                    }
                    return byte;
                }
                match byte {
                    b'"' => *text = true,
                    b'{' | b'[' => *depth += 1,
                    b'}' | b']' if *depth > 0 => *depth -= 1,
                    b']' | b',' if *depth == 0 => return b'\n',
                    // Lines are what rows are told apart by.
                    b'\n' | b'\r' => return b' ',
                    _ => {}
                }
                byte
            }
        }
    }
}

impl<R: Read> Read for Rows<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let taken = self.bytes.read(buffer)?;
        for byte in &mut buffer[..taken] {
            *byte = self.pass(*byte);
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<serde_json::Value> {
        let mut passed = String::new();
        Rows::new(text.as_bytes())
            .read_to_string(&mut passed)
            .unwrap();
        let lines = passed.lines().filter(|line| !line.trim().is_empty());
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_list_of_objects_becomes_a_line_for_each() {
        let text =
            "\n[\n {\"a\": \"x,]\\\"[\\\\\",\n \"b\": [1, {\"c\": 2}]},\n {\"a\": null}\n]\n";
        let rows = rows(text);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0]["a"], "x,]\"[\\");
        assert_eq!(rows[0]["b"][1]["c"], 2);
    }

    #[test]
    fn whole_numbers_that_a_float_cannot_be_are_told_from_others() {
        for kept in [
            "0",
            "-0",
            "1",
            "-9007199254740992",
            "1e30",
            "0.1",
            "2.50",
            "18446744073709551616",
        ] {
            assert!(!is_rounded(kept), "{kept}");
        }
        for rounded in [
            "9007199254740993",
            "-9007199254740993",
            "18446744073709551615",
        ] {
            assert!(is_rounded(rounded), "{rounded}");
        }
    }

    #[test]
    fn lines_pass_as_they_are() {
        let text = "{\"a\":[1,2]}\n{\"a\":[]}\n";
        assert_eq!(rows(text).len(), 2);
        assert!(rows("[]").is_empty());
    }
}
