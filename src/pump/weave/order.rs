//! In which order the units of two tracks are written, and where segments begin: decided from the two oldest
//! units that wait, and the time.
//!
//! A unit is written as soon as it comes. Only at a cut do the tracks wait for each other, so that a segment
//! holds the sound of its own time: a picture that begins a segment waits for the sound before it, and sound
//! that has reached the next instant of the grid for the picture that says where the segment ends. Nobody waits
//! for a track of which the clock says that its next unit should have been here [`PATIENCE`] ago.
//!
//! That is all: a unit's PTS is when it was captured, so a track that is waited for at all is never further
//! behind the other than that.

use std::time::Duration;

use crate::base::{Monotonic, Pts, Span};
use crate::container::ts::SOUND_DELAY;
use crate::media::{CutGrid, Place, Track};

/// How long after its time a unit is still waited for: as long as the clock in the stream allows for.
pub(super) const PATIENCE: Duration = Duration::from_millis(SOUND_DELAY.ticks() as u64 / 90);
/// How long sound waits for the first picture of all.
const START: Duration = Duration::from_secs(1);

/// The oldest unit of a track that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) pts: Pts,
    pub(super) place: Place,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Write the oldest unit of this track, in this place.
    Write(Track, Place, Company),
    /// Wait until this track has something new, or until then. Sound alone changes nothing as long as a picture
    /// is to come: it is left waiting for that one.
    Await(Track, Monotonic),
    /// Wait until either has something new.
    AwaitEither,
}

/// Whether a unit that begins a segment is written with the other track in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    Both,
    /// It was waited for long enough.
    Alone,
}

/// How far a track has come.
#[derive(Clone, Copy, Debug)]
struct Side {
    /// How long one unit lasts.
    unit: Span,
    /// PTS of the last one written.
    last: Option<Pts>,
    /// Until when the other track waits for the next.
    awaited: Monotonic,
}

impl Side {
    fn new(unit: Span, awaited: Monotonic) -> Self {
        Self { unit, last: None, awaited }
    }

    fn write(&mut self, pts: Pts) {
        self.last = Some(pts);
        self.awaited = (pts + self.unit).to_monotonic() + PATIENCE;
    }

    /// Whether nothing before `at` is to come.
    fn has_reached(&self, at: Pts) -> bool {
        self.last.is_some_and(|last| last + self.unit >= at)
    }
}

/// The order of one stream's units.
#[derive(Clone, Debug)]
pub(super) struct Order {
    grid: CutGrid,
    /// Where the cell of the segment being written ends, once there is one.
    next: Option<Pts>,
    video: Side,
    audio: Side,
}

impl Order {
    /// The order of a stream that begins at `now`. Pictures are `picture` apart at most when all is well, a unit
    /// of sound lasts `frame`.
    pub(super) fn new(grid: CutGrid, picture: Span, frame: Span, now: Monotonic) -> Self {
        let (video, audio) = (Side::new(picture, now + START), Side::new(frame, now + START));
        Self { grid, next: None, video, audio }
    }

    /// No more will come of a track.
    pub(super) fn end(&mut self, track: Track) {
        self.side(track).awaited = Monotonic::from_nanos(i64::MIN);
    }

    fn side(&mut self, track: Track) -> &mut Side {
        match track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        }
    }

    /// What to do at `now`, when these units wait.
    pub(super) fn next(&self, video: Option<Head>, audio: Option<Head>, now: Monotonic) -> Action {
        match (video, audio) {
            (Some(picture), Some(sound)) if self.next.is_some() && sound.pts < picture.pts => {
                Action::Write(Track::Audio, Place::Follows, Company::Both)
            }
            (Some(picture), sound) => self.show(picture, sound, now),
            (None, Some(sound)) => self.sound(sound.pts, now),
            (None, None) if now < self.video.awaited => Action::Await(Track::Video, self.video.awaited),
            (None, None) => Action::AwaitEither,
        }
    }

    /// A picture is next. All sound before it that is there has been written.
    fn show(&self, picture: Head, sound: Option<Head>, now: Monotonic) -> Action {
        let Some(next) = self.next else { return Action::Write(Track::Video, picture.place, Company::Both) };
        // A late picture cannot end a segment that begins after it, nor one that sound began in its place.
        if picture.place == Place::Follows || picture.place == Place::Begins && picture.pts < next {
            return Action::Write(Track::Video, Place::Follows, Company::Both);
        }
        let complete = sound.is_some() || self.audio.has_reached(picture.pts);
        if complete {
            Action::Write(Track::Video, picture.place, Company::Both)
        } else if now < self.audio.awaited {
            Action::Await(Track::Audio, self.audio.awaited)
        } else {
            Action::Write(Track::Video, picture.place, Company::Alone)
        }
    }

    /// Sound is next, and no picture is there.
    fn sound(&self, pts: Pts, now: Monotonic) -> Action {
        let within =
            self.next.is_some_and(|next| pts < next) || self.video.last.is_some_and(|last| pts <= last);
        if within {
            Action::Write(Track::Audio, Place::Follows, Company::Both)
        } else if now < self.video.awaited {
            Action::Await(Track::Video, self.video.awaited)
        } else {
            Action::Write(Track::Audio, Place::Begins, Company::Alone)
        }
    }

    /// A unit was written, in this place.
    pub(super) fn wrote(&mut self, track: Track, pts: Pts, place: Place) {
        self.side(track).write(pts);
        if place != Place::Follows || self.next.is_none() {
            self.next = Some(self.grid.after(pts));
        }
    }
}
