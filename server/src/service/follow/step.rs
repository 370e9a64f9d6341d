//! One step of a frame that follows another one: from the version that it was made of to the newest.

use std::sync::Arc;

use futures::TryStreamExt;
use serde_json::Value;
use shoots_proto::action::{Aggregations, RESAMPLE, ResampleRequest};
use shoots_proto::{Closed, ErrorKind as Kind, FrameId, Note, PutMode};
use shoots_store::{
    Changed, ErrorKind, FrameWriter, Published, PutOptions, ReadOptions, Snapshot, time_bound,
};
use tracing::{info, warn};

use super::{Declaration, KEY, Settled};
use crate::query::Part;
use crate::resample::{Grid, Piece, Plan, Range, Request, Resample, ResampleTable, plan};
use crate::service::action::resample::wrong;
use crate::service::{Shared, target};
use crate::status::Failure;

/// So many frames may follow one another.
const CHAIN: usize = 32;

/// What a step came to.
pub(super) enum Outcome {
    /// The frame is gone, or follows no other one.
    Ended,
    /// Nothing is to be done between these versions of the frame and its source.
    UpToDate(Settled),
    Applied,
    /// Another writer changed the frame meanwhile.
    GaveWay,
}

/// Brings a frame up to its source, unless they are `settled`.
pub(super) async fn step(
    shared: &Arc<Shared>,
    frame: &FrameId,
    settled: Option<Settled>,
) -> Result<Outcome, Failure> {
    // The frame first: so the source is never older than what was made of it.
    let snapshot = match shared.store.read(frame)?.newest().await {
        Ok(snapshot) => snapshot,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Outcome::Ended),
        Err(error) => return Err(error.into()),
    };
    let Some((declaration, said)) = Declaration::of(&snapshot)? else {
        return Ok(Outcome::Ended);
    };
    let request = &declaration.request;
    let source = shared.store.read(&request.source())?.newest().await?;
    let versions = Settled {
        version: snapshot.version(),
        source: source.commit(),
    };
    let same = source.commit().as_ref() == Some(&declaration.commit);
    if same || settled.as_ref() == Some(&versions) {
        return Ok(Outcome::UpToDate(versions));
    }
    let changed = source.changed_since(declaration.version, &declaration.commit);
    let changed = match changed.await {
        // What the older version needs is not what the newest one needs.
        Err(error) if error.kind() == ErrorKind::Damaged => Changed::Everything,
        changed => changed?,
    };
    let resample = resampled(&source, request)?;
    // JSON objects come back from the metadata in another order; the frame has the one that was asked for.
    let resample = match request.aggregation_func {
        Some(Aggregations::ByColumn(_)) => resample.ordered_as(&snapshot.schema()),
        _ => resample,
    };
    let grid = grid_of(&resample).await?;
    let next = Declaration::new(request, &source, grid)?;
    let planned = plan(&resample, declaration.grid, grid, &changed).await?;
    let step = Step {
        shared,
        snapshot,
        resample,
        options: PutOptions {
            note: next.noted(Note {
                message: Some(format!(
                    "follows {} at version {}",
                    request.source(),
                    next.version
                )),
                ..Note::default()
            })?,
            expected: Some((KEY.to_owned(), said)),
            ..PutOptions::default()
        },
    };
    let outcome = match planned {
        Plan::Nothing => return Ok(Outcome::UpToDate(versions)),
        Plan::All => step.whole().await,
        Plan::Pieces(pieces) if step.fits() => match step.pieces(pieces).await {
            Err(failure) if is_misfit(&failure) => {
                warn!(%frame, problem = %failure, "is computed as a whole, because a part did not fit");
                step.whole().await
            }
            outcome => outcome,
        },
        Plan::Pieces(_) => step.whole().await,
    };
    match outcome {
        Ok(published) => {
            let (version, rows) = (published.version, published.rows);
            info!(%frame, version, rows, source_version = next.version, "followed its source");
            Ok(Outcome::Applied)
        }
        Err(failure) if failure.is_conflict() => Ok(Outcome::GaveWay),
        Err(failure) => Err(failure),
    }
}

/// What a request makes of a state of its source.
pub(in crate::service) fn resampled(
    source: &Snapshot,
    request: &ResampleRequest,
) -> Result<Resample, Failure> {
    let Some(resampling) = request.by_time() else {
        return Err(Failure::invalid(RESAMPLE, Some("rule"), "is missing"));
    };
    let range = Range {
        start: request.start.clone().map(Value::from),
        stop: request.stop.clone().map(Value::from),
        ..Range::default()
    };
    let resample = Resample::new(Request {
        snapshot: source.clone(),
        resampling,
        range,
    });
    resample.map_err(|problem| wrong(RESAMPLE, None, problem))
}

/// From where to where the rows of the source reach.
pub(in crate::service) async fn grid_of(resample: &Resample) -> Result<Option<Grid>, Failure> {
    Ok(resample.grid().await?)
}

/// A step whose work is known.
struct Step<'a> {
    shared: &'a Arc<Shared>,
    /// The frame as it is.
    snapshot: Snapshot,
    resample: Resample,
    /// What every commit says.
    options: PutOptions,
}

/// Whether the fault may lie in what the frame was before, so that it goes away when all of it is computed anew.
fn is_misfit(failure: &Failure) -> bool {
    let Some(body) = failure.body() else {
        return false;
    };
    matches!(
        body.kind,
        Kind::SchemaError
            | Kind::InvalidRequestError
            | Kind::DataFusionError
            | Kind::FileNotFoundError
            | Kind::DamagedError
            | Kind::InternalError
    )
}

impl Step<'_> {
    /// Whether the frame has the columns that are computed, in their order.
    fn fits(&self) -> bool {
        let (computed, there) = (self.resample.schema(), self.snapshot.schema());
        let names = computed.fields().iter().map(|field| field.name());
        names.eq(there.fields().iter().map(|field| field.name()))
    }

    /// Computes all bins.
    async fn whole(self) -> Result<Published, Failure> {
        let options = PutOptions {
            mode: PutMode::Replace,
            index: self.resample.index(),
            ..self.options
        };
        let table = Arc::new(ResampleTable::new(self.resample));
        let plan = self.shared.queries.plan_table(table, Part::default());
        target::put_rows(self.shared, self.snapshot.frame(), plan.await?, options).await
    }

    /// Computes some bins, and puts them and what lies between them where they were: one commit for all.
    async fn pieces(&self, pieces: Vec<Piece>) -> Result<Published, Failure> {
        let (first, last) = (pieces.first(), pieces.last());
        let options = PutOptions {
            mode: PutMode::Update,
            start: first.map(|piece| time_bound(piece.names.0)),
            stop: last.map(|piece| time_bound(piece.names.1)),
            closed: Closed::Both,
            ..self.options.clone()
        };
        let table = Arc::new(ResampleTable::new(self.resample.clone()));
        let schema = self.shared.queries.plan_table(table, Part::default());
        let schema = schema.await?.schema();
        let (store, frame) = (&self.shared.store, self.snapshot.frame());
        let mut writer = store.put(frame, schema, options).await?;
        let mut end: Option<i64> = None;
        for piece in pieces {
            if let Some(end) = end {
                keep(&self.snapshot, &mut writer, (end, piece.names.0)).await?;
            }
            end = Some(piece.names.1);
            let Some(rows) = piece.rows else {
                continue;
            };
            let table = Arc::new(ResampleTable::new(rows));
            let plan = self.shared.queries.plan_table(table, Part::default());
            let mut batches = std::pin::pin!(plan.await?.run().await?);
            while let Some(batch) = batches.try_next().await? {
                writer.write(batch).await?;
            }
        }
        target::commit(writer).await
    }
}

/// Writes the rows between two names of bins as they are.
async fn keep(
    snapshot: &Snapshot,
    writer: &mut FrameWriter,
    (after, before): (i64, i64),
) -> Result<(), Failure> {
    let options = ReadOptions {
        start: Some(time_bound(after)),
        stop: Some(time_bound(before)),
        closed: Closed::Neither,
        ..ReadOptions::default()
    };
    let mut rows = snapshot.read(options).await?;
    while let Some(batch) = rows.try_next().await? {
        writer.write(batch).await?;
    }
    Ok(())
}

/// Checks whether a target may follow a source in the way that is asked for.
pub(in crate::service) async fn declare(
    shared: &Arc<Shared>,
    request: &ResampleRequest,
    index: &[String],
) -> Result<(), Failure> {
    let refused = |field, problem: &str| Err(Failure::invalid(RESAMPLE, Some(field), problem));
    if request.index.as_ref().is_some_and(|given| given != index) {
        let problem = format!(
            "of a continuous target is {}; leave it out",
            index.join(", ")
        );
        return refused("index", &problem);
    }
    match request.mode {
        PutMode::Replace | PutMode::Error => {}
        PutMode::Append => match shared.store.read(&request.target())?.newest().await {
            Ok(target) if target.rows() > 0 => {
                let problem = "must be replace for a continuous target that has rows";
                return refused("mode", problem);
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        },
        _ => return refused("mode", "must be replace for a continuous target"),
    }
    let mut frame = request.source();
    for _ in 0..CHAIN {
        if frame == request.target() {
            return refused("continuous", "would make the target follow itself");
        }
        // What a source follows in turn is looked at only for this, whoever may read it.
        let snapshot = match shared.store.unasked(&frame).newest().await {
            Ok(snapshot) => snapshot,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match Declaration::source_of(&snapshot) {
            Some(source) => frame = source,
            None => return Ok(()),
        }
    }
    let problem = format!("would make more than {CHAIN} frames follow one another");
    refused("continuous", &problem)
}
