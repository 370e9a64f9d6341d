//! Parts of stores and of frames that travel: some frames, under other names, the newest state, a range of it, what has
//! not expired.

use shoots_proto::action::{FrameSelection, Retention, SyncOutcome, SyncedFrame};
use shoots_proto::as_of::AsOf;
use shoots_proto::name::FrameId;
use shoots_proto::put::PutMode::{Append, Update, Upsert};
use shoots_proto::{Closed, TagName};
use shoots_store::{
    CloneOptions, Error, ErrorKind, FetchOptions, Frame, IndexRange, ProgressSink, PullOptions,
    ReadOptions, RowsToDelete, Store, Travelled, Travellers,
};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{bucket, frame, id, id_in, numbers, numbers_as_of, put, rows};
use crate::sync::{
    assert_same, assert_sound, clone, compact, indexed, lively, only, origin, pull, push, remote,
    try_clone, try_pull_with, try_push,
};
use crate::sync_expiry::{forget_older, give_up, sweeping};

on_every_place!(
    frames_of_a_bucket_travel_under_other_names,
    a_frame_that_cannot_be_read_is_told_beside_the_others,
    a_clone_of_what_has_expired_has_what_is_kept,
    the_newest_state_can_be_cloned_alone_and_pulled_on,
    a_range_can_be_cloned_and_the_rest_is_promised_until_it_is_fetched,
    a_part_of_a_frame_is_not_passed_on_and_says_where_the_rest_is,
    a_pull_into_a_part_brings_what_a_merge_takes,
    a_pull_into_a_part_brings_what_a_change_here_has_dropped,
    a_pull_into_a_part_merges_though_the_remote_has_given_up_what_was_left_there,
    what_was_left_can_be_fetched_though_the_remote_has_put_it_together_otherwise,
    what_was_left_can_be_fetched_after_a_push_or_a_pull_though_it_is_given_up,
    a_part_that_went_apart_from_a_remote_that_gave_up_the_rest_says_that_a_new_clone_helps,
);

async fn frames_of_a_bucket_travel_under_other_names(place: &Place) {
    let (source, target) = (Place::in_memory().open().await, place.open().await);
    for name in ["a", "b", "other"] {
        put(&source.frame(&id_in("nyc", name)), Append, rows(0..3)).await;
    }
    put(&frame(&source, "top"), Append, rows(0..3)).await;
    let peer = origin(&source);
    let some = Travellers::new(FrameSelection::Bucket {
        bucket: Some(bucket("nyc")),
        regex: None,
    });
    let some = some
        .only(|name| name.as_str().len() == 1)
        .named(|frame| FrameId {
            bucket: Some(bucket("copies")),
            ..frame.clone()
        });
    let brought = target
        .clone_frames(remote(&peer), &some, &CloneOptions::default())
        .await
        .unwrap();
    assert!(brought.iter().all(|one| one.result.is_ok()), "{brought:?}");
    let names: Vec<String> = brought.iter().map(|one| one.target.to_string()).collect();
    assert_eq!(names, ["copies/a", "copies/b"]);
    assert_eq!(
        numbers(&target.frame(&id_in("copies", "b"))).await,
        [0, 1, 2]
    );

    put(&source.frame(&id_in("nyc", "a")), Append, rows(3..5)).await;
    let unheard = FetchOptions::default();
    let fetched = target.fetch(remote(&peer), &some, &unheard);
    let outcomes: Vec<SyncOutcome> = fetched
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.result.unwrap().outcome)
        .collect();
    assert_eq!(outcomes, [SyncOutcome::Fetched, SyncOutcome::Unchanged]);
    let here = target.frame(&id_in("copies", "a"));
    assert_eq!(numbers(&here).await.len(), 3);
    assert_eq!(
        here.tracking().await.unwrap()[0].to_string(),
        "ahead 0, behind 1"
    );
    here.merge("origin", None).await.unwrap();
    assert_eq!(numbers(&here).await.len(), 5);

    let everything = Travellers::new(FrameSelection::Everything { regex: None });
    let (sink, mut progress) = ProgressSink::new();
    let options = PullOptions {
        progress: sink,
        ..PullOptions::default()
    };
    let pulled = target
        .pull(remote(&peer), &everything, &options)
        .await
        .unwrap();
    assert_eq!(pulled.len(), 4);
    assert!(progress.try_recv().is_some());
    assert_eq!(numbers(&frame(&target, "top")).await, [0, 1, 2]);
    let absent = try_clone(&target, &source, "absent").await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
}

async fn the_newest_state_can_be_cloned_alone_and_pulled_on(place: &Place) {
    let (source, target) = (Place::in_memory().open().await, place.open().await);
    lively(&source, "f").await;
    let (peer, frames) = (origin(&source), Travellers::one(&id("f")));
    let newest = CloneOptions {
        newest_only: true,
        ..CloneOptions::default()
    };
    let cloned = target.clone_frames(remote(&peer), &frames, &newest).await;
    let cloned = only(cloned.unwrap()).unwrap();
    assert_eq!((cloned.outcome, cloned.versions), (SyncOutcome::Created, 1));
    assert_same(&source, &target, "f").await;
    indexed(&frame(&source, "f"), Upsert, [1, 2, 300]).await;
    assert_eq!(
        pull(&target, &source, "f").await.outcome,
        SyncOutcome::Moved
    );
    assert_same(&source, &target, "f").await;
    indexed(&frame(&source, "f"), Append, [400]).await;
    indexed(&frame(&target, "f"), Append, [500]).await;
    assert_eq!(
        pull(&target, &source, "f").await.outcome,
        SyncOutcome::Merged
    );
    push(&target, &source, "f").await;
    assert_same(&source, &target, "f").await;
}

async fn rows_between(frame: &Frame, start: i64, stop: i64) -> Result<usize, Error> {
    let options = ReadOptions {
        start: Some(start.into()),
        stop: Some(stop.into()),
        ..ReadOptions::default()
    };
    let rows = frame.snapshot(None).await?.read(options).await?;
    let batches = rows.collect().await?;
    Ok(batches.iter().map(|batch| batch.num_rows()).sum())
}

async fn a_range_can_be_cloned_and_the_rest_is_promised_until_it_is_fetched(place: &Place) {
    let (source, target) = (Place::in_memory().open().await, place.open().await);
    for n in 0..10 {
        indexed(&frame(&source, "f"), Append, n * 100..n * 100 + 100).await;
    }
    let (peer, frames) = (origin(&source), Travellers::one(&id("f")));
    let some = CloneOptions {
        range: Some(IndexRange {
            start: Some(250.into()),
            stop: Some(420.into()),
            closed: Closed::Left,
        }),
        ..CloneOptions::default()
    };
    let cloned = target.clone_frames(remote(&peer), &frames, &some).await;
    let cloned = only(cloned.unwrap()).unwrap();
    // Three segments and the schema.
    assert_eq!((cloned.outcome, cloned.objects), (SyncOutcome::Created, 4));
    let here = frame(&target, "f");
    assert_eq!(here.snapshot(None).await.unwrap().rows(), 1_000);
    assert_eq!(rows_between(&here, 250, 420).await.unwrap(), 170);
    for needed in [
        rows_between(&here, 0, 300).await,
        rows_between(&here, 900, 901).await,
    ] {
        let error = needed.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Promised, "{error}");
        assert!(error.to_string().contains("left at origin"), "{error}");
    }
    assert_sound(&target, "f").await;
    let compacted = here.compact(false).await.unwrap();
    assert!(compacted.reason.contains("origin"), "{compacted:?}");
    let gone = RowsToDelete {
        start: Some(10.into()),
        stop: Some(20.into()),
        ..RowsToDelete::default()
    };
    let error = here.delete_rows(gone).await.unwrap_err();
    assert!(error.to_string().contains("left at origin"), "{error}");
    for refused in [
        here.copy_to(&id("copy"), None).await,
        here.rename_to(&id("copy")).await,
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Promised, "{error}");
    }
    assert!(!frame(&target, "copy").exists().await.unwrap());

    indexed(&frame(&source, "f"), Append, 1_000..1_100).await;
    indexed(&frame(&source, "f"), Upsert, [5, 300]).await;
    pull(&target, &source, "f").await;
    assert_eq!(rows_between(&here, 250, 420).await.unwrap(), 170);
    assert!(rows_between(&here, 0, 10).await.is_err());
    assert_sound(&target, "f").await;

    let unheard = FetchOptions::default();
    for outcome in [SyncOutcome::Fetched, SyncOutcome::Unchanged] {
        let fetched = target.fetch(remote(&peer), &frames, &unheard).await;
        let fetched = only(fetched.unwrap()).unwrap();
        assert_eq!(fetched.outcome, outcome);
    }
    assert_same(&target, &source, "f").await;
    here.compact(false).await.unwrap();
    assert_same(&target, &source, "f").await;
    here.copy_to(&id("copy"), None).await.unwrap();
    assert_sound(&target, "copy").await;
}

/// A frame of ten segments with a hundred rows each, at a store and another one that has cloned three of them.
async fn in_part(source: &Store, target: &Store) {
    for n in 0..10 {
        indexed(&frame(source, "f"), Append, n * 100..n * 100 + 100).await;
    }
    clone_range(target, source).await.unwrap();
}

async fn clone_range(to: &Store, from: &Store) -> Result<SyncedFrame, Error> {
    let (peer, frames) = (origin(from), Travellers::one(&id("f")));
    let some = CloneOptions {
        range: Some(IndexRange {
            start: Some(250.into()),
            stop: Some(420.into()),
            closed: Closed::Left,
        }),
        ..CloneOptions::default()
    };
    only(to.clone_frames(remote(&peer), &frames, &some).await?)
}

async fn fetch(to: &Store, from: &Store) {
    let (peer, frames) = (origin(from), Travellers::one(&id("f")));
    let options = FetchOptions::default();
    let fetched = to.fetch(remote(&peer), &frames, &options).await;
    only(fetched.unwrap()).unwrap();
}

async fn a_part_of_a_frame_is_not_passed_on_and_says_where_the_rest_is(place: &Place) {
    let (source, target) = (Place::in_memory().open().await, place.open().await);
    in_part(&source, &target).await;
    let third = Place::in_memory().open().await;
    // However often it is tried.
    for _ in 0..2 {
        for refused in [
            try_clone(&third, &target, "f").await,
            try_push(&target, &third, "f").await,
        ] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Promised, "{error}");
            for told in ["left at origin", "fetch it from origin"] {
                assert!(error.to_string().contains(told), "{error}");
            }
            assert!(!frame(&third, "f").exists().await.unwrap());
        }
    }
    let fourth = Place::in_memory().open().await;
    clone_range(&fourth, &target).await.unwrap();
    let rows = rows_between(&frame(&fourth, "f"), 250, 420).await;
    assert_eq!(rows.unwrap(), 170);

    fetch(&target, &source).await;
    clone(&third, &target, "f").await;
    assert_same(&third, &source, "f").await;
}

async fn a_pull_into_a_part_brings_what_a_merge_takes(place: &Place) {
    let (source, target) = (Place::in_memory().open().await, place.open().await);
    in_part(&source, &target).await;
    let here = frame(&target, "f");
    indexed(&here, Append, [255]).await;
    indexed(&frame(&source, "f"), Update, [520, 522]).await;
    indexed(&frame(&source, "f"), Update, [720, 822]).await;
    let apart = PullOptions {
        merge: false,
        ..PullOptions::default()
    };
    try_pull_with(&target, &source, "f", &apart).await.unwrap();
    // This asks nobody.
    let error = here.merge("origin", None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Promised, "{error}");
    assert!(error.to_string().contains("left at origin"), "{error}");

    let merged = pull(&target, &source, "f").await;
    assert_eq!(merged.outcome, SyncOutcome::Merged);
    assert_sound(&target, "f").await;
    assert_eq!(rows_between(&here, 250, 420).await.unwrap(), 171);
    let error = rows_between(&here, 0, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Promised, "{error}");
    push(&target, &source, "f").await;
    assert_sound(&source, "f").await;
    fetch(&target, &source).await;
    assert_same(&target, &source, "f").await;
}

/// Rows of the frame that lie in one segment, which is dropped without a look at it.
async fn drop_six_hundreds(store: &Store) {
    let gone = RowsToDelete {
        start: Some(600.into()),
        stop: Some(700.into()),
        ..RowsToDelete::default()
    };
    frame(store, "f").delete_rows(gone).await.unwrap();
}

async fn a_pull_into_a_part_brings_what_a_change_here_has_dropped(place: &Place) {
    let (source, target) = (Place::in_memory().open().await, place.open().await);
    in_part(&source, &target).await;
    // It hides rows of a segment that was left there, and that the other change drops.
    indexed(&frame(&source, "f"), Update, [620, 622]).await;
    drop_six_hundreds(&target).await;
    let merged = pull(&target, &source, "f").await;
    assert_eq!(merged.outcome, SyncOutcome::Merged);
    assert_sound(&target, "f").await;
    push(&target, &source, "f").await;
    fetch(&target, &source).await;
    assert_same(&target, &source, "f").await;
    let expected: Vec<i64> = (0..600).chain(700..1_000).collect();
    assert_eq!(numbers(&frame(&target, "f")).await, expected);
    // What only an older version takes has come, too.
    assert_eq!(
        numbers_as_of(&frame(&target, "f"), &AsOf::Version(1))
            .await
            .len(),
        1_000
    );
}

async fn a_pull_into_a_part_merges_though_the_remote_has_given_up_what_was_left_there(
    place: &Place,
) {
    let (source, target) = (sweeping(&Place::in_memory()).await, place.open().await);
    in_part(&source, &target).await;
    let log = frame(&source, "f").history(1, None).await.unwrap();
    let common = AsOf::Commit(log.commits[0].commit.clone());
    frame(&source, "f").compact(false).await.unwrap();
    frame(&source, "f")
        .tag(&TagName::parse("kept").unwrap(), None, false)
        .await
        .unwrap();
    indexed(&frame(&source, "f"), Update, [620, 622]).await;
    drop_six_hundreds(&target).await;
    let older: Vec<AsOf> = (1..=10).map(AsOf::Version).collect();
    frame(&source, "f").forget(&older, false).await.unwrap();
    frame(&source, "f").sweep(false).await.unwrap();
    assert!(frame(&source, "f").snapshot(Some(&common)).await.is_err());
    let merged = pull(&target, &source, "f").await;
    assert_eq!(merged.outcome, SyncOutcome::Merged);
    assert_sound(&target, "f").await;
    push(&target, &source, "f").await;
    assert_same(&target, &source, "f").await;
    let expected: Vec<i64> = (0..600).chain(700..1_000).collect();
    assert_eq!(numbers(&frame(&target, "f")).await, expected);
}

async fn try_fetch(to: &Store, from: &Store) -> Result<SyncedFrame, Error> {
    let (peer, frames) = (origin(from), Travellers::one(&id("f")));
    let options = FetchOptions {
        unshallow: true,
        ..FetchOptions::default()
    };
    only(to.fetch(remote(&peer), &frames, &options).await?)
}

async fn what_was_left_can_be_fetched_though_the_remote_has_put_it_together_otherwise(
    place: &Place,
) {
    let (source, target) = (sweeping(&Place::in_memory()).await, place.open().await);
    in_part(&source, &target).await;
    give_up(&source).await;
    let fetched = try_fetch(&target, &source).await.unwrap();
    assert_eq!(fetched.outcome, SyncOutcome::Fetched);
    assert_same(&target, &source, "f").await;
    let again = try_fetch(&target, &source).await.unwrap();
    assert_eq!((again.outcome, again.objects), (SyncOutcome::Unchanged, 0));
    let here = frame(&target, "f");
    let older = here.snapshot(Some(&AsOf::Version(1))).await.unwrap();
    let error = older.read(ReadOptions::default()).await;
    let error = match error {
        Ok(rows) => rows.collect().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Promised, "{error}");
    for told in ["origin", "does not keep them any more", "newest version"] {
        assert!(error.to_string().contains(told), "{error}");
    }
    indexed(&here, Append, [7]).await;
    let compacted = here.compact(false).await.unwrap();
    assert!(!compacted.reason.contains("origin"), "{compacted:?}");
    push(&target, &source, "f").await;
    assert_same(&target, &source, "f").await;
}

/// A fetch is refused, and the error gives this advice.
async fn assert_advised(to: &Store, from: &Store, advice: &str) {
    let error = try_fetch(to, from).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Promised, "{error}");
    assert!(error.to_string().contains(advice), "{error}");
}

async fn what_was_left_can_be_fetched_after_a_push_or_a_pull_though_it_is_given_up(place: &Place) {
    for (here, there) in [(true, false), (false, true), (true, true)] {
        let (source, target) = (sweeping(&Place::in_memory()).await, place.open().await);
        in_part(&source, &target).await;
        if here {
            indexed(&frame(&target, "f"), Append, [255]).await;
        }
        give_up(&source).await;
        if there {
            indexed(&frame(&source, "f"), Append, [5]).await;
        }
        if there && !here {
            // There is no version any more with the rows that both had in common.
            forget_older(&source).await;
        }
        if there {
            assert_advised(
                &target,
                &source,
                "pull the frame first, then fetch it again",
            )
            .await;
            pull(&target, &source, "f").await;
        } else {
            assert_advised(
                &target,
                &source,
                "push the frame first, then fetch it again",
            )
            .await;
        }
        push(&target, &source, "f").await;
        try_fetch(&target, &source).await.unwrap();
        assert_same(&target, &source, "f").await;
        frame(&target, "f").purge(false).await.unwrap();
    }
}

async fn a_part_that_went_apart_from_a_remote_that_gave_up_the_rest_says_that_a_new_clone_helps(
    place: &Place,
) {
    let (source, target) = (sweeping(&Place::in_memory()).await, place.open().await);
    in_part(&source, &target).await;
    indexed(&frame(&target, "f"), Append, [255]).await;
    give_up(&source).await;
    indexed(&frame(&source, "f"), Append, [5]).await;
    forget_older(&source).await;
    pull(&target, &source, "f").await;
    assert_eq!(
        rows_between(&frame(&target, "f"), 250, 420).await.unwrap(),
        171
    );
    let refused = try_push(&target, &source, "f").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Promised, "{refused}");
    assert_advised(&target, &source, "clone the frame anew under another name").await;
    let anew = Travellers::one(&id("f")).named(|_| id("anew"));
    let (peer, options) = (origin(&source), CloneOptions::default());
    let cloned = target.clone_frames(remote(&peer), &anew, &options).await;
    only(cloned.unwrap()).unwrap();
    assert_eq!(numbers(&frame(&target, "anew")).await.len(), 1_001);
}

async fn a_frame_that_cannot_be_read_is_told_beside_the_others(place: &Place) {
    let store = place.open().await;
    for name in ["good", "torn"] {
        put(&store.frame(&id_in("b", name)), Append, rows([1])).await;
    }
    while !store.is_idle() {
        tokio::task::yield_now().await;
    }
    let spoilt = ["b/spoilt.parquet", "b/torn/log/00000000000000000001.jsonl"];
    for object in spoilt {
        place.write(object, "{}").await;
    }
    let (store, target) = (place.open().await, Place::in_memory().open().await);
    let all = Travellers::new(FrameSelection::Everything { regex: None });
    let expected = [
        ("b/good".to_owned(), Ok(SyncOutcome::Created)),
        ("b/spoilt".to_owned(), Err(ErrorKind::Damaged)),
        ("b/torn".to_owned(), Err(ErrorKind::Damaged)),
    ];
    let outcomes = |travelled: Vec<Travelled>| -> Vec<_> {
        let outcome = |one: Travelled| match one.result {
            Ok(done) => (one.source.to_string(), Ok(done.outcome)),
            Err(error) => {
                let told = error.to_string();
                assert!(spoilt.iter().any(|object| told.contains(object)), "{told}");
                (one.source.to_string(), Err(error.kind()))
            }
        };
        travelled.into_iter().map(outcome).collect()
    };

    let peer = origin(&target);
    let progress = ProgressSink::default();
    let pushed = store.push(remote(&peer), &all, &progress).await;
    assert_eq!(outcomes(pushed.unwrap()), expected);
    // Whoever takes them from there is told as well.
    let (peer, copy) = (origin(&store), Place::in_memory().open().await);
    let options = CloneOptions::default();
    let cloned = copy.clone_frames(remote(&peer), &all, &options).await;
    assert_eq!(outcomes(cloned.unwrap()), expected);
}

async fn a_clone_of_what_has_expired_has_what_is_kept(place: &Place) {
    let source = place.builder().sweep_grace_seconds(0).open().await.unwrap();
    let newest = Retention {
        keep_versions: Some(3),
        ..Retention::default()
    };
    let original = frame(&source, "f");
    for n in 0..8 {
        indexed(&original, Append, n * 10..n * 10 + 10).await;
    }
    original
        .tag(
            &TagName::parse("four").unwrap(),
            Some(&AsOf::Version(4)),
            false,
        )
        .await
        .unwrap();
    compact(&source).await;
    original.set_retention(Some(newest)).await.unwrap();
    indexed(&original, Append, 500..510).await;
    original.forget(&[AsOf::Version(8)], false).await.unwrap();
    original.expire(false).await.unwrap();
    original.sweep(false).await.unwrap();
    let target = Place::in_memory().open().await;
    let cloned = clone(&target, &source, "f").await;
    assert_eq!(cloned.outcome, SyncOutcome::Created);
    assert_same(&source, &target, "f").await;
    let four = AsOf::Tag("four".to_owned());
    assert_eq!(
        numbers_as_of(&frame(&target, "f"), &four).await,
        (0..40).collect::<Vec<i64>>()
    );
    indexed(&original, Upsert, [5, 505, 1000]).await;
    assert_eq!(
        pull(&target, &source, "f").await.outcome,
        SyncOutcome::Moved
    );
    assert_same(&source, &target, "f").await;
    let third = Place::in_memory().open().await;
    clone(&third, &target, "f").await;
    assert_same(&third, &source, "f").await;
}
