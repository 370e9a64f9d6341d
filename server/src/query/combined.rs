//! Plans that are asked for without SQL: frames combined for the action `combine`, and columns of several frames.

use std::collections::HashSet;
use std::sync::Arc;

use shoots_proto::action::{CombineHow, CombineRequest};
use shoots_proto::{AsOf, BucketName, ColumnsTicket, FrameId};
use shoots_store::{ErrorKind, Snapshot};

use super::{Part, Plan, Queries, named};
use crate::access::{CallerStore, Right};
use crate::combine::{
    self, AsofOptions, BEHIND_BUCKET, CombinedTable, JoinKind, Pair, Range, Source, Suffixes,
    Wanted, behind_bucket,
};
use crate::status::Failure;

impl Queries {
    /// Plans what a request makes of its sources. The result is described as the first of them is.
    pub(crate) async fn combine(
        &self,
        store: &CallerStore,
        request: &CombineRequest,
    ) -> Result<Plan, Failure> {
        let mut sources = Vec::new();
        for source in &request.sources {
            let snapshot = store
                .read(&source.frame())?
                .snapshot(source.as_of())
                .await?;
            sources.push(Source::new(snapshot));
        }
        let first = sources.first().map(Source::schema);
        let table = table(request, sources)?;
        let plan = self.plan_table(Arc::new(table), Part::default()).await?;
        Ok(match first {
            Some(first) => plan.described_as(&first),
            None => plan,
        })
    }

    /// Plans a table of columns of several frames.
    pub(crate) async fn columns(
        &self,
        store: &CallerStore,
        ticket: &ColumnsTicket,
    ) -> Result<Plan, Failure> {
        let (sources, named) = Box::pin(sources(store, ticket)).await?;
        let bucket = ticket.bucket.as_ref();
        let wanted = combine::resolve(&ticket.columns, bucket, &sources, &named);
        let wanted: Vec<Wanted> = match wanted {
            Ok(wanted) => wanted,
            Err(problem) => {
                // What is not found may lie where the caller may not look.
                let known: Vec<&str> = sources.iter().map(Source::name).collect();
                denied(store, bucket, &ticket.columns, &known)?;
                return Err(problem.into());
            }
        };
        let range = Range {
            start: ticket.start.clone().map(Into::into),
            stop: ticket.stop.clone().map(Into::into),
            closed: ticket.closed.unwrap_or_default(),
        };
        let table = combine::align(&sources, wanted, range)?;
        let part = Part {
            columns: None,
            offset: ticket.offset,
            limit: ticket.limit,
        };
        self.plan_table(Arc::new(table), part).await
    }
}

fn table(request: &CombineRequest, sources: Vec<Source>) -> Result<CombinedTable, Failure> {
    let kind = match request.how {
        CombineHow::Concat => return Ok(combine::concat(sources, request.sorted)?),
        CombineHow::Asof => None,
        CombineHow::Inner => Some(JoinKind::Inner),
        CombineHow::Left => Some(JoinKind::Left),
        CombineHow::Right => Some(JoinKind::Right),
        CombineHow::Outer => Some(JoinKind::Outer),
    };
    let Ok([left, right]) = <[Source; 2]>::try_from(sources) else {
        let problem = "must name two frames";
        return Err(Failure::invalid("combine", Some("sources"), problem));
    };
    let pairs = |role, both: &[String], left: &[String], right: &[String]| {
        Pair::all(role, both.to_vec(), left.to_vec(), right.to_vec())
    };
    let on = pairs("on", &request.on, &request.left_on, &request.right_on)?;
    let suffixes = request.suffixes.clone();
    let suffixes =
        suffixes.map_or_else(Suffixes::default, |(left, right)| Suffixes { left, right });
    if let Some(kind) = kind {
        return Ok(combine::join(left, right, kind, on, &suffixes)?);
    }
    let [on] = on.as_slice() else {
        let problem = "must be one column for an as-of join";
        return Err(Failure::invalid("combine", Some("on"), problem));
    };
    let options = AsofOptions {
        on: on.clone(),
        by: pairs("by", &request.by, &request.left_by, &request.right_by)?,
        direction: request.direction.unwrap_or_default(),
        tolerance: request.tolerance.clone(),
        allow_exact_matches: request.allow_exact_matches.unwrap_or(true),
        suffixes,
    };
    Ok(combine::asof_join(left, right, options)?)
}

/// The frames that a ticket's columns are looked for in: those of its bucket, or those that it names, and those of
/// buckets that its columns name. The frames that it names are told too.
async fn sources(
    store: &CallerStore,
    ticket: &ColumnsTicket,
) -> Result<(Vec<Source>, HashSet<FrameId>), Failure> {
    let own = ticket.bucket.as_ref();
    let mut looked_into = Vec::new();
    let mut named = HashSet::new();
    match &ticket.frames {
        None => looked_into.extend(own_frames(store, own).await?),
        Some(names) => {
            looked_into.extend(named::find(store, own, names).await?);
            named.extend(looked_into.iter().map(|frame| frame.frame().clone()));
        }
    }
    for bucket in store.all_buckets().await? {
        let mut columns = ticket.columns.iter();
        let meant = columns.any(|column| behind_bucket(column, bucket.as_ref()).is_some());
        if bucket.as_ref() != own && meant {
            looked_into.extend(frames(store, bucket.as_ref()).await?);
        }
    }
    let mut seen = HashSet::new();
    let mut sources = Vec::new();
    for newest in looked_into {
        if seen.insert(newest.frame().clone())
            && let Some(state) = state(store, newest, ticket.as_of.as_ref()).await?
        {
            sources.push(Source::new(state));
        }
    }
    Ok((sources, named))
}

/// The frames of the bucket of names that say none. It need not be one that may be read, if no name is meant there.
pub(super) async fn own_frames(
    store: &CallerStore,
    own: Option<&BucketName>,
) -> Result<Vec<Snapshot>, Failure> {
    match frames(store, own).await {
        Err(failure) if failure.is_denied() => Ok(Vec::new()),
        outcome => outcome,
    }
}

/// Refuses names of which one may be meant in a bucket that may not be read, and not in a frame that is `known`.
pub(super) fn denied(
    store: &CallerStore,
    own: Option<&BucketName>,
    names: &[String],
    known: &[&str],
) -> Result<(), Failure> {
    let access = store.access();
    access.require(Right::Read, own)?;
    for name in names {
        let bucket = name.split_once(BEHIND_BUCKET).map(|(bucket, _)| bucket);
        let bucket = bucket.filter(|bucket| !known.contains(bucket));
        if let Some(Ok(bucket)) = bucket.map(BucketName::parse) {
            access.require(Right::Read, Some(&bucket))?;
        }
    }
    Ok(())
}

pub(super) async fn frames(
    store: &CallerStore,
    bucket: Option<&BucketName>,
) -> Result<Vec<Snapshot>, Failure> {
    match store.frames(bucket).await {
        Err(failure) if failure.is_not_found() && bucket.is_none() => Ok(Vec::new()),
        outcome => outcome,
    }
}

/// The state that a ticket asks for; none if the frame had none then.
async fn state(
    store: &CallerStore,
    newest: Snapshot,
    as_of: Option<&AsOf>,
) -> Result<Option<Snapshot>, Failure> {
    if as_of.is_none() {
        return Ok(Some(newest));
    }
    match store.read(newest.frame())?.snapshot(as_of).await {
        Ok(state) => Ok(Some(state)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
