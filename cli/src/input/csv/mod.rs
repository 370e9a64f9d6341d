//! CSV: texts, of which columns with types are made.
//!
//! Types are inferred from the first rows, or all, and every value is then checked against its type: nothing is cut or
//! rounded, and what does not fit is told with its line. So it does no harm if the first rows were misleading.

mod guess;
mod times;
mod values;

use std::io::Read;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_csv::ReaderBuilder;
use arrow_csv::reader::Format as Layout;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use shoots_store::type_name;

use self::guess::Guess;
pub(crate) use self::times::Zone;
use self::values::has_text;
pub(super) use self::values::{Nulls, convert};
use super::source::Source;
use super::{BATCH_ROWS, InferRows, Input, ReadArgs, Types, describe, inferred};
use crate::failure::Failure;

/// A batch of the first rows, which may end in the middle of one.
const LOOK_ROWS: usize = 256;

/// Which types columns are to have.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Those that were said.
    pub(super) said: Types,
    /// Those of the frame that the rows are for: they count where a text can stand for one.
    pub(super) frame: Types,
    /// Where times are from that do not say it.
    pub(super) zone: Option<Zone>,
}

impl Wanted {
    /// The type of a column in which something was seen.
    fn settle(&self, column: &str, guess: &Guess) -> DataType {
        let zone = self.zone.as_ref();
        let of_frame = || {
            let of_frame = self.frame.get(column)?;
            (has_text(of_frame) && same_clock(guess, of_frame, zone)).then(|| of_frame.clone())
        };
        let said = self.said.get(column).cloned();
        said.or_else(of_frame)
            .unwrap_or_else(|| guess.data_type(zone))
    }

    /// Where the times of a column are from that do not say it. A type that was said means its own zone.
    pub(super) fn zone_of(&self, column: &str) -> Option<Zone> {
        let of_type = || Zone::of(self.said.get(column)?);
        self.zone.clone().or_else(of_type)
    }

    /// Refuses times without a zone where the frame's have one, unless it is known which zone is meant.
    fn check_zone_known(&self, name: &str, column: &str, guess: &Guess) -> Result<(), Failure> {
        let known = self.zone.is_some() || self.said.get(column).is_some();
        let zoned = |of_frame: &&DataType| matches!(of_frame, DataType::Timestamp(_, Some(_)));
        match self.frame.get(column).filter(zoned) {
            Some(of_frame) if !known && guess.tells_times() && !guess.tells_zones() => {
                Err(Failure::data(format!(
                    "{name}: column {column:?} has times without a zone, and the frame has {}: say with --zone which \
                     zone they are in, as in --zone America/New_York",
                    type_name(of_frame)
                )))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a zone that is for no column.
    pub(super) fn check_zone_used(
        &self,
        name: &str,
        schema: &Schema,
        seen: bool,
    ) -> Result<(), Failure> {
        let zoned = |field: &FieldRef| matches!(field.data_type(), DataType::Timestamp(_, Some(_)));
        if self.zone.is_none() || !seen || schema.fields().iter().any(zoned) {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "--zone: {name} has no column of times that have a zone; its columns are {}",
            describe(schema)
        )))
    }

    /// Whether the type of a column is neither said nor that of the frame.
    pub(super) fn is_guessed(&self, column: &str, settled: &DataType) -> bool {
        self.said.get(column).is_none() && self.frame.get(column) != Some(settled)
    }
}

/// A time with a zone does not become one without. The other way round, its zone must be known.
fn same_clock(guess: &Guess, of_frame: &DataType, zone: Option<&Zone>) -> bool {
    match of_frame {
        DataType::Timestamp(_, None) => !guess.tells_zones(),
        DataType::Timestamp(_, Some(_)) => {
            guess.is_empty() || guess.tells_zones() || zone.is_some()
        }
        _ => true,
    }
}

/// Opens a CSV file.
pub(super) fn open(
    source: Source,
    types: Wanted,
    args: &ReadArgs,
    delimiter: u8,
) -> Result<Input, Failure> {
    let layout = Text {
        name: source.name().to_owned(),
        header: !args.no_header,
        delimiter,
    };
    let texts = layout.columns(source.head())?;
    types.said.check(
        &layout.name,
        texts.fields().iter().map(|field| field.name().as_str()),
    )?;
    let nulls = Nulls::new(&args.null);
    let all_said = texts
        .fields()
        .iter()
        .all(|field| types.said.get(field.name()).is_some());
    let (source, guesses) = match all_said {
        true => (source, vec![Guess::default(); texts.fields().len()]),
        false => layout.look(source, &texts, &nulls, args.infer_rows)?,
    };
    for (field, guess) in texts.fields().iter().zip(&guesses) {
        types.check_zone_known(&layout.name, field.name(), guess)?;
    }
    let schema = typed(&texts, &types, &guesses);
    let seen = guesses.iter().any(|guess| !guess.is_empty());
    types.check_zone_used(&layout.name, &schema, seen)?;
    let mut notes = told(&layout.name, &schema, &guesses, &types, args.explain);
    notes.extend(layout.doubt(&schema));
    let (read, length) = (source.count(), source.length());
    let reader = layout.reader(source.into_bytes(), &texts, BATCH_ROWS)?;
    let (named, typed) = (layout.name.clone(), Arc::clone(&schema));
    let mut first = 1 + u64::from(layout.header);
    let batches = reader.map(move |batch| {
        let batch = batch.map_err(|error| layout.unreadable(&error))?;
        let row = first;
        first += batch.num_rows() as u64;
        fitted(&named, &batch, &typed, &types, &nulls, row)
    });
    Ok(Input {
        schema,
        batches: Box::new(batches),
        notes,
        read,
        length,
    })
}

/// How the text is laid out.
struct Text {
    name: String,
    header: bool,
    delimiter: u8,
}

impl Text {
    fn unreadable(&self, error: &ArrowError) -> Failure {
        let problem = match error {
            ArrowError::CsvError(problem) | ArrowError::ParseError(problem) => problem.clone(),
            other => other.to_string(),
        };
        Failure::data(format!("{}: {problem}", self.name))
    }

    /// What speaks for another delimiter.
    fn doubt(&self, schema: &Schema) -> Option<String> {
        let [only] = schema.fields().as_ref() else {
            return None;
        };
        let others = [(';', "';'"), ('\t', "'\\t'"), ('|', "'|'")];
        let (_, other) = others
            .into_iter()
            .find(|(other, _)| only.name().contains(*other))?;
        Some(format!(
            "{}: there is one column, {:?}; if others are meant, say --delimiter {other}",
            self.name,
            only.name()
        ))
    }

    /// The columns, all of them texts.
    fn columns(&self, head: &[u8]) -> Result<SchemaRef, Failure> {
        let layout = Layout::default()
            .with_header(self.header)
            .with_delimiter(self.delimiter);
        // Without a header it is the first row that says how many there are.
        let rows = usize::from(!self.header);
        let (schema, _) = layout
            .infer_schema(without_mark(head), Some(rows))
            .map_err(|error| self.unreadable(&error))?;
        let fields = schema.fields().iter();
        let fields: Vec<Field> = fields
            .map(|field| Field::new(field.name(), DataType::Utf8, true))
            .collect();
        if fields.is_empty() {
            return Err(Failure::data(format!("{} has no columns", self.name)));
        }
        let mut names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        if names.iter().any(|name| name.is_empty()) {
            let problem = "has a column without a name; give it one, or say --no-header";
            return Err(Failure::data(format!("{} {problem}", self.name)));
        }
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let problem = format!("{} has two columns {:?}; rename one", self.name, pair[0]);
            return Err(Failure::data(problem));
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    fn reader<R: Read>(
        &self,
        bytes: R,
        texts: &SchemaRef,
        rows: usize,
    ) -> Result<arrow_csv::Reader<SkipMark<R>>, Failure> {
        let bytes = SkipMark::new(bytes)
            .map_err(|error| Failure::here(format!("cannot read {}: {error}", self.name)))?;
        ReaderBuilder::new(Arc::clone(texts))
            .with_header(self.header)
            .with_delimiter(self.delimiter)
            .with_batch_size(rows)
            .build(bytes)
            .map_err(|error| self.unreadable(&error))
    }

    /// Looks at the first rows, or all. What cannot be read twice is copied first, if all are asked for.
    fn look(
        &self,
        source: Source,
        texts: &SchemaRef,
        nulls: &Nulls,
        rows: InferRows,
    ) -> Result<(Source, Vec<Guess>), Failure> {
        let mut guesses = vec![Guess::default(); texts.fields().len()];
        let most = match rows {
            InferRows::First(rows) => rows,
            InferRows::All if source.is_whole() => usize::MAX,
            InferRows::All => {
                let (source, copy) = source.spooled()?;
                let whole = SeekToStart(copy).open(&self.name)?;
                for batch in self.reader(whole, texts, BATCH_ROWS)? {
                    let batch = batch.map_err(|error| self.unreadable(&error))?;
                    observe(&mut guesses, &batch, nulls);
                }
                return Ok((source.rewound()?, guesses));
            }
        };
        let mut seen = 0;
        for batch in self.reader(source.head(), texts, LOOK_ROWS.min(most))? {
            match batch {
                Ok(batch) => {
                    let batch = batch.slice(0, batch.num_rows().min(most - seen));
                    seen += batch.num_rows();
                    observe(&mut guesses, &batch, nulls);
                }
                // The first bytes may end in the middle of a row.
                Err(_) if !source.is_whole() && seen > 0 => break,
                Err(error) => return Err(self.unreadable(&error)),
            }
            if seen >= most {
                break;
            }
        }
        Ok((source, guesses))
    }
}

/// A file from its beginning.
struct SeekToStart(std::fs::File);

impl SeekToStart {
    fn open(mut self, name: &str) -> Result<std::fs::File, Failure> {
        use std::io::{Seek, SeekFrom};

        let sought = self.0.seek(SeekFrom::Start(0));
        sought.map_err(|error| Failure::here(format!("cannot read {name}: {error}")))?;
        Ok(self.0)
    }
}

fn observe(guesses: &mut [Guess], batch: &RecordBatch, nulls: &Nulls) {
    for (guess, column) in guesses.iter_mut().zip(batch.columns()) {
        for value in column.as_string::<i32>().iter().flatten() {
            guess.observe(value, nulls);
        }
    }
}

/// The columns with their types.
fn typed(texts: &Schema, types: &Wanted, guesses: &[Guess]) -> SchemaRef {
    let fields = texts.fields().iter().zip(guesses);
    let fields = fields.map(|(field, guess)| {
        let data_type = types.settle(field.name(), guess);
        Field::new(field.name(), data_type, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// What was inferred, and from what.
fn told(
    name: &str,
    schema: &Schema,
    guesses: &[Guess],
    types: &Wanted,
    explain: bool,
) -> Vec<String> {
    let guessed = |at: &usize| {
        let field = schema.field(*at);
        types.is_guessed(field.name(), field.data_type())
    };
    let columns: Vec<usize> = (0..schema.fields().len()).filter(guessed).collect();
    let Ok(found) = schema.project(&columns) else {
        return Vec::new();
    };
    if columns.is_empty() {
        return Vec::new();
    }
    let mut notes = vec![inferred(name, &found, explain)];
    let named = |which: &dyn Fn(&Guess) -> bool| {
        let found = columns
            .iter()
            .filter(|at| guesses.get(**at).is_some_and(which));
        let names = found.map(|at| schema.field(*at).name().as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let empty = named(&|guess: &Guess| guess.is_empty());
    if !empty.is_empty() {
        notes.push(format!(
            "{name}: no value was seen of {empty}, taken for text"
        ));
    }
    let words = named(&|guess: &Guess| guess.keeps_null_words());
    if !words.is_empty() {
        notes.push(format!(
            "{name}: texts such as NA stay texts in {words}; --null NA makes them null"
        ));
    }
    notes
}

/// The rows of a batch with their types. `line` is that of the first row, if no value has a line break.
fn fitted(
    name: &str,
    batch: &RecordBatch,
    schema: &SchemaRef,
    types: &Wanted,
    nulls: &Nulls,
    line: u64,
) -> Result<RecordBatch, Failure> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| {
        let zone = types.zone_of(field.name());
        let (column, data_type) = (column.as_string::<i32>(), field.data_type());
        convert(column, data_type, nulls, zone.as_ref()).map_err(|misfit| {
            let place = match misfit.row {
                Some(row) => format!("line {}, ", line + row as u64),
                None => String::new(),
            };
            let column = field.name();
            let guessed = types.is_guessed(column, field.data_type());
            let cure = misfit.cure.unwrap_or_else(|| match guessed {
                true => format!("--types {column}=string takes everything"),
                false if types.said.get(column).is_some() => "--types says so".to_owned(),
                false => "the frame has that type".to_owned(),
            });
            Failure::data(format!(
                "{name}: {place}column {column:?}: {}; {cure}",
                misfit.problem
            ))
        })
    });
    let columns = columns.collect::<Result<Vec<_>, Failure>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|error| Failure::data(format!("{name}: {error}")))
}

/// The mark that some programs put before a text in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

fn without_mark(head: &[u8]) -> &[u8] {
    head.strip_prefix(MARK).unwrap_or(head)
}

/// Bytes without the mark at their beginning.
struct SkipMark<R>(std::io::Chain<std::io::Cursor<Vec<u8>>, R>);

impl<R: Read> SkipMark<R> {
    fn new(mut bytes: R) -> std::io::Result<Self> {
        let mut first = Vec::new();
        (&mut bytes)
            .take(MARK.len() as u64)
            .read_to_end(&mut first)?;
        if first == MARK {
            first.clear();
        }
        Ok(Self(std::io::Cursor::new(first).chain(bytes)))
    }
}

impl<R: Read> Read for SkipMark<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}
