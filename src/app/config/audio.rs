//! What of a configuration concerns sound.

use std::fmt;

use super::{BitRate, Language};
use crate::detect;
use crate::encode::AacProfile;
use crate::media::Pick;
use crate::source::InputFormat;
use crate::source::alsa::DeviceId;
use crate::source::command::CommandLine;

/// A stream's sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioSettings {
    /// Where it comes from.
    pub source: SoundSource,
    /// Which of the source's channels the stream carries.
    pub channels: Pick,
    /// Which AAC.
    pub profile: AacProfile,
    /// How much it may use.
    pub bitrate: BitRate,
    /// What is spoken, if that is told.
    pub language: Option<Language>,
    /// What counts as a transmission.
    pub activity: detect::Settings,
}

/// Where sound comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SoundSource {
    /// A sound card.
    Alsa {
        /// ALSA name (`hw:1,0`) or stable id (`usb:1-1.2`).
        device: DeviceId,
    },
    /// The scanner that isn't there.
    Scanner {
        /// The same seed always gives the same sound.
        seed: u64,
    },
    /// A beep at each whole second, in step with the test card's flash.
    Clapper,
    /// What a program prints: signed 16-bit little-endian PCM.
    Command {
        /// The program.
        command: CommandLine,
        /// What it prints.
        input: InputFormat,
    },
}

impl fmt::Display for SoundSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alsa { device } => write!(f, "ALSA device {device}"),
            Self::Scanner { seed } => write!(f, "embedded scanner, seed {seed}"),
            Self::Clapper => f.write_str("clapper, a beep each second"),
            Self::Command { command, input: InputFormat { rate, channels } } => {
                write!(f, "{command}, {rate} Hz, {channels} channel{}", if *channels == 1 { "" } else { "s" })
            }
        }
    }
}
