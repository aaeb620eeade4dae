//! What a rendition keeps, and how it is told: its window, its numbers, its dates, its figures and its log.
//!
//! Belongs here: the order in which things happen when a segment begins or is complete. Does not: a decision of its
//! own about segments (`collector`, `assembler`), numbers (`sequence`) or the window (`window`).

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::markers::Memory;
use super::sequence::Sequence;
use super::store::Past;
use super::window::{Bound, Window};
use super::{Correction, Edge, Placed, Segment, SegmentConfig, Shelf, Store, TargetDuration};
use crate::base::{Clock, Counter, Gauge, Monotonic, Pts, Pulse, Sync};
use crate::container::ts::Join;

/// How often the civil clock is looked at.
const WALL_INTERVAL: Duration = Duration::from_secs(1);

/// Figures of one rendition's window.
#[derive(Debug, Default)]
pub struct WindowStats {
    /// Segments listed so far.
    pub segments: Counter,
    /// Of those, how many began with a discontinuity.
    pub discontinuities: Counter,
    /// Segments given up before they were complete.
    pub lost: Counter,
    /// Gaps listed in their places.
    pub gaps: Counter,
    /// Segments that went sooner than time asked, because of the bytes.
    pub evictions: Counter,
    /// Segments in the playlist.
    pub listed: Gauge,
    /// Segments no longer in it that are still served.
    pub retired: Gauge,
    /// How long the playlist lasts, in seconds.
    pub seconds: Gauge,
    /// Bytes of all of them.
    pub bytes: Gauge,
    /// How long after its media ended the last segment was listed, in milliseconds.
    pub lag: Gauge,
    /// How long after its last unit was coded the last part was listed, in milliseconds.
    pub part_lag: Gauge,
}

/// Keeps one rendition.
pub struct Keeper {
    pub(super) config: SegmentConfig,
    pub(super) sequence: Sequence,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shelf: Arc<dyn Shelf>,
    pub(super) stats: Arc<WindowStats>,
    /// Before the window, whose segments stay in it if it is dropped first.
    store: Option<Store>,
    window: Window,
    memory: Memory,
    pulse: Arc<Pulse>,
    /// When the civil clock was looked at last.
    looked: Monotonic,
    /// What the log last said keeps the window from growing.
    bound: Bound,
}

impl Keeper {
    /// A keeper with an empty window. It tells `shelf` what is new and stamps `pulse` with each segment.
    pub fn new(
        config: SegmentConfig,
        sequence: Sequence,
        clock: Arc<dyn Clock>,
        shelf: Arc<dyn Shelf>,
        pulse: Arc<Pulse>,
    ) -> Self {
        Self {
            window: Window::new(&config, sequence.agreement().dates()),
            memory: Memory::new(TargetDuration::of(config.target).skip_boundary().to_duration()),
            looked: clock.now(),
            bound: Bound::Time,
            stats: Arc::default(),
            store: None,
            config,
            sequence,
            clock,
            shelf,
            pulse,
        }
    }

    /// The same, which keeps its segments in `store`, and goes on with what an earlier run has left there.
    pub fn with_store(mut self, mut store: Store) -> Self {
        if let Some(Past { listings, dates, .. }) = store.take_past() {
            let mut window = Window::new(&self.config, dates);
            window.replay(listings);
            let discontinuities = window.discontinuities();
            if let Some(last) = window.last().filter(|it| it.init.is_some()) {
                // Parts that came after it let go of segments, too, and no record says how many did.
                let (now, end) = (self.clock.now(), last.start + last.duration);
                let told = now.to_pts().min(end + TargetDuration::of(self.config.target).span());
                window.retire_by_time(told, now);
            }
            if window.last().is_some_and(|last| self.sequence.resume(last, discontinuities)) {
                window.set_dates(self.sequence.agreement().dates());
                let (rendition, seconds) =
                    (self.sequence.rendition(), window.duration().as_secs_f64().round());
                info!(rendition, seconds, "goes on with the window of the run before");
                self.window = window;
            } else {
                warn!(
                    rendition = self.sequence.rendition(),
                    "begins anew: the numbers of what the run before has left cannot go on"
                );
            }
            store.forget_before(self.window.oldest().unwrap_or(u64::MAX));
        } else if let Some(Past { listings, .. }) = store.take_ended() {
            self.window.outlive(listings, self.clock.now());
        }
        self.store = Some(store);
        self
    }

    /// The newest segment.
    pub(super) fn last(&self) -> Option<&Segment> {
        self.window.last()
    }

    /// Says and counts that a segment was given up.
    pub(super) fn give_up(&mut self, reason: &dyn Display) {
        self.stats.lost.increment();
        warn!(rendition = self.sequence.rendition(), "gave up a segment: {reason}");
    }

    /// Counts so many gaps that are listed, and tells that what should be there from `from` to `to` was lost.
    pub(super) fn tell_gap(&self, from: Pts, to: Pts, count: u64) {
        self.stats.gaps.add(count);
        self.sequence.agreement().timeline().write(|log| log.add_gap(from, to));
    }

    /// Says that a segment ends sooner than it should.
    pub(super) fn cut_short(&self, reason: &dyn Display) {
        warn!(rendition = self.sequence.rendition(), "cut a segment short: {reason}");
    }

    /// Gives the segment that begins at `start` its number and says how it joins the one before, which is said to
    /// end at `end`; lists the gaps between. `None` if it has to be given up.
    pub(super) fn place(&mut self, start: Pts, join: Join, end: Option<Pts>) -> Option<(u64, Join)> {
        let Placed { sequence, join, mut before } = match self.sequence.place(start, join, end) {
            Ok(placed) => placed,
            Err(refusal) => {
                self.give_up(&refusal);
                return None;
            }
        };
        if let (Some(first), Some(last)) = (before.gaps().first(), before.gaps().last()) {
            // Of a hole longer than the window no more than its end is listed.
            let from = end.map_or(first.start, |end| end.min(first.start));
            self.tell_gap(from, last.start + last.duration, before.gaps().len() as u64);
        }
        // What holds for them is told of them too: it must not change when those before them have left the list.
        if let Some(last) = self.window.last() {
            for gap in before.gaps_mut() {
                (gap.key, gap.init) = (last.key.clone(), last.init.clone());
            }
        }
        if let Some(store) = &mut self.store {
            store.prepare(&before, self.window.discontinuities());
        }
        let early = self.window.prepare(before, self.clock.now());
        self.stats.evictions.add(early as u64);
        Some((sequence, join))
    }

    /// Where the media listed so far end.
    pub(super) fn end(&self) -> Option<Pts> {
        self.window.end()
    }

    /// Lists a segment that is complete, and what is being written after it.
    pub(super) fn list(&mut self, segment: Segment, edge: Option<Arc<Edge>>) {
        let (end, join) = (segment.start + segment.duration, segment.join);
        let now = self.clock.now();
        let discontinuities = self.window.discontinuities();
        let early = self.window.push(segment, now);
        let own = self.window.start().filter(|_| early > 0);
        self.window.retire_before(self.sequence.front(own), now);
        if let (Some(store), Some(segment)) = (&mut self.store, self.window.last().cloned()) {
            // With where the list begins now: what has left it may not come back.
            let dates = self.sequence.agreement().dated();
            let front = self.window.front();
            self.window.replace_last(store.keep(segment, discontinuities, now, dates, front));
            store.forget_before(self.window.oldest().unwrap_or_default());
        }
        let (listed, retired) = self.show(edge);

        let now = self.clock.now();
        self.pulse.beat(now);
        let stats = &self.stats;
        stats.segments.increment();
        stats.discontinuities.add(u64::from(join == Join::Broken));
        stats.evictions.add(early as u64);
        stats.listed.set(listed as f64);
        stats.retired.set(retired as f64);
        stats.seconds.set(self.window.duration().as_secs_f64());
        stats.bytes.set(self.window.bytes() as f64);
        stats.lag.set(now.nanos_since(end.to_monotonic()) as f64 / 1e6);
        self.tell_bound();
    }

    /// Shows what there is now; says how many segments are listed, and how many more can be fetched.
    pub(super) fn show(&mut self, edge: Option<Arc<Edge>>) -> (usize, usize) {
        let now = self.clock.now();
        // Not only as segments end: where key frames decide, that is at one time in one rendition, at another in another.
        edge.iter().for_each(|edge| self.window.retire_by_time(edge.end(), now));
        let markers = Arc::clone(&self.sequence.agreement().timeline().shown().markers);
        let markers = self.memory.tell(markers, self.window.start(), now);
        let snapshot = self.window.snapshot_beside(edge, markers);
        let counts = (snapshot.listed.len(), snapshot.retired.len());
        self.shelf.list(snapshot);
        counts
    }

    /// Logs when memory begins, and when it ceases, to be what the window is short of.
    fn tell_bound(&mut self) {
        let bound = self.window.bound();
        if std::mem::replace(&mut self.bound, bound) == bound {
            return;
        }
        let rendition = self.sequence.rendition();
        let (seconds, configured) =
            (self.window.duration().as_secs_f64().round(), self.config.length.as_secs_f64());
        match bound {
            Bound::Bytes => warn!(
                rendition,
                seconds,
                configured,
                memory = self.config.bytes,
                "the window is shorter than configured, its memory is used up; allow it more or lower the bit rate"
            ),
            Bound::Time => info!(rendition, seconds, "the window has its configured length again"),
        }
    }

    /// Looks at the civil clock now and then; lists other dates, if that changed them.
    pub(super) fn look_at_the_clock(&mut self, edge: impl FnOnce() -> Option<Arc<Edge>>) {
        let now = self.clock.now();
        if now.since(self.looked) < WALL_INTERVAL {
            return;
        }
        self.looked = now;
        let (agreement, rendition) = (self.sequence.agreement(), self.sequence.rendition());
        match agreement.look(&self.clock.wall()) {
            None => {}
            Some(Correction::Set { nanos, sync }) => info!(
                rendition,
                seconds = nanos as f64 / 1e9,
                synchronised = sync == Sync::Synchronised,
                "the dates of the stream follow the system clock, which was set or is trusted otherwise than before"
            ),
            Some(Correction::Suspended { nanos }) => info!(
                rendition,
                seconds = nanos as f64 / 1e9,
                "the machine was suspended; the stream goes on with a discontinuity"
            ),
        }
        let changed = self.window.set_dates(self.sequence.agreement().dates());
        if changed && self.window.end().is_some() {
            self.show(edge());
        }
    }
}
