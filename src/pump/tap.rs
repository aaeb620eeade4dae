//! A copy of one track's units for the low-latency side, which cannot wait for whole segments.
//!
//! Belongs here: where parts and segments end, told with the unit that ends them, and what becomes of units when
//! nobody reads. Does not: when to cut, or what a part looks like.
//!
//! That a segment ends is known for certain only when the next unit begins another. Sound says so at once, but a
//! picture comes later, and a part should not wait for it: so the end is foreseen, where pictures keep their time
//! well enough. One that was foreseen wrongly, because a picture came early, costs that picture: it is the last
//! before an IDR picture, nothing needs it, and it is counted.
//!
//! Where segments end when somebody else decides, any full part may be the last of its segment. It is closed only
//! by the unit after it: the part that is hinted at then has a unit already, and comes (rfc8216bis, 4.4.5.3).

use std::sync::Arc;

use crate::base::{Clock, Pts, Span};
use crate::media::{CutGrid, Packet, PartEnd, Parts, Place, Timeline, Unit};
use crate::ring::Producer;

use super::lane::{Flow, Lane, LaneStats};

/// What is known of how far astray pictures come fades by this part with each.
const FADING: i64 = 32;

/// One track's way into the ring of its low-latency rendition.
pub struct Tap {
    lane: Lane,
    /// Where segments end; `None` where somebody else decides that, who cannot be foreseen.
    grid: Option<CutGrid>,
    unit: Span,
    parts: Parts,
    /// How the unit written next joins.
    next: Place,
    course: Course,
    /// The last unit, and when it let the next one expect.
    last: Pts,
    expected: Pts,
    /// How far beside that units were of late.
    astray: Span,
}

/// What the units written belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// A segment that ends with the unit before this instant of the grid.
    Segment(Option<Pts>),
    /// None: the last one has ended.
    Ended,
}

impl Tap {
    /// A tap into `ring`, of a track whose units last `unit` when all is well. Segments begin where its outlet is
    /// told so, on `grid` if there is one; parts are no longer than `target`.
    pub fn new(
        ring: Producer<Unit>,
        grid: Option<CutGrid>,
        (unit, target): (Span, Span),
        clock: &Arc<dyn Clock>,
        stats: Arc<LaneStats>,
    ) -> Self {
        Self {
            lane: Lane::new(ring, clock, stats),
            grid,
            unit,
            parts: Parts::new(unit, target),
            next: Place::Follows,
            course: Course::Ended,
            last: Pts::default(),
            expected: Pts::default(),
            astray: Span::ZERO,
        }
    }

    /// The unit written next begins a segment.
    pub(super) fn begin_segment(&mut self) {
        if self.next == Place::Follows {
            self.next = Place::Begins;
        }
    }

    /// What is written next begins a segment, and need not follow.
    pub(super) fn interrupt(&mut self) {
        self.next = Place::Breaks;
    }

    /// Hands on a unit; never waits. The reader is woken when a part is complete: with this unit, or with the one
    /// before, as only this one tells.
    pub(super) fn write(&mut self, unit: &Packet<'_>) {
        let place = std::mem::replace(&mut self.next, Place::Follows);
        match (place, self.lane.flow) {
            (Place::Follows, Flow::Dropping) => {
                self.lane.leave_out();
                return;
            }
            (Place::Follows, _) if self.course == Course::Ended => return self.lane.come_too_early(),
            (_, Flow::Dropping) if self.lane.is_crowded() => {
                self.lane.leave_out();
                return self.put_off(place);
            }
            _ => {}
        }
        let place = match (place, self.lane.flow) {
            (Place::Begins, Flow::Dropping) => Place::Resumes,
            _ => place,
        };
        let before = self.parts;
        let tells = place != Place::Follows || self.parts.is_overrun_by(unit.dts);
        let part = self.take(unit, place);
        if self.lane.put(unit, place, part).is_err() {
            // The reader has not seen it either.
            self.parts = before;
            return self.put_off(place);
        }
        if tells || part != PartEnd::Open {
            self.lane.ring.publish();
        } else {
            self.lane.ring.publish_silently();
        }
    }

    /// The unit in that place did not get through: an interruption is told with the next one that does.
    fn put_off(&mut self, place: Place) {
        if place == Place::Breaks {
            self.next = Place::Breaks;
        }
    }

    /// Whether a part ends with this unit.
    fn take(&mut self, unit: &Packet<'_>, place: Place) -> PartEnd {
        let mut timeline = Timeline::RunsOn;
        match place {
            Place::Follows if self.parts.is_overrun_by(unit.dts) => {
                self.parts.close();
            }
            Place::Follows => {}
            Place::Begins | Place::Resumes => {
                self.parts.close_last();
                timeline = self.parts.begin_segment(unit.dts);
            }
            Place::Breaks => {
                self.parts.begin(unit.dts);
                timeline = Timeline::Anew;
            }
        }
        if place != Place::Follows {
            self.course = Course::Segment(self.grid.map(|grid| grid.after(unit.pts)));
        }
        self.parts.take(unit.dts);
        self.expect(unit.pts, timeline);
        let Course::Segment(Some(end)) = self.course else { return PartEnd::Open };
        if self.expected - self.astray >= end {
            self.course = Course::Ended;
            self.parts.close_last();
            PartEnd::Ends
        } else if self.parts.is_overrun_by(self.expected) && self.expected + self.astray < end {
            self.parts.close();
            PartEnd::Closes
        } else {
            // A part that is full may be the segment's last: the next unit will tell.
            PartEnd::Open
        }
    }

    /// Learns when the unit after the one at `pts` is to be expected. Where pictures are left out, or a camera gives
    /// fewer in the dark, they come as far apart as the last two did.
    fn expect(&mut self, pts: Pts, timeline: Timeline) {
        let mut step = self.unit;
        if timeline == Timeline::RunsOn {
            let faded = self.astray - Span::from_ticks(1 + self.astray.ticks() / FADING);
            self.astray = (pts - self.expected).abs().max(faded).min(self.unit + self.unit);
            let apart = pts - self.last;
            if 2 * apart.ticks() > 3 * self.unit.ticks() {
                step = apart;
            }
        }
        (self.last, self.expected) = (pts, pts + step);
    }
}

#[cfg(test)]
mod tests;
