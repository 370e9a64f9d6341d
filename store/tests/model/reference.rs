//! What every change does to a frame: a frame is the list of its versions, each of them a table or gone.

use std::collections::BTreeMap;

use shoots_store::ErrorKind;

use crate::op::Mode;
use crate::table::{Cell, Column, Kind, Span, Table};

/// What becomes of a frame.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// There is one more version.
    Becomes(Step),
    /// There was nothing to change.
    Stays,
    Refused(ErrorKind),
}

#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// None: the frame is gone.
    pub(crate) table: Option<Table>,
    pub(crate) operation: &'static str,
    /// Rows that it took away.
    pub(crate) removed: u64,
}

/// A put.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub(crate) mode: Mode,
    /// The index that it says.
    pub(crate) index: Vec<String>,
    pub(crate) given: Table,
    pub(crate) span: Option<Span>,
    pub(crate) batch_rows: usize,
}

/// Other columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alter {
    pub(crate) drop: Vec<String>,
    pub(crate) rename: BTreeMap<String, String>,
    /// None: the column may be null.
    pub(crate) widen: BTreeMap<String, Option<Kind>>,
    pub(crate) add: Vec<(String, Kind)>,
}

impl Outcome {
    pub(crate) fn becomes(table: Option<Table>, operation: &'static str, removed: u64) -> Self {
        Self::Becomes(Step {
            table,
            operation,
            removed,
        })
    }
}

impl Put {
    /// The rows as they are written, with the columns of the frame that the put finds when it begins.
    pub(crate) fn staged(&self, present: Option<&Table>) -> Result<Table, ErrorKind> {
        let changes = !matches!(self.mode, Mode::Error | Mode::Append | Mode::Replace);
        if self.mode == Mode::Error && present.is_some() {
            return Err(ErrorKind::AlreadyExists);
        }
        let keeps = present.filter(|_| self.mode != Mode::Replace);
        let index = keeps.map_or(&self.index, |present| &present.index).clone();
        if changes && index.is_empty() {
            return Err(ErrorKind::InvalidRequest);
        }
        let Some(present) = keeps else {
            return Ok(Table {
                index,
                ..self.given.clone()
            });
        };
        let given = |column: &&Column| self.given.place(&column.name).is_some();
        let new = |column: &&Column| present.place(&column.name).is_none();
        if self.mode != Mode::Upsert
            && (!present.columns.iter().all(|column| given(&column))
                || self.given.columns.iter().any(|column| new(&column)))
        {
            return Err(ErrorKind::Schema);
        }
        let known = present.columns.iter().filter(given).map(|column| {
            let place = self.given.place(&column.name).unwrap();
            let nullable = column.nullable || self.given.columns[place].nullable;
            Column {
                nullable,
                ..column.clone()
            }
        });
        let columns: Vec<Column> = known
            .chain(self.given.columns.iter().filter(new).cloned())
            .collect();
        let rows = self.given.arranged(&columns);
        Ok(Table {
            columns,
            index,
            rows,
        })
    }

    /// What the frame is when the rows are in it.
    pub(crate) fn applied(&self, present: Option<&Table>, staged: &Table) -> Outcome {
        let mut staged = staged.clone();
        if self.mode == Mode::Upsert {
            staged.keep_last();
        }
        if let Some(span) = &self.span
            && !staged.first_keys().iter().all(|key| span.has(key))
        {
            return Outcome::Refused(ErrorKind::InvalidRequest);
        }
        let Some(present) = present else {
            staged.sort();
            return Outcome::becomes(Some(staged), "create", 0);
        };
        if self.mode == Mode::Replace {
            staged.sort();
            return Outcome::becomes(Some(staged), "replace", present.rows.len() as u64);
        }
        if self.mode == Mode::Error {
            return Outcome::Refused(ErrorKind::AlreadyExists);
        }
        let fits = |column: &Column| {
            let place = present.place(&column.name);
            place.is_none_or(|place| present.columns[place].kind == column.kind)
        };
        if present.index != staged.index || !staged.columns.iter().all(fits) {
            return Outcome::Refused(ErrorKind::Conflict);
        }
        let mut table = present.clone();
        let doomed = self.doomed(present, &staged);
        let replaced = present.keys().into_iter().zip(&present.rows);
        let replaced: Vec<_> = replaced.map(|(key, row)| (key, row.clone())).collect();
        let removed = table.remove(&doomed);
        table.columns = columns_with(&present.columns, &staged.columns);
        let mut rows = staged.arranged(&table.columns);
        if self.mode == Mode::Upsert {
            fill(&mut rows, &staged, present, &replaced, &table.columns);
        }
        table.rows = present_rows(&table, present);
        table.rows.extend(rows);
        table.sort();
        let operation = match self.mode {
            Mode::Error | Mode::Append | Mode::Replace => "append",
            Mode::UpdateRange | Mode::UpdateKeys => "update",
            Mode::Upsert => "upsert",
        };
        Outcome::becomes(Some(table), operation, removed)
    }

    /// Which of the present rows make way.
    fn doomed(&self, present: &Table, staged: &Table) -> Vec<bool> {
        match self.mode {
            Mode::Error | Mode::Append | Mode::Replace => vec![false; present.rows.len()],
            Mode::UpdateKeys | Mode::Upsert => {
                let keys = staged.keys();
                let present = present.keys().into_iter();
                present.map(|key| keys.contains(&key)).collect()
            }
            Mode::UpdateRange => {
                let mut given = staged.first_keys();
                given.sort_by(|one, other| one.order(other));
                let within = |cell: &Cell| match (&self.span, given.as_slice()) {
                    (Some(span), _) => span.has(cell),
                    (None, []) => false,
                    (None, [first, ..]) => {
                        cell.order(first).is_ge() && cell.order(given[given.len() - 1]).is_le()
                    }
                };
                present.first_keys().into_iter().map(within).collect()
            }
        }
    }

    /// Whether the store may refuse it because it knows only the beginnings of keys.
    pub(crate) fn has_long_ends(&self, staged: &Table) -> bool {
        (self.mode == Mode::UpdateRange || self.span.is_some())
            && staged.first_keys().iter().any(|key| key.is_long())
    }
}

/// The columns of a frame when rows with others are in it.
fn columns_with(present: &[Column], rows: &[Column]) -> Vec<Column> {
    let find = |columns: &[Column], name: &str| {
        let mut columns = columns.iter();
        columns.find(|column| column.name == name).cloned()
    };
    let kept = present.iter().map(|column| Column {
        nullable: find(rows, &column.name).is_none_or(|found| found.nullable || column.nullable),
        ..column.clone()
    });
    let new = rows
        .iter()
        .filter(|column| find(present, &column.name).is_none());
    let new = new.map(|column| Column {
        nullable: true,
        ..column.clone()
    });
    kept.chain(new).collect()
}

/// The rows that are left, with the columns that the frame has now.
fn present_rows(table: &Table, present: &Table) -> Vec<Vec<Cell>> {
    let left = Table {
        columns: present.columns.clone(),
        index: Vec::new(),
        rows: table.rows.clone(),
    };
    left.arranged(&table.columns)
}

/// Columns that were not given keep the values of the last row that had the key.
fn fill(
    rows: &mut [Vec<Cell>],
    staged: &Table,
    present: &Table,
    replaced: &[(Vec<Cell>, Vec<Cell>)],
    columns: &[Column],
) {
    for (row, key) in rows.iter_mut().zip(staged.keys()) {
        let older = replaced.iter().rev().find(|(older, _)| *older == key);
        let Some((_, older)) = older else { continue };
        for (cell, column) in row.iter_mut().zip(columns) {
            if staged.place(&column.name).is_none() {
                *cell = older[present.place(&column.name).unwrap()].clone();
            }
        }
    }
}

impl Alter {
    pub(crate) fn applied(&self, present: &Table) -> Outcome {
        match self.edited(present) {
            None => Outcome::Refused(ErrorKind::InvalidRequest),
            Some(table) if table == *present => Outcome::Stays,
            Some(table) => Outcome::becomes(Some(table), "alter", 0),
        }
    }

    fn edited(&self, present: &Table) -> Option<Table> {
        let mut table = present.clone();
        for name in &self.drop {
            let place = table.place(name).filter(|_| !table.index.contains(name))?;
            table.columns.remove(place);
            for row in &mut table.rows {
                row.remove(place);
            }
        }
        if !self.rename.keys().all(|name| table.place(name).is_some()) {
            return None;
        }
        let names = table.columns.iter_mut().map(|column| &mut column.name);
        for name in names.chain(&mut table.index) {
            if let Some(new) = self.rename.get(name) {
                name.clone_from(new);
            }
        }
        if has_double(&table.columns) {
            return None;
        }
        for (name, kind) in &self.widen {
            let place = table.place(name).filter(|_| !table.index.contains(name))?;
            let column = &mut table.columns[place];
            match kind {
                None => column.nullable = true,
                Some(kind) if column.kind.widens(*kind) => {
                    column.kind = *kind;
                    for row in &mut table.rows {
                        row[place] = row[place].widened(*kind);
                    }
                }
                Some(kind) if column.kind == *kind => {}
                Some(_) => return None,
            }
        }
        for (name, kind) in &self.add {
            table.columns.push(Column {
                name: name.clone(),
                kind: *kind,
                nullable: true,
            });
            for row in &mut table.rows {
                row.push(Cell::Null);
            }
        }
        (!has_double(&table.columns) && !table.columns.is_empty()).then_some(table)
    }
}

fn has_double(columns: &[Column]) -> bool {
    let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

/// Rows in a range, those that fulfil a condition, or those for which both is true, are gone.
pub(crate) fn without_rows(
    present: &Table,
    span: Option<&Span>,
    condition: impl Fn(&[Cell]) -> bool,
) -> Outcome {
    if span.is_some() && present.index.is_empty() || span.is_some_and(Span::is_reversed) {
        return Outcome::Refused(ErrorKind::InvalidRequest);
    }
    let mut table = present.clone();
    let within: Vec<bool> = match span {
        Some(span) => present
            .first_keys()
            .iter()
            .map(|key| span.has(key))
            .collect(),
        None => vec![true; present.rows.len()],
    };
    let doomed = within.iter().zip(&present.rows);
    let doomed: Vec<bool> = doomed
        .map(|(within, row)| *within && condition(row))
        .collect();
    match table.remove(&doomed) {
        0 => Outcome::Stays,
        removed => Outcome::becomes(Some(table), "delete_rows", removed),
    }
}
