//! Signs of life: each worker stamps its pulse when it has done something, and whoever watches asks how
//! long ago that was. A thread that merely exists proves nothing.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use super::time::Monotonic;

/// When a worker last did what it is there for.
#[derive(Debug)]
pub struct Pulse(AtomicI64);

impl Pulse {
    /// A pulse that counts as fresh at `now`.
    pub fn new(now: Monotonic) -> Self {
        Self(AtomicI64::new(now.as_nanos()))
    }

    /// Stamps it.
    pub fn beat(&self, now: Monotonic) {
        self.0.store(now.as_nanos(), Relaxed);
    }

    /// How long ago it was stamped.
    pub fn age(&self, now: Monotonic) -> Duration {
        now.since(Monotonic::from_nanos(self.0.load(Relaxed)))
    }
}
