//! `[stream.motion]`, as it is written and as it is checked.

use std::str::FromStr;

use serde::Deserialize;

use super::super::fault::Wrong;
use super::super::values::written;
use super::super::{Length, VideoSettings};
use super::Check;
use super::video::is_copied;
use crate::detect::motion::{Region, Settings, Share};

/// From a speck to what is nearly a change of light.
const SHARES: std::ops::RangeInclusive<Share> = Share::thousandths(1)..=Share::thousandths(300);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Motion {
    threshold: Option<Threshold>,
    attack: Option<Length>,
    hang: Option<Length>,
    shortest: Option<Length>,
    #[serde(default)]
    ignore: Vec<Ignored>,
}

/// A share of the picture, or `off`.
#[derive(Clone, Copy, Deserialize)]
struct Threshold(#[serde(deserialize_with = "written")] WrittenThreshold);

#[derive(Clone, Copy)]
enum WrittenThreshold {
    Off,
    At(Share),
}

#[derive(Clone, Copy, Deserialize)]
struct Ignored(#[serde(deserialize_with = "written")] Region);

impl FromStr for WrittenThreshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (low, high) = (SHARES.start(), SHARES.end());
        match (text, text.parse()) {
            ("off", _) => Ok(Self::Off),
            (_, Ok(share)) if SHARES.contains(&share) => Ok(Self::At(share)),
            _ => Err(format!(
                "{text:?} is no threshold; write how much of the picture must move, from \"{low}\" to \"{high}\", or \
                 \"off\""
            )),
        }
    }
}

impl Check<'_, '_> {
    /// Motion is looked for wherever there are pictures to see, unless it is not wanted.
    pub(super) fn motion(
        &self,
        written: Option<Motion>,
        video: Option<&VideoSettings>,
    ) -> Result<Option<Settings>, Wrong> {
        let usual = Settings::default();
        let (Some(video), Some(motion)) = (video, &written) else {
            if written.is_some() {
                let what = "there are no pictures to find motion in; add [stream.video], or remove this";
                return Err(self.wrong("motion", what));
            }
            return Ok(video.map(|_| usual));
        };
        let threshold = match motion.threshold {
            Some(Threshold(WrittenThreshold::Off)) => return Ok(None),
            Some(Threshold(WrittenThreshold::At(share))) => share,
            None => usual.threshold,
        };
        if is_copied(&video.source, video.encoder) {
            let what = "what is passed through is not decoded, so no motion is found in it; remove this, or have raw \
                        pictures encoded";
            return Err(self.wrong("motion", what));
        }
        Ok(Some(Settings {
            threshold,
            attack: self.length("motion.attack", motion.attack, usual.attack, (500, 10_000))?,
            hang: self.length("motion.hang", motion.hang, usual.hang, (500, 300_000))?,
            shortest: self.length("motion.shortest", motion.shortest, usual.shortest, (100, 60_000))?,
            ignore: motion.ignore.iter().map(|Ignored(region)| *region).collect(),
        }))
    }
}
