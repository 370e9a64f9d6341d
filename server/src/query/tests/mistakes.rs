//! What is wrong with a statement, and where in it.

use arrow_array::{Float64Array, StringArray, TimestampNanosecondArray};

use super::*;

#[tokio::test]
async fn mistakes_are_told_with_their_place() {
    let lake = Lake::new(Config::default()).await;
    lake.numbers("Numbers", 0..10).await;
    for (sql, words, line, column) in [
        ("SELECT nothing FROM Numbers", "nothing", 1, 8),
        ("SELECT n,\n  nothing\nFROM numbers", "nothing", 2, 3),
        ("SELECT x.nothing FROM numbers AS x", "nothing", 1, 8),
        ("SELECT n FROM nowhere", "nowhere", 1, 15),
        ("SELECT n FROM 'no where'", "no where", 1, 15),
        (
            "SELECT n FROM numbers\nJOIN nyc.nowhere b ON b.n = 1",
            "nyc.nowhere",
            2,
            6,
        ),
        ("SELECT n FROM numbers a, numbers b", "n", 1, 8),
        (
            "SELECT nosuchfunction(n) FROM numbers",
            "nosuchfunction",
            1,
            8,
        ),
    ] {
        let error = lake.refused("Numbers", sql).await;
        assert_eq!(error.kind, ErrorKind::DataFusionError, "{sql}: {error}");
        assert!(error.message.contains(words), "{sql}: {error}");
        let place = format!("(at line {line}, column {column})");
        assert!(error.message.ends_with(&place), "{sql}: {error}");
    }
    let error = lake.refused("Numbers", "SELECT m FROM Numbers").await;
    assert!(error.message.contains("\"Numbers\".n"), "{error}");
    let error = lake.refused("Numbers", "SELECT n\nFRM Numbers x").await;
    assert!(error.message.contains("(at line 2, column"), "{error}");
    assert!(!error.message.contains("Line:"), "{error}");
}

#[tokio::test]
async fn a_comparison_that_makes_no_sense_is_told_by_column_type_and_value() {
    let lake = Lake::new(Config::default()).await;
    let times = TimestampNanosecondArray::from(vec![0, 1]).with_timezone("UTC");
    let columns: [(&str, ArrayRef); 3] = [
        ("temp", Arc::new(Float64Array::from(vec![39.0, 41.0]))),
        ("at", Arc::new(times)),
        ("origin", Arc::new(StringArray::from(vec!["EWR", "JFK"]))),
    ];
    lake.put("weather", RecordBatch::try_from_iter(columns).unwrap())
        .await;
    for (condition, told) in [
        (
            "temp = 'warm'",
            "column temp is double, and 'warm' is no such value: compare it with a number (at line 1, column 31)",
        ),
        (
            "1 = 1 and w.temp in (39, 'warm')",
            "column temp is double, and 'warm' is no such value: compare it with a number",
        ),
        (
            "at between '1970-01-01' and 'yesterday'",
            "column at is timestamp[ns, tz=UTC], and 'yesterday' is no such value: compare it with a time such as \
             '2024-01-31 12:00:00'",
        ),
        (
            "5 < origin",
            "column origin is string, and 5 is a number: compare it with a text, '5'",
        ),
    ] {
        let sql = format!("SELECT * FROM weather w WHERE {condition}");
        let error = lake.refused("weather", &sql).await;
        assert_eq!(error.kind, ErrorKind::DataFusionError, "{sql}: {error}");
        assert!(error.message.contains(told), "{sql}: {error}");
        for inside in ["Optimizer", "Cast error", "Arrow error", "Float64"] {
            assert!(!error.message.contains(inside), "{sql}: {error}");
        }
    }
    let sums = "SELECT avg(origin) FROM weather";
    let error = lake.refused("weather", sums).await;
    assert!(error.message.contains("'avg(string)'"), "{error}");
    assert!(!error.message.contains("bug"), "{error}");
    let fine =
        "SELECT count(*) FROM weather WHERE temp > '40' and at = '1970-01-01' and origin <> '5'";
    assert_eq!(lake.asked_numbers("weather", fine).await, [0]);
}

#[tokio::test]
async fn a_frame_that_is_not_there_is_told_with_the_one_that_may_be_meant() {
    let lake = Lake::new(Config::default()).await;
    for frame in ["weather", "nyc/flights", "nyc/year end", "my lake/order"] {
        lake.numbers(frame, 0..1).await;
    }
    for (sql, meant) in [
        ("SELECT * FROM wether", Some("weather")),
        ("SELECT * FROM nyc.flihgts", Some("nyc.flights")),
        ("SELECT * FROM NYC.flihgts", Some("nyc.flights")),
        ("SELECT * FROM shoots.nyc.flihgts", Some("nyc.flights")),
        ("SELECT * FROM \"\".wether", Some("\"\".weather")),
        ("SELECT * FROM nyc.yearend", Some("nyc.\"year end\"")),
        (
            "SELECT * FROM \"my lake\".oder",
            Some("\"my lake\".\"order\""),
        ),
        ("SELECT * FROM nyc.weather", None),
        ("SELECT * FROM planes", None),
    ] {
        let error = lake.refused("weather", sql).await;
        let told = meant.map(|meant| format!("; did you mean `{meant}`?"));
        assert_eq!(
            error.message.contains("did you mean"),
            told.is_some(),
            "{sql}: {error}"
        );
        assert!(error.message.contains(&told.unwrap_or_default()), "{error}");
    }
}
