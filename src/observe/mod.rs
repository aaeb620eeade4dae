//! What can be seen of a running Outpost from outside.
//!
//! Belongs here: how logs and metrics are written, and what systemd is told. Does not: what is measured, which each room keeps
//! itself.

pub mod logs;
pub mod metrics;
pub mod service;
