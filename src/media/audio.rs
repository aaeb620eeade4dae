//! Uncompressed sound.

use crate::base::Pts;

/// Media sound is always at this rate: captured sound is resampled to the clock anyway, and 1024 samples
/// of it are exactly 1920 ticks, so that no frame's timestamp is ever rounded.
pub const SAMPLE_RATE: u32 = 48_000;

/// One channel or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// One channel.
    Mono,
    /// Left and right.
    Stereo,
}

impl Channels {
    /// 1 or 2.
    pub const fn count(self) -> usize {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }
}

/// Which channels of a capture device a stream carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pick {
    /// All channels mixed into one.
    #[default]
    Mono,
    /// The first two as they are; a device with one channel gives it to both sides.
    Stereo,
    /// The first alone.
    Left,
    /// The second alone.
    Right,
}

impl Pick {
    /// How many channels come out.
    pub const fn channels(self) -> Channels {
        match self {
            Self::Stereo => Channels::Stereo,
            Self::Mono | Self::Left | Self::Right => Channels::Mono,
        }
    }
}

/// A run of sound at [`SAMPLE_RATE`].
#[derive(Clone, Copy, Debug)]
pub struct AudioBlock<'a> {
    /// When the first sample was captured.
    pub pts: Pts,
    /// How many channels are interleaved in `samples`.
    pub channels: usize,
    /// Interleaved samples, full scale ±1.0; `samples.len()` is a multiple of `channels`.
    pub samples: &'a [f32],
}

impl AudioBlock<'_> {
    /// Number of samples per channel.
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels.max(1)
    }
}
