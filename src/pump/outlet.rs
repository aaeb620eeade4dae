//! Where the units of one track go: straight into the segments of a stream that has no other track, or to the
//! stream's weaver; and a copy of them to the low-latency side.
//!
//! Belongs here: handing units on without waiting, what becomes of them when the weaver's ring is full, and that one
//! track breaks where the other does.
//! Does not: the order of two tracks (`weave`), parts (`tap`), or when to cut.

use std::sync::Arc;

use crate::base::{Clock, Pts, Span};
use crate::media::{Entry, Packet, PartEnd, Place, Unit};
use crate::ring::Producer;

use super::breaks::{Breaks, Follower, Leader};
use super::lane::{Flow, Lane, LaneStats};
use super::segments::Segments;
use super::tap::Tap;

/// Where the units of one track go.
pub struct Outlet {
    way: Way,
    /// Where a copy of them goes.
    tap: Option<Tap>,
    company: Company,
}

/// What its breaks are to the other track.
enum Company {
    /// Nothing.
    None,
    /// It is told where they are.
    Leads(Leader),
    /// They come from there.
    Follows(Follower),
}

enum Way {
    Direct(Box<Segments>),
    Woven(Woven),
}

struct Woven {
    lane: Lane,
    /// How the unit written next joins.
    next: Place,
}

impl Outlet {
    /// The way of a stream's only track.
    pub fn direct(segments: Segments) -> Self {
        Self { way: Way::Direct(Box::new(segments)), tap: None, company: Company::None }
    }

    /// The way of one of two tracks, to the weaver that reads `ring`.
    pub(super) fn woven(ring: Producer<Unit>, clock: &Arc<dyn Clock>, stats: Arc<LaneStats>) -> Self {
        let woven = Woven { lane: Lane::new(ring, clock, stats), next: Place::Follows };
        Self { way: Way::Woven(woven), tap: None, company: Company::None }
    }

    /// The same, with a copy of all units for the low-latency side.
    pub fn with_tap(self, tap: Tap) -> Self {
        Self { tap: Some(tap), ..self }
    }

    /// The same, whose breaks are told to `breaks`. A segment has to be shorter than `limit`: the next breaks with
    /// one that is not, as its length cannot be said.
    pub fn leading(self, breaks: Arc<Breaks>, limit: Span) -> Self {
        Self { company: Company::Leads(Leader::new(breaks, limit)), ..self }
    }

    /// The same, which breaks where `breaks` say.
    pub fn following(self, breaks: Arc<Breaks>) -> Self {
        Self { company: Company::Follows(Follower::new(breaks)), ..self }
    }

    /// The unit at `at`, which is written next, begins a segment. Said before that unit is encoded, it ends the
    /// one before so much sooner. Beside pictures nobody asks sound where to cut.
    pub fn begin_segment(&mut self, at: Pts) {
        match &mut self.company {
            Company::None => {}
            Company::Leads(leader) => leader.begin_segment(at),
            Company::Follows(follower) => follower.begin_segment(at),
        }
        if let Some(tap) = &mut self.tap {
            tap.begin_segment();
        }
        match &mut self.way {
            Way::Direct(segments) => segments.begin_segment(at),
            Way::Woven(woven) if woven.next == Place::Follows => woven.next = Place::Begins,
            Way::Woven(_) => {}
        }
    }

    /// What is written next begins a segment, and need not follow what was written so far.
    pub fn interrupt(&mut self) {
        if let Company::Leads(leader) = &mut self.company {
            leader.interrupt();
        }
        if let Some(tap) = &mut self.tap {
            tap.interrupt();
        }
        match &mut self.way {
            Way::Direct(segments) => segments.interrupt(),
            Way::Woven(woven) => woven.next = Place::Breaks,
        }
    }

    /// Hands on a unit; never waits.
    pub fn write(&mut self, unit: &Packet<'_>) {
        match &mut self.company {
            Company::None => {}
            Company::Leads(leader) => leader.write(unit.pts),
            Company::Follows(follower) => {
                if follower.breaks_before(unit.pts) {
                    self.interrupt();
                }
            }
        }
        if let Some(tap) = &mut self.tap {
            tap.write(unit);
        }
        match &mut self.way {
            Way::Direct(segments) => segments.write(unit),
            Way::Woven(woven) => woven.write(unit),
        }
    }

    /// Nothing more will come.
    pub fn finish(&mut self) {
        if let Way::Direct(segments) = &mut self.way {
            segments.finish();
        }
    }
}

impl Woven {
    fn write(&mut self, unit: &Packet<'_>) {
        let place = self.next;
        let written = match (self.lane.flow, unit.entry) {
            // It needs those that were dropped.
            (Flow::Dropping, Entry::Dependent) => Err(self.lane.leave_out()),
            _ => self.lane.put(unit, place, PartEnd::Open),
        };
        if written.is_ok() {
            self.next = Place::Follows;
            self.lane.ring.publish();
        } else if place == Place::Begins {
            // An interruption is told with the next unit that gets through; a cut that is lost is one less.
            self.next = Place::Follows;
        }
    }
}
