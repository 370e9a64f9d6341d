//! Questions in SQL, one after the other, on a terminal.
//!
//! A query ends with `;` and may take several lines. A line that begins with `\` is about the prompt itself. Ctrl-C
//! gives up a line or a query that runs, Ctrl-D ends.

mod ahead;
mod editor;
mod lexer;
mod names;

use std::time::{Duration, Instant};

use lexer::is_complete;
pub(crate) use lexer::statements;
use names::Names;

use self::editor::{LineEditor, Typed};
use crate::command::{Context, ask};
use crate::failure::Failure;
use crate::output::{RowsArgs, printable};

const PROMPT: &str = "shoots> ";
const MORE: &str = "   ...> ";
/// After so long, names are asked for again before the next query.
const FRESH: Duration = Duration::from_secs(10);

/// Words that end the prompt.
const FAREWELLS: [&str; 2] = ["exit", "quit"];

const HELP: &str = "\
A query ends with `;` and may take several lines. Tab completes names and words.
  \\d            list the frames of the bucket
  \\d FRAME      describe a frame
  \\l            list the buckets
  \\b [BUCKET]   name the bucket of frames that are named without one; none is the default bucket
  \\?, help      this help
  \\q, quit      leave, as do exit and Ctrl-D";

/// Answers questions until no more come.
pub(crate) async fn run(context: &Context, rows: &RowsArgs) -> Result<(), Failure> {
    let mut editor = LineEditor::open().map_err(unusable)?;
    let mut context = context.here();
    editor.know(Names::of(&context).await?);
    let mut asked = Instant::now();
    context.output.note("`help` tells more, `quit` leaves");
    loop {
        if asked.elapsed() > FRESH {
            // Without new names the old ones do.
            if let Ok(new) = Names::of(&context).await {
                editor.know(new);
            }
            asked = Instant::now();
        }
        let Some(question) = read(&mut editor, &context).await? else {
            return Ok(());
        };
        let outcome = match question.trim() {
            "" => Ok(true),
            text if text.starts_with('\\') => about(&mut context, text).await,
            text if is_word(text, &FAREWELLS) => Ok(false),
            text if is_word(text, &["help"]) => context.output.line(HELP).map(|()| true),
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

/// Whether a line is one of these words alone.
fn is_word(line: &str, words: &[&str]) -> bool {
    let line = line.trim().trim_end_matches(';').trim_end();
    words.iter().any(|word| line.eq_ignore_ascii_case(word))
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
async fn read(editor: &mut LineEditor, context: &Context) -> Result<Option<String>, Failure> {
    let mut question = String::new();
    loop {
        let prompt = if question.is_empty() { PROMPT } else { MORE };
        match typed(editor, context, prompt).await? {
            Typed::End if question.is_empty() => return Ok(None),
            Typed::End | Typed::GivenUp => {
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
        let word = is_word(first, &FAREWELLS) || is_word(first, &["help"]);
        let whole = first.is_empty() || first.starts_with('\\') || word;
        if whole || is_complete(&question) {
            if let Err(problem) = editor.remember(&question) {
                let note = format!("the history is not kept: {problem}");
                context.output.note(&note);
            }
            return Ok(Some(question));
        }
    }
}

/// A line that was typed ahead, or is typed now.
async fn typed(editor: &mut LineEditor, context: &Context, prompt: &str) -> Result<Typed, Failure> {
    // Without it lines are typed to the editor all the same.
    if let Ok(Some(typed)) = ahead::line().await {
        if let Typed::Line(line) = &typed {
            context
                .output
                .line(&format!("{prompt}{}", printable(line)))?;
        }
        return Ok(typed);
    }
    // Keys come from a terminal that blocks.
    tokio::task::block_in_place(|| editor.read(prompt)).map_err(unusable)
}

fn unusable(problem: rustyline::error::ReadlineError) -> Failure {
    Failure::here(format!("cannot use the terminal: {problem}"))
}
