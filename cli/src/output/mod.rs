//! What is said, and where: answers on standard output, everything about them on standard error.
//!
//! On a terminal people get tables, colours, progress and questions. A pipe gets the answers alone. With `--json`,
//! an answer is a line of JSON, or one for each part of a list, and so is a failure on standard error.

mod listing;
mod number;
mod progress;
mod rows;
mod sample;

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use console::Term;
use serde::Serialize;

pub(crate) use listing::{Listing, printable};
pub(crate) use number::{bytes, count, several};
pub(crate) use progress::Progress;
pub(crate) use rows::RowsArgs;

use crate::failure::Failure;
use crate::flags::Flags;

/// The flags that say how things are said.
#[derive(Args, Debug)]
#[command(next_help_heading = "How things are said")]
pub(crate) struct OutputArgs {
    /// Answer in JSON: a line for an answer, or for each part of a list
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing on standard error but what goes wrong
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Do what loses something without asking
    #[arg(short, long, global = true)]
    yes: bool,
    /// When to use colours; NO_COLOR in the environment means never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

/// How this process says things.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
    quiet: bool,
    yes: bool,
    /// Whether standard output is a terminal.
    pub(crate) terminal: bool,
    /// Whether standard error is one.
    err_terminal: bool,
    colored: bool,
    err_colored: bool,
    /// How many columns the terminal has, if it is one.
    width: Option<usize>,
    /// What fields of requests are called by whoever asked for this.
    flags: Flags,
}

impl Output {
    pub(crate) fn new(args: &OutputArgs, flags: Flags) -> Self {
        let (out, err) = (Term::stdout(), Term::stderr());
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colored = |term: &Term| match args.color {
            When::Always => true,
            When::Never => false,
            When::Auto => !forbidden && term.is_term() && !is_dumb(),
        };
        Self {
            json: args.json,
            quiet: args.quiet,
            yes: args.yes,
            terminal: out.is_term(),
            err_terminal: err.is_term(),
            colored: colored(&out),
            err_colored: colored(&err),
            width: out
                .is_term()
                .then(|| usize::from(out.size().1).max(MIN_WIDTH)),
            flags,
        }
    }

    /// A line on standard output.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")
            .and_then(|()| out.flush())
            .map_err(|error| Failure::output(&error))
    }

    /// One answer: as JSON, or in words.
    pub(crate) fn answer(
        &self,
        answer: &impl Serialize,
        words: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.json {
            true => self.line(&json(answer)?),
            false => self.line(&words()),
        }
    }

    /// A list: a line of JSON for each part, or a table.
    pub(crate) fn list<T: Serialize>(
        &self,
        parts: &[T],
        table: impl FnOnce() -> Listing,
    ) -> Result<(), Failure> {
        if !self.json {
            return self.line(&table().show(self.width, self.colored));
        }
        for part in parts {
            self.line(&json(part)?)?;
        }
        Ok(())
    }

    /// Something that is good to know, on standard error.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// What is wrong beside the answer, on standard error, however quiet.
    pub(crate) fn warn(
        &self,
        told: &impl Serialize,
        words: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.json {
            self.say(&json(told)?);
            return Ok(());
        }
        let warning = console::style("warning:").yellow().bold();
        let warning = warning.force_styling(self.err_colored);
        self.say(&format!("{warning} {}", words()));
        Ok(())
    }

    /// What went wrong, on standard error.
    pub(crate) fn fail(&self, failure: &Failure) {
        if self.json {
            return self.say(&failure.to_json(&self.flags));
        }
        let error = console::style("error:").red().bold();
        let error = error.force_styling(self.err_colored);
        self.say(&format!("{error} {}", failure.told(&self.flags)));
    }

    /// Nobody reading what is said about answers is no reason to stop.
    fn say(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Progress of something, on a terminal.
    pub(crate) fn progress(&self, what: &str, length: Option<u64>) -> Progress {
        Progress::new(self.shows_progress(), what, length)
    }

    fn shows_progress(&self) -> bool {
        self.err_terminal && !self.quiet && !self.json
    }

    /// Asks before something is lost that can be brought back. Scripts are not asked.
    pub(crate) async fn confirm(&self, question: &str) -> Result<(), Failure> {
        if self.yes || !self.can_ask() {
            return Ok(());
        }
        self.ask(question).await
    }

    /// Asks before something is lost for good. Scripts have to say `--yes`.
    pub(crate) async fn confirm_for_good(&self, question: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !self.can_ask() {
            let problem = "this cannot be taken back; say --yes to do it without being asked";
            return Err(Failure::usage(problem));
        }
        self.ask(question).await
    }

    fn can_ask(&self) -> bool {
        self.err_terminal && io::IsTerminal::is_terminal(&io::stdin())
    }

    /// The answer is waited for on another thread, so that Ctrl-C is one, too.
    async fn ask(&self, question: &str) -> Result<(), Failure> {
        let mut err = io::stderr();
        let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
        let unread = |error: &dyn std::fmt::Display| {
            Failure::here(format!("cannot read the answer: {error}"))
        };
        let answer = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            io::stdin().read_line(&mut answer).map(|_| answer)
        });
        let answer = answer.await.map_err(|error| unread(&error))?;
        let answer = answer.map_err(|error| unread(&error))?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::here("nothing was done")),
        }
    }
}

/// The least that tables are made for, however narrow the terminal.
const MIN_WIDTH: usize = 40;

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// A line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::here(format!("cannot be written as JSON: {error}")))
}
