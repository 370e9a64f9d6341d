//! Plans that are asked for without SQL: frames combined for the action `combine`, and columns of several frames.

use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;
use shoots_proto::action::{CombineHow, CombineRequest};
use shoots_proto::{AsOf, BucketName, ColumnsTicket};
use shoots_store::{ErrorKind, Snapshot, Store};

use super::{Part, Plan, Queries};
use crate::combine::{
    self, AsofOptions, CombinedTable, JoinKind, Pair, Range, Source, Suffixes, Wanted,
};
use crate::status::Failure;

impl Queries {
    /// Plans what a request makes of its sources. The result is described as the first of them is.
    pub(crate) async fn combine(
        &self,
        store: &Store,
        request: &CombineRequest,
    ) -> Result<Plan, Failure> {
        let mut sources = Vec::new();
        for source in &request.sources {
            let snapshot = store
                .frame(&source.frame())
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
        store: &Store,
        ticket: &ColumnsTicket,
    ) -> Result<Plan, Failure> {
        let sources = sources(store, ticket).await?;
        let bucket = ticket.bucket.as_ref();
        let wanted: Vec<Wanted> = combine::resolve(&ticket.columns, bucket, &sources)?;
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

/// The frames that a ticket's columns are looked for in: those of its bucket, and of buckets that it names.
async fn sources(store: &Store, ticket: &ColumnsTicket) -> Result<Vec<Source>, Failure> {
    let own = ticket.bucket.as_ref();
    let mut buckets: Vec<Option<BucketName>> = vec![own.cloned()];
    for bucket in store.buckets().await? {
        let prefix = format!("{bucket}.");
        let named = ticket
            .columns
            .iter()
            .any(|column| column.starts_with(&prefix));
        if named && own != Some(&bucket) {
            buckets.push(Some(bucket));
        }
    }
    let patterns = ticket.frames.as_deref().map(patterns).transpose()?;
    let mut found = HashMap::new();
    let mut order = Vec::new();
    for (place, bucket) in buckets.iter().enumerate() {
        for newest in frames(store, bucket.as_ref()).await? {
            let name = newest.frame().name.as_str();
            let looked_into = patterns.as_ref().filter(|_| place == 0);
            if looked_into.is_some_and(|patterns| !patterns.iter().any(|p| p.is_match(name))) {
                continue;
            }
            let Some(state) = state(store, newest, ticket.as_of.as_ref()).await? else {
                continue;
            };
            let id = state.frame().clone();
            if found.insert(id.clone(), Source::new(state)).is_none() {
                order.push(id);
            }
        }
    }
    Ok(order
        .into_iter()
        .filter_map(|id| found.remove(&id))
        .collect())
}

async fn frames(store: &Store, bucket: Option<&BucketName>) -> Result<Vec<Snapshot>, Failure> {
    match store.frames(bucket).await {
        Err(error) if error.kind() == ErrorKind::NotFound && bucket.is_none() => Ok(Vec::new()),
        outcome => Ok(outcome?),
    }
}

/// The state that a ticket asks for; none if the frame had none then.
async fn state(
    store: &Store,
    newest: Snapshot,
    as_of: Option<&AsOf>,
) -> Result<Option<Snapshot>, Failure> {
    if as_of.is_none() {
        return Ok(Some(newest));
    }
    match store.frame(newest.frame()).snapshot(as_of).await {
        Ok(state) => Ok(Some(state)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Names in which `*` stands for any text.
fn patterns(names: &[String]) -> Result<Vec<Regex>, Failure> {
    let patterns = names.iter().map(|name| {
        let parts: Vec<String> = name.split('*').map(regex::escape).collect();
        Regex::new(&format!("(?s)^{}$", parts.join(".*")))
    });
    let patterns: Result<_, _> = patterns.collect();
    patterns.map_err(|error| Failure::invalid("ticket", Some("frames"), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_everything_else_for_itself() {
        let patterns = patterns(&["a.*".into(), "b".into()]).unwrap();
        let matches = |name| patterns.iter().any(|pattern| pattern.is_match(name));
        assert!(matches("a.") && matches("a.daily") && matches("b"));
        assert!(!matches("ab") && !matches("bb") && !matches("xa.b"));
    }
}
