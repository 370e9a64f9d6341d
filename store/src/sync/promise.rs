//! Segments that were left at a remote when only a part of a frame was cloned: promised, not missing.
//!
//! The list of them is an object of its own, `promised/<hash>.json`, and a property of the frame refers to it until a
//! fetch brings them. A read that needs one of them says where it is; a check of the frame accepts that it is not here;
//! compaction leaves a frame as it is whose newest version takes some. If the remote has given some of them up, a fetch
//! brings the newest version in other segments, and the property stays for the older ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::peer::{ObjectKind, ObjectName, Promise};
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::frame_log::FrameLog;
use crate::layout::{self, FramePaths};
use crate::lineage::record::Listed;
use crate::log::change::Segment;
use crate::log::commit::State;
use crate::log::entry::{Entry, decode_json, encode_json};
use crate::objects::Objects;

/// The property. Settings of users have other names.
pub(crate) const PROPERTY: &str = "promised";
const MAGIC: &str = "promised";
const FORMAT: u32 = 1;

/// What a frame's state says of segments that were left at a remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Promised {
    /// The remote's name.
    pub(crate) remote: String,
    /// Where that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    /// Which segments: `promised/<hash>.json`.
    list: String,
    /// How many there are.
    segments: u64,
    /// Their bytes.
    bytes: u64,
    /// The remote does not keep them any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) gone: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct List {
    shoots: String,
    format: u32,
    segments: BTreeSet<String>,
    /// What is known of them. Older programs left that out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    listed: Vec<Listed>,
}

impl Promised {
    /// What a state says, if it says something.
    pub(crate) fn of(state: &State) -> Option<Self> {
        let value = state.properties.get(PROPERTY)?;
        let promised: Self = serde_json::from_value(value.clone()).ok()?;
        // No stored name leads out of the frame's folder.
        layout::check_hex(&Path::default(), &promised.list).ok()?;
        Some(promised)
    }

    /// Makes the list of what was left durable, and gives what the state is to say. `list` is that of all segments.
    pub(super) async fn keep(log: &FrameLog, promise: &Promise, list: &[Listed]) -> Result<Value> {
        let left: BTreeSet<String> = promise.segments.iter().cloned().collect();
        let known = list.iter().filter(|listed| left.contains(listed.id()));
        let listed: Vec<Listed> = known.cloned().collect();
        let segments = listed.len() as u64;
        let bytes = listed.iter().map(|listed| listed.segment.bytes).sum();
        if segments != left.len() as u64 {
            let problem = "it promises segments that are not in the list of the commit";
            return Err(Error::invalid("promise", problem));
        }
        let stored = List {
            shoots: MAGIC.to_owned(),
            format: FORMAT,
            segments: left,
            listed,
        };
        let encoded = encode_json(&stored)?;
        let list = blake3::hash(&encoded).to_hex().to_string();
        let path = log.paths().promised(&list);
        log.objects()
            .create_immutable(&path, encoded.into())
            .await?;
        let promised = Self {
            remote: promise.remote.clone(),
            place: promise.place.clone(),
            list,
            segments,
            bytes,
            gone: false,
        };
        promised.value()
    }

    /// The same of segments that the remote does not keep any more.
    pub(super) fn given_up(&self) -> Self {
        let gone = true;
        Self {
            gone,
            ..self.clone()
        }
    }

    /// What a state is to say.
    pub(super) fn value(&self) -> Result<Value> {
        serde_json::to_value(self).map_err(|error| Error::io("encoding a promise", error))
    }

    /// Where the list is.
    pub(crate) fn path(&self, paths: &FramePaths) -> Path {
        paths.promised(&self.list)
    }

    /// The ids of the segments that were left.
    pub(crate) async fn ids(
        &self,
        objects: &Objects,
        paths: &FramePaths,
    ) -> Result<BTreeSet<String>> {
        Ok(self.read(objects, paths).await?.segments)
    }

    /// The segments that were left, as far as their list or the newest version tells what they are.
    pub(super) async fn segments(&self, log: &FrameLog, head: &Arc<Entry>) -> Result<Vec<Listed>> {
        let left = self.read(log.objects(), log.paths()).await?;
        if !left.listed.is_empty() {
            return Ok(left.listed);
        }
        let newest = newest_list(log, head).await?.into_iter();
        let newest = newest.filter(|listed| left.segments.contains(listed.id()));
        Ok(newest.collect())
    }

    async fn read(&self, objects: &Objects, paths: &FramePaths) -> Result<List> {
        let path = self.path(paths);
        let bytes = objects.read(&path).await?;
        let bytes = bytes.ok_or_else(|| Error::missing(&path))?;
        if blake3::hash(&bytes).to_hex().as_str() != self.list {
            return Err(Error::damaged(&path, "its hash is not the one in its name"));
        }
        let text = std::str::from_utf8(&bytes);
        let text = text.map_err(|_| Error::damaged(&path, "it is not UTF-8"))?;
        let list: List = decode_json(&path, "content", text)?;
        if list.shoots != MAGIC || list.format > FORMAT {
            return Err(Error::damaged(
                &path,
                "it is not a list of promised segments",
            ));
        }
        Ok(list)
    }
}

/// The segments of the newest version.
pub(super) async fn newest_list(log: &FrameLog, head: &Arc<Entry>) -> Result<Vec<Listed>> {
    let list = head.list_through(head.last_version());
    let segments = log.checkpoints().segments(list).await?;
    Ok(segments.iter().map(Listed::of).collect())
}

/// The promise of which the segment is whose absence is an error; none: it is no such error.
pub(super) async fn of(log: &FrameLog, error: &Error) -> Result<Option<Promised>> {
    let Some((object, head)) = error.missing_object().zip(log.newest().await?) else {
        return Ok(None);
    };
    let Some(promised) = Promised::of(&head.entry.state) else {
        return Ok(None);
    };
    let left = promised.ids(log.objects(), log.paths()).await?;
    let mut paths = left.iter().map(|id| log.paths().segment(id));
    Ok(paths
        .any(|path| path.as_ref() == object)
        .then_some(promised))
}

/// Where some of these segments of a frame were left; none: all are here.
pub(crate) async fn left_of(
    log: &FrameLog,
    state: &State,
    segments: &[Segment],
) -> Result<Option<Promised>> {
    let Some(promised) = Promised::of(state) else {
        return Ok(None);
    };
    let left = promised.ids(log.objects(), log.paths()).await?;
    let some = segments.iter().any(|own| left.contains(&own.record.id));
    Ok(some.then_some(promised))
}

/// Refuses what takes all of these segments of a frame, if some of them were left at a remote.
pub(crate) async fn expect_all(log: &FrameLog, state: &State, segments: &[Segment]) -> Result<()> {
    match left_of(log, state, segments).await? {
        Some(promised) => Err(left_elsewhere(log, promised).await),
        None => Ok(()),
    }
}

async fn left_elsewhere(log: &FrameLog, promised: Promised) -> Error {
    // An older state does not know what became of them.
    let newest = log.newest().await.ok().flatten();
    let newest = newest.and_then(|head| Promised::of(&head.entry.state));
    let same = newest.filter(|newest| newest.list == promised.list);
    Cause::LeftElsewhere {
        frame: log.frame().to_string(),
        remote: promised.remote,
        gone: same.is_some_and(|newest| newest.gone),
    }
    .into()
}

/// The error of whoever asks for an object of a frame that was left at a remote; none if it was not.
pub(super) async fn left_behind(log: &FrameLog, object: &ObjectName) -> Result<Option<Error>> {
    let head = log.newest().await?;
    let promised = head.and_then(|head| Promised::of(&head.entry.state));
    let promised = promised.filter(|_| object.kind == ObjectKind::Segment);
    let Some(promised) = promised else {
        return Ok(None);
    };
    let left = promised.ids(log.objects(), log.paths()).await?;
    if !left.contains(&object.id) {
        return Ok(None);
    }
    if promised.gone {
        return Ok(Some(left_elsewhere(log, promised).await));
    }
    let place = promised.place.filter(|place| *place != promised.remote);
    let place = place.map(|place| format!(" ({place})"));
    let problem = format!(
        "frame {frame} is not whole here: only a part of it was cloned, and the other rows were left at {remote}{place}; take \
         the frame from there, or fetch it from {remote} first",
        frame = log.frame(),
        remote = promised.remote,
        place = place.unwrap_or_default(),
    );
    Ok(Some(Error::elsewhere(ErrorKind::Promised, problem)))
}

/// The error of whatever needed the rows of a state: if they were left at a remote, that they are there.
pub(crate) async fn explain(log: &FrameLog, state: &State, error: Error) -> Error {
    let Some((promised, object)) = Promised::of(state).zip(error.missing_object()) else {
        return error;
    };
    let Ok(ids) = promised.ids(log.objects(), log.paths()).await else {
        return error;
    };
    let left = ids
        .iter()
        .any(|id| log.paths().segment(id).as_ref() == object);
    if !left {
        return error;
    }
    left_elsewhere(log, promised).await
}
