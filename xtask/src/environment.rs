//! Virtual environments of Python, each filled with the pinned versions of one requirements file.
//!
//! A copy of that file inside the environment says what was installed, so that a second run installs nothing.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use crate::workspace::{Workspace, run_command};

/// An environment and what belongs in it.
pub(crate) struct Environment {
    /// Relative to the root of the workspace.
    pub(crate) folder: &'static str,
    /// Relative to the root of the workspace.
    pub(crate) requirements: &'static str,
}

impl Environment {
    /// The environment's interpreter, after all that is missing was installed.
    pub(crate) fn python(&self, workspace: &Workspace) -> Result<PathBuf, String> {
        let requirements = workspace.read(self.requirements)?;
        let folder = workspace.path(self.folder);
        let programs = if cfg!(windows) { "Scripts" } else { "bin" };
        let python = folder.join(programs).join("python");
        let works = workspace
            .command(&python)
            .args(["-c", ""])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !works {
            run_command(
                workspace
                    .command("python3")
                    .args(["-m", "venv", "--clear", self.folder]),
            )?;
        }
        let installed = folder.join("requirements.installed");
        if fs::read_to_string(&installed).is_ok_and(|installed| installed == requirements) {
            return Ok(python);
        }
        run_command(
            workspace
                .command(&python)
                .args(["-m", "pip", "install", "--quiet"])
                .args(["--disable-pip-version-check", "-r", self.requirements]),
        )?;
        fs::write(&installed, requirements)
            .map_err(|error| format!("cannot write {}: {error}", installed.display()))?;
        Ok(python)
    }
}
