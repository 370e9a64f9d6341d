//! The frames that a ticket names: by their names, or by patterns.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use shoots_proto::{BucketName, FrameId, FrameName};
use shoots_store::Snapshot;
use tokio::task::yield_now;

use super::combined::{denied, frames, own_frames};
use crate::access::CallerStore;
use crate::combine::behind_bucket;
use crate::pattern;
use crate::status::Failure;

/// Names and patterns that one ticket may have.
const MOST_NAMES: usize = 10_000;

/// Those of them that are patterns, each of which is compared with the name of each frame.
const MOST_PATTERNS: usize = 100;

/// The longest pattern, in bytes: more than a name of a frame and its bucket.
const PATTERN_BYTES: usize = 512;

/// The frames that names mean: in a bucket, or behind the name of another. One without a star that names none is an error.
pub(super) async fn find(
    store: &CallerStore,
    own: Option<&BucketName>,
    names: &[String],
) -> Result<Vec<Snapshot>, Failure> {
    check(names).map_err(|problem| Failure::invalid("ticket", Some("frames"), problem))?;
    let mut search = Search {
        store,
        own,
        here: own_frames(store, own).await?,
        buckets: None,
        elsewhere: HashMap::new(),
    };
    let mut found = Found::default();
    for name in names {
        search.add(name, &mut found).await?;
        yield_now().await;
    }
    Ok(found.frames)
}

fn check(names: &[String]) -> Result<(), String> {
    let number = names.len();
    if number > MOST_NAMES {
        return Err(format!(
            "has {number} names; send at most {MOST_NAMES}, or patterns"
        ));
    }
    let patterns = names.iter().filter(|name| name.contains(pattern::ANY));
    let number = patterns.count();
    if number > MOST_PATTERNS {
        return Err(format!(
            "has {number} patterns; send at most {MOST_PATTERNS}, or names without stars"
        ));
    }
    match names.iter().find(|name| name.len() > PATTERN_BYTES) {
        Some(long) => Err(format!(
            "has a name of {} bytes; they have at most {PATTERN_BYTES}",
            long.len()
        )),
        None => Ok(()),
    }
}

/// Frames that were found, each once, in the order of the names.
#[derive(Debug, Default)]
struct Found {
    frames: Vec<Snapshot>,
    seen: HashSet<FrameId>,
}

impl Found {
    fn add(&mut self, frame: &Snapshot) {
        if self.seen.insert(frame.frame().clone()) {
            self.frames.push(frame.clone());
        }
    }
}

/// Where names are looked for. Each bucket is listed once.
struct Search<'a> {
    store: &'a CallerStore,
    own: Option<&'a BucketName>,
    here: Vec<Snapshot>,
    buckets: Option<Vec<Option<BucketName>>>,
    elsewhere: HashMap<Option<BucketName>, Vec<Snapshot>>,
}

impl Search<'_> {
    async fn add(&mut self, text: &str, found: &mut Found) -> Result<(), Failure> {
        if add_meant(text, &self.here, found) {
            return Ok(());
        }
        let mut any = false;
        for bucket in self.buckets().await? {
            if let Some(name) = behind_bucket(text, bucket.as_ref()) {
                any |= add_meant(name, self.frames_of(&bucket).await?, found);
            }
        }
        if !any && !text.contains(pattern::ANY) {
            let name = FrameName::parse(text);
            let name = name.map_err(|e| Failure::invalid("ticket", Some("frames"), e))?;
            denied(self.store, self.own, &[text.to_owned()], &[])?;
            let missing = FrameId::new(self.own.cloned(), name);
            found.add(&self.store.read(&missing)?.snapshot(None).await?);
        }
        Ok(())
    }

    async fn buckets(&mut self) -> Result<Vec<Option<BucketName>>, Failure> {
        if self.buckets.is_none() {
            self.buckets = Some(self.store.all_buckets().await?);
        }
        Ok(self.buckets.clone().unwrap_or_default())
    }

    async fn frames_of(&mut self, bucket: &Option<BucketName>) -> Result<&[Snapshot], Failure> {
        match self.elsewhere.entry(bucket.clone()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                Ok(unknown.insert(frames(self.store, bucket.as_ref()).await?))
            }
        }
    }
}

/// Adds those whose names are meant, and says whether there are any.
fn add_meant(text: &str, all: &[Snapshot], found: &mut Found) -> bool {
    let meant = |frame: &&Snapshot| pattern::means(text, frame.frame().name.as_str());
    let mut any = false;
    for frame in all.iter().filter(meant) {
        found.add(frame);
        any = true;
    }
    any
}
