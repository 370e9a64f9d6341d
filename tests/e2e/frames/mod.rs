//! Frames as users of the Rust client work with them: put, get, look at, find, delete; and every way to be
//! refused.

mod catalog;
mod faithful;
mod getting;
mod names;
mod plain;
mod putting;
mod refusals;
mod repeating;

pub(crate) use self::faithful::everything;
