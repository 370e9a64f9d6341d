//! The log of a frame: the only thing in a store that ever changes, and only by growing.
//!
//! # The protocol
//!
//! A frame is a folder of immutable objects and a log of numbered **entries**, `log/00000000000000000001.jsonl`
//! and on, without gaps. Nothing is visible until an entry says so, and whatever an entry says is visible at
//! once and for good. Publishing is one request: *create entry N+1 if there is none*. Every place that Shoots
//! can live in offers that, atomically, so two writers can never both publish N+1, and no lock is ever held.
//!
//! An entry ([`entry`]) publishes one or more **commits** ([`commit`]): puts that waited for each other in one
//! process are published together, each with a **version** of its own. Its last line is the **state** after
//! them: what a reader needs to know without looking at older entries. The list of segments ([`change`]) is kept as
//! a **checkpoint** ([`checkpoint`]) plus the changes since (the *tail*), so an entry stays small however many
//! segments the frame has and however long its history is. Which rows of a segment are visible is a matter of the
//! list, too ([`hidden`]).
//!
//! ## Writing
//!
//! 1. *Round one.* Segments, a schema the frame has not had yet, and a checkpoint when one is due are created
//!    under fresh or content names and made durable. Nobody can see them. A crash here leaves orphans.
//! 2. *Round two.* From the newest entry N, the next entry is computed, checked against the invariants
//!    ([`invariants`]), and created ([`publish`]). Only when it is durable is anybody told.
//!    - It exists already: another writer came first. Read the log on from there, validate the puts again, and
//!      try the next number.
//!    - The reply was lost: read entry N+1 back. Every commit carries a random **write id**, so ours is
//!      recognised. If it is ours, done; if it is another's, as above; if there is none, create it again. When it cannot be
//!      read either, or a disk did not confirm, the outcome is *unknown*, and that is what the caller hears.
//! 3. The **hint** (`log/latest`) is rewritten to say where the newest entry is. It may be behind or gone. Ahead of the log it
//!    cannot be, so a log that ends before its hint has lost entries: damage, for readers and for writers.
//!
//! A change that depends on what is in the frame (an upsert must know which rows it hides) is worked out from the
//! newest entry, and once more when another writer came first: [`derive`].
//!
//! Commits of another store are published as they are, under their own ids: [`foreign`]. What a commit follows is the
//! **tip** ([`tip`]), so that the history is the same in every store, however each looks after its own.
//!
//! A caller's **request id** is kept in the state for the last [`remembered::REMEMBERED_REQUESTS`] changes that had
//! one: a retried put whose first attempt took effect is answered with the version it got then, which the entry of
//! that version tells; another put under the same id is refused ([`remembered`]).
//!
//! ## Reading
//!
//! [`head`] finds the newest entry: from the one in memory, or else from the hint, look for the next until there
//! is none; only a frame without a usable hint has its log listed. [`seek`] finds the entry of an older version
//! by bisection. A reader holds one entry and never sees anything else.
//!
//! ## Times
//!
//! `published` is this store's time of an entry, strictly rising along the log whatever the clock does; it is
//! what `as_of <time>` means. A commit's own `time` is a hybrid logical clock (Kulkarni et al., *Logical Physical
//! Clocks*, 2014) in one number: the wall clock, but always later than the times of its parents. Nanoseconds
//! leave room for the logical part.
//!
//! ## Growing old
//!
//! A header says which features a reader and a writer must know. A program that meets one that it does not know
//! refuses and says so; it never guesses.

pub(crate) mod change;
pub(crate) mod checkpoint;
pub(crate) mod commit;
pub(crate) mod derive;
pub(crate) mod details;
mod effect;
pub(crate) mod entry;
pub(crate) mod foreign;
pub(crate) mod head;
pub(crate) mod hidden;
pub(crate) mod invariants;
pub(crate) mod noted;
pub(crate) mod plan;
pub(crate) mod proposal;
pub(crate) mod publish;
mod relist;
pub(crate) mod remembered;
pub(crate) mod seek;
#[cfg(test)]
mod tests;
pub(crate) mod tip;
