//! What can be seen of a running Outpost from outside.
//!
//! Belongs here: how logs and metrics are written. Does not: what is measured, which each room keeps
//! itself.

pub mod logs;
pub mod metrics;
