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

use crate::query::limits::interrupt::Interrupt;

/// Texts up to this size, in bytes, are short: reading the rest of one at each match does not take long.
const SHORT: usize = 4 << 10;

/// What is made without looking how much it is, in bytes.
const SMALL: usize = 64 << 10;

/// How many bytes a call of a function that goes from match to match makes, at most.
pub(in crate::query) fn made(
    function: &str,
    args: &[ArrayRef],
    interrupt: &Interrupt,
) -> Result<usize> {
    let replaces = function == "regexp_replace";
    let flags = if function == "regexp_instr" { 4 } else { 3 };
    let column = |place: usize| args.get(place).map(texts).transpose();
    let (Some(texts), Some(patterns)) = (column(0)?, column(1)?) else {
        return Ok(0);
    };
    let replacements = if replaces { column(2)? } else { None };
    let flags = column(flags)?;
    let mut way = Way::new(interrupt);
    let mut made = 0_usize;
    for row in 0..texts.len() {
        let (Some(text), Some(pattern)) = (value(&texts, row), value(&patterns, row)) else {
            continue;
        };
        let put = replacements
            .as_ref()
            .and_then(|texts| value(texts, row))
            .unwrap_or("");
        let flags = flags
            .as_ref()
            .and_then(|flags| value(flags, row))
            .unwrap_or("");
        let most = (text.len() + 1).saturating_mul(put.len());
        let matches = match replaces && !flags.contains('g') {
            true => 1,
            false if text.len() <= SHORT && most <= SMALL => text.len() + 1,
            false => way.matches(text, pattern, flags)?,
        };
        // What stands for groups: all matches together are no longer than the text.
        let groups = put.matches(['$', '\\']).count();
        let row = [
            matches.saturating_mul(put.len()),
            groups.saturating_mul(text.len()),
            text.len(),
        ];
        made = row.into_iter().fold(made, usize::saturating_add);
    }
    Ok(if replaces { made } else { 0 })
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

    fn matches(&mut self, text: &str, pattern: &str, flags: &str) -> Result<usize> {
        let flags = flags.replace('g', "");
        let pattern = match flags.as_str() {
            "" => pattern.to_owned(),
            flags => format!("(?{flags}){pattern}"),
        };
        let last = self.last.take().filter(|(last, _)| *last == pattern);
        let (_, regex) = self.last.insert(last.unwrap_or_else(|| {
            let regex = Regex::new(&pattern).ok();
            (pattern, regex)
        }));
        let mut count = 0;
        for _ in regex.iter().flat_map(|regex| regex.find_iter(text)) {
            self.interrupt.check()?;
            count += 1;
        }
        Ok(count)
    }
}
