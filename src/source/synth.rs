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
    /// 1 kHz at -12 dBFS for 100 ms from each whole second of CLOCK_MONOTONIC: what the test card flashes to.
    Clapper,
}

/// How long the clapper sounds, as the card's flash lasts.
const CLAP: i64 = 100_000_000;
const SECOND: i64 = 1_000_000_000;
const CLAP_HERTZ: f64 = 1_000.0;
const CLAP_DBFS: f64 = -12.0;

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
            Sound::Clapper => Generator::Clapper { peak: 10f64.powf(CLAP_DBFS / 20.0) },
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
    Clapper { peak: f64 },
}

impl Generator {
    /// The frame captured at `instant`.
    fn frame(&mut self, instant: impl FnOnce() -> Monotonic, channels: usize, into: &mut Vec<f32>) {
        match self {
            Self::Scanner(scanners) => into.extend(scanners.iter_mut().map(Scanner::sample)),
            Self::Tone { step, peak, phase } => {
                let sample = (*peak * (TAU * *phase).sin()) as f32;
                into.extend(std::iter::repeat_n(sample, channels));
                *phase = (*phase + *step).fract();
            }
            Self::Clapper { peak } => {
                let into_second = instant().as_nanos().rem_euclid(SECOND);
                let phase = into_second as f64 / SECOND as f64 * CLAP_HERTZ;
                let sample = if into_second < CLAP { (*peak * (TAU * phase).sin()) as f32 } else { 0.0 };
                into.extend(std::iter::repeat_n(sample, channels));
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
        instant(self.opened, self.period, self.delivered + frames)
    }
}

/// When the last of the first `frames` frames is captured.
fn instant(opened: Monotonic, period: f64, frames: u64) -> Monotonic {
    opened + Duration::from_nanos((frames as f64 * period).round() as u64)
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
        for _ in 0..frames {
            self.delivered += 1;
            let Self { opened, period, delivered, .. } = *self;
            self.generator.frame(|| instant(opened, period, delivered), self.format.channels, into);
        }
        Ok(if lost { Capture::AfterLoss { frames, end } } else { Capture::Frames { frames, end } })
    }
}

#[cfg(test)]
mod tests {
    use super::super::metronome::sim_clock;
    use super::*;

    /// `seconds` of what the device gives, read in blocks.
    fn record(options: SynthOptions, seconds: usize) -> Vec<f32> {
        let clock = sim_clock();
        let mut input = Synth::new(options, clock.clone()).open().expect("it is always there");
        let began = clock.now();
        let mut samples = Vec::new();
        for n in 1..=seconds * 10 {
            let frames = options.format.rate as usize / 10;
            let got = input.read(&mut samples, frames, Duration::from_secs(1)).expect("no errors");
            let Capture::Frames { frames: count, end } = got else { panic!("{got:?}") };
            assert_eq!((count, end), (frames, clock.now()), "paced by the clock");
            let ideal = n as f64 * 0.1 / (1.0 + options.ppm / 1e6);
            assert!((end.since(began).as_secs_f64() - ideal).abs() < 1e-6);
        }
        samples
    }

    fn scanner(seed: u64, channels: usize) -> SynthOptions {
        SynthOptions::new(Sound::Scanner { seed }, channels)
    }

    fn dbfs(samples: &[f32]) -> f64 {
        let power = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
        10.0 * power.max(1e-20).log10()
    }

    #[test]
    fn the_same_seed_gives_the_same_samples() {
        assert_eq!(record(scanner(1, 1), 20), record(scanner(1, 1), 20));
        assert_ne!(record(scanner(1, 1), 20), record(scanner(2, 1), 20));
    }

    #[test]
    fn two_channels_are_two_radios() {
        let both = record(scanner(5, 2), 10);
        let left: Vec<_> = both.iter().step_by(2).copied().collect();
        let right: Vec<_> = both.iter().skip(1).step_by(2).copied().collect();
        assert_eq!(left, record(scanner(5, 1), 10));
        assert_eq!(right, record(scanner(6, 1), 10));
    }

    #[test]
    fn transmissions_come_and_go() {
        for seed in [1, 2, 3] {
            let samples = record(scanner(seed, 1), 120);
            assert!(samples.iter().all(|s| s.abs() <= 1.0));
            // Tenths of a second: quiet ones far below, sounding ones clearly above.
            let levels: Vec<_> = samples.chunks(4_800).map(dbfs).collect();
            let quiet = levels.iter().filter(|l| **l < -70.0).count();
            let sounding = levels.iter().filter(|l| **l > -45.0).count();
            assert!((200..900).contains(&quiet), "{quiet}");
            assert!((300..1_000).contains(&sounding), "{sounding}");
            let loudest = levels.iter().copied().fold(f64::MIN, f64::max);
            assert!((-25.0..-3.0).contains(&loudest), "{loudest}");
            // Runs of sound last 2 to 13 s, tail included; breaths within them are under a second.
            let runs: Vec<_> =
                levels.split(|l| *l < -70.0).map(<[f64]>::len).filter(|tenths| *tenths > 0).collect();
            assert!(runs.len() >= 8, "{runs:?}");
            // The last one may be cut off.
            assert!(runs[..runs.len() - 1].iter().all(|tenths| (20..=130).contains(tenths)), "{runs:?}");
        }
    }

    #[test]
    fn a_tone_has_its_pitch_and_level() {
        let tone = Sound::Tone { frequency: 1_000.0, dbfs: -12.0 };
        let samples = record(SynthOptions { ppm: 500.0, ..SynthOptions::new(tone, 1) }, 10);
        assert!((dbfs(&samples) - (-12.0 - 3.01)).abs() < 0.01);
        let crossings = samples.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0).count();
        assert!((9_999..=10_000).contains(&crossings), "{crossings}");
    }

    #[test]
    fn the_clapper_sounds_at_each_whole_second_of_the_clock() {
        for ppm in [-300.0, 0.0, 300.0] {
            let clock = sim_clock();
            clock.advance(Duration::from_millis(340));
            let opened = clock.now();
            let options = SynthOptions { ppm, ..SynthOptions::new(Sound::Clapper, 2) };
            let mut input = Synth::new(options, clock.clone()).open().expect("it is always there");
            let mut samples = Vec::new();
            while clock.now().since(opened) < Duration::from_secs(100) {
                input.read(&mut samples, 4_800, Duration::from_secs(1)).expect("no errors");
            }
            let left: Vec<_> = samples.chunks_exact(2).map(|frame| frame[0]).collect();
            let period = 1e9 / (48_000.0 * (1.0 + ppm / 1e6));
            let captured = |at: usize| opened.as_nanos() + ((at + 1) as f64 * period).round() as i64;
            let mut claps = 0;
            for (at, sample) in left.iter().enumerate() {
                let into_second = captured(at).rem_euclid(SECOND);
                // Half a sample of silence at either end: a sine begins and ends with zero.
                assert!(
                    into_second < CLAP || *sample == 0.0,
                    "{at}: {sample} {into_second} ns after the second"
                );
                claps += usize::from(at > 0 && into_second < captured(at - 1).rem_euclid(SECOND));
            }
            assert_eq!(claps, 100, "{ppm}");
            let first = left.iter().position(|sample| *sample > 0.0).expect("it sounds");
            assert!(captured(first).rem_euclid(SECOND) < 2 * period as i64, "at once");
            let clap = &left[first..first + 4_750];
            assert!((dbfs(clap) - (-12.0 - 3.01)).abs() < 0.05, "{}", dbfs(clap));
            let crossings = clap.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0).count();
            assert!((98..=99).contains(&crossings), "{crossings}");
        }
    }

    #[test]
    fn a_late_reader_loses_the_oldest_sound() {
        let clock = sim_clock();
        let mut input = Synth::new(scanner(1, 1), clock.clone()).open().expect("it is always there");
        clock.advance(Duration::from_secs(5));
        let mut samples = Vec::new();
        let heard = input.read(&mut samples, 480, Duration::ZERO).expect("no errors");
        let end = clock.now() + Duration::from_millis(10);
        assert_eq!(heard, Capture::Nothing, "nothing is kept that was not there when it began again");
        clock.advance(Duration::from_millis(10));
        let heard = input.read(&mut samples, 480, Duration::ZERO).expect("no errors");
        assert_eq!(heard, Capture::Frames { frames: 480, end });
    }
}
