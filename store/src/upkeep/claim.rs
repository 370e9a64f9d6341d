//! What becomes of a list of condemned objects: the sweep removes them, or some of them are needed again.
//!
//! Both may want the same list at the same time, in two processes. The sweep removes objects without asking the log
//! once more, so a commit that takes them off the list might come too late. Therefore each of them first creates
//! `condemned/<hash>.claim`, which only one can, with one word that says what for:
//!
//! - `sweep`: the objects may be gone from now on, and no commit takes any of them off the list. Whoever sweeps next
//!   goes on, so a sweep that was interrupted holds nothing up for longer.
//! - `spare`: nothing on this list is removed. The commit that follows has another list, with the rest, in its place.
//!   If that commit never comes, the sweep makes a new list of the same objects, which can be claimed again.
//!
//! So objects can be spared until the moment when they are removed, whatever the grace period is, and no clock counts.

use bytes::Bytes;

use crate::error::{Cause, Error, Result};
use crate::frame_log::FrameLog;
use crate::log::commit::Condemned;
use crate::objects::{CreateError, Created};

/// What a list is claimed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Its objects are removed.
    Sweep,
    /// Some of its objects are needed again.
    Spare,
}

impl Claim {
    const ALL: [Self; 2] = [Self::Sweep, Self::Spare];

    const fn word(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Spare => "spare",
        }
    }
}

/// How often a claim is looked for that is said to exist.
const MAX_ATTEMPTS: u32 = 5;

/// Claims a list, unless that was done before; says what it is claimed for.
pub(super) async fn claim(log: &FrameLog, condemned: &Condemned, wish: Claim) -> Result<Claim> {
    let path = log.paths().claim(&condemned.list);
    let objects = log.objects().uncached();
    let mut problem = None;
    for _ in 0..MAX_ATTEMPTS {
        let word = Bytes::from_static(wish.word().as_bytes());
        match objects.create(&path, word).await {
            Ok(Created::Yes) => return Ok(wish),
            Ok(Created::Exists) => {}
            Err(CreateError::Ambiguous(error)) => problem = Some(error),
            Err(error) => return Err(error.into()),
        }
        if let Some(found) = objects.read(&path).await? {
            let known = Claim::ALL
                .into_iter()
                .find(|claim| claim.word().as_bytes() == found);
            return known.ok_or_else(|| Error::damaged(&path, "it is not a claim"));
        }
    }
    Err(problem.unwrap_or_else(|| {
        let problem = format!(
            "others are about to remove objects of frame {} that were condemned at {}",
            log.frame(),
            condemned.at
        );
        Cause::Conflict(problem).into()
    }))
}
