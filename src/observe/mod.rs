//! What can be seen of a running Outpost from outside.
//!
//! Belongs here: logs, metrics, notices to the system around us. Does not: what is measured, which each
//! room keeps itself.

pub mod logs;
