//! Where a stream's pictures break, for its sound to break there, too.
//!
//! Belongs here: handing instants from one thread to another that never waits for them. Does not: why something
//! breaks.
//!
//! Where segments are cut on the grid, a break is told with a cell. Where each track is cut where it likes, a break
//! that only the pictures begin a segment with would reach sound with its next cut, and until then the same instant
//! would have different discontinuity sequences (rfc8216bis, 6.2.4).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use crate::base::{Pts, Span};
use crate::media::Place;

/// So many instants are kept: more than come in the time that sound takes longer than pictures.
const KEPT: usize = 16;

/// Where pictures broke.
#[derive(Debug, Default)]
pub struct Breaks {
    count: AtomicUsize,
    /// The last of them, in ticks, each in the place of its number.
    at: [AtomicI64; KEPT],
}

impl Breaks {
    /// They break before the one at `at`. To be called by one thread only.
    pub fn tell(&self, at: Pts) {
        let count = self.count.load(Ordering::Relaxed);
        self.at[count % KEPT].store(at.ticks(), Ordering::Relaxed);
        self.count.store(count.wrapping_add(1), Ordering::Release);
    }

    /// The instant of the break after the first `seen`, once it is told; of one that is long past, any later.
    pub fn after(&self, seen: usize) -> Option<Pts> {
        let told = self.count.load(Ordering::Acquire) != seen;
        told.then(|| Pts::from_ticks(self.at[seen % KEPT].load(Ordering::Relaxed)))
    }
}

/// Tells another track of breaks.
pub(super) struct Leader {
    breaks: Arc<Breaks>,
    /// What every segment is shorter than.
    limit: Span,
    /// Where the segment being written begins.
    begun: Option<Pts>,
    /// How the unit written next joins.
    next: Place,
}

impl Leader {
    pub(super) fn new(breaks: Arc<Breaks>, limit: Span) -> Self {
        Self { breaks, limit, begun: None, next: Place::Follows }
    }

    /// A segment begins with the unit at `at`.
    pub(super) fn begin_segment(&mut self, at: Pts) {
        if self.begun.replace(at).is_some_and(|begun| at - begun >= self.limit) {
            self.interrupt();
        }
    }

    /// What is written next does not follow.
    pub(super) fn interrupt(&mut self) {
        self.next = Place::Breaks;
    }

    /// The unit at `at` is written.
    pub(super) fn write(&mut self, at: Pts) {
        if std::mem::replace(&mut self.next, Place::Follows) == Place::Breaks {
            self.begun = Some(at);
            self.breaks.tell(at);
        }
    }
}

/// Follows the breaks of another track.
pub(super) struct Follower {
    breaks: Arc<Breaks>,
    /// Breaks followed so far.
    seen: usize,
    /// Where the segment being written was begun for another reason.
    begun: Option<Pts>,
}

impl Follower {
    pub(super) fn new(breaks: Arc<Breaks>) -> Self {
        Self { seen: breaks.count.load(Ordering::Acquire), breaks, begun: None }
    }

    /// A segment begins with the unit at `at`.
    pub(super) fn begin_segment(&mut self, at: Pts) {
        self.begun = Some(at);
    }

    /// Whether to break before the unit at `at`, which is written next: one break with each unit, as each is told by
    /// a segment of its own. A segment that was begun between a break and its being told tells it.
    pub(super) fn breaks_before(&mut self, at: Pts) -> bool {
        let Some(broken) = self.breaks.after(self.seen).filter(|broken| *broken <= at) else { return false };
        self.seen = self.seen.wrapping_add(1);
        !self.begun.take().is_some_and(|begun| (broken..at).contains(&begun))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_breaks_where_pictures_do_as_often_as_they_do() {
        /// Milliseconds: of breaks, and after which unit each is told; of cuts; and the units broken before.
        type Case = (&'static [(i64, i64)], &'static [i64], &'static [i64]);
        let table: &[Case] = &[
            (&[], &[100], &[]),
            // Pictures are ahead: the first unit at or after the instant.
            (&[(50, 0)], &[], &[60]),
            (&[(60, 0)], &[], &[60]),
            // Sound is: the next there is.
            (&[(50, 100)], &[], &[120]),
            // Two between two units.
            (&[(50, 0), (55, 0)], &[], &[60, 80]),
            (&[(50, 0), (95, 0)], &[], &[60, 100]),
            // A cut at the same unit, and one between the instant and its being told.
            (&[(50, 0)], &[60], &[60]),
            (&[(50, 100)], &[60], &[]),
            (&[(50, 100)], &[40], &[120]),
            (&[(50, 100), (110, 100)], &[60], &[140]),
        ];
        let at = |millis: i64| Pts::from_ticks(90 * millis);
        for (breaks, cuts, expected) in table {
            let told = Arc::new(Breaks::default());
            let mut follower = Follower::new(Arc::clone(&told));
            let mut broken = Vec::new();
            for millis in (0..200).step_by(20) {
                if cuts.contains(&millis) {
                    follower.begin_segment(at(millis));
                }
                if follower.breaks_before(at(millis)) {
                    broken.push(millis);
                }
                breaks.iter().filter(|(_, after)| *after == millis).for_each(|(it, _)| told.tell(at(*it)));
            }
            assert_eq!(broken, *expected, "{breaks:?} {cuts:?}");
        }
    }

    #[test]
    fn pictures_break_where_they_are_interrupted_and_where_a_key_frame_comes_too_late() {
        let told = Arc::new(Breaks::default());
        let mut leader = Leader::new(Arc::clone(&told), Span::from_ticks(4500));
        for at in (0..40_000).step_by(500) {
            if [1000, 5000, 9500, 25_000, 29_500].contains(&at) {
                leader.begin_segment(Pts::from_ticks(at));
            }
            if at == 22_000 {
                leader.interrupt();
            }
            leader.write(Pts::from_ticks(at));
        }
        let breaks: Vec<_> = (0..3).filter_map(|seen| told.after(seen)).map(Pts::ticks).collect();
        assert_eq!((breaks, told.after(3)), (vec![9500, 22_000, 29_500], None));
    }

    #[test]
    fn more_breaks_than_are_kept_are_as_many() {
        let told = Arc::new(Breaks::default());
        let mut follower = Follower::new(Arc::clone(&told));
        (0..100).for_each(|n| told.tell(Pts::from_ticks(n)));
        let followed = (0..300).filter(|n| follower.breaks_before(Pts::from_ticks(100 + n))).count();
        assert_eq!(followed, 100);
    }
}
