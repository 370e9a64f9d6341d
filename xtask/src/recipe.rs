//! The list of recipes, and running some of them in order until one fails.
//!
//! Every cargo command here names the whole workspace, so that all of them resolve to the same features and no
//! dependency is built twice.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::workspace::{Workspace, run_command};
use crate::{clients, python, s3, tidy};

/// The result of a step: nothing, or what to tell the person who ran it.
pub(crate) type Outcome = Result<(), String>;

/// One part of CI.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    about: &'static str,
    run: fn(&Workspace) -> Outcome,
}

/// Everything, in the order in which CI runs it: what fails fastest comes first.
const RECIPES: [Recipe; 8] = [
    Recipe {
        name: "fmt",
        about: "the code is formatted",
        run: |workspace| cargo(workspace, &["fmt", "--all", "--", "--check"]),
    },
    Recipe {
        name: "tidy",
        about: "file openings and sizes, crate arrows, lints, licences, documents",
        run: tidy::run,
    },
    Recipe {
        name: "clippy",
        about: "no warnings, in code and tests",
        run: |workspace| {
            cargo(
                workspace,
                &[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--locked",
                    "--",
                    "-Dwarnings",
                ],
            )
        },
    },
    Recipe {
        name: "test",
        about: "unit and integration tests, also on an S3 that is started for them",
        run: |workspace| {
            s3::serving(workspace, |variables| {
                let mut command = workspace.cargo();
                command.args(["test", "--workspace", "--tests", "--locked"]);
                run_command(command.envs(variables.iter().cloned()))
            })
        },
    },
    Recipe {
        name: "doctest",
        about: "the examples in the documentation",
        run: |workspace| cargo(workspace, &["test", "--workspace", "--doc", "--locked"]),
    },
    Recipe {
        name: "doc",
        about: "the documentation builds without warnings",
        run: |workspace| {
            let mut command = workspace.cargo();
            command
                .args(["doc", "--workspace", "--no-deps", "--locked"])
                .env("RUSTDOCFLAGS", "-Dwarnings");
            run_command(&mut command)
        },
    },
    Recipe {
        name: "python",
        about: "the Python package and other clients against the real server, in .venv and .venv-lowest",
        run: python::run,
    },
    Recipe {
        name: "clients",
        about: "Go and Java clients against the real server, where their tools are",
        run: clients::run,
    },
];

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Outcome {
    run_command(workspace.cargo().args(arguments))
}

/// The recipes of these names, in this order; all of them for `ci`, none for no name or `help`.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<&'static Recipe>, String> {
    let mut recipes = Vec::new();
    for name in names {
        match name.as_str() {
            "ci" => recipes.extend(&RECIPES),
            "help" | "--help" | "-h" => return Ok(Vec::new()),
            name => match RECIPES.iter().find(|recipe| recipe.name == name) {
                Some(recipe) => recipes.push(recipe),
                None => return Err(name.to_owned()),
            },
        }
    }
    Ok(recipes)
}

/// What `cargo xtask help` prints.
pub(crate) fn help() -> String {
    let mut text = String::from("cargo xtask <recipe>...\n\n");
    for recipe in &RECIPES {
        let _ = writeln!(text, "  {:8} {}", recipe.name, recipe.about);
    }
    text.push_str("  ci       all of the above, in this order\n  help     this text\n");
    text
}

/// Runs recipes until one fails, then says what was run, how long it took, and what was not run.
pub(crate) fn run(recipes: &[&Recipe], workspace: &Workspace) -> ExitCode {
    let mut summary = String::new();
    let mut failed = false;
    for recipe in recipes {
        if failed {
            let _ = writeln!(summary, "  {:8} not run", recipe.name);
            continue;
        }
        println!("\n=== {}: {}", recipe.name, recipe.about);
        let started = Instant::now();
        let outcome = (recipe.run)(workspace);
        let took = seconds(started.elapsed());
        let verdict = match &outcome {
            Ok(()) => "ok",
            Err(_) => "FAILED",
        };
        println!("=== {}: {verdict} after {took}", recipe.name);
        let _ = writeln!(summary, "  {:8} {verdict:6} {took:>9}", recipe.name);
        if let Err(problem) = outcome {
            failed = true;
            let _ = writeln!(
                summary,
                "           {}",
                problem.replace('\n', "\n           ")
            );
        }
    }
    println!("\n{summary}");
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Result<Vec<&'static str>, String> {
        let given: Vec<String> = of.iter().map(|&name| name.to_owned()).collect();
        Ok(chosen(&given)?.iter().map(|recipe| recipe.name).collect())
    }

    #[test]
    fn ci_is_every_recipe_and_a_name_is_that_recipe() {
        assert_eq!(names(&["ci"]).unwrap().len(), RECIPES.len());
        assert_eq!(names(&["doc", "fmt"]).unwrap(), ["doc", "fmt"]);
        assert!(names(&["help"]).unwrap().is_empty());
        assert!(names(&[]).unwrap().is_empty());
    }

    #[test]
    fn an_unknown_name_is_reported_and_nothing_is_chosen() {
        assert_eq!(names(&["fmt", "deploy"]).unwrap_err(), "deploy");
    }

    #[test]
    fn the_first_failure_stops_the_run() {
        fn succeeds(_: &Workspace) -> Outcome {
            Ok(())
        }
        fn fails(_: &Workspace) -> Outcome {
            Err("no".to_owned())
        }
        fn must_not_run(_: &Workspace) -> Outcome {
            panic!("ran after a failure")
        }
        let recipe = |run| Recipe {
            name: "x",
            about: "x",
            run,
        };
        let workspace = Workspace::here();
        let good = recipe(succeeds as fn(&Workspace) -> Outcome);
        let (bad, never) = (recipe(fails), recipe(must_not_run));
        let code = |recipes: &[&Recipe]| format!("{:?}", run(recipes, &workspace));
        assert_eq!(code(&[&good]), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(
            code(&[&good, &bad, &never]),
            format!("{:?}", ExitCode::FAILURE)
        );
    }

    #[test]
    fn help_names_every_recipe() {
        let help = help();
        for recipe in &RECIPES {
            assert!(help.contains(recipe.name), "{}", recipe.name);
        }
    }
}
