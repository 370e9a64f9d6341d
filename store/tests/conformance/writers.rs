//! Many writers at once, in one process and in several.

use std::collections::BTreeSet;

use shoots_proto::as_of::AsOf;
use shoots_proto::put::PutMode::{self, Append, Error, Replace};
use shoots_store::{ErrorKind, Frame};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, numbers, numbers_as_of, put, rows, try_put};

on_every_place!(
    writers_in_one_process_lose_nothing,
    writers_in_two_processes_lose_nothing,
    grouped_puts_keep_their_own_versions,
    of_many_creators_one_wins,
    a_writer_with_old_news_starts_from_the_newest,
    each_version_adds_what_its_put_added,
);

async fn append_each(frame: Frame, numbers: std::ops::Range<i64>) -> Vec<(u64, i64)> {
    let mut versions = Vec::new();
    for n in numbers {
        versions.push((put(&frame, Append, rows([n])).await.version, n));
    }
    versions
}

/// Every put got a version of its own, and every row is there once.
async fn check(frame: &Frame, mut versions: Vec<(u64, i64)>) {
    versions.sort_unstable();
    let distinct: BTreeSet<u64> = versions.iter().map(|(version, _)| *version).collect();
    assert_eq!(distinct.len(), versions.len());
    assert_eq!(
        distinct.into_iter().collect::<Vec<_>>(),
        (1..=versions.len() as u64).collect::<Vec<_>>()
    );
    let in_order: Vec<i64> = versions.iter().map(|(_, n)| *n).collect();
    assert_eq!(numbers(frame).await, in_order);
}

async fn writers_in_one_process_lose_nothing(place: &Place) {
    let store = place.open().await;
    let writers =
        (0..16).map(|w| tokio::spawn(append_each(frame(&store, "f"), w * 100..w * 100 + 12)));
    let mut versions = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        versions.extend(writer.await.unwrap());
    }
    check(&frame(&store, "f"), versions).await;
    check_puts_were_grouped(&frame(&store, "f")).await;
}

/// Commits of one entry share their time of publication.
async fn check_puts_were_grouped(frame: &Frame) {
    let history = frame.history(usize::MAX, None).await.unwrap().commits;
    let published: BTreeSet<_> = history.iter().map(|record| record.published).collect();
    assert!(
        published.len() < history.len(),
        "no two puts were published together"
    );
}

async fn writers_in_two_processes_lose_nothing(place: &Place) {
    let stores = [place.open().await, place.open().await];
    let writers = (0..8_i64).map(|w| {
        let store = &stores[usize::try_from(w).unwrap() % 2];
        tokio::spawn(append_each(frame(store, "f"), w * 100..w * 100 + 10))
    });
    let mut versions = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        versions.extend(writer.await.unwrap());
    }
    for store in &stores {
        check(&frame(store, "f"), versions.clone()).await;
    }
    check(&frame(&place.open().await, "f"), versions).await;
}

async fn grouped_puts_keep_their_own_versions(place: &Place) {
    let store = place.open().await;
    let writers = (0..40).map(|n| {
        let frame = frame(&store, "f");
        tokio::spawn(async move { (put(&frame, Append, rows(n * 10..n * 10 + n % 4)).await, n) })
    });
    let mut puts = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        puts.push(writer.await.unwrap());
    }
    puts.sort_by_key(|(published, _)| published.version);
    let frame = frame(&place.open().await, "f");
    let mut expected = Vec::new();
    for (published, n) in puts {
        assert_eq!(published.rows, n.unsigned_abs() % 4);
        expected.extend(n * 10..n * 10 + n % 4);
        let version = i64::try_from(published.version).unwrap();
        assert_eq!(
            numbers_as_of(&frame, &AsOf::Version(version)).await,
            expected
        );
    }
}

async fn of_many_creators_one_wins(place: &Place) {
    let stores = [place.open().await, place.open().await];
    let attempts = (0..10_i64).map(|n| {
        let frame = frame(&stores[usize::try_from(n).unwrap() % 2], "f");
        tokio::spawn(async move { try_put(&frame, Error, rows([n])).await.map(|_| n) })
    });
    let mut winners = Vec::new();
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(n) => winners.push(n),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(numbers(&frame(&stores[0], "f")).await, winners);
}

async fn a_writer_with_old_news_starts_from_the_newest(place: &Place) {
    let (first, second) = (place.open().await, place.open().await);
    put(&frame(&first, "f"), Error, rows([1])).await;
    assert_eq!(numbers(&frame(&second, "f")).await, [1]);
    for n in 0..20 {
        put(&frame(&first, "f"), Replace, rows([n])).await;
    }
    frame(&first, "f").delete().await.unwrap();
    let second = frame(&second, "f");
    assert_eq!(put(&second, Error, rows([7])).await.version, 23);
    assert_eq!(numbers(&second).await, [7]);
    assert_eq!(numbers(&frame(&first, "f")).await, [7]);
}

async fn each_version_adds_what_its_put_added(place: &Place) {
    let store = place.open().await;
    let modes: [PutMode; 3] = [Append, Replace, Append];
    let writers = (0..24_i64).map(|n| {
        let frame = frame(&store, "f");
        let mode = modes[usize::try_from(n).unwrap() % 3];
        tokio::spawn(async move { (put(&frame, mode, rows([n])).await.version, mode, n) })
    });
    let mut puts = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        puts.push(writer.await.unwrap());
    }
    puts.sort_by_key(|(version, ..)| *version);
    let frame = frame(&store, "f");
    let mut expected = Vec::new();
    for (version, mode, n) in puts {
        if mode == Replace {
            expected.clear();
        }
        expected.push(n);
        let as_of = AsOf::Version(i64::try_from(version).unwrap());
        assert_eq!(numbers_as_of(&frame, &as_of).await, expected);
    }
}
