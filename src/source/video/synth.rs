//! A camera that isn't there: a test card, for the demo and for tests that must know what was to be seen.
//!
//! Belongs here: keeping a camera's pace on the given clock. What the card looks like is in `card`.
//!
//! The imaginary camera is locked to the clock: where its rate is whole, a picture is captured at each whole
//! second, so that the flash begins there to the tick and not up to a picture later.

mod card;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use self::card::Card;
use super::{BACKLOG, Coding, Glimpse, Image, Shot, VideoDevice, VideoFormat, VideoInput, Wanted};
use crate::base::{Clock, Monotonic, Stop};
use crate::source::SourceError;

/// The imaginary camera.
#[derive(Clone, Debug)]
pub struct CardOptions {
    /// Of its pictures.
    pub wanted: Wanted,
    /// What stands on the card.
    pub title: String,
    /// The frame counter of the first picture after opening.
    pub start: u32,
}

/// Opens the imaginary camera; it is always there.
pub struct TestCard {
    options: CardOptions,
    clock: Arc<dyn Clock>,
}

impl TestCard {
    /// A camera that keeps pace with `clock`.
    pub fn new(options: CardOptions, clock: Arc<dyn Clock>) -> Self {
        Self { options, clock }
    }
}

impl VideoDevice for TestCard {
    fn name(&self) -> &str {
        "synth"
    }

    fn open(&mut self) -> Result<Box<dyn VideoInput>, SourceError> {
        let CardOptions { wanted: Wanted { size, rate }, title, start } = &self.options;
        let caption = format!("{size}, {rate} fps");
        Ok(Box::new(TestCardInput {
            format: VideoFormat {
                coding: Coding::Raw,
                rate: *rate,
                about: format!("test card {size} at {rate}"),
            },
            start: *start,
            first: Pace(rate.fraction()).after(self.clock.now()),
            taken: None,
            card: Card::new(*size, title, &caption, TimeZone::system()),
            clock: self.clock.clone(),
            never: Stop::new(),
        }))
    }
}

/// The instants at which an ideal camera of this rate, begun at the clock's zero, captures.
#[derive(Clone, Copy, Debug)]
struct Pace((u32, u32));

impl Pace {
    /// When picture number `number` is captured, to the nearest nanosecond.
    fn instant(self, number: i64) -> Monotonic {
        let (n, d) = (i128::from(self.0.0), i128::from(self.0.1));
        Monotonic::from_nanos(((i128::from(number) * 1_000_000_000 * d + n / 2).div_euclid(n)) as i64)
    }

    /// The number of the newest picture at `now`.
    fn newest(self, now: Monotonic) -> i64 {
        let (n, d) = (i128::from(self.0.0), i128::from(self.0.1));
        let number = (i128::from(now.as_nanos()) * n).div_euclid(1_000_000_000 * d) as i64;
        // The instants are rounded.
        if self.instant(number + 1) <= now { number + 1 } else { number }
    }

    /// The number of the first picture at or after `now`.
    fn after(self, now: Monotonic) -> i64 {
        self.newest(now - Duration::from_nanos(1)) + 1
    }
}

struct TestCardInput {
    format: VideoFormat,
    start: u32,
    /// The number of the first picture.
    first: i64,
    /// The number of the last picture that was taken.
    taken: Option<i64>,
    card: Card,
    clock: Arc<dyn Clock>,
    never: Stop,
}

impl VideoInput for TestCardInput {
    fn format(&self) -> &VideoFormat {
        &self.format
    }

    fn read(&mut self, patience: Duration) -> Result<Glimpse<'_>, SourceError> {
        let pace = Pace(self.format.rate.fraction());
        let next = self.taken.map_or(self.first, |taken| taken + 1);
        let limit = self.clock.now() + patience;
        self.clock.sleep_until(pace.instant(next).min(limit), &self.never);
        let newest = pace.newest(self.clock.now());
        if newest < next {
            return Ok(Glimpse::Nothing);
        }
        let number = next.max(newest - BACKLOG as i64);
        self.taken = Some(number);
        let captured = pace.instant(number);
        // The counter is 32 bits wide and wraps, after 4.5 years at 30 a second.
        let counter = self.start.wrapping_add((number - self.first) as u32);
        let picture = self.card.show(counter, captured, self.clock.wall());
        let missed = u32::try_from(number - next).unwrap_or(u32::MAX);
        Ok(Glimpse::Shot(Shot { captured, missed, image: Image::Raw(picture.planes()), memory: None }))
    }

    fn last(&self) -> Option<Image<'_>> {
        self.taken.map(|_| Image::Raw(self.card.picture().planes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{FrameRate, Planes, Size};
    use crate::source::metronome::sim_clock;

    fn open(rate: (u32, u32), start: u32) -> (Arc<crate::base::SimClock>, Box<dyn VideoInput>) {
        let clock = sim_clock();
        clock.advance(Duration::from_millis(1_234));
        let wanted = Wanted {
            size: Size::new(320, 240).expect("a size"),
            rate: FrameRate::new(rate.0, rate.1).expect("a rate"),
        };
        let options = CardOptions { wanted, title: "Test".to_owned(), start };
        let input = TestCard::new(options, clock.clone()).open().expect("it is always there");
        (clock, input)
    }

    /// Whether the middle of the bars is white, and the counter of the blocks.
    fn read(shot: Shot<'_>) -> (bool, u32) {
        let Image::Raw(Planes::I420([luma, ..])) = shot.image else { panic!("{shot:?}") };
        let at = |x: usize, y: usize| luma.data[y * luma.stride + x];
        let counter = (0..32).fold(0, |bits, block| bits << 1 | u32::from(at(block * 10 + 5, 235) > 128));
        (at(200, 60) > 225 && at(300, 60) > 225, counter)
    }

    #[test]
    fn frames_are_counted_dated_and_flash_by_the_clock() {
        for (n, d) in [(30, 1), (25, 1), (30_000, 1001), (15, 2)] {
            let (clock, mut input) = open((n, d), u32::MAX - 1);
            let mut flashes = 0;
            let mut last: Option<Monotonic> = None;
            for frame in 0..200u32 {
                let Ok(Glimpse::Shot(shot)) = input.read(Duration::from_secs(1)) else { panic!("no shot") };
                assert_eq!((shot.captured, shot.missed), (clock.now(), 0), "paced by the clock");
                if let Some(last) = last {
                    let interval = shot.captured.nanos_since(last);
                    assert!(
                        (interval - 1_000_000_000 * i64::from(d) / i64::from(n)).abs() <= 1,
                        "{interval}"
                    );
                }
                last = Some(shot.captured);
                let lit = shot.captured.to_pts().ticks().rem_euclid(90_000) < 9_000;
                flashes += u32::from(lit);
                assert_eq!(read(shot), (lit, frame.wrapping_add(u32::MAX - 1)), "{n}/{d} {frame}");
            }
            assert!(flashes >= 5, "{flashes}");
        }
    }

    #[test]
    fn a_picture_of_a_whole_rate_is_captured_at_each_whole_second() {
        let (_, mut input) = open((30, 1), 0);
        let instants: Vec<_> = (0..60)
            .map(|_| match input.read(Duration::from_secs(1)) {
                Ok(Glimpse::Shot(shot)) => shot.captured.to_pts().ticks(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(instants.iter().filter(|ticks| *ticks % 90_000 == 0).count(), 2, "{instants:?}");
    }

    #[test]
    fn a_late_reader_catches_up_and_is_told_what_it_missed() {
        let (clock, mut input) = open((10, 1), 0);
        let first = match input.read(Duration::from_secs(1)) {
            Ok(Glimpse::Shot(shot)) => shot.captured,
            other => panic!("{other:?}"),
        };
        assert!(matches!(input.read(Duration::from_millis(60)), Ok(Glimpse::Nothing)));
        clock.advance(Duration::from_millis(480));
        for (number, missed) in [(3, 2), (4, 0), (5, 0)] {
            let Ok(Glimpse::Shot(shot)) = input.read(Duration::ZERO) else { panic!("no shot") };
            assert_eq!((shot.missed, shot.captured), (missed, first + number * Duration::from_millis(100)));
            assert_eq!(read(shot).1, number);
        }
        assert!(matches!(input.read(Duration::ZERO), Ok(Glimpse::Nothing)));
    }
}
