//! Lists of objects that the sweep is to remove: `condemned/<hash>.json`.

use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::claim::{Claim, claim};
use super::garbage::ObjectSet;
use crate::error::{Cause, Error, Result};
use crate::frame_log::FrameLog;
use crate::log::commit::Condemned;

const MAGIC: &str = "condemned";
const FORMAT: u32 = 1;
/// Objects that are removed at the same time.
const PARALLEL_REMOVALS: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
struct List {
    shoots: String,
    format: u32,
    /// Makes the name unique.
    nonce: String,
    /// Paths below the frame's folder, and sizes.
    objects: Vec<(String, u64)>,
}

/// Writes a list. Nothing is condemned until an entry refers to it.
pub(super) async fn write(log: &FrameLog, objects: &ObjectSet) -> Result<Condemned> {
    let list = List {
        shoots: MAGIC.to_owned(),
        format: FORMAT,
        nonce: log.unique_id(),
        objects: objects.0.clone().into_iter().collect(),
    };
    let bytes = serde_json::to_vec(&list).map_err(|error| Error::io("encoding a list", error))?;
    let hash = blake3::hash(&bytes).to_hex().to_string();
    let path = log.paths().condemned(&hash);
    log.objects().create_immutable(&path, bytes.into()).await?;
    Ok(Condemned {
        list: hash,
        at: log.now(),
        objects: objects.count(),
        bytes: objects.bytes(),
    })
}

/// The objects of a list; none if the list is gone, because they are.
pub(crate) async fn read(log: &FrameLog, condemned: &Condemned) -> Result<Option<ObjectSet>> {
    let path = log.paths().condemned(&condemned.list);
    let Some(bytes) = log.objects().read(&path).await? else {
        return Ok(None);
    };
    if blake3::hash(&bytes).to_hex().as_str() != condemned.list {
        return Err(Error::damaged(&path, "its hash is not the one in its name"));
    }
    let list: List =
        serde_json::from_slice(&bytes).map_err(|problem| Error::damaged(&path, problem))?;
    if list.shoots != MAGIC || list.format > FORMAT {
        return Err(Error::damaged(
            &path,
            "it is not a list of condemned objects",
        ));
    }
    Ok(Some(ObjectSet(list.objects.into_iter().collect())))
}

/// What is condemned once `named` is needed again; none if it was not condemned. New lists take the place of those that
/// name some of it.
///
/// # Errors
/// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if a sweep is at it.
pub(crate) async fn spare(
    log: &FrameLog,
    lists: &[Condemned],
    named: &ObjectSet,
) -> Result<Option<Vec<Condemned>>> {
    let mut spared = Vec::with_capacity(lists.len());
    let mut found = false;
    for list in lists {
        let objects = read(log, list).await?.unwrap_or_default();
        if !objects.0.keys().any(|name| named.0.contains_key(name)) {
            spared.push(list.clone());
            continue;
        }
        found = true;
        if claim(log, list, Claim::Spare).await? == Claim::Sweep {
            let problem = format!(
                "rows of frame {} that this brings back are being removed, because they had expired: let `sweep` finish",
                log.frame()
            );
            return Err(Cause::Conflict(problem).into());
        }
        let mut rest = objects;
        rest.remove_all(named);
        if rest.count() > 0 {
            let at = list.at;
            spared.push(Condemned {
                at,
                ..write(log, &rest).await?
            });
        }
    }
    Ok(found.then_some(spared))
}

/// Removes the list itself, and after it what it was claimed for.
pub(super) async fn remove(log: &FrameLog, condemned: &Condemned) -> Result<()> {
    let paths = log.paths();
    log.objects()
        .remove(&paths.condemned(&condemned.list))
        .await?;
    log.objects().remove(&paths.claim(&condemned.list)).await
}

/// Removes objects of a frame.
pub(super) async fn remove_all(log: &FrameLog, objects: &ObjectSet) -> Result<()> {
    let folder = log.paths().folder();
    let paths = objects
        .0
        .keys()
        .filter(|name| name.split('/').all(|part| !part.is_empty() && part != ".."))
        .map(|name| Path::parse(format!("{folder}/{name}")))
        .collect::<Result<Vec<Path>, _>>();
    let paths = paths.map_err(|error| Error::damaged(&folder, error))?;
    let removals: Vec<_> = paths
        .iter()
        .map(|path| log.objects().remove(path))
        .collect();
    stream::iter(removals)
        .buffer_unordered(PARALLEL_REMOVALS)
        .try_collect()
        .await
}
