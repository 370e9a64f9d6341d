//! Histories as they travel between stores, apart from the log of any one of them.
//!
//! The history of a frame is the graph of its commits that change rows or columns: each names its parents, and its id
//! is the hash of its bytes, so it is the same commit wherever it is. A log publishes such commits under versions of
//! its own, together with commits of upkeep (tags, settings, compaction, expiry) that are nobody else's matter.
//!
//! A [`record::Record`] is one commit on its way, a [`bundle`] some of them kept beside a log; [`tracking`] is what a
//! frame knows of itself at other places, and [`joined`] makes the commit that two histories end in when they are merged.

pub(crate) mod bundle;
pub(crate) mod joined;
mod line;
pub(crate) mod record;
pub(crate) mod tracking;
