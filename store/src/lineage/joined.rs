//! The commit that joins two histories: the same wherever it is made.
//!
//! Its bytes follow from its parents, from what they add up to and from how a conflict was settled, if there was one.
//! It has no author, and its time is not that of any clock. So stores that merge the same histories, in whichever
//! direction, make the same commit, and have nothing to send each other afterwards.

use crate::log::commit::{Commit, CommitId, Operation};
use crate::log::details::Details;
use crate::time::Timestamp;

/// Hexadecimal digits of a write id.
const WRITE_ID_DIGITS: usize = 32;

/// A commit that a merge joins to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Parent {
    pub(crate) id: CommitId,
    pub(crate) time: Timestamp,
}

/// The commit that joins histories. `schema`, `index` and `deleted` are what the frame is after it, `settled` is the
/// parent whose side was taken in a conflict.
pub(crate) fn merge_commit(
    mut parents: Vec<Parent>,
    settled: Option<&CommitId>,
    schema: &str,
    index: &[String],
    deleted: bool,
) -> Commit {
    parents.sort_unstable();
    parents.dedup();
    let latest = parents.iter().map(|parent| parent.time).max();
    let parents: Vec<CommitId> = parents.into_iter().map(|parent| parent.id).collect();
    let details = Details {
        settled: settled.cloned(),
        deleted,
        ..Details::default()
    };
    Commit {
        write_id: write_id(&parents, settled),
        parents,
        time: latest.map_or(Timestamp::from_nanoseconds(0), Timestamp::next),
        operation: Operation::Merge,
        schema: schema.to_owned(),
        index: index.to_vec(),
        added: Vec::new(),
        removed: Vec::new(),
        hidden: Vec::new(),
        rows_removed: 0,
        details: Some(details).filter(|details| *details != Details::default()),
        author: None,
        message: None,
        metadata: None,
    }
}

fn write_id(parents: &[CommitId], settled: Option<&CommitId>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"merge");
    for parent in parents {
        hasher.update(b" ").update(parent.as_bytes());
    }
    if let Some(settled) = settled {
        hasher.update(b" settled ").update(settled.as_bytes());
    }
    hasher.finalize().to_hex()[..WRITE_ID_DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::entry::encode_commit;

    fn parent(id: &str, time: i64) -> Parent {
        Parent {
            id: id.repeat(32),
            time: Timestamp::from_nanoseconds(time),
        }
    }

    #[test]
    fn the_commit_is_the_same_whichever_side_makes_it_and_another_when_it_is_settled() {
        let (one, other) = (parent("ab", 7), parent("cd", 9));
        let index = ["t".to_owned()];
        let commit = |parents, settled| {
            let commit = merge_commit(parents, settled, "ef", &index, false);
            (encode_commit(&commit).unwrap().0, commit)
        };
        let ours = commit(vec![one.clone(), other.clone()], None);
        let theirs = commit(vec![other.clone(), one.clone()], None);
        assert_eq!(ours, theirs);
        assert_eq!(ours.1.time, Timestamp::from_nanoseconds(10));
        assert_eq!(ours.1.write_id.len(), WRITE_ID_DIGITS);
        let settled = commit(vec![one.clone(), other.clone()], Some(&one.id));
        let otherwise = commit(vec![one.clone(), other.clone()], Some(&other.id));
        assert_ne!(settled.0, ours.0);
        assert_ne!(settled.0, otherwise.0);
        assert_ne!(settled.1.write_id, otherwise.1.write_id);
    }
}
