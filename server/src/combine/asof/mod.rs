//! As-of joins: to each row of one frame the row of another that was the last at its time, or the first after it, or
//! the nearest.
//!
//! It does what `pandas.merge_asof` does. Each row of the left frame comes out once, sorted by the column `on` (rows with
//! equal values keep their order), with the right frame's columns beside its own. Keys given as `by` have to be equal;
//! null is equal to null there, as in pandas. `on` may be null or NaN nowhere.
//!
//! | module | what it is for |
//! |---|---|
//! | [`order`], [`duration`] | values of `on`, and how far apart they may be |
//! | [`step`] | going through both inputs once |
//! | [`candidates`] | the right rows that may still be needed |

mod candidates;
mod duration;
mod order;
mod step;

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use datafusion::common::{plan_datafusion_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use shoots_proto::{AsofDirection, IndexValue};
use shoots_store::type_name;

use self::order::{Distance, OnType};
use self::step::{AsofStep, Rule};
use super::columns_of::{Pair, Suffixes};
use super::narrow::Narrowing;
use super::operator::StepExec;
use super::source::{Input, InputColumn, Key, Range, Source};
use super::table::{Combination, CombinedTable};
use super::types::{common, is_orderable, plain, retyped};

/// What an as-of join is asked for.
#[derive(Debug, Clone)]
pub(crate) struct AsofOptions {
    pub(crate) on: Pair,
    pub(crate) by: Vec<Pair>,
    pub(crate) direction: AsofDirection,
    /// How far apart the values of `on` may be at most.
    pub(crate) tolerance: Option<IndexValue>,
    pub(crate) allow_exact_matches: bool,
    pub(crate) suffixes: Suffixes,
}

/// A column of the result.
#[derive(Debug, Clone)]
struct Output {
    field: Field,
    left: bool,
    name: String,
}

#[derive(Debug)]
struct Asof {
    left: Source,
    right: Source,
    keys: [Vec<Key>; 2],
    on: OnType,
    tolerance: Option<Distance>,
    options: AsofOptions,
    output: Vec<Output>,
}

/// The as-of join of two frames.
pub(crate) fn asof_join(
    left: Source,
    right: Source,
    options: AsofOptions,
) -> Result<CombinedTable> {
    let Pair {
        left: left_on,
        right: right_on,
    } = &options.on;
    let of_left = left.column(left_on, "on")?.data_type();
    let of_right = right.column(right_on, "on")?.data_type();
    let compared = common(plain(of_left), plain(of_right));
    let on = compared.as_ref().and_then(OnType::of).ok_or_else(|| {
        plan_datafusion_err!(
            "on: column `{left_on}` of frame {left} ({}) and column `{right_on}` of frame {right} ({}) have no order in \
             common; an as-of join needs two numbers, or two times that both have a zone or both none",
            type_name(of_left),
            type_name(of_right)
        )
    })?;
    let tolerance = options.tolerance.as_ref();
    let tolerance = tolerance.map(|value| on.distance(value, plain(of_left)));
    let mut keys = [Vec::new(), Vec::new()];
    for pair in std::iter::once(&options.on).chain(&options.by) {
        let compared = match (pair == &options.on, &compared) {
            (true, Some(compared)) => compared.clone(),
            _ => pair.compared(&left, &right, "by")?,
        };
        for (keys, name) in keys.iter_mut().zip([&pair.left, &pair.right]) {
            keys.push(Key {
                name: name.clone(),
                compared: compared.clone(),
            });
        }
    }
    let output = output(&left, &right, &options)?;
    Ok(CombinedTable::new(Asof {
        tolerance: tolerance.transpose()?,
        left,
        right,
        keys,
        on,
        options,
        output,
    }))
}

fn output(left: &Source, right: &Source, options: &AsofOptions) -> Result<Vec<Output>> {
    let shared: Vec<&str> = std::iter::once(&options.on)
        .chain(&options.by)
        .filter(|pair| pair.left == pair.right)
        .map(|pair| pair.left.as_str())
        .collect();
    let names = options
        .suffixes
        .names(&left.schema, &right.schema, &shared)?;
    let output = names.into_iter().map(|column| {
        let schema = if column.left {
            &left.schema
        } else {
            &right.schema
        };
        let field = schema.field(column.place);
        Output {
            field: retyped(field, field.data_type(), !column.left).with_name(column.name),
            left: column.left,
            name: field.name().clone(),
        }
    });
    Ok(output.collect())
}

impl Pair {
    /// The type in which both columns are compared.
    pub(super) fn compared(
        &self,
        left: &Source,
        right: &Source,
        role: &str,
    ) -> Result<arrow_schema::DataType> {
        let of_left = left.column(&self.left, role)?.data_type();
        let of_right = right.column(&self.right, role)?.data_type();
        match common(plain(of_left), plain(of_right)) {
            Some(compared) if is_orderable(&compared) => Ok(compared),
            _ => plan_err!(
                "{role}: column `{}` of frame {left} ({}) and column `{}` of frame {right} ({}) cannot be compared; \
                 give columns of the same type",
                self.left,
                type_name(of_left),
                self.right,
                type_name(of_right)
            ),
        }
    }
}

impl Asof {
    fn narrowing(&self) -> Narrowing {
        let columns = self.output.iter().filter(|output| output.left);
        Narrowing::new(
            &self.left,
            columns.map(|output| (output.field.name().as_str(), output.name.as_str())),
        )
    }
}

impl Combination for Asof {
    fn schema(&self) -> SchemaRef {
        let fields = self.output.iter().map(|output| output.field.clone());
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn narrows(&self, condition: &Expr) -> bool {
        self.narrowing().narrows(condition)
    }

    fn plan(&self, columns: &[usize], conditions: &[Expr]) -> Result<Arc<dyn ExecutionPlan>> {
        let [left_keys, right_keys] = &self.keys;
        let input = |source: &Source, keys: &[Key]| Input {
            source: source.clone(),
            columns: Vec::new(),
            keys: keys.to_vec(),
            sorted: 1,
            range: Range::default(),
            numbered: false,
        };
        let mut left = input(&self.left, left_keys);
        left.range = self.narrowing().range(conditions);
        let mut right = input(&self.right, right_keys);
        let mut output = Vec::new();
        for &column in columns {
            let column = &self.output[column];
            let (side, source) = if column.left {
                (&mut left, &self.left)
            } else {
                (&mut right, &self.right)
            };
            output.push((column.field.clone(), column.left, side.columns.len()));
            let field = source.column(&column.name, "columns")?;
            side.columns.push(InputColumn::same(field));
        }
        let (left, right) = (left.stable(), right.stable());
        let rule = Rule {
            direction: self.options.direction,
            exact: self.options.allow_exact_matches,
            on: self.on,
            tolerance: self.tolerance,
        };
        let step = AsofStep::new(rule, [&left, &right], output);
        let inputs = vec![left.into_plan(), right.into_plan()];
        Ok(StepExec::plan(Arc::new(step), inputs))
    }
}
