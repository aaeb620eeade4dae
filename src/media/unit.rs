//! A coded unit that has memory of its own, on its way from thread to thread.

use crate::base::{Monotonic, Pts};

use super::{Entry, Packet, Track};

/// How a unit joins the one before it on its track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It goes on.
    Follows,
    /// A segment begins with it.
    Begins,
    /// A segment begins with it, after units that were left out: time runs on.
    Resumes,
    /// A segment begins with it that need not follow what came before.
    Breaks,
}

/// Whether a part of a segment (rfc8216bis, 3.2) is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartEnd {
    /// It goes on with the next unit.
    Open,
    /// This unit is its last.
    Closes,
    /// This unit is its last, and that of its segment.
    Ends,
}

/// A coded unit in a ring's slot, whose memory is used again and again.
#[derive(Clone, Debug)]
pub struct Unit {
    /// How it joins the unit before.
    pub place: Place,
    /// Whether it ends a part.
    pub part: PartEnd,
    /// Whether one can start here.
    pub entry: Entry,
    /// When it is shown or heard.
    pub pts: Pts,
    /// When it is decoded; never after `pts`.
    pub dts: Pts,
    /// When it was handed over.
    pub arrived: Monotonic,
    /// The coded bytes, as in [`Packet`].
    pub data: Vec<u8>,
}

impl Unit {
    /// The unit, as one of `track`.
    pub fn packet(&self, track: Track) -> Packet<'_> {
        Packet { track, pts: self.pts, dts: self.dts, entry: self.entry, data: &self.data }
    }
}

impl Default for Unit {
    fn default() -> Self {
        let (pts, arrived) = (Pts::default(), Monotonic::default());
        Self {
            place: Place::Follows,
            part: PartEnd::Open,
            entry: Entry::Dependent,
            pts,
            dts: pts,
            arrived,
            data: Vec::new(),
        }
    }
}
