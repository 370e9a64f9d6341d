//! What keeps a store small and fast: compaction, expiry, and the sweep.

mod compact;
mod policy;
