//! From packets to segments, and the window of those that can be fetched.
//!
//! Belongs here: collecting packets into segments, how many are kept, what readers see. Does not: how a
//! playlist is written, or HTTP.

use std::sync::Arc;

use bytes::Bytes;

use crate::base::{Monotonic, Pts, Span, Sync, WallReading, WallTime};
use crate::container::ts::Join;

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
    /// Its bytes.
    pub body: Body,
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

/// Bits per second of whole segments, transport overhead included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// The largest of any segment so far: BANDWIDTH (RFC 8216, 4.3.4.2).
    pub peak: u64,
    /// Of all segments in the window: AVERAGE-BANDWIDTH.
    pub average: u64,
}

/// The mapping from media time to civil time, for the whole window at once, so that setting the clock
/// corrects every date and moves no media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    offset_nanos: i64,
    /// Whether the dates deserve belief.
    pub sync: Sync,
}

impl Dates {
    /// The mapping this reading shows.
    pub fn of(reading: &WallReading) -> Self {
        Self { offset_nanos: reading.offset_nanos(), sync: reading.sync }
    }

    /// Civil time of a media instant: PROGRAM-DATE-TIME.
    pub fn at(&self, pts: Pts) -> WallTime {
        self.at_monotonic(pts.to_monotonic())
    }

    /// Civil time of a monotonic instant.
    pub fn at_monotonic(&self, instant: Monotonic) -> WallTime {
        WallTime::from_unix_nanos(instant.as_nanos().saturating_add(self.offset_nanos))
    }
}

/// What can be fetched at one moment: immutable, replaced whole.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The segments of the playlist, oldest first, consecutive in sequence; may be empty at first.
    pub listed: Vec<Arc<Segment>>,
    /// Segments no longer listed that must still be served (RFC 8216, 6.2.2), oldest first.
    pub retired: Vec<Arc<Segment>>,
    /// EXT-X-DISCONTINUITY-SEQUENCE of the first listed segment, whose own tag is not counted in it.
    pub discontinuity_sequence: u64,
    /// EXT-X-TARGETDURATION.
    pub target: TargetDuration,
    /// Dates of everything listed.
    pub dates: Dates,
    /// Measured bit rates.
    pub rate: Rate,
}

/// The segment now being written, as far as it has come; for the endless stream.
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
