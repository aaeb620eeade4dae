//! Packets to segments.
//!
//! Belongs here: where a segment begins and ends, and the memory its bytes lie in. Does not: numbers,
//! dates, how many segments are kept.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{Body, SegmentConfig, TargetDuration};
use crate::base::{Pts, Span};
use crate::container::ts::{Join, Mark, PACKET_LEN, Record};

/// Bytes are gathered in slabs that neighbouring segments share, so that taking them out of the ring is
/// their only copy. A slab lives as long as any piece of it: small enough that the last reader of a
/// segment of sound (16 KB) holds little else, large enough to be rare beside one of picture (1 MB).
const SLAB_LEN: usize = 174 * PACKET_LEN;

/// Gathers packets into segments.
#[derive(Debug)]
pub struct Collector {
    grid: Span,
    target: TargetDuration,
    largest: usize,
    slab: BytesMut,
    open: Option<Open>,
    /// Where the last whole segment ended, if nothing was lost since.
    end: Option<Pts>,
}

/// The segment being written.
#[derive(Debug)]
struct Open {
    start: Pts,
    join: Join,
    chunks: Vec<Bytes>,
    /// Bytes so far, those still in the slab included.
    len: usize,
    /// How many chunks the last [`Collector::tail`] told of.
    told: usize,
}

/// A whole segment that has no number yet.
#[derive(Clone, Debug)]
pub struct Finished {
    /// PTS of its first unit.
    pub start: Pts,
    /// Up to the first unit of the next.
    pub duration: Span,
    /// How it follows the one finished before.
    pub join: Join,
    /// Its bytes.
    pub body: Body,
}

/// What a record led to.
#[derive(Clone, Debug)]
pub enum Event {
    /// A segment is complete.
    Finished(Finished),
    /// A segment was given up; the next one is at best [`Join::Lost`].
    Lost(Loss),
}

/// Why a segment was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The next one began, or the packets stopped for good, before its end was seen.
    #[error("its end was lost before it could be read")]
    NoEnd,
    /// More bytes than a segment may have.
    #[error(
        "it outgrew the {0} bytes a segment may have; allow the window more memory or lower the bit rate"
    )]
    TooLarge(usize),
    /// It ends where it begins, or before.
    #[error("it ends no later than it begins")]
    NoTime,
}

impl Collector {
    /// A collector that has seen nothing: its first segment is [`Join::Lost`].
    pub fn new(config: &SegmentConfig) -> Self {
        Self {
            grid: config.target,
            target: TargetDuration::of(config.target),
            largest: config.largest_segment(),
            slab: BytesMut::new(),
            open: None,
            end: None,
        }
    }

    /// Takes the next record, in whatever order they come.
    pub fn push(&mut self, record: &Record) -> Option<Event> {
        match record.mark {
            Mark::Continue => self.append(&record.packet),
            Mark::Begin { at, join } => {
                let lost = self.unfinished();
                self.begin(at, join);
                self.append(&record.packet).or(lost)
            }
            Mark::End { at } => self.finish(at),
        }
    }

    /// What comes next does not follow the packets taken so far: gives up the segment being written, if
    /// there is one.
    pub fn interrupt(&mut self) -> Option<Event> {
        self.end = None;
        self.unfinished()
    }

    /// Where the segment being written begins, and its chunks, if there are more than when last asked.
    pub fn tail(&mut self) -> Option<(Pts, Arc<[Bytes]>)> {
        let open = self.open.as_mut()?;
        open.take_from(&mut self.slab);
        let grown = open.told < open.chunks.len();
        open.told = open.chunks.len();
        grown.then(|| (open.start, open.chunks.as_slice().into()))
    }

    fn unfinished(&mut self) -> Option<Event> {
        self.open.is_some().then(|| self.give_up(Loss::NoEnd))
    }

    fn begin(&mut self, at: Pts, join: Join) {
        let follows = self.end == Some(at);
        let join = if follows { join } else { join.max(Join::Lost) };
        self.open = Some(Open { start: at, join, chunks: Vec::new(), len: 0, told: 0 });
    }

    fn append(&mut self, packet: &[u8; PACKET_LEN]) -> Option<Event> {
        let Some(open) = &mut self.open else {
            // A packet that belongs to no segment: what comes next does not follow the last one.
            self.end = None;
            return None;
        };
        if open.len + PACKET_LEN > self.largest {
            return Some(self.give_up(Loss::TooLarge(self.largest)));
        }
        if self.slab.capacity() - self.slab.len() < PACKET_LEN {
            open.take_from(&mut self.slab);
            self.slab = BytesMut::with_capacity(SLAB_LEN);
        }
        self.slab.extend_from_slice(packet);
        open.len += PACKET_LEN;
        None
    }

    fn finish(&mut self, at: Pts) -> Option<Event> {
        let span = at - self.open.as_ref()?.start;
        if span <= Span::ZERO {
            return Some(self.give_up(Loss::NoTime));
        }
        let mut open = self.open.take()?;
        open.take_from(&mut self.slab);
        // On the grid a segment is longer than allowed only if its media has a hole; off it, if a camera
        // that codes itself sends key frames too seldom (`encode::copy` names that). The playlist cannot
        // say so in EXTINF (RFC 8216, 4.3.3.1); a gap or a discontinuity can, and follows because the next
        // segment does not begin where this one is said to end.
        let duration = if self.target.allows(span) { span } else { self.grid };
        self.end = Some(open.start + duration);
        let body = Body { chunks: open.chunks.into(), len: open.len };
        Some(Event::Finished(Finished { start: open.start, duration, join: open.join, body }))
    }

    fn give_up(&mut self, why: Loss) -> Event {
        self.open = None;
        self.end = None;
        self.slab.clear();
        Event::Lost(why)
    }
}

impl Open {
    /// Takes over the bytes written to the slab since last time, as one chunk.
    fn take_from(&mut self, slab: &mut BytesMut) {
        if !slab.is_empty() {
            self.chunks.push(slab.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Pts {
        Pts::default() + Span::from_millis(millis)
    }

    fn begin(millis: i64, join: Join) -> Record {
        Record { mark: Mark::Begin { at: at(millis), join }, packet: [1; PACKET_LEN] }
    }

    fn end(millis: i64) -> Record {
        Record { mark: Mark::End { at: at(millis) }, ..Record::default() }
    }

    fn packet(byte: u8) -> Record {
        Record { mark: Mark::Continue, packet: [byte; PACKET_LEN] }
    }

    /// What records lead to, one word each: `start+duration join`, or the loss.
    fn run(records: &[Record]) -> Vec<String> {
        let mut collector =
            Collector::new(&SegmentConfig { bytes: 4 * 10 * PACKET_LEN, ..Default::default() });
        let word = |event| match event {
            Event::Finished(it) => format!(
                "{}+{} {:?} {}",
                it.start.ticks() / 90,
                it.duration.ticks() / 90,
                it.join,
                it.body.len / PACKET_LEN
            ),
            Event::Lost(loss) => format!("{loss:?}"),
        };
        records.iter().filter_map(|record| collector.push(record)).map(word).collect()
    }

    #[test]
    fn what_records_lead_to() {
        use Join::{Broken, Continuous};
        let p = packet(7);
        let table: &[(&str, &[Record], &[&str])] = &[
            ("nothing", &[], &[]),
            ("the first segment follows nothing", &[begin(0, Continuous), p, end(2000)], &["0+2000 Lost 2"]),
            (
                "segments that follow each other",
                &[begin(0, Continuous), p, end(2000), begin(2000, Continuous), p, p, end(4005)],
                &["0+2000 Lost 2", "2000+2005 Continuous 3"],
            ),
            (
                "the mux says something changed",
                &[begin(0, Continuous), end(2000), begin(2000, Broken), end(4000)],
                &["0+2000 Lost 1", "2000+2000 Broken 1"],
            ),
            (
                "a begin without an end",
                &[begin(0, Continuous), p, begin(4000, Broken), p, end(6000)],
                &["NoEnd", "4000+2000 Broken 2"],
            ),
            (
                "a begin without an end that claims to follow",
                &[
                    begin(0, Continuous),
                    end(2000),
                    begin(2000, Continuous),
                    begin(4000, Continuous),
                    end(6000),
                ],
                &["0+2000 Lost 1", "NoEnd", "4000+2000 Lost 1"],
            ),
            ("ends and packets of no segment", &[end(0), p, end(5), p, p], &[]),
            (
                "a packet between an end and a begin",
                &[begin(0, Continuous), end(2000), p, begin(2000, Continuous), end(4000)],
                &["0+2000 Lost 1", "2000+2000 Lost 1"],
            ),
            (
                "a begin that is not where the last segment ended",
                &[begin(0, Continuous), end(2000), begin(2010, Continuous), end(4000)],
                &["0+2000 Lost 1", "2010+1990 Lost 1"],
            ),
            (
                "a segment that ends where it begins, or before",
                &[
                    begin(0, Continuous),
                    end(0),
                    begin(0, Continuous),
                    end(-10),
                    begin(0, Continuous),
                    end(10),
                ],
                &["NoTime", "NoTime", "0+10 Lost 1"],
            ),
            (
                "the longest that is allowed",
                &[begin(0, Continuous), end(2499), begin(2499, Continuous), end(4000)],
                &["0+2499 Lost 1", "2499+1501 Continuous 1"],
            ),
            (
                "a hole in the media",
                &[begin(0, Continuous), p, end(9000), begin(9000, Continuous), end(10000)],
                &["0+2000 Lost 2", "9000+1000 Lost 1"],
            ),
            (
                "a segment that outgrows the memory",
                &[
                    &[begin(0, Continuous)][..],
                    &[p; 30][..],
                    &[end(2000), begin(2000, Continuous), p, end(4000)][..],
                ]
                .concat(),
                &["TooLarge(1880)", "2000+2000 Lost 2"],
            ),
        ];
        for (case, records, expected) in table {
            assert_eq!(run(records), *expected, "{case}");
        }
    }

    #[test]
    fn bytes_come_out_as_they_went_in_and_tails_share_them() {
        let mut collector = Collector::new(&SegmentConfig::default());
        let mut expected = vec![1; PACKET_LEN];
        let mut seen = Vec::new();
        assert!(collector.push(&begin(0, Join::Continuous)).is_none());
        for n in 0..1000 {
            assert!(collector.push(&packet(n as u8)).is_none());
            expected.extend([n as u8; PACKET_LEN]);
            if n % 30 == 0 {
                seen = collector.tail().expect("it grew").1.to_vec();
                assert!(collector.tail().is_none(), "it did not grow since");
                assert_eq!(seen.concat(), expected);
            }
        }
        let Some(Event::Finished(finished)) = collector.push(&end(2000)) else { panic!("a whole segment") };
        assert_eq!(finished.body.len, expected.len());
        assert_eq!(finished.body.chunks.concat(), expected);
        for (chunk, early) in finished.body.chunks.iter().zip(&seen) {
            assert_eq!((chunk.as_ptr(), chunk.len()), (early.as_ptr(), early.len()), "the same memory");
        }
    }

    #[test]
    fn a_segment_given_up_leaves_nothing_behind() {
        let mut collector = Collector::new(&SegmentConfig::default());
        assert!(collector.push(&begin(0, Join::Continuous)).is_none());
        assert!(collector.push(&packet(9)).is_none());
        assert!(matches!(collector.interrupt(), Some(Event::Lost(Loss::NoEnd))));
        assert!(collector.interrupt().is_none());
        assert!(collector.tail().is_none());
        assert!(collector.push(&begin(10, Join::Continuous)).is_none());
        assert_eq!(collector.tail().expect("a packet").1.concat(), [1; PACKET_LEN]);
    }

    #[test]
    fn after_an_interruption_nothing_follows() {
        let mut collector = Collector::new(&SegmentConfig::default());
        let mut joins = Vec::new();
        for n in 0..4 {
            assert!(collector.push(&begin(n * 2000, Join::Continuous)).is_none());
            let Some(Event::Finished(it)) = collector.push(&end(n * 2000 + 2000)) else { panic!("whole") };
            joins.push(it.join);
            if n == 1 {
                assert!(collector.interrupt().is_none());
            }
        }
        assert_eq!(joins, [Join::Lost, Join::Continuous, Join::Lost, Join::Continuous]);
    }
}
