//! Computing the next entry: which of the waiting changes apply to the newest state, and what it is after them.
//!
//! A pure function of the newest entry, the proposals and the time, so that a lost race costs no more than
//! calling it again with a newer entry. Each proposal is judged against the state that those before it leave.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use serde_json::{Map, Value};
use shoots_proto::put::PutMode;

use super::commit::{
    Change, Commit, CommitId, Operation, Published, REMEMBERED_REQUESTS, Request, SegmentRecord,
    State,
};
use super::entry::{Entry, Header, encode_commit};
use crate::error::{Cause, Error, Result};
use crate::time::Timestamp;

/// Changes since the checkpoint that an entry's state and commits hold at most.
pub(crate) const MAX_CHANGES: usize = 64;
/// Segments in those changes; one put with more is followed by a checkpoint.
const MAX_TAIL_SEGMENTS: usize = 256;

/// A change that waits to be published. Its segments are durable.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    pub(crate) wish: Wish,
    pub(crate) write_id: String,
    pub(crate) note: CommitNote,
}

/// What people say about a change.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommitNote {
    pub(crate) author: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Put(Box<PutWish>),
    Delete {
        /// The plain file's rows, if the frame is one that was never written.
        adopt: Option<Rows>,
    },
    Undelete,
}

#[derive(Debug, Clone)]
pub(crate) struct PutWish {
    pub(crate) mode: PutMode,
    /// [`Request::key`] of the caller's request id.
    pub(crate) request: Option<String>,
    pub(crate) rows: Rows,
    /// The plain file's rows, if the frame is one that was never written.
    pub(crate) adopt: Option<Rows>,
}

/// Rows that lie in segments, and the schema that the frame has when they are in it.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) schema: NamedSchema,
    pub(crate) segments: Vec<SegmentRecord>,
}

impl Rows {
    fn count(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows).sum()
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

/// A schema and the hash that names its object.
#[derive(Debug, Clone)]
pub(crate) struct NamedSchema {
    pub(crate) hash: Arc<str>,
    pub(crate) schema: SchemaRef,
}

/// The next entry, and what it does for each proposal, in their order.
pub(crate) struct Plan {
    /// None if no proposal applies.
    pub(crate) next: Option<Next>,
    pub(crate) outcomes: Vec<Result<Published>>,
}

pub(crate) struct Next {
    pub(crate) header: Header,
    pub(crate) commits: Vec<(CommitId, Commit)>,
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) state: State,
    /// The changes that a checkpoint must hold before this entry may be written; its hash goes into the state.
    pub(crate) checkpoint: Option<Vec<Change>>,
}

/// Judges the proposals against the newest entry.
pub(crate) fn plan(
    frame: &str,
    before: Option<&Entry>,
    head_schema: Option<&NamedSchema>,
    proposals: &[Proposal],
    now: Timestamp,
) -> Plan {
    let mut draft = Draft::after(frame, before, head_schema, now);
    let outcomes = proposals
        .iter()
        .map(|proposal| draft.apply(proposal))
        .collect();
    Plan {
        next: draft.finish(before, now),
        outcomes,
    }
}

/// The state while proposals are applied.
struct Draft<'a> {
    frame: &'a str,
    now: Timestamp,
    first_version: u64,
    last: Option<(CommitId, Timestamp)>,
    commits: Vec<(CommitId, Commit)>,
    lines: Vec<Vec<u8>>,
    schemas: HashMap<Arc<str>, SchemaRef>,
    /// None: the frame has never been.
    state: Option<State>,
}

impl<'a> Draft<'a> {
    fn after(
        frame: &'a str,
        before: Option<&Entry>,
        head_schema: Option<&NamedSchema>,
        now: Timestamp,
    ) -> Self {
        let last = before.and_then(Entry::last_commit);
        let named = head_schema.map(|named| (named.hash.clone(), named.schema.clone()));
        Self {
            frame,
            now,
            first_version: before.map_or(1, |entry| entry.last_version() + 1),
            last: last.map(|(id, commit)| (id.clone(), commit.time)),
            commits: Vec::new(),
            lines: Vec::new(),
            schemas: named.into_iter().collect(),
            state: before.map(|entry| entry.state.clone()),
        }
    }

    fn exists(&self) -> bool {
        self.state.as_ref().is_some_and(|state| !state.deleted)
    }

    fn apply(&mut self, proposal: &Proposal) -> Result<Published> {
        match &proposal.wish {
            Wish::Put(put) => self.apply_put(proposal, put),
            Wish::Delete { adopt } => {
                self.adopt(proposal, adopt.as_ref())?;
                self.expect_live()?;
                self.commit(proposal, Operation::Delete, None)
            }
            Wish::Undelete => match &self.state {
                Some(state) if state.deleted => self.commit(proposal, Operation::Undelete, None),
                Some(_) => Err(self.exists_already()),
                None => Err(self.not_found()),
            },
        }
    }

    fn apply_put(&mut self, proposal: &Proposal, put: &PutWish) -> Result<Published> {
        let remembered = self.state.as_ref().zip(put.request.as_ref());
        if let Some(first) = remembered.and_then(|(state, key)| state.answered(key)) {
            return Ok(first);
        }
        self.adopt(proposal, put.adopt.as_ref())?;
        let rows = &put.rows;
        let name = |schema: &NamedSchema| (schema.hash.clone(), schema.schema.clone());
        self.schemas.extend([name(&rows.schema)]);
        let (operation, schema) = match put.mode {
            PutMode::Error if self.exists() => return Err(self.exists_already()),
            PutMode::Append if self.exists() => (Operation::Append, self.appended_schema(rows)?),
            PutMode::Replace if self.exists() => (Operation::Replace, rows.schema.hash.clone()),
            PutMode::Error | PutMode::Append | PutMode::Replace => {
                (Operation::Create, rows.schema.hash.clone())
            }
            PutMode::Update | PutMode::Upsert => {
                let problem = format!("`{}` needs an index, and the frame has none", put.mode);
                return Err(Error::invalid("mode", problem));
            }
        };
        let published = self.commit(proposal, operation, Some((schema, rows)))?;
        self.remember(put, &published);
        Ok(published)
    }

    fn remember(&mut self, put: &PutWish, published: &Published) {
        let (Some(key), Some(state)) = (&put.request, &mut self.state) else {
            return;
        };
        state.requests.push_back(Request {
            id: key.clone(),
            version: published.version,
            commit: published.commit.clone(),
            rows: published.rows,
            bytes: published.bytes,
        });
        if state.requests.len() > REMEMBERED_REQUESTS {
            state.requests.pop_front();
        }
    }

    /// A frame that was only a plain file so far becomes one with a history, whose first version is the file.
    fn adopt(&mut self, proposal: &Proposal, rows: Option<&Rows>) -> Result<()> {
        let Some(rows) = rows.filter(|_| self.state.is_none()) else {
            return Ok(());
        };
        let schema = rows.schema.hash.clone();
        self.schemas
            .insert(schema.clone(), rows.schema.schema.clone());
        let adoption = Proposal {
            note: CommitNote::default(),
            ..proposal.clone()
        };
        self.commit(&adoption, Operation::Adopt, Some((schema, rows)))?;
        Ok(())
    }

    /// The schema of the frame when rows are appended that were fitted to an earlier state of it.
    fn appended_schema(&self, rows: &Rows) -> Result<Arc<str>> {
        let present = self.state.as_ref().map(|state| state.schema.as_str());
        let present = present.and_then(|hash| self.schemas.get_key_value(hash));
        let Some((present_hash, present)) = present else {
            return Err(self.changed());
        };
        let wanted = &rows.schema;
        if wanted.hash == *present_hash || holds(present, &wanted.schema) {
            Ok(present_hash.clone())
        } else if holds(&wanted.schema, present) {
            Ok(wanted.hash.clone())
        } else {
            Err(self.changed())
        }
    }

    fn commit(
        &mut self,
        proposal: &Proposal,
        operation: Operation,
        rows: Option<(Arc<str>, &Rows)>,
    ) -> Result<Published> {
        let schema = match (&rows, &self.state) {
            (Some((schema, _)), _) => schema.to_string(),
            (None, Some(state)) => state.schema.clone(),
            (None, None) => return Err(self.not_found()),
        };
        let added = rows.map(|(_, rows)| rows);
        let earliest = self.last.as_ref().map(|(_, time)| time.next());
        let commit = Commit {
            parents: self.last.iter().map(|(id, _)| id.clone()).collect(),
            time: earliest.map_or(self.now, |earliest| self.now.max(earliest)),
            write_id: proposal.write_id.clone(),
            operation,
            schema,
            added: added.map(|rows| rows.segments.clone()).unwrap_or_default(),
            author: proposal.note.author.clone(),
            message: proposal.note.message.clone(),
            metadata: proposal.note.metadata.clone(),
        };
        let (id, line) = encode_commit(&commit)?;
        let published = Published {
            version: self.first_version + self.commits.len() as u64,
            commit: id.clone(),
            rows: added.map(Rows::count).unwrap_or_default(),
            bytes: added.map(Rows::bytes).unwrap_or_default(),
            began: matches!(operation, Operation::Create | Operation::Undelete),
        };
        self.state = Some(state_after(self.state.take(), &commit));
        self.last = Some((id.clone(), commit.time));
        self.commits.push((id, commit));
        self.lines.push(line);
        Ok(published)
    }

    fn finish(self, before: Option<&Entry>, now: Timestamp) -> Option<Next> {
        let mut state = self.state.filter(|_| !self.commits.is_empty())?;
        let earlier = before.map(|entry| entry.changes_through(entry.last_version()));
        let mut tail = earlier.unwrap_or_default();
        if let Some(start) = tail.iter().rposition(|change| change.clears) {
            tail.drain(..start);
            state.checkpoint = None;
        }
        let segments: usize = tail.iter().map(|change| change.added.len()).sum();
        let full = tail.len() + self.commits.len() > MAX_CHANGES || segments > MAX_TAIL_SEGMENTS;
        let checkpoint = full.then(|| std::mem::take(&mut tail));
        state.tail = tail;
        let published = before.map_or(now, |entry| now.max(entry.header.published.next()));
        let sequence = before.map_or(1, |entry| entry.header.sequence + 1);
        Some(Next {
            header: Header::new(sequence, self.first_version, published),
            commits: self.commits,
            lines: self.lines,
            state,
            checkpoint,
        })
    }

    fn expect_live(&self) -> Result<()> {
        if self.exists() {
            Ok(())
        } else {
            Err(self.not_found())
        }
    }

    fn not_found(&self) -> Error {
        let (what, name) = ("frame", self.frame.to_owned());
        Cause::NotFound { what, name }.into()
    }

    fn exists_already(&self) -> Error {
        let (what, name) = ("frame", self.frame.to_owned());
        Cause::AlreadyExists { what, name }.into()
    }

    fn changed(&self) -> Error {
        let problem = format!("another writer changed the columns of frame {}", self.frame);
        Cause::Conflict(problem).into()
    }
}

/// The state after a commit, but for its place in the list of segments, which is the entry's matter.
fn state_after(before: Option<State>, commit: &Commit) -> State {
    let mut state = before.unwrap_or_else(|| State {
        schema: String::new(),
        deleted: false,
        rows: 0,
        bytes: 0,
        segments: 0,
        index: Vec::new(),
        properties: std::collections::BTreeMap::new(),
        tags: std::collections::BTreeMap::new(),
        requests: std::collections::VecDeque::new(),
        checkpoint: None,
        tail: Vec::new(),
    });
    if commit.operation.clears() {
        (state.rows, state.bytes, state.segments) = (0, 0, 0);
    }
    state.schema.clone_from(&commit.schema);
    state.deleted = commit.operation == Operation::Delete;
    state.rows += commit.added.iter().map(|segment| segment.rows).sum::<u64>();
    state.bytes += commit
        .added
        .iter()
        .map(|segment| segment.bytes)
        .sum::<u64>();
    state.segments += commit.added.len() as u64;
    state
}

/// Whether rows of schema `other` are rows of `schema` as they stand: the same but for metadata and for columns
/// that may be null in `schema` and not in `other`.
fn holds(schema: &Schema, other: &Schema) -> bool {
    schema.fields().len() == other.fields().len()
        && schema.fields().iter().zip(other.fields()).all(|(a, b)| {
            let nullable = a.is_nullable() || !b.is_nullable();
            a.name() == b.name() && a.data_type() == b.data_type() && nullable
        })
}
