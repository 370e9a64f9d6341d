//! One object of the log, as bytes: JSON Lines with a header, the commits, and the state.
//!
//! ```text
//! {"shoots":"entry","format":1,"sequence":42,"first_version":57,"published":"2026-…Z"}
//! {"parents":["…"],"time":"…","write_id":"…","operation":"append","schema":"…","added":[…]}
//! {"digest":"<BLAKE3 of all bytes before this line and of the state>","state":{…}}
//! ```
//!
//! A commit's id is the BLAKE3 hash of its line without the line feed. The digest finds bytes that rotted.
//!
//! A header that names a later format, or a feature that this program does not know, is refused with an error
//! that says which. Everything else must be understood to the letter.

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::commit::{
    Base, Commit, CommitId, Operation, Own, Published, SegmentRecord, State, Totals,
};
use super::hidden::HiddenRecord;
use crate::error::{Cause, Error, Result};
use crate::layout;
use crate::lineage::tracking::Tracking;
use crate::time::Timestamp;

const MAGIC: &str = "entry";
const FORMAT: u32 = 1;
const DIGEST_PREFIX: &str = r#"{"digest":""#;
const STATE_PREFIX: &str = r#"","state":"#;
const DIGEST_LENGTH: usize = 64;
/// The feature of all entries that this program writes: indexes, hidden rows and removed segments, marks, expiry.
/// Entries without it are older and need nothing special.
const HISTORY: &str = "history";
/// The feature of entries that remember request ids, in short.
const REMEMBERED: &str = "remembered";
/// The feature of entries after which the tip is not the last commit, and of those that know of other histories.
const LINEAGE: &str = "lineage";

/// The first line of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    shoots: String,
    format: u32,
    /// What a program must know to read this entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reader_features: Vec<String>,
    /// What a program must know to write the next one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    writer_features: Vec<String>,
    pub(crate) sequence: u64,
    /// The version of the first commit; the others follow.
    pub(crate) first_version: u64,
    pub(crate) published: Timestamp,
}

impl Header {
    /// The header of an entry with this state. `lineage` says that the state's tip counts.
    pub(crate) fn new(
        sequence: u64,
        first_version: u64,
        published: Timestamp,
        state: &State,
        lineage: bool,
    ) -> Self {
        let mut features = vec![HISTORY.to_owned()];
        if !state.remembered.is_empty() {
            features.push(REMEMBERED.to_owned());
        }
        if lineage {
            features.push(LINEAGE.to_owned());
        }
        Self {
            shoots: MAGIC.to_owned(),
            format: FORMAT,
            reader_features: features.clone(),
            writer_features: features,
            sequence,
            first_version,
            published,
        }
    }

    /// Whether the state's tip counts: without a tip there is none.
    pub(crate) fn knows_lineage(&self) -> bool {
        self.reader_features.iter().any(|known| known == LINEAGE)
    }
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) header: Header,
    /// At least one, in the order of their versions.
    pub(crate) commits: Vec<(CommitId, Commit)>,
    pub(crate) state: State,
    /// How long its bytes are.
    pub(crate) encoded_bytes: usize,
}

impl Entry {
    pub(crate) fn last_version(&self) -> u64 {
        self.header.first_version + self.commits.len().saturating_sub(1) as u64
    }

    /// The id of the newest commit.
    pub(crate) fn last_commit(&self) -> Option<&(CommitId, Commit)> {
        self.commits.last()
    }

    /// Whether these are its bytes, as far as its length and its newest write id tell.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        let newest = self.commits.last().map(|(_, commit)| &commit.write_id);
        let told = |text: &str| newest.is_some_and(|id| text.contains(id.as_str()));
        bytes.len() == self.encoded_bytes && str::from_utf8(bytes).is_ok_and(told)
    }

    /// The commit of a version of this entry, with its id.
    pub(crate) fn commit_at(&self, version: u64) -> Option<&(CommitId, Commit)> {
        let place = usize::try_from(version.checked_sub(self.header.first_version)?).ok()?;
        self.commits.get(place)
    }

    /// Its commits with their versions.
    pub(crate) fn versions(&self) -> impl Iterator<Item = (u64, &CommitId, &Commit)> {
        (self.header.first_version..)
            .zip(&self.commits)
            .map(|(version, (id, commit))| (version, id, commit))
    }

    /// The list of segments at a version of this entry: the first change may clear, and none has a base.
    pub(crate) fn list_through(&self, version: u64) -> Base {
        let own = self
            .versions()
            .enumerate()
            .filter(|(_, (of, ..))| *of <= version)
            .map(|(place, (version, _, commit))| {
                Change::of(version, commit, self.state.own.get(place))
            })
            .filter(Change::matters);
        let changes = self.state.tail.iter().cloned().chain(own).collect();
        let checkpoint = self.state.checkpoint.clone();
        Base {
            checkpoint,
            changes,
        }
        .normal()
    }

    /// Whether the frame was deleted at a version of this entry.
    pub(crate) fn deleted_at(&self, version: u64) -> bool {
        if version == self.last_version() {
            return self.state.deleted;
        }
        match self.own_at(version) {
            Some(own) => own.deleted,
            None => {
                let commit = self.versions().find(|(of, ..)| *of == version);
                commit.is_some_and(|(_, _, commit)| commit.operation == Operation::Delete)
            }
        }
    }

    /// Whether a version of this entry begins with a list of segments of its own.
    pub(crate) fn has_base(&self, version: u64) -> bool {
        self.own_at(version).is_some_and(|own| own.base.is_some())
    }

    /// What this store knows of the commit of a version, unless the commit and the state say all.
    pub(crate) fn own_at(&self, version: u64) -> Option<&Own> {
        let place = usize::try_from(version.checked_sub(self.header.first_version)?).ok()?;
        self.state.own.get(place)
    }

    /// How much the frame holds at a version of this entry, if the entry says so.
    pub(crate) fn totals_at(&self, version: u64) -> Option<Totals> {
        if version == self.last_version() {
            return Some(self.state.totals());
        }
        self.own_at(version).map(|own| own.totals)
    }

    /// What the commit of a version became, as its caller heard.
    pub(crate) fn published_at(&self, version: u64) -> Option<Published> {
        let (_, id, commit) = self.versions().find(|(of, ..)| *of == version)?;
        let added = commit.added.iter();
        Some(Published {
            version,
            commit: id.clone(),
            rows: added.clone().map(|segment| segment.rows).sum(),
            bytes: added.map(|segment| segment.bytes).sum(),
            rows_removed: commit.rows_removed,
            frame_rows: self.totals_at(version).map_or(0, |totals| totals.rows),
            columns_added: Vec::new(),
            began: false,
        })
    }

    /// Whether this program may write the entry after this one.
    pub(crate) fn check_writable(&self, object: &Path) -> Result<()> {
        check_features(object, &self.header.writer_features)
    }
}

/// A commit's line and its id.
pub(crate) fn encode_commit(commit: &Commit) -> Result<(CommitId, Vec<u8>)> {
    let line = encode_json(commit)?;
    Ok((blake3::hash(&line).to_hex().to_string(), line))
}

/// The entry's bytes.
pub(crate) fn encode(header: &Header, commits: &[Vec<u8>], state: &State) -> Result<Vec<u8>> {
    let mut bytes = encode_json(header)?;
    for line in commits {
        bytes.push(b'\n');
        bytes.extend_from_slice(line);
    }
    bytes.push(b'\n');
    let state = encode_json(state)?;
    let digest = digest(&bytes, &state);
    bytes.extend_from_slice(DIGEST_PREFIX.as_bytes());
    bytes.extend_from_slice(digest.as_bytes());
    bytes.extend_from_slice(STATE_PREFIX.as_bytes());
    bytes.extend_from_slice(&state);
    bytes.extend_from_slice(b"}\n");
    Ok(bytes)
}

/// Reads an entry that was found under `object`, whose name says `sequence`.
pub(crate) fn decode(object: &Path, sequence: u64, bytes: &[u8]) -> Result<Entry> {
    let damaged = |problem: &str| Error::damaged(object, problem);
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8"))?;
    let body = text
        .strip_suffix('\n')
        .ok_or_else(|| damaged("its last line is cut off"))?;
    let mut lines: Vec<&str> = body.split('\n').collect();

    let header: Header = decode_json(object, "header", lines[0])?;
    if header.shoots != MAGIC {
        return Err(damaged("it is not an entry of a log"));
    }
    if header.format > FORMAT {
        let needs = format!("format {}", header.format);
        return Err(newer(object, needs));
    }
    check_features(object, &header.reader_features)?;
    if header.sequence != sequence {
        return Err(damaged("its number is not the one in its name"));
    }

    let state_line = lines.pop().filter(|_| !lines.is_empty());
    let state_line = state_line.ok_or_else(|| damaged("it has no state"))?;
    let before_state = &bytes[..bytes.len() - state_line.len() - 1];
    let state = decode_state(object, before_state, state_line)?.normal();

    let commits: Vec<(CommitId, Commit)> = lines[1..]
        .iter()
        .map(|line| {
            let id = blake3::hash(line.as_bytes()).to_hex().to_string();
            Ok((id, decode_json(object, "commit", line)?))
        })
        .collect::<Result<_>>()?;
    if commits.is_empty() || header.first_version == 0 {
        return Err(damaged("it publishes no version"));
    }
    let entry = Entry {
        header,
        commits,
        state,
        encoded_bytes: bytes.len(),
    };
    check_names(object, &entry)?;
    Ok(entry)
}

fn decode_state(object: &Path, before: &[u8], line: &str) -> Result<State> {
    let parts = line
        .strip_prefix(DIGEST_PREFIX)
        .and_then(|rest| rest.split_at_checked(DIGEST_LENGTH))
        .and_then(|(digest, rest)| {
            let state = rest.strip_prefix(STATE_PREFIX)?.strip_suffix('}')?;
            Some((digest, state))
        });
    let Some((expected, state)) = parts else {
        return Err(Error::damaged(object, "its last line is not a state"));
    };
    if digest(before, state.as_bytes()) != expected {
        return Err(Error::damaged(
            object,
            "its digest does not match its bytes",
        ));
    }
    decode_json(object, "state", state)
}

fn digest(before: &[u8], state: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before).update(state);
    hasher.finalize().to_hex().to_string()
}

/// No stored id may lead out of the frame's folder, whoever wrote the entry.
fn check_names(object: &Path, entry: &Entry) -> Result<()> {
    let state = &entry.state;
    for (_, commit) in &entry.commits {
        check_segments(object, &commit.added, &commit.removed, &commit.hidden)?;
        layout::check_hex(object, &commit.schema)?;
    }
    check_changes(object, &state.tail)?;
    let tracked = state.tracking.values().flat_map(Tracking::names);
    let known = state.own.iter().flat_map(|own| &own.history);
    let tip = state.tip.iter().map(|tip| &tip.commit);
    for name in tracked.chain(known).chain(tip) {
        layout::check_hex(object, name)?;
    }
    for base in state.own.iter().filter_map(|own| own.base.as_ref()) {
        check_changes(object, &base.changes)?;
        if let Some(hash) = &base.checkpoint {
            layout::check_hex(object, hash)?;
        }
    }
    let condemned = state.retained.condemned.iter().map(|list| &list.list);
    for name in condemned.chain([&state.schema]).chain(&state.checkpoint) {
        layout::check_hex(object, name)?;
    }
    Ok(())
}

/// The same for the changes of a list of segments.
pub(crate) fn check_changes(object: &Path, changes: &[Change]) -> Result<()> {
    for change in changes {
        layout::check_hex(object, &change.schema)?;
        check_segments(object, &change.added, &change.removed, &change.hidden)?;
        if let Some(base) = &change.base {
            check_changes(object, &base.changes)?;
            if let Some(hash) = &base.checkpoint {
                layout::check_hex(object, hash)?;
            }
        }
    }
    Ok(())
}

/// The same for segments and what is hidden of them.
pub(crate) fn check_segments(
    object: &Path,
    added: &[SegmentRecord],
    removed: &[String],
    hidden: &[HiddenRecord],
) -> Result<()> {
    let added = added.iter().map(|segment| &segment.id);
    let vectors = hidden
        .iter()
        .filter_map(|hidden| Some(&hidden.vector.as_ref()?.id));
    for name in added.chain(removed).chain(vectors) {
        layout::check_hex(object, name)?;
    }
    match hidden.iter().find(|hidden| !hidden.is_sound()) {
        Some(hidden) => {
            let problem = format!("its count of hidden rows of {} is wrong", hidden.segment);
            Err(Error::damaged(object, problem))
        }
        None => Ok(()),
    }
}

fn check_features(object: &Path, features: &[String]) -> Result<()> {
    let unknown = |feature: &&String| ![HISTORY, REMEMBERED, LINEAGE].contains(&feature.as_str());
    match features.iter().find(unknown) {
        None => Ok(()),
        Some(feature) => Err(newer(object, format!("the feature `{feature}`"))),
    }
}

fn newer(object: &Path, needs: String) -> Error {
    let object = object.to_string();
    Cause::Newer { object, needs }.into()
}

pub(crate) fn encode_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::io("encoding a record", error))
}

pub(crate) fn decode_json<'de, T: Deserialize<'de>>(
    object: &Path,
    part: &str,
    text: &'de str,
) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| Error::damaged(object, format!("its {part} cannot be read: {error}")))
}
