//! DataFusion, set up so that a query can read frames and do nothing else.
//!
//! Two fences, so that neither has to be perfect. The statement must be a query, or an EXPLAIN of one, before
//! anything is planned; and the plan must hold no definition, no change, no COPY and no SET. There is nothing
//! behind the fences either: the object store registry is empty, no file format and no table factory is
//! registered, and the catalog holds only the frames that the query names.

use std::fmt;
use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::object_store::ObjectStore;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use shoots_proto::BucketName;
use url::Url;

use super::parameters;
use crate::config::Config;

/// The one catalog, in which each bucket is a schema.
pub(crate) const CATALOG: &str = "shoots";
/// The schema of the default bucket; no bucket can be called that.
pub(super) const DEFAULT_BUCKET: &str = "/";

/// Rows in a batch that operators exchange.
const BATCH_ROWS: usize = 16 * 1024;

/// What all queries share: memory, spill space, and an empty set of object stores.
pub(super) fn runtime(config: &Config) -> Result<Arc<RuntimeEnv>> {
    let memory = usize::try_from(config.query_memory_bytes).unwrap_or(usize::MAX);
    let spill = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::OsTmpDirectory)
        .with_max_temp_directory_size(config.query_spill_bytes);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(memory)))
        .with_disk_manager_builder(spill)
        .with_object_store_registry(Arc::new(NoObjectStores))
        .build_arc()
}

/// A session for one query in a bucket.
pub(super) fn state(runtime: Arc<RuntimeEnv>, bucket: Option<&BucketName>) -> SessionState {
    let schema = bucket.map_or(DEFAULT_BUCKET, BucketName::as_str);
    let mut config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, schema)
        .with_information_schema(false)
        .with_batch_size(BATCH_ROWS);
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    // Mixing batches of one part among others would lose the frame's order for nothing: a scan has a part
    // for each core already.
    options.optimizer.enable_round_robin_repartition = false;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(SessionStateDefaults::default_scalar_functions())
        .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_table_function_list(SessionStateDefaults::default_table_functions())
        .build();
    let catalog = MemoryCatalogProvider::new();
    // Registering into a catalog made just above cannot meet another of the name.
    let _ = catalog.register_schema(schema, Arc::new(MemorySchemaProvider::new()));
    state
        .catalog_list()
        .register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    state
}

/// Parses exactly one statement.
pub(super) fn parse(state: &SessionState, sql: &str) -> Result<Statement> {
    let dialect = GenericDialect {};
    let nesting = state.config_options().sql_parser.recursion_limit.get();
    let mut statements = DFParserBuilder::new(parameters::tokens(&dialect, sql)?)
        .with_dialect(&dialect)
        .with_recursion_limit(nesting)
        .build()?
        .parse_statements()?;
    match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (Some(_), more) => plan_err!("there are {} statements; send one at a time", more + 1),
        (None, _) => plan_err!("there is no statement; send a query"),
    }
}

/// The query in a statement, which is all that a statement may be.
pub(super) fn query(statement: &mut Statement) -> Result<&mut SqlStatement> {
    match statement {
        Statement::Explain(explain) => query(&mut explain.statement),
        Statement::Statement(sql) if !matches!(**sql, SqlStatement::Query(_)) => refuse(sql),
        Statement::Statement(sql) => Ok(sql),
        Statement::CreateExternalTable(definition) => refuse(definition),
        Statement::CopyTo(copy) => refuse(copy),
        Statement::Reset(reset) => refuse(reset),
    }
}

fn refuse<T>(statement: &impl fmt::Display) -> Result<T> {
    let text = statement.to_string();
    let verb: Vec<&str> = text.split_whitespace().take(2).collect();
    plan_err!(
        "only queries are accepted here (SELECT, WITH, VALUES, EXPLAIN), not {}",
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

/// The error for a table that is no frame, in DataFusion's own words.
pub(super) fn no_such_table(name: &str, bucket: Option<&BucketName>) -> DataFusionError {
    let place = bucket.map_or_else(|| "the default bucket".into(), |b| format!("bucket {b}"));
    DataFusionError::Plan(format!(
        "table '{name}' not found: it is neither a frame in {place} nor, as bucket.frame, in another"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_url_leads_anywhere() {
        let runtime = runtime(&Config::default()).unwrap();
        for url in ["file:///etc/passwd", "s3://bucket/key", "http://localhost/"] {
            let url = Url::parse(url).unwrap();
            assert!(runtime.object_store_registry.get_store(&url).is_err());
        }
    }

    #[test]
    fn a_session_knows_no_formats_factories_or_files() {
        let state = state(runtime(&Config::default()).unwrap(), None);
        assert!(state.table_factories().is_empty());
        for format in ["csv", "json", "arrow", "parquet"] {
            assert!(state.get_file_format_factory(format).is_none(), "{format}");
        }
        let mut functions: Vec<&str> = state.table_functions().keys().map(String::as_str).collect();
        functions.sort_unstable();
        assert_eq!(functions, ["generate_series", "range"]);
    }
}
