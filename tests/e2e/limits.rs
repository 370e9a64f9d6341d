//! Limits of queries, met by actions that make frames of frames: the setting is named, nothing is made, others go on.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampSecondArray};
use futures::TryStreamExt;
use futures::future::join_all;
use shoots_client::proto::action::CombineHow;
use shoots_client::{Error, ErrorKind, PutMode, ShootsClient};

use crate::escapes::ENDLESS;
use crate::refusal::assert_refused;
use crate::rows::{numbers, put, rows};
use crate::server::{Server, until};

/// So many rows, a second apart, in no order, each with a key of its own.
fn ticks(count: i64) -> RecordBatch {
    let shuffled = |n: i64| n * 7919 % count;
    let times = (0..count).map(|n| 1_700_000_000 + shuffled(n));
    let keys = (0..count).map(shuffled);
    let columns: [(&str, ArrayRef); 3] = [
        (
            "time",
            Arc::new(TimestampSecondArray::from_iter_values(times)),
        ),
        ("key", Arc::new(Int64Array::from_iter_values(keys))),
        ("size", Arc::new(Int64Array::from_iter_values(0..count))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Two rows of one key, so far apart that there are more seconds between them than anything could hold.
fn far_apart() -> RecordBatch {
    let columns: [(&str, ArrayRef); 3] = [
        (
            "time",
            Arc::new(TimestampSecondArray::from(vec![0, 30_000_000_000])),
        ),
        ("key", Arc::new(Int64Array::from(vec![1, 1]))),
        ("size", Arc::new(Int64Array::from(vec![1, 2]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// No frame was made by an action that was refused.
async fn is_missing(client: &ShootsClient, frame: &str) {
    let got = client.get(frame).collect_one().await;
    assert_refused(got, ErrorKind::FileNotFoundError, &[frame]);
}

#[tokio::test]
async fn memory_for_bins_is_limited_and_queries_under_way_go_on() {
    let server = Server::with(&["--query-memory-bytes-each", "1048576"]).await;
    let client = server.client().await;
    put(&client, "ticks", PutMode::Error, ticks(100_000)).await;
    put(&client, "apart", PutMode::Error, far_apart()).await;
    let bystander = "select value from range(0, 300000)";
    let mut bystander = client.sql("ticks", bystander).stream().await.unwrap();
    let first = bystander.try_next().await.unwrap().unwrap();
    let words = ["query_memory_bytes_each is 1048576"];
    for (source, by) in [
        // A bin for each second, or a group for each row, or bins without rows between two of a group.
        ("ticks", &[][..]),
        ("ticks", &["key"]),
        ("apart", &["key"]),
    ] {
        let bins = client
            .frame(source)
            .resample("bins", "1s", [("size", "mean")]);
        let bins = bins.time_col("time").by(by.iter().copied());
        assert_refused(bins.send().await, ErrorKind::LimitError, &words);
        let sql = format!(
            "select * from resample('{source}', '1s', [['size', 'mean']], time_col => 'time', by => [{}])",
            by.iter().map(|key| format!("'{key}'")).collect::<String>()
        );
        let got = client.sql(source, &sql).collect_one().await;
        assert_refused(got, ErrorKind::LimitError, &words);
        let made = client.frame(source).resample_sql("bins", sql).send().await;
        assert_refused(made, ErrorKind::LimitError, &words);
    }
    is_missing(&client, "bins").await;
    let rest: Vec<RecordBatch> = bystander.try_collect().await.unwrap();
    let rest: usize = rest.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(first.num_rows() + rest, 300_000);
    let days = client
        .frame("ticks")
        .resample("days", "D", [("size", "count")]);
    let days = days.time_col("time").send().await.unwrap();
    assert_eq!((days.source_rows, days.target_rows), (Some(100_000), 3));
    server.stop().await;
}

#[tokio::test]
async fn time_is_limited_for_whatever_makes_a_frame_of_others() {
    let server = Server::with(&["--query-seconds", "1"]).await;
    let client = server.client().await;
    put(&client, "numbers", PutMode::Error, rows(0..4)).await;
    put(&client, "apart", PutMode::Error, far_apart()).await;
    let constant = |rows: usize| {
        let same: ArrayRef = Arc::new(Int64Array::from(vec![1; rows]));
        RecordBatch::try_from_iter([("same", same)]).unwrap()
    };
    put(&client, "constant", PutMode::Error, constant(50_000)).await;
    let time = ["query_seconds is 1 s"];
    for fill in ["null", "forward", "linear"] {
        let bins = client
            .frame("apart")
            .resample("made", "1s", [("size", "mean")]);
        let bins = bins.time_col("time").fill(fill).send().await;
        assert_refused(bins, ErrorKind::LimitError, &time);
    }
    let pairs = client.combine(CombineHow::Inner, ["constant", "constant"], "made");
    let pairs = pairs.on(["same"]).send().await;
    assert_refused(pairs, ErrorKind::LimitError, &time);
    let endless = ENDLESS.map(|sql| client.frame("numbers").resample_sql("made", sql).send());
    for refused in join_all(endless).await {
        assert_refused(refused, ErrorKind::LimitError, &["query_"]);
    }
    is_missing(&client, "made").await;
    let counted = client.sql("numbers", "select count(*) from numbers");
    assert_eq!(numbers(&counted.collect_one().await.unwrap()), [4]);
    server.stop().await;
}

/// What can be made of `ticks`: much is read for it, and few rows come out.
#[derive(Debug, Clone, Copy)]
enum Making {
    BySql,
    ByTime,
    Combined,
}

impl Making {
    async fn make(self, client: &ShootsClient, target: &str) -> Result<u64, Error> {
        let ticks = client.frame("ticks");
        match self {
            Self::BySql => {
                let sql = "select sum(a.size) as s from ticks a join ticks b on a.key = b.key";
                let made = ticks.resample_sql(target, sql).send().await?;
                Ok(made.target_rows)
            }
            Self::ByTime => {
                let weeks = ticks.resample(target, "4W", "sum").time_col("time");
                Ok(weeks.send().await?.target_rows)
            }
            Self::Combined => {
                let one = client.combine(CombineHow::Inner, ["ticks", "one"], target);
                Ok(one.on(["key"]).send().await?.target_rows)
            }
        }
    }
}

#[tokio::test]
async fn actions_for_which_there_is_no_place_are_refused() {
    let server = Server::with(&["--queries-at-once", "1", "--queries-waiting", "0"]).await;
    let client = server.client().await;
    put(&client, "ticks", PutMode::Error, ticks(1000)).await;
    put(&client, "one", PutMode::Error, ticks(1)).await;
    let endless = "select count(*) from ticks a, ticks b, ticks c, ticks d where a.key + b.key + c.key + d.key = 1";
    let holder = client.sql("ticks", endless).stream().await.unwrap();
    for making in [Making::BySql, Making::ByTime, Making::Combined] {
        let refused = making.make(&client, "made").await;
        assert_refused(refused, ErrorKind::LimitError, &["queries_waiting is 0"]);
    }
    is_missing(&client, "made").await;
    drop(holder);
    for making in [Making::BySql, Making::ByTime, Making::Combined] {
        until("there is a place", async || {
            let made = making.make(&client, &format!("{making:?}/made")).await;
            made.is_ok_and(|rows| rows == 1)
        })
        .await;
    }
    server.stop().await;
}

#[tokio::test]
async fn what_a_killed_server_could_not_hold_in_memory_goes_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let count = || std::fs::read_dir(folder.path()).unwrap().count();
    let place = folder.path().to_str().unwrap();
    let arguments = ["--query-spill-folder", place];
    let living = Server::with(&arguments).await;
    let killed = Server::with(&arguments).await;
    assert_eq!(count(), 2);
    killed.kill().await;
    assert_eq!(count(), 2);
    let next = Server::with(&arguments).await;
    assert_eq!(
        count(),
        2,
        "that of the killed server goes, that of the living one stays"
    );
    next.stop().await;
    assert_eq!(count(), 1);
    living.stop().await;
    assert_eq!(count(), 0);
}
