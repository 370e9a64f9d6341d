//! Concatenation: the rows of several frames, one frame after the other.
//!
//! The result has every column that one of the frames has, in the order of first appearance; where a frame lacks one,
//! its rows have null. Types have to have one in common that loses nothing. Rows stay in the order of the frames as
//! they are given, unless they are asked for in the order of the index, which the frames have to share then.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt, stream};
use shoots_store::type_name;

use super::merge::{Merge, Output, Pairing};
use super::narrow::Narrowing;
use super::operator::{Batches, Step, StepExec};
use super::shared_index::SharedIndex;
use super::source::{Input, InputColumn, Source, with_schema};
use super::table::{Combination, CombinedTable};
use super::types::{common, retyped};

#[derive(Debug)]
struct Concat {
    sources: Vec<Source>,
    fields: Vec<Field>,
    /// The index that all share, if the rows are to come in its order.
    index: Option<SharedIndex>,
}

/// The rows of all frames; `sorted` by the index that they share, if that is asked for.
pub(crate) fn concat(sources: Vec<Source>, sorted: bool) -> Result<CombinedTable> {
    if sources.is_empty() {
        return plan_err!("sources: name at least one frame");
    }
    let index = sorted.then(|| SharedIndex::of(&sources)).transpose()?;
    let fields = union(&sources)?;
    Ok(CombinedTable::new(Concat {
        sources,
        fields,
        index,
    }))
}

/// Every column that one of the frames has, in a type for all of them.
fn union(sources: &[Source]) -> Result<Vec<Field>> {
    let mut names: Vec<&str> = Vec::new();
    let mut fields: HashMap<&str, Vec<(&Source, &Field)>> = HashMap::new();
    for source in sources {
        for field in source.schema.fields() {
            let known = fields.entry(field.name()).or_default();
            if known.is_empty() {
                names.push(field.name());
            }
            known.push((source, field));
        }
    }
    let mut problems = Vec::new();
    let mut united = Vec::new();
    for name in names {
        let columns = &fields[name];
        let types = columns.iter().map(|(_, field)| field.data_type());
        let of = types
            .skip(1)
            .try_fold(columns[0].1.data_type().clone(), |of, next| {
                common(&of, next)
            });
        match of {
            Some(of) => {
                let missing = columns.len() < sources.len();
                let nullable = missing || columns.iter().any(|(_, field)| field.is_nullable());
                united.push(retyped(columns[0].1, &of, nullable));
            }
            None => {
                let types = columns.iter();
                let types = types
                    .map(|(source, field)| format!("{} in {source}", type_name(field.data_type())));
                problems.push(format!(
                    "`{name}` is {}",
                    types.collect::<Vec<_>>().join(", ")
                ));
            }
        }
    }
    if !problems.is_empty() {
        return plan_err!(
            "columns have no type in common that would lose nothing: {}; cast them first (`alter` with `widen`), or \
             leave them out",
            problems.join("; ")
        );
    }
    Ok(united)
}

impl Concat {
    fn narrowing(&self, source: &Source) -> Narrowing {
        let columns = self.fields.iter().filter(|field| {
            let stored = source.schema.field_with_name(field.name());
            stored.is_ok_and(|stored| stored.data_type() == field.data_type())
        });
        Narrowing::new(
            source,
            columns.map(|field| (field.name().as_str(), field.name().as_str())),
        )
    }

    fn input(&self, source: &Source, columns: &[usize], conditions: &[Expr]) -> Input {
        let columns = columns.iter().map(|&column| {
            let field = &self.fields[column];
            let there = source.schema.field_with_name(field.name()).is_ok();
            InputColumn {
                name: there.then(|| field.name().clone()),
                field: field.clone(),
            }
        });
        let keys = self
            .index
            .as_ref()
            .map(SharedIndex::keys)
            .unwrap_or_default();
        Input {
            source: source.clone(),
            columns: columns.collect(),
            sorted: keys.len(),
            keys,
            range: self.narrowing(source).range(conditions),
            numbered: false,
        }
    }
}

impl Combination for Concat {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.fields.clone()))
    }

    fn narrows(&self, condition: &Expr) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|source| self.narrowing(source).narrows(condition))
    }

    fn plan(&self, columns: &[usize], conditions: &[Expr]) -> Result<Arc<dyn ExecutionPlan>> {
        let inputs = self.sources.iter();
        let inputs = inputs.map(|source| self.input(source, columns, conditions));
        let inputs: Vec<Input> = inputs.collect();
        let fields: Vec<Field> = columns
            .iter()
            .map(|&column| self.fields[column].clone())
            .collect();
        let step: Arc<dyn Step> = if self.index.is_some() {
            let output = fields.into_iter().enumerate().map(|(place, field)| Output {
                field,
                from: (0..inputs.len()).map(|input| (input, place)).collect(),
            });
            let inputs: Vec<&Input> = inputs.iter().collect();
            let output = output.collect();
            Arc::new(Merge::new(Pairing::Alone, &inputs, output, Vec::new()))
        } else {
            Arc::new(Chain {
                schema: Arc::new(Schema::new(fields)),
                inputs: inputs.len(),
            })
        };
        let inputs = inputs.into_iter().map(Input::into_plan);
        Ok(StepExec::plan(step, inputs.collect()))
    }
}

/// The step that gives its inputs one after the other.
#[derive(Debug)]
struct Chain {
    schema: SchemaRef,
    inputs: usize,
}

impl Step for Chain {
    fn name(&self) -> &'static str {
        "Concat"
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inputs={}", self.inputs)
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn needs(&self) -> Vec<Vec<usize>> {
        vec![Vec::new(); self.inputs]
    }

    fn start(
        self: Arc<Self>,
        inputs: Vec<SendableRecordBatchStream>,
        _context: &TaskContext,
    ) -> Result<Batches> {
        let schema = Step::schema(&*self);
        let batches = stream::iter(inputs)
            .flatten()
            .and_then(move |batch| std::future::ready(with_schema(batch, &schema)));
        Ok(batches.boxed())
    }
}
