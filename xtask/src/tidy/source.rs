//! Source files: every Rust file says what it is for before anything else, none is two things in one, and
//! nothing is left for later.

use super::Problem;
use crate::workspace::SourceFile;

/// More lines than this, tests not counted, is two things in one file.
const CODE_LINES: usize = 600;

/// More lines than this is too long to read even if most of them are tests.
const ALL_LINES: usize = 700;

/// What marks work that is not finished. Taken apart so that this file does not contain them.
const LEFTOVERS: [&str; 7] = [
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
    concat!("db", "g!"),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
];

/// The kinds of files that are searched for leftovers.
const SOURCES: [&str; 5] = [".rs", ".py", ".sh", ".toml", ".proto"];

pub(super) fn check(file: &SourceFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    if file.path.ends_with(".rs") {
        problems.extend(opening(file));
        problems.extend(length(file));
    }
    if SOURCES.iter().any(|kind| file.path.ends_with(kind)) {
        problems.extend(leftovers(file));
    }
    problems
}

fn opening(file: &SourceFile) -> Option<Problem> {
    let first = file.text.lines().next().unwrap_or_default();
    match first.strip_prefix("//!") {
        Some(words) if !words.trim().is_empty() => None,
        _ => Some(Problem::new(
            &file.path,
            "must open with `//!` and what this file is for",
        )),
    }
}

fn length(file: &SourceFile) -> Option<Problem> {
    let (all, code) = (file.text.lines().count(), code_lines(file));
    if code > CODE_LINES {
        let what = format!("{code} lines of code, at most {CODE_LINES}: it is two things");
        return Some(Problem::new(&file.path, what));
    }
    (all > ALL_LINES).then(|| {
        let what = format!("{all} lines, at most {ALL_LINES}: move tests to a file of their own");
        Problem::new(&file.path, what)
    })
}

/// The lines before the module of tests; none in files that are all tests.
fn code_lines(file: &SourceFile) -> usize {
    if file.path.contains("tests/") || file.path.ends_with("tests.rs") {
        return 0;
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    tests.unwrap_or(lines.len())
}

fn leftovers(file: &SourceFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for leftover in LEFTOVERS {
            if contains_word(line, leftover) {
                let place = format!("{}:{number}", file.path);
                problems.push(Problem::new(place, format!("{leftover} is left over")));
            }
        }
    }
    problems
}

/// Whether `word` occurs with no letter, digit or underscore next to it.
fn contains_word(line: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let open_end = word.ends_with('!') || !after.is_some_and(joins);
        !before.is_some_and(joins) && open_end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        let file = SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        check(&file).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_without_an_opening_is_found() {
        assert!(problems("a.rs", "//! What it is for.\nfn f() {}\n").is_empty());
        for bad in ["", "fn f() {}", "// x", "\n//! late", "//!\nfn f() {}"] {
            assert_eq!(problems("a.rs", bad).len(), 1, "{bad:?}");
        }
        assert!(problems("a.md", "no opening").is_empty());
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let code = |lines: usize| format!("//! x\n{}", "x\n".repeat(lines - 1));
        assert!(problems("a.rs", &code(600)).is_empty());
        assert!(problems("a.rs", &code(601))[0].contains("two things"));

        let tests =
            |lines: usize| format!("#[cfg(test)]\nmod tests {{\n{}", "x\n".repeat(lines - 2));
        assert!(problems("a.rs", &(code(590) + &tests(110))).is_empty());
        assert!(problems("a.rs", &(code(590) + &tests(111)))[0].contains("of their own"));
        assert!(problems("a/tests.rs", &code(700)).is_empty());
        assert_eq!(problems("a/tests/b.rs", &code(701)).len(), 1);
    }

    #[test]
    fn what_was_left_for_later_is_found_with_its_line() {
        for leftover in LEFTOVERS {
            let text = format!("//! x\n\n  {leftover}(\"later\")\n");
            let found = problems("a.rs", &text);
            assert_eq!(found.len(), 1, "{leftover}");
            assert!(found[0].starts_with("a.rs:3: "), "{found:?}");
            assert_eq!(problems("a.py", &text).len(), 1);
            assert!(problems("a.md", &text).is_empty());
        }
    }

    #[test]
    fn a_longer_word_is_not_a_leftover() {
        let word = LEFTOVERS[5];
        assert!(problems("a.sh", &format!("mktemp {word}{word}\n")).is_empty());
        assert!(problems("a.sh", &format!("MY_{word}\n")).is_empty());
        assert_eq!(problems("a.sh", &format!("({word})\n")).len(), 1);
    }
}
