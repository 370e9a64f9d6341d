//! `bucket/frame`, as clients name frames, in SQL, where a slash divides numbers.

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;

/// What the parser says of a slash.
const FOUND: &str = "found: / at Line: ";

/// A mistake that the parser found, with what was meant if a slash stands between a bucket and a frame.
pub(super) fn explained(sql: &str, error: DataFusionError) -> DataFusionError {
    let told = match error.find_root() {
        DataFusionError::SQL(problem, _) => match problem.as_ref() {
            ParserError::ParserError(text) => in_place(sql, text),
            _ => None,
        },
        _ => None,
    };
    match told {
        Some(text) => DataFusionError::SQL(Box::new(ParserError::ParserError(text)), None),
        None => error,
    }
}

/// The parser's text with a hint before the place that it tells.
fn in_place(sql: &str, text: &str) -> Option<String> {
    let (before, place) = text.split_once(FOUND)?;
    let (line, column) = place.split_once(", Column: ")?;
    let (line, column): (usize, usize) = (line.parse().ok()?, column.trim().parse().ok()?);
    let line = sql.lines().nth(line.checked_sub(1)?)?;
    let (slash, _) = line.char_indices().nth(column.checked_sub(1)?)?;
    let (left, right) = (line.get(..slash)?, line.get(slash..)?.strip_prefix('/')?);
    let ends = |c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')' | ';');
    let bucket = left.rsplit(ends).next()?;
    let frame = right.split(ends).next()?;
    let meant = dotted(bucket, frame)?;
    Some(format!("{before}found: / ({meant}) at Line: {place}"))
}

/// What was meant by a name of a table that is none.
pub(super) fn meant(table: &str) -> Option<String> {
    let (bucket, frame) = table.split_once('/')?;
    dotted(bucket, frame)
}

fn dotted(bucket: &str, frame: &str) -> Option<String> {
    if bucket.is_empty() || frame.is_empty() {
        return None;
    }
    let (bucket, frame) = (identifier(bucket), identifier(frame));
    Some(format!(
        "in SQL a bucket stands before a dot: {bucket}.{frame}"
    ))
}

/// A name as SQL takes it.
fn identifier(name: &str) -> String {
    let quoted = name.len() > 1 && name.starts_with('"') && name.ends_with('"');
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match quoted || plain {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_between_a_bucket_and_a_frame_is_told_as_a_dot() {
        let parsed = "Expected: end of statement, found: / at Line: 2, Column: 9";
        for (line, told) in [
            (
                "FROM nyc/weather w",
                "(in SQL a bucket stands before a dot: nyc.weather)",
            ),
            ("FROM nyc/my-frame;", "nyc.\"my-frame\")"),
            ("FROM nyc/\"my-frame\"", "nyc.\"my-frame\")"),
        ] {
            let told_in_place = in_place(&format!("SELECT *\n{line}"), parsed).unwrap();
            assert!(told_in_place.contains(told), "{told_in_place}");
            assert!(
                told_in_place.ends_with(" at Line: 2, Column: 9"),
                "{told_in_place}"
            );
        }
        for other in [
            "SELECT *\nFROM abc / d",
            "SELECT *\nFROM nyc.w",
            "SELECT *",
            "",
        ] {
            assert_eq!(in_place(other, parsed), None, "{other}");
        }
        let apart = "Expected: end of statement, found: / at Line: 1, Column: 10";
        assert_eq!(in_place("FROM nyc / 2", apart), None);
        assert_eq!(
            meant("a/b").unwrap(),
            "in SQL a bucket stands before a dot: a.b"
        );
        assert_eq!(meant("ab"), None);
    }
}
