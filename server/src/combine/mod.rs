//! Frames combined on the server: joined in time or on keys, put one after the other, aligned column by column, or
//! reduced to the newest row of each key.
//!
//! Each combination is a table ([`CombinedTable`]) that is made of states of frames and planned by DataFusion like any
//! other, so that it can stand in a query, be streamed to a client, or be put into a frame. What they promise:
//!
//! - They do what pandas does with the same frames, unless their page says otherwise; where pandas would lose something,
//!   as when it makes floats of integers, they refuse.
//! - Inputs are streams. Frames that are sorted as it is needed are read in their order; others are sorted, and spill.
//! - Only columns that are asked for are read, and conditions on an index narrow what is read of it.
//!
//! | module | what it is for |
//! |---|---|
//! | [`asof`] | as-of joins |
//! | [`join`] | joins on equal keys |
//! | [`concat`] | concatenation |
//! | [`latest`] | the newest row of each key |
//! | [`columns`] | columns of several frames, aligned on their index |
//! | [`merge`] | the one pass through sorted inputs that joins and alignments are |
//! | [`source`] | a frame as an input |
//! | [`operator`], [`table`] | what DataFusion wants to know |
//! | [`types`], [`columns_of`], [`shared_index`] | which columns go together, and how results are called |
//! | [`gather`], [`narrow`] | picking rows of batches; conditions as ranges |

mod asof;
mod columns;
mod columns_of;
mod concat;
mod gather;
mod join;
mod latest;
mod merge;
mod narrow;
mod operator;
mod shared_index;
mod source;
mod table;
mod types;

pub(crate) use self::asof::{AsofOptions, asof_join};
pub(crate) use self::columns::{BEHIND_BUCKET, Wanted, align, behind_bucket, resolve};
pub(crate) use self::columns_of::{Pair, Suffixes};
pub(crate) use self::concat::concat;
pub(crate) use self::join::{JoinKind, join};
pub(crate) use self::latest::latest;
pub(crate) use self::source::{Range, Source};
pub(crate) use self::table::CombinedTable;
