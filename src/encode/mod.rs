//! From uncompressed to coded units.
//!
//! Belongs here: the encoders behind their traits, and what they need to know of their input. Does not:
//! containers, or where sound comes from.

use std::ops::RangeInclusive;

use crate::base::Span;
use crate::media::{AacConfig, AudioBlock, Packet};

#[cfg(feature = "fdk-aac")]
mod aac;
pub mod choose;
pub mod copy;
mod m2m;
mod params;
pub mod video;
#[cfg(feature = "x264")]
mod x264;

pub use m2m::M2m;
pub use params::{AacParams, AacProfile};
pub use video::{Ask, Preset, Tuning, VideoEncoder, VideoError, VideoParams};

/// Turns sound into coded units.
pub trait AudioEncoder: Send {
    /// What a decoder must know of the units.
    fn config(&self) -> &AacConfig;

    /// How long after its last sample went in a unit comes out, at least; already taken out of the
    /// timestamps of the units.
    fn delay(&self) -> Span;

    /// Encodes a block and hands out the units it completes, in order. Blocks must follow each other without
    /// a gap; the timestamp of the first one counts, the others follow from the samples.
    ///
    /// # Errors
    /// If the encoder refuses; it can be fed again.
    fn encode(
        &mut self,
        block: &AudioBlock<'_>,
        unit: &mut dyn FnMut(&Packet<'_>),
    ) -> Result<(), EncodeError>;
}

/// Why sound could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The parameters do not go together.
    #[error("the AAC encoder refuses {params}: {reason}")]
    Parameters {
        /// What was asked for.
        params: AacParams,
        /// The encoder's own words.
        reason: String,
    },
    /// A bit rate outside of what makes sense.
    #[error("{params} is not offered: choose {} to {} kbit/s", range.start() / 1000, range.end() / 1000)]
    Bitrate {
        /// What was asked for.
        params: AacParams,
        /// What is offered.
        range: RangeInclusive<u32>,
    },
    /// The encoder's description of its output makes no sense.
    #[error("the AAC encoder describes its stream wrongly")]
    Config(#[from] crate::media::aac::AacError),
    /// A block was refused.
    #[error("the AAC encoder failed: {0}")]
    Encoder(String),
    /// This binary has no AAC encoder.
    #[error("this outpost was built without an AAC encoder; build it with `--features fdk-aac`")]
    Missing,
}

/// An AAC encoder with these parameters.
///
/// # Errors
/// If the parameters do not go together, or this binary has no AAC encoder.
pub fn aac(params: AacParams) -> Result<Box<dyn AudioEncoder>, EncodeError> {
    let range = params.profile.bitrates();
    if !range.contains(&params.bitrate) {
        return Err(EncodeError::Bitrate { params, range });
    }
    #[cfg(feature = "fdk-aac")]
    return Ok(Box::new(aac::FdkAac::new(params)?));
    #[cfg(not(feature = "fdk-aac"))]
    Err(EncodeError::Missing)
}
