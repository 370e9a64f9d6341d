//! Every package that is linked or used to build has a licence this project can be published with.
//!
//! Licences are SPDX expressions (<https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/>): one side
//! of an `OR` is enough, both sides of an `AND` are needed, `AND` binds tighter, and an exception after `WITH`
//! only permits more. Cargo's older way of writing `OR` as `/` is read too.

use serde_json::Value;

use super::Problem;
use crate::workspace::packages;

const ALLOWED: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// All licences of this family are allowed.
const ALLOWED_FAMILY: &str = "BSD-";

/// Checks every package in cargo's metadata.
pub(super) fn check(metadata: &Value) -> Vec<Problem> {
    let mut problems: Vec<Problem> = packages(metadata)
        .filter_map(|package| {
            let name = package["name"]
                .as_str()
                .unwrap_or("a package without a name");
            let what = objection(package["license"].as_str())?;
            Some(Problem::new(name, what))
        })
        .collect();
    if packages(metadata).next().is_none() {
        problems.push(Problem::new("cargo metadata", "lists no packages"));
    }
    problems
}

fn objection(expression: Option<&str>) -> Option<String> {
    let Some(expression) = expression else {
        return Some("names no licence".to_owned());
    };
    match permits(expression) {
        Some(true) => None,
        Some(false) => Some(format!("licence {expression:?} is not on the list")),
        None => Some(format!("licence {expression:?} cannot be understood")),
    }
}

/// Whether the allowed licences satisfy an expression; `None` if it is not one.
fn permits(expression: &str) -> Option<bool> {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut words = Words {
        words: spaced.split_whitespace().collect(),
        next: 0,
    };
    let permitted = words.any()?;
    (words.next == words.words.len()).then_some(permitted)
}

/// An expression, and how far it has been read.
struct Words<'a> {
    words: Vec<&'a str>,
    next: usize,
}

impl<'a> Words<'a> {
    /// `all OR all OR …`
    fn any(&mut self) -> Option<bool> {
        let mut permitted = self.all()?;
        while self.takes("OR") {
            permitted |= self.all()?;
        }
        Some(permitted)
    }

    /// `one AND one AND …`
    fn all(&mut self) -> Option<bool> {
        let mut permitted = self.one()?;
        while self.takes("AND") {
            permitted &= self.one()?;
        }
        Some(permitted)
    }

    /// A licence, perhaps with an exception, or an expression in parentheses.
    fn one(&mut self) -> Option<bool> {
        if self.takes("(") {
            let permitted = self.any()?;
            return self.takes(")").then_some(permitted);
        }
        let licence = self.name()?;
        if self.takes("WITH") {
            self.name()?;
        }
        Some(ALLOWED.contains(&licence) || licence.starts_with(ALLOWED_FAMILY))
    }

    fn name(&mut self) -> Option<&'a str> {
        let word = *self.words.get(self.next)?;
        if ["(", ")", "AND", "OR", "WITH"].contains(&word) {
            return None;
        }
        self.next += 1;
        Some(word)
    }

    fn takes(&mut self, word: &str) -> bool {
        let taken = self.words.get(self.next) == Some(&word);
        self.next += usize::from(taken);
        taken
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_are_satisfied_as_spdx_says() {
        for good in [
            "MIT",
            "BSD-3-Clause",
            "MIT/Apache-2.0",
            "Apache-2.0 / GPL-3.0",
            "GPL-2.0 OR MIT",
            "MIT OR Apache-2.0 OR LGPL-2.1-or-later",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
            "GPL-3.0 AND MIT OR ISC",
            "((Zlib))",
        ] {
            assert_eq!(permits(good), Some(true), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "GPL-3.0 WITH Classpath-exception-2.0",
            "GPL-3.0/AGPL-3.0",
            "MIT AND (GPL-3.0 OR LGPL-3.0)",
            "GPL-3.0 OR MIT AND AGPL-3.0",
            "mit-like",
        ] {
            assert_eq!(permits(bad), Some(false), "{bad}");
        }
        for broken in [
            "",
            "MIT OR",
            "AND MIT",
            "(MIT",
            "MIT)",
            "MIT Apache-2.0",
            "MIT WITH",
        ] {
            assert_eq!(permits(broken), None, "{broken}");
        }
    }

    #[test]
    fn packages_with_a_bad_licence_or_none_are_found() {
        let metadata = json!({"packages": [
            {"name": "good", "license": "MIT OR Apache-2.0"},
            {"name": "file-only", "license": null, "license_file": "LICENSE"},
            {"name": "closed", "license": "Proprietary"},
            {"name": "garbled", "license": "MIT OR"},
        ]});
        let found: Vec<String> = check(&metadata).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "file-only: names no licence",
                "closed: licence \"Proprietary\" is not on the list",
                "garbled: licence \"MIT OR\" cannot be understood",
            ]
        );
        assert_eq!(check(&json!({"packages": []})).len(), 1);
    }
}
