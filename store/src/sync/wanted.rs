//! Which objects commits need that are sent, by name, with their sizes and hashes where records tell them.

use std::collections::BTreeMap;

use super::peer::{Arrival, Brought, ObjectKind, ObjectName, Publish, SentObject};
use crate::lineage::record::Record;
use crate::log::commit::SegmentRecord;
use crate::log::hidden::HiddenRecord;

/// What an object is, and its size if that is known.
pub(super) type Wanted = BTreeMap<ObjectName, Option<SentObject>>;

/// All objects that commits need which are to be published.
pub(super) fn of_publication(request: &Publish) -> Wanted {
    let mut objects: Wanted = request.arrivals.iter().flat_map(of_arrival).collect();
    for id in request.promise.iter().flat_map(|promise| &promise.segments) {
        objects.remove(&segment_name(id));
    }
    objects
}

/// All objects that a commit needs which arrives: those of its list, if it comes with one.
pub(super) fn of_arrival(arrival: &Arrival) -> Vec<(ObjectName, Option<SentObject>)> {
    let mut objects: Vec<_> = arrival.brings.iter().flat_map(of_brought).collect();
    let record = &arrival.record;
    match (arrival.kept, &record.list) {
        (true, Some(_)) => objects.extend(of_list(record)),
        (true, None) => objects.extend(of_commit(record)),
        // What is published has its columns, also where its rows are gone.
        (false, _) => objects.push(schema_object(&record.commit.schema)),
    }
    objects
}

/// The objects of a commit that is kept beside a log: its own, if they are not gone, and those of its list.
pub(super) fn of_brought(brought: &Brought) -> Vec<(ObjectName, Option<SentObject>)> {
    let mut objects = of_list(&brought.record);
    if brought.kept {
        objects.extend(of_commit(&brought.record));
    }
    objects
}

/// The objects that a commit itself speaks of.
pub(super) fn of_commit(record: &Record) -> Vec<(ObjectName, Option<SentObject>)> {
    let commit = &record.commit;
    let mut objects = vec![schema_object(&commit.schema)];
    objects.extend(commit.added.iter().map(segment_object));
    objects.extend(commit.hidden.iter().filter_map(vector_object));
    objects
}

/// The objects of the list that comes with a commit, if one does, and its columns.
pub(super) fn of_list(record: &Record) -> Vec<(ObjectName, Option<SentObject>)> {
    let mut objects = vec![schema_object(&record.commit.schema)];
    for listed in record.list.iter().flatten() {
        objects.push(segment_object(&listed.segment));
        objects.push(schema_object(&listed.schema));
        objects.extend(listed.hidden.as_ref().and_then(vector_object));
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

pub(super) fn segment_name(id: &str) -> ObjectName {
    ObjectName {
        kind: ObjectKind::Segment,
        id: id.to_owned(),
    }
}

pub(super) fn segment_object(record: &SegmentRecord) -> (ObjectName, Option<SentObject>) {
    let name = segment_name(&record.id);
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
