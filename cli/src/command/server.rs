//! `ping`, `shutdown`, `completions`.

use std::io::Write;
use std::time::Instant;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;

use super::Context;
use crate::failure::Failure;

/// For which shell.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Asks whether the server answers.
pub(super) async fn ping(context: &Context) -> Result<(), Failure> {
    let started = Instant::now();
    context.client.ping().await?;
    let took = started.elapsed().as_secs_f64() * 1000.0;
    let told = json!({"ok": true, "milliseconds": took});
    context
        .output
        .answer(&told, || format!("pong after {took:.1} ms"))
}

/// Tells the server to stop.
pub(super) async fn shutdown(context: &Context) -> Result<(), Failure> {
    if context.is_store {
        let problem = "there is no server to stop: this process opened the store itself";
        return Err(Failure::usage(problem));
    }
    context.output.confirm("stop the server?").await?;
    let said = context.client.shutdown().await?;
    context.output.answer(&said, || said.join("\n"))
}

/// Writes a script for a shell.
pub(super) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut crate::Cli::command(),
        "shoots",
        &mut script,
    );
    let mut out = std::io::stdout().lock();
    out.write_all(&script)
        .and_then(|()| out.flush())
        .map_err(|error| Failure::output(&error))
}
