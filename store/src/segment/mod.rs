//! Segments: immutable Parquet files with some rows of one frame, written once and read in part.
//!
//! A segment is a plain Parquet file with one row group, so any Parquet reader opens it and finds its columns under
//! their names and types. Parquet alone does not hold everything an Arrow table has, though: names of list items,
//! the order and the unused values of dictionaries, small dictionary keys, views, 64 bit dates. What Parquet loses
//! is put back from the frame's own schema, which every read is given, and from the dictionaries that a segment
//! records beside its pages. In detail:
//!
//! - [`storage`] turns columns into the form that Parquet holds exactly, and back: the only place that knows where
//!   the two differ;
//! - [`categories`] keeps dictionaries (their values, the values' order, and what no row uses), and [`record`] says
//!   where in the file;
//! - [`encoding`] chooses how each column is encoded, by measurement;
//! - [`blocks`] are the checksums by which a reader notices rot in whatever part of the file it reads;
//! - [`SegmentEncoder`] turns record batches into segments of bounded size, without any I/O;
//! - [`Joint`] says how many segments can become one, as far as their dictionaries allow;
//! - [`ObjectReader`] fetches byte ranges of a stored object and checks them, and [`read`] turns them into record batches again:
//!   all or some columns, all or a range of rows. Parquet files that others wrote are read the same way;
//! - [`PageBounds`] is what the pages of a column say about the values in them;
//! - [`border`] finds the rows between two bounds of the column that a segment is sorted by;
//! - [`verify`] compares a whole object with its record.
//!
//! What goes in comes out: `fidelity.rs` holds every type against every shape of batch, and `rot.rs` flips
//! bits in all parts of a segment.

mod blocks;
pub(crate) mod border;
pub(crate) mod categories;
mod encoder;
mod encoding;
mod extent;
#[cfg(test)]
mod fidelity;
mod footer;
mod joint;
mod kept;
mod object;
mod pages;
mod reader;
mod record;
#[cfg(test)]
mod rot;
#[cfg(test)]
mod samples;
mod size;
mod storage;
pub(crate) mod verify;

pub use encoder::Limits;
pub(crate) use encoder::{EncodedSegment, SegmentEncoder};
pub use encoding::Packing;
pub(crate) use footer::{FooterCache, footer_cache};
pub(crate) use joint::Joint;
pub(crate) use kept::RowCache;
pub(crate) use object::ObjectReader;
pub(crate) use pages::PageBounds;
pub(crate) use reader::{Origin, Rows, plain_schema, read};
