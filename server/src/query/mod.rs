//! SQL over frames, for reading only.
//!
//! A query is a [`Question`]: SQL, the scope of its names, and what else is asked for. It
//! becomes a [`Plan`], which knows the schema of the result, and the plan becomes rows when it is run:
//!
//! 1. refuse what is nested too deeply ([`depth`]), parse, and refuse whatever is not a query ([`session`]) or has a
//!    clause that would be ignored ([`clauses`]); what shows or describes becomes a query ([`information`]);
//! 2. put tables in place of calls that look into the history of frames ([`functions`], [`records`]);
//! 3. find the frames that it names in the store and spell its names as they really are ([`catalog`],
//!    [`names`]); each frame is read at one snapshot, however often the query names it;
//! 4. plan with DataFusion, over a table that reads a snapshot ([`table`]), with values in the places that the
//!    query leaves open ([`parameters`]), in the frame's order where the query leaves the order open;
//! 5. settle types and metadata of the result ([`result`]).
//!
//! What bounds a query ([`limits`]): memory, of its own and of all queries; spill space and time; how many compute at
//! once, in fair turns; and its own threads ([`threads`]), on which it is planned too. Dropping the rows ends it. There
//! is no file system, no URL and no other table to be reached: frames, and what is said about them ([`information`]),
//! are all there is.

mod breadth;
mod catalog;
mod clauses;
mod combined;
mod condition;
mod depth;
mod functions;
mod information;
mod leaf;
mod limits;
mod mismatch;
mod moment;
mod names;
mod parameters;
mod records;
mod relation;
mod result;
mod session;
mod slash;
mod table;
mod threads;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{LogicalPlanBuilder, ident};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::{Stream, TryStreamExt, stream};
use shoots_store::Snapshot;
use tokio::time::{Instant, timeout, timeout_at};

use self::catalog::Frames;
pub(crate) use self::catalog::Scope;
pub(crate) use self::leaf::{ReadCost, leaf, unchanged};
use self::limits::Limits;
use self::limits::interrupt::{Interrupt, Wanted};
pub(crate) use self::limits::turns::Asker;
use self::limits::turns::Turns;
use self::mismatch::Mismatch;
use self::names::{Mentions, Spelling};
pub(crate) use self::parameters::Parameters;
use self::parameters::Places;
use self::result::ResultShape;
pub(crate) use self::session::CATALOG;
use self::session::Engine;
pub(crate) use self::table::categories::widened_type;
pub(crate) use self::table::range::{KeyRange, literal};
use self::threads::{Batches, QueryThreads, Taken};
use crate::access::CallerStore;
use crate::config::Config;
use crate::status::Failure;

/// Plans and runs queries within the server's limits.
#[derive(Debug, Clone)]
pub(crate) struct Queries {
    engine: Arc<Engine>,
    threads: Arc<QueryThreads>,
    turns: Turns,
    limits: Limits,
}

/// What all queries take together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryUsage {
    /// Those that compute.
    pub(crate) running: usize,
    /// Those that wait for their turn to begin.
    pub(crate) waiting: usize,
    /// Memory that operators hold, that values of functions take, and what there is of either, in bytes.
    pub(crate) operator_bytes: u64,
    pub(crate) value_bytes: u64,
    pub(crate) memory_bytes: u64,
}

/// What is asked in SQL.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) sql: String,
    pub(crate) scope: Scope,
    pub(crate) parameters: Parameters,
    /// Columns of the query's result to keep, in this order.
    pub(crate) columns: Option<Vec<String>>,
    /// Rows of the query's result to leave out, and then to keep.
    pub(crate) offset: Option<u64>,
    pub(crate) limit: Option<u64>,
}

/// What of a result is kept.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Columns to keep, in this order; `None` is all.
    pub(crate) columns: Option<Vec<String>>,
    /// Rows to leave out, and then to keep.
    pub(crate) offset: Option<u64>,
    pub(crate) limit: Option<u64>,
}

impl Part {
    fn of(&self, mut rows: DataFrame) -> Result<DataFrame, DataFusionError> {
        if let Some(columns) = &self.columns {
            rows = rows.select(columns.iter().map(ident))?;
        }
        if self.offset.is_none() && self.limit.is_none() {
            return Ok(rows);
        }
        rows.limit(clamp(self.offset.unwrap_or(0)), self.limit.map(clamp))
    }
}

impl Queries {
    pub(crate) fn new(config: &Config) -> Result<Self, DataFusionError> {
        Ok(Self {
            engine: Arc::new(Engine::new(config)?),
            threads: Arc::new(QueryThreads::new()?),
            turns: Turns::new(config),
            limits: Limits::new(config),
        })
    }

    /// What queries take at the moment.
    pub(crate) fn usage(&self) -> QueryUsage {
        let [operator_bytes, value_bytes, memory_bytes] = self.engine.memory_usage();
        QueryUsage {
            running: self.turns.running(),
            waiting: self.turns.waiting(),
            operator_bytes,
            value_bytes,
            memory_bytes,
        }
    }

    /// How long a query may take.
    pub(crate) fn time_limit(&self) -> Duration {
        self.limits.time
    }

    /// Plans a query. No row is read so far.
    pub(crate) async fn plan(
        &self,
        store: &CallerStore,
        question: Question,
    ) -> Result<Plan, Failure> {
        depth::check("ticket", "sql", &question.sql)?;
        let interrupt = Interrupt::default();
        // It is large, and would lie in every future that waits for it, which stacks have no room for.
        let planning = Box::pin(make_plan(
            Arc::clone(&self.engine),
            self.limits.clone(),
            store.clone(),
            question,
            interrupt.clone(),
        ));
        self.planned(planning, interrupt).await
    }

    /// Plans to read some of a table that is made of a frame. No row is read so far.
    pub(crate) async fn plan_table(
        &self,
        table: Arc<dyn TableProvider>,
        part: Part,
    ) -> Result<Plan, Failure> {
        let interrupt = Interrupt::default();
        let planning = Box::pin(plan_part(
            Arc::clone(&self.engine),
            self.limits.clone(),
            table,
            part,
            interrupt.clone(),
        ));
        self.planned(planning, interrupt).await
    }

    /// Plans within the time that there is for it.
    async fn planned(
        &self,
        planning: impl Future<Output = Result<Planned, Failure>> + Send + 'static,
        interrupt: Interrupt,
    ) -> Result<Plan, Failure> {
        let wanted = Wanted::new(&interrupt);
        let planned = timeout(self.limits.time, self.threads.compute(planning)).await;
        let planned = planned.map_err(|_| self.limits.too_long())??;
        let (shape, parameters, physical, context, mismatch) = planned?;
        wanted.done();
        Ok(Plan {
            shape,
            parameters,
            physical,
            mismatch,
            interrupt,
            context,
            threads: Arc::clone(&self.threads),
            turns: self.turns.clone(),
            limits: self.limits.clone(),
            asker: None,
        })
    }
}

/// What is left of a query when it is planned.
type Planned = (
    ResultShape,
    SchemaRef,
    Arc<dyn ExecutionPlan>,
    Arc<TaskContext>,
    Option<Mismatch>,
);

async fn make_plan(
    engine: Arc<Engine>,
    limits: Limits,
    store: CallerStore,
    question: Question,
    interrupt: Interrupt,
) -> Result<Planned, Failure> {
    let scope = &question.scope;
    let mut state = engine.state(scope.bucket.as_ref(), &interrupt)?;
    let mut statement = session::parse(&state, &question.sql)?;
    let query = session::reading(&mut statement)?;
    breadth::check(query)?;
    clauses::check(&state, &question.sql, query)?;
    relation::place_texts(&question.sql, query);
    let frames = Frames::new(&store, scope);
    let about = information::rewrite(&frames, query).await?;
    let calls = functions::replace(&frames, query).await?;
    let mentions = Mentions::of(query);
    let mut found = frames.of(&mentions).await?;
    found.extend(information::tables(&frames, &mentions, about).await?);
    found.extend(calls);
    let tables = found.iter().map(|found| {
        let schema = found.table.schema();
        (&found.relation, found.path.as_slice(), schema)
    });
    Spelling::new(&mentions, tables).apply(query);
    catalog::register(&state, &found)?;

    let logical = session::read_only_plan(&state, statement).await?;
    let places = Places::of(&logical)?;
    let only_looked_at = matches!(question.parameters, Parameters::Open) && !places.is_empty();
    let logical = places.fill(logical, question.parameters)?;
    let part = Part {
        columns: question.columns,
        offset: question.offset,
        limit: question.limit,
    };
    let rows = part.of(DataFrame::new(state.clone(), logical))?;
    let physical = if only_looked_at {
        Arc::new(EmptyExec::new(Arc::clone(rows.schema().inner())))
    } else {
        physical(&mut state, &rows, &limits, &interrupt).await?
    };
    let frames = found.iter().filter_map(|found| found.table.snapshot());
    let frames: Vec<&Snapshot> = frames.collect();
    let shape = ResultShape::new(&physical.schema(), scope.frame.as_ref(), &frames);
    let mismatch = Mismatch::in_plan(rows.logical_plan());
    Ok((shape, places.schema(), physical, state.task_ctx(), mismatch))
}

/// The operators that make rows, in the order of frames, with moments at which they can be interrupted.
async fn physical(
    state: &mut SessionState,
    rows: &DataFrame,
    limits: &Limits,
    interrupt: &Interrupt,
) -> Result<Arc<dyn ExecutionPlan>, Failure> {
    let logical = rows.logical_plan();
    let physical = session::physical_plan(state, logical).await;
    let physical = physical
        .map_err(|error| limits.failure(mismatch::told(error, || Mismatch::in_plan(logical))))?;
    let physical = table::order::in_frame_order(physical)?;
    let physical = limits::held::counted(physical)?;
    Ok(limits::interrupt::interruptible(physical, interrupt)?)
}

async fn plan_part(
    engine: Arc<Engine>,
    limits: Limits,
    table: Arc<dyn TableProvider>,
    part: Part,
    interrupt: Interrupt,
) -> Result<Planned, Failure> {
    let mut state = engine.state(None, &interrupt)?;
    let source = provider_as_source(table);
    let logical = LogicalPlanBuilder::scan("result", source, None)?.build()?;
    let rows = part.of(DataFrame::new(state.clone(), logical))?;
    let physical = physical(&mut state, &rows, &limits, &interrupt).await?;
    let shape = ResultShape::new(&physical.schema(), None, &[]);
    let no_parameters = Arc::new(Schema::empty());
    Ok((shape, no_parameters, physical, state.task_ctx(), None))
}

fn clamp(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A query that is ready to run.
#[derive(Debug)]
pub(crate) struct Plan {
    shape: ResultShape,
    parameters: SchemaRef,
    physical: Arc<dyn ExecutionPlan>,
    /// What may be wrong with it where values are cast.
    mismatch: Option<Mismatch>,
    interrupt: Interrupt,
    context: Arc<TaskContext>,
    threads: Arc<QueryThreads>,
    turns: Turns,
    limits: Limits,
    asker: Asker,
}

impl Plan {
    /// Says who asks. Those who wait for their turn are served fairly, asker by asker.
    pub(crate) fn asked_by(self, asker: Asker) -> Self {
        Self { asker, ..self }
    }

    /// The same with what a frame's schema says about itself, as far as it is true of the rows.
    fn described_as(self, frame: &Schema) -> Self {
        let shape = self.shape.described_as(frame);
        Self { shape, ..self }
    }

    /// The schema of the rows.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.shape.schema()
    }

    /// The parameters of the query, with the types that it tells, or that of nulls.
    pub(crate) fn parameters(&self) -> SchemaRef {
        Arc::clone(&self.parameters)
    }

    /// Runs the query, once it is its turn. Dropping the rows stops it.
    pub(crate) async fn run(
        self,
    ) -> Result<impl Stream<Item = Result<RecordBatch, Failure>> + Send + 'static, Failure> {
        let turn = self.turns.begin(self.asker).await?;
        let deadline = Instant::now() + self.limits.time;
        let (plan, context) = (self.physical, self.context);
        let batches = self
            .threads
            .run(plan, context, self.interrupt, turn, deadline);
        let running = Running {
            batches,
            shape: self.shape,
            mismatch: self.mismatch,
            deadline,
            limits: self.limits,
            _threads: self.threads,
        };
        let batches = stream::try_unfold(running, |mut running| async move {
            let next = running.next().await?;
            let ready = |batches: Vec<_>| stream::iter(batches.into_iter().map(Ok::<_, Failure>));
            Ok::<_, Failure>(next.map(|batches| (ready(batches), running)))
        });
        Ok(batches.try_flatten())
    }
}

struct Running {
    batches: Batches,
    shape: ResultShape,
    mismatch: Option<Mismatch>,
    deadline: Instant,
    limits: Limits,
    /// A query needs its threads to the end, however that of the server comes.
    _threads: Arc<QueryThreads>,
}

impl Running {
    async fn next(&mut self) -> Result<Option<Vec<RecordBatch>>, Failure> {
        let next = timeout_at(self.deadline, self.batches.next()).await;
        let next = next.map_err(|_| self.limits.too_long())?;
        let told = |error| mismatch::told(error, || self.mismatch.clone());
        match next.map_err(|error| self.limits.failure(told(error)))? {
            Taken::Batch(batch) => Ok(Some(self.shape.apply(&batch)?)),
            Taken::End => Ok(None),
            Taken::OutOfTime => Err(self.limits.too_long()),
        }
    }
}
