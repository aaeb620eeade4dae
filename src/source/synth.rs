//! A sound card that isn't there: for the demo, and for tests that must know what was recorded.
//!
//! Belongs here: keeping a device's pace on the given clock, with a crystal as wrong as one likes, and a
//! pure tone. What the imaginary scanner hears is in `scanner`.

mod scanner;

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use self::scanner::Scanner;
use super::{AudioDevice, AudioInput, Capture, InputFormat, SourceError};
use crate::base::{Clock, Monotonic, Stop};

/// How much sound the imaginary card keeps for a late reader; older sound is lost, as in a real one.
const BUFFER: Duration = Duration::from_secs(1);

/// What the device hears.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sound {
    /// Radio traffic, another one on every channel; the same seed gives the same samples.
    Scanner {
        /// Any number.
        seed: u64,
    },
    /// A sine, the same on every channel.
    Tone {
        /// In Hz.
        frequency: f64,
        /// Its peak in dB of full scale, 0 or less.
        dbfs: f64,
    },
}

/// The imaginary device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SynthOptions {
    /// What it hears.
    pub sound: Sound,
    /// What it delivers.
    pub format: InputFormat,
    /// How much faster than it claims its crystal runs, in parts per million.
    pub ppm: f64,
}

impl SynthOptions {
    /// A device at 48 kHz with a perfect crystal.
    pub fn new(sound: Sound, channels: usize) -> Self {
        let format = InputFormat { rate: crate::media::audio::SAMPLE_RATE, channels };
        Self { sound, format, ppm: 0.0 }
    }
}

/// Opens the imaginary device; it is always there.
pub struct Synth {
    options: SynthOptions,
    clock: Arc<dyn Clock>,
}

impl Synth {
    /// A device that keeps pace with `clock`.
    pub fn new(options: SynthOptions, clock: Arc<dyn Clock>) -> Self {
        Self { options, clock }
    }
}

impl AudioDevice for Synth {
    fn name(&self) -> &str {
        "synth"
    }

    fn open(&mut self) -> Result<Box<dyn AudioInput>, SourceError> {
        let SynthOptions { sound, format, ppm } = self.options;
        let generator = match sound {
            Sound::Scanner { seed } => Generator::Scanner(
                (0..format.channels as u64)
                    .map(|c| Scanner::new(seed.wrapping_add(c), format.rate))
                    .collect(),
            ),
            Sound::Tone { frequency, dbfs } => Generator::Tone {
                step: frequency / f64::from(format.rate),
                peak: 10f64.powf(dbfs / 20.0),
                phase: 0.0,
            },
        };
        Ok(Box::new(SynthInput {
            format,
            period: 1e9 / (f64::from(format.rate) * (1.0 + ppm / 1e6)),
            generator,
            opened: self.clock.now(),
            delivered: 0,
            clock: self.clock.clone(),
            never: Stop::new(),
        }))
    }
}

enum Generator {
    Scanner(Vec<Scanner>),
    Tone { step: f64, peak: f64, phase: f64 },
}

impl Generator {
    fn frame(&mut self, channels: usize, into: &mut Vec<f32>) {
        match self {
            Self::Scanner(scanners) => into.extend(scanners.iter_mut().map(Scanner::sample)),
            Self::Tone { step, peak, phase } => {
                let sample = (*peak * (TAU * *phase).sin()) as f32;
                into.extend(std::iter::repeat_n(sample, channels));
                *phase = (*phase + *step).fract();
            }
        }
    }
}

struct SynthInput {
    format: InputFormat,
    /// True nanoseconds per frame.
    period: f64,
    generator: Generator,
    opened: Monotonic,
    /// Frames delivered or lost since.
    delivered: u64,
    clock: Arc<dyn Clock>,
    never: Stop,
}

impl SynthInput {
    /// When the last of `frames` more frames is captured; frame n is, (n + 1) periods after opening.
    fn captured(&self, frames: u64) -> Monotonic {
        self.opened + Duration::from_nanos(((self.delivered + frames) as f64 * self.period).round() as u64)
    }
}

impl AudioInput for SynthInput {
    fn format(&self) -> InputFormat {
        self.format
    }

    fn read(
        &mut self,
        into: &mut Vec<f32>,
        frames: usize,
        patience: Duration,
    ) -> Result<Capture, SourceError> {
        let now = self.clock.now();
        let late = now.since(self.captured(0));
        let lost = late > BUFFER;
        if lost {
            self.delivered += (late.as_nanos() as f64 / self.period) as u64;
        }
        let end = self.captured(frames as u64);
        let limit = now + patience;
        self.clock.sleep_until(end.min(limit), &self.never);
        if end > limit {
            return Ok(Capture::Nothing);
        }
        self.delivered += frames as u64;
        for _ in 0..frames {
            self.generator.frame(self.format.channels, into);
        }
        Ok(if lost { Capture::AfterLoss { frames, end } } else { Capture::Frames { frames, end } })
    }
}
