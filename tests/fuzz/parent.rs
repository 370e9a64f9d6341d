//! The test of a target: starts a process that tries inputs, and tells what it has found.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::child::{self, Order, Target};
use crate::input;
use crate::watch::PATIENCE;

/// Tells the process that it is the child, and where to write.
const CHILD: &str = "SHOOTS_FUZZ_CHILD";
const SEED: &str = "SHOOTS_FUZZ_SEED";
const SECONDS: &str = "SHOOTS_FUZZ_SECONDS";
const MEGABYTES: &str = "SHOOTS_FUZZ_MEGABYTES";

fn number<N: std::str::FromStr>(variable: &str) -> Option<N> {
    let text = std::env::var(variable).ok()?;
    let Ok(number) = text.parse() else {
        panic!("{variable}={text}: give a number");
    };
    Some(number)
}

fn order() -> Order {
    let drawn = || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        u64::from(now.unwrap().subsec_nanos())
    };
    Order {
        seed: number(SEED).unwrap_or_else(drawn),
        seconds: number(SECONDS).unwrap_or(2.0),
        memory_bytes: number::<usize>(MEGABYTES).unwrap_or(256) << 20,
    }
}

/// Tries inputs on a target for a while. `test` is the name of the test that calls this.
pub(crate) fn fuzz<T: Target>(test: &str) {
    let order = order();
    if let Some(folder) = std::env::var_os(CHILD) {
        child::run::<T>(Path::new(&folder), &order);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, folder.path())
        .env(SEED, order.seed.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let ended = run(
        &mut command,
        Duration::from_secs_f64(order.seconds) + 4 * PATIENCE,
    );
    let told = |file: &str| std::fs::read_to_string(folder.path().join(file)).ok();
    let report = told("executions").unwrap_or_else(|| "some".to_owned());
    eprintln!(
        "{}: {report} (inputs, kinds of answers, milliseconds of the slowest), {SEED}={}",
        T::NAME,
        order.seed
    );
    let verdict = match (told("verdict"), ended) {
        (None, Some(status)) if status.success() && told("executions").is_some() => return,
        (Some(verdict), _) => verdict,
        (None, Some(status)) => format!(
            "the process ended with {status}: memory beyond the bound, an exhausted stack, or a call to end it"
        ),
        (None, None) => "the process does not end".to_owned(),
    };
    let current = folder.path().join("current");
    let saved = saved(T::NAME, &current);
    panic!(
        "{}: {verdict}\nwith the input in {}:\n{}",
        T::NAME,
        saved.display(),
        input::described(&input::read(&current))
    );
}

/// The status of a process that has ended in time.
fn run(command: &mut Command, patience: Duration) -> Option<std::process::ExitStatus> {
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// Keeps an input beyond the end of the test.
fn saved(target: &str, current: &Path) -> PathBuf {
    let bytes = std::fs::read(current).unwrap();
    let name = blake3::hash(&bytes).to_hex();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("fuzz")
        .join(target);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(&name[..16]);
    std::fs::write(&file, bytes).unwrap();
    file
}
