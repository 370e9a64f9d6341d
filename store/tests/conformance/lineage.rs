//! What follows what: upkeep is no part of a frame's history, whatever is done to look after it, and when.

use shoots_proto::PutMode::{Append, Upsert};
use shoots_proto::action::{CommitRecord, Retention};
use shoots_proto::as_of::AsOf;
use shoots_store::{Frame, PutOptions};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, numbers, put, rows, try_put_with};

on_every_place!(
    upkeep_is_followed_by_nothing_even_after_a_restart,
    a_change_follows_the_last_change_in_the_same_entry,
    a_purged_frame_begins_without_a_past,
);

/// The commits of a frame, oldest first.
async fn commits(frame: &Frame) -> Vec<CommitRecord> {
    let mut commits = frame.history(100, None).await.unwrap().commits;
    commits.reverse();
    commits
}

/// Asserts that each commit follows the last one before it that is no upkeep, and is later.
fn assert_follow(commits: &[CommitRecord]) {
    let mut tip: Option<&CommitRecord> = None;
    let mut last: Option<&CommitRecord> = None;
    for commit in commits {
        let parents: Vec<String> = tip.iter().map(|tip| tip.commit.clone()).collect();
        assert_eq!(commit.parents, parents, "version {}", commit.version);
        assert!(last.is_none_or(|last| last.time.0 < commit.time.0));
        last = Some(commit);
        match commit.operation.as_str() {
            "tag" | "configure" | "compact" | "expire" => {}
            "purge" => tip = None,
            _ => tip = Some(commit),
        }
    }
}

async fn upkeep_is_followed_by_nothing_even_after_a_restart(place: &Place) {
    let options = || PutOptions::mode(Upsert).index(["n"]);
    for round in 0..3 {
        let store = place.open().await;
        let frame = frame(&store, "looked after");
        for start in 0..6 {
            let batch = rows(start + 6 * round..start + 6 * round + 3);
            try_put_with(&frame, options(), batch).await.unwrap();
        }
        let tag = format!("tag {round}").parse().unwrap();
        frame.tag(&tag, None, false).await.unwrap();
        frame.compact(false).await.unwrap();
        let rule = Retention {
            keep_versions: Some(3 + round.unsigned_abs()),
            keep_seconds: None,
            keep_tagged: true,
        };
        frame.set_retention(Some(rule)).await.unwrap();
        frame.expire(false).await.unwrap();
        let commits = commits(&frame).await;
        let operations = commits.iter().map(|commit| commit.operation.as_str());
        let upkeep = operations.filter(|name| ["compact", "expire"].contains(name));
        assert!(upkeep.count() > 2 * usize::try_from(round).unwrap());
        assert_follow(&commits);
    }
    let store = place.open().await;
    let frame = frame(&store, "looked after");
    frame.delete().await.unwrap();
    frame.untag(&"tag 0".parse().unwrap()).await.unwrap();
    frame.undelete().await.unwrap();
    let commits = commits(&frame).await;
    assert_follow(&commits);
    assert_eq!(numbers(&frame).await, (0..20).collect::<Vec<_>>());
    let tagged = AsOf::Tag("tag 1".into());
    let tagged = frame.snapshot(Some(&tagged)).await.unwrap();
    let commit = tagged.commit().unwrap();
    assert!(commits.iter().any(|own| own.commit == commit));
}

async fn a_change_follows_the_last_change_in_the_same_entry(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "busy");
    put(&frame, Append, rows(0..1)).await;
    frame.tag(&"x".parse().unwrap(), None, false).await.unwrap();
    let puts = (1..9).map(|n| put(&frame, Append, rows(n..n + 1)));
    futures::future::join_all(puts).await;
    let commits = commits(&frame).await;
    assert_eq!(commits.len(), 10);
    assert_follow(&commits);
}

async fn a_purged_frame_begins_without_a_past(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "purged");
    put(&frame, Append, rows(0..3)).await;
    frame.purge(false).await.unwrap();
    let rule = Retention {
        keep_versions: Some(5),
        keep_seconds: None,
        keep_tagged: true,
    };
    frame.set_retention(Some(rule)).await.unwrap();
    let again = put(&frame, Append, rows(3..6)).await;
    let commits = commits(&frame).await;
    let last = commits.last().unwrap();
    assert_eq!((&last.commit, last.parents.len()), (&again.commit, 0));
    put(&frame, Append, rows(6..9)).await;
    assert_eq!(numbers(&frame).await, (3..9).collect::<Vec<_>>());
    let later = self::commits(&frame).await;
    let next = later.last().unwrap();
    assert_eq!(next.parents, [again.commit]);
}
