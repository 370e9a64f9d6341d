//! Arrow's Go and Java clients against the real server: `tests/clients`, with the tools of these languages.
//!
//! Where a tool is missing, its tests are skipped, which is said. Versions are pinned by `go.mod`, `go.sum` and
//! `pom.xml`; the tools fetch them.

use std::path::PathBuf;

use crate::recipe::Outcome;
use crate::workspace::{Workspace, run_command};
use crate::{python, workspace};

/// The tests of one language.
struct Language {
    name: &'static str,
    folder: &'static str,
    /// What must be there, and how it is asked for its version.
    tools: &'static [(&'static str, &'static str)],
    commands: &'static [&'static [&'static str]],
}

const LANGUAGES: [Language; 2] = [
    Language {
        name: "Go",
        folder: "tests/clients/go",
        tools: &[("go", "version")],
        commands: &[
            &["go", "vet", "-mod=readonly", "./..."],
            &["go", "test", "-mod=readonly", "-count=1", "./..."],
        ],
    },
    Language {
        name: "Java",
        folder: "tests/clients/java",
        tools: &[("java", "-version"), ("mvn", "-version")],
        commands: &[&["mvn", "--batch-mode", "--no-transfer-progress", "test"]],
    },
];

pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let mut server = None;
    for language in &LANGUAGES {
        if let Some(tool) = language.missing(workspace) {
            println!(
                "SKIPPED: the {} clients, because there is no `{tool}`",
                language.name
            );
            continue;
        }
        let server = match &server {
            Some(server) => server,
            None => server.insert(python::server(workspace)?),
        };
        for words in language.commands {
            let mut command = workspace.command(words[0]);
            command
                .args(&words[1..])
                .current_dir(language.folder(workspace));
            run_command(command.env("SHOOTS_SERVER", server))?;
        }
    }
    Ok(())
}

impl Language {
    fn folder(&self, workspace: &Workspace) -> PathBuf {
        workspace.path(self.folder)
    }

    /// The first tool that is not there.
    fn missing(&self, workspace: &Workspace) -> Option<&'static str> {
        let missing = self.tools.iter().find(|(tool, version)| {
            let mut command = workspace.command(tool);
            workspace::output(command.arg(version)).is_err()
        });
        missing.map(|(tool, _)| *tool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_its_folder_and_a_tool_that_is_not_there_is_named() {
        let workspace = Workspace::here();
        for language in &LANGUAGES {
            assert!(language.folder(&workspace).is_dir(), "{}", language.name);
        }
        let language = Language {
            tools: &[("cargo", "--version"), ("no-such-tool", "--version")],
            name: "x",
            folder: "x",
            commands: &[],
        };
        assert_eq!(language.missing(&workspace), Some("no-such-tool"));
    }
}
