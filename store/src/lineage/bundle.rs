//! Commits of a frame's history that are no versions of its log, in an object: `histories/<hash>.jsonl`.
//!
//! ```text
//! {"shoots":"history","format":1,"nonce":"…"}
//! {"commit":"<the commit's line>","links":["<line>",…],"list":[…]}
//! ```
//!
//! Two things bring such commits: a merge, for the commits of the other side (its version refers to the bundle for good),
//! and a fetch, for commits that are not merged yet (the frame's tracking of the remote refers to it), and for the list
//! of segments that it has worked out for the last of them, which no merge takes along. As long as that
//! version or that tracking is kept, the segments, deletion vectors and schemas are kept, too, that the commits name,
//! but for commits whose segments were gone where they came from: `"gone":true`. Such a commit may come with the list of
//! all segments after it, which are kept then; a bundle with one of these has format 2.
//!
//! A bundle is also where links go (lines of upkeep between a commit and the one it follows, in histories of older
//! programs): with the commit itself, in a bundle that the version of that commit refers to.
//!
//! Records come in the order of the history, oldest first. A bundle may come from another store, and is read with
//! distrust: all that can be checked without looking at other objects is checked.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::record::{Listed, Record};
use crate::error::{Cause, Error, Result};
use crate::frame_log::FrameLog;
use crate::log::entry::{decode_json, encode_json};

const MAGIC: &str = "history";
/// Programs that read only the first format take what `gone` commits list for something that is not kept.
const FORMAT: u32 = 2;
const FORMAT_WITHOUT_LISTS_OF_GONE: u32 = 1;
/// A bundle is full when it has so many records, or so many bytes.
const FULL_RECORDS: usize = 1024;
const FULL_BYTES: usize = 4 << 20;
/// More than any program writes.
const MAX_RECORDS: usize = 65_536;
/// Bundles that are read at the same time.
const PARALLEL_READS: usize = 8;

/// A commit in a bundle.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) record: Record,
    /// Its segments were gone where it came from. What it did to rows cannot be told any more; but if it has a list, the
    /// rows that there were after it are known, and kept.
    pub(crate) gone: bool,
}

impl Kept {
    /// Whether only the rows after it are known.
    fn is_state_alone(&self) -> bool {
        self.gone && self.record.list.is_some()
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    shoots: String,
    format: u32,
    /// Makes the name unique, so that removing the object can hurt no later bundle.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    nonce: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    commit: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list: Option<Vec<Listed>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    gone: bool,
}

impl Stored {
    fn of(kept: &Kept) -> Result<Self> {
        let text = |line: &Bytes| {
            let text = std::str::from_utf8(line);
            let text = text.map_err(|_| Error::damaged("a commit", "it is not UTF-8"));
            text.map(str::to_owned)
        };
        let record = &kept.record;
        Ok(Self {
            commit: text(&record.line)?,
            links: record.links.iter().map(text).collect::<Result<_>>()?,
            list: record.list.clone(),
            gone: kept.gone,
        })
    }

    fn kept(self) -> Result<Kept> {
        let links = self.links.into_iter().map(Bytes::from).collect();
        Ok(Kept {
            record: Record::new(Bytes::from(self.commit), links, self.list)?,
            gone: self.gone,
        })
    }
}

/// The hash that names a bundle of these commits, and its bytes. They come in the order of the history.
pub(crate) fn encode(kept: &[Kept], nonce: String) -> Result<(String, Bytes)> {
    let format = match kept.iter().any(Kept::is_state_alone) {
        true => FORMAT,
        false => FORMAT_WITHOUT_LISTS_OF_GONE,
    };
    let header = Header {
        shoots: MAGIC.to_owned(),
        format,
        nonce,
    };
    let mut bytes = encode_json(&header)?;
    bytes.push(b'\n');
    for kept in kept {
        bytes.extend(encode_json(&Stored::of(kept)?)?);
        bytes.push(b'\n');
    }
    Ok((blake3::hash(&bytes).to_hex().to_string(), bytes.into()))
}

/// Reads a bundle that was found under `object`, whose name says `hash`.
pub(crate) fn decode(object: &Path, hash: &str, bytes: &[u8]) -> Result<Vec<Kept>> {
    let damaged = |problem: &str| Error::damaged(object, problem);
    if blake3::hash(bytes).to_hex().as_str() != hash {
        return Err(damaged("its hash is not the one in its name"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8"))?;
    let body = text.strip_suffix('\n');
    let mut lines = body.ok_or_else(|| damaged("it is cut off"))?.split('\n');
    let header: Header = decode_json(object, "header", lines.next().unwrap_or_default())?;
    if header.shoots != MAGIC {
        return Err(damaged("it is not a history"));
    }
    if header.format > FORMAT {
        let (object, needs) = (object.to_string(), format!("format {}", header.format));
        return Err(Cause::Newer { object, needs }.into());
    }
    let mut all: Vec<Kept> = Vec::new();
    for line in lines {
        if all.len() == MAX_RECORDS {
            return Err(damaged("it holds too many commits"));
        }
        let stored: Stored = decode_json(object, "record", line)?;
        let mut kept = stored
            .kept()
            .map_err(|error| Error::damaged(object, error))?;
        if header.format < FORMAT && kept.gone {
            kept.record.list = None;
        }
        let last = all.last().map(|last| last.record.place());
        if last.is_some_and(|last| last >= kept.record.place()) {
            return Err(damaged("its commits are in no order"));
        }
        all.push(kept);
    }
    Ok(all)
}

impl FrameLog {
    /// Makes bundles of these commits durable, in whatever order they come, and gives their hashes, oldest first. They
    /// count once an entry refers to them; until then a sweep may take them, but not within a day.
    pub(crate) async fn keep_bundles(&self, mut kept: Vec<Kept>) -> Result<Vec<String>> {
        kept.sort_by_cached_key(|kept| kept.record.place());
        kept.dedup_by(|one, other| one.record.id == other.record.id);
        let mut hashes = Vec::new();
        for chunk in chunks(&kept) {
            let (hash, bytes) = encode(chunk, self.unique_id())?;
            let path = self.paths().history(&hash);
            self.objects().create_immutable(&path, bytes).await?;
            hashes.push(hash);
        }
        Ok(hashes)
    }

    /// The commits of a bundle, oldest first.
    pub(crate) async fn bundle(&self, hash: &str) -> Result<Vec<Kept>> {
        let path = self.paths().history(hash);
        let bytes = self.objects().read(&path).await?;
        let bytes = bytes.ok_or_else(|| Error::missing(&path))?;
        decode(&path, hash, &bytes)
    }

    /// The commits of some bundles, one bundle after the other.
    pub(crate) async fn bundles(&self, hashes: &[String]) -> Result<Vec<Kept>> {
        let reads: Vec<_> = hashes.iter().map(|hash| self.bundle(hash)).collect();
        let bundles: Vec<Vec<Kept>> = stream::iter(reads)
            .buffered(PARALLEL_READS)
            .try_collect()
            .await?;
        Ok(bundles.into_iter().flatten().collect())
    }
}

/// The commits in parts of bounded size; one that is larger than a bundle should be has one for itself.
fn chunks(kept: &[Kept]) -> Vec<&[Kept]> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, kept_here) in kept.iter().enumerate() {
        let own = weight(kept_here);
        if at > start && (at - start == FULL_RECORDS || bytes + own > FULL_BYTES) {
            chunks.push(&kept[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += own;
    }
    if start < kept.len() {
        chunks.push(&kept[start..]);
    }
    chunks
}

/// How many bytes a commit takes in a bundle, roughly.
fn weight(kept: &Kept) -> usize {
    let record = &kept.record;
    let links: usize = record.links.iter().map(Bytes::len).sum();
    let listed = record.list.as_ref().map_or(0, Vec::len);
    record.line.len() + links + listed * 300
}

#[cfg(test)]
mod tests;
