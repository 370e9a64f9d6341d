//! SQL over a frame: asked as users write it, answered with the frame's types, and for reading only.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, LargeStringArray, RecordBatch,
    TimestampNanosecondArray,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use futures::TryStreamExt;
use serde_json::{Value, json};
use shoots_client::{ErrorKind, PutMode, ShootsClient};

use crate::escapes::{ENDLESS, SECRET, Untouched};
use crate::peer::{Peer, told};
use crate::refusal::assert_refused;
use crate::rows::{get, numbers, put, rows, texts};
use crate::server::Server;

/// Five flights, with names that DataFusion alone would not find without quotes, and the metadata of pandas.
fn flights() -> RecordBatch {
    let zone = DataType::Timestamp(TimeUnit::Nanosecond, Some("America/New_York".into()));
    let carrier = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let unit = [("unit".to_owned(), "minutes".to_owned())];
    let fields = vec![
        Field::new("Carrier", carrier, true),
        Field::new("DepDelay", DataType::Float64, true).with_metadata(unit.into()),
        Field::new("Scheduled", zone, false),
        Field::new("Tail Number", DataType::LargeUtf8, true),
    ];
    let pandas = json!({
        "index_columns": [],
        "columns": fields.iter().map(|field| json!({"name": field.name(), "field_name": field.name()})).collect::<Vec<_>>(),
    });
    let metadata = [
        ("pandas".to_owned(), pandas.to_string()),
        ("source".to_owned(), "nyc".to_owned()),
    ];
    let carriers = ["UA", "AA", "UA", "DL", "AA"]
        .into_iter()
        .collect::<DictionaryArray<Int32Type>>();
    let times =
        TimestampNanosecondArray::from_iter_values((0..5).map(|hour| hour * 3_600_000_000_001));
    let tails = LargeStringArray::from(vec![Some("N1"), Some("N2"), None, Some("N4"), Some("N2")]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(carriers),
        Arc::new(Float64Array::from(vec![
            Some(2.0),
            Some(-4.0),
            Some(6.0),
            None,
            Some(10.0),
        ])),
        Arc::new(times.with_timezone("America/New_York")),
        Arc::new(tails),
    ];
    let schema = Schema::new_with_metadata(fields, metadata.into());
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

async fn airport() -> (Server, ShootsClient) {
    let server = Server::start().await;
    let client = server.client().await;
    put(&client, "MyFlights", PutMode::Error, flights()).await;
    (server, client)
}

/// The result as one batch, after checking that the schema said before is that of every batch.
async fn ask(client: &ShootsClient, frame: &str, sql: &str) -> RecordBatch {
    let said = client.sql(frame, sql).schema().await.unwrap();
    let batches = client.sql(frame, sql).stream().await.unwrap();
    assert_eq!(batches.schema(), said, "{sql}");
    let batches: Vec<RecordBatch> = batches.try_collect().await.unwrap();
    assert!(batches.iter().all(|batch| batch.schema() == said), "{sql}");
    arrow_select::concat::concat_batches(&said, &batches).unwrap()
}

fn floats(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    batch[name].as_primitive::<Float64Type>().iter().collect()
}

fn words(batch: &RecordBatch, name: &str) -> Vec<String> {
    let column = batch[name].as_dictionary::<Int32Type>();
    let column = column.downcast_dict::<arrow_array::StringArray>().unwrap();
    column
        .into_iter()
        .map(|word| word.unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn questions_of_every_kind_are_answered() {
    let (server, client) = airport().await;
    let all = ask(&client, "MyFlights", "select * from MyFlights").await;
    assert_eq!(all, flights());
    let late =
        "select Scheduled, DepDelay from MyFlights where DepDelay > 0 order by DepDelay desc";
    let late = ask(&client, "MyFlights", late).await;
    assert_eq!(
        floats(&late, "DepDelay"),
        [Some(10.0), Some(6.0), Some(2.0)]
    );
    let mean = "select Carrier, avg(DepDelay) as Mean, count(*) as Flights from MyFlights group by Carrier order by Carrier";
    let mean = ask(&client, "MyFlights", mean).await;
    assert_eq!(words(&mean, "Carrier"), ["AA", "DL", "UA"]);
    assert_eq!(floats(&mean, "Mean"), [Some(3.0), None, Some(4.0)]);
    assert_eq!(
        mean["Flights"].as_primitive::<Int64Type>().values(),
        &[2, 1, 2]
    );
    let pairs = "select a.Carrier, b.DepDelay - a.DepDelay as Later from MyFlights a join MyFlights b \
                 on a.Carrier = b.Carrier and a.Scheduled < b.Scheduled order by a.Carrier";
    let pairs = ask(&client, "MyFlights", pairs).await;
    assert_eq!(words(&pairs, "Carrier"), ["AA", "UA"]);
    assert_eq!(floats(&pairs, "Later"), [Some(14.0), Some(4.0)]);
    let ranked = "with ranked as (select *, row_number() over (partition by Carrier order by Scheduled) as Place \
                  from MyFlights) select DepDelay from ranked where Place = 2 order by 1";
    assert_eq!(
        floats(&ask(&client, "MyFlights", ranked).await, "DepDelay"),
        [Some(6.0), Some(10.0)]
    );
    put(&client, "nyc/numbers", PutMode::Error, rows(0..4)).await;
    let both = "select count(*) from MyFlights, nyc.numbers where DepDelay > n";
    assert_eq!(numbers(&ask(&client, "MyFlights", both).await), [2 + 4 + 4]);
    server.stop().await;
}

#[tokio::test]
async fn names_need_no_quotes_and_may_have_them() {
    let (server, client) = airport().await;
    let expected = [Some(2.0), Some(-4.0), Some(6.0), None, Some(10.0)];
    for sql in [
        "select DepDelay from MyFlights",
        "select depdelay from myflights",
        "SELECT DEPDELAY FROM MYFLIGHTS",
        "select MyFlights.DepDelay from MyFlights",
        "select m.depdelay from myflights as m",
        "select \"DepDelay\" from \"MyFlights\"",
    ] {
        let got = ask(&client, "MyFlights", sql).await;
        assert_eq!(floats(&got, "DepDelay"), expected, "{sql}");
    }
    let tail = "select count(distinct \"Tail Number\") from MyFlights";
    assert_eq!(numbers(&ask(&client, "MyFlights", tail).await), [3]);
    for (sql, word) in [
        ("select \"depdelay\" from MyFlights", "depdelay"),
        ("select DepDelay from \"myflights\"", "myflights"),
        ("select Arrival from MyFlights", "Arrival"),
        ("select * from YourFlights", "YourFlights"),
        ("selec * from MyFlights", "selec"),
    ] {
        let refused = client.sql("MyFlights", sql).collect_one().await;
        assert_refused(refused, ErrorKind::DataFusionError, &[word]);
    }
    // The exact name comes first, and two that differ in case only cannot be told apart without it.
    put(&client, "myflights", PutMode::Error, rows(0..2)).await;
    assert_eq!(
        numbers(&ask(&client, "myflights", "select n from myflights").await),
        [0, 1]
    );
    assert_eq!(
        ask(&client, "MyFlights", "select * from MyFlights").await,
        flights()
    );
    let either = client
        .sql("MyFlights", "select * from MYFLIGHTS")
        .collect_one()
        .await;
    assert_refused(either, ErrorKind::DataFusionError, &["MYFLIGHTS"]);
    server.stop().await;
}

#[tokio::test]
async fn columns_that_pass_through_keep_types_and_metadata() {
    let (server, client) = airport().await;
    let sql = "select \"Tail Number\", Carrier, DepDelay, Scheduled from MyFlights where DepDelay <> 0 limit 3";
    let got = ask(&client, "MyFlights", sql).await;
    let (schema, original) = (got.schema(), flights().schema());
    for field in schema.fields() {
        assert_eq!(
            field.as_ref(),
            original.field_with_name(field.name()).unwrap()
        );
    }
    assert_eq!(schema.metadata(), original.metadata());
    let got = ask(
        &client,
        "MyFlights",
        "select DepDelay, DepDelay * 2 as Twice from MyFlights",
    )
    .await;
    let schema = got.schema();
    assert_eq!(schema.metadata()["source"], "nyc");
    assert_eq!(schema.field(0).metadata()["unit"], "minutes");
    let pandas: Value = serde_json::from_str(&schema.metadata()["pandas"]).unwrap();
    let columns = pandas["columns"].as_array().unwrap();
    assert_eq!(
        columns
            .iter()
            .map(|column| &column["name"])
            .collect::<Vec<_>>(),
        ["DepDelay"]
    );
    let made = "select concat(Carrier, '!') as Loud, date_trunc('hour', Scheduled) as Hour from MyFlights limit 1";
    let made = ask(&client, "MyFlights", made).await;
    assert_eq!(made.schema().field(0).data_type(), &DataType::Utf8);
    assert_eq!(
        made.schema().field(1).data_type(),
        original.field(2).data_type()
    );
    server.stop().await;
}

#[tokio::test]
async fn whatever_does_more_than_read_frames_is_refused_and_changes_nothing() {
    let (server, client) = airport().await;
    put(&client, "nyc/numbers", PutMode::Error, rows(0..4)).await;
    let untouched = Untouched::of(&server, &client).await;
    let flights_frame = client.frame("MyFlights");
    for sql in untouched.statements("MyFlights") {
        let resample = flights_frame.resample_sql("stolen", &sql);
        for refused in [
            client.sql("MyFlights", &sql).collect_one().await.map(drop),
            client.sql("MyFlights", &sql).schema().await.map(drop),
            resample.send().await.map(drop),
        ] {
            let error = refused.as_ref().expect_err(&sql);
            assert!(!error.to_string().contains(SECRET), "{sql}: {error}");
            assert_refused(refused, ErrorKind::DataFusionError, &[]);
        }
    }
    untouched.check(&client).await;
    assert_eq!(get(&client, "MyFlights").await, flights());
    server.stop().await;
}

#[tokio::test]
async fn arguments_of_functions_and_fields_of_actions_reach_nothing_but_frames() {
    let (server, client) = airport().await;
    let untouched = Untouched::of(&server, &client).await;
    let flights_frame = client.frame("MyFlights");
    for sql in untouched.calls("MyFlights") {
        let resample = flights_frame.resample_sql("stolen", &sql);
        for refused in [
            client.sql("MyFlights", &sql).collect_one().await.map(drop),
            resample.send().await.map(drop),
        ] {
            let error = refused.expect_err(&sql);
            assert!(names_what_was_asked(error.kind()), "{sql}: {error:?}");
            assert!(!error.to_string().contains(SECRET), "{sql}: {error}");
        }
    }
    let mut peer = Peer::of(&server).await;
    for (action, request) in untouched.actions("MyFlights") {
        let refused = peer.act(action, request.to_string()).await;
        let error = refused.expect_err(&format!("{action} {request}"));
        let told = told(&error);
        assert!(
            names_what_was_asked(told.kind),
            "{action} {request}: {told:?}"
        );
        assert!(
            !told.message.contains(SECRET),
            "{action} {request}: {told:?}"
        );
    }
    untouched.check(&client).await;
    server.stop().await;
}

/// Whether an error says that something is wrong or missing, and not that something broke.
fn names_what_was_asked(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::DataFusionError
            | ErrorKind::InvalidRequestError
            | ErrorKind::FileNotFoundError
            | ErrorKind::SchemaError
    )
}

#[tokio::test]
async fn endless_queries_end_at_a_limit_that_is_named_and_the_server_goes_on() {
    let server = Server::with(&["--query-seconds", "1"]).await;
    let client = server.client().await;
    put(&client, "numbers", PutMode::Error, rows(0..4)).await;
    let endless = ENDLESS.map(|sql| client.sql("numbers", sql).collect_one());
    for refused in futures::future::join_all(endless).await {
        assert_refused(refused, ErrorKind::LimitError, &["query_"]);
    }
    let counted = ask(&client, "numbers", "select count(*) from numbers").await;
    assert_eq!(numbers(&counted), [4]);
    server.stop().await;
}

#[tokio::test]
async fn mistakes_are_told_with_candidates_and_their_place() {
    let (server, client) = airport().await;
    for (sql, words) in [
        (
            "select Arrival from MyFlights",
            &["Arrival", "DepDelay", "at line 1, column 8"][..],
        ),
        (
            "select *\nfrom MyFlights join YourFlights using (n)",
            &["YourFlights", "at line 2, column 21"],
        ),
        ("select *\nfrm MyFlights x", &["(at line 2, column "]),
    ] {
        let refused = client.sql("MyFlights", sql).collect_one().await;
        assert_refused(refused, ErrorKind::DataFusionError, words);
    }
    server.stop().await;
}

#[tokio::test]
async fn what_there_is_can_be_asked_in_sql_although_some_of_it_is_damaged() {
    let (server, client) = airport().await;
    put(&client, "nyc/numbers", PutMode::Error, rows(0..4)).await;
    put(&client, "broken", PutMode::Error, rows(0..4)).await;
    let log = server.folder().path().join("_default/broken/log");
    for entry in std::fs::read_dir(log).unwrap() {
        std::fs::write(entry.unwrap().path(), "no entry").unwrap();
    }
    std::fs::write(server.folder().path().join("plain.parquet"), "no rows").unwrap();
    let folder = Arc::clone(server.folder());
    server.stop().await;
    let server = Server::on(&folder, &[]).await;
    let client = server.client().await;
    let shown = ask(&client, "MyFlights", "show tables").await;
    let column = |name| texts(&shown, name).into_iter().flatten();
    let shown: Vec<String> = column("table_schema")
        .zip(column("table_name"))
        .map(|(bucket, frame)| format!("{bucket}.{frame}"))
        .collect();
    assert_eq!(shown, [".MyFlights", "nyc.numbers"]);
    let described = ask(&client, "MyFlights", "describe nyc.numbers").await;
    assert_eq!(texts(&described, "column_name")[0].as_deref(), Some("n"));
    let columns = "select column_name from information_schema.columns where table_schema = 'nyc'";
    assert!(ask(&client, "MyFlights", columns).await.num_rows() > 0);
    server.stop().await;
}

#[tokio::test]
async fn values_take_the_places_of_parameters_and_are_never_read_as_sql() {
    let (server, client) = airport().await;
    let late = "select DepDelay from MyFlights where DepDelay > $1 and Carrier = $2";
    let late = client
        .sql("MyFlights", late)
        .parameters([5.into(), "UA".into()]);
    assert_eq!(
        floats(&late.collect_one().await.unwrap(), "DepDelay"),
        [Some(6.0)]
    );
    let named = "select DepDelay from MyFlights where Carrier = $carrier";
    for (carrier, expected) in [("DL", 1), ("' or 1 = 1 --", 0)] {
        let named = client.sql("MyFlights", named);
        let named = named.named_parameters([("carrier", carrier.into())]);
        assert_eq!(named.collect_one().await.unwrap().num_rows(), expected);
    }
    let missing = client
        .sql("MyFlights", "select ?, ?")
        .parameters([1.into()]);
    let missing = missing.collect_one().await;
    assert_refused(missing, ErrorKind::DataFusionError, &["2 parameters"]);
    server.stop().await;
}
