//! What a camera may code, and many players cannot show.

use crate::media::h264::{Samples, Sps};

/// Why many players cannot show what a camera codes, though it is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hurdle {
    /// Apple's authoring specification, 1.3, ends at level 5.2.
    #[error(
        "its level is {}.{}, and players know those up to 5.2; set a lower one in the camera, or smaller or fewer \
         pictures (rpicam-vid: --level 4.2; ffmpeg: -level 4.2)",
        .0 / 10,
        .0 % 10
    )]
    Level(u8),
    /// Other pictures than 4:2:0 with 8 bits.
    #[error(
        "its pictures are {}, and players know 4:2:0 with 8 bits; set that in the camera, or profile high or a lower \
         one (rpicam-vid: --profile high; ffmpeg: -pix_fmt yuv420p)",
        sampling(*.0)
    )]
    Samples(Samples),
}

impl Hurdle {
    /// What there is in pictures of this kind.
    pub(super) fn of(sps: &Sps) -> Option<Self> {
        let [_, _, level] = sps.profile;
        let Samples { chroma, luma_bits, chroma_bits } = sps.samples;
        match (chroma, luma_bits, chroma_bits) {
            (1, 8, 8) => (level > 52).then_some(Self::Level(level)),
            _ => Some(Self::Samples(sps.samples)),
        }
    }
}

fn sampling(samples: Samples) -> String {
    let kind = match samples.chroma {
        0 => "gray",
        1 => "4:2:0",
        2 => "4:2:2",
        _ => "4:4:4",
    };
    format!("{kind} with {} bits", samples.luma_bits.max(samples.chroma_bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_players_cannot_show_is_named() {
        let sps = |profile, level, (chroma, bits)| {
            let samples = Samples { chroma, luma_bits: bits, chroma_bits: bits };
            let size = "1280x720".parse().expect("a size");
            Sps { id: 0, profile: [profile, 0, level], samples, size, rate: None }
        };
        let table = [
            (sps(66, 31, (1, 8)), ""),
            (sps(100, 52, (1, 8)), ""),
            (sps(100, 60, (1, 8)), "its level is 6.0, "),
            (sps(110, 31, (1, 10)), "its pictures are 4:2:0 with 10 bits, "),
            (sps(122, 31, (2, 8)), "its pictures are 4:2:2 with 8 bits, "),
            (sps(244, 60, (3, 8)), "its pictures are 4:4:4 with 8 bits, "),
            (sps(100, 31, (0, 8)), "its pictures are gray with 8 bits, "),
        ];
        for (sps, expected) in table {
            let told = Hurdle::of(&sps).map(|hurdle| hurdle.to_string()).unwrap_or_default();
            assert!(told.starts_with(expected) && told.is_empty() == expected.is_empty(), "{sps:?}: {told}");
        }
    }
}
