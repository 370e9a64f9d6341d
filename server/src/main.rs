//! The binary: settings in, one line out when ready, exit code 0 after an orderly stop.
//!
//! Standard output gets the line with the address and nothing else; the log goes to standard error. What
//! prevents the server from starting is one line on standard error and a non-zero exit code.

#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use shoots_server::cli::{CommandLineError, Invocation, TokenOrder, parse};
use shoots_server::{CALL_STACK_BYTES, Config, LogFormat, Server};
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Open files that are not connections, roughly.
const FILES: u64 = 512;

/// How long work that cannot be interrupted, such as a write to disk, may hold up the exit.
const LEAVING: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let variable =
        |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let outcome = match parse(std::env::args_os(), variable) {
        Ok(Invocation::Serve(config)) => run(*config),
        Ok(Invocation::Token(order)) => issue(*order),
        Ok(Invocation::Print(text)) => {
            print(text.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(CommandLineError::Usage(text)) => {
            complain(text.trim_end());
            return ExitCode::from(2);
        }
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("shoots-server: {error}"));
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn run(config: Config) -> Outcome {
    start_logging(&config)?;
    log_panics();
    raise_open_files(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(CALL_STACK_BYTES)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(serve(config));
    runtime.shutdown_timeout(LEAVING);
    outcome
}

/// Prints a token and nothing else; its id goes where people see it and scripts do not read it.
fn issue(order: TokenOrder) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let issued = runtime.block_on(order.fill())?;
    complain(&format!(
        "shoots-server: the id of this token is {}",
        issued.id
    ));
    print(&issued.token);
    Ok(())
}

async fn serve(config: Config) -> Outcome {
    // Before anybody can know of the server: a signal that nobody listens for ends the process at once.
    let mut signals = Signals::listen()?;
    let mut server = Server::start(config).await?;
    print(&format!("shoots-server listening on {}", server.url()));
    tokio::select! {
        ended = server.wait() => return Ok(ended?),
        signal = signals.next() => info!("received {}", signal?),
    }
    tokio::select! {
        ended = server.shutdown() => Ok(ended?),
        signal = signals.next() => Err(format!("received {} again: left without waiting", signal?).into()),
    }
}

/// What asks the server to stop.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> std::io::Result<&'static str> {
        tokio::select! {
            _ = self.terminate.recv() => Ok("SIGTERM"),
            _ = self.interrupt.recv() => Ok("SIGINT"),
        }
    }
}

/// What asks the server to stop.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> std::io::Result<&'static str> {
        tokio::signal::ctrl_c().await.map(|()| "an interrupt")
    }
}

fn start_logging(config: &Config) -> Outcome {
    let filter = EnvFilter::try_new(&config.log_level)
        .map_err(|e| format!("log_level {:?}: {e}", config.log_level))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Log);
    match config.log_format {
        LogFormat::Text => lines.with_ansi(false).init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}

/// Standard error, as far as it takes the log: a disk that is full or a reader that is gone costs its lines, and nothing else.
struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let _ = std::io::stderr().write_all(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let _ = std::io::stderr().flush();
        Ok(())
    }
}

/// Panics become lines of the log, wherever they happen.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let current = std::thread::current();
        error!(
            panic = panic.payload_as_str().unwrap_or_default(),
            place = place.unwrap_or_default(),
            thread = current.name().unwrap_or_default(),
            "a thread panicked"
        );
    }));
}

/// Each connection is an open file to the system, and its usual limit is low.
fn raise_open_files(config: &Config) {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(most) if most.saturating_sub(FILES) < config.max_connections => warn!(
            "the system allows {most} open files, too few for {} connections (max_connections) and the store's own: \
             raise its limit (LimitNOFILE, ulimit -n) or lower the setting",
            config.max_connections
        ),
        Ok(_) => {}
        Err(error) => warn!(%error, "cannot raise the number of open files"),
    }
}

/// Writes a line for people; nobody listening is no reason to stop.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes a line; nobody listening is no reason to stop.
fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
