//! Where the discontinuities of a stream stand, and how many there were.
//!
//! Belongs here: counting them. Does not: where they come from, or who has told which (`sequence`).

use std::collections::VecDeque;

use crate::base::Pts;

/// So many discontinuities are remembered: more than happen while the slowest rendition is behind the others.
const REMEMBERED: usize = 64;

/// Where discontinuities stand, oldest first.
#[derive(Debug)]
pub(super) struct Breaks {
    /// How many there were before these.
    before: u64,
    at: VecDeque<Pts>,
}

impl Breaks {
    /// None yet, after so many.
    pub(super) fn after(before: u64) -> Self {
        Self { before, at: VecDeque::new() }
    }

    /// Of `count` in all the last, at these instants, in order.
    pub(super) fn known(count: u64, at: Vec<Pts>) -> Self {
        Self { before: count.saturating_sub(at.len() as u64), at: at.into() }
    }

    /// How many there are up to the beginning of a segment at `at`, its own included.
    pub(super) fn until(&self, at: Pts) -> u64 {
        self.before + self.at.partition_point(|it| *it <= at) as u64
    }

    pub(super) fn all(&self) -> u64 {
        self.before + self.at.len() as u64
    }

    pub(super) fn contain(&self, at: Pts) -> bool {
        self.at.contains(&at)
    }

    /// That after the first `seen` is at `at`: one that is known, if it is said to be later, or another.
    pub(super) fn meet(&mut self, seen: u64, at: Pts) {
        let known = seen.checked_sub(self.before).and_then(|index| self.at.get_mut(index as usize));
        match known {
            Some(known) => *known = at.min(*known),
            None => self.push(at),
        }
    }

    /// Adds one, no earlier than those that are known.
    pub(super) fn push(&mut self, at: Pts) {
        self.at.push_back(self.at.back().map_or(at, |last| at.max(*last)));
        if self.at.len() > REMEMBERED {
            self.at.pop_front();
            self.before += 1;
        }
    }
}
