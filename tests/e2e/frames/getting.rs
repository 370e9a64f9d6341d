//! Getting rows: all of them or some, of the newest state or an older one; and what is said about them before.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use futures::TryStreamExt;
use shoots_client::proto::as_of::parse_time;
use shoots_client::{AsOf, ErrorKind, GetRequest, PutMode, ShootsClient, ToFrameId};

use crate::refusal::assert_refused;
use crate::rows::{get, numbers, put, rows, schema};
use crate::server::{Server, look_into};

/// A frame of three versions: ten rows, ten more, and then five others.
async fn history(client: &ShootsClient) {
    put(client, "nyc/a", PutMode::Error, rows(0..10)).await;
    put(client, "nyc/a", PutMode::Append, rows(10..20)).await;
    put(client, "nyc/a", PutMode::Replace, rows(50..55)).await;
}

#[tokio::test]
async fn rows_come_as_a_stream_or_collected() {
    let server = Server::start().await;
    let client = server.client().await;
    history(&client).await;
    let whole = get(&client, "nyc/a").await;
    assert_eq!(whole, rows(50..55));
    assert_eq!(
        client.get("a").bucket("nyc").collect_one().await.unwrap(),
        whole
    );
    assert_eq!(client.get(("nyc", "a")).collect_one().await.unwrap(), whole);
    let collected = client.get("nyc/a").collect().await.unwrap();
    assert_eq!(concat_batches(&schema(), &collected).unwrap(), whole);
    let stream = client.get("nyc/a").stream().await.unwrap();
    assert_eq!(stream.schema(), schema());
    let streamed: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    assert_eq!(concat_batches(&schema(), &streamed).unwrap(), whole);
    server.stop().await;
}

#[tokio::test]
async fn columns_limit_and_offset_select() {
    let server = Server::start().await;
    let client = server.client().await;
    for start in [0, 10, 20] {
        put(&client, "a", PutMode::Append, rows(start..start + 10)).await;
    }
    let some = client.get("a").columns(["Text", "n"]).offset(8).limit(5);
    let some = some.collect_one().await.unwrap();
    assert_eq!(some, rows(8..13).project(&[1, 0]).unwrap());
    let text = client
        .get("a")
        .columns(["Text"])
        .collect_one()
        .await
        .unwrap();
    assert_eq!(text, rows(0..30).project(&[1]).unwrap());
    let none: [&str; 0] = [];
    let bare = client.get("a").columns(none).collect_one().await.unwrap();
    assert_eq!((bare.num_columns(), bare.num_rows()), (0, 30));
    for (offset, limit, expected) in [
        (0, 30, 0..30),
        (0, u64::MAX, 0..30),
        (29, 1, 29..30),
        (25, 100, 25..30),
        (0, 0, 0..0),
        (30, 5, 0..0),
        (u64::MAX, u64::MAX, 0..0),
    ] {
        let part = client
            .get("a")
            .offset(offset)
            .limit(limit)
            .collect_one()
            .await
            .unwrap();
        assert_eq!(part, rows(expected), "{offset} {limit}");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_way_to_name_a_version_finds_it() {
    let server = Server::start().await;
    let client = server.client().await;
    history(&client).await;
    let store = look_into(server.folder()).await;
    let frame = store.frame(&"nyc/a".to_frame_id().unwrap());
    let records = frame.history(10, None).await.unwrap().commits;
    for (record, expected) in records.iter().rev().zip([0..10, 0..20, 50..55]) {
        let version = i64::try_from(record.version).unwrap();
        let published = record.published.to_string();
        let time = parse_time(&published).unwrap();
        for as_of in [
            AsOf::Version(version),
            AsOf::Version(version - 4),
            AsOf::Commit(record.commit[..12].to_owned()),
            AsOf::Commit(record.commit.clone()),
            AsOf::Short(record.commit[..12].to_owned()),
            AsOf::Time(time),
            AsOf::Short(published.clone()),
        ] {
            let got = client
                .get("nyc/a")
                .as_of(as_of.clone())
                .collect_one()
                .await
                .unwrap();
            assert_eq!(got, rows(expected.clone()), "{as_of}");
            let sql = client.sql("nyc/a", "select n from a").as_of(as_of.clone());
            let asked = numbers(&sql.collect_one().await.unwrap());
            assert_eq!(asked, expected.clone().collect::<Vec<_>>(), "{as_of}");
        }
    }
    for as_of in [
        AsOf::Version(4),
        AsOf::Version(-4),
        AsOf::Tag("monthly".to_owned()),
        AsOf::Commit("0123456789abcdef".to_owned()),
        AsOf::Time(parse_time("1999-12-31").unwrap()),
    ] {
        let missing = client.get("nyc/a").as_of(as_of).collect_one().await;
        assert_refused(missing, ErrorKind::FileNotFoundError, &["no such"]);
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_said_before_is_what_comes() {
    let server = Server::start().await;
    let client = server.client().await;
    history(&client).await;
    let whole = || client.get("nyc/a");
    type Ask<'a> = &'a dyn Fn() -> GetRequest;
    let asks: [(Ask<'_>, Option<u64>); 9] = [
        (&|| whole(), Some(5)),
        (&|| whole().as_of(AsOf::Version(2)), Some(20)),
        (&|| whole().columns(["Text"]), Some(5)),
        (&|| whole().columns(["Text", "n"]).limit(2), Some(2)),
        (&|| whole().offset(4), Some(1)),
        (&|| whole().offset(9).limit(3), Some(0)),
        (&|| whole().sql("select * from a"), None),
        (
            &|| whole().sql("select Text, n * 2.5 as m, count(*) over () from a"),
            None,
        ),
        (
            &|| whole().sql("select max(n) from a group by n").limit(1),
            None,
        ),
    ];
    for (place, (ask, expected)) in asks.into_iter().enumerate() {
        let stream = ask().stream().await.unwrap();
        let schema = stream.schema();
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        assert!(batches.iter().all(|batch| batch.schema() == schema));
        let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let described = ask().describe().await.unwrap();
        assert_eq!(ask().schema().await.unwrap(), schema, "{place}");
        assert_eq!(described.schema, schema, "{place}");
        assert_eq!(described.rows, expected, "{place}");
        if let Some(expected) = expected {
            assert_eq!(u64::try_from(count).unwrap(), expected, "{place}");
        }
    }
    let info = client.info("nyc/a").await.unwrap();
    assert_eq!(info.schema, client.schema("nyc/a").await.unwrap());
    assert_eq!(info.frame, "nyc/a".to_frame_id().unwrap());
    let summary = info.summary;
    assert_eq!(
        (summary.version, summary.rows, summary.segments),
        (Some(3), 5, 1)
    );
    let newest = look_into(server.folder())
        .await
        .frame(&info.frame)
        .history(1, None)
        .await
        .unwrap()
        .commits;
    assert_eq!(summary.commit.as_ref(), Some(&newest[0].commit));
    server.stop().await;
}

#[tokio::test]
async fn a_reader_sees_one_state_whatever_is_written_meanwhile() {
    let server = Server::start().await;
    let client = server.client().await;
    let batches = (0..60).map(|part| rows(part * 2000..(part + 1) * 2000));
    client.put("a").send(schema(), batches).await.unwrap();
    let mut reading = client.get("a").stream().await.unwrap();
    let first = reading.try_next().await.unwrap().unwrap();
    put(&client, "a", PutMode::Append, rows(0..7)).await;
    put(&client, "a", PutMode::Replace, rows(-3..0)).await;
    client.delete("a").await.unwrap();
    let mut received = vec![first];
    received.extend(reading.try_collect::<Vec<_>>().await.unwrap());
    assert_eq!(
        concat_batches(&schema(), &received).unwrap(),
        rows(0..120_000)
    );
    server.stop().await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let server = Server::start().await;
    let client = server.client().await;
    history(&client).await;
    put(&client, "b", PutMode::Error, rows(0..1)).await;
    let before = client.list().all_buckets().send().await.unwrap();
    let folder = Arc::clone(server.folder());
    server.stop().await;
    let server = Server::on(&folder, &[]).await;
    let client = server.client().await;
    assert_eq!(client.list().all_buckets().send().await.unwrap(), before);
    assert_eq!(get(&client, "nyc/a").await, rows(50..55));
    let older = client
        .get("nyc/a")
        .as_of(AsOf::Version(2))
        .collect_one()
        .await;
    assert_eq!(older.unwrap(), rows(0..20));
    assert_eq!(
        put(&client, "nyc/a", PutMode::Append, rows(55..60))
            .await
            .version,
        4
    );
    server.stop().await;
}
