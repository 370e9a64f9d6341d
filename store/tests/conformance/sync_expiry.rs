//! Histories of which one side has given up a part: compacted, expired and swept, so that single commits are gone there.

use shoots_proto::action::{Favour, Retention, SyncOutcome};
use shoots_proto::as_of::AsOf;
use shoots_proto::put::PutMode::{Append, Error, Replace, Upsert};
use shoots_store::{ErrorKind, FetchOptions, PullOptions, RowsToDelete, Store, Travellers};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, id, numbers, put, rows};
use crate::sync::{
    assert_same, assert_sound, clone, indexed, only, origin, pull, push, remote, try_pull_with,
};

on_every_place!(
    what_one_side_has_given_up_merges_if_the_other_side_came_later,
    what_one_side_has_given_up_between_changes_of_the_other_is_a_conflict_until_it_is_settled,
    what_both_had_in_common_may_be_kept_on_either_side,
    the_last_commit_travels_although_only_compaction_keeps_its_rows,
    what_was_received_without_its_own_rows_travels_on,
    their_side_may_be_taken_although_nobody_keeps_what_both_had_in_common,
    opposite_settlements_are_a_conflict_until_that_is_settled,
    a_side_may_be_taken_in_a_pull_and_the_other_one_follows,
    what_has_expired_and_is_restored_elsewhere_comes_back_however_short_the_grace_period_is;
    not_on_s3 "hundreds of commits, one after the other":
    more_commits_than_an_entry_holds_may_have_expired,
);

/// A store that sweeps at once.
pub(crate) async fn sweeping(place: &Place) -> Store {
    place.builder().sweep_grace_seconds(0).open().await.unwrap()
}

/// Leaves only the newest state of a frame, in as few segments as can be, and what a remote that it follows takes.
pub(crate) async fn give_up(store: &Store) {
    frame(store, "f").compact(false).await.unwrap();
    forget_older(store).await;
    frame(store, "f").sweep(false).await.unwrap();
    assert_sound(store, "f").await;
}

/// Gives up all versions of a frame but the newest one, and what a remote that it follows takes.
pub(crate) async fn forget_older(store: &Store) {
    let frame = frame(store, "f");
    let log = frame.history(1_000, None).await.unwrap();
    for older in log.commits.iter().skip(1).filter(|older| !older.expired) {
        let version = AsOf::Version(i64::try_from(older.version).unwrap());
        match frame.forget(&[version], false).await {
            Ok(_) => {}
            // It is where a remote's history went apart.
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}"),
        }
    }
}

async fn delete(store: &Store, start: i64, stop: i64) {
    let gone = RowsToDelete {
        start: Some(start.into()),
        stop: Some(stop.into()),
        ..RowsToDelete::default()
    };
    frame(store, "f").delete_rows(gone).await.unwrap();
}

/// Two stores with the same frame, of which the second follows the first.
async fn together(place: &Place) -> (Store, Store) {
    let (origin, follower) = (Place::in_memory(), place);
    let (origin, follower) = (sweeping(&origin).await, sweeping(follower).await);
    indexed(&frame(&origin, "f"), Error, 0..20).await;
    clone(&follower, &origin, "f").await;
    (origin, follower)
}

async fn what_one_side_has_given_up_merges_if_the_other_side_came_later(place: &Place) {
    let (origin, follower) = together(place).await;
    indexed(&frame(&origin, "f"), Append, 20..30).await;
    indexed(&frame(&origin, "f"), Upsert, [3, 25]).await;
    delete(&origin, 5, 8).await;
    give_up(&origin).await;
    indexed(&frame(&follower, "f"), Append, [6, 40]).await;
    delete(&follower, 18, 24).await;
    // What is not given up follows.
    indexed(&frame(&origin, "f"), Append, [50]).await;

    let merged = pull(&follower, &origin, "f").await;
    assert_eq!(merged.outcome, SyncOutcome::Merged);
    let expected: Vec<i64> = (0..5).chain([6]).chain(8..18).chain(24..30).collect();
    let expected: Vec<i64> = expected.into_iter().chain([40, 50]).collect();
    assert_eq!(numbers(&frame(&follower, "f")).await, expected);
    assert_eq!(
        pull(&origin, &follower, "f").await.outcome,
        SyncOutcome::Moved
    );
    assert_same(&origin, &follower, "f").await;
    let third = Place::in_memory().open().await;
    clone(&third, &follower, "f").await;
    assert_same(&third, &origin, "f").await;
}

async fn what_one_side_has_given_up_between_changes_of_the_other_is_a_conflict_until_it_is_settled(
    place: &Place,
) {
    for favour in [Favour::Ours, Favour::Theirs] {
        let folder = Place::in_memory();
        let place = match favour {
            Favour::Ours => place,
            Favour::Theirs => &folder,
        };
        let (origin, follower) = together(place).await;
        indexed(&frame(&follower, "f"), Append, [40]).await;
        indexed(&frame(&origin, "f"), Append, [50]).await;
        // Its rows are the first that are gone.
        let gone = last(&origin).await;
        for n in 51..58 {
            indexed(&frame(&origin, "f"), Append, [n]).await;
        }
        give_up(&origin).await;
        let before = numbers(&frame(&follower, "f")).await;
        let options = PullOptions::default();
        let refused = try_pull_with(&follower, &origin, "f", &options).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::MergeConflict, "{refused}");
        for named in ["expired", "favour", &*gone, &*last(&follower).await] {
            assert!(refused.to_string().contains(named), "{refused}: {named}");
        }
        assert_eq!(numbers(&frame(&follower, "f")).await, before);

        let options = PullOptions {
            favour: Some(favour),
            ..options
        };
        let settled = try_pull_with(&follower, &origin, "f", &options).await;
        assert_eq!(settled.unwrap().outcome, SyncOutcome::Merged);
        let taken = match favour {
            Favour::Ours => 40..41,
            Favour::Theirs => 50..58,
        };
        let expected: Vec<i64> = (0..20).chain(taken).collect();
        assert_eq!(numbers(&frame(&follower, "f")).await, expected);
        push(&follower, &origin, "f").await;
        assert_same(&origin, &follower, "f").await;
    }
}

/// The last commit that changed rows.
async fn last(store: &Store) -> String {
    let log = frame(store, "f").history(100, None).await.unwrap();
    let changes = ["create", "append", "upsert", "delete_rows", "merge"];
    let mut commits = log.commits.into_iter();
    let last = commits.find(|commit| changes.contains(&&*commit.operation));
    last.unwrap().commit
}

async fn what_both_had_in_common_may_be_kept_on_either_side(place: &Place) {
    let (origin, follower) = together(place).await;
    indexed(&frame(&origin, "f"), Append, [50]).await;
    give_up(&origin).await;
    indexed(&frame(&follower, "f"), Append, [40]).await;
    delete(&follower, 0, 3).await;
    // The one that has given up the common state asks the other for it.
    let merged = pull(&origin, &follower, "f").await;
    assert_eq!(merged.outcome, SyncOutcome::Merged);
    assert_eq!(
        pull(&follower, &origin, "f").await.outcome,
        SyncOutcome::Moved
    );
    assert_same(&origin, &follower, "f").await;
    let expected: Vec<i64> = (3..20).chain([40, 50]).collect();
    assert_eq!(numbers(&frame(&origin, "f")).await, expected);
}

async fn their_side_may_be_taken_although_nobody_keeps_what_both_had_in_common(place: &Place) {
    let (origin, follower) = together(place).await;
    let (here, there) = (frame(&follower, "f"), frame(&origin, "f"));
    indexed(&here, Append, [40]).await;
    for n in 50..58 {
        indexed(&there, Append, [n]).await;
    }
    pull(&follower, &origin, "f").await;
    // What comes next follows what both had before that merge, which is given up on both sides.
    give_up(&origin).await;
    indexed(&there, Append, [58]).await;
    for n in 41..48 {
        indexed(&here, Append, [n]).await;
    }
    give_up(&follower).await;
    let pull_with = async |favour| {
        let options = PullOptions {
            favour,
            ..PullOptions::default()
        };
        try_pull_with(&follower, &origin, "f", &options).await
    };
    let refused = pull_with(None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::MergeConflict, "{refused}");
    // What was fetched does not tell the rows there, and a merge asks nobody.
    let refused = here
        .merge("origin", Some(Favour::Theirs))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::MergeConflict, "{refused}");
    assert!(
        refused.to_string().contains("a pull with `favour`"),
        "{refused}"
    );
    let settled = pull_with(Some(Favour::Theirs)).await.unwrap();
    assert_eq!(settled.outcome, SyncOutcome::Merged);
    let expected: Vec<i64> = (0..20).chain(50..59).collect();
    assert_eq!(numbers(&here).await, expected);
    assert_sound(&follower, "f").await;
    indexed(&here, Append, [60]).await;
    push(&follower, &origin, "f").await;
    assert_same(&origin, &follower, "f").await;
}

async fn the_last_commit_travels_although_only_compaction_keeps_its_rows(place: &Place) {
    let (origin, follower) = together(place).await;
    indexed(&frame(&origin, "f"), Append, 20..30).await;
    give_up(&origin).await;
    assert_eq!(
        pull(&follower, &origin, "f").await.outcome,
        SyncOutcome::Moved
    );
    assert_same(&origin, &follower, "f").await;
    indexed(&frame(&origin, "f"), Append, 30..40).await;
    indexed(&frame(&origin, "f"), Append, 40..50).await;
    give_up(&origin).await;
    indexed(&frame(&origin, "f"), Append, 50..60).await;
    assert_eq!(
        pull(&follower, &origin, "f").await.outcome,
        SyncOutcome::Moved
    );
    assert_same(&origin, &follower, "f").await;
}

async fn what_was_received_without_its_own_rows_travels_on(place: &Place) {
    let (origin, follower) = together(place).await;
    let third = sweeping(&Place::in_memory()).await;
    clone(&third, &origin, "f").await;
    indexed(&frame(&origin, "f"), Append, 20..30).await;
    give_up(&origin).await;
    pull(&follower, &origin, "f").await;
    // What the commit itself names never came here.
    assert_eq!(
        pull(&third, &follower, "f").await.outcome,
        SyncOutcome::Moved
    );
    assert_same(&third, &origin, "f").await;
    indexed(&frame(&third, "f"), Append, [70]).await;
    indexed(&frame(&follower, "f"), Append, [80]).await;
    assert_eq!(
        pull(&third, &follower, "f").await.outcome,
        SyncOutcome::Merged
    );
    push(&third, &follower, "f").await;
    assert_same(&third, &follower, "f").await;
}

async fn what_has_expired_and_is_restored_elsewhere_comes_back_however_short_the_grace_period_is(
    place: &Place,
) {
    let folder = Place::in_memory();
    for (place, grace) in [(place, 3600), (&folder, 60)] {
        let origin = Place::in_memory().open().await;
        let builder = place.builder().sweep_grace_seconds(grace);
        let follower = builder.open().await.unwrap();
        let (there, here) = (frame(&origin, "f"), frame(&follower, "f"));
        indexed(&there, Error, 0..20).await;
        clone(&follower, &origin, "f").await;
        indexed(&there, Replace, 20..30).await;
        pull(&follower, &origin, "f").await;
        let newest = Retention {
            keep_versions: Some(1),
            ..Retention::default()
        };
        here.set_retention(Some(newest)).await.unwrap();
        assert_eq!(here.expire(false).await.unwrap().segments, 1);
        there.restore(&AsOf::Version(1)).await.unwrap();
        assert_eq!(
            pull(&follower, &origin, "f").await.outcome,
            SyncOutcome::Moved
        );
        assert_same(&origin, &follower, "f").await;
        here.sweep(false).await.unwrap();
        assert_same(&origin, &follower, "f").await;
    }
}

async fn more_commits_than_an_entry_holds_may_have_expired(place: &Place) {
    let (origin, follower) = (sweeping(&Place::in_memory()).await, sweeping(place).await);
    put(&frame(&origin, "f"), Append, rows([0])).await;
    clone(&follower, &origin, "f").await;
    let apart = Place::in_memory().open().await;
    clone(&apart, &origin, "f").await;
    for n in 1..150 {
        put(&frame(&origin, "f"), Append, rows([n])).await;
    }
    give_up(&origin).await;
    put(&frame(&origin, "f"), Append, rows([150])).await;
    assert_eq!(
        pull(&follower, &origin, "f").await.outcome,
        SyncOutcome::Moved
    );
    assert_same(&origin, &follower, "f").await;
    put(&frame(&apart, "f"), Append, rows([1_000])).await;
    assert_eq!(
        pull(&apart, &follower, "f").await.outcome,
        SyncOutcome::Merged
    );
    push(&apart, &follower, "f").await;
    assert_same(&apart, &follower, "f").await;
    let expected: Vec<i64> = (0..=150).chain([1_000]).collect();
    assert_eq!(numbers(&frame(&apart, "f")).await, expected);
    let again = Place::in_memory().open().await;
    clone(&again, &follower, "f").await;
    assert_same(&again, &follower, "f").await;
}

/// Two stores whose histories cannot be put together: each began by itself.
async fn at_odds(place: &Place) -> (Store, Store) {
    let (ours, theirs) = (place.open().await, Place::in_memory().open().await);
    put(&frame(&ours, "f"), Append, rows(0..5)).await;
    put(&frame(&theirs, "f"), Append, rows(10..15)).await;
    (ours, theirs)
}

fn favouring(favour: Favour) -> PullOptions {
    PullOptions {
        favour: Some(favour),
        ..PullOptions::default()
    }
}

async fn opposite_settlements_are_a_conflict_until_that_is_settled(place: &Place) {
    let (ours, theirs) = at_odds(place).await;
    for (here, there) in [(&ours, &theirs), (&theirs, &ours)] {
        let peer = origin(there);
        let frames = Travellers::one(&id("f"));
        let options = FetchOptions::default();
        let fetched = here.fetch(remote(&peer), &frames, &options).await;
        only(fetched.unwrap()).unwrap();
    }
    // Each side takes its own, and does not know of the other.
    for store in [&ours, &theirs] {
        let settled = frame(store, "f").merge("origin", Some(Favour::Ours)).await;
        assert_eq!(settled.unwrap().outcome, SyncOutcome::Merged);
    }
    for (here, there) in [(&ours, &theirs), (&theirs, &ours)] {
        let refused = try_pull_with(here, there, "f", &PullOptions::default()).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::MergeConflict, "{refused}");
        for named in [
            last(&ours).await,
            last(&theirs).await,
            "opposite".to_owned(),
        ] {
            assert!(refused.to_string().contains(&named), "{refused}: {named}");
        }
    }
    let settled = try_pull_with(&ours, &theirs, "f", &favouring(Favour::Theirs)).await;
    assert_eq!(settled.unwrap().outcome, SyncOutcome::Merged);
    assert_eq!(pull(&theirs, &ours, "f").await.outcome, SyncOutcome::Moved);
    assert_same(&ours, &theirs, "f").await;
    put(&frame(&ours, "f"), Append, rows([20])).await;
    put(&frame(&theirs, "f"), Append, rows([30])).await;
    assert_eq!(pull(&ours, &theirs, "f").await.outcome, SyncOutcome::Merged);
    push(&ours, &theirs, "f").await;
    assert_same(&ours, &theirs, "f").await;
    let mut kept = numbers(&frame(&ours, "f")).await;
    kept.sort_unstable();
    assert_eq!(kept, [10, 11, 12, 13, 14, 20, 30]);
}

async fn a_side_may_be_taken_in_a_pull_and_the_other_one_follows(place: &Place) {
    for favour in [Favour::Ours, Favour::Theirs] {
        let folder = Place::in_memory();
        let place = match favour {
            Favour::Ours => place,
            Favour::Theirs => &folder,
        };
        let (ours, theirs) = at_odds(place).await;
        let refused = try_pull_with(&ours, &theirs, "f", &PullOptions::default()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::MergeConflict);
        let settled = try_pull_with(&ours, &theirs, "f", &favouring(favour)).await;
        assert_eq!(settled.unwrap().outcome, SyncOutcome::Merged);
        assert_eq!(pull(&theirs, &ours, "f").await.outcome, SyncOutcome::Moved);
        assert_same(&ours, &theirs, "f").await;
        let expected: Vec<i64> = match favour {
            Favour::Ours => (0..5).collect(),
            Favour::Theirs => (10..15).collect(),
        };
        assert_eq!(numbers(&frame(&theirs, "f")).await, expected);
        put(&frame(&theirs, "f"), Append, rows([20])).await;
        put(&frame(&ours, "f"), Append, rows([30])).await;
        assert_eq!(pull(&ours, &theirs, "f").await.outcome, SyncOutcome::Merged);
        push(&ours, &theirs, "f").await;
        assert_same(&ours, &theirs, "f").await;
        assert_eq!(numbers(&frame(&ours, "f")).await.len(), 7);
    }
}
