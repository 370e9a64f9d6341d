//! Looking after the store: compaction, retention, expiry, forgetting, the sweep, checks, and purging.

use shoots_client::proto::action::Retention;
use shoots_client::{AsOf, ErrorKind, PutMode};

use super::{all, hours, put};
use crate::refusal::assert_refused;
use crate::server::{Server, fresh_folder};

/// A server that does nothing by itself which a test wants to see done.
async fn quiet_server() -> Server {
    Server::with(&["--compaction=false", "--expiry-seconds", "86400"]).await
}

#[tokio::test]
async fn compaction_changes_no_row() {
    let server = quiet_server().await;
    let client = server.client().await;
    let frame = client.frame("nyc/weather");
    for part in 0..20 {
        put(&frame, PutMode::Append, hours(part..part + 1)).await;
    }
    let before = all(&frame).await;
    let planned = client
        .compact()
        .bucket("nyc")
        .dry_run()
        .send()
        .await
        .unwrap();
    assert!(planned.dry_run);
    let told = &planned.frames[0];
    assert_eq!((told.segments_before, told.version), (20, None), "{told:?}");
    assert!(
        told.segments_after < 20 && !told.reason.is_empty(),
        "{told:?}"
    );
    let done = frame.compact().send().await.unwrap();
    assert!(done.frames[0].version.is_some(), "{done:?}");
    assert_eq!(all(&frame).await, before);
    server.stop().await;
}

#[tokio::test]
async fn versions_are_kept_as_long_as_the_rules_say() {
    let server = quiet_server().await;
    let client = server.client().await;
    let frame = client.frame("weather");
    for part in 0..6 {
        put(&frame, PutMode::Replace, hours(part..part + 1)).await;
    }
    let rules = Retention {
        keep_versions: Some(2),
        keep_seconds: Some(0),
        keep_tagged: true,
    };
    frame
        .tag("first")
        .as_of(AsOf::Version(1))
        .send()
        .await
        .unwrap();
    let set = frame.retention().set(rules).send().await.unwrap();
    assert_eq!((set.own, set.effective), (Some(rules), rules));
    let planned = frame.expire().dry_run().send().await.unwrap();
    assert!(
        planned.dry_run && planned.frames[0].versions_expired > 0,
        "{planned:?}"
    );
    assert_eq!(
        frame
            .get()
            .as_of(AsOf::Version(3))
            .collect_one()
            .await
            .unwrap()
            .num_rows(),
        2
    );
    let expired = frame.expire().send().await.unwrap();
    assert_eq!(
        expired.frames[0].versions_expired,
        planned.frames[0].versions_expired
    );
    let gone = frame.get().as_of(AsOf::Version(3)).collect().await;
    assert_refused(gone, ErrorKind::FileNotFoundError, &["3"]);
    assert_eq!(
        frame
            .get()
            .as_of(AsOf::Version(1))
            .collect_one()
            .await
            .unwrap()
            .num_rows(),
        2
    );
    let swept = frame.sweep().send().await.unwrap();
    assert_eq!(swept.objects, 0);
    assert!(swept.waiting_objects > 0, "{swept:?}");
    assert_eq!(frame.retention().unset().send().await.unwrap().own, None);
    server.stop().await;
}

#[tokio::test]
async fn deleted_frames_of_a_bucket_expire_and_are_swept() {
    let quiet = ["--compaction=false", "--expiry-seconds", "86400"];
    let server = Server::with(&[&quiet[..], &["--sweep-grace-seconds", "0"]].concat()).await;
    let client = server.client().await;
    let (gone, kept) = (client.frame("nyc/gone"), client.frame("nyc/kept"));
    for frame in [&gone, &kept] {
        put(frame, PutMode::Error, hours(0..5)).await;
        put(frame, PutMode::Replace, hours(5..6)).await;
    }
    let rules = Retention {
        keep_versions: None,
        keep_seconds: Some(0),
        keep_tagged: true,
    };
    client
        .retention()
        .bucket("nyc")
        .set(rules)
        .send()
        .await
        .unwrap();
    client.delete("nyc/gone").await.unwrap();

    let expired = client.expire().bucket("nyc").send().await.unwrap();
    let names: Vec<&str> = expired.frames.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["gone", "kept"], "{expired:?}");
    assert_eq!(expired.frames[0].segments, 2);
    let swept = client.sweep().bucket("nyc").send().await.unwrap();
    assert!(
        swept.objects >= 3 && swept.waiting_objects == 0,
        "{swept:?}"
    );
    assert_eq!(all(&kept).await.num_rows(), 2);
    let undone = gone.undelete().send().await;
    assert_refused(undone, ErrorKind::FileNotFoundError, &["too long ago"]);
    put(&gone, PutMode::Error, hours(0..1)).await;
    assert_eq!(all(&gone).await.num_rows(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_store_is_measured_and_checked_and_a_frame_purged() {
    let server = quiet_server().await;
    let client = server.client().await;
    let frame = client.frame("nyc/weather");
    put(&frame, PutMode::Error, hours(0..5)).await;
    put(&frame, PutMode::Append, hours(5..6)).await;
    let usage = client.usage().all_buckets().send().await.unwrap();
    let nyc = usage
        .buckets
        .iter()
        .find(|used| used.bucket.is_some())
        .unwrap();
    assert_eq!((nyc.frames, nyc.rows), (1, 12));
    assert!(
        nyc.stored_bytes > nyc.live_bytes && nyc.live_bytes > 0,
        "{nyc:?}"
    );
    let checked = client.verify().all_buckets().send().await.unwrap();
    assert!(checked.ok && checked.frames == 1, "{checked:?}");
    let file = frame.files(None).send().await.unwrap().files.remove(0);
    let path = server.folder().path().join(&file.path);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let checked = frame.verify().send().await.unwrap();
    assert!(!checked.ok);
    assert_eq!(checked.damaged[0].object, file.path);

    let forgotten = frame
        .forget([AsOf::Version(1)])
        .dry_run()
        .send()
        .await
        .unwrap();
    assert_eq!(forgotten.frames[0].versions_expired, 1);
    client.delete("nyc/weather").await.unwrap();
    let purged = frame.purge().send().await.unwrap();
    assert!(purged.objects > 0, "{purged:?}");
    let left = frame.log().send().await.unwrap().commits;
    assert_eq!((left.len(), left[0].operation.as_str()), (1, "purge"));
    let older = frame.get().as_of(AsOf::Version(1)).collect().await;
    assert_refused(older, ErrorKind::FileNotFoundError, &["1"]);
    let never = client.frame("nyc/nothing").purge().send().await;
    assert_refused(never, ErrorKind::FileNotFoundError, &["nyc/nothing"]);
    server.stop().await;
}

#[tokio::test]
async fn frames_that_cannot_be_read_are_listed_to_who_asks_for_them() {
    let folder = fresh_folder();
    let server = Server::on(&folder, &[]).await;
    let client = server.client().await;
    for name in ["nyc/good", "nyc/torn"] {
        put(&client.frame(name), PutMode::Error, hours(0..5)).await;
    }
    server.stop().await;
    let entry = "nyc/torn/log/00000000000000000001.jsonl";
    std::fs::write(folder.path().join(entry), "{}").unwrap();
    let server = Server::on(&folder, &[]).await;
    let client = server.client().await;
    let list = || client.list().bucket("nyc");
    let frames = list().send().await.unwrap();
    let names = frames.iter().map(|one| one.frame.to_string());
    assert_eq!(names.collect::<Vec<_>>(), ["nyc/good"]);
    for all in [list(), client.list().all_buckets()] {
        let all = all.send_all().await.unwrap();
        assert_eq!(all.frames, frames);
        let [torn] = &all.unreadable[..] else {
            panic!("{all:?}");
        };
        let place = [
            torn.bucket.as_ref().map(|b| b.as_str()),
            torn.name.as_ref().map(|n| n.as_str()),
        ];
        assert_eq!(place, [Some("nyc"), Some("torn")]);
        assert!(torn.problem.contains(entry), "{torn:?}");
    }
    let others = list().pattern("^g").send_all().await.unwrap();
    assert_eq!(others.unreadable, []);
    server.stop().await;
}
