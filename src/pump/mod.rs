//! To come.

pub mod sink;
