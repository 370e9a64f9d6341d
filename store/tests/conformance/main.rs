//! What every place that a store can live in must do: one suite, run on each.
//!
//! A test is a function of a [`place::Place`]; `on_every_place!` runs it on a local folder and in memory. A new
//! backend adds one line there.

// Everything here is a test to the lints, functions without `#[test]` too.
#![cfg(test)]

mod buckets;
mod faults;
mod frames;
mod history;
mod place;
mod plain;
mod reading;
mod requests;
mod rows;
mod writers;

/// Runs each test on every kind of place.
macro_rules! on_every_place {
    ($($test:ident),+ $(,)?) => {
        mod on_disk {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(&crate::place::Place::on_disk()).await; })+
        }
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(&crate::place::Place::in_memory()).await; })+
        }
    };
}
pub(crate) use on_every_place;
