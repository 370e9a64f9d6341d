//! Going back to older versions.

use std::time::Duration;

use shoots_proto::as_of::AsOf;
use shoots_proto::put::PutMode::{Append, Error, Replace};
use shoots_proto::{Note, TagName};
use shoots_store::{ErrorKind, PutOptions};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, numbers_as_of, numbers_of, put, rows, try_put_with};

on_every_place!(
    any_version_can_be_read_again,
    versions_that_are_not_there_are_named,
    a_state_that_makes_no_sense_is_told_under_the_name_that_the_request_has_for_it,
    times_and_commits_lead_to_versions,
    a_reader_keeps_its_state_while_others_write,
    history_tells_how_many_rows_came_and_went,
    history_tells_what_was_done;
    not_on_s3 "thousands of requests, one after the other":
    every_version_of_a_long_history_can_be_read,
);

async fn any_version_can_be_read_again(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, Error, rows(0..2)).await;
    put(&frame, Append, rows(2..3)).await;
    put(&frame, Replace, rows(9..10)).await;
    frame.delete().await.unwrap();
    put(&frame, Append, rows(5..6)).await;
    for (version, expected) in [
        (1, vec![0, 1]),
        (2, vec![0, 1, 2]),
        (3, vec![9]),
        (5, vec![5]),
    ] {
        assert_eq!(
            numbers_as_of(&frame, &AsOf::Version(version)).await,
            expected
        );
        let from_the_end = AsOf::Version(version - 6);
        assert_eq!(numbers_as_of(&frame, &from_the_end).await, expected);
    }
    let deleted = frame.snapshot(Some(&AsOf::Version(4))).await.unwrap_err();
    assert_eq!(deleted.kind(), ErrorKind::NotFound);
    assert!(
        deleted.to_string().contains("deleted in version 4"),
        "{deleted}"
    );

    frame.delete().await.unwrap();
    for (tag, version) in [("one", 1), ("two", 2)] {
        let tag = TagName::parse(tag).unwrap();
        let version = AsOf::Version(version);
        frame.tag(&tag, Some(&version), false).await.unwrap();
        let deleted = frame.snapshot(None).await.unwrap_err();
        assert!(deleted.to_string().contains("deleted in version 6"));
        let other = TagName::parse("gone").unwrap();
        let refused = frame.tag(&other, None, false).await.unwrap_err();
        assert!(refused.to_string().contains("deleted in version 6"));
    }
}

/// Long enough for checkpoints of checkpoints would take hours; this many passes several checkpoints, with
/// replaces and deletes between them.
async fn every_version_of_a_long_history_can_be_read(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    let mut expected: Vec<Option<Vec<i64>>> = Vec::new();
    let mut present: Vec<i64> = Vec::new();
    for n in 0..300_i64 {
        let state = match n % 97 {
            50 => {
                frame.delete().await.unwrap();
                None
            }
            51 => {
                frame.undelete().await.unwrap();
                Some(present.clone())
            }
            80 => {
                put(&frame, Replace, rows([n])).await;
                present = vec![n];
                Some(present.clone())
            }
            _ => {
                put(&frame, Append, rows([n])).await;
                present.push(n);
                Some(present.clone())
            }
        };
        expected.push(state);
    }
    let reopened = crate::rows::frame(&place.open().await, "f");
    for (version, expected) in (1..).zip(&expected) {
        let snapshot = reopened.snapshot(Some(&AsOf::Version(version))).await;
        match expected {
            Some(expected) => assert_eq!(numbers_of(&snapshot.unwrap()).await, *expected),
            None => assert_eq!(snapshot.unwrap_err().kind(), ErrorKind::NotFound),
        }
    }
}

async fn versions_that_are_not_there_are_named(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    let missing = frame.snapshot(None).await.unwrap_err();
    assert_eq!(
        (missing.kind(), missing.to_string().as_str()),
        (ErrorKind::NotFound, "no such frame: f")
    );
    put(&frame, Error, rows(0..2)).await;
    for number in [0, 2, -2, i64::MIN, i64::MAX] {
        let error = frame
            .snapshot(Some(&AsOf::Version(number)))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error.to_string().contains("the versions are 1 to 1"),
            "{error}"
        );
    }
    let tag = frame
        .snapshot(Some(&AsOf::Tag("end of day".into())))
        .await
        .unwrap_err();
    assert_eq!(tag.kind(), ErrorKind::NotFound);
    let unclear = frame
        .snapshot(Some(&AsOf::Short("end of day".into())))
        .await
        .unwrap_err();
    assert_eq!(unclear.kind(), ErrorKind::InvalidRequest);
    let past = shoots_proto::as_of::parse_time("1999-01-01").unwrap();
    assert_eq!(
        frame
            .snapshot(Some(&AsOf::Time(past)))
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
}

async fn a_state_that_makes_no_sense_is_told_under_the_name_that_the_request_has_for_it(
    place: &Place,
) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, Error, rows(0..2)).await;
    let [good, bad] = ["1", "end of day"].map(|text| match text.parse() {
        Ok(version) => AsOf::Version(version),
        Err(_) => AsOf::Short(text.to_owned()),
    });
    let tag = shoots_proto::TagName::parse("t").unwrap();
    let copy = crate::rows::id("copy");
    let errors = [
        ("as_of", frame.snapshot(Some(&bad)).await.unwrap_err()),
        ("as_of", frame.restore(&bad).await.unwrap_err()),
        (
            "as_of",
            frame.tag(&tag, Some(&bad), false).await.unwrap_err(),
        ),
        ("as_of", frame.copy_to(&copy, Some(&bad)).await.unwrap_err()),
        ("as_of", frame.describe(Some(&bad)).await.unwrap_err()),
        ("as_of", frame.files(Some(&bad)).await.unwrap_err()),
        ("from", frame.diff(&bad, Some(&good)).await.unwrap_err()),
        ("to", frame.diff(&good, Some(&bad)).await.unwrap_err()),
        (
            "from",
            frame.diff_rows(&bad, None).await.map(drop).unwrap_err(),
        ),
        ("since", frame.history(9, Some(&bad)).await.unwrap_err()),
        (
            "versions",
            frame.forget(&[good, bad], true).await.unwrap_err(),
        ),
    ];
    for (field, error) in errors {
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
        assert!(
            error.to_string().starts_with(&format!("{field}: ")),
            "{error}"
        );
    }
}

async fn times_and_commits_lead_to_versions(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    let mut points = Vec::new();
    for n in 0..20_i64 {
        let published = put(&frame, Append, rows([n])).await;
        let snapshot = frame.snapshot(None).await.unwrap();
        points.push((published.commit, snapshot.published().unwrap().to_string()));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for (last, (commit, time)) in (0..).zip(&points) {
        let expected: Vec<i64> = (0..=last).collect();
        let instant = shoots_proto::as_of::parse_time(time).unwrap();
        for as_of in [
            AsOf::Time(instant),
            AsOf::Short(time.clone()),
            AsOf::Short(commit[..16].to_owned()),
            AsOf::Commit(commit.to_uppercase()),
        ] {
            assert_eq!(numbers_as_of(&frame, &as_of).await, expected, "{as_of:?}");
        }
    }
    let unknown = frame
        .snapshot(Some(&AsOf::Commit("0".repeat(64))))
        .await
        .unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

async fn a_reader_keeps_its_state_while_others_write(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, Error, rows(0..5000)).await;
    let snapshot = frame.snapshot(None).await.unwrap();
    put(&frame, Replace, rows(0..1)).await;
    frame.delete().await.unwrap();
    assert_eq!(numbers_of(&snapshot).await, (0..5000).collect::<Vec<_>>());
}

async fn history_tells_how_many_rows_came_and_went(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    put(&frame, Append, rows(0..3)).await;
    put(&frame, Replace, rows(0..5)).await;
    frame.restore(&AsOf::Version(1)).await.unwrap();
    frame.delete().await.unwrap();
    frame.undelete().await.unwrap();
    frame.delete().await.unwrap();
    put(&frame, Append, rows(0..2)).await;
    frame.compact(false).await.unwrap();
    let history = frame.history(10, None).await.unwrap().commits;
    let told: Vec<_> = history
        .iter()
        .rev()
        .map(|r| (r.operation.as_str(), r.rows_added, r.rows_removed))
        .collect();
    let expected = [
        ("create", 3, 0),
        ("replace", 5, 3),
        ("restore", 3, 5),
        ("delete", 0, 3),
        ("undelete", 3, 0),
        ("delete", 0, 3),
        ("create", 2, 0),
    ];
    assert_eq!(told, expected);
}

async fn history_tells_what_was_done(place: &Place) {
    let store = place.open().await;
    let frame = frame(&store, "f");
    let metadata = serde_json::json!({"source": "exchange", "run": 7});
    let options = PutOptions {
        note: Note {
            author: Some("ada".into()),
            message: Some("first".into()),
            metadata: metadata.as_object().cloned(),
        },
        ..PutOptions::default()
    };
    try_put_with(&frame, options, rows(0..3)).await.unwrap();
    put(&frame, Append, rows(3..5)).await;
    frame.delete().await.unwrap();
    let history = frame.history(10, None).await.unwrap().commits;
    let told: Vec<_> = history
        .iter()
        .map(|r| (r.version, r.operation.as_str(), r.rows_added))
        .collect();
    assert_eq!(told, [(3, "delete", 0), (2, "append", 2), (1, "create", 3)]);
    let first = &history[2];
    assert_eq!(first.author.as_deref(), Some("ada"));
    assert_eq!(first.message.as_deref(), Some("first"));
    assert_eq!(first.metadata.as_ref(), metadata.as_object());
    assert_eq!(history[1].parents, std::slice::from_ref(&first.commit));
    assert!(history[1].time > first.time && history[1].published > first.published);
    assert_eq!(frame.history(1, None).await.unwrap().commits.len(), 1);
}
