//! What bounds queries: memory, time, and how many compute at once.

mod patterns;
mod windows;

use arrow_array::Array;
use datafusion::execution::memory_pool::MemoryConsumer;

use super::*;

/// A query over three numbers, whose rows are taken one after the other while others meet their limits.
struct Bystander(std::pin::Pin<Box<dyn Stream<Item = Result<RecordBatch, Failure>> + Send>>);

impl Bystander {
    async fn begin(lake: &Lake) -> Self {
        let sql = "SELECT value FROM range(0, 100000)";
        let plan = lake.plan("numbers", sql).await.unwrap();
        let mut rows = Box::pin(plan.run().await.unwrap());
        assert!(rows.try_next().await.unwrap().is_some());
        Self(rows)
    }

    /// What it has left comes, and so does another query's answer.
    async fn goes_on(self, lake: &Lake) {
        let rows: Vec<RecordBatch> = self.0.try_collect().await.unwrap();
        let rows: usize = rows.iter().map(RecordBatch::num_rows).sum();
        assert!(rows > 80_000, "{rows}");
        let first = "SELECT n FROM numbers ORDER BY n LIMIT 2";
        assert_eq!(lake.asked_numbers("numbers", first).await, [0, 1]);
        all_is_given_back(lake).await;
    }
}

/// Waits until no query holds memory or a place.
async fn all_is_given_back(lake: &Lake) {
    let places = usize::try_from(lake.config.queries_at_once).unwrap();
    let held = || lake.queries.engine.reserved() > 0 || lake.queries.turns.free() < places;
    let given_back = async {
        while held() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), given_back).await.unwrap();
}

/// Over a limit, while another query runs.
async fn assert_limited(config: Config, sql: &str, words: &[&str]) {
    let lake = Lake::new(config).await;
    lake.numbers("numbers", 0..1000).await;
    let bystander = Bystander::begin(&lake).await;
    let error = lake.refused("numbers", sql).await;
    assert_eq!(error.kind, ErrorKind::LimitError, "{error}: {sql}");
    for word in words {
        assert!(error.message.contains(word), "{sql}: {error}");
    }
    bystander.goes_on(&lake).await;
}

#[tokio::test]
async fn time_is_limited() {
    let config = Config {
        query_seconds: 1,
        ..Config::default()
    };
    let lake = Lake::new(config).await;
    lake.numbers("numbers", 0..1000).await;
    let endless = "SELECT count(*) FROM numbers a, numbers b, numbers c, numbers d WHERE a.n + b.n + c.n + d.n = 1";
    let error = lake.refused("numbers", endless).await;
    assert_eq!(error.kind, ErrorKind::LimitError, "{error}");
    assert!(error.message.contains("query_seconds is 1 s"), "{error}");
    let recursive =
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r";
    let error = lake.refused("numbers", recursive).await;
    assert_eq!(error.kind, ErrorKind::LimitError, "{error}");
    let first = "SELECT n FROM numbers ORDER BY n LIMIT 2";
    assert_eq!(lake.asked_numbers("numbers", first).await, [0, 1]);
}

#[tokio::test]
async fn memory_of_one_query_is_limited() {
    let config = || Config {
        query_memory_bytes_each: 1 << 20,
        ..Config::default()
    };
    let words = [
        "query_memory_bytes_each is 1048576",
        "have the setting raised",
    ];
    for sql in [
        "SELECT array_agg(a.n + b.n) FROM numbers a CROSS JOIN numbers b",
        "SELECT string_agg(CAST(a.n + b.n AS VARCHAR), ',') FROM numbers a CROSS JOIN numbers b",
        // Joins by hash do not write to disk.
        "SELECT count(*) FROM range(0, 1000000) a JOIN range(0, 1000000) b ON a.value = b.value + 1",
    ] {
        assert_limited(config(), sql, &words).await;
    }
}

#[tokio::test]
async fn memory_of_all_queries_is_limited() {
    let config = Config {
        query_memory_bytes: 1 << 20,
        query_memory_bytes_each: 1 << 20,
        ..Config::default()
    };
    let lake = Lake::new(config).await;
    lake.numbers("numbers", 0..1000).await;
    let others = lake.queries.engine.state(None, &Interrupt::default());
    let pool = Arc::clone(&others.unwrap().runtime_env().memory_pool);
    let others = MemoryConsumer::new("others").register(&pool);
    others.try_grow(900 << 10).unwrap();
    let sql = "SELECT array_agg(a.n + b.n) FROM numbers a CROSS JOIN numbers b";
    let error = lake.refused("numbers", sql).await;
    assert_eq!(error.kind, ErrorKind::LimitError, "{error}");
    let words = "query_memory_bytes is 1048576";
    assert!(error.message.contains(words), "{error}");
    drop(others);
    all_is_given_back(&lake).await;
}

#[tokio::test]
async fn bins_take_of_the_memory_of_all_queries_and_give_it_back() {
    let config = Config {
        query_memory_bytes: 1 << 20,
        query_memory_bytes_each: 1 << 20,
        ..Config::default()
    };
    let lake = Lake::new(config).await;
    let count = 10_000;
    let times = (0..count).map(|n| n * 7919 % count * 1_000_000_000);
    let columns: [(&str, ArrayRef); 2] = [
        (
            "time",
            Arc::new(TimestampNanosecondArray::from_iter_values(times)),
        ),
        ("size", Arc::new(Int64Array::from_iter_values(0..count))),
    ];
    lake.put("ticks", RecordBatch::try_from_iter(columns).unwrap())
        .await;
    let sql =
        "SELECT sum(size) FROM resample('ticks', '1s', [['size', 'sum']], time_col => 'time')";
    let all = count * (count - 1) / 2;
    assert_eq!(lake.asked_numbers("ticks", sql).await, [all]);
    all_is_given_back(&lake).await;
    let others = lake.queries.engine.state(None, &Interrupt::default());
    let pool = Arc::clone(&others.unwrap().runtime_env().memory_pool);
    let others = MemoryConsumer::new("others").register(&pool);
    others.try_grow(1000 << 10).unwrap();
    let error = lake.refused("ticks", sql).await;
    assert_eq!(error.kind, ErrorKind::LimitError, "{error}");
    let words = "query_memory_bytes is 1048576";
    assert!(error.message.contains(words), "{error}");
    drop(others);
    all_is_given_back(&lake).await;
    assert_eq!(lake.asked_numbers("ticks", sql).await, [all]);
}

/// Sorts much more than fits.
const SORTED: &str =
    "SELECT value, sha256(CAST(value AS VARCHAR)) AS h FROM range(0, 400000) ORDER BY h";

#[tokio::test]
async fn what_does_not_fit_in_memory_goes_to_the_disk_that_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let config = |spill| Config {
        query_memory_bytes_each: 12 << 20,
        query_spill_folder: folder.path().display().to_string(),
        query_spill_bytes: spill,
        ..Config::default()
    };
    let lake = Lake::new(config(1 << 30)).await;
    lake.numbers("numbers", 0..3).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let sorted = lake.ask("numbers", SORTED).await.unwrap();
    assert_eq!(sorted.num_rows(), 400_000);
    // Somebody tidies up.
    let own = std::fs::read_dir(folder.path()).unwrap().next().unwrap();
    let own = own.unwrap().path();
    std::fs::remove_dir_all(&own).unwrap();
    let sorted = lake.ask("numbers", SORTED).await.unwrap();
    assert_eq!(sorted.num_rows(), 400_000);
    std::fs::remove_dir_all(&own).unwrap();
    std::fs::write(&own, "in the way").unwrap();
    let error = lake.refused("numbers", SORTED).await;
    assert_eq!(error.kind, ErrorKind::ShootsIOError, "{error}");
    let setting = format!("query_spill_folder is {}", folder.path().display());
    assert!(error.message.contains(&setting), "{error}");
    std::fs::remove_file(&own).unwrap();
    drop(lake);
    assert_limited(config(1 << 20), SORTED, &["query_spill_bytes is 1048576"]).await;
    assert_limited(config(0), SORTED, &["query_spill_bytes is 0"]).await;
}

#[tokio::test]
async fn functions_that_make_much_of_little_are_limited() {
    let config = || Config {
        query_memory_bytes_each: 1 << 20,
        ..Config::default()
    };
    for sql in [
        "SELECT repeat('x', 1000000000)",
        "SELECT repeat('x', n * 1000) FROM numbers",
        "SELECT lpad('x', 1000000000)",
        "SELECT rpad(CAST(n AS VARCHAR), 100000, 'ab') FROM numbers",
        "SELECT array_repeat(1, 1000000000)",
        "SELECT list_repeat('abc', n * 1000) FROM numbers",
        "SELECT array_resize([1, 2], 1000000000, 0)",
        "SELECT generate_series(1, 1000000000000)",
        "SELECT range(n * 1000000) FROM numbers",
        "SELECT unnest(generate_series(1, 1000000000000))",
        "SELECT generate_series(timestamp '1970-01-01', timestamp '2200-01-01', interval '1 second')",
        "SELECT range(arrow_cast(CAST(n AS INT), 'Date32'), date '2200-01-01', interval '1 day') FROM numbers",
        "SELECT replace(repeat('a', 10000), 'a', repeat('b', 10000))",
        "SELECT regexp_replace(repeat('a', 10000), 'a', repeat('b', 10000), 'g')",
        "SELECT array_resize(['a'], 2000, repeat('b', 1000))",
        "SELECT array_replace_all(array_repeat('a', 4000), 'a', repeat('b', 1000))",
        "SELECT array_to_string(range(0, 2000), repeat('x', 1000))",
        "SELECT concat_ws(repeat('x', 300000), 'a', 'a', 'a', 'a', 'a')",
        "SELECT lpad('a', 300000, '\u{1f600}')",
        "SELECT replace(repeat('a', 100), 'a', repeat('b', 600) || n) FROM numbers",
        "SELECT array_reverse(r), array_sort(r), array_slice(r, 1, 60) FROM (SELECT range(0, 60 + n % 2) AS r FROM numbers)",
        "SELECT concat(repeat('a', 500000), repeat('b', 500000), repeat('c', 500000))",
        "SELECT make_array(s, s, s, s) FROM (SELECT repeat('a', n * 500) AS s FROM numbers WHERE n < 60)",
    ] {
        let words = ["query_memory_bytes_each is 1048576"];
        assert_limited(config(), sql, &words).await;
    }
}

#[tokio::test]
async fn functions_below_their_limit_work_and_give_back_what_they_took() {
    let config = Config {
        query_memory_bytes_each: 12 << 20,
        ..Config::default()
    };
    let lake = Lake::new(config).await;
    lake.numbers("numbers", 0..1000).await;
    for (sql, expected) in [
        ("SELECT length(repeat('ab', 100000))", vec![200_000]),
        (
            "SELECT sum(length(lpad(CAST(value AS VARCHAR), 500))) FROM range(100000)",
            vec![50_000_000],
        ),
        (
            "SELECT max(length(array_to_string(array_repeat('é', 1000 + n % 7), ','))) FROM numbers",
            vec![2011],
        ),
        ("SELECT cardinality(range(100000))", vec![100_000]),
        (
            "SELECT sum(length(replace(CAST(n AS VARCHAR), '9', '99'))) FROM numbers",
            vec![3190],
        ),
        ("SELECT count(*) FROM range(0, 10000000)", vec![10_000_000]),
    ] {
        let rows = lake.ask("numbers", sql).await.unwrap();
        let numbers = datafusion::arrow::compute::cast(rows.column(0), &DataType::Int64).unwrap();
        let numbers = numbers.as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(numbers, expected, "{sql}");
        drop(rows);
        all_is_given_back(&lake).await;
    }
    // A constant is copied once for each row of a batch, so batches are smaller beside it.
    let long = "SELECT repeat('x', 1000000) AS long FROM numbers LIMIT 200";
    let plan = lake.plan("numbers", long).await.unwrap();
    let rows: Vec<RecordBatch> = plan.run().await.unwrap().try_collect().await.unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 200);
    assert!(rows.iter().all(|batch| batch.num_rows() <= 16), "{rows:?}");
}

#[tokio::test]
async fn how_many_queries_wait_is_limited() {
    let lake = Lake::new(Config {
        queries_at_once: 1,
        queries_waiting: 1,
        ..Config::default()
    })
    .await;
    lake.numbers("numbers", 0..1000).await;
    let long = "SELECT count(*) FROM numbers a, numbers b, numbers c, numbers d WHERE a.n + b.n + c.n + d.n = 1";
    let first = lake.plan("numbers", long).await.unwrap().run().await;
    let waiting = lake.plan("numbers", "SELECT 1").await.unwrap().run();
    let waiting = tokio::spawn(waiting);
    while lake.queries.turns.waiting() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let error = lake.refused("numbers", "SELECT 2").await;
    assert_eq!(error.kind, ErrorKind::LimitError, "{error}");
    assert!(error.message.contains("queries_waiting is 1"), "{error}");
    drop(first);
    assert!(waiting.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_query_waits_for_its_turn_and_gives_it_up_when_dropped() {
    let lake = Lake::new(Config {
        queries_at_once: 1,
        ..Config::default()
    })
    .await;
    lake.numbers("numbers", 0..1000).await;
    let long = "SELECT count(*) FROM numbers a, numbers b, numbers c, numbers d WHERE a.n + b.n + c.n + d.n = 1";
    let first = lake
        .plan("numbers", long)
        .await
        .unwrap()
        .run()
        .await
        .unwrap();
    let second = lake
        .plan("numbers", "SELECT n FROM numbers")
        .await
        .unwrap()
        .run();
    let second = tokio::spawn(second);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!second.is_finished());
    drop(first);
    assert!(second.await.unwrap().is_ok());
}

#[tokio::test]
async fn rows_that_nobody_takes_keep_no_other_query_from_running() {
    let lake = Lake::new(Config {
        queries_at_once: 2,
        ..Config::default()
    })
    .await;
    lake.numbers("numbers", 0..3).await;
    let long = "SELECT value FROM range(0, 1000000000)";
    let mut stalled = Vec::new();
    for _ in 0..2 {
        let rows = lake.plan("numbers", long).await.unwrap().run().await;
        let mut rows = Box::pin(rows.unwrap());
        assert!(rows.try_next().await.unwrap().is_some());
        stalled.push(rows);
    }
    let third = lake.asked_numbers("numbers", "SELECT n FROM numbers");
    let third = timeout(Duration::from_secs(20), third).await;
    assert_eq!(third.unwrap(), [0, 1, 2]);
    for rows in &mut stalled {
        for _ in 0..10 {
            assert!(rows.try_next().await.unwrap().is_some());
        }
    }
}

#[tokio::test]
async fn a_query_whose_rows_nobody_takes_ends_at_its_deadline_with_an_error() {
    let lake = Lake::new(Config {
        query_seconds: 1,
        queries_at_once: 1,
        ..Config::default()
    })
    .await;
    lake.numbers("numbers", 0..1000).await;
    let long = "SELECT n + r.value FROM numbers CROSS JOIN range(0, 1000000000) r";
    let rows = lake.plan("numbers", long).await.unwrap().run().await;
    let mut rows = Box::pin(rows.unwrap());
    assert!(rows.try_next().await.unwrap().is_some());
    assert!(lake.queries.engine.reserved() > 0);
    all_is_given_back(&lake).await;
    match rows.try_collect::<Vec<_>>().await {
        Err(Failure::Domain(body)) => assert_eq!(body.kind, ErrorKind::LimitError, "{body}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_longest_time_that_can_be_configured_is_no_defect() {
    let lake = Lake::new(Config {
        query_seconds: u64::MAX,
        ..Config::default()
    })
    .await;
    lake.numbers("numbers", 0..3).await;
    let numbers = lake.asked_numbers("numbers", "SELECT n FROM numbers").await;
    assert_eq!(numbers, [0, 1, 2]);
}

#[tokio::test]
async fn a_join_without_matches_ends_when_its_rows_are_dropped() {
    let lake = Lake::new(Config {
        queries_at_once: 1,
        ..Config::default()
    })
    .await;
    lake.numbers("numbers", 0..1_000_000).await;
    let sql = "SELECT a.n FROM numbers a JOIN numbers b ON a.n + b.n < 0";
    let plan = lake.plan("numbers", sql).await.unwrap();
    let shown = displayable(plan.physical.as_ref())
        .indent(false)
        .to_string();
    assert!(shown.contains("NestedLoopJoinExec"), "{shown}");
    let rows = plan.run().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(rows);
    let next = lake.plan("numbers", "SELECT 1").await.unwrap().run();
    assert!(
        tokio::time::timeout(Duration::from_secs(20), next)
            .await
            .is_ok()
    );
}

/// Whatever a query does, it leaves its place soon after its rows are dropped.
#[tokio::test]
async fn queries_of_every_kind_end_when_their_rows_are_dropped() {
    let lake = Lake::new(Config {
        queries_at_once: 1,
        ..Config::default()
    })
    .await;
    lake.numbers("numbers", 0..100_000).await;
    for sql in [
        "SELECT a.value FROM range(0, 1000000000) a ORDER BY sin(a.value)",
        "SELECT count(*) FROM range(0, 1000000000) a JOIN numbers b ON a.value % 1000 = b.n % 1000",
        "SELECT value % 1000003, count(DISTINCT value) FROM range(0, 1000000000) GROUP BY 1",
        "SELECT max(sha512(repeat(CAST(n AS VARCHAR), 1000))) FROM numbers, range(1000)",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        "SELECT unnest(range(n)) FROM numbers",
        "SELECT median(n) OVER (ORDER BY n ROWS BETWEEN 40000 PRECEDING AND 40000 FOLLOWING) FROM numbers",
        "SELECT median(n) OVER (ORDER BY n DESC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), \
         array_agg(n) OVER (ORDER BY n ROWS BETWEEN 40000 PRECEDING AND 40000 FOLLOWING) FROM numbers",
        "EXPLAIN ANALYZE SELECT count(*) FROM numbers a, numbers b, numbers c",
    ] {
        let rows = lake.plan("numbers", sql).await.unwrap().run().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(rows);
        all_is_given_back(&lake).await;
    }
}

#[tokio::test]
async fn a_query_whose_time_ends_before_its_turn_to_be_planned_is_told_to_come_again() {
    let lake = Lake::new(Config {
        query_seconds: 1,
        ..Config::default()
    })
    .await;
    lake.numbers("numbers", 0..10).await;
    let mut places = Vec::new();
    for _ in 0..PLANNED_AT_ONCE {
        places.push(lake.queries.planning.begin(None).await.unwrap());
    }
    let sql = "SELECT count(*) FROM numbers";
    let error = lake.refused("numbers", sql).await;
    assert_eq!(error.kind, ErrorKind::LimitError);
    for part in ["waited", "query_seconds is 1 s", "try again later"] {
        assert!(error.message.contains(part), "{error}");
    }
    assert!(!error.message.contains("ask for less"), "{error}");
    drop(places);
    assert_eq!(lake.asked_numbers("numbers", sql).await, [10]);
}

#[tokio::test]
async fn planning_that_is_not_waited_for_ends() {
    let lake = Lake::new(Config::default()).await;
    lake.numbers("numbers", 0..10).await;
    let interrupt = Interrupt::default();
    let state = lake.queries.engine.state(None, &interrupt).unwrap();
    let statement = session::parse(&state, "SELECT 1 + 1").unwrap();
    let plan = session::read_only_plan(&state, statement).await.unwrap();
    state.optimize(&plan).unwrap();
    drop(Wanted::new(&interrupt));
    let error = state.optimize(&plan).unwrap_err().to_string();
    assert!(error.contains("interrupted"), "{error}");
}

#[tokio::test]
async fn windows_that_are_watched_give_what_they_should() {
    let lake = Lake::new(Config::default()).await;
    lake.numbers("numbers", 0..10).await;
    for (sql, expected) in [
        (
            "SELECT sum(n) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM numbers WHERE n < 4",
            vec![0, 1, 3, 5],
        ),
        (
            "SELECT sum(n) OVER (PARTITION BY n % 2 ORDER BY n DESC) FROM numbers WHERE n < 4 ORDER BY n",
            vec![2, 4, 2, 3],
        ),
        (
            "SELECT max(n) OVER () + count(*) OVER (ORDER BY n) FROM numbers WHERE n < 3 ORDER BY n",
            vec![3, 4, 5],
        ),
        (
            "SELECT first_value(n) OVER (ORDER BY n DESC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM numbers WHERE n < 2",
            vec![1, 1],
        ),
        (
            "SELECT a FROM (SELECT n, sum(n) OVER (ORDER BY n) AS a FROM numbers) WHERE n = 4",
            vec![10],
        ),
    ] {
        assert_eq!(lake.asked_numbers("numbers", sql).await, expected, "{sql}");
    }
    let named = lake.ask("numbers", "SELECT sum(n) OVER (ORDER BY n) FROM numbers");
    let named = named.await.unwrap().schema();
    assert!(
        named.field(0).name().starts_with("sum(numbers.n) ORDER BY"),
        "{named}"
    );
}

#[tokio::test]
async fn values_that_are_large_by_their_type_are_refused_or_come_in_small_batches() {
    let lake = lake().await;
    for kind in [
        "FixedSizeBinary(2000000000)",
        "FixedSizeList(200000000, Int64)",
    ] {
        for sql in [
            format!("SELECT arrow_cast(NULL, '{kind}')"),
            format!("SELECT count(arrow_try_cast(n, '{kind}')) FROM numbers"),
            format!(
                "SELECT n FROM numbers WHERE n IN (SELECT 1 FROM numbers GROUP BY arrow_cast(NULL, '{kind}'))"
            ),
        ] {
            let error = lake.refused("numbers", &sql).await;
            assert!(error.message.contains("at most 16777216"), "{sql}: {error}");
        }
    }
    let kind = "FixedSizeList(100000, Int64)";
    let wide = format!("arrow_cast(CASE WHEN n < 0 THEN [1] END, '{kind}')");
    for sql in [
        format!("SELECT {wide} FROM range(0, 100) AS r(n)"),
        format!("SELECT n FROM range(0, 100) AS r(n) WHERE {wide} IS NULL"),
    ] {
        let plan = lake.plan("numbers", &sql).await.unwrap();
        let rows: Vec<RecordBatch> = plan.run().await.unwrap().try_collect().await.unwrap();
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 100);
        let largest = rows.iter().map(RecordBatch::num_rows).max();
        assert!(largest <= Some(20), "{sql}: {largest:?}");
    }
}

#[tokio::test]
async fn what_takes_long_without_a_moment_to_end_it_is_refused() {
    let lake = lake().await;
    let sql = "SELECT range(date '2020-01-30', date '2019-01-01', interval '1 month -30 days')";
    let error = lake.refused("numbers", sql).await;
    assert!(error.message.contains("one sign"), "{error}");
    let sql = "SELECT CAST(cardinality(range(date '2020-01-01', date '2020-01-03', interval '1 day')) AS BIGINT)";
    assert_eq!(lake.asked_numbers("numbers", sql).await, [2]);
    let sql = "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))";
    let error = lake.refused("numbers", sql).await;
    assert!(error.message.contains("too long"), "{error}");
    for trim in ["btrim", "ltrim", "rtrim"] {
        let sql = format!("SELECT {trim}(repeat('a', 1000000), repeat('b', 1000000))");
        let error = lake.refused("numbers", &sql).await;
        assert!(error.message.contains("too many"), "{error}");
        let sql = format!("SELECT length({trim}(repeat('a', 1000000), ' xyz')) AS n");
        lake.ask("numbers", &sql).await.unwrap();
    }
    let sql = "SELECT CAST(levenshtein('kitten', 'sitting') AS BIGINT)";
    assert_eq!(lake.asked_numbers("numbers", sql).await, [3]);
}

/// Joined with itself so many times, one time after the other.
fn doubled(start: &str, times: usize) -> String {
    let steps: String = (1..=times)
        .map(|step| format!(", t{step} AS (SELECT a || a AS a FROM t{})", step - 1))
        .collect();
    format!(
        "WITH t0 AS (SELECT {start} AS a FROM numbers WHERE n = 1){steps} SELECT a FROM t{times}"
    )
}

#[tokio::test]
async fn what_is_joined_with_itself_again_and_again_is_limited() {
    let config = || Config {
        query_memory_bytes_each: 1 << 20,
        ..Config::default()
    };
    let words = ["query_memory_bytes_each is 1048576"];
    for start in [
        "repeat('x', 1000)",
        "arrow_cast(repeat('x', 1000), 'LargeUtf8')",
        "arrow_cast(lpad(CAST(n AS VARCHAR), 1000), 'Utf8View')",
        "lpad(CAST(n AS VARCHAR), 1000)",
        "range(n, n + 1000)",
        "range(1, 1001)",
    ] {
        assert_limited(config(), &doubled(start, 13), &words).await;
    }
    let lake = lake().await;
    for sql in [doubled("'x'", 10), doubled("CAST(n AS VARCHAR)", 10)] {
        let rows = lake.ask("numbers", &sql).await.unwrap();
        let joined = rows.column(0).as_string::<i32>().value(0);
        assert_eq!(joined.len(), 1024, "{sql}");
    }
    let sql = "SELECT n || '!' || NULL, 'a' || n FROM numbers LIMIT 1";
    let rows = lake.ask("numbers", sql).await.unwrap();
    assert!(rows.column(0).is_null(0));
    assert_eq!(rows.column(1).as_string::<i32>().value(0), "a0");
    let schema = rows.schema();
    assert_eq!(schema.field(1).name(), "Utf8(\"a\") || numbers.n");
}

#[tokio::test]
async fn lists_that_are_too_long_to_compare_are_refused() {
    let lake = lake().await;
    for call in [
        "array_distinct(range(1, 3000000))",
        "array_intersect(range(1, 3000000), range(1, 1000))",
        "array_except(range(1, 3000000), [1])",
        "array_union([1], range(1, 3000000))",
    ] {
        let sql = format!("SELECT cardinality({call})");
        let error = lake.refused("numbers", &sql).await;
        assert!(error.message.contains("too many"), "{sql}: {error}");
    }
    for call in [
        "array_has_any(range(1, 100000 + n), range(100000, 200000))",
        "array_has_all(range(1, 100000 + n), range(1, 100000))",
    ] {
        let sql = format!("SELECT count(*) FROM range(0, 10000) AS r(n) WHERE {call}");
        let error = lake.refused("numbers", &sql).await;
        assert!(error.message.contains("too many"), "{sql}: {error}");
    }
    let sql = "SELECT count(*) FROM numbers WHERE array_has_any([3, 5], [n, 77]) OR array_has([7, 70], n)";
    assert_eq!(lake.asked_numbers("numbers", sql).await, [3]);
    let sql = "SELECT CAST(cardinality(array_except(range(1, 1000), [1])) AS BIGINT)";
    assert_eq!(lake.asked_numbers("numbers", sql).await, [998]);
}

#[tokio::test]
async fn keys_of_an_as_of_join_are_limited() {
    let lake = Lake::new(Config {
        query_memory_bytes_each: 4 << 20,
        ..Config::default()
    })
    .await;
    let numbers: Vec<i64> = (0..100_000).collect();
    let column: ArrayRef = Arc::new(Int64Array::from(numbers));
    let batch = RecordBatch::try_from_iter([("t", Arc::clone(&column)), ("k", column)]).unwrap();
    let options = PutOptions {
        mode: PutMode::Append,
        index: vec!["t".to_owned()],
        ..PutOptions::default()
    };
    let frame = lake.store.frame(&id("keys"));
    let mut writer = frame.put(batch.schema(), options).await.unwrap();
    writer.write(batch).await.unwrap();
    writer.commit().await.unwrap();
    let sql = "SELECT count(*) FROM asof_join('keys', 'keys', 't', by => 'k')";
    let error = lake.refused("keys", sql).await;
    assert_eq!(error.kind, ErrorKind::LimitError, "{error}");
}
