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

impl AacParams {
    /// The bit rates that make sense for a profile and a number of channels. The library itself bends a
    /// rate it cannot reach to one it can without a word.
    pub fn bitrates(profile: AacProfile, channels: Channels) -> RangeInclusive<u32> {
        match (profile, channels) {
            (AacProfile::Lc, _) => 32_000..=192_000,
            (AacProfile::He, Channels::Mono) => 16_000..=64_000,
            (AacProfile::He, Channels::Stereo) => 24_000..=128_000,
        }
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
