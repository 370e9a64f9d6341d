//! DataFusion, set up so that a query can read frames and do nothing else.
//!
//! Two fences, so that neither has to be perfect. The statement must be a query, or an EXPLAIN of one, or show or
//! describe what there is ([`super::information`]), before anything is planned; and the plan must hold no
//! definition, no change, no COPY and no SET. There is nothing behind the fences either: the object store registry is
//! empty, no file format and no table factory is registered, and the catalog holds only the frames that the query
//! names.

use std::env::temp_dir;
use std::fmt;
use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{LogicalPlan, ScalarUDF};
use datafusion::object_store::ObjectStore;
use datafusion::optimizer::Optimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{DescribeAlias, Statement as SqlStatement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use shoots_proto::BucketName;
use tracing::debug;
use url::Url;

use super::limits::interrupt::{self, Interrupt};
use super::limits::joined::{BoundedCalls, Joined};
use super::limits::memory::Memory;
use super::limits::patterns::{BoundedPatterns, When};
use super::limits::sizes;
use super::limits::spill::SpillFolder;
use super::limits::widths;
use super::limits::windows::BoundedWindows;
use super::parameters;
use super::relation::Relation;
use super::slash;
use crate::config::Config;

/// The one catalog, in which each bucket is a schema.
pub(crate) const CATALOG: &str = "shoots";
/// The schema of the default bucket; no bucket can be called that.
pub(super) const DEFAULT_BUCKET: &str = "";

/// Rows in a batch that operators exchange, if no constant of the query is large.
const BATCH_ROWS: usize = 16 * 1024;

/// What all queries share: memory, spill space, and an empty set of object stores.
#[derive(Debug)]
pub(super) struct Engine {
    environment: RuntimeEnv,
    memory: Memory,
    /// There for as long as queries may write to it.
    spill_folder: Option<SpillFolder>,
}

impl Engine {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let spill_folder = spill_folder(config)?;
        let mode = match &spill_folder {
            Some(folder) => DiskManagerMode::Directories(vec![folder.path().into()]),
            None => DiskManagerMode::Disabled,
        };
        let spill = DiskManagerBuilder::default()
            .with_mode(mode)
            .with_max_temp_directory_size(config.query_spill_bytes);
        let environment = RuntimeEnvBuilder::new()
            .with_disk_manager_builder(spill)
            .with_object_store_registry(Arc::new(NoObjectStores))
            .build()
            .map_err(|error| spill_trouble(&config.query_spill_folder, &error.strip_backtrace()))?;
        Ok(Self {
            environment,
            memory: Memory::new(config),
            spill_folder,
        })
    }

    /// A session for one query in a bucket.
    pub(super) fn state(
        &self,
        bucket: Option<&BucketName>,
        interrupt: &Interrupt,
    ) -> Result<SessionState> {
        self.restore_spill_folder();
        let environment = RuntimeEnvBuilder::from_runtime_env(&self.environment)
            .with_memory_pool(self.memory.operators())
            .build_arc()?;
        let mut functions = SessionStateDefaults::default_scalar_functions();
        functions.push(Arc::new(ScalarUDF::new_from_impl(Joined::new())));
        #[cfg(test)]
        functions.push(Arc::new(super::tests::panics::panicking()));
        let values = self.memory.values();
        let functions = sizes::bounded(functions, &values, interrupt);
        Ok(state(environment, functions, values, bucket, interrupt))
    }

    /// What bounds the operators of an expression that no query holds.
    pub(super) fn patterns(&self, interrupt: &Interrupt) -> [BoundedPatterns; 2] {
        patterns(interrupt, &self.memory.values())
    }

    /// Makes the folders again to which queries write. Where that fails, a query that comes to need them says so.
    fn restore_spill_folder(&self) {
        let paths = self.environment.disk_manager.temp_dir_paths();
        for (folder, inside) in self.spill_folder.iter().zip(paths) {
            if let Err(error) = folder.restore(&inside) {
                debug!(%error, "the folder for what queries cannot hold in memory is not there");
            }
        }
    }

    /// What operators hold, what values of functions take, and what there is of either, in bytes.
    pub(super) fn memory_usage(&self) -> [u64; 3] {
        self.memory.usage()
    }

    /// What all queries hold.
    #[cfg(test)]
    pub(super) fn reserved(&self) -> usize {
        self.memory.reserved()
    }
}

/// Where queries write what they cannot hold in memory; `None` if they may not. That it can be written to is found out
/// at once.
fn spill_folder(config: &Config) -> Result<Option<SpillFolder>> {
    let folder = match (config.query_spill_bytes, config.query_spill_folder.as_str()) {
        (0, _) => return Ok(None),
        (_, "") => temp_dir(),
        (_, folder) => folder.into(),
    };
    let made = SpillFolder::below(&folder);
    made.map(Some)
        .map_err(|error| spill_trouble(&folder.display(), &error))
}

fn spill_trouble(folder: &impl fmt::Display, error: &impl fmt::Display) -> DataFusionError {
    DataFusionError::Configuration(format!(
        "cannot write to {folder}, where queries put what they cannot hold in memory ({error}); set query_spill_folder \
         to a folder that the server can write to, or query_spill_bytes to 0"
    ))
}

fn state(
    environment: Arc<RuntimeEnv>,
    functions: Vec<Arc<ScalarUDF>>,
    values: Arc<dyn MemoryPool>,
    bucket: Option<&BucketName>,
    interrupt: &Interrupt,
) -> SessionState {
    let schema = bucket.map_or(DEFAULT_BUCKET, BucketName::as_str);
    let mut config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, schema)
        .with_information_schema(false)
        .with_batch_size(BATCH_ROWS);
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.collect_spans = true;
    // Mixing batches of one part among others would lose the frame's order for nothing: a scan has a part
    // for each core already.
    options.optimizer.enable_round_robin_repartition = false;
    let mut rules = Optimizer::new().rules;
    let [first, last] = patterns(interrupt, &values);
    rules.insert(0, Arc::new(BoundedCalls::new(&functions)));
    rules.insert(1, Arc::new(first));
    rules.push(Arc::new(last));
    rules.push(Arc::new(BoundedWindows {
        interrupt: interrupt.clone(),
        values,
    }));
    let rules = interrupt::checked_rules(rules, interrupt);
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(environment)
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(functions)
        .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_table_function_list(SessionStateDefaults::default_table_functions())
        .with_optimizer_rules(rules)
        .build();
    // `now()` is this moment everywhere in a query.
    state.mark_start_execution();
    let catalog = MemoryCatalogProvider::new();
    // Registering into a catalog made just above cannot meet another of the name.
    let _ = catalog.register_schema(schema, Arc::new(MemorySchemaProvider::new()));
    state
        .catalog_list()
        .register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    state
}

/// What is done with operators that look for patterns, before and after the optimizer.
fn patterns(interrupt: &Interrupt, values: &Arc<dyn MemoryPool>) -> [BoundedPatterns; 2] {
    [When::First, When::Last].map(|when| BoundedPatterns {
        when,
        interrupt: interrupt.clone(),
        values: Arc::clone(values),
    })
}

/// Plans how a query is done. How many rows a batch has depends on the constants in it.
pub(super) async fn physical_plan(
    state: &mut SessionState,
    plan: &LogicalPlan,
) -> Result<Arc<dyn ExecutionPlan>> {
    widths::check(plan)?;
    let plan = state.optimize(plan)?;
    let rows = sizes::rows_of_a_batch(&plan, BATCH_ROWS)?;
    let config = state.config_mut();
    *config = config.clone().with_batch_size(rows);
    let planner = Arc::clone(state.query_planner());
    planner.create_physical_plan(&plan, state).await
}

/// Parses exactly one statement.
pub(super) fn parse(state: &SessionState, sql: &str) -> Result<Statement> {
    let dialect = GenericDialect {};
    let nesting = state.config_options().sql_parser.recursion_limit.get();
    let mut statements = DFParserBuilder::new(parameters::tokens(&dialect, sql)?)
        .with_dialect(&dialect)
        .with_recursion_limit(nesting)
        .build()?
        .parse_statements()
        .map_err(|error| slash::explained(sql, error))?;
    match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (Some(_), more) => plan_err!("there are {} statements; send one at a time", more + 1),
        (None, _) => plan_err!("there is no statement; send a query"),
    }
}

/// The statement to read with: a query, or one that shows or describes what there is; or an EXPLAIN of one.
pub(super) fn reading(statement: &mut Statement) -> Result<&mut SqlStatement> {
    match statement {
        Statement::Explain(explain) => reading(&mut explain.statement),
        Statement::Statement(sql) if !reads(sql) => refuse(sql),
        Statement::Statement(sql) => Ok(sql),
        Statement::CreateExternalTable(definition) => refuse(definition),
        Statement::CopyTo(copy) => refuse(copy),
        Statement::Reset(reset) => refuse(reset),
    }
}

fn reads(statement: &SqlStatement) -> bool {
    use DescribeAlias::{Desc, Describe};
    match statement {
        SqlStatement::Query(_)
        | SqlStatement::ShowTables { .. }
        | SqlStatement::ShowColumns { .. }
        | SqlStatement::ShowSchemas { .. }
        | SqlStatement::ShowDatabases { .. } => true,
        SqlStatement::ExplainTable { describe_alias, .. } => {
            matches!(describe_alias, Describe | Desc)
        }
        SqlStatement::Explain {
            describe_alias: Describe | Desc,
            statement,
            ..
        } => matches!(**statement, SqlStatement::Query(_)),
        _ => false,
    }
}

fn refuse<T>(statement: &impl fmt::Display) -> Result<T> {
    let text = statement.to_string();
    let verb: Vec<&str> = text.split_whitespace().take(2).collect();
    plan_err!(
        "only queries are accepted here (SELECT, WITH, VALUES, EXPLAIN, DESCRIBE, SHOW TABLES, SHOW COLUMNS), not {}",
        verb.join(" ")
    )
}

/// Plans a statement, and refuses a plan that would do more than read.
pub(super) async fn read_only_plan(
    state: &SessionState,
    statement: Statement,
) -> Result<LogicalPlan> {
    let plan = state.statement_to_plan(statement).await?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)?;
    Ok(plan)
}

/// A registry in which no URL leads anywhere.
#[derive(Debug)]
struct NoObjectStores;

impl ObjectStoreRegistry for NoObjectStores {
    fn register_store(
        &self,
        _url: &Url,
        _store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.get_store(url)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        exec_err!("{url} cannot be reached from SQL; frames are all there is")
    }
}

/// The error for a table that is no frame, in DataFusion's own words, with the name that may be meant as a statement has it.
pub(super) fn no_such_table(
    name: &str,
    bucket: Option<&BucketName>,
    meant: Option<Relation>,
) -> DataFusionError {
    let meant = meant.map_or_else(String::new, |meant| {
        format!("; did you mean `{}`?", meant.written())
    });
    let meant = slash::meant(name).map_or(meant, |hint| format!("; {hint}"));
    let place = bucket.map_or_else(|| "the default bucket".into(), |b| format!("bucket {b}"));
    DataFusionError::Plan(format!(
        "table '{name}' not found: it is neither a frame in {place} nor, as bucket.frame, in another{meant}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_url_leads_anywhere() {
        let engine = Engine::new(&Config::default()).unwrap();
        let state = engine.state(None, &Interrupt::default()).unwrap();
        let runtime = state.runtime_env();
        for url in ["file:///etc/passwd", "s3://bucket/key", "http://localhost/"] {
            let url = Url::parse(url).unwrap();
            assert!(runtime.object_store_registry.get_store(&url).is_err());
        }
    }

    #[test]
    fn a_session_knows_no_formats_factories_or_files() {
        let engine = Engine::new(&Config::default()).unwrap();
        let state = engine.state(None, &Interrupt::default()).unwrap();
        assert!(state.table_factories().is_empty());
        for format in ["csv", "json", "arrow", "parquet"] {
            assert!(state.get_file_format_factory(format).is_none(), "{format}");
        }
        let mut functions: Vec<&str> = state.table_functions().keys().map(String::as_str).collect();
        functions.sort_unstable();
        assert_eq!(functions, ["generate_series", "range"]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_told_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let config = Config {
            query_spill_folder: file.join("below").display().to_string(),
            ..Config::default()
        };
        let error = Engine::new(&config).unwrap_err().to_string();
        assert!(error.contains("query_spill_folder"), "{error}");
        assert!(error.contains(&config.query_spill_folder), "{error}");
        let without = Config {
            query_spill_bytes: 0,
            ..config
        };
        Engine::new(&without).unwrap();
    }
}
