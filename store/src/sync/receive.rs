//! Commits of another store become versions of a frame of this one, once everything about them was checked.
//!
//! Nothing is published unless all of it fits: what the commits follow, whether they can be applied to the segments
//! that the frame has here, and each object that is new to it. The order is from cheap to dear, and what the sender can
//! help with (another tip, lists that are needed) is answered before any object is read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::arrive::{self, Known, SortedBy, commit_name};
use super::peer::{Arrival, Brought, Publish, PublishOutcome};
use super::promise::Promised;
use super::stored::Seen;
use super::told;
use crate::error::{Error, ErrorKind, Result};
use crate::frame_log::FrameLog;
use crate::lineage::bundle::Kept;
use crate::lineage::record::{Listed, Record};
use crate::log::commit::{CommitId, SegmentRecord};
use crate::log::entry::Entry;
use crate::log::foreign::{self, Foreign};
use crate::log::hidden::HiddenRecord;
use crate::log::tip::Tip;

/// Objects that are checked at the same time.
const PARALLEL_CHECKS: usize = 4;

/// Publishes what has arrived, or says what is in the way.
pub(super) async fn receive(
    log: &FrameLog,
    seen: &Seen,
    request: Publish,
) -> Result<PublishOutcome> {
    log.shared().check_writable()?;
    if request.arrivals.is_empty() || request.arrivals.len() > Publish::MAX_ARRIVALS {
        let problem = format!(
            "1 to {} commits can be published at once",
            Publish::MAX_ARRIVALS
        );
        return Err(Error::invalid("arrivals", problem));
    }
    let head = log.newest().await?.map(|head| head.entry);
    let tip = match &head {
        Some(entry) => log.tip(entry).await?,
        None => None,
    };
    let Some(receiving) = Receiving::new(log, head, tip, request)? else {
        let newest = log.newest().await?;
        let version = newest.map_or(0, |head| head.entry.last_version());
        return Ok(PublishOutcome::Published {
            versions: 0,
            version,
        });
    };
    receiving.run(seen).await
}

struct Receiving<'a> {
    log: &'a FrameLog,
    before: Option<Arc<Entry>>,
    tip: Option<Tip>,
    request: Publish,
}

impl<'a> Receiving<'a> {
    /// What is left to publish; none if all of it is there.
    fn new(
        log: &'a FrameLog,
        before: Option<Arc<Entry>>,
        tip: Option<Tip>,
        mut request: Publish,
    ) -> Result<Option<Self>> {
        for arrival in &request.arrivals {
            arrive::check_record(&arrival.record)?;
            for brought in &arrival.brings {
                arrive::check_record(&brought.record)?;
            }
        }
        if let Some(tip) = &tip {
            let arrivals = &mut request.arrivals;
            let known = arrivals
                .iter()
                .position(|arrival| arrival.record.id == tip.commit);
            if let Some(known) = known {
                arrivals.drain(..=known);
                request.expected = Some(tip.commit.clone());
                request.begins = false;
            }
        }
        let left = !request.arrivals.is_empty();
        Ok(left.then_some(Self {
            log,
            before,
            tip,
            request,
        }))
    }

    async fn run(self, seen: &Seen) -> Result<PublishOutcome> {
        let tip = self.tip.as_ref().map(|tip| tip.commit.clone());
        if tip != self.request.expected {
            return Ok(PublishOutcome::Moved { tip });
        }
        self.check_followed().await?;
        let commits = self.unlisted().await?;
        if !commits.is_empty() {
            return Ok(PublishOutcome::NeedsLists { commits });
        }
        self.check_objects(seen).await?;
        self.publish().await
    }

    /// Checks that everything that is followed is known and older.
    async fn check_followed(&self) -> Result<()> {
        let mut known = Known::default();
        if let Some(tip) = &self.tip {
            known.insert(&tip.commit, Some(tip.time));
        }
        let records = || self.request.arrivals.iter().flat_map(records_of);
        let mut given: BTreeSet<&str> = BTreeSet::new();
        let mut unknown: BTreeSet<CommitId> = BTreeSet::new();
        for record in records() {
            let open = known.unknown(record)?;
            let open = open.into_iter().filter(|id| !given.contains(id.as_str()));
            unknown.extend(open);
            given.insert(&record.id);
        }
        if self.begins() {
            // A history may begin in its middle.
            unknown.iter().for_each(|id| known.insert(id, None));
        } else if let Some(tip) = &self.tip
            && let Some(before) = self.before.as_ref().filter(|_| !unknown.is_empty())
        {
            let mut history = told::history(self.log, before, &tip.commit);
            while !unknown.is_empty()
                && let Some(record) = history.try_next().await?
            {
                let record = record.record;
                for id in record.follows()? {
                    if unknown.remove(&id) {
                        known.insert(&id, None);
                    }
                }
                unknown.remove(&record.id);
                known.insert(&record.id, Some(record.commit.time));
            }
        }
        records().try_for_each(|record| known.follow(record))
    }

    fn begins(&self) -> bool {
        self.tip.is_none() || self.request.begins
    }

    /// Commits that need a list and come without.
    async fn unlisted(&self) -> Result<Vec<CommitId>> {
        let arrivals = self.request.arrivals.iter();
        let commits = arrivals.map(|arrival| (&arrival.record, !arrival.kept));
        let before = self.before.as_deref();
        self.log.unlisted(before, self.begins(), commits).await
    }

    /// Checks every object that is new to the frame.
    async fn check_objects(&self, seen: &Seen) -> Result<()> {
        let present = match &self.before {
            Some(before) => present_in(self.log, before).await?,
            None => HashMap::new(),
        };
        check_schemas(self.log, self.request.arrivals.iter().flat_map(records_of)).await?;
        let mut sorted = match &self.before {
            Some(before) => {
                let state = &before.state;
                arrive::sorted_by(self.log, &state.schema, &state.index).await?
            }
            None => Vec::new(),
        };
        let mut checks = Checks::new(self.log, seen, present, sorted.clone());
        let mut follows = !self.begins();
        for arrival in &self.request.arrivals {
            for brought in &arrival.brings {
                checks.take(&brought.record, brought.kept, false)?;
                checks.take_list(&brought.record, false)?;
            }
            let (record, commit) = (&arrival.record, &arrival.record.commit);
            let own = arrive::sorted_by(self.log, &commit.schema, &commit.index).await?;
            let anew = commit.operation.clears() || record.list.is_some();
            if arrival.kept && follows && !anew && own != sorted {
                let problem = "it sorts rows by other columns than the commit before it";
                return Err(Error::damaged(commit_name(&record.id), problem));
            }
            let otherwise = own != checks.sorted;
            if arrival.kept {
                checks.take(record, record.list.is_none(), otherwise)?;
                checks.take_list(record, otherwise)?;
            }
            follows = arrival.kept;
            sorted = own;
        }
        if let Some(promise) = &self.request.promise {
            let promised: HashSet<&String> = promise.segments.iter().collect();
            checks.segments.retain(|(id, _), _| !promised.contains(id));
        }
        checks.run().await
    }

    async fn publish(self) -> Result<PublishOutcome> {
        let begins = self.begins();
        let before = self.before.as_ref();
        let first = before.map_or(0, |entry| entry.last_version());
        let list = self.request.arrivals.last();
        let list = list.and_then(|last| last.record.list.as_ref());
        let promised = match (&self.request.promise, list) {
            (Some(promise), Some(list)) => Some(Promised::keep(self.log, promise, list).await?),
            (Some(_), None) => {
                let problem = "it goes with the list of all segments";
                return Err(Error::invalid("promise", problem));
            }
            (None, _) => None,
        };
        let mut arrivals = Vec::with_capacity(self.request.arrivals.len());
        for arrival in self.request.arrivals {
            arrivals.push(arriving(self.log, arrival).await?);
        }
        let versions = arrivals.len() as u64;
        let foreign = Foreign {
            expected_tip: self.request.expected,
            begins,
            basis: first,
            arrivals,
            tracked: None,
            tracks: self.request.tracked.0,
            promised,
        };
        match self.log.publish_foreign(foreign).await {
            Ok(Some(published)) => Ok(PublishOutcome::Published {
                versions,
                version: published.version,
            }),
            Ok(None) => {
                let newest = self.log.newest().await?;
                let version = newest.map_or(first, |head| head.entry.last_version());
                Ok(PublishOutcome::Published {
                    versions: 0,
                    version,
                })
            }
            Err(error) if error.kind() == ErrorKind::Diverged => {
                let tip = match self.log.newest().await? {
                    Some(head) => self.log.tip(&head.entry).await?,
                    None => None,
                };
                let tip = tip.map(|tip| tip.commit);
                Ok(PublishOutcome::Moved { tip })
            }
            Err(error) => Err(error),
        }
    }
}

/// The segments of a frame, by their ids.
async fn present_in(log: &FrameLog, entry: &Entry) -> Result<HashMap<String, Listed>> {
    let list = entry.list_through(entry.last_version());
    let segments = log.checkpoints().segments(list).await?;
    let listed = segments.iter().map(|segment| {
        let listed = Listed::of(segment);
        (listed.segment.id.clone(), listed)
    });
    Ok(listed.collect())
}

/// Schemas come first: without them nobody knows what rows are sorted by.
async fn check_schemas<'r>(
    log: &FrameLog,
    records: impl Iterator<Item = &'r Record>,
) -> Result<()> {
    let schemas: BTreeSet<&str> = records.flat_map(schemas_of).collect();
    let schemas: Vec<_> = schemas
        .into_iter()
        .map(|hash| arrive::check_schema(log, hash))
        .collect();
    all(schemas).await
}

/// Checks what came along with commits that are to be kept beside the log of a frame.
pub(super) async fn check_gathered(
    log: &FrameLog,
    seen: &Seen,
    head: &Entry,
    gathered: &[Brought],
) -> Result<()> {
    let records = || gathered.iter().map(|brought| &brought.record);
    records().try_for_each(arrive::check_record)?;
    check_schemas(log, records()).await?;
    let state = &head.state;
    let sorted = arrive::sorted_by(log, &state.schema, &state.index).await?;
    let mut checks = Checks::new(log, seen, present_in(log, head).await?, sorted);
    for brought in gathered {
        let record = &brought.record;
        let own = arrive::sorted_by(log, &record.commit.schema, &record.commit.index).await?;
        let otherwise = own != checks.sorted;
        checks.take(record, brought.kept, otherwise)?;
        checks.take_list(record, otherwise)?;
    }
    checks.run().await
}

/// Checks segments that a frame has named before they came. Those that are not what they should be do not stay.
pub(super) async fn check_brought(log: &FrameLog, head: &Entry, segments: &[Listed]) -> Result<()> {
    let state = &head.state;
    let seen = Seen::default();
    for listed in segments {
        let check = SegmentCheck {
            record: listed.segment.clone(),
            schema: listed.schema.clone(),
            frame_schema: state.schema.clone(),
            index: state.index.clone(),
        };
        let checked = check.run(log, &seen).await;
        if let Err(error) = checked {
            if error.kind() == ErrorKind::Damaged {
                log.let_go(std::slice::from_ref(&listed.segment.id)).await;
            }
            return Err(error);
        }
    }
    Ok(())
}

/// The schemas that a commit and its list name.
fn schemas_of(record: &Record) -> impl Iterator<Item = &str> {
    let listed = record.list.iter().flatten();
    let listed = listed.map(|listed| listed.schema.as_str());
    listed.chain([record.commit.schema.as_str()])
}

/// The commits of an arrival, in an order in which each follows those before it.
fn records_of(arrival: &Arrival) -> impl Iterator<Item = &Record> {
    let brought = arrival.brings.iter().map(|brought| &brought.record);
    brought.chain([&arrival.record])
}

/// What comes along with a commit beside the log is durable before it is published.
async fn arriving(log: &FrameLog, arrival: Arrival) -> Result<foreign::Arrival> {
    let Arrival {
        record,
        kept,
        brings,
    } = arrival;
    let mut beside: Vec<Kept> = brings
        .into_iter()
        .map(|brought| Kept {
            record: brought.record,
            gone: !brought.kept,
        })
        .collect();
    if !record.links.is_empty() {
        beside.push(Kept {
            record: Record {
                list: None,
                ..record.clone()
            },
            gone: !kept,
        });
    }
    let history = match beside.is_empty() {
        true => Vec::new(),
        false => log.keep_bundles(beside).await?,
    };
    Ok(foreign::Arrival {
        record,
        history,
        gone: !kept,
    })
}

/// A segment that is to be checked: its record, the schema that it was written with, and what it is sorted by.
struct SegmentCheck {
    record: SegmentRecord,
    schema: String,
    /// The schema and the index of the frame after the commit that names it.
    frame_schema: String,
    index: Vec<String>,
}

/// What is to be checked, once each.
struct Checks<'a> {
    log: &'a FrameLog,
    seen: &'a Seen,
    /// What the frame has.
    present: HashMap<String, Listed>,
    /// The columns by which that is sorted.
    sorted: Vec<String>,
    /// By their ids and the schemas that they are read with.
    segments: BTreeMap<(String, String), SegmentCheck>,
    hidden: Vec<(HiddenRecord, SegmentRecord)>,
    /// Records of all segments that have come up.
    records: HashMap<String, SegmentRecord>,
}

impl<'a> Checks<'a> {
    fn new(
        log: &'a FrameLog,
        seen: &'a Seen,
        present: HashMap<String, Listed>,
        sorted: Vec<String>,
    ) -> Self {
        let records = present.values();
        let records = records.map(|listed| (listed.segment.id.clone(), listed.segment.clone()));
        Self {
            log,
            seen,
            records: records.collect(),
            present,
            sorted,
            segments: BTreeMap::new(),
            hidden: Vec::new(),
        }
    }

    /// Notes what a commit names, if that has come along. `otherwise`: it sorts by other columns than what the frame has.
    fn take(&mut self, record: &Record, own: bool, otherwise: bool) -> Result<()> {
        let commit = &record.commit;
        if !own {
            return Ok(());
        }
        for segment in &commit.added {
            self.segment(record, segment, &commit.schema, otherwise)?;
        }
        for hidden in &commit.hidden {
            // Of a segment that is not here the list says what is hidden.
            if let Some(segment) = self.records.get(&hidden.segment) {
                self.hidden.push((hidden.clone(), segment.clone()));
            }
        }
        Ok(())
    }

    /// Notes what is on the list that comes with a commit.
    fn take_list(&mut self, record: &Record, otherwise: bool) -> Result<()> {
        for listed in record.list.iter().flatten() {
            self.segment(record, &listed.segment, &listed.schema, otherwise)?;
            let known = self.present.get(&listed.segment.id);
            if let Some(hidden) = &listed.hidden
                && known.is_none_or(|known| known.hidden.as_ref() != Some(hidden))
            {
                self.hidden.push((hidden.clone(), listed.segment.clone()));
            }
        }
        Ok(())
    }

    fn segment(
        &mut self,
        by: &Record,
        segment: &SegmentRecord,
        schema: &str,
        otherwise: bool,
    ) -> Result<()> {
        let id = &segment.id;
        if let Some(known) = self.records.get(id)
            && known != segment
        {
            let problem = format!("it says something else of segment {id} than is known here");
            return Err(Error::damaged(commit_name(&by.id), problem));
        }
        self.records.insert(id.clone(), segment.clone());
        // A merge may read the columns of a segment otherwise than the commit that brought it.
        let present = self.present.get(id);
        if !otherwise && present.is_some_and(|present| present.schema == schema) {
            return Ok(());
        }
        self.segments
            .entry((id.clone(), schema.to_owned()))
            .or_insert_with(|| SegmentCheck {
                record: segment.clone(),
                schema: schema.to_owned(),
                frame_schema: by.commit.schema.clone(),
                index: by.commit.index.clone(),
            });
        Ok(())
    }

    async fn run(self) -> Result<()> {
        let log = self.log;
        let segments: Vec<_> = self
            .segments
            .values()
            .map(|check| check.run(log, self.seen))
            .collect();
        all(segments).await?;
        let hidden: Vec<_> = self
            .hidden
            .iter()
            .map(|(hidden, segment)| arrive::check_hiding(log, hidden, segment))
            .collect();
        all(hidden).await
    }
}

impl SegmentCheck {
    async fn run(&self, log: &FrameLog, seen: &Seen) -> Result<()> {
        let schema = log.schema(&self.frame_schema).await?.schema;
        let sorted = SortedBy {
            schema: &schema,
            index: &self.index,
        };
        let path = log.paths().segment(&self.record.id);
        let whole = !seen.take(&path, &self.record.hash);
        arrive::check_segment(log, &self.record, &self.schema, &sorted, whole).await
    }
}

async fn all(checks: Vec<impl Future<Output = Result<()>>>) -> Result<()> {
    stream::iter(checks)
        .buffer_unordered(PARALLEL_CHECKS)
        .try_collect()
        .await
}
