//! Holds a server under load, checks every answer, and says what that took.
//!
//! ```text
//! cargo run --release --example load -- --server target/release/shoots-server --seconds 120
//! ```
//!
//! The server is started for the run, on a folder that goes away with it, and its memory is looked at all the time: it may
//! not grow. For that its row cache is so small that it is full soon. With `--url grpc://127.0.0.1:8081` one that runs
//! already is used, and nobody looks at its memory. Only servers on this machine are taken, and the load is
//! bounded, so that it can be no attack on anybody.

mod generator;

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use generator::{Load, Problem};

/// The most that may be asked for.
const MOST_IDLE: usize = 10_000;
const MOST_BUSY: usize = 512;
const MOST_SECONDS: u64 = 3600;
const MOST_ROWS: i64 = 1_000_000;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// What the row cache of the server may hold. The load fills it in half a minute.
const ROW_CACHE_BYTES: &str = "16777216";
/// How long a run has to be for its second quarter to begin when caches are full, and allocators have met all of the work.
const LONG: Duration = Duration::from_secs(120);
/// How much more memory the server may have in the last quarter of a long run than in the second, as a ratio.
const MOST_GROWTH: f64 = 1.25;

const HELP: &str =
    "load [--server PATH | --url URL] [--idle 1000] [--busy 64] [--rows 1000] [--seconds 120]";

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("load: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), Problem> {
    let mut asked = Asked::read(std::env::args().skip(1))?;
    let server = match &asked.server {
        Some(path) => {
            let server = Started::start(path)?;
            asked.load.url.clone_from(&server.url);
            Some(server)
        }
        None => None,
    };
    check_here(&asked.load.url)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| told("starting", error))?;
    runtime.block_on(run(&asked.load, server.as_ref()))
}

async fn run(load: &Load, server: Option<&Started>) -> Result<(), Problem> {
    let resident = || server.and_then(|server| resident_kilobytes(server.child.id()));
    let mut memory: Vec<u64> = Vec::new();
    let mut figures = {
        let mut running = std::pin::pin!(generator::run(load));
        loop {
            tokio::select! {
                done = &mut running => break done?,
                () = tokio::time::sleep(LOOK) => memory.extend(resident()),
            }
        }
    };
    let seconds = load.time.as_secs_f64();
    println!(
        "{} idle connections, {} busy clients, {} rows a put, {seconds} s",
        load.idle, load.busy, load.rows
    );
    println!(
        "{} puts, {} gets, {} queries ({:.0} a second), all as expected; {} met a limit and were tried again",
        figures.puts,
        figures.gets,
        figures.queries,
        figures.steps() as f64 / seconds,
        figures.limited,
    );
    println!(
        "{} rows put, {} rows got",
        figures.rows_put, figures.rows_got
    );
    println!(
        "milliseconds of a step: median {:.1}, 99 of 100 below {:.1}, longest {:.1}",
        figures.quantile(0.5),
        figures.quantile(0.99),
        figures.quantile(1.0),
    );
    println!("{} idle connections answered at the end", figures.idle);
    let quarters = memory.chunks(memory.len().div_ceil(4).max(1));
    let most: Vec<u64> = quarters
        .filter_map(|quarter| quarter.iter().max().copied())
        .collect();
    for (number, most) in most.iter().enumerate() {
        let number = number + 1;
        println!(
            "most resident memory in quarter {number}: {} MiB",
            most >> 10
        );
    }
    match most[..] {
        [_, second, _, last] if load.time >= LONG => check_growth(second, last),
        _ => Ok(()),
    }
}

/// Refuses that the server keeps more and more.
fn check_growth(second: u64, last: u64) -> Result<(), Problem> {
    let growth = last as f64 / second as f64;
    println!("the last quarter took {growth:.2} of the memory of the second");
    if growth <= MOST_GROWTH {
        return Ok(());
    }
    Err(Problem(format!(
        "the server's memory grows: more than {MOST_GROWTH} is not explained by its caches"
    )))
}

/// What the command line asks for.
struct Asked {
    server: Option<PathBuf>,
    load: Load,
}

impl Asked {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, Problem> {
        let mut asked = Self {
            server: None,
            load: Load {
                url: String::new(),
                idle: 1000,
                busy: 64,
                rows: 1000,
                time: Duration::from_secs(120),
            },
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| Problem(HELP.to_owned()))?;
            let load = &mut asked.load;
            match name.as_str() {
                "--server" => asked.server = Some(value.into()),
                "--url" => load.url = value,
                "--idle" => load.idle = number(&name, &value, MOST_IDLE)?,
                "--busy" => load.busy = number(&name, &value, MOST_BUSY)?,
                "--rows" => load.rows = number(&name, &value, MOST_ROWS)?,
                "--seconds" => {
                    load.time = Duration::from_secs(number(&name, &value, MOST_SECONDS)?)
                }
                _ => return Err(Problem(HELP.to_owned())),
            }
        }
        if asked.server.is_some() != asked.load.url.is_empty() {
            return Err(Problem(HELP.to_owned()));
        }
        Ok(asked)
    }
}

fn number<N: std::str::FromStr + PartialOrd + fmt::Display>(
    name: &str,
    text: &str,
    most: N,
) -> Result<N, Problem> {
    match text.parse() {
        Ok(number) if number <= most => Ok(number),
        _ => Err(Problem(format!("{name} must be a number up to {most}"))),
    }
}

/// Refuses servers elsewhere.
fn check_here(url: &str) -> Result<(), Problem> {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let here = ["localhost:", "127.0.0.1:", "[::1]:"];
    if here.iter().any(|name| host.starts_with(name)) {
        return Ok(());
    }
    Err(Problem(format!("{url} is not on this machine")))
}

/// A server that runs for the load alone.
struct Started {
    child: Child,
    url: String,
    folder: PathBuf,
}

impl Started {
    fn start(binary: &Path) -> Result<Self, Problem> {
        let folder = std::env::temp_dir().join(format!("shoots-load-{}", std::process::id()));
        std::fs::create_dir(&folder).map_err(|error| told("making a folder", error))?;
        let mut command = Command::new(binary);
        command
            .args([
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--log-level",
                "warn",
                "--row-cache-bytes",
                ROW_CACHE_BYTES,
                "--bucket-dir",
            ])
            .arg(&folder)
            .stdout(Stdio::piped());
        let child = command.spawn();
        let child = child.map_err(|error| told(&binary.display().to_string(), error))?;
        let mut server = Self {
            child,
            url: String::new(),
            folder,
        };
        let mut line = String::new();
        if let Some(out) = server.child.stdout.take() {
            let read = BufReader::new(out).read_line(&mut line);
            read.map_err(|error| told("reading from the server", error))?;
        }
        let url = line.trim_end().rsplit(' ').next().unwrap_or_default();
        server.url = url.to_owned();
        Ok(server)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended already; the folder is the system's to remove if this cannot.
        let _ = self.child.kill().and_then(|()| self.child.wait());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn told(doing: &str, error: impl fmt::Display) -> Problem {
    Problem(format!("{doing}: {error}"))
}

/// Resident memory of a process, where the system tells.
fn resident_kilobytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
