//! What one asks of an AAC encoder.

use std::fmt;
use std::ops::RangeInclusive;

use crate::media::Channels;

/// Which AAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AacProfile {
    /// AAC-LC: plays everywhere.
    #[default]
    Lc,
    /// HE-AAC: for music below about 48 kbit/s; some 65 ms more delay.
    He,
}

/// What one asks of an AAC encoder. The input is always at [`crate::media::audio::SAMPLE_RATE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AacParams {
    /// Which AAC.
    pub profile: AacProfile,
    /// Bits per second, constant.
    pub bitrate: u32,
    /// One channel or two.
    pub channels: Channels,
}

impl AacProfile {
    /// The bit rates offered. LC: what every receiver is sure to play and still sounds well; HE: what the
    /// library truly holds at 48 kHz in one channel and in two. It bends any other to these without a word.
    pub const fn bitrates(self) -> RangeInclusive<u32> {
        match self {
            Self::Lc => 32_000..=192_000,
            Self::He => 16_000..=128_000,
        }
    }

    /// What suits one channel, in bits per second.
    pub const fn usual_bitrate(self) -> u32 {
        match self {
            Self::Lc => 64_000,
            Self::He => 32_000,
        }
    }
}

impl fmt::Display for AacProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lc => "lc",
            Self::He => "he",
        })
    }
}

impl fmt::Display for AacParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let profile = match self.profile {
            AacProfile::Lc => "AAC-LC",
            AacProfile::He => "HE-AAC",
        };
        let channels = match self.channels {
            Channels::Mono => "mono",
            Channels::Stereo => "stereo",
        };
        write!(f, "{profile} {channels} at {} kbit/s", f64::from(self.bitrate) / 1000.0)
    }
}
