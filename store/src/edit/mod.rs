//! Changes of a frame that depend on what is in it: see [`crate::log::derive`].
//!
//! | module | the change |
//! |---|---|
//! | [`replace`] | `update` and `upsert`: rows take the place of others |
//! | [`delete`] | rows are hidden, by range or by condition |
//! | [`hiding`] | what both rest on: which rows go, and what that makes of the list of segments |
//! | [`fill`] | an upsert that gives only some columns |
//! | [`columns`] | columns are added, dropped, renamed, widened |
//! | [`marks`] | versions get names, snapshots hold on to versions |
//! | [`restore`] | an older version becomes the newest one |
//! | [`copy`] | a frame begins with the rows of another one |
//! | [`rename`] | a frame gets another name |
//! | [`properties`] | settings of a frame |

pub(crate) mod columns;
mod copy;
pub(crate) mod delete;
pub(crate) mod fill;
pub(crate) mod hiding;
pub(crate) mod marks;
pub(crate) mod properties;
pub(crate) mod rename;
pub(crate) mod replace;
pub(crate) mod restore;
