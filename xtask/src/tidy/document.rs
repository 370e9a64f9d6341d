//! The documents that newcomers read first know every crate.

use super::Problem;
use crate::workspace::Member;

/// Documents that must name every crate.
pub(super) const DOCUMENTS: [&str; 2] = ["README.md", "ARCHITECTURE.md"];

/// Checks one document; `None` if it does not exist.
pub(super) fn check(name: &str, text: Option<&str>, members: &[Member]) -> Vec<Problem> {
    let Some(text) = text else {
        return vec![Problem::new(name, "does not exist")];
    };
    members
        .iter()
        .filter(|member| !names(text, member))
        .map(|member| Problem::new(name, format!("does not name the crate {}", member.name)))
        .collect()
}

/// A crate is named by its package or by its folder in code style.
fn names(text: &str, member: &Member) -> bool {
    let Member { name, folder } = member;
    [
        format!("`{name}`"),
        format!("`{folder}`"),
        format!("`{folder}/`"),
    ]
    .iter()
    .any(|form| text.contains(form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_a_document_does_not_name_is_found() {
        let members = [("x-store", "store"), ("x-cli", "cli")].map(|(name, folder)| Member {
            name: name.to_owned(),
            folder: folder.to_owned(),
        });
        assert!(check("R", Some("`x-store` and `cli/`"), &members).is_empty());
        let found = check("R", Some("we store in `x-store-2`, see `cli`"), &members);
        assert_eq!(
            found,
            [Problem::new("R", "does not name the crate x-store")]
        );
        assert_eq!(check("R", None, &members).len(), 1);
    }
}
