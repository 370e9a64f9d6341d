//! The model: commits told by what they mean, replayed one by one on a list of rows.
//!
//! It never applies a commit as it is recorded, knows no segments, and always begins with the first commit.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::lineage::record::Place;
use crate::log::commit::CommitId;
use crate::merge::conflict::Kind;

/// Values by the names of columns.
pub(super) type Row = BTreeMap<String, Option<i64>>;
/// Columns: their names and what they are.
pub(super) type View = Vec<(String, String)>;

/// What a commit was asked to do.
#[derive(Debug, Clone)]
pub(super) enum Meaning {
    /// The frame has these rows.
    Begin(Vec<Row>),
    Append(Vec<Row>),
    /// Rows in this range go; none: those with the keys of the added ones.
    Update(Vec<Row>, Option<(i64, i64)>),
    Upsert(Vec<Row>),
    DeleteRows(Option<(i64, i64)>, Option<(String, i64, i64)>),
    Alter,
    Delete,
    Undelete,
    /// The head whose side was taken, if it was settled.
    Merge(Option<CommitId>),
}

/// A commit.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) place: Place,
    pub(super) parents: Vec<CommitId>,
    pub(super) before: View,
    pub(super) after: View,
    pub(super) index: Vec<String>,
    pub(super) meaning: Meaning,
}

/// A frame.
#[derive(Debug, Clone, Default)]
pub(super) struct Replayed {
    pub(super) columns: View,
    pub(super) index: Vec<String>,
    pub(super) deleted: bool,
    /// Values by what columns are.
    rows: Vec<BTreeMap<String, i64>>,
    known: HashMap<String, String>,
    epoch: Option<CommitId>,
}

pub(super) fn sorted(mut told: Vec<Told>) -> Vec<Told> {
    told.sort_by(|one, other| one.place.cmp(&other.place));
    told.dedup_by(|one, other| one.place == other.place);
    told
}

/// What becomes of a frame when this happens in this order.
pub(super) fn replay(history: &[Told]) -> Result<Replayed, Kind> {
    type Epoch = (usize, Option<CommitId>);
    let mut epochs: HashMap<&CommitId, Epoch> = HashMap::new();
    let out = left_out(
        history,
        &history.iter().map(|told| told.place.id.clone()).collect(),
    );
    let begins = |told: &Told| matches!(told.meaning, Meaning::Begin(_));
    let counts = |told: &Told| !out.contains(&told.place.id);
    let last = history
        .iter()
        .rposition(|told| begins(told) && counts(told));
    let mut state = Replayed::default();
    for (number, told) in history.iter().enumerate() {
        let id = &told.place.id;
        let inherited = match &told.meaning {
            Meaning::Merge(Some(taken)) => epochs.get(taken).cloned(),
            _ => {
                let all = told.parents.iter().filter_map(|parent| epochs.get(parent));
                let excluded = |epoch: &Epoch| epoch.1.as_ref().is_some_and(|id| out.contains(id));
                all.max_by_key(|epoch| (!excluded(epoch), epoch.0)).cloned()
            }
        };
        let mut own = inherited.unwrap_or_default();
        if begins(told) {
            own = (number, Some(id.clone()));
        }
        if Some(number) >= last && counts(told) && state.apply(told, &own.1)? {
            own = (number, Some(id.clone()));
        }
        epochs.insert(id, own);
    }
    Ok(state)
}

/// A commit and all that it follows.
fn line(history: &[Told], head: &CommitId) -> HashSet<CommitId> {
    let mut line = HashSet::from([head.clone()]);
    for told in history.iter().rev() {
        if line.contains(&told.place.id) {
            line.extend(told.parents.iter().cloned());
        }
    }
    line
}

/// What settled merges leave out of some commits.
fn left_out(history: &[Told], of: &HashSet<CommitId>) -> HashSet<CommitId> {
    let mut out = HashSet::new();
    for told in history.iter().filter(|told| of.contains(&told.place.id)) {
        let Meaning::Merge(Some(taken)) = &told.meaning else {
            continue;
        };
        let kept = line(history, taken);
        out.retain(|id| !kept.contains(id));
        out.extend(left_out(history, &kept));
        let all = line(history, &told.place.id).into_iter();
        out.extend(all.filter(|id| *id != told.place.id && !kept.contains(id)));
    }
    out
}

enum Found {
    Here(usize),
    Dropped,
    Unknown,
}

impl Replayed {
    /// The rows as they are read, with the names of columns.
    pub(super) fn named_rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self
            .rows
            .iter()
            .map(|row| {
                let cell = |(name, id): &(String, String)| (name.clone(), row.get(id).copied());
                self.columns.iter().map(cell).collect()
            })
            .collect();
        if let Some(key) = self.index.first() {
            rows.sort_by_key(|row| row[key]);
        }
        rows
    }

    /// Returns whether all builds on the commit from here on.
    fn apply(&mut self, told: &Told, epoch: &Option<CommitId>) -> Result<bool, Kind> {
        let same = *epoch == self.epoch;
        match &told.meaning {
            Meaning::Begin(rows) => self.begin(told, rows),
            Meaning::Append(rows) | Meaning::Update(rows, _) | Meaning::Upsert(rows)
                if self.deleted =>
            {
                let upsert = matches!(told.meaning, Meaning::Upsert(_));
                self.begin(told, &self.block(told, rows, upsert));
            }
            Meaning::Append(rows) => {
                let rows = self.take(told, same, rows, false)?;
                self.rows.extend(rows);
                return Ok(false);
            }
            Meaning::Update(rows, span) => {
                let rows = self.take(told, same, rows, false)?;
                let key = self.key();
                let keys: HashSet<i64> = rows.iter().map(|row| row[&key]).collect();
                self.rows.retain(|row| match span {
                    Some((start, stop)) => !(*start..*stop).contains(&row[&key]),
                    None => !keys.contains(&row[&key]),
                });
                self.rows.extend(rows);
                return Ok(false);
            }
            Meaning::Upsert(rows) => {
                let given = rows[0].keys();
                let new = self.take(told, same, rows, true)?;
                let given: HashSet<String> = given
                    .filter_map(|name| {
                        let id = &told.after.iter().find(|(own, _)| own == name)?.1;
                        match self.find(name, id, same) {
                            Found::Here(place) => Some(self.columns[place].1.clone()),
                            _ => None,
                        }
                    })
                    .collect();
                let key = self.key();
                for mut row in new {
                    let older = self.rows.iter().rev().find(|old| old[&key] == row[&key]);
                    let kept = older.into_iter().flatten();
                    let kept = kept.filter(|(id, _)| !given.contains(*id));
                    row.extend(kept.map(|(id, value)| (id.clone(), *value)));
                    let mut rest = std::mem::take(&mut self.rows);
                    rest.retain(|old| old[&key] != row[&key]);
                    self.rows = rest;
                    self.rows.push(row);
                }
                return Ok(false);
            }
            Meaning::DeleteRows(span, condition) => {
                self.delete_rows(told, same, span, condition)?;
                return Ok(false);
            }
            Meaning::Alter => {
                self.follow(told, same)?;
                return Ok(false);
            }
            Meaning::Delete => {
                self.deleted = true;
                return Ok(false);
            }
            Meaning::Undelete => {
                self.deleted = false;
                return Ok(false);
            }
            Meaning::Merge(_) => return Ok(false),
        }
        self.epoch = Some(told.place.id.clone());
        Ok(true)
    }

    fn begin(&mut self, told: &Told, rows: &[Row]) {
        self.columns.clone_from(&told.after);
        self.index.clone_from(&told.index);
        self.deleted = false;
        let ids = told.after.iter().map(|(_, id)| (id.clone(), id.clone()));
        self.known = ids.collect();
        let columns: HashMap<&String, &String> =
            told.after.iter().map(|(name, id)| (name, id)).collect();
        let row = |row: &Row| {
            let cells = row
                .iter()
                .filter_map(|(name, value)| Some((name, (*value)?)));
            cells
                .map(|(name, value)| (columns[name].clone(), value))
                .collect()
        };
        self.rows = rows.iter().map(row).collect();
    }

    /// Rows in the order in which they lie in a segment; of an upsert the last one of each key.
    fn block(&self, told: &Told, rows: &[Row], upsert: bool) -> Vec<Row> {
        let mut rows = rows.to_vec();
        if let Some(key) = told.index.first() {
            if upsert {
                let mut seen = HashSet::new();
                rows.reverse();
                rows.retain(|row| seen.insert(row[key]));
                rows.reverse();
            }
            rows.sort_by_key(|row| row[key]);
        }
        rows
    }

    fn key(&self) -> String {
        let place = self
            .columns
            .iter()
            .position(|(name, _)| *name == self.index[0]);
        self.columns[place.unwrap()].1.clone()
    }

    fn find(&self, name: &str, id: &str, same: bool) -> Found {
        match self.known.get(id).filter(|_| same) {
            Some(id) => match self.columns.iter().position(|(_, own)| own == id) {
                Some(place) => Found::Here(place),
                None => Found::Dropped,
            },
            None => match self.columns.iter().position(|(own, _)| own == name) {
                Some(place) => Found::Here(place),
                None => Found::Unknown,
            },
        }
    }

    fn push(&mut self, told: &Told, name: &str, id: &str, same: bool) {
        let own = match same && !self.known.contains_key(id) {
            true => id.to_owned(),
            false => format!("{name}@:{}", told.place.id),
        };
        self.known.insert(own.clone(), own.clone());
        self.columns.push((name.to_owned(), own));
    }

    fn alias(&mut self, told: &Told, (name, id): (&str, &str), same: bool, own: String) {
        let id = match same {
            true => id.to_owned(),
            false => format!("{name}@:{}", told.place.id),
        };
        self.known.entry(id).or_insert(own);
    }

    fn expect_index(&self, told: &Told, same: bool) -> Result<(), Kind> {
        let own = told.index.iter().map(|name| {
            let (_, id) = told.after.iter().find(|(own, _)| own == name).unwrap();
            match self.find(name, id, same) {
                Found::Here(place) => Some(&self.columns[place].0),
                _ => None,
            }
        });
        let own: Option<Vec<&String>> = own.collect();
        let fits = own.is_some_and(|own| own == self.index.iter().collect::<Vec<_>>());
        fits.then_some(()).ok_or(Kind::Index)
    }

    /// Rows of a commit, as those of this frame.
    fn take(
        &mut self,
        told: &Told,
        same: bool,
        rows: &[Row],
        upsert: bool,
    ) -> Result<Vec<BTreeMap<String, i64>>, Kind> {
        self.follow(told, same)?;
        self.expect_index(told, same)?;
        let given: Vec<&String> = rows[0].keys().collect();
        let mut places: HashMap<String, String> = HashMap::new();
        for (name, id) in told.after.iter().filter(|(name, _)| given.contains(&name)) {
            match self.find(name, id, same) {
                Found::Dropped => continue,
                Found::Here(place) => {
                    let own = self.columns[place].1.clone();
                    if places.values().any(|other| *other == own) {
                        return Err(Kind::Types);
                    }
                    self.alias(told, (name, id), same, own.clone());
                    places.insert(name.clone(), own);
                }
                Found::Unknown => {
                    self.push(told, name, id, same);
                    places.insert(name.clone(), self.columns.last().unwrap().1.clone());
                }
            }
        }
        let row = |row: &Row| {
            let cells = row
                .iter()
                .filter_map(|(name, value)| Some((places.get(name)?.clone(), (*value)?)));
            cells.collect()
        };
        Ok(self.block(told, rows, upsert).iter().map(row).collect())
    }

    fn delete_rows(
        &mut self,
        told: &Told,
        same: bool,
        span: &Option<(i64, i64)>,
        condition: &Option<(String, i64, i64)>,
    ) -> Result<(), Kind> {
        if let Some((start, stop)) = span {
            self.expect_index(told, same)?;
            let key = self.key();
            self.rows
                .retain(|row| !(*start..*stop).contains(&row[&key]));
        }
        if let Some((name, by, rest)) = condition {
            let (_, id) = told.after.iter().find(|(own, _)| own == name).unwrap();
            let Found::Here(place) = self.find(name, id, same) else {
                return Err(Kind::Condition);
            };
            let id = self.columns[place].1.clone();
            self.rows
                .retain(|row| row.get(&id).is_none_or(|value| value % by != *rest));
        }
        Ok(())
    }

    fn follow(&mut self, told: &Told, same: bool) -> Result<(), Kind> {
        let mut columns: Vec<Option<(String, String)>> =
            self.columns.iter().cloned().map(Some).collect();
        for (name, id) in &told.before {
            let dropped = !told.after.iter().any(|(_, own)| own == id);
            if let (true, Found::Here(place)) = (dropped, self.find(name, id, same)) {
                if self.index.contains(&self.columns[place].0) {
                    return Err(Kind::Index);
                }
                columns[place] = None;
            }
        }
        let mut added = Vec::new();
        let mut index = self.index.clone();
        for (name, id) in &told.after {
            let Some((was, _)) = told.before.iter().find(|(_, own)| own == id) else {
                added.push((name, id));
                continue;
            };
            let found = self.find(was, id, same);
            if let (true, Found::Here(place)) = (was != name, found)
                && let Some(column) = &mut columns[place]
            {
                let old = &self.columns[place].0;
                let levels = self.index.iter().zip(&mut index);
                let own = levels.filter(|(level, _)| *level == old);
                own.for_each(|(_, level)| level.clone_from(name));
                column.0.clone_from(name);
            }
        }
        let columns: View = columns.into_iter().flatten().collect();
        let names: HashSet<&String> = columns.iter().map(|(name, _)| name).collect();
        if names.len() < columns.len() || columns.is_empty() {
            return Err(Kind::Types);
        }
        self.columns = columns;
        self.index = index;
        for (name, id) in added {
            match self.columns.iter().position(|(own, _)| own == name) {
                Some(place) => {
                    let mut before = told.before.iter();
                    let has = |found| matches!(found, Found::Here(own) if own == place);
                    if before.any(|(name, id)| has(self.find(name, id, same))) {
                        return Err(Kind::Types);
                    }
                    let own = self.columns[place].1.clone();
                    self.alias(told, (name, id), same, own);
                }
                None => self.push(told, name, id, same),
            }
        }
        Ok(())
    }
}
