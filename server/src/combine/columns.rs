//! Columns of several frames side by side, aligned on the index that the frames share.
//!
//! The result has the index, and then each column that was asked for, called as it was asked for. Its rows are the union
//! of the frames' keys, sorted; where a frame has no row of a key, its columns are null. A key that a frame has several
//! times stays as often as the frame with the most has it: the first row goes with the first of the others, the
//! second with the second.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use shoots_proto::{BucketName, FrameId};

use super::merge::{Merge, Output, Pairing};
use super::operator::StepExec;
use super::shared_index::SharedIndex;
use super::source::{Input, InputColumn, Range, Source};
use super::table::{Combination, CombinedTable};
use super::types::retyped;

/// Stands for all columns of a frame that are not in its index.
const ALL: &str = "*";
/// The default bucket, where one is named; as SQL has it.
const DEFAULT_BUCKET: &str = "\"\"";
/// Frames that an error names at most.
const NAMED: usize = 20;

/// A column that is asked for, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The number of the frame.
    pub(crate) source: usize,
    pub(crate) column: String,
    /// What the result calls it.
    pub(crate) name: String,
}

/// A name that was asked for, as a column of one of the frames.
#[derive(Debug, Clone, Copy)]
struct Meaning<'a> {
    source: usize,
    column: &'a str,
}

/// Finds columns in frames: by their own name among the frames of `bucket` and those that `named` says, or as
/// `frame.column`, `bucket.frame.column` (`bucket/frame.column`, too) or, in the default bucket, `"".frame.column`. Columns of the index are in the result anyway and are passed over.
pub(crate) fn resolve(
    asked: &[String],
    bucket: Option<&BucketName>,
    sources: &[Source],
    named: &HashSet<FrameId>,
) -> Result<Vec<Wanted>> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for name in asked {
        let meanings = meanings(name, bucket, sources, named);
        let is_index = |meaning: &Meaning<'_>| {
            let index = sources[meaning.source].snapshot.index();
            index.iter().any(|column| column == meaning.column)
        };
        if !meanings.is_empty() && meanings.iter().all(is_index) {
            continue;
        }
        match meanings.as_slice() {
            [] => return unknown(name, bucket, sources),
            [meaning] if meaning.column == ALL => wanted.extend(all(name, meaning, sources)),
            [meaning] => wanted.push(Wanted {
                source: meaning.source,
                column: meaning.column.to_owned(),
                name: name.clone(),
            }),
            several if name == ALL => {
                for meaning in several {
                    let name = format!("{}.{ALL}", sources[meaning.source].snapshot.frame().name);
                    wanted.extend(all(&name, meaning, sources));
                }
            }
            several => {
                let candidates = several.iter().take(NAMED).map(|meaning| {
                    let frame = sources[meaning.source].snapshot.frame();
                    let own = frame.bucket.as_ref();
                    let bucket = match own == bucket {
                        true => String::new(),
                        false => format!("{}.", in_words(own)),
                    };
                    format!("{bucket}{}.{}", frame.name, meaning.column)
                });
                return plan_err!(
                    "columns: `{name}` is in several frames; say which one is meant: {}",
                    candidates.collect::<Vec<_>>().join(", ")
                );
            }
        }
    }
    let mut seen = HashSet::new();
    wanted
        .retain(|wanted| seen.insert((wanted.source, wanted.column.clone(), wanted.name.clone())));
    Ok(wanted)
}

/// What a name can mean: a column, or else a column of a frame, or else one of a frame of a bucket.
fn meanings<'a>(
    name: &'a str,
    bucket: Option<&BucketName>,
    sources: &[Source],
    named: &HashSet<FrameId>,
) -> Vec<Meaning<'a>> {
    let own = |source: &Source| {
        let frame = source.snapshot.frame();
        frame.bucket.as_ref() == bucket || named.contains(frame)
    };
    let has = |source: &Source, column: &str| {
        column == ALL || source.schema.field_with_name(column).is_ok()
    };
    let found = |is: &dyn Fn(&Source) -> Option<&'a str>| {
        let places = sources.iter().enumerate();
        let found = places.filter_map(|(source, of)| {
            let column = is(of).filter(|column| has(of, column))?;
            Some(Meaning { source, column })
        });
        found.collect::<Vec<_>>()
    };
    let bare = found(&|source| own(source).then_some(name));
    if !bare.is_empty() {
        return bare;
    }
    let of_frame = |source: &Source, text: &'a str| {
        let frame = source.snapshot.frame().name.as_str();
        text.strip_prefix(frame)?.strip_prefix('.')
    };
    let qualified = found(&|source| own(source).then(|| of_frame(source, name)).flatten());
    if !qualified.is_empty() {
        return qualified;
    }
    found(&|source| {
        let bucket = source.snapshot.frame().bucket.as_ref();
        of_frame(source, behind_bucket(name, bucket)?)
    })
}

/// What follows the name of a bucket: behind a dot as in SQL, or behind a slash as where frames are named.
pub(crate) fn behind_bucket<'a>(name: &'a str, bucket: Option<&BucketName>) -> Option<&'a str> {
    name.strip_prefix(in_words(bucket))?
        .strip_prefix(BEHIND_BUCKET)
}

/// What stands between a bucket and what is in it.
pub(crate) const BEHIND_BUCKET: [char; 2] = ['.', '/'];

/// How a bucket is named before a frame.
fn in_words(bucket: Option<&BucketName>) -> &str {
    bucket.map_or(DEFAULT_BUCKET, BucketName::as_str)
}

/// All columns of a frame that are not in its index; `name` ends in `*`.
fn all(name: &str, meaning: &Meaning<'_>, sources: &[Source]) -> Vec<Wanted> {
    let source = &sources[meaning.source];
    let prefix = name.strip_suffix(ALL).unwrap_or(name);
    let fields = source.schema.fields().iter();
    let fields = fields.filter(|field| !source.snapshot.index().contains(field.name()));
    let wanted = fields.map(|field| Wanted {
        source: meaning.source,
        column: field.name().clone(),
        name: format!("{prefix}{}", field.name()),
    });
    wanted.collect()
}

fn unknown<T>(name: &str, bucket: Option<&BucketName>, sources: &[Source]) -> Result<T> {
    let frames = sources.iter().take(NAMED).map(Source::to_string);
    let frames = match frames.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "there are no frames".to_owned(),
        frames => format!("the frames are {frames}"),
    };
    let place = bucket.map_or_else(|| "the default bucket".into(), |b| format!("bucket {b}"));
    plan_err!(
        "columns: there is no `{name}`: no frame that was looked into in {place} has a column of that name, and it is no \
         frame.column or bucket.frame.column; {frames}"
    )
}

#[derive(Debug)]
struct Aligned {
    sources: Vec<Source>,
    wanted: Vec<Wanted>,
    index: SharedIndex,
    range: Range,
    fields: Vec<Field>,
}

/// Columns of frames that share an index, for the rows in a range of it.
pub(crate) fn align(
    sources: &[Source],
    mut wanted: Vec<Wanted>,
    range: Range,
) -> Result<CombinedTable> {
    if wanted.is_empty() {
        return plan_err!("columns: name at least one column that is not in the index");
    }
    let mut used: Vec<usize> = wanted.iter().map(|wanted| wanted.source).collect();
    used.sort_unstable();
    used.dedup();
    for wanted in &mut wanted {
        wanted.source = used.partition_point(|number| *number < wanted.source);
    }
    let sources: Vec<Source> = used
        .into_iter()
        .map(|number| sources[number].clone())
        .collect();
    let index = SharedIndex::of(&sources)?;
    let mut fields = index.fields.clone();
    for column in &wanted {
        let field = sources[column.source].column(&column.column, "columns")?;
        fields.push(retyped(field, field.data_type(), true).with_name(&column.name));
    }
    let mut names = HashSet::new();
    if let Some(twice) = fields.iter().find(|field| !names.insert(field.name())) {
        return plan_err!("columns: `{}` would be in the result twice", twice.name());
    }
    Ok(CombinedTable::new(Aligned {
        sources,
        wanted,
        index,
        range,
        fields,
    }))
}

impl Combination for Aligned {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.fields.clone()))
    }

    fn plan(&self, columns: &[usize], _conditions: &[Expr]) -> Result<Arc<dyn ExecutionPlan>> {
        let keys = self.index.keys();
        let inputs = self.sources.iter().map(|source| Input {
            source: source.clone(),
            columns: Vec::new(),
            sorted: keys.len(),
            keys: keys.clone(),
            range: self.range.clone(),
            numbered: false,
        });
        let mut inputs: Vec<Input> = inputs.collect();
        let mut output: Vec<Output> = Vec::new();
        for &column in columns {
            let field = self.fields[column].clone();
            let from = match column.checked_sub(self.index.fields.len()) {
                Some(place) => {
                    let Wanted { source, column, .. } = &self.wanted[place];
                    let stored = self.sources[*source].column(column, "columns")?;
                    inputs[*source].columns.push(InputColumn::same(stored));
                    vec![(*source, inputs[*source].columns.len() - 1)]
                }
                None => {
                    let each = inputs.iter_mut().enumerate();
                    let each = each.map(|(number, input)| {
                        input.columns.push(InputColumn {
                            name: Some(field.name().clone()),
                            field: field.clone(),
                        });
                        (number, input.columns.len() - 1)
                    });
                    each.collect()
                }
            };
            output.push(Output { field, from });
        }
        let shapes: Vec<&Input> = inputs.iter().collect();
        let merge = Merge::new(Pairing::Occurrence, &shapes, output, self.order(columns));
        let inputs = inputs.into_iter().map(Input::into_plan);
        Ok(StepExec::plan(Arc::new(merge), inputs.collect()))
    }
}

impl Aligned {
    /// Where in the result the index stands, as far as it is there.
    fn order(&self, columns: &[usize]) -> Vec<usize> {
        let index = 0..self.index.fields.len();
        let places = index.map_while(|column| columns.iter().position(|other| *other == column));
        places.collect()
    }
}
