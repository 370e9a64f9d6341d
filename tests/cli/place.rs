//! Where the command is run: on a server that is started for it, or on a store in a folder.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The command, with an environment that says nothing to it.
pub(crate) fn command() -> Command {
    quiet(Path::new(env!("CARGO_BIN_EXE_shoots")))
}

fn quiet(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("SHOOTS_") || name.starts_with("XDG_") || name == "NO_COLOR" {
            command.env_remove(&*name);
        }
    }
    command.env("HOME", "/nonexistent");
    command
}

/// The server's binary, which the tests of the whole workspace build beside the command's.
fn server_binary() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_shoots")).with_file_name("shoots-server");
    let built = "build it with `cargo test --workspace --test e2e --no-run`";
    assert!(binary.exists(), "{} is missing; {built}", binary.display());
    binary
}

/// The server, with an environment that says nothing to it.
pub(crate) fn server_command() -> Command {
    quiet(&server_binary())
}

/// A file of the real data that lies with the tests.
pub(crate) fn data(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data");
    folder.join(name).to_str().unwrap().to_owned()
}

/// What a run led to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The answers, one on each line.
    pub(crate) fn json(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// A place with frames, and a folder for files.
pub(crate) struct Place {
    name: &'static str,
    flags: Vec<String>,
    server: Option<Child>,
    folder: TempDir,
}

impl Place {
    /// A store in a folder, to which nothing was put.
    pub(crate) fn store() -> Self {
        let folder = TempDir::new().unwrap();
        let store = folder.path().join("store");
        std::fs::create_dir(&store).unwrap();
        Self {
            name: "store",
            flags: vec!["--store".to_owned(), store.to_str().unwrap().to_owned()],
            server: None,
            folder,
        }
    }

    /// A server on a free port.
    pub(crate) fn server() -> Self {
        let folder = TempDir::new().unwrap();
        let store = folder.path().join("store");
        let mut server = server_command()
            .args([
                "--port",
                "0",
                "--log-level",
                "warn",
                "--compaction=false",
                "--bucket-dir",
            ])
            .arg(&store)
            .arg("--allow-file-remotes")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = server.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(url.starts_with("grpc://"), "{line}");
        Self {
            name: "server",
            flags: vec!["--server".to_owned(), url],
            server: Some(server),
            folder,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder().join(name).to_str().unwrap().to_owned()
    }

    /// The command, in this place.
    pub(crate) fn command(&self) -> Command {
        let mut command = command();
        command.args(&self.flags).current_dir(self.folder());
        command.stdin(Stdio::null());
        command
    }

    /// Runs the command with these arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command().args(arguments).output().unwrap())
    }

    /// Runs it with this on standard input.
    pub(crate) fn run_with(&self, input: &[u8], arguments: &[&str]) -> Outcome {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writing = std::thread::spawn(move || stdin.write_all(&input));
        let outcome = Outcome::of(child.wait_with_output().unwrap());
        // A command that refuses what it reads need not read to the end.
        let _ = writing.join().unwrap();
        outcome
    }

    /// Runs it, and expects success; what it answered.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(
            outcome.code,
            Some(0),
            "{}: {arguments:?}: {outcome:?}",
            self.name
        );
        outcome.out
    }

    /// Runs it with `--json`, and expects success; the answers.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let mut with: Vec<&str> = arguments.to_vec();
        with.push("--json");
        let outcome = self.run(&with);
        assert_eq!(
            outcome.code,
            Some(0),
            "{}: {arguments:?}: {outcome:?}",
            self.name
        );
        outcome.json()
    }

    /// Runs it, and expects this exit code; what it said on standard error.
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(
            outcome.code,
            Some(code),
            "{}: {arguments:?}: {outcome:?}",
            self.name
        );
        assert_eq!(outcome.out, "", "{arguments:?}");
        outcome.err
    }

    /// Puts the weather under its name.
    pub(crate) fn with_weather(self) -> Self {
        let weather = data("weather.csv");
        self.ok(&[
            "put",
            &weather,
            "--null",
            "NA",
            "--index",
            "time_hour,origin",
        ]);
        self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill().and_then(|()| server.wait());
        }
    }
}

/// Runs a scenario on a server and on a store.
pub(crate) fn everywhere(scenario: impl Fn(Place)) {
    scenario(Place::server());
    scenario(Place::store());
}
