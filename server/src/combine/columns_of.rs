//! Which columns a join of two frames has, and what they are called.

use arrow_schema::Schema;
use datafusion::common::plan_err;
use datafusion::error::Result;
use std::collections::HashSet;

/// A column of each frame, to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) left: String,
    pub(crate) right: String,
}

impl Pair {
    /// The column that both frames have under this name.
    pub(crate) fn both(name: &str) -> Self {
        Self {
            left: name.to_owned(),
            right: name.to_owned(),
        }
    }

    /// The columns to compare, from names that hold for both frames, or from as many for each.
    pub(crate) fn all(
        role: &str,
        both: Vec<String>,
        left: Vec<String>,
        right: Vec<String>,
    ) -> Result<Vec<Self>> {
        let apart = !left.is_empty() || !right.is_empty();
        if apart && !both.is_empty() {
            return plan_err!("{role}: goes with neither left_{role} nor right_{role}");
        }
        if left.len() != right.len() {
            return plan_err!(
                "left_{role} and right_{role}: {} columns are compared with {}; name as many of each frame",
                left.len(),
                right.len()
            );
        }
        let pairs = left.into_iter().zip(right);
        let pairs = pairs.map(|(left, right)| Self { left, right });
        let pairs: Vec<Self> = both
            .iter()
            .map(|name| Self::both(name))
            .chain(pairs)
            .collect();
        for (place, pair) in pairs.iter().enumerate() {
            if pairs[..place].contains(pair) {
                return plan_err!("{role}: `{}` is given twice", pair.left);
            }
        }
        Ok(pairs)
    }
}

/// What is appended to names that both frames have.
#[derive(Debug, Clone)]
pub(crate) struct Suffixes {
    pub(crate) left: String,
    pub(crate) right: String,
}

impl Default for Suffixes {
    fn default() -> Self {
        Self {
            left: "_x".into(),
            right: "_y".into(),
        }
    }
}

/// A column of one of two frames, and its name in the result.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) left: bool,
    pub(super) place: usize,
    pub(super) name: String,
}

impl Suffixes {
    /// The columns of a join: all of the left frame, then those of the right one that are not `shared`.
    pub(super) fn names(
        &self,
        left: &Schema,
        right: &Schema,
        shared: &[&str],
    ) -> Result<Vec<Named>> {
        let names = |schema: &Schema| -> Vec<String> {
            schema.fields().iter().map(|f| f.name().clone()).collect()
        };
        let (left, right) = (names(left), names(right));
        let is_shared = |name: &String| shared.contains(&name.as_str());
        let in_left: HashSet<&String> = left.iter().collect();
        let in_right: HashSet<&String> = right.iter().collect();
        let mut columns = Vec::new();
        let sides = [
            (true, &left, &in_right, &self.left),
            (false, &right, &in_left, &self.right),
        ];
        for (of_left, names, others, suffix) in sides {
            for (place, name) in names.iter().enumerate() {
                if !of_left && is_shared(name) {
                    continue;
                }
                let clashes = others.contains(name) && !is_shared(name);
                let suffix = if clashes { suffix.as_str() } else { "" };
                columns.push(Named {
                    left: of_left,
                    place,
                    name: format!("{name}{suffix}"),
                });
            }
        }
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|column| !seen.insert(&column.name)) {
            return plan_err!(
                "suffixes: the result would have two columns `{}`; give other suffixes than '{}' and '{}'",
                twice.name,
                self.left,
                self.right
            );
        }
        Ok(columns)
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field};

    use super::*;

    fn schema(names: &[&str]) -> Schema {
        let fields = names
            .iter()
            .map(|name| Field::new(*name, DataType::Int64, true));
        Schema::new(fields.collect::<Vec<_>>())
    }

    #[test]
    fn only_names_that_clash_get_suffixes() {
        let (left, right) = (schema(&["k", "a", "b"]), schema(&["b", "k", "c"]));
        let named = Suffixes::default().names(&left, &right, &["k"]).unwrap();
        let names: Vec<&str> = named.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["k", "a", "b_x", "b_y", "c"]);
    }

    #[test]
    fn suffixes_that_lead_to_the_same_name_are_refused() {
        let (left, right) = (schema(&["k", "a", "a_x"]), schema(&["a", "k"]));
        let refused = Suffixes::default()
            .names(&left, &right, &["k"])
            .unwrap_err();
        assert!(
            refused.to_string().contains("two columns `a_x`"),
            "{refused}"
        );
    }
}
