//! Merges whose outcome is written down.

use std::collections::BTreeMap;

use super::op::Op;
use super::site::Site;
use crate::merge::conflict::Kind;
use crate::merge::{Conflict, Merged};

/// What both sides did, the first before the second, and their stores.
async fn apart(indexed: bool, ours: &[Op], theirs: &[Op]) -> (Site, Site) {
    let mut one = Site::begin(indexed, 0).await;
    let mut other = one.fork(1, 1_000).await;
    one.run(ours).await;
    other.run(theirs).await;
    one.fetch(&other).await;
    other.fetch(&one).await;
    (one, other)
}

async fn merged(indexed: bool, ours: &[Op], theirs: &[Op]) -> Result<Box<Merged>, Conflict> {
    let (one, other) = apart(indexed, ours, theirs).await;
    one.merge(&other).await
}

/// The values of a column by the key.
async fn values(site: &Site, merged: &Merged, column: &str) -> BTreeMap<i64, Option<i64>> {
    let rows = site.rows_of(merged).await;
    let pairs = rows.iter().map(|row| (row["k"].unwrap(), row[column]));
    pairs.collect()
}

#[tokio::test]
async fn a_condition_meets_rows_that_its_author_did_not_see() {
    let append = [Op::Append(vec![(9, 1)])];
    // The values of the put are 4 for each of its seeds and 1 for the place of the column.
    let delete = [Op::DeleteWhere(1, 5, 0)];
    let (one, other) = apart(false, &append, &delete).await;
    let merged = one.merge(&other).await.unwrap();
    let rows = one.rows_of(&merged).await;
    assert!(
        rows.iter().all(|row| row["v"].unwrap() % 5 != 0),
        "{rows:?}"
    );
    assert_eq!(rows.len(), 5);
}

#[tokio::test]
async fn a_store_that_reads_no_conditions_merges_those_that_it_need_not_ask_anew() {
    let (append, delete) = ([Op::Append(vec![(9, 1)])], [Op::DeleteWhere(1, 5, 0)]);
    let (one, other) = apart(false, &append, &delete).await;
    let one = one.without_conditions().await;
    let conflict = one.merge(&other).await.unwrap_err();
    assert_eq!(conflict.kind, Kind::Condition);
    assert_eq!(
        (&conflict.ours, &conflict.theirs),
        (one.head(), other.head())
    );
    let told = conflict.into_error("f").to_string();
    assert!(told.contains("v%5=0") && told.contains("favour"), "{told}");

    let (one, other) = apart(false, &delete, &append).await;
    let one = one.without_conditions().await;
    let merged = one.merge(&other).await.unwrap();
    let rows = one.rows_of(&merged).await;
    assert!(rows.iter().any(|row| row["v"] == Some(5)), "{rows:?}");
}

#[tokio::test]
async fn an_upsert_of_some_columns_leaves_what_the_other_side_wrote_into_others() {
    let ours = [Op::Add(0), Op::Upsert(vec![(2, 7)], 0b100, None)];
    let theirs = [Op::Upsert(vec![(2, 9)], 0b010, None)];
    let (one, other) = apart(true, &ours, &theirs).await;
    let merged = one.merge(&other).await.unwrap();
    assert_eq!(values(&one, &merged, "x").await[&2], Some(7 * 4 + 1));
    assert_eq!(values(&one, &merged, "v").await[&2], Some(9 * 4 + 1));
    assert_eq!(merged.rows(), 6);
}

#[tokio::test]
async fn segments_that_only_the_replay_needed_are_removed() {
    let ours = [Op::Add(0), Op::Upsert(vec![(2, 7)], 0b100, None)];
    let theirs = [
        Op::Upsert(vec![(2, 9)], 0b010, None),
        Op::Upsert(vec![(2, 8)], 0b010, None),
    ];
    let (one, other) = apart(true, &ours, &theirs).await;
    let before = one.stored_segments().await;
    let merged = one.merge(&other).await.unwrap();
    assert_eq!(merged.written.len(), 1);
    assert_eq!(one.stored_segments().await, before + 1);
    assert_eq!(values(&one, &merged, "v").await[&2], Some(8 * 4 + 1));

    let dropped = [
        Op::Upsert(vec![(2, 9)], 0b010, None),
        Op::Replace(vec![(1, 1)], false),
    ];
    let (one, other) = apart(true, &ours, &dropped).await;
    let before = one.stored_segments().await;
    one.merge(&other).await.unwrap();
    assert_eq!(one.stored_segments().await, before);
}

#[tokio::test]
async fn a_conflict_leaves_no_segments_behind() {
    let ours = [Op::Add(0), Op::Upsert(vec![(2, 7)], 0b100, None)];
    let theirs = [Op::Upsert(vec![(2, 9)], 0b010, None), Op::Rename(1, 0)];
    let (one, other) = apart(true, &ours, &theirs).await;
    let before = one.stored_segments().await;
    let conflict = one.merge(&other).await.unwrap_err();
    assert_eq!(conflict.kind, Kind::Types);
    assert_eq!(conflict.theirs, *other.head());
    assert_eq!(one.stored_segments().await, before);
}

#[tokio::test]
async fn rows_of_another_index_are_a_conflict() {
    let replaced = [Op::Replace(vec![(1, 1)], false)];
    let appended = [Op::Append(vec![(1, 2)])];
    let conflict = merged(true, &replaced, &appended).await.unwrap_err();
    assert_eq!(conflict.kind, Kind::Index);
    // The other way round the replace comes last, and nothing before it counts.
    let merged = merged(true, &appended, &replaced).await.unwrap();
    assert_eq!((merged.rows(), merged.index.len()), (1, 0));
}

#[tokio::test]
async fn what_a_restore_brought_and_nobody_keeps_is_a_conflict_unless_it_does_not_show() {
    let restored = [Op::Append(vec![(1, 2)]), Op::Restore(1)];
    let appended = [Op::Append(vec![(1, 3)])];
    let (mut one, mut other) = apart(false, &restored, &appended).await;
    assert_eq!(one.merge(&other).await.unwrap().rows(), 7);
    one.forget_lists();
    other.forget_lists();
    let conflict = one.merge(&other).await.unwrap_err();
    assert_eq!(conflict.kind, Kind::Expired);

    let replaced = [Op::Replace(vec![(1, 1)], false)];
    let (mut one, other) = apart(false, &restored, &replaced).await;
    one.forget_lists();
    assert_eq!(one.merge(&other).await.unwrap().rows(), 1);
}

#[tokio::test]
async fn rows_that_join_a_frame_that_the_other_side_deleted_begin_it_anew() {
    let appended = [Op::Append(vec![(1, 3)])];
    let (one, other) = apart(false, &[Op::Delete], &appended).await;
    let merged = one.merge(&other).await.unwrap();
    assert_eq!((merged.rows(), merged.deleted), (1, false));
    let (one, other) = apart(false, &appended, &[Op::Delete]).await;
    let merged = one.merge(&other).await.unwrap();
    assert_eq!((merged.rows(), merged.deleted), (7, true));
}

#[tokio::test]
async fn rows_that_are_gone_begin_a_frame_anew_too_that_the_other_side_deleted() {
    let appended = [Op::Append(vec![(2, 7)]), Op::Append(vec![(3, 3)])];
    let (one, other) = apart(true, &[Op::Delete], &appended).await;
    // What the second append came upon is not known.
    let without = one.merge_without(&other, 1).await.unwrap();
    assert_eq!(without.outcome.unwrap_err().kind, Kind::Expired);
}

#[tokio::test]
async fn compaction_on_one_side_changes_nothing_about_what_the_other_did() {
    let appended = [Op::Append(vec![(3, 3)]), Op::Append(vec![(4, 3)])];
    let compacted = [&appended[..], &[Op::Compact, Op::DeleteSpan(3, 4)]].concat();
    let deleted = [Op::DeleteSpan(0, 2), Op::Append(vec![(3, 5)])];
    let (one, other) = apart(true, &compacted, &deleted).await;
    let (ours, theirs) = (
        one.merge(&other).await.unwrap(),
        other.merge(&one).await.unwrap(),
    );
    let rows = one.rows_of(&ours).await;
    assert_eq!(rows, other.rows_of(&theirs).await);
    let keys: Vec<Option<i64>> = rows.iter().map(|row| row["k"]).collect();
    assert_eq!(keys, [2, 3, 4, 4, 5].map(Some));
}
