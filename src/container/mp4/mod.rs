//! MP4 (ISO/IEC 14496-12): the boxes of every file, and files whose tables tell where each sample lies.
//!
//! Belongs here: boxes, sample entries, sample tables; all pure. Does not: which units a file has; files in chunks
//! (`fmp4`).

pub(in crate::container) mod boxes;
mod file;
pub(in crate::container) mod header;

pub use file::{Edit, Sample, TooLarge, TrackTable, head};
pub use header::{Codec, nal_units};

#[cfg(test)]
mod tests;
