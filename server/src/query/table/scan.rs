//! Reading a snapshot as an operator of DataFusion.
//!
//! A scan has one partition for each contiguous part of the snapshot's segments, at most one for each core, and
//! the parts are numbered in the frame's order. What it says of itself saves work: the rows of a frame with an index
//! are in its order, in each part and from part to part; the number of rows, and the bounds of the index, are exact.

use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{Field, Fields, Schema, SchemaRef, SortOptions};
use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics, project_schema};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{StreamExt, TryFutureExt, TryStreamExt};
use shoots_flight::encoded_size;
use shoots_store::{IndexBounds, ReadOptions, RowFilter, Snapshot};

use super::categories;
use super::filter::ScanFilter;
use super::range::KeyRange;
use crate::query::{ReadCost, leaf};

/// What of a snapshot is read.
#[derive(Debug, Clone)]
pub(in crate::query) struct Selected {
    pub(in crate::query) snapshot: Snapshot,
    /// Places of the columns; `None` is all.
    pub(in crate::query) columns: Option<Vec<usize>>,
    /// Rows are read only within this range of the index.
    pub(in crate::query) range: KeyRange,
    /// Only rows that meet this are read.
    pub(in crate::query) filter: Option<Arc<ScanFilter>>,
    /// Between which values of the index all rows of the snapshot lie, if that is known.
    pub(in crate::query) bounds: Option<IndexBounds>,
}

/// Reads a snapshot, part by part.
#[derive(Debug, Clone)]
pub(in crate::query) struct FrameScan {
    selected: Selected,
    /// How many rows of each part are read at most.
    cut: Cut,
    parts: usize,
    properties: Arc<PlanProperties>,
    /// What reading it took, for EXPLAIN ANALYZE.
    metrics: ExecutionPlanMetricsSet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    None,
    First(usize),
    Last(usize),
}

impl FrameScan {
    pub(in crate::query) fn new(
        selected: Selected,
        limit: Option<usize>,
        cores: usize,
    ) -> Result<Self> {
        let all = computed(&selected.snapshot);
        let schema = project_schema(&all, selected.columns.as_ref())?;
        let segments = usize::try_from(selected.snapshot.segment_count()).unwrap_or(usize::MAX);
        let parts = segments.clamp(1, cores.max(1));
        let order = order(&selected.snapshot, &schema)?;
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(schema, order),
            Partitioning::UnknownPartitioning(parts),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            selected,
            cut: limit.map_or(Cut::None, Cut::First),
            parts,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The same scan, but only of the last rows in the order of the index that are enough to find the `rows` last ones;
    /// `None` if that cannot be told without reading the others.
    pub(in crate::query) fn last(&self, rows: usize) -> Option<Self> {
        let can = self.selected.filter.is_none() && self.cut == Cut::None;
        can.then(|| Self {
            cut: Cut::Last(rows),
            ..self.clone()
        })
    }

    /// The columns of the index, as far as the rows are known to be sorted by them.
    pub(in crate::query) fn order(&self) -> &[String] {
        sorted_by(&self.selected.snapshot)
    }

    /// What the store is asked for.
    fn options(&self, partition: usize, batch_rows: usize) -> ReadOptions {
        let Selected {
            snapshot,
            columns,
            range,
            filter,
            ..
        } = &self.selected;
        let all = snapshot.schema();
        let names = columns.as_ref().map(|columns| {
            let fields = columns.iter().map(|&column| all.field(column));
            fields.map(|field| field.name().clone()).collect()
        });
        let count = |rows| u64::try_from(rows).ok();
        let (limit, tail) = match self.cut {
            Cut::First(rows) if filter.is_none() => (count(rows), None),
            Cut::Last(rows) => (None, count(rows)),
            Cut::First(_) | Cut::None => (None, None),
        };
        ReadOptions {
            columns: names,
            start: range.start(),
            stop: range.stop(),
            closed: range.closed(),
            limit,
            tail,
            filter: filter.clone().map(|filter| filter as Arc<dyn RowFilter>),
            part: Some((partition, self.parts)),
            batch_rows: Some(batch_rows),
            ..ReadOptions::default()
        }
    }

    fn exact_rows(&self, partition: Option<usize>) -> Precision<usize> {
        let all = self.selected.range.is_all() && self.selected.filter.is_none();
        let rows = usize::try_from(self.selected.snapshot.rows());
        match (rows, partition) {
            (Ok(_), _) if !all || self.cut != Cut::None => Precision::Absent,
            (Ok(rows), None) => Precision::Exact(rows),
            (Ok(rows), Some(0)) if self.parts == 1 => Precision::Exact(rows),
            _ => Precision::Absent,
        }
    }

    /// Whether what is known of the whole snapshot is true of the rows that are read.
    fn reads_all(&self) -> bool {
        self.selected.range.is_all() && self.selected.filter.is_none() && self.cut == Cut::None
    }
}

/// The columns that rows are sorted by, as DataFusion compares them: it tells both zeros of floats apart, which are
/// one value to an index.
fn sorted_by(snapshot: &Snapshot) -> &[String] {
    let schema = snapshot.schema();
    let index = snapshot.index();
    let first_float = index.iter().position(|name| {
        let field = schema.field_with_name(name);
        field.map_or(true, |field| {
            let of = match field.data_type() {
                arrow_schema::DataType::Dictionary(_, values) => values,
                other => other,
            };
            of.is_floating()
        })
    });
    &index[..first_float.unwrap_or(index.len())]
}

/// The schema of a snapshot as queries compute with it: keys of categories are wide, and the index has no nulls.
pub(in crate::query) fn computed(snapshot: &Snapshot) -> SchemaRef {
    let schema = categories::widened(&snapshot.schema());
    let fields = schema.fields().iter().map(|field| {
        if field.is_nullable() && snapshot.index().contains(field.name()) {
            Arc::new(Field::clone(field).with_nullable(false))
        } else {
            Arc::clone(field)
        }
    });
    let fields: Fields = fields.collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The order that the rows are in.
fn order(snapshot: &Snapshot, schema: &Schema) -> Result<Vec<Vec<PhysicalSortExpr>>> {
    let names = sorted_by(snapshot).iter();
    let read: Vec<&String> = names
        .take_while(|name| schema.index_of(name).is_ok())
        .collect();
    if read.is_empty() {
        return Ok(Vec::new());
    }
    let columns = read.iter().map(|name| {
        let column = col(name, schema)?;
        Ok(PhysicalSortExpr::new(column, SortOptions::default()))
    });
    Ok(vec![columns.collect::<Result<_>>()?])
}

impl DisplayAs for FrameScan {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frame = self.selected.snapshot.frame();
        if matches!(format, DisplayFormatType::TreeRender) {
            return write!(f, "frame={frame}");
        }
        write!(f, "FrameScan: frame={frame}, parts={}", self.parts)?;
        let range = &self.selected.range;
        if !range.is_all() {
            write!(f, ", range={range}")?;
        }
        if let Some(filter) = &self.selected.filter {
            write!(f, ", filter={}", filter.text())?;
        }
        match self.cut {
            Cut::None => Ok(()),
            Cut::First(rows) => write!(f, ", limit={rows}"),
            Cut::Last(rows) => write!(f, ", tail={rows}"),
        }
    }
}

impl ExecutionPlan for FrameScan {
    leaf!("FrameScan");

    fn fetch(&self) -> Option<usize> {
        match self.cut {
            Cut::First(rows) => Some(rows),
            Cut::None | Cut::Last(_) => None,
        }
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        let can = !matches!(self.cut, Cut::Last(_));
        can.then(|| {
            Arc::new(Self {
                cut: limit.map_or(Cut::None, Cut::First),
                ..self.clone()
            }) as Arc<dyn ExecutionPlan>
        })
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let mut options = self.options(partition, context.session_config().batch_size());
        options.watch = Some(Arc::new(ReadCost::new(&self.metrics, partition)));
        let snapshot = self.selected.snapshot.clone();
        let external = |error| DataFusionError::External(Box::new(error));
        let batches = async move { snapshot.read(options).await }
            .map_ok(move |rows| rows.map_err(external))
            .map_err(external)
            .try_flatten_stream();
        let schema = self.schema();
        let batches = batches.map(move |batch| Ok(categories::widen(batch?, &schema)?));
        let batches = match self.cut {
            Cut::First(rows) => first_rows(batches, rows).boxed(),
            Cut::None | Cut::Last(_) => batches.boxed(),
        };
        let counted = BaselineMetrics::new(&self.metrics, partition);
        let bytes = MetricBuilder::new(&self.metrics).counter("values_bytes", partition);
        let batches = batches.inspect_ok(move |batch: &RecordBatch| {
            counted.record_output(batch.num_rows());
            bytes.add(encoded_size(batch));
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            batches,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _input_statistics: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let schema = self.schema();
        let mut statistics = Statistics::new_unknown(&schema);
        statistics.num_rows = self.exact_rows(args.partition());
        let index = self.selected.snapshot.index();
        for name in index {
            if let Ok(place) = schema.index_of(name) {
                statistics.column_statistics[place].null_count = Precision::Exact(0);
            }
        }
        let first = index.first().and_then(|name| schema.index_of(name).ok());
        if let (Some(place), Some(bounds)) = (first, &self.selected.bounds)
            && self.reads_all()
            && (args.partition().is_none() || self.parts == 1)
            && sorted_by(&self.selected.snapshot).first() == index.first()
        {
            let column = &mut statistics.column_statistics[place];
            column.min_value = Precision::Exact(scalar(&bounds.least)?);
            column.max_value = Precision::Exact(scalar(&bounds.greatest)?);
        }
        Ok(Arc::new(statistics))
    }
}

/// The only value of an array, as queries compute with it.
fn scalar(value: &ArrayRef) -> Result<ScalarValue> {
    let wide = categories::widened_type(value.data_type());
    let value = match wide {
        Some(wide) => cast(value, &wide)?,
        None => Arc::clone(value),
    };
    ScalarValue::try_from_array(&value, 0)
}

/// The first `rows` rows of a stream.
fn first_rows<S>(batches: S, rows: usize) -> impl futures::Stream<Item = S::Item> + Send
where
    S: futures::Stream<Item = Result<arrow_array::RecordBatch>> + Send,
{
    batches
        .scan(rows, |left, batch| {
            let cut = match batch {
                _ if *left == 0 => None,
                Ok(batch) => {
                    let taken = batch.num_rows().min(*left);
                    *left -= taken;
                    Some(Ok(batch.slice(0, taken)))
                }
                Err(error) => Some(Err(error)),
            };
            std::future::ready(cut)
        })
        .fuse()
}
