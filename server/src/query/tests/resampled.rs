//! Resampling in queries: what is sorted, and what times that lie far apart cost.

use arrow_array::TimestampSecondArray;

use super::*;

impl Lake {
    /// A frame of times, of the symbols `a` and `b`, and of a value.
    async fn far(&self, frame: &str, index: &[&str], seconds: &[i64]) {
        let symbols = (0..seconds.len()).map(|row| if row % 2 == 0 { "a" } else { "b" });
        let values = (0..seconds.len()).map(|row| row as i64 + 1);
        let columns: [(&str, ArrayRef); 3] = [
            ("t", Arc::new(TimestampSecondArray::from(seconds.to_vec()))),
            ("symbol", Arc::new(StringArray::from_iter_values(symbols))),
            ("v", Arc::new(Int64Array::from_iter_values(values))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let options = PutOptions {
            mode: PutMode::Append,
            index: index.iter().map(|&column| column.to_owned()).collect(),
            ..PutOptions::default()
        };
        let mut writer = self
            .store
            .frame(&id(frame))
            .put(batch.schema(), options)
            .await
            .unwrap();
        writer.write(batch).await.unwrap();
        writer.commit().await.unwrap();
    }
}

#[tokio::test]
async fn bins_come_in_order_of_time_and_are_not_sorted_again() {
    let lake = Lake::new(Config::default()).await;
    lake.far("near", &["t"], &[5, 100, 7_000, 7_001, 9_000])
        .await;
    for (sql, sorts) in [
        ("SELECT * FROM resample('near', '1h', 'max') ORDER BY t", 0),
        (
            "SELECT v, t FROM resample('near', '1h', [['v', 'max']]) ORDER BY t LIMIT 5",
            0,
        ),
        (
            "SELECT * FROM resample('near', '1h', 'max', by => ['symbol']) ORDER BY t",
            0,
        ),
        (
            "SELECT * FROM resample('near', '1h', 'max', by => ['symbol']) ORDER BY t, symbol",
            0,
        ),
        (
            "SELECT * FROM resample('near', '1h', 'max', by => ['symbol']) ORDER BY symbol, t",
            1,
        ),
        (
            "SELECT * FROM resample('near', '1h', [['v', 'max']]) ORDER BY v",
            1,
        ),
        (
            "SELECT * FROM resample('near', '1h', [['v', 'max']]) ORDER BY t DESC",
            1,
        ),
    ] {
        let plan = lake.plan("near", sql).await.unwrap();
        let shown = displayable(plan.physical.as_ref())
            .indent(false)
            .to_string();
        assert_eq!(shown.matches("SortExec").count(), sorts, "{sql}\n{shown}");
        lake.ask("near", sql).await.unwrap();
    }
}

#[tokio::test]
async fn two_rows_cost_what_two_rows_cost_however_far_apart_they_are() {
    let lake = Lake::new(Config::default()).await;
    for (frame, far) in [
        ("all", i64::MAX),
        ("far", 1_000_000_000_000_000),
        ("ages", 8_000_000_000_000),
    ] {
        let first = if frame == "all" { i64::MIN } else { 0 };
        lake.far(frame, &["t"], &[first, far]).await;
        lake.far(&format!("{frame}_plain"), &[], &[far, first])
            .await;
        for rule in [
            "s", "1h", "D", "B", "W", "2W-WED", "MS", "ME", "QS", "QE", "YS", "YE",
        ] {
            for frame in [frame.to_owned(), format!("{frame}_plain")] {
                for more in ["", ", time_zone => 'Europe/Berlin'", ", by => ['symbol']"] {
                    let sql = format!(
                        "SELECT v FROM resample('{frame}', '{rule}', [['v', 'sum']], time_col => 't', fill => 'drop'{more})"
                    );
                    let case = format!("{sql} of times to {far}");
                    let asked = timeout(Duration::from_secs(60), lake.ask(&frame, &sql)).await;
                    match asked.expect(&case) {
                        Ok(batch) => assert_eq!(batch.num_rows(), 2, "{case}"),
                        Err(Failure::Domain(body)) => {
                            assert!(body.message.contains("reach too far"), "{case}: {body}");
                            assert_ne!(far, 8_000_000_000_000, "{case}");
                        }
                        Err(other) => panic!("{case}: {other:?}"),
                    }
                }
            }
        }
    }
    // Empty bins are made as they are taken.
    let sql = "SELECT v FROM resample('far', 'ME', [['v', 'sum']]) LIMIT 3";
    assert_eq!(lake.asked_numbers("far", sql).await, [1, 0, 0]);
}
