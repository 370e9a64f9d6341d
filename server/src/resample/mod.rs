//! Resampling: from the rows of a frame to one row for each bin of time.
//!
//! What is asked for ([`Request`]) is checked against the frame and becomes a [`Resample`], which knows its columns before
//! a row is read; as a table of DataFusion ([`table`]) it serves queries, gets and the action `resample` alike.
//!
//! - A rule ([`rule`]) says how long bins are; where they lie ([`bins`]) follows from the first and the last time, and
//!   for days and longer from the calendar of a zone ([`calendar`], [`ladder`]).
//! - A function ([`function`]) says what is made of the values of a bin; while the bin is open, an accumulator
//!   ([`accumulate`]) remembers them.
//! - Rows of a frame whose index begins with the time pass in order, so a bin is closed as soon as a later one begins;
//!   others are gathered in a map of all bins ([`gather`]). Both run in [`exec`], the former part by
//!   part ([`part`]), as an operator of a plan ([`operator`]).
//! - Bins without rows get theirs in [`fill`].
//! - When only some times of the frame have changed, [`window`] says which bins these are, and how they alone are
//!   computed.
//!
//! The semantics are those of pandas 3, which the tests compare with; what differs on purpose is listed in
//! `docs/resampling.md`.

mod accumulate;
mod bins;
mod calendar;
mod exec;
mod fill;
mod function;
mod gather;
mod ladder;
mod operator;
mod part;
mod rule;
mod spec;
mod table;
mod window;

pub(crate) use self::spec::{Problem, Range, Request, Resample};
pub(crate) use self::table::ResampleTable;
pub(crate) use self::window::{Grid, Piece, Plan, plan};
