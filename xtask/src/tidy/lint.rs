//! The lints that this project agreed on are set for the workspace, and every crate inherits them.

use super::Problem;

/// Sections of the workspace's manifest, the lints each must set, and to which levels.
const AGREED: [(&str, &[&str], &[&str]); 3] = [
    (
        "workspace.lints.rust",
        &["missing_docs", "unreachable_pub"],
        &["warn", "deny", "forbid"],
    ),
    (
        "workspace.lints.rust",
        &["unsafe_code"],
        &["deny", "forbid"],
    ),
    (
        "workspace.lints.clippy",
        &[
            "allow_attributes",
            "await_holding_lock",
            "dbg_macro",
            "expect_used",
            "panic",
            "todo",
            "unwrap_used",
        ],
        &["warn", "deny", "forbid"],
    ),
];

/// Checks the manifest of the workspace.
pub(super) fn check_workspace(manifest: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (section, lints, levels) in AGREED {
        for lint in lints {
            let level = value(manifest, section, lint);
            if !level.is_some_and(|level| levels.contains(&level.trim_matches('"'))) {
                let what = format!("[{section}] must set {lint} to one of {levels:?}");
                problems.push(Problem::new("Cargo.toml", what));
            }
        }
    }
    problems
}

/// Checks the manifest of a crate.
pub(super) fn check_member(path: &str, manifest: &str) -> Option<Problem> {
    let inherits = value(manifest, "lints", "workspace") == Some("true");
    (!inherits).then(|| Problem::new(path, "must inherit the lints: [lints] workspace = true"))
}

/// The value of a key in a section, as it is written. Reads the plain style of this project's manifests only:
/// one key a line, sections by their header.
fn value<'a>(manifest: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let mut here = "";
    for line in manifest.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(header) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            here = header.trim();
        } else if here == section
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
        {
            return Some(value.trim());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[workspace.lints.rust]
missing_docs = "warn"
unreachable_pub = "warn"
unsafe_code = "forbid" # or deny

[workspace.lints.clippy]
allow_attributes = "warn"
await_holding_lock = "warn"
dbg_macro = "warn"
expect_used = "warn"
panic = "warn"
todo = "warn"
unwrap_used = "deny"
"#;

    #[test]
    fn every_agreed_lint_is_missed_when_it_is_gone_or_weaker() {
        assert!(check_workspace(GOOD).is_empty());
        for line in GOOD.lines().filter(|line| line.contains('=')) {
            let gone = GOOD.replace(line, "");
            assert_eq!(check_workspace(&gone).len(), 1, "{line}");
            let (name, _) = line.split_once('=').unwrap();
            let weaker = GOOD.replace(line, &format!("{name}= \"allow\""));
            assert_eq!(check_workspace(&weaker).len(), 1, "{line}");
        }
        let warned = GOOD.replace("\"forbid\"", "\"warn\"");
        assert_eq!(check_workspace(&warned).len(), 1);
    }

    #[test]
    fn a_crate_that_does_not_inherit_is_found() {
        let inherits = "[package]\nname = \"x\"\n[lints]\nworkspace = true\n";
        assert_eq!(check_member("x/Cargo.toml", inherits), None);
        for bad in [
            "[package]\nname = \"x\"\n",
            "[package]\nworkspace = true\n",
            "[lints]\nworkspace = false\n",
            "[lints]\n# workspace = true\n",
        ] {
            assert!(check_member("x/Cargo.toml", bad).is_some(), "{bad}");
        }
    }
}
