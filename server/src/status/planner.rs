//! What DataFusion says, without what is about its own insides, and with the names of types that users know.

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use shoots_store::{type_name, type_named};

/// Where the useful part of an error about a function's arguments begins.
const NO_FUNCTION: &str = "No function matches the given name";

/// The error in words for whoever wrote the query.
pub(super) fn told(error: &DataFusionError) -> String {
    let mut error = error;
    // Which of its rules met the mistake is no matter of the query's.
    while let DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) = error {
        error = inner;
    }
    let message = match error {
        DataFusionError::SQL(problem, _) => of_parser(problem),
        // It asks for a report to its authors, and most often means that nobody checked what a function was given.
        DataFusionError::Internal(text) => format!("the query cannot be done as it is: {text}"),
        other => other.strip_backtrace(),
    };
    let message = match message.find(NO_FUNCTION) {
        Some(at) => format!("Error during planning: {}", &message[at..]),
        None => message,
    };
    with_known_types(&message)
}

/// What the parser says, as it is and not as a text of Rust.
fn of_parser(problem: &ParserError) -> String {
    match problem {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            format!("SQL error: {text}")
        }
        ParserError::RecursionLimitExceeded => {
            "SQL error: the statement nests more subqueries or parentheses than the parser takes; put inner queries before it by WITH".to_owned()
        }
    }
}

/// The text with the types that it names in the words of the rest of the program: `Int64` is `int64`, and
/// `Timestamp(ns, "UTC")` is `timestamp[ns, tz=UTC]`.
fn with_known_types(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_uppercase()) {
        let begins_word = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        told.push_str(&rest[..at]);
        rest = &rest[at..];
        let word = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let end = match begins_word {
            true => end_of_type(rest, word),
            false => word,
        };
        let known = begins_word.then(|| known_type(&rest[..end])).flatten();
        match known {
            Some(name) => {
                told.push_str(&name);
                rest = &rest[end..];
            }
            None => {
                told.push_str(&rest[..word]);
                rest = &rest[word..];
            }
        }
    }
    told + rest
}

/// Where a type ends that begins with a word: behind the brackets, if they belong to it.
fn end_of_type(text: &str, word: usize) -> usize {
    const WITH_PARTS: [&str; 8] = [
        "Timestamp",
        "Duration",
        "Time32",
        "Time64",
        "Dictionary",
        "Decimal128",
        "Decimal256",
        "FixedSizeBinary",
    ];
    if !WITH_PARTS.contains(&&text[..word]) {
        return word;
    }
    let mut depth = 0_usize;
    for (at, c) in text[word..].char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth <= 1 => return word + at + 1,
            ')' => depth -= 1,
            _ if depth == 0 => break,
            _ => {}
        }
    }
    word
}

fn known_type(text: &str) -> Option<String> {
    const PLAIN: [&str; 18] = [
        "Int8",
        "Int16",
        "Int32",
        "Int64",
        "UInt8",
        "UInt16",
        "UInt32",
        "UInt64",
        "Float16",
        "Float32",
        "Float64",
        "Utf8",
        "LargeUtf8",
        "Utf8View",
        "Boolean",
        "Date32",
        "Date64",
        "Binary",
    ];
    if !text.ends_with(')') && !PLAIN.contains(&text) {
        return None;
    }
    Some(type_name(&type_named(text).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_in_words_that_users_know() {
        for (text, expected) in [
            (
                "Cannot coerce arithmetic expression Utf8 + Int64 to valid types",
                "Cannot coerce arithmetic expression string + int64 to valid types",
            ),
            (
                "sum(Timestamp(ns, \"UTC\")), Dictionary(Int32, Utf8) é Timestamp",
                "sum(timestamp[ns, tz=UTC]), dictionary<values=string, indices=int32, ordered=0> é Timestamp",
            ),
            (
                "MyInt64 Int64s Time of Date (x) Decimal128(10",
                "MyInt64 Int64s Time of Date (x) Decimal128(10",
            ),
            ("No field named Temp", "No field named Temp"),
        ] {
            assert_eq!(with_known_types(text), expected);
        }
    }

    #[test]
    fn the_planners_insides_are_left_out() {
        let cause = || Box::new(DataFusionError::Plan("no such day".into()));
        let rule = DataFusionError::Context("Optimizer rule 'x' failed".into(), cause());
        assert_eq!(told(&rule), told(&cause()));
        let unforeseen = DataFusionError::Internal("array_resize: cannot be negative".into());
        assert_eq!(
            told(&unforeseen),
            "the query cannot be done as it is: array_resize: cannot be negative"
        );
        let own = "Internal error: Function 'avg' failed. This issue was likely caused by a bug. No function matches the given name and argument types 'avg(Utf8)'.";
        assert_eq!(
            told(&DataFusionError::Plan(own.into())),
            "Error during planning: No function matches the given name and argument types 'avg(string)'."
        );
    }
}
