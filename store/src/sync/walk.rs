//! Where two histories went apart, found from their newest ends.
//!
//! Both are read newest first, in the one order that all stores have of commits. A commit that both have comes up on
//! both sides at the same moment, so one that comes up on one side only is that side's own. As soon as nothing is open
//! that a commit of only one side follows, the rest is common: reading costs what the histories differ by, not what
//! they share.
//!
//! A merge needs more: a state from which all that is later can be done again. That is the newest commit which
//! everything later follows, the **cut**: nothing else is open there.

use std::collections::BTreeSet;

use futures::TryStreamExt;

use super::peer::{HistoryRecord, HistoryStream};
use crate::error::{Error, Result};
use crate::lineage::record::Place;
use crate::log::commit::CommitId;

/// Two histories, as far as they were read.
pub(crate) struct Walk {
    ours: Side,
    theirs: Side,
    /// Commits that were named and have not come up.
    open: BTreeSet<CommitId>,
    /// The newest commit of both, once it has come up.
    common: Option<CommitId>,
    /// Common commits that are later than the cut, newest first.
    shared: Vec<HistoryRecord>,
    cut: Option<HistoryRecord>,
    /// The newest commit that all later ones follow, whether it can be read here or not.
    fork: Option<HistoryRecord>,
    /// A commit that follows nothing has come up, and others were open: what is older is followed by only some.
    rooted: bool,
}

/// One of two histories.
struct Side {
    records: Option<HistoryStream>,
    next: Option<HistoryRecord>,
    /// Where it has been read to.
    reached: Option<Place>,
    /// What only this side has, newest first.
    own: Vec<HistoryRecord>,
    /// Commits that those follow and that have not come up.
    open: BTreeSet<CommitId>,
    /// Commits that the side has, although it does not tell them.
    named: BTreeSet<CommitId>,
}

/// What two histories do not share.
#[derive(Debug)]
pub(crate) struct Divergence {
    /// What only we have, newest first.
    pub(crate) ours: Vec<HistoryRecord>,
    /// What only they have, newest first.
    pub(crate) theirs: Vec<HistoryRecord>,
    /// The newest commit of both; none: they share nothing that is known.
    pub(crate) common: Option<CommitId>,
    /// The newest commit of both that everything later follows, as this side has it; none: that was not looked for.
    pub(crate) fork: Option<HistoryRecord>,
}

impl Divergence {
    /// That both have the same, which ends with this commit.
    pub(crate) fn none(common: Option<CommitId>) -> Self {
        Self {
            ours: Vec::new(),
            theirs: Vec::new(),
            common,
            fork: None,
        }
    }
}

/// What a walk has found.
#[derive(Debug)]
pub(crate) struct Walked {
    pub(crate) found: Divergence,
    /// Common commits that are later than the cut, newest first; without a cut, all that have come up.
    pub(crate) shared: Vec<HistoryRecord>,
    /// The newest version here that can be read and that all later commits follow; none: that was not looked for, or there
    /// is none.
    pub(crate) cut: Option<HistoryRecord>,
    /// All commits of both have come up, to the first ones.
    pub(crate) is_whole: bool,
}

impl Side {
    fn new(records: Option<HistoryStream>) -> Self {
        Self {
            records,
            next: None,
            reached: None,
            own: Vec::new(),
            open: BTreeSet::new(),
            named: BTreeSet::new(),
        }
    }

    /// Whether the side has a commit that it did not tell when its turn came.
    fn names(&self, id: &str) -> bool {
        self.open.contains(id) || self.named.contains(id)
    }

    /// Where the next record stands; none: there is no more.
    async fn peek(&mut self) -> Result<Option<Place>> {
        if self.next.is_none()
            && let Some(records) = &mut self.records
        {
            self.next = records.try_next().await?;
            if self.next.is_none() {
                self.records = None;
            }
        }
        let place = self.next.as_ref().map(|next| next.record.place());
        if let (Some(place), Some(reached)) = (&place, &self.reached)
            && place >= reached
        {
            let problem = format!("it is told after commit {}, which is older", reached.id);
            return Err(Error::damaged(format!("commit {}", place.id), problem));
        }
        Ok(place)
    }

    fn take(&mut self) -> Option<HistoryRecord> {
        let taken = self.next.take()?;
        self.reached = Some(taken.record.place());
        Some(taken)
    }
}

impl Walk {
    /// Histories by their newest commits; none: there is no history on that side.
    pub(crate) fn new(
        ours: Option<(CommitId, HistoryStream)>,
        theirs: Option<(CommitId, HistoryStream)>,
    ) -> Self {
        let tips = [&ours, &theirs].into_iter().flatten();
        let open = tips.map(|(tip, _)| tip.clone()).collect();
        let mut walk = Self {
            ours: Side::new(None),
            theirs: Side::new(None),
            open,
            common: None,
            shared: Vec::new(),
            cut: None,
            fork: None,
            rooted: false,
        };
        for (side, history) in [(&mut walk.ours, ours), (&mut walk.theirs, theirs)] {
            if let Some((tip, records)) = history {
                side.records = Some(records);
                side.open.insert(tip);
            }
        }
        walk
    }

    /// Reads until everything is known that only one side has.
    pub(crate) async fn diverge(&mut self) -> Result<()> {
        while !(self.ours.open.is_empty() && self.theirs.open.is_empty()) {
            if !self.step().await? {
                break;
            }
        }
        Ok(())
    }

    /// Reads on until there is a commit that all later ones follow.
    pub(crate) async fn find_fork(&mut self) -> Result<()> {
        while self.fork.is_none() && self.step().await? {}
        Ok(())
    }

    /// Reads on until there is a version of ours, which can be read, that all later commits follow.
    pub(crate) async fn find_cut(&mut self) -> Result<()> {
        while self.cut.is_none() && self.step().await? {}
        Ok(())
    }

    /// A commit that a side was said to end with and that its history does not have.
    pub(crate) fn untold<'a>(&self, tip: &'a str) -> Option<&'a str> {
        self.open.contains(tip).then_some(tip)
    }

    /// Whether each side has something of its own.
    pub(crate) fn is_apart(&self) -> bool {
        !self.ours.own.is_empty() && !self.theirs.own.is_empty()
    }

    /// What was found.
    pub(crate) fn finish(self) -> Walked {
        Walked {
            found: Divergence {
                ours: self.ours.own,
                theirs: self.theirs.own,
                common: self.common,
                fork: self.fork,
            },
            shared: self.shared,
            cut: self.cut,
            is_whole: self.open.is_empty(),
        }
    }

    /// Reads one more commit; says whether there was one.
    async fn step(&mut self) -> Result<bool> {
        let (ours, theirs) = (self.ours.peek().await?, self.theirs.peek().await?);
        let (from_us, from_them) = match (&ours, &theirs) {
            (None, None) => return Ok(false),
            (ours, theirs) => (ours >= theirs, theirs >= ours),
        };
        let our = from_us.then(|| self.ours.take()).flatten();
        let their = from_them.then(|| self.theirs.take()).flatten();
        match (our, their) {
            (Some(record), Some(_)) => self.both(record)?,
            // What is older than the fork is followed by both sides, whether both can tell it or not; and a side that knows
            // nothing older may still name what it follows.
            (Some(record), None) if self.forked() || self.theirs.names(&record.record.id) => {
                self.theirs.named.extend(record.record.follows()?);
                self.both(record)?;
            }
            (None, Some(record)) if self.forked() || self.ours.names(&record.record.id) => {
                self.ours.named.extend(record.record.follows()?);
                self.both(HistoryRecord {
                    version: None,
                    kept: false,
                    readable: false,
                    ..record
                })?;
            }
            (Some(record), None) => {
                Self::own(&mut self.ours, &mut self.open, &mut self.rooted, record)?;
            }
            (None, Some(record)) => {
                Self::own(&mut self.theirs, &mut self.open, &mut self.rooted, record)?;
            }
            (None, None) => return Ok(false),
        }
        Ok(true)
    }

    /// Whether everything that comes up from now on is followed by a commit of both.
    fn forked(&self) -> bool {
        self.fork.is_some()
    }

    fn own(
        side: &mut Side,
        open: &mut BTreeSet<CommitId>,
        rooted: &mut bool,
        record: HistoryRecord,
    ) -> Result<()> {
        let parents = record.record.follows()?;
        *rooted |= parents.is_empty();
        for open in [&mut side.open, open] {
            open.remove(&record.record.id);
            open.extend(parents.iter().cloned());
        }
        side.own.push(record);
        Ok(())
    }

    fn both(&mut self, record: HistoryRecord) -> Result<()> {
        let id = &record.record.id;
        let alone = self.open.len() == 1 && self.open.contains(id) && !self.rooted;
        for open in [&mut self.open, &mut self.ours.open, &mut self.theirs.open] {
            open.remove(id);
        }
        let follows = record.record.follows()?;
        self.rooted |= follows.is_empty();
        self.open.extend(follows);
        if self.common.is_none() {
            self.common = Some(id.clone());
        }
        if alone && self.fork.is_none() {
            self.fork = Some(record.clone());
        }
        match (
            &self.cut,
            alone && record.version.is_some() && record.readable,
        ) {
            (Some(_), _) => {}
            (None, true) => self.cut = Some(record),
            (None, false) => self.shared.push(record),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::{StreamExt, stream};

    use super::*;
    use crate::lineage::record::Record;

    /// A commit of this time that follows others.
    fn commit(time: u64, parents: &[&HistoryRecord]) -> HistoryRecord {
        let parents: Vec<&str> = parents
            .iter()
            .map(|parent| parent.record.id.as_str())
            .collect();
        let line = serde_json::json!({
            "parents": parents,
            "time": format!("2026-01-01T00:00:{time:02}.000000000Z"),
            "write_id": "ab",
            "operation": "append",
            "schema": "ab",
        });
        let record = Record::new(Bytes::from(line.to_string()), Vec::new(), None).unwrap();
        HistoryRecord {
            record,
            version: Some(time),
            kept: true,
            readable: true,
        }
    }

    fn history(records: &[&HistoryRecord]) -> Option<(CommitId, HistoryStream)> {
        let records: Vec<HistoryRecord> = records.iter().map(|record| (*record).clone()).collect();
        let tip = records.first()?.record.id.clone();
        Some((tip, stream::iter(records.into_iter().map(Ok)).boxed()))
    }

    fn times(records: &[HistoryRecord]) -> Vec<u64> {
        let times = records.iter().map(|record| record.version);
        times.map(Option::unwrap_or_default).collect()
    }

    async fn walked(ours: &[&HistoryRecord], theirs: &[&HistoryRecord]) -> Walked {
        let mut walk = Walk::new(history(ours), history(theirs));
        walk.diverge().await.unwrap();
        walk.find_cut().await.unwrap();
        walk.finish()
    }

    #[tokio::test]
    async fn what_one_side_has_beyond_the_other_is_found_without_reading_the_rest() {
        let one = commit(1, &[]);
        let two = commit(2, &[&one]);
        let three = commit(3, &[&two]);
        let unread = || Err(Error::damaged("history", "it was read on"));
        let side = |records: &[&HistoryRecord]| {
            let (tip, records) = history(records)?;
            let records = records.chain(stream::once(std::future::ready(unread())));
            Some((tip, records.boxed()))
        };
        let mut walk = Walk::new(side(&[&two]), side(&[&three, &two]));
        walk.diverge().await.unwrap();
        let Walked { found, cut, .. } = walk.finish();
        assert_eq!(times(&found.theirs), [3]);
        assert!(found.ours.is_empty());
        assert_eq!(found.common.as_ref(), Some(&two.record.id));
        assert_eq!(cut.unwrap().record.id, two.record.id);
    }

    #[tokio::test]
    async fn histories_that_went_apart_are_cut_where_all_that_is_later_follows() {
        let root = commit(1, &[]);
        let (left, right) = (commit(2, &[&root]), commit(3, &[&root]));
        let merged = commit(4, &[&left, &right]);
        let (ours, theirs) = (commit(5, &[&merged]), commit(6, &[&right]));
        let Walked {
            found, shared, cut, ..
        } = walked(
            &[&ours, &merged, &right, &left, &root],
            &[&theirs, &right, &root],
        )
        .await;
        assert_eq!(times(&found.ours), [5, 4, 2]);
        assert_eq!(times(&found.theirs), [6]);
        assert_eq!(found.common.as_ref(), Some(&right.record.id));
        assert_eq!(
            found.fork.as_ref().map(|fork| &fork.record.id),
            Some(&root.record.id)
        );
        assert_eq!(times(&[cut.unwrap()]), [1]);
        assert_eq!(times(&shared), [3]);
    }

    #[tokio::test]
    async fn what_only_one_side_still_tells_of_before_the_fork_is_not_its_own() {
        let root = commit(1, &[]);
        let mut fork = commit(2, &[&root]);
        fork.readable = false;
        let (ours, theirs) = (commit(3, &[&fork]), commit(4, &[&fork]));
        let Walked { found, cut, .. } = walked(&[&ours, &fork, &root], &[&theirs, &fork]).await;
        assert_eq!(
            (times(&found.ours), times(&found.theirs)),
            (vec![3], vec![4])
        );
        assert_eq!(found.fork.map(|fork| fork.record.id), Some(fork.record.id));
        assert_eq!(times(&[cut.unwrap()]), [1]);
    }

    #[tokio::test]
    async fn histories_without_a_common_commit_have_no_cut() {
        let (one, other) = (commit(1, &[]), commit(2, &[]));
        let Walked { found, cut, .. } = walked(&[&one], &[&other]).await;
        assert!(found.common.is_none() && found.fork.is_none() && cut.is_none());
        let Walked { found, .. } = walked(&[], &[&other]).await;
        assert_eq!(times(&found.theirs), [2]);
    }

    #[tokio::test]
    async fn what_a_short_history_follows_is_common() {
        let one = commit(1, &[]);
        let two = commit(2, &[&one]);
        let Walked { found, .. } = walked(&[&two], &[&one]).await;
        assert_eq!(times(&found.ours), [2]);
        assert!(found.theirs.is_empty());
        assert_eq!(found.common.as_ref(), Some(&one.record.id));
    }

    #[tokio::test]
    async fn an_end_that_does_not_come_up_is_noticed() {
        let (one, tip) = (commit(1, &[]), commit(2, &[]).record.id);
        let told = stream::iter(Vec::new()).boxed();
        let mut walk = Walk::new(history(&[&one]), Some((tip.clone(), told)));
        walk.diverge().await.unwrap();
        assert_eq!(walk.untold(&tip), Some(tip.as_str()));
        assert_eq!(walk.untold(&one.record.id), None);
    }

    #[tokio::test]
    async fn a_history_that_is_told_out_of_order_is_refused() {
        let one = commit(1, &[]);
        let two = commit(2, &[&one]);
        let mut walk = Walk::new(None, history(&[&one, &two]));
        // The first of them follows nothing, so reading has to be asked for.
        walk.diverge().await.unwrap();
        let error = walk.find_cut().await.unwrap_err();
        assert!(error.to_string().contains(&two.record.id), "{error}");
    }
}
