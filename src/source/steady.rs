//! Sound on the media clock, without end and without a gap.
//!
//! Belongs here: turning what a device delivers, whenever and at whatever rate, into blocks of exactly
//! 1024 frames at 48 kHz, each 1920 ticks after the one before, whose PTS is the time their sound was
//! captured. Missing sound becomes silence of its length, surplus is left out. Does not: devices,
//! waiting, the loop's arithmetic (`drift`), the resampler (`converter`).
//!
//! Everything goes through one *line* of input frames: sound and the silence between, at the device's
//! rate. The [`Drift`] knows when each frame of the line was captured, the [`Converter`] where it stands
//! in the line; the difference to the PTS of the next block is what is steered to zero.

use std::sync::Arc;

use super::converter::{BLOCK, Converter};
use super::drift::Drift;
use super::{CaptureStats, InputFormat};
use crate::base::{Monotonic, Pts, Span};
use crate::media::AudioBlock;
use crate::media::audio::SAMPLE_RATE;

/// What a block adds to the media clock: 1024 samples at 48 kHz are 1920 ticks.
const BLOCK_SPAN: Span = Span::from_ticks(1920);
const BLOCK_SECONDS: f64 = BLOCK as f64 / SAMPLE_RATE as f64;
/// Seconds a device's time may be away from the line's before the line is mended instead of steered.
const JUMP: f64 = 0.1;
/// Seconds of sound that must agree on a jump: one late timestamp is not a jump.
const JUMP_PROOF: f64 = 0.25;
/// Rates a device may claim.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=768_000;
/// More channels than any sound card has.
const MAX_CHANNELS: usize = 64;

/// When the samples handed over were captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// The last one then.
    Captured(Monotonic),
    /// As `Captured`, but sound was lost before the first one.
    AfterLoss(Monotonic),
    /// Nobody knows: they follow what came before, at the rate the device claims.
    Unstamped,
}

/// A format no sound can be had from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} Hz with {} channels is no format to record from", .0.rate, .0.channels)]
pub struct BadFormat(pub InputFormat);

/// Whether the next sound continues the line or must be placed by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It continues.
    Follows,
    /// After silence, or from a device just opened.
    ByTime,
}

/// The line from a device's frames to media time.
pub struct Steady {
    channels: usize,
    format: InputFormat,
    converter: Converter,
    drift: Drift,
    place: Place,
    /// Frames that in a row disagreed with the line by more than [`JUMP`].
    doubtful: usize,
    /// The line from the converter on: samples, then frames of silence, then samples.
    ready: Vec<f32>,
    owed: u64,
    waiting: Vec<f32>,
    /// The block given last, and the PTS of the next one.
    block: Vec<f32>,
    next: Pts,
    stats: Arc<CaptureStats>,
}

impl Steady {
    /// A line that begins at `start` and gives blocks of `channels` channels.
    pub fn new(channels: usize, start: Monotonic, stats: Arc<CaptureStats>) -> Self {
        let channels = channels.clamp(1, MAX_CHANNELS);
        let format = InputFormat { rate: SAMPLE_RATE, channels };
        let converter =
            Converter::new(format.rate, channels).expect("the media rate can be converted to itself");
        let next = start.to_pts();
        Self {
            channels,
            format,
            drift: Self::drift_at(format.rate, &converter, next),
            converter,
            place: Place::ByTime,
            doubtful: 0,
            ready: Vec::new(),
            owed: 0,
            waiting: Vec::new(),
            block: vec![0.0; BLOCK * channels],
            next,
            stats,
        }
    }

    /// The drift of an empty line whose converter will show exactly `next` first.
    fn drift_at(rate: u32, converter: &Converter, next: Pts) -> Drift {
        let next = Drift::new(rate, next.to_monotonic());
        Drift::new(rate, next.time_of(-converter.lead() - 1.0))
    }

    /// A device was opened that delivers `format`: its sound will be placed by its first timestamp. What
    /// was learnt of the rate is kept unless another rate is claimed; in that case the sound not yet
    /// given (less than a block) is lost.
    ///
    /// # Errors
    /// If no sound can be had from the format.
    pub fn begin(&mut self, format: InputFormat) -> Result<(), BadFormat> {
        if !RATES.contains(&format.rate) || !(1..=MAX_CHANNELS).contains(&format.channels) {
            return Err(BadFormat(format));
        }
        if format.rate != self.format.rate {
            self.converter = Converter::new(format.rate, self.channels).map_err(|_| BadFormat(format))?;
            self.drift = Self::drift_at(format.rate, &self.converter, self.next);
            self.ready.clear();
            self.waiting.clear();
            self.owed = 0;
        }
        self.format = format;
        self.place = Place::ByTime;
        self.doubtful = 0;
        // Half a second, so that no usual read makes them grow.
        let room = format.rate as usize / 2 * self.channels;
        self.ready.reserve(room);
        self.waiting.reserve(room);
        Ok(())
    }

    /// Frames in the line.
    fn queued(&self) -> u64 {
        ((self.ready.len() + self.waiting.len()) / self.channels) as u64 + self.owed
    }

    /// Input frames still missing for the next block; zero if it is there.
    pub fn wanted(&self) -> usize {
        let missing = (self.converter.needed() as u64).saturating_sub(self.queued());
        usize::try_from(missing).unwrap_or(usize::MAX)
    }

    /// When the frame `frames` after the last one of the line is captured; with 0, that one itself.
    pub fn time_after(&self, frames: usize) -> Monotonic {
        self.drift.time_of(frames as f64)
    }

    /// Takes interleaved samples of the device's format; says how many frames of them found a place. To be
    /// called while something is [`Self::wanted`].
    pub fn push(&mut self, samples: &[f32], timing: Timing) -> usize {
        self.gather();
        let frames = samples.len() / self.format.channels;
        let gap = |end| self.drift.frames_until(end) - frames as f64;
        let jump = JUMP * f64::from(self.format.rate);
        let (shift, end) = match (timing, self.place) {
            (Timing::Unstamped, _) => {
                self.drift.forget_rate();
                (0.0, None)
            }
            (Timing::Captured(end) | Timing::AfterLoss(end), Place::ByTime) => (gap(end), Some(end)),
            // Something was lost: jitter must not make it look as if something was gained.
            (Timing::AfterLoss(end), Place::Follows) => (gap(end).max(0.0), Some(end)),
            (Timing::Captured(end), Place::Follows) if gap(end).abs() <= jump => {
                self.doubtful = 0;
                (0.0, Some(end))
            }
            (Timing::Captured(end), Place::Follows) => {
                self.doubtful += frames;
                if (self.doubtful as f64) < JUMP_PROOF * f64::from(self.format.rate) {
                    (0.0, None)
                } else {
                    self.stats.resyncs.increment();
                    (gap(end), Some(end))
                }
            }
        };
        let shift = shift.round();
        let dropped = if shift < 0.0 { frames.min(-shift as usize) } else { 0 };
        self.stats.dropped.add(self.at_media_rate(dropped as u64));
        if shift > 0.0 {
            self.owe(shift as u64);
        }
        if shift != 0.0 {
            self.drift.doubt_phase();
        }
        if dropped == frames {
            // Its time is over already; the rest of the surplus is in what comes next.
            self.place = Place::ByTime;
            return 0;
        }
        match end {
            Some(end) => self.drift.observe(frames - dropped, end),
            None => self.drift.skip((frames - dropped) as u64),
        }
        if shift != 0.0 {
            self.doubtful = 0;
        }
        self.place = Place::Follows;
        self.append(&samples[dropped * self.format.channels..]);
        self.gather();
        frames - dropped
    }

    /// Fills the line with silence up to `until`; what comes next is placed by its time. To be called
    /// while something is [`Self::wanted`].
    pub fn silence(&mut self, until: Monotonic) {
        self.gather();
        let frames = self.drift.frames_until(until).floor();
        if frames >= 1.0 {
            self.owe(frames as u64);
            self.place = Place::ByTime;
            self.drift.doubt_phase();
            self.gather();
        }
    }

    /// The next block, once nothing is [`Self::wanted`].
    pub fn block(&mut self) -> Option<AudioBlock<'_>> {
        self.gather();
        if self.wanted() > 0 {
            return None;
        }
        let needed = self.converter.needed() * self.channels;
        self.converter.convert(&self.ready[..needed], &mut self.block);
        self.ready.drain(..needed);
        let pts = self.next;
        self.next += BLOCK_SPAN;
        self.steer();
        Some(AudioBlock { pts, channels: self.channels, samples: &self.block })
    }

    /// Compares what the converter will show next with the time it will be shown for.
    fn steer(&mut self) {
        let back = self.queued() as f64 - 1.0 - self.converter.lead();
        let shown = self.drift.time_of(-back);
        let ahead = self.next.to_monotonic().nanos_since(shown) as f64 / 1e9;
        self.converter.steer(self.drift.steer(ahead, BLOCK_SECONDS));
        self.stats.ppm.set(self.drift.ppm());
        self.stats.offset_ms.set(ahead * 1e3);
    }

    /// Silence at the end of the line, which holds no `waiting` sound.
    fn owe(&mut self, frames: u64) {
        self.owed += frames;
        self.drift.skip(frames);
        self.stats.silence.add(self.at_media_rate(frames));
    }

    fn at_media_rate(&self, frames: u64) -> u64 {
        frames * u64::from(SAMPLE_RATE) / u64::from(self.format.rate)
    }

    /// Moves the line up, so that what the next block needs is `ready` as far as it is there.
    fn gather(&mut self) {
        let have = self.ready.len() / self.channels;
        let missing = self.converter.needed().saturating_sub(have);
        let zeros = usize::try_from(self.owed).unwrap_or(usize::MAX).min(missing);
        self.ready.resize(self.ready.len() + zeros * self.channels, 0.0);
        self.owed -= zeros as u64;
        if self.owed == 0 {
            self.ready.append(&mut self.waiting);
        }
    }

    /// Puts samples at the end of the line, with as many channels as come out: the first ones, the last
    /// of them doubled if there are too few; into one channel, all are mixed.
    fn append(&mut self, samples: &[f32]) {
        let given = self.format.channels;
        let frames = samples.chunks_exact(given);
        match self.channels {
            same if same == given => self.waiting.extend_from_slice(samples),
            1 => {
                let share = 1.0 / given as f32;
                self.waiting.extend(frames.map(|frame| frame.iter().sum::<f32>() * share));
            }
            wanted => {
                self.waiting.extend(frames.flat_map(|frame| (0..wanted).map(|c| frame[c.min(given - 1)])));
            }
        }
    }
}

#[cfg(test)]
mod tests;
