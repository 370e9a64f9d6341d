//! What plans make of an index, of statistics, and of conditions: seen in the plans, and in the bytes that are read.

use arrow_array::types::{Int8Type, TimestampNanosecondType};

use super::*;
use crate::query::table::categories;

const ROWS: i64 = 60_000;

/// Four segments of trades, a second apart, in the order of their time. Each has other symbols, more than their keys
/// tell apart together; prices have NaN, both zeros and nulls.
async fn trades() -> Lake {
    let lake = Lake::new(Config::default()).await;
    for part in 0..4 {
        let frame = lake.store.frame(&id("trades"));
        let options = PutOptions::mode(PutMode::Append).index(["time"]);
        let batch = trades_from(part * ROWS);
        let mut writer = frame.put(batch.schema(), options).await.unwrap();
        writer.write(batch).await.unwrap();
        writer.commit().await.unwrap();
    }
    lake
}

fn trades_from(first: i64) -> RecordBatch {
    let rows = first..first + ROWS;
    let times = TimestampNanosecondArray::from_iter_values(rows.clone().map(|n| n * SECOND));
    let symbols = rows.clone().map(|n| format!("{}-{}", first / ROWS, n % 90));
    let symbols: Vec<String> = symbols.collect();
    let symbols: DictionaryArray<Int8Type> = symbols.iter().map(|s| Some(s.as_str())).collect();
    let price = |n: i64| match n % 1_000 {
        0 => None,
        1 => Some(f64::NAN),
        2 => Some(-0.0),
        3 => Some(0.0),
        4 => Some(-f64::NAN),
        _ => Some(n as f64 / 7.0),
    };
    let prices: Float64Array = rows.clone().map(price).collect();
    let volumes = rows.clone().map(|n| (n % 5 != 0).then_some(n / 3));
    let volumes: Int64Array = volumes.collect();
    let notes = rows.map(|n| format!("trade number {n} of many, which is {}", n * n));
    let notes = StringArray::from_iter_values(notes);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("time", Arc::new(times)),
        ("symbol", Arc::new(symbols)),
        ("price", Arc::new(prices)),
        ("volume", Arc::new(volumes)),
        ("note", Arc::new(notes)),
    ];
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

const SECOND: i64 = 1_000_000_000;

impl Lake {
    async fn shown(&self, sql: &str) -> String {
        let plan = self.plan("trades", sql).await.unwrap();
        displayable(plan.physical.as_ref())
            .indent(false)
            .to_string()
    }

    /// The result as one batch, with keys that tell all its categories apart.
    async fn answer(&self, sql: &str) -> RecordBatch {
        let plan = self.plan("trades", sql).await.unwrap();
        let schema = categories::widened(&plan.schema());
        let batches: Vec<RecordBatch> = plan.run().await.unwrap().try_collect().await.unwrap();
        let batches = batches
            .into_iter()
            .map(|batch| categories::widen(batch, &schema).unwrap());
        let batches: Vec<RecordBatch> = batches.collect();
        arrow_select::concat::concat_batches(&schema, &batches).unwrap()
    }

    async fn times(&self, sql: &str) -> Vec<i64> {
        let batch = self.answer(sql).await;
        let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
        times.values().iter().map(|time| time / SECOND).collect()
    }

    /// The bytes of segments that a query reads.
    async fn cost(&self, sql: &str) -> u64 {
        let before = self.store.requests().segment_bytes;
        self.answer(sql).await;
        self.store.requests().segment_bytes - before
    }
}

#[tokio::test]
async fn rows_that_are_sorted_are_not_sorted_again() {
    let lake = trades().await;
    for sql in [
        "SELECT time, price FROM trades ORDER BY time",
        "SELECT time FROM trades WHERE volume > 17 ORDER BY time NULLS FIRST LIMIT 70000",
        "SELECT date_trunc('hour', time) AS hour, note FROM trades ORDER BY time",
    ] {
        let shown = lake.shown(sql).await;
        assert!(!shown.contains("Sort"), "{sql}: {shown}");
    }
    let all = lake.times("SELECT time FROM trades ORDER BY time").await;
    assert_eq!(all, (0..4 * ROWS).collect::<Vec<_>>());
    let sql = "SELECT time FROM trades WHERE volume > 17 ORDER BY time LIMIT 70000";
    let some = lake.times(sql).await;
    let expected = (0..).filter(|n| n % 5 != 0 && n / 3 > 17).take(70_000);
    assert_eq!(some, expected.collect::<Vec<_>>());
    let sql = "SELECT time FROM trades UNION ALL SELECT time FROM trades ORDER BY time";
    let both = lake.times(sql).await;
    assert!(both.is_sorted() && both.len() == 8 * ROWS as usize);
}

#[tokio::test]
async fn the_last_rows_are_read_from_the_end() {
    let lake = trades().await;
    let sql = "SELECT time, note FROM trades ORDER BY time DESC LIMIT 3";
    let shown = lake.shown(sql).await;
    assert!(shown.contains("tail=3"), "{shown}");
    let last = 4 * ROWS - 1;
    assert_eq!(lake.times(sql).await, [last, last - 1, last - 2]);
    let sorted = lake
        .cost("SELECT time, note FROM trades ORDER BY note DESC LIMIT 3")
        .await;
    let cost = lake.cost(sql).await;
    assert!(cost * 3 < sorted, "{cost} of {sorted} bytes");
    let before =
        "SELECT time AS t FROM trades WHERE time < to_timestamp(100) ORDER BY t DESC LIMIT 2";
    let shown = lake.shown(before).await;
    assert!(shown.contains("tail=2"), "{shown}");
    assert_eq!(lake.times(before).await, [99, 98]);
    for (sql, first) in [
        (
            "SELECT time FROM trades WHERE volume < 10 ORDER BY time DESC LIMIT 1",
            29,
        ),
        (
            "SELECT time FROM trades ORDER BY volume DESC NULLS LAST, time LIMIT 1",
            last - 2,
        ),
    ] {
        assert!(!lake.shown(sql).await.contains("tail"), "{sql}");
        assert_eq!(lake.times(sql).await, [first], "{sql}");
    }
}

#[tokio::test]
async fn groups_of_the_index_are_made_as_rows_pass() {
    let lake = trades().await;
    let sql = "SELECT time, count(*) FROM trades GROUP BY time";
    let shown = lake.shown(sql).await;
    assert!(shown.contains("ordering_mode=Sorted"), "{shown}");
    let sql =
        "SELECT date_bin(INTERVAL '1 hour', time) AS hour, sum(volume) FROM trades GROUP BY hour";
    let shown = lake.shown(sql).await;
    assert!(shown.contains("ordering_mode=Sorted"), "{shown}");
    assert_eq!(lake.times(&format!("{sql} ORDER BY hour")).await.len(), 67);
}

#[tokio::test]
async fn counts_and_bounds_of_the_index_read_no_rows() {
    let lake = trades().await;
    let sql = "SELECT max(time), min(time), count(*), count(time) FROM trades";
    let shown = lake.shown(sql).await;
    assert!(!shown.contains("FrameScan"), "{shown}");
    assert_eq!(lake.times(sql).await, [4 * ROWS - 1]);
    assert_eq!(lake.cost(sql).await, 0);
    let frame = lake.store.frame(&id("trades"));
    let last = shoots_store::RowsToDelete {
        start: Some(shoots_store::time_bound((4 * ROWS - 1) * SECOND)),
        ..shoots_store::RowsToDelete::default()
    };
    frame.delete_rows(last).await.unwrap();
    assert_eq!(lake.times(sql).await, [4 * ROWS - 2]);
}

#[tokio::test]
async fn conditions_leave_out_segments_pages_and_columns() {
    let lake = trades().await;
    let all = lake
        .cost("SELECT * FROM trades WHERE length(note) > 0")
        .await;
    for (sql, words, share) in [
        (
            "time >= to_timestamp(70000) AND time < to_timestamp(70010)",
            "range=[",
            8,
        ),
        ("time = to_timestamp(200000)", "range=[", 5),
        ("volume BETWEEN 30000 AND 30005", "filter=", 4),
        ("volume = 30000 AND price > 3", "filter=", 4),
        ("symbol = '2-7' AND volume < 41000", "filter=", 3),
        ("price = 1000.0 / 7.0 * 7.0", "filter=", 2),
    ] {
        let sql = format!("SELECT * FROM trades WHERE {sql}");
        let shown = lake.shown(&sql).await;
        assert!(
            shown.contains(words) && !shown.contains("FilterExec"),
            "{shown}"
        );
        let cost = lake.cost(&sql).await;
        assert!(cost * share < all, "{sql}: {cost} of {all} bytes");
    }
    let none = "SELECT * FROM trades WHERE time > to_timestamp(9) AND time < to_timestamp(3)";
    assert_eq!(lake.cost(none).await, 0);
    assert_eq!(lake.answer(none).await.num_rows(), 0);
}

/// Whether a scan settles a condition or an operator above it, the rows are the same.
#[tokio::test]
async fn conditions_mean_the_same_wherever_they_are_settled() {
    let lake = trades().await;
    for condition in [
        "price > 30000",
        "price >= 0.0 AND price < 100",
        "price < 0.0 OR price > 34000",
        "price = -0.0",
        "price <> 0.0 AND volume IS NULL AND time < to_timestamp(5000)",
        "price IS NULL",
        "NOT (price < 34000)",
        "volume IS NULL AND price IS NOT NULL AND price > 34280",
        "volume IN (3, 77, 60000) OR symbol IN ('1-3', '3-89')",
        "volume NOT IN (1, 2) AND symbol = '0-0'",
        "symbol LIKE '%-8%' AND (volume % 2) = 0 AND volume < 3000",
        "symbol NOT LIKE '3-%' AND symbol > '2-5'",
        "symbol <> '0-1' AND time <= to_timestamp(100)",
        "time > to_timestamp(59999) AND time <= to_timestamp(60001)",
        "time IN (to_timestamp(5), to_timestamp(200000))",
        "(volume IS DISTINCT FROM 5) AND time BETWEEN to_timestamp(10) AND to_timestamp(40)",
        "price = volume OR price > 34284",
        "(volume > 79990) IS TRUE",
        "(volume > 10) IS UNKNOWN AND time < to_timestamp(50)",
        "note LIKE 'trade number 1234%'",
        "note = 'trade number 7 of many, which is 49'",
        "true",
        "NULL",
    ] {
        let settled = format!("SELECT * FROM trades WHERE {condition} ORDER BY time");
        let above = format!(
            "SELECT * FROM trades WHERE CASE WHEN {condition} THEN true ELSE false END ORDER BY time"
        );
        let settled = lake.answer(&settled).await;
        let above = lake.answer(&above).await;
        assert_eq!(settled.num_rows(), above.num_rows(), "{condition}");
        assert_eq!(format!("{settled:?}"), format!("{above:?}"), "{condition}");
    }
}

#[tokio::test]
async fn categories_are_sorted_and_joined_beyond_what_their_keys_tell_apart() {
    let lake = trades().await;
    for sql in [
        "SELECT * FROM trades ORDER BY symbol, volume",
        "SELECT a.symbol FROM trades a JOIN trades b USING (time)",
        "SELECT symbol FROM trades UNION ALL SELECT symbol FROM trades",
        "SELECT symbol, count(*) FROM trades GROUP BY symbol",
    ] {
        let plan = lake.plan("trades", sql).await.unwrap();
        let schema = plan.schema();
        let of = schema.field_with_name("symbol").unwrap().data_type();
        let key = matches!(of, DataType::Dictionary(key, _) if **key == DataType::Int8);
        assert!(key, "{sql}: {of}");
        let batches: Vec<RecordBatch> = plan.run().await.unwrap().try_collect().await.unwrap();
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert!(rows == 360 || rows >= 4 * ROWS as usize, "{sql}: {rows}");
    }
}

#[tokio::test]
async fn conditions_on_the_time_of_bins_leave_out_the_others_before_they_are_computed() {
    let lake = trades().await;
    let all = |call: &str| format!("SELECT time, volume FROM resample('trades', {call})");
    for (call, narrows) in [
        ("'17min', [['volume', 'sum']]", true),
        ("'17min', [['volume', 'mean']], fill => 'drop'", true),
        (
            "'17min', [['volume', 'max']], closed => 'right', label => 'right'",
            true,
        ),
        (
            "'7h', [['volume', 'count']], origin => 'start', offset => '1h'",
            true,
        ),
        ("'D', [['volume', 'sum']], label => 'right'", true),
        (
            "'1h', [['volume', 'sum']], start => '1970-01-01T05:30', stop => '1970-01-02'",
            true,
        ),
        (
            "'17min', [['volume', 'first']], by => ['symbol'], fill => 'drop'",
            true,
        ),
        ("'17min', [['volume', 'mean']], fill => 'forward'", false),
        ("'17min', [['volume', 'sum']], origin => 'end'", false),
        ("'17min', [['volume', 'sum']], by => ['symbol']", false),
    ] {
        let whole = lake.answer(&all(call)).await;
        let names = whole.column(0).as_primitive::<TimestampNanosecondType>();
        let conditions = [
            ("time >= TIMESTAMP '1970-01-01T20:00:00'", 72_000, i64::MAX),
            ("time < TIMESTAMP '1970-01-01T07:00:00'", i64::MIN, 25_199),
            (
                "time BETWEEN TIMESTAMP '1970-01-01T06:48:00' AND TIMESTAMP '1970-01-01T10:12:01'",
                24_480,
                36_721,
            ),
            ("time = TIMESTAMP '1970-01-02T00:00:00'", 86_400, 86_400),
            ("time > TIMESTAMP '2024-01-01T00:00:00'", i64::MAX, i64::MAX),
            (
                "time < TIMESTAMP '1969-01-01T00:00:00' AND volume > 0",
                0,
                -1,
            ),
            (
                "time > TIMESTAMP '1970-01-01T10:00:00' AND time < TIMESTAMP '1970-01-01T09:00:00'",
                0,
                -1,
            ),
        ];
        // Where all bins are computed anyhow, one condition is like another.
        let tried = if narrows { conditions.len() } else { 1 };
        for (condition, from, to) in conditions.into_iter().take(tried) {
            let wanted = |time: i64| (from..=to).contains(&(time / SECOND));
            let wanted = names.values().iter().map(|time| Some(wanted(*time)));
            let wanted = arrow_array::BooleanArray::from_iter(wanted);
            let expected = arrow_select::filter::filter_record_batch(&whole, &wanted).unwrap();
            let sql = format!("{} WHERE {condition}", all(call));
            assert_eq!(lake.answer(&sql).await, expected, "{sql}");
        }
        let day = format!("{} WHERE time <= TIMESTAMP '1970-01-02'", all(call));
        let (some, whole) = (lake.cost(&day).await, lake.cost(&all(call)).await);
        let shown = lake.shown(&day).await;
        assert_eq!(shown.contains("bins=0.."), narrows, "{day}: {shown}");
        let saves = narrows && !call.contains("start =>");
        assert_eq!(4 * some < 3 * whole, saves, "{day}: {some} of {whole}");
        let nothing = format!("{} WHERE time > TIMESTAMP '2024-01-01T00:00:00'", all(call));
        let shown = lake.shown(&nothing).await;
        assert_eq!(
            shown.contains("ResampleExec"),
            !narrows,
            "{nothing}: {shown}"
        );
    }
}

#[tokio::test]
async fn bins_hold_the_categories_of_all_segments() {
    let lake = trades().await;
    let by = "resample('trades', '1h', [['volume', 'count']], by => ['symbol'], fill => 'drop')";
    let whole = format!("SELECT CAST(count(DISTINCT symbol) AS BIGINT) FROM {by}");
    assert_eq!(lake.asked_numbers("trades", &whole).await, [4 * 90]);
    let counted = format!("SELECT CAST(sum(volume) AS BIGINT) FROM {by} WHERE symbol = '2-7'");
    let expected = (2 * ROWS..3 * ROWS).filter(|n| n % 90 == 7 && n % 5 != 0);
    let expected = i64::try_from(expected.count()).unwrap();
    assert_eq!(lake.asked_numbers("trades", &counted).await, [expected]);
    let last = "SELECT CAST(count(DISTINCT symbol) AS BIGINT) FROM \
                resample('trades', '1min', [['symbol', 'last']]) WHERE symbol LIKE '3-%'";
    // The last second of each minute.
    let expected: std::collections::HashSet<i64> = (3 * ROWS..4 * ROWS)
        .filter(|n| n % 60 == 59)
        .map(|n| n % 90)
        .collect();
    let expected = i64::try_from(expected.len()).unwrap();
    assert_eq!(lake.asked_numbers("trades", last).await, [expected]);
}

#[tokio::test]
async fn what_a_scan_read_is_told() {
    let lake = lake().await;
    let sql = "EXPLAIN ANALYZE SELECT n FROM numbers";
    let told = lake.ask("numbers", sql).await.unwrap();
    let text = told.column(1).as_string::<i32>().value(0);
    let scan = text
        .lines()
        .find(|line| line.contains("FrameScan"))
        .unwrap();
    assert!(scan.contains("output_rows=10"), "{text}");
    assert!(scan.contains("values_bytes=80"), "{text}");
    assert!(scan.contains("decoded_pages=1"), "{text}");
    assert!(scan.contains("fetched_bytes="), "{text}");
    assert!(!scan.contains("fetched_bytes=0"), "{text}");
}

#[tokio::test]
async fn what_resampling_read_is_told() {
    let lake = trades().await;
    let sql = "EXPLAIN ANALYZE SELECT * FROM resample('trades', '1min', [['symbol', 'last']])";
    let told = lake.ask("trades", sql).await.unwrap();
    let text = told.column(1).as_string::<i32>().value(0);
    let scan = text
        .lines()
        .find(|line| line.contains("ResampleExec"))
        .unwrap();
    for figure in ["output_rows", "fetched_bytes", "decoded_pages"] {
        assert!(scan.contains(&format!("{figure}=")), "{figure}: {text}");
        assert!(!scan.contains(&format!("{figure}=0")), "{figure}: {text}");
    }
}
