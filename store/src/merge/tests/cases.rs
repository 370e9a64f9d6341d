//! Merges whose outcome is written down.
