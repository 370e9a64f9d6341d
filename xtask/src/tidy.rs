//! Rules about this code base that no compiler checks. `cargo xtask tidy` and a test of this crate run the same
//! checks, one module each. A check is a function from text to [`Problem`]s, so that each has tests which feed
//! it something bad.

mod arrow;
mod document;
mod licence;
mod lint;
mod place;
mod source;

use std::fmt;

use crate::recipe::Outcome;
use crate::workspace::{self, Workspace};

/// A rule that is broken, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    place: String,
    what: String,
}

impl Problem {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Runs every check and prints what it finds.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let problems = problems(workspace)?;
    for problem in &problems {
        println!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        count => Err(format!("{count} problem(s), listed above")),
    }
}

fn problems(workspace: &Workspace) -> Result<Vec<Problem>, String> {
    let files = workspace.files()?;
    let metadata = workspace.metadata()?;
    let members = workspace::members(&metadata);

    let mut problems = Vec::new();
    for file in &files {
        problems.extend(source::check(file));
        problems.extend(place::check(file));
    }
    problems.extend(lint::check_workspace(&workspace.read("Cargo.toml")?));
    for member in &members {
        let manifest = format!("{}/Cargo.toml", member.folder);
        problems.extend(lint::check_member(&manifest, &workspace.read(&manifest)?));
        problems.extend(arrow::check(
            &member.name,
            &arrow::tree(workspace, &member.name)?,
        ));
    }
    problems.extend(licence::check(&metadata));
    for name in document::DOCUMENTS {
        let text = workspace.read(name).ok();
        problems.extend(document::check(name, text.as_deref(), &members));
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_tidy() {
        let found = problems(&Workspace::here()).unwrap();
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "\n{}", lines.join("\n"));
    }
}
