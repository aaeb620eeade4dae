//! What the program says about itself: logs and metrics.
//!
//! Belongs here: how they are written. Does not: what they say; each room keeps its own numbers.

pub mod metrics;
