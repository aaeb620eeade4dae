//! What happens in sound and pictures: transmissions, motion, and whether the receiver is well.
//!
//! Belongs here: judging samples that pass by. Does not: keeping what was found (`timeline`), or saying it to anybody.

pub mod activity;
mod floor;
pub mod health;
mod mosaic;
pub mod motion;
pub mod sound;

pub use activity::{Detector, Settings, Threshold, Transmission};
pub use health::{Health, Monitor};
pub use motion::{Motion, Watcher};
pub use sound::{Ear, STEP, Step};

use crate::base::{Pts, Span};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Happening<T = Transmission> {
    /// It is going on since then. It is told of when it is sure, a little later.
    Began {
        /// Its beginning.
        from: Pts,
    },
    /// It is over.
    Ended(T),
}

/// What is told of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// Somebody speaks, or has spoken.
    Activity(Happening),
    /// Something moves, or has moved.
    Motion(Happening<Motion>),
    /// The receiver is now so.
    Health {
        /// Since when.
        at: Pts,
        /// How.
        health: Health,
    },
}

impl Default for Event {
    /// Nothing ails it at the beginning of time.
    fn default() -> Self {
        Self::Health { at: Pts::default(), health: Health::Well }
    }
}

/// Nothing is quieter than this; also the level of digital silence.
pub const SILENCE_DBFS: f32 = -120.0;

/// The level of a mean square, in dB below full scale.
pub(crate) fn dbfs(mean_square: f32) -> f32 {
    // f32::max turns a NaN into silence.
    (10.0 * mean_square.log10()).max(SILENCE_DBFS)
}

/// How many steps last as long as `span`, at least one.
fn steps(span: Span) -> i64 {
    (span.ticks() / STEP.ticks()).max(1)
}
