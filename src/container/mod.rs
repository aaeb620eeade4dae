//! Containers: pure functions between coded units and bytes.

pub mod ts;
