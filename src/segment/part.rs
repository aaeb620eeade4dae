//! Parts of segments, which can be fetched before the segment is complete (rfc8216bis, 3.2).
//!
//! Belongs here: what a part, and the segment being written, are to readers. Does not: making them.

use std::sync::Arc;

use bytes::Bytes;

use super::Body;
use crate::base::{Pts, Span};
use crate::container::ts::Join;
use crate::media::Entry;

/// A part of a segment. It never changes.
#[derive(Clone, Debug)]
pub struct Part {
    /// PTS of its first unit.
    pub start: Pts,
    /// How long it is; never more than the part target.
    pub duration: Span,
    /// Whether decoding can begin with it: INDEPENDENT.
    pub entry: Entry,
    /// Its bytes, shared with those of its segment.
    pub body: Body,
}

/// What a decoder must have read before a segment: the Media Initialization Section (rfc8216bis, 3.1.2).
#[derive(Clone, Debug)]
pub struct Init {
    /// Names it: `init-{number}.mp4`; another number wherever the bytes are others.
    pub number: u64,
    /// A whole `ftyp` and `moov`.
    pub bytes: Bytes,
}

/// The segment being written, as far as its parts are complete.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The media sequence number it will have.
    pub sequence: u64,
    /// PTS of its first unit.
    pub start: Pts,
    /// Whether EXT-X-DISCONTINUITY stands before it.
    pub join: Join,
    /// What a decoder must have read before it.
    pub init: Arc<Init>,
    /// Its parts so far, oldest first; none at first.
    pub parts: Vec<Part>,
    /// PART-TARGET: never changes.
    pub part_target: Span,
}
