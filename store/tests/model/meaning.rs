//! What the numbers of a drawn operation mean for a frame as it is.

use shoots_store::ErrorKind;

use crate::op::{AlterSeed, BoundSeed, Indexed, Mode, PutSeed, RowSeed, SpanSeed};
use crate::reference::{Alter, Put};
use crate::table::{Bound, Cell, Column, Kind, Span, Table};

const NAMES: [&str; 7] = ["k", "s", "a", "b", "f", "c", "d"];
const HOUR: i64 = 3_600_000_000_000;
/// 2024-01-01, in nanoseconds.
const FIRST: i64 = 1_704_067_200_000_000_000;

fn name(number: u8) -> String {
    NAMES[usize::from(number) % NAMES.len()].to_owned()
}

fn column_of(table: &Table, number: u8) -> String {
    let place = usize::from(number) % table.columns.len();
    table.columns[place].name.clone()
}

/// A value of the first column of an index.
fn key(kind: Kind, number: u8) -> Cell {
    let number_64 = i64::from(number);
    match kind {
        Kind::Time => Cell::Int(FIRST + number_64 * (HOUR + 1)),
        // Every other text is too long to stand in the log.
        Kind::Text if number % 2 == 1 => Cell::Text(format!("{}{number:02}", "k".repeat(70))),
        Kind::Text => Cell::Text(format!("k{number:02}")),
        _ => Cell::Int(number_64 - 6),
    }
}

fn value(kind: Kind, values: u16) -> Cell {
    match kind {
        Kind::Int32 | Kind::Int64 | Kind::Time => Cell::Int(i64::from(values)),
        Kind::Float32 | Kind::Float64 => Cell::Float(f64::from(values) / 4.0),
        Kind::Text => Cell::Text(format!("v{values}")),
    }
}

impl BoundSeed {
    fn read(self, kind: Kind) -> Bound {
        Bound {
            cell: key(kind, self.key),
            beyond: self.beyond,
        }
    }
}

impl SpanSeed {
    /// For a frame whose index begins with a column of this kind.
    pub(crate) fn read(&self, kind: Kind) -> Option<Span> {
        let span = Span {
            start: self.start.map(|bound| bound.read(kind)),
            stop: self.stop.map(|bound| bound.read(kind)),
            closed: self.closed,
        };
        (span.start.is_some() || span.stop.is_some()).then_some(span)
    }
}

/// The kind of the first column of the index.
pub(crate) fn first_kind(table: &Table) -> Option<Kind> {
    let first = table.index.first()?;
    Some(table.columns[table.place(first)?].kind)
}

impl Indexed {
    fn columns(self) -> Vec<(&'static str, Kind)> {
        match self {
            Self::No => Vec::new(),
            Self::Int => vec![("k", Kind::Int64)],
            Self::Time => vec![("k", Kind::Time)],
            Self::Text => vec![("k", Kind::Text)],
            Self::TimeAndText => vec![("k", Kind::Time), ("s", Kind::Text)],
        }
    }
}

impl PutSeed {
    /// The put, for a frame that is like this when it begins. An error: it is refused because it makes no sense.
    pub(crate) fn read(&self, present: Option<&Table>) -> Result<Put, ErrorKind> {
        let keeps = present.filter(|_| self.mode != Mode::Replace);
        let (index, columns) = match keeps {
            Some(present) => (Vec::new(), self.columns_of(present)),
            None => self.new_columns(),
        };
        let known = keeps.map_or(&index, |present| &present.index);
        let mut given = Table {
            columns,
            index: known.clone(),
            rows: Vec::new(),
        };
        for seed in &self.rows {
            let row = self.row(&given, *seed);
            given.rows.push(row);
        }
        if self.sorted {
            given.sort();
        }
        if self.reversed_columns {
            given.columns.reverse();
            given.rows.iter_mut().for_each(|row| row.reverse());
        }
        let kind = first_kind(&given);
        given.index.clear();
        let updates = matches!(self.mode, Mode::UpdateRange | Mode::UpdateKeys);
        let span = self.span.filter(|_| updates).zip(kind);
        let span = span.and_then(|(span, kind)| span.read(kind));
        if span.as_ref().is_some_and(Span::is_reversed) {
            return Err(ErrorKind::InvalidRequest);
        }
        Ok(Put {
            mode: self.mode,
            index,
            given,
            span,
            batch_rows: self.batch_rows,
        })
    }

    fn new_columns(&self) -> (Vec<String>, Vec<Column>) {
        let index = self.indexed.columns();
        let names = index.iter().map(|(name, _)| (*name).to_owned()).collect();
        let values = [("a", Kind::Int32), ("b", Kind::Text), ("f", Kind::Float32)];
        let keys = index.into_iter().map(|(name, kind)| (name, kind, false));
        let values = (0..).zip(values);
        let values = values.map(|(place, (name, kind))| (name, kind, bit(self.nullable, place)));
        let columns = keys.chain(values).map(|(name, kind, nullable)| Column {
            name: name.to_owned(),
            kind,
            nullable,
        });
        (names, columns.collect())
    }

    /// The columns of a frame, or of an upsert some of them and others.
    fn columns_of(&self, present: &Table) -> Vec<Column> {
        let mut columns = Vec::new();
        let upserts = self.mode == Mode::Upsert && !present.index.is_empty();
        let mut place = 0;
        for column in &present.columns {
            if present.index.contains(&column.name) {
                columns.push(column.clone());
                continue;
            }
            place += 1;
            let left_out = match self.mode {
                Mode::Upsert => upserts && bit(self.without, place),
                // Rarely, and it is refused.
                _ => self.without == 7 && place == 1,
            };
            let kind = match column.kind {
                Kind::Int64 if bit(self.narrow, place) => Kind::Int32,
                Kind::Float64 if bit(self.narrow, place) => Kind::Float32,
                kind => kind,
            };
            if !left_out {
                columns.push(Column {
                    name: column.name.clone(),
                    kind,
                    nullable: bit(self.nullable, place),
                });
            }
        }
        if let Some((number, kind)) = self.extra.filter(|_| upserts)
            && present.place(&name(number)).is_none()
        {
            columns.push(Column {
                name: name(number),
                kind,
                nullable: bit(self.nullable, 0),
            });
        }
        columns
    }

    fn row(&self, given: &Table, seed: RowSeed) -> Vec<Cell> {
        let columns = (0_u16..).zip(&given.columns);
        columns
            .map(|(place, column)| {
                let mut index = given.index.iter();
                match index.position(|name| *name == column.name) {
                    Some(0) => key(column.kind, seed.key),
                    Some(_) => Cell::Text(format!("s{}", seed.second)),
                    None if column.nullable && seed.values.wrapping_add(place) % 4 == 0 => {
                        Cell::Null
                    }
                    None => value(column.kind, seed.values),
                }
            })
            .collect()
    }
}

fn bit(bits: u8, place: usize) -> bool {
    bits >> (place % 3) & 1 == 1
}

impl AlterSeed {
    pub(crate) fn read(&self, present: &Table) -> Alter {
        let old = |number: u8| column_of(present, number);
        let drop: Vec<String> = self.drop.map(old).into_iter().collect();
        let rename = self.rename.iter().map(|(from, to)| (old(*from), name(*to)));
        let rename: std::collections::BTreeMap<_, _> = rename.collect();
        let widen = self.widen.map(|(number, kind)| {
            let column = old(number);
            (rename.get(&column).cloned().unwrap_or(column), kind)
        });
        Alter {
            drop,
            rename,
            widen: widen.into_iter().collect(),
            add: self
                .add
                .map(|(number, kind)| (name(number), kind))
                .into_iter()
                .collect(),
        }
    }
}
