//! Going back: the log, tags, differences, restoring, undeleting, renaming, copying, describing.

use serde_json::json;
use shoots_client::{AsOf, ErrorKind, PutMode};

use super::{all, at, hours, put, weather};
use crate::refusal::assert_refused;
use crate::rows::texts;
use crate::server::Server;

#[tokio::test]
async fn the_log_tells_who_did_what_newest_first() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("nyc/weather");
    let first = frame
        .put()
        .index(["time_hour", "origin"])
        .author("ada")
        .message("first");
    first
        .metadata("feed", json!({"id": 7}))
        .send_batch(hours(0..3))
        .await
        .unwrap();
    put(&frame, PutMode::Append, hours(3..4)).await;
    frame.tag("eod").message("end of day").send().await.unwrap();
    frame
        .delete_rows()
        .start("2013-01-01T03:00")
        .send()
        .await
        .unwrap();

    let log = frame.log().send().await.unwrap();
    assert!(!log.more);
    let newest_first = log.commits.iter().rev().zip(1..);
    assert!(
        newest_first
            .into_iter()
            .all(|(commit, version)| commit.version == version)
    );
    let first = log.commits.last().unwrap();
    assert_eq!(
        (first.author.as_deref(), first.message.as_deref()),
        (Some("ada"), Some("first"))
    );
    assert_eq!(first.metadata.as_ref().unwrap()["feed"]["id"], 7);
    assert_eq!(
        (first.rows, first.rows_added, first.rows_removed),
        (6, 6, 0)
    );
    assert!(first.parents.is_empty());
    let second = log
        .commits
        .iter()
        .find(|commit| commit.version == 2)
        .unwrap();
    assert_eq!(
        (second.parents.as_slice(), second.tags.as_slice()),
        (
            [first.commit.clone()].as_slice(),
            ["eod".to_owned()].as_slice()
        )
    );
    assert_eq!(log.commits[0].rows_removed, 2);

    let two = frame.log().limit(2).send().await.unwrap();
    assert!(two.more);
    assert_eq!(two.commits, log.commits[..2]);
    let since = frame
        .log()
        .since(AsOf::Tag("eod".into()))
        .send()
        .await
        .unwrap();
    assert_eq!(since.commits, log.commits[..log.commits.len() - 2]);
    let missing = client.frame("nothing").log().send().await;
    assert_refused(missing, ErrorKind::FileNotFoundError, &["nothing"]);
    server.stop().await;
}

#[tokio::test]
async fn versions_with_a_name_are_found_by_it_until_it_is_taken_away() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("weather");
    put(&frame, PutMode::Error, hours(0..2)).await;
    put(&frame, PutMode::Append, hours(2..4)).await;
    let tagged = frame
        .tag("start")
        .as_of(AsOf::Version(1))
        .send()
        .await
        .unwrap();
    assert_eq!((tagged.tag.as_str(), tagged.version), ("start", 1));
    let then = frame
        .get()
        .as_of(AsOf::Short("start".into()))
        .collect_one()
        .await
        .unwrap();
    assert_eq!(then.num_rows(), 4);
    let taken = frame.tag("start").send().await;
    assert_refused(taken, ErrorKind::FileExistsError, &["start"]);
    let moved = frame
        .tag("start")
        .as_of(AsOf::Version(2))
        .replace()
        .send()
        .await
        .unwrap();
    assert_eq!(moved.version, 2);
    let tags = frame.tags().send().await.unwrap().tags;
    assert_eq!(
        (tags.len(), tags[0].tag.as_str(), tags[0].version),
        (1, "start", 2)
    );
    assert_eq!(frame.untag("start").send().await.unwrap().version, 2);
    let unknown = frame.get().as_of(AsOf::Tag("start".into())).collect().await;
    assert_refused(unknown, ErrorKind::FileNotFoundError, &["start"]);
    assert_refused(
        frame.untag("start").send().await,
        ErrorKind::FileNotFoundError,
        &["start"],
    );
    server.stop().await;
}

#[tokio::test]
async fn a_difference_is_told_in_counts_and_delivered_in_rows() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("weather");
    put(&frame, PutMode::Error, hours(0..5)).await;
    let corrected = weather(&[(1, "EWR", Some(-1.0)), (9, "EWR", None)]);
    put(&frame, PutMode::Upsert, corrected).await;
    put(&frame, PutMode::Append, hours(20..30)).await;
    let (from, to) = (AsOf::Version(1), Some(AsOf::Version(2)));
    let diff = frame.diff(from.clone(), to.clone()).send().await.unwrap();
    assert_eq!((diff.from.version, diff.to.version), (Some(1), Some(2)));
    assert_eq!((diff.rows_added, diff.rows_removed), (2, 1));

    let rows = || frame.diff_rows(from.clone(), to.clone());
    let delivered = rows().collect_one().await.unwrap();
    assert_eq!(rows().schema().await.unwrap(), delivered.schema());
    assert_eq!(rows().describe().await.unwrap().schema, delivered.schema());
    let changes: Vec<String> = texts(&delivered, "_change").into_iter().flatten().collect();
    assert_eq!(changes, ["removed", "added", "added"]);
    assert_eq!(
        at(&delivered, "EWR"),
        [(1, Some(1.0)), (1, Some(-1.0)), (9, None)]
    );
    let some = rows()
        .columns(["_change", "temp"])
        .offset(1)
        .limit(1)
        .collect_one()
        .await
        .unwrap();
    assert_eq!((some.num_rows(), some.num_columns()), (1, 2));
    assert_eq!(texts(&some, "_change"), [Some("added".to_owned())]);
    let ranged = rows().start("2013-01-01").collect().await;
    assert_refused(ranged, ErrorKind::InvalidRequestError, &["start", "diff"]);
    let unknown = frame.diff(AsOf::Version(17), None).send().await;
    assert_refused(unknown, ErrorKind::FileNotFoundError, &["17"]);
    server.stop().await;
}

#[tokio::test]
async fn an_older_version_becomes_the_newest_and_a_deleted_frame_comes_back() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("nyc/weather");
    put(&frame, PutMode::Error, hours(0..4)).await;
    let before = all(&frame).await;
    put(&frame, PutMode::Replace, hours(9..10)).await;
    let restored = frame
        .restore(AsOf::Version(-2))
        .message("undo")
        .request_id("undo")
        .send()
        .await
        .unwrap();
    assert_eq!((restored.version, restored.rows), (3, 8));
    assert_eq!(all(&frame).await, before);
    let again = frame
        .restore(AsOf::Version(-2))
        .request_id("undo")
        .send()
        .await
        .unwrap();
    assert_eq!(again.version, 3);

    client.delete("nyc/weather").await.unwrap();
    assert!(!client.exists("nyc/weather").await.unwrap());
    let back = frame.undelete().author("ada").send().await.unwrap();
    assert_eq!((back.version, back.rows), (5, 8));
    assert_eq!(all(&frame).await, before);
    assert_refused(
        frame.undelete().send().await,
        ErrorKind::FileExistsError,
        &["nyc/weather"],
    );
    assert_refused(
        frame.restore(AsOf::Version(99)).send().await,
        ErrorKind::FileNotFoundError,
        &["99"],
    );
    server.stop().await;
}

#[tokio::test]
async fn frames_are_copied_and_renamed_with_their_rows() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("weather");
    put(&frame, PutMode::Error, hours(0..4)).await;
    put(&frame, PutMode::Append, hours(4..6)).await;
    let copied = frame
        .copy("nyc/before")
        .as_of(AsOf::Version(1))
        .message("as it was")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            copied.bucket.unwrap().as_str(),
            copied.name.as_str(),
            copied.rows
        ),
        ("nyc", "before", 8)
    );
    let renamed = frame.rename("nyc/weather").send().await.unwrap();
    assert_eq!(renamed.rows, 12);
    assert!(!client.exists("weather").await.unwrap());
    assert_eq!(all(&client.frame("nyc/weather")).await.num_rows(), 12);
    let before = client.frame("nyc/before");
    assert_eq!(all(&before).await.num_rows(), 8);
    // An index is copied too.
    put(&before, PutMode::Upsert, weather(&[(0, "JFK", None)])).await;
    assert_eq!(at(&all(&before).await, "JFK")[0], (0, None));
    let taken = before.copy("nyc/weather").send().await;
    assert_refused(taken, ErrorKind::FileExistsError, &["nyc/weather"]);
    server.stop().await;
}

#[tokio::test]
async fn a_frame_is_described_with_its_index_its_files_and_its_last_commit() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("nyc/weather");
    put(&frame, PutMode::Error, hours(0..4)).await;
    let last = frame
        .put()
        .mode(PutMode::Append)
        .author("ada")
        .message("more");
    last.send_batch(hours(4..6)).await.unwrap();
    let told = frame.describe(None).send().await.unwrap();
    assert_eq!((told.version, told.rows, told.segments), (Some(2), 12, 2));
    assert_eq!(
        (told.author.as_deref(), told.message.as_deref()),
        (Some("ada"), Some("more"))
    );
    let index: Vec<&str> = told
        .index
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(index, ["time_hour", "origin"]);
    assert_eq!(told.index_min.unwrap()[1], "EWR");
    assert_eq!(
        told.versions
            .map(|versions| (versions.first, versions.last)),
        Some((1, 2))
    );
    let files = frame
        .files(Some(AsOf::Version(1)))
        .send()
        .await
        .unwrap()
        .files;
    assert_eq!((files.len(), files[0].rows), (1, 8));
    assert!(server.folder().path().join(&files[0].path).is_file());
    server.stop().await;
}

#[tokio::test]
async fn while_the_storage_is_away_the_newest_state_at_hand_is_marked_as_stale() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("weather");
    put(&frame, PutMode::Error, hours(0..4)).await;
    let before = all(&frame).await;
    let fresh = frame.get().allow_stale().stream().await.unwrap();
    assert!(!fresh.is_stale());
    assert_eq!(fresh.into_one_batch().await.unwrap(), before);

    // No log can be read where a file has the name of its folder.
    let log = server.folder().path().join("_default/weather/log");
    let away = log.with_file_name("away");
    std::fs::rename(&log, &away).unwrap();
    std::fs::write(&log, b"").unwrap();
    let io = ErrorKind::ShootsIOError;
    assert_refused(frame.get().collect().await, io, &["weather"]);
    let stale = frame.get().allow_stale().stream().await.unwrap();
    assert!(stale.is_stale());
    assert_eq!(stale.into_one_batch().await.unwrap(), before);
    let described = frame.get().allow_stale().describe().await.unwrap();
    assert_eq!(
        (described.frame.stale, described.frame.version),
        (true, Some(1))
    );
    let counted = frame
        .sql("select count(*) from weather")
        .allow_stale()
        .stream()
        .await
        .unwrap();
    assert!(counted.is_stale());
    let newest = frame
        .get()
        .as_of(AsOf::Version(1))
        .allow_stale()
        .collect_one()
        .await;
    assert_eq!(newest.unwrap(), before);
    let tagged = frame
        .get()
        .as_of(AsOf::Tag("eod".into()))
        .allow_stale()
        .collect()
        .await;
    assert_refused(tagged, io, &["weather"]);

    std::fs::remove_file(&log).unwrap();
    std::fs::rename(&away, &log).unwrap();
    assert!(!frame.get().allow_stale().stream().await.unwrap().is_stale());
    server.stop().await;
}
