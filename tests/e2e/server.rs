//! The real binary as a process: started on a free port, watched, and ended.
//!
//! What it writes goes to two files, so that nothing it says is lost or can block it. When a test fails, its
//! log is printed with the failure; a process that a test leaves behind is killed.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use shoots_client::ShootsClient;
use shoots_store::Store;
use tempfile::{NamedTempFile, TempDir};

/// How long anything may take before the test gives up. Far above what it does take: only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(5);

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "gave up waiting until {what}");
        tokio::time::sleep(GLANCE).await;
    }
}

/// The binary, with an environment that says nothing to it.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoots-server"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SHOOTS_") {
            command.env_remove(name);
        }
    }
    command
}

/// A process of the binary, killed when dropped.
pub(crate) struct Process {
    child: Child,
    out: NamedTempFile,
    log: NamedTempFile,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let out = NamedTempFile::new().unwrap();
        let log = NamedTempFile::new().unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(out.reopen().unwrap())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        Self { child, out, log }
    }

    /// What it has written to standard output.
    pub(crate) fn out(&self) -> String {
        std::fs::read_to_string(self.out.path()).unwrap()
    }

    /// What it has written to standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal, by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").arg("-c").arg(&line).status().unwrap();
        assert!(sent.success(), "{line}");
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        until("the process has ended", async || !self.is_running()).await;
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if std::thread::panicking() {
            eprintln!("the process ended with {ended:?}, its log:\n{}", self.log());
        }
    }
}

/// The exit code of the binary and what it said on standard output and standard error, once it has ended.
pub(crate) async fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let mut process = Process::spawn(command);
    let status = process.exit().await;
    (status.code(), process.out(), process.log())
}

/// A server that is ready, on a folder.
pub(crate) struct Server {
    process: Process,
    scheme: String,
    address: String,
    folder: Arc<TempDir>,
}

impl Server {
    /// A server with a fresh folder.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A server with a fresh folder and these further arguments.
    pub(crate) async fn with(arguments: &[&str]) -> Self {
        Self::on(&fresh_folder(), arguments).await
    }

    /// A server on this folder, with these further arguments.
    pub(crate) async fn on(folder: &Arc<TempDir>, arguments: &[&str]) -> Self {
        let location = folder.path().to_str().unwrap();
        Self::at(location, folder, arguments).await
    }

    /// A server on another place than its folder, with these further arguments.
    pub(crate) async fn at(location: &str, folder: &Arc<TempDir>, arguments: &[&str]) -> Self {
        Self::of(binary(), location, folder, arguments).await
    }

    /// A server of a command with an environment of its own.
    pub(crate) async fn of(
        mut command: Command,
        location: &str,
        folder: &Arc<TempDir>,
        arguments: &[&str],
    ) -> Self {
        command.args(["--port", "0"]).args(arguments);
        command.args(["--bucket-dir", location]);
        let mut process = Process::spawn(&mut command);
        until("the server is ready", async || {
            assert!(process.is_running(), "it ended: {}", process.log());
            process.out().ends_with('\n')
        })
        .await;
        let line = process.out();
        let url = line.strip_prefix("shoots-server listening on ");
        let url = url.and_then(|url| url.trim_end().split_once("://"));
        let (scheme, address) = url.unwrap_or_else(|| panic!("unexpected: {line:?}"));
        Self {
            scheme: scheme.to_owned(),
            address: address.to_owned(),
            process,
            folder: Arc::clone(folder),
        }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// A client with a connection of its own.
    pub(crate) async fn client(&self) -> ShootsClient {
        ShootsClient::connect(self.url()).await.unwrap()
    }

    pub(crate) fn folder(&self) -> &Arc<TempDir> {
        &self.folder
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Asks it to end, and checks that it does so in order.
    pub(crate) async fn stop(self) {
        self.process.signal("TERM");
        self.ended().await;
    }

    /// Waits for an end that was asked for, and checks that it is in order: code 0, nothing on standard output
    /// but the first line, no call that panicked.
    pub(crate) async fn ended(mut self) {
        let status = self.process.exit().await;
        let log = self.process.log();
        assert_eq!(status.code(), Some(0), "{log}");
        assert_eq!(self.process.out().lines().count(), 1);
        assert!(!log.contains("a call panicked"), "{log}");
    }

    /// Ends it without any chance to tidy up.
    pub(crate) async fn kill(mut self) {
        self.process.signal("KILL");
        let status = self.process.exit().await;
        assert_eq!(
            status.code(),
            None,
            "it ended by itself before it was killed"
        );
    }
}

pub(crate) fn fresh_folder() -> Arc<TempDir> {
    Arc::new(TempDir::new().unwrap())
}

/// What lies in a folder, opened by the library beside whatever server runs on it.
pub(crate) async fn look_into(folder: &TempDir) -> Store {
    let location = folder.path().to_str().unwrap();
    let store = Store::builder(location).read_only(true);
    store.open().await.unwrap()
}

/// Paths below a folder, for files with their sizes and when they last changed.
pub(crate) type Files = Vec<(String, Option<(u64, SystemTime)>)>;

/// Everything below a folder, to see whether anything changed. What may change after a put was acknowledged is
/// left out: the hint where its log ends, and files that are being written.
pub(crate) fn files(folder: &Path) -> Files {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == "latest" || entry.file_name() == "_tmp" {
            continue;
        }
        let about = entry.metadata().unwrap();
        if about.is_dir() {
            found.extend(files(&entry.path()));
        }
        let state = about
            .is_file()
            .then(|| (about.len(), about.modified().unwrap()));
        found.push((entry.path().display().to_string(), state));
    }
    found.sort();
    found
}
