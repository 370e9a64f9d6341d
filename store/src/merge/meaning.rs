//! What a commit means, done to rows that its author did not see.

use std::sync::Arc;

use arrow_schema::Field;

use super::conflict::{Kind, Stop};
use super::replay::{Meant, Replay, Table, covered};
use crate::edit::delete::{Test, doomed};
use crate::edit::fill::Fill;
use crate::edit::hiding::{Keys, rows_in_span};
use crate::error::{Error, ErrorKind, Result};
use crate::frame_log::FrameLog;
use crate::index::Span;
use crate::log::change::Segment;
use crate::log::commit::{Commit, Operation};
use crate::log::details::Details;

/// Whether rows that join a frame that is deleted begin it again.
pub(super) fn begins_anew(operation: Operation, deleted: bool) -> bool {
    let brings_rows = matches!(
        operation,
        Operation::Append | Operation::Update | Operation::Upsert
    );
    deleted && brings_rows
}

/// The columns that the rows of a commit have values in; none: all of its line.
pub(super) fn given(commit: &Commit) -> Option<&[String]> {
    let details = commit.details.as_ref()?;
    let given = details.given.as_slice();
    (!given.is_empty()).then_some(given)
}

/// Does to the frame what a commit means.
pub(super) async fn apply(replay: &mut Replay<'_>, meant: &Meant<'_>) -> Result<(), Stop> {
    let operation = meant.commit.operation;
    match operation {
        Operation::Delete => {
            replay.deleted = true;
            return Ok(());
        }
        Operation::Undelete => {
            // Whoever brought it back did not know that there never was one here.
            replay.deleted = replay.table.is_none();
            return Ok(());
        }
        _ => {}
    }
    let Some(mut table) = replay.table.take() else {
        return Ok(());
    };
    let done = match operation {
        Operation::DeleteRows => delete_rows(replay, &mut table, meant).await,
        Operation::Alter => table.columns.follow(&meant.view()),
        _ => put(replay, &mut table, meant).await,
    };
    replay.table = Some(table);
    done
}

/// Rows follow, and take the place of others.
async fn put(replay: &mut Replay<'_>, table: &mut Table, meant: &Meant<'_>) -> Result<(), Stop> {
    let commit = meant.commit;
    let view = meant.view();
    table.columns.follow(&view)?;
    if !commit.added.is_empty() || commit.operation == Operation::Update {
        table.columns.expect_index(&view)?;
    }
    let written = table.columns.admit(&view, given(commit))?;
    let staged = replay.named(written).await?;
    let added = replay.added(commit, &staged.hash);
    let log = replay.log;
    match commit.operation {
        Operation::Update if commit.details.as_ref().is_some_and(|details| details.keys) => {
            hide_keys(log, table, &added).await?;
        }
        Operation::Update => {
            let span = commit
                .details
                .as_ref()
                .and_then(|details| details.span.clone());
            let span = match span {
                Some(span) => Some(span),
                None => covered(commit)?,
            };
            if let Some(span) = span {
                hide_span(log, table, &span).await?;
            }
        }
        Operation::Upsert => {
            let held = table.columns.held_by(&staged.schema);
            if held.fields().len() < table.columns.schema().fields().len() {
                return fill(replay, table, &added).await;
            }
            hide_keys(log, table, &added).await?;
        }
        _ => {}
    }
    added.into_iter().for_each(|own| table.rows.add(own));
    Ok(())
}

async fn hide_span(log: &FrameLog, table: &mut Table, span: &Span) -> Result<()> {
    let Some(column) = first_column(table) else {
        return Ok(());
    };
    for segment in table.rows.segments() {
        let rows = rows_in_span(log, &segment, span, &column).await?;
        table.rows.hide(log, &segment.record.id, &rows).await?;
    }
    Ok(())
}

/// The first column of the index, if there is one.
fn first_column(table: &Table) -> Option<Field> {
    let name = table.columns.index().first()?;
    table.columns.schema().field_with_name(name).ok().cloned()
}

async fn hide_keys(log: &FrameLog, table: &mut Table, added: &[Segment]) -> Result<()> {
    let present = table.rows.segments();
    for own in added.iter().filter(|own| own.visible_rows() > 0) {
        let meets = |other: &&Segment| match (&own.record.range, &other.record.range) {
            (Some(own), Some(other)) => own.overlaps(other),
            _ => true,
        };
        let mut met = present.iter().filter(meets).peekable();
        if met.peek().is_none() {
            continue;
        }
        let (schema, index) = (table.columns.schema(), table.columns.index());
        let keys = Keys::under(log, own, schema, index).await?;
        for segment in met {
            let rows = keys.rows(log, segment).await?;
            table.rows.hide(log, &segment.record.id, &rows).await?;
        }
    }
    Ok(())
}

/// An upsert of some of the columns that there are: the others keep their older values.
async fn fill(replay: &mut Replay<'_>, table: &mut Table, added: &[Segment]) -> Result<(), Stop> {
    let log = replay.log;
    let target = replay.named(Arc::clone(table.columns.schema())).await?;
    let index = table.columns.index().to_vec();
    for staged in added.iter().filter(|staged| staged.visible_rows() > 0) {
        let schema = log.schema(&staged.schema).await?.schema;
        let given = table.columns.held_by(&schema);
        let mut fill = Fill::new(log, staged, given, &target, &index).await?;
        let mut meets_some = false;
        for segment in table.rows.segments() {
            if !fill.may_meet(&segment) {
                continue;
            }
            let hidden = table.rows.hidden(log, &segment.record.id).await?;
            let rows = fill.look(log, &segment, &hidden).await?;
            meets_some |= !rows.is_empty();
            table.rows.hide(log, &segment.record.id, &rows).await?;
        }
        if !meets_some {
            // There are no older values: the rows are whole as they are.
            table.rows.add(staged.clone());
            continue;
        }
        for record in fill.write(log).await? {
            let segment = replay.wrote(record, &target);
            table.rows.add(segment);
        }
    }
    Ok(())
}

async fn delete_rows(
    replay: &mut Replay<'_>,
    table: &mut Table,
    meant: &Meant<'_>,
) -> Result<(), Stop> {
    let log = replay.log;
    let none = Details::default();
    let details = meant.commit.details.as_ref().unwrap_or(&none);
    let (span, condition) = (details.span.as_ref(), details.condition.as_deref());
    if span.is_none() && condition.is_none() {
        let problem = "it is not recorded which rows were to be deleted";
        return Err(Stop::Conflict(Kind::Condition, problem.to_owned()));
    }
    if span.is_some() {
        table.columns.expect_index(&meant.view())?;
    }
    let test = match condition {
        Some(text) => Some(test(log, table, meant, text)?),
        None => None,
    };
    let column = first_column(table);
    let range = span.zip(column.as_ref());
    for segment in table.rows.segments() {
        let rows = doomed(log, &segment, range, test.as_ref()).await;
        let rows = rows.map_err(|error| asked(condition, error))?;
        table.rows.hide(log, &segment.record.id, &rows).await?;
    }
    Ok(())
}

/// A condition, to be asked of the columns under the names that its author knew.
fn test(log: &FrameLog, table: &Table, meant: &Meant<'_>, text: &str) -> Result<Test, Stop> {
    let conflict = |problem: String| {
        let problem =
            format!("`{text}` was to be deleted, and cannot be looked for anew: {problem}");
        Stop::Conflict(Kind::Condition, problem)
    };
    let Some(conditions) = &log.shared().conditions else {
        return Err(conflict("this store does not read conditions".to_owned()));
    };
    let condition = conditions.parse(text).map_err(conflict)?;
    let schema = Arc::new(table.columns.seen_by(&meant.view()));
    Test::new(&condition, &schema).map_err(|error| asked(Some(text), error))
}

/// What a condition says to rows that it cannot be asked of.
fn asked(condition: Option<&str>, error: Error) -> Stop {
    match (condition, error.kind()) {
        (Some(text), ErrorKind::InvalidRequest) => {
            let problem =
                format!("`{text}` was to be deleted, and cannot be looked for anew: {error}");
            Stop::Conflict(Kind::Condition, problem)
        }
        _ => Stop::Failed(error),
    }
}
