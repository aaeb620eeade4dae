//! Units to parts of fragmented MP4.
//!
//! Belongs here: what a decoder must have read before them, how long parts are, and their bytes. Does not: segments,
//! their numbers, or who is told.

use std::sync::Arc;

use bytes::Bytes;

use super::{Body, Dates, Init, Part, Presence};
use crate::base::{Pts, Span, WallTime};
use crate::container::fmp4::{self, Mux, MuxError, TrackConfig};
use crate::container::id3;
use crate::container::ts::Join;
use crate::media::h264::{ParameterSets, SetsError};
use crate::media::marker::Marker;
use crate::media::{AacConfig, Entry, Field, FrameRate, PartEnd, Parts, Place, Timeline, Track, Unit};

/// What is known of a track before its first unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackKind {
    /// H.264, of so many pictures per second when all is well. The rest comes with the first of them.
    Video(FrameRate),
    /// AAC.
    Audio(AacConfig),
}

impl TrackKind {
    /// Which track it is.
    pub fn track(&self) -> Track {
        match self {
            Self::Video(_) => Track::Video,
            Self::Audio(_) => Track::Audio,
        }
    }

    /// How long a unit lasts when all is well.
    pub fn unit(&self) -> Span {
        match self {
            Self::Video(rate) => rate.span(),
            Self::Audio(config) => Span::from_samples(i64::from(config.frame_samples()), config.rate()),
        }
    }
}

/// Makes parts of one track's units.
pub(super) struct Assembler {
    kind: TrackKind,
    parts: Parts,
    coding: Option<Coding>,
    /// Whether decoding can begin with the part being written.
    entry: Entry,
    /// What is said beside the media, where it is written before it is copied.
    tag: Vec<u8>,
}

/// What units are written with, as long as their parameters do not change.
struct Coding {
    mux: Mux,
    init: Arc<Init>,
    /// Of pictures: what `init` holds.
    sets: Option<ParameterSets>,
}

impl Assembler {
    /// Of a track of that kind, with parts no longer than `target`.
    pub(super) fn new(kind: TrackKind, target: Span) -> Self {
        let parts = Parts::new(kind.unit(), target);
        Self { kind, parts, coding: None, entry: Entry::Dependent, tag: Vec::new() }
    }

    /// Begins a segment with `unit`, which is to be taken next: how it joins the one before, and what a decoder must
    /// have read before it. That is called after the first segment which needs it,
    /// `number`: a name that never comes twice, not after a restart either.
    ///
    /// # Errors
    /// If nobody could decode it.
    pub(super) fn begin(&mut self, unit: &Unit, number: u64) -> Result<(Join, Arc<Init>), SetsError> {
        let covers = |it: &Coding| it.sets.as_ref().is_none_or(|sets| sets.cover(&unit.data));
        let (coding, changed) = match self.coding.take() {
            Some(known) if covers(&known) => (known, false),
            _ => (self.code(unit, number)?, true),
        };
        let Coding { mux, init, .. } = self.coding.insert(coding);
        let timeline = self.parts.begin_segment(unit.dts);
        let join = match (unit.place, timeline) {
            (Place::Breaks, _) => Join::Broken,
            _ if changed => Join::Broken,
            (_, Timeline::Anew) => Join::Lost,
            (_, Timeline::RunsOn) => Join::Continuous,
        };
        if join != Join::Continuous {
            self.parts.begin(unit.dts);
            mux.interrupt();
        }
        Ok((join, Arc::clone(init)))
    }

    /// Whether what is decoded at `at` follows what was taken last, with no more between than parts make up for.
    pub(super) fn is_followed_by(&self, at: Pts) -> bool {
        self.parts.is_followed_by(at)
    }

    /// Says in the part being written that the instant `at` was at `wall`.
    pub(super) fn note(&mut self, at: Pts, wall: WallTime) {
        let Some(Coding { mux, .. }) = &mut self.coding else { return };
        self.tag.clear();
        id3::write([Field { name: Field::WALL_TIME, text: &wall.to_string() }], &mut self.tag);
        mux.note(at, &self.tag);
    }

    /// Says in the part being written, at the instant `at`, what is known of a marker.
    pub(super) fn tell(&mut self, at: Pts, marker: &Marker, dates: &Dates) {
        let Some(Coding { mux, .. }) = &mut self.coding else { return };
        self.tag.clear();
        id3::write_marker(marker, |at| dates.at(at), &mut self.tag);
        mux.note(at, &self.tag);
    }

    /// What `unit` and those after it are written with.
    fn code(&self, unit: &Unit, number: u64) -> Result<Coding, SetsError> {
        let (config, sets) = match &self.kind {
            TrackKind::Video(rate) => {
                let sets = ParameterSets::of(&unit.data)?;
                (TrackConfig::Video { sets: sets.clone(), rate: *rate }, Some(sets))
            }
            TrackKind::Audio(config) => (TrackConfig::Audio(config.clone()), None),
        };
        let init = Arc::new(Init { number, bytes: fmp4::init(&config) });
        Ok(Coding { mux: Mux::new(&config), init, sets })
    }

    /// Takes the next unit; gives the parts that are complete to `done`: the one before it, if it came so late that
    /// it cannot be in that, and the one that it ends.
    ///
    /// # Errors
    /// If it cannot be carried; it is left out.
    pub(super) fn take(&mut self, unit: &Unit, done: &mut dyn FnMut(Part)) -> Result<(), MuxError> {
        if self.parts.is_overrun_by(unit.dts) {
            let place = self.parts.close();
            self.write(place, done);
        }
        let Some(Coding { mux, .. }) = &mut self.coding else { return Ok(()) };
        mux.push(&unit.packet(self.kind.track()))?;
        if self.parts.is_empty() {
            self.entry = unit.entry;
        }
        // What is told of a part in the playlist is true of its media to the tick.
        mux.until(self.parts.take(unit.dts));
        if unit.part == PartEnd::Closes {
            let place = self.parts.close();
            self.write(place, done);
        }
        Ok(())
    }

    /// Whether the next unit is the first of a part.
    pub(super) fn begins_part(&self) -> bool {
        self.parts.is_empty()
    }

    /// Where the part being written begins.
    pub(super) fn start(&self) -> Pts {
        self.parts.start()
    }

    /// Ends the segment; gives its last part to `done`, if it is not complete yet. Says where the segment ends.
    pub(super) fn end(&mut self, done: &mut dyn FnMut(Part)) -> Pts {
        let (start, duration) = self.parts.close_last();
        if duration > Span::ZERO {
            self.write((start, duration), done);
        }
        start + duration
    }

    fn write(&mut self, (start, duration): (Pts, Span), done: &mut dyn FnMut(Part)) {
        let Some(Coding { mux, .. }) = &mut self.coding else { return };
        let mut chunks = Vec::new();
        mux.until(start + duration);
        mux.finish(&mut chunks);
        let body = Body { len: chunks.iter().map(Bytes::len).sum(), chunks: chunks.into() };
        done(Part { start, duration, entry: self.entry, presence: Presence::There, body });
    }
}
