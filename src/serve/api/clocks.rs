//! One instant, as each clock tells it.

use std::sync::Arc;

use serde::Serialize;

use crate::base::time::TICKS_PER_SECOND;
use crate::base::{Pts, Span};
use crate::segment::{Dates, Segment, Snapshot};
use crate::serve::station::Station;

/// One instant in every clock there is.
#[derive(Debug, Serialize)]
pub(super) struct Instant {
    /// RFC 3339, in UTC.
    wall: String,
    /// Of the media clock, as in the stream's timestamps, not wrapped.
    media_seconds: f64,
    /// CLOCK_MONOTONIC of the box.
    monotonic_ns: i64,
    /// Where it is found; missing if nothing of it is listed.
    segment: Option<Place>,
}

/// A place in the media.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Place {
    media_sequence: u64,
    /// From the beginning of that segment.
    offset_seconds: f64,
}

/// How a stream's clocks stand to each other at one moment.
#[derive(Debug)]
pub(super) struct Clocks {
    dates: Dates,
    listed: Arc<[Arc<Segment>]>,
}

impl Clocks {
    /// As the first rendition lists it.
    pub(super) fn of(station: &Station) -> Self {
        let snapshot = station.first().and_then(|rendition| rendition.snapshot());
        let unlisted = || Self { dates: Dates::of(&station.clock().wall()), listed: Arc::from([]) };
        snapshot.map_or_else(unlisted, |it| Self::at(&it))
    }

    fn at(snapshot: &Snapshot) -> Self {
        Self { dates: snapshot.dates, listed: snapshot.listed.clone() }
    }

    pub(super) fn dates(&self) -> &Dates {
        &self.dates
    }

    /// The dates of what is listed, if anything is.
    pub(super) fn listed_dates(&self) -> Option<Dates> {
        (!self.listed.is_empty()).then_some(self.dates)
    }

    /// What they all say at `at`.
    pub(super) fn tell(&self, at: Pts) -> Instant {
        Instant {
            wall: self.dates.at(at).to_string(),
            media_seconds: at.ticks() as f64 / TICKS_PER_SECOND as f64,
            monotonic_ns: at.to_monotonic().as_nanos(),
            segment: self.place(at),
        }
    }

    fn place(&self, at: Pts) -> Option<Place> {
        let index = self.listed.partition_point(|it| it.start <= at).checked_sub(1)?;
        let segment = &self.listed[index];
        let offset = at - segment.start;
        let within = (Span::ZERO..segment.duration).contains(&offset);
        within.then(|| Place { media_sequence: segment.sequence, offset_seconds: offset.as_secs_f64() })
    }
}
