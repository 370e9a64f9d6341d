//! What every place that a store can live in must do: one suite, run on each.
//!
//! A test is a function of a [`place::Place`]; `on_every_place!` runs it on a local folder, in memory and on S3. A new
//! backend adds a few lines there.
//!
//! The S3 is whichever `SHOOTS_TEST_S3` names, such as `s3://bucket`, with the variables of AWS' tools; `cargo xtask
//! test` starts one. Without the variable, the tests on S3 say that they are skipped.

// Everything here is a test to the lints, functions without `#[test]` too.
#![cfg(test)]

mod abandoned;
mod buckets;
mod chaos;
mod clocks;
mod compacted;
mod copies;
mod copies_in_chaos;
mod cost;
mod diff;
mod faults;
mod filtered;
mod frames;
mod history;
mod inspect;
mod journeys;
mod lineage;
mod lost;
mod meddler;
mod place;
mod plain;
mod readers;
mod reading;
mod remote;
mod renames;
mod requests;
mod rows;
mod snapshots;
mod sorted;
mod sync;
mod sync_expiry;
mod sync_history;
mod sync_liars;
mod sync_merges;
mod sync_parts;
mod sync_swept;
mod upkeep;
mod usage;
mod verify;
mod writers;

/// Runs each test on every kind of place. Those after `not_on_s3` make so many requests that an S3 which answers them
/// one after the other would need minutes, or depend on what an S3 does not have; the reason is given there.
macro_rules! on_every_place {
    ($($test:ident),* $(,)? $(; not_on_s3 $reason:literal: $($heavy:ident),+ $(,)?)?) => {
        mod on_disk {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(&crate::place::Place::on_disk()).await; })*
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $heavy() { super::$heavy(&crate::place::Place::on_disk()).await; })+)?
        }
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(&crate::place::Place::in_memory()).await; })*
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $heavy() { super::$heavy(&crate::place::Place::in_memory()).await; })+)?
        }
        mod on_s3 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(place) = crate::place::Place::on_s3() {
                    super::$test(&place).await;
                }
            })*
        }
    };
}
pub(crate) use on_every_place;
