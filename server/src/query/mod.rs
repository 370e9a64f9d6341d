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
//! What bounds a query ([`limits`]): how much it becomes when it is planned ([`breadth`]); memory, of its own and of all
//! queries; spill space and time; how many are planned ([`planning`]) and compute at once, in fair turns; and threads
//! ([`threads`]) that nothing else runs on. Dropping the rows ends it. There is no file system, no URL and no other table
//! to be reached: frames, and what is said about them ([`information`]), are all there is.

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
mod named;
mod names;
mod parameters;
mod planning;
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
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use futures::{Stream, TryStreamExt, stream};
use tokio::time::{Instant, timeout, timeout_at};

pub(crate) use self::catalog::Scope;
pub(crate) use self::leaf::{ReadCost, leaf, unchanged};
use self::limits::Limits;
use self::limits::interrupt::{Interrupt, Wanted};
pub(crate) use self::limits::turns::Asker;
use self::limits::turns::{Turns, Wait};
use self::mismatch::Mismatch;
pub(crate) use self::parameters::Parameters;
use self::planning::{Planned, Planning};
use self::result::ResultShape;
pub(crate) use self::session::CATALOG;
use self::session::Engine;
pub(crate) use self::table::categories::widened_type;
pub(crate) use self::table::range::{KeyRange, literal};
use self::threads::{Batches, PLANNED_AT_ONCE, QueryThreads, Taken};
use crate::access::CallerStore;
use crate::config::Config;
use crate::status::Failure;

/// Plans and runs queries within the server's limits.
#[derive(Debug, Clone)]
pub(crate) struct Queries {
    engine: Arc<Engine>,
    threads: Arc<QueryThreads>,
    /// To be planned.
    planning: Turns,
    /// To compute.
    turns: Turns,
    limits: Limits,
    asker: Asker,
}

/// What all queries take together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryUsage {
    /// Those that compute.
    pub(crate) running: usize,
    /// Those that wait for their turn to be planned or to begin.
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

impl Queries {
    pub(crate) fn new(config: &Config) -> Result<Self, DataFusionError> {
        Ok(Self {
            engine: Arc::new(Engine::new(config)?),
            threads: Arc::new(QueryThreads::new()?),
            planning: Turns::of(PLANNED_AT_ONCE, config),
            turns: Turns::new(config),
            limits: Limits::new(config),
            asker: None,
        })
    }

    /// The same for somebody. Those who wait for their turn are served fairly, asker by asker.
    pub(crate) fn asked_by(&self, asker: Asker) -> Self {
        Self {
            asker,
            ..self.clone()
        }
    }

    /// What queries take at the moment.
    pub(crate) fn usage(&self) -> QueryUsage {
        let [operator_bytes, value_bytes, memory_bytes] = self.engine.memory_usage();
        QueryUsage {
            running: self.turns.running(),
            waiting: self.planning.waiting() + self.turns.waiting(),
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
        let planning = self.planning();
        let (interrupt, wait) = (planning.interrupt.clone(), planning.wait.clone());
        // It is large, and would lie in every future that waits for it, which stacks have no room for.
        let planned = Box::pin(planning.question(store.clone(), question));
        self.planned(planned, interrupt, wait).await
    }

    /// Plans to read some of a table that is made of a frame. No row is read so far.
    pub(crate) async fn plan_table(
        &self,
        table: Arc<dyn TableProvider>,
        part: Part,
    ) -> Result<Plan, Failure> {
        let planning = self.planning();
        let (interrupt, wait) = (planning.interrupt.clone(), planning.wait.clone());
        let planned = Box::pin(planning.table(table, part));
        self.planned(planned, interrupt, wait).await
    }

    fn planning(&self) -> Planning {
        Planning {
            engine: Arc::clone(&self.engine),
            limits: self.limits.clone(),
            turns: self.planning.clone(),
            asker: self.asker,
            wait: Wait::default(),
            interrupt: Interrupt::default(),
        }
    }

    /// Plans within the time that there is for it.
    async fn planned(
        &self,
        planning: impl Future<Output = Result<Planned, Failure>> + Send + 'static,
        interrupt: Interrupt,
        wait: Wait,
    ) -> Result<Plan, Failure> {
        let wanted = Wanted::new(&interrupt);
        let planned = timeout(self.limits.time, self.threads.plan(planning)).await;
        let planned = planned.map_err(|_| match wait.since() {
            Some(since) => self.limits.waited_too_long(since),
            None => self.limits.too_long(),
        })??;
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
            asker: self.asker,
        })
    }
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
