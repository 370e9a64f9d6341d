//! `ListFlights`: the frames of one bucket, or of all.

use std::sync::Arc;

use arrow_flight::{Criteria, FlightInfo};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use regex::{Regex, RegexBuilder};
use shoots_proto::ListCriteria;
use shoots_store::Snapshot;

use super::{Shared, check_length, info};
use crate::status::Failure;

/// A pattern's compiled form may take this much memory.
const PATTERN_BYTES: usize = 1 << 20;

/// Lists frames, bucket by bucket; what is wrong with the criteria is said before the first.
pub(super) async fn list(
    shared: Arc<Shared>,
    criteria: Criteria,
) -> Result<impl Stream<Item = Result<FlightInfo, Failure>> + Send + 'static, Failure> {
    check_length("criteria", &criteria.expression)?;
    let criteria = ListCriteria::from_bytes(&criteria.expression)?;
    let pattern = criteria.regex.as_deref().map(compile).transpose()?;
    let (first, more) = if criteria.all_buckets {
        (Vec::new(), shared.store.all_buckets().await?)
    } else {
        let frames = shared.store.frames(criteria.bucket.as_ref()).await?;
        (frames, Vec::new())
    };
    let more = stream::iter(more).then(move |bucket| {
        let shared = Arc::clone(&shared);
        async move {
            match shared.store.frames(bucket.as_ref()).await {
                // Deleted since the buckets were listed.
                Err(failure) if failure.is_not_found() => Ok(Vec::new()),
                frames => frames,
            }
        }
    });
    let frames = stream::iter([Ok(first)])
        .chain(more)
        .map_ok(|frames| stream::iter(frames.into_iter().map(Ok)))
        .try_flatten();
    let wanted = frames.try_filter(move |snapshot: &Snapshot| {
        let name = snapshot.frame().name.as_str();
        let matches = pattern.as_ref().is_none_or(|p| p.is_match(name));
        std::future::ready(matches)
    });
    Ok(wanted.and_then(|snapshot| async move { info::of_snapshot(&snapshot) }))
}

fn compile(pattern: &str) -> Result<Regex, Failure> {
    RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build()
        .map_err(|e| Failure::invalid("criteria", Some("regex"), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_searched_for_and_limited() {
        assert!(compile("ea").unwrap().is_match("weather"));
        assert!(!compile("^ea").unwrap().is_match("weather"));
        for bad in ["(", "a{99999}{99999}", r"\p{Nonsense}"] {
            let failure = compile(bad).unwrap_err();
            assert!(failure.to_string().contains("regex"), "{failure}");
        }
    }
}
