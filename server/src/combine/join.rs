//! Joins on equal keys: inner, left, right and outer.
//!
//! They do what `pandas.merge` does: columns that are compared under one name stand in the result once, others that
//! clash get suffixes, and null (or NaN) is equal to null, which it is not in SQL's own joins. The rows of inner and left
//! joins come in the order of the left frame, those of right joins in that of the right one, and those of outer
//! joins sorted by the keys, nulls last.
//!
//! Both frames are merged in the order of the keys ([`merge`](super::merge)). A frame whose index begins with them is
//! read as it is, any other is sorted, and where the result is not in its order by itself it is sorted once more.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use super::columns_of::{Pair, Suffixes};
use super::merge::{Merge, Output, Pairing};
use super::narrow::Narrowing;
use super::operator::{StepExec, ordering};
use super::source::{Input, InputColumn, Key, Range, Source};
use super::table::{Combination, CombinedTable};
use super::types::retyped;

/// Which rows that find no partner stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Outer,
}

impl JoinKind {
    /// Whether left rows without a partner stay, and right ones.
    fn stays(self) -> (bool, bool) {
        match self {
            Self::Inner => (false, false),
            Self::Left => (true, false),
            Self::Right => (false, true),
            Self::Outer => (true, true),
        }
    }
}

/// A column of the result.
#[derive(Debug)]
enum Made {
    /// One that is compared under one name, as the n-th key.
    Key(usize),
    /// One of the left or the right frame.
    Of { left: bool, name: String },
}

#[derive(Debug)]
struct Join {
    left: Source,
    right: Source,
    kind: JoinKind,
    on: Vec<Pair>,
    compared: Vec<DataType>,
    output: Vec<(Field, Made)>,
}

/// The join of two frames where these columns are equal.
pub(crate) fn join(
    left: Source,
    right: Source,
    kind: JoinKind,
    on: Vec<Pair>,
    suffixes: &Suffixes,
) -> Result<CombinedTable> {
    if on.is_empty() {
        return plan_err!("on: is missing; name the columns whose values have to be equal");
    }
    let compared = on.iter().map(|pair| pair.compared(&left, &right, "on"));
    let compared: Vec<DataType> = compared.collect::<Result<_>>()?;
    let shared: Vec<&str> = on
        .iter()
        .filter(|pair| pair.left == pair.right)
        .map(|pair| pair.left.as_str())
        .collect();
    let (left_stays, right_stays) = kind.stays();
    let mut output = Vec::new();
    for column in suffixes.names(&left.schema, &right.schema, &shared)? {
        let schema = if column.left {
            &left.schema
        } else {
            &right.schema
        };
        let field = schema.field(column.place);
        let key = on
            .iter()
            .position(|pair| column.left && pair.left == pair.right && pair.left == *field.name());
        let (made, of, nullable) = match key {
            Some(key) => {
                let of_right = right.column(field.name(), "on")?;
                let same = field.data_type() == of_right.data_type();
                let of = if same {
                    field.data_type()
                } else {
                    &compared[key]
                };
                (Made::Key(key), of, of_right.is_nullable())
            }
            None => {
                let made = Made::Of {
                    left: column.left,
                    name: field.name().clone(),
                };
                let nullable = if column.left { right_stays } else { left_stays };
                (made, field.data_type(), nullable)
            }
        };
        output.push((retyped(field, of, nullable).with_name(column.name), made));
    }
    Ok(CombinedTable::new(Join {
        left,
        right,
        kind,
        on,
        compared,
        output,
    }))
}

impl Join {
    fn input(&self, of_left: bool) -> Input {
        let keys = self
            .on
            .iter()
            .zip(&self.compared)
            .map(|(pair, compared)| Key {
                name: if of_left { &pair.left } else { &pair.right }.clone(),
                compared: compared.clone(),
            });
        Input {
            source: if of_left { &self.left } else { &self.right }.clone(),
            columns: Vec::new(),
            keys: keys.collect(),
            sorted: self.on.len(),
            range: Range::default(),
            numbered: false,
        }
    }

    /// What conditions leave of the left frame, or of the right one.
    fn narrowing(&self, of_left: bool) -> Narrowing {
        let source = if of_left { &self.left } else { &self.right };
        let (left_stays, right_stays) = self.kind.stays();
        // Rows of a side that the other side's rows could be missed by may only go with their partners.
        let all = if of_left { !right_stays } else { !left_stays };
        let columns = self.output.iter().filter_map(move |(field, made)| {
            let name = match made {
                Made::Key(key) => &self.on[*key].left,
                Made::Of { left, name } if all && *left == of_left => name,
                Made::Of { .. } => return None,
            };
            let stored = source.schema.field_with_name(name).ok()?;
            let same = stored.data_type() == field.data_type();
            same.then_some((field.name().as_str(), name.as_str()))
        });
        Narrowing::new(source, columns)
    }

    /// Adds a column to an input and says where it stands.
    fn place(input: &mut Input, name: &str) -> Result<usize> {
        let field = input.source.column(name, "columns")?;
        let column = InputColumn::same(field);
        input.columns.push(column);
        Ok(input.columns.len() - 1)
    }

    /// Whether the merged rows are in the order of the result.
    fn keeps_order(&self, left: &Input) -> bool {
        match self.kind {
            JoinKind::Inner | JoinKind::Left => left.is_sorted(),
            // Merging pairs each left row with all right ones, which is another order where both have several.
            JoinKind::Right => false,
            JoinKind::Outer => true,
        }
    }
}

impl Combination for Join {
    fn schema(&self) -> SchemaRef {
        let fields = self.output.iter().map(|(field, _)| field.clone());
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn narrows(&self, condition: &Expr) -> bool {
        self.narrowing(true).narrows(condition) || self.narrowing(false).narrows(condition)
    }

    fn plan(&self, columns: &[usize], conditions: &[Expr]) -> Result<Arc<dyn ExecutionPlan>> {
        let (mut left, mut right) = (self.input(true), self.input(false));
        left.range = self.narrowing(true).range(conditions);
        right.range = self.narrowing(false).range(conditions);
        let mut output = Vec::new();
        for &column in columns {
            let (field, made) = &self.output[column];
            let from = match made {
                Made::Key(key) => {
                    let name = &self.on[*key].left;
                    let stored = self.left.column(name, "on")?.data_type();
                    let as_stored = stored == field.data_type()
                        && self.right.column(name, "on")?.data_type() == stored;
                    let mut places = [None; 2];
                    if as_stored {
                        places[0] = Some(Self::place(&mut left, name)?);
                        places[1] = Some(Self::place(&mut right, name)?);
                    }
                    vec![(0, places[0], *key), (1, places[1], *key)]
                }
                Made::Of { left: true, name } => vec![(0, Some(Self::place(&mut left, name)?), 0)],
                Made::Of { left: false, name } => {
                    vec![(1, Some(Self::place(&mut right, name)?), 0)]
                }
            };
            output.push((field.clone(), from));
        }
        let ordered = self.keeps_order(&left);
        let (mut left, mut right) = (left.stable(), right.stable());
        left.numbered |= !ordered;
        right.numbered |= !ordered;
        let keys = [left.key_places().start, right.key_places().start];
        let mut output: Vec<Output> = output
            .into_iter()
            .map(|(field, from)| Output {
                field,
                from: from
                    .into_iter()
                    .map(|(side, place, key)| (side, place.unwrap_or(keys[side] + key)))
                    .collect(),
            })
            .collect();
        if !ordered {
            let rows = [(0, left.row_place()), (1, right.row_place())];
            output.extend(rows.into_iter().filter_map(|(side, place)| {
                Some(Output {
                    field: Field::new("row", DataType::UInt64, true),
                    from: vec![(side, place?)],
                })
            }));
        }
        let (left_stays, right_stays) = self.kind.stays();
        let pairing = Pairing::Product {
            left_stays,
            right_stays,
        };
        let merge = Merge::new(pairing, &[&left, &right], output, Vec::new());
        let inputs = vec![left.into_plan(), right.into_plan()];
        let merged = StepExec::plan(Arc::new(merge), inputs);
        if ordered {
            return Ok(merged);
        }
        self.in_order(merged, columns.len())
    }
}

impl Join {
    /// Sorts by the numbers of the rows, which stand behind the columns, and drops them.
    fn in_order(
        &self,
        merged: Arc<dyn ExecutionPlan>,
        columns: usize,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = merged.schema();
        let rows = match self.kind {
            JoinKind::Right => [columns + 1, columns],
            _ => [columns, columns + 1],
        };
        let sorted: Arc<dyn ExecutionPlan> = match ordering(&schema, &rows) {
            Some(order) => Arc::new(SortExec::new(order, merged)),
            None => merged,
        };
        let kept = schema.fields()[..columns].iter().enumerate();
        let kept = kept.map(|(place, field)| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), place));
            (column, field.name().clone())
        });
        Ok(Arc::new(ProjectionExec::try_new(
            kept.collect::<Vec<_>>(),
            sorted,
        )?))
    }
}
