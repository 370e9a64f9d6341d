//! Calls over the wire, to a server in this process.

mod administration;
mod errors;
mod lifecycle;
mod peer;
mod rights;
mod rows;
