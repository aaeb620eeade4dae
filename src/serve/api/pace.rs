//! How fast a stream may be written to.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::Monotonic;

/// One request in so long, for good.
const EACH: Duration = Duration::from_millis(20);
/// So many at once.
const BURST: u32 = 200;

/// When the requests so far would be done, had each taken its time.
#[derive(Debug, Default)]
pub(in crate::serve) struct Pace(Mutex<Monotonic>);

impl Pace {
    /// Admits a request now, or says in how long it may come again.
    pub(super) fn admit(&self, now: Monotonic) -> Result<(), Duration> {
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = now.max(*done);
        match begins.since(now).checked_sub(EACH * (BURST - 1)).filter(|wait| !wait.is_zero()) {
            Some(wait) => Err(wait),
            None => {
                *done = begins + EACH;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_admitted_and_then_fifty_a_second() {
        let (pace, at) = (Pace::default(), |millis| Monotonic::default() + Duration::from_millis(millis));
        let count = |millis| (0..1_000).filter(|_| pace.admit(at(millis)).is_ok()).count();
        assert_eq!(count(5_000), 200);
        assert_eq!(pace.admit(at(5_000)), Err(Duration::from_millis(20)));
        assert_eq!([count(5_019), count(5_020), count(6_020)], [0, 1, 50]);
        assert_eq!(count(60_000), 200);
    }
}
