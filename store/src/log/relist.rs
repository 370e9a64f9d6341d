//! A fresh list of segments for a commit that removes most of them.
//!
//! An entry's state lists the segments before its own commits, so whoever reads the version after a compaction of
//! thousands of segments would go through all of them first. Such a commit brings its own list instead, as a restore
//! does: what stays of the segments before it. The commit is applied to that list like to any other.
//!
//! Segments that a compaction adds take the places of the first ones that it removes, so those stay on the list: the
//! commit removes them. Nothing is listed twice, and a program that knows nothing of this reads it the same way.

use std::collections::HashSet;

use super::checkpoint::Checkpoints;
use super::commit::Operation;
use super::derive::Step;
use super::entry::Entry;
use crate::error::Result;

/// Reading past fewer segments is not worth a list.
const MIN_REMOVED: u64 = 64;

/// Gives a step a list of its own if it removes more segments than it leaves: the list costs less than they did.
pub(crate) async fn relist(
    checkpoints: &Checkpoints,
    before: &Entry,
    step: &mut Step,
) -> Result<()> {
    let removed = step.removed.len() as u64;
    let kept = step.totals.segments.saturating_sub(step.added.len() as u64);
    let has_list = step.base.is_some() || step.operation.clears();
    if has_list || removed < MIN_REMOVED.max(kept) {
        return Ok(());
    }
    let mut places = match step.operation {
        Operation::Compact => step.added.len(),
        _ => 0,
    };
    let gone: HashSet<&str> = step.removed.iter().map(String::as_str).collect();
    let list = before.list_through(before.last_version());
    let mut segments = checkpoints.segments(list).await?;
    segments.retain(|segment| {
        if !gone.contains(segment.record.id.as_str()) {
            return true;
        }
        let holds_place = places > 0;
        places = places.saturating_sub(1);
        holds_place
    });
    step.base = Some(checkpoints.list_of(&segments).await?);
    Ok(())
}
