//! A segment as it is described in the store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Listing;
use crate::base::{Monotonic, Pts, Span};
use crate::container::ts::Join;
use crate::media::Entry as Entrance;
use crate::segment::{Body, Dates, Init, Key, Part, PartList, Presence, Segment};

/// Larger numbers are not ours: players count in floating point, whole up to 2^53.
const LARGEST: u64 = 1 << 53;
/// Later or earlier is nothing on the media clock, which began when the machine did: two hundred years.
const FARTHEST: i64 = 1 << 49;

/// What is known of a segment but for its bytes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    discontinuities: u64,
    gaps: Vec<Stretch>,
    segment: Stretch,
    presence: Presence,
    listed: Monotonic,
    front: Option<(u64, Pts)>,
    key: Option<(u64, [u8; 16])>,
    /// The number of what a decoder must have read before, and how many of the bytes are that: the first.
    init: Option<(u64, usize)>,
    parts: Vec<PartEntry>,
    pub(super) dates: Dates,
    pub(super) suspended: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stretch {
    sequence: u64,
    start: Pts,
    duration: Span,
    join: Join,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartEntry {
    start: Pts,
    duration: Span,
    entry: Entrance,
    presence: Presence,
    len: usize,
}

impl Stretch {
    fn of(segment: &Segment) -> Self {
        let Segment { sequence, start, duration, join, .. } = *segment;
        Self { sequence, start, duration, join }
    }

    fn gap(&self) -> Option<Segment> {
        let sound = self.sequence < LARGEST && is_sound(self.start, self.duration);
        sound.then(|| Segment::gap(self.sequence, self.start, self.duration, self.join))
    }
}

/// Whether it can be reckoned with.
fn is_sound(start: Pts, duration: Span) -> bool {
    (-FARTHEST..FARTHEST).contains(&start.ticks()) && (0..FARTHEST).contains(&duration.ticks())
}

impl Entry {
    /// Of a segment that is `listed` now in a list that begins with `front`, after those gaps, before which so many
    /// discontinuities were told.
    pub(super) fn of(
        segment: &Segment,
        (discontinuities, gaps): (u64, Vec<Segment>),
        listed: Monotonic,
        front: Option<(u64, Pts)>,
        (dates, suspended): (Dates, Duration),
    ) -> Self {
        let part = |Part { start, duration, entry, presence, body }: &Part| PartEntry {
            start: *start,
            duration: *duration,
            entry: *entry,
            presence: *presence,
            len: body.len,
        };
        Self {
            discontinuities,
            gaps: gaps.iter().map(Stretch::of).collect(),
            segment: Stretch::of(segment),
            presence: segment.presence,
            listed,
            front,
            key: segment.key.as_ref().map(|key| (key.number, key.secret)),
            init: segment.init.as_ref().map(|init| (init.number, init.bytes.len())),
            parts: segment.parts.iter().map(part).collect(),
            dates,
            suspended,
        }
    }

    /// The bytes that it is of.
    pub(super) fn bytes(segment: &Segment) -> impl Iterator<Item = &[u8]> + Clone {
        let init = segment.init.iter().map(|init| &*init.bytes);
        init.chain(segment.body.chunks.iter().map(|chunk| &**chunk))
    }

    /// The segment, with these bytes; `None` if that cannot be.
    pub(super) fn listing(self, bytes: &Bytes, before: Option<&Segment>) -> Option<Listing> {
        let gaps: Option<Vec<_>> = self.gaps.iter().map(Stretch::gap).collect();
        let gaps = gaps?;
        let mut segment = self.segment.gap()?;
        // One follows the other.
        let numbers = gaps.iter().chain([&segment]).map(|it| it.sequence);
        if !numbers.clone().zip(numbers.skip(1)).all(|(one, next)| one + 1 == next) {
            return None;
        }
        let sound = self.discontinuities < LARGEST
            && self.dates.are_sound()
            && self.front.is_none_or(|(_, start)| is_sound(start, Span::ZERO))
            && (0..i64::MAX / 2).contains(&self.listed.as_nanos());
        if !sound {
            return None;
        }
        segment.presence = self.presence;
        segment.key = self.key.map(|(number, secret)| Arc::new(Key { number, secret }));
        let mut rest = bytes.clone();
        if let Some((number, len)) = self.init {
            let init = Init { number, bytes: take(&mut rest, len)? };
            let known = before.and_then(|it| it.init.as_ref());
            let same = known.filter(|it| it.number == init.number && it.bytes == init.bytes);
            segment.init = Some(same.map_or_else(|| Arc::new(init), Arc::clone));
        }
        segment.body = whole(rest.clone());
        let Self { discontinuities, listed, front, parts, .. } = self;
        segment.parts = parts.into_iter().map(|part| part.of(&mut rest)).collect::<Option<PartList>>()?;
        if !segment.parts.is_empty() && !rest.is_empty() {
            return None;
        }
        Some(Listing { discontinuities, gaps, segment, listed, front })
    }
}

impl PartEntry {
    fn of(self, rest: &mut Bytes) -> Option<Part> {
        let Self { start, duration, entry, presence, len } = self;
        let body = whole(take(rest, len)?);
        is_sound(start, duration).then_some(Part { start, duration, entry, presence, body })
    }
}

/// The same segment, whose media lie in these bytes.
pub(super) fn moved(segment: Segment, mut bytes: Bytes) -> Segment {
    let init = segment.init.as_ref().map_or(0, |init| init.bytes.len());
    let mut media = bytes.split_off(init);
    let body = whole(media.clone());
    let parts = segment.parts.iter().map(|part| {
        let body = whole(media.split_to(part.body.len));
        Part { body, ..part.clone() }
    });
    Segment { parts: parts.collect(), body, ..segment }
}

fn whole(bytes: Bytes) -> Body {
    let len = bytes.len();
    if len == 0 { Body::default() } else { Body { chunks: Arc::new([bytes]), len } }
}

fn take(rest: &mut Bytes, len: usize) -> Option<Bytes> {
    (len <= rest.len()).then(|| rest.split_to(len))
}
