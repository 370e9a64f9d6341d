//! Patterns for the names of frames and buckets: names with stars, and regular expressions.

use regex::{Regex, RegexBuilder};

/// Stands for any text in a name.
pub(crate) const ANY: char = '*';

/// The longest regular expression that is compiled, in bytes. What a few of them stand for, such as all letters, takes
/// kilobytes before it is known how much the whole takes.
const REGEX_BYTES: usize = 4 << 10;

/// Memory that a regular expression may take once it is compiled.
const COMPILED_BYTES: usize = 1 << 20;

/// Whether a name is what a pattern means: the same text, in which each star stands for any text.
pub(crate) fn means(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once(ANY) else {
        return pattern == name;
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

/// A regular expression, to be searched for in names; or what is wrong with it.
pub(crate) fn compile(regex: &str) -> Result<Regex, String> {
    if regex.len() > REGEX_BYTES {
        return Err(format!(
            "has {} bytes; send at most {REGEX_BYTES}",
            regex.len()
        ));
    }
    RegexBuilder::new(regex)
        .size_limit(COMPILED_BYTES)
        .dfa_size_limit(COMPILED_BYTES)
        .build()
        .map_err(|error| error.to_string())
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
            ("a.*", "a.daily", true),
            ("a.*", "xa.b", false),
            ("[ab]", "a", false),
        ] {
            assert_eq!(means(pattern, name), expected, "{pattern} {name}");
        }
        assert!(means(&"*".repeat(3 << 20), "a"));
    }

    #[test]
    fn regular_expressions_are_searched_for_and_limited() {
        assert!(compile("ea").unwrap().is_match("weather"));
        assert!(!compile("^ea").unwrap().is_match("weather"));
        for bad in ["(", "a{99999}{99999}", r"\p{Nonsense}"] {
            compile(bad).unwrap_err();
        }
        let long = compile(&r"[\pL\pN]".repeat(1_000)).unwrap_err();
        assert!(long.contains("at most 4096"), "{long}");
    }
}
