//! JSON: an object for each row, on lines of their own or in a list.
//!
//! All of the input is looked at for its types before the first row is taken, since a number or a field that only a
//! later row has would otherwise be cut or left out without a word.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow_json::ReaderBuilder;
use arrow_json::reader::infer_json_schema;
use arrow_schema::{DataType, Field, Schema};

use super::source::Source;
use super::{BATCH_ROWS, Input, Types, inferred};
use crate::failure::Failure;

/// Opens JSON.
pub(super) fn open(source: Source, types: &Types, explain: bool) -> Result<Input, Failure> {
    let name = source.name().to_owned();
    let unreadable = {
        let name = name.clone();
        move |error: &dyn std::fmt::Display| Failure::data(format!("{name}: {error}"))
    };
    let (source, mut copy) = source.spooled()?;
    copy.seek(SeekFrom::Start(0))
        .map_err(|error| unreadable(&error))?;
    let (found, _) = infer_json_schema(BufReader::new(Rows::new(copy)), None)
        .map_err(|error| unreadable(&error))?;
    let columns = found.fields().iter().map(|field| field.name().as_str());
    types.check(&name, columns)?;
    let fields: Vec<Field> = found
        .fields()
        .iter()
        .map(|field| {
            let guessed = || match field.data_type() {
                DataType::Null => DataType::Utf8,
                other => other.clone(),
            };
            let data_type = types.get(field.name()).cloned().unwrap_or_else(guessed);
            Field::new(field.name(), data_type, true)
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let guessed = schema.fields().iter();
    let guessed = guessed.filter(|field| types.get(field.name()).is_none());
    let guessed = Schema::new(guessed.cloned().collect::<Vec<_>>());
    let notes = match guessed.fields().is_empty() {
        true => Vec::new(),
        false => vec![inferred(&name, &guessed, explain)],
    };
    // The copy and the source share their place in the file.
    let (read, length) = (source.count(), source.length());
    let source = source.rewound()?;
    let rows = BufReader::with_capacity(1 << 20, Rows::new(source.into_bytes()));
    let reader = ReaderBuilder::new(Arc::clone(&schema))
        .with_batch_size(BATCH_ROWS)
        .with_strict_mode(true)
        .build(rows)
        .map_err(|error| unreadable(&error))?;
    Ok(Input {
        schema,
        batches: Box::new(reader.map(move |batch| batch.map_err(|error| unreadable(&error)))),
        notes,
        read,
        length,
    })
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
    fn lines_pass_as_they_are() {
        let text = "{\"a\":[1,2]}\n{\"a\":[]}\n";
        assert_eq!(rows(text).len(), 2);
        assert!(rows("[]").is_empty());
    }
}
