//! The questions of earlier days, in a file that only its user can read.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How many are kept.
const KEPT: usize = 1000;

/// Questions, the newest last.
pub(super) struct History {
    path: Option<PathBuf>,
    lines: Vec<String>,
}

impl History {
    /// Opens `$XDG_STATE_HOME/shoots/history`, or `~/.local/state/shoots/history`.
    pub(super) fn open() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = variable("XDG_STATE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/state")));
        match folder {
            Some(folder) => Self::at(&folder.join("shoots/history")),
            None => Self {
                path: None,
                lines: Vec::new(),
            },
        }
    }

    fn at(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(unescaped).collect();
        Self {
            lines: lines[lines.len().saturating_sub(KEPT)..].to_vec(),
            path: Some(path.to_owned()),
        }
    }

    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Adds a question, unless it is the last one again.
    pub(super) fn add(&mut self, question: &str) -> io::Result<()> {
        let question = question.trim();
        if question.is_empty() || self.lines.last().is_some_and(|last| last == question) {
            return Ok(());
        }
        self.lines.push(question.to_owned());
        let Some(path) = &self.path else {
            return Ok(());
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if self.lines.len() > KEPT * 2 {
            self.lines.drain(..KEPT);
            let all: String = self.lines.iter().map(|line| escaped(line) + "\n").collect();
            return private(
                path,
                OpenOptions::new().write(true).truncate(true),
                all.as_bytes(),
            );
        }
        let line = escaped(question) + "\n";
        private(path, OpenOptions::new().append(true), line.as_bytes())
    }
}

#[cfg(unix)]
fn private(path: &Path, options: &mut OpenOptions, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;

    options
        .create(true)
        .mode(0o600)
        .open(path)?
        .write_all(bytes)
}

#[cfg(not(unix))]
fn private(path: &Path, options: &mut OpenOptions, bytes: &[u8]) -> io::Result<()> {
    options.create(true).open(path)?.write_all(bytes)
}

fn escaped(line: &str) -> String {
    line.replace('\\', "\\\\").replace('\n', "\\n")
}

fn unescaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (c, c == '\\') {
            (_, true) => match characters.next() {
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            (c, false) => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_of_several_lines_come_back_the_next_day() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/history");
        let mut history = History::at(&path);
        let question = "select '\\n'\nfrom x;";
        history.add(question).unwrap();
        history.add(question).unwrap();
        history.add("\\d x").unwrap();
        assert_eq!(History::at(&path).lines(), [question, "\\d x"]);
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let mut history = History::at(&path);
        for number in 0..KEPT * 3 {
            history.add(&format!("select {number};")).unwrap();
        }
        let again = History::at(&path);
        assert_eq!(again.lines().len(), KEPT);
        assert_eq!(
            again.lines().last().unwrap(),
            &format!("select {};", KEPT * 3 - 1)
        );
    }
}
