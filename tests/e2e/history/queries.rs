//! SQL over the history, and over what lies in a range of the index.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use shoots_client::{AsOf, ErrorKind, PutMode};

use super::{hours, put, weather};
use crate::refusal::assert_refused;
use crate::rows::{numbers, texts};
use crate::server::Server;

#[tokio::test]
async fn queries_compare_states_of_a_frame() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("nyc/Weather");
    put(&frame, PutMode::Error, hours(0..5)).await;
    frame.tag("first").send().await.unwrap();
    put(&frame, PutMode::Upsert, weather(&[(2, "JFK", Some(-2.0))])).await;
    let count = async |sql: &str| numbers(&frame.sql(sql).collect_one().await.unwrap());
    for state in ["1", "-2", "'first'"] {
        let sql = format!("select count(*) from as_of('weather', {state}) where temp < 0");
        assert_eq!(count(&sql).await, [0], "{state}");
    }
    assert_eq!(
        count("select count(*) from weather where temp < 0").await,
        [1]
    );
    let changed = "select count(*) from weather as now join AS_OF('nyc.weather', 'first') as old \
                   on now.TIME_HOUR = old.time_hour and now.Origin = old.origin where now.temp <> old.temp";
    assert_eq!(count(changed).await, [1]);
    let named =
        frame.sql("select as_of.temp from as_of('Weather', 1) order by time_hour desc limit 1");
    assert_eq!(named.schema().await.unwrap(), named_schema(&frame).await);
    let other = client.frame("rates");
    put(&other, PutMode::Error, hours(0..1)).await;
    let abroad = client.sql("rates", "select count(*) from as_of('nyc.weather', 1)");
    assert_eq!(numbers(&abroad.collect_one().await.unwrap()), [10]);
    client.delete("nyc/Weather").await.unwrap();
    let gone = client.sql("rates", "select count(*) from as_of('nyc.Weather', 1)");
    assert_eq!(numbers(&gone.collect_one().await.unwrap()), [10]);
    server.stop().await;
}

async fn named_schema(frame: &shoots_client::Frame) -> arrow_schema::SchemaRef {
    frame.get().columns(["temp"]).schema().await.unwrap()
}

#[tokio::test]
async fn commits_and_segments_are_tables() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("weather");
    let first = frame
        .put()
        .index(["time_hour", "origin"])
        .author("ada")
        .metadata("feed", 7);
    first.send_batch(hours(0..5)).await.unwrap();
    put(&frame, PutMode::Append, hours(5..6)).await;
    frame.tag("eod").send().await.unwrap();
    let log = frame.log().send().await.unwrap();

    let history = "select version, operation, author, metadata, array_to_string(tags, '+') as tags, published \
                   from history('Weather') where version < 3";
    let history = frame.sql(history);
    let schema = history.schema().await.unwrap();
    assert_eq!(
        schema.field(5).data_type().to_string(),
        "Timestamp(ns, \"UTC\")"
    );
    let history = frame
        .sql("select version, author, metadata, array_to_string(tags, '+') as tags from history('Weather') where version < 3")
        .collect_one()
        .await
        .unwrap();
    assert_eq!(numbers(&history), [2, 1]);
    assert_eq!(texts(&history, "author"), [None, Some("ada".to_owned())]);
    assert_eq!(
        texts(&history, "metadata"),
        [None, Some("{\"feed\":7}".to_owned())]
    );
    assert_eq!(texts(&history, "tags")[0].as_deref(), Some("eod"));
    let newest = frame
        .sql("select version from history('weather') limit 1")
        .collect_one()
        .await
        .unwrap();
    assert_eq!(
        numbers(&newest),
        [i64::try_from(log.commits[0].version).unwrap()]
    );

    let segments = "select rows, path, min, max from segments('weather') order by min";
    let now = frame.sql(segments).collect_one().await.unwrap();
    assert_eq!(numbers(&now), [10, 2]);
    assert!(texts(&now, "min")[1].as_ref().unwrap().ends_with(", EWR"));
    let path = texts(&now, "path")[0].clone().unwrap();
    assert!(server.folder().path().join(path).is_file());
    let before = frame
        .sql(segments)
        .as_of(AsOf::Version(1))
        .collect_one()
        .await
        .unwrap();
    assert_eq!(numbers(&before), [10]);
    server.stop().await;
}

#[tokio::test]
async fn conditions_on_the_index_reach_the_scan() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("weather");
    for part in 0..4 {
        put(&frame, PutMode::Append, hours(part * 10..(part + 1) * 10)).await;
    }
    let condition = "time_hour >= '2013-01-01T12:00:00Z' and time_hour < '2013-01-01T15:00:00Z'";
    let plan = frame.sql(format!(
        "explain select temp from weather where {condition}"
    ));
    let plan = texts(&plan.collect_one().await.unwrap(), "plan");
    let plan = plan.into_iter().flatten().collect::<String>();
    assert!(
        plan.contains("range=[") && !plan.contains("FilterExec"),
        "{plan}"
    );
    for (condition, rows) in [
        (condition, 6),
        ("time_hour = '2013-01-01T12:00:00Z'", 2),
        ("time_hour > '2013-01-02T14:00:00Z' or temp = 0", 4),
        ("'2013-01-01T01:00:00Z' >= time_hour", 4),
        (
            "time_hour between '2013-01-01T09:00:00Z' and '2013-01-01T10:00:00Z' and origin = 'JFK'",
            2,
        ),
    ] {
        let sql = format!("select count(*) from weather where {condition}");
        let count = frame.sql(sql).collect_one().await.unwrap();
        assert_eq!(
            count.column(0).as_primitive::<Int64Type>().value(0),
            rows,
            "{condition}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn calls_that_make_no_sense_are_refused() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("weather");
    put(&frame, PutMode::Error, hours(0..1)).await;
    let (sql, missing) = (ErrorKind::DataFusionError, ErrorKind::FileNotFoundError);
    for (query, kind, words) in [
        ("select * from as_of('weather', 9)", missing, "9"),
        (
            "select * from as_of('weather', 'nothing')",
            ErrorKind::InvalidRequestError,
            "no tag",
        ),
        ("select * from as_of('nothing', 1)", missing, "nothing"),
        ("select * from history('nothing')", missing, "nothing"),
        ("select * from as_of('weather')", sql, "as_of('frame'"),
        ("select * from history(weather)", sql, "single quotes"),
        ("select * from segments('../x')", sql, "../x"),
        (
            "copy (select * from as_of('weather', 1)) to 'x.csv'",
            sql,
            "only queries",
        ),
    ] {
        assert_refused(frame.sql(query).collect().await, kind, &[words]);
    }
    server.stop().await;
}
