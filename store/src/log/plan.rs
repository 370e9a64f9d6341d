//! Computing the next entry: which of the waiting changes apply to the newest state, and what it is after them.
//!
//! A pure function of the newest entry, the proposals and the time, so that a lost race costs no more than
//! calling it again with a newer entry. Each proposal is judged against the state that those before it leave.
//!
//! Most changes of a frame depend on what is in it, and what they come to is worked out from the newest entry
//! before this: see [`super::derive`]. Here such a change is just a [`Step`], and always the first of its entry.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use serde_json::{Map, Value};
use shoots_proto::{Note, PutMode};

use super::change::{Change, mentions};
use super::commit::{
    Base, Commit, CommitId, Mark, Operation, Own, Published, SegmentRecord, State, Totals,
};
use super::derive::{StateEdit, Step};
use super::details::Details;
use super::entry::{Entry, Header, encode_commit};
use super::foreign::{Arrivals, Arriving};
use super::noted::Noted;
use super::tip::Tip;
use crate::edit::rename;
use crate::error::{Cause, Error, Result};
use crate::lineage::tracking::Tracking;
use crate::schema::evolve;
use crate::sync::promise;
use crate::time::Timestamp;

pub(crate) use super::proposal::{NamedSchema, Proposal, PutWish, Rows, Wish};

/// Changes since the checkpoint that an entry's state and commits hold at most.
pub(crate) const MAX_CHANGES: usize = 64;
/// Segments in those changes; one put with more is followed by a checkpoint.
const MAX_TAIL_SEGMENTS: usize = 256;

/// What was worked out from the newest entry before the next one is planned.
pub(crate) enum Worked {
    Step(Box<Step>),
    Foreign(Box<Arrivals>),
}

/// The next entry, and what it does for each proposal, in their order.
pub(crate) struct Plan {
    /// None if no proposal applies.
    pub(crate) next: Option<Next>,
    /// None: there was nothing to change.
    pub(crate) outcomes: Vec<Result<Option<Published>>>,
}

pub(crate) struct Next {
    pub(crate) header: Header,
    pub(crate) commits: Vec<(CommitId, Commit)>,
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) state: State,
    /// The changes that a checkpoint must hold before this entry may be written; its hash goes into the state.
    pub(crate) checkpoint: Option<Vec<Change>>,
}

/// What the caller of an earlier attempt heard, by the version that it got.
pub(crate) type Answers = HashMap<u64, Result<Published>>;

/// What the next entry follows.
pub(crate) struct Basis<'a> {
    pub(crate) frame: &'a str,
    /// The newest entry; none: there is no log.
    pub(crate) before: Option<&'a Entry>,
    /// The schema after it.
    pub(crate) schema: Option<&'a NamedSchema>,
    /// The tip after it.
    pub(crate) tip: Option<Tip>,
}

/// Judges the proposals against the newest entry. `answers` has the versions of those that were published before,
/// `worked` is what the first one comes to, if that was to be worked out.
pub(crate) fn plan(
    basis: Basis<'_>,
    proposals: &[Proposal],
    answers: Answers,
    mut worked: Option<Result<Option<Worked>>>,
    now: Timestamp,
) -> Plan {
    let before = basis.before;
    let mut draft = Draft::after(basis, now);
    draft.answers = answers;
    let outcomes = proposals
        .iter()
        .map(|proposal| draft.apply(proposal, worked.take()))
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
    sequence: u64,
    /// What the next commit follows.
    tip: Option<Tip>,
    /// The latest time of a commit that the next one must be later than.
    latest: Option<Timestamp>,
    /// Of the last commit.
    metadata: Option<Map<String, Value>>,
    /// Of the last commit before that changed rows or columns.
    noted: Noted,
    commits: Vec<(CommitId, Commit)>,
    lines: Vec<Vec<u8>>,
    own: Vec<Own>,
    schemas: HashMap<Arc<str>, SchemaRef>,
    answers: Answers,
    /// None: the frame has never been.
    state: Option<State>,
}

impl<'a> Draft<'a> {
    fn after(basis: Basis<'a>, now: Timestamp) -> Self {
        let before = basis.before;
        let last = before.and_then(Entry::last_commit).map(|(_, last)| last);
        let named = basis.schema;
        let named = named.map(|named| (named.hash.clone(), named.schema.clone()));
        let tip_time = basis.tip.as_ref().map(|tip| tip.time);
        Self {
            frame: basis.frame,
            now,
            first_version: before.map_or(1, |entry| entry.last_version() + 1),
            sequence: before.map_or(1, |entry| entry.header.sequence + 1),
            tip: basis.tip,
            latest: last.map(|last| last.time).max(tip_time),
            metadata: last.and_then(|last| last.metadata.clone()),
            noted: before.map_or_else(Noted::default, |entry| {
                Noted::at(entry, entry.last_version())
            }),
            commits: Vec::new(),
            lines: Vec::new(),
            own: Vec::new(),
            schemas: named.into_iter().collect(),
            answers: Answers::new(),
            state: before.map(|entry| entry.state.clone()),
        }
    }

    fn exists(&self) -> bool {
        self.state.as_ref().is_some_and(|state| !state.deleted)
    }

    fn apply(
        &mut self,
        proposal: &Proposal,
        worked: Option<Result<Option<Worked>>>,
    ) -> Result<Option<Published>> {
        if let Some(first) = self.answered(proposal)? {
            return Ok(Some(first));
        }
        let purged = self.state.as_ref().map_or(0, |state| state.retained.purged);
        if proposal.basis.is_some_and(|basis| basis < purged) {
            let problem = format!("frame {} was purged meanwhile", self.frame);
            return Err(Cause::Conflict(problem).into());
        }
        self.expect_metadata(proposal.expected.as_ref())?;
        let published = match &proposal.wish {
            Wish::Put(put) => self.apply_put(proposal, put)?,
            Wish::Delete { adopt } => {
                self.adopt(proposal, adopt.as_ref())?;
                self.expect_live()?;
                self.commit(proposal, self.bare_step(Operation::Delete)?)?
            }
            Wish::Undelete => match &self.state {
                Some(state) if state.deleted && state.retained.emptied => {
                    let name = format!(
                        "{} (it was deleted too long ago to bring it back)",
                        self.frame
                    );
                    return Err(Cause::NotFound {
                        what: "frame",
                        name,
                    }
                    .into());
                }
                Some(state) if state.deleted => {
                    self.commit(proposal, self.bare_step(Operation::Undelete)?)?
                }
                Some(_) => return Err(self.exists_already()),
                None => return Err(self.not_found()),
            },
            Wish::Adopt(rows) => match self.adopt(proposal, Some(rows))? {
                Some(published) => published,
                None => return Ok(None),
            },
            Wish::Derived(_) | Wish::Foreign(_) => match worked.transpose()?.flatten() {
                Some(Worked::Step(step)) => self.commit(proposal, *step)?,
                Some(Worked::Foreign(arrivals)) => match self.arrive(*arrivals) {
                    Some(last) => last,
                    None => return Ok(None),
                },
                None => return Ok(None),
            },
        };
        self.remember(proposal, &published);
        Ok(Some(published))
    }

    /// What the caller of an earlier attempt of the same change heard.
    fn answered(&self, proposal: &Proposal) -> Result<Option<Published>> {
        let (Some(state), Some(key)) = (&self.state, &proposal.request) else {
            return Ok(None);
        };
        let Some(version) = state.remembered.answered(key)? else {
            return Ok(None);
        };
        match self.answers.get(&version) {
            Some(answer) => answer.clone().map(Some),
            None => Err(self.changed()),
        }
    }

    fn apply_put(&mut self, proposal: &Proposal, put: &PutWish) -> Result<Published> {
        self.adopt(proposal, put.adopt.as_ref())?;
        let rows = &put.rows;
        let exists = self.exists();
        let (operation, schema) = match put.mode {
            PutMode::Error if exists => return Err(self.there()),
            PutMode::Append if exists => (Operation::Append, self.appended_schema(put)?),
            PutMode::Replace if exists => (Operation::Replace, rows.schema.clone()),
            _ => (Operation::Create, rows.schema.clone()),
        };
        let index = put.index.clone();
        let segments = rows.segments.clone();
        let step = self.rows_step(operation, schema, index, segments);
        self.commit(proposal, step)
    }

    fn remember(&mut self, proposal: &Proposal, published: &Published) {
        let (Some(key), Some(state)) = (&proposal.request, &mut self.state) else {
            return;
        };
        state.remembered.remember(key, published.version);
        let answer = Published {
            began: false,
            ..published.clone()
        };
        self.answers.insert(published.version, Ok(answer));
    }

    /// A frame that was only a plain file so far becomes one with a history, whose first version is the file.
    fn adopt(&mut self, proposal: &Proposal, rows: Option<&Rows>) -> Result<Option<Published>> {
        let Some(rows) = rows.filter(|_| self.state.is_none()) else {
            return Ok(None);
        };
        let adoption = Proposal {
            note: Note::default(),
            ..proposal.clone()
        };
        let (schema, segments) = (rows.schema.clone(), rows.segments.clone());
        let step = self.rows_step(Operation::Adopt, schema, Vec::new(), segments);
        self.commit(&adoption, step).map(Some)
    }

    /// The schema of the frame when rows are appended that were fitted to an earlier state of it.
    fn appended_schema(&self, put: &PutWish) -> Result<NamedSchema> {
        let state = self.state.as_ref().filter(|state| state.index == put.index);
        let present = state.map(|state| state.schema.as_str());
        let present = present.and_then(|hash| self.schemas.get_key_value(hash));
        let Some((present_hash, present)) = present else {
            return Err(self.changed());
        };
        let wanted = &put.rows.schema;
        if wanted.hash == *present_hash || holds(present, &wanted.schema) {
            Ok(NamedSchema {
                hash: present_hash.clone(),
                schema: present.clone(),
            })
        } else if holds(&wanted.schema, present) {
            Ok(wanted.clone())
        } else {
            Err(self.changed())
        }
    }

    /// Rows that follow the present ones, or take the place of all.
    fn rows_step(
        &self,
        operation: Operation,
        schema: NamedSchema,
        index: Vec<String>,
        added: Vec<SegmentRecord>,
    ) -> Step {
        let present = self.state.as_ref().filter(|_| !operation.clears());
        let totals = present.map(State::totals).unwrap_or_default();
        let totals = totals.with(&added);
        Step {
            added,
            index,
            ..Step::new(operation, schema, totals)
        }
    }

    /// A change that leaves rows and columns as they are.
    fn bare_step(&self, operation: Operation) -> Result<Step> {
        let state = self.state.as_ref().ok_or_else(|| self.not_found())?;
        let hash = state.schema.as_str();
        let known = self.schemas.get_key_value(hash);
        let (hash, schema) = known.ok_or_else(|| self.changed())?;
        let schema = NamedSchema {
            hash: hash.clone(),
            schema: schema.clone(),
        };
        Ok(Step {
            index: state.index.clone(),
            ..Step::new(operation, schema, state.totals())
        })
    }

    fn commit(&mut self, proposal: &Proposal, step: Step) -> Result<Published> {
        let earliest = self.latest.map(Timestamp::next);
        let rows_removed = self.rows_removed(&step);
        let details = Some(step.details).filter(|details| *details != Details::default());
        let commit = Commit {
            parents: self.tip.iter().map(|tip| tip.commit.clone()).collect(),
            time: earliest.map_or(self.now, |earliest| self.now.max(earliest)),
            write_id: proposal.write_id.clone(),
            operation: step.operation,
            schema: step.schema.hash.to_string(),
            index: step.index,
            added: step.added,
            removed: step.removed,
            hidden: step.hidden,
            rows_removed,
            details,
            author: proposal.note.author.clone(),
            message: proposal.note.message.clone(),
            metadata: match &proposal.note.metadata {
                // What was said about the rows stays true when others look after them.
                None if step.operation.is_upkeep() => self.metadata.take(),
                metadata => metadata.clone(),
            },
        };
        self.metadata.clone_from(&commit.metadata);
        let (id, line) = encode_commit(&commit)?;
        let added = commit.added.iter();
        let published = Published {
            version: self.first_version + self.commits.len() as u64,
            commit: id.clone(),
            rows: added.clone().map(|segment| segment.rows).sum(),
            bytes: added.map(|segment| segment.bytes).sum(),
            rows_removed: commit.rows_removed,
            frame_rows: step.totals.rows,
            columns_added: self.columns_added(step.operation, &step.schema.schema),
            began: !self.exists() && !step.operation.keeps_deleted(),
        };
        self.schemas
            .insert(step.schema.hash.clone(), step.schema.schema.clone());
        let mut state = self.state.take().unwrap_or_default();
        follow(&mut state, &commit, step.totals);
        for edit in step.edits {
            edit.apply(&mut state);
        }
        let own = Own {
            base: step.base,
            history: step.history,
            ..Own::plain(step.totals, state.deleted)
        };
        self.state = Some(state);
        self.push(id, commit, line, own);
        Ok(published)
    }

    /// The columns that come beside those that are there.
    fn columns_added(&self, operation: Operation, schema: &Schema) -> Vec<String> {
        let present = self.state.as_ref().filter(|_| !operation.clears());
        let present = present.and_then(|state| self.schemas.get(state.schema.as_str()));
        present.map_or_else(Vec::new, |present| evolve::added_columns(present, schema))
    }

    /// Commits of another store, as they are; tells what became of the last.
    fn arrive(&mut self, arrivals: Arrivals) -> Option<Published> {
        let named = arrivals.schema;
        self.schemas.insert(named.hash, named.schema);
        let mut last = None;
        for arriving in arrivals.commits {
            let Arriving { id, commit, .. } = arriving;
            let mut own = arriving.own;
            let version = self.first_version + self.commits.len() as u64;
            let began = !self.exists();
            let mut state = self.state.take().unwrap_or_default();
            follow(&mut state, &commit, own.totals);
            let retained = &mut state.retained;
            retained.emptied = arriving.empties || (retained.emptied && own.base.is_none());
            if arriving.gone {
                retained.forgotten.push(version);
            }
            if arriving.revives {
                let sequence = self.sequence;
                retained.revived.push(Mark { version, sequence });
            }
            own.deleted = state.deleted;
            self.state = Some(state);
            self.metadata.clone_from(&commit.metadata);
            let added = commit.added.iter();
            last = Some(Published {
                version,
                commit: id.clone(),
                rows: added.clone().map(|segment| segment.rows).sum(),
                bytes: added.map(|segment| segment.bytes).sum(),
                rows_removed: commit.rows_removed,
                frame_rows: own.totals.rows,
                columns_added: Vec::new(),
                began: began && !own.deleted,
            });
            self.push(id, commit, arriving.line, own);
        }
        if let (Some(condemned), Some(state)) = (arrivals.condemned, &mut self.state) {
            state.retained.condemned = condemned;
        }
        if let (Some(promised), Some(state)) = (arrivals.promised, &mut self.state) {
            state
                .properties
                .insert(promise::PROPERTY.to_owned(), promised);
        }
        if let (Some((remote, tracking)), Some(state)) = (arrivals.tracks, &mut self.state) {
            let version = last.as_ref().map_or(0, |last| last.version);
            let is_last = tracking.common == last.as_ref().map(|last| last.commit.clone());
            let sequence = self.sequence;
            let tracking = Tracking {
                // The other commits that it may be are no versions: a merge has brought them.
                fork: is_last.then_some(Mark { version, sequence }),
                ..tracking
            };
            StateEdit::Tracking(remote, Some(Box::new(tracking))).apply(state);
        }
        last
    }

    /// Adds a commit to the entry, after whatever it says has become of the state.
    fn push(&mut self, id: CommitId, commit: Commit, line: Vec<u8>, own: Own) {
        let version = self.first_version + self.commits.len() as u64;
        self.tip = Tip::after(self.tip.take(), &id, &commit, version, self.sequence);
        self.latest = self.latest.max(Some(commit.time));
        self.own.push(own);
        self.commits.push((id, commit));
        self.lines.push(line);
    }

    /// How many visible rows a step takes away.
    fn rows_removed(&self, step: &Step) -> u64 {
        let takes_all = match step.operation {
            Operation::Delete | Operation::Purge => true,
            operation => operation.clears(),
        };
        let visible = self.state.as_ref().filter(|state| !state.deleted);
        match visible {
            Some(state) if takes_all => state.rows,
            None if takes_all => 0,
            _ => step.rows_removed,
        }
    }

    fn finish(mut self, before: Option<&Entry>, now: Timestamp) -> Option<Next> {
        let mut state = self.state.take().filter(|_| !self.commits.is_empty())?;
        let first = self.commits.first().map(|(_, commit)| commit);
        let noted = std::mem::take(&mut self.noted);
        noted.keep(&mut state, self.first_version, first);
        let earlier = before.map(|entry| entry.list_through(entry.last_version()));
        let Base {
            checkpoint,
            changes: mut tail,
        } = earlier.unwrap_or_default();
        state.checkpoint = checkpoint;
        let full =
            tail.len() + self.commits.len() > MAX_CHANGES || mentions(&tail) > MAX_TAIL_SEGMENTS;
        let checkpoint = full.then(|| std::mem::take(&mut tail));
        state.tail = tail;
        let lineage = !self.is_old_style(&state);
        state.tip = self.tip.filter(|_| lineage);
        state.own = if self.own.len() == 1 && self.own.iter().all(Own::is_plain) {
            Vec::new()
        } else {
            self.own
        };
        let published = before.map_or(now, |entry| now.max(entry.header.published.next()));
        Some(Next {
            header: Header::new(
                self.sequence,
                self.first_version,
                published,
                &state,
                lineage,
            ),
            commits: self.commits,
            lines: self.lines,
            state,
            checkpoint,
        })
    }

    /// Whether a program that knows nothing of lineages reads the entry right, and writes the next one right.
    fn is_old_style(&self, state: &State) -> bool {
        let last = self.commits.last().map(|(id, _)| id);
        let merges = |commit: &Commit| commit.operation == Operation::Merge;
        last == self.tip.as_ref().map(|tip| &tip.commit)
            && state.tracking.is_empty()
            && self.own.iter().all(Own::is_local)
            && !self.commits.iter().any(|(_, commit)| merges(commit))
    }

    fn expect_metadata(&self, expected: Option<&(String, Value)>) -> Result<()> {
        let Some((key, value)) = expected else {
            return Ok(());
        };
        let said = self.metadata.as_ref().and_then(|said| said.get(key));
        if said == Some(value) && self.exists() {
            return Ok(());
        }
        let problem = format!("another writer changed frame {} meanwhile", self.frame);
        Err(Cause::Conflict(problem).into())
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

    fn there(&self) -> Error {
        let frame = self.frame.to_owned();
        Cause::FrameThere { frame }.into()
    }

    fn changed(&self) -> Error {
        let problem = format!("another writer changed the columns of frame {}", self.frame);
        Cause::Conflict(problem).into()
    }
}

/// Makes a state the one after a commit, but for its place in the list of segments, which is the entry's matter.
fn follow(state: &mut State, commit: &Commit, totals: Totals) {
    state.schema.clone_from(&commit.schema);
    state.index.clone_from(&commit.index);
    state.retained.emptied &= !commit.operation.clears();
    state.deleted = commit.leaves_deleted(state.deleted);
    state.set_totals(totals);
    if !rename::leaves_as_begun(commit.operation) {
        state.properties.remove(rename::PROPERTY);
    }
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
