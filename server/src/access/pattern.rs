//! Patterns for the names of buckets.

use std::fmt;

use serde::{Deserialize, Serialize};
use shoots_proto::BucketName;

use crate::pattern;

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
        pattern::means(&self.0, bucket.map_or("", BucketName::as_str))
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
    fn the_default_bucket_has_no_name() {
        let daily = BucketName::parse("daily").unwrap();
        for (pattern, default, named) in [
            ("", true, false),
            ("*", true, true),
            ("d*", false, true),
            ("daily", false, true),
            ("Daily", false, false),
        ] {
            let pattern = BucketPattern::new(pattern);
            assert_eq!(pattern.matches(None), default, "{pattern}");
            assert_eq!(pattern.matches(Some(&daily)), named, "{pattern}");
        }
    }
}
