//! Pictures from a program: a film in H.264, or frames of a known size one after the other.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::CommandLine;
use super::coded::Coded;
use super::process::{Ending, Process};
use super::raw::Raw;
use crate::source::SourceError;
use crate::source::video::{Coding, VideoDevice, VideoFormat, VideoInput, Wanted};

/// What the pipe may hold: of H.264 no more than a fraction of a second, of frames about one, so that we are
/// seldom woken and nothing grows old in it.
const PIPE: RangeInclusive<usize> = 64 << 10..=1 << 20;

/// What a program prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoOutput {
    /// H.264 in Annex B form.
    H264,
    /// Frames in 4:2:0: Y, U and V apart.
    Yu12,
    /// Frames in 4:2:0: Y, then U and V interleaved.
    Nv12,
    /// Frames in 4:2:2: Y, U, Y, V.
    Yuyv,
}

impl VideoOutput {
    /// How the program's pictures are coded.
    pub const fn coding(self) -> Coding {
        match self {
            Self::H264 => Coding::H264,
            Self::Yu12 | Self::Nv12 | Self::Yuyv => Coding::Raw,
        }
    }
}

impl fmt::Display for VideoOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "H.264",
            Self::Yu12 => "YU12",
            Self::Nv12 => "NV12",
            Self::Yuyv => "YUYV",
        })
    }
}

/// A program that prints pictures.
pub struct CommandVideo {
    command: CommandLine,
    name: String,
    output: VideoOutput,
    wanted: Wanted,
    ending: Arc<Ending>,
}

impl CommandVideo {
    /// `command` prints `output`: frames are of the size wanted, in limited range; H.264 may be of any size. If
    /// the pictures do not say how many a second they are, they are as many as wanted.
    pub fn new(command: CommandLine, output: VideoOutput, wanted: Wanted) -> Self {
        Self { name: command.to_string(), command, output, wanted, ending: Arc::default() }
    }
}

impl VideoDevice for CommandVideo {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self) -> Result<Box<dyn VideoInput>, SourceError> {
        let Wanted { size, rate } = self.wanted;
        let coding = self.output.coding();
        let capacity = match coding {
            Coding::H264 => *PIPE.start(),
            Coding::Raw => size.bytes().clamp(*PIPE.start(), *PIPE.end()),
        };
        let process = Process::start(&self.command, capacity, &self.ending)?;
        let format = |about| VideoFormat { coding, rate, about };
        Ok(match coding {
            Coding::H264 => {
                let about = format!("{} as the command prints it", self.output);
                Box::new(Coded::new(process, format(about)))
            }
            Coding::Raw => {
                let about = format!("{} {size} at {rate} as the command prints it", self.output);
                Box::new(Raw::new(process, format(about), self.output, size))
            }
        })
    }
}
