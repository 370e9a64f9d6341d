//! An S3 for the tests: `tests/s3/server.py`, in an environment of its own, for as long as a command runs.
//!
//! The command finds the place in `SHOOTS_TEST_S3`, and endpoint, region and credentials in the variables that
//! the tools of AWS read. Whoever sets these by hand runs the same tests on another S3.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::environment::Environment;
use crate::recipe::Outcome;
use crate::workspace::Workspace;

const ENVIRONMENT: Environment = Environment {
    folder: ".venv-s3",
    requirements: "tests/s3/requirements.txt",
};
const SERVER: &str = "tests/s3/server.py";
const BUCKET: &str = "shoots-tests";

/// A server that runs until this is dropped.
pub(crate) struct Server {
    process: Child,
    url: String,
}

impl Server {
    /// Starts the server and waits until it answers.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self, String> {
        let python = ENVIRONMENT.python(workspace)?;
        let mut command = workspace.command(python);
        command.args([SERVER, BUCKET]);
        println!("$ python {SERVER} {BUCKET}");
        Self::of(&mut command)
    }

    /// Starts a server whose first line is its URL, and which ends with its standard input.
    fn of(command: &mut Command) -> Result<Self, String> {
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let process = process.map_err(|error| format!("cannot start {SERVER}: {error}"))?;
        let mut server = Self {
            process,
            url: String::new(),
        };
        if let Some(output) = server.process.stdout.take() {
            let read = BufReader::new(output).read_line(&mut server.url);
            read.map_err(|error| format!("{SERVER}: {error}"))?;
        }
        server.url.truncate(server.url.trim_end().len());
        if server.url.is_empty() {
            return Err(format!("{SERVER} ended before it answered"));
        }
        Ok(server)
    }

    /// What tells a command where the server is.
    pub(crate) fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("SHOOTS_TEST_S3", format!("s3://{BUCKET}")),
            ("AWS_ENDPOINT_URL", self.url.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "tests".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "tests".to_owned()),
        ]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// Runs `work` with the variables that lead to a server.
pub(crate) fn serving(
    workspace: &Workspace,
    work: impl FnOnce(&[(&'static str, String)]) -> Outcome,
) -> Outcome {
    let server = Server::start(workspace)?;
    work(&server.variables())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_address_and_no_line_is_an_error() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo http://here:1; cat"]);
        let server = Server::of(&mut command).unwrap();
        let variables = server.variables();
        assert!(variables.contains(&("AWS_ENDPOINT_URL", "http://here:1".to_owned())));
        let problem = Server::of(&mut Command::new("true")).err().unwrap();
        assert!(problem.contains("ended before it answered"), "{problem}");
    }
}
