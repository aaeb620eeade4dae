//! Which segments can be fetched: those of the playlist, and those just gone from it.
//!
//! Belongs here: bounds by time and by bytes, the count of discontinuities that left, measured rates; pure. Does
//! not: packets, threads, files.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use super::store::Listing;
use super::{Before, Dates, Edge, Markers, Presence, Rate, Segment, SegmentConfig, Snapshot, TargetDuration};
use crate::base::time::TICKS_PER_SECOND;
use crate::base::{Monotonic, Pts, Span};
use crate::container::ts::Join;

/// The segments of one rendition.
#[derive(Debug)]
pub struct Window {
    config: SegmentConfig,
    target: TargetDuration,
    listed: VecDeque<Listed>,
    retired: VecDeque<Retired>,
    /// How long `listed` lasts, and how long without its gaps.
    duration: Span,
    filled: Span,
    listed_bytes: usize,
    retired_bytes: usize,
    discontinuity_sequence: u64,
    dates: Dates,
    redated: Option<Pts>,
    peak: u64,
    bound: Bound,
    /// What snapshots show of `listed` and `retired`, until those change: a part changes neither.
    shown: OnceLock<Lists>,
}

/// Segments that are listed, and that are no longer.
type Lists = (Arc<[Arc<Segment>]>, Arc<[Arc<Segment>]>);

#[derive(Debug)]
struct Listed {
    segment: Arc<Segment>,
    /// How long the longest playlist was that listed it.
    longest: Span,
}

#[derive(Debug)]
struct Retired {
    segment: Arc<Segment>,
    until: Monotonic,
}

/// What keeps a window from growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Its length, as configured (or it is still growing towards it).
    Time,
    /// Its bytes: it is shorter than configured.
    Bytes,
}

impl Window {
    /// An empty window, of segments with these dates.
    pub fn new(config: &SegmentConfig, dates: Dates) -> Self {
        Self {
            config: *config,
            target: TargetDuration::of(config.target),
            listed: VecDeque::new(),
            retired: VecDeque::new(),
            duration: Span::ZERO,
            filled: Span::ZERO,
            listed_bytes: 0,
            retired_bytes: 0,
            discontinuity_sequence: 0,
            dates,
            redated: None,
            peak: 0,
            bound: Bound::Time,
            shown: OnceLock::new(),
        }
    }

    /// Lists a segment, and lets go of those for which there is no more time or room. Says how many of
    /// them went sooner than time alone would have asked, because of the bytes.
    ///
    /// The newest segment is always listed: the collector sees to it that it is never larger than
    /// [`SegmentConfig::largest_segment`].
    pub fn push(&mut self, segment: Segment, now: Monotonic) -> usize {
        self.push_to(segment, now, Span::ZERO)
    }

    /// The same, to a list that lasted as long as `list` at least then.
    fn push_to(&mut self, segment: Segment, now: Monotonic, list: Span) -> usize {
        self.shown.take();
        self.duration += segment.duration;
        self.filled += filled(&segment);
        self.listed_bytes += segment.body.len;
        self.listed.push_back(Listed { segment: Arc::new(segment), longest: Span::ZERO });
        self.measure_peak();
        self.expire(now);
        self.end().into_iter().for_each(|end| self.retire_by_time(end, now));
        let early = self.retire_by_bytes(now) + self.drop_by_bytes();
        // An eighth of slack, so that a wavering bit rate does not turn this over with every segment.
        if early > 0 {
            self.bound = Bound::Bytes;
        } else if self.duration >= self.config.length && self.bytes() <= self.config.bytes / 8 * 7 {
            self.bound = Bound::Time;
        }
        for listed in &mut self.listed {
            listed.longest = listed.longest.max(self.duration).max(list);
        }
        early
    }

    /// Makes ready for a segment that is to be listed, or begun: lists the gaps before it, or begins anew. Says how
    /// many segments went sooner than time alone would have asked.
    pub fn prepare(&mut self, before: Before, now: Monotonic) -> usize {
        let gaps = match before {
            Before::Gaps(gaps) => gaps,
            Before::Anew { discontinuities, gaps } => {
                self.shown.take();
                while !self.listed.is_empty() {
                    self.retire_first(now);
                }
                self.discontinuity_sequence = discontinuities;
                gaps
            }
        };
        gaps.into_iter().map(|gap| self.push(gap, now)).sum()
    }

    /// Lists again what an earlier run listed, when it did.
    pub(super) fn replay(&mut self, listings: Vec<Listing>) {
        let mut began = None;
        for Listing { discontinuities, gaps, segment, listed, front } in listings {
            let first = gaps.first().unwrap_or(&segment).sequence;
            let follows = self.last().is_some_and(|last| last.sequence.checked_add(1) == Some(first));
            if follows {
                // The list they came to began where that before them did, of which not all may still be here.
                for gap in gaps {
                    let list = began.map_or(Span::ZERO, |began| gap.start + gap.duration - began);
                    self.push_to(gap, listed, list);
                }
            } else {
                self.prepare(Before::Anew { discontinuities, gaps }, listed);
            }
            began = front.map(|(_, start)| start);
            let list = began.map_or(Span::ZERO, |began| segment.start + segment.duration - began);
            self.push_to(segment, listed, list);
            // What had left the list does not come back, though what it left for may be gone.
            while self.front().zip(front).is_some_and(|((known, _), (front, _))| known < front) {
                self.shown.take();
                self.retire_first(listed);
            }
        }
    }

    /// Lists nothing of what an earlier run listed, and serves it as long as it must be served: the list was another, and
    /// this one begins anew.
    pub(super) fn outlive(&mut self, listings: Vec<Listing>, now: Monotonic) {
        let mut before = Self::new(&self.config, self.dates);
        before.replay(listings);
        while !before.listed.is_empty() {
            before.retire_first(now);
        }
        before.expire(now);
        self.shown.take();
        (self.retired, self.retired_bytes) = (before.retired, before.retired_bytes);
    }

    /// The newest segment's bytes lie elsewhere from now on.
    pub(super) fn replace_last(&mut self, moved: Segment) {
        if let Some(last) = self.listed.back_mut() {
            self.shown.take();
            last.segment = Arc::new(moved);
        }
    }

    /// Number and beginning of the first segment listed.
    pub(super) fn front(&self) -> Option<(u64, Pts)> {
        self.listed.front().map(|first| (first.segment.sequence, first.segment.start))
    }

    /// How many discontinuities were told so far.
    pub(super) fn discontinuities(&self) -> u64 {
        let listed = self.listed.iter().filter(|it| it.segment.join == Join::Broken);
        self.discontinuity_sequence + listed.count() as u64
    }

    /// The lowest number that can still be fetched.
    pub(super) fn oldest(&self) -> Option<u64> {
        let retired = self.retired.front().map(|it| it.segment.sequence);
        retired.or(self.listed.front().map(|it| it.segment.sequence))
    }

    /// Lets go of what lies before `front`, as far as what remains lasts three target durations.
    pub fn retire_before(&mut self, front: Pts, now: Monotonic) {
        let lies_before = |it: &Listed| it.segment.start + it.segment.duration <= front;
        while self.listed.front().is_some_and(lies_before) && self.may_lose_first() {
            self.shown.take();
            self.retire_first(now);
        }
    }

    /// Where the list begins.
    pub fn start(&self) -> Option<Pts> {
        self.listed.front().map(|first| first.segment.start)
    }

    /// The newest segment.
    pub fn last(&self) -> Option<&Segment> {
        self.listed.back().map(|last| &*last.segment)
    }

    /// Where the media listed so far end.
    pub fn end(&self) -> Option<Pts> {
        self.last().map(|last| last.start + last.duration)
    }

    /// Takes other dates; says whether they are.
    pub fn set_dates(&mut self, dates: Dates) -> bool {
        let changed = std::mem::replace(&mut self.dates, dates) != dates;
        if changed {
            self.redated = self.end();
        }
        changed
    }

    /// What readers see.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot_beside(None, Markers::default())
    }

    /// The same, with the segment being written, where that is offered in parts, and with what happened when.
    pub fn snapshot_beside(&self, edge: Option<Arc<Edge>>, markers: Markers) -> Arc<Snapshot> {
        let average = rate(self.listed_bytes, self.filled);
        let (listed, retired) = self.shown.get_or_init(|| {
            let listed = self.listed.iter().map(|it| Arc::clone(&it.segment));
            (listed.collect(), self.retired.iter().map(|it| Arc::clone(&it.segment)).collect())
        });
        Arc::new(Snapshot {
            listed: Arc::clone(listed),
            retired: Arc::clone(retired),
            discontinuity_sequence: self.discontinuity_sequence,
            target: self.target,
            dates: self.dates,
            redated: self.redated,
            rate: Rate { peak: self.peak.max(average), average },
            edge,
            markers,
        })
    }

    /// What keeps it from growing.
    pub fn bound(&self) -> Bound {
        self.bound
    }

    /// How long the playlist lasts.
    pub fn duration(&self) -> Span {
        self.duration
    }

    /// Bytes of all segments that can be fetched.
    pub fn bytes(&self) -> usize {
        self.listed_bytes + self.retired_bytes
    }

    /// Whether the list is long enough without its first segment.
    fn may_lose_first(&self) -> bool {
        let first = self.listed.front().map(|first| first.segment.duration);
        first.is_some_and(|first| self.duration - first >= self.target.least_window())
    }

    /// Lets go of those for which there is no more time, now that there are media up to `end`.
    pub fn retire_by_time(&mut self, end: Pts, now: Monotonic) {
        // By instants, not by how long segments are: where one rendition has lost time and another has not, both let go
        // of the same. Cuts fall a little behind the instants of the grid, in one more than in another; that must not
        // let a segment go sooner, either (rfc8216bis, 6.2.4).
        let length = self.config.length - TargetDuration::CUT_DELAY;
        let rest = |it: &Self| Some(end - it.listed.get(1)?.segment.start);
        while self.may_lose_first() && rest(self).is_some_and(|rest| rest >= length) {
            self.shown.take();
            self.retire_first(now);
        }
    }

    /// Shortens the list so far that what it lets go still fits beside it for as long as it must be served:
    /// in steady state that is as many segments as are listed, the one that goes and one of margin.
    fn retire_by_bytes(&mut self, now: Monotonic) -> usize {
        let mut count = 0;
        loop {
            let largest = self.listed.iter().map(|it| it.segment.body.len).max().unwrap_or(0);
            if 2 * self.listed_bytes + 3 * largest <= self.config.bytes || !self.may_lose_first() {
                return count;
            }
            self.retire_first(now);
            count += 1;
        }
    }

    /// The ceiling holds in any case: first the segments no playlist lists any more, then the oldest listed.
    fn drop_by_bytes(&mut self) -> usize {
        let mut count = 0;
        while self.bytes() > self.config.bytes {
            if let Some(oldest) = self.retired.pop_front() {
                self.retired_bytes -= oldest.segment.body.len;
            } else if self.listed.len() > 1 {
                self.unlist();
            } else {
                break;
            }
            count += 1;
        }
        count
    }

    fn unlist(&mut self) -> Option<Listed> {
        let first = self.listed.pop_front()?;
        self.duration -= first.segment.duration;
        self.filled -= filled(&first.segment);
        self.listed_bytes -= first.segment.body.len;
        if first.segment.join == Join::Broken {
            // RFC 8216, 6.2.2: the number counts the tags that have left the playlist.
            self.discontinuity_sequence += 1;
        }
        Some(first)
    }

    fn retire_first(&mut self, now: Monotonic) {
        let Some(Listed { segment, longest }) = self.unlist() else { return };
        // RFC 8216, 6.2.2: for its own duration and that of the longest playlist it was in, counted from
        // its removal. (The second edition counts from its first listing, which ends sooner.)
        let until = now + (segment.duration + longest).to_duration();
        self.retired_bytes += segment.body.len;
        self.retired.push_back(Retired { segment, until });
    }

    /// Lets go of segments whose time is over, though one before them has time left: it was in a longer list.
    fn expire(&mut self, now: Monotonic) {
        let bytes = &mut self.retired_bytes;
        self.retired.retain(|it| {
            let stays = it.until > now;
            *bytes -= if stays { 0 } else { it.segment.body.len };
            stays
        });
    }

    /// RFC 8216, 4.3.4.2: runs of 0.5 to 1.5 target durations count, those with gaps say nothing; those that end
    /// with the newest segment have not been measured yet.
    fn measure_peak(&mut self) {
        let target = self.target.span().ticks();
        let (mut bytes, mut span) = (0, Span::ZERO);
        let newest = self.listed.iter().rev().take_while(|it| it.segment.presence == Presence::There);
        for Listed { segment, .. } in newest {
            bytes += segment.body.len;
            span += segment.duration;
            if 2 * span.ticks() > 3 * target {
                break;
            }
            if 2 * span.ticks() >= target {
                self.peak = self.peak.max(rate(bytes, span));
            }
        }
    }
}

/// How much of a segment is there.
fn filled(segment: &Segment) -> Span {
    match segment.presence {
        Presence::There => segment.duration,
        Presence::Gap => {
            let there = segment.parts.iter().filter(|part| part.presence == Presence::There);
            there.fold(Span::ZERO, |sum, part| sum + part.duration)
        }
    }
}

/// Bits per second, rounded up.
fn rate(bytes: usize, span: Span) -> u64 {
    let bits = bytes as u128 * 8 * TICKS_PER_SECOND as u128;
    let ticks = u128::try_from(span.ticks()).unwrap_or(0).max(1);
    u64::try_from(bits.div_ceil(ticks)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock, SimClock, WallTime};
    use crate::container::ts::Join;
    use crate::segment::Body;

    fn window(config: SegmentConfig) -> Window {
        let clock = SimClock::new(Monotonic::default(), WallTime::default());
        Window::new(&config, Dates::of(&clock.wall()))
    }

    /// A segment more, listed when its media ends.
    fn push(window: &mut Window, millis: i64, len: usize) -> usize {
        let last = window.listed.back().map(|it| Arc::clone(&it.segment));
        let (start, sequence) =
            last.map_or((Pts::default(), 0), |it| (it.start + it.duration, it.sequence + 1));
        let duration = Span::from_millis(millis);
        let body = Body { chunks: Arc::from([]), len };
        let segment = Segment::plain(sequence, start, duration, Join::Continuous, body);
        window.push(segment, (start + duration).to_monotonic())
    }

    #[test]
    fn peak_and_average_rates() {
        /// Milliseconds and bytes of each segment of a list on a grid of 2 s; the peak and the average.
        type Case = (&'static [(i64, usize)], u64, u64);
        let table: &[Case] = &[
            (&[], 0, 0),
            (&[(2000, 2500)], 10_000, 10_000),
            (&[(2000, 2500), (2000, 5000), (2000, 2500)], 20_000, 13_334),
            // A first segment that ends with the next instant of the grid says little about the rate...
            (&[(50, 1000), (2000, 2500)], 13_659, 13_659),
            (&[(50, 1000)], 160_000, 160_000),
            // ...and several that are short count together (2.5 s of 3,000 bytes beside 2 s of 2,000).
            (&[(500, 2000), (500, 500), (1500, 500), (2000, 2000)], 20_000, 8889),
        ];
        for (segments, peak, average) in table {
            let mut window = window(SegmentConfig::default());
            for (millis, len) in *segments {
                push(&mut window, *millis, *len);
            }
            assert_eq!(window.snapshot().rate, Rate { peak: *peak, average: *average }, "{segments:?}");
        }
    }
    #[test]
    fn memory_is_told_to_bind_until_it_no_longer_does() {
        // A minute of segments of 2 s, and as much again to be served, within 100,000 bytes.
        let config =
            SegmentConfig { length: Span::from_millis(60_000), bytes: 100_000, ..SegmentConfig::default() };
        let mut window = window(config);
        let mut turns = Vec::new();
        // Bytes of a segment, how many of them: too many, just about too many, few, too many.
        for (len, count) in [(5000, 100), (1580, 100), (1000, 200), (5000, 100)] {
            for n in 0..count {
                let before = window.bound();
                push(&mut window, 2000, len + n % 3 * 100);
                assert!(window.bytes() <= config.bytes);
                if window.bound() != before {
                    turns.push(window.bound());
                }
            }
        }
        assert_eq!(turns, [Bound::Bytes, Bound::Time, Bound::Bytes]);
    }
}
