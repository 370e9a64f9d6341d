//! Questions in SQL, one after the other, on a terminal.
//!
//! A query ends with `;` and may take several lines. A line that begins with `\` is about the prompt itself. Ctrl-C
//! gives up a line or a query that runs, Ctrl-D ends.

mod editor;
mod history;
mod lexer;
mod names;

use std::io::Write;
use std::time::{Duration, Instant};

use console::{Key, Term};

use lexer::is_complete;
pub(crate) use lexer::statements;
use names::Names;

use self::editor::{Line, Step};
use self::history::History;
use crate::command::{Context, ask};
use crate::failure::Failure;
use crate::output::{RowsArgs, printable};

const PROMPT: &str = "shoots> ";
const MORE: &str = "   ...> ";
/// After so long, names are asked for again before the next query.
const FRESH: Duration = Duration::from_secs(10);

const HELP: &str = "\
A query ends with `;` and may take several lines. Tab completes names and words.
  \\d            list the frames of the bucket
  \\d FRAME      describe a frame
  \\l            list the buckets
  \\b [BUCKET]   name the bucket of frames that are named without one; none is the default bucket
  \\?            this help
  \\q            leave, as do Ctrl-D and exit";

/// Answers questions until no more come.
pub(crate) async fn run(context: &Context, rows: &RowsArgs) -> Result<(), Failure> {
    let term = Term::stdout();
    let mut history = History::open();
    let mut context = context.here();
    let mut names = Names::of(&context).await?;
    let mut asked = Instant::now();
    context.output.note("\\? helps, \\q leaves");
    loop {
        if asked.elapsed() > FRESH {
            // Without new names the old ones do.
            if let Ok(new) = Names::of(&context).await {
                names = new;
            }
            asked = Instant::now();
        }
        let Some(question) = read(&term, &mut history, &names, &context).await? else {
            return Ok(());
        };
        let outcome = match question.trim() {
            "" => Ok(true),
            text if text.starts_with('\\') => about(&mut context, text).await,
            text if is_farewell(text) => Ok(false),
            text => {
                let mut outcome = Ok(true);
                for statement in statements(text) {
                    outcome = interruptible(ask(&context, &statement, rows))
                        .await
                        .map(|()| true);
                    if outcome.is_err() {
                        break;
                    }
                }
                outcome
            }
        };
        match outcome {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(failure @ Failure::NobodyReads) => return Err(failure),
            Err(Failure::Interrupted) => context.output.note("given up"),
            Err(failure) => context.output.fail(&failure),
        }
    }
}

fn is_farewell(text: &str) -> bool {
    matches!(
        text.trim_end_matches(';')
            .trim()
            .to_ascii_lowercase()
            .as_str(),
        "exit" | "quit"
    )
}

/// Does something unless Ctrl-C comes first.
async fn interruptible(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
    }
}

/// What is about the prompt: whether it goes on.
async fn about(context: &mut Context, text: &str) -> Result<bool, Failure> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim().trim_end_matches(';');
    match (word, rest) {
        ("\\q", _) => return Ok(false),
        ("\\?" | "\\h", _) => context.output.line(HELP)?,
        ("\\l", _) => context.list_buckets().await?,
        ("\\d", "") => context.list_frames().await?,
        ("\\d", frame) => context.describe(frame).await?,
        ("\\b", bucket) => context.use_bucket(bucket)?,
        (other, _) => {
            let problem = format!("{} means nothing here; \\? helps", printable(other));
            return Err(Failure::usage(problem));
        }
    }
    Ok(true)
}

/// Reads a whole question; nothing at the end.
async fn read(
    term: &Term,
    history: &mut History,
    names: &Names,
    context: &Context,
) -> Result<Option<String>, Failure> {
    let mut question = String::new();
    loop {
        let prompt = if question.is_empty() { PROMPT } else { MORE };
        let line = Line::new(history.lines());
        let (term_of_keys, names) = (term.clone(), names.clone());
        // Keys come from a terminal that blocks.
        let typed =
            tokio::task::spawn_blocking(move || type_line(&term_of_keys, prompt, line, &names));
        let typed = typed.await.map_err(Failure::here)?;
        let typed =
            typed.map_err(|error| Failure::here(format!("cannot read the terminal: {error}")))?;
        match typed {
            Typed::End if question.is_empty() => return Ok(None),
            Typed::End => {}
            Typed::GivenUp => {
                question.clear();
                continue;
            }
            Typed::Line(line) => {
                if !question.is_empty() {
                    question.push('\n');
                }
                question.push_str(&line);
            }
        }
        let first = question.trim();
        let whole = first.is_empty() || first.starts_with('\\') || is_farewell(first);
        if whole || is_complete(&question) {
            if let Err(problem) = history.add(&question) {
                context
                    .output
                    .note(&format!("the history is not kept: {problem}"));
            }
            return Ok(Some(question));
        }
    }
}

/// What came of typing a line.
enum Typed {
    Line(String),
    GivenUp,
    End,
}

/// Lets a line be typed.
fn type_line(term: &Term, prompt: &str, mut line: Line, names: &Names) -> std::io::Result<Typed> {
    draw(term, prompt, &line)?;
    loop {
        let key = match term.read_key_raw() {
            Ok(key) => key,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Key::CtrlC,
            // A terminal that is gone says so once.
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => {
                return Ok(Typed::End);
            }
            Err(error) => return Err(error),
        };
        match line.press(&key, |before| names.complete(before)) {
            Step::Edited => draw(term, prompt, &line)?,
            Step::Choices(choices) => {
                let mut term = term;
                writeln!(term, "\r\n{}\r", choices.join("  "))?;
                draw(term, prompt, &line)?;
            }
            Step::Done => {
                let mut term = term;
                write!(term, "\r\n")?;
                return Ok(Typed::Line(line.text()));
            }
            Step::GivenUp => {
                let mut term = term;
                write!(term, "^C\r\n")?;
                return Ok(Typed::GivenUp);
            }
            Step::End => {
                let mut term = term;
                write!(term, "\r\n")?;
                return Ok(Typed::End);
            }
        }
    }
}

/// Draws the part of a line that fits, with the cursor in its place.
fn draw(mut term: &Term, prompt: &str, line: &Line) -> std::io::Result<()> {
    let width = usize::from(term.size().1).max(prompt.len() + 8);
    let (shown, cursor) = line.window(width - prompt.len() - 1);
    write!(
        term,
        "\r{prompt}{shown}\x1b[K\r\x1b[{}C",
        prompt.len() + cursor
    )?;
    term.flush()
}
