//! What it costs to look for something in a text, told before anything is compiled.
//!
//! The crate `regex` looks for a pattern with an automaton. Where its fast forms give up, it keeps, for each byte of a text,
//! a set of all places in the pattern that may have been reached (its documentation: worst case *O(m · n)*, with *m* "after
//! counted repetitions are written out"). So one place and one byte are a *step*, of a few nanoseconds. How many places
//! there are, and about how much memory they take, is told from the parsed pattern (`regex-syntax`).

use datafusion::common::{Result, exec_err};
use regex_syntax::hir::{Class, Hir, HirKind};

/// The longest pattern that is parsed, in bytes. What two of them stand for, such as all letters, may take kilobytes.
const LONGEST_PATTERN: usize = 128 << 10;

/// Memory that a matcher takes besides what its places do.
const MATCHER_BYTES: usize = 16 << 10;

/// Memory of a place, and of each range of characters that are meant there.
const PLACE_BYTES: usize = 32;
const RANGE_BYTES: usize = 96;

/// The crate `regex` compiles nothing that takes more than 10 MiB, by its own count.
const MOST_COMPILED: usize = 16 << 20;

/// What an automaton remembers for each byte that it reads, and at most.
const REMEMBERED_PER_BYTE: usize = 1 << 10;
const MOST_REMEMBERED: usize = 4 << 20;

/// Bytes that are compared in the time of a step where no automaton is needed.
const BYTES_PER_STEP: usize = 16;

/// How something is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::query) enum Search {
    /// A pattern of `LIKE`.
    Like,
    /// A pattern of `ILIKE`, for which an automaton is made whatever it is.
    Ilike,
    /// A regular expression, up to its first match.
    Regex,
    /// A regular expression, from match to match.
    Matches,
    /// A text, in one pass.
    Text,
    /// A text, which is compared with the other from each of its bytes on.
    Compared,
}

/// What a pattern costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// No automaton is needed; each byte of a text is compared with so many.
    Plain { bytes: usize },
    /// An automaton.
    Automaton {
        places: usize,
        memory: usize,
        /// Whether the rest of a text may be read again at each match.
        again: bool,
    },
}

impl Cost {
    /// The cost of a pattern. One that cannot be parsed costs nothing: it is refused by what would compile it.
    pub(super) fn of(search: Search, pattern: &str) -> Result<Self> {
        match search {
            Search::Text => Ok(Self::Plain { bytes: 1 }),
            Search::Compared => Ok(Self::Plain {
                bytes: pattern.len().max(1),
            }),
            Search::Like if is_plain(pattern) => Ok(Self::Plain { bytes: 1 }),
            Search::Like | Search::Ilike => Ok(like(pattern)),
            Search::Regex | Search::Matches => regex(pattern, search == Search::Matches),
        }
    }

    /// How long it takes to look through a text of so many bytes for one match, at worst.
    pub(super) fn steps(self, text: usize) -> usize {
        match self {
            Self::Plain { bytes } => text.saturating_mul(bytes) / BYTES_PER_STEP,
            Self::Automaton { places, .. } => text.saturating_mul(places),
        }
    }

    /// How long it takes to look through a text of so many bytes for all that is wanted.
    pub(super) fn all_steps(self, text: usize) -> usize {
        match self {
            Self::Automaton {
                places,
                again: true,
                ..
            } => text.saturating_mul(places.max(text)),
            other => other.steps(text),
        }
    }

    /// How long it takes to make ready for it, in steps.
    pub(super) fn preparing(self) -> usize {
        self.memory(0)
    }

    /// Memory that it takes as long as it is kept, once texts of so many bytes were looked through.
    pub(super) fn memory(self, texts: usize) -> usize {
        let remembered = texts.saturating_mul(REMEMBERED_PER_BYTE);
        match self {
            Self::Plain { .. } => 0,
            Self::Automaton { memory, .. } => memory
                .min(MOST_COMPILED)
                .saturating_add(MATCHER_BYTES)
                .saturating_add(remembered.min(MOST_REMEMBERED)),
        }
    }
}

/// Whether a pattern of `LIKE` is a text with at most a `%` at either end, for which no automaton is made.
pub(super) fn is_plain(pattern: &str) -> bool {
    let inner = pattern.strip_prefix('%').unwrap_or(pattern);
    let inner = inner.strip_suffix('%').unwrap_or(inner);
    !inner.contains(['%', '_', '\\'])
}

fn like(pattern: &str) -> Cost {
    let any = pattern.matches(['%', '_']).count();
    let memory = pattern.len().saturating_mul(PLACE_BYTES);
    Cost::Automaton {
        places: pattern.len(),
        memory: memory.saturating_add(any.saturating_mul(4 * RANGE_BYTES)),
        again: false,
    }
}

fn regex(pattern: &str, again: bool) -> Result<Cost> {
    if pattern.len() > LONGEST_PATTERN {
        return exec_err!(
            "a regular expression has {} bytes, and at most {LONGEST_PATTERN} are compiled; join with a table of texts, or \
             use several shorter ones",
            pattern.len()
        );
    }
    let (places, memory) = match regex_syntax::parse(pattern) {
        // Texts to choose from are looked for at once, however many there are.
        Ok(parsed) if parsed.properties().is_alternation_literal() => {
            (1, pattern.len() * PLACE_BYTES)
        }
        Ok(parsed) => places_and_memory(&parsed),
        Err(_) => (0, 0),
    };
    Ok(Cost::Automaton {
        places,
        memory,
        again,
    })
}

/// How many places a pattern has, and about how much memory they take. How deep it is, the parser bounds.
fn places_and_memory(pattern: &Hir) -> (usize, usize) {
    let place = |ranges: usize| (1, PLACE_BYTES.saturating_add(ranges * RANGE_BYTES));
    match pattern.kind() {
        HirKind::Empty => (0, 0),
        HirKind::Look(_) => place(0),
        HirKind::Literal(text) => (text.0.len(), text.0.len() * PLACE_BYTES),
        HirKind::Class(Class::Unicode(class)) => place(class.ranges().len()),
        HirKind::Class(Class::Bytes(class)) => place(class.ranges().len()),
        HirKind::Capture(group) => sum(place(0), places_and_memory(&group.sub)),
        HirKind::Repetition(repeated) => {
            let times = repeated
                .max
                .unwrap_or(repeated.min.saturating_add(1))
                .max(1);
            let times = usize::try_from(times).unwrap_or(usize::MAX);
            let (places, memory) = sum(place(0), places_and_memory(&repeated.sub));
            (places.saturating_mul(times), memory.saturating_mul(times))
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(places_and_memory).fold(place(0), sum)
        }
    }
}

fn sum(one: (usize, usize), other: (usize, usize)) -> (usize, usize) {
    (one.0.saturating_add(other.0), one.1.saturating_add(other.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(search: Search, pattern: &str) -> usize {
        Cost::of(search, pattern).unwrap().steps(1)
    }

    #[test]
    fn counted_repetitions_count_as_often_as_they_are_written_out() {
        let once = places(Search::Regex, "a{1,50}b");
        assert!((50..200).contains(&once), "{once}");
        let nested = places(Search::Regex, "((a{1,50}){1,50}){1,9}b");
        assert!((50 * 50 * 9..200 * 50 * 9).contains(&nested), "{nested}");
        let words: Vec<String> = (0..500).map(|n| format!("{n}word")).collect();
        let words = words.join("|");
        let other = format!("(?i){words}");
        assert!(places(Search::Regex, &other) > 1_000);
        assert!(places(Search::Regex, r"\w+@\w+\.com") < 30);
        assert_eq!(places(Search::Regex, &words), 1);
        assert_eq!(
            Cost::of(
                Search::Regex,
                "((((a{1000}){1000}){1000}){1000}){1000}{1000}{1000}"
            )
            .unwrap(),
            Cost::Automaton {
                places: usize::MAX,
                memory: usize::MAX,
                again: false
            }
        );
    }

    #[test]
    fn characters_that_are_meant_take_memory_not_steps() {
        let letters = Cost::of(Search::Regex, r"\w").unwrap();
        let one = Cost::of(Search::Regex, "b").unwrap();
        assert_eq!(letters.steps(1000), one.steps(1000));
        assert!(letters.memory(0) > one.memory(0) + 10_000);
    }

    #[test]
    fn plain_patterns_of_like_need_no_automaton() {
        for plain in ["", "%", "%%", "a", "%a", "a%", "%a%"] {
            assert!(is_plain(plain), "{plain}");
            assert_eq!(places(Search::Like, plain), 0, "{plain}");
        }
        for other in ["a%b", "_", "a_", "%a%b", "%%%", r"a\%"] {
            assert!(!is_plain(other), "{other}");
            assert!(places(Search::Like, other) > 0, "{other}");
            assert!(places(Search::Ilike, "%a") > 0);
        }
    }

    #[test]
    fn what_is_too_long_to_be_parsed_is_refused_and_what_is_wrong_is_left_to_others() {
        Cost::of(Search::Regex, &"a".repeat(LONGEST_PATTERN)).unwrap();
        let refused = Cost::of(Search::Regex, &"a".repeat(LONGEST_PATTERN + 1)).unwrap_err();
        assert!(refused.to_string().contains("131073 bytes"), "{refused}");
        Cost::of(Search::Like, &"a_".repeat(LONGEST_PATTERN)).unwrap();
        assert_eq!(places(Search::Regex, "("), 0);
    }
}
