//! What a frame is, in the plainest words: columns, an index, and rows in the order in which they are read.

use std::cmp::Ordering;

use shoots_proto::Closed;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int32,
    Int64,
    Float32,
    Float64,
    Text,
    /// Nanoseconds, UTC.
    Time,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
}

/// A frame in one version, or rows that are put.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) index: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// One end of a range: a value, or what lies just beyond it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bound {
    pub(crate) cell: Cell,
    pub(crate) beyond: bool,
}

/// A range of the first index column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    pub(crate) start: Option<Bound>,
    pub(crate) stop: Option<Bound>,
    pub(crate) closed: Closed,
}

impl Kind {
    /// Whether a column of this kind can be widened to another.
    pub(crate) fn widens(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::Int32, Self::Int64 | Self::Float64) | (Self::Float32, Self::Float64)
        )
    }
}

impl Cell {
    pub(crate) fn widened(&self, to: Kind) -> Self {
        match (self, to) {
            (Self::Int(number), Kind::Float64) => Self::Float(*number as f64),
            _ => self.clone(),
        }
    }

    /// Keys are never null.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => one.cmp(other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            _ => panic!("{self:?} and {other:?} are no keys of one column"),
        }
    }

    /// Whether only its beginning stands in the log.
    pub(crate) fn is_long(&self) -> bool {
        matches!(self, Self::Text(text) if text.len() > 64)
    }
}

impl Bound {
    /// How a value compares with this.
    fn order(&self, cell: &Cell) -> Ordering {
        let beyond = if self.beyond {
            Ordering::Less
        } else {
            Ordering::Equal
        };
        cell.order(&self.cell).then(beyond)
    }
}

impl Span {
    /// Whether it stops before it starts.
    pub(crate) fn is_reversed(&self) -> bool {
        match (&self.start, &self.stop) {
            (Some(start), Some(stop)) => {
                let order = start.cell.order(&stop.cell);
                order.then(start.beyond.cmp(&stop.beyond)).is_gt()
            }
            _ => false,
        }
    }

    pub(crate) fn has(&self, cell: &Cell) -> bool {
        let with_start = matches!(self.closed, Closed::Left | Closed::Both);
        let with_stop = matches!(self.closed, Closed::Right | Closed::Both);
        let starts = self.start.as_ref().is_none_or(|start| {
            let order = start.order(cell);
            order.is_gt() || (order.is_eq() && with_start)
        });
        let stops = self.stop.as_ref().is_none_or(|stop| {
            let order = stop.order(cell);
            order.is_lt() || (order.is_eq() && with_stop)
        });
        starts && stops
    }
}

impl Table {
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The places of the index.
    fn key_places(&self) -> Vec<usize> {
        let names = self.index.iter();
        names.map(|name| self.place(name).unwrap()).collect()
    }

    pub(crate) fn keys(&self) -> Vec<Vec<Cell>> {
        let places = self.key_places();
        let key = |row: &Vec<Cell>| places.iter().map(|place| row[*place].clone()).collect();
        self.rows.iter().map(key).collect()
    }

    /// The values of the first column of the index.
    pub(crate) fn first_keys(&self) -> Vec<&Cell> {
        let place = self.place(&self.index[0]).unwrap();
        self.rows.iter().map(|row| &row[place]).collect()
    }

    /// Puts the rows in the order of the index; those with equal keys stay in their order.
    pub(crate) fn sort(&mut self) {
        let places = self.key_places();
        self.rows.sort_by(|one, other| {
            let orders = places.iter().map(|at| one[*at].order(&other[*at]));
            orders.fold(Ordering::Equal, Ordering::then)
        });
    }

    /// Takes away rows, and says how many.
    pub(crate) fn remove(&mut self, doomed: &[bool]) -> u64 {
        let mut doomed_rows = doomed.iter();
        self.rows.retain(|_| !doomed_rows.next().unwrap());
        doomed.iter().filter(|doomed| **doomed).count() as u64
    }

    /// Of rows with equal keys only the last one stays.
    pub(crate) fn keep_last(&mut self) {
        let keys = self.keys();
        let doomed: Vec<bool> = (0..keys.len())
            .map(|row| keys[row + 1..].contains(&keys[row]))
            .collect();
        self.remove(&doomed);
    }

    /// The same rows with the columns of `wanted`, by name; null where there is none.
    pub(crate) fn arranged(&self, wanted: &[Column]) -> Vec<Vec<Cell>> {
        let places: Vec<_> = wanted
            .iter()
            .map(|column| self.place(&column.name))
            .collect();
        let arrange = |row: &Vec<Cell>| {
            let cells = places.iter().zip(wanted);
            cells
                .map(|(place, column)| match place {
                    Some(place) => row[*place].widened(column.kind),
                    None => Cell::Null,
                })
                .collect()
        };
        self.rows.iter().map(arrange).collect()
    }
}
