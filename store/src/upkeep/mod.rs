//! What keeps a store small and fast, while it is read and written.
//!
//! | module | what it does |
//! |---|---|
//! | [`policy`], [`borders`], [`compact`] | few large segments instead of many small ones; no row and no order changes |
//! | [`retention`], [`expire`] | versions that no rule keeps cannot be read any more |
//! | [`garbage`], [`condemned`] | what only those versions needed |
//! | [`claim`] | which of it is removed, and which is needed again |
//! | [`sweep`] | removes it, a grace period later; and whole frames, if told to |
//! | [`background`] | does all this by itself |
//!
//! Compaction and expiry are commits like all others, and give way to writers: whatever they rest on that has changed
//! meanwhile makes them try again another time.

pub(crate) mod background;
pub(crate) mod borders;
mod claim;
mod compact;
pub(crate) mod condemned;
mod expire;
pub(crate) mod garbage;
mod policy;
pub(crate) mod retention;
mod sweep;
