//! Flight SQL, as arrow's own client speaks it, and as nobody should.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt32Type};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, UnionArray};
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{
    Any, Command, CommandGetCrossReference, CommandGetDbSchemas, CommandGetPrimaryKeys,
    CommandGetTables, CommandGetXdbcTypeInfo, CommandPreparedStatementQuery,
    CommandStatementIngest, CommandStatementQuery, CommandStatementSubstraitPlan, ProstMessageExt,
    SqlInfo, TableDefinitionOptions, TableExistsOption, TableNotExistOption, TicketStatementQuery,
};
use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightDescriptor,
    FlightInfo,
};
use arrow_schema::DataType;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use prost::Message;
use serde_json::json;
use shoots_client::{PutMode, ShootsClient};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::peer::{Peer, messages};
use crate::rows::{get, numbers, put, rows, schema, texts};
use crate::server::{Server, files, until};

type Client = FlightSqlServiceClient<Channel>;

async fn client(server: &Server) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).unwrap();
    Client::new(endpoint.connect().await.unwrap())
}

/// A server with ten rows in `numbers`, and four in `nyc/numbers`.
async fn lake() -> (Server, ShootsClient, Client) {
    let server = Server::start().await;
    let shoots = server.client().await;
    put(&shoots, "numbers", PutMode::Error, rows(0..10)).await;
    put(&shoots, "nyc/numbers", PutMode::Error, rows(100..104)).await;
    let client = client(&server).await;
    (server, shoots, client)
}

/// What an info promises, after checking that it is what comes.
async fn fetch(client: &mut Client, info: FlightInfo) -> RecordBatch {
    let promised = Arc::new(info.clone().try_decode_schema().unwrap());
    let [endpoint] = info.endpoint.as_slice() else {
        panic!("{} endpoints", info.endpoint.len());
    };
    let ticket = endpoint.ticket.clone().unwrap();
    let batches = client.do_get(ticket).await.unwrap();
    let batches: Vec<RecordBatch> = batches.try_collect().await.unwrap();
    assert!(batches.iter().all(|batch| batch.schema() == promised));
    arrow_select::concat::concat_batches(&promised, &batches).unwrap()
}

async fn ask(client: &mut Client, sql: &str) -> RecordBatch {
    let info = client.execute(sql.to_owned(), None).await.unwrap();
    fetch(client, info).await
}

/// What a call was refused with, whatever the layers around it.
#[track_caller]
fn told<T>(outcome: Result<T, arrow_flight::error::FlightError>) -> (Code, String) {
    match outcome {
        Err(arrow_flight::error::FlightError::Tonic(status)) => {
            (status.code(), status.message().to_owned())
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[tokio::test]
async fn statements_are_answered_in_every_bucket() {
    let (server, _, mut client) = lake().await;
    for (sql, expected) in [
        ("select n from numbers where n > 7", vec![8, 9]),
        ("select n from nyc.numbers limit 1", vec![100]),
        (
            "select n from \"shoots\".\"nyc\".\"numbers\" limit 1",
            vec![100],
        ),
        ("select n from \"\".\"numbers\" limit 1", vec![0]),
        ("select n from \"shoots\".\"\".\"numbers\" limit 1", vec![0]),
        (
            "select count(*) from numbers a join nyc.numbers b on b.n = a.n + 100",
            vec![4],
        ),
    ] {
        assert_eq!(numbers(&ask(&mut client, sql).await), expected, "{sql}");
    }
    let all = ask(&mut client, "select * from numbers").await;
    assert_eq!(all, rows(0..10));
    let plan = ask(&mut client, "explain select n from numbers").await;
    assert!(plan.num_rows() > 0);
    let command = CommandStatementQuery {
        query: "select * from numbers".into(),
        transaction_id: None,
    };
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    let described = client.inner_mut().get_schema(descriptor).await.unwrap();
    let described = shoots_flight::read_schema_message(&described.into_inner().schema);
    assert_eq!(described.unwrap(), *schema());
    let (code, message) = told(
        client
            .execute("select nope from numbers".into(), None)
            .await,
    );
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("nope"), "{message}");
    server.stop().await;
}

#[tokio::test]
async fn a_header_chooses_the_bucket_of_bare_names() {
    let (server, _, mut client) = lake().await;
    client.set_header("cookie", "theme=dark; shoots-schema=nyc");
    let sql = "select min(n) from numbers";
    assert_eq!(numbers(&ask(&mut client, sql).await), [100]);
    let info = client.execute(sql.into(), None).await.unwrap();
    client.set_header("cookie", "shoots-schema=");
    // A statement stays in the bucket in which it was asked.
    assert_eq!(numbers(&fetch(&mut client, info).await), [100]);
    assert_eq!(numbers(&ask(&mut client, sql).await), [0]);
    client.set_header("cookie", "shoots-schema=..");
    let (code, message) = told(client.execute(sql.into(), None).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("shoots-schema"), "{message}");
    server.stop().await;
}

#[tokio::test]
async fn prepared_statements_take_rows_of_parameters() {
    let (server, _, mut client) = lake().await;
    let sql = "select n, $2 as label from numbers where n = $1";
    let mut prepared = client.prepare(sql.into(), None).await.unwrap();
    let parameters = prepared.parameter_schema().unwrap();
    assert_eq!(parameters.field(0).data_type(), &DataType::Int64);
    assert_eq!(parameters.fields().len(), 2);
    assert_eq!(prepared.dataset_schema().unwrap().field(0).name(), "n");
    let (code, message) = told(prepared.execute().await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("2 parameters"), "{message}");
    let bound = |numbers: Vec<i64>, labels: Vec<Option<&str>>| {
        let numbers: ArrayRef = Arc::new(Int64Array::from(numbers));
        let labels: ArrayRef = Arc::new(StringArray::from(labels));
        RecordBatch::try_from_iter([("a", numbers), ("b", labels)]).unwrap()
    };
    for (values, labels) in [
        (vec![3], vec![Some("x")]),
        (vec![7, 99, 2], vec![Some("y"), None, None]),
    ] {
        let batch = bound(values.clone(), labels.clone());
        prepared.set_parameters(batch).unwrap();
        let info = prepared.execute().await.unwrap();
        let got = fetch(&mut client, info).await;
        // Rows come in the order in which parameters were bound; nothing matches 99.
        let expected = values.into_iter().zip(labels).filter(|(n, _)| *n < 10);
        let (values, labels): (Vec<_>, Vec<_>) = expected.unzip();
        assert_eq!(numbers(&got), values);
        let labels: Vec<_> = labels.iter().map(|l| l.map(str::to_owned)).collect();
        assert_eq!(texts(&got, "label"), labels);
    }
    prepared.set_parameters(bound(vec![], vec![])).unwrap();
    let (_, message) = told(prepared.execute().await);
    assert!(message.contains("at least one"), "{message}");
    prepared.close().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn any_server_on_the_store_answers_a_handle() {
    let (server, _, mut client) = lake().await;
    let other = Server::on(server.folder(), &[]).await;
    let mut elsewhere = self::client(&other).await;
    let info = client
        .execute("select max(n) from numbers".into(), None)
        .await;
    assert_eq!(numbers(&fetch(&mut elsewhere, info.unwrap()).await), [9]);
    other.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_ticket_delivers_the_columns_that_were_promised_or_nothing() {
    let (server, shoots, mut client) = lake().await;
    let info = client.execute("select * from numbers".into(), None).await;
    let ticket = info.unwrap().endpoint.remove(0).ticket.unwrap();
    let other: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let other = RecordBatch::try_from_iter([("m", other)]).unwrap();
    put(&shoots, "numbers", PutMode::Replace, other).await;
    let (code, message) = told(client.do_get(ticket).await);
    assert_eq!(code, Code::Aborted);
    assert!(message.contains("execute it again"), "{message}");
    server.stop().await;
}

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
    let server = Server::with(&["--read-only", "true"]).await;
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
    server.stop().await;
}

fn told_code<T>(outcome: Result<T, arrow_flight::error::FlightError>) -> Code {
    told(outcome).0
}

fn append() -> (TableNotExistOption, TableExistsOption) {
    (TableNotExistOption::Create, TableExistsOption::Append)
}

fn ingest(
    table: &str,
    (missing, exists): (TableNotExistOption, TableExistsOption),
) -> CommandStatementIngest {
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: missing.into(),
            if_exists: exists.into(),
        }),
        table: table.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn ingestion_is_one_commit_in_each_mode() {
    use {TableExistsOption as Exists, TableNotExistOption as Missing};
    let (server, shoots, mut client) = lake().await;
    for (modes, count, expected) in [
        ((Missing::Fail, Exists::Append), None, Some(Code::NotFound)),
        ((Missing::Create, Exists::Fail), Some(4), None),
        (
            (Missing::Create, Exists::Fail),
            Some(4),
            Some(Code::AlreadyExists),
        ),
        ((Missing::Fail, Exists::Append), Some(8), None),
        ((Missing::Fail, Exists::Replace), Some(4), None),
        ((Missing::Create, Exists::Append), Some(8), None),
        ((Missing::Create, Exists::Replace), Some(4), None),
        (
            (Missing::Unspecified, Exists::Append),
            Some(4),
            Some(Code::InvalidArgument),
        ),
    ] {
        let batches = stream::iter([Ok(rows(0..2)), Ok(rows(2..4))]);
        let outcome = client.execute_ingest(ingest("f", modes), batches).await;
        match expected {
            None => assert_eq!(outcome.unwrap(), 4, "{modes:?}"),
            Some(code) => assert_eq!(told_code(outcome), code, "{modes:?}"),
        }
        let rows = shoots.info("f").await.ok().map(|info| info.summary.rows);
        assert_eq!(rows, count, "{modes:?}");
    }
    assert_eq!(get(&shoots, "f").await, rows(0..4));
    assert_eq!(shoots.info("f").await.unwrap().summary.version, Some(5));

    let mut command = ingest("f", append());
    command.schema = Some("a bucket".to_owned());
    command.catalog = Some("shoots".to_owned());
    let options = [
        ("index", "n"),
        ("message", "from a tool"),
        ("request_id", "1"),
    ];
    command.options = options.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    for _ in 0..2 {
        let batches = stream::iter([Ok(rows(0..3))]);
        client
            .execute_ingest(command.clone(), batches)
            .await
            .unwrap();
    }
    let info = shoots.info("a bucket/f").await.unwrap();
    assert_eq!(
        info.summary.rows, 3,
        "the second has the first's request_id"
    );
    assert_eq!(info.summary.message.as_deref(), Some("from a tool"));
    let upsert = [("mode".to_owned(), "upsert".to_owned())];
    let upsert = CommandStatementIngest {
        options: upsert.into(),
        ..command.clone()
    };
    let batches = stream::iter([Ok(rows(2..5))]);
    client.execute_ingest(upsert, batches).await.unwrap();
    assert_eq!(get(&shoots, "a bucket/f").await, rows(0..5));

    for (bad, word) in [
        (
            CommandStatementIngest {
                temporary: true,
                ..command.clone()
            },
            "temporary",
        ),
        (
            CommandStatementIngest {
                catalog: Some("x".into()),
                ..command.clone()
            },
            "catalog",
        ),
        (
            CommandStatementIngest {
                schema: Some("a/b".into()),
                ..command.clone()
            },
            "schema",
        ),
        (
            CommandStatementIngest {
                table: String::new(),
                ..command.clone()
            },
            "table",
        ),
        (
            CommandStatementIngest {
                options: [("speed".to_owned(), "high".to_owned())].into(),
                ..command.clone()
            },
            "speed",
        ),
        (
            CommandStatementIngest {
                table_definition_options: None,
                ..command.clone()
            },
            "if_not_exist",
        ),
        (
            CommandStatementIngest {
                transaction_id: Some(Bytes::from_static(b"1")),
                ..command
            },
            "transaction",
        ),
    ] {
        let outcome = client
            .execute_ingest(bad, stream::iter([Ok(rows(9..10))]))
            .await;
        let (_, message) = told(outcome);
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!(get(&shoots, "a bucket/f").await, rows(0..5));
    server.stop().await;
}

#[tokio::test]
async fn an_ingestion_that_breaks_off_changes_nothing() {
    let (server, shoots, mut client) = lake().await;
    let command = ingest("numbers", append()).as_any().encode_to_vec();
    let mut sent = messages(&json!({}), schema(), vec![rows(0..2), rows(2..4)]).await;
    sent[0].flight_descriptor = Some(FlightDescriptor::new_cmd(command));
    let last = sent.len() - 1;
    sent[last].data_body = Bytes::from_static(b"short");
    let outcome = client.do_put(stream::iter(sent)).await;
    let outcome = match outcome {
        Ok(mut answers) => answers.message().await.map(|_| ()),
        Err(arrow_flight::error::FlightError::Tonic(status)) => Err(*status),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(outcome.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(get(&shoots, "numbers").await, rows(0..10));
    server.stop().await;
}

#[tokio::test]
async fn a_query_is_cancelled_by_its_info() {
    let (server, shoots, mut client) = lake().await;
    put(&shoots, "many", PutMode::Error, rows(0..3000)).await;
    let endless = "select a.n from many a, many b, many c where a.n + b.n > c.n";
    let info = client.execute(endless.into(), None).await.unwrap();
    assert_eq!(
        cancel(&mut client, &info).await,
        CancelStatus::NotCancellable
    );
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut batches = client.do_get(ticket).await.unwrap();
    batches.next().await.unwrap().unwrap();
    assert_eq!(cancel(&mut client, &info).await, CancelStatus::Cancelled);
    let end = loop {
        match batches.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("a part of the rows looked like all of them"),
        }
    };
    assert_eq!(told_code(Err::<(), _>(end)), Code::Cancelled);
    drop(batches);
    until("nothing delivers it", async || {
        cancel(&mut client, &info).await == CancelStatus::NotCancellable
    })
    .await;
    server.stop().await;
}

async fn cancel(client: &mut Client, info: &FlightInfo) -> CancelStatus {
    let request = CancelFlightInfoRequest::new(info.clone());
    let action = Action::new("CancelFlightInfo", request.encode_to_vec());
    let mut answers = client.do_action(action).await.unwrap();
    let answer = answers.message().await.unwrap().unwrap();
    CancelFlightInfoResult::decode(answer.body)
        .unwrap()
        .status()
}

/// Statements that would do more than read frames. `/etc/hostname` stands for any file.
const ESCAPES: &[&str] = &[
    "create table x as select 1",
    "create view x as select 1",
    "create external table x stored as csv location '/etc/hostname'",
    "create schema x",
    "create function f() returns int return 1",
    "insert into numbers select * from numbers",
    "update numbers set n = 9",
    "delete from numbers",
    "truncate table numbers",
    "drop table numbers",
    "alter table numbers rename to other",
    "copy numbers to '/tmp/shoots-escape'",
    "set datafusion.execution.batch_size = 1",
    "reset datafusion.execution.batch_size",
    "prepare p as select * from numbers",
    "execute p",
    "deallocate p",
    "begin transaction",
    "grant select on numbers to public",
    "select 1; drop table numbers",
    "explain copy numbers to '/tmp/shoots-escape'",
    "explain analyze insert into numbers select * from numbers",
    "explain create table x as select 1",
    "with t as (select 1) insert into numbers select * from t",
    "select * into x from numbers",
    "select * from '/etc/hostname'",
    "select * from 'file:///etc/hostname'",
    "select * from \"file:///etc/hostname\"",
    "select * from \"s3://bucket/key\"",
    "select * from (select * from '/etc/hostname')",
    "select * from read_csv('/etc/hostname')",
    "select * from read_parquet('/etc/hostname')",
    "select * from parquet_metadata('/etc/hostname')",
];

#[tokio::test]
async fn nothing_escapes_and_nothing_changes() {
    let (server, shoots, mut client) = lake().await;
    let before = files(server.folder().path());
    let mut peer = Peer::of(&server).await;
    for escape in ESCAPES {
        let (code, _) = told(client.execute((*escape).to_owned(), None).await);
        assert_eq!(code, Code::InvalidArgument, "{escape}");
        let prepared = client.prepare((*escape).to_owned(), None).await;
        assert_eq!(
            told(prepared.map(|_| ())).0,
            Code::InvalidArgument,
            "{escape}"
        );
        let update = client.execute_update((*escape).to_owned(), None).await;
        assert_eq!(told(update).0, Code::Unimplemented, "{escape}");
        // A handle that a client makes itself is asked as strictly: its fields 1 and 2 are format and SQL.
        let mut handle = vec![0x08, 1, 0x12, u8::try_from(escape.len()).unwrap()];
        handle.extend(escape.bytes());
        let forged = TicketStatementQuery {
            statement_handle: handle.clone().into(),
        };
        let status = peer.get(forged.as_any().encode_to_vec()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{escape}");
        let forged = CommandPreparedStatementQuery {
            prepared_statement_handle: handle.into(),
        };
        let status = peer.get(forged.as_any().encode_to_vec()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{escape}");
    }
    let plan = CommandStatementSubstraitPlan::default()
        .as_any()
        .encode_to_vec();
    let refused = peer.get(plan.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    let descriptor = FlightDescriptor::new_cmd(plan);
    let refused = peer.flight.get_flight_info(descriptor).await.unwrap_err();
    assert!(refused.message().contains("Substrait"), "{refused}");
    for action in [
        "BeginTransaction",
        "EndTransaction",
        "BeginSavepoint",
        "EndSavepoint",
        "CreatePreparedSubstraitPlan",
    ] {
        let refused = peer
            .flight
            .do_action(Action::new(action, ""))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{action}");
        assert!(refused.message().contains(action), "{refused}");
    }
    assert_eq!(files(server.folder().path()), before);
    assert_eq!(get(&shoots, "numbers").await, rows(0..10));
    server.stop().await;
}

#[tokio::test]
async fn messages_that_are_broken_are_refused() {
    let (server, _, mut client) = lake().await;
    let mut peer = Peer::of(&server).await;
    let good = CommandStatementQuery {
        query: "select 1".into(),
        transaction_id: None,
    };
    let good = good.as_any();
    let junk = Any {
        value: Bytes::from_static(b"\xff\xff\xff"),
        ..good.clone()
    };
    let handle = TicketStatementQuery {
        statement_handle: Bytes::from_static(b"select 1"),
    };
    for bad in [
        junk.encode_to_vec(),
        handle.as_any().encode_to_vec(),
        good.encode_to_vec()[..60].to_vec(),
    ] {
        let refused = peer.get(bad.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        let descriptor = FlightDescriptor::new_cmd(bad);
        let refused = peer.flight.get_flight_info(descriptor).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    for action in [
        "CreatePreparedStatement",
        "CancelFlightInfo",
        "CancelQuery",
        "SetSessionOptions",
    ] {
        let refused = peer
            .flight
            .do_action(Action::new(action, "\u{7f}not a message"))
            .await;
        assert_eq!(
            refused.unwrap_err().code(),
            Code::InvalidArgument,
            "{action}"
        );
    }
    let command = Command::try_from(good).unwrap().into_any().encode_to_vec();
    let descriptor = FlightDescriptor::new_cmd(command);
    assert!(peer.flight.get_flight_info(descriptor).await.is_ok());
    assert_eq!(numbers(&ask(&mut client, "select 1").await), [1]);
    server.stop().await;
}
