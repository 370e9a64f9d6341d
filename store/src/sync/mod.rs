//! Frames that travel from store to store.
//!
//! A [`peer`] is one end of a transfer.

mod arrive;
pub(crate) mod peer;
pub(crate) mod walk;
