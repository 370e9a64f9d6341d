//! Histories that went apart and are put together: at once, later, while others write, however rows lie.

use std::sync::atomic::{AtomicBool, Ordering};

use shoots_proto::action::{Favour, SyncOutcome, SyncedFrame};
use shoots_proto::put::PutMode::{Append, Error, Upsert};
use shoots_store::{
    ErrorKind, FetchOptions, PullOptions, PutOptions, RowsToDelete, Store, Travellers,
};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, id, numbers, rows, try_put_with};
use crate::sync::{
    assert_same, assert_sound, clone, compact, indexed, only, origin, pull, push, remote,
    try_pull_with,
};
use crate::sync_expiry::forget_older;

on_every_place!(
    histories_that_went_apart_are_merged_into_the_same_commit_on_both_sides,
    a_merge_that_reads_a_segment_otherwise_than_its_commit_travels_on,
    a_pull_may_stop_before_a_merge_which_is_made_later,
    what_was_fetched_is_merged_however_rows_lie_by_then,
    a_merge_that_was_fetched_becomes_a_version_however_rows_lie_by_then,
    a_merge_comes_about_while_others_write_without_a_pause,
);

/// Two stores with a frame that each has changed since they were the same.
async fn apart(place: &Place) -> (Store, Store) {
    let (ours, theirs) = (place.open().await, Place::in_memory().open().await);
    indexed(&frame(&ours, "f"), Error, 0..50).await;
    clone(&theirs, &ours, "f").await;
    indexed(&frame(&ours, "f"), Append, 50..60).await;
    indexed(&frame(&theirs, "f"), Append, 60..70).await;
    let gone = RowsToDelete {
        start: Some(10.into()),
        stop: Some(20.into()),
        ..RowsToDelete::default()
    };
    frame(&theirs, "f").delete_rows(gone).await.unwrap();
    indexed(&frame(&ours, "f"), Upsert, [15, 65, 80]).await;
    (ours, theirs)
}

async fn histories_that_went_apart_are_merged_into_the_same_commit_on_both_sides(place: &Place) {
    let (ours, theirs) = apart(place).await;
    let before = Place::in_memory().open().await;
    clone(&before, &theirs, "f").await;
    let merged = pull(&ours, &theirs, "f").await;
    assert_eq!((merged.outcome, merged.versions), (SyncOutcome::Merged, 1));
    assert_eq!((merged.ahead, merged.behind), (3, 0));
    let other_way = pull(&theirs, &ours, "f").await;
    assert_eq!(other_way.outcome, SyncOutcome::Moved);
    let elsewhere = pull(&before, &ours, "f").await;
    assert_eq!(elsewhere.outcome, SyncOutcome::Moved);
    assert_same(&ours, &theirs, "f").await;
    assert_same(&ours, &before, "f").await;

    // Merging the same two by themselves, and going on from there.
    let (ours, theirs) = apart(&Place::in_memory()).await;
    let copy = Place::in_memory().open().await;
    clone(&copy, &ours, "f").await;
    let one = pull(&copy, &theirs, "f").await;
    let other = pull(&theirs, &ours, "f").await;
    assert_eq!(one.commit, other.commit);
    assert_same(&copy, &theirs, "f").await;
    let settled = pull(&copy, &theirs, "f").await;
    assert_eq!(
        (settled.outcome, settled.objects),
        (SyncOutcome::Unchanged, 0)
    );
    indexed(&frame(&copy, "f"), Append, 300..310).await;
    indexed(&frame(&theirs, "f"), Append, 400..410).await;
    assert_eq!(pull(&copy, &theirs, "f").await.outcome, SyncOutcome::Merged);
    push(&copy, &theirs, "f").await;
    assert_same(&copy, &theirs, "f").await;
    let third = Place::in_memory().open().await;
    clone(&third, &theirs, "f").await;
    assert_same(&third, &theirs, "f").await;
}

async fn a_merge_that_reads_a_segment_otherwise_than_its_commit_travels_on(place: &Place) {
    let (ours, theirs) = (place.open().await, Place::in_memory().open().await);
    indexed(&frame(&ours, "f"), Error, 0..50).await;
    clone(&theirs, &ours, "f").await;
    let gone = RowsToDelete {
        start: Some(10.into()),
        stop: Some(20.into()),
        ..RowsToDelete::default()
    };
    frame(&theirs, "f").delete_rows(gone).await.unwrap();
    // Without the texts, which the row that was deleted there had.
    let some_columns = rows([15]).project(&[0]).unwrap();
    let options = PutOptions {
        index: vec!["n".to_owned()],
        ..PutOptions::mode(Upsert)
    };
    let upserted = try_put_with(&frame(&ours, "f"), options, some_columns).await;
    upserted.unwrap();
    let third = Place::in_memory().open().await;
    clone(&third, &ours, "f").await;

    let merged = pull(&theirs, &ours, "f").await;
    assert_eq!(merged.outcome, SyncOutcome::Merged);
    for store in [&third, &ours] {
        let moved = pull(store, &theirs, "f").await;
        assert_eq!(moved.outcome, SyncOutcome::Moved);
        assert_same(store, &theirs, "f").await;
    }
    let expected: Vec<i64> = (0..10).chain([15]).chain(20..50).collect();
    assert_eq!(numbers(&frame(&third, "f")).await, expected);
}

async fn a_pull_may_stop_before_a_merge_which_is_made_later(place: &Place) {
    let (ours, theirs) = apart(place).await;
    let stop = PullOptions {
        merge: false,
        ..PullOptions::default()
    };
    for again in [false, true] {
        let stopped = try_pull_with(&ours, &theirs, "f", &stop).await.unwrap();
        assert_eq!(stopped.outcome, SyncOutcome::Diverged);
        assert_eq!((stopped.ahead, stopped.behind), (2, 2));
        assert_eq!(stopped.objects == 0, again, "{stopped:?}");
    }
    let known = frame(&ours, "f").tracking().await.unwrap();
    assert_eq!(known[0].to_string(), "ahead 2, behind 2");
    let own: Vec<i64> = numbers(&frame(&ours, "f")).await;
    assert!(own.contains(&12) && !own.contains(&66));
    assert_sound(&ours, "f").await;

    let merged = frame(&ours, "f").merge("origin", None).await.unwrap();
    assert_eq!(merged.outcome, SyncOutcome::Merged);
    assert_eq!((merged.ahead, merged.behind), (3, 0));
    let nothing = frame(&ours, "f").merge("origin", Some(Favour::Ours)).await;
    assert_eq!(nothing.unwrap().outcome, SyncOutcome::Unchanged);
    push(&ours, &theirs, "f").await;
    assert_same(&ours, &theirs, "f").await;
    let known = frame(&ours, "f").tracking().await.unwrap();
    assert_eq!((known[0].ahead, known[0].behind), (0, 0));
    indexed(&frame(&ours, "f"), Append, [900]).await;
    let known = frame(&ours, "f").tracking().await.unwrap();
    assert_eq!((known[0].ahead, known[0].behind), (1, 0));
    let refused = frame(&ours, "f").merge("nowhere", None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
}

/// Brings what is new at the other store, and applies it later.
async fn fetch_and_merge(ours: &Store, theirs: &Store, behind: u64, between: bool) -> SyncedFrame {
    let (peer, frames) = (origin(theirs), Travellers::one(&id("f")));
    let options = FetchOptions::default();
    let fetched = ours.fetch(remote(&peer), &frames, &options).await.unwrap();
    assert_eq!(only(fetched).unwrap().behind, behind);
    if between {
        compact(ours).await;
    }
    frame(ours, "f").merge("origin", None).await.unwrap()
}

async fn what_was_fetched_is_merged_however_rows_lie_by_then(place: &Place) {
    for (theirs_first, ours_first, between) in [
        (true, false, false),
        (false, true, false),
        (false, false, true),
        (true, true, true),
    ] {
        let (ours, theirs) = (place.open().await, Place::in_memory().open().await);
        let there = frame(&theirs, "f");
        indexed(&there, Error, 0..10).await;
        indexed(&there, Append, 10..20).await;
        indexed(&there, Append, [5, 15]).await;
        clone(&ours, &theirs, "f").await;
        for (compacts, store) in [(theirs_first, &theirs), (ours_first, &ours)] {
            if compacts {
                compact(store).await;
            }
        }
        let odd = RowsToDelete {
            start: Some(3.into()),
            stop: Some(7.into()),
            ..RowsToDelete::default()
        };
        there.delete_rows(odd).await.unwrap();
        indexed(&there, Upsert, [12, 99]).await;
        let merged = fetch_and_merge(&ours, &theirs, 2, between).await;
        assert_eq!((merged.outcome, merged.versions), (SyncOutcome::Moved, 2));
        assert_same(&ours, &theirs, "f").await;
        assert_sound(&ours, "f").await;
        frame(&ours, "f").purge(false).await.unwrap();
    }
}

async fn a_merge_that_was_fetched_becomes_a_version_however_rows_lie_by_then(place: &Place) {
    for (compacted_there, given_up_there) in [(false, false), (true, false), (false, true)] {
        let memory = Place::in_memory();
        let (ours, theirs) = (place.open().await, memory.open().await);
        let third = Place::in_memory().open().await;
        let there = frame(&theirs, "f");
        indexed(&there, Error, 0..10).await;
        indexed(&there, Append, 10..20).await;
        clone(&ours, &theirs, "f").await;
        clone(&third, &theirs, "f").await;
        indexed(&there, Append, [25]).await;
        indexed(&frame(&third, "f"), Append, [30]).await;
        assert_eq!(
            pull(&third, &theirs, "f").await.outcome,
            SyncOutcome::Merged
        );
        push(&third, &theirs, "f").await;
        if compacted_there {
            compact(&theirs).await;
        }
        let few = RowsToDelete {
            start: Some(3.into()),
            stop: Some(7.into()),
            ..RowsToDelete::default()
        };
        there.delete_rows(few).await.unwrap();
        indexed(&there, Append, [40]).await;
        if given_up_there {
            // The rows of the merge are known by nothing but the commits that it joins.
            forget_older(&theirs).await;
        }
        compact(&ours).await;
        let merged = fetch_and_merge(&ours, &theirs, 5, false).await;
        assert_eq!((merged.outcome, merged.versions), (SyncOutcome::Moved, 4));
        assert_same(&ours, &theirs, "f").await;
        assert_sound(&ours, "f").await;
        frame(&ours, "f").purge(false).await.unwrap();
    }
}

async fn a_merge_comes_about_while_others_write_without_a_pause(place: &Place) {
    let (ours, theirs) = apart(place).await;
    for n in 300..330 {
        indexed(&frame(&theirs, "f"), Append, [n]).await;
        indexed(&frame(&ours, "f"), Upsert, [n + 100]).await;
    }
    let done = AtomicBool::new(false);
    let writing = async {
        let mut written = 0;
        while !done.load(Ordering::Relaxed) {
            indexed(&frame(&ours, "f"), Append, [1000 + written]).await;
            written += 1;
        }
        written
    };
    let pulling = async {
        let pulled = pull(&ours, &theirs, "f").await;
        done.store(true, Ordering::Relaxed);
        pulled
    };
    let (written, pulled) = tokio::join!(writing, pulling);
    assert_eq!(pulled.outcome, SyncOutcome::Merged);
    let found = numbers(&frame(&ours, "f")).await;
    let mut expected = (300..330).chain(400..430).chain(1000..1000 + written);
    assert!(expected.all(|n| found.contains(&n)));
    push(&ours, &theirs, "f").await;
    assert_same(&ours, &theirs, "f").await;
}
