//! Frames that travel between stores: every place is either end, and the other one is a store in memory.

use shoots_proto::TagName;
use shoots_proto::action::{Retention, SyncOutcome, SyncedFrame, VerifyRequest};
use shoots_proto::as_of::AsOf;
use shoots_proto::name::FrameName;
use shoots_proto::put::PutMode::{Append, Error, Replace, Upsert};
use shoots_store::{
    CloneOptions, Error as StoreError, ErrorKind, Frame, LocalPeer, Peer, ProgressSink,
    PullOptions, PutOptions, RemoteEnd, RowsToDelete, Store, Travelled, Travellers,
};

use crate::faults::{Plan, faulty};
use crate::on_every_place;
use crate::place::Place;
use crate::requests::since;
use crate::rows::{frame, id, numbers, numbers_as_of, put, rows, try_put_with};

on_every_place!(
    a_clone_has_every_version_and_can_be_cloned_back,
    a_pull_brings_what_is_new_and_a_second_one_nothing,
    a_push_moves_the_other_side_forward_and_is_refused_where_that_has_moved,
    upkeep_on_either_side_is_no_change,
    a_transfer_that_is_cut_off_goes_on_where_it_ended,
    a_deleted_frame_travels_and_can_be_cloned_over,
    a_clone_that_was_deleted_can_be_cloned_again;
    not_on_s3 "a thousand segments, one after the other":
    a_pull_after_one_append_moves_one_segment_however_many_there_are,
    histories_of_many_commits_travel_in_parts,
);

/// Another store, as a remote.
pub(crate) fn origin(store: &Store) -> LocalPeer {
    LocalPeer::new(store, "origin")
}

pub(crate) fn remote(peer: &LocalPeer) -> RemoteEnd<'_> {
    RemoteEnd {
        name: "origin",
        peer,
    }
}

pub(crate) fn only(mut travelled: Vec<Travelled>) -> Result<SyncedFrame, StoreError> {
    assert_eq!(travelled.len(), 1);
    travelled.remove(0).result
}

pub(crate) async fn try_clone(
    to: &Store,
    from: &Store,
    name: &str,
) -> Result<SyncedFrame, StoreError> {
    let (peer, frames) = (origin(from), Travellers::one(&id(name)));
    let options = CloneOptions::default();
    only(to.clone_frames(remote(&peer), &frames, &options).await?)
}

pub(crate) async fn clone(to: &Store, from: &Store, name: &str) -> SyncedFrame {
    try_clone(to, from, name).await.unwrap()
}

pub(crate) async fn try_pull_with(
    to: &Store,
    from: &Store,
    name: &str,
    options: &PullOptions,
) -> Result<SyncedFrame, StoreError> {
    let (peer, frames) = (origin(from), Travellers::one(&id(name)));
    only(to.pull(remote(&peer), &frames, options).await?)
}

pub(crate) async fn pull(to: &Store, from: &Store, name: &str) -> SyncedFrame {
    try_pull_with(to, from, name, &PullOptions::default())
        .await
        .unwrap()
}

pub(crate) async fn try_push(
    from: &Store,
    to: &Store,
    name: &str,
) -> Result<SyncedFrame, StoreError> {
    let (peer, frames) = (origin(to), Travellers::one(&id(name)));
    only(
        from.push(remote(&peer), &frames, &ProgressSink::default())
            .await?,
    )
}

pub(crate) async fn push(from: &Store, to: &Store, name: &str) -> SyncedFrame {
    try_push(from, to, name).await.unwrap()
}

pub(crate) async fn indexed(
    frame: &Frame,
    mode: shoots_proto::put::PutMode,
    numbers: impl IntoIterator<Item = i64>,
) {
    let options = PutOptions {
        index: vec!["n".to_owned()],
        ..PutOptions::mode(mode)
    };
    try_put_with(frame, options, rows(numbers)).await.unwrap();
}

pub(crate) async fn assert_sound(store: &Store, name: &str) {
    let request = VerifyRequest {
        name: Some(FrameName::parse(name).unwrap()),
        ..VerifyRequest::default()
    };
    let verified = store.verify(&request).await.unwrap();
    assert!(verified.ok, "{verified:?}");
}

pub(crate) async fn assert_same(one: &Store, other: &Store, name: &str) {
    let (one_rows, other_rows) = (
        numbers(&frame(one, name)).await,
        numbers(&frame(other, name)).await,
    );
    assert_eq!(one_rows, other_rows);
    let (one_peer, other_peer) = (origin(one), origin(other));
    let head = one_peer.head(&id(name)).await.unwrap().unwrap();
    let other_head = other_peer.head(&id(name)).await.unwrap().unwrap();
    assert_eq!(head.tip, other_head.tip);
    assert_sound(one, name).await;
    assert_sound(other, name).await;
}

/// A frame with a version of every kind.
pub(crate) async fn lively(store: &Store, name: &str) -> Frame {
    let frame = frame(store, name);
    indexed(&frame, Error, 0..100).await;
    indexed(&frame, Append, 100..150).await;
    indexed(&frame, Upsert, (90..110).step_by(2)).await;
    // More ranges than a record has room for.
    let odd = RowsToDelete {
        start: Some(3.into()),
        stop: Some(9.into()),
        ..RowsToDelete::default()
    };
    frame.delete_rows(odd).await.unwrap();
    frame
        .tag(&TagName::parse("before").unwrap(), None, false)
        .await
        .unwrap();
    indexed(&frame, Upsert, (0..150).step_by(3)).await;
    frame.restore(&AsOf::Version(2)).await.unwrap();
    indexed(&frame, Append, 200..210).await;
    frame.delete().await.unwrap();
    frame.undelete().await.unwrap();
    frame
}

async fn a_clone_has_every_version_and_can_be_cloned_back(place: &Place) {
    let source = place.open().await;
    let original = lively(&source, "f").await;
    original
        .set_retention(Some(Retention::default()))
        .await
        .unwrap();
    let middle = Place::in_memory().open().await;
    let cloned = clone(&middle, &source, "f").await;
    assert_eq!(cloned.outcome, SyncOutcome::Created);
    assert!(cloned.objects > 4 && cloned.bytes > 1_000, "{cloned:?}");
    assert_same(&source, &middle, "f").await;

    let history = |frame: Frame| async move {
        let log = frame.history(100, None).await.unwrap();
        let upkeep = ["tag", "configure", "compact", "expire"];
        let commits = log.commits.into_iter().rev();
        let commits = commits.filter(|commit| !upkeep.contains(&commit.operation.as_str()));
        commits.map(|commit| commit.commit).collect::<Vec<String>>()
    };
    let copy = frame(&middle, "f");
    let commits = history(original.clone()).await;
    assert_eq!(history(copy.clone()).await, commits);
    for commit in &commits {
        let as_of = AsOf::Commit(commit.clone());
        match original.snapshot(Some(&as_of)).await {
            Ok(_) => assert_eq!(
                numbers_as_of(&copy, &as_of).await,
                numbers_as_of(&original, &as_of).await
            ),
            Err(deleted) => {
                let error = copy.snapshot(Some(&as_of)).await.unwrap_err();
                assert_eq!(error.kind(), deleted.kind());
            }
        }
    }
    let tagged = AsOf::Tag("before".to_owned());
    assert_eq!(
        numbers_as_of(&copy, &tagged).await,
        numbers_as_of(&original, &tagged).await
    );
    assert_eq!(
        copy.retention().await.unwrap().own,
        Some(Retention::default())
    );

    let again = try_clone(&middle, &source, "f").await.unwrap();
    assert_eq!((again.outcome, again.objects), (SyncOutcome::Unchanged, 0));

    let back = Travellers::one(&id("f")).named(|_| id("back"));
    let peer = origin(&middle);
    let options = CloneOptions::default();
    let back = source.clone_frames(remote(&peer), &back, &options).await;
    let back = only(back.unwrap()).unwrap();
    assert_eq!(back.target, id("back").name);
    assert_eq!(
        numbers(&frame(&source, "back")).await,
        numbers(&original).await
    );
    assert_eq!(history(frame(&source, "back")).await, commits);
    assert_sound(&source, "back").await;
}

async fn a_pull_brings_what_is_new_and_a_second_one_nothing(place: &Place) {
    let memory = Place::in_memory();
    for (source, target) in [(place, &memory), (&memory, place)] {
        let name = format!("f{}", std::ptr::from_ref(source) as usize);
        let (from, to) = (source.open().await, target.open().await);
        put(&frame(&from, &name), Append, rows(0..10)).await;
        assert_eq!(pull(&to, &from, &name).await.outcome, SyncOutcome::Created);
        put(&frame(&from, &name), Append, rows(10..20)).await;
        put(&frame(&from, &name), Replace, rows(0..5)).await;
        put(&frame(&from, &name), Append, rows(7..9)).await;
        let moved = pull(&to, &from, &name).await;
        assert_eq!((moved.outcome, moved.versions), (SyncOutcome::Moved, 3));
        assert_same(&from, &to, &name).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;

        let before = to.requests();
        let again = pull(&to, &from, &name).await;
        assert_eq!((again.outcome, again.objects), (SyncOutcome::Unchanged, 0));
        let cost = since(to.requests(), before);
        assert_eq!((cost.creates, cost.segment_reads, cost.lists), (0, 0, 0));
        assert!(cost.reads < 8, "{cost:?}");
    }
}

async fn a_push_moves_the_other_side_forward_and_is_refused_where_that_has_moved(place: &Place) {
    let (ours, theirs) = (place.open().await, Place::in_memory().open().await);
    put(&frame(&ours, "f"), Append, rows(0..10)).await;
    assert_eq!(
        push(&ours, &theirs, "f").await.outcome,
        SyncOutcome::Created
    );
    put(&frame(&ours, "f"), Append, rows(10..20)).await;
    let moved = push(&ours, &theirs, "f").await;
    assert_eq!((moved.outcome, moved.versions), (SyncOutcome::Moved, 1));
    let again = push(&ours, &theirs, "f").await;
    assert_eq!((again.outcome, again.objects), (SyncOutcome::Unchanged, 0));
    assert_same(&ours, &theirs, "f").await;

    let third = Place::in_memory().open().await;
    clone(&third, &theirs, "f").await;
    put(&frame(&third, "f"), Append, rows(20..30)).await;
    put(&frame(&ours, "f"), Append, rows(30..40)).await;
    let (one, other) = tokio::join!(
        try_push(&ours, &theirs, "f"),
        try_push(&third, &theirs, "f")
    );
    let refused = match (&one, &other) {
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
        both => panic!("{both:?}"),
    };
    assert_eq!(refused.kind(), ErrorKind::Diverged, "{refused}");
    assert!(refused.to_string().contains("pull first"), "{refused}");
    let later = if one.is_ok() { &third } else { &ours };
    assert_eq!(pull(later, &theirs, "f").await.outcome, SyncOutcome::Merged);
    push(later, &theirs, "f").await;
    assert_same(later, &theirs, "f").await;
    assert_eq!(numbers(&frame(&theirs, "f")).await.len(), 40);
}

pub(crate) async fn compact(store: &Store) {
    frame(store, "f").compact(false).await.unwrap();
}

async fn upkeep_on_either_side_is_no_change(place: &Place) {
    let (ours, theirs) = (place.open().await, Place::in_memory().open().await);
    let newest = Retention {
        keep_versions: Some(1),
        ..Retention::default()
    };
    for store in [&ours, &theirs] {
        store.set_retention(None, Some(newest)).await.unwrap();
    }
    for n in 0..6 {
        indexed(&frame(&ours, "f"), Append, n * 10..n * 10 + 10).await;
    }
    clone(&theirs, &ours, "f").await;
    for store in [&ours, &theirs] {
        compact(store).await;
        frame(store, "f").expire(false).await.unwrap();
        let pulled = pull(
            store,
            if std::ptr::eq(store, &ours) {
                &theirs
            } else {
                &ours
            },
            "f",
        )
        .await;
        assert_eq!(
            (pulled.outcome, pulled.objects),
            (SyncOutcome::Unchanged, 0)
        );
    }
    // What is hidden here are rows of segments that the other side has put together otherwise.
    for n in 0..4 {
        let (from, to) = if n % 2 == 0 {
            (&ours, &theirs)
        } else {
            (&theirs, &ours)
        };
        let gone = RowsToDelete {
            start: Some((n * 10).into()),
            stop: Some((n * 10 + 5).into()),
            ..RowsToDelete::default()
        };
        frame(from, "f").delete_rows(gone).await.unwrap();
        indexed(&frame(from, "f"), Append, 100 * n + 100..100 * n + 110).await;
        assert_eq!(pull(to, from, "f").await.outcome, SyncOutcome::Moved);
        assert_same(&ours, &theirs, "f").await;
        compact(to).await;
        compact(from).await;
        frame(to, "f").expire(false).await.unwrap();
        frame(to, "f").sweep(false).await.unwrap();
        assert_same(&ours, &theirs, "f").await;
    }
}

async fn a_transfer_that_is_cut_off_goes_on_where_it_ended(place: &Place) {
    let source = Place::in_memory().open().await;
    lively(&source, "f").await;
    let mut cut_off = 0;
    let mut objects = 0;
    for seed in 0..60 {
        let store = faulty(place, Plan::Random { seed }).await;
        match try_clone(&store, &source, "f").await {
            Ok(cloned) => {
                objects += cloned.objects;
                break;
            }
            Err(error) => {
                let kind = error.kind();
                assert!(
                    matches!(kind, ErrorKind::Io | ErrorKind::OutcomeUnknown),
                    "{error}"
                );
                cut_off += 1;
            }
        }
        let here = frame(&place.open().await, "f");
        if let Ok(snapshot) = here.snapshot(None).await {
            // All or nothing of it is there.
            assert_eq!(
                snapshot.rows(),
                frame(&source, "f").snapshot(None).await.unwrap().rows()
            );
        }
    }
    println!("cut off {cut_off} times, {objects} objects at last");
    assert!(cut_off > 0);
    let target = place.open().await;
    pull(&target, &source, "f").await;
    assert_same(&target, &source, "f").await;
    indexed(&frame(&source, "f"), Upsert, 0..250).await;
    for seed in 100..160 {
        let store = faulty(place, Plan::Random { seed }).await;
        if try_pull_with(&store, &source, "f", &PullOptions::default())
            .await
            .is_ok()
        {
            break;
        }
    }
    let target = place.open().await;
    pull(&target, &source, "f").await;
    assert_same(&target, &source, "f").await;
}

async fn a_deleted_frame_travels_and_can_be_cloned_over(place: &Place) {
    let (ours, theirs) = (place.open().await, Place::in_memory().open().await);
    put(&frame(&ours, "f"), Append, rows(0..5)).await;
    clone(&theirs, &ours, "f").await;
    frame(&theirs, "f").delete().await.unwrap();
    assert_eq!(pull(&ours, &theirs, "f").await.outcome, SyncOutcome::Moved);
    assert!(!frame(&ours, "f").exists().await.unwrap());

    let other = Place::in_memory().open().await;
    put(&frame(&other, "f"), Append, rows(7..9)).await;
    let cloned = clone(&ours, &other, "f").await;
    assert_eq!(cloned.outcome, SyncOutcome::Created);
    assert_same(&ours, &other, "f").await;
    let present = try_clone(&ours, &theirs, "f").await.unwrap_err();
    assert_eq!(present.kind(), ErrorKind::AlreadyExists, "{present}");
    put(&frame(&ours, "f"), Append, rows(9..10)).await;
    push(&ours, &other, "f").await;
    assert_same(&ours, &other, "f").await;
}

async fn a_clone_that_was_deleted_can_be_cloned_again(place: &Place) {
    let (ours, theirs) = (place.open().await, Place::in_memory().open().await);
    lively(&theirs, "f").await;
    clone(&ours, &theirs, "f").await;
    for moved_on in [false, true] {
        frame(&ours, "f").delete().await.unwrap();
        if moved_on {
            put(&frame(&theirs, "f"), Append, rows(90..91)).await;
        }
        let again = clone(&ours, &theirs, "f").await;
        assert_eq!(again.outcome, SyncOutcome::Created);
        assert_same(&ours, &theirs, "f").await;
    }
    assert_sound(&ours, "f").await;
    let known = clone(&ours, &theirs, "f").await;
    assert_eq!(known.outcome, SyncOutcome::Unchanged);
}

async fn a_pull_after_one_append_moves_one_segment_however_many_there_are(place: &Place) {
    let source = Place::in_memory().open().await;
    let original = frame(&source, "f");
    for n in 0..1_000 {
        put(&original, Append, rows([n])).await;
    }
    let target = place.open().await;
    let cloned = clone(&target, &source, "f").await;
    assert_eq!(cloned.versions, 1_000);
    put(&original, Append, rows([1_000])).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let (from_before, to_before) = (source.requests(), target.requests());
    let pulled = pull(&target, &source, "f").await;
    assert_eq!((pulled.versions, pulled.objects), (1, 1), "{pulled:?}");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let cost = since(target.requests(), to_before);
    // The segment, the entry, what is known of the remote, a hint, and perhaps a checkpoint.
    assert!(cost.creates + cost.overwrites <= 6, "{cost:?}");
    assert!(cost.reads <= 60 && cost.lists == 0, "{cost:?}");
    let asked = since(source.requests(), from_before);
    assert!(
        asked.creates == 0 && asked.reads <= 12 && asked.lists == 0,
        "{asked:?}"
    );
    assert_eq!(
        numbers(&frame(&target, "f")).await,
        (0..=1_000).collect::<Vec<i64>>()
    );
}

async fn histories_of_many_commits_travel_in_parts(place: &Place) {
    let (ours, theirs) = (place.open().await, Place::in_memory().open().await);
    put(&frame(&ours, "f"), Append, rows([0])).await;
    clone(&theirs, &ours, "f").await;
    for n in 1..150 {
        put(&frame(&ours, "f"), Append, rows([n])).await;
        put(&frame(&theirs, "f"), Append, rows([1_000 + n])).await;
    }
    assert_eq!(pull(&theirs, &ours, "f").await.outcome, SyncOutcome::Merged);
    let moved = pull(&ours, &theirs, "f").await;
    assert_eq!((moved.outcome, moved.versions), (SyncOutcome::Moved, 1));
    assert_same(&ours, &theirs, "f").await;
    let third = Place::in_memory().open().await;
    let cloned = clone(&third, &ours, "f").await;
    assert_eq!(cloned.outcome, SyncOutcome::Created);
    assert_same(&third, &ours, "f").await;
}
