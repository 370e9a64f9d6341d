//! The binary: settings in, one line out when ready, exit code 0 after an orderly stop.
//!
//! Standard output gets the line with the address and nothing else; the log goes to standard error. What
//! prevents the server from starting is one line on standard error and a non-zero exit code. Nobody who takes the log
//! slowly holds up the server ([`journal`]).

#![forbid(unsafe_code)]

mod journal;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use shoots_server::cli::{CommandLineError, Invocation, TokenOrder, parse};
use shoots_server::{Config, LogFormat, Server};
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use crate::journal::Journal;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Open files that are not connections, roughly.
const FILES: u64 = 512;

/// How long work that cannot be interrupted, such as a write to disk, may hold up the exit.
const LEAVING: Duration = Duration::from_secs(5);

/// How long the last lines of the log may take to be taken.
const LAST_LINES: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let journal = Journal::default();
    let told = |lost| {
        warn!(
            lost,
            "lines of the log were lost: standard error did not take them"
        )
    };
    if let Err(error) = journal.start(std::io::stderr(), told) {
        complain(&mut std::io::stderr(), &format!("shoots-server: {error}"));
        return ExitCode::FAILURE;
    }
    let code = invoked(&journal);
    journal.finish(LAST_LINES);
    code
}

/// Does what the command line says.
fn invoked(journal: &Journal) -> ExitCode {
    let complain = |line: &str| complain(&mut journal.clone(), line);
    let variable =
        |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let outcome = match parse(std::env::args_os(), variable) {
        Ok(Invocation::Serve(config)) => run(*config, journal),
        Ok(Invocation::Token(order)) => issue(*order, complain),
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

fn run(config: Config, journal: &Journal) -> Outcome {
    start_logging(&config, journal.clone())?;
    log_panics();
    raise_open_files(&config);
    let runtime = shoots_server::runtime()?;
    let outcome = runtime.block_on(serve(config));
    runtime.shutdown_timeout(LEAVING);
    outcome
}

/// Prints a token and nothing else; its id goes where people see it and scripts do not read it.
fn issue(order: TokenOrder, complain: impl Fn(&str)) -> Outcome {
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
    let mut server = tokio::select! {
        started = Server::start(config) => started?,
        signal = signals.next() => {
            info!("received {}: left before the start had come to its end", signal?);
            return Ok(());
        }
    };
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

/// The number of `SIGXFSZ`.
#[cfg(unix)]
const FILE_TOO_LARGE: std::ffi::c_int = 25;

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

        // Unless somebody listens, a file beyond the size that the system allows (LimitFSIZE, ulimit -f) ends the process.
        // Then only the write fails. Nobody needs to be told of it, and what was listened to once stays so.
        drop(signal(SignalKind::from_raw(FILE_TOO_LARGE))?);
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

fn start_logging(config: &Config, journal: Journal) -> Outcome {
    let filter = EnvFilter::try_new(&config.log_level)
        .map_err(|e| format!("log_level {:?}: {e}", config.log_level))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || journal.clone());
    match config.log_format {
        LogFormat::Text => lines.with_ansi(false).init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}

/// Panics become lines of the log, wherever they happen.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        if shoots_flight::is_reading() {
            warn!(
                panic = panic.payload_as_str().unwrap_or_default(),
                place = place.unwrap_or_default(),
                "a message of a client contradicts itself, and is refused"
            );
            return;
        }
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
fn complain(to: &mut impl Write, line: &str) {
    let _ = to.write_all(format!("{line}\n").as_bytes());
}

/// Writes a line; nobody listening is no reason to stop.
fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
