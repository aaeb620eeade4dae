//! Media time to civil time: PROGRAM-DATE-TIME.
//!
//! Belongs here: the mapping, and what setting the clock or suspending the machine does to it. Does not: noticing
//! either.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{Monotonic, Pts, Span, Sync, WallReading, WallTime};

/// A civil clock that moved by less has not been set: two readings differ by how long they took.
const STEP_NANOS: u64 = 10_000_000;
/// A machine is suspended for longer; two readings of its clocks may differ by some of it.
const SUSPENSION_NANOS: u64 = 500_000_000;
/// So many suspensions are remembered; no window holds more that anybody could tell apart.
const REMEMBERED: usize = 8;

/// The mapping from media time to civil time, for the whole window at once, so that setting the clock
/// corrects every date and moves no media.
///
/// The media clock stands still while the machine is suspended: what was captured before keeps its dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dates {
    offset_nanos: i64,
    /// Suspensions, the newest first.
    pauses: [Pause; REMEMBERED],
    /// Whether the dates deserve belief.
    pub sync: Sync,
}

/// A stretch of civil time that is not in the media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Pause {
    /// Where the media go on after it.
    until: Pts,
    nanos: i64,
}

impl Pause {
    const NONE: Self = Self { until: Pts::from_ticks(i64::MIN), nanos: 0 };
}

/// What changed the dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// The civil clock was set, or its standing changed: every date moved by so much.
    Set {
        /// Nanoseconds.
        nanos: i64,
        /// Whether the dates deserve belief now.
        sync: Sync,
    },
    /// The machine was suspended for so long: dates from then on moved.
    Suspended {
        /// Nanoseconds.
        nanos: i64,
    },
}

impl Dates {
    /// The mapping this reading shows.
    pub fn of(reading: &WallReading) -> Self {
        Self { offset_nanos: reading.offset_nanos(), pauses: [Pause::NONE; REMEMBERED], sync: reading.sync }
    }

    /// Civil time of a media instant: PROGRAM-DATE-TIME.
    pub fn at(&self, pts: Pts) -> WallTime {
        self.date(pts, pts.to_monotonic())
    }

    /// Civil time at which media that began at `start` and last for `duration` were over. A machine that was then
    /// suspended slept after that.
    pub fn end(&self, start: Pts, duration: Span) -> WallTime {
        self.date(start, (start + duration).to_monotonic())
    }

    /// Whether they can be reckoned with, if somebody else wrote them down: all suspensions can be added up.
    pub(super) fn are_sound(&self) -> bool {
        self.pauses.iter().all(|pause| pause.nanos.unsigned_abs() < 1 << 59)
    }

    /// Civil time of a monotonic instant.
    pub fn at_monotonic(&self, instant: Monotonic) -> WallTime {
        self.date(instant.to_pts(), instant)
    }

    /// The media instant of a civil time, the first that is not before it. What came about while the machine was
    /// suspended is where the media go on.
    pub fn instant(&self, wall: WallTime) -> Pts {
        let awake = wall.as_unix_nanos().saturating_sub(self.offset_nanos);
        let mut missing: i64 = 0;
        let instant = |missing| Monotonic::from_nanos(awake.saturating_add(missing)).to_pts();
        for pause in &self.pauses {
            if instant(missing) >= pause.until {
                break;
            }
            missing = missing.saturating_add(pause.nanos);
            if instant(missing) >= pause.until {
                return pause.until;
            }
        }
        let nearest = instant(missing);
        if self.at(nearest) < wall { nearest + Span::from_ticks(1) } else { nearest }
    }

    fn date(&self, pts: Pts, instant: Monotonic) -> WallTime {
        let later = self.pauses.iter().filter(|pause| pts < pause.until);
        let missing: i64 = later.map(|pause| pause.nanos).sum();
        let nanos = instant.as_nanos().saturating_add(self.offset_nanos).saturating_sub(missing);
        WallTime::from_unix_nanos(nanos)
    }

    /// Compares with the clocks, after the machine was suspended for `slept`: media that begin at `since` or later
    /// came after that.
    pub(super) fn correct(
        &mut self,
        reading: &WallReading,
        slept: Duration,
        since: Pts,
    ) -> Option<Correction> {
        let mut nanos = reading.offset_nanos().saturating_sub(self.offset_nanos);
        let slept = i64::try_from(slept.as_nanos()).unwrap_or(i64::MAX);
        let suspended = slept.unsigned_abs() > SUSPENSION_NANOS;
        if suspended {
            self.pauses.rotate_right(1);
            self.pauses[0] = Pause { until: since, nanos: slept };
            nanos = nanos.saturating_sub(slept);
            self.offset_nanos = self.offset_nanos.saturating_add(slept);
        }
        let set = nanos.unsigned_abs() > STEP_NANOS || reading.sync != self.sync;
        if set {
            self.offset_nanos = self.offset_nanos.saturating_add(nanos);
            self.sync = reading.sync;
        }
        match (suspended, set) {
            (true, _) => Some(Correction::Suspended { nanos: slept }),
            (false, true) => Some(Correction::Set { nanos, sync: reading.sync }),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock, SimClock};
    use proptest::prelude::*;

    #[test]
    fn what_was_captured_before_a_suspension_ended_before_it() {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let clock = SimClock::new(Monotonic::default(), WallTime::default());
        let mut dates = Dates::of(&clock.wall());
        clock.advance(2 * second);
        clock.suspend(hour);
        let since = Pts::default() + Span::from_millis(2000);
        assert!(matches!(dates.correct(&clock.wall(), hour, since), Some(Correction::Suspended { .. })));
        let seconds = |wall: WallTime| wall.as_unix_nanos() / 1_000_000_000;
        let (zero, two) = (Pts::default(), Span::from_millis(2000));
        assert_eq!([dates.at(zero), dates.end(zero, two)].map(seconds), [0, 2]);
        assert_eq!([dates.at(since), dates.end(since, two)].map(seconds), [3602, 3604]);
        for (wall, expected) in
            [(0, zero), (1, zero + two - Span::from_millis(1000)), (1800, since), (3602, since)]
        {
            assert_eq!(dates.instant(WallTime::from_unix_nanos(wall * 1_000_000_000)), expected, "{wall} s");
        }
    }

    proptest! {
        #[test]
        fn a_date_leads_back_to_its_instant(
            events in proptest::collection::vec((1u64..100_000, 0u64..3, 1u64..10_000_000), 0..12),
            at in -1_000i64..2_000_000,
        ) {
            let clock = SimClock::new(Monotonic::default(), WallTime::from_unix_nanos(1_700_000_000_000_000_000));
            let mut dates = Dates::of(&clock.wall());
            for (millis, what, length) in events {
                clock.advance(Duration::from_millis(millis));
                let (since, length) = (clock.now().to_pts(), Duration::from_millis(length));
                match what {
                    0 => clock.suspend(length),
                    1 => clock.set_wall(clock.wall().at(clock.now() + length), Sync::Synchronised),
                    _ => clock.set_wall(clock.wall().at(clock.now() - length), Sync::Unsynchronised),
                }
                dates.correct(&clock.wall(), if what == 0 { length } else { Duration::ZERO }, since);
            }
            let pts = Pts::default() + Span::from_millis(at);
            prop_assert_eq!(dates.instant(dates.at(pts)), pts);
            // What is told in whole milliseconds is told alike again.
            let wall = WallTime::from_unix_nanos(dates.at(pts).as_unix_nanos() / 1_000_000 * 1_000_000);
            let again = dates.at(dates.instant(wall));
            prop_assert!(again >= wall && again <= dates.at(pts));
        }
    }
}
