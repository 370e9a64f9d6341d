//! What is asked for, checked against the frame: every mistake is found here, before a row is read.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use serde_json::Value;
use shoots_proto::Closed;
use shoots_proto::action::{Aggregations, BinEnd, Resampling};
use shoots_store::{ReadOptions, Snapshot, type_name};

use super::bins::{Layout, Origin};
use super::calendar::Zone;
use super::fill::Fill;
use super::function::{Empty, Function, Kind};
use super::rule::{Rule, Steps};
use super::window::Window;
use crate::query::widened_type;

/// A field of the request, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) field: &'static str,
    pub(crate) text: String,
}

impl Problem {
    fn new(field: &'static str, text: impl Into<String>) -> Self {
        Self {
            field,
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.text)
    }
}

/// Which rows of the frame take part, by their time.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Range {
    pub(crate) start: Option<Value>,
    pub(crate) stop: Option<Value>,
    pub(crate) closed: Closed,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) snapshot: Snapshot,
    pub(crate) resampling: Resampling,
    pub(crate) range: Range,
}

/// A column of results.
#[derive(Debug, Clone)]
pub(super) struct Output {
    /// Where its values are in the frame; none: rows are counted.
    pub(super) column: Option<usize>,
    pub(super) function: Function,
    /// The type of the values.
    pub(super) of: DataType,
    /// The column as it is called, and the type of its results.
    pub(super) field: FieldRef,
}

impl Output {
    pub(super) fn empty(&self) -> Empty {
        self.function.empty()
    }
}

/// A frame to be resampled.
#[derive(Debug, Clone)]
pub(crate) struct Resample {
    pub(super) snapshot: Snapshot,
    pub(super) range: Range,
    pub(super) time: usize,
    pub(super) by: Vec<usize>,
    pub(super) outputs: Vec<Output>,
    pub(super) layout: Layout,
    pub(super) fill: Fill,
    pub(super) quantile: f64,
    pub(super) schema: SchemaRef,
    /// The bins that are wanted; none: all.
    pub(super) window: Option<Window>,
    rows: Arc<AtomicU64>,
}

impl Resample {
    /// Checks a request.
    pub(crate) fn new(request: Request) -> Result<Self, Problem> {
        let Request {
            snapshot,
            resampling,
            range,
        } = request;
        let schema = snapshot.schema();
        let time = time_column(&snapshot, resampling.time_col.as_deref())?;
        let by = resampling.by.iter().map(|name| column(&schema, "by", name));
        let by: Vec<usize> = by.collect::<Result<_, _>>()?;
        if by.contains(&time) {
            let name = schema.field(time).name();
            return Err(Problem::new(
                "by",
                format!("`{name}` holds the time; rows have bins of it already"),
            ));
        }
        let (time_type, layout) = layout(schema.field(time).data_type(), &resampling)?;
        let outputs = outputs(&schema, &resampling, time, &by)?;
        let time_field = schema.field(time).clone();
        let time_field = time_field.with_data_type(time_type).with_nullable(false);
        let mut fields = vec![Arc::new(time_field)];
        let keys = by.iter().map(|at| schema.field(*at));
        fields.extend(keys.map(|key| Arc::new(key.clone().with_data_type(wide(key.data_type())))));
        fields.extend(outputs.iter().map(|output| Arc::clone(&output.field)));
        let mut names = HashSet::new();
        if let Some(twice) = fields
            .iter()
            .find(|field| !names.insert(field.name().as_str()))
        {
            let text = format!(
                "two columns of the result would be called `{}`",
                twice.name()
            );
            return Err(Problem::new("aggregation_func", text));
        }
        let fill = resampling.fill.as_ref();
        let fill = Fill::parse(fill, &outputs).map_err(|text| Problem::new("fill", text))?;
        let quantile = resampling
            .quantile
            .as_ref()
            .and_then(serde_json::Number::as_f64);
        Ok(Self {
            snapshot,
            range,
            time,
            by,
            outputs,
            layout,
            fill,
            quantile: quantile.unwrap_or(0.5),
            schema: Arc::new(Schema::new(fields)),
            window: None,
            rows: Arc::new(AtomicU64::new(0)),
        })
    }

    /// The columns: the time, those of `by`, and the results.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The columns that the result is sorted by: the time and those of `by`.
    pub(crate) fn index(&self) -> Vec<String> {
        let fields = self.schema.fields().iter().take(1 + self.by.len());
        fields.map(|field| field.name().clone()).collect()
    }

    /// How many rows of the frame were read so far, by all who read this. Shared by clones.
    pub(crate) fn rows_read(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    pub(super) fn count_rows(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// The same with only some of the results computed.
    pub(super) fn with_outputs(&self, wanted: impl Fn(usize) -> bool) -> Self {
        let keys = 1 + self.by.len();
        let kept = |at: &usize| wanted(keys + at);
        let places: Vec<usize> = (0..self.outputs.len()).filter(kept).collect();
        self.of_outputs(&places)
    }

    /// The same with its results in the order that a schema has them in, if that has the same ones.
    pub(crate) fn ordered_as(&self, schema: &Schema) -> Self {
        let names = schema.fields().iter().skip(1 + self.by.len());
        let named = |name: &str| {
            let mut outputs = self.outputs.iter();
            outputs.position(|output| output.field.name() == name)
        };
        let places: Option<Vec<usize>> = names.map(|field| named(field.name())).collect();
        match places {
            Some(places) if places.len() == self.outputs.len() => self.of_outputs(&places),
            _ => self.clone(),
        }
    }

    /// The same with these of the results, in this order.
    fn of_outputs(&self, places: &[usize]) -> Self {
        let keys = 1 + self.by.len();
        let outputs: Vec<Output> = places.iter().map(|at| self.outputs[*at].clone()).collect();
        let fields = self.schema.fields();
        let fields = fields.iter().take(keys).cloned();
        let fields: Vec<FieldRef> = fields
            .chain(outputs.iter().map(|o| Arc::clone(&o.field)))
            .collect();
        Self {
            fill: self.fill.of(places),
            outputs,
            schema: Arc::new(Schema::new(fields)),
            ..self.clone()
        }
    }

    /// Whether the rows are read in order of their time.
    pub(super) fn is_in_order(&self) -> bool {
        let first = self.snapshot.index().first();
        first == Some(self.snapshot.schema().field(self.time).name())
    }

    /// The columns of the frame that are needed, the time first and those of `by` behind it.
    pub(super) fn columns(&self) -> Vec<usize> {
        let mut columns = vec![self.time];
        let values = self.outputs.iter().filter_map(|output| output.column);
        for column in self.by.iter().copied().chain(values) {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        columns
    }

    /// How these columns are read, in the order and the range that the frame's index gives.
    pub(super) fn read_options(&self, columns: &[usize]) -> ReadOptions {
        let schema = self.snapshot.schema();
        let names = columns.iter().map(|at| schema.field(*at).name().clone());
        let range = match self.is_in_order() {
            true => self.range.clone(),
            false => Range::default(),
        };
        ReadOptions {
            columns: Some(names.collect()),
            start: range.start,
            stop: range.stop,
            closed: range.closed,
            ..ReadOptions::default()
        }
    }
}

fn column(schema: &Schema, field: &'static str, name: &str) -> Result<usize, Problem> {
    schema.index_of(name).map_err(|_| {
        let known: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let known = known.join(", ");
        Problem::new(
            field,
            format!("there is no column `{name}`; the columns are {known}"),
        )
    })
}

/// A type in which values of several batches can stand together: keys of categories may be too small for that.
fn wide(of: &DataType) -> DataType {
    widened_type(of).unwrap_or_else(|| of.clone())
}

fn is_time(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64
    )
}

fn time_column(snapshot: &Snapshot, name: Option<&str>) -> Result<usize, Problem> {
    let field = "time_col";
    let schema = snapshot.schema();
    let Some(name) = name.or_else(|| snapshot.index().first().map(String::as_str)) else {
        let text =
            "is missing, and the frame has no index to take it from; name the column of times";
        return Err(Problem::new(field, text));
    };
    let at = column(&schema, field, name)?;
    let data_type = schema.field(at).data_type();
    if !is_time(data_type) {
        let text = format!(
            "`{name}` holds {}; name a column of timestamps or dates",
            type_name(data_type)
        );
        return Err(Problem::new(field, text));
    }
    Ok(at)
}

/// The type of times in the result, and where bins lie.
fn layout(of: &DataType, resampling: &Resampling) -> Result<(DataType, Layout), Problem> {
    let (unit, zone_name) = match of {
        DataType::Timestamp(unit, zone) => (*unit, zone.clone()),
        _ => (TimeUnit::Millisecond, None),
    };
    let zone_name = match &resampling.time_zone {
        Some(zone) => Some(zone.as_str().into()),
        None => zone_name,
    };
    let zone = zone_name.as_deref().map(str::parse::<Zone>).transpose();
    let zone = zone.map_err(|text| Problem::new("time_zone", text))?;
    let rule = Rule::parse(&resampling.rule).map_err(|text| Problem::new("rule", text))?;
    let is_fixed = match rule {
        Rule::Fixed(_) => true,
        Rule::Calendar(_, steps) => steps == Steps::Day && zone.is_none(),
    };
    let origin = match resampling.origin.as_deref() {
        None => Origin::StartDay,
        Some(text) => Origin::parse(text).map_err(|text| Problem::new("origin", text))?,
    };
    let offset = match resampling.offset.as_deref() {
        None => 0,
        Some(text) => offset(text).map_err(|text| Problem::new("offset", text))?,
    };
    let given = [
        ("origin", origin != Origin::StartDay),
        ("offset", offset != 0),
    ];
    if let Some((field, _)) = given.into_iter().find(|(_, given)| *given && !is_fixed) {
        let text = format!(
            "goes only with rules of a fixed length such as 2h; `{}` follows the calendar",
            resampling.rule
        );
        return Err(Problem::new(field, text));
    }
    let usual = match rule.is_end_anchored() || matches!(origin, Origin::End | Origin::EndDay) {
        true => BinEnd::Right,
        false => BinEnd::Left,
    };
    let layout = Layout {
        rule,
        zone,
        unit: nanoseconds(unit),
        closed: resampling.closed.unwrap_or(usual),
        label: resampling.label.unwrap_or(usual),
        origin,
        offset,
    };
    if let Rule::Fixed(length) = rule
        && length % i128::from(layout.unit) != 0
    {
        let text = format!(
            "`{}` is no whole number of the column's unit, {unit:?}",
            resampling.rule
        );
        return Err(Problem::new("rule", text.to_lowercase()));
    }
    Ok((DataType::Timestamp(unit, zone_name), layout))
}

pub(super) fn nanoseconds(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

fn offset(text: &str) -> Result<i128, String> {
    let (sign, length) = match text.strip_prefix('-') {
        Some(length) => (-1, length),
        None => (1, text),
    };
    match Rule::parse(length) {
        Ok(Rule::Fixed(length)) => Ok(sign * length),
        Ok(Rule::Calendar(days, Steps::Day)) => Ok(sign * i128::from(days) * 86_400_000_000_000),
        _ => Err(format!(
            "`{text}` is no length of time; give one such as 15min or -2h"
        )),
    }
}

fn outputs(
    schema: &Schema,
    resampling: &Resampling,
    time: usize,
    by: &[usize],
) -> Result<Vec<Output>, Problem> {
    let mut wanted = Wanted {
        schema,
        numeric_only: resampling.numeric_only,
        outputs: Vec::new(),
        unfit: Vec::new(),
    };
    let given = match &resampling.columns {
        None => None,
        Some(names) => {
            let columns = names.iter().map(|name| column(schema, "columns", name));
            Some(columns.collect::<Result<Vec<_>, _>>()?)
        }
    };
    match (&resampling.aggregation_func, given) {
        (Aggregations::ByColumn(_), Some(_)) => {
            let text = "goes without functions by column, which name the columns already";
            return Err(Problem::new("columns", text));
        }
        (Aggregations::ByColumn(columns), None) => {
            for (name, functions) in columns {
                let at = column(schema, "aggregation_func", name)?;
                if at == time || by.contains(&at) {
                    let text = format!(
                        "`{name}` says which rows belong together, so nothing is made of it"
                    );
                    return Err(Problem::new("aggregation_func", text));
                }
                wanted.add(at, functions, true)?;
            }
        }
        (Aggregations::One(name), _) if name == Function::Size.name() => wanted.size(),
        (functions, given) => {
            let all = (0..schema.fields().len()).filter(|at| *at != time && !by.contains(at));
            for at in given.unwrap_or_else(|| all.collect()) {
                wanted.add(at, functions, false)?;
            }
        }
    }
    if wanted.unfit.is_empty() {
        return Ok(wanted.outputs);
    }
    let text = format!(
        "does not go with {}; set numeric_only to leave out what is no number, name the `columns`, or give functions by column",
        wanted.unfit.join(", ")
    );
    Err(Problem::new("aggregation_func", text))
}

/// The columns of results, as they are found.
struct Wanted<'a> {
    schema: &'a Schema,
    numeric_only: bool,
    outputs: Vec<Output>,
    /// What functions cannot take.
    unfit: Vec<String>,
}

impl Wanted<'_> {
    fn size(&mut self) {
        self.outputs.push(Output {
            column: None,
            function: Function::Size,
            of: DataType::Int64,
            field: Arc::new(Field::new("size", DataType::Int64, false)),
        });
    }

    fn add(&mut self, at: usize, functions: &Aggregations, chosen: bool) -> Result<(), Problem> {
        let several = matches!(functions, Aggregations::Several(_));
        for name in functions.functions() {
            let function = Function::parse(name);
            let function = function.map_err(|text| Problem::new("aggregation_func", text))?;
            let field = self.schema.field(at);
            let data_type = &wide(field.data_type());
            if self.numeric_only
                && !chosen
                && function.is_of_numbers()
                && !Kind::of(data_type).is_number()
            {
                continue;
            }
            let Some(result) = function.result(data_type) else {
                self.unfit.push(format!(
                    "`{}` ({}, {name})",
                    field.name(),
                    type_name(data_type)
                ));
                continue;
            };
            if function == Function::Ohlc {
                for (function, suffix) in [
                    (Function::First, "open"),
                    (Function::Max, "high"),
                    (Function::Min, "low"),
                    (Function::Last, "close"),
                ] {
                    let called = format!("{}_{suffix}", field.name());
                    self.push(at, function, called, result.clone());
                }
                continue;
            }
            let called = match several {
                true => format!("{}_{name}", field.name()),
                false => field.name().clone(),
            };
            self.push(at, function, called, result);
        }
        Ok(())
    }

    fn push(&mut self, at: usize, function: Function, called: String, result: DataType) {
        let source = self.schema.field(at);
        let of = wide(source.data_type());
        let nullable = function.empty() == Empty::Null;
        let field = match result == of {
            true => source.clone().with_name(called).with_data_type(result),
            false => Field::new(called, result, nullable),
        };
        let field = field.with_nullable(nullable);
        self.outputs.push(Output {
            column: Some(at),
            function,
            of,
            field: Arc::new(field),
        });
    }
}
