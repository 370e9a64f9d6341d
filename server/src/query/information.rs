//! What there is, in SQL: `information_schema`, SHOW and DESCRIBE.
//!
//! The catalog is called `shoots`, a bucket is a schema in it, and a frame is a table; the schema of the default bucket
//! has the empty name. Statements other than queries are rewritten into queries of these tables. All frames are looked
//! at only for a statement that asks for them, and for `SHOW COLUMNS` only the one frame. What cannot be read
//! is left out, as in every listing.
//!
//! In SQL, `information_schema` is this, even if a bucket should be called so and have a frame called `tables`. The
//! server's settings are no part of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use async_trait::async_trait;
use datafusion::catalog::information_schema::{INFORMATION_SCHEMA, InformationSchemaProvider};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemTable, MemoryCatalogProviderList, SchemaProvider,
    TableProvider,
};
use datafusion::common::{internal_datafusion_err, plan_err};
use datafusion::error::Result;
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast::{
    DescribeAlias, ObjectName, ShowStatementFilter, ShowStatementFilterPosition, ShowStatementIn,
    ShowStatementOptions, Statement as SqlStatement,
};
use shoots_store::Snapshot;

use super::catalog::{Found, Frames, Table};
use super::names::Mentions;
use super::relation::{Part, Relation};
use super::session::{CATALOG, DEFAULT_BUCKET};
use super::table::FrameTable;
use crate::status::Failure;

/// The tables that can be asked.
const TABLES: [&str; 4] = ["tables", "columns", "views", "schemata"];

/// The table that a relation names, if it is one of these.
fn named(relation: &Relation) -> Option<&'static str> {
    let [schema, table] = relation.0.last_chunk::<2>()?;
    let is = |part: &Part, name: &str| match part.quoted {
        true => part.text == name,
        false => part.text.eq_ignore_ascii_case(name),
    };
    if !is(schema, INFORMATION_SCHEMA) || !relation.is_in(CATALOG) {
        return None;
    }
    TABLES.into_iter().find(|name| is(table, name))
}

/// Whether a relation is in the information schema.
pub(super) fn holds(relation: &Relation) -> bool {
    named(relation).is_some()
}

/// Rewrites SHOW and DESCRIBE; the frame that such a statement is about, if it is about one.
pub(super) async fn rewrite(
    frames: &Frames<'_>,
    statement: &mut SqlStatement,
) -> Result<Option<Snapshot>, Failure> {
    let mut about = None;
    let query = match statement {
        SqlStatement::ShowTables {
            terse: false,
            history: false,
            extended: false,
            full: false,
            external: false,
            show_options,
        } if is_plain(show_options) => tables_shown(show_options)?,
        SqlStatement::ShowColumns { show_options, .. } => {
            let name = frame_shown(show_options)?;
            let Some(relation) = Relation::of(name) else {
                return Ok(unsupported(statement)?);
            };
            let frame = frames.existing(&relation).await?;
            let query = columns_shown(&frame);
            about = Some(frame);
            query
        }
        SqlStatement::ShowSchemas { show_options, .. }
        | SqlStatement::ShowDatabases { show_options, .. }
            if !is_limited(show_options) =>
        {
            format!("SELECT schema_name FROM {INFORMATION_SCHEMA}.schemata ORDER BY 1")
        }
        SqlStatement::ExplainTable {
            describe_alias: DescribeAlias::Describe | DescribeAlias::Desc,
            table_name,
            ..
        } => format!("DESCRIBE SELECT * FROM {table_name}"),
        SqlStatement::Query(_) | SqlStatement::Explain { .. } => return Ok(None),
        _ => return Ok(unsupported(statement)?),
    };
    *statement = parsed(&query)?;
    Ok(about)
}

fn parsed(query: &str) -> Result<SqlStatement> {
    match DFParser::parse_sql(query)?.pop_front() {
        Some(Statement::Statement(statement)) => Ok(*statement),
        _ => Err(internal_datafusion_err!("{query} is no statement")),
    }
}

fn unsupported<T>(statement: &SqlStatement) -> Result<T> {
    plan_err!(
        "{statement} is not supported: ask SHOW TABLES [FROM bucket] [LIKE 'pattern'], SHOW COLUMNS FROM frame, SHOW \
         SCHEMAS, DESCRIBE frame, or the tables of {INFORMATION_SCHEMA}"
    )
}

/// Whether a SHOW says more than what to show.
fn is_limited(options: &ShowStatementOptions) -> bool {
    let ShowStatementOptions {
        show_in,
        starts_with,
        limit,
        limit_from,
        filter_position,
    } = options;
    show_in.is_some()
        || starts_with.is_some()
        || limit.is_some()
        || limit_from.is_some()
        || filter_position.is_some()
}

/// Whether a SHOW leaves the order and number of rows open.
fn is_plain(options: &ShowStatementOptions) -> bool {
    options.starts_with.is_none() && options.limit.is_none() && options.limit_from.is_none()
}

fn tables_shown(options: &ShowStatementOptions) -> Result<String> {
    let mut conditions = Vec::new();
    match &options.show_in {
        None => {}
        Some(ShowStatementIn {
            parent_name: Some(bucket),
            ..
        }) => conditions.push(is_bucket(bucket)?),
        Some(other) => return plan_err!("SHOW TABLES {other} names no bucket"),
    }
    match &options.filter_position {
        None => {}
        Some(
            ShowStatementFilterPosition::Suffix(ShowStatementFilter::Like(pattern))
            | ShowStatementFilterPosition::Infix(ShowStatementFilter::Like(pattern)),
        ) => conditions.push(format!("table_name LIKE {}", text(pattern))),
        Some(_) => return plan_err!("SHOW TABLES takes LIKE 'pattern' and no other filter"),
    }
    let conditions = match conditions.is_empty() {
        true => String::new(),
        false => format!("WHERE {}", conditions.join(" AND ")),
    };
    Ok(format!(
        "SELECT * FROM {INFORMATION_SCHEMA}.tables {conditions} ORDER BY table_schema, table_name"
    ))
}

fn is_bucket(name: &ObjectName) -> Result<String> {
    let relation = Relation::of(name);
    match relation.as_ref().map(|relation| relation.0.as_slice()) {
        Some([bucket]) if bucket.quoted => Ok(format!("table_schema = {}", text(&bucket.text))),
        Some([bucket]) => Ok(format!(
            "lower(table_schema) = lower({})",
            text(&bucket.text)
        )),
        _ => plan_err!("{name} is no name of a bucket"),
    }
}

fn frame_shown(options: &ShowStatementOptions) -> Result<&ObjectName> {
    match options {
        ShowStatementOptions {
            show_in:
                Some(ShowStatementIn {
                    parent_type: None,
                    parent_name: Some(name),
                    ..
                }),
            starts_with: None,
            limit: None,
            limit_from: None,
            filter_position: None,
        } => Ok(name),
        _ => plan_err!("SHOW COLUMNS is used as SHOW COLUMNS FROM frame"),
    }
}

fn columns_shown(frame: &Snapshot) -> String {
    format!(
        "SELECT table_catalog, table_schema, table_name, column_name, data_type, is_nullable \
         FROM {INFORMATION_SCHEMA}.columns WHERE table_schema = {} AND table_name = {} ORDER BY ordinal_position",
        text(schema_of(frame)),
        text(frame.frame().name.as_str())
    )
}

fn schema_of(frame: &Snapshot) -> &str {
    let bucket = frame.frame().bucket.as_ref();
    bucket.map_or(DEFAULT_BUCKET, |bucket| bucket.as_str())
}

/// A text as it stands in a statement.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The tables of the information schema that a statement names; they tell of one frame, or of all.
pub(super) async fn tables(
    frames: &Frames<'_>,
    mentions: &Mentions,
    about: Option<Snapshot>,
) -> Result<Vec<Found>, Failure> {
    let wanted: Vec<_> = mentions
        .relations
        .iter()
        .filter_map(|relation| Some((relation, named(relation)?)))
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let buckets = match about {
        Some(frame) => vec![(schema_of(&frame).to_owned(), vec![frame])],
        None => frames.all().await?,
    };
    let listing = Arc::new(Listing::of(buckets));
    let all = MemoryCatalogProviderList::new();
    all.register_catalog(CATALOG.to_owned(), Arc::clone(&listing) as _);
    let provider = InformationSchemaProvider::new(Arc::new(all));
    let mut found = Vec::new();
    for (relation, name) in wanted {
        let table = match name {
            "tables" => Some(listing.tables()?),
            _ => provider.table(name).await?,
        };
        let table = table.ok_or_else(|| internal_datafusion_err!("there is no table {name}"))?;
        found.push(Found {
            relation: relation.clone(),
            path: vec![INFORMATION_SCHEMA.to_owned(), name.to_owned()],
            table: Table::Made(table),
        });
    }
    Ok(found)
}

/// Frames by bucket and name, in the order of their names.
#[derive(Debug)]
struct Listing(BTreeMap<String, Arc<Bucket>>);

#[derive(Debug)]
struct Bucket(BTreeMap<String, Snapshot>);

impl Listing {
    fn of(buckets: Vec<(String, Vec<Snapshot>)>) -> Self {
        let by_name = |frame: Snapshot| (frame.frame().name.to_string(), frame);
        let buckets = buckets.into_iter().map(|(name, frames)| {
            let frames = frames.into_iter().map(by_name);
            (name, Arc::new(Bucket(frames.collect())))
        });
        Self(buckets.collect())
    }

    /// The frames, without the information schema itself.
    fn tables(&self) -> Result<Arc<dyn TableProvider>> {
        let named = || {
            let buckets = self.0.iter();
            buckets.flat_map(|(bucket, frames)| frames.0.keys().map(move |name| (bucket, name)))
        };
        let texts = |texts: Vec<&str>| Arc::new(StringArray::from(texts)) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("table_catalog", texts(named().map(|_| CATALOG).collect())),
            (
                "table_schema",
                texts(named().map(|(bucket, _)| bucket.as_str()).collect()),
            ),
            (
                "table_name",
                texts(named().map(|(_, name)| name.as_str()).collect()),
            ),
            ("table_type", texts(named().map(|_| "BASE TABLE").collect())),
        ])?;
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        Ok(Arc::new(table))
    }
}

impl CatalogProvider for Listing {
    fn schema_names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let bucket = self.0.get(name)?;
        Some(Arc::clone(bucket) as _)
    }
}

#[async_trait]
impl SchemaProvider for Bucket {
    fn table_names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let frame = self.0.get(name);
        Ok(frame.map(|frame| Arc::new(FrameTable::new(frame.clone())) as _))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}
