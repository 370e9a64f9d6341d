//! Plans and results of combinations, over frames in memory.
