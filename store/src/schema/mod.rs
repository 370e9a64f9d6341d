//! What a frame's columns are: which types can be stored, how a schema is kept, and how rows fit another schema.
//!
//! Three questions are answered before any row is taken, so that a put fails early and completely or not at all:
//! can Parquet hold these columns ([`check`])? Under which bytes and which hash is the schema kept ([`encode`],
//! [`decode`])? And do rows of one schema fit a frame of another ([`Conform`])? The [`pandas`] module keeps the
//! metadata that pandas attaches to a schema honest when columns are left out or renamed, and [`type_name`] reads and
//! writes the names of types.

mod conform;
pub(crate) mod evolve;
mod file;
pub(crate) mod identity;
pub(crate) mod nested;
pub mod pandas;
mod supported;
pub(crate) mod type_name;

pub(crate) use conform::{Conform, loosest};
pub(crate) use file::{decode, encode};
pub(crate) use supported::check;
