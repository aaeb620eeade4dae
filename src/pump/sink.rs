//! From the multiplexer into the ring, and what becomes of packets when the ring is full.
//!
//! The writer never waits. When the ring is full it drops records until a segment begins again, so that
//! the reader gets whole segments, and marks that beginning [`Join::Lost`]; or [`Join::Broken`], if the stream broke
//! among what was dropped. What the reader can rely on:
//!
//! * An End always ends a segment of which nothing is missing.
//! * A segment whose End is missing is followed by a Begin that is not Continuous: its tail was dropped.
//!
//! Waking the reader for every picture would cost more than passing the picture on. Where nobody listens to the
//! packets themselves it sleeps until a segment ends or much has come together.

use std::sync::Arc;

use crate::base::{Counter, Gauge};
use crate::container::ts::{Join, Mark, PACKET_LEN, Record, Sink};
use crate::ring::{Audience, Producer};

/// What a sink counts.
#[derive(Debug, Default)]
pub struct SinkStats {
    /// Records that went into the ring.
    pub written: Counter,
    /// Records dropped because it was full.
    pub dropped: Counter,
    /// How often dropping began.
    pub drops: Counter,
    /// Records in the ring after the last publishing.
    pub depth: Gauge,
}

/// Whether records go into the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Carrying,
    /// Until a segment begins and there is room; it joins at best like this.
    Dropping(Join),
}

/// So full, in parts of the whole, the ring gets before a reader in no hurry is woken.
const FILLING: usize = 4;

/// Whether the reader is to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// A segment has ended.
    Due,
    /// Only if somebody listens, or the ring is filling.
    IfWanted,
}

/// The multiplexer's way into the ring.
pub struct RecordSink {
    ring: Producer<Record>,
    flow: Flow,
    /// Where dropped packets are written.
    scratch: [u8; PACKET_LEN],
    /// Records since the last publishing.
    written: u64,
    call: Call,
    /// Those who want every packet at once.
    audience: Audience,
    stats: Arc<SinkStats>,
}

impl RecordSink {
    /// A sink that fills `ring`, whose reader is woken for every publishing while `audience` is there.
    pub fn new(ring: Producer<Record>, audience: Audience, stats: Arc<SinkStats>) -> Self {
        let scratch = [0; PACKET_LEN];
        Self { ring, flow: Flow::Carrying, scratch, written: 0, call: Call::IfWanted, audience, stats }
    }

    /// Whether records are being dropped. [`Mux::lose`](crate::container::ts::Mux::lose) in place of a cut then
    /// writes into the packets, too, that they do not follow.
    pub fn is_dropping(&self) -> bool {
        matches!(self.flow, Flow::Dropping(_))
    }

    /// What `mark` becomes in the ring, if it may go there.
    fn admit(&mut self, mark: Mark) -> Option<Mark> {
        match (self.flow, mark) {
            (Flow::Carrying, mark) => Some(mark),
            // Into a ring that is nearly full still the next segment would not fit either.
            (Flow::Dropping(worst), Mark::Begin { at, join }) => {
                let join = join.max(worst);
                let room = self.ring.free() * 2 >= self.ring.capacity();
                self.flow = if room { Flow::Carrying } else { Flow::Dropping(join) };
                room.then_some(Mark::Begin { at, join })
            }
            (Flow::Dropping(_), _) => None,
        }
    }
}

impl Sink for RecordSink {
    fn slot(&mut self, mark: Mark) -> &mut [u8; PACKET_LEN] {
        if let Some(mark) = self.admit(mark) {
            if let Some(record) = self.ring.slot() {
                self.written += 1;
                if matches!(mark, Mark::End { .. }) {
                    self.call = Call::Due;
                }
                record.mark = mark;
                return &mut record.packet;
            }
            let join = if let Mark::Begin { join, .. } = mark { join } else { Join::Lost };
            self.flow = Flow::Dropping(join.max(Join::Lost));
            self.stats.drops.increment();
        }
        self.stats.dropped.increment();
        &mut self.scratch
    }

    fn publish(&mut self) {
        let depth = self.ring.capacity() - self.ring.free();
        if self.written > 0 {
            let call = std::mem::replace(&mut self.call, Call::IfWanted);
            let filling = depth * FILLING >= self.ring.capacity();
            if call == Call::Due || filling || self.audience.count() > 0 {
                self.ring.publish();
            } else {
                self.ring.publish_silently();
            }
            self.stats.written.add(std::mem::take(&mut self.written));
        }
        self.stats.depth.set(depth as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pts;
    use crate::ring;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use proptest::prelude::*;
    use std::os::fd::AsFd;

    fn marks(consumer: &mut ring::Consumer<Record>) -> Vec<Mark> {
        let mut marks = Vec::new();
        loop {
            let records = consumer.read();
            let count = records.len();
            marks.extend(records.iter().map(|record| record.mark));
            if count == 0 {
                return marks;
            }
            consumer.release(count);
        }
    }

    fn at(segment: usize) -> Pts {
        Pts::from_ticks(segment as i64)
    }

    #[test]
    fn a_full_ring_drops_to_the_next_beginning_and_marks_it() {
        let (producer, mut consumer) = ring::channel(4).expect("an eventfd");
        let stats = Arc::new(SinkStats::default());
        let mut sink = RecordSink::new(producer, Audience::default(), Arc::clone(&stats));
        let begin = |n| Mark::Begin { at: at(n), join: Join::Continuous };
        let end = |n| Mark::End { at: at(n) };
        for mark in [begin(0), Mark::Continue, end(1), begin(1), Mark::Continue, end(2), begin(2)] {
            sink.slot(mark);
            sink.publish();
        }
        assert!(sink.is_dropping());
        assert_eq!(marks(&mut consumer), [begin(0), Mark::Continue, end(1), begin(1)]);
        for mark in [Mark::Continue, end(3), begin(3), Mark::Continue, end(4)] {
            sink.slot(mark);
            sink.publish();
        }
        let lost = Mark::Begin { at: at(3), join: Join::Lost };
        assert_eq!(marks(&mut consumer), [lost, Mark::Continue, end(4)]);
        assert_eq!((stats.drops.get(), stats.dropped.get(), stats.written.get()), (1, 5, 7));
    }

    #[test]
    fn the_reader_is_woken_when_a_segment_ends_the_ring_fills_or_somebody_listens() {
        let (producer, mut consumer) = ring::channel(64).expect("an eventfd");
        let audience = Audience::default();
        let mut sink = RecordSink::new(producer, audience.clone(), Arc::default());
        let rings = |consumer: &mut ring::Consumer<Record>| {
            let mut bell = [PollFd::new(consumer.as_fd(), PollFlags::POLLIN)];
            let rings = poll(&mut bell, PollTimeout::ZERO).expect("poll") == 1;
            consumer.clear();
            rings
        };
        let mut write = |mark, consumer: &mut ring::Consumer<Record>| {
            sink.slot(mark);
            sink.publish();
            rings(consumer)
        };
        assert!(!write(Mark::Begin { at: at(0), join: Join::Continuous }, &mut consumer));
        assert!(!write(Mark::Continue, &mut consumer));
        audience.join();
        assert!(write(Mark::Continue, &mut consumer));
        audience.leave();
        assert!(!write(Mark::Continue, &mut consumer));
        assert!(write(Mark::End { at: at(1) }, &mut consumer));
        assert_eq!(marks(&mut consumer).len(), 5);
        let filling = (1..20).filter(|_| write(Mark::Continue, &mut consumer)).count();
        assert_eq!(filling, 4, "from the sixteenth on");
    }

    proptest! {
        #[test]
        fn an_end_always_ends_a_whole_segment(
            lens in proptest::collection::vec(1usize..12, 1..60),
            reads in proptest::collection::vec(0u8..4, 60),
        ) {
            let (producer, mut consumer) = ring::channel(16).expect("an eventfd");
            let mut sink = RecordSink::new(producer, Audience::default(), Arc::default());
            let mut seen = Vec::new();
            for (n, len) in lens.iter().enumerate() {
                sink.slot(Mark::Begin { at: at(n), join: Join::Continuous });
                (0..*len).for_each(|_| { sink.slot(Mark::Continue); });
                sink.slot(Mark::End { at: at(n + 1) });
                sink.publish();
                if reads[n] == 0 {
                    seen.extend(marks(&mut consumer));
                }
            }
            seen.extend(marks(&mut consumer));
            let mut open: Option<(usize, usize)> = None;
            let mut last_end = Some(0);
            for mark in seen {
                match mark {
                    Mark::Begin { at, join } => {
                        let segment = at.ticks() as usize;
                        prop_assert_eq!(join == Join::Continuous, last_end == Some(segment));
                        open = Some((segment, 0));
                        last_end = None;
                    }
                    Mark::Continue => open = open.map(|(segment, packets)| (segment, packets + 1)),
                    Mark::End { at } => {
                        let (segment, packets) = open.take().expect("an open segment");
                        prop_assert_eq!((packets, at.ticks() as usize), (lens[segment], segment + 1));
                        last_end = Some(segment + 1);
                    }
                }
            }
        }
    }
}
