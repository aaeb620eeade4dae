//! When each picture was: the timestamps devices give, made fit to be believed.
//!
//! Belongs here: what makes a timestamp impossible, the best guess in its place, and that PTS only ever grow.
//! Does not: clocks, devices.

use std::time::Duration;

use crate::base::{Monotonic, Pts, Span};

/// No picture is captured after it came; so much is forgiven a driver that knows when the picture will end as
/// soon as it begins (vivid: one interval ahead).
pub(super) const AHEAD: Duration = Duration::from_millis(150);
/// Nor does any device keep pictures for so long.
pub(super) const OLDEST: Duration = Duration::from_secs(2);

/// From slate to slate, and from one still to the next. They fall on multiples of it, so that one begins each
/// segment whose instant is one, too.
pub(super) const BEAT: Duration = Duration::from_millis(100);

/// The last beat until `instant`.
fn beat_until(instant: Monotonic) -> Monotonic {
    let beat = BEAT.as_nanos() as i64;
    Monotonic::from_nanos(instant.as_nanos().div_euclid(beat) * beat)
}

/// The first beat after `instant`.
pub(super) fn beat_after(instant: Monotonic) -> Monotonic {
    beat_until(instant) + BEAT
}

/// Whether a device's timestamp was believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// It was.
    Believed,
    /// It was zero, ran backwards, or named a time at which the picture cannot have been captured.
    Impossible,
}

/// The line of all pictures, live ones and slates.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// Of the last picture of either kind.
    last: Option<Pts>,
    /// The last timestamp of the open device that was believed.
    stamp: Option<Monotonic>,
    /// How long the last picture with such a timestamp took to come.
    lag: Duration,
}

impl Timeline {
    /// A device was opened: its timestamps have nothing to do with those before.
    pub(super) fn begin(&mut self) {
        self.stamp = None;
        self.lag = Duration::ZERO;
    }

    /// Places a device's picture that came at `now` and claims to have been captured at `captured`.
    ///
    /// Captured before what was last shown (a slate, while it was on its way), it follows at once.
    pub(super) fn live(&mut self, captured: Monotonic, now: Monotonic) -> (Pts, Stamp) {
        let possible = captured <= now + AHEAD
            && now.since(captured) <= OLDEST
            && self.stamp.is_none_or(|stamp| captured > stamp);
        if !possible {
            return (self.place((now - self.lag).to_pts()), Stamp::Impossible);
        }
        self.stamp = Some(captured);
        self.lag = now.since(captured);
        (self.place(captured.to_pts()), Stamp::Believed)
    }

    /// Places a picture of our own, meant for `due`.
    pub(super) fn slate(&mut self, due: Monotonic) -> Pts {
        self.place(due.to_pts())
    }

    /// Places the last picture once more: on the last beat at which it is no older than `pause`.
    pub(super) fn still(&mut self, pause: Duration) -> Pts {
        let latest = self.last.unwrap_or_default().to_monotonic() + pause;
        self.place(beat_until(latest).to_pts())
    }

    /// When the last picture was; `None` before the first.
    pub(super) fn last(&self) -> Option<Monotonic> {
        self.last.map(Pts::to_monotonic)
    }

    fn place(&mut self, wanted: Pts) -> Pts {
        let pts = self.last.map_or(wanted, |last| wanted.max(last + Span::from_ticks(1)));
        self.last = Some(pts);
        pts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_timestamps_are_replaced_by_the_best_guess() {
        use Stamp::{Believed, Impossible};
        // now, claimed, placed (milliseconds), believed
        let table = [
            (10_000, 9_950, 9_950, Believed),
            (10_033, 9_983, 9_983, Believed),
            // Zero, the distant future, backwards, the same again: as late as the one before was.
            (10_067, 0, 10_017, Impossible),
            (10_100, 99_000, 10_050, Impossible),
            (10_133, 9_982, 10_083, Impossible),
            (10_167, 9_983, 10_117, Impossible),
            // The true ones go on where they should.
            (10_200, 10_150, 10_150, Believed),
            // At the bounds.
            (10_250, 10_400, 10_400, Believed),
            (10_300, 10_451, 10_400, Impossible),
            (13_000, 11_000, 11_000, Believed),
            (13_001, 11_000, 11_001, Impossible),
        ];
        let at = |ms: i64| Monotonic::from_nanos(ms * 1_000_000);
        let mut line = Timeline::default();
        for (now, claimed, placed, stamp) in table {
            let (pts, told) = line.live(at(claimed), at(now));
            // What would not come after the one before follows it by one tick.
            assert!((0..=1).contains(&(pts - at(placed).to_pts()).ticks()), "{now}: {pts:?}");
            assert_eq!(told, stamp, "{now}");
        }
    }

    #[test]
    fn a_picture_captured_before_the_slate_was_shown_follows_it() {
        let at = |ms: i64| Monotonic::from_nanos(ms * 1_000_000);
        let mut line = Timeline::default();
        let slate = line.slate(at(1_000));
        assert_eq!(slate, at(1_000).to_pts());
        assert_eq!(line.live(at(980), at(1_010)), (slate + Span::from_ticks(1), Stamp::Believed));
        assert_eq!(line.live(at(1_013), at(1_043)).0, at(1_013).to_pts());
    }
    #[test]
    fn a_device_opened_again_may_be_slower_than_it_was() {
        let at = |ms: i64| Monotonic::from_nanos(ms * 1_000_000);
        let mut line = Timeline::default();
        assert_eq!(line.live(at(1_040), at(1_000)).1, Stamp::Believed);
        line.begin();
        assert_eq!(
            line.live(at(500), at(1_500)),
            (at(1_040).to_pts() + Span::from_ticks(1), Stamp::Believed)
        );
        line.begin();
        // Nothing is known of how late its pictures come.
        assert_eq!(line.live(at(0), at(3_000)), (at(3_000).to_pts(), Stamp::Impossible));
    }
}
