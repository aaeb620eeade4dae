//! The threads.
pub mod level;
