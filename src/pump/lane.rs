//! One track's way into a ring of units.
//!
//! Belongs here: copying units into the ring without waiting, and counting those for which there is no room. Does
//! not: when units can go on after that, or whom to wake.

use std::sync::Arc;

use crate::base::{Clock, Counter};
use crate::media::{Packet, PartEnd, Place, Unit};
use crate::ring::Producer;

/// What a track lost on its way.
#[derive(Debug, Default)]
pub struct LaneStats {
    /// Units left out because the reader did not keep up.
    pub dropped: Counter,
    /// How often that began.
    pub drops: Counter,
    /// Pictures left out because their segment was taken to have ended: they came sooner than foreseen.
    pub early: Counter,
}

/// Whether units go into the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Carrying,
    /// Until there is room, and they can go on.
    Dropping,
}

pub(super) struct Lane {
    pub(super) ring: Producer<Unit>,
    pub(super) flow: Flow,
    clock: Arc<dyn Clock>,
    stats: Arc<LaneStats>,
}

impl Lane {
    pub(super) fn new(ring: Producer<Unit>, clock: &Arc<dyn Clock>, stats: Arc<LaneStats>) -> Self {
        Self { ring, flow: Flow::Carrying, clock: Arc::clone(clock), stats }
    }

    /// Copies a unit into the ring, not yet to be seen there. Fails if there is no room.
    pub(super) fn put(&mut self, unit: &Packet<'_>, place: Place, part: PartEnd) -> Result<(), Full> {
        let Some(slot) = self.ring.slot() else { return Err(self.leave_out()) };
        self.flow = Flow::Carrying;
        (slot.place, slot.part, slot.entry) = (place, part, unit.entry);
        (slot.pts, slot.dts) = (unit.pts, unit.dts);
        slot.arrived = self.clock.now();
        slot.data.clear();
        slot.data.extend_from_slice(unit.data);
        Ok(())
    }

    /// Whether there is so little room that units which go on now would soon have to stop again.
    pub(super) fn is_crowded(&mut self) -> bool {
        self.ring.free() * 2 < self.ring.capacity()
    }

    /// Counts a unit whose segment has been ended without it.
    pub(super) fn come_too_early(&mut self) {
        self.stats.early.increment();
    }

    /// Counts a unit that does not go into the ring.
    pub(super) fn leave_out(&mut self) -> Full {
        if self.flow == Flow::Carrying {
            self.stats.drops.increment();
        }
        self.flow = Flow::Dropping;
        self.stats.dropped.increment();
        Full
    }
}

/// There was no room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full;
