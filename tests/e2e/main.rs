//! The real binary and real clients, from end to end: what users see, over sockets and a disk.
//!
//! Every test starts a server of its own ([`server::Server`]) on a free port and a folder that goes away with
//! it, and most end it with a signal and check that it left in order. Tests wait for conditions, never for
//! time, and assert no times. `shoots-store` looks at the folder itself where a second opinion is worth
//! having: what lies there after a crash, who put what.

// Everything here is a test to the lints, functions without `#[test]` too.
#![cfg(test)]

mod access;
mod bucket;
mod certificates;
mod disks;
mod escapes;
mod flight;
mod flight_sql;
mod frames;
mod history;
mod lifecycle;
mod limits;
mod load;
mod operating;
mod peer;
mod processes;
mod refusal;
mod rows;
mod server;
mod settings;
mod shm;
mod sql;
mod stamp;
mod sync;
mod torture;
