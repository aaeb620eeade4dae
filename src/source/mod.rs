//! Where sound and picture come from.
//!
//! Belongs here: devices, their names and their moods; holding captured sound to the clock; what is put
//! in when a device has nothing to give. Does not: encoding, or knowing who listens.

pub mod alsa;
pub mod capture;
pub mod command;
pub mod converter;
pub mod drift;
pub mod kernel;
#[cfg(test)]
mod metronome;
pub mod stats;
pub mod steady;
pub mod synth;
mod trouble;
pub mod usb;
pub mod video;

pub use stats::{CaptureStats, Condition, State};

use std::fmt;
use std::time::Duration;

use crate::base::Monotonic;

/// What an opened capture device delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputFormat {
    /// Samples per second and channel, as the device claims.
    pub rate: u32,
    /// Interleaved channels.
    pub channels: usize,
}

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// `frames` sample frames were appended; the last of them was captured at `end`.
    Frames {
        /// How many.
        frames: usize,
        /// When the last one was captured.
        end: Monotonic,
    },
    /// As `Frames`, but an unknown amount was lost before them (an overrun): `end` tells how much.
    AfterLoss {
        /// How many.
        frames: usize,
        /// When the last one was captured.
        end: Monotonic,
    },
    /// Nothing came within the wait.
    Nothing,
}

/// An opened device that delivers sound.
pub trait AudioInput: Send {
    /// What it delivers; fixed while it is open.
    fn format(&self) -> InputFormat;

    /// Waits at most `patience` for `frames` sample frames and appends what came, interleaved and at full
    /// scale ±1.0, to `into` (whose capacity the caller provides). It may bring fewer or more.
    ///
    /// # Errors
    /// If the device is gone or broken and must be opened again.
    fn read(
        &mut self,
        into: &mut Vec<f32>,
        frames: usize,
        patience: Duration,
    ) -> Result<Capture, SourceError>;
}

/// A device that can be opened, again and again.
pub trait AudioDevice: Send {
    /// Its name as configured, for messages.
    fn name(&self) -> &str;

    /// Opens it.
    ///
    /// # Errors
    /// If it is not there, is in use, or cannot deliver sound.
    fn open(&mut self) -> Result<Box<dyn AudioInput>, SourceError>;
}

/// How a source is: one word for log, status and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Not yet opened for the first time.
    Starting,
    /// Delivering.
    Live,
    /// The device is not there.
    NoDevice,
    /// Another program has it.
    Busy,
    /// Open, but nothing comes although it should.
    Stalled,
    /// It answers with errors.
    Failed,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::NoDevice => "no-device",
            Self::Busy => "busy",
            Self::Stalled => "stalled",
            Self::Failed => "failed",
        })
    }
}

impl serde::Serialize for Signal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a source cannot deliver, and what the person can do about it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{device}: {problem}; {remedy}")]
pub struct SourceError {
    /// What the source is from now on.
    pub signal: Signal,
    /// The device as configured.
    pub device: String,
    /// What is wrong.
    pub problem: String,
    /// What helps.
    pub remedy: String,
}
