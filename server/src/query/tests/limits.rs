//! What bounds queries: memory, time, and how many compute at once.

use super::*;

#[tokio::test]
async fn memory_and_time_are_limited() {
    let lake = Lake::new(Config {
        query_memory_bytes: 1 << 20,
        query_seconds: 1,
        ..Config::default()
    })
    .await;
    lake.numbers("numbers", 0..1000).await;
    let greedy = "SELECT array_agg(a.n + b.n) FROM numbers a CROSS JOIN numbers b";
    let error = lake.refused("numbers", greedy).await;
    assert_eq!(error.kind, ErrorKind::LimitError, "{error}");
    let endless = "SELECT count(*) FROM numbers a, numbers b, numbers c, numbers d WHERE a.n + b.n + c.n + d.n = 1";
    let error = lake.refused("numbers", endless).await;
    assert_eq!(error.kind, ErrorKind::LimitError, "{error}");
    assert!(error.message.contains("1 s"), "{error}");
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
    let reserved = || lake.queries.engine.reserved();
    assert!(reserved() > 0);
    let freed = async {
        while reserved() > 0 || lake.queries.turns.free() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), freed).await.unwrap();
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
