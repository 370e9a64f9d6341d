//! What upkeep means to those who read meanwhile, and to those who read afterwards.

use arrow_array::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use shoots_proto::action::Retention;
use shoots_proto::as_of::AsOf;
use shoots_proto::put::PutMode::{Append, Error, Replace};
use shoots_proto::{Note, TagName};
use shoots_store::{ErrorKind, Frame, PutOptions, ReadOptions, Rows, Store};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, put, rows, try_put_with};

on_every_place!(
    the_sweep_waits_for_readers_of_what_has_expired,
    the_sweep_waits_for_readers_of_what_was_forgotten,
    a_snapshot_that_nobody_reads_holds_nothing_up,
    a_reader_that_others_overtake_is_told_what_became_of_its_version,
    a_reader_of_a_frame_that_came_back_is_told_that_the_old_one_is_gone,
    what_a_change_says_about_itself_outlives_upkeep,
    forgetting_says_what_others_still_need_and_the_log_what_has_expired,
);

const SEGMENTS: i64 = 12;

async fn strict(place: &Place) -> Store {
    let retention = Retention {
        keep_versions: Some(1),
        ..Retention::default()
    };
    let builder = place.builder().retention(retention).sweep_grace_seconds(0);
    builder.open().await.unwrap()
}

/// A frame of more segments than a reader reads ahead.
async fn many_segments(frame: &Frame) {
    for n in 0..SEGMENTS {
        put(frame, Append, rows(n * 10..n * 10 + 10)).await;
    }
}

/// A reader that has taken the first rows.
async fn begun(frame: &Frame) -> Rows {
    let snapshot = frame.snapshot(None).await.unwrap();
    let mut rows = snapshot.read(ReadOptions::default()).await.unwrap();
    assert_eq!(rows.next().await.unwrap().unwrap().num_rows(), 10);
    rows
}

fn count(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

async fn the_sweep_waits_for_readers_of_what_has_expired(place: &Place) {
    let store = strict(place).await;
    let frame = frame(&store, "f");
    many_segments(&frame).await;
    let reader = begun(&frame).await;
    put(&frame, Replace, rows(0..1)).await;
    frame.expire(false).await.unwrap();
    let swept = frame.sweep(false).await.unwrap();
    assert_eq!(swept.objects, 0, "{swept:?}");
    assert!(swept.in_use_objects >= 12 && swept.in_use_bytes > 0);
    let rest = reader.collect().await.unwrap();
    assert_eq!(count(&rest), 110);
    let swept = frame.sweep(false).await.unwrap();
    assert_eq!(swept.in_use_objects, 0);
    assert!(swept.objects >= 12, "{swept:?}");
}

async fn the_sweep_waits_for_readers_of_what_was_forgotten(place: &Place) {
    let store = strict(place).await;
    let frame = frame(&store, "f");
    many_segments(&frame).await;
    let reader = begun(&frame).await;
    put(&frame, Replace, rows(0..1)).await;
    let versions: Vec<AsOf> = (1..=SEGMENTS).map(AsOf::Version).collect();
    frame.forget(&versions, false).await.unwrap();
    // Who reads the newest version needs nothing that was condemned.
    let newest = begun_newest(&frame).await;
    let swept = frame.sweep(false).await.unwrap();
    assert!(swept.objects == 0 && swept.in_use_objects > 0, "{swept:?}");
    assert_eq!(count(&reader.collect().await.unwrap()), 110);
    let swept = frame.sweep(false).await.unwrap();
    assert!(swept.objects > 0 && swept.in_use_objects == 0, "{swept:?}");
    drop(newest);
}

async fn begun_newest(frame: &Frame) -> Rows {
    let snapshot = frame.snapshot(None).await.unwrap();
    snapshot.read(ReadOptions::default()).await.unwrap()
}

async fn a_snapshot_that_nobody_reads_holds_nothing_up(place: &Place) {
    let store = strict(place).await;
    let frame = frame(&store, "f");
    many_segments(&frame).await;
    let held = frame.snapshot(None).await.unwrap();
    put(&frame, Replace, rows(0..1)).await;
    frame.expire(false).await.unwrap();
    let swept = frame.sweep(false).await.unwrap();
    assert!(
        swept.objects >= 12 && swept.in_use_objects == 0,
        "{swept:?}"
    );
    let reader = held.read(ReadOptions::default()).await;
    let error = match reader {
        Ok(rows) => rows.try_collect::<Vec<_>>().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let told = "version 12 of frame f was expired while it was read: read again";
    assert_eq!(error.to_string(), told);
}

async fn a_reader_that_others_overtake_is_told_what_became_of_its_version(place: &Place) {
    let (here, there) = (strict(place).await, strict(place).await);
    for purged in [false, true] {
        let name = if purged { "purged" } else { "expired" };
        let (frame, same) = (frame(&here, name), frame(&there, name));
        many_segments(&frame).await;
        let reader = begun(&frame).await;
        if purged {
            same.purge(false).await.unwrap();
        } else {
            put(&same, Replace, rows(0..1)).await;
            same.expire(false).await.unwrap();
            same.sweep(false).await.unwrap();
        }
        let error = reader.collect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        let told = format!("version 12 of frame {name} was {name} while it was read: read again");
        assert_eq!(error.to_string(), told);
    }
}

async fn a_reader_of_a_frame_that_came_back_is_told_that_the_old_one_is_gone(place: &Place) {
    let (here, there) = (strict(place).await, strict(place).await);
    let (frame, same) = (frame(&here, "f"), frame(&there, "f"));
    many_segments(&frame).await;
    let reader = begun(&frame).await;
    same.purge(false).await.unwrap();
    put(&same, Error, rows(0..1)).await;
    let error = reader.collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("was purged"), "{error}");
    assert_eq!(frame.snapshot(None).await.unwrap().rows(), 1);
}

fn note(author: &str, message: &str) -> Note {
    Note {
        author: Some(author.into()),
        message: Some(message.into()),
        metadata: None,
    }
}

async fn what_a_change_says_about_itself_outlives_upkeep(place: &Place) {
    let store = strict(place).await;
    let frame = frame(&store, "f");
    put(&frame, Error, rows(0..2)).await;
    let options = PutOptions {
        note: note("ada", "corrected"),
        ..PutOptions::mode(Append)
    };
    try_put_with(&frame, options, rows(2..4)).await.unwrap();
    let tag = TagName::parse("eod").unwrap();
    let noted = frame.clone().noted(note("bob", "end of day"));
    noted.tag(&tag, None, false).await.unwrap();
    assert!(frame.compact(false).await.unwrap().version.is_some());
    assert!(frame.expire(false).await.unwrap().version.is_some());
    let told = async |frame: &Frame, as_of: Option<i64>| {
        let as_of = as_of.map(AsOf::Version);
        let snapshot = frame.snapshot(as_of.as_ref()).await.unwrap();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        (text(snapshot.author()), text(snapshot.message()))
    };
    let expected = ("ada".to_owned(), "corrected".to_owned());
    let reopened = strict(place).await;
    let again = crate::rows::frame(&reopened, "f");
    for as_of in [None, Some(2), Some(3), Some(4), Some(5)] {
        assert_eq!(told(&again, as_of).await, expected, "{as_of:?}");
    }
    // The log tells of every commit what it said itself.
    let commits = frame.history(10, None).await.unwrap().commits;
    let messages: Vec<_> = commits.iter().rev().map(|c| c.message.as_deref()).collect();
    let said = [None, Some("corrected"), Some("end of day"), None, None];
    assert_eq!(messages, said);
    put(&frame, Append, rows(4..5)).await;
    frame.untag(&tag).await.unwrap();
    assert_eq!(told(&frame, None).await, (String::new(), String::new()));
}

async fn forgetting_says_what_others_still_need_and_the_log_what_has_expired(place: &Place) {
    let store = strict(place).await;
    let frame = frame(&store, "f");
    put(&frame, Error, rows(0..2)).await;
    put(&frame, Append, rows(2..4)).await;
    put(&frame, Append, rows(4..6)).await;
    let second = [AsOf::Version(2)];
    for dry_run in [true, false] {
        let told = frame.forget(&second, dry_run).await.unwrap();
        assert_eq!((told.versions_expired, told.segments), (1, 0));
        assert_eq!(told.still_needed_segments, 2);
        assert!(told.still_needed_bytes > 0);
    }
    let commits = frame.history(10, None).await.unwrap().commits;
    let expired = |commits: &[shoots_proto::action::CommitRecord]| -> Vec<u64> {
        let expired = commits.iter().filter(|commit| commit.expired);
        expired.map(|commit| commit.version).collect()
    };
    assert_eq!(expired(&commits), [2]);
    put(&frame, Replace, rows(0..1)).await;
    let told = frame.forget(&[AsOf::Version(1)], false).await.unwrap();
    // The first segment is needed by version 3 still.
    assert_eq!((told.segments, told.still_needed_segments), (0, 1));
    // Forgetting was a commit, too, and its version has the same rows.
    let last = [AsOf::Version(3), AsOf::Version(4)];
    let told = frame.forget(&last, false).await.unwrap();
    assert_eq!((told.segments, told.still_needed_segments), (3, 0));
    let commits = frame.history(10, None).await.unwrap().commits;
    assert_eq!(expired(&commits), [4, 3, 2, 1]);
}
