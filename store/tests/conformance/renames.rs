//! Renames that stopped between their copy and their tombstone: the same rename, made again, goes on, and nothing else does.

use shoots_proto::TagName;
use shoots_proto::action::{NewFrame, Retention};
use shoots_proto::put::PutMode::{Append, Error as Create};
use shoots_store::{Error, ErrorKind, Frame};
use tokio::task::JoinHandle;

use crate::faults::{Plan, faulty};
use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, id, numbers, put, rows};

on_every_place!(
    a_rename_whose_tombstone_failed_goes_on_when_it_is_made_again,
    a_rename_whose_process_was_killed_goes_on_in_another,
    what_was_written_to_the_old_name_meanwhile_comes_along,
    what_was_changed_under_the_new_name_is_kept,
    upkeep_of_the_copy_is_no_change,
    a_copy_that_was_made_on_purpose_is_not_gone_on_with,
    a_rename_of_another_frame_does_not_go_on_with_it,
    a_rename_that_came_to_its_end_does_not_go_on,
    an_unfinished_rename_is_no_obstacle_to_other_names,
    two_who_go_on_at_once_take_nothing_from_each_other,
    a_rename_that_is_overtaken_by_the_same_one_leaves_its_frame_alone,
);

/// Versions of the frame before it is renamed; the tombstone would be the next.
const VERSIONS: i64 = 3;
const TOMBSTONE: u64 = 4;

/// A frame `old` with a few versions, and its copy `new` by a rename that could not make the tombstone.
async fn half_renamed(place: &Place) -> (Frame, Frame) {
    let store = place.open().await;
    let old = frame(&store, "old");
    for n in 0..VERSIONS {
        put(&old, Append, rows([n])).await;
    }
    let failing = faulty(place, Plan::Stuck(TOMBSTONE)).await;
    let failed = frame(&failing, "old").rename_to(&id("new")).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::OutcomeUnknown, "{failed}");
    for word in [
        "the wire was cut",
        "old",
        "new",
        "made again",
        "a frame of either name",
    ] {
        assert!(failed.to_string().contains(word), "{failed}");
    }
    let new = frame(&store, "new");
    assert_eq!(numbers(&old).await, numbers(&new).await);
    (old, new)
}

/// A rename of `old` to `new` that has made the copy, and waits with the tombstone.
async fn waiting(place: &Place) -> (JoinHandle<Result<NewFrame, Error>>, Frame, Frame) {
    let store = place.open().await;
    let (old, new) = (frame(&store, "old"), frame(&store, "new"));
    for n in 0..VERSIONS {
        put(&old, Append, rows([n])).await;
    }
    let slow = faulty(place, Plan::Outrun(TOMBSTONE)).await;
    let renaming = tokio::spawn(async move { frame(&slow, "old").rename_to(&id("new")).await });
    while !new.exists().await.unwrap() {
        tokio::task::yield_now().await;
    }
    (renaming, old, new)
}

async fn refused(old: &Frame, new: &Frame) {
    let before = (numbers(old).await, numbers(new).await);
    let refused = old.rename_to(new.id()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused}");
    assert_eq!((numbers(old).await, numbers(new).await), before);
}

async fn commits(frame: &Frame) -> usize {
    frame.history(100, None).await.unwrap().commits.len()
}

async fn a_rename_whose_tombstone_failed_goes_on_when_it_is_made_again(place: &Place) {
    let (old, new) = half_renamed(place).await;
    let renamed = old.rename_to(new.id()).await.unwrap();
    assert_eq!((renamed.version, renamed.rows), (1, 3));
    assert!(!old.exists().await.unwrap());
    assert_eq!(numbers(&new).await, [0, 1, 2]);
    assert_eq!(commits(&new).await, 1);
    let gone = old.rename_to(new.id()).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert_eq!(numbers(&new).await, [0, 1, 2]);
}

async fn a_rename_whose_process_was_killed_goes_on_in_another(place: &Place) {
    let (renaming, old, new) = waiting(place).await;
    renaming.abort();
    assert!(renaming.await.unwrap_err().is_cancelled());
    assert_eq!(numbers(&old).await, [0, 1, 2]);
    old.rename_to(new.id()).await.unwrap();
    assert!(!old.exists().await.unwrap());
    assert_eq!(numbers(&new).await, [0, 1, 2]);
    assert_eq!(commits(&new).await, 1);
}

async fn what_was_written_to_the_old_name_meanwhile_comes_along(place: &Place) {
    let (old, new) = half_renamed(place).await;
    put(&old, Append, rows([7])).await;
    // It may fail more than once.
    let failing = faulty(place, Plan::Stuck(TOMBSTONE + 1)).await;
    let failed = frame(&failing, "old").rename_to(new.id()).await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    put(&old, Append, rows([8])).await;
    let renamed = old.rename_to(new.id()).await.unwrap();
    assert_eq!(renamed.rows, 5);
    assert!(!old.exists().await.unwrap());
    assert_eq!(numbers(&new).await, [0, 1, 2, 7, 8]);
}

async fn what_was_changed_under_the_new_name_is_kept(place: &Place) {
    let (old, new) = half_renamed(place).await;
    put(&new, Append, rows([9])).await;
    refused(&old, &new).await;
    new.delete().await.unwrap();
    new.undelete().await.unwrap();
    refused(&old, &new).await;
    new.delete().await.unwrap();
    old.rename_to(new.id()).await.unwrap();
    assert_eq!(numbers(&new).await, [0, 1, 2]);

    let (old, other) = (new, frame(&place.open().await, "other"));
    let newest = old.history(1, None).await.unwrap().commits[0].version;
    let failing = faulty(place, Plan::Stuck(newest + 1)).await;
    let failed = frame(&failing, "new").rename_to(other.id()).await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    // A name that somebody has given, and a rule, are changes as well.
    let rule = Retention {
        keep_versions: Some(3),
        keep_seconds: None,
        keep_tagged: true,
    };
    other.set_retention(Some(rule)).await.unwrap();
    refused(&old, &other).await;
    assert_eq!(other.retention().await.unwrap().own, Some(rule));
    let tag = TagName::parse("kept").unwrap();
    other.tag(&tag, None, false).await.unwrap();
    refused(&old, &other).await;
}

async fn upkeep_of_the_copy_is_no_change(place: &Place) {
    let (old, new) = half_renamed(place).await;
    new.compact(false).await.unwrap();
    let newest = new.history(1, None).await.unwrap().commits;
    assert_eq!(newest[0].operation, "compact");
    put(&old, Append, rows([7])).await;
    old.rename_to(new.id()).await.unwrap();
    assert!(!old.exists().await.unwrap());
    assert_eq!(numbers(&new).await, [0, 1, 2, 7]);
}

async fn a_copy_that_was_made_on_purpose_is_not_gone_on_with(place: &Place) {
    let store = place.open().await;
    let (source, copy) = (frame(&store, "source"), frame(&store, "copy"));
    put(&source, Append, rows(0..3)).await;
    source.copy_to(copy.id(), None).await.unwrap();
    refused(&source, &copy).await;
    // Not even one of a frame that a rename has begun.
    let (old, new) = half_renamed(place).await;
    let (of_new, of_old) = (id("of new"), id("of old"));
    new.copy_to(&of_new, None).await.unwrap();
    old.copy_to(&of_old, None).await.unwrap();
    refused(&old, &store.frame(&of_new)).await;
    refused(&old, &store.frame(&of_old)).await;
    refused(&new, &store.frame(&of_new)).await;
    refused(&new, &old).await;
}

async fn a_rename_of_another_frame_does_not_go_on_with_it(place: &Place) {
    let (_, new) = half_renamed(place).await;
    let third = frame(&place.open().await, "third");
    put(&third, Create, rows([5])).await;
    refused(&third, &new).await;
}

async fn a_rename_that_came_to_its_end_does_not_go_on(place: &Place) {
    let (old, new) = half_renamed(place).await;
    old.rename_to(new.id()).await.unwrap();
    // The frame is there again, as it was, or another one has its name.
    old.undelete().await.unwrap();
    refused(&old, &new).await;
    old.delete().await.unwrap();
    put(&old, Create, rows([5])).await;
    refused(&old, &new).await;
}

async fn an_unfinished_rename_is_no_obstacle_to_other_names(place: &Place) {
    let (old, new) = half_renamed(place).await;
    let other = frame(&place.open().await, "other");
    refused(&new, &old).await;
    old.rename_to(other.id()).await.unwrap();
    assert!(!old.exists().await.unwrap());
    assert_eq!(numbers(&other).await, [0, 1, 2]);
    assert_eq!(numbers(&new).await, [0, 1, 2]);
    new.rename_to(old.id()).await.unwrap();
    assert!(!new.exists().await.unwrap());
    assert_eq!(numbers(&old).await, [0, 1, 2]);
    refused(&old, &other).await;
}

async fn two_who_go_on_at_once_take_nothing_from_each_other(place: &Place) {
    let (old, new) = half_renamed(place).await;
    put(&old, Append, rows([7])).await;
    let stores = [place.open().await, place.open().await, place.open().await];
    let renames = stores
        .iter()
        .map(|store| async { frame(store, "old").rename_to(new.id()).await });
    let outcomes = futures::future::join_all(renames).await;
    assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
    for error in outcomes.into_iter().filter_map(Result::err) {
        let kinds = [ErrorKind::NotFound, ErrorKind::Conflict];
        assert!(kinds.contains(&error.kind()), "{error}");
    }
    assert!(!old.exists().await.unwrap());
    assert_eq!(numbers(&new).await, [0, 1, 2, 7]);
}

/// A slow rename has made its copy, and its caller has lost patience and makes it again elsewhere.
async fn a_rename_that_is_overtaken_by_the_same_one_leaves_its_frame_alone(place: &Place) {
    let (renaming, old, new) = waiting(place).await;
    old.rename_to(new.id()).await.unwrap();
    let renamed = renaming.await.unwrap().unwrap();
    assert_eq!((renamed.version, renamed.rows), (1, 3));
    assert!(!old.exists().await.unwrap());
    assert_eq!(numbers(&new).await, [0, 1, 2]);
}
