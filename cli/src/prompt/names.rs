//! Names and words that complete what is typed.

use std::collections::BTreeSet;

use crate::command::Context;
use crate::failure::Failure;

/// Words of SQL that queries here use.
const WORDS: [&str; 62] = [
    "and",
    "as",
    "as_of",
    "asc",
    "avg",
    "between",
    "by",
    "case",
    "cast",
    "count",
    "date_bin",
    "date_trunc",
    "desc",
    "describe",
    "distinct",
    "else",
    "end",
    "exists",
    "explain",
    "false",
    "from",
    "full",
    "group",
    "having",
    "history",
    "in",
    "inner",
    "interval",
    "is",
    "join",
    "latest",
    "left",
    "like",
    "limit",
    "max",
    "median",
    "min",
    "not",
    "now",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "resample",
    "right",
    "round",
    "segments",
    "select",
    "show",
    "stddev",
    "sum",
    "tables",
    "then",
    "timestamp",
    "true",
    "union",
    "where",
    "with",
];

/// What there is to be named.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    known: BTreeSet<String>,
}

impl Names {
    /// The frames, buckets and columns that there are.
    pub(super) async fn of(context: &Context) -> Result<Self, Failure> {
        let frames = context.client.list().all_buckets().send().await?;
        let mut known = BTreeSet::new();
        for info in frames {
            let name = quoted(info.frame.name.as_str());
            if let Some(bucket) = &info.frame.bucket {
                let bucket = quoted(bucket.as_str());
                known.insert(format!("{bucket}.{name}"));
                known.insert(bucket);
            }
            if info.frame.bucket == context.bucket {
                known.insert(name);
            }
            known.extend(
                info.schema
                    .fields()
                    .iter()
                    .map(|field| quoted(field.name())),
            );
        }
        Ok(Self { known })
    }

    /// Where the word at the end of a text begins, and what completes it. Names come before words of the language.
    pub(super) fn completions(&self, before: &str) -> (usize, Vec<String>) {
        let starts = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '$'));
        let from = before.rfind(starts).map_or(0, |at| {
            at + before[at..].chars().next().map_or(0, char::len_utf8)
        });
        let word = &before[from..];
        if word.is_empty() {
            return (from, Vec::new());
        }
        let lower = word.to_lowercase();
        let begins = |name: &&str| {
            let name = name.to_lowercase();
            name.starts_with(&lower) || name.trim_start_matches('"').starts_with(&lower)
        };
        let names = self.known.iter().map(String::as_str).filter(begins);
        let mut choices: Vec<String> = names.map(str::to_owned).collect();
        let upper = word.chars().all(|c| c.is_uppercase() || !c.is_alphabetic());
        let words = WORDS.into_iter().filter(begins);
        let words = words.filter(|word| !self.known.contains(*word));
        choices.extend(words.map(|word| match upper {
            true => word.to_uppercase(),
            false => word.to_owned(),
        }));
        (from, choices)
    }
}

/// A name as it stands in SQL.
fn quoted(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match plain {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(before: &str) -> Vec<String> {
        let known = [
            "nyc",
            "nyc.weather",
            "weather",
            "wind_speed",
            "\"wind gust\"",
            "Origin",
        ];
        let known = known.map(str::to_owned).into();
        Names { known }.completions(before).1
    }

    #[test]
    fn names_and_words_complete_the_last_word() {
        assert_eq!(
            choices("select origin, wi"),
            ["\"wind gust\"", "wind_speed", "with"]
        );
        assert_eq!(choices("select * from nyc.w"), ["nyc.weather"]);
        assert_eq!(choices("avg(or"), ["Origin", "or", "order"]);
        assert_eq!(choices("SEL"), ["SELECT"]);
        assert!(choices("select ").is_empty());
        assert!(choices("from zzz").is_empty());
        assert_eq!(Names::default().completions("é, sel").0, "é, ".len());
    }

    #[test]
    fn names_that_are_no_words_are_quoted() {
        assert_eq!(quoted("wind_speed"), "wind_speed");
        assert_eq!(quoted("2013"), "\"2013\"");
        assert_eq!(quoted("say \"hi\""), "\"say \"\"hi\"\"\"");
    }
}
