//! A store with one frame, what it knows of the frame's history, and how it is merged with another.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use shoots_proto::Closed;
use shoots_proto::as_of::AsOf;
use shoots_proto::name::{FrameId, FrameName};
use shoots_proto::put::{PutMode, UpdateScope};

use super::model::{Meaning, Row, Told, View, sorted};
use super::op::{NAMES, Op, Seed};
use super::parts::{Clock, Rests, copy, numbers, rest};
use crate::edit::delete::RowsToDelete;
use crate::frame_log::FrameLog;
use crate::index::Index;
use crate::lineage::joined::{Parent, merge_commit};
use crate::lineage::record::{Listed, Record};
use crate::log::change;
use crate::log::commit::{Commit, CommitId, Operation, Own};
use crate::log::entry::{self, Entry, Header, encode_commit};
use crate::log::tip::Tip;
use crate::merge::{Conflict, Histories, Merged, Outcome, Start, merge};
use crate::read::{Files, Scan, Source};
use crate::schema::identity::identity;
use crate::{ColumnEdit, Frame, NewColumn, PutOptions, ReadOptions, Store};

/// A store with the frame.
pub(super) struct Site {
    objects: Arc<InMemory>,
    clock: Arc<Clock>,
    frame: Frame,
    /// The commits that the site knows, but for upkeep.
    history: BTreeMap<CommitId, (Record, Told)>,
    head: CommitId,
    indexed: bool,
}

impl Site {
    /// A frame with a few rows.
    pub(super) async fn begin(indexed: bool, skew: i64) -> Self {
        let mut site = Self::open(Arc::new(InMemory::new()), indexed, 0, skew).await;
        let rows: Vec<Seed> = (0..6).map(|key| (key, 3 * key)).collect();
        site.step(&Op::Replace(rows, true)).await;
        site
    }

    async fn open(objects: Arc<InMemory>, indexed: bool, site: u64, skew: i64) -> Self {
        let clock = Arc::new(Clock::new(site, skew));
        let store = Store::builder("memory://").object_store(objects.clone());
        let store = store.environment(clock.clone()).conditions(Arc::new(Rests));
        let store = store.open().await.unwrap();
        let name = FrameName::parse("f").unwrap();
        Self {
            objects,
            clock,
            frame: store.frame(&FrameId { bucket: None, name }),
            history: BTreeMap::new(),
            head: String::new(),
            indexed,
        }
    }

    /// The same store, opened so that it does not read conditions.
    pub(super) async fn without_conditions(mut self) -> Self {
        let store = Store::builder("memory://").object_store(self.objects.clone());
        let store = store.environment(self.clock.clone()).open().await.unwrap();
        self.frame = store.frame(self.frame.id());
        self
    }

    /// Another store with the same frame.
    pub(super) async fn fork(&self, site: u64, skew: i64) -> Self {
        let objects = Arc::new(InMemory::new());
        copy(&self.objects, &objects, |_| true).await;
        let fork = Self::open(objects, self.indexed, site, skew).await;
        Self {
            history: self.history.clone(),
            head: self.head.clone(),
            ..fork
        }
    }

    pub(super) fn log(&self) -> &FrameLog {
        self.frame.frame_log()
    }

    pub(super) fn head(&self) -> &CommitId {
        &self.head
    }

    pub(super) fn told(&self) -> impl Iterator<Item = &Told> {
        self.history.values().map(|(_, told)| told)
    }

    pub(super) fn has(&self, id: &CommitId) -> bool {
        self.history.contains_key(id)
    }

    pub(super) fn knows(&self, other: &Self) -> bool {
        self.has(&other.head)
    }

    /// What a merge commit says of this site.
    pub(super) fn parent(&self) -> Parent {
        Parent {
            id: self.head.clone(),
            time: self.history[&self.head].1.place.time,
        }
    }

    /// What is read now; nothing if the frame is deleted.
    pub(super) async fn read(&self) -> Vec<Row> {
        match self.frame.snapshot(None).await {
            Ok(snapshot) => {
                let rows = snapshot.read(ReadOptions::default()).await.unwrap();
                named(&rows.collect().await.unwrap())
            }
            Err(_) => Vec::new(),
        }
    }

    pub(super) async fn run(&mut self, ops: &[Op]) {
        for op in ops {
            self.step(op).await;
        }
    }

    async fn columns(&self) -> Vec<Field> {
        let Ok(snapshot) = self.frame.snapshot(None).await else {
            return Vec::new();
        };
        let schema = snapshot.schema();
        schema.fields().iter().map(|f| f.as_ref().clone()).collect()
    }

    async fn index(&self) -> Vec<String> {
        match self.frame.snapshot(None).await {
            Ok(snapshot) => snapshot.index().to_vec(),
            Err(_) => Vec::new(),
        }
    }

    /// Does something, and notes what the commit means that it led to.
    pub(super) async fn step(&mut self, op: &Op) {
        self.clock.tick();
        let before = self.newest().await.map_or(0, |entry| entry.last_version());
        let Some(meaning) = self.change(op).await else {
            return;
        };
        let Some(entry) = self
            .newest()
            .await
            .filter(|entry| entry.last_version() > before)
        else {
            return;
        };
        let (version, id, commit) = entry.versions().last().unwrap();
        if commit.operation.is_upkeep() {
            return;
        }
        let begins = commit.operation.clears();
        let meaning = match begins {
            true => Meaning::Begin(self.read().await),
            false => meaning,
        };
        let list = entry.list_through(version);
        let list = self.log().checkpoints().segments(list).await.unwrap();
        let brings = matches!(commit.operation, Operation::Restore | Operation::Copy);
        let list = brings.then(|| list.iter().map(Listed::of).collect());
        let mut parents = commit.parents.iter().map(|parent| &self.history[parent].1);
        let view_before = parents.next_back().map(|told| told.after.clone());
        let view_before = view_before.unwrap_or_default();
        let (id, commit) = (id.clone(), commit.clone());
        self.note(id, &commit, view_before, list, meaning).await;
    }

    async fn note(
        &mut self,
        id: CommitId,
        commit: &Commit,
        before: View,
        list: Option<Vec<Listed>>,
        meaning: Meaning,
    ) {
        let line = encode_commit(commit).unwrap().1;
        let record = Record::new(line.into(), Vec::new(), list).unwrap();
        assert_eq!(record.id, id);
        let schema = self.log().schema(&commit.schema).await.unwrap().schema;
        let after = schema.fields().iter();
        let after = after.map(|field| (field.name().clone(), identity(field).to_owned()));
        let told = Told {
            place: record.place(),
            parents: commit.parents.clone(),
            before,
            after: after.collect(),
            index: commit.index.clone(),
            meaning,
        };
        self.head.clone_from(&id);
        self.history.insert(id, (record, told));
    }

    pub(super) async fn newest(&self) -> Option<Arc<Entry>> {
        self.log().newest().await.unwrap().map(|head| head.entry)
    }

    async fn change(&self, op: &Op) -> Option<Meaning> {
        let columns = self.columns().await;
        let index = self.index().await;
        let column = |place: usize| columns.get(place % columns.len().max(1));
        match op {
            Op::Append(rows) => self
                .put(rows, &columns, PutMode::Append)
                .await
                .map(Meaning::Append),
            Op::Replace(rows, indexed) => {
                let fields = [
                    Field::new("k", DataType::Int64, false),
                    Field::new("v", DataType::Int32, false),
                ];
                let mode = PutOptions::mode(PutMode::Replace);
                let options = match *indexed && self.indexed {
                    true => mode.index(["k"]),
                    false => mode,
                };
                self.put_as(rows, &fields, options)
                    .await
                    .map(Meaning::Begin)
            }
            Op::Update(rows, wide, keys) => {
                let key = index.first()?;
                let mut options = PutOptions::mode(PutMode::Update);
                let least = rows.iter().map(|(key, _)| *key).min()?;
                let greatest = rows.iter().map(|(key, _)| *key).max()?;
                let mut span = Some((least, greatest + 1));
                if *keys {
                    options.scope = UpdateScope::Keys;
                    span = None;
                } else if let Some((before, behind)) = wide {
                    let (start, stop) = (least - before, greatest + 1 + behind);
                    options.start = Some(start.into());
                    options.stop = Some(stop.into());
                    span = Some((start, stop));
                }
                assert!(columns.iter().any(|column| column.name() == key));
                let rows = self.put_as(rows, &columns, options).await?;
                Some(Meaning::Update(rows, span))
            }
            Op::Upsert(rows, given, new) => {
                let key = index.first()?;
                let chosen = columns.iter().enumerate();
                let chosen = chosen.filter(|(place, column)| {
                    column.name() == key || given >> (place % 8) & 1 == 1
                });
                let mut fields: Vec<Field> = chosen.map(|(_, column)| column.clone()).collect();
                let new = new.map(|new| NAMES[new]);
                let new = new.filter(|new| columns.iter().all(|column| column.name() != new));
                fields.extend(new.map(|new| Field::new(new, DataType::Int64, true)));
                self.put(rows, &fields, PutMode::Upsert)
                    .await
                    .map(Meaning::Upsert)
            }
            Op::DeleteSpan(start, stop) => {
                index.first()?;
                let rows = RowsToDelete {
                    start: Some((*start).into()),
                    stop: Some((*stop).into()),
                    closed: Closed::Left,
                    condition: None,
                };
                self.frame.delete_rows(rows).await.ok()?;
                Some(Meaning::DeleteRows(Some((*start, *stop)), None))
            }
            Op::DeleteWhere(place, by, left) => {
                let name = column(*place)?.name().clone();
                let text = format!("{name}%{by}={left}");
                let rows = RowsToDelete {
                    condition: Some(Arc::new(rest(&text).unwrap())),
                    ..RowsToDelete::default()
                };
                self.frame.delete_rows(rows).await.ok()?;
                Some(Meaning::DeleteRows(None, Some((name, *by, *left))))
            }
            Op::Add(name) => {
                let add = vec![NewColumn {
                    name: NAMES[*name].to_owned(),
                    data_type: "int64".to_owned(),
                }];
                self.alter(ColumnEdit {
                    add,
                    ..ColumnEdit::default()
                })
                .await
            }
            Op::Drop(place) => {
                let drop = vec![column(*place)?.name().clone()];
                self.alter(ColumnEdit {
                    drop,
                    ..ColumnEdit::default()
                })
                .await
            }
            Op::Rename(place, name) => {
                let names = (column(*place)?.name().clone(), NAMES[*name].to_owned());
                let rename = [names].into();
                self.alter(ColumnEdit {
                    rename,
                    ..ColumnEdit::default()
                })
                .await
            }
            Op::Widen => {
                let narrow = columns
                    .iter()
                    .find(|column| *column.data_type() == DataType::Int32);
                let widen = [(narrow?.name().clone(), "int64".to_owned())].into();
                self.alter(ColumnEdit {
                    widen,
                    ..ColumnEdit::default()
                })
                .await
            }
            Op::Delete => self.frame.delete().await.ok().map(|_| Meaning::Delete),
            Op::Undelete => self.frame.undelete().await.ok().map(|_| Meaning::Undelete),
            Op::Restore(back) => {
                let version = self
                    .newest()
                    .await?
                    .last_version()
                    .saturating_sub(*back)
                    .max(1);
                let version = AsOf::Version(i64::try_from(version).unwrap());
                self.frame.restore(&version).await.ok()?;
                Some(Meaning::Begin(Vec::new()))
            }
            Op::Compact => {
                self.frame.compact(false).await.ok();
                None
            }
        }
    }

    async fn alter(&self, edit: ColumnEdit) -> Option<Meaning> {
        self.frame.alter(edit).await.ok().map(|_| Meaning::Alter)
    }

    async fn put(&self, rows: &[Seed], columns: &[Field], mode: PutMode) -> Option<Vec<Row>> {
        self.put_as(rows, columns, PutOptions::mode(mode)).await
    }

    async fn put_as(
        &self,
        rows: &[Seed],
        columns: &[Field],
        options: PutOptions,
    ) -> Option<Vec<Row>> {
        let fields: Vec<Field> = columns.to_vec();
        if fields.is_empty() {
            return None;
        }
        let index = self.index().await;
        let value = |place: usize, field: &Field, (key, seed): Seed| {
            if index.contains(field.name()) || field.name() == "k" {
                Some(key)
            } else if field.is_nullable() && seed % 5 == 0 {
                None
            } else {
                Some(seed * 4 + place as i64)
            }
        };
        let cells = |place: usize, field: &Field| -> Vec<Option<i64>> {
            rows.iter().map(|row| value(place, field, *row)).collect()
        };
        let array = |(place, field): (usize, &Field)| -> ArrayRef {
            let cells = cells(place, field);
            match field.data_type() {
                DataType::Int32 => {
                    let narrow = |cell: Option<i64>| cell.map(|cell| i32::try_from(cell).unwrap());
                    Arc::new(cells.into_iter().map(narrow).collect::<Int32Array>())
                }
                _ => Arc::new(Int64Array::from(cells)),
            }
        };
        let arrays = fields.iter().enumerate().map(array).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        let mut writer = self.frame.put(batch.schema(), options).await.ok()?;
        writer.write(batch.clone()).await.ok()?;
        writer.commit().await.ok()?;
        Some(named(&[batch]))
    }

    /// Gets what the other site's commits name.
    pub(super) async fn fetch(&self, other: &Self) {
        let folders = ["/segments/", "/vectors/", "/schemas/"];
        let needed = |path: &str| folders.iter().any(|folder| path.contains(folder));
        copy(&other.objects, &self.objects, needed).await;
    }

    pub(super) async fn merge(&self, other: &Self) -> Result<Box<Merged>, Conflict> {
        let (start, records) = self.histories(other).await;
        let histories = Histories {
            start,
            records,
            gone: HashSet::new(),
            ours: self.head.clone(),
            theirs: other.head.clone(),
        };
        let version = self.newest().await.unwrap().last_version() + 1;
        match merge(self.log(), histories, version).await.unwrap() {
            Outcome::Merged(merged) => Ok(merged),
            Outcome::Conflict(conflict) => Err(conflict),
        }
    }

    /// The newest version that all later commits of both descend from, and those.
    pub(super) async fn histories(&self, other: &Self) -> (Start, Vec<Record>) {
        let mut all: BTreeMap<_, &(Record, Told)> = BTreeMap::new();
        for known in self.history.values().chain(other.history.values()) {
            all.insert(known.1.place.clone(), known);
        }
        let mut versions: Vec<(u64, Arc<Entry>, CommitId)> = Vec::new();
        let head = self.newest().await.unwrap();
        let mut entries = self.log().reader().walk_back(head, 1000).boxed();
        while let Some(entry) = entries.try_next().await.unwrap() {
            let own = entry.versions().collect::<Vec<_>>();
            for (version, id, _) in own.into_iter().rev() {
                versions.push((version, Arc::clone(&entry), id.clone()));
            }
        }
        for (version, entry, id) in versions {
            let common = other
                .history
                .get(&id)
                .filter(|_| self.history.contains_key(&id));
            let Some((_, told)) = common else {
                continue;
            };
            let later = all.range(&told.place..).skip(1);
            let later: Vec<&(Record, Told)> = later.map(|(_, known)| *known).collect();
            let descends = |parent: &CommitId| {
                *parent == id || later.iter().any(|(record, _)| record.id == *parent)
            };
            let cut = later
                .iter()
                .all(|(_, told)| told.parents.iter().all(descends));
            if !cut {
                continue;
            }
            let commit = &self.history[&id].0.commit;
            let list = entry.list_through(version);
            let start = Start {
                commit: Some(id.clone()),
                schema: Some(self.log().schema(&commit.schema).await.unwrap()),
                index: commit.index.clone(),
                deleted: entry.deleted_at(version),
                segments: self.log().checkpoints().segments(list).await.unwrap(),
            };
            return (
                start,
                later.iter().map(|(record, _)| record.clone()).collect(),
            );
        }
        panic!("they began together");
    }

    /// The rows of what was merged.
    pub(super) async fn rows_of(&self, merged: &Merged) -> Vec<Row> {
        let index = match merged.index.as_slice() {
            [] => None,
            names => Some(Index::new(&merged.schema.schema, names).unwrap()),
        };
        let source = Source {
            log: self.log().clone(),
            schema: Arc::clone(&merged.schema.schema),
            index: merged.index.clone(),
            files: Files::Segments(merged.segments.clone()),
            reading: None,
        };
        let scan = Scan::find(source, index, None).await.unwrap();
        let batches = scan.read(None, 3, None).unwrap();
        named(&batches.try_collect::<Vec<_>>().await.unwrap())
    }

    /// What the frame is here.
    pub(super) async fn state(&self) -> Merged {
        let entry = self.newest().await.unwrap();
        let list = entry.list_through(entry.last_version());
        Merged {
            schema: self.log().schema(&entry.state.schema).await.unwrap(),
            index: entry.state.index.clone(),
            deleted: entry.state.deleted,
            segments: self.log().checkpoints().segments(list).await.unwrap(),
            written: Vec::new(),
        }
    }

    /// Publishes what was merged as the next version.
    pub(super) async fn publish(
        &mut self,
        merged: Merged,
        parents: &[Parent],
        settled: Option<&CommitId>,
    ) {
        let before = self.newest().await.unwrap();
        let (hash, index) = (&merged.schema.hash, &merged.index);
        let commit = merge_commit(parents.to_vec(), settled, hash, index, merged.deleted);
        let (id, line) = encode_commit(&commit).unwrap();
        let totals = change::totals(&merged.segments);
        let sequence = before.header.sequence + 1;
        let version = before.last_version() + 1;
        let mut state = before.state.clone();
        state.schema = hash.to_string();
        state.index.clone_from(index);
        state.deleted = merged.deleted;
        state.set_totals(totals);
        (state.checkpoint, state.tail) = (None, Vec::new());
        let mut own = Own::plain(totals, merged.deleted);
        own.base = Some(
            self.log()
                .checkpoints()
                .list_of(&merged.segments)
                .await
                .unwrap(),
        );
        own.foreign = true;
        state.own = vec![own];
        state.tip = Tip::after(None, &id, &commit, version, sequence);
        let published = before.header.published.next();
        let header = Header::new(sequence, version, published, &state, true);
        let bytes = entry::encode(&header, &[line], &state).unwrap();
        let path = self.log().paths().entry(sequence);
        self.objects
            .put(&path, PutPayload::from(bytes))
            .await
            .unwrap();
        let view = Vec::new();
        self.note(id, &commit, view, None, Meaning::Merge(settled.cloned()))
            .await;
    }

    /// Forgets what restores brought.
    pub(super) fn forget_lists(&mut self) {
        for (record, _) in self.history.values_mut() {
            record.list = None;
        }
    }

    /// How many segments the store has, whether anything needs them or not.
    pub(super) async fn stored_segments(&self) -> usize {
        let objects: Vec<_> = self.objects.list(None).try_collect().await.unwrap();
        let segments = objects
            .iter()
            .filter(|object| object.location.as_ref().contains("/segments/"));
        segments.count()
    }

    /// The commits of another site are known from now on.
    pub(super) fn learn(&mut self, other: &Self) {
        for (id, known) in &other.history {
            self.history
                .entry(id.clone())
                .or_insert_with(|| known.clone());
        }
    }
}

/// All that two sites know, in order.
pub(super) fn union(one: &Site, other: &Site) -> Vec<Told> {
    sorted(one.told().chain(other.told()).cloned().collect())
}

/// Rows with their values by the names of columns.
fn named(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<Vec<Option<i64>>> = batch.columns().iter().map(numbers).collect();
        for row in 0..batch.num_rows() {
            let names = batch.schema_ref().fields().iter().map(|field| field.name());
            let cells = names
                .zip(&columns)
                .map(|(name, column)| (name.clone(), column[row]));
            rows.push(cells.collect());
        }
    }
    rows
}
