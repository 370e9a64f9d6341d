//! Where queries run: on threads of their own.
//!
//! A query computes for as long as it likes between two moments at which it waits for something. On threads of
//! their own such queries slow down other queries, but not puts, gets and pings, and a caller is told about the
//! time limit when it is reached.
//!
//! Planning happens there too: it can take long, and it recurses as deeply as the statement nests, for which these
//! threads have the stack ([`super::depth`] bounds it).

use std::io;
use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::common::internal_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;

use super::interrupt::Interrupt;

/// Batches that a query makes before they are taken.
const BATCHES_AHEAD: usize = 2;

/// Stack of a thread. Only what is used takes memory.
const STACK_BYTES: usize = 64 << 20;

/// Threads for queries, as many as there are cores.
#[derive(Debug)]
pub(super) struct QueryThreads(Option<Runtime>);

impl QueryThreads {
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("shoots-query")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Computes something, unless the result is not waited for.
    pub(super) async fn compute<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let mut task = JoinSet::new();
        if let Some(runtime) = &self.0 {
            task.spawn_on(work, runtime.handle());
        }
        match task.join_next().await {
            Some(Ok(result)) => Ok(result),
            Some(Err(error)) => Err(DataFusionError::ExecutionJoin(Box::new(error))),
            None => internal_err!("the threads for queries have ended"),
        }
    }

    /// Starts a plan. The permit is given back when the query has really ended.
    pub(super) fn run(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
        interrupt: Interrupt,
        permit: OwnedSemaphorePermit,
    ) -> Batches {
        let (sender, made) = mpsc::channel(BATCHES_AHEAD);
        let mut task = JoinSet::new();
        if let Some(runtime) = &self.0 {
            let work = async move {
                let _permit = permit;
                make(plan, context, sender).await;
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
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

async fn make(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    taker: mpsc::Sender<Result<RecordBatch>>,
) {
    let mut batches = match execute_stream(plan, context) {
        Ok(batches) => batches,
        Err(error) => {
            // Nobody to tell means nobody wants to know.
            let _ = taker.send(Err(error)).await;
            return;
        }
    };
    while let Some(batch) = batches.next().await {
        if taker.send(batch).await.is_err() {
            return;
        }
    }
}

/// The batches of a running query. Dropping them ends it.
#[derive(Debug)]
pub(super) struct Batches {
    made: mpsc::Receiver<Result<RecordBatch>>,
    task: JoinSet<()>,
    interrupt: Interrupt,
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.interrupt.request();
    }
}

impl Batches {
    /// The next batch; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.made.recv().await {
            return batch.map(Some);
        }
        match self.task.join_next().await {
            None | Some(Ok(())) => Ok(None),
            Some(Err(error)) => Err(DataFusionError::ExecutionJoin(Box::new(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use arrow_schema::Schema;
    use datafusion::execution::SendableRecordBatchStream;
    use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
    use tokio::sync::Semaphore;

    use super::*;

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
        let permits = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&permits).acquire_owned().await.unwrap();
        let context = Arc::new(TaskContext::default());
        let mut batches = threads.run(
            Arc::new(plan.unwrap()),
            context,
            Interrupt::default(),
            permit,
        );
        let error = batches.next().await.unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
        permits.acquire().await.unwrap().forget();
    }
}
