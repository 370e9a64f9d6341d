//! Frames that travel from store to store.
//!
//! A [`peer`] is one end of a transfer.

pub(crate) mod peer;
