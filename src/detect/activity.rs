//! When somebody speaks: transmissions, found by their level above a floor that adapts, and told from noise by their
//! pitch.
//!
//! What is louder than the floor may be a transmission; it is one if enough of it has a pitch, as voices and tones
//! have and noise has not. So the noise that a squelch lets through before it closes belongs to none, and a squelch
//! that stays open is none. A receiver without squelch hisses all the time, and what tells of a carrier is that the
//! hiss gets *quieter*: that counts as well.
//!
//! Belongs here: the judgement, step by step, in media time. Does not: arithmetic on samples (`sound`).

use super::floor::{Floor, HUM_DB, Levels, Smoother};
use super::{Happening, STEP, Step, dbfs, steps};
use crate::base::{Pts, Span};

/// Louder than the floor by so much, in dB, may be a transmission, and is one until it is louder by less than that.
/// Hiss over 50 ms moves by a tenth of it.
const OPEN_DB: f32 = 6.0;
const CLOSE_DB: f32 = 3.0;
/// A floor whose treble is above that hisses, in dBFS.
const HISS_DBFS: f32 = -60.0;
/// A carrier quietens hiss by so much at least, in dB.
const QUIETED_DB: f32 = 6.0;
/// What repeats itself so much has a pitch, if it does so for a while.
const PITCHED: f32 = 0.5;
const PITCHED_STEPS: u32 = 4;
/// The floor is unknown for so long after the start.
const SETTLING: Span = Span::from_millis(500);
/// A voice may begin so long before it has a pitch, and go on so long after. What is without pitch for longer is no
/// part of it: a squelch that opens or closes.
const BEFORE_PITCH: Span = Span::from_millis(1_000);
const AFTER_PITCH: Span = Span::from_millis(100);
/// What has had no pitch for so long is nothing, and the floor from then on.
const NOTHING: Span = Span::from_millis(10_000);
/// A carrier on which nobody speaks for so long may as well be a squelch that was closed, or a volume turned down.
const CARRIER: Span = Span::from_millis(3_000);
/// So is what has not moved by more than [`STEADY_DB`] for so long, whatever its pitch: a machine hums.
const STEADY: Span = Span::from_millis(60_000);
const STEADY_DB: f32 = 4.0;

/// Before anything was heard.
const LOUD: Levels = Levels { deep: 0.0, body: 0.0, treble: 0.0 };

/// From which level on something may be a transmission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threshold {
    /// Above the floor.
    #[default]
    Auto,
    /// In dBFS, measured from 300 Hz on.
    At(i16),
}

/// What counts as a transmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From which level on.
    pub threshold: Threshold,
    /// How much of it must have been heard clearly before it counts.
    pub attack: Span,
    /// Pauses shorter than that do not end it.
    pub hang: Span,
    /// What is shorter is none.
    pub shortest: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threshold: Threshold::Auto,
            attack: Span::from_millis(120),
            hang: Span::from_millis(700),
            shortest: Span::from_millis(250),
        }
    }
}

/// Somebody has spoken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transmission {
    /// Its beginning.
    pub from: Pts,
    /// Its end.
    pub to: Pts,
    /// How loud it was while it had a pitch, in dBFS.
    pub level: f32,
    /// Its loudest sample, in dBFS.
    pub peak: f32,
}

/// Finds transmissions in a stream of steps.
#[derive(Debug)]
pub struct Detector {
    settings: Settings,
    smoother: Smoother,
    levels: Levels,
    floor: Option<Floor>,
    /// Whether the floor is known.
    settled: bool,
    /// For how many steps there has been a pitch.
    pitched: u32,
    /// Since when it is above the level at which a transmission ends.
    risen: Option<Pts>,
    open: Option<Open>,
}

/// Something above the floor.
#[derive(Clone, Copy, Debug)]
struct Open {
    from: Pts,
    /// The end of the last step in which it was above the floor.
    to: Pts,
    /// The first and the last instant of a pitch.
    pitched: Option<(Pts, Pts)>,
    /// Steps with a pitch, and their power.
    clear: u32,
    power: f64,
    peak: f32,
    /// Between which levels it has stayed, and since when.
    steady: (f32, f32, Pts),
    told: bool,
}

impl Open {
    fn new(from: Pts, at: Pts, levels: Levels) -> Self {
        let steady = (levels.body, levels.body, at);
        Self { from, to: at, pitched: None, clear: 0, power: 0.0, peak: 0.0, steady, told: false }
    }

    /// What it is as a transmission; `None` if it never had a pitch.
    fn transmission(&self) -> Option<Transmission> {
        let (first, last) = self.pitched?;
        let to = if self.to - last <= AFTER_PITCH { self.to } else { last + AFTER_PITCH };
        let level = dbfs((self.power / f64::from(self.clear.max(1))) as f32);
        let from = self.from.max(first - BEFORE_PITCH);
        Some(Transmission { from, to, level, peak: dbfs(self.peak * self.peak) })
    }

    /// Since when it has stayed on one level.
    fn steady_since(&mut self, level: f32, now: Pts) -> Pts {
        let (low, high, since) = self.steady;
        let (low, high) = (low.min(level), high.max(level));
        self.steady = if high - low > STEADY_DB { (level, level, now) } else { (low, high, since) };
        self.steady.2
    }
}

impl Detector {
    /// Nothing heard yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            smoother: Smoother::default(),
            levels: LOUD,
            floor: None,
            settled: false,
            pitched: 0,
            risen: None,
            open: None,
        }
    }

    /// Whether a transmission is going on that was told of.
    pub fn is_open(&self) -> bool {
        self.open.is_some_and(|open| open.told)
    }

    /// The level of nothing from 300 Hz on, in dBFS, and that of its part from 2.2 kHz on; `None` before they are
    /// known.
    pub fn floor(&self) -> Option<(f32, f32)> {
        self.floor.filter(|_| self.settled).map(|floor| (floor.measured(), floor.treble()))
    }

    /// Whether there is hum, louder than `least` in dBFS, and hardly anything else.
    pub fn hums(&self, least: f32) -> bool {
        self.levels.deep > least && self.levels.deep > self.levels.body + HUM_DB
    }

    /// Hears the next step.
    pub fn hear(&mut self, step: &Step) -> Option<Happening> {
        let levels = self.smoother.push(step);
        self.levels = levels;
        let floor = self.floor.get_or_insert(Floor::new(LOUD));
        if !self.settled {
            self.settled = self.smoother.steps() >= steps(SETTLING);
            if self.smoother.is_full() {
                floor.lower(levels);
            }
            return None;
        }
        let (open_at, close_at) = match self.settings.threshold {
            Threshold::Auto => (floor.body() + OPEN_DB, floor.body() + CLOSE_DB),
            Threshold::At(level) => (f32::from(level), f32::from(level) - CLOSE_DB),
        };
        let quieted = floor.treble() > HISS_DBFS && levels.treble < floor.treble() - QUIETED_DB;
        let pitched = step.pitch >= PITCHED && (self.risen.is_none() || !floor.hums(levels));
        self.pitched = if pitched { self.pitched + 1 } else { 0 };
        self.risen = (levels.body > close_at || quieted).then(|| self.risen.unwrap_or(step.at));
        let Some(open) = &mut self.open else {
            match self.risen {
                Some(from) if levels.body > open_at || quieted => {
                    self.open = Some(Open::new(from, step.at, levels));
                }
                _ => floor.follow(levels),
            }
            return None;
        };
        let end = step.at + STEP;
        if self.risen.is_some() {
            open.to = end;
            if self.pitched >= PITCHED_STEPS {
                let (first, _) = open.pitched.unwrap_or((step.at, end));
                open.pitched = Some((first, end));
                open.clear += 1;
                open.power += f64::from(step.power);
            }
            open.peak = open.peak.max(step.peak);
        }
        let silent_since = open.pitched.map_or(open.from, |(_, last)| last);
        let steady_since = open.steady_since(levels.body, end);
        let nothing = if quieted { CARRIER } else { NOTHING };
        if end - silent_since > nothing || end - steady_since > STEADY {
            // It is what there is now when there is nothing.
            self.floor = Some(Floor::new(levels));
            self.risen = None;
            return self.close();
        }
        if end - open.to >= self.settings.hang {
            return self.close();
        }
        let is_sure = |it: &Transmission| it.to - it.from >= self.settings.shortest;
        if !open.told && i64::from(open.clear) >= steps(self.settings.attack) {
            let sure = open.transmission().filter(is_sure)?;
            (open.told, open.from) = (true, sure.from);
            return Some(Happening::Began { from: sure.from });
        }
        None
    }

    fn close(&mut self) -> Option<Happening> {
        let open = self.open.take().filter(|open| open.told)?;
        open.transmission().map(Happening::Ended)
    }
}
