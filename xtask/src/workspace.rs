//! The workspace that the recipes work on: its root, its files, its crates, and commands that run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use serde_json::Value;

use crate::recipe::Outcome;

/// The folder with the workspace's `Cargo.toml`.
pub(crate) struct Workspace {
    root: PathBuf,
}

/// A text file of the project.
pub(crate) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A crate of this workspace.
pub(crate) struct Member {
    pub(crate) name: String,
    /// Relative to the root.
    pub(crate) folder: String,
}

impl Workspace {
    /// The workspace that cargo runs this program in. Of several that share a target folder, it may have been compiled
    /// in another one.
    pub(crate) fn here() -> Self {
        let own = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let own = own.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        Self {
            root: own.parent().unwrap_or(&own).to_path_buf(),
        }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn read(&self, relative: &str) -> Result<String, String> {
        fs::read_to_string(self.path(relative))
            .map_err(|error| format!("cannot read {relative}: {error}"))
    }

    /// A command that runs in the root, as if this program had not been started by cargo: build scripts that
    /// look at the variables of the calling package would otherwise run again, and with them all that follows.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(describes_calling_package) {
                command.env_remove(name);
            }
        }
        command
    }

    pub(crate) fn cargo(&self) -> Command {
        self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// The text files that are, or would be, under version control.
    pub(crate) fn files(&self) -> Result<Vec<SourceFile>, String> {
        let mut command = self.command("git");
        command.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let listed = output(&mut command)?;
        let mut files: Vec<SourceFile> = Vec::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            // A file may be gone from the folder but not from the index yet, and need not be text.
            if let Ok(text) = fs::read_to_string(self.path(path)) {
                files.push(SourceFile {
                    path: path.to_owned(),
                    text,
                });
            }
        }
        Ok(files)
    }

    /// What cargo knows about this workspace and everything it depends on.
    pub(crate) fn metadata(&self) -> Result<Value, String> {
        let text = output(
            self.cargo()
                .args(["metadata", "--format-version", "1", "--locked"]),
        )?;
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))
    }
}

/// The crates of the workspace that this metadata is about.
pub(crate) fn members(metadata: &Value) -> Vec<Member> {
    let ids = metadata["workspace_members"].as_array();
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    packages(metadata)
        .filter(|package| ids.is_some_and(|ids| ids.contains(&package["id"])))
        .filter_map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str()?);
            let folder = manifest.parent()?.strip_prefix(root).ok()?;
            Some(Member {
                name: package["name"].as_str()?.to_owned(),
                folder: folder.to_str()?.to_owned(),
            })
        })
        .collect()
}

/// Every package in this metadata.
pub(crate) fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

fn describes_calling_package(variable: &str) -> bool {
    const OTHERS: [&str; 6] = [
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
        "OUT_DIR",
    ];
    variable.starts_with("CARGO_PKG_") || OTHERS.contains(&variable)
}

/// Runs a command whose output the user sees.
pub(crate) fn run_command(command: &mut Command) -> Outcome {
    let line = line(command);
    println!("$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{line}: {status}")),
        Err(error) => Err(format!("{line}: {error}")),
    }
}

/// Runs a command for its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let line = line(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{line}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{line}: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{line}: {error}"))
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_does_not_know_which_package_started_it() {
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some());
        let command = Workspace::here().command("x");
        let removed = |name: &str| command.get_envs().any(|(n, v)| n == name && v.is_none());
        assert!(removed("CARGO_PKG_NAME"));
        assert!(removed("CARGO_MANIFEST_DIR"));
        assert!(!removed("PATH"));
    }

    #[test]
    fn a_command_that_fails_or_does_not_exist_is_an_error_that_names_it() {
        let workspace = Workspace::here();
        let failed = run_command(workspace.command("false").arg("x")).unwrap_err();
        assert!(failed.starts_with("false x: "), "{failed}");
        let absent = output(&mut workspace.command("no-such-program")).unwrap_err();
        assert!(absent.starts_with("no-such-program: "), "{absent}");
    }

    #[test]
    fn the_members_of_this_workspace_are_found_with_their_folders() {
        let members = members(&Workspace::here().metadata().unwrap());
        let own = members.iter().find(|member| member.name == "xtask");
        assert_eq!(own.unwrap().folder, "xtask");
        assert!(members.len() > 1);
    }

    #[test]
    fn the_files_of_this_workspace_include_this_one() {
        let files = Workspace::here().files().unwrap();
        let own = files
            .iter()
            .find(|file| file.path == "xtask/src/workspace.rs");
        assert!(own.unwrap().text.starts_with("//! The workspace"));
    }
}
