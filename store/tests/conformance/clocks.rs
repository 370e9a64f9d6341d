//! Clocks that are wrong beyond all measure, and get right again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use shoots_proto::put::PutMode::Append;
use shoots_store::{Environment, ErrorKind, SystemEnvironment, Timestamp};

use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, numbers, put, rows, try_put};

on_every_place!(a_clock_that_cannot_be_right_is_told_and_spoils_nothing);

/// A clock that says what it is told to.
#[derive(Debug, Default)]
struct Clock(AtomicI64);

impl Environment for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanoseconds(self.0.load(Ordering::SeqCst))
    }

    fn unique(&self) -> u128 {
        SystemEnvironment::default().unique()
    }
}

async fn a_clock_that_cannot_be_right_is_told_and_spoils_nothing(place: &Place) {
    let clock = Arc::new(Clock::default());
    let builder = place.builder().environment(clock.clone());
    let store = builder.open().await.unwrap();
    let spared = frame(&store, "f");
    let set = |time: i64| clock.0.store(time, Ordering::SeqCst);
    let right = SystemEnvironment::default().now().nanoseconds();
    for wrong in [i64::MAX, -1, i64::MIN] {
        set(right);
        let before = put(&spared, Append, rows([1])).await.version;
        set(wrong);
        let refused = try_put(&spared, Append, rows([2])).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Io, "{refused}");
        assert!(refused.to_string().contains("set it right"), "{refused}");
        set(right);
        assert_eq!(put(&spared, Append, rows([1])).await.version, before + 1);
    }
    assert_eq!(numbers(&spared).await, [1; 6]);
}
