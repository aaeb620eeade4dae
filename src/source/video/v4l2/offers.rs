//! What a node offers, reduced to what bears on what is wanted.
//!
//! Belongs here: ranges and fractions of the kernel's interface made into sizes and rates. Does not: the
//! choice among them.

use super::choose::{Layout, Offer};
use crate::media::{FrameRate, Size};
use crate::source::video::Wanted;
use crate::sys::v4l2::{Interval, Intervals, Node, Sizes};

/// Everything `node` offers in layouts that can be used.
pub(super) fn offers(node: &Node, wanted: Wanted) -> Vec<Offer> {
    let mut offers = Vec::new();
    for format in node.formats() {
        let Some(layout) = Layout::of(format.four_cc) else { continue };
        let mut sizes: Vec<_> =
            node.sizes(format.four_cc).iter().filter_map(|s| nearest(s, wanted)).collect();
        if sizes.is_empty() {
            // It does not tell: it is asked for what is wanted, and then says what it makes of it.
            sizes.push(wanted.size);
        }
        offers.extend(sizes.into_iter().map(|size| {
            let (width, height) = sides(size);
            let rate = best(&node.intervals(format.four_cc, width, height), wanted.rate);
            Offer { layout, size, rate }
        }));
    }
    offers
}

/// Width and height as the kernel writes them.
pub(super) fn sides(size: Size) -> (u32, u32) {
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    (side(size.width()), side(size.height()))
}

/// The size of a range that is the wanted one, or the next larger one, if it is one that can be used.
fn nearest(sizes: &Sizes, wanted: Wanted) -> Option<Size> {
    let (width, height) = sides(wanted.size);
    Size::new(sizes.width.at_least(width), sizes.height.at_least(height))
}

/// The rate that an interval makes.
pub(super) fn rate(interval: Interval) -> Option<FrameRate> {
    FrameRate::new(interval.denominator, interval.numerator)
}

/// The least rate that reaches the wanted one, else the greatest there is; none if none is told.
fn best(intervals: &[Intervals], wanted: FrameRate) -> Option<FrameRate> {
    let reached = |found: &FrameRate| found.hertz() >= wanted.hertz() - 0.001;
    let rates = intervals.iter().filter_map(|intervals| match *intervals {
        Intervals::One(interval) => rate(interval),
        Intervals::Between(shortest, longest) => {
            let hertz =
                |interval: Interval| f64::from(interval.denominator) / f64::from(interval.numerator.max(1));
            if hertz(shortest) < wanted.hertz() {
                rate(shortest)
            } else if hertz(longest) > wanted.hertz() {
                rate(longest)
            } else {
                Some(wanted)
            }
        }
    });
    rates.reduce(|best, other| match (reached(&best), reached(&other)) {
        (true, true) if other.hertz() < best.hertz() => other,
        (false, _) if other.hertz() > best.hertz() => other,
        _ => best,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::v4l2::Range;

    fn interval(numerator: u32, denominator: u32) -> Interval {
        Interval { numerator, denominator }
    }

    #[test]
    fn the_rate_that_is_enough_is_taken_and_not_a_faster_one() {
        let one = |n, d| Intervals::One(interval(n, d));
        let webcam = [one(1, 60), one(1, 30), one(1001, 30_000), one(1, 15), one(1, 5)];
        type Row<'a> = (&'a [Intervals], u32, Option<(u32, u32)>);
        let table: &[Row<'_>] = &[
            (&webcam, 30, Some((30, 1))),
            (&webcam, 25, Some((30_000, 1001))),
            (&webcam, 10, Some((15, 1))),
            (&webcam, 120, Some((60, 1))),
            (&[one(1, 5), one(1, 10), one(1, 7)], 30, Some((10, 1))),
            (&[Intervals::Between(interval(1, 90), interval(1, 1))], 30, Some((30, 1))),
            (&[Intervals::Between(interval(1, 20), interval(1, 1))], 30, Some((20, 1))),
            (&[Intervals::Between(interval(1, 90), interval(1, 50))], 30, Some((50, 1))),
            // Nothing, and rubbish.
            (&[], 30, None),
            (&[one(0, 0), one(0, 30), one(1, 0), one(1, 100_000)], 30, None),
            (&[Intervals::Between(interval(0, 0), interval(0, 0))], 30, None),
            (&[one(0, 0), one(1, 5)], 30, Some((5, 1))),
        ];
        for (intervals, wanted, expected) in table {
            let found = best(intervals, FrameRate::new(*wanted, 1).expect("a rate"));
            assert_eq!(found.map(FrameRate::fraction), *expected, "{intervals:?} for {wanted}");
        }
    }

    #[test]
    fn ranges_give_the_wanted_size_or_the_next_larger_one() {
        let range = |least, most, step| Range { least, most, step };
        let sensor = Sizes { width: range(32, 2592, 16), height: range(32, 1944, 2) };
        let odd = Sizes { width: Range::only(641), height: Range::only(480) };
        let tiny = Sizes { width: Range::only(2), height: Range::only(2) };
        let table = [
            (sensor, "1280x720", Some("1280x720")),
            (sensor, "1278x720", Some("1280x720")),
            (sensor, "3840x2160", Some("2592x1944")),
            (odd, "640x480", None),
            (tiny, "640x480", None),
        ];
        for (sizes, wanted, expected) in table {
            let wanted = Wanted {
                size: wanted.parse().expect("a size"),
                rate: FrameRate::new(30, 1).expect("a rate"),
            };
            let found = nearest(&sizes, wanted).map(|size| size.to_string());
            assert_eq!(found.as_deref(), expected, "{sizes:?}");
        }
    }
}
