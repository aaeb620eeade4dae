//! Parts of segments, which can be fetched before the segment is complete (rfc8216bis, 3.2).
//!
//! Belongs here: what a part, and the segment being written, are to readers. Does not: making them.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Body, Presence};
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
    /// Whether its media are there: GAP.
    pub presence: Presence,
    /// Its bytes, shared with those of its segment.
    pub body: Body,
}

/// Parts of a segment, oldest first. Whoever has one keeps what was in it; one more costs that part alone, as all
/// share the same places, of which each is filled once.
#[derive(Clone, Default)]
pub struct PartList {
    places: Arc<[OnceLock<Part>]>,
    len: usize,
}

impl PartList {
    /// Room for the parts of 2 s, mostly.
    const ROOM: usize = 12;

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The part of this number, counted from 0.
    pub fn get(&self, index: usize) -> Option<&Part> {
        self.places[..self.len].get(index)?.get()
    }

    /// The newest.
    pub fn last(&self) -> Option<&Part> {
        self.get(self.len.checked_sub(1)?)
    }

    /// All, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Part> {
        self.places[..self.len].iter().filter_map(OnceLock::get)
    }

    /// Adds one; readers of copies do not see it.
    pub fn push(&mut self, part: Part) {
        // Full, or a copy has gone another way.
        let taken = self.places.get(self.len).is_none_or(|place| place.get().is_some());
        if taken {
            let room = Self::ROOM.max(2 * self.len);
            let known = self.iter().cloned().map(OnceLock::from);
            self.places = known.chain(std::iter::repeat_with(OnceLock::new)).take(room).collect();
        }
        if self.places[self.len].set(part).is_ok() {
            self.len += 1;
        }
    }
}

impl FromIterator<Part> for PartList {
    fn from_iter<T: IntoIterator<Item = Part>>(parts: T) -> Self {
        let mut list = Self::default();
        parts.into_iter().for_each(|part| list.push(part));
        list
    }
}

impl fmt::Debug for PartList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
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
    pub parts: PartList,
    /// PART-TARGET: never changes.
    pub part_target: Span,
}

impl Edge {
    /// Where its media end so far.
    pub(super) fn end(&self) -> Pts {
        self.parts.last().map_or(self.start, |part| part.start + part.duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_keep_what_was_in_them_whoever_adds_to_which() {
        let part = |ticks| Part {
            start: Pts::from_ticks(ticks),
            duration: Span::from_millis(200),
            entry: Entry::Key,
            presence: Presence::There,
            body: Body::default(),
        };
        let starts = |list: &PartList| list.iter().map(|it| it.start.ticks()).collect::<Vec<_>>();
        let mut list = PartList::default();
        assert!(list.is_empty() && list.get(0).is_none() && list.last().is_none());
        let copies: Vec<_> = (0..100)
            .map(|n| {
                list.push(part(n));
                list.clone()
            })
            .collect();
        for (copy, n) in copies.iter().zip(1..) {
            assert_eq!(starts(copy), (0..n).collect::<Vec<_>>());
            assert_eq!((copy.len(), copy.last().map(|it| it.start.ticks())), (n as usize, Some(n - 1)));
            assert!(copy.get(copy.len()).is_none());
        }
        let mut other = copies[4].clone();
        other.push(part(1000));
        assert_eq!((starts(&other), starts(&copies[5])), (vec![0, 1, 2, 3, 4, 1000], vec![0, 1, 2, 3, 4, 5]));
    }
}
