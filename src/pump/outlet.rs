//! Where the units of one track go: straight into the segments of a stream that has no other track, or to the
//! stream's weaver.
//!
//! Belongs here: handing units on without waiting, and what becomes of them when the weaver's ring is full.
//! Does not: the order of two tracks (`weave`), or when to cut.

use std::sync::Arc;

use crate::base::{Clock, Counter, Pts};
use crate::media::{Entry, Packet, Place, Unit};
use crate::ring::Producer;

use super::segments::Segments;

/// What a track lost on its way to the weaver.
#[derive(Debug, Default)]
pub struct OutletStats {
    /// Units left out because the weaver did not keep up.
    pub dropped: Counter,
    /// How often that began.
    pub drops: Counter,
}

/// Where the units of one track go.
pub struct Outlet(Way);

enum Way {
    Direct(Box<Segments>),
    Woven(Woven),
}

/// Whether units go into the weaver's ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Carrying,
    /// Until there is room, and decoding can begin again.
    Dropping,
}

struct Woven {
    ring: Producer<Unit>,
    clock: Arc<dyn Clock>,
    /// How the unit written next joins.
    next: Place,
    flow: Flow,
    stats: Arc<OutletStats>,
}

impl Outlet {
    /// The way of a stream's only track.
    pub fn direct(segments: Segments) -> Self {
        Self(Way::Direct(Box::new(segments)))
    }

    /// The way of one of two tracks, to the weaver that reads `ring`.
    pub(super) fn woven(ring: Producer<Unit>, clock: Arc<dyn Clock>, stats: Arc<OutletStats>) -> Self {
        Self(Way::Woven(Woven { ring, clock, next: Place::Follows, flow: Flow::Carrying, stats }))
    }

    /// The unit at `at`, which is written next, begins a segment. Said before that unit is encoded, it ends the
    /// one before so much sooner. Beside pictures nobody asks sound where to cut.
    pub fn begin_segment(&mut self, at: Pts) {
        match &mut self.0 {
            Way::Direct(segments) => segments.begin_segment(at),
            Way::Woven(woven) if woven.next == Place::Follows => woven.next = Place::Begins,
            Way::Woven(_) => {}
        }
    }

    /// What is written next begins a segment, and need not follow what was written so far.
    pub fn interrupt(&mut self) {
        match &mut self.0 {
            Way::Direct(segments) => segments.interrupt(),
            Way::Woven(woven) => woven.next = Place::Breaks,
        }
    }

    /// Hands on a unit; never waits.
    pub fn write(&mut self, unit: &Packet<'_>) {
        match &mut self.0 {
            Way::Direct(segments) => segments.write(unit),
            Way::Woven(woven) => woven.write(unit),
        }
    }

    /// Nothing more will come.
    pub fn finish(&mut self) {
        if let Way::Direct(segments) = &mut self.0 {
            segments.finish();
        }
    }
}

impl Woven {
    fn write(&mut self, unit: &Packet<'_>) {
        let place = self.next;
        let slot = match (self.flow, unit.entry) {
            // It needs those that were dropped.
            (Flow::Dropping, Entry::Dependent) => None,
            _ => self.ring.slot(),
        };
        let Some(slot) = slot else {
            if self.flow == Flow::Carrying {
                self.stats.drops.increment();
            }
            self.flow = Flow::Dropping;
            self.stats.dropped.increment();
            // An interruption is told with the next unit that gets through; a cut that is lost is one less.
            if place == Place::Begins {
                self.next = Place::Follows;
            }
            return;
        };
        self.flow = Flow::Carrying;
        self.next = Place::Follows;
        slot.place = place;
        slot.entry = unit.entry;
        (slot.pts, slot.dts) = (unit.pts, unit.dts);
        slot.arrived = self.clock.now();
        slot.data.clear();
        slot.data.extend_from_slice(unit.data);
        self.ring.publish();
    }
}
