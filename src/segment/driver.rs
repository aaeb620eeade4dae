//! From the ring to the shelf: reads records, tells whoever serves them.
//!
//! Belongs here: the order in which things happen, the figures, the log. Does not: a decision of its own
//! about segments (`collector`) or the window (`window`).

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::collector::{Collector, Event, Finished};
use super::sequence::Sequence;
use super::window::{Bound, Window};
use super::{Before, Correction, Placed, Segment, SegmentConfig, Shelf, Tail};
use crate::base::{Clock, Counter, Gauge, Monotonic, Pulse, Sync};
use crate::container::ts::{Join, Record};
use crate::ring::{Reader, Supply};

/// How often the civil clock is looked at.
const WALL_INTERVAL: Duration = Duration::from_secs(1);

/// Where records come from, in order: the reading end of a ring.
pub trait Records: Send {
    /// Waits until there is something to read, or never will be. Nothing is lost if the wait is given up.
    ///
    /// # Errors
    /// If waiting itself fails.
    fn ready(&mut self) -> impl Future<Output = io::Result<Supply>> + Send;

    /// The oldest records not yet released, as many as lie in one piece; may be none.
    fn read(&mut self) -> &[Record];

    /// Gives the places of the oldest `count` records back.
    fn release(&mut self, count: usize);
}

impl Records for Reader<Record> {
    fn ready(&mut self) -> impl Future<Output = io::Result<Supply>> + Send {
        Reader::ready(self)
    }

    fn read(&mut self) -> &[Record] {
        Reader::read(self)
    }

    fn release(&mut self, count: usize) {
        Reader::release(self, count);
    }
}

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
}

/// Makes segments of one rendition's records and keeps its window.
pub struct Segmenter {
    config: SegmentConfig,
    collector: Collector,
    window: Window,
    sequence: Sequence,
    clock: Arc<dyn Clock>,
    shelf: Arc<dyn Shelf>,
    pulse: Arc<Pulse>,
    stats: Arc<WindowStats>,
    /// When the civil clock was looked at last.
    looked: Monotonic,
    /// What the log last said keeps the window from growing.
    bound: Bound,
}

impl Segmenter {
    /// A segmenter with an empty window. It tells `shelf` what is new and stamps `pulse` with each segment.
    pub fn new(
        config: SegmentConfig,
        sequence: Sequence,
        clock: Arc<dyn Clock>,
        shelf: Arc<dyn Shelf>,
        pulse: Arc<Pulse>,
    ) -> Self {
        Self {
            collector: Collector::new(&config),
            window: Window::new(&config, sequence.agreement().dates()),
            looked: clock.now(),
            bound: Bound::Time,
            stats: Arc::default(),
            config,
            sequence,
            clock,
            shelf,
            pulse,
        }
    }

    /// Its figures.
    pub fn stats(&self) -> Arc<WindowStats> {
        Arc::clone(&self.stats)
    }

    /// Reads records until there are no more, within a tokio runtime. Can be called again with another
    /// source of records, which then goes on in the same playlist after a discontinuity.
    ///
    /// # Errors
    /// If waiting for records fails.
    pub async fn drive(&mut self, records: &mut impl Records) -> io::Result<()> {
        let outcome = loop {
            match records.ready().await {
                Ok(Supply::Open) => {}
                Ok(Supply::Closed) => break Ok(()),
                Err(error) => break Err(error),
            }
            let batch = records.read();
            let count = batch.len();
            self.take(batch);
            records.release(count);
            if let Some(reservation) = self.sequence.restock() {
                // An SD card can take seconds to write; the stream goes on meanwhile.
                tokio::task::spawn_blocking(|| reservation.write());
            }
        };
        if let Some(event) = self.collector.interrupt() {
            self.handle(event);
        }
        outcome
    }

    /// Takes what one reading of the ring gave.
    fn take(&mut self, batch: &[Record]) {
        self.look_at_the_clock();
        for record in batch {
            if let Some(event) = self.collector.push(record) {
                self.handle(event);
            }
        }
        if let Some((start, chunks)) = self.collector.tail()
            && let Some(sequence) = self.sequence.number_of(start)
        {
            self.shelf.extend(Tail { sequence, chunks });
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Finished(finished) => self.list(finished),
            Event::Lost(reason) => self.give_up(&reason),
        }
    }

    fn give_up(&mut self, reason: &dyn Display) {
        self.stats.lost.increment();
        warn!(rendition = self.sequence.rendition(), "gave up a segment: {reason}");
    }

    fn list(&mut self, finished: Finished) {
        let Finished { start, duration, join, body } = finished;
        let Some(Placed { sequence, join, before }) = self.sequence.place(start, join, self.window.end())
        else {
            return self.give_up(&"its place in the list is taken by one that broke off");
        };
        if let Before::Gaps(gaps) = &before {
            self.stats.gaps.add(gaps.len() as u64);
        }
        let now = self.clock.now();
        let early = self.window.prepare(before, now)
            + self.window.push(Segment::plain(sequence, start, duration, join, body), now);
        let snapshot = self.window.snapshot();
        let (listed, retired) = (snapshot.listed.len(), snapshot.retired.len());
        self.shelf.list(snapshot);

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
        stats.lag.set(now.nanos_since((start + duration).to_monotonic()) as f64 / 1e6);
        self.tell_bound();
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

    fn look_at_the_clock(&mut self) {
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
        let snapshot = self.window.snapshot();
        if changed && !snapshot.listed.is_empty() {
            self.shelf.list(snapshot);
        }
    }
}
