//! What those see who run a server: its limits, its health, its metrics and its log.

mod connections;
mod deadlines;
mod health;
mod log;
mod memory;
mod messages;
mod metrics;
pub(crate) mod pages;
mod readers;

pub(crate) use self::pages::{address_of, page, value};
