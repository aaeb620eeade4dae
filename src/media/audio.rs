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

    /// Appends what it wants of `samples`, which interleave `given` channels, to `into`.
    pub fn take(self, samples: &[f32], given: usize, into: &mut Vec<f32>) {
        let given = given.max(1);
        let frames = samples.chunks_exact(given);
        let right = (given - 1).min(1);
        match self {
            Self::Mono => {
                let share = 1.0 / given as f32;
                into.extend(frames.map(|frame| frame.iter().sum::<f32>() * share));
            }
            Self::Stereo => into.extend(frames.flat_map(|frame| [frame[0], frame[right]])),
            Self::Left => into.extend(frames.map(|frame| frame[0])),
            Self::Right => into.extend(frames.map(|frame| frame[right])),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_hears_what_it_asked_for() {
        let stereo: &[f32] = &[0.5, -0.25, 1.0, 0.0];
        let mono: &[f32] = &[0.5, 1.0];
        let table: [(Pick, usize, &[f32], &[f32]); 8] = [
            (Pick::Mono, 2, stereo, &[0.125, 0.5]),
            (Pick::Stereo, 2, stereo, stereo),
            (Pick::Left, 2, stereo, &[0.5, 1.0]),
            (Pick::Right, 2, stereo, &[-0.25, 0.0]),
            (Pick::Mono, 1, mono, mono),
            (Pick::Stereo, 1, mono, &[0.5, 0.5, 1.0, 1.0]),
            (Pick::Left, 1, mono, mono),
            (Pick::Right, 1, mono, mono),
        ];
        for (wish, channels, samples, expected) in table {
            let mut picked = Vec::new();
            wish.take(samples, channels, &mut picked);
            assert_eq!(picked, expected, "{wish:?} of {channels}");
        }
    }
}
