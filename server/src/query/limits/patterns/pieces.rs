//! Looking for patterns in the rows of a batch, some rows at a time.
//!
//! A function looks through all rows that it is given before anything else can happen, and keeps each pattern that it
//! meets among them. So it is given as many rows as take a few seconds at worst, with as many patterns as there is memory
//! for. Before each of these pieces it is asked whether the query is still wanted.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, exec_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::cost::{Cost, Search};
use crate::query::limits::interrupt::Interrupt;

/// How long a piece may take, in steps: some seconds at worst, and far less with most patterns.
const PIECE_STEPS: usize = 1 << 30;

/// How long a single text may take, in steps. Nothing can end it.
const MOST_STEPS: usize = 1 << 31;

/// Memory for the patterns of a piece.
const PIECE_BYTES: usize = 32 << 20;

/// Calls a function with the rows of a batch, of which the first argument is looked through for the second, in pieces.
pub(in crate::query) fn in_pieces(
    name: &str,
    (search, flags): (Search, Flags),
    args: ScalarFunctionArgs,
    (interrupt, values): (&Interrupt, &Arc<dyn MemoryPool>),
    call: impl Fn(ScalarFunctionArgs) -> Result<ColumnarValue>,
) -> Result<ColumnarValue> {
    let constant = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Scalar(_));
    let rows = match args.args.iter().all(constant) {
        true => 1,
        false => args.number_rows,
    };
    let [texts, patterns, ..] = args.args.as_slice() else {
        return exec_err!("{name} takes a text and what to look for in it");
    };
    let (texts, patterns) = (Texts::new(texts)?, Texts::new(patterns)?);
    let patterns = match flags {
        Flags::Known("") => patterns,
        Flags::Known(flags) => flagged(name, patterns, &Texts::one(flags), rows)?,
        Flags::Argument(place) => match args.args.get(place) {
            Some(flags) => flagged(name, patterns, &Texts::new(flags)?, rows)?,
            None => patterns,
        },
    };
    let taken = MemoryConsumer::new(name).register(values);
    let mut found: Vec<ArrayRef> = Vec::new();
    let mut start = 0;
    while start < rows {
        interrupt.check()?;
        let piece = piece(name, search, (&texts, &patterns), start..rows)?;
        if piece.patterns > 1 {
            taken.try_resize(piece.memory)?;
        }
        if piece.rows.len() == rows {
            return call(args);
        }
        start = piece.rows.end;
        let length = piece.rows.len();
        found.push(call(slice(&args, piece.rows))?.into_array(length)?);
    }
    let found: Vec<&dyn Array> = found.iter().map(AsRef::as_ref).collect();
    match found.is_empty() {
        true => call(args),
        false => Ok(ColumnarValue::Array(concat(&found)?)),
    }
}

/// Where the flags of regular expressions are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::query) enum Flags {
    Known(&'static str),
    /// In an argument of this place, if there is one.
    Argument(usize),
}

/// The patterns as they are compiled, with their flags before them.
fn flagged(name: &str, patterns: Texts, flags: &Texts, rows: usize) -> Result<Texts> {
    let is_one = patterns.is_one && flags.is_one;
    let rows = if is_one { 1 } else { rows };
    let flag = |row| -> Result<Option<String>> {
        let Some(pattern) = patterns.get(row) else {
            return Ok(None);
        };
        let flags = flags.get(row).unwrap_or_default();
        // Whatever else stood there would be a part of the pattern.
        if let Some(other) = flags.chars().find(|flag| !flag.is_ascii_alphabetic()) {
            return exec_err!("the flags of {name} are letters, and {other:?} is none");
        }
        Ok(Some(with_flags(pattern, flags)))
    };
    let values = (0..rows).map(flag).collect::<Result<_>>()?;
    Ok(Texts { values, is_one })
}

/// A pattern as it is compiled: `g` is not one of the pattern's own flags.
pub(super) fn with_flags(pattern: &str, flags: &str) -> String {
    match flags.replace('g', "").as_str() {
        "" => pattern.to_owned(),
        flags => format!("(?{flags}){pattern}"),
    }
}

fn slice(args: &ScalarFunctionArgs, rows: Range<usize>) -> ScalarFunctionArgs {
    let arg = |arg: &ColumnarValue| match arg {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(rows.start, rows.len())),
        ColumnarValue::Scalar(value) => ColumnarValue::Scalar(value.clone()),
    };
    ScalarFunctionArgs {
        args: args.args.iter().map(arg).collect(),
        arg_fields: args.arg_fields.clone(),
        number_rows: rows.len(),
        return_field: Arc::clone(&args.return_field),
        config_options: Arc::clone(&args.config_options),
    }
}

/// Some rows that are looked through together.
struct Piece {
    rows: Range<usize>,
    /// How many patterns they have, and what these take together.
    patterns: usize,
    memory: usize,
}

/// The first of these rows, at least one, that can be looked through together.
fn piece(
    name: &str,
    search: Search,
    (texts, patterns): (&Texts, &Texts),
    rows: Range<usize>,
) -> Result<Piece> {
    let mut tally = Tally::new(search);
    let mut end = rows.start;
    for row in rows.clone() {
        if let (Some(text), Some(pattern)) = (texts.get(row), patterns.get(row)) {
            let met = tally.meet(pattern)?;
            if met.cost.steps(text.len()) > MOST_STEPS && search != Search::Text {
                return exec_err!(
                    "{name} looks for a pattern of many places in a text of {} bytes, which could take very long; shorten \
                     the text or the pattern, in which counted repetitions are written out",
                    text.len()
                );
            }
            if !tally.add(pattern, met, text.len()) {
                break;
            }
        }
        end = row + 1;
    }
    Ok(Piece {
        rows: rows.start..end,
        patterns: tally.met.len(),
        memory: tally.memory,
    })
}

/// What the rows of a piece cost together.
struct Tally<'a> {
    search: Search,
    met: Vec<Met>,
    places: HashMap<&'a str, usize>,
    last: Option<(&'a str, usize)>,
    steps: usize,
    memory: usize,
}

/// A pattern that was met, and how many bytes of text are looked through for it.
#[derive(Debug, Clone, Copy)]
struct Met {
    place: usize,
    cost: Cost,
    texts: usize,
}

impl<'a> Tally<'a> {
    fn new(search: Search) -> Self {
        Self {
            search,
            met: Vec::new(),
            places: HashMap::new(),
            last: None,
            steps: 0,
            memory: 0,
        }
    }

    /// What is known of a pattern. That of the row before is most often the same.
    fn meet(&self, pattern: &'a str) -> Result<Met> {
        let place = match self.last {
            Some((last, place)) if last == pattern => Some(place),
            _ => self.places.get(pattern).copied(),
        };
        match place {
            Some(place) => Ok(self.met[place]),
            None => Ok(Met {
                place: self.met.len(),
                cost: Cost::of(self.search, pattern)?,
                texts: 0,
            }),
        }
    }

    /// Adds a text of so many bytes, if there is room for it or it is the first.
    fn add(&mut self, pattern: &'a str, met: Met, text: usize) -> bool {
        let is_new = met.place == self.met.len();
        let texts = met.texts.saturating_add(text);
        let (preparing, before) = match is_new {
            true => (met.cost.preparing(), 0),
            false => (0, met.cost.memory(met.texts)),
        };
        let memory = self.memory.saturating_sub(before);
        let memory = memory.saturating_add(met.cost.memory(texts));
        let steps = [preparing, met.cost.all_steps(text)];
        let steps = steps.into_iter().fold(self.steps, usize::saturating_add);
        let several = self.met.len() + usize::from(is_new) > 1;
        let is_full = steps > PIECE_STEPS || (memory > PIECE_BYTES && several);
        if is_full && self.last.is_some() {
            return false;
        }
        if is_new {
            self.places.insert(pattern, met.place);
            self.met.push(met);
        }
        self.met[met.place].texts = texts;
        self.last = Some((pattern, met.place));
        (self.steps, self.memory) = (steps, memory);
        true
    }
}

/// The texts of an argument.
struct Texts {
    values: StringViewArray,
    /// Whether there is one for all rows.
    is_one: bool,
}

impl Texts {
    fn new(arg: &ColumnarValue) -> Result<Self> {
        let (array, is_one) = match arg {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(value) => (value.to_array()?, true),
        };
        // Views share the bytes of what they are made of.
        let values = cast(&array, &DataType::Utf8View)?;
        Ok(Self {
            values: values.as_string_view().clone(),
            is_one,
        })
    }

    fn one(text: &str) -> Self {
        Self {
            values: StringViewArray::from_iter_values([text]),
            is_one: true,
        }
    }

    fn get(&self, row: usize) -> Option<&str> {
        let row = if self.is_one { 0 } else { row };
        let values = &self.values;
        values.is_valid(row).then(|| values.value(row))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use arrow_array::{BooleanArray, StringArray};
    use arrow_schema::Field;
    use datafusion::common::ScalarValue;
    use datafusion::config::ConfigOptions;
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    fn args(texts: ColumnarValue, patterns: ColumnarValue, rows: usize) -> ScalarFunctionArgs {
        let field = |kind| Arc::new(Field::new("x", kind, true));
        ScalarFunctionArgs {
            args: vec![texts, patterns],
            arg_fields: vec![field(DataType::Utf8), field(DataType::Utf8)],
            number_rows: rows,
            return_field: field(DataType::Boolean),
            config_options: Arc::new(ConfigOptions::default()),
        }
    }

    fn array(texts: Vec<Option<String>>) -> ColumnarValue {
        ColumnarValue::Array(Arc::new(StringArray::from(texts)))
    }

    fn constant(text: &str) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::Utf8(Some(text.to_owned())))
    }

    /// How many rows the pieces have; each gives true.
    fn pieces(args: ScalarFunctionArgs, interrupt: &Interrupt) -> Result<Vec<usize>> {
        let values: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(2 * PIECE_BYTES));
        let (rows, seen) = (args.number_rows, RefCell::new(Vec::new()));
        let found = in_pieces(
            "~",
            (Search::Regex, Flags::Known("")),
            args,
            (interrupt, &values),
            |args| {
                assert!(values.reserved() <= PIECE_BYTES);
                seen.borrow_mut().push(args.number_rows);
                let found = BooleanArray::from(vec![true; args.number_rows]);
                Ok(ColumnarValue::Array(Arc::new(found)))
            },
        )?;
        assert_eq!(found.into_array(rows)?.len(), rows);
        assert_eq!(values.reserved(), 0);
        Ok(seen.into_inner())
    }

    #[test]
    fn few_patterns_are_looked_for_in_all_rows_at_once() {
        let texts = || array((0..8192).map(|row| Some(format!("text {row}"))).collect());
        let wanted = Interrupt::default();
        let one = args(texts(), constant(r"\w+ \d+"), 8192);
        assert_eq!(pieces(one, &wanted).unwrap(), [8192]);
        let some = (0..8192).map(|row| (row % 7 > 0).then(|| format!(r"\w+ {}$", row % 7)));
        let some = args(texts(), array(some.collect()), 8192);
        assert_eq!(pieces(some, &wanted).unwrap(), [8192]);
        let none = args(texts(), array(Vec::new()), 0);
        assert_eq!(pieces(none, &wanted).unwrap(), [0]);
    }

    #[test]
    fn a_pattern_for_each_row_is_looked_for_in_as_many_pieces_as_there_is_memory_for() {
        let patterns = (0..100).map(|row| Some(format!("((a{{1,50}}){{1,50}}){{1,9}}{row}")));
        let args = args(constant("aaa"), array(patterns.collect()), 100);
        let pieces = pieces(args, &Interrupt::default()).unwrap();
        assert_eq!(pieces.iter().sum::<usize>(), 100);
        assert!(pieces.len() > 3, "{pieces:?}");
        assert!(pieces[0] > 1, "{pieces:?}");
    }

    #[test]
    fn texts_that_take_long_are_looked_through_one_after_the_other() {
        let texts = vec![Some("ab".repeat(1 << 20)), None, Some("ab".repeat(1 << 20))];
        let args = args(array(texts), constant("[ab]*a[ab]{300}c"), 3);
        let pieces = pieces(args, &Interrupt::default()).unwrap();
        assert_eq!(pieces, [2, 1]);
    }

    #[test]
    fn a_text_that_would_take_very_long_is_refused() {
        let text = "ab".repeat(10 << 20);
        let args = args(constant(&text), constant("[ab]*a[ab]{300}c"), 1);
        let refused = pieces(args, &Interrupt::default()).unwrap_err();
        assert!(refused.to_string().contains("20971520 bytes"), "{refused}");
    }

    #[test]
    fn nothing_is_looked_for_that_is_not_wanted_any_more() {
        let unwanted = Interrupt::default();
        unwanted.request();
        let args = args(constant("a"), constant("a"), 1);
        let interrupted = pieces(args, &unwanted).unwrap_err();
        assert!(
            interrupted.to_string().contains("interrupted"),
            "{interrupted}"
        );
    }
}
