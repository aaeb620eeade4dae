//! Markers as timed metadata.
//!
//! Belongs here: handing on what is to be said of markers within the stream. Does not: setting them, or the tag's bytes.

use std::sync::Arc;

use crate::base::{Pts, Span, WallTime};
use crate::container::id3;
use crate::media::marker::Marker;
use crate::ring::spsc::Consumer;

/// So much passes between two: what a program sets in a burst must not multiply the bit rate of a radio, which players
/// are told once and for all.
const PAUSE: Span = Span::from_millis(250);

/// Civil time of media instants, told without waiting: those before the machine was suspended keep theirs.
pub(super) type Dates = Box<dyn Fn(Pts) -> WallTime + Send>;

/// Tells of markers beside the units that are written when they are set and when they end: the one thing that comes
/// from the serving side, by a ring of its own on which neither side waits.
pub(super) struct Notices {
    ring: Consumer<Option<Arc<Marker>>>,
    dates: Dates,
    /// When one was told last.
    told: Option<Pts>,
    tag: Vec<u8>,
}

impl Notices {
    pub(super) fn new(ring: Consumer<Option<Arc<Marker>>>, dates: Dates) -> Self {
        Self { ring, dates, told: None, tag: Vec::new() }
    }

    /// The tag of the next one, if there is one and it is its turn beside the unit at `unit`. Only then memory is taken.
    pub(super) fn tag(&mut self, unit: Pts) -> Option<&[u8]> {
        if self.told.is_some_and(|told| (Span::ZERO..PAUSE).contains(&(unit - told))) {
            return None;
        }
        let marker = self.ring.read().first()?;
        self.told = Some(unit);
        self.tag.clear();
        if let Some(marker) = marker {
            id3::write_marker(marker, &self.dates, &mut self.tag);
        }
        self.ring.release(1);
        Some(&self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::marker::{MarkerId, MarkerKind};
    use crate::ring::spsc;

    #[test]
    fn both_ends_of_a_suspension_have_their_own_dates_and_one_follows_the_other_slowly() {
        let at = |millis: i64| Pts::default() + Span::from_millis(millis);
        let (mut told, ring) = spsc::channel(4);
        // Asleep for an hour, 10 s after the beginning.
        let dates = move |pts: Pts| {
            let slept = if pts < at(10_000) { 0 } else { 3_600_000_000_000 };
            WallTime::from_unix_nanos(pts.to_monotonic().as_nanos() + slept)
        };
        let mut notices = Notices::new(ring, Box::new(dates));
        assert_eq!(notices.tag(at(0)), None);
        for (from, to) in [(8_000, Some(12_000)), (13_000, None)] {
            let marker = Marker {
                id: MarkerId::new(1, 1),
                kind: MarkerKind::GAP,
                from: at(from),
                to: to.map(at),
                level: None,
                label: None,
                edition: 0,
            };
            *told.slot().expect("room") = Some(Arc::new(marker));
            told.publish();
        }
        let mut text = |millis| notices.tag(at(millis)).map(|tag| String::from_utf8_lossy(tag).into_owned());
        let first = text(13_000).expect("it is its turn");
        assert!(first.contains("from\x001970-01-01T00:00:08.000Z"), "{first:?}");
        assert!(first.contains("to\x001970-01-01T01:00:12.000Z"), "{first:?}");
        assert_eq!(text(13_249), None);
        assert!(text(13_250).is_some_and(|tag| tag.contains("from\x001970-01-01T01:00:13.000Z")));
        assert_eq!(text(14_000), None);
    }
}
