//! Where queries run: on threads of their own.
//!
//! A query computes for as long as it likes between two moments at which it waits for something. On threads of
//! their own such queries slow down other queries, but not puts, gets and pings, and a caller is told about the
//! time limit when it is reached.
//!
//! Planning has further threads: it can take long and does not pause, and so neither keeps queries from running nor, as
//! there are more of these threads than cores, others from being planned beside it. It recurses as deeply as the statement
//! nests, for which all these threads have the stack ([`super::depth`] bounds it).
//!
//! Running takes a [`Turn`] ([`super::limits::turns`]), and only computing does: a query whose rows are not taken gives its turn back until
//! they are. At its deadline a query ends whether its rows are taken or not, so that nobody can hold memory by
//! not reading; that its rows are not all there is then told apart from their end ([`Taken::OutOfTime`]).

use std::io;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;

use arrow_array::RecordBatch;
use datafusion::common::internal_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, timeout_at};

use super::limits::interrupt::Interrupt;
use super::limits::turns::Turn;
use crate::threads::{WAITING_FOR_PLANNING, WAITING_FOR_QUERIES};

/// Batches that a query makes before they are taken.
const BATCHES_AHEAD: usize = 2;

/// Stack of a thread. Only what is used takes memory.
const STACK_BYTES: usize = 64 << 20;

/// Queries that are planned at the same time.
pub(super) const PLANNED_AT_ONCE: usize = 8;

/// Threads for queries.
#[derive(Debug)]
pub(super) struct QueryThreads {
    /// As many as there are cores.
    running: Option<Runtime>,
    planning: Option<Runtime>,
}

impl QueryThreads {
    pub(super) fn new() -> io::Result<Self> {
        let running = builder("shoots-query", WAITING_FOR_QUERIES).build()?;
        let planning = builder("shoots-planning", WAITING_FOR_PLANNING)
            .worker_threads(PLANNED_AT_ONCE)
            .build()?;
        Ok(Self {
            running: Some(running),
            planning: Some(planning),
        })
    }

    /// Plans something, unless the result is not waited for.
    pub(super) async fn plan<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let mut task = JoinSet::new();
        if let Some(runtime) = &self.planning {
            task.spawn_on(work, runtime.handle());
        }
        match task.join_next().await {
            Some(Ok(result)) => Ok(result),
            Some(Err(error)) => Err(DataFusionError::ExecutionJoin(Box::new(error))),
            None => internal_err!("the threads for queries have ended"),
        }
    }

    /// Computes something while the calling thread waits, for callers that cannot wait otherwise. `None` if it is
    /// not done at the deadline.
    pub(super) fn wait_for<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<Result<T>> {
        let runtime = self.running.as_ref()?;
        let (sender, receiver) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            // Nobody to tell means that the deadline is over.
            let _ = sender.send(work());
        });
        let wait = || {
            let time = deadline.saturating_duration_since(Instant::now());
            match receiver.recv_timeout(time) {
                Ok(done) => Some(Ok(done)),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(internal_err!(
                    "a thread for queries ended without an answer"
                )),
            }
        };
        match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => block_in_place(wait),
            _ => wait(),
        }
    }

    /// Starts a plan, which may run until the deadline. Its turn is over when the query has really ended.
    pub(super) fn run(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
        interrupt: Interrupt,
        turn: Turn,
        deadline: Instant,
    ) -> Batches {
        interrupt.request_at(deadline);
        let (sender, made) = mpsc::channel(BATCHES_AHEAD);
        let mut task = JoinSet::new();
        if let Some(runtime) = &self.running {
            let making = make(plan, context, sender, turn, deadline);
            let work = async move {
                let made = timeout_at(deadline, making).await;
                made.unwrap_or(Made::Part)
            };
            task.spawn_on(work, runtime.handle());
        }
        Batches {
            made,
            task,
            interrupt,
        }
    }
}

impl Drop for QueryThreads {
    fn drop(&mut self) {
        // Waiting for threads is not allowed inside asynchronous code, which is where servers are dropped.
        let runtimes = [self.running.take(), self.planning.take()];
        for runtime in runtimes.into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}

fn builder(name: &str, waiting: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder
        .thread_name(name)
        .thread_stack_size(STACK_BYTES)
        .max_blocking_threads(waiting)
        .enable_all();
    builder
}

/// How much of its result a query has made when it ends.
#[derive(Debug)]
enum Made {
    /// The taker finds everything in the channel, be it an error.
    All,
    /// The time is over, or nobody takes the rows.
    Part,
}

async fn make(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    taker: mpsc::Sender<Result<RecordBatch>>,
    mut turn: Turn,
    deadline: Instant,
) -> Made {
    let mut batches = match execute_stream(plan, context) {
        Ok(batches) => batches,
        Err(error) => {
            // Nobody to tell means nobody wants to know.
            let _ = taker.send(Err(error)).await;
            return Made::All;
        }
    };
    while let Some(batch) = batches.next().await {
        // From then on the query is interrupted, which is not the error that its caller should see.
        if batch.is_err() && Instant::now() >= deadline {
            return Made::Part;
        }
        match taker.try_send(batch) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => return Made::Part,
            Err(TrySendError::Full(batch)) => {
                turn.pause();
                if taker.send(batch).await.is_err() || turn.resume().await.is_err() {
                    return Made::Part;
                }
            }
        }
    }
    Made::All
}

/// What a query gives when it is asked for more.
#[derive(Debug)]
pub(super) enum Taken {
    Batch(RecordBatch),
    /// Every row was taken.
    End,
    /// There would be more rows, but the query was ended at its deadline.
    OutOfTime,
}

/// The batches of a running query. Dropping them ends it.
#[derive(Debug)]
pub(super) struct Batches {
    made: mpsc::Receiver<Result<RecordBatch>>,
    task: JoinSet<Made>,
    interrupt: Interrupt,
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.interrupt.request();
    }
}

impl Batches {
    /// The next batch, or how it ended. Not to be asked again after that.
    pub(super) async fn next(&mut self) -> Result<Taken> {
        if let Some(batch) = self.made.recv().await {
            return batch.map(Taken::Batch);
        }
        match self.task.join_next().await {
            Some(Ok(Made::All)) => Ok(Taken::End),
            Some(Ok(Made::Part)) => Ok(Taken::OutOfTime),
            Some(Err(error)) => Err(DataFusionError::ExecutionJoin(Box::new(error))),
            None => internal_err!("the query has ended already"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::time::Duration;

    use arrow_schema::Schema;
    use datafusion::execution::SendableRecordBatchStream;
    use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

    use super::*;
    use crate::config::Config;
    use crate::query::limits::turns::Turns;

    struct Defect;

    impl fmt::Debug for Defect {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Defect")
        }
    }

    impl PartitionStream for Defect {
        fn schema(&self) -> &arrow_schema::SchemaRef {
            static SCHEMA: std::sync::LazyLock<arrow_schema::SchemaRef> =
                std::sync::LazyLock::new(|| Arc::new(Schema::empty()));
            &SCHEMA
        }

        fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
            panic!("a defect")
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_not_an_early_end() {
        let threads = QueryThreads::new().unwrap();
        let schema = Arc::new(Schema::empty());
        let plan =
            StreamingTableExec::try_new(schema, vec![Arc::new(Defect)], None, [], false, None);
        let turns = Turns::new(&Config {
            queries_at_once: 1,
            ..Config::default()
        });
        let turn = turns.begin(None).await.unwrap();
        let context = Arc::new(TaskContext::default());
        let mut batches = threads.run(
            Arc::new(plan.unwrap()),
            context,
            Interrupt::default(),
            turn,
            Instant::now() + Duration::from_secs(600),
        );
        let error = batches.next().await.unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
        turns.begin(None).await.unwrap();
    }
}
