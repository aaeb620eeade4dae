//! How long the parts of segments are, and where they end (rfc8216bis, 3.2).
//!
//! A part has to be complete with its last unit, before the next one is seen: so a unit is taken to last as long as
//! units do when all is well. What a source jitters does not add up, as each unit ends that long after its own
//! instant. The timeline of parts is thus that of decoding, which runs on without a gap, and a part on it is never
//! longer than the part target: players refuse a playlist in which one is.

use crate::base::{Pts, Span};

/// A part is at least this long, in percent of the part target (rfc8216bis, 4.4.4.9), unless its segment ends.
const LEAST_PERCENT: i64 = 85;

/// The part target of a stream whose parts are to last about `wanted`, and whose tracks have units this long:
/// whole units of one of the tracks and 5 % for jitter, such that whole units of all others fill it well. There always
/// is one: what holds seven units of the slowest track is filled well by those of any other.
pub fn part_target(wanted: Span, units: &[Span]) -> Span {
    let of = |count: i64, unit: i64| count * unit * 21 / 20;
    let distance = |target: i64| (target - of(1, wanted.ticks())).abs();
    let slowest = units.iter().copied().max().unwrap_or(wanted);
    let longest = (2 * wanted.ticks()).max(7 * slowest.ticks());
    let candidates = units.iter().flat_map(|unit| {
        let unit = unit.ticks().max(1);
        (1..=longest / unit).map(move |count| Span::from_ticks(of(count, unit)))
    });
    let suits = |target: &Span| {
        let holds_one = |unit: &Span| of(1, unit.ticks()) <= target.ticks();
        let filled = |unit: &Span| 100 * whole(*unit, *target).ticks() >= LEAST_PERCENT * target.ticks();
        units.iter().all(|unit| holds_one(unit) && filled(unit))
    };
    // Of two that are as far away, the longer one: it asks less of the network.
    let nearest = candidates.filter(suits).min_by_key(|target| (distance(target.ticks()), -target.ticks()));
    nearest.unwrap_or(wanted)
}

/// The whole units that fit into a part, as a length; at least one.
fn whole(unit: Span, target: Span) -> Span {
    Span::from_ticks((target.ticks() / unit.ticks().max(1)).max(1) * unit.ticks())
}

/// Whether a segment is decoded where the one before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeline {
    /// It is.
    RunsOn,
    /// There is a hole before it.
    Anew,
}

/// Where the parts of one track end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// How long a unit lasts when all is well.
    unit: Span,
    target: Span,
    /// Where the part begins.
    start: Pts,
    /// Where its last unit ends; where it begins, if there is none yet.
    end: Pts,
}

impl Parts {
    /// Parts no longer than `target`, of units that last `unit` each when all is well.
    pub fn new(unit: Span, target: Span) -> Self {
        Self { unit, target, start: Pts::default(), end: Pts::default() }
    }

    /// The timeline begins anew, at the unit decoded at `at`.
    pub fn begin(&mut self, at: Pts) {
        (self.start, self.end) = (at, at);
    }

    /// A segment begins with the unit decoded at `at`; the part before has been closed. The timeline runs on, unless
    /// there is more between than the units of a part can make up for.
    pub fn begin_segment(&mut self, at: Pts) -> Timeline {
        if self.is_followed_by(at) {
            return Timeline::RunsOn;
        }
        self.begin(at);
        Timeline::Anew
    }

    /// Whether there is no more between what was taken and a unit decoded at `at` than the units of a part can make
    /// up for.
    pub fn is_followed_by(&self, at: Pts) -> bool {
        (Span::ZERO - self.unit..=self.target).contains(&(at - self.end))
    }

    /// Where the part begins.
    pub fn start(&self) -> Pts {
        self.start
    }

    /// Whether nothing was taken into the part yet.
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }

    /// Whether the part has to end before a unit decoded at `at`: it would be too long with that.
    pub fn is_overrun_by(&self, at: Pts) -> bool {
        !self.is_empty() && at + self.unit - self.start > self.target
    }

    /// Takes the unit decoded at `at` into the part; says where it ends. One that came after a hole reaches back
    /// to the one before, as far as the part target lets it; what is left of the hole, those after it make up for.
    pub fn take(&mut self, at: Pts) -> Pts {
        let least = self.end + Span::from_ticks(1);
        self.end = (at + self.unit).min(self.start + self.target).max(least);
        self.end
    }

    /// Ends the part: where it began, and how long it is. The next one begins there. Its last unit is made to last
    /// until the part is as long as parts are, at the expense of the next.
    pub fn close(&mut self) -> (Pts, Span) {
        self.end = self.end.max(self.start + whole(self.unit, self.target));
        self.close_last()
    }

    /// Ends the part as it is, because its segment ends.
    pub fn close_last(&mut self) -> (Pts, Span) {
        let start = std::mem::replace(&mut self.start, self.end);
        (start, self.end - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::FrameRate;
    use proptest::prelude::*;

    const LC: Span = Span::from_ticks(1920);
    const HE: Span = Span::from_ticks(3840);

    fn pictures(numerator: u32, denominator: u32) -> Span {
        FrameRate::new(numerator, denominator).expect("a rate").span()
    }

    #[test]
    fn part_targets_suit_all_tracks() {
        /// The wish in ms, the tracks' units; the target in ticks, and the units of each in a part.
        type Case = (i64, &'static [fn() -> Span], i64, &'static [i64]);
        let table: &[Case] = &[
            (200, &[|| pictures(30, 1)], 18_900, &[6]),
            (200, &[|| pictures(30_000, 1001)], 18_918, &[6]),
            (200, &[|| LC], 18_144, &[9]),
            (200, &[|| HE], 20_160, &[5]),
            (200, &[|| pictures(30, 1), || LC], 18_900, &[6, 9]),
            (200, &[|| pictures(30, 1), || pictures(15, 1), || LC], 18_900, &[6, 3, 9]),
            (200, &[|| pictures(30, 1), || pictures(4, 1), || LC], 23_625, &[7, 1, 12]),
            (200, &[|| pictures(25, 1), || LC], 18_900, &[5, 9]),
            (200, &[|| pictures(15, 1), || LC], 18_900, &[3, 9]),
            (200, &[|| pictures(10, 1), || LC], 18_900, &[2, 9]),
            (200, &[|| pictures(5, 1), || LC], 18_900, &[1, 9]),
            (200, &[|| pictures(60, 1), || LC], 18_900, &[12, 9]),
            (200, &[|| pictures(7, 1), || LC], 14_112, &[1, 7]),
            (200, &[|| pictures(30, 1), || HE], 20_160, &[6, 5]),
            (200, &[|| pictures(2, 1), || LC], 47_250, &[1, 24]),
            (1000, &[|| pictures(30, 1), || LC], 94_500, &[31, 49]),
            (100, &[|| pictures(30, 1), || LC], 10_080, &[3, 5]),
            // What is far away, because nothing nearer suits both.
            (100, &[|| pictures(20, 1), || HE], 20_160, &[4, 5]),
            (200, &[|| pictures(10, 1), || pictures(5, 1), || HE], 20_160, &[2, 1, 5]),
            (150, &[|| pictures(20, 1), || pictures(10, 1), || LC], 18_144, &[4, 2, 9]),
            (1000, &[|| pictures(3, 1), || pictures(2, 1), || LC], 94_500, &[3, 2, 49]),
        ];
        for (millis, units, ticks, counts) in table {
            let units: Vec<_> = units.iter().map(|unit| unit()).collect();
            let target = part_target(Span::from_millis(*millis), &units);
            let held: Vec<_> = units.iter().map(|unit| target.ticks() / unit.ticks()).collect();
            assert_eq!((target.ticks(), &*held), (*ticks, *counts), "{millis} ms of {units:?}");
        }
    }

    #[test]
    fn a_part_is_filled_well_at_every_usual_rate_whatever_is_wished() {
        let even = (1..=60).map(|rate| (rate, 1));
        let odd = [(24_000, 1001), (30_000, 1001), (60_000, 1001), (25, 2), (15, 2)];
        for (n, d) in even.chain(odd) {
            for slower in [1, 2, 3] {
                for sound in [None, Some(LC), Some(HE)] {
                    for millis in (100..=1000).step_by(10) {
                        // As fast as it should be, and when the board does not keep up.
                        let mut units = vec![pictures(n, d)];
                        units.extend(FrameRate::new(n, d * slower).map(FrameRate::span));
                        units.extend(sound);
                        let target = part_target(Span::from_millis(millis), &units);
                        let room = |unit: &Span| (unit <= &target, 100 * whole(*unit, target).ticks());
                        let well = |(fits, filled)| fits && filled >= LEAST_PERCENT * target.ticks();
                        assert!(units.iter().map(room).all(well), "{millis} ms of {units:?}: {target:?}");
                    }
                }
            }
        }
    }

    /// The parts of units decoded at these instants, as both sides of the ring find them.
    fn parts(unit: Span, target: Span, instants: impl IntoIterator<Item = i64>) -> Vec<(Pts, Span)> {
        let mut parts = Parts::new(unit, target);
        let mut closed = Vec::new();
        for (n, at) in instants.into_iter().map(Pts::from_ticks).enumerate() {
            if n == 0 {
                parts.begin(at);
            } else if parts.is_overrun_by(at) {
                closed.push(parts.close());
            }
            let end = parts.take(at);
            if parts.is_overrun_by(end) {
                closed.push(parts.close());
            }
        }
        closed
    }

    #[test]
    fn parts_of_an_even_rate_are_all_alike() {
        let table = [(pictures(30, 1), 18_000), (pictures(30_000, 1001), 18_018), (pictures(25, 1), 18_000)];
        for (unit, ticks) in table {
            let target = part_target(Span::from_millis(200), &[unit]);
            let closed = parts(unit, target, (0..600).map(|n| 1_000 + n * unit.ticks()));
            assert!(closed.len() > 90 && closed.iter().all(|(_, span)| span.ticks() == ticks), "{unit:?}");
        }
    }

    proptest! {
        #[test]
        fn no_part_is_too_long_or_too_short_whatever_comes_when(
            rate in 5u32..60,
            wanted in 100i64..1000,
            steps in proptest::collection::vec((0usize..20, 0i64..100, 0i64..1000), 20..300),
        ) {
            let unit = pictures(rate, 1);
            let target = part_target(Span::from_millis(wanted), &[unit]);
            // Each picture a little beside its time (5 %), and now and then some are missing.
            let (mut time, mut instants) = (0, Vec::new());
            for (gap, missing, jitter) in steps {
                time += unit.ticks() * if gap == 0 { missing.max(1) } else { 1 };
                instants.push(1_000_000 + time + unit.ticks() * jitter / 20_000);
            }
            let closed = parts(unit, target, instants.iter().copied());
            let mut end = Pts::from_ticks(instants[0]);
            for (start, span) in closed {
                prop_assert_eq!(start, end, "a hole");
                prop_assert!(span > Span::ZERO && span <= target, "{:?} of {:?}", span, target);
                prop_assert!(100 * span.ticks() >= LEAST_PERCENT * target.ticks(), "{:?} of {:?}", span, target);
                end = start + span;
            }
            prop_assert!(end <= Pts::from_ticks(instants[instants.len() - 1]) + unit + unit);
        }
    }
}
