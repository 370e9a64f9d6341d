//! Two servers on one folder: they share nothing but the disk, and see each other's writes at once.

use futures::future;
use shoots_client::{AsOf, BucketDeleteMode, ErrorKind, PutMode, ShootsClient, ToFrameId};

use crate::refusal::assert_refused;
use crate::rows::{get, numbers, put, rows};
use crate::server::{Server, fresh_folder, look_into};
use crate::stamp::{Stamp, stamps};

/// Every version is one that a test has put.
const ONLY_PUTS: &[&str] = &["--compaction=false"];

async fn pair() -> [Server; 2] {
    let folder = fresh_folder();
    [
        Server::on(&folder, ONLY_PUTS).await,
        Server::on(&folder, ONLY_PUTS).await,
    ]
}

async fn clients([one, other]: &[Server; 2]) -> [ShootsClient; 2] {
    [one.client().await, other.client().await]
}

async fn stop([one, other]: [Server; 2]) {
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_that_write_the_same_frames_lose_nothing() {
    const FRAMES: [&str; 2] = ["a", "nyc/b"];
    const PUTS: u64 = 12;
    let servers = pair().await;
    let mut writers = Vec::new();
    for (writer, server) in (0..).zip([&servers[0], &servers[1], &servers[0], &servers[1]]) {
        let client = server.client().await;
        writers.push(tokio::spawn(async move {
            let mut versions = [Vec::new(), Vec::new()];
            for turn in 0..PUTS {
                for (frame, versions) in FRAMES.iter().zip(&mut versions) {
                    let stamp = Stamp(writer * 1000 + turn);
                    let put = stamp.put(&client, frame, PutMode::Append).await.unwrap();
                    versions.push((put.version, stamp));
                }
            }
            versions
        }));
    }
    let told = future::try_join_all(writers).await.unwrap();
    for (at, frame) in FRAMES.iter().enumerate() {
        let mut told: Vec<(u64, Stamp)> = told
            .iter()
            .flat_map(|versions| versions[at].clone())
            .collect();
        told.sort_unstable();
        let versions: Vec<u64> = told.iter().map(|(version, _)| *version).collect();
        assert_eq!(versions, (1..=4 * PUTS).collect::<Vec<_>>());
        let in_order: Vec<Stamp> = told.iter().map(|(_, stamp)| *stamp).collect();
        for client in clients(&servers).await {
            assert_eq!(stamps(&get(&client, frame).await), in_order);
            assert_eq!(
                client.info(*frame).await.unwrap().summary.version,
                Some(4 * PUTS)
            );
            let half = client
                .get(*frame)
                .as_of(AsOf::Version(24))
                .collect_one()
                .await
                .unwrap();
            assert_eq!(stamps(&half), in_order[..24]);
        }
        let store = look_into(servers[0].folder()).await;
        let frame = store.frame(&frame.to_frame_id().unwrap());
        let log = frame.history(usize::MAX, None).await.unwrap();
        assert_eq!(log.commits.len(), told.len());
    }
    stop(servers).await;
}

#[tokio::test]
async fn what_one_server_acknowledged_the_other_reads_at_once() {
    let servers = pair().await;
    let clients = clients(&servers).await;
    for turn in 0..20 {
        let (writer, reader) = match turn % 2 {
            0 => (&clients[0], &clients[1]),
            _ => (&clients[1], &clients[0]),
        };
        let result = put(writer, "nyc/a", PutMode::Append, rows(turn..turn + 1)).await;
        assert_eq!(get(reader, "nyc/a").await, rows(0..turn + 1));
        let asked = reader
            .sql("nyc/a", "select max(n) from a")
            .collect_one()
            .await;
        assert_eq!(numbers(&asked.unwrap()), [turn]);
        let summary = reader.info("nyc/a").await.unwrap().summary;
        assert_eq!(
            (summary.version, summary.commit),
            (Some(result.version), Some(result.commit))
        );

        let name = format!("rome/{turn}");
        assert!(!reader.exists(&name).await.unwrap());
        put(writer, &name, PutMode::Error, rows(0..2)).await;
        assert_eq!(reader.list().bucket("rome").send().await.unwrap().len(), 1);
        put(writer, &name, PutMode::Replace, rows(5..6)).await;
        assert_eq!(get(reader, &name).await, rows(5..6));
        let exists = reader.put(&name).send_batch(rows(0..1)).await;
        assert_refused(exists, ErrorKind::FileExistsError, &[&name]);
        writer.delete(&name).await.unwrap();
        assert_refused(
            reader.get(&name).collect_one().await,
            ErrorKind::FileNotFoundError,
            &[&name],
        );
        writer
            .delete_bucket("rome", BucketDeleteMode::Error)
            .await
            .unwrap();
        let buckets = reader.buckets().await.unwrap();
        assert_eq!(
            buckets.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
            ["nyc"]
        );
    }
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_that_create_a_frame_one_does() {
    let servers = pair().await;
    let clients = clients(&servers).await;
    for number in 0..10 {
        let name = format!("frame {number}");
        let one = clients[0].put(&name).send_batch(rows(0..1));
        let other = clients[1].put(&name).send_batch(rows(1..2));
        let (winner, loser) = match future::join(one, other).await {
            (Ok(_), loser) => (0, loser),
            (loser, Ok(_)) => (1, loser),
            neither => panic!("{neither:?}"),
        };
        assert_refused(loser, ErrorKind::FileExistsError, &[&name]);
        for client in &clients {
            assert_eq!(get(client, &name).await, rows(winner..winner + 1));
        }
    }
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_reaches_both_servers_is_applied_once() {
    let servers = pair().await;
    let clients = clients(&servers).await;
    for number in 0..10 {
        let stamp = Stamp(number);
        let [one, other] = [0, 1].map(|at: usize| stamp.put(&clients[at], "a", PutMode::Append));
        let (one, other) = future::try_join(one, other).await.unwrap();
        assert_eq!((one.version, &one.commit), (number + 1, &other.commit));
        assert_eq!(one.version, other.version);
    }
    for client in &clients {
        assert_eq!(
            stamps(&get(client, "a").await),
            (0..10).map(Stamp).collect::<Vec<_>>()
        );
    }
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_does_not_disturb_the_other() {
    let [doomed, server] = pair().await;
    let dying = ShootsClient::builder(doomed.url())
        .retries(0)
        .connect()
        .await
        .unwrap();
    let until_the_end = tokio::spawn(async move {
        let mut told = Vec::new();
        for number in 1000.. {
            match Stamp(number).put(&dying, "a", PutMode::Append).await {
                Ok(put) => told.push((put.version, Stamp(number))),
                Err(_) => break,
            }
        }
        told
    });
    let client = server.client().await;
    let mut told = Vec::new();
    for number in 0..10 {
        let put = Stamp(number)
            .put(&client, "a", PutMode::Append)
            .await
            .unwrap();
        told.push((put.version, Stamp(number)));
    }
    doomed.kill().await;
    told.extend(until_the_end.await.unwrap());
    for number in 10..20 {
        let put = Stamp(number)
            .put(&client, "a", PutMode::Append)
            .await
            .unwrap();
        told.push((put.version, Stamp(number)));
    }
    let found = stamps(&get(&client, "a").await);
    for (version, stamp) in &told {
        assert_eq!(found[usize::try_from(*version).unwrap() - 1], *stamp);
    }
    // One more may be there: the put whose answer was lost.
    assert!(found.len() - told.len() <= 1, "{found:?} {told:?}");
    server.stop().await;
}
