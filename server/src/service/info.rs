//! `GetFlightInfo` and `GetSchema`: what a get would deliver, without getting it.

use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo, SchemaResult, Ticket};
use bytes::Bytes;
use shoots_proto::{AsOf, BucketName, FrameId, FrameSummary, GetTicket, Unreadable};
use shoots_store::{Error, Snapshot};

use super::flight_sql::{self, Session};
use super::frameless;
use super::get::{Selection, read_ticket};
use super::{Shared, json};
use crate::status::Failure;

/// What a descriptor's command is called in errors.
const WHAT: &str = "descriptor";

/// A size that is not known, in Flight's terms.
const UNKNOWN: i64 = -1;

/// Describes the rows that a descriptor stands for.
///
/// The ticket in the answer names the version that was described, so that a get with it delivers that one even
/// if the frame changes in between.
pub(super) async fn flight_info(
    shared: &Shared,
    session: Result<Session, Failure>,
    descriptor: FlightDescriptor,
) -> Result<FlightInfo, Failure> {
    if let Some(command) = flight_sql::read(WHAT, &descriptor.cmd)? {
        return Box::pin(flight_sql::flight_info(
            shared, session?, command, descriptor,
        ))
        .await;
    }
    if let Some(json) = frameless::command(&descriptor) {
        return frameless::flight_info(shared, json, &descriptor).await;
    }
    let ticket = ticket(&descriptor)?;
    let selection = Selection::of(shared, &ticket).await?;
    let snapshot = &selection.snapshot;
    let whole = ticket.sql.is_none()
        && ticket.diff.is_none()
        && ticket.resample.is_none()
        && ticket.columns.is_none()
        && selection.rows() == Some(snapshot.rows());
    let ticket = pinned(ticket, &selection);
    let mut info = FlightInfo::new()
        .with_descriptor(descriptor)
        .with_endpoint(endpoint(&ticket)?)
        .with_ordered(true)
        .with_total_records(selection.rows().map_or(UNKNOWN, flight_size))
        .with_app_metadata(summary(snapshot)?);
    info.schema = shoots_flight::schema_message(&selection.schema())?;
    info.total_bytes = if whole {
        flight_size(snapshot.bytes())
    } else {
        UNKNOWN
    };
    Ok(info)
}

/// The schema of the rows that a descriptor stands for.
pub(super) async fn schema(
    shared: &Shared,
    session: Result<Session, Failure>,
    descriptor: FlightDescriptor,
) -> Result<SchemaResult, Failure> {
    if let Some(command) = flight_sql::read(WHAT, &descriptor.cmd)? {
        return Box::pin(flight_sql::schema(shared, session?, command)).await;
    }
    if let Some(json) = frameless::command(&descriptor) {
        return frameless::schema(shared, json).await;
    }
    let ticket = ticket(&descriptor)?;
    let selection = Selection::of(shared, &ticket).await?;
    Ok(SchemaResult {
        schema: shoots_flight::schema_message(&selection.schema())?,
    })
}

/// Describes all of a frame, as a listing does.
pub(super) fn of_snapshot(snapshot: &Snapshot) -> Result<FlightInfo, Failure> {
    let ticket = GetTicket {
        bucket: snapshot.frame().bucket.clone(),
        ..GetTicket::new(snapshot.frame().name.clone())
    };
    let as_of = snapshot.as_of();
    let ticket = GetTicket { as_of, ..ticket };
    let mut info = FlightInfo::new()
        .with_descriptor(FlightDescriptor::new_path(snapshot.frame().to_path()))
        .with_endpoint(endpoint(&ticket)?)
        .with_ordered(true)
        .with_total_records(flight_size(snapshot.rows()))
        .with_total_bytes(flight_size(snapshot.bytes()))
        .with_app_metadata(summary(snapshot)?);
    info.schema = shoots_flight::schema_message(&snapshot.schema())?;
    Ok(info)
}

/// Names a frame that cannot be read, as a listing does: nothing of it can be got.
pub(super) fn of_unreadable(frame: &FrameId, problem: &Error) -> Result<FlightInfo, Failure> {
    let told = Unreadable {
        bucket: None,
        unreadable: problem.to_string(),
    };
    let info = unreadable(&told)?;
    Ok(info.with_descriptor(FlightDescriptor::new_path(frame.to_path())))
}

/// Names a bucket that cannot be listed.
pub(super) fn of_unreadable_bucket(
    bucket: BucketName,
    problem: &Failure,
) -> Result<FlightInfo, Failure> {
    unreadable(&Unreadable {
        bucket: Some(bucket),
        unreadable: problem.to_string(),
    })
}

fn unreadable(told: &Unreadable) -> Result<FlightInfo, Failure> {
    let info = FlightInfo::new()
        .with_total_records(UNKNOWN)
        .with_total_bytes(UNKNOWN)
        .with_app_metadata(json(told)?);
    Ok(info)
}

/// The ticket that a descriptor stands for: its command, or a frame by its path.
fn ticket(descriptor: &FlightDescriptor) -> Result<GetTicket, Failure> {
    match descriptor.r#type() {
        DescriptorType::Cmd => read_ticket(WHAT, &descriptor.cmd),
        DescriptorType::Path => {
            let FrameId { bucket, name } = FrameId::from_path(&descriptor.path)?;
            Ok(GetTicket {
                bucket,
                ..GetTicket::new(name)
            })
        }
        DescriptorType::Unknown => Err(Failure::invalid(
            WHAT,
            Some("type"),
            "must be a command (a ticket as JSON) or a path ([name] or [name, bucket])",
        )),
    }
}

/// The ticket for exactly the versions that were found; a plain file has none to name.
///
/// A query at a point in time keeps it, because it holds for every frame that the query names.
fn pinned(mut ticket: GetTicket, selection: &Selection) -> GetTicket {
    let found = selection.snapshot.as_of();
    match &mut ticket.diff {
        Some(diff) => {
            if let Some(from) = version(selection.compared_with()) {
                diff.from = from;
            }
            diff.to = found.or_else(|| diff.to.take());
        }
        None if ticket.sql.is_some() && matches!(ticket.as_of, Some(AsOf::Time(_))) => {}
        None => ticket.as_of = found.or(ticket.as_of),
    }
    ticket
}

fn version(version: Option<u64>) -> Option<AsOf> {
    let version = version.and_then(|version| i64::try_from(version).ok());
    version.map(AsOf::Version)
}

fn endpoint(ticket: &GetTicket) -> Result<FlightEndpoint, Failure> {
    Ok(FlightEndpoint {
        ticket: Some(Ticket {
            ticket: json(ticket)?,
        }),
        ..FlightEndpoint::default()
    })
}

pub(super) fn summary(snapshot: &Snapshot) -> Result<Bytes, Failure> {
    json(&FrameSummary {
        version: snapshot.version(),
        commit: snapshot.commit(),
        rows: snapshot.rows(),
        bytes: snapshot.bytes(),
        segments: snapshot.segment_count(),
        stale: snapshot.is_stale(),
        message: snapshot.message().map(str::to_owned),
        author: snapshot.author().map(str::to_owned),
        metadata: snapshot.metadata().cloned(),
    })
}

fn flight_size(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
