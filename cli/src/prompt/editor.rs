//! A line on the terminal: typed, completed, and remembered for the next day.

use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Editor, Helper};

use super::names::Names;

/// How many questions are kept.
const KEPT: usize = 1000;

/// What came of typing a line.
pub(super) enum Typed {
    Line(String),
    GivenUp,
    End,
}

/// Reads lines, with the names that complete them and the questions before them.
pub(super) struct LineEditor {
    editor: Editor<Names, FileHistory>,
    /// Where questions are kept, in a file that only its user can read; none: nowhere.
    path: Option<PathBuf>,
}

impl LineEditor {
    /// Knows the questions in `$XDG_STATE_HOME/shoots/history`, or `~/.local/state/shoots/history`.
    pub(super) fn open() -> rustyline::Result<Self> {
        let config = Config::builder()
            .max_history_size(KEPT)?
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .build();
        let mut editor = Editor::with_config(config)?;
        let path = history_file();
        if let Some(path) = &path {
            // On the first day there is none, and one that cannot be read is like none.
            let _first_day = editor.load_history(path);
        }
        Ok(Self { editor, path })
    }

    /// The names that complete what is typed from now on.
    pub(super) fn know(&mut self, names: Names) {
        self.editor.set_helper(Some(names));
    }

    /// Lets a line be typed. This blocks until it is.
    pub(super) fn read(&mut self, prompt: &str) -> rustyline::Result<Typed> {
        match self.editor.readline(prompt) {
            Ok(line) => Ok(Typed::Line(line)),
            Err(ReadlineError::Interrupted) => Ok(Typed::GivenUp),
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(error),
        }
    }

    /// Remembers a question, unless it is the last one again.
    pub(super) fn remember(&mut self, question: &str) -> rustyline::Result<()> {
        let question = question.trim();
        if question.is_empty() || !self.editor.add_history_entry(question)? {
            return Ok(());
        }
        let Some(path) = &self.path else {
            return Ok(());
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        self.editor.append_history(path)
    }
}

fn history_file() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = variable("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/state")));
    Some(folder?.join("shoots/history"))
}

impl Helper for Names {}

impl Completer for Names {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..cursor).unwrap_or(line);
        Ok(self.completions(before))
    }
}

impl Hinter for Names {
    type Hint = String;
}

impl Highlighter for Names {}

impl Validator for Names {}
