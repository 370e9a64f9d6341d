//! Functions that go from match to match: how much they make, and whether they come to an end.
//!
//! From one match to the next, an automaton may read the rest of the text each time (the documentation of the crate `regex`:
//! worst case *O(m · n²)* for all matches), and `regexp_replace` puts a text in the place of each. So before such a
//! function is given a long text, or could make a long one, its way is gone once without it, looking at each match whether
//! the query is still wanted.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_schema::DataType;
use datafusion::arrow::compute::cast;
use datafusion::common::Result;
use regex::Regex;

use super::flags_of;
use super::pieces::{Flags, with_flags};
use crate::query::limits::interrupt::Interrupt;

/// Texts up to this size, in bytes, are short: reading the rest of one at each match does not take long.
const SHORT: usize = 4 << 10;

/// What a call may make without a look at how much it is, in bytes.
const SMALL: usize = 16 << 20;

/// How many bytes a call of a function that goes from match to match makes, at most.
pub(in crate::query) fn made(
    function: &str,
    args: &[ArrayRef],
    interrupt: &Interrupt,
) -> Result<usize> {
    let replaces = function == "regexp_replace";
    let column = |place: usize| args.get(place).map(texts).transpose();
    let (Some(texts), Some(patterns)) = (column(0)?, column(1)?) else {
        return Ok(0);
    };
    let put = if replaces { column(2)? } else { None };
    let flags = match flags_of(function) {
        Flags::Argument(place) => column(place)?,
        Flags::Known(_) => None,
    };
    let row = |row: usize| {
        Some(Row {
            text: value(&texts, row)?,
            pattern: value(&patterns, row)?,
            put: put.as_ref().and_then(|put| value(put, row)).unwrap_or(""),
            flags: flags
                .as_ref()
                .and_then(|flags| value(flags, row))
                .unwrap_or(""),
            replaces,
        })
    };
    let rows = || (0..texts.len()).filter_map(row);
    let add = |sum: usize, bytes: usize| sum.saturating_add(bytes);
    let most = rows().map(|row| row.made(row.most_matches())).fold(0, add);
    let mut way = Way::new(interrupt);
    let mut made = 0;
    for row in rows() {
        let matches = match row.text.len() > SHORT || most > SMALL {
            true if row.is_repeated() => way.matches(&row)?,
            _ => row.most_matches(),
        };
        made = add(made, row.made(matches));
    }
    Ok(made)
}

/// What a function is given for a row.
struct Row<'a> {
    text: &'a str,
    pattern: &'a str,
    /// What is put in the place of matches.
    put: &'a str,
    flags: &'a str,
    replaces: bool,
}

impl Row<'_> {
    /// Whether it goes on after the first match.
    fn is_repeated(&self) -> bool {
        !self.replaces || self.flags.contains('g')
    }

    fn most_matches(&self) -> usize {
        match self.is_repeated() {
            true => self.text.len() + 1,
            false => 1,
        }
    }

    /// How many bytes it makes of so many matches, at most.
    fn made(&self, matches: usize) -> usize {
        if !self.replaces {
            return 0;
        }
        // What stands for groups: all matches together are no longer than the text.
        let groups = self.put.matches(['$', '\\']).count() + 1;
        let put = matches.saturating_mul(self.put.len());
        put.saturating_add(groups.saturating_mul(self.text.len()))
    }
}

fn texts(array: &ArrayRef) -> Result<StringViewArray> {
    Ok(cast(array, &DataType::Utf8View)?.as_string_view().clone())
}

fn value(texts: &StringViewArray, row: usize) -> Option<&str> {
    texts.is_valid(row).then(|| texts.value(row))
}

/// Goes from match to match.
struct Way<'a> {
    interrupt: &'a Interrupt,
    /// The last pattern, compiled; none if it cannot be, which the function says.
    last: Option<(String, Option<Regex>)>,
}

impl<'a> Way<'a> {
    fn new(interrupt: &'a Interrupt) -> Self {
        Self {
            interrupt,
            last: None,
        }
    }

    fn matches(&mut self, row: &Row<'_>) -> Result<usize> {
        let pattern = with_flags(row.pattern, row.flags);
        let last = self.last.take().filter(|(last, _)| *last == pattern);
        let (_, regex) = self.last.insert(last.unwrap_or_else(|| {
            let regex = Regex::new(&pattern).ok();
            (pattern, regex)
        }));
        let mut count = 0;
        for _ in regex.iter().flat_map(|regex| regex.find_iter(row.text)) {
            self.interrupt.check()?;
            count += 1;
        }
        Ok(count)
    }
}
