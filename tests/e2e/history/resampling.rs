//! Frames resampled into others with the typed client: where the rows go, which bins there are, and what is refused.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow_schema::{DataType, TimeUnit};
use shoots_client::{Aggregations, BinEnd, ErrorKind, IndexValue, PutMode, ShootsClient};

use super::{BEGIN, HOUR, all, at, hours, put, told, weather};
use crate::refusal::assert_refused;
use crate::rows::get;
use crate::server::Server;

/// A server with the weather of two days in the bucket `nyc`.
async fn two_days() -> (Server, ShootsClient) {
    let server = Server::start().await;
    let client = server.client().await;
    put(&client.frame("nyc/weather"), PutMode::Error, hours(0..48)).await;
    (server, client)
}

fn names(batch: &RecordBatch) -> Vec<String> {
    let schema = batch.schema();
    schema.fields().iter().map(|f| f.name().clone()).collect()
}

/// The hours that bins are named after.
fn bins(batch: &RecordBatch) -> Vec<i64> {
    let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
    times
        .values()
        .iter()
        .map(|time| (time - BEGIN) / HOUR)
        .collect()
}

fn floats(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    batch[name].as_primitive::<Float64Type>().iter().collect()
}

#[tokio::test]
async fn bins_go_into_another_bucket_in_every_mode() {
    let (server, client) = two_days().await;
    let source = client.frame("nyc/weather");
    let target = client.frame("daily/halves");
    let halves = |mode| {
        let call = source.resample(&target, "12h", "mean");
        call.by(["origin"]).mode(mode)
    };
    let fresh = [
        (0, Some(5.5)),
        (12, Some(17.5)),
        (24, Some(29.5)),
        (36, Some(41.5)),
    ];

    let created = halves(PutMode::Error).send().await.unwrap();
    assert_eq!(
        (created.source_rows, created.target_rows, created.version),
        (Some(96), 8, 1)
    );
    let rows = all(&target).await;
    assert_eq!(names(&rows), ["time_hour", "origin", "temp"]);
    assert_eq!(
        (at(&rows, "EWR"), at(&rows, "JFK")),
        (fresh.into(), fresh.into())
    );
    let twice = halves(PutMode::Error).send().await;
    assert_refused(twice, ErrorKind::FileExistsError, &["halves"]);

    let noted = halves(PutMode::Append).message("once more").author("ada");
    assert_eq!(noted.request_id("r1").send().await.unwrap().version, 2);
    let retried = halves(PutMode::Append).message("once more").author("ada");
    assert_eq!(retried.request_id("r1").send().await.unwrap().version, 2);
    assert_eq!(
        at(&all(&target).await, "EWR"),
        fresh.map(|row| [row; 2]).concat()
    );
    let log = target.log().send().await.unwrap().commits;
    assert_eq!(log[0].message.as_deref(), Some("once more"));

    assert_eq!(
        halves(PutMode::Replace).send().await.unwrap().target_rows,
        8
    );
    assert_eq!(all(&target).await, rows);

    // Late rows: the bins of the second day are made anew, in place of those there.
    let late = weather(&[(24, "EWR", Some(101.5)), (26, "LGA", Some(1.0))]);
    put(&source, PutMode::Append, late).await;
    let upserted = halves(PutMode::Upsert).start("2013-01-02").send();
    assert_eq!(upserted.await.unwrap().target_rows, 5);
    let rows = all(&target).await;
    assert_eq!(
        at(&rows, "EWR")[2],
        (24, Some((29.5 * 12.0 + 101.5) / 13.0))
    );
    assert_eq!(at(&rows, "LGA"), [(24, Some(1.0))]);
    assert_eq!((rows.num_rows(), at(&rows, "JFK")), (9, fresh.into()));

    // An update takes away what is in its range and not in the source any more.
    let deleted = source.delete_rows().condition("origin <> 'EWR'");
    deleted.send().await.unwrap();
    let updated = halves(PutMode::Update).start("2013-01-01T12:00").send();
    assert_eq!(updated.await.unwrap().target_rows, 3);
    let rows = all(&target).await;
    assert_eq!(at(&rows, "JFK"), [(0, Some(5.5))]);
    assert_eq!((at(&rows, "EWR").len(), at(&rows, "LGA").len()), (4, 0));

    let index = target.describe(None).send().await.unwrap().index;
    let index: Vec<&str> = index.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(index, ["time_hour", "origin"]);
    server.stop().await;
}

#[tokio::test]
async fn a_query_over_several_buckets_goes_into_a_third() {
    let (server, client) = two_days().await;
    let other = client.frame("london/weather");
    put(&other, PutMode::Error, hours(24..72)).await;
    let sql = "select time_hour, a.temp + b.temp as both_temps from weather a \
               join london.weather b using (time_hour, origin) where a.origin = 'EWR' order by time_hour";
    let call = client.frame("nyc/weather").resample_sql("made/both", sql);
    let made = call.index(["time_hour"]).send().await.unwrap();
    assert_eq!((made.source_rows, made.target_rows), (None, 24));
    let both = get(&client, "made/both").await;
    let expected: Vec<Option<f64>> = (24..48).map(|hour| Some(2.0 * f64::from(hour))).collect();
    assert_eq!(
        (bins(&both), floats(&both, "both_temps")),
        ((24..48).collect(), expected)
    );
    let missing = client
        .frame("nyc/weather")
        .resample_sql("x", "select * from paris.weather");
    assert_refused(
        missing.send().await,
        ErrorKind::DataFusionError,
        &["paris.weather"],
    );
    server.stop().await;
}

#[tokio::test]
async fn bins_without_rows_are_filled_within_each_group() {
    let server = Server::start().await;
    let client = server.client().await;
    let source = client.frame("weather");
    let rows = weather(&[
        (0, "EWR", Some(0.0)),
        (1, "JFK", Some(7.0)),
        (3, "EWR", Some(6.0)),
        (4, "EWR", None),
    ]);
    put(&source, PutMode::Error, rows).await;
    let ewr = |inner: [Option<f64>; 2]| {
        let [one, two] = inner;
        vec![
            (0, Some(0.0)),
            (1, one),
            (2, two),
            (3, Some(6.0)),
            (4, None),
        ]
    };
    let cases: [(Option<IndexValue>, _); 7] = [
        (Some("null".into()), ewr([None, None])),
        (None, ewr([None, None])),
        (Some("forward".into()), ewr([Some(0.0), Some(0.0)])),
        (Some("backward".into()), ewr([Some(6.0), Some(6.0)])),
        (Some("linear".into()), ewr([Some(2.0), Some(4.0)])),
        (Some((-1).into()), ewr([Some(-1.0), Some(-1.0)])),
        (
            Some("drop".into()),
            vec![(0, Some(0.0)), (3, Some(6.0)), (4, None)],
        ),
    ];
    for (fill, expected) in cases {
        let call = source.resample("hourly", "1h", "mean").by(["origin"]);
        let call = match fill.clone() {
            Some(fill) => call.fill(fill),
            None => call,
        };
        call.mode(PutMode::Replace).send().await.unwrap();
        let hourly = get(&client, "hourly").await;
        assert_eq!(at(&hourly, "EWR"), expected, "{fill:?}");
        assert_eq!(at(&hourly, "JFK"), [(1, Some(7.0))], "{fill:?}");
    }
    let words = source.resample("hourly", "1h", "count").fill("sideways");
    words.mode(PutMode::Replace).send().await.unwrap();
    let words = source.resample("hourly", "1h", "mean").columns(["temp"]);
    let words = words.fill("sideways").send().await;
    assert_refused(words, ErrorKind::InvalidRequestError, &["fill", "temp"]);
    server.stop().await;
}

#[tokio::test]
async fn days_of_a_zone_have_the_hours_that_its_clocks_show() {
    let server = Server::start().await;
    let client = server.client().await;
    let source = client.frame("weather");
    // Midnights in Berlin: 30 March and 26 October 2013.
    let (spring, autumn) = (88 * 24 - 1, 298 * 24 - 2);
    put(&source, PutMode::Error, hours(spring..spring + 71)).await;
    put(&source, PutMode::Append, hours(autumn..autumn + 73)).await;
    let days = source.resample("days", "D", "count").by(["origin"]);
    let days = days.time_zone("Europe/Berlin").fill("drop").send();
    assert_eq!(days.await.unwrap().target_rows, 12);
    let days = get(&client, "days").await;
    let ewr = days["origin"].as_string::<i32>().iter();
    let ewr = ewr.zip(days["temp"].as_primitive::<Int64Type>().values());
    let counts: Vec<i64> = ewr
        .filter(|(of, _)| *of == Some("EWR"))
        .map(|(_, n)| *n)
        .collect();
    assert_eq!(counts, [24, 23, 24, 24, 25, 24]);
    let expected = [
        spring,
        spring + 24,
        spring + 47,
        autumn,
        autumn + 24,
        autumn + 49,
    ];
    assert_eq!(bins(&days), expected.map(|hour| [hour; 2]).concat());
    let zone = DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into()));
    assert_eq!(days.schema().field(0).data_type(), &zone);
    let wrong = source
        .resample("wrong", "D", "count")
        .time_zone("Europe/Atlantis");
    assert_refused(
        wrong.send().await,
        ErrorKind::InvalidRequestError,
        &["time_zone", "Atlantis"],
    );
    server.stop().await;
}

#[tokio::test]
async fn functions_of_each_column_give_columns_that_say_so() {
    let (server, client) = two_days().await;
    let source = client.frame("nyc/weather");
    let ohlc = source.resample("candles", "D", "ohlc").columns(["temp"]);
    ohlc.label(BinEnd::Right).send().await.unwrap();
    let candles = get(&client, "candles").await;
    assert_eq!(
        names(&candles),
        [
            "time_hour",
            "temp_open",
            "temp_high",
            "temp_low",
            "temp_close"
        ]
    );
    assert_eq!(bins(&candles), [24, 48]);
    for (name, expected) in [
        ("temp_open", [0.0, 24.0]),
        ("temp_high", [23.0, 47.0]),
        ("temp_low", [0.0, 24.0]),
        ("temp_close", [23.0, 47.0]),
    ] {
        assert_eq!(floats(&candles, name), expected.map(Some), "{name}");
    }

    let functions = Aggregations::ByColumn(vec![
        ("origin".to_owned(), Aggregations::from("nunique")),
        ("temp".to_owned(), Aggregations::from(["first", "quantile"])),
    ]);
    let several = source.resample("several", "D", functions).quantile(0.25);
    several.send().await.unwrap();
    let several = get(&client, "several").await;
    assert_eq!(
        names(&several),
        ["time_hour", "origin", "temp_first", "temp_quantile"]
    );
    assert_eq!(
        several["origin"].as_primitive::<Int64Type>().values(),
        &[2, 2]
    );
    assert_eq!(floats(&several, "temp_quantile"), [Some(5.75), Some(29.75)]);

    let numbers = source.resample("numbers", "36h", "sum").numeric_only();
    let numbers = numbers.closed(BinEnd::Right).origin("epoch").offset("6h");
    numbers.send().await.unwrap();
    assert_eq!(names(&get(&client, "numbers").await), ["time_hour", "temp"]);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_resampled_is_refused_by_the_name_of_the_column_or_the_field() {
    let (server, client) = two_days().await;
    let source = client.frame("nyc/weather");
    let call = |rule: &str, functions: Aggregations| source.resample("made", rule, functions);
    let mean = || call("1h", "mean".into());
    let by_column = |column: &str, function: &str| {
        let of = vec![(column.to_owned(), Aggregations::from(function))];
        call("1h", Aggregations::ByColumn(of))
    };
    for (call, words) in [
        (mean(), &["aggregation_func", "`origin` (string, mean)"][..]),
        (
            by_column("origin", "sum"),
            &["aggregation_func", "origin", "sum"],
        ),
        (
            by_column("rain", "sum"),
            &["aggregation_func", "`rain`", "temp"],
        ),
        (
            call("1h", "average".into()),
            &["aggregation_func", "average", "mean"],
        ),
        (call("fortnight", "count".into()), &["rule", "fortnight"]),
        (mean().columns(["rain"]), &["columns", "`rain`", "temp"]),
        (mean().by(["rain"]), &["by", "`rain`", "origin"]),
        (mean().by(["time_hour"]), &["by", "time_hour"]),
        (mean().time_col("origin"), &["time_col", "origin", "string"]),
        (mean().time_col("when"), &["time_col", "`when`"]),
        (call("ME", "count".into()).offset("1h"), &["offset", "ME"]),
        (mean().by(["origin"]).origin("noon"), &["origin", "noon"]),
        (mean().by(["origin"]).fill(true), &["fill", "temp"]),
        (mean().by(["origin"]).start("noon"), &["noon"]),
    ] {
        assert_refused(call.send().await, ErrorKind::InvalidRequestError, words);
    }
    let missing = client.frame("nyc/wether").resample("made", "1h", "count");
    assert_refused(
        missing.send().await,
        ErrorKind::FileNotFoundError,
        &["wether"],
    );
    // Columns that the target has with other types are named, too.
    put(&client.frame("made"), PutMode::Error, hours(0..1)).await;
    let latest = call("1h", "max".into()).send().await.unwrap();
    assert_eq!(latest.target_rows, 48);
    let each = by_column("temp", "first").by(["origin"]).send().await;
    assert_eq!(each.unwrap().target_rows, 96);
    assert_eq!(told(&get(&client, "made").await).len(), 2 + 48 + 96);
    let counts = by_column("origin", "count").send().await;
    assert_refused(counts, ErrorKind::SchemaError, &["origin"]);
    server.stop().await;
}
