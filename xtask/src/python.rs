//! The Python tests: our package and clients other than ours, against the real server binary.
//!
//! They live in `tests/python` and run in `.venv`, which this recipe makes and fills with the pinned versions in
//! `tests/python/requirements.txt`. The tests find the server binary in the variable `SHOOTS_SERVER`. Checkers that
//! the requirements pin are run too, over the benchmarks as well. The package's own tests are those of
//! [`package`]. Tests are shared among as many processes as there are cores, each test with a server of its own.

use serde_json::Value;

use crate::environment::Environment;
use crate::package;
use crate::recipe::Outcome;
use crate::workspace::{Workspace, output, run_command};

const TESTS: &str = "tests/python";
const BENCHMARKS: &str = "bench";
const S3_SERVER: &str = "tests/s3";
const ENVIRONMENT: Environment = Environment {
    folder: ".venv",
    requirements: "tests/python/requirements.txt",
};
const SERVER: &str = "shoots-server";

/// Commands that are run if the requirements pin the tool in the first column.
const CHECKERS: [(&str, &[&str]); 3] = [
    ("ruff", &["ruff", "check", TESTS, BENCHMARKS, S3_SERVER]),
    (
        "ruff",
        &["ruff", "format", "--check", TESTS, BENCHMARKS, S3_SERVER],
    ),
    ("mypy", &["mypy", CHECKER_SETTINGS, TESTS, BENCHMARKS]),
];
/// Runs tests in as many processes as there are cores.
pub(crate) const PYTEST: [&str; 4] = ["-m", "pytest", "--numprocesses", "auto"];
const CHECKER_SETTINGS: &str = "--config-file=tests/python/pyproject.toml";

pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let requirements = workspace.read(ENVIRONMENT.requirements)?;
    let python = ENVIRONMENT.python(workspace)?;
    for (_, arguments) in CHECKERS
        .iter()
        .filter(|(tool, _)| is_pinned(&requirements, tool))
    {
        run_command(workspace.command(&python).arg("-m").args(*arguments))?;
    }
    package::check(workspace, &python)?;
    let wheel = package::build(workspace, &python)?;
    package::install(workspace, &python, &wheel)?;
    let server = server(workspace)?;
    run_command(
        workspace
            .command(&python)
            .args(PYTEST)
            .arg(TESTS)
            .env("SHOOTS_SERVER", &server),
    )?;
    package::test(workspace, &python, &server)?;
    package::test_lowest(workspace, &wheel, &server)
}

/// The server binary, built as for the Rust tests: a build of the binary alone would select other features of the
/// dependencies, and compile them all once more.
pub(crate) fn server(workspace: &Workspace) -> Result<String, String> {
    println!("$ cargo test --workspace --tests --no-run");
    let messages = output(workspace.cargo().args([
        "test",
        "--workspace",
        "--tests",
        "--no-run",
        "--locked",
        "--message-format=json-render-diagnostics",
    ]))?;
    executable(&messages, SERVER).ok_or_else(|| format!("cargo built no binary {SERVER}"))
}

/// The path of a binary in the messages of the cargo command that built it.
fn executable(messages: &str, name: &str) -> Option<String> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            let kinds = message["target"]["kind"].as_array();
            message["target"]["name"] == name
                && message["profile"]["test"] == false
                && kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"))
        })
        .find_map(|message| message["executable"].as_str().map(str::to_owned))
}

fn is_pinned(requirements: &str, tool: &str) -> bool {
    requirements
        .lines()
        .filter_map(|line| line.split_once("=="))
        .any(|(name, _)| name.trim() == tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_pinned_by_its_whole_name_only() {
        let requirements = "# ruff==1\npytest==8.4.1\nruff-lsp==0.1\nmypy >= 1\n";
        assert!(is_pinned(requirements, "pytest"));
        assert!(!is_pinned(requirements, "ruff"));
        assert!(!is_pinned(requirements, "mypy"));
    }

    #[test]
    fn the_binary_is_told_from_a_library_of_the_same_name() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"srv"},"executable":null}"#,
            "\nnot json\n",
            r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"srv"},"profile":{"test":true},"executable":"/t/srv-1"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"srv"},"profile":{"test":false},"executable":"/t/srv"}"#,
            "\n",
        );
        assert_eq!(executable(messages, "srv").as_deref(), Some("/t/srv"));
        assert_eq!(executable(messages, "other"), None);
    }
}
