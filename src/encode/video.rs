//! What every video encoder is to the rest of Outpost.

use crate::media::{FrameRate, Packet, Size, VideoConfig, VideoFrame};

/// What one asks of a video encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoParams {
    /// Of the pictures that go in and of those that come out.
    pub size: Size,
    /// Pictures per second when all is well. There may be fewer: each carries its own timestamp.
    pub rate: FrameRate,
    /// How much it may use.
    pub tuning: Tuning,
    /// How much work it puts into that.
    pub preset: Preset,
}

/// What can be changed while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Bits per second, on average over a second.
    pub bitrate: u32,
    /// How many pictures a second are going to be given, so that each gets its share of the bits.
    pub rate: FrameRate,
}

/// How much work x264 puts into a picture; the names are its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The least: for boards without an encoder.
    #[default]
    Ultrafast,
    /// About a third more work.
    Superfast,
    /// About twice the work.
    Veryfast,
    /// About three times the work.
    Faster,
    /// About four times the work.
    Fast,
}

/// What a picture is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Whatever the encoder likes.
    Any,
    /// An IDR picture, with the parameter sets before it: a segment begins here.
    Idr,
}

/// Turns pictures into access units: Annex B, each beginning with an access unit delimiter, each IDR with the
/// parameter sets before it. Units come out in the order of the pictures, and DTS is PTS: there are no B-frames.
pub trait VideoEncoder: Send {
    /// What it is, for people: `x264 ultrafast`, `/dev/video11 (bcm2835-codec)`.
    fn name(&self) -> &str;

    /// What a decoder must know of the units; fixed.
    fn config(&self) -> &VideoConfig;

    /// Encodes a picture of the configured size and hands out its access unit, before it returns. The PTS of
    /// pictures increase.
    ///
    /// # Errors
    /// If the encoder refuses; whoever calls then takes another encoder.
    fn encode(
        &mut self,
        frame: &VideoFrame<'_>,
        ask: Ask,
        unit: &mut dyn FnMut(&Packet<'_>),
    ) -> Result<(), VideoError>;

    /// Changes what it may use, from the next picture on.
    ///
    /// # Errors
    /// If it cannot; it then goes on as before.
    fn tune(&mut self, tuning: Tuning) -> Result<(), VideoError>;
}

/// Why pictures cannot be encoded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VideoError {
    /// The parameters do not go together, or are more than it can do.
    #[error("{encoder} refuses {what}: {reason}")]
    Parameters {
        /// Which encoder.
        encoder: String,
        /// What was asked for.
        what: String,
        /// Why not, and what helps.
        reason: String,
    },
    /// There is no such encoder on this board.
    #[error("{encoder}: this board has none")]
    Absent {
        /// Which encoder.
        encoder: String,
    },
    /// It cannot be used, is in use, or gives up.
    #[error("{encoder}: {reason}")]
    Encoder {
        /// Which encoder.
        encoder: String,
        /// What is wrong, and what helps.
        reason: String,
    },
    /// It failed, and so did what was to take its place.
    #[error("{first}; in its place: {then}")]
    Neither {
        /// What is wrong with it.
        first: Box<VideoError>,
        /// What is wrong with the other.
        then: Box<VideoError>,
    },
    /// This binary has none.
    #[error("this outpost was built without x264; build it with `--features x264`")]
    Missing,
}
