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
//! | [`transfer`], [`wanted`] | objects that are missing, then commits |
//! | [`receive`], [`arrive`] | what is checked before anything that was sent is believed |
//! | [`exchange`], [`attempts`] | one frame and one remote, however often one of them moves meanwhile |
//! | [`clone`], [`fetch`], [`pull`], [`push`] | the verbs |
//! | [`options`] | what they are told |
//! | [`many`] | the same for some of a bucket, or for everything |
//! | [`settle`] | histories that went apart are put together |
//! | [`beside`] | states of commits that are no versions here |
//! | [`unshallow`] | what lies before a newest state that was cloned alone |
//! | [`promise`], [`left`], [`relist`] | segments that stayed at a remote |
//! | [`progress`] | how far a transfer has come |

mod arrive;
mod attempts;
pub(crate) mod beside;
mod clone;
mod course;
mod exchange;
mod fetch;
mod left;
pub(crate) mod local;
pub(crate) mod many;
pub(crate) mod options;
pub(crate) mod peer;
pub(crate) mod progress;
pub(crate) mod promise;
mod pull;
mod push;
mod receive;
mod relist;
mod settle;
mod stored;
mod told;
mod transfer;
mod unshallow;
mod walk;
mod wanted;
