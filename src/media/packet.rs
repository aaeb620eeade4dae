//! Coded units, and what a program is made of.

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
