//! For tests: a sound card that hears a click every quarter of a second of true time, and whatever else
//! may befall a card. Whoever hears the click knows when it was captured.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{AudioDevice, AudioInput, Capture, InputFormat, Signal, SourceError};
use crate::base::{Clock, Monotonic, Random, SimClock, Stop, WallTime};
use crate::media::AudioBlock;
use crate::media::audio::SAMPLE_RATE;

/// Nanoseconds from click to click.
const BEAT: i64 = 250_000_000;
/// Half the length of a click.
const HALF_CLICK: i64 = 62_500;

/// A clock that stands at one second.
pub(super) fn sim_clock() -> Arc<SimClock> {
    Arc::new(SimClock::new(Monotonic::from_nanos(1_000_000_000), WallTime::EARLIEST))
}

/// Timestamps wrong by up to so many milliseconds in either direction, evenly spread.
pub(super) struct Jitter {
    random: Random,
    reach: f64,
}

impl Jitter {
    pub(super) fn new(seed: u64, milliseconds: f64) -> Self {
        Self { random: Random::new(seed), reach: milliseconds * 1e6 }
    }

    pub(super) fn shake(&mut self, instant: Monotonic) -> Monotonic {
        let off = f64::from(self.random.within(-1.0..1.0)) * self.reach;
        Monotonic::from_nanos(instant.as_nanos() + off as i64)
    }
}

/// What can befall a card for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Not there: reads and opening fail.
    Gone,
    /// Another program has it.
    Busy,
    /// Opens, but gives nothing, and answers at once.
    Dead,
}

/// The card.
pub(super) struct Metronome {
    pub(super) clock: Arc<SimClock>,
    /// What each opening offers, the last one from then on.
    pub(super) formats: Vec<InputFormat>,
    pub(super) ppm: f64,
    pub(super) jitter_ms: f64,
    /// Troubles by nanoseconds of the clock.
    pub(super) troubles: Vec<(Range<i64>, Trouble)>,
    /// Overruns: when, and for how long nothing is kept.
    pub(super) losses: Vec<(i64, Duration)>,
    /// How long opening takes.
    pub(super) opening: Duration,
}

impl Metronome {
    pub(super) fn new(clock: &Arc<SimClock>, rate: u32) -> Self {
        Self {
            clock: clock.clone(),
            formats: vec![InputFormat { rate, channels: 1 }],
            ppm: 0.0,
            jitter_ms: 0.0,
            troubles: Vec::new(),
            losses: Vec::new(),
            opening: Duration::ZERO,
        }
    }
}

fn trouble_at(troubles: &[(Range<i64>, Trouble)], now: Monotonic) -> Option<Trouble> {
    troubles.iter().find(|(when, _)| when.contains(&now.as_nanos())).map(|(_, trouble)| *trouble)
}

fn error(signal: Signal) -> SourceError {
    SourceError {
        signal,
        device: "metronome".to_owned(),
        problem: format!("{signal:?}"),
        remedy: "wait".to_owned(),
    }
}

impl AudioDevice for Metronome {
    fn name(&self) -> &str {
        "metronome"
    }

    fn open(&mut self) -> Result<Box<dyn AudioInput>, SourceError> {
        self.clock.advance(self.opening);
        match trouble_at(&self.troubles, self.clock.now()) {
            Some(Trouble::Gone) => return Err(error(Signal::NoDevice)),
            Some(Trouble::Busy) => return Err(error(Signal::Busy)),
            Some(Trouble::Dead) | None => {}
        }
        let format = self.formats[0];
        if self.formats.len() > 1 {
            self.formats.remove(0);
        }
        Ok(Box::new(MetronomeInput {
            format,
            period: 1e9 / (f64::from(format.rate) * (1.0 + self.ppm / 1e6)),
            jitter: Jitter::new(3, self.jitter_ms),
            troubles: self.troubles.clone(),
            losses: self.losses.iter().filter(|(at, _)| *at > self.clock.now().as_nanos()).copied().collect(),
            opened: self.clock.now(),
            delivered: 0,
            clock: self.clock.clone(),
        }))
    }
}

struct MetronomeInput {
    format: InputFormat,
    period: f64,
    jitter: Jitter,
    troubles: Vec<(Range<i64>, Trouble)>,
    losses: Vec<(i64, Duration)>,
    opened: Monotonic,
    delivered: u64,
    clock: Arc<SimClock>,
}

impl MetronomeInput {
    fn captured(&self, frame: u64) -> Monotonic {
        self.opened + Duration::from_nanos((frame as f64 * self.period).round() as u64)
    }
}

/// What is heard at an instant.
pub(super) fn click_at(instant: Monotonic) -> f32 {
    let into = (instant.as_nanos() + HALF_CLICK).rem_euclid(BEAT);
    if into < 2 * HALF_CLICK { 0.9 } else { 0.0 }
}

impl AudioInput for MetronomeInput {
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
        let end = self.captured(self.delivered + frames as u64);
        let limit = now + patience;
        match trouble_at(&self.troubles, end.min(limit)) {
            Some(Trouble::Dead) => return Ok(Capture::Nothing),
            Some(_) => return Err(error(Signal::NoDevice)),
            None => self.clock.sleep_until(end.min(limit), &Stop::new()),
        };
        if end > limit {
            return Ok(Capture::Nothing);
        }
        let mut lost = false;
        if let Some((at, length)) = self.losses.first().copied()
            && end.as_nanos() >= at
        {
            self.losses.remove(0);
            self.delivered += (length.as_nanos() as f64 / self.period).round() as u64;
            lost = true;
        }
        for _ in 0..frames {
            self.delivered += 1;
            let sample = click_at(self.captured(self.delivered));
            into.extend(std::iter::repeat_n(sample, self.format.channels));
        }
        let end = self.captured(self.delivered);
        self.clock.sleep_until(end, &Stop::new());
        let end = self.jitter.shake(end);
        Ok(if lost { Capture::AfterLoss { frames, end } } else { Capture::Frames { frames, end } })
    }
}

/// Listens to blocks: holds that the timeline never breaks, and finds the clicks.
#[derive(Default)]
pub(super) struct Listener {
    pub(super) blocks: u64,
    next: Option<i64>,
    /// Of the click being heard: energy, its first moment in samples, samples since it began.
    click: Option<(f64, f64, usize)>,
    /// Milliseconds by which each click heard so far was late, with its media time in nanoseconds.
    pub(super) clicks: Vec<(i64, f64)>,
}

impl Listener {
    pub(super) fn hear(&mut self, block: &AudioBlock<'_>) {
        assert_eq!(block.frames(), 1024);
        if let Some(next) = self.next {
            assert_eq!(block.pts.ticks(), next, "the timeline broke");
        }
        self.next = Some(block.pts.ticks() + 1920);
        self.blocks += 1;
        for (i, frame) in block.samples.chunks_exact(block.channels).enumerate() {
            assert!(frame.iter().all(|s| s.is_finite() && s.abs() < 1.5), "{frame:?}");
            let sample = f64::from(frame[0]);
            if self.click.is_none() && sample.abs() > 0.2 {
                self.click = Some((0.0, 0.0, 0));
            }
            if let Some((energy, moment, age)) = &mut self.click {
                *energy += sample * sample;
                *moment += sample * sample * *age as f64;
                *age += 1;
                if *age == 96 {
                    let centre = i as f64 + 1.0 - *age as f64 + *moment / *energy;
                    let nanos =
                        block.pts.to_monotonic().as_nanos() + (centre * 1e9 / f64::from(SAMPLE_RATE)) as i64;
                    let late = (nanos + BEAT / 2).rem_euclid(BEAT) - BEAT / 2;
                    self.clicks.push((nanos, late as f64 / 1e6));
                    self.click = None;
                }
            }
        }
    }

    /// The largest error of a click heard from `after` (nanoseconds of media time) on.
    pub(super) fn worst_ms(&self, after: i64) -> f64 {
        self.clicks.iter().filter(|(at, _)| *at >= after).map(|(_, late)| late.abs()).fold(0.0, f64::max)
    }
}
