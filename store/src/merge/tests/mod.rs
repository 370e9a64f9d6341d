//! Merging real histories.
