//! The Python package in `python/`: checked, built as a wheel, and tested with the newest and the lowest dependencies that
//! it declares.
//!
//! The newest are those of the Python tests' environment, which runs the README's tour with the package, too. The lowest
//! have an environment of their own, `.venv-lowest`, that is filled from `python/lowest.txt`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::python::PYTEST;
use crate::recipe::Outcome;
use crate::workspace::{Workspace, run_command};

const FOLDER: &str = "python";
const WHEELS: &str = "target/wheels";
const LOWEST: Environment = Environment {
    folder: ".venv-lowest",
    requirements: "python/lowest.txt",
};

/// What has to find nothing to complain of, in the folder of the package.
const CHECKERS: [&[&str]; 3] = [
    &["ruff", "check", "."],
    &["ruff", "format", "--check", "."],
    &["mypy", "src", "tests"],
];

/// Checks the package's code with the tools of an environment.
pub(crate) fn check(workspace: &Workspace, python: &Path) -> Outcome {
    for arguments in CHECKERS {
        let mut command = workspace.command(python);
        command
            .current_dir(workspace.path(FOLDER))
            .arg("-m")
            .args(arguments);
        run_command(&mut command)?;
    }
    Ok(())
}

/// Builds the wheel with the build backend of an environment.
pub(crate) fn build(workspace: &Workspace, python: &Path) -> Result<PathBuf, String> {
    let folder = workspace.path(WHEELS);
    let _ = fs::remove_dir_all(&folder);
    run_command(workspace.command(python).args([
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        WHEELS,
        "./python",
    ]))?;
    let entries = fs::read_dir(&folder)
        .map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    let mut wheels = entries.filter_map(|entry| Some(entry.ok()?.path()));
    wheels
        .find(|path| path.extension() == Some(OsStr::new("whl")))
        .ok_or_else(|| format!("no wheel was built in {WHEELS}"))
}

/// Puts the wheel into an environment, in the place of an older one, without anything else.
pub(crate) fn install(workspace: &Workspace, python: &Path, wheel: &Path) -> Outcome {
    run_command(
        workspace
            .command(python)
            .args(["-m", "pip", "install", "--quiet"])
            .args(["--disable-pip-version-check", "--no-deps", "--no-index"])
            .arg("--force-reinstall")
            .arg(wheel),
    )
}

/// Tests what is installed in an environment.
pub(crate) fn test(workspace: &Workspace, python: &Path, server: &str) -> Outcome {
    let mut command = workspace.command(python);
    command
        .current_dir(workspace.path(FOLDER))
        .args(PYTEST)
        .env("SHOOTS_SERVER", server);
    run_command(&mut command)
}

/// Tests the wheel with the lowest dependencies.
pub(crate) fn test_lowest(workspace: &Workspace, wheel: &Path, server: &str) -> Outcome {
    let python = LOWEST.python(workspace)?;
    install(workspace, &python, wheel)?;
    test(workspace, &python, server)
}
