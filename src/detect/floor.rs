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

/// The mean levels of the last few steps, in dBFS.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Levels {
    pub(super) body: f32,
    pub(super) treble: f32,
}

/// Makes means of steps.
#[derive(Debug, Default)]
pub(super) struct Smoother {
    last: [(f32, f32); SMOOTHED],
    steps: usize,
}

impl Smoother {
    pub(super) fn push(&mut self, step: &Step) -> Levels {
        self.last[self.steps % SMOOTHED] = (step.body, step.treble);
        self.steps = self.steps.wrapping_add(1);
        let sum = self.last.iter().fold((0.0, 0.0), |sum, step| (sum.0 + step.0, sum.1 + step.1));
        let share = 1.0 / SMOOTHED as f32;
        Levels { body: dbfs(sum.0 * share), treble: dbfs(sum.1 * share) }
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
        towards(&mut self.0.body, levels.body);
        towards(&mut self.0.treble, levels.treble);
    }

    /// Whichever is quieter.
    pub(super) fn lower(&mut self, levels: Levels) {
        self.0.body = self.0.body.min(levels.body);
        self.0.treble = self.0.treble.min(levels.treble);
    }

    /// From 300 Hz on, in dBFS.
    pub(super) fn body(&self) -> f32 {
        self.0.body.max(LOWEST_DBFS)
    }

    /// From 2.2 kHz on, in dBFS.
    pub(super) fn treble(&self) -> f32 {
        self.0.treble
    }
}
