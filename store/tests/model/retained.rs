//! Upkeep: what compaction, expiry and the sweep may do, and may not.
//!
//! Which segments a version needs is read from the log's own lines, independently of the store: a commit says what it
//! adds and removes. So what is left in the end can be compared with what the versions that are kept need, to the
//! object.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::Value;
use shoots_proto::action::Retention;
use shoots_store::{ErrorKind, default_retention};

use crate::op::{AsOfSeed, RuleSeed};
use crate::reference::{Outcome, Step};
use crate::world::World;

/// Which versions can still be read.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    /// All from this one on can.
    oldest: u64,
    /// But for these.
    forgotten: BTreeSet<u64>,
    rule: Option<RuleSeed>,
    /// How many hours have gone by.
    pub(crate) hour: u64,
    /// The frame was deleted so long ago that it cannot be brought back.
    pub(crate) emptied: bool,
    /// The version whose segments the next restore brings back.
    restored: Option<u64>,
}

impl RuleSeed {
    fn rule(self) -> Retention {
        Retention {
            keep_versions: self.versions.map(u64::from),
            keep_seconds: self.hours.map(|hours| u64::from(hours) * 3600),
            keep_tagged: true,
        }
    }
}

impl World {
    /// Whether a version can be read: it was neither expired nor forgotten, or it has a tag.
    pub(crate) fn keeps(&self, version: u64) -> bool {
        let given_up = version < self.retained.oldest || self.retained.forgotten.contains(&version);
        !given_up || self.tags.values().any(|tagged| *tagged == version)
    }

    pub(crate) fn pass(&mut self, hours: u8) {
        self.clock.pass(hours);
        self.retained.hour += u64::from(hours);
    }

    /// Notes that what comes next is a restore of this version.
    pub(crate) fn restores(&mut self, version: u64) {
        self.retained.restored = Some(version);
    }

    /// A commit that leaves the rows as they are.
    fn same(&self, operation: &'static str) -> Outcome {
        let last = self.versions.last().unwrap();
        Outcome::becomes(last.step.table.clone(), operation, 0)
    }

    pub(crate) async fn compact(&mut self, who: bool) {
        let outcome = self.frame(who).compact(false).await;
        let expected = match self.present() {
            Some(_) => Outcome::Stays,
            None => Outcome::Refused(ErrorKind::NotFound),
        };
        if let Ok(report) = &outcome {
            // One commit for each group of segments.
            while report
                .version
                .is_some_and(|last| last > self.versions.len() as u64)
            {
                let Outcome::Becomes(step) = self.same("compact") else {
                    return;
                };
                self.push(step).await;
            }
        }
        self.note(expected, outcome.map(drop)).await;
    }

    pub(crate) async fn set_retention(&mut self, who: bool, rule: Option<RuleSeed>) {
        let expected = match self.versions.last() {
            None => Outcome::Refused(ErrorKind::NotFound),
            Some(_) if self.retained.rule == rule => Outcome::Stays,
            Some(_) => self.same("configure"),
        };
        let answer = self
            .frame(who)
            .set_retention(rule.map(RuleSeed::rule))
            .await;
        if let Ok(result) = &answer {
            self.retained.rule = rule;
            assert_eq!(result.own, rule.map(RuleSeed::rule));
        }
        self.note(expected, answer.map(drop)).await;
    }

    pub(crate) async fn expire(&mut self, who: bool) {
        let kept = |world: &Self| {
            let versions = 1..=world.versions.len() as u64;
            versions
                .filter(|version| world.keeps(*version))
                .collect::<Vec<_>>()
        };
        let before = kept(self);
        let outcome = self.frame(who).expire(false).await;
        let Ok(report) = outcome else {
            let expected = match self.versions.last() {
                None => Outcome::Refused(ErrorKind::NotFound),
                Some(_) => Outcome::Stays,
            };
            return self.note(expected, outcome.map(drop)).await;
        };
        let (floor, empties) = self.floor();
        self.retained.oldest = self.retained.oldest.max(floor);
        if let (true, Some(last)) = (empties, self.versions.last_mut()) {
            self.retained.emptied = true;
            last.segments.clear();
        }
        let expired = before.len() - kept(self).len();
        assert_eq!(report.versions_expired, expired as u64, "{report:?}");
        let expected = match report.version {
            Some(_) => self.same("expire"),
            None => {
                assert_eq!(expired, 0, "{report:?}");
                Outcome::Stays
            }
        };
        self.note(expected, Ok(())).await;
    }

    /// The first version that the rule keeps with all later ones, and whether the rows of a deleted frame go, too.
    fn floor(&self) -> (u64, bool) {
        let rule = self
            .retained
            .rule
            .map_or_else(default_retention, RuleSeed::rule);
        let last = self.versions.len() as u64;
        let deleted = self.present().is_none();
        let upkeep = ["tag", "configure", "compact", "expire"];
        let states: Vec<u64> = (1..)
            .zip(&self.versions)
            .filter(|(_, version)| !upkeep.contains(&version.step.operation))
            .map(|(number, _)| number)
            .collect();
        let by_count = rule.keep_versions.map(|count| {
            let first = states.len().checked_sub(usize::try_from(count).unwrap());
            first.map_or(0, |first| states[first])
        });
        let by_count = by_count.filter(|_| !deleted || rule.keep_seconds.is_none());
        // The version that was the newest at that time was in force after it.
        let by_time = rule.keep_seconds.map(|seconds| {
            let old = |hour: u64| hour + seconds / 3600 <= self.retained.hour;
            self.versions
                .iter()
                .filter(|version| old(version.hour))
                .count() as u64
        });
        let long_deleted = by_time.is_some_and(|at| {
            let since = usize::try_from(at.saturating_sub(1)).unwrap();
            at > 0
                && self.versions[since..]
                    .iter()
                    .all(|version| version.step.table.is_none())
        });
        if long_deleted {
            return (last, true);
        }
        let floor = by_count.into_iter().chain(by_time).min();
        (floor.unwrap_or(0).min(last), false)
    }

    pub(crate) async fn forget(&mut self, who: bool, as_of: AsOfSeed) {
        let found = self.find(as_of);
        let expected = match &found {
            Err(_) => Outcome::Refused(ErrorKind::NotFound),
            Ok((_, place)) => {
                let version = *place as u64 + 1;
                let tagged = self.tags.values().any(|tagged| *tagged == version);
                match version == self.versions.len() as u64 || tagged {
                    true => Outcome::Refused(ErrorKind::InvalidRequest),
                    false => self.same("expire"),
                }
            }
        };
        let version = found.as_ref().ok().map(|(_, place)| *place as u64 + 1);
        let as_of = found.map_or_else(|as_of| as_of, |(as_of, _)| as_of);
        let answer = self.frame(who).forget(&[as_of], false).await;
        if answer.is_ok() {
            self.retained.forgotten.extend(version);
        }
        self.note(expected, answer.map(drop)).await;
    }

    pub(crate) async fn sweep(&mut self, who: bool) {
        self.frame(who).sweep(false).await.unwrap();
        let newest = match self.frame(who).history(1, None).await {
            Ok(history) => history.commits[0].version,
            Err(_) => 0,
        };
        // That the lists are done with is a commit, too.
        let expected = match newest > self.versions.len() as u64 {
            true => self.same("expire"),
            false => Outcome::Stays,
        };
        self.note(expected, Ok(())).await;
    }

    /// The segments of the version that follows the newest one.
    pub(crate) async fn segments_of(&mut self, step: &Step) -> BTreeSet<String> {
        let version = self.versions.len() as u64 + 1;
        let entry = format!("_default/f/log/{version:020}.jsonl");
        let entry = self
            .objects
            .get(&Path::parse(entry).unwrap())
            .await
            .unwrap();
        let bytes = entry.bytes().await.unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            lines.len(),
            3,
            "the versions of two writers that take turns are not grouped"
        );
        let before = match step.operation {
            "create" | "replace" => BTreeSet::new(),
            "restore" => {
                let from = self.retained.restored.take().unwrap();
                self.versions[usize::try_from(from).unwrap() - 1]
                    .segments
                    .clone()
            }
            "expire" if self.retained.emptied => BTreeSet::new(),
            _ => self
                .versions
                .last()
                .map_or_else(BTreeSet::new, |last| last.segments.clone()),
        };
        if step.table.is_some() {
            self.retained.emptied = false;
        }
        let ids = |field: &str, inner: Option<&str>| {
            let list = lines[1][field].as_array().cloned().unwrap_or_default();
            let id = |value: &Value| match inner {
                Some(inner) => value[inner].as_str().unwrap().to_owned(),
                None => value.as_str().unwrap().to_owned(),
            };
            list.iter().map(id).collect::<BTreeSet<String>>()
        };
        let left = &before - &ids("removed", None);
        &left | &ids("added", Some("id"))
    }

    /// Removes all that can be removed, and compares what is left with what is needed.
    pub(crate) async fn sweep_all(&mut self) {
        if self.versions.is_empty() {
            return;
        }
        self.expire(false).await;
        self.pass(30);
        self.sweep(true).await;
        let kept = (1..)
            .zip(&self.versions)
            .filter(|(version, _)| self.keeps(*version));
        let needed: BTreeSet<String> = kept
            .flat_map(|(_, version)| version.segments.clone())
            .collect();
        let ever = self
            .versions
            .iter()
            .flat_map(|version| version.segments.clone());
        let ever: BTreeSet<String> = ever.collect();
        let folder = Path::parse("_default/f/segments").unwrap();
        let listed: Vec<_> = self
            .objects
            .list(Some(&folder))
            .try_collect()
            .await
            .unwrap();
        let left: BTreeSet<String> = listed
            .iter()
            .map(|object| object.location.filename().unwrap().replace(".parquet", ""))
            .collect();
        let lost = &needed - &left;
        assert!(lost.is_empty(), "versions that are kept need {lost:?}");
        let leaked = &(&left & &ever) - &needed;
        assert!(
            leaked.is_empty(),
            "no version that is kept needs {leaked:?}"
        );
    }
}
