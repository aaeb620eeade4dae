//! What of a configuration concerns pictures.

use std::fmt;

use serde::Deserialize;

use super::{BitRate, Name, Step};
use crate::encode::Preset;
use crate::media::{FrameRate, Size};
use crate::source::command::{CommandLine, VideoOutput};
use crate::source::video::v4l2::{Controls, DeviceId, FormatChoice};

/// A stream's pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoSettings {
    /// Where they come from.
    pub source: PictureSource,
    /// Of the pictures.
    pub size: Size,
    /// How many a second; there may be fewer.
    pub rate: FrameRate,
    /// What codes them.
    pub encoder: Encoder,
    /// How much work x264 puts into them.
    pub preset: Preset,
    /// How much they may use.
    pub bitrate: BitRate,
    /// What is given up, in this order, while the encoder cannot keep up.
    pub overload: Vec<Step>,
}

/// A further rendition of a stream's pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Its part of the address.
    pub name: Name,
    /// Its coding; the source is that of the stream's pictures.
    pub video: VideoSettings,
}

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PictureSource {
    /// A camera of the kernel.
    V4l2 {
        /// Stable id (`usb:1-1.3`) or node.
        device: DeviceId,
        /// What it is to deliver.
        format: FormatChoice,
        /// Its controls by name, as they are to be set.
        controls: Controls,
    },
    /// The test card.
    Synth,
    /// What a program prints.
    Command {
        /// The program.
        command: CommandLine,
        /// What it prints.
        output: VideoOutput,
    },
}

/// What codes pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoder {
    /// The camera itself, else the board, else x264.
    #[default]
    Auto,
    /// Software.
    X264,
    /// The board's own, through V4L2 memory-to-memory.
    M2m,
    /// The camera or the program: its H.264 is passed through.
    Copy,
}

impl PictureSource {
    /// Whether both are one device, of which there is only one to open.
    pub fn is_same_device(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::V4l2 { device: a, .. }, Self::V4l2 { device: b, .. }) => a == b,
            (Self::Command { command: a, .. }, Self::Command { command: b, .. }) => a == b,
            // Test cards are as many as there are streams.
            _ => false,
        }
    }
}

impl fmt::Display for PictureSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4l2 { device, .. } => write!(f, "camera {device}"),
            Self::Synth => f.write_str("test card"),
            Self::Command { command, .. } => command.fmt(f),
        }
    }
}

impl fmt::Display for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::X264 => "x264",
            Self::M2m => "m2m",
            Self::Copy => "copy",
        })
    }
}
