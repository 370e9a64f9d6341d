//! The `shoots` command: frames of a server, or of a store that is opened without one, for people and scripts.
//!
//! Every command is a call of `shoots-client`, whichever of the two it is: without a server, one runs inside of this
//! process ([`place`]). What is said goes through [`output`], what comes in from files through [`input`], and every
//! failure has an exit code ([`failure`]).

#![forbid(unsafe_code)]

mod archive;
mod command;
mod failure;
mod flags;
mod input;
mod output;
mod place;
mod prompt;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser};
use shoots_client::BucketName;

use command::{Command, Context};
use failure::Failure;
use flags::Flags;
use output::{Output, OutputArgs};
use place::{Place, PlaceArgs};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long work that cannot be interrupted, such as a write to disk, may hold up the exit.
const LEAVING: Duration = Duration::from_millis(100);

const AFTER_HELP: &str = "\
A flag beats its environment variable, which beats the profile, which beats the default.

Exit codes: 0 done, 1 failed, 2 the command or request is wrong, 3 not found, 4 exists already or not empty,
5 conflict, 6 server not reached, 7 outcome unknown, 8 a limit was reached, 9 not allowed, 10 stored bytes are
damaged, 11 rows do not fit, 130 interrupted.";

/// Dataframes with a history: put, get, query and correct them.
#[derive(Parser, Debug)]
#[command(
    name = "shoots",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    place: PlaceArgs,
    /// The bucket of frames that are named without one; '' is the default bucket [env: SHOOTS_BUCKET]
    #[arg(short, long, global = true, value_name = "BUCKET")]
    bucket: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let matches = Cli::command().try_get_matches();
    let parsed = matches.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // A help that nobody reads to its end is no failure.
            let _ = error.print();
            let code = u8::try_from(error.exit_code()).unwrap_or(failure::code::USAGE);
            return ExitCode::from(code);
        }
    };
    let flags = Flags::of(&Cli::command(), &matches);
    let output = Output::new(&cli.output, flags);
    match run(cli, output.clone()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::NobodyReads) => ExitCode::SUCCESS,
        Err(failure) => {
            output.fail(&failure);
            ExitCode::from(failure.code())
        }
    }
}

fn run(cli: Cli, output: Output) -> Result<(), Failure> {
    if let Some(done) = cli.command.alone(&cli.place, &output) {
        return done;
    }
    let runtime = shoots_server::runtime()
        .map_err(|error| Failure::here(format!("cannot start: {error}")))?;
    let prompts = cli.command.prompts();
    let done = runtime.block_on(async {
        let work = work(cli, output);
        if prompts {
            // There Ctrl-C is about the line or the query at hand.
            return work.await;
        }
        tokio::select! {
            done = work => done,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        }
    });
    runtime.shutdown_timeout(LEAVING);
    done
}

/// What the environment says; nothing where it says an empty text.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    value.filter(|value| !value.is_empty())
}

async fn work(cli: Cli, output: Output) -> Result<(), Failure> {
    let place = Place::settle(&cli.place, variable)?;
    let bucket = cli.bucket.or_else(|| variable("SHOOTS_BUCKET"));
    let bucket = bucket.or_else(|| place.bucket.clone());
    let bucket_said = bucket.is_some();
    let bucket = bucket.filter(|bucket| !bucket.is_empty());
    let bucket = bucket
        .map(|bucket| BucketName::parse(&bucket))
        .transpose()
        .map_err(|error| Failure::usage(format!("--bucket: {error}")))?;
    let connected = place.connect(cli.command.begins_store()).await;
    let connected = connected.map_err(|failure| place.advised(failure))?;
    let context = Context {
        client: connected.client.clone(),
        output: output.clone(),
        bucket,
        bucket_said,
        author: variable("SHOOTS_AUTHOR").or_else(|| place.author.clone()),
        is_store: place.is_store(),
    };
    let done = cli.command.run(&context).await;
    let done = done.map_err(|failure| place.advised(failure));
    if let Some(folder) = connected.close().await {
        output.note(&format!("{folder} is a new store"));
    }
    done
}

#[cfg(test)]
mod tests {
    use super::CommandFactory;

    #[test]
    fn no_two_flags_of_a_command_are_the_same() {
        super::Cli::command().debug_assert();
    }
}
