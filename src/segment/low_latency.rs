//! From the ring of one track's units to the shelf, part by part.
//!
//! Belongs here: which parts make a segment, and what readers see while it is being written. Does not: making parts
//! (`assembler`), or what is kept and told (`keeper`).

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::assembler::{Assembler, TrackKind};
use super::driver::{Records, Taker, drive};
use super::keeper::{Keeper, WindowStats};
use super::sequence::Lineup;
use super::{Body, Edge, Init, Part, PartList, Presence, Segment, TargetDuration};
use crate::base::{Pts, Span};
use crate::container::ts::Join;
use crate::media::marker::Marker;
use crate::media::{Entry, PartEnd, Place, Unit};
use crate::ring::spsc::Consumer;

/// Makes parts and segments of one track's units, and keeps their window.
pub struct LowLatency {
    assembler: Assembler,
    keeper: Keeper,
    part_target: Span,
    course: Course,
    /// What was listed last, for readers of the next segment's first part.
    edge: Option<Arc<Edge>>,
    /// How the next segment joins at best.
    kept: Join,
    /// Markers to be told within the media.
    notices: Consumer<Option<Arc<Marker>>>,
}

/// What units go into.
enum Course {
    /// A segment.
    Open(Open),
    /// A segment that takes no more of them.
    Torn(Open),
    /// Nothing, until a segment begins.
    Waiting,
}

/// The segment being written.
struct Open {
    sequence: u64,
    start: Pts,
    join: Join,
    init: Arc<Init>,
    presence: Presence,
    parts: PartList,
    /// Their bytes.
    len: usize,
}

impl LowLatency {
    /// Of a track of that kind, with parts no longer than `part_target`, which `keeper` keeps.
    pub fn new(kind: TrackKind, part_target: Span, mut keeper: Keeper) -> Self {
        keeper.sequence.lineup = Lineup::Parts;
        let mut new = Self {
            notices: keeper.sequence.agreement().timeline().notices(),
            assembler: Assembler::new(kind, part_target),
            keeper,
            part_target,
            course: Course::Waiting,
            edge: None,
            kept: Join::Continuous,
        };
        new.go_on();
        new
    }

    /// Shows what the keeper goes on with, if anything: the next part can be asked for.
    fn go_on(&mut self) {
        let Some(Segment { sequence, start, duration, init: Some(init), .. }) = self.keeper.last() else {
            return;
        };
        let (sequence, end, init) = (*sequence + 1, *start + *duration, Arc::clone(init));
        self.await_part(sequence, end, &init);
        self.keeper.show(self.edge.clone());
    }

    /// Its figures.
    pub fn stats(&self) -> Arc<WindowStats> {
        Arc::clone(&self.keeper.stats)
    }

    /// Reads units until there are no more, within a tokio runtime.
    ///
    /// # Errors
    /// If waiting for units fails.
    pub async fn drive(&mut self, units: &mut impl Records<Unit>) -> io::Result<()> {
        drive(self, units).await
    }

    fn unit(&mut self, unit: &Unit) {
        if unit.place != Place::Follows {
            self.finish(self.hole(unit));
            self.begin(unit);
        }
        let Course::Open(open) = &mut self.course else { return };
        // One in a part: what a program sets in a burst must not multiply the bit rate.
        if self.assembler.begins_part()
            && let Some(news) = self.notices.read().first()
        {
            let dates = self.keeper.sequence.agreement().dates();
            news.iter().for_each(|marker| self.assembler.tell(unit.pts, marker, &dates));
            self.notices.release(1);
        }
        let before = open.parts.len();
        let taken = self.assembler.take(unit, &mut |part| open.add(part));
        if unit.part == PartEnd::Ends {
            self.assembler.end(&mut |part| open.add(part));
        }
        let grown = open.parts.len() > before;
        if taken.is_err() {
            self.keeper.stats.lost.increment();
        }
        let largest = self.keeper.config.largest_segment();
        if open.len > largest {
            self.keeper.cut_short(&format_args!(
                "it outgrew the {largest} bytes a segment may have; allow the window more memory or lower the bit rate"
            ));
            self.tear();
        } else if unit.part == PartEnd::Ends {
            self.finish(None);
        } else if grown {
            self.show();
        }
        if grown {
            let lag = self.keeper.clock.now().nanos_since(unit.arrived);
            self.keeper.stats.part_lag.set(lag as f64 / 1e6);
        }
    }

    /// What comes in the segment being written is left out, until the next one begins: only then it is known how
    /// long a gap this one is.
    fn tear(&mut self) {
        let Course::Open(mut open) = std::mem::replace(&mut self.course, Course::Waiting) else { return };
        self.assembler.end(&mut |part| open.add(part));
        self.course = Course::Torn(open);
    }

    /// Up to where the segment being written lacks units, if it does and `unit` begins the next.
    fn hole(&self, unit: &Unit) -> Option<Pts> {
        let lacks = matches!(self.course, Course::Torn(_)) || unit.place == Place::Resumes;
        (lacks && !self.assembler.is_followed_by(unit.dts)).then_some(unit.pts)
    }

    /// Begins a segment, if there is a place for it and it can be decoded.
    fn begin(&mut self, unit: &Unit) {
        let sequence = &self.keeper.sequence;
        let wall = sequence.agreement().dates().at(unit.pts);
        let Some(number) = sequence.number_of(unit.pts) else {
            // Which says so, and remembers how the next one joins.
            let join = if unit.place == Place::Breaks { Join::Broken } else { Join::Lost };
            self.keeper.place(unit.pts, join, self.keeper.end());
            return;
        };
        let (join, init) = match self.assembler.begin(unit, number) {
            Ok(begun) => begun,
            Err(error) => return self.keeper.give_up(&error),
        };
        // Where a gap fills the hole, nothing breaks.
        let filled = join == Join::Lost && self.keeper.end() == Some(unit.pts);
        let join = if filled { Join::Continuous } else { join };
        let join = join.max(std::mem::replace(&mut self.kept, Join::Continuous));
        // What runs on is decoded where the one before ends, and that is a little beside a unit's own instant.
        let end = self.keeper.end().map(|end| if join == Join::Continuous { unit.pts } else { end });
        let Some((sequence, join)) = self.keeper.place(unit.pts, join, end) else { return };
        self.assembler.note(unit.pts, wall);
        let start = self.assembler.start();
        // Gaps may have been listed: what can be asked for next is no longer what it was.
        self.await_part(sequence, start, &init);
        let (presence, parts, len) = (Presence::There, PartList::default(), 0);
        self.course = Course::Open(Open { sequence, start, join, init, presence, parts, len });
    }

    /// What can be asked for next is the first part of that segment.
    fn await_part(&mut self, sequence: u64, start: Pts, init: &Arc<Init>) {
        let (init, part_target) = (Arc::clone(init), self.part_target);
        let (join, parts) = (Join::Continuous, PartList::default());
        self.edge = Some(Arc::new(Edge { sequence, start, join, init, parts, part_target }));
    }

    /// Ends the segment being written, if there is one, and lists it; as a gap, if it has a `hole` up to there.
    fn finish(&mut self, hole: Option<Pts>) {
        if hole.is_some() && matches!(self.course, Course::Open(_)) {
            self.keeper.cut_short(&"units of it were lost, as its reader was too slow");
        }
        let course = std::mem::replace(&mut self.course, Course::Waiting);
        let (Course::Open(mut open) | Course::Torn(mut open)) = course else { return };
        let mut end = self.assembler.end(&mut |part| open.add(part));
        let target = self.keeper.config.target;
        if let Some(next) = hole.filter(|_| !open.parts.is_empty()) {
            let whole = self.keeper.sequence.end_of(open.start, next);
            if whole > end && TargetDuration::of(target).allows(whole - open.start) {
                self.keeper.stats.lost.increment();
                self.keeper.tell_gap(end, whole, 1);
                open.fill(end, whole, self.part_target);
                end = whole;
            }
        }
        if open.parts.is_empty() {
            self.kept = Join::Lost;
            self.keeper.give_up(&"it has no media");
            // It has its number, which readers count.
            let gap = Segment::gap(open.sequence, open.start, target, open.join);
            let gap = Segment { init: Some(Arc::clone(&open.init)), ..gap };
            self.keeper.tell_gap(open.start, open.start + target, 1);
            self.await_part(open.sequence + 1, open.start + target, &open.init);
            return self.keeper.list(gap, self.edge.clone());
        }
        // A camera that codes itself may send key frames too seldom: EXTINF cannot say so (RFC 8216, 4.3.3.1).
        let span = end - open.start;
        let duration = if TargetDuration::of(target).allows(span) {
            span
        } else {
            self.kept = Join::Lost;
            target
        };
        self.await_part(open.sequence + 1, end, &open.init);
        self.keeper.list(open.into_segment(duration), self.edge.clone());
    }

    /// Shows the parts so far.
    fn show(&mut self) {
        if let Course::Open(Open { sequence, start, join, init, parts, .. }) = &self.course {
            let (init, parts) = (Arc::clone(init), parts.clone());
            let (sequence, start, join, part_target) = (*sequence, *start, *join, self.part_target);
            self.edge = Some(Arc::new(Edge { sequence, start, join, init, parts, part_target }));
            self.keeper.show(self.edge.clone());
        }
    }
}

impl Open {
    fn add(&mut self, part: Part) {
        self.len += part.body.len;
        self.parts.push(part);
    }

    /// What is missing from `from` to `to` is told in parts that are not there. The rest can be fetched as it was,
    /// but the segment cannot.
    fn fill(&mut self, from: Pts, to: Pts, part_target: Span) {
        self.presence = Presence::Gap;
        let mut start = from;
        while start < to {
            let duration = part_target.min(to - start);
            let (entry, presence, body) = (Entry::Dependent, Presence::Gap, Body::default());
            self.parts.push(Part { start, duration, entry, presence, body });
            start += duration;
        }
    }

    fn into_segment(self, duration: Span) -> Segment {
        let Self { sequence, start, join, init, presence, parts, len } = self;
        let chunks: Vec<Bytes> = parts.iter().flat_map(|part| part.body.chunks.iter().cloned()).collect();
        let body = Body { chunks: chunks.into(), len };
        Segment { sequence, start, duration, join, presence, body, key: None, init: Some(init), parts }
    }
}

impl Taker<Unit> for LowLatency {
    fn take(&mut self, batch: &[Unit]) {
        let edge = &self.edge;
        self.keeper.look_at_the_clock(|| edge.clone());
        for unit in batch {
            self.unit(unit);
        }
    }

    fn interrupt(&mut self) {
        self.finish(None);
        self.kept = Join::Lost;
    }

    fn keeper(&mut self) -> &mut Keeper {
        &mut self.keeper
    }
}
