//! One word that ends everything that waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A shared flag, raised once; every wait on it ends at once.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    /// Held while the flag is raised and while a wait begins, so that none begins in between and misses it.
    gate: Mutex<()>,
    raised: Condvar,
}

impl Stop {
    /// A flag not raised.
    pub fn new() -> Self {
        Self::default()
    }

    fn gate(&self) -> MutexGuard<'_, ()> {
        self.0.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises the flag, for good.
    pub fn stop(&self) {
        let _gate = self.gate();
        self.0.stopped.store(true, Ordering::Release);
        self.0.raised.notify_all();
    }

    /// Whether it is raised. Takes no lock: it is asked for every block of sound.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// Waits for at most `limit`; says whether the flag is raised.
    pub fn wait(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut gate = self.gate();
        while !self.is_stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            gate = self.0.raised.wait_timeout(gate, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        self.is_stopped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_ends_when_stopped_from_elsewhere() {
        let stop = Stop::new();
        let waiter = std::thread::spawn({
            let stop = stop.clone();
            move || stop.wait(Duration::from_secs(3600))
        });
        assert!(!stop.is_stopped());
        stop.stop();
        assert!(waiter.join().expect("the waiter ends"));
        assert!(stop.wait(Duration::ZERO));
    }

    #[test]
    fn asking_takes_no_lock() {
        let stop = Stop::new();
        let _held = stop.gate();
        assert!(!stop.is_stopped());
    }
}
