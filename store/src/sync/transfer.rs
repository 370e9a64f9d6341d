//! Moves a frame's history forward at one end by what the other end has beyond it: objects first, then the commits.
//!
//! Objects are asked for (*have*), and what is missing is sent, some at a time, each under its own name. So a transfer
//! that ends in the middle leaves whole objects that nobody sees, and the next one goes on from there. Then the commits
//! are published, oldest first. The receiving end trusts nothing of it, see [`super::arrive`].

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::name::FrameId;

use super::arrive;
use super::course::{Stage, course};
use super::peer::{
    Arrival, Brought, HistoryRecord, ObjectName, Peer, Promise, Publish, PublishOutcome,
    SentObject, Tracked,
};
use super::progress::Meter;
use super::stored;
use super::wanted::{self, Wanted};
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::lineage::record::{Listed, Record, check_list};
use crate::log::commit::Operation;

/// Objects that are on their way at the same time.
const PARALLEL_OBJECTS: usize = 8;
/// How often lists are asked for: each time the receiving end knows more of them.
const MAX_ATTEMPTS: u32 = 20;

/// From where to where a frame is sent.
#[derive(Debug, Clone)]
pub(super) struct Route<'a> {
    pub(super) from: &'a dyn Peer,
    /// The frame's name there.
    pub(super) source: &'a FrameId,
    pub(super) to: &'a dyn Peer,
    /// Its name here.
    pub(super) target: &'a FrameId,
    pub(super) meter: Meter,
    /// What the frame knows of a remote once its tip is that of the source.
    pub(super) tracked: Tracked,
}

/// What became of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// The target's tip is that of the source.
    Done {
        /// How many commits became versions.
        versions: u64,
    },
    /// The target has moved meanwhile.
    Moved,
}

impl Route<'_> {
    /// Sends commits (newest first) which the source has beyond the target's tip, and all they need.
    pub(super) async fn forward(
        &self,
        tip: Option<&str>,
        records: Vec<HistoryRecord>,
    ) -> Result<Sent> {
        let mut arrivals = Vec::with_capacity(records.len());
        // Whether the state before the next commit is one that the target has.
        let mut complete = true;
        for stage in course(tip, records)? {
            let arrival = self.prepare(stage, complete).await?;
            complete = arrival.kept;
            arrivals.push(arrival);
        }
        self.deliver(tip, false, gone_beside(arrivals)).await
    }

    /// Sends a whole history (newest first). What is left of a frame that was deleted, its tip, is followed by it.
    pub(super) async fn begin(
        &self,
        tip: Option<&str>,
        records: Vec<HistoryRecord>,
    ) -> Result<Sent> {
        let mut arrivals = Vec::with_capacity(records.len());
        // What cannot be read any more is no version of a clone, but it is part of its history.
        let mut older = Vec::new();
        for stage in course(None, records)? {
            let complete = arrivals.last().is_some_and(|last: &Arrival| last.kept);
            let mut arrival = self.prepare(stage, complete).await?;
            if arrivals.is_empty() {
                older.append(&mut arrival.brings);
                if !arrival.kept {
                    older.push(Brought {
                        record: arrival.record,
                        kept: false,
                    });
                    continue;
                }
                arrival.brings = std::mem::take(&mut older);
            }
            arrivals.push(arrival);
        }
        if let (true, Some(newest)) = (arrivals.is_empty(), older.last()) {
            return Err(self.given_up(&newest.record.id));
        }
        self.deliver(tip, tip.is_some(), gone_beside(arrivals))
            .await
    }

    /// Sends what commits need, then the commits.
    async fn deliver(
        &self,
        tip: Option<&str>,
        begins: bool,
        arrivals: Vec<Arrival>,
    ) -> Result<Sent> {
        self.send(arrivals.iter().flat_map(wanted::of_arrival).collect())
            .await?;
        let mut expected = tip.map(str::to_owned);
        let mut begins = begins;
        let mut versions = 0;
        if let Some(last) = arrivals.last().filter(|last| !ends_group(last)) {
            return Err(self.given_up(&last.record.id));
        }
        let mut rest = arrivals.len();
        for group in groups(&arrivals)? {
            rest -= group.len();
            let request = Publish {
                expected: expected.take(),
                begins: std::mem::take(&mut begins),
                arrivals: group.to_vec(),
                promise: None,
                tracked: match rest {
                    0 => self.tracked.clone(),
                    _ => Tracked::default(),
                },
            };
            match self.publish(request).await? {
                Sent::Done { versions: more } => versions += more,
                Sent::Moved => return Ok(Sent::Moved),
            }
            expected = group.last().map(|last| last.record.id.clone());
        }
        Ok(Sent::Done { versions })
    }

    /// Sends only the newest state, and of that only the segments that are `wanted`; the others stay a promise of
    /// `remote`.
    pub(super) async fn newest(
        &self,
        tip: Option<&str>,
        record: HistoryRecord,
        remote: &str,
        wanted: impl Fn(&Listed) -> bool,
    ) -> Result<Sent> {
        let id = record.record.id.clone();
        let list = self.list(&id).await?;
        let list = list.ok_or_else(|| self.given_up(&id))?;
        let left: Vec<String> = list
            .iter()
            .filter(|listed| !wanted(listed))
            .map(|listed| listed.id().to_owned())
            .collect();
        let arrival = Arrival {
            record: Record {
                list: Some(list),
                ..record.record
            },
            kept: true,
            brings: Vec::new(),
        };
        let promise = (!left.is_empty()).then(|| Promise {
            remote: remote.to_owned(),
            place: Some(self.from.location().to_owned()),
            segments: left,
        });
        let request = Publish {
            expected: tip.map(str::to_owned),
            begins: tip.is_some(),
            arrivals: vec![arrival],
            promise,
            tracked: self.tracked.clone(),
        };
        self.send(wanted::of_publication(&request)).await?;
        self.publish(request).await
    }

    /// Sends segments.
    pub(super) async fn bring(&self, segments: &[Listed]) -> Result<()> {
        let objects = segments
            .iter()
            .map(|listed| wanted::segment_object(&listed.segment));
        self.send(objects.collect()).await
    }

    /// Sends what commits (oldest first) need that are to be kept beside the log, and gives the commits, in the same order.
    /// `fork` is one that they all follow, of which only the rows after it are needed. `with_state`: the last of them comes
    /// with all rows after it, which is the source's tip.
    pub(super) async fn gather(
        &self,
        fork: Option<HistoryRecord>,
        records: Vec<HistoryRecord>,
        with_state: bool,
    ) -> Result<Vec<Brought>> {
        let mut gathered = Vec::with_capacity(records.len() + 1);
        if let Some(fork) = fork {
            let list = self.from.list(self.source, &fork.record.id).await?;
            gathered.extend(list.map(|list| Brought {
                record: Record {
                    list: Some(list),
                    ..fork.record
                },
                kept: false,
            }));
        }
        gathered.extend(self.beside(records).await?);
        let newest = gathered.last_mut().filter(|_| with_state);
        if let Some(Brought { record, .. }) = newest.filter(|newest| newest.record.list.is_none()) {
            let list = self.list(&record.id).await?;
            record.list = Some(list.ok_or_else(|| self.given_up(&record.id))?);
        }
        self.send(gathered.iter().flat_map(wanted::of_brought).collect())
            .await?;
        Ok(gathered)
    }

    /// A commit as it is to arrive: with its list where the target cannot know it.
    async fn prepare(&self, stage: Stage, complete: bool) -> Result<Arrival> {
        let HistoryRecord {
            mut record,
            version,
            mut kept,
            readable,
        } = stage.record;
        let operation = record.commit.operation;
        let own_list = has_own_list(operation);
        if !kept && complete && !own_list {
            let own = wanted::of_commit(&record).into_iter().collect();
            kept = self.absent(&own).await?.is_empty();
        }
        let begins = operation.clears() || record.follows()?.is_empty();
        let alone = kept && !own_list && (complete || begins);
        if !alone && (kept || readable) {
            record.list = match version {
                Some(_) => self.list(&record.id).await?,
                None => None,
            };
            kept = record.list.is_some();
        }
        Ok(Arrival {
            record,
            kept,
            brings: self.beside(stage.brings).await?,
        })
    }

    /// Commits (oldest first) that a merge brings or that are fetched, as they are to be kept beside the log: with their
    /// lists if they alone do not say what they did. Where the rows of some are gone, the next of them that can be read
    /// says what there was after it.
    async fn beside(&self, records: Vec<HistoryRecord>) -> Result<Vec<Brought>> {
        let unsure = records
            .iter()
            .filter(|record| !record.kept && !has_own_list(record.record.commit.operation));
        let unsure = unsure.flat_map(|record| wanted::of_commit(&record.record));
        let listed = records
            .iter()
            .filter(|record| record.record.list.is_some() && !record.readable);
        let listed = listed.flat_map(|record| wanted::of_list(&record.record));
        let absent = self.absent(&unsure.chain(listed).collect()).await?;
        let mut rows_known = true;
        let mut brought = Vec::with_capacity(records.len());
        for record in records {
            let HistoryRecord {
                mut record,
                version,
                kept,
                readable,
            } = record;
            let own_list = has_own_list(record.commit.operation);
            let gone = |(name, _): &(ObjectName, _)| absent.contains(name);
            let whole = !own_list && (kept || !wanted::of_commit(&record).iter().any(gone));
            if !readable && wanted::of_list(&record).iter().any(gone) {
                record.list = None;
            }
            let telling = version.is_some() && (kept || readable);
            if record.list.is_none() && telling && (!whole || !rows_known) {
                record.list = self.list(&record.id).await?;
            }
            rows_known = record.list.is_some() || (whole && rows_known);
            brought.push(Brought {
                kept: whole || (own_list && record.list.is_some()),
                record,
            });
        }
        Ok(brought)
    }

    /// All segments after a commit, as the source tells them.
    async fn list(&self, commit: &str) -> Result<Option<Vec<Listed>>> {
        let list = self.from.list(self.source, commit).await?;
        check_list(&arrive::commit_name(commit), list.as_deref())?;
        Ok(list)
    }

    /// Those of these objects that are at neither end.
    async fn absent(&self, wanted: &Wanted) -> Result<HashSet<ObjectName>> {
        let missing = self.missing(wanted).await?;
        if missing.is_empty() {
            return Ok(HashSet::new());
        }
        let found = self.from.have(self.source, &missing).await?;
        let absent = missing.into_iter().zip(found);
        let absent = absent.filter(|(_, found)| found.is_none());
        Ok(absent.map(|(name, _)| name).collect())
    }

    async fn missing(&self, wanted: &Wanted) -> Result<Vec<ObjectName>> {
        let names: Vec<ObjectName> = wanted.keys().cloned().collect();
        if names.is_empty() {
            return Ok(names);
        }
        let found = self.to.have(self.target, &names).await?;
        let mut missing = Vec::new();
        for (name, found) in names.into_iter().zip(found) {
            let expected = wanted.get(&name).and_then(Option::as_ref);
            match (found, expected) {
                (None, _) => missing.push(name),
                (Some(found), Some(expected)) if found != expected.bytes => {
                    let (to, bytes) = (self.to.location(), expected.bytes);
                    let object = format!("{} of frame {} at {to}", name.id, self.target);
                    let problem = format!("it has {found} bytes, {bytes} are recorded");
                    return Err(Error::damaged(object, problem));
                }
                (Some(_), _) => {}
            }
        }
        Ok(missing)
    }

    /// Sends those of the objects that the target lacks.
    async fn send(&self, wanted: Wanted) -> Result<()> {
        let mut missing = self.missing(&wanted).await?;
        if missing.len() > PARALLEL_OBJECTS {
            // What is not there comes first, so that little is sent in vain.
            let found = self.from.have(self.source, &missing).await?;
            let mut both: Vec<_> = missing.into_iter().zip(found).collect();
            both.sort_by_key(|(_, found)| found.is_some());
            missing = both.into_iter().map(|(name, _)| name).collect();
        }
        let known = missing.iter().filter_map(|name| wanted.get(name)?.as_ref());
        let bytes = known.map(|object| object.bytes).sum();
        self.meter.expect(missing.len() as u64, bytes);
        let sends: Vec<_> = missing
            .into_iter()
            .map(|name| {
                let object = wanted.get(&name).cloned().flatten();
                self.send_one(name, object)
            })
            .collect();
        stream::iter(sends)
            .buffer_unordered(PARALLEL_OBJECTS)
            .try_collect()
            .await
    }

    async fn send_one(&self, name: ObjectName, object: Option<SentObject>) -> Result<()> {
        let bytes = self.from.read(self.source, &name).await;
        let bytes = bytes.map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.given_up(&name.id),
            _ => error,
        })?;
        let (object, bytes) = match object {
            Some(object) => (object, bytes),
            None => {
                // How long a schema is, only its object tells.
                let bytes = stored::schema_bytes(&name.id, bytes).await?;
                let object = SentObject {
                    bytes: bytes.len() as u64,
                    hash: name.id.clone(),
                    name,
                };
                self.meter.expect(0, object.bytes);
                (object, stream::iter([Ok(bytes)]).boxed())
            }
        };
        let meter = self.meter.clone();
        let counted = bytes.inspect_ok(move |piece| meter.moved(piece.len() as u64));
        self.to.write(self.target, &object, counted.boxed()).await?;
        self.meter.arrived();
        Ok(())
    }

    /// Publishes commits whose objects have arrived, with the lists that the target asks for.
    async fn publish(&self, mut request: Publish) -> Result<Sent> {
        for _ in 0..MAX_ATTEMPTS {
            let outcome = self.to.publish(self.target, request.clone()).await;
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(error) => {
                    return Err(self
                        .explained(&wanted::of_publication(&request), error)
                        .await);
                }
            };
            let commits = match outcome {
                PublishOutcome::Published { versions, .. } => return Ok(Sent::Done { versions }),
                PublishOutcome::Moved { .. } => return Ok(Sent::Moved),
                PublishOutcome::NeedsLists { commits } => commits,
            };
            let asked: HashSet<&str> = commits.iter().map(String::as_str).collect();
            let mut wanted = Wanted::new();
            for arrival in &mut request.arrivals {
                let known = !arrival.kept || arrival.record.list.is_some();
                if known || !asked.contains(arrival.record.id.as_str()) {
                    continue;
                }
                let list = self.list(&arrival.record.id).await?;
                arrival.kept = list.is_some();
                arrival.record.list = list;
                wanted.extend(wanted::of_arrival(arrival));
            }
            self.send(wanted).await?;
        }
        let problem = format!(
            "{} has asked for lists of segments of frame {} again and again",
            self.to.location(),
            self.target
        );
        Err(Cause::Conflict(problem).into())
    }

    /// The error of a target that could not use what was sent. If some of that is not there any more, the target has
    /// removed it since it said what it has; if it is just removing it, that is a conflict.
    pub(super) async fn explained(&self, wanted: &Wanted, error: Error) -> Error {
        let overtaken = match error.kind() {
            ErrorKind::Conflict => true,
            ErrorKind::Damaged => {
                let missing = self.missing(wanted).await;
                missing.is_ok_and(|missing| !missing.is_empty())
            }
            _ => false,
        };
        if overtaken { error.overtaken() } else { error }
    }

    /// That the source has given up what was counted on.
    fn given_up(&self, what: &str) -> Error {
        let problem = format!(
            "frame {} has changed at {} meanwhile: {what} is no longer kept there",
            self.source,
            self.from.location()
        );
        Error::from(Cause::Conflict(problem)).overtaken()
    }
}

/// Commits that are gone at the sender become versions that cannot be read. Where more of them than one entry holds come
/// in a row, nothing in the log could follow them: they come along beside the next one that can be read.
pub(super) fn gone_beside(arrivals: Vec<Arrival>) -> Vec<Arrival> {
    let mut all = Vec::with_capacity(arrivals.len());
    let mut row: Vec<Arrival> = Vec::new();
    for mut arrival in arrivals {
        if !ends_group(&arrival) {
            row.push(arrival);
            continue;
        }
        if row.len() < Publish::MAX_ARRIVALS {
            all.append(&mut row);
        } else if arrival.record.list.is_some() || arrival.record.commit.operation.clears() {
            let mut brings = Vec::new();
            for gone in row.drain(..) {
                brings.extend(gone.brings);
                brings.push(Brought {
                    record: gone.record,
                    kept: false,
                });
            }
            brings.append(&mut arrival.brings);
            brings.sort_by_cached_key(|brought| brought.record.place());
            arrival.brings = brings;
        }
        all.append(&mut row);
        all.push(arrival);
    }
    all.append(&mut row);
    all
}

/// Whether a commit can be the last one of an entry.
fn ends_group(arrival: &Arrival) -> bool {
    arrival.kept || arrival.record.commit.operation == Operation::Delete
}

/// Commits as they can be published together: few enough, the last of them one that can be read.
pub(super) fn groups(arrivals: &[Arrival]) -> Result<Vec<&[Arrival]>> {
    let mut groups = Vec::new();
    let mut rest = arrivals;
    while !rest.is_empty() {
        let most = rest.len().min(Publish::MAX_ARRIVALS);
        let Some(last) = rest[..most].iter().rposition(ends_group) else {
            let problem = format!(
                "more than {} commits in a row, to {}, are no longer kept where they come from: clone the frame anew",
                Publish::MAX_ARRIVALS,
                rest[most - 1].record.id
            );
            return Err(Cause::Conflict(problem).into());
        };
        let (group, after) = rest.split_at(last + 1);
        groups.push(group);
        rest = after;
    }
    Ok(groups)
}

/// Whether a commit alone does not say which segments there are after it.
pub(super) fn has_own_list(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Restore | Operation::Copy | Operation::Merge
    )
}
