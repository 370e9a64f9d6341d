//! The name that is meant by one that is not there.

use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Of the names that are there those that differ little from `name`, the nearest first. What differs in case alone is
/// nearest; about every third character may be wrong, missing, too many, or in the place of its neighbour.
///
/// ```
/// use shoots_store::nearest;
///
/// let frames = ["weather", "whether", "flights"];
/// assert_eq!(nearest("wether", frames), ["weather", "whether"]);
/// assert!(nearest("planes", frames).is_empty());
/// ```
pub fn nearest<'a>(name: &str, there: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let length = wanted.chars().count();
    let most = length / 3;
    let near: BTreeSet<(usize, Reverse<usize>, &str)> = there
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= most)
        .filter_map(|candidate| {
            let folded = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&wanted, &folded);
            (distance <= most)
                .then(|| (distance, Reverse(common_start(&wanted, &folded)), candidate))
        })
        .collect();
    near.into_iter().map(|(.., candidate)| candidate).collect()
}

fn common_start(one: &str, other: &str) -> usize {
    let pairs = one.chars().zip(other.chars());
    pairs.take_while(|(one, other)| one == other).count()
}

/// What follows an error about a name that is not there: the nearest one, if there is one.
pub(crate) fn meant<'a>(name: &str, there: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(name, there).first() {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_with_the_fewest_mistakes() {
        let there = ["Weather", "flights", "flight_hours", "a", "b"];
        for (name, expected) in [
            ("weather", &["Weather"][..]),
            ("wether", &["Weather"]),
            ("weahter", &["Weather"]),
            ("flight", &["flights"]),
            ("fligths", &["flights"]),
            ("flight_hour", &["flight_hours"]),
            ("A", &["a"]),
            ("c", &[]),
            ("planes", &[]),
            ("", &[]),
        ] {
            assert_eq!(nearest(name, there), expected, "{name}");
        }
        assert_eq!(meant("wether", there), "; did you mean `Weather`?");
        assert_eq!(meant("planes", there), "");
    }
}
