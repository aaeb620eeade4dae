//! Civil time as timed metadata.
//!
//! Belongs here: when a stream says what time it is, and the tag that says so. Does not: the clock, or how a container
//! carries the tag.

use std::fmt::Write;

use crate::base::{Clock, Pts, Span};
use crate::container::id3;
use crate::media::{Field, Program};

/// Beside sound alone a tag is a packet more to a hundred in 2 s, so this much passes between two: with segments of 2 s
/// twelve seconds, which adds 0.2 %.
const PAUSE: Span = Span::from_millis(11_000);

/// Tells the time where segments begin.
#[derive(Debug)]
pub(super) struct Dating {
    pause: Span,
    /// When it was last told; `None` while it is due.
    told: Option<Pts>,
    text: String,
    tag: Vec<u8>,
}

impl Dating {
    pub(super) fn new(program: &Program) -> Self {
        let pause = if program.video.is_some() { Span::ZERO } else { PAUSE };
        // Room for RFC 3339, and for the tag around it.
        Self { pause, told: None, text: String::with_capacity(64), tag: Vec::with_capacity(128) }
    }

    /// A segment begins at `at`.
    pub(super) fn begin_segment(&mut self, at: Pts) {
        self.told = self.told.filter(|told| at - *told < self.pause);
    }

    /// A segment begins that need not follow the one before.
    pub(super) fn interrupt(&mut self) {
        self.told = None;
    }

    /// The tag that belongs beside a unit, if it is due. None tells a time that nobody has set: what is in a segment cannot
    /// be corrected.
    pub(super) fn tag(&mut self, unit: Pts, clock: &dyn Clock) -> Option<&[u8]> {
        if self.told.is_some() {
            return None;
        }
        let now = clock.wall();
        if !now.is_set() {
            return None;
        }
        self.told = Some(unit);
        self.text.clear();
        self.tag.clear();
        // Writing to a text cannot fail.
        let _ = write!(self.text, "{}", now.at(unit.to_monotonic()));
        id3::write([Field { name: Field::WALL_TIME, text: &self.text }], &mut self.tag);
        Some(&self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Monotonic, SimClock, Sync, WallTime};
    use crate::media::{AacConfig, FrameRate, VideoConfig};

    /// At which of some segments of `millis` the time is told.
    fn told(program: &Program, millis: i64) -> Vec<i64> {
        let clock = SimClock::new(Monotonic::from_nanos(0), WallTime::EARLIEST);
        let mut dating = Dating::new(program);
        let told = |n: &i64| {
            let at = Pts::default() + Span::from_millis(n * millis);
            dating.begin_segment(at);
            dating.tag(at, &clock).is_some()
        };
        (0..12).filter(told).collect()
    }

    #[test]
    fn the_time_is_told_as_often_as_it_costs_little() {
        let radio = Program::audio_only(AacConfig::parse(&[0x11, 0x88]).expect("valid"));
        let video = VideoConfig {
            codecs: "avc1.64001f".into(),
            size: "1280x720".parse().expect("a size"),
            rate: FrameRate::new(30, 1).expect("a rate"),
        };
        let camera = Program { video: Some(video), audio: None };
        assert_eq!(told(&camera, 2_000), (0..12).collect::<Vec<_>>());
        assert_eq!(told(&radio, 2_000), [0, 6]);
        assert_eq!(told(&radio, 4_000), [0, 3, 6, 9]);
        assert_eq!(told(&radio, 12_000), (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn no_time_is_told_before_the_clock_is_set_and_then_at_once() {
        let clock = SimClock::new(Monotonic::from_nanos(0), WallTime::from_unix_nanos(30_000_000_000));
        let mut dating = Dating::new(&Program { video: None, audio: None });
        assert_eq!(dating.tag(Pts::default(), &clock), None);
        clock.set_wall(WallTime::from_unix_nanos(1_795_262_400_000_000_000), Sync::Synchronised);
        let tag = dating.tag(Pts::default(), &clock).expect("it is due");
        assert!(tag.ends_with(b"2026-11-21T12:00:00.000Z"), "{}", tag.escape_ascii());
    }

    #[test]
    fn it_is_the_time_of_the_unit_and_not_of_the_writing() {
        // Ten seconds after the clock's zero, at noon, a unit of two seconds ago is written.
        let noon = WallTime::from_unix_nanos(1_795_262_400_000_000_000);
        let clock = SimClock::new(Monotonic::from_nanos(10_000_000_000), noon);
        let mut dating = Dating::new(&Program { video: None, audio: None });
        let at = Pts::from_ticks(8 * 90_000);
        let tag = dating.tag(at, &clock).expect("nothing was told yet");
        assert!(tag.ends_with(b"wallclock\x002026-11-21T11:59:58.000Z"), "{}", tag.escape_ascii());
        assert_eq!(dating.tag(at, &clock), None);
        dating.interrupt();
        assert!(dating.tag(at, &clock).is_some());
    }
}
