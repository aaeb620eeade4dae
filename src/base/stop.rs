//! One word that ends everything that waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A shared flag, raised once; every wait on it ends at once.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stopped: Mutex<bool>,
    raised: Condvar,
}

impl Stop {
    /// A flag not raised.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises the flag, for good.
    pub fn stop(&self) {
        *self.lock() = true;
        self.0.raised.notify_all();
    }

    /// Whether it is raised.
    pub fn is_stopped(&self) -> bool {
        *self.lock()
    }

    /// Waits for at most `limit`; says whether the flag is raised.
    pub fn wait(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut stopped = self.lock();
        while !*stopped {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            stopped = self.0.raised.wait_timeout(stopped, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *stopped
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
}
