//! What there is, and what the server can do.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt32Type};
use arrow_array::{Array, RecordBatch, UnionArray};
use arrow_flight::sql::{
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetPrimaryKeys, CommandGetTables,
    CommandGetXdbcTypeInfo, SqlInfo,
};
use futures::stream;
use shoots_client::PutMode;
use tonic::Code;

use super::ingestion::{append, ingest};
use super::{client, fetch, lake, told_code};
use crate::rows::{put, rows, schema, texts};
use crate::server::Server;

#[tokio::test]
async fn everything_is_listed_as_it_is_filtered() {
    let (server, shoots, mut client) = lake().await;
    put(&shoots, "nyc/odd_name", PutMode::Error, rows(0..1)).await;
    let info = client.get_catalogs().await.unwrap();
    let catalogs = fetch(&mut client, info).await;
    assert_eq!(
        texts(&catalogs, "catalog_name"),
        [Some("shoots".to_owned())]
    );
    let info = client.get_db_schemas(CommandGetDbSchemas::default()).await;
    let schemas = fetch(&mut client, info.unwrap()).await;
    assert_eq!(named(&schemas, "db_schema_name"), ["", "nyc"]);
    let all = CommandGetTables::default();
    let only = |catalog: &str| Some(catalog.to_owned());
    for (command, expected) in [
        (all.clone(), vec!["numbers", "numbers", "odd_name"]),
        (
            CommandGetTables {
                catalog: only("shoots"),
                ..all.clone()
            },
            vec!["numbers", "numbers", "odd_name"],
        ),
        (
            CommandGetTables {
                catalog: only(""),
                ..all.clone()
            },
            vec![],
        ),
        (
            CommandGetTables {
                db_schema_filter_pattern: only("n%"),
                ..all.clone()
            },
            vec!["numbers", "odd_name"],
        ),
        (
            CommandGetTables {
                db_schema_filter_pattern: only(""),
                ..all.clone()
            },
            vec!["numbers"],
        ),
        (
            CommandGetTables {
                table_name_filter_pattern: only("%\\_n_me"),
                ..all.clone()
            },
            vec!["odd_name"],
        ),
        (
            CommandGetTables {
                table_types: vec!["VIEW".into()],
                ..all.clone()
            },
            vec![],
        ),
        (
            CommandGetTables {
                table_types: vec!["VIEW".into(), "TABLE".into()],
                ..all.clone()
            },
            vec!["numbers", "numbers", "odd_name"],
        ),
    ] {
        let told = format!("{command:?}");
        let info = client.get_tables(command).await.unwrap();
        let tables = fetch(&mut client, info).await;
        assert_eq!(named(&tables, "table_name"), expected, "{told}");
    }
    let with_columns = CommandGetTables {
        include_schema: true,
        ..all
    };
    let info = client.get_tables(with_columns).await.unwrap();
    let tables = fetch(&mut client, info).await;
    for table in tables["table_schema"].as_binary::<i32>() {
        let columns = shoots_flight::read_schema_message(table.unwrap()).unwrap();
        assert_eq!(columns, *schema());
    }
    let info = client.get_table_types().await.unwrap();
    assert_eq!(
        named(&fetch(&mut client, info).await, "table_type"),
        ["TABLE"]
    );
    let keys = CommandGetPrimaryKeys {
        table: "numbers".into(),
        ..Default::default()
    };
    let info = client.get_primary_keys(keys).await.unwrap();
    assert_eq!(fetch(&mut client, info).await.num_rows(), 0);
    let keys = CommandGetCrossReference::default();
    let info = client.get_cross_reference(keys).await.unwrap();
    assert_eq!(fetch(&mut client, info).await.num_columns(), 13);
    server.stop().await;
}

fn named(batch: &RecordBatch, column: &str) -> Vec<String> {
    texts(batch, column).into_iter().flatten().collect()
}

#[tokio::test]
async fn what_the_server_can_do_is_told_truly() {
    let (writing, _, _) = lake().await;
    let server = Server::on(writing.folder(), &["--read-only"]).await;
    let mut client = client(&server).await;
    let asked = vec![
        SqlInfo::FlightSqlServerReadOnly,
        SqlInfo::FlightSqlServerBulkIngestion,
    ];
    let info = client.get_sql_info(asked).await.unwrap();
    let told = fetch(&mut client, info).await;
    assert_eq!(
        told["info_name"].as_primitive::<UInt32Type>().values(),
        &[3, 10]
    );
    let values = told["value"].as_any().downcast_ref::<UnionArray>().unwrap();
    let values: Vec<bool> = (0..2)
        .map(|at| values.value(at).as_boolean().value(0))
        .collect();
    assert_eq!(values, [true, false]);
    let info = client.get_sql_info(vec![]).await.unwrap();
    assert!(fetch(&mut client, info).await.num_rows() > 40);
    let info = client
        .get_xdbc_type_info(CommandGetXdbcTypeInfo { data_type: Some(4) })
        .await;
    let types = fetch(&mut client, info.unwrap()).await;
    assert_eq!(named(&types, "type_name"), ["INTEGER", "INTEGER UNSIGNED"]);
    let all = client
        .get_xdbc_type_info(CommandGetXdbcTypeInfo { data_type: None })
        .await;
    let all = fetch(&mut client, all.unwrap()).await;
    assert!(
        all["data_type"]
            .as_primitive::<Int32Type>()
            .values()
            .is_sorted()
    );
    let refused = client
        .execute_ingest(ingest("f", append()), stream::iter([Ok(rows(0..1))]))
        .await;
    assert_eq!(told_code(refused), Code::FailedPrecondition);
    writing.stop().await;
    server.stop().await;
}
