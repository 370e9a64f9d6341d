//! Regular expressions of strangers, in listings and in SQL.

use serde_json::json;

use super::text;
use crate::child::{Target, Verdict};
use crate::input::{Input, texts};
use crate::wire::Wire;

const PATTERNS: [&str; 16] = [
    "^n.*s$",
    "(a+)+$",
    "(a|aa)+b",
    r"\p{Greek}+[[:alpha:]&&[^x]]\b",
    "(?i)(?x: p r i c e s )",
    "(?P<year>[0-9]{4})-(?<month>[0-9]{2})",
    "[^a-z]{0,100}",
    "((a{0,50}){0,50}){0,5}",
    r"\x{10FFFF}|\u00e9|\U0001F600",
    r"(?s-m:.^$)\A\z",
    "a??b*?c+?d{2,}?",
    r"\d\D\s\S\w\W\pL\PN",
    "|||",
    "(?-u:.)",
    r"[\[\]\\]",
    "x*",
];

pub(super) struct Patterns(Wire);

impl Target for Patterns {
    const NAME: &'static str = "patterns";

    async fn begin() -> Self {
        Self(Wire::new().await)
    }

    async fn seeds(&mut self) -> Vec<Input> {
        let kinds = ["list", "match", "replace", "like"];
        let seed = |pattern: &&'static str| kinds.map(|kind| texts([kind, pattern]));
        PATTERNS.iter().flat_map(seed).collect()
    }

    async fn run(&mut self, input: &Input) -> Verdict {
        self.0.refresh().await;
        let pattern = text(input, 1);
        let quoted = pattern.replace('\'', "''");
        let call = match text(input, 0).as_str() {
            "match" => format!(
                "regexp_match(\"Text\", '{quoted}'), \"Text\" ~ '{quoted}', regexp_count(\"Text\", '{quoted}')"
            ),
            "replace" => format!("regexp_replace(\"Text\", '{quoted}', '$1', 'gi')"),
            "like" => format!("\"Text\" like '{quoted}', \"Text\" similar to '{quoted}'"),
            _ => {
                let criteria = json!({"all_buckets": true, "regex": pattern});
                return self.0.list(criteria.to_string().into_bytes()).await;
            }
        };
        let sql = format!("select {call} from nyc.numbers");
        let ticket = json!({"name": "prices", "sql": sql});
        self.0.get(ticket.to_string().into_bytes()).await
    }
}
