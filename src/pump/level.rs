//! How loud it is, step by step, whether somebody speaks, and how the receiver is: kept by the pump, read by whoever
//! shows it, without a lock.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};

use crate::base::{Pts, Span};
use crate::detect::{self, Detector, Ear, Event, Health, Monitor, SILENCE_DBFS, dbfs};
use crate::media::AudioBlock;

/// How long one step lasts.
pub const STEP: Span = Span::from_millis(100);
/// How many steps are remembered: a minute and a little.
const REMEMBERED: usize = 640;

/// Whether there is something to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// No transmission.
    #[default]
    Quiet,
    /// A transmission is going on.
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
    pub const SILENCE: Self = Self { rms: SILENCE_DBFS, peak: SILENCE_DBFS, activity: Activity::Quiet };

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

/// How a receiver is, as the pump last heard.
#[derive(Debug, Default)]
pub struct HealthCell(AtomicU8);

impl HealthCell {
    fn set(&self, health: Health) {
        let place = Health::ALL.iter().position(|it| *it == health).unwrap_or_default();
        self.0.store(place as u8, Ordering::Relaxed);
    }

    /// How it is.
    pub fn get(&self) -> Health {
        Health::ALL.get(usize::from(self.0.load(Ordering::Relaxed))).copied().unwrap_or_default()
    }
}

/// Hears blocks: writes the steps they complete into a [`Trail`], and how the receiver is into a [`HealthCell`].
#[derive(Debug)]
pub(super) struct Meter {
    ear: Ear,
    detector: Detector,
    monitor: Monitor,
    step: Step,
}

/// The step of the trail that is going on.
#[derive(Debug, Default)]
struct Step {
    /// Its number; `None` before the first.
    number: Option<i64>,
    power: f32,
    parts: u32,
    peak: f32,
}

impl Meter {
    pub(super) fn new(settings: detect::Settings) -> Self {
        Self {
            ear: Ear::default(),
            detector: Detector::new(settings),
            monitor: Monitor::default(),
            step: Step::default(),
        }
    }

    /// Hears `block`, and tells what there is to tell of it.
    pub(super) fn hear(
        &mut self,
        block: &AudioBlock<'_>,
        trail: &Trail,
        cell: &HealthCell,
        told: &mut dyn FnMut(Event),
    ) {
        let Self { ear, detector, monitor, step } = self;
        ear.hear(block, &mut |part| {
            let found = detector.hear(part);
            if let Some(health) = monitor.hear(part, detector, found.as_ref()) {
                cell.set(health);
                told(Event::Health { at: part.at, health });
            }
            found.map(Event::Activity).into_iter().for_each(&mut *told);
            let activity = if detector.is_open() { Activity::OnAir } else { Activity::Quiet };
            step.add(part, activity, trail);
        });
    }
}

impl Step {
    fn add(&mut self, part: &detect::Step, activity: Activity, trail: &Trail) {
        let number = part.at.ticks().div_euclid(STEP.ticks());
        if let Some(old) = self.number.replace(number).filter(|old| *old != number) {
            let rms = dbfs(self.power / self.parts.max(1) as f32);
            trail.put(old, Level { rms, peak: dbfs(self.peak * self.peak), activity });
            (self.power, self.parts, self.peak) = (0.0, 0, 0.0);
        }
        self.power += part.power;
        self.parts += 1;
        self.peak = self.peak.max(part.peak);
    }
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
            let block = AudioBlock { pts, channels: 1, samples: &samples };
            meter.hear(&block, trail, &HealthCell::default(), &mut |_| {});
        }
        from + Span::from_ticks(blocks * 1920)
    }

    #[test]
    fn a_sine_measures_as_it_should_and_hang_time_bridges_pauses() {
        let (mut meter, trail) = (Meter::new(detect::Settings::default()), Trail::default());
        assert_eq!(trail.now(), Level::SILENCE);
        assert!(trail.last(10).is_none());
        let at = play(&mut meter, &trail, Pts::from_ticks(12_345), 1.0, 0.0);
        let at = play(&mut meter, &trail, at, 2.0, 0.5);
        let level = trail.now();
        assert!((level.peak + 6.02).abs() < 0.1 && (level.rms + 9.03).abs() < 0.1, "{level:?}");
        assert_eq!(level.activity, Activity::OnAir);
        let told: Vec<_> = trail.last(600).expect("steps").1.collect();
        assert!(told.len() == 29, "nothing before: {told:?}");
        assert!(told[10..].iter().all(|level| level.rms > -10.0), "{told:?}");
        let at = play(&mut meter, &trail, at, 0.5, 0.0);
        assert_eq!(trail.now(), Level { activity: Activity::OnAir, ..Level::SILENCE });
        play(&mut meter, &trail, at, 1.0, 0.0);
        assert_eq!(trail.now(), Level::SILENCE);
    }

    #[test]
    fn what_ails_the_receiver_is_told_once_and_can_be_read() {
        let (mut meter, trail, cell) =
            (Meter::new(detect::Settings::default()), Trail::default(), HealthCell::default());
        let mut told = Vec::new();
        for block in 0..48 * 12 {
            let block = AudioBlock { pts: Pts::from_ticks(block * 1920), channels: 2, samples: &[0.0; 2048] };
            meter.hear(&block, &trail, &cell, &mut |event| told.push(event));
        }
        let [Event::Health { at, health: Health::Dead }] = told[..] else { panic!("{told:?}") };
        assert_eq!((at, cell.get()), (Pts::from_ticks(10 * 90_000 - 900), Health::Dead));
    }

    #[test]
    fn the_trail_is_aligned_to_the_media_clock() {
        let (mut meter, trail) = (Meter::new(detect::Settings::default()), Trail::default());
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
