//! What a store knows of commits that are no versions there: those that a merge brought, those that were fetched, and
//! those that lie before a newest state that was cloned alone.

use shoots_proto::action::{CommitRecord, SyncOutcome};
use shoots_proto::as_of::AsOf;
use shoots_proto::put::PutMode::{Append, Error, Update, Upsert};
use shoots_proto::{Note, RemoteName};
use shoots_store::{
    CloneOptions, ErrorKind, FetchOptions, PullOptions, PutOptions, RowsToDelete, Store, Travellers,
};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, id, numbers, numbers_as_of, rows, try_put_with};
use crate::sync::{
    assert_same, assert_sound, clone, compact, indexed, lively, only, origin, pull, push, remote,
    try_pull_with,
};

on_every_place!(
    a_merge_counts_its_rows_and_tells_what_it_brought,
    what_a_remote_has_can_be_read_before_it_is_merged,
    what_a_remote_has_can_be_read_however_rows_lie_there,
    what_a_transfer_brings_is_all_that_becomes_a_version,
    commits_that_a_merge_brought_can_be_read_by_their_ids,
    what_lies_before_a_shallow_clone_comes_when_it_is_asked_for,
);

fn at_origin() -> AsOf {
    AsOf::Remote(RemoteName::parse("origin").unwrap())
}

fn commit(id: &str) -> AsOf {
    AsOf::Commit(id.to_owned())
}

/// Two stores with a frame that each has changed: 50 rows, and ten more on either side; theirs is without ten others.
async fn apart(place: &Place) -> (Store, Store) {
    let (ours, theirs) = (place.open().await, Place::in_memory().open().await);
    indexed(&frame(&ours, "f"), Error, 0..50).await;
    clone(&theirs, &ours, "f").await;
    indexed(&frame(&ours, "f"), Append, 50..60).await;
    let options = PutOptions {
        note: Note {
            message: Some("from afar".to_owned()),
            author: Some("ada".to_owned()),
            ..Note::default()
        },
        index: vec!["n".to_owned()],
        ..PutOptions::mode(Append)
    };
    try_put_with(&frame(&theirs, "f"), options, rows(60..70))
        .await
        .unwrap();
    let gone = RowsToDelete {
        start: Some(10.into()),
        stop: Some(20.into()),
        ..RowsToDelete::default()
    };
    frame(&theirs, "f").delete_rows(gone).await.unwrap();
    indexed(&frame(&ours, "f"), Upsert, [15, 80]).await;
    (ours, theirs)
}

async fn newest(store: &Store) -> CommitRecord {
    let log = frame(store, "f").whole_history(100, None).await.unwrap();
    let mut commits = log.commits.into_iter();
    commits.find(|commit| commit.operation == "merge").unwrap()
}

async fn a_merge_counts_its_rows_and_tells_what_it_brought(place: &Place) {
    let (ours, theirs) = apart(place).await;
    let alone = frame(&theirs, "f").history(100, None).await.unwrap();
    pull(&ours, &theirs, "f").await;
    // 61 rows before, ten come, and nine of the ten that are deleted there: one was put again later.
    let merge = newest(&ours).await;
    assert_eq!((merge.rows, merge.rows_added), (62, 10), "{merge:?}");
    assert_eq!(merge.rows_removed, 9);
    assert_eq!(merge.parents.len(), 2);
    let brought: Vec<(&str, &str, u64, u64)> = merge
        .brings
        .iter()
        .map(|own| {
            (
                &*own.commit,
                &*own.operation,
                own.rows_added,
                own.rows_removed,
            )
        })
        .collect();
    let expected: Vec<(&str, &str, u64, u64)> = alone
        .commits
        .iter()
        .filter(|own| ["append", "delete_rows"].contains(&&*own.operation))
        .map(|own| {
            (
                &*own.commit,
                &*own.operation,
                own.rows_added,
                own.rows_removed,
            )
        })
        .collect();
    assert_eq!(brought, expected);
    assert_eq!(merge.brings[1].message.as_deref(), Some("from afar"));
    assert_eq!(merge.brings[1].author.as_deref(), Some("ada"));
    let log = frame(&ours, "f").history(100, None).await.unwrap();
    assert!(log.commits.iter().all(|commit| commit.brings.is_empty()));
    let same = log.commits.iter().find(|own| own.commit == merge.commit);
    assert_eq!(same.unwrap().rows_added, 10);

    // The same merge, seen from the other side.
    pull(&theirs, &ours, "f").await;
    let theirs = newest(&theirs).await;
    assert_eq!(theirs.commit, merge.commit);
    // 50 rows before, twelve come.
    assert_eq!(
        (theirs.rows, theirs.rows_added, theirs.rows_removed),
        (62, 12, 0)
    );
}

async fn what_a_remote_has_can_be_read_before_it_is_merged(place: &Place) {
    let (ours, theirs) = apart(place).await;
    let here = frame(&ours, "f");
    let unknown = here.snapshot(Some(&at_origin())).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound, "{unknown}");
    assert!(unknown.to_string().contains("fetch"), "{unknown}");
    let stop = PullOptions {
        merge: false,
        ..PullOptions::default()
    };
    let stopped = try_pull_with(&ours, &theirs, "f", &stop).await.unwrap();
    assert_eq!(stopped.outcome, SyncOutcome::Diverged);
    let there = numbers(&frame(&theirs, "f")).await;
    for as_of in [at_origin(), AsOf::Short("origin".to_owned())] {
        assert_eq!(numbers_as_of(&here, &as_of).await, there);
    }
    let state = here.snapshot(Some(&at_origin())).await.unwrap();
    assert_eq!(state.version(), None);
    assert_eq!(state.rows(), there.len() as u64);
    assert_eq!(state.message(), None);
    let named = state.as_of().unwrap();
    assert_eq!(numbers_as_of(&here, &named).await, there);
    let compared = here.diff(&at_origin(), None).await.unwrap();
    assert_eq!((compared.rows_removed, compared.rows_added), (10, 21));
    assert_eq!(
        (compared.from.version, compared.from.published),
        (None, None)
    );
    assert_eq!(Some(&compared.from.commit), state.commit().as_ref());
    assert_eq!(compared.from.rows, there.len() as u64);
    assert!(compared.to.version.is_some() && compared.to.published.is_some());
    let back = here.diff(&AsOf::Version(-1), Some(&named)).await.unwrap();
    assert_eq!((back.to, back.rows_added), (compared.from, 10));
    // It is no version here, and nothing but reading is offered.
    let refused = here.restore(&at_origin()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidRequest, "{refused}");
    let own = numbers(&here).await;
    assert!(own.contains(&12) && !own.contains(&66));
    compact(&ours).await;
    assert_eq!(numbers_as_of(&here, &at_origin()).await, there);
    assert_sound(&ours, "f").await;

    here.merge("origin", None).await.unwrap();
    assert_eq!(numbers_as_of(&here, &at_origin()).await, there);
    pull(&theirs, &ours, "f").await;
    let merged = numbers(&frame(&theirs, "f")).await;
    pull(&ours, &theirs, "f").await;
    assert_eq!(numbers_as_of(&here, &at_origin()).await, merged);
}

async fn what_a_remote_has_can_be_read_however_rows_lie_there(place: &Place) {
    let (ours, theirs) = (place.open().await, Place::in_memory().open().await);
    let (here, there) = (frame(&ours, "f"), frame(&theirs, "f"));
    indexed(&there, Error, 0..10).await;
    for start in [10, 20, 30] {
        indexed(&there, Append, start..start + 10).await;
    }
    clone(&ours, &theirs, "f").await;
    indexed(&here, Append, [99]).await;
    for round in 0..3 {
        compact(&theirs).await;
        match round {
            0 => {
                let gone = RowsToDelete {
                    start: Some(5.into()),
                    stop: Some(15.into()),
                    ..RowsToDelete::default()
                };
                drop(there.delete_rows(gone).await.unwrap());
            }
            1 => indexed(&there, Upsert, [3, 33, 50]).await,
            _ => indexed(&there, Update, 20..25).await,
        }
        let read = async || numbers_as_of(&here, &at_origin()).await;
        let known = numbers(&there).await;
        let options = FetchOptions::default();
        let (peer, frames) = (origin(&theirs), Travellers::one(&id("f")));
        let fetched = ours.fetch(remote(&peer), &frames, &options).await;
        assert_eq!(only(fetched.unwrap()).unwrap().objects, round.min(1));
        assert_eq!(read().await, known, "{round}");
        let compared = here.diff(&at_origin(), None).await.unwrap();
        assert_eq!(compared.from.rows, known.len() as u64);
        compact(&ours).await;
        assert_eq!(read().await, known, "{round}");
        assert_sound(&ours, "f").await;

        // A merge, and a pull that finds nothing more, leave it as it is.
        assert_eq!(pull(&ours, &theirs, "f").await.outcome, SyncOutcome::Merged);
        assert_eq!(read().await, known, "{round}");
        let again = pull(&ours, &theirs, "f").await;
        assert_eq!(again.outcome, SyncOutcome::Unchanged);
        assert_eq!(read().await, known, "{round}");
        indexed(&here, Append, [100 + round as i64]).await;
    }
    push(&ours, &theirs, "f").await;
    assert_same(&ours, &theirs, "f").await;
    let third = Place::in_memory().open().await;
    clone(&third, &ours, "f").await;
    assert_same(&third, &theirs, "f").await;
}

/// What made the versions of a frame, oldest first.
async fn operations(store: &Store) -> Vec<String> {
    let log = frame(store, "f").history(100, None).await.unwrap();
    let operations = log.commits.into_iter().map(|commit| commit.operation);
    operations.rev().collect()
}

async fn what_a_transfer_brings_is_all_that_becomes_a_version(place: &Place) {
    let (ours, theirs) = (place.open().await, Place::in_memory().open().await);
    let (here, there) = (frame(&ours, "f"), frame(&theirs, "f"));
    indexed(&there, Error, 0..10).await;
    clone(&ours, &theirs, "f").await;
    for n in 10..13 {
        indexed(&there, Append, [n]).await;
    }
    assert_eq!(pull(&ours, &theirs, "f").await.versions, 3);
    assert_eq!(
        operations(&ours).await,
        ["create", "append", "append", "append"]
    );
    let tracked = here.tracking().await.unwrap();
    assert_eq!((tracked[0].ahead, tracked[0].behind), (0, 0));
    let newest = here.describe(None).await.unwrap();
    assert_eq!(Some(&tracked[0].commit), newest.commit.as_ref());

    // What was fetched is held by a version of its own until it is merged.
    indexed(&here, Append, [20]).await;
    indexed(&there, Append, [30]).await;
    assert_eq!(pull(&ours, &theirs, "f").await.outcome, SyncOutcome::Merged);
    assert_eq!(
        operations(&ours).await[4..],
        ["append", "configure", "merge"]
    );
    let tracked = here.tracking().await.unwrap();
    assert_eq!((tracked[0].ahead, tracked[0].behind), (2, 0));
    assert_eq!(
        pull(&ours, &theirs, "f").await.outcome,
        SyncOutcome::Unchanged
    );
    assert_eq!(operations(&ours).await.len(), 7);

    // The version where both were the same is held, as if it had a name.
    indexed(&there, Append, [31]).await;
    pull(&theirs, &ours, "f").await;
    pull(&ours, &theirs, "f").await;
    let common = here.history(1, None).await.unwrap().commits[0].version;
    indexed(&here, Append, [21]).await;
    let common = AsOf::Version(i64::try_from(common).unwrap());
    let held = here.forget(&[common], false).await.unwrap_err();
    assert_eq!(held.kind(), ErrorKind::InvalidRequest, "{held}");
}

async fn commits_that_a_merge_brought_can_be_read_by_their_ids(place: &Place) {
    let (ours, theirs) = apart(place).await;
    pull(&ours, &theirs, "f").await;
    let here = frame(&ours, "f");
    for brought in newest(&ours).await.brings {
        let there = numbers_as_of(&frame(&theirs, "f"), &commit(&brought.commit)).await;
        assert_eq!(numbers_as_of(&here, &commit(&brought.commit)).await, there);
        let short = AsOf::Short(brought.commit[..12].to_owned());
        assert_eq!(numbers_as_of(&here, &short).await, there);
    }
    let absent = here
        .snapshot(Some(&commit(&"0f".repeat(32))))
        .await
        .unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound, "{absent}");
}

async fn what_lies_before_a_shallow_clone_comes_when_it_is_asked_for(place: &Place) {
    let (source, target) = (Place::in_memory().open().await, place.open().await);
    let original = lively(&source, "f").await;
    let (peer, frames) = (origin(&source), Travellers::one(&id("f")));
    let newest = CloneOptions {
        newest_only: true,
        ..CloneOptions::default()
    };
    let cloned = target.clone_frames(remote(&peer), &frames, &newest).await;
    only(cloned.unwrap()).unwrap();
    let all = original.history(100, None).await.unwrap().commits;
    let upkeep = ["tag", "configure"];
    let all: Vec<_> = all
        .into_iter()
        .filter(|commit| !upkeep.contains(&&*commit.operation))
        .collect();
    let here = frame(&target, "f");
    let older = commit(&all[3].commit);
    let absent = here.snapshot(Some(&older)).await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound, "{absent}");

    let unshallow = FetchOptions {
        unshallow: true,
        ..FetchOptions::default()
    };
    for (options, outcome) in [
        (&FetchOptions::default(), SyncOutcome::Unchanged),
        (&unshallow, SyncOutcome::Fetched),
        (&unshallow, SyncOutcome::Unchanged),
    ] {
        let fetched = target.fetch(remote(&peer), &frames, options).await;
        assert_eq!(only(fetched.unwrap()).unwrap().outcome, outcome);
    }
    let mut read = 0;
    for known in &all {
        let as_of = commit(&known.commit);
        let Ok(there) = original.snapshot(Some(&as_of)).await else {
            continue;
        };
        read += 1;
        assert_eq!(
            here.snapshot(Some(&as_of)).await.unwrap().rows(),
            there.rows()
        );
        assert_eq!(
            numbers_as_of(&here, &as_of).await,
            numbers_as_of(&original, &as_of).await
        );
    }
    assert!(read > 5);
    let log = here.whole_history(100, None).await.unwrap();
    let brought: usize = log.commits.iter().map(|commit| commit.brings.len()).sum();
    assert_eq!(brought + 1, all.len());
    assert_sound(&target, "f").await;
    assert_same(&target, &source, "f").await;

    // A clone of it has all that.
    let third = Place::in_memory().open().await;
    clone(&third, &target, "f").await;
    assert_same(&third, &source, "f").await;
    let as_of = commit(&all[all.len() - 1].commit);
    assert_eq!(
        numbers_as_of(&frame(&third, "f"), &as_of).await,
        numbers_as_of(&original, &as_of).await
    );
}
