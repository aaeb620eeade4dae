//! One instant, as each clock tells it.

use std::io::Write;
use std::sync::Arc;

use super::value;
use crate::base::time::TICKS_PER_SECOND;
use crate::base::{Monotonic, Pts, Span, WallTime};
use crate::segment::{Dates, Segment, Snapshot};
use crate::serve::station::Station;

/// One instant in every clock there is.
#[derive(Debug)]
pub(super) struct Instant {
    /// RFC 3339, in UTC.
    wall: WallTime,
    /// Of the media clock, as in the stream's timestamps, not wrapped.
    media_seconds: f64,
    /// CLOCK_MONOTONIC of the box.
    monotonic_ns: i64,
    /// Where it is found; missing if nothing of it is listed.
    segment: Option<Place>,
}

impl Instant {
    /// As JSON.
    pub(super) fn put(&self, text: &mut Vec<u8>) {
        // Writing to a vector cannot fail.
        let _ = write!(text, "{{\"wall\":\"{}\",\"media_seconds\":", self.wall);
        value(text, &self.media_seconds);
        text.extend_from_slice(b",\"monotonic_ns\":");
        value(text, &self.monotonic_ns);
        text.extend_from_slice(b",\"segment\":");
        match self.segment {
            Some(Place { media_sequence, offset_seconds }) => {
                text.extend_from_slice(b"{\"media_sequence\":");
                value(text, &media_sequence);
                text.extend_from_slice(b",\"offset_seconds\":");
                value(text, &offset_seconds);
                text.push(b'}');
            }
            None => value(text, &()),
        }
        text.push(b'}');
    }
}

/// A place in the media.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    media_sequence: u64,
    /// From the beginning of that segment.
    offset_seconds: f64,
}

/// What is further from the clock's zero is no time of any stream: thirty years.
const FAR: Span = Span::from_ticks(30 * 366 * 86_400 * TICKS_PER_SECOND);

/// One instant, as one clock tells it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reading {
    Wall(WallTime),
    Media(Pts),
    Monotonic(Monotonic),
    /// A media sequence number, and how far from the beginning of that segment.
    Segment(u64, Span),
}

/// Why there is no such instant.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub(super) enum NoInstant {
    #[error("segment {0} is not listed; it has left the window, or has not come yet")]
    Unlisted(u64),
    #[error("segment {0} lasts {seconds} s, and {seconds} s from its beginning is the last there is of it", seconds = .1.as_secs_f64())]
    Beyond(u64, Span),
    #[error("that is further away than any stream lasts")]
    Far,
}

impl Reading {
    /// Of seconds as programs write them; what no clock shows becomes the farthest there is.
    pub(super) fn media(seconds: f64) -> Self {
        Self::Media(Pts::default() + span(seconds))
    }

    /// The same from the beginning of a segment.
    pub(super) fn segment(sequence: u64, seconds: f64) -> Self {
        Self::Segment(sequence, span(seconds))
    }
}

/// Twice as much as is too far stands for all that is more.
fn span(seconds: f64) -> Span {
    let far = 2.0 * FAR.ticks() as f64;
    Span::from_ticks((seconds * TICKS_PER_SECOND as f64).round().clamp(-far, far) as i64)
}

/// How a stream's clocks stand to each other at one moment.
#[derive(Debug)]
pub(super) struct Clocks {
    dates: Dates,
    listed: Arc<[Arc<Segment>]>,
}

/// When clocks were looked at: at one moment all instants are told alike.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(super) enum Moment {
    /// When these were the first segment and the last, whose numbers are never used again.
    Listed(Dates, [u64; 2]),
    /// Before anything was; the civil time of the clock's zero, to the millisecond, as instants are told.
    Before(WallTime),
}

impl Clocks {
    /// As the first rendition lists it: so they are told now.
    pub(super) fn of(station: &Station) -> Self {
        let snapshot = station.first().and_then(|rendition| rendition.snapshot());
        let unlisted = || Self { dates: Dates::of(&station.clock().wall()), listed: Arc::from([]) };
        let clocks = snapshot.map_or_else(unlisted, |it| Self::at(&it));
        if let Some(dates) = clocks.listed_dates() {
            station.dating().tell(dates, station.timeline().shown().revision);
        }
        clocks
    }

    pub(super) fn at(snapshot: &Snapshot) -> Self {
        Self { dates: snapshot.dates, listed: snapshot.listed.clone() }
    }

    pub(super) fn dates(&self) -> &Dates {
        &self.dates
    }

    /// When that is.
    pub(super) fn moment(&self) -> Moment {
        if let (Some(first), Some(last)) = (self.listed.first(), self.listed.last()) {
            return Moment::Listed(self.dates, [first.sequence, last.sequence]);
        }
        let zero = self.dates.at(Pts::default()).as_unix_nanos();
        Moment::Before(WallTime::from_unix_nanos(zero - zero.rem_euclid(1_000_000)))
    }

    /// The dates of what is listed, if anything is.
    pub(super) fn listed_dates(&self) -> Option<Dates> {
        (!self.listed.is_empty()).then_some(self.dates)
    }

    /// Who tells what they all say at one instant after another.
    pub(super) fn teller(&self) -> Teller<'_> {
        Teller { clocks: self, near: 0 }
    }

    /// The instant of a reading.
    pub(super) fn find(&self, reading: Reading) -> Result<Pts, NoInstant> {
        let at = match reading {
            Reading::Wall(wall) => self.dates.instant(wall),
            Reading::Media(at) => at,
            Reading::Monotonic(at) => at.to_pts(),
            Reading::Segment(sequence, offset) => {
                let found = self.listed.binary_search_by_key(&sequence, |it| it.sequence);
                let segment = &self.listed[found.map_err(|_| NoInstant::Unlisted(sequence))?];
                if !(Span::ZERO..=segment.duration).contains(&offset) {
                    return Err(NoInstant::Beyond(sequence, segment.duration));
                }
                segment.start + offset
            }
        };
        let far = (at - Pts::default()).abs() > FAR;
        (!far).then_some(at).ok_or(NoInstant::Far)
    }
}

/// Tells instants, most of which come soon after the one before.
pub(super) struct Teller<'a> {
    clocks: &'a Clocks,
    /// Which segment had the last that was told.
    near: usize,
}

impl Teller<'_> {
    /// What all clocks say at `at`.
    pub(super) fn tell(&mut self, at: Pts) -> Instant {
        Instant {
            wall: self.clocks.dates.at(at),
            media_seconds: at.ticks() as f64 / TICKS_PER_SECOND as f64,
            monotonic_ns: at.to_monotonic().as_nanos(),
            segment: self.place(at),
        }
    }

    fn place(&mut self, at: Pts) -> Option<Place> {
        let listed = &self.clocks.listed;
        let begins = |index: usize| listed.get(index).is_some_and(|it| it.start <= at);
        // From where the last was found on, in growing steps: a search through all of six hours takes far longer.
        let (mut from, mut end, mut step) = (0, self.near, 1);
        if begins(self.near) {
            (from, end) = (self.near, self.near + 1);
            while begins(end) {
                (from, end, step) = (end, end + step, step * 2);
            }
        }
        let end = end.min(listed.len());
        let begun = from + listed[from..end].partition_point(|it| it.start <= at);
        self.near = begun.checked_sub(1)?;
        let segment = &listed[self.near];
        let offset = at - segment.start;
        let within = (Span::ZERO..segment.duration).contains(&offset);
        within.then(|| Place { media_sequence: segment.sequence, offset_seconds: offset.as_secs_f64() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::live::tests::{segment, snapshot};
    use proptest::prelude::*;

    #[test]
    fn what_no_segment_has_is_told_in_words() {
        let clocks = Clocks::at(&snapshot([7, 8].map(segment).to_vec()));
        let table = [
            (Reading::segment(6, 0.0), "segment 6 is not listed"),
            (Reading::segment(9, 0.0), "segment 9 is not listed"),
            (Reading::segment(7, -0.1), "segment 7 lasts 2 s"),
            (Reading::segment(7, 2.1), "segment 7 lasts 2 s"),
            (Reading::media(1e300), "further away"),
            (Reading::Wall(WallTime::from_unix_nanos(i64::MIN)), "further away"),
            (Reading::Monotonic(Monotonic::from_nanos(i64::MAX)), "further away"),
        ];
        for (reading, words) in table {
            let why = clocks.find(reading).expect_err("no such instant").to_string();
            assert!(why.contains(words), "{reading:?}: {why}");
        }
        assert_eq!(clocks.find(Reading::segment(7, 2.0)), clocks.find(Reading::segment(8, 0.0)));
    }

    proptest! {
        // Segments that are missing leave time out: a discontinuity.
        #[test]
        fn what_is_told_leads_back(
            listed in proptest::collection::btree_set(0u64..30, 1..20),
            before in -900_000i64..7_000_000, ticks in -900_000i64..7_000_000,
        ) {
            let clocks = Clocks::at(&snapshot(listed.iter().copied().map(segment).collect()));
            let at = Pts::from_ticks(ticks);
            let mut teller = clocks.teller();
            teller.tell(Pts::from_ticks(before));
            let told = teller.tell(at);
            prop_assert_eq!(clocks.find(Reading::media(told.media_seconds)), Ok(at));
            let nanos = Monotonic::from_nanos(told.monotonic_ns);
            prop_assert_eq!(clocks.find(Reading::Monotonic(nanos)), Ok(at));
            let wall = crate::playlist::query::instant(&told.wall.to_string()).expect("a date");
            let apart = at - clocks.find(Reading::Wall(wall)).expect("an instant");
            prop_assert!((Span::ZERO..=Span::from_millis(1)).contains(&apart), "{:?}", apart);
            let within = ticks >= 0 && listed.contains(&(ticks as u64 / 180_000));
            prop_assert_eq!(told.segment.is_some(), within);
            if let Some(Place { media_sequence, offset_seconds }) = told.segment {
                prop_assert_eq!(clocks.find(Reading::segment(media_sequence, offset_seconds)), Ok(at));
            }
        }
    }
}
