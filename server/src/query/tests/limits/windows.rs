//! What windows hold, and what aggregates over them make.

use super::*;

#[tokio::test]
async fn what_aggregates_over_windows_make_is_limited() {
    let config = || Config {
        query_memory_bytes_each: 1 << 20,
        ..Config::default()
    };
    let words = ["query_memory_bytes_each is 1048576"];
    for call in [
        "string_agg(CAST(n AS VARCHAR), ',') OVER (ORDER BY n)",
        "array_agg(n) OVER (ORDER BY n)",
        "array_agg(n) OVER ()",
        "array_agg(n) OVER (PARTITION BY n % 2)",
        "array_agg(n) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING)",
    ] {
        assert_limited(config(), &format!("SELECT {call} FROM numbers"), &words).await;
    }
    let lake = Lake::new(Config {
        query_memory_bytes_each: 64 << 20,
        ..Config::default()
    })
    .await;
    lake.numbers("numbers", 0..60_000).await;
    for call in [
        "sum(n) OVER (ORDER BY n)",
        "max(n) OVER ()",
        "array_length(array_agg(n) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW))",
    ] {
        let sql = format!("SELECT count(x) FROM (SELECT {call} AS x FROM numbers)");
        assert_eq!(lake.asked_numbers("numbers", &sql).await, [60_000], "{sql}");
    }
    all_is_given_back(&lake).await;
}

#[tokio::test]
async fn rows_that_windows_hold_are_limited_and_given_back() {
    let config = Config {
        query_memory_bytes_each: 1 << 20,
        ..Config::default()
    };
    let lake = Lake::new(config).await;
    lake.numbers("numbers", 0..200_000).await;
    let over_all = "SELECT max(n) OVER () AS x FROM numbers";
    let error = lake.refused("numbers", over_all).await;
    assert_eq!(error.kind, ErrorKind::LimitError, "{error}");
    let words = "query_memory_bytes_each is 1048576";
    assert!(error.message.contains(words), "{error}");
    all_is_given_back(&lake).await;
    let over_some = "SELECT max(n) OVER () AS x FROM numbers WHERE n < 20000 LIMIT 3";
    assert_eq!(
        lake.asked_numbers("numbers", over_some).await,
        [19_999, 19_999, 19_999]
    );
    all_is_given_back(&lake).await;
}
