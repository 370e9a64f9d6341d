//! The replay: one commit after the other, done to whatever is there.
//!
//! A commit that finds the frame as its author found it is applied as it is recorded: its segments join, and those
//! that it names are removed or hidden. Any other is done once more by what it means (see the table in [`super`]).

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow_schema::SchemaRef;

use super::columns::{Columns, View};
use super::conflict::{Stop, index};
use super::rows::LiveRows;
use super::settle::{Graph, Node};
use super::unknown::Unknown;
use super::{Start, meaning};
use crate::error::{Error, Result};
use crate::frame_log::FrameLog;
use crate::index::{KeyValue, Span};
use crate::lineage::record::{Listed, Record};
use crate::log::change::Segment;
use crate::log::commit::{Commit, CommitId, Operation};
use crate::log::plan::NamedSchema;

/// A frame while histories are replayed.
pub(super) struct Replay<'a> {
    pub(super) log: &'a FrameLog,
    records: &'a [Record],
    graph: &'a Graph,
    start: &'a Start,
    /// What the segments that join are noted under.
    version: u64,
    /// None: there has been no frame so far.
    pub(super) table: Option<Table>,
    pub(super) deleted: bool,
    /// The commit whose rows and columns all others build on.
    epoch: Node,
    /// The same as the line of each commit has it.
    epochs: Vec<Node>,
    /// The commits that no other one follows, as far as the replay has come.
    tips: BTreeSet<Node>,
    /// Segments that were written on the way.
    pub(super) written: Vec<String>,
    /// Commits whose own rows are no longer here.
    pub(super) gone: HashSet<CommitId>,
    /// Since when the rows are not known.
    pub(super) unknown: Option<Unknown>,
}

/// Rows and columns.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Columns,
    pub(super) rows: LiveRows,
}

/// A commit that is done once more by what it means, with the columns that its line had.
pub(super) struct Meant<'a> {
    pub(super) commit: &'a Commit,
    id: &'a str,
    before: SchemaRef,
    after: SchemaRef,
    same_epoch: bool,
}

impl Meant<'_> {
    pub(super) fn view(&self) -> View<'_> {
        View {
            before: &self.before,
            after: &self.after,
            index: &self.commit.index,
            same_epoch: self.same_epoch,
            commit: self.id,
        }
    }
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        log: &'a FrameLog,
        records: &'a [Record],
        graph: &'a Graph,
        start: &'a Start,
        version: u64,
    ) -> Self {
        let table = start.schema.as_ref().map(|schema| Table {
            columns: Columns::new(Arc::clone(&schema.schema), start.index.clone()),
            rows: LiveRows::new(start.segments.clone()),
        });
        Self {
            log,
            records,
            graph,
            start,
            version,
            deleted: start.deleted || table.is_none(),
            table,
            epoch: Node::Start,
            epochs: Vec::with_capacity(records.len()),
            tips: [Node::Start].into(),
            written: Vec::new(),
            gone: HashSet::new(),
            unknown: None,
        }
    }

    /// Where the replay has to begin: what comes before the last commit that took the place of everything does not show.
    fn first(&self) -> u32 {
        let clears = |(record, place): &(&Record, u32)| {
            record.commit.operation.clears() && !self.graph.excludes(*place)
        };
        let records = self.records.iter().zip(0..);
        let last = records.filter(clears).last();
        last.map_or(0, |(_, place)| place)
    }

    /// Replays all commits; on a conflict, says at which one it occurred.
    pub(super) async fn run(&mut self) -> Result<(), (u32, Stop)> {
        let first = self.first();
        for (record, place) in self.records.iter().zip(0..) {
            if place >= first && !self.graph.excludes(place) {
                self.step(place, record)
                    .await
                    .map_err(|stop| (place, stop))?;
            } else {
                self.epochs.push(self.line_epoch(place, &record.commit));
            }
        }
        self.unknown
            .take()
            .map_or(Ok(()), |unknown| Err(unknown.stop()))
    }

    async fn step(&mut self, place: u32, record: &Record) -> Result<(), Stop> {
        let commit = &record.commit;
        let operation = commit.operation;
        let own_epoch = self.line_epoch(place, commit);
        self.epochs.push(own_epoch);
        if operation.clears() {
            self.begin(place, record).await?;
            self.enter(place);
            self.tips = [Node::At(place)].into();
            return Ok(());
        }
        let without_effect =
            operation.is_upkeep() || matches!(operation, Operation::Merge | Operation::Purge);
        if self.unknown.is_some() || self.is_gone(record) {
            self.step_unknown(place, record, own_epoch).await?;
        } else if !without_effect && !self.apply_recorded(place, record, own_epoch).await? {
            let meant = self.meant(place, record, own_epoch).await?;
            if meaning::begins_anew(operation, self.deleted) {
                self.begin_anew(&meant).await?;
                self.enter(place);
            } else {
                meaning::apply(self, &meant).await?;
            }
        }
        for parent in self.graph.parents(place) {
            self.tips.remove(parent);
        }
        self.tips.insert(Node::At(place));
        Ok(())
    }

    /// The commit whose rows and columns a commit builds on, in its own line.
    pub(super) fn line_epoch(&self, place: u32, commit: &Commit) -> Node {
        if commit.operation.clears() {
            return Node::At(place);
        }
        let epoch = |node: &Node| match node {
            Node::Start => Node::Start,
            Node::At(place) => self.epochs[*place as usize],
        };
        if let Some(taken) = self.graph.settled(place) {
            return epoch(&taken);
        }
        let counts = |epoch: &Node| match epoch {
            Node::Start => true,
            Node::At(place) => !self.graph.excludes(*place),
        };
        let parents = self.graph.parents(place);
        let all = parents.iter().map(epoch);
        let counting = all.clone().filter(counts).max();
        counting.or(all.max()).unwrap_or(Node::Start)
    }

    /// From here on all is built on a commit.
    pub(super) fn enter(&mut self, place: u32) {
        self.epoch = Node::At(place);
        if let Some(own) = self.epochs.get_mut(place as usize) {
            *own = self.epoch;
        }
    }

    /// The frame has just the rows of a commit.
    async fn begin(&mut self, place: u32, record: &Record) -> Result<(), Stop> {
        let commit = &record.commit;
        let schema = self.log.schema(&commit.schema).await?;
        let brings = matches!(commit.operation, Operation::Restore | Operation::Copy);
        self.unknown = None;
        let rows = match &record.list {
            Some(list) if brings || self.is_gone(record) => self.listed(list),
            None if brings || self.is_gone(record) => {
                self.unknown = Some(Unknown::since(place, record));
                LiveRows::default()
            }
            _ => LiveRows::new(self.added(commit, &schema.hash)),
        };
        self.table = Some(Table {
            columns: Columns::new(schema.schema, commit.index.clone()),
            rows,
        });
        self.deleted = false;
        Ok(())
    }

    /// The frame was deleted, and begins again with the rows of a commit whose line did not know that.
    pub(super) async fn begin_anew(&mut self, meant: &Meant<'_>) -> Result<(), Stop> {
        let commit = meant.commit;
        let mut columns = Columns::new(Arc::clone(&meant.after), commit.index.clone());
        let view = View {
            same_epoch: true,
            ..meant.view()
        };
        let written = columns.admit(&view, meaning::given(commit))?;
        let written = self.named(written).await?;
        self.table = Some(Table {
            columns,
            rows: LiveRows::new(self.added(commit, &written.hash)),
        });
        self.deleted = false;
        Ok(())
    }

    pub(super) fn listed(&self, list: &[Listed]) -> LiveRows {
        LiveRows::new(list.iter().map(|listed| listed.clone().at(self.version)))
    }

    /// The segments of a commit, with what it hides of them itself.
    pub(super) fn added(&self, commit: &Commit, schema: &Arc<str>) -> Vec<Segment> {
        let own = commit.added.iter().map(|record| {
            let mut hidden = commit.hidden.iter();
            let hidden = hidden.find(|hidden| hidden.segment == record.id);
            Segment {
                record: record.clone(),
                schema: Arc::clone(schema),
                version: self.version,
                hidden: hidden.cloned().map(Arc::new),
            }
        });
        own.collect()
    }

    /// A segment that the replay wrote.
    pub(super) fn wrote(
        &mut self,
        record: crate::log::commit::SegmentRecord,
        schema: &NamedSchema,
    ) -> Segment {
        self.written.push(record.id.clone());
        Segment {
            record,
            schema: Arc::clone(&schema.hash),
            version: self.version,
            hidden: None,
        }
    }

    /// A schema under its name; its object is durable when this returns.
    pub(super) async fn named(&self, schema: SchemaRef) -> Result<NamedSchema> {
        self.log.keep_schema(schema).await
    }

    /// Applies a commit as it is recorded, if it finds what its author found, and says whether it did.
    async fn apply_recorded(
        &mut self,
        place: u32,
        record: &Record,
        own_epoch: Node,
    ) -> Result<bool> {
        if !self.finds_its_line(place, own_epoch) {
            return Ok(false);
        }
        let commit = &record.commit;
        let (schema, index) = self.line_before(place, record)?;
        let (schema, index) = (schema.to_owned(), index.to_vec());
        let begins_anew = meaning::begins_anew(commit.operation, self.deleted);
        let Some(table) = self.table.as_ref().filter(|_| !begins_anew) else {
            return Ok(false);
        };
        let here = self.log.named_schema(table.columns.schema())?;
        if *here.hash != *schema || table.columns.index() != index {
            return Ok(false);
        }
        let as_it_is = table.rows.takes(self.log, commit).await?;
        let list = record.list.as_ref().map(|list| self.listed(list));
        if !as_it_is && list.is_none() {
            return Ok(false);
        }
        let after = self.log.schema(&commit.schema).await?;
        let added = self.added(commit, &after.hash);
        if let Some(table) = &mut self.table {
            table.columns.set(after.schema, commit.index.clone());
            match list.filter(|_| !as_it_is) {
                Some(list) => table.rows = list,
                None => {
                    added.into_iter().for_each(|own| table.rows.add(own));
                    table.rows.apply(commit);
                }
            }
        }
        match commit.operation {
            Operation::Delete => self.deleted = true,
            Operation::Undelete => self.deleted = false,
            _ => {}
        }
        Ok(true)
    }

    /// Whether all that was replayed so far is what a commit follows, so that it finds what its author found.
    pub(super) fn finds_its_line(&self, place: u32, own_epoch: Node) -> bool {
        let parents = self.graph.parents(place);
        let alone = self.tips.iter().all(|tip| parents.contains(tip));
        alone && self.graph.agrees(place) && own_epoch == self.epoch
    }

    /// The hash of the schema, and the index, that the line of a commit had before it.
    fn line_before(&self, place: u32, record: &Record) -> Result<(&str, &[String])> {
        let unknown = || {
            let problem = "nothing says which columns there were before it";
            Error::damaged(format!("commit {}", record.id), problem)
        };
        match self.graph.parents(place) {
            [Node::At(parent)] => {
                let parent = self.records.get(*parent as usize).ok_or_else(unknown)?;
                Ok((&parent.commit.schema, &parent.commit.index))
            }
            [Node::Start] => {
                let schema = self.start.schema.as_ref().ok_or_else(unknown)?;
                Ok((&schema.hash, &self.start.index))
            }
            _ => Err(unknown()),
        }
    }

    pub(super) async fn meant<'r>(
        &self,
        place: u32,
        record: &'r Record,
        own_epoch: Node,
    ) -> Result<Meant<'r>> {
        let (before, _) = self.line_before(place, record)?;
        Ok(Meant {
            before: self.log.schema(before).await?.schema,
            after: self.log.schema(&record.commit.schema).await?.schema,
            commit: &record.commit,
            id: &record.id,
            same_epoch: own_epoch == self.epoch,
        })
    }
}

/// The range that the rows of an update cover, if it was given none.
pub(super) fn covered(commit: &Commit) -> Result<Option<Span>, Stop> {
    let ranges = commit.added.iter().filter_map(|added| added.range.clone());
    let Some(whole) = ranges.reduce(crate::index::KeyRange::union) else {
        return Ok(None);
    };
    let mut ends = whole.min.first().into_iter().chain(whole.max.first());
    if ends.any(KeyValue::is_inexact) {
        return Err(index(
            "it is not recorded which range the rows of an update cover",
        ));
    }
    Ok(crate::edit::hiding::first_span(&whole))
}
