//! Frames that travel from store to store.
//!
//! There is one algorithm, whichever way a frame goes and whatever is at the ends:
//!
//! | module | what it is for |
//! |---|---|
//! | [`peer`] | one end of a transfer: what it has to offer and to take |
//! | [`local`] | a store that this process opened, as such an end |
//! | [`told`], [`stored`] | its histories, newest first, and its objects |
//! | [`walk`] | where two histories went apart |
//! | [`course`] | which commits of another history become versions |
//! | [`transfer`] | objects that are missing, then commits |
//! | [`arrive`] | what is checked before anything that was sent is believed |
//! | [`progress`] | how far a transfer has come |

mod arrive;
mod course;
pub(crate) mod peer;
pub(crate) mod progress;
mod stored;
mod told;
mod transfer;
pub(crate) mod walk;
