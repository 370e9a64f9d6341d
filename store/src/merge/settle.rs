//! The graph of the commits that are replayed, and which of them a settled merge left out.
//!
//! Where two histories could not be put together, somebody chose one of them. The merge says whose head that was. What
//! the other side had done until then, and the chosen one had not, is left out of every later replay; what the other
//! side does afterwards counts again. So what is left out follows from the set of commits, like everything else in a replay.
//!
//! Two who do not know of each other may settle the same conflict in opposite ways: one leaves out what the other keeps.
//! Neither is more right than the other, so this is a conflict by itself, until somebody settles that.
//!
//! Commits are known by their places in the order of the replay.

use std::collections::HashMap;

use roaring::RoaringBitmap;

use super::conflict::{Kind, Stop};
use crate::error::{Error, Result};
use crate::lineage::record::Record;
use crate::log::commit::{CommitId, Operation};

/// A commit that another one follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Node {
    /// The commit whose state the replay begins with.
    Start,
    /// One of the replayed commits.
    At(u32),
}

/// Which commits follow which.
#[derive(Debug)]
pub(super) struct Graph {
    parents: Vec<Vec<Node>>,
    /// The places of settled merges, with the commits whose sides were taken.
    settled: Vec<(u32, Node)>,
    /// What no replay takes part of.
    excluded: RoaringBitmap,
    /// For each commit whether the replay leaves out just what was left out before it in its own line.
    agrees: Vec<bool>,
}

impl Graph {
    /// The graph of `records`, in their order. All of them descend from `start`, or, without one, from their first.
    pub(super) fn new(records: &[Record], start: Option<&CommitId>) -> Result<Self, Stop> {
        let by_id: HashMap<&str, u32> = records
            .iter()
            .zip(0..)
            .map(|(record, place)| (record.id.as_str(), place))
            .collect();
        let node = |id: &CommitId| match by_id.get(id.as_str()) {
            Some(place) => Some(Node::At(*place)),
            None => (Some(id) == start).then_some(Node::Start),
        };
        let mut parents = Vec::with_capacity(records.len());
        let mut settled = Vec::new();
        for (record, place) in records.iter().zip(0..) {
            let mut own = Vec::new();
            for id in content_parents(record)? {
                let found = node(&id).filter(|node| *node < Node::At(place));
                own.push(found.ok_or_else(|| unknown(record, &id))?);
            }
            parents.push(own);
            let details = record.commit.details.as_ref();
            let taken = details.and_then(|details| details.settled.as_ref());
            if let (Operation::Merge, Some(taken)) = (record.commit.operation, taken) {
                let taken = node(taken).ok_or_else(|| unknown(record, taken))?;
                settled.push((place, taken));
            }
        }
        let mut graph = Self {
            parents,
            settled,
            excluded: RoaringBitmap::new(),
            agrees: vec![true; records.len()],
        };
        if !graph.settled.is_empty() {
            let mut all = RoaringBitmap::new();
            all.insert_range(0..u32::try_from(records.len()).unwrap_or(u32::MAX));
            let mut known = HashMap::new();
            graph.excluded = graph.left_out(&all, &mut known);
            graph.agrees = graph.agreements(records, &mut known);
        }
        graph.check_related(start.is_some())?;
        graph.check_settled(records)?;
        Ok(graph)
    }

    pub(super) fn parents(&self, place: u32) -> &[Node] {
        self.parents.get(place as usize).map_or(&[], Vec::as_slice)
    }

    /// The parent whose side was taken, if this is a settled merge.
    pub(super) fn settled(&self, place: u32) -> Option<Node> {
        let mut settled = self.settled.iter();
        settled
            .find(|(of, _)| *of == place)
            .map(|(_, taken)| *taken)
    }

    /// Whether the commit is left out.
    pub(super) fn excludes(&self, place: u32) -> bool {
        self.excluded.contains(place)
    }

    /// Whether the replay leaves out just what was left out before the commit in its own line.
    pub(super) fn agrees(&self, place: u32) -> bool {
        self.agrees.get(place as usize).is_none_or(|agrees| *agrees)
    }

    /// A commit with all that it follows.
    pub(super) fn history(&self, of: Node) -> RoaringBitmap {
        let mut history = RoaringBitmap::new();
        let mut open = vec![of];
        while let Some(node) = open.pop() {
            if let Node::At(place) = node
                && history.insert(place)
            {
                open.extend(self.parents(place));
            }
        }
        history
    }

    /// What the settled merges of a history leave out of it.
    fn left_out(
        &self,
        history: &RoaringBitmap,
        known: &mut HashMap<Node, RoaringBitmap>,
    ) -> RoaringBitmap {
        let mut out = RoaringBitmap::new();
        for (merge, taken) in &self.settled {
            if !history.contains(*merge) {
                continue;
            }
            let kept = self.history(*taken);
            let mut gone = self.history(Node::At(*merge));
            gone.remove(*merge);
            let before = match known.get(taken) {
                Some(before) => before.clone(),
                None => {
                    let before = self.left_out(&kept, known);
                    known.insert(*taken, before.clone());
                    before
                }
            };
            out = (out - &kept) | before | (gone - &kept);
        }
        out
    }

    fn agreements(
        &self,
        records: &[Record],
        known: &mut HashMap<Node, RoaringBitmap>,
    ) -> Vec<bool> {
        let mut agrees: Vec<bool> = Vec::with_capacity(records.len());
        for (record, place) in records.iter().zip(0..) {
            let operation = record.commit.operation;
            let own = if operation == Operation::Merge {
                let mut before = self.history(Node::At(place));
                let out = self.left_out(&before, known);
                before.remove(place);
                before & &self.excluded == out
            } else {
                operation.clears()
                    || self.parents(place).iter().all(|parent| match parent {
                        Node::Start => true,
                        Node::At(place) => agrees[*place as usize] && !self.excludes(*place),
                    })
            };
            agrees.push(own);
        }
        agrees
    }

    /// Refuses settlements of which one leaves out what the other keeps, unless one of them, or a third one, was made in
    /// the knowledge of both.
    fn check_settled(&self, records: &[Record]) -> Result<(), Stop> {
        let settled: Vec<_> = self
            .settled
            .iter()
            .map(|(merge, taken)| {
                let all = self.history(Node::At(*merge));
                let kept = self.history(*taken);
                let mut gone = &all - &kept;
                gone.remove(*merge);
                (*merge, all, kept, gone)
            })
            .collect();
        for (place, (one, _, kept, gone)) in settled.iter().enumerate() {
            for (other, _, other_kept, other_gone) in &settled[place + 1..] {
                let mut knowing = settled.iter();
                let known = knowing.any(|(_, all, ..)| all.contains(*one) && all.contains(*other));
                if known || (gone.is_disjoint(other_kept) && other_gone.is_disjoint(kept)) {
                    continue;
                }
                let id = |place: &u32| records.get(*place as usize).map_or("", |of| &of.id);
                let problem = format!(
                    "the merges {} and {} settled a conflict in opposite ways",
                    id(one),
                    id(other)
                );
                return Err(Stop::Conflict(Kind::Settled, problem));
            }
        }
        Ok(())
    }

    /// Refuses histories that did not begin together.
    fn check_related(&self, started: bool) -> Result<(), Stop> {
        let roots = self.parents.iter().zip(0..);
        let roots = roots.filter(|(parents, place)| parents.is_empty() && !self.excludes(*place));
        if roots.count() > usize::from(!started) {
            let problem = "they have no commit in common: each began by itself";
            return Err(Stop::Conflict(Kind::Unrelated, problem.to_owned()));
        }
        Ok(())
    }
}

/// The commits that a record follows, past those of upkeep between.
fn content_parents(record: &Record) -> Result<Vec<CommitId>> {
    match record.links.last() {
        Some(line) => Ok(Record::new(line.clone(), Vec::new(), None)?.commit.parents),
        None => Ok(record.commit.parents.clone()),
    }
}

fn unknown(record: &Record, parent: &CommitId) -> Error {
    let problem = format!("commit {parent}, which it follows, is not known");
    Error::damaged(format!("commit {}", record.id), problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lineage::joined::{Parent, merge_commit};
    use crate::log::entry::encode_commit;
    use crate::time::Timestamp;

    /// Commits by number; each is later than those before it.
    #[derive(Default)]
    struct History(Vec<Record>);

    impl History {
        fn push(&mut self, parents: &[usize]) -> usize {
            let parents: Vec<CommitId> = parents.iter().map(|of| self.0[*of].id.clone()).collect();
            let operation = if parents.is_empty() {
                "create"
            } else {
                "append"
            };
            let line = serde_json::json!({
                "parents": parents,
                "time": Timestamp::from_nanoseconds(self.0.len() as i64),
                "write_id": self.0.len().to_string(),
                "operation": operation,
                "schema": "ab",
            });
            self.add(line.to_string().into_bytes())
        }

        fn merge(&mut self, parents: [usize; 2], settled: usize) -> usize {
            let time = Timestamp::from_nanoseconds(self.0.len() as i64 - 1);
            let parents = parents.map(|of| Parent {
                id: self.0[of].id.clone(),
                time,
            });
            let settled = Some(&self.0[settled].id);
            let commit = merge_commit(parents.to_vec(), settled, "ab", &[], false);
            self.add(encode_commit(&commit).unwrap().1)
        }

        fn add(&mut self, line: Vec<u8>) -> usize {
            let record = Record::new(line.into(), Vec::new(), None).unwrap();
            self.0.push(record);
            self.0.len() - 1
        }

        fn graph(&self) -> Graph {
            Graph::new(&self.0, None).ok().unwrap()
        }

        fn excluded(&self) -> Vec<u32> {
            self.graph().excluded.iter().collect()
        }
    }

    #[test]
    fn what_the_other_side_did_until_a_settled_merge_is_left_out_and_what_it_does_later_is_not() {
        let mut history = History::default();
        let root = history.push(&[]);
        let (ours, theirs) = (history.push(&[root]), history.push(&[root]));
        let more = history.push(&[theirs]);
        let merge = history.merge([ours, more], ours);
        let after = history.push(&[merge]);
        let late = history.push(&[more]);
        assert_eq!(history.excluded(), [theirs as u32, more as u32]);
        let graph = history.graph();
        assert!(graph.agrees(after as u32));
        assert!(!graph.agrees(late as u32));
    }

    #[test]
    fn two_settled_merges_that_contradict_each_other_are_a_conflict_until_that_is_settled() {
        let mut history = History::default();
        let root = history.push(&[]);
        let (ours, theirs) = (history.push(&[root]), history.push(&[root]));
        let first = history.merge([ours, theirs], ours);
        let after = history.push(&[first]);
        assert!(history.graph().agrees(after as u32));
        let second = history.merge([ours, theirs], theirs);
        let conflict = Graph::new(&history.0, None).unwrap_err();
        let Stop::Conflict(Kind::Settled, problem) = conflict else {
            panic!("{conflict:?}");
        };
        assert!(problem.contains(&history.0[second].id), "{problem}");

        let last = history.merge([after, second], second);
        assert_eq!(history.excluded(), [ours, first, after].map(|of| of as u32));
        history.push(&[last]);
        assert!(!history.graph().agrees(after as u32));
    }

    #[test]
    fn settled_merges_that_know_of_each_other_or_keep_the_same_side_are_no_conflict() {
        let mut history = History::default();
        let root = history.push(&[]);
        let (ours, theirs) = (history.push(&[root]), history.push(&[root]));
        history.merge([ours, theirs], ours);
        let more = history.push(&[ours]);
        history.merge([more, theirs], more);
        assert_eq!(history.excluded(), [theirs as u32]);
    }

    #[test]
    fn histories_that_began_apart_are_unrelated_unless_one_was_left_out() {
        let mut history = History::default();
        let (ours, theirs) = (history.push(&[]), history.push(&[]));
        let unrelated = Graph::new(&history.0, None).unwrap_err();
        assert!(matches!(unrelated, Stop::Conflict(Kind::Unrelated, _)));
        history.merge([ours, theirs], theirs);
        assert_eq!(history.excluded(), [ours as u32]);
    }

    #[test]
    fn a_commit_that_follows_an_unknown_one_is_damage() {
        let mut history = History::default();
        let root = history.push(&[]);
        history.push(&[root]);
        let cut = &history.0[1..];
        assert!(matches!(Graph::new(cut, None), Err(Stop::Failed(_))));
        assert!(Graph::new(cut, Some(&history.0[0].id)).is_ok());
    }
}
