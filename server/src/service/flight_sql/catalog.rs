//! Listings: what there is, for clients that look before they ask.
//!
//! There is one catalog, `shoots`. A bucket is a schema in it, the default bucket the one with the empty name. A frame is
//! a table; there are no views, and no keys: an index may have the same value twice.
//!
//! Tables come bucket by bucket, so that a listing with all columns of thousands of frames takes the memory of one
//! bucket. Each client's ticket for a listing is the command itself.

use std::sync::{Arc, LazyLock};

use arrow_array::RecordBatch;
use arrow_flight::sql::metadata::{GetCatalogsBuilder, GetDbSchemasBuilder, GetTablesBuilder};
use arrow_flight::sql::{
    Command, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandGetXdbcTypeInfo,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::BucketName;

use super::{Batches, Shared, defect, features, name, types, unavailable};
use crate::query::CATALOG;
use crate::status::Failure;

/// What kind of table a frame is.
const FRAME: &str = "TABLE";

/// Something to be listed.
#[derive(Debug)]
pub(super) enum Listing {
    Catalogs,
    Schemas(CommandGetDbSchemas),
    Tables(CommandGetTables),
    TableTypes,
    PrimaryKeys,
    /// Of a frame, to a frame, or between two.
    ForeignKeys,
    Features(CommandGetSqlInfo),
    Types(CommandGetXdbcTypeInfo),
}

impl Listing {
    /// The listing that a command asks for.
    pub(super) fn of(command: Command) -> Result<Self, Failure> {
        Ok(match command {
            Command::CommandGetCatalogs(_) => Self::Catalogs,
            Command::CommandGetDbSchemas(command) => Self::Schemas(command),
            Command::CommandGetTables(command) => Self::Tables(command),
            Command::CommandGetTableTypes(_) => Self::TableTypes,
            Command::CommandGetPrimaryKeys(_) => Self::PrimaryKeys,
            Command::CommandGetExportedKeys(_)
            | Command::CommandGetImportedKeys(_)
            | Command::CommandGetCrossReference(_) => Self::ForeignKeys,
            Command::CommandGetSqlInfo(command) => Self::Features(command),
            Command::CommandGetXdbcTypeInfo(command) => Self::Types(command),
            other => return Err(unavailable(name(&other))),
        })
    }

    pub(super) fn schema(&self) -> Result<SchemaRef, Failure> {
        Ok(match self {
            Self::Catalogs => GetCatalogsBuilder::new().schema(),
            Self::Schemas(command) => GetDbSchemasBuilder::from(command.clone()).schema(),
            Self::Tables(command) => GetTablesBuilder::from(command.clone()).schema(),
            Self::TableTypes => CommandGetTableTypes {}.into_builder().schema(),
            Self::PrimaryKeys => Arc::clone(&PRIMARY_KEYS),
            Self::ForeignKeys => Arc::clone(&FOREIGN_KEYS),
            Self::Features(_) => features::schema(),
            Self::Types(_) => types::all()?.schema(),
        })
    }

    pub(super) async fn rows(self, shared: Arc<Shared>) -> Result<Batches, Failure> {
        let schema = self.schema()?;
        let batch = match self {
            Self::Catalogs => {
                let mut catalogs = GetCatalogsBuilder::new();
                catalogs.append(CATALOG);
                catalogs.build().map_err(defect)?
            }
            Self::Schemas(command) => schemas(&shared, command).await?,
            Self::Tables(command) => return tables(shared, command).await,
            Self::TableTypes => {
                let mut kinds = CommandGetTableTypes {}.into_builder();
                kinds.append(FRAME);
                kinds.build().map_err(defect)?
            }
            Self::PrimaryKeys | Self::ForeignKeys => RecordBatch::new_empty(schema),
            Self::Features(command) => features::of(&shared, command)?,
            Self::Types(command) => {
                let types = types::all()?;
                command.into_builder(&types).build().map_err(defect)?
            }
        };
        Ok(Box::pin(stream::iter([Ok(batch)])))
    }
}

async fn schemas(shared: &Shared, command: CommandGetDbSchemas) -> Result<RecordBatch, Failure> {
    let mut schemas = command.into_builder();
    for bucket in shared.store.all_buckets().await? {
        schemas.append(CATALOG, schema_name(bucket.as_ref()));
    }
    schemas.build().map_err(defect)
}

async fn tables(shared: Arc<Shared>, command: CommandGetTables) -> Result<Batches, Failure> {
    if command
        .catalog
        .as_deref()
        .is_some_and(|catalog| catalog != CATALOG)
    {
        return Ok(Box::pin(stream::empty()));
    }
    let mut buckets = shared.store.all_buckets().await?;
    buckets.sort();
    // Buckets that are not meant are left out before their frames are looked at.
    let mut wanted = Vec::new();
    for bucket in buckets {
        let mut schema =
            GetDbSchemasBuilder::new(None::<&str>, command.db_schema_filter_pattern.as_deref());
        schema.append(CATALOG, schema_name(bucket.as_ref()));
        if schema.build().map_err(defect)?.num_rows() > 0 {
            wanted.push(bucket);
        }
    }
    let tables = stream::iter(wanted).then(move |bucket| {
        let (shared, command) = (Arc::clone(&shared), command.clone());
        async move { tables_of(&shared, bucket.as_ref(), command).await }
    });
    Ok(Box::pin(tables.try_filter(|batch| {
        std::future::ready(batch.num_rows() > 0)
    })))
}

async fn tables_of(
    shared: &Shared,
    bucket: Option<&BucketName>,
    command: CommandGetTables,
) -> Result<RecordBatch, Failure> {
    let mut tables = command.into_builder();
    for frame in &shared.store.frames_of_each(bucket).await? {
        let name = frame.frame().name.as_str();
        let table = tables.append(CATALOG, schema_name(bucket), name, FRAME, &frame.schema());
        table.map_err(defect)?;
    }
    tables.build().map_err(defect)
}

fn schema_name(bucket: Option<&BucketName>) -> &str {
    bucket.map_or("", BucketName::as_str)
}

static PRIMARY_KEYS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("catalog_name", DataType::Utf8, true),
        Field::new("db_schema_name", DataType::Utf8, true),
        Field::new("table_name", DataType::Utf8, false),
        Field::new("column_name", DataType::Utf8, false),
        Field::new("key_name", DataType::Utf8, true),
        Field::new("key_sequence", DataType::Int32, false),
    ]))
});

static FOREIGN_KEYS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("pk_catalog_name", DataType::Utf8, true),
        Field::new("pk_db_schema_name", DataType::Utf8, true),
        Field::new("pk_table_name", DataType::Utf8, false),
        Field::new("pk_column_name", DataType::Utf8, false),
        Field::new("fk_catalog_name", DataType::Utf8, true),
        Field::new("fk_db_schema_name", DataType::Utf8, true),
        Field::new("fk_table_name", DataType::Utf8, false),
        Field::new("fk_column_name", DataType::Utf8, false),
        Field::new("key_sequence", DataType::Int32, false),
        Field::new("fk_key_name", DataType::Utf8, true),
        Field::new("pk_key_name", DataType::Utf8, true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
});
