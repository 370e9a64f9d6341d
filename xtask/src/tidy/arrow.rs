//! Crate arrows point one way: what each crate must never come to depend on, not even through another crate.
//! Dependencies of tests do not count, nor do those of a crate's features that are off unless asked for: with its
//! feature `sync` the client knows the store, whose way of exchanging frames it then speaks.

use std::collections::BTreeSet;

use super::Problem;
use crate::workspace::{Workspace, output};

/// A crate and the families of crates it must not know. A family is the crate of that name and all whose names
/// begin with it and a hyphen.
const FORBIDDEN: [(&str, &[&str]); 7] = [
    (
        "shoots-proto",
        &[
            "arrow",
            "datafusion",
            "object_store",
            "parquet",
            "shoots",
            "tonic",
        ],
    ),
    (
        "shoots-store",
        &[
            "arrow-flight",
            "datafusion",
            "shoots-client",
            "shoots-flight",
            "shoots-server",
            "tonic",
        ],
    ),
    (
        "shoots-flight",
        &[
            "datafusion",
            "object_store",
            "parquet",
            "shoots-client",
            "shoots-server",
            "shoots-store",
        ],
    ),
    (
        "shoots-client",
        &[
            "datafusion",
            "object_store",
            "parquet",
            "shoots-server",
            "shoots-store",
        ],
    ),
    // It knows all of the others, the client among them: servers exchange frames as clients of each other.
    ("shoots-server", &["shoots-cli", "xtask"]),
    // It runs a server inside of itself where it opens a store, and so comes to all that the server knows.
    ("shoots-cli", &["xtask"]),
    ("xtask", &["arrow", "datafusion", "shoots", "tonic"]),
];

/// What cargo says a crate depends on, one package a line.
pub(super) fn tree(workspace: &Workspace, name: &str) -> Result<String, String> {
    output(workspace.cargo().args([
        "tree",
        "--locked",
        "--edges=normal",
        "--prefix=none",
        "--package",
        name,
    ]))
}

/// Checks the tree of one crate.
pub(super) fn check(name: &str, tree: &str) -> Vec<Problem> {
    let Some((_, families)) = FORBIDDEN.iter().find(|(of, _)| *of == name) else {
        let what = "has no row in xtask/src/tidy/arrow.rs that says what it must not know";
        return vec![Problem::new(name, what)];
    };
    let reached: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|reached| *reached != name)
        .collect();
    if reached.is_empty() {
        return vec![Problem::new(name, "cargo tree found no dependencies")];
    }
    reached
        .into_iter()
        .filter(|reached| families.iter().any(|family| belongs(reached, family)))
        .map(|reached| Problem::new(name, format!("must not depend on {reached}")))
        .collect()
}

fn belongs(name: &str, family: &str) -> bool {
    match name.strip_prefix(family) {
        Some(rest) => rest.is_empty() || rest.starts_with('-'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(name: &str, tree: &str) -> Vec<String> {
        check(name, tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_forbidden_crate_is_found() {
        for (name, families) in FORBIDDEN {
            for family in families {
                let tree = format!("{name} v0.1.0 (/x)\nserde v1.0.0\n{family}-core v1.0.0 (*)\n");
                let found = problems(name, &tree);
                assert_eq!(found, [format!("{name}: must not depend on {family}-core")]);
            }
        }
    }

    #[test]
    fn all_but_the_server_and_who_runs_one_must_not_know_datafusion() {
        for (name, families) in FORBIDDEN {
            let forbidden = families.contains(&"datafusion");
            let knows = ["shoots-server", "shoots-cli"].contains(&name);
            assert_eq!(forbidden, !knows, "{name}");
        }
    }

    #[test]
    fn names_that_only_begin_alike_are_fine() {
        let tree = "shoots-proto v0.1.0\narrowhead v1.0.0\nserde v1.0.0\n";
        assert!(problems("shoots-proto", tree).is_empty());
    }

    #[test]
    fn a_crate_without_a_rule_and_a_tree_without_dependencies_are_found() {
        assert_eq!(problems("shoots-next", "shoots-next v0.1.0\n").len(), 1);
        assert_eq!(problems("shoots-proto", "shoots-proto v0.1.0\n").len(), 1);
    }
}
