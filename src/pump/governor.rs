//! What to do when pictures take longer than there is time for.
//!
//! Belongs here: judging from how long pictures take whether the board keeps up, and choosing the step to take.
//! Does not: taking it, or measuring.
//!
//! A camera's thread that is late finds several pictures waiting and takes the newest: pictures are left out
//! evenly, and delay does not grow. The governor looks at five seconds of that at a time.

use std::fmt;
use std::time::Duration;

use crate::base::{Pts, Span};
use crate::encode::Tuning;
use crate::media::FrameRate;

/// How long is looked at before a step down.
const WINDOW: Span = Span::from_millis(5_000);
/// So many pictures in a hundred may take too long.
const LATE_PERCENT: u32 = 5;
/// A picture is late if it takes this part of the time there is for it: the next one is there by then.
const FULL: f64 = 0.95;
/// There is room where the step above would take less than this part of the time.
const ROOM: f64 = 0.6;
/// How long there must be room before a step up.
const PATIENCE: Span = Span::from_millis(30_000);
/// What that grows to at most, doubled each time a step up did not last.
const MOST_PATIENCE: Span = Span::from_millis(3_600_000);
/// A step up that is taken back within this time did not last.
const SOON: Span = Span::from_millis(60_000);

/// Whether a picture is needed whatever the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A segment begins with it, in every rendition.
    Cut,
    /// It is one like the others.
    Any,
}

/// What is given up when the board does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// No more than so many bits per second.
    Bitrate(u32),
    /// No more than so many pictures per second.
    Rate(FrameRate),
}

/// Which way a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Less is asked of the board.
    Down,
    /// More, again.
    Up,
}

/// A step taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Which way.
    pub direction: Direction,
    /// How many steps are taken now.
    pub level: usize,
    /// What the encoder may use now.
    pub tuning: Tuning,
    /// Pictures of the last seconds that took too long, in a hundred.
    pub late: u32,
    /// The part of the last seconds that was spent on pictures.
    pub busy: f64,
}

/// What one window has seen.
#[derive(Clone, Copy, Debug)]
struct Window {
    begin: Pts,
    last: Pts,
    /// The shortest time between two pictures of the camera.
    shortest: Option<Span>,
}

impl Window {
    fn new(begin: Pts) -> Self {
        Self { begin, last: begin, shortest: None }
    }
}

/// Steps down when the board does not keep up, and up again when there is room.
#[derive(Clone, Debug)]
pub struct Governor {
    /// What the encoder may use after so many steps.
    levels: Vec<Tuning>,
    level: usize,
    window: Option<Window>,
    /// How long each picture of the window took.
    times: Vec<Duration>,
    /// From one picture of the camera to the next, when all is well.
    picture: Span,
    /// When the next picture is to be encoded, where not all are.
    due: Option<Pts>,
    /// How long there has been room.
    roomy: Span,
    patience: Span,
    /// When the last step up was taken.
    rose: Option<Pts>,
}

impl Governor {
    /// A governor that allows `full` at first, of a camera's `rate` pictures a second, and takes `steps` in their
    /// order.
    pub fn new(full: Tuning, rate: FrameRate, steps: &[Step]) -> Self {
        let mut levels = vec![full];
        let mut tuning = full;
        for step in steps {
            match *step {
                Step::Bitrate(bitrate) => tuning.bitrate = bitrate.min(tuning.bitrate),
                Step::Rate(rate) if rate.span() > tuning.rate.span() => tuning.rate = rate,
                Step::Rate(_) => {}
            }
            levels.push(tuning);
        }
        // What changes nothing is no step.
        levels.dedup();
        Self {
            levels,
            level: 0,
            picture: rate.span(),
            window: None,
            times: Vec::new(),
            due: None,
            roomy: Span::ZERO,
            patience: PATIENCE,
            rose: None,
        }
    }

    /// What the encoder may use now.
    pub fn tuning(&self) -> Tuning {
        self.levels[self.level]
    }

    /// Whether the camera's picture at `pts` is to be encoded. Ask once for each, in order.
    pub fn admits(&mut self, pts: Pts, need: Need) -> bool {
        let span = self.tuning().rate.span();
        if span <= self.picture {
            self.due = None;
            return true;
        }
        // The picture nearest to each instant of the lower rate.
        let due = self.due.unwrap_or(pts);
        let early = pts + Span::from_ticks(self.picture.ticks() / 2) < due;
        if early && need == Need::Any {
            return false;
        }
        let next = due + span;
        self.due = Some(if next > pts && !early { next } else { pts + span });
        true
    }

    /// How long the thread was busy with the camera's picture at `pts`, encoded or not. Says when something is
    /// to change.
    pub fn spent(&mut self, pts: Pts, time: Duration) -> Option<Change> {
        let window = self.window.get_or_insert(Window::new(pts));
        let step = pts - window.last;
        if step > Span::ZERO {
            window.shortest = Some(window.shortest.map_or(step, |shortest| shortest.min(step)));
        }
        window.last = pts;
        self.times.push(time);
        if pts - window.begin < WINDOW {
            return None;
        }
        let seen = *window;
        self.window = Some(Window::new(pts));
        self.judge(&seen)
    }

    fn judge(&mut self, seen: &Window) -> Option<Change> {
        // A camera may give fewer pictures than it should, in the dark: then there is more time for each.
        let nominal = self.tuning().rate.span();
        let budget = seen.shortest.map_or(nominal, |shortest| shortest.max(nominal)).to_duration();
        let late = self.times.iter().filter(|time| **time >= budget.mul_f64(FULL)).count();
        let late = (late * 100 / self.times.len().max(1)) as u32;
        let elapsed = seen.last - seen.begin;
        let busy = self.times.iter().sum::<Duration>().as_secs_f64() / elapsed.as_secs_f64();
        self.times.clear();
        let direction = if late > LATE_PERCENT {
            self.roomy = Span::ZERO;
            self.go_down(seen.last)?
        } else {
            self.roomy = if self.would_have_room(busy) { self.roomy + elapsed } else { Span::ZERO };
            self.go_up(seen.last)?
        };
        Some(Change { direction, level: self.level, tuning: self.tuning(), late, busy })
    }

    /// Whether one step above there would be room, when `busy` is what is used now.
    fn would_have_room(&self, busy: f64) -> bool {
        let above = self.levels[self.level.saturating_sub(1)].rate;
        busy * above.hertz() / self.tuning().rate.hertz() < ROOM
    }

    fn go_down(&mut self, now: Pts) -> Option<Direction> {
        if self.level + 1 == self.levels.len() {
            return None;
        }
        self.patience = match self.rose.take() {
            Some(rose) if now - rose <= SOON => (self.patience + self.patience).min(MOST_PATIENCE),
            Some(_) => PATIENCE,
            None => self.patience,
        };
        self.level += 1;
        Some(Direction::Down)
    }

    fn go_up(&mut self, now: Pts) -> Option<Direction> {
        if self.level == 0 || self.roomy < self.patience {
            return None;
        }
        self.roomy = Span::ZERO;
        self.rose = Some(now);
        self.level -= 1;
        Some(Direction::Up)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tuning { bitrate, rate } = self.tuning;
        write!(f, "{} kbit/s, {rate} pictures a second", f64::from(bitrate) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KILO: u32 = 1000;

    fn rate(hertz: u32) -> FrameRate {
        FrameRate::new(hertz, 1).expect("a rate")
    }

    fn governor() -> Governor {
        let steps = [Step::Bitrate(1200 * KILO), Step::Bitrate(800 * KILO), Step::Rate(rate(15))];
        Governor::new(Tuning { bitrate: 2000 * KILO, rate: rate(30) }, rate(30), &steps)
    }

    /// A camera and a board, simulated: pictures are `interval` apart, and of those that came while the board
    /// was busy with one it takes the newest.
    struct Board {
        governor: Governor,
        interval: f64,
        now: f64,
        last: f64,
        changes: Vec<(i64, usize)>,
        encoded: u32,
    }

    impl Board {
        fn new(interval: f64) -> Self {
            Self { governor: governor(), interval, now: 0.0, last: -1.0, changes: vec![], encoded: 0 }
        }

        /// `seconds` during which a picture takes the time that `cost` gives for its bit rate.
        fn run(&mut self, seconds: f64, cost: impl Fn(u32) -> f64) {
            let end = self.now + seconds;
            while self.now < end {
                let newest = (self.now / self.interval).floor() * self.interval;
                let shown = if newest > self.last + 1e-9 { newest } else { self.last + self.interval };
                self.now = self.now.max(shown);
                self.last = shown;
                let pts = Pts::from_ticks((shown * 90_000.0).round() as i64);
                let spent = if self.governor.admits(pts, Need::Any) {
                    self.encoded += 1;
                    cost(self.governor.tuning().bitrate)
                } else {
                    0.0
                };
                self.now += spent;
                if let Some(change) = self.governor.spent(pts, Duration::from_secs_f64(spent)) {
                    self.changes.push((self.now as i64, change.level));
                }
            }
        }
    }

    #[test]
    fn a_board_that_keeps_up_is_left_alone() {
        for (interval, cost) in [(1.0 / 30.0, 0.030), (1.0 / 30.0, 0.001), (1.0 / 15.0, 0.050)] {
            let mut board = Board::new(interval);
            board.run(120.0, |_| cost);
            assert_eq!(board.changes, [], "{interval} {cost}");
            assert!(board.encoded.abs_diff((120.0 / interval).round() as u32) <= 1);
        }
    }

    #[test]
    fn too_much_work_is_met_step_by_step_and_taken_back_when_there_is_room() {
        let mut board = Board::new(1.0 / 30.0);
        board.run(10.0, |_| 0.010);
        board.run(30.0, |_| 0.040);
        let (times, levels): (Vec<_>, Vec<_>) = board.changes.drain(..).unzip();
        assert_eq!(levels, [1, 2, 3], "bit rate, bit rate, pictures");
        assert!(times[0] <= 20 && times[2] <= 30, "{times:?}");
        let before = board.encoded;
        board.run(10.0, |_| 0.040);
        assert!((149..=151).contains(&(board.encoded - before)), "every second picture");
        // The full rate would take 90 % of the time: no room.
        board.run(120.0, |_| 0.030);
        assert_eq!(board.changes, []);
        board.run(120.0, |_| 0.010);
        let (times, levels): (Vec<_>, Vec<_>) = board.changes.drain(..).unzip();
        assert_eq!(levels, [2, 1, 0]);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 30), "{times:?}");
    }

    #[test]
    fn a_lower_bit_rate_may_be_enough() {
        let mut board = Board::new(1.0 / 30.0);
        board.run(60.0, |bitrate| if bitrate > 1200 * KILO { 0.040 } else { 0.025 });
        assert_eq!(board.changes.iter().map(|change| change.1).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_step_up_that_does_not_last_is_tried_less_and_less_often() {
        let mut board = Board::new(1.0 / 30.0);
        // Deceptive: with fewer bits there seems to be room for more.
        board.run(900.0, |bitrate| if bitrate > 1200 * KILO { 0.040 } else { 0.015 });
        let ups: Vec<_> = board.changes.iter().filter(|(_, level)| *level == 0).map(|(at, _)| *at).collect();
        let waits: Vec<_> = ups.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(waits.len() >= 3, "{ups:?}");
        assert!(waits.windows(2).all(|pair| pair[1] * 10 >= pair[0] * 17), "{waits:?}");
    }

    #[test]
    fn one_slow_picture_in_thirty_is_no_overload() {
        let mut governor = governor();
        for n in 0..3000 {
            let pts = Pts::from_ticks(n * 3000);
            assert!(governor.admits(pts, Need::Any));
            let spent = Duration::from_millis(if n % 30 == 0 { 60 } else { 10 });
            assert_eq!(governor.spent(pts, spent), None);
        }
    }

    #[test]
    fn steps_that_change_nothing_are_none() {
        let full = Tuning { bitrate: 500 * KILO, rate: rate(10) };
        let steps = [Step::Bitrate(800 * KILO), Step::Rate(rate(15)), Step::Bitrate(300 * KILO)];
        assert_eq!(Governor::new(full, full.rate, &steps).levels.len(), 2);
    }

    proptest! {
        #[test]
        fn fewer_pictures_are_picked_evenly(
            hertz in 1u32..30,
            jitter in proptest::collection::vec(-700i64..700, 1..50),
        ) {
            let mut governor = Governor::new(
                Tuning { bitrate: 1, rate: rate(30) },
                rate(30),
                &[Step::Rate(rate(hertz))],
            );
            governor.level = 1;
            let stamp = |n: usize| Pts::from_ticks(n as i64 * 3000 + jitter[n % jitter.len()]);
            let picked: Vec<_> = (0..900).map(stamp).filter(|pts| governor.admits(*pts, Need::Any)).collect();
            let expected = (30 * hertz) as usize;
            prop_assert!(picked.len().abs_diff(expected) <= 2, "{} of {}", picked.len(), expected);
            let span = rate(hertz).span().ticks();
            for pair in picked.windows(2) {
                let gap = (pair[1] - pair[0]).ticks();
                prop_assert!((gap - span).abs() <= 3000 + 1400, "{} instead of {}", gap, span);
            }
        }
    }
}
