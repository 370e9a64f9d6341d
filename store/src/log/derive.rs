//! Changes that depend on what is in the frame.
//!
//! An append is the same whatever the frame holds. An upsert is not: which rows it hides must be looked up, in the
//! state that it will follow. Such a change implements [`Derive`]: given the newest entry it works out a [`Step`],
//! and when another writer comes first it is asked again with that writer's entry. What it looks up in immutable
//! segments it may remember from one call to the next.

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

use super::commit::{Base, Mark, Operation, Retained, SegmentRecord, State, Totals};
use super::details::Details;
use super::entry::Entry;
use super::hidden::HiddenRecord;
use super::plan::NamedSchema;
use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::lineage::tracking::Tracking;

/// A change that is worked out from the newest state of the frame.
#[async_trait]
pub(crate) trait Derive: fmt::Debug + Send + Sync {
    /// What it comes to after `before`; `None` if there is nothing to change. Objects that the step refers to are
    /// durable when this returns.
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>>;

    /// What was asked for, the same in every attempt, and something else for another change as far as that is cheap to
    /// say: see [`super::remembered`].
    fn asked(&self) -> Value {
        Value::Null
    }
}

/// One commit to be, and the state after it.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) operation: Operation,
    /// The frame's schema after it.
    pub(crate) schema: NamedSchema,
    /// The frame's index after it.
    pub(crate) index: Vec<String>,
    pub(crate) added: Vec<SegmentRecord>,
    pub(crate) removed: Vec<String>,
    pub(crate) hidden: Vec<HiddenRecord>,
    /// Visible rows that it hides or removes, unless it takes the place of all or deletes the frame.
    pub(crate) rows_removed: u64,
    /// What the frame holds after it.
    pub(crate) totals: Totals,
    /// The list of segments that it brings back.
    pub(crate) base: Option<Base>,
    /// Bundles with commits that belong to the frame's history from this one on, without being versions.
    pub(crate) history: Vec<String>,
    pub(crate) details: Details,
    pub(crate) edits: Vec<StateEdit>,
}

impl Step {
    /// A step that neither adds nor removes anything.
    pub(crate) fn new(operation: Operation, schema: NamedSchema, totals: Totals) -> Self {
        Self {
            operation,
            schema,
            index: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
            hidden: Vec::new(),
            rows_removed: 0,
            totals,
            base: None,
            history: Vec::new(),
            details: Details::default(),
            edits: Vec::new(),
        }
    }

    /// A step that leaves the frame's rows and columns as they are after `before`.
    pub(crate) async fn bare(log: &FrameLog, before: &Entry, operation: Operation) -> Result<Self> {
        let state = &before.state;
        let schema = log.schema(&state.schema).await?;
        Ok(Self {
            index: state.index.clone(),
            ..Self::new(operation, schema, state.totals())
        })
    }
}

/// A change of what a frame's state holds beside rows and columns.
#[derive(Debug, Clone)]
pub(crate) enum StateEdit {
    /// Names a version; none: the name is free again.
    Tag(String, Option<Mark>),
    /// Holds on to a version for a snapshot; none: lets go.
    Pin(String, Option<Mark>),
    /// Sets a property; null: removes it.
    Property(String, Value),
    Retain(Box<Retained>),
    /// Keeps what is known of the frame at a remote; none: forgets it.
    Tracking(String, Option<Box<Tracking>>),
}

impl StateEdit {
    pub(crate) fn apply(self, state: &mut State) {
        match self {
            Self::Tag(name, Some(mark)) => {
                let replaced = state.tags.insert(name, mark);
                let_go(state, replaced);
            }
            Self::Tag(name, None) => {
                let dropped = state.tags.remove(&name);
                let_go(state, dropped);
            }
            Self::Pin(id, Some(mark)) => {
                state.pins.insert(id, mark);
            }
            Self::Pin(id, None) => {
                let dropped = state.pins.remove(&id);
                let_go(state, dropped);
            }
            Self::Property(key, Value::Null) => {
                state.properties.remove(&key);
            }
            Self::Property(key, value) => {
                state.properties.insert(key, value);
            }
            Self::Retain(retained) => state.retained = *retained,
            Self::Tracking(remote, tracking) => {
                let dropped = match tracking {
                    Some(tracking) => state.tracking.insert(remote, *tracking),
                    None => state.tracking.remove(&remote),
                };
                let_go(state, dropped.and_then(|dropped| dropped.fork));
            }
        }
    }
}

/// A version that only a mark kept is looked at by the next expiry.
fn let_go(state: &mut State, mark: Option<Mark>) {
    let Some(mark) = mark else {
        return;
    };
    if !state.keeps(mark.version) && !state.retained.held.contains(&mark) {
        state.retained.held.push(mark);
    }
}
