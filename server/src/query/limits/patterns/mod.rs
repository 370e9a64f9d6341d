//! Looking for patterns in texts: `LIKE`, `SIMILAR TO`, `~`, and functions that search.
//!
//! What looks for a pattern asks nobody for memory or time: a column of patterns leaves a compiled automaton for each
//! row, and a short one with counted repetitions can take minutes for one batch. So it is done piece by piece
//! ([`pieces`]), by what a pattern costs ([`cost`]). Functions are wrapped with those of [`super::sizes`]. Operators
//! become functions ([`operator`]) by a rule of the optimizer, which runs twice: before anything is worked out while
//! planning, for what could be; and as the last, for the rest, since the optimizer knows patterns that need no automaton.

mod cost;
mod matches;
mod operator;
mod pieces;

pub(in crate::query) use cost::Search;
pub(in crate::query) use matches::made;
pub(in crate::query) use operator::{BoundedPatterns, When, is_known_plain};
pub(in crate::query) use pieces::{Flags, in_pieces};

/// Functions that look for their second argument in the first, and how.
const SEARCHING: &[(&str, Search)] = &[
    ("regexp_like", Search::Regex),
    ("regexp_match", Search::Regex),
    ("regexp_count", Search::Matches),
    ("regexp_instr", Search::Matches),
    ("regexp_replace", Search::Matches),
    ("contains", Search::Text),
    ("find_in_set", Search::Text),
    ("replace", Search::Text),
    ("split_part", Search::Text),
    ("substr_index", Search::Text),
    ("strpos", Search::Compared),
];

/// Which argument of a function holds the flags of its regular expression.
pub(in crate::query) fn flags_of(function: &str) -> Flags {
    match function {
        "regexp_like" | "regexp_match" => Flags::Argument(2),
        "regexp_count" | "regexp_replace" => Flags::Argument(3),
        "regexp_instr" => Flags::Argument(4),
        _ => Flags::Known(""),
    }
}

/// How a function searches, if it does.
pub(in crate::query) fn search_of(function: &str) -> Option<Search> {
    let found = SEARCHING.iter().find(|(name, _)| *name == function);
    found.map(|(_, search)| *search)
}
