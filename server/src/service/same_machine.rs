//! `DoGet` for a caller on the server's machine: the rows in a file that it maps, instead of rows.
//!
//! The stream then has the schema, as always, and in place of batches one message that says where the file is
//! ([`SharedRows`]). Only rows as they are stored come this way, and only if there are enough of them; what cannot be
//! told by a path is streamed, whatever the reason. Rights were looked at when the state was found.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::FlightData;
use arrow_schema::SchemaRef;
use futures::{StreamExt, TryStreamExt, stream};
use shoots_flight::{EncodeOptions, encode, encoded_size};
use shoots_proto::{GetTicket, SharedFile, SharedRows};

use super::flight_sql;
use super::get::{Batches, Selection, read_options};
use super::{Shared, json, sent};
use crate::call::record::noted;
use crate::shm::{Answer, SharedFiles};
use crate::status::Failure;

/// The files, if this ticket may be answered with one.
pub(super) fn files_for(shared: &Arc<Shared>, ticket: &GetTicket) -> Option<SharedFiles> {
    let plain = ticket.sql.is_none() && ticket.diff.is_none() && ticket.resample.is_none();
    let meant = ticket.shm && plain && SharedFiles::are_within_reach_of(shared.asker);
    shared.files.clone().filter(|_| meant)
}

/// Tells where the rows are, or streams them.
pub(super) async fn get(
    files: SharedFiles,
    selection: Selection,
    ticket: &GetTicket,
    options: EncodeOptions,
) -> Result<flight_sql::Answer, Failure> {
    let schema = selection.schema();
    let snapshot = selection.snapshot.clone();
    let Some(answer) = answer(&selection, ticket)? else {
        return Ok(sent(schema, selection.batches().await?, options));
    };
    if let Some(file) = files.find(&answer).await {
        return told(&schema, file, options);
    }
    if !files.could_hold(&answer, &schema, selection.rows()) {
        return Ok(sent(schema, selection.batches().await?, options));
    }
    let mut rows = selection.batches().await?;
    let (first, ended) = begin(&mut rows, files.min_bytes()).await?;
    let first = stream::iter(first.into_iter().map(Ok));
    if ended {
        return Ok(sent(schema, first, options));
    }
    let rows = Box::pin(first.chain(rows));
    if let Some(file) = files.make(answer, schema.clone(), rows).await {
        return told(&schema, file, options);
    }
    // What was read is gone with the attempt.
    let rows = snapshot.read(read_options(ticket)).await?;
    Ok(sent(schema, rows.map_err(Failure::from), options))
}

/// What the rows are known by; nothing for a plain file, which has no commits.
fn answer(selection: &Selection, ticket: &GetTicket) -> Result<Option<Answer>, Failure> {
    let Some(commit) = selection.snapshot.commit() else {
        return Ok(None);
    };
    let part = GetTicket {
        as_of: None,
        allow_stale: false,
        ..ticket.clone()
    };
    Ok(Some(Answer {
        frame: selection.snapshot.frame().clone(),
        commit,
        part: json(&part)?.into(),
    }))
}

/// The first batches, until they have so many bytes, and whether they are all.
async fn begin(rows: &mut Batches, bytes: usize) -> Result<(Vec<RecordBatch>, bool), Failure> {
    let (mut first, mut size) = (Vec::new(), 0);
    while size < bytes {
        match rows.try_next().await? {
            Some(batch) => {
                size += encoded_size(&batch);
                first.push(batch);
            }
            None => return Ok((first, true)),
        }
    }
    Ok((first, false))
}

/// An answer that says where the rows are.
fn told(
    schema: &SchemaRef,
    file: SharedFile,
    options: EncodeOptions,
) -> Result<flight_sql::Answer, Failure> {
    let rows = usize::try_from(file.rows).unwrap_or(usize::MAX);
    noted(|record| record.note_sent_rows(rows));
    let place = FlightData {
        app_metadata: json(&SharedRows { shm: file })?,
        ..FlightData::default()
    };
    let none = stream::empty::<Result<RecordBatch, Failure>>();
    let messages = encode(schema.clone(), none, options);
    Ok(Box::pin(messages.chain(stream::iter([Ok(place)]))))
}
