//! Hostile input, drawn and mutated: whatever a caller sends or a disk holds, nothing panics, hangs or takes memory
//! beyond bounds.
//!
//! Each test is one target ([`targets`]): it starts from real inputs, changes them in ways that know their structure
//! ([`mutation`], [`json`]), and keeps what was answered in a way not seen before as a start for further changes
//! ([`child`]). A target runs in a process of its own, the test binary started once more, so that an input which
//! ends the process is found as well ([`parent`]). How many inputs were tried is printed, and so is the seed.
//!
//! | variable | |
//! |---|---|
//! | `SHOOTS_FUZZ_SECONDS` | how long each target runs; two seconds if it is not set |
//! | `SHOOTS_FUZZ_SEED` | repeats the draws of a run |
//! | `SHOOTS_FUZZ_MEGABYTES` | how much memory an input may make the target take, 256 if it is not set |
//!
//! An input that is found is saved as a file, whose path is printed. In `found/`, below the name of its target, every
//! run tries it first ([`found`]).

// Everything here is a test to the lints, functions without `#[test]` too.
#![cfg(test)]

mod child;
mod found;
mod input;
mod json;
mod mutation;
mod panics;
mod parent;
mod random;
#[path = "../../flight/src/tests/sample.rs"]
mod sample;
mod targets;
mod watch;
mod wire;

use std::alloc::System;

use cap::Cap;

/// Counts what is allocated, and refuses what is beyond the bound of an input.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);
