//! How loud it is, step by step: kept by the pump, read by whoever shows it, without a lock.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::base::{Pts, Span};
use crate::media::AudioBlock;
use crate::media::audio::SAMPLE_RATE;

/// How long one step lasts.
pub const STEP: Span = Span::from_millis(100);
/// How many steps are remembered: a minute and a little.
const REMEMBERED: usize = 640;
/// Nothing is quieter than this; also the level of digital silence.
pub const FLOOR_DBFS: f32 = -120.0;
/// Louder than this is something to hear. A squelched scanner is far below, speech far above.
const ON_AIR_DBFS: f32 = -50.0;
/// The pauses within a transmission: shorter ones do not end it.
const HANG_STEPS: u32 = 15;

/// Whether there is something to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// Below the threshold for a while.
    #[default]
    Quiet,
    /// Above it just now.
    OnAir,
}

/// The level over one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Root mean square over all channels, in dB below full scale.
    pub rms: f32,
    /// The loudest sample, in dB below full scale.
    pub peak: f32,
    /// Whether there is something to hear.
    pub activity: Activity,
}

impl Level {
    /// Nothing at all.
    pub const SILENCE: Self = Self { rms: FLOOR_DBFS, peak: FLOOR_DBFS, activity: Activity::Quiet };

    /// Both levels in hundredths of a dB and the activity, in one word that is stored and loaded whole.
    fn pack(self) -> u64 {
        let centi = |db: f32| u64::from((db * 100.0) as i16 as u16);
        centi(self.rms) | centi(self.peak) << 16 | u64::from(self.activity == Activity::OnAir) << 32
    }

    fn unpack(word: u64) -> Self {
        let decibel = |centi: u64| f32::from(centi as u16 as i16) / 100.0;
        let activity = if word >> 32 & 1 == 1 { Activity::OnAir } else { Activity::Quiet };
        Self { rms: decibel(word), peak: decibel(word >> 16), activity }
    }
}

/// The levels of the last minute.
#[derive(Debug)]
pub struct Trail {
    steps: Box<[AtomicU64]>,
    /// Number of the first step there ever was; no meaning before there is one.
    first: AtomicI64,
    /// Number of the newest finished step on the media clock; before the first, `i64::MIN`.
    newest: AtomicI64,
}

impl Default for Trail {
    fn default() -> Self {
        let steps = (0..REMEMBERED).map(|_| AtomicU64::new(Level::SILENCE.pack())).collect();
        Self { steps, first: AtomicI64::new(0), newest: AtomicI64::new(i64::MIN) }
    }
}

impl Trail {
    fn slot(&self, step: i64) -> &AtomicU64 {
        &self.steps[step.rem_euclid(REMEMBERED as i64) as usize]
    }

    fn put(&self, step: i64, level: Level) {
        self.slot(step).store(level.pack(), Ordering::Relaxed);
        if self.newest.load(Ordering::Relaxed) == i64::MIN {
            self.first.store(step, Ordering::Relaxed);
        }
        // Release: who sees the number sees the level behind it, and the first.
        self.newest.store(step, Ordering::Release);
    }

    /// The newest level; silence before there is one.
    pub fn now(&self) -> Level {
        match self.newest.load(Ordering::Acquire) {
            i64::MIN => Level::SILENCE,
            step => Level::unpack(self.slot(step).load(Ordering::Relaxed)),
        }
    }

    /// The end of the newest step, and the last `count` levels up to it, oldest first; none before there
    /// are any. A few steps less than all remembered, because the oldest may be overwritten meanwhile.
    pub fn last(&self, count: usize) -> Option<(Pts, impl Iterator<Item = Level>)> {
        let newest = match self.newest.load(Ordering::Acquire) {
            i64::MIN => return None,
            step => step,
        };
        let count = count.min(REMEMBERED - 8) as i64;
        let oldest = (newest + 1 - count).max(self.first.load(Ordering::Relaxed));
        let end = Pts::from_ticks((newest + 1) * STEP.ticks());
        let levels = (oldest..=newest).map(|step| Level::unpack(self.slot(step).load(Ordering::Relaxed)));
        Some((end, levels))
    }
}

/// Measures blocks and writes the steps they complete into a [`Trail`].
#[derive(Debug)]
pub(super) struct Meter {
    step: Option<i64>,
    squares: f64,
    samples: u64,
    peak: f32,
    hang: u32,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { step: None, squares: 0.0, samples: 0, peak: 0.0, hang: 0 }
    }

    pub(super) fn measure(&mut self, block: &AudioBlock<'_>, trail: &Trail) {
        let mut rest = block.samples;
        let mut at = block.pts;
        while !rest.is_empty() {
            let step = at.ticks().div_euclid(STEP.ticks());
            if let Some(old) = self.step.replace(step).filter(|old| *old != step) {
                trail.put(old, self.finish());
            }
            let end = Pts::from_ticks((step + 1) * STEP.ticks());
            let frames = (end - at).to_samples(SAMPLE_RATE).max(1) as usize;
            let (now, later) = rest.split_at((frames * block.channels).min(rest.len()));
            for sample in now {
                self.squares += f64::from(sample * sample);
                self.peak = self.peak.max(sample.abs());
            }
            self.samples += now.len() as u64;
            rest = later;
            at = end;
        }
    }

    fn finish(&mut self) -> Level {
        let rms = (self.squares / self.samples.max(1) as f64).sqrt() as f32;
        let (rms, peak) = (decibel(rms), decibel(self.peak));
        self.hang = if rms > ON_AIR_DBFS { HANG_STEPS } else { self.hang.saturating_sub(1) };
        let activity = if self.hang > 0 { Activity::OnAir } else { Activity::Quiet };
        (self.squares, self.samples, self.peak) = (0.0, 0, 0.0);
        Level { rms, peak, activity }
    }
}

fn decibel(amplitude: f32) -> f32 {
    // f32::max turns a NaN, should a device deliver one, into the floor.
    (20.0 * amplitude.log10()).max(FLOOR_DBFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `seconds` of a sine of this amplitude in blocks of 1024 frames.
    fn play(meter: &mut Meter, trail: &Trail, from: Pts, seconds: f64, amplitude: f32) -> Pts {
        let blocks = (seconds * 48_000.0 / 1024.0) as i64;
        for block in 0..blocks {
            let sample = |n: i64| ((block * 1024 + n) as f32 * 0.13).sin() * amplitude;
            let samples: Vec<f32> = (0..1024).map(sample).collect();
            let pts = from + Span::from_ticks(block * 1920);
            meter.measure(&AudioBlock { pts, channels: 1, samples: &samples }, trail);
        }
        from + Span::from_ticks(blocks * 1920)
    }

    #[test]
    fn a_sine_measures_as_it_should_and_hang_time_bridges_pauses() {
        let (mut meter, trail) = (Meter::new(), Trail::default());
        assert_eq!(trail.now(), Level::SILENCE);
        assert!(trail.last(10).is_none());
        let at = play(&mut meter, &trail, Pts::from_ticks(12_345), 2.0, 0.5);
        let level = trail.now();
        assert!((level.peak + 6.02).abs() < 0.1 && (level.rms + 9.03).abs() < 0.1, "{level:?}");
        assert_eq!(level.activity, Activity::OnAir);
        let told: Vec<_> = trail.last(600).expect("steps").1.collect();
        assert!(told.len() == 20 && told.iter().all(|level| level.rms > -10.0), "nothing before: {told:?}");
        let at = play(&mut meter, &trail, at, 1.0, 0.0);
        assert_eq!(trail.now(), Level { activity: Activity::OnAir, ..Level::SILENCE });
        play(&mut meter, &trail, at, 1.0, 0.0);
        assert_eq!(trail.now(), Level::SILENCE);
    }

    #[test]
    fn the_trail_is_aligned_to_the_media_clock() {
        let (mut meter, trail) = (Meter::new(), Trail::default());
        let at = play(&mut meter, &trail, Pts::from_ticks(0), 3.0, 0.0);
        play(&mut meter, &trail, at, 100.0, 1.0);
        let (end, levels) = trail.last(10_000).expect("steps");
        assert_eq!(end.ticks() % STEP.ticks(), 0);
        assert!((end - at).as_secs_f64() > 99.8);
        let levels: Vec<_> = levels.collect();
        assert_eq!(levels.len(), REMEMBERED - 8);
        assert!(levels.iter().all(|level| level.peak > -0.1));
    }

    #[test]
    fn levels_survive_their_packing() {
        for (rms, peak) in [(-120.0, -120.0), (-23.45, -10.0), (0.0, 3.0)] {
            for activity in [Activity::Quiet, Activity::OnAir] {
                let level = Level { rms, peak, activity };
                let back = Level::unpack(level.pack());
                assert_eq!(back.activity, activity);
                assert!((back.rms - rms).abs() < 0.011 && (back.peak - peak).abs() < 0.011);
            }
        }
    }
}
