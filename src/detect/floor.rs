//! What is heard when nobody speaks: silence, hiss, hum.
//!
//! Belongs here: following it. Does not: when to follow (`activity`).

use super::{STEP, Step, dbfs};
use crate::base::Span;

/// Levels are means over so many steps: short enough to place a beginning, long enough for noise to be steady.
const SMOOTHED: usize = 5;
/// How fast the floor follows what becomes quieter, and what becomes louder, as the time in which a third is left of
/// the difference. Slow upwards, so that a voice that swells is not taken for floor.
const DOWN: Span = Span::from_millis(500);
const UP: Span = Span::from_millis(3_000);
/// A floor is never believed to be lower: below it lie clicks and crosstalk.
const LOWEST_DBFS: f32 = -66.0;

/// Hum has so much more below 300 Hz than above, in dB.
pub(super) const HUM_DB: f32 = 12.0;

/// The mean square of a level in dBFS.
fn power(level: f32) -> f32 {
    10f32.powf(level / 10.0)
}

/// The mean levels of the last few steps, in dBFS.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Levels {
    /// Below 300 Hz, where hum is.
    pub(super) deep: f32,
    /// From 300 Hz on.
    pub(super) body: f32,
    /// From 2.2 kHz on.
    pub(super) treble: f32,
}

/// Makes means of steps.
#[derive(Debug, Default)]
pub(super) struct Smoother {
    last: [[f32; 3]; SMOOTHED],
    steps: usize,
}

impl Smoother {
    pub(super) fn push(&mut self, step: &Step) -> Levels {
        self.last[self.steps % SMOOTHED] = [(step.power - step.body).max(0.0), step.body, step.treble];
        self.steps = self.steps.wrapping_add(1);
        let mean = |band: usize| dbfs(self.last.iter().map(|step| step[band]).sum::<f32>() / SMOOTHED as f32);
        Levels { deep: mean(0), body: mean(1), treble: mean(2) }
    }

    /// How many steps there were.
    pub(super) fn steps(&self) -> i64 {
        self.steps as i64
    }

    /// Whether its means are of as many steps as they should be.
    pub(super) fn is_full(&self) -> bool {
        self.steps >= SMOOTHED
    }
}

/// The levels of nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floor(Levels);

impl Floor {
    pub(super) fn new(levels: Levels) -> Self {
        Self(levels)
    }

    /// Follows `levels`, which are those of nothing.
    pub(super) fn follow(&mut self, levels: Levels) {
        let towards = |floor: &mut f32, level: f32| {
            let time = if level < *floor { DOWN } else { UP };
            *floor += (level - *floor) * STEP.ticks() as f32 / time.ticks() as f32;
        };
        towards(&mut self.0.deep, levels.deep);
        towards(&mut self.0.body, levels.body);
        towards(&mut self.0.treble, levels.treble);
    }

    /// Whichever is quieter.
    pub(super) fn lower(&mut self, levels: Levels) {
        self.0.deep = self.0.deep.min(levels.deep);
        self.0.body = self.0.body.min(levels.body);
        self.0.treble = self.0.treble.min(levels.treble);
    }

    /// Whether what `levels` have more than the floor is hum.
    pub(super) fn hums(&self, levels: Levels) -> bool {
        let more = |level: f32, floor: f32| power(level) - power(floor);
        let body = more(levels.body, self.0.body).max(0.0);
        more(levels.deep, self.0.deep) > body * power(HUM_DB)
    }

    /// From 300 Hz on as it was measured, in dBFS.
    pub(super) fn measured(&self) -> f32 {
        self.0.body
    }

    /// From 300 Hz on, in dBFS, where thresholds stand on it.
    pub(super) fn body(&self) -> f32 {
        self.0.body.max(LOWEST_DBFS)
    }

    /// From 2.2 kHz on, in dBFS.
    pub(super) fn treble(&self) -> f32 {
        self.0.treble
    }
}
