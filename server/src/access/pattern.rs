//! Patterns for the names of buckets.

use std::fmt;

use serde::{Deserialize, Serialize};
use shoots_proto::BucketName;

/// Stands for any text, as in the requests that name several frames.
const ANY: char = '*';

/// The name of a bucket in which `*` stands for any text. The default bucket is the one with the empty name: the empty
/// pattern means it alone, and `*` every bucket, it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct BucketPattern(String);

impl BucketPattern {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it means this bucket; `None` is the default bucket.
    pub(super) fn matches(&self, bucket: Option<&BucketName>) -> bool {
        let name = bucket.map_or("", BucketName::as_str);
        let Some((start, rest)) = self.0.split_once(ANY) else {
            return self.0 == name;
        };
        let Some(mut name) = name.strip_prefix(start) else {
            return false;
        };
        // What stands between two stars is looked for as far to the left as it can be.
        let (middle, end) = rest.rsplit_once(ANY).unwrap_or(("", rest));
        for part in middle.split(ANY) {
            match name.find(part) {
                Some(at) => name = &name[at + part.len()..],
                None => return false,
            }
        }
        name.ends_with(end)
    }
}

impl fmt::Display for BucketPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_everything_else_for_itself() {
        for (pattern, name, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a", true),
            ("**", "a", true),
            ("a", "a", true),
            ("a", "A", false),
            ("a", "", false),
            ("a", "ab", false),
            ("a*", "a", true),
            ("a*", "ab", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*a", "aba", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*b*b", "ab", false),
            ("*é*", "caféz", true),
            ("a.c", "abc", false),
            ("[ab]", "a", false),
        ] {
            let bucket = (!name.is_empty()).then(|| BucketName::parse(name).unwrap());
            let matches = BucketPattern::new(pattern).matches(bucket.as_ref());
            assert_eq!(matches, expected, "{pattern} {name}");
        }
    }
}
