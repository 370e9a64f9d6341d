//! From a question to operators that make its rows.
//!
//! Planning takes a [`Turn`](super::limits::turns::Turn), and only what computes does, not what looks for frames: so
//! statements that take long to plan, of whoever sends them, keep others waiting for one of them and not for all. It ends
//! soon after nobody waits for it any more ([`super::limits::interrupt`]).

use std::sync::Arc;

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
use shoots_store::Snapshot;

use super::breadth::{self, Known};
use super::catalog::{self, Frames};
use super::limits::Limits;
use super::limits::interrupt::Interrupt;
use super::limits::turns::{Asker, Turn, Turns, Wait};
use super::mismatch::{self, Mismatch};
use super::names::{Mentions, Spelling};
use super::parameters::{Parameters, Places};
use super::result::ResultShape;
use super::session::{self, Engine};
use super::{Part, Question, clauses, functions, information, limits, relation, table};
use crate::access::CallerStore;
use crate::status::Failure;

/// What is left of a query when it is planned.
pub(super) type Planned = (
    ResultShape,
    SchemaRef,
    Arc<dyn ExecutionPlan>,
    Arc<TaskContext>,
    Option<Mismatch>,
);

/// What plans one query.
#[derive(Debug)]
pub(super) struct Planning {
    pub(super) engine: Arc<Engine>,
    pub(super) limits: Limits,
    pub(super) turns: Turns,
    pub(super) asker: Asker,
    pub(super) wait: Wait,
    pub(super) interrupt: Interrupt,
}

impl Planning {
    /// Plans a question in SQL.
    pub(super) async fn question(
        self,
        store: CallerStore,
        question: Question,
    ) -> Result<Planned, Failure> {
        let scope = &question.scope;
        let mut state = self.engine.state(scope.bucket.as_ref(), &self.interrupt)?;
        let mut statement = session::parse(&state, &question.sql)?;
        let query = session::reading(&mut statement)?;
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
        let tables = found.iter();
        let tables = tables.map(|found| (found.path.as_slice(), found.table.schema()));
        breadth::check(query, &Known::new(&mentions, tables))?;
        catalog::register(&state, &found)?;

        let _turn = self.turn().await?;
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
            self.physical(&mut state, &rows).await?
        };
        let frames = found.iter().filter_map(|found| found.table.snapshot());
        let frames: Vec<&Snapshot> = frames.collect();
        let shape = ResultShape::new(&physical.schema(), scope.frame.as_ref(), &frames);
        let mismatch = Mismatch::in_plan(rows.logical_plan());
        Ok((shape, places.schema(), physical, state.task_ctx(), mismatch))
    }

    /// Plans to read some of a table.
    pub(super) async fn table(
        self,
        table: Arc<dyn TableProvider>,
        part: Part,
    ) -> Result<Planned, Failure> {
        let _turn = self.turn().await?;
        let mut state = self.engine.state(None, &self.interrupt)?;
        let source = provider_as_source(table);
        let logical = LogicalPlanBuilder::scan("result", source, None)?.build()?;
        let rows = part.of(DataFrame::new(state.clone(), logical))?;
        let physical = self.physical(&mut state, &rows).await?;
        let shape = ResultShape::new(&physical.schema(), None, &[]);
        let no_parameters = Arc::new(Schema::empty());
        Ok((shape, no_parameters, physical, state.task_ctx(), None))
    }

    async fn turn(&self) -> Result<Turn, Failure> {
        self.wait.during(self.turns.begin(self.asker)).await
    }

    /// The operators that make rows, in the order of frames, with moments at which they can be interrupted.
    async fn physical(
        &self,
        state: &mut SessionState,
        rows: &DataFrame,
    ) -> Result<Arc<dyn ExecutionPlan>, Failure> {
        let logical = rows.logical_plan();
        let physical = session::physical_plan(state, logical).await;
        let physical = physical.map_err(|error| {
            let told = mismatch::told(error, || Mismatch::in_plan(logical));
            self.limits.failure(told)
        })?;
        let physical = table::order::in_frame_order(physical)?;
        let physical = limits::held::counted(physical)?;
        Ok(limits::interrupt::interruptible(physical, &self.interrupt)?)
    }
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

fn clamp(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
