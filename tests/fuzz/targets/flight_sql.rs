//! The protobuf messages of Flight SQL, in each call that they can come by.

use arrow_flight::FlightDescriptor;
use arrow_flight::sql::*;
use bytes::Bytes;
use prost::Message;

use super::ipc::{messages, parts};
use super::{bytes, text};
use crate::child::{Target, Verdict};
use crate::input::Input;
use crate::wire::{Wire, numbers};

/// The message that a handle is.
#[derive(Clone, PartialEq, Message)]
struct Handle {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    sql: String,
}

pub(super) struct FlightSql(Wire);

fn commands() -> Vec<Any> {
    let sql = "select * from prices where close > $1";
    let handle = Handle {
        format: 1,
        sql: "select max(n) from nyc.numbers".to_owned(),
    };
    let handle = Bytes::from(handle.encode_to_vec());
    vec![
        CommandStatementQuery {
            query: "select symbol, max(close) from prices group by symbol".to_owned(),
            transaction_id: None,
        }
        .as_any(),
        TicketStatementQuery {
            statement_handle: handle.clone(),
        }
        .as_any(),
        CommandPreparedStatementQuery {
            prepared_statement_handle: handle.clone(),
        }
        .as_any(),
        CommandStatementUpdate {
            query: sql.to_owned(),
            transaction_id: Some(Bytes::from_static(b"t")),
        }
        .as_any(),
        CommandStatementSubstraitPlan::default().as_any(),
        CommandGetCatalogs {}.as_any(),
        CommandGetDbSchemas {
            catalog: Some("shoots".to_owned()),
            db_schema_filter_pattern: Some("n%".to_owned()),
        }
        .as_any(),
        CommandGetTables {
            catalog: None,
            db_schema_filter_pattern: Some("_%c".to_owned()),
            table_name_filter_pattern: Some("%s".to_owned()),
            table_types: vec!["TABLE".to_owned()],
            include_schema: true,
        }
        .as_any(),
        CommandGetTableTypes {}.as_any(),
        CommandGetSqlInfo {
            info: vec![0, 1, 500, 100_000],
        }
        .as_any(),
        CommandGetXdbcTypeInfo { data_type: Some(4) }.as_any(),
        CommandGetPrimaryKeys {
            catalog: None,
            db_schema: None,
            table: "prices".to_owned(),
        }
        .as_any(),
        CommandGetCrossReference::default().as_any(),
        CommandStatementIngest {
            table_definition_options: Some(TableDefinitionOptions {
                if_not_exist: TableNotExistOption::Create.into(),
                if_exists: TableExistsOption::Append.into(),
            }),
            table: "ingested".to_owned(),
            schema: Some("b".to_owned()),
            ..Default::default()
        }
        .as_any(),
        ActionCreatePreparedStatementRequest {
            query: sql.to_owned(),
            transaction_id: None,
        }
        .as_any(),
        ActionClosePreparedStatementRequest {
            prepared_statement_handle: handle,
        }
        .as_any(),
        ActionBeginTransactionRequest {}.as_any(),
    ]
}

impl Target for FlightSql {
    const NAME: &'static str = "flight_sql";

    async fn begin() -> Self {
        Self(Wire::new().await)
    }

    async fn seeds(&mut self) -> Vec<Input> {
        let rows = crate::wire::messages(&serde_json::json!({}), &[numbers(0..3)]).await;
        let mut seeds = Vec::new();
        for command in commands() {
            let command = command.encode_to_vec();
            for call in ["get", "info"] {
                seeds.push(vec![call.as_bytes().to_vec(), command.clone()]);
            }
            seeds.push([vec![b"put".to_vec(), command.clone()], parts(&rows)].concat());
            for action in [
                "CreatePreparedStatement",
                "ClosePreparedStatement",
                "CancelFlightInfo",
                "SetSessionOptions",
            ] {
                seeds.push(vec![action.as_bytes().to_vec(), command.clone()]);
            }
        }
        seeds
    }

    async fn run(&mut self, input: &Input) -> Verdict {
        self.0.refresh().await;
        let command = bytes(input, 1);
        match text(input, 0).as_str() {
            "get" => self.0.get(command).await,
            "info" => self.0.about(FlightDescriptor::new_cmd(command)).await,
            "put" => {
                let mut messages = messages(input.get(2..).unwrap_or_default());
                if let Some(first) = messages.first_mut() {
                    first.flight_descriptor = Some(FlightDescriptor::new_cmd(command));
                }
                self.0.put(messages).await
            }
            "shutdown" | "add_remote" => Verdict::told("left out"),
            action => self.0.act(action, command).await,
        }
    }
}
