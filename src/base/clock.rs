//! Where the time comes from: the machine's clocks (`sys::clock`), or a simulated pair for tests.

use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::stop::Stop;
use super::time::{Monotonic, WallTime};

/// Whether the kernel believes its civil time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sync {
    /// A time service (NTP, PTP, GPS) holds the clock.
    Synchronised,
    /// Nobody vouches for it: after boot without a real-time clock it may be years off.
    Unsynchronised,
}

/// Civil time read beside the monotonic clock at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallReading {
    /// CLOCK_MONOTONIC at the moment of reading.
    pub monotonic: Monotonic,
    /// CLOCK_REALTIME at the same moment, within a few microseconds.
    pub wall: WallTime,
    /// Whether `wall` deserves belief.
    pub sync: Sync,
    /// How long the machine has been suspended since it was started, during which CLOCK_MONOTONIC stood still.
    pub suspended: Duration,
}

impl WallReading {
    /// The civil time at `instant`, carried over from this reading.
    pub fn at(&self, instant: Monotonic) -> WallTime {
        WallTime::from_unix_nanos(
            self.wall.as_unix_nanos().saturating_add(instant.nanos_since(self.monotonic)),
        )
    }

    /// What both clocks showed, or will show, at `instant`.
    pub fn moved_to(&self, instant: Monotonic) -> Self {
        Self { monotonic: instant, wall: self.at(instant), ..*self }
    }

    /// Whether somebody has ever set the clock since the board was switched on, be it right or not.
    pub fn is_set(&self) -> bool {
        self.wall >= WallTime::EARLIEST
    }

    /// Civil minus monotonic time in nanoseconds: constant until somebody sets the clock or suspends the machine,
    /// because the kernel slews both alike (adjtimex(2)).
    pub fn offset_nanos(&self) -> i64 {
        self.wall.as_unix_nanos().saturating_sub(self.monotonic.as_nanos())
    }
}

/// The machine's clocks, or simulated ones.
pub trait Clock: Send + std::marker::Sync {
    /// CLOCK_MONOTONIC now.
    fn now(&self) -> Monotonic;

    /// Both clocks now.
    fn wall(&self) -> WallReading;

    /// Waits until `deadline` or until `stop`; says whether it was stopped.
    fn sleep_until(&self, deadline: Monotonic, stop: &Stop) -> bool;
}

/// Clocks that stand still until somebody waits or moves them: time-dependent code is tested without sleeping.
#[derive(Debug)]
pub struct SimClock(Mutex<WallReading>);

impl SimClock {
    /// A pair of clocks that starts at these readings, synchronised.
    pub fn new(monotonic: Monotonic, wall: WallTime) -> Self {
        let (sync, suspended) = (Sync::Synchronised, Duration::ZERO);
        Self(Mutex::new(WallReading { monotonic, wall, sync, suspended }))
    }

    fn change<T>(&self, change: impl FnOnce(&mut WallReading) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        self.change(|now| {
            let wall = now.at(now.monotonic + by);
            (now.monotonic, now.wall) = (now.monotonic + by, wall);
        });
    }

    /// Sets the civil clock, as a time service does; the monotonic one does not move.
    pub fn set_wall(&self, wall: WallTime, sync: Sync) {
        self.change(|now| (now.wall, now.sync) = (wall, sync));
    }

    /// Suspends the machine: civil time passes, monotonic time does not.
    pub fn suspend(&self, by: Duration) {
        self.change(|now| {
            now.wall = now.at(now.monotonic + by);
            now.suspended += by;
        });
    }
}

impl Clock for SimClock {
    fn now(&self) -> Monotonic {
        self.change(|now| now.monotonic)
    }

    fn wall(&self) -> WallReading {
        self.change(|now| *now)
    }

    fn sleep_until(&self, deadline: Monotonic, stop: &Stop) -> bool {
        self.advance(deadline.since(self.now()));
        stop.is_stopped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_the_wall_clock_moves_dates_but_not_media_time() {
        let clock = SimClock::new(Monotonic::from_nanos(5_000_000_000), WallTime::from_unix_nanos(0));
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.wall().wall.as_unix_nanos(), 2_000_000_000);
        clock.set_wall(WallTime::from_unix_nanos(1_000_000_000_000), Sync::Synchronised);
        assert_eq!(clock.now().as_nanos(), 7_000_000_000);
        let a_second_ago = Monotonic::from_nanos(6_000_000_000);
        assert_eq!(clock.wall().at(a_second_ago).as_unix_nanos(), 999_000_000_000);
    }
}
