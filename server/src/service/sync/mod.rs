//! Histories that travel: the remotes of this server, what callers have moved, and this server as one end of a transfer.
//!
//! [`remotes`] knows which places there are and who may name them. [`verbs`] lets the store move frames between here and
//! one of them, and tells how far it has come. [`peer`] and [`arrival`] are the other side of the same: what another
//! store asks of this one and brings to it, answered from the store's own end of a transfer. Nothing here knows how a
//! history is compared or checked; that is the store's.

mod alive;
mod apart;
pub(super) mod arrival;
pub(super) mod peer;
pub(super) mod remotes;
mod transfer;
pub(super) mod verbs;

pub(super) use alive::alive;
pub(crate) use arrival::Publications;
pub(crate) use remotes::Remotes;
