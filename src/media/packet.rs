//! Coded units, and what a program is made of.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::aac::AacConfig;
use super::video::{FrameRate, Size};
use crate::base::Pts;

/// Which elementary stream of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// H.264, Annex B.
    Video,
    /// AAC, raw access units.
    Audio,
}

/// Whether decoding can begin with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// It can: an IDR picture, or any AAC frame.
    Key,
    /// It cannot: the unit needs those before it.
    Dependent,
}

/// One coded unit: an H.264 access unit in Annex B form, or one raw AAC access unit without its header.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The elementary stream it belongs to.
    pub track: Track,
    /// When it is shown or heard.
    pub pts: Pts,
    /// When it is decoded; never after `pts`.
    pub dts: Pts,
    /// Whether one can start here.
    pub entry: Entry,
    /// The coded bytes.
    pub data: &'a [u8],
}

/// What a transport stream carries: one program with picture, sound, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Present if there is an H.264 track.
    pub video: Option<VideoConfig>,
    /// Present if there is an AAC track.
    pub audio: Option<AacConfig>,
}

/// What is known of an H.264 track before its first picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoConfig {
    /// RFC 6381 name, as `avc1.64001f`.
    pub codecs: String,
    /// Of the decoded picture.
    pub size: Size,
    /// Pictures per second when all is well; there may be fewer.
    pub rate: FrameRate,
}

impl VideoConfig {
    /// What whoever shows both must be able to: the larger size, the higher rate, and one name that asks for the
    /// profile and level of both.
    pub fn with(self, other: &Self) -> Self {
        let codecs = both(&self.codecs, &other.codecs);
        let size = if other.size.bytes() > self.size.bytes() { other.size } else { self.size };
        let rate = if other.rate.hertz() > self.rate.hertz() { other.rate } else { self.rate };
        Self { codecs, size, rate }
    }
}

/// One name for two kinds of H.264. Not both names: browsers take each for a track of its own, and wait for the second.
fn both(one: &str, other: &str) -> String {
    let read = |name: &str| {
        let digits = name.strip_prefix("avc1.").filter(|digits| digits.len() == 6)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_be_bytes())
    };
    let ([_, first, theirs, low], [_, second, others, high]) = match (read(one), read(other)) {
        (Some(one), Some(other)) => (one, other),
        (None, Some(_)) => return other.to_owned(),
        _ => return one.to_owned(),
    };
    // Of the profiles in use those with higher numbers hold the others (H.264, A.2).
    let (profile, constraints) = match first.cmp(&second) {
        Ordering::Less => (second, others),
        Ordering::Equal => (first, theirs & others),
        Ordering::Greater => (first, theirs),
    };
    format!("avc1.{profile:02x}{constraints:02x}{:02x}", low.max(high))
}

impl Program {
    /// A program of sound alone.
    pub fn audio_only(audio: AacConfig) -> Self {
        Self { video: None, audio: Some(audio) }
    }

    /// The CODECS attribute (RFC 8216, 4.3.4.2; RFC 6381), video first.
    pub fn codecs(&self) -> String {
        let video = self.video.as_ref().map(|v| v.codecs.clone());
        let audio = self.audio.as_ref().map(AacConfig::codecs);
        video.into_iter().chain(audio).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_asks_for_what_several_kinds_of_pictures_need() {
        let table = [
            ("avc1.42c01f", "avc1.42c01f", "avc1.42c01f"),
            ("avc1.42c01f", "avc1.640028", "avc1.640028"),
            ("avc1.64000d", "avc1.42c01f", "avc1.64001f"),
            ("avc1.4d401e", "avc1.42c01f", "avc1.4d401f"),
            ("avc1.42c01f", "avc1.42001e", "avc1.42001f"),
            ("", "avc1.42c01f", "avc1.42c01f"),
            ("avc1.42c01f", "", "avc1.42c01f"),
        ];
        for (one, other, expected) in table {
            assert_eq!(both(one, other), expected, "{one} and {other}");
        }
        let config = |codecs: &str, size: &str, rate| VideoConfig {
            codecs: codecs.to_owned(),
            size: size.parse().expect("a size"),
            rate: FrameRate::new(rate, 1).expect("a rate"),
        };
        let (slate, camera) = (config("avc1.42c01f", "1280x720", 10), config("avc1.64001e", "640x480", 25));
        let expected = config("avc1.64001f", "1280x720", 25);
        assert_eq!(slate.clone().with(&camera), expected);
        assert_eq!(camera.with(&slate), expected);
    }
}
