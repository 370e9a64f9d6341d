//! Buckets of S3, Google Cloud Storage and Azure, and how to come by one.
//!
//! Endpoint, region and credentials come from the environment, in the variables that the tools of each provider
//! read ([`connect`]). What happens on the way has bounds ([`patience`]): a place that is away is an error in
//! seconds, and the words for it are in [`trouble`]. Before a store writes to a bucket, a [`probe`] makes sure
//! that it keeps the one promise that the log is built on: when the store is opened, or before its [first write](first_write).

mod connect;
pub(crate) mod first_write;
mod patience;
pub(crate) mod probe;
#[cfg(test)]
mod tests;
pub(crate) mod trouble;

pub(crate) use connect::{Remote, connect};
