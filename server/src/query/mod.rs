//! SQL over frames, for reading only.
//!
//! A query is a [`Question`]: SQL, the scope of its names, and what else is asked for. It
//! becomes a [`Plan`], which knows the schema of the result, and the plan becomes rows when it is run:
//!
//! 1. refuse what is nested too deeply ([`depth`]), parse, and refuse whatever is not a query ([`session`]);
//! 2. put tables in place of calls that look into the history of frames ([`functions`], [`records`]);
//! 3. find the frames that it names in the store and spell its names as they really are ([`catalog`],
//!    [`names`]); each frame is read at one snapshot, however often the query names it;
//! 4. plan with DataFusion, over a table that reads a snapshot ([`table`]), in the frame's order where the
//!    query leaves the order open ([`order`]);
//! 5. settle types and metadata of the result ([`result`]).
//!
//! What bounds a query: memory and spill space, shared by all queries; time; how many compute at once; and its own
//! threads ([`threads`]), on which it is planned too. Dropping the rows ends it ([`interrupt`]). There is no file
//! system, no URL and no other table to be reached: frames are all there is.

mod catalog;
mod combined;
mod condition;
mod depth;
mod functions;
mod interrupt;
mod names;
mod order;
mod range;
mod records;
mod result;
mod session;
mod table;
mod threads;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::ident;
use datafusion::physical_plan::ExecutionPlan;
use futures::{Stream, stream};
use shoots_proto::ErrorKind;
use shoots_store::{Snapshot, Store};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use self::catalog::Frames;
pub(crate) use self::catalog::Scope;
use self::interrupt::Interrupt;
use self::names::{Mentions, Spelling};
pub(crate) use self::range::{KeyRange, literal};
use self::result::ResultShape;
use self::threads::{Batches, QueryThreads, Taken, Turn};
use crate::config::Config;
use crate::status::Failure;

/// Plans and runs queries within the server's limits.
#[derive(Debug)]
pub(crate) struct Queries {
    runtime: Arc<RuntimeEnv>,
    threads: Arc<QueryThreads>,
    permits: Arc<Semaphore>,
    time_limit: Duration,
}

/// What is asked in SQL.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) sql: String,
    pub(crate) scope: Scope,
    /// Columns of the query's result to keep, in this order.
    pub(crate) columns: Option<Vec<String>>,
    /// Rows of the query's result to leave out, and then to keep.
    pub(crate) offset: Option<u64>,
    pub(crate) limit: Option<u64>,
}

impl Queries {
    pub(crate) fn new(config: &Config) -> Result<Self, DataFusionError> {
        let at_once = usize::try_from(config.queries_at_once).unwrap_or(usize::MAX);
        Ok(Self {
            runtime: session::runtime(config)?,
            threads: Arc::new(QueryThreads::new()?),
            permits: Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS))),
            time_limit: config.query_time(),
        })
    }

    /// Plans a query. No row is read so far.
    pub(crate) async fn plan(&self, store: &Store, question: Question) -> Result<Plan, Failure> {
        depth::check("ticket", "sql", &question.sql)?;
        let planning = make_plan(Arc::clone(&self.runtime), store.clone(), question);
        let planned = timeout(self.time_limit, self.threads.compute(planning)).await;
        let planned = planned.map_err(|_| too_long(self.time_limit))??;
        Ok(self.ready(planned?))
    }

    fn ready(&self, (shape, physical, interrupt, context): Planned) -> Plan {
        Plan {
            shape,
            physical,
            interrupt,
            context,
            threads: Arc::clone(&self.threads),
            permits: Arc::clone(&self.permits),
            time_limit: self.time_limit,
        }
    }
}

/// What is left of a query when it is planned.
type Planned = (
    ResultShape,
    Arc<dyn ExecutionPlan>,
    Interrupt,
    Arc<TaskContext>,
);

async fn make_plan(
    runtime: Arc<RuntimeEnv>,
    store: Store,
    question: Question,
) -> Result<Planned, Failure> {
    let scope = &question.scope;
    let state = session::state(runtime, scope.bucket.as_ref());
    let mut statement = session::parse(&state, &question.sql)?;
    let query = session::query(&mut statement)?;
    let frames = Frames::new(&store, scope);
    let calls = functions::replace(&frames, query).await?;
    let mentions = Mentions::of(query);
    let mut found = frames.of(&mentions).await?;
    found.extend(calls);
    let tables = found.iter().map(|found| {
        let schema = found.table.schema();
        (&found.relation, found.path.as_slice(), schema)
    });
    Spelling::new(&mentions, tables).apply(query);
    catalog::register(&state, &found)?;

    let logical = session::read_only_plan(&state, statement).await?;
    let mut rows = DataFrame::new(state.clone(), logical);
    if let Some(columns) = &question.columns {
        rows = rows.select(columns.iter().map(ident))?;
    }
    let window = Window {
        offset: question.offset,
        limit: question.limit,
    };
    let frames = found.iter().filter_map(|found| found.table.snapshot());
    let frames: Vec<&Snapshot> = frames.collect();
    finish(rows, window, scope.frame.as_ref(), &frames).await
}

/// Rows of a result to leave out, and then to keep.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    offset: Option<u64>,
    limit: Option<u64>,
}

/// Plans how rows are made of `frames`, asked by a ticket for `frame` if one names it.
async fn finish(
    mut rows: DataFrame,
    window: Window,
    frame: Option<&Snapshot>,
    frames: &[&Snapshot],
) -> Result<Planned, Failure> {
    if window.offset.is_some() || window.limit.is_some() {
        let skip = clamp(window.offset.unwrap_or(0));
        rows = rows.limit(skip, window.limit.map(clamp))?;
    }
    let context = Arc::new(rows.task_ctx());
    let physical = order::in_frame_order(rows.create_physical_plan().await?)?;
    let interrupt = Interrupt::default();
    let physical = interrupt::interruptible(physical, &interrupt)?;
    let shape = ResultShape::new(&physical.schema(), frame, frames);
    Ok((shape, physical, interrupt, context))
}

fn too_long(limit: Duration) -> Failure {
    let seconds = limit.as_secs();
    let problem =
        format!("the query took longer than the server allows ({seconds} s); ask for less");
    Failure::new(ErrorKind::LimitError, problem)
}

fn clamp(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A query that is ready to run.
#[derive(Debug)]
pub(crate) struct Plan {
    shape: ResultShape,
    physical: Arc<dyn ExecutionPlan>,
    interrupt: Interrupt,
    context: Arc<TaskContext>,
    threads: Arc<QueryThreads>,
    permits: Arc<Semaphore>,
    time_limit: Duration,
}

impl Plan {
    /// The schema of the rows.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.shape.schema()
    }

    /// Runs the query, once it is its turn. Dropping the rows stops it.
    pub(crate) async fn run(
        self,
    ) -> Result<impl Stream<Item = Result<RecordBatch, Failure>> + Send + 'static, Failure> {
        let turn = Turn::begin(self.permits).await;
        let turn = turn.map_err(|_| Failure::stopping())?;
        let deadline = Instant::now() + self.time_limit;
        let time_limit = self.time_limit;
        let (plan, context) = (self.physical, self.context);
        let batches = self
            .threads
            .run(plan, context, self.interrupt, turn, deadline);
        let running = Running {
            batches,
            shape: self.shape,
            deadline,
            time_limit,
            _threads: self.threads,
        };
        Ok(stream::try_unfold(running, |mut running| async move {
            let next = running.next().await?;
            Ok(next.map(|batch| (batch, running)))
        }))
    }
}

struct Running {
    batches: Batches,
    shape: ResultShape,
    deadline: Instant,
    time_limit: Duration,
    /// A query needs its threads to the end, however that of the server comes.
    _threads: Arc<QueryThreads>,
}

impl Running {
    async fn next(&mut self) -> Result<Option<RecordBatch>, Failure> {
        let next = timeout_at(self.deadline, self.batches.next()).await;
        match next.map_err(|_| too_long(self.time_limit))?? {
            Taken::Batch(batch) => Ok(Some(self.shape.apply(batch)?)),
            Taken::End => Ok(None),
            Taken::OutOfTime => Err(too_long(self.time_limit)),
        }
    }
}
