//! Markers as timed metadata.
//!
//! Belongs here: handing on what is to be said of markers within the stream. Does not: setting them, or the tag's bytes.

use std::sync::Arc;

use crate::base::{Clock, Pts, Span};
use crate::container::id3;
use crate::media::marker::Marker;
use crate::ring::spsc::Consumer;

/// So much passes between two: what a program sets in a burst must not multiply the bit rate of a radio, which players
/// are told once and for all.
const PAUSE: Span = Span::from_millis(250);

/// Tells of markers beside the units that are written when they are set and when they end: the one thing that comes
/// from the serving side, by a ring of its own on which neither side waits.
pub(super) struct Notices {
    ring: Consumer<Option<Arc<Marker>>>,
    /// When one was told last.
    told: Option<Pts>,
    tag: Vec<u8>,
}

impl Notices {
    pub(super) fn new(ring: Consumer<Option<Arc<Marker>>>) -> Self {
        Self { ring, told: None, tag: Vec::new() }
    }

    /// The tag of the next one, if there is one and it is its turn beside the unit at `unit`. Only then memory is taken.
    pub(super) fn tag(&mut self, unit: Pts, clock: &dyn Clock) -> Option<&[u8]> {
        if self.told.is_some_and(|told| (Span::ZERO..PAUSE).contains(&(unit - told))) {
            return None;
        }
        let marker = self.ring.read().first()?;
        self.told = Some(unit);
        self.tag.clear();
        if let Some(marker) = marker {
            let reading = clock.wall();
            id3::write_marker(marker, |at| reading.at(at.to_monotonic()), &mut self.tag);
        }
        self.ring.release(1);
        Some(&self.tag)
    }
}
