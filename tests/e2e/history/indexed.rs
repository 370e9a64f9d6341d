//! Frames with an index: reading ranges, correcting them, merging rows into them, deleting from them.

use shoots_client::{Closed, ErrorKind, PutMode, UpdateScope};

use super::{all, at, hours, put, told, weather};
use crate::refusal::{assert_not_sent, assert_refused};
use crate::rows;
use crate::server::Server;

#[tokio::test]
async fn ranges_come_in_the_order_of_the_index_however_the_rows_came() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("nyc/weather");
    put(&frame, PutMode::Append, hours(20..40)).await;
    put(&frame, PutMode::Append, hours(0..25)).await;
    let whole = all(&frame).await;
    assert_eq!(whole.num_rows(), 90);
    assert!(told(&whole).is_sorted_by_key(|(hour, station, _)| (*hour, station.clone())));

    let (noon, three) = ("2013-01-01T12:00:00Z", "2013-01-01T15:00:00Z");
    for (closed, expected) in [
        (None, 12..15),
        (Some(Closed::Left), 12..15),
        (Some(Closed::Right), 13..16),
        (Some(Closed::Both), 12..16),
        (Some(Closed::Neither), 13..15),
    ] {
        let get = frame.get().start(noon).stop(three);
        let get = closed
            .into_iter()
            .fold(get, |get, closed| get.closed(closed));
        let found = at(&get.collect_one().await.unwrap(), "JFK");
        let hours: Vec<i64> = found.into_iter().map(|(hour, _)| hour).collect();
        assert_eq!(hours, expected.collect::<Vec<_>>(), "{closed:?}");
    }
    let get = || frame.get().columns(["temp", "origin", "time_hour"]);
    let last = get().stop("2013-01-01T03:00").tail(2).collect_one().await;
    assert_eq!(
        told(&last.unwrap()),
        [
            (2, "EWR".to_owned(), Some(2.0)),
            (2, "JFK".to_owned(), Some(2.0))
        ]
    );
    let some = get().start("2013-01-02").offset(1).limit(2);
    let described = some.describe().await.unwrap();
    assert_eq!((described.rows, described.bytes), (None, None));
    let tail = frame.get().tail(7).describe().await.unwrap();
    assert_eq!(tail.rows, Some(7));
    let some = get()
        .start("2013-01-02")
        .offset(1)
        .limit(2)
        .collect_one()
        .await
        .unwrap();
    assert_eq!(some.schema(), described.schema);
    assert_eq!(told(&some)[1].0, 24);
    server.stop().await;
}

#[tokio::test]
async fn an_update_replaces_a_range_and_an_upsert_rows_of_equal_keys() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("weather");
    put(&frame, PutMode::Error, hours(0..10)).await;
    // What the data covers: hours 3 to 5, and JFK goes there.
    let corrected = weather(&[(3, "EWR", Some(-3.0)), (5, "EWR", Some(-5.0))]);
    let update = put(&frame, PutMode::Update, corrected).await;
    assert_eq!((update.version, update.rows), (2, 2));
    let now = all(&frame).await;
    assert_eq!(
        at(&now, "EWR")[2..6]
            .iter()
            .map(|(hour, _)| *hour)
            .collect::<Vec<_>>(),
        [2, 3, 5, 6]
    );
    assert_eq!(at(&now, "JFK").len(), 7);
    // Only keys that the data has.
    let again = weather(&[(0, "JFK", None), (9, "JFK", Some(99.0))]);
    let keys = frame.put().mode(PutMode::Update).scope(UpdateScope::Keys);
    keys.send_batch(again).await.unwrap();
    let now = all(&frame).await;
    assert_eq!(at(&now, "JFK").first(), Some(&(0, None)));
    assert_eq!(at(&now, "JFK").last(), Some(&(9, Some(99.0))));
    assert_eq!(at(&now, "JFK").len(), 7);
    // A range that is given, wider than the data.
    let given = frame
        .put()
        .mode(PutMode::Update)
        .start("2013-01-01T06:00")
        .stop("2013-01-01T09:00");
    given
        .send_batch(weather(&[(7, "LGA", Some(7.5))]))
        .await
        .unwrap();
    let now = all(&frame).await;
    assert_eq!(
        told(&now)
            .iter()
            .filter(|(hour, ..)| (6..9).contains(hour))
            .count(),
        1
    );
    // Equal keys are replaced, other rows come in between.
    let merged = weather(&[
        (7, "LGA", Some(0.5)),
        (2, "LGA", Some(2.5)),
        (7, "LGA", Some(1.5)),
    ]);
    put(&frame, PutMode::Upsert, merged).await;
    assert_eq!(
        at(&all(&frame).await, "LGA"),
        [(2, Some(2.5)), (7, Some(1.5))]
    );
    server.stop().await;
}

#[tokio::test]
async fn rows_are_deleted_by_range_by_condition_and_by_both() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("nyc/Weather");
    put(&frame, PutMode::Error, hours(0..10)).await;
    let deleted = frame
        .delete_rows()
        .start("2013-01-01T08:00")
        .author("ada")
        .message("late");
    let deleted = deleted.send().await.unwrap();
    assert_eq!((deleted.version, deleted.rows_removed), (Some(2), 4));
    let deleted = frame
        .delete_rows()
        .stop("2013-01-01T04:00")
        .condition("weather.TEMP between 1 and 6 and lower(origin) = 'jfk'");
    assert_eq!(
        deleted
            .request_id("once")
            .send()
            .await
            .unwrap()
            .rows_removed,
        3
    );
    assert_eq!(at(&all(&frame).await, "JFK").len(), 5);
    let nothing = frame
        .delete_rows()
        .condition("temp > 1000")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (nothing.version, nothing.commit, nothing.rows_removed),
        (None, None, 0)
    );
    let log = frame.log().send().await.unwrap();
    assert_eq!(log.commits.len(), 3);
    assert_eq!(log.commits[1].author.as_deref(), Some("ada"));
    assert_eq!(log.commits[1].rows_removed, 4);
    let every = frame.delete_rows().condition("true").send().await.unwrap();
    assert_eq!(every.rows_removed, 13);
    assert_eq!(all(&frame).await.num_rows(), 0);
    server.stop().await;
}

#[tokio::test]
async fn conditions_need_no_index() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("plain");
    frame.put().send_batch(rows::rows(0..100)).await.unwrap();
    let deleted = frame
        .delete_rows()
        .condition("n % 2 = 0 or Text is null")
        .send()
        .await;
    assert_eq!(deleted.unwrap().rows_removed, 67);
    let left = rows::numbers(&all(&frame).await);
    assert!(left.iter().all(|n| n % 2 == 1 && n % 3 != 0), "{left:?}");
    assert_eq!(left.len(), 33);
    server.stop().await;
}

#[tokio::test]
async fn what_a_frame_cannot_do_is_refused_by_name() {
    let server = Server::start().await;
    let client = server.client().await;
    let plain = client.frame("plain");
    plain.put().send_batch(rows::rows(0..3)).await.unwrap();
    let invalid = ErrorKind::InvalidRequestError;
    assert_refused(
        plain.get().start(1).collect().await,
        invalid,
        &["start", "no index"],
    );
    for mode in [PutMode::Update, PutMode::Upsert] {
        let put = plain.put().mode(mode).send_batch(rows::rows(0..1)).await;
        assert_refused(put, invalid, &["index"]);
    }
    assert_refused(
        plain.delete_rows().stop(1).send().await,
        invalid,
        &["stop", "no index"],
    );
    let frame = client.frame("weather");
    put(&frame, PutMode::Error, hours(0..3)).await;
    let other = frame.put().mode(PutMode::Append).index(["origin"]);
    assert_refused(other.send_batch(hours(3..4)).await, invalid, &["index"]);
    let text = rows::column("key", arrow_array::StringArray::from(vec![Some("a"), None]));
    let null = client.put("keys").index(["key"]).send_batch(text).await;
    assert_refused(null, invalid, &["key", "null"]);
    assert!(!client.exists("keys").await.unwrap());
    let missing = client
        .put("keys")
        .index(["nothing"])
        .send_batch(rows::rows(0..1))
        .await;
    assert_refused(missing, invalid, &["nothing"]);
    let bound = frame.get().start("yesterday").collect().await;
    assert_refused(bound, invalid, &["start", "yesterday"]);
    let both = frame.get().tail(1).limit(1).collect().await;
    assert_refused(both, invalid, &["tail", "limit"]);
    let range = frame
        .put()
        .mode(PutMode::Append)
        .start(1)
        .send_batch(hours(0..1))
        .await;
    assert_refused(range, invalid, &["start", "update"]);
    let sql = ErrorKind::DataFusionError;
    for (condition, words) in [
        ("tempo > 1", "tempo"),
        ("temp > (select max(temp) from weather)", "query"),
        ("temp > avg(temp)", "aggregates"),
        ("temp + 1", "double"),
        ("temp >", "expression"),
    ] {
        let refused = frame.delete_rows().condition(condition).send().await;
        assert_refused(refused, sql, &[words]);
    }
    let deep = format!("temp = 0{}", " or temp = 1".repeat(3_000));
    assert_refused(
        frame.delete_rows().condition(deep).send().await,
        invalid,
        &["where", "1000"],
    );
    assert_refused(
        frame.delete_rows().send().await,
        invalid,
        &["where", "start"],
    );
    assert_not_sent(frame.tag("17").send().await, invalid, &["tag", "17"]);
    assert_eq!(frame.log().send().await.unwrap().commits.len(), 1);
    server.stop().await;
}
