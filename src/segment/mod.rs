//! From packets to segments, and the window of those that can be fetched.
//!
//! Belongs here: collecting packets into segments, how many are kept, what readers see. Does not: how a
//! playlist is written, or HTTP.

mod assembler;
mod breaks;
pub mod collector;
pub mod crypt;
pub mod dates;
pub mod driver;
mod gap;
mod keeper;
pub mod ledger;
pub mod low_latency;
mod markers;
pub mod part;
mod resume;
pub mod sequence;
mod store;
pub mod window;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::base::time::TICKS_PER_SECOND;
use crate::base::{Pts, Span};
use crate::container::ts::Join;

pub use crate::ring::Supply;
pub use assembler::TrackKind;
pub use crypt::{Keyring, Seal, Vault, VaultError};
pub use dates::{Correction, Dates};
pub use driver::{Records, Segmenter};
pub use keeper::{Keeper, WindowStats};
pub use ledger::{Boot, Ledger};
pub use low_latency::LowLatency;
pub use markers::Markers;
pub use part::{Edge, Init, Part, PartList};
pub use sequence::{Agreement, Before, Numbering, Placed, Refusal, Sequence};
pub use store::{Discarded, Left, Past, Store};

/// How a stream is cut, and how much of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentConfig {
    /// The distance between two cuts.
    pub target: Span,
    /// How much the playlist lists: at least this once it has run so long, and less than a segment more.
    pub length: Span,
    /// Ceiling for the bytes of all finished segments, those no longer listed included: because they stay
    /// as long as RFC 8216 asks, a window takes twice the bytes of what it lists. The segment being
    /// written comes on top.
    pub bytes: usize,
}

impl Default for SegmentConfig {
    fn default() -> Self {
        Self { target: Span::from_millis(2_000), length: Span::from_millis(15 * 60_000), bytes: 64 << 20 }
    }
}

impl SegmentConfig {
    /// Bytes a segment may have: a quarter of the window, so that the three targets which RFC 8216, 6.2.2
    /// demands fit in, and one that is never ended cannot fill the memory. Larger ones are given up.
    pub fn largest_segment(&self) -> usize {
        self.bytes / 4
    }
}

/// A finished segment. It never changes.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Media sequence number (RFC 8216, 4.3.3.2).
    pub sequence: u64,
    /// PTS of its first unit.
    pub start: Pts,
    /// From its first unit to the first of the next: the exact EXTINF.
    pub duration: Span,
    /// Whether EXT-X-DISCONTINUITY stands before it.
    pub join: Join,
    /// Whether its media are there: all of them. Of a gap, parts that came before it may be.
    pub presence: Presence,
    /// Its bytes; enciphered where there is a key.
    pub body: Body,
    /// What its bytes are enciphered with.
    pub key: Option<Arc<Key>>,
    /// What a decoder must have read before it; a transport stream needs nothing.
    pub init: Option<Arc<Init>>,
    /// Its parts, if it was offered in parts; the bytes of those that are there are together `body`.
    pub parts: PartList,
}

/// Whether the media of a segment are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Presence {
    /// They can be fetched.
    There,
    /// They were lost: EXT-X-GAP (rfc8216bis, 4.4.4.7).
    Gap,
}

/// What segments are enciphered with: AES-128, CBC, the media sequence number as initialisation vector
/// (RFC 8216, 4.3.2.4 and 5.2).
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Names it: `{number}.key`.
    pub number: u64,
    /// The sixteen bytes that are fetched under that name.
    pub secret: [u8; 16],
}

impl std::fmt::Debug for Key {
    /// Without the secret: this is for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Segment {
    /// A segment of a transport stream, in the clear and whole.
    pub fn plain(sequence: u64, start: Pts, duration: Span, join: Join, body: Body) -> Self {
        let (presence, parts) = (Presence::There, PartList::default());
        Self { sequence, start, duration, join, presence, body, key: None, init: None, parts }
    }

    /// A segment whose media were lost.
    pub fn gap(sequence: u64, start: Pts, duration: Span, join: Join) -> Self {
        Self { presence: Presence::Gap, ..Self::plain(sequence, start, duration, join, Body::default()) }
    }
}

/// The bytes of a segment, in the pieces in which they came out of the ring; cloning copies nothing.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The pieces in order.
    pub chunks: Arc<[Bytes]>,
    /// Their length together.
    pub len: usize,
}

/// The largest EXTINF a playlist will ever have, rounded to whole seconds; never changes (RFC 8216, 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetDuration(pub u32);

impl TargetDuration {
    /// How much later than its instant of the grid a cut can fall: one unit, 43 ms for a frame of HE-AAC,
    /// 100 ms for a picture at 10 per second, and a little as no camera keeps its rate to the tick.
    pub(super) const CUT_DELAY: Span = Span::from_millis(110);

    /// For segments cut on a grid of `target`: no whole one, rounded to the nearest second, exceeds it.
    pub fn of(target: Span) -> Self {
        let longest = (target + Self::CUT_DELAY).ticks();
        let seconds = (longest + TICKS_PER_SECOND / 2).div_euclid(TICKS_PER_SECOND);
        Self(u32::try_from(seconds).unwrap_or(u32::MAX).max(1))
    }

    /// Its whole seconds.
    pub fn span(self) -> Span {
        Span::from_ticks(i64::from(self.0) * TICKS_PER_SECOND)
    }

    /// What at least is left of a playlist when a segment goes (RFC 8216, 6.2.2: three target durations). So far from
    /// its end parts are told (rfc8216bis, 6.2.2).
    pub fn least_window(self) -> Span {
        Span::from_ticks(3 * self.span().ticks())
    }

    /// The skip boundary: so far from the end, deltas tell everything in full (rfc8216bis, 4.4.3.8: no less than six
    /// target durations).
    pub fn skip_boundary(self) -> Span {
        Span::from_ticks(6 * self.span().ticks())
    }

    /// What every segment is shorter than (RFC 8216, 4.3.3.1: rounded to the nearest).
    pub fn limit(self) -> Span {
        self.span() + Span::from_ticks(TICKS_PER_SECOND / 2)
    }

    /// Whether EXT-X-TARGETDURATION allows a segment this long.
    pub fn allows(self, duration: Span) -> bool {
        duration < self.limit()
    }
}

/// Bits per second of whole segments, transport overhead included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// The largest so far of any run of segments that lasts 0.5 to 1.5 target durations: the "peak segment
    /// bit rate" that BANDWIDTH tells (RFC 8216, 4.3.4.2). Never below `average`.
    pub peak: u64,
    /// Of all segments in the window: AVERAGE-BANDWIDTH.
    pub average: u64,
}

/// What can be fetched at one moment: immutable, replaced whole.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The segments of the playlist, oldest first, consecutive in sequence; may be empty at first.
    pub listed: Arc<[Arc<Segment>]>,
    /// Segments no longer listed that must still be served (RFC 8216, 6.2.2), oldest first.
    pub retired: Arc<[Arc<Segment>]>,
    /// EXT-X-DISCONTINUITY-SEQUENCE of the first listed segment, whose own tag is not counted in it.
    pub discontinuity_sequence: u64,
    /// EXT-X-TARGETDURATION.
    pub target: TargetDuration,
    /// Dates of everything listed.
    pub dates: Dates,
    /// Where the list ended when they changed last; what was told before then has other ones.
    pub redated: Option<Pts>,
    /// Measured bit rates.
    pub rate: Rate,
    /// The segment being written, where it is offered in parts.
    pub edge: Option<Arc<Edge>>,
    /// What happened when.
    pub markers: Markers,
}

impl Snapshot {
    /// Where the oldest segment begins that can still be fetched.
    pub fn start(&self) -> Option<Pts> {
        self.retired.first().or(self.listed.first()).map(|segment| segment.start)
    }

    /// What one playlist can name: the segments listed, after those no longer listed that lead up to them without a
    /// number missing. What came before a fresh beginning is not among them.
    pub fn kept(&self) -> [&[Arc<Segment>]; 2] {
        let (retired, first) = (&*self.retired, self.listed.first().map_or(0, |it| it.sequence));
        let leads = |(next, it): (u64, &Arc<Segment>)| it.sequence.checked_add(next) == Some(first);
        let count = (1..).zip(retired.iter().rev()).take_while(|it| leads(*it)).count();
        [&retired[retired.len() - count..], &self.listed]
    }

    /// From when to when that is; `None` if nothing is kept.
    pub fn span(&self) -> Option<Range<Pts>> {
        let [retired, listed] = self.kept();
        let (first, last) = (retired.first().or(listed.first())?, listed.last()?);
        Some(first.start..last.start + last.duration)
    }
}

/// The segment now being written, as far as it has come; for the endless stream.
///
/// A segment that has to be given up (its end was lost) leaves its number to the next one: the chunks then
/// begin anew under the same number.
#[derive(Clone, Debug)]
pub struct Tail {
    /// The media sequence number it will have.
    pub sequence: u64,
    /// Its packets so far, from the PAT on.
    pub chunks: Arc<[Bytes]>,
}

/// Who is told what is new. Called by the segmenter; must return at once.
pub trait Shelf: Send + std::marker::Sync {
    /// The list changed: a segment more, some fewer, or other dates.
    fn list(&self, snapshot: Arc<Snapshot>);

    /// The segment being written grew, or a new one began.
    fn extend(&self, tail: Tail);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_segment_on_the_grid_exceeds_the_target_duration() {
        for (target, seconds) in
            [(100, 1), (1000, 1), (2000, 2), (2389, 2), (2390, 3), (2500, 3), (10_000, 10)]
        {
            let target = Span::from_millis(target);
            assert_eq!(TargetDuration::of(target).0, seconds, "{target:?}");
            for frame in [1920, 3840, 9900] {
                assert!(TargetDuration::of(target).allows(target + Span::from_ticks(frame)), "{target:?}");
            }
        }
        let two = TargetDuration(2);
        assert!(two.allows(Span::from_ticks(224_999)) && !two.allows(Span::from_ticks(225_000)));
    }
}
