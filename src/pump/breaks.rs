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

use crate::base::Pts;

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
    pub(super) fn tell(&self, at: Pts) {
        let count = self.count.load(Ordering::Relaxed);
        self.at[count % KEPT].store(at.ticks(), Ordering::Relaxed);
        self.count.store(count.wrapping_add(1), Ordering::Release);
    }

    /// The instant of the break after the first `seen`, once it is told; of one that is long past, any later.
    fn after(&self, seen: usize) -> Option<Pts> {
        let told = self.count.load(Ordering::Acquire) != seen;
        told.then(|| Pts::from_ticks(self.at[seen % KEPT].load(Ordering::Relaxed)))
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
    fn more_breaks_than_are_kept_are_as_many() {
        let told = Arc::new(Breaks::default());
        let mut follower = Follower::new(Arc::clone(&told));
        (0..100).for_each(|n| told.tell(Pts::from_ticks(n)));
        let followed = (0..300).filter(|n| follower.breaks_before(Pts::from_ticks(100 + n))).count();
        assert_eq!(followed, 100);
    }
}
