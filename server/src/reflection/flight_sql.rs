//! The messages of Flight SQL that are answered here, by their numbers on the wire. They travel as `Any` in what Flight
//! carries: commands of descriptors, tickets, bodies of actions.

use prost_types::FileDescriptorProto;

use super::table::{self, Enumeration, Field, Message, Of};

const PACKAGE: &str = "arrow.flight.protocol.sql";
const FILE: &str = "FlightSql.proto";

const TEXT: Of = Of::Optional(&Of::Text);
const TRANSACTION: Of = Of::Optional(&Of::Bytes);
const DEFINITION: Of =
    Of::Message(".arrow.flight.protocol.sql.CommandStatementIngest.TableDefinitionOptions");
const IF_MISSING: Of = Of::Enum(
    ".arrow.flight.protocol.sql.CommandStatementIngest.TableDefinitionOptions.TableNotExistOption",
);
const IF_THERE: Of = Of::Enum(
    ".arrow.flight.protocol.sql.CommandStatementIngest.TableDefinitionOptions.TableExistsOption",
);
const CANCEL_RESULT: Of =
    Of::Enum(".arrow.flight.protocol.sql.ActionCancelQueryResult.CancelResult");

/// A table, as questions about keys name it.
const TABLE: &[Field] = &[
    (1, "catalog", TEXT),
    (2, "db_schema", TEXT),
    (3, "table", Of::Text),
];

const MESSAGES: &[Message] = &[
    ("CommandGetSqlInfo", &[(1, "info", Of::Many(&Of::Uint32))]),
    (
        "CommandGetXdbcTypeInfo",
        &[(1, "data_type", Of::Optional(&Of::Int32))],
    ),
    ("CommandGetCatalogs", &[]),
    (
        "CommandGetDbSchemas",
        &[(1, "catalog", TEXT), (2, "db_schema_filter_pattern", TEXT)],
    ),
    (
        "CommandGetTables",
        &[
            (1, "catalog", TEXT),
            (2, "db_schema_filter_pattern", TEXT),
            (3, "table_name_filter_pattern", TEXT),
            (4, "table_types", Of::Many(&Of::Text)),
            (5, "include_schema", Of::Bool),
        ],
    ),
    ("CommandGetTableTypes", &[]),
    ("CommandGetPrimaryKeys", TABLE),
    ("CommandGetExportedKeys", TABLE),
    ("CommandGetImportedKeys", TABLE),
    (
        "CommandGetCrossReference",
        &[
            (1, "pk_catalog", TEXT),
            (2, "pk_db_schema", TEXT),
            (3, "pk_table", Of::Text),
            (4, "fk_catalog", TEXT),
            (5, "fk_db_schema", TEXT),
            (6, "fk_table", Of::Text),
        ],
    ),
    (
        "ActionCreatePreparedStatementRequest",
        &[(1, "query", Of::Text), (2, "transaction_id", TRANSACTION)],
    ),
    (
        "ActionCreatePreparedStatementResult",
        &[
            (1, "prepared_statement_handle", Of::Bytes),
            (2, "dataset_schema", Of::Bytes),
            (3, "parameter_schema", Of::Bytes),
        ],
    ),
    (
        "ActionClosePreparedStatementRequest",
        &[(1, "prepared_statement_handle", Of::Bytes)],
    ),
    (
        "CommandStatementQuery",
        &[(1, "query", Of::Text), (2, "transaction_id", TRANSACTION)],
    ),
    (
        "TicketStatementQuery",
        &[(1, "statement_handle", Of::Bytes)],
    ),
    (
        "CommandPreparedStatementQuery",
        &[(1, "prepared_statement_handle", Of::Bytes)],
    ),
    (
        "CommandStatementIngest",
        &[
            (1, "table_definition_options", DEFINITION),
            (2, "table", Of::Text),
            (3, "schema", TEXT),
            (4, "catalog", TEXT),
            (5, "temporary", Of::Bool),
            (6, "transaction_id", TRANSACTION),
            (1000, "options", Of::Texts),
        ],
    ),
    ("DoPutUpdateResult", &[(1, "record_count", Of::Int64)]),
    (
        "DoPutPreparedStatementResult",
        &[(1, "prepared_statement_handle", Of::Optional(&Of::Bytes))],
    ),
    ("ActionCancelQueryRequest", &[(1, "info", Of::Bytes)]),
    ("ActionCancelQueryResult", &[(1, "result", CANCEL_RESULT)]),
];

const DEFINITIONS: Message = (
    "TableDefinitionOptions",
    &[(1, "if_not_exist", IF_MISSING), (2, "if_exists", IF_THERE)],
);

const WAYS_IF_MISSING: Enumeration = (
    "TableNotExistOption",
    &[
        "TABLE_NOT_EXIST_OPTION_UNSPECIFIED",
        "TABLE_NOT_EXIST_OPTION_CREATE",
        "TABLE_NOT_EXIST_OPTION_FAIL",
    ],
);

const WAYS_IF_THERE: Enumeration = (
    "TableExistsOption",
    &[
        "TABLE_EXISTS_OPTION_UNSPECIFIED",
        "TABLE_EXISTS_OPTION_FAIL",
        "TABLE_EXISTS_OPTION_APPEND",
        "TABLE_EXISTS_OPTION_REPLACE",
    ],
);

const RESULTS_OF_CANCELLATIONS: Enumeration = (
    "CancelResult",
    &[
        "CANCEL_RESULT_UNSPECIFIED",
        "CANCEL_RESULT_CANCELLED",
        "CANCEL_RESULT_CANCELLING",
        "CANCEL_RESULT_NOT_CANCELLABLE",
    ],
);

/// All of it.
pub(super) fn file() -> FileDescriptorProto {
    let mut file = table::file(FILE, PACKAGE, MESSAGES);
    let nested = table::file("", "", &[DEFINITIONS]).message_type;
    for message in &mut file.message_type {
        match message.name() {
            "CommandStatementIngest" => {
                for mut definition in nested.iter().cloned() {
                    definition.enum_type = vec![
                        table::enumeration(&WAYS_IF_MISSING),
                        table::enumeration(&WAYS_IF_THERE),
                    ];
                    message.nested_type.push(definition);
                }
            }
            "ActionCancelQueryResult" => {
                message.enum_type = vec![table::enumeration(&RESULTS_OF_CANCELLATIONS)];
            }
            _ => {}
        }
    }
    file
}
