//! Copies and renames on storage that fails, is late, and loses replies and hints.
//!
//! A copy is a state of its source as a whole, or there is none. A frame that is renamed is under its old name, its new
//! one or both, and always whole. What failed leaves nothing that the sweep does not find.

use futures::future::join_all;
use shoots_proto::PutMode::{Append, Error as Create, Upsert};
use shoots_proto::action::VerifyRequest;
use shoots_proto::name::FrameId;
use shoots_store::{ErrorKind, Frame, PutOptions, Store};

use crate::chaos::{Known, seeds, settle};
use crate::faults::{Plan, faulty};
use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, id, numbers, numbers_as_of, put, rows, try_put_with};
use crate::verify::tomorrow;

on_every_place!(
    ; not_on_s3 "thousands of requests, one after the other":
    under_chaos_copies_are_whole_or_absent,
    under_chaos_a_renamed_frame_is_whole_wherever_it_is,
);

const COPIES: usize = 5;
const RENAMES: usize = 8;
/// Rows of a frame before anything is copied.
const ROWS: i64 = 300;

/// Rows in several segments, every second of them replaced: one segment needs a deletion vector.
async fn prepare(store: &Store, name: &str) -> Frame {
    let frame = frame(store, name);
    let options = PutOptions::mode(Create).index(["n"]);
    let most = ROWS - 10;
    try_put_with(&frame, options, rows(0..most)).await.unwrap();
    put(&frame, Upsert, rows((0..most).step_by(2))).await;
    for n in most..ROWS {
        put(&frame, Append, rows([n])).await;
    }
    frame
}

async fn in_chaos(place: &Place, seed: u64) -> [Store; 2] {
    [
        faulty(place, Plan::Chaos { seed }).await,
        faulty(place, Plan::Chaos { seed: !seed }).await,
    ]
}

/// Copies until it is known what became of it.
async fn copy(source: Frame, target: FrameId) -> (FrameId, Known) {
    let source = source.request_id(Some(target.to_string()));
    let known = settle(async || source.copy_to(&target, None).await).await;
    (target, known)
}

async fn under_chaos_copies_are_whole_or_absent(place: &Place) {
    let mut done = 0;
    for seed in seeds() {
        println!("SHOOTS_CHAOS_SEEDS={seed}..{}", seed + 1);
        let name = format!("source {seed}");
        prepare(&place.open().await, &name).await;
        let stores = in_chaos(place, seed).await;
        let copying = stores.iter().enumerate().map(|(at, store)| {
            let source = frame(store, &name);
            async move {
                let mut copies = Vec::new();
                for n in 0..COPIES {
                    let target = id(&format!("copy {seed} {at} {n}"));
                    copies.push(copy(source.clone(), target).await);
                }
                copies
            }
        });
        let written = frame(&stores[0], &name);
        let writing = async {
            for n in ROWS..ROWS + 20 {
                let options = PutOptions {
                    request_id: Some(n.to_string()),
                    ..PutOptions::mode(Append)
                };
                settle(async || try_put_with(&written, options.clone(), rows([n])).await).await;
            }
        };
        let (copies, ()) = tokio::join!(join_all(copying), writing);

        let store = place.open().await;
        let source = numbers(&frame(&store, &name)).await;
        for (target, known) in copies.into_iter().flatten() {
            let copy = store.frame(&target);
            let there = copy.exists().await.unwrap();
            match known {
                Known::Done => assert!(there, "{target} was acknowledged"),
                Known::Absent => assert!(!there, "{target} was said to have failed"),
                Known::Unknown => {}
            }
            if there {
                // The rows were appended in this order, so each state of the source is a beginning of the last one.
                let found = numbers(&copy).await;
                assert!(found.len() as i64 >= ROWS && source.starts_with(&found));
                assert_eq!(copy.history(9, None).await.unwrap().commits.len(), 1);
                done += 1;
            }
        }
    }
    assert!(done > 0);
    nothing_is_left_after_a_sweep(place).await;
}

async fn under_chaos_a_renamed_frame_is_whole_wherever_it_is(place: &Place) {
    for seed in seeds() {
        println!("SHOOTS_CHAOS_SEEDS={seed}..{}", seed + 1);
        let healthy = place.open().await;
        let (old, new) = (
            |n: usize| id(&format!("old {seed} {n}")),
            |n: usize| id(&format!("new {seed} {n}")),
        );
        for n in 0..RENAMES {
            prepare(&healthy, old(n).name.as_str()).await;
        }
        let stores = in_chaos(place, seed).await;
        let renames = (0..RENAMES).map(|n| {
            let frame = stores[n % 2].frame(&old(n));
            async move { frame.rename_to(&new(n)).await }
        });
        let outcomes = join_all(renames).await;

        let store = place.open().await;
        let all: Vec<i64> = (0..ROWS).collect();
        for (n, outcome) in outcomes.into_iter().enumerate() {
            let (old, new) = (store.frame(&old(n)), store.frame(&new(n)));
            let there = (old.exists().await.unwrap(), new.exists().await.unwrap());
            match outcome {
                Ok(_) => assert_eq!(there, (false, true), "{n} was acknowledged"),
                Err(error) => {
                    let kind = error.kind();
                    let failed = matches!(kind, ErrorKind::Io | ErrorKind::OutcomeUnknown);
                    assert!(failed, "{n}: {error}");
                    assert!(there.0 || there.1, "{n}: {error}");
                }
            }
            for frame in [(there.0, &old), (there.1, &new)] {
                if let (true, frame) = frame {
                    assert_eq!(numbers(frame).await, all);
                }
            }
            if there.0 {
                // What was begun goes on.
                old.rename_to(new.id()).await.unwrap();
                assert!(!old.exists().await.unwrap());
                assert_eq!(numbers(&new).await, all);
            } else {
                // The history stays where it was.
                let last = shoots_proto::as_of::AsOf::Version(-2);
                assert_eq!(numbers_as_of(&old, &last).await, all);
            }
        }
    }
    nothing_is_left_after_a_sweep(place).await;
}

/// What failed copies have left is gone a day later, in frames that never came to be too, and nothing else is.
async fn nothing_is_left_after_a_sweep(place: &Place) {
    let store = tomorrow(place).await;
    let mut removed = 0;
    for frame in store.logged_frames(None).await.unwrap() {
        removed += frame.sweep(false).await.unwrap().objects;
    }
    println!("{removed} objects were left");
    let everything = VerifyRequest::default();
    let checked = store.verify(&everything).await.unwrap();
    assert!(checked.ok, "{checked:?}");
    let left = checked.unreferenced.iter();
    let left: Vec<_> = left
        .filter(|left| !left.object.contains("/schemas/"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
