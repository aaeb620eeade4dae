//! The machine's clocks. Here because adjtimex(2) has no safe binding.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::base::{Clock, Monotonic, Stop, Sync, WallReading, WallTime};

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealClock;

fn read(id: ClockId) -> i64 {
    // clock_gettime with a fixed, always present clock fails only for a bad pointer: never here.
    // What it counts in has 32 bits on some boards.
    clock_gettime(id).map_or(0, |t| Duration::from(t).as_nanos() as i64)
}

impl Clock for RealClock {
    fn now(&self) -> Monotonic {
        Monotonic::from_nanos(read(ClockId::CLOCK_MONOTONIC))
    }

    fn wall(&self) -> WallReading {
        // Two clocks cannot be read at once: take the tightest of a few brackets, so that being
        // descheduled in between does not look like a step of the clock.
        let bracket = || {
            let before = read(ClockId::CLOCK_MONOTONIC);
            let wall = read(ClockId::CLOCK_REALTIME);
            let width = read(ClockId::CLOCK_MONOTONIC) - before;
            (width, before + width / 2, wall)
        };
        let (_, monotonic, wall) = (0..3).map(|_| bracket()).min().unwrap_or_default();
        WallReading {
            monotonic: Monotonic::from_nanos(monotonic),
            wall: WallTime::from_unix_nanos(wall),
            sync: kernel_sync(),
            suspended: suspended(),
        }
    }

    fn sleep_until(&self, deadline: Monotonic, stop: &Stop) -> bool {
        stop.wait(deadline.since(self.now()))
    }
}

/// CLOCK_BOOTTIME goes on where CLOCK_MONOTONIC stands still (clock_gettime(2)): for the rest they are one.
fn suspended() -> Duration {
    // Read in this order the difference is never too great, and the greatest of a few hardly too small.
    let nanos = |_| read(ClockId::CLOCK_BOOTTIME) - read(ClockId::CLOCK_MONOTONIC);
    Duration::from_nanos((0..3).map(nanos).max().unwrap_or(0).max(0) as u64)
}

/// Asks the kernel whether a time service holds the clock (adjtimex(2)).
fn kernel_sync() -> Sync {
    // SAFETY: `timex` is plain old data for which all-zero is valid; with `modes` zero the call only
    // reads, into a struct that lives across it.
    let (state, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut timex), timex.status)
    };
    if state < 0 || state == libc::TIME_ERROR || status & libc::STA_UNSYNC != 0 {
        Sync::Unsynchronised
    } else {
        Sync::Synchronised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_clocks_are_read_together() {
        let (a, b) = (RealClock.wall(), RealClock.wall());
        assert!(b.monotonic >= a.monotonic);
        assert!((a.offset_nanos() - b.offset_nanos()).abs() < 5_000_000, "{a:?} {b:?}");
    }
}
