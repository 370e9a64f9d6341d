//! `as_of('frame', state)`, `history('frame'[, all => true])` and `segments('frame'[, state])`: frames as they were, and what the
//! store says about them.

use std::sync::Arc;

use shoots_proto::AsOf;
use shoots_store::Snapshot;

use super::Arguments;
use crate::query::catalog::{Frames, Table};
use crate::query::records;
use crate::status::Failure;

/// The rows of a frame at a state.
pub(super) async fn as_of(frames: &Frames<'_>, mut arguments: Arguments) -> Result<Table, Failure> {
    let name = arguments.text("frame")?;
    let Some(state) = arguments.state_or_none("state")? else {
        return Ok(arguments.wrong("state is missing")?);
    };
    arguments.end()?;
    Ok(Table::Frame(at(frames, &name, &state).await?))
}

/// The commits of a frame.
pub(super) async fn commits(
    frames: &Frames<'_>,
    mut arguments: Arguments,
) -> Result<Table, Failure> {
    let name = arguments.text("frame")?;
    let all = arguments.flag("all", false)?;
    arguments.end()?;
    let named = frames.named(&name).await?;
    let frame = frames.store().frame(named.frame());
    Ok(Table::Made(Arc::new(records::HistoryTable::new(
        frame, all,
    ))))
}

/// The segments of a state of a frame; without one, of the state that the query reads.
pub(super) async fn segments(
    frames: &Frames<'_>,
    mut arguments: Arguments,
) -> Result<Table, Failure> {
    let name = arguments.text("frame")?;
    let state = arguments.state_or_none("state")?;
    arguments.end()?;
    let state = match state {
        Some(state) => at(frames, &name, &state).await?,
        None => frames.state(&name).await?,
    };
    let frame = frames.store().frame(state.frame());
    let segments = records::segments(&frame, &state).await?;
    Ok(Table::Made(Arc::new(segments)))
}

async fn at(frames: &Frames<'_>, name: &str, state: &AsOf) -> Result<Snapshot, Failure> {
    let named = frames.named(name).await?;
    let frame = frames.store().frame(named.frame());
    Ok(frame.snapshot(Some(state)).await?)
}
