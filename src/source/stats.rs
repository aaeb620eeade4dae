//! What others may know of a source while it runs, without making it wait.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Signal;
use crate::base::{Counter, Gauge, Monotonic};

/// How a source is, since when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// In one word.
    pub signal: Signal,
    /// In a sentence; empty while all is well.
    pub cause: String,
    /// Since when it is `signal`.
    pub since: Monotonic,
}

/// A source's [`State`], set by its own thread and read by anyone.
#[derive(Debug)]
pub struct Condition(ArcSwap<State>);

/// Figures of one sound card.
#[derive(Debug, Default)]
pub struct CaptureStats {
    /// How it is, since when and why.
    pub condition: Condition,
    /// Times the device lost sound (overruns and their like).
    pub losses: Counter,
    /// Times the device was opened.
    pub opened: Counter,
    /// Frames of silence put in where there was no sound, at the media rate.
    pub silence: Counter,
    /// Frames left out because their time had already been filled, at the media rate.
    pub dropped: Counter,
    /// Times the device's sound jumped against the clock without the device saying so.
    pub resyncs: Counter,
    /// How much faster than it claims the device runs, in parts per million.
    pub ppm: Gauge,
    /// Media time minus the capture time of the sound it shows, in milliseconds.
    pub offset_ms: Gauge,
}

impl Default for Condition {
    fn default() -> Self {
        let state = State { signal: Signal::Starting, cause: String::new(), since: Monotonic::default() };
        Self(ArcSwap::from_pointee(state))
    }
}

/// Whether a change is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Another signal than before.
    Signal,
    /// The same, at most for another reason.
    Same,
}

impl Condition {
    /// How the source is now.
    pub fn get(&self) -> Arc<State> {
        self.0.load_full()
    }

    /// Sets how the source is. Only the source's own thread calls this; it allocates only on change.
    pub(super) fn set(&self, signal: Signal, cause: &str, now: Monotonic) -> Change {
        let old = self.0.load();
        let same = old.signal == signal;
        if !same || old.cause != cause {
            let since = if same { old.since } else { now };
            self.0.store(Arc::new(State { signal, cause: cause.to_owned(), since }));
        }
        if same { Change::Same } else { Change::Signal }
    }
}
