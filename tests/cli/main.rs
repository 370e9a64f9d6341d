//! The real `shoots` command against the real server and against stores without one, on real data.
//!
//! Every scenario that can be is run in both places ([`place::everywhere`]): the command promises that they are the same.
//! What is asserted is what people and scripts rely on: answers, exit codes, and what goes to which stream.

// Everything here is a test to the lints, functions without `#[test]` too.
#![cfg(test)]

mod archives;
mod codes;
mod documented;
mod histories;
mod loading;
mod place;
mod rows;
mod secured;
mod settings;
mod sql;
mod stores;
mod travelling;
mod zones;
