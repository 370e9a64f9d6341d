//! No file says where it was written: absolute paths of somebody's machine work nowhere else.

use super::Problem;
use crate::workspace::SourceFile;

/// Beginnings of paths that exist on one machine. Taken apart so that this file does not contain them.
const PLACES: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("../sh", "ared"),
];

pub(super) fn check(file: &SourceFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for place in PLACES {
            if line.match_indices(place).any(|(at, _)| begins(&line[..at])) {
                let what = format!("a path of one machine ({place}…)");
                problems.push(Problem::new(format!("{}:{number}", file.path), what));
            }
        }
    }
    problems
}

/// Whether a path can begin after this text: it does not in the middle of a longer path or of an address.
fn begins(before: &str) -> bool {
    let continues = |c: char| c.is_alphanumeric() || "_-.~})".contains(c);
    !before.chars().next_back().is_some_and(continues)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        let file = SourceFile {
            path: "a.md".to_owned(),
            text: text.to_owned(),
        };
        check(&file).len()
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for place in PLACES {
            for text in [
                format!("{place}me/x"),
                format!("see `{place}x`"),
                format!("file://{place}x"),
                format!("a\nb = \"{place}\""),
            ] {
                assert_eq!(found(&text), 1, "{text}");
            }
        }
    }

    #[test]
    fn the_same_names_inside_other_paths_are_fine() {
        for place in &PLACES[..4] {
            for text in [
                format!("https://example.org{place}x"),
                format!("$HOME{place}x"),
                format!("~{place}x"),
            ] {
                assert_eq!(found(&text), 0, "{text}");
            }
        }
    }
}
