//! `SqlInfo`: what this server can do, in Flight SQL's numbers.
//!
//! Drivers ask before they offer something to their users. What is not known, or not settled, is left out rather than
//! guessed.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    CommandGetSqlInfo, SqlInfo, SqlNullOrdering, SqlOuterJoinsSupportLevel,
    SqlSupportedCaseSensitivity, SqlSupportedGroupBy, SqlSupportedSubqueries,
    SqlSupportedTransaction, SqlSupportedUnions, SqlTransactionIsolationLevel,
};
use arrow_schema::SchemaRef;
use datafusion::arrow::ARROW_VERSION;

use super::{REQUEST_BYTES, Shared, defect};
use crate::status::Failure;

/// Bytes that a name of a frame or bucket may take, percent-encoded.
const NAME_BYTES: i64 = 200;

/// The schema of the answer.
pub(super) fn schema() -> SchemaRef {
    Arc::new(SqlInfoDataBuilder::schema().clone())
}

/// What was asked for of it.
pub(super) fn of(shared: &Shared, command: CommandGetSqlInfo) -> Result<RecordBatch, Failure> {
    let all = all(shared).map_err(defect)?;
    command.into_builder(&all).build().map_err(defect)
}

fn all(shared: &Shared) -> arrow_flight::error::Result<SqlInfoData> {
    let mut info = SqlInfoDataBuilder::new();
    server(&mut info, shared);
    names(&mut info);
    language(&mut info);
    limits(&mut info);
    info.build()
}

fn server(info: &mut SqlInfoDataBuilder, shared: &Shared) {
    info.append(SqlInfo::FlightSqlServerName, "Shoots");
    info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    info.append(SqlInfo::FlightSqlServerArrowVersion, ARROW_VERSION);
    info.append(SqlInfo::FlightSqlServerReadOnly, shared.read_only);
    info.append(SqlInfo::FlightSqlServerSql, true);
    info.append(SqlInfo::FlightSqlServerSubstrait, false);
    info.append(
        SqlInfo::FlightSqlServerTransaction,
        SqlSupportedTransaction::None as i32,
    );
    info.append(SqlInfo::FlightSqlServerCancel, true);
    info.append(SqlInfo::FlightSqlServerBulkIngestion, !shared.read_only);
    info.append(SqlInfo::FlightSqlServerIngestTransactionsSupported, false);
    let timeout = shared.queries.time_limit().as_millis();
    info.append(
        SqlInfo::FlightSqlServerStatementTimeout,
        i32::try_from(timeout).unwrap_or(i32::MAX),
    );
    for (feature, supported) in [
        (SqlInfo::SqlDdlCatalog, false),
        (SqlInfo::SqlDdlSchema, false),
        (SqlInfo::SqlDdlTable, false),
        (SqlInfo::SqlSelectForUpdateSupported, false),
        (SqlInfo::SqlStoredProceduresSupported, false),
        (SqlInfo::SqlTransactionsSupported, false),
        (SqlInfo::SqlSavepointsSupported, false),
        (SqlInfo::SqlBatchUpdatesSupported, false),
    ] {
        info.append(feature, supported);
    }
    info.append(
        SqlInfo::SqlDefaultTransactionIsolation,
        i64::from(SqlTransactionIsolationLevel::SqlTransactionNone as i32),
    );
}

fn names(info: &mut SqlInfoDataBuilder) {
    use SqlSupportedCaseSensitivity as Case;
    // As written, else without regard to case; in quotes, only as written.
    let unquoted = Case::SqlCaseSensitivityCaseInsensitive;
    info.append(SqlInfo::SqlIdentifierCase, i64::from(unquoted as i32));
    // Flight SQL has no word for names that are case sensitive and kept as they are.
    let quoted = Case::SqlCaseSensitivityUnknown;
    info.append(SqlInfo::SqlQuotedIdentifierCase, i64::from(quoted as i32));
    info.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    info.append(SqlInfo::SqlSearchStringEscape, "\\");
    info.append(SqlInfo::SqlAllTablesAreSelectable, true);
    info.append(SqlInfo::SqlSchemaTerm, "bucket");
    info.append(SqlInfo::SqlCatalogTerm, "catalog");
    info.append(SqlInfo::SqlCatalogAtStart, true);
}

fn language(info: &mut SqlInfoDataBuilder) {
    let ordering = SqlNullOrdering::SqlNullsSortedHigh;
    info.append(SqlInfo::SqlNullOrdering, i64::from(ordering as i32));
    for feature in [
        SqlInfo::SqlSupportsColumnAliasing,
        SqlInfo::SqlNullPlusNullIsNull,
        SqlInfo::SqlSupportsTableCorrelationNames,
        SqlInfo::SqlSupportsExpressionsInOrderBy,
        SqlInfo::SqlSupportsOrderByUnrelated,
        SqlInfo::SqlSupportsLikeEscapeClause,
        SqlInfo::SqlSupportsNonNullableColumns,
        SqlInfo::SqlCorrelatedSubqueriesSupported,
        SqlInfo::SqlNamedParametersSupported,
    ] {
        info.append(feature, true);
    }
    info.append(SqlInfo::SqlSupportsDifferentTableCorrelationNames, false);
    info.append(
        SqlInfo::SqlSupportedGroupBy,
        bits(&[
            SqlSupportedGroupBy::SqlGroupByUnrelated as i32,
            SqlSupportedGroupBy::SqlGroupByBeyondSelect as i32,
        ]),
    );
    let joins = SqlOuterJoinsSupportLevel::SqlFullOuterJoins;
    info.append(SqlInfo::SqlOuterJoinsSupportLevel, bits(&[joins as i32]));
    info.append(
        SqlInfo::SqlSupportedSubqueries,
        bits(&[
            SqlSupportedSubqueries::SqlSubqueriesInComparisons as i32,
            SqlSupportedSubqueries::SqlSubqueriesInExists as i32,
            SqlSupportedSubqueries::SqlSubqueriesInIns as i32,
        ]),
    );
    info.append(
        SqlInfo::SqlSupportedUnions,
        bits(&[
            SqlSupportedUnions::SqlUnion as i32,
            SqlSupportedUnions::SqlUnionAll as i32,
        ]),
    );
}

fn limits(info: &mut SqlInfoDataBuilder) {
    let statement = i64::try_from(REQUEST_BYTES).unwrap_or(i64::MAX);
    info.append(SqlInfo::SqlMaxStatementLength, statement);
    info.append(SqlInfo::SqlMaxTableNameLength, NAME_BYTES);
    info.append(SqlInfo::SqlDbSchemaNameLength, NAME_BYTES);
}

/// A set of choices, each a bit at the place of its number.
fn bits(choices: &[i32]) -> i32 {
    choices.iter().fold(0, |set, choice| set | (1 << choice))
}
