//! Combinations in plans: what is sorted, what is read, what they hold in memory.

use super::*;

impl Lake {
    /// A frame with a time, a key and a value, in as many commits as there are runs of times.
    async fn ticks(&self, frame: &str, index: &[&str], runs: &[std::ops::Range<i64>], keys: i64) {
        for run in runs {
            let options = PutOptions {
                mode: PutMode::Append,
                index: index.iter().map(|&column| column.to_owned()).collect(),
                ..PutOptions::default()
            };
            let times = run.clone().collect::<Vec<_>>();
            let column = |of: fn(i64, i64) -> i64| -> ArrayRef {
                Arc::new(Int64Array::from_iter_values(
                    times.iter().map(|time| of(*time, keys)),
                ))
            };
            let columns = [
                ("t", column(|time, _| time)),
                ("k", column(|time, keys| time % keys)),
                ("v", column(|time, _| time * 10)),
                ("wide", column(|time, _| scattered(time))),
            ];
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let frame = self.store.frame(&id(frame));
            let mut writer = frame.put(batch.schema(), options).await.unwrap();
            writer.write(batch).await.unwrap();
            writer.commit().await.unwrap();
        }
    }

    async fn operators(&self, frame: &str, sql: &str) -> String {
        let plan = self.plan(frame, sql).await.unwrap();
        displayable(plan.physical.as_ref())
            .indent(false)
            .to_string()
    }
}

/// A number that looks like chance, so that a column of such takes its full width.
fn scattered(number: i64) -> i64 {
    let mixed = number.wrapping_mul(0x5851_f42d_4c95_7f2d);
    (mixed ^ (mixed >> 29)).wrapping_mul(0x1405_7b7e_f767_814f)
}

#[tokio::test]
async fn frames_that_are_sorted_are_not_sorted_again() {
    let lake = Lake::new(Config::default()).await;
    let runs = [0..500, 500..1000];
    for (name, index) in [("a", vec!["t"]), ("b", vec!["t"]), ("plain", vec![])] {
        lake.ticks(name, &index, &runs, 7).await;
    }
    for (sql, sorts) in [
        ("SELECT * FROM asof_join('a', 'b', 't', by => 'k')", 0),
        ("SELECT * FROM asof_join('a', 'plain', 't')", 1),
        ("SELECT * FROM inner_join('a', 'b', 't')", 0),
        ("SELECT * FROM left_join('a', 'plain', 't')", 1),
        ("SELECT * FROM outer_join('a', 'b', 't')", 0),
        ("SELECT * FROM right_join('a', 'b', 't')", 1),
        ("SELECT * FROM concat('a', 'b', sorted => true)", 0),
    ] {
        let shown = lake.operators("a", sql).await;
        assert_eq!(shown.matches("SortExec").count(), sorts, "{sql}\n{shown}");
    }
}

#[tokio::test]
async fn only_columns_and_times_that_are_asked_for_are_read() {
    let lake = Lake::new(Config::default()).await;
    lake.ticks("a", &["t"], &[0..500, 500..1000], 7).await;
    lake.ticks("b", &["t"], &[0..500, 500..1000], 7).await;
    let sql = "SELECT v_y FROM asof_join('a', 'b', 't') WHERE t >= 900";
    let shown = lake.operators("a", sql).await;
    assert!(shown.contains("frame=a, columns=[t], start=900"), "{shown}");
    assert!(shown.contains("frame=b, columns=[v, t]"), "{shown}");
    assert_eq!(lake.asked_numbers("a", sql).await[0], 9000);
    let sql = "SELECT t FROM outer_join('a', 'b', 't') WHERE t < 3";
    let shown = lake.operators("a", sql).await;
    assert_eq!(shown.matches("stop=3").count(), 2, "{shown}");
    assert_eq!(lake.asked_numbers("a", sql).await, [0, 1, 2]);
    // A row that a condition on one side leaves out must not become one without a partner.
    let sql = "SELECT count(*) FROM left_join('a', 'b', 't') WHERE v_y >= 0";
    assert_eq!(lake.asked_numbers("a", sql).await, [1000]);
}

#[tokio::test]
async fn memory_follows_the_keys_and_how_far_a_join_looks_ahead() {
    let lake = Lake::new(Config {
        query_memory_bytes: 4 << 20,
        ..Config::default()
    })
    .await;
    let runs: Vec<_> = (0..10)
        .map(|run| run * 50_000..(run + 1) * 50_000)
        .collect();
    lake.ticks("many", &["t"], &runs, 7).await;
    lake.ticks("few", &["t"], &[0..10, 499_990..500_000], 7)
        .await;
    lake.ticks("alien", &["t"], &[0..10, 499_990..500_000], 1)
        .await;
    let count = "SELECT count(v_y) FROM asof_join";
    for (sql, expected) in [
        (format!("{count}('few', 'many', 't', by => 'k')"), 20),
        (
            format!("{count}('few', 'many', 't', direction => 'forward')"),
            20,
        ),
        (
            format!(
                "{count}('few', 'many', 't', by => 'k', direction => 'nearest', tolerance => 5)"
            ),
            20,
        ),
    ] {
        assert_eq!(lake.asked_numbers("few", &sql).await, [expected], "{sql}");
    }
    // No row has this key, and to know that, all rows have to be looked at while the others wait.
    let sql = format!(
        "{count}('few', 'many', 't', left_by => 'v', right_by => 'k', direction => 'forward')"
    );
    let error = lake.refused("few", &sql).await;
    assert_eq!(error.kind, ErrorKind::LimitError, "{error}");
}

/// Each commit has one key, and is a segment.
#[tokio::test]
async fn segments_of_a_key_whose_newest_row_is_known_are_not_read() {
    let lake = Lake::new(Config::default()).await;
    for key in 0..3 {
        for run in 0..8 {
            let first = (key * 8 + run) * 100;
            let times = Int64Array::from_iter_values(first..first + 100);
            let keys = Int64Array::from_iter_values(std::iter::repeat_n(key, 100));
            let columns: [(&str, ArrayRef); 2] = [("k", Arc::new(keys)), ("t", Arc::new(times))];
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let options = PutOptions {
                mode: PutMode::Append,
                index: vec!["k".to_owned(), "t".to_owned()],
                ..PutOptions::default()
            };
            let mut writer = lake
                .store
                .frame(&id("a"))
                .put(batch.schema(), options)
                .await
                .unwrap();
            writer.write(batch).await.unwrap();
            writer.commit().await.unwrap();
        }
    }
    let before = lake.store.requests();
    let newest = lake
        .asked_numbers("a", "SELECT t FROM latest('a', 'k')")
        .await;
    assert_eq!(newest, [799, 1599, 2399]);
    let after = lake.store.requests();
    let read = after.segment_reads - before.segment_reads;
    assert!(read < 12, "{read} of 24 segments were read");
}

/// The wide column is read only where the newest rows are.
#[tokio::test]
async fn of_other_segments_only_the_keys_are_read() {
    let lake = Lake::new(Config::default()).await;
    let runs: Vec<_> = (0..10)
        .map(|run| run * 50_000..(run + 1) * 50_000)
        .collect();
    lake.ticks("a", &["t"], &runs, 3).await;
    let before = lake.store.requests().segment_bytes;
    let newest = lake
        .asked_numbers("a", "SELECT v FROM latest('a', 'k')")
        .await;
    assert_eq!(newest, [4_999_970, 4_999_980, 4_999_990]);
    let keys = lake.store.requests().segment_bytes - before;
    lake.ask("a", "SELECT k, wide FROM a").await.unwrap();
    let both = lake.store.requests().segment_bytes - before - keys;
    assert!(
        keys * 3 < both,
        "{keys} bytes of keys, {both} of keys and values"
    );
}

#[tokio::test]
async fn names_of_functions_are_free_for_frames() {
    let lake = lake().await;
    lake.numbers("latest", 0..3).await;
    lake.numbers("concat", 3..6).await;
    let sql = "SELECT n FROM concat('latest', 'concat') WHERE n IN (SELECT n FROM latest)";
    assert_eq!(lake.asked_numbers("numbers", sql).await, [0, 1, 2]);
    let sql = "SELECT n FROM \"concat\"";
    assert_eq!(lake.asked_numbers("numbers", sql).await, [3, 4, 5]);
}

#[tokio::test]
async fn frames_of_columns_are_named_as_in_sql() {
    use shoots_proto::{BucketName, ColumnsTicket};
    let lake = Lake::new(Config::default()).await;
    for frame in ["a", "dotted.name", "nyc/b", "nyc/c"] {
        lake.ticks(frame, &["t"], &[0..5, 5..10], 7).await;
    }
    let asked = async |bucket: Option<&str>, columns: &[&str], frames: Option<&[&str]>| {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let ticket = ColumnsTicket {
            bucket: bucket.map(|name| BucketName::parse(name).unwrap()),
            frames: frames.map(list),
            ..ColumnsTicket::new(columns.iter().copied())
        };
        let plan = lake.queries.columns(&(&lake.store).into(), &ticket).await;
        plan.map(|plan| plan.schema().fields().len())
            .map_err(|failure| failure.to_string())
    };
    assert_eq!(asked(Some("nyc"), &["\"\".a.v", "b.v"], None).await, Ok(3));
    assert_eq!(asked(None, &["v"], Some(&["nyc.b"])).await, Ok(2));
    assert_eq!(
        asked(None, &["a.v", "b.v"], Some(&["a", "nyc.*"])).await,
        Ok(3)
    );
    assert_eq!(asked(Some("nyc"), &["v"], Some(&["\"\".a"])).await, Ok(2));
    assert_eq!(asked(None, &["v"], Some(&["dotted.name"])).await, Ok(2));
    let missing = asked(None, &["v"], Some(&["nope"])).await.unwrap_err();
    assert!(missing.contains("no such frame: nope"), "{missing}");
    let several = asked(Some("nyc"), &["v"], Some(&["\"\".a", "b"]))
        .await
        .unwrap_err();
    assert!(several.contains("\"\".a.v, b.v"), "{several}");
    let none = asked(None, &["v"], Some(&["x*"])).await.unwrap_err();
    assert!(none.contains("there are no frames"), "{none}");
}

#[tokio::test]
async fn names_in_calls_may_be_quoted() {
    let lake = Lake::new(Config::default()).await;
    for frame in ["a", "o\"d.d 'x", "nyc/o.d"] {
        lake.ticks(frame, &["t"], &[0..5, 5..10], 7).await;
    }
    for name in ["\"a\"", "\"o\"\"d.d ''x\"", "nyc.\"o.d\"", "\"\".a"] {
        let sql = format!("SELECT count(*) FROM latest('{name}', 't')");
        assert_eq!(lake.asked_numbers("a", &sql).await, [10], "{sql}");
    }
    let missing = "SELECT * FROM asof_join('a', '\"\".aa', 't')";
    let error = lake.refused("a", missing).await;
    assert!(error.message.contains("no such frame: aa"), "{error}");
}
