//! Containers: pure functions between coded units and bytes.

pub mod fmp4;
pub mod id3;
pub mod mp4;
pub mod ts;
