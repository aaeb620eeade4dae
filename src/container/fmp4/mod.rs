//! Fragmented MP4 as CMAF has it (ISO/IEC 14496-12, 14496-15 and 23000-19): coded units to initialisation segments
//! and chunks, one track per file.
//!
//! Belongs here: boxes, what a decoder must know before the first chunk, the chunks and their timeline; all pure.
//! Does not: where a chunk or a segment ends.

mod fragment;
mod init;

pub use fragment::{Mux, MuxError};
pub use init::init;

use super::mp4::Codec;
use crate::media::h264::ParameterSets;
use crate::media::{AacConfig, FrameRate};

/// Every file has one track, and this is its number.
const TRACK_ID: u32 = 1;

/// What a file carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackConfig {
    /// H.264, its timescale 90,000.
    Video {
        /// What stands in the initialisation segment, and so not among the pictures.
        sets: ParameterSets,
        /// Pictures per second when all is well; there may be fewer.
        rate: FrameRate,
    },
    /// AAC, its timescale the rate of the decoded sound.
    Audio(AacConfig),
}

impl TrackConfig {
    /// How it is coded.
    pub fn codec(&self) -> Codec<'_> {
        match self {
            Self::Video { sets, .. } => Codec::Video(sets),
            Self::Audio(config) => Codec::Audio(config),
        }
    }
}

#[cfg(test)]
pub(in crate::container) mod tests;
