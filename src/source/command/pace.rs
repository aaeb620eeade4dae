//! When a program's pictures were captured: it prints them without a timestamp.
//!
//! A line runs on from picture to picture by the interval the program claims, drawn gently towards the instants
//! at which its pictures come. A picture takes its time from the line, never later than it came, and it is not
//! given out before: so what comes in a bunch is spread out again, what comes late by accident does not stutter,
//! and in the long run the arrivals have their way, unless they come more than twice as fast as claimed.
//!
//! A program that gives as fast as it is read (`cat`) has no arrivals of its own. It fills its pipe, by which it
//! is known, and is read by the line alone, which then keeps to the clock. But a camera's pipe is full too when we
//! have not come to read it for a while, or when it has begun before us: so then we hurry, and only what is not caught up
//! with has no pace.

use std::time::Duration;

use crate::base::Monotonic;

/// Who says how fast the pictures come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pacing {
    /// The program: nothing waits in its pipe for long.
    Program,
    /// We: its pipe is full.
    Reader,
}

/// The line stays at most so many intervals behind the arrivals.
const LAG: u32 = 3;
/// How long we hurry when the line was further behind than that.
const HURRY: Duration = Duration::from_secs(3);
/// The same at the beginning.
const HASTE: Duration = Duration::from_millis(500);
/// No more than that is left out in a row.
const BACKLOG: Duration = Duration::from_secs(1);
/// What part of its distance from the arrivals the line makes good with each picture.
const PULL: u32 = 4;

/// The line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// Where the last picture stands on it.
    last: Option<Monotonic>,
    /// Until then what waits is given out faster.
    hurry: Option<Monotonic>,
}

impl Pace {
    /// A line for pictures that claim to come every `interval`.
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, last: None, hurry: None }
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// The program claims something else.
    pub(super) fn claim(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// The earliest instant for the next picture; `None` if it is the first one.
    pub(super) fn due(&self, pacing: Pacing) -> Option<Monotonic> {
        let last = self.last?;
        let step = match pacing {
            Pacing::Reader if self.hurry.is_none_or(|until| last >= until) => self.interval,
            // Less, so that pictures that wait, because of a bunch or because the program is faster than it
            // claims, become fewer.
            Pacing::Reader | Pacing::Program => self.interval / 2,
        };
        Some(last + step)
    }

    /// Places the next picture, which is given out `now`, not before it is due; says when it was captured.
    pub(super) fn place(&mut self, pacing: Pacing, now: Monotonic) -> Monotonic {
        let place = match self.due(pacing) {
            None => {
                self.hurry = Some(now + HASTE);
                now
            }
            Some(due) => {
                let pull = match pacing {
                    Pacing::Program => now.since(due) / PULL,
                    Pacing::Reader => Duration::ZERO,
                };
                let earliest = now - LAG * self.interval;
                if due < earliest {
                    self.hurry = Some(now + HURRY);
                }
                (due + pull).max(earliest)
            }
        };
        self.last = Some(place);
        place
    }

    /// Whether the next picture comes so late that it had better be left out, if there is a newer one.
    pub(super) fn is_late(&self, now: Monotonic) -> bool {
        self.last.is_some_and(|last| now.since(last) > LAG * self.interval)
    }

    /// A picture is left out `now`.
    pub(super) fn skip(&mut self, now: Monotonic) {
        self.last = self.last.map(|last| (last + self.interval).max(now - BACKLOG));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INTERVAL: Duration = Duration::from_nanos(33_333_333);

    /// Gives out pictures that arrive at these milliseconds; says when each was given out and captured, in
    /// milliseconds.
    fn run(pacing: Pacing, arrivals: impl IntoIterator<Item = f64>) -> Vec<(f64, f64)> {
        let mut pace = Pace::new(INTERVAL);
        let mut now = Monotonic::default();
        let place = |arrival: f64| {
            now = now.max(Monotonic::from_nanos((arrival * 1e6) as i64));
            now = now.max(pace.due(pacing).unwrap_or(now));
            let captured = pace.place(pacing, now);
            assert!(captured <= now);
            (now.as_nanos() as f64 / 1e6, captured.as_nanos() as f64 / 1e6)
        };
        arrivals.into_iter().map(place).collect()
    }

    fn steps(shots: &[(f64, f64)]) -> impl Iterator<Item = f64> {
        shots.windows(2).map(|pair| pair[1].1 - pair[0].1)
    }

    #[test]
    fn what_has_no_pace_is_given_one() {
        let shots = run(Pacing::Reader, std::iter::repeat_n(0.0, 3000));
        assert!(steps(&shots[31..]).all(|step| (step - 33.333_333).abs() < 1e-3));
        assert!((shots[2999].1 - shots[31].1 - 2968.0 * 33.333_333).abs() < 0.1);
    }

    #[test]
    fn a_program_s_own_pace_is_kept_whatever_it_claims() {
        for true_interval in [20.0, 33.323, 33.333, 33.343, 40.0, 66.7, 500.0] {
            let shots = run(Pacing::Program, (0..3000).map(|n| f64::from(n) * true_interval));
            let tail = &shots[2000..];
            assert!(
                steps(tail).all(|step| (step - true_interval).abs() < 0.01),
                "{true_interval}: {:?}",
                &tail[..3]
            );
            let lag = tail.iter().map(|(given, captured)| given - captured).fold(0.0, f64::max);
            assert!(lag < 100.1, "{true_interval}: {lag}");
        }
    }

    #[test]
    fn after_a_stall_what_waits_is_caught_up_with() {
        // A full pipe, as far as can be seen, but pictures come in time; we come to read 5 s late.
        let mut pace = Pace::new(INTERVAL);
        let arrival = |n: u32| Monotonic::default() + INTERVAL * n;
        let mut now = arrival(0);
        pace.place(Pacing::Reader, now);
        now = arrival(150);
        let mut n = 100;
        while now < arrival(300) {
            now = now.max(arrival(n)).max(pace.due(Pacing::Reader).unwrap_or(now));
            pace.place(Pacing::Reader, now);
            n += 1;
        }
        assert!(now.since(arrival(n)) < 2 * INTERVAL, "still {:?} late", now.since(arrival(n)));
    }

    #[test]
    fn a_bunch_is_spread_and_then_caught_up_with() {
        // Ten pictures at once, then one in time each.
        let shots = run(Pacing::Program, (0..1000).map(|n| f64::from(n - 10).max(0.0) * 33.333));
        assert!(steps(&shots).all(|step| step > 16.0));
        let late = |n: usize| shots[n].0 - (n as f64 - 10.0) * 33.333;
        assert!(late(10) > 160.0 && late(200) < 1.0, "{} {}", late(10), late(200));
    }

    proptest! {
        #[test]
        fn jitter_is_smoothed(jitter in proptest::collection::vec(0.0..30.0f64, 600)) {
            let shots = run(Pacing::Program, jitter.iter().enumerate().map(|(n, late)| n as f64 * 33.333 + late));
            prop_assert!(steps(&shots).all(|step| step > 0.0));
            let spread = steps(&shots[100..]).map(|step| (step - 33.333).abs()).fold(0.0, f64::max);
            prop_assert!(spread < 12.0, "{spread}");
            let off = shots.iter().enumerate().map(|(n, shot)| (shot.1 - n as f64 * 33.333).abs());
            prop_assert!(off.fold(0.0, f64::max) < 100.0);
        }

        #[test]
        fn time_never_stands_still(arrivals in proptest::collection::vec(0.0..2000.0f64, 1..200), reader in any::<bool>()) {
            let mut at = 0.0;
            let pacing = if reader { Pacing::Reader } else { Pacing::Program };
            let shots = run(pacing, arrivals.iter().map(|late| { at += late.powi(2) / 2000.0; at }));
            prop_assert!(steps(&shots).all(|step| step > 1.0));
        }
    }
}
