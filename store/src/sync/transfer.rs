//! Moves a frame's history forward at one end by what the other end has beyond it: objects first, then the commits.
//!
//! Objects are asked for (*have*), and what is missing is sent, some at a time, each under its own name. So a transfer
//! that ends in the middle leaves whole objects that nobody sees, and the next one goes on from there. Then the commits
//! are published, oldest first. The receiving end trusts nothing of it, see [`super::arrive`].

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::name::FrameId;

use super::arrive;
use super::course::{Stage, course};
use super::peer::{
    Arrival, Brought, HistoryRecord, ObjectKind, ObjectName, Peer, Promise, Publish,
    PublishOutcome, SentObject,
};
use super::progress::Meter;
use super::stored;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::lineage::record::{Listed, Record, check_list};
use crate::log::commit::{Operation, SegmentRecord};
use crate::log::hidden::HiddenRecord;

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

/// What an object is, and its size if that is known.
type Wanted = BTreeMap<ObjectName, Option<SentObject>>;

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
        self.deliver(tip, false, arrivals).await
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
        self.deliver(tip, tip.is_some(), arrivals).await
    }

    /// Sends what commits need, then the commits.
    async fn deliver(
        &self,
        tip: Option<&str>,
        begins: bool,
        arrivals: Vec<Arrival>,
    ) -> Result<Sent> {
        self.send(arrivals.iter().flat_map(objects_of).collect())
            .await?;
        let mut expected = tip.map(str::to_owned);
        let mut begins = begins;
        let mut versions = 0;
        for group in groups(&arrivals)? {
            let request = Publish {
                expected: expected.take(),
                begins: std::mem::take(&mut begins),
                arrivals: group.to_vec(),
                promise: None,
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
        let list = list.ok_or_else(|| self.expired(&id))?;
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
        let mut objects: Wanted = objects_of(&arrival).into_iter().collect();
        for id in &left {
            objects.remove(&ObjectName {
                kind: ObjectKind::Segment,
                id: id.clone(),
            });
        }
        self.send(objects).await?;
        let promise = (!left.is_empty()).then(|| Promise {
            remote: remote.to_owned(),
            segments: left,
        });
        self.publish(Publish {
            expected: tip.map(str::to_owned),
            begins: tip.is_some(),
            arrivals: vec![arrival],
            promise,
        })
        .await
    }

    /// Sends segments.
    pub(super) async fn bring(&self, segments: &[Listed]) -> Result<()> {
        let objects = segments
            .iter()
            .map(|listed| segment_object(&listed.segment));
        self.send(objects.collect()).await
    }

    /// Sends what commits need that are to be kept beside the log, and gives the commits, in the same order.
    pub(super) async fn gather(&self, records: Vec<HistoryRecord>) -> Result<Vec<Brought>> {
        let mut gathered = Vec::with_capacity(records.len());
        for record in records {
            gathered.push(self.beside(record).await?);
        }
        self.send(gathered.iter().flat_map(objects_of_brought).collect())
            .await?;
        Ok(gathered)
    }

    /// A commit as it is to arrive: with its list where the target cannot know it.
    async fn prepare(&self, stage: Stage, complete: bool) -> Result<Arrival> {
        let HistoryRecord {
            mut record,
            version,
            mut kept,
        } = stage.record;
        let operation = record.commit.operation;
        let own_list = has_own_list(operation);
        if !kept && operation == Operation::Delete {
            // That there is nothing any more needs no objects.
        } else if !kept && complete && !own_list {
            kept = self
                .is_whole(&objects_of_record(&record).into_iter().collect())
                .await?;
        }
        let begins = operation.clears() || record.follows()?.is_empty();
        if kept && (own_list || !(complete || begins)) {
            record.list = match version {
                Some(_) => self.list(&record.id).await?,
                None => None,
            };
            kept = record.list.is_some();
        }
        let mut brings = Vec::with_capacity(stage.brings.len());
        for brought in stage.brings {
            brings.push(self.beside(brought).await?);
        }
        Ok(Arrival {
            record,
            kept,
            brings,
        })
    }

    /// A commit that a merge brings or that is fetched, as it is to be kept beside the log: with its list if it alone
    /// does not say what it did.
    pub(super) async fn beside(&self, brought: HistoryRecord) -> Result<Brought> {
        let HistoryRecord {
            mut record,
            version,
            kept,
        } = brought;
        let listed = has_own_list(record.commit.operation);
        if listed && record.list.is_none() && version.is_some() {
            record.list = self.list(&record.id).await?;
        }
        let whole = (!listed || record.list.is_some())
            && (kept
                || self
                    .is_whole(&objects_of_record(&record).into_iter().collect())
                    .await?);
        Ok(Brought {
            record,
            kept: whole,
        })
    }

    /// All segments after a commit, as the source tells them.
    async fn list(&self, commit: &str) -> Result<Option<Vec<Listed>>> {
        let list = self.from.list(self.source, commit).await?;
        check_list(&arrive::commit_name(commit), list.as_deref())?;
        Ok(list)
    }

    /// Whether each of these objects is at one end or the other.
    async fn is_whole(&self, wanted: &Wanted) -> Result<bool> {
        let missing = self.missing(wanted).await?;
        let found = self.from.have(self.source, &missing).await?;
        Ok(found.iter().all(Option::is_some))
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
        let missing = self.missing(&wanted).await?;
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
            ErrorKind::NotFound => self.expired(&name.id),
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
            let commits = match self.to.publish(self.target, request.clone()).await? {
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
                wanted.extend(objects_of(arrival));
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

    fn expired(&self, what: &str) -> Error {
        let problem = format!(
            "frame {} has changed at {} meanwhile: {what} is no longer kept there",
            self.source,
            self.from.location()
        );
        Cause::Conflict(problem).into()
    }
}

/// Commits as they can be published together: few enough, the last of them one that can be read.
pub(super) fn groups(arrivals: &[Arrival]) -> Result<Vec<&[Arrival]>> {
    let mut groups = Vec::new();
    let mut rest = arrivals;
    while !rest.is_empty() {
        let most = rest.len().min(Publish::MAX_ARRIVALS);
        let ends = |arrival: &Arrival| {
            arrival.kept || arrival.record.commit.operation == Operation::Delete
        };
        let Some(last) = rest[..most].iter().rposition(ends) else {
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

/// All objects that a commit needs which arrives.
fn objects_of(arrival: &Arrival) -> Vec<(ObjectName, Option<SentObject>)> {
    let mut objects: Vec<_> = arrival.brings.iter().flat_map(objects_of_brought).collect();
    match arrival.kept {
        true => objects.extend(objects_of_record(&arrival.record)),
        // What is published has its columns, also where its rows are gone.
        false => objects.push(schema_object(&arrival.record.commit.schema)),
    }
    objects
}

fn objects_of_brought(brought: &Brought) -> Vec<(ObjectName, Option<SentObject>)> {
    match brought.kept {
        true => objects_of_record(&brought.record),
        false => vec![schema_object(&brought.record.commit.schema)],
    }
}

/// The objects that a commit speaks of, or those of its list if it comes with one.
fn objects_of_record(record: &Record) -> Vec<(ObjectName, Option<SentObject>)> {
    let commit = &record.commit;
    let mut objects = vec![schema_object(&commit.schema)];
    match &record.list {
        Some(list) => {
            for listed in list {
                objects.push(segment_object(&listed.segment));
                objects.push(schema_object(&listed.schema));
                objects.extend(listed.hidden.as_ref().and_then(vector_object));
            }
        }
        None => {
            objects.extend(commit.added.iter().map(segment_object));
            objects.extend(commit.hidden.iter().filter_map(vector_object));
        }
    }
    objects
}

fn schema_object(hash: &str) -> (ObjectName, Option<SentObject>) {
    let name = ObjectName {
        kind: ObjectKind::Schema,
        id: hash.to_owned(),
    };
    (name, None)
}

fn segment_object(record: &SegmentRecord) -> (ObjectName, Option<SentObject>) {
    let name = ObjectName {
        kind: ObjectKind::Segment,
        id: record.id.clone(),
    };
    let object = SentObject {
        name: name.clone(),
        bytes: record.bytes,
        hash: record.hash.clone(),
    };
    (name, Some(object))
}

fn vector_object(hidden: &HiddenRecord) -> Option<(ObjectName, Option<SentObject>)> {
    let vector = hidden.vector.as_ref()?;
    let name = ObjectName {
        kind: ObjectKind::Vector,
        id: vector.id.clone(),
    };
    let object = SentObject {
        name: name.clone(),
        bytes: vector.bytes,
        hash: vector.hash.clone(),
    };
    Some((name, Some(object)))
}
