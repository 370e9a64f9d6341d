//! The page about the command is true: what it shows is run, in order, in one folder. (The other pages are run by
//! `tests/python/test_pages.py`.)
//!
//! Blocks of `console` hold commands after `$ ` and what they answer. `…` stands for text that is another one each time.
//! With `SHOOTS_WRITE_PAGE=1` the page is written anew with what its commands answer, to be looked at and committed.

use std::path::Path;
use std::process::Command;

use crate::place::{Place, data};

/// The commands of a page and what is shown after each.
fn examples(page: &str) -> Vec<(String, String)> {
    let mut examples: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            line => match line.strip_prefix("$ ") {
                Some(command) => examples.push((command.to_owned(), String::new())),
                None => {
                    let (_, shown) = examples.last_mut().unwrap();
                    shown.push_str(line);
                    shown.push('\n');
                }
            },
        }
    }
    examples
}

/// Whether a text is what is shown, where `…` stands for anything on one line.
fn is_shown(shown: &str, text: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let expected: Vec<&str> = shown.lines().collect();
    lines.len() == expected.len()
        && lines
            .iter()
            .zip(expected)
            .all(|(line, shown)| fits(shown, line))
}

fn fits(shown: &str, line: &str) -> bool {
    // In the tables themselves it stands for columns that are left out.
    if shown == line {
        return true;
    }
    let mut parts = shown.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut last_matched = first;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
        last_matched = part;
    }
    rest.is_empty() || last_matched.is_empty()
}

/// Runs a line as a shell does, with the command at hand and a store in the folder of the place.
fn run(place: &Place, line: &str) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_shoots")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{{ {line}\n}} 2>&1"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SHOOTS_") {
            shell.env_remove(name);
        }
    }
    shell
        .current_dir(place.folder())
        .env("PATH", &path)
        .env("HOME", place.folder());
    shell.env("SHOOTS_STORE", place.folder().join("store"));
    let done = shell.output().unwrap();
    String::from_utf8(done.stdout).unwrap()
}

/// What a command answered, with `…` for what is another text each time: paths, commits, times of today, sizes.
fn lasting(said: &str, place: &Place) -> String {
    let said = said.replace(place.folder().to_str().unwrap(), "…");
    let changing = [
        r"\b[0-9a-f]{12}\b",
        r"\b20(2[5-9]|[3-9]\d)-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?",
        r"\b[\d.]+ [kM]?B\b",
    ];
    let replaced = |text: String, pattern: &str| {
        let pattern = regex::Regex::new(pattern).unwrap();
        pattern.replace_all(&text, "…").into_owned()
    };
    changing.into_iter().fold(said, replaced)
}

#[test]
fn what_the_page_shows_is_what_happens() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/command.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let examples = examples(&page);
    assert!(examples.len() > 15, "{}", examples.len());
    let place = Place::store();
    for file in ["weather.csv", "flights.csv", "airlines.csv"] {
        std::fs::copy(data(file), place.folder().join(file)).unwrap();
    }
    let writes = std::env::var_os("SHOOTS_WRITE_PAGE").is_some();
    let mut answers = examples.iter().map(|(line, shown)| {
        let said = run(&place, line);
        if !writes {
            assert!(
                is_shown(shown, &said),
                "$ {line}\nshown:\n{shown}\nsaid:\n{said}"
            );
        }
        lasting(&said, &place)
    });
    if !writes {
        answers.for_each(drop);
        return;
    }
    let (mut written, mut inside) = (String::new(), false);
    for line in page.lines() {
        inside = (inside || line == "```console") && line != "```";
        let asks = inside && line.starts_with("$ ");
        if !inside || asks || line == "```console" {
            written.push_str(line);
            written.push('\n');
        }
        if asks {
            written.push_str(&answers.next().unwrap());
        }
    }
    std::fs::write(&path, written).unwrap();
}

#[test]
fn an_ellipsis_stands_for_anything_on_its_line() {
    assert!(is_shown("a … c\n", "a b c\n"));
    assert!(is_shown("a …\n", "a b c\n"));
    assert!(!is_shown("a … c\n", "a b d\n"));
    assert!(!is_shown("a\n", "a\nb\n"));
    assert!(!is_shown("a … c\n", "a b c d\n"));
}
