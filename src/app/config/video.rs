//! What of a configuration concerns pictures.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::{BitRate, Step};
use crate::encode::Preset;
use crate::media::{FrameRate, Size};
use crate::source::command::{CommandLine, VideoOutput};
use crate::source::video::v4l2::DeviceId;

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

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PictureSource {
    /// A camera of the kernel.
    V4l2 {
        /// Stable id (`usb:1-1.3`) or node.
        device: DeviceId,
        /// What it is to deliver.
        format: CameraFormat,
        /// Its controls by name, as they are to be set.
        controls: BTreeMap<String, Control>,
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

/// What a camera is to deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraFormat {
    /// What costs least.
    #[default]
    Auto,
    /// H.264, passed through.
    H264,
    /// 4:2:0, chroma interleaved.
    Nv12,
    /// 4:2:0, planar.
    Yu12,
    /// 4:2:2, packed.
    Yuyv,
    /// JPEG, picture by picture.
    Mjpeg,
}

/// What a control is set to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a whole number, true or false, or an entry of the control's menu in quotes"
)]
pub enum Control {
    /// On or off.
    Switch(bool),
    /// A number within the control's range.
    Number(i64),
    /// An entry of its menu, by its text.
    Entry(String),
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

macro_rules! shown_as_written {
    ($($kind:ident { $($variant:ident => $word:literal),* })*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),* })
            }
        }
    )*};
}

shown_as_written! {
    CameraFormat {
        Auto => "auto", H264 => "h264", Nv12 => "nv12", Yu12 => "yu12", Yuyv => "yuyv", Mjpeg => "mjpeg"
    }
    Encoder { Auto => "auto", X264 => "x264", M2m => "m2m", Copy => "copy" }
}
