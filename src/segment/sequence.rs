//! What the renditions of a stream agree on: numbers, discontinuities, dates.
//!
//! Belongs here: which number a segment gets, what fills a hole before it, and where a discontinuity stands. Does
//! not: making segments, or keeping them.
//!
//! On the cut grid a segment's number is that of its cell, the time from one instant of the grid to the next. So
//! every rendition has the same number for the same time, whatever became of its other segments, and nobody waits
//! to learn a number. The price: a cell holds one segment. What begins where one has begun already is given up, and
//! a cell without one is a gap.
//!
//! A discontinuity in one rendition is one in all, so that their discontinuity sequences match (rfc8216bis, 6.2.4).
//! It stands before the cell it happened in, or, where another rendition has begun that one without, before the
//! next; the rendition it happened in has a gap then.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::dates::{Correction, Dates};
use super::ledger::{Ledger, Numbers, Reservation, Stock, counted_at};
use super::{Segment, SegmentConfig, TargetDuration};
use crate::base::{Monotonic, Pts, Span, WallReading};
use crate::container::ts::Join;
use crate::media::CutGrid;
use crate::timeline::Timeline;

/// So many discontinuities are remembered: more than happen while the slowest rendition is behind the others.
const REMEMBERED: usize = 64;

/// How the segments of a stream are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// By the cell of the grid they begin in.
    Aligned(CutGrid),
    /// One after the other, each rendition for itself: where segments end when a camera's key frames come, or
    /// pictures are further apart than instants of the grid.
    Counted,
}

/// What all renditions of one stream agree on.
#[derive(Debug)]
pub struct Agreement {
    numbering: Numbering,
    target: TargetDuration,
    /// Of the window: a longer hole is not filled.
    length: Span,
    /// The cell of the first number.
    origin: i64,
    state: Mutex<State>,
    /// What happened when, told by all of them.
    timeline: Arc<Timeline>,
}

#[derive(Debug)]
struct State {
    stock: Stock,
    /// Above all numbers used so far.
    next: Numbers,
    breaks: Breaks,
    /// The last cell that any rendition has begun.
    decided: i64,
    dates: Dates,
    /// When the clocks were looked at last, and how long the machine had been suspended then.
    looked: Monotonic,
    suspended: Duration,
}

/// Where discontinuities stand, oldest first.
#[derive(Debug)]
struct Breaks {
    /// How many there were before these.
    before: u64,
    at: VecDeque<Pts>,
}

impl Breaks {
    /// How many there are up to the beginning of a segment at `at`, its own included.
    fn until(&self, at: Pts) -> u64 {
        self.before + self.at.partition_point(|it| *it <= at) as u64
    }

    fn all(&self) -> u64 {
        self.before + self.at.len() as u64
    }

    fn contain(&self, at: Pts) -> bool {
        self.at.contains(&at)
    }

    /// Adds one, no earlier than those that are known.
    fn push(&mut self, at: Pts) {
        self.at.push_back(self.at.back().map_or(at, |last| at.max(*last)));
        if self.at.len() > REMEMBERED {
            self.at.pop_front();
            self.before += 1;
        }
    }
}

impl Agreement {
    /// What happened when in the stream.
    pub fn timeline(&self) -> &Arc<Timeline> {
        &self.timeline
    }

    /// The agreement of the renditions of `stream`, which begin at `reading` with units dated at most `delay` back.
    /// Their numbers are above all those the stream ever had; waits for the disk to reserve the first of them.
    pub fn new(
        ledger: &Arc<Ledger>,
        stream: &str,
        numbering: Numbering,
        config: &SegmentConfig,
        reading: &WallReading,
        delay: Span,
    ) -> Arc<Self> {
        let (origin, counted) = match numbering {
            Numbering::Aligned(grid) => {
                let cell = grid.cell(reading.monotonic.to_pts() - delay);
                (cell, reading.at(grid.instant(cell).to_monotonic()))
            }
            Numbering::Counted => (0, counted_at(reading, delay)),
        };
        let stock = ledger.stock(stream, counted);
        let next = stock.first;
        let state = State {
            // Every run begins with a discontinuity.
            breaks: Breaks { before: next.discontinuity + 1, at: VecDeque::new() },
            next,
            stock,
            decided: i64::MIN,
            dates: Dates::of(reading),
            looked: reading.monotonic,
            suspended: reading.suspended,
        };
        let target = TargetDuration::of(config.target);
        // No two runs begin in the same nanosecond.
        let timeline = Timeline::new(reading.wall.as_unix_nanos() as u64);
        Arc::new(Self {
            numbering,
            target,
            length: config.length,
            origin,
            state: Mutex::new(state),
            timeline,
        })
    }

    /// The numbers of one of them; `rendition` is what the log calls it.
    pub fn sequence(self: &Arc<Self>, rendition: &str) -> Sequence {
        let next = self.state().stock.first.media;
        let (last, kept) = (None, Join::Continuous);
        Sequence { agreement: Arc::clone(self), rendition: rendition.to_owned(), last, next, seen: 0, kept }
    }

    /// Looks at the clocks: whether the civil one was set, or the machine was suspended. Says so once, to whoever
    /// asks first.
    pub fn look(&self, reading: &WallReading) -> Option<Correction> {
        let mut state = self.state();
        let State { breaks, decided, dates, looked, suspended, next, .. } = &mut *state;
        let before = std::mem::replace(looked, reading.monotonic).to_pts();
        let known = std::mem::replace(suspended, reading.suspended.max(*suspended));
        let slept = reading.suspended.saturating_sub(known);
        // What had begun when all was well keeps its dates.
        let since = match self.numbering {
            Numbering::Aligned(grid) => grid.instant((grid.cell(before) + 1).max(decided.saturating_add(1))),
            Numbering::Counted => reading.monotonic.to_pts(),
        };
        let correction = dates.correct(reading, slept, since)?;
        if let Correction::Suspended { .. } = correction {
            if !breaks.contain(since) {
                breaks.push(since);
            }
            next.discontinuity = breaks.all();
        }
        Some(correction)
    }

    /// The dates of all renditions.
    pub fn dates(&self) -> Dates {
        self.state().dates
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The numbers of one rendition.
#[derive(Debug)]
pub struct Sequence {
    agreement: Arc<Agreement>,
    rendition: String,
    /// The cell of the last segment, once there is one (counted: any).
    last: Option<i64>,
    /// Counted: the next number.
    next: u64,
    /// Counted: discontinuities so far.
    seen: u64,
    /// How what was given up since would have joined.
    kept: Join,
}

/// The place of a segment among the others of its rendition.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its media sequence number.
    pub sequence: u64,
    /// Whether EXT-X-DISCONTINUITY stands before it.
    pub join: Join,
    /// What stands in the list before it.
    pub before: Before,
}

/// Why a segment has no place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A cell holds one segment.
    #[error("its place in the list is taken by one that broke off")]
    Taken,
    /// What was captured before the stream began has no number.
    #[error("it began before the stream did")]
    TooEarly,
    /// See the head of this module.
    #[error(
        "the discontinuity before it stands before the next one, as another rendition has begun this one without"
    )]
    AwaitsDiscontinuity,
}

/// What stands in the list before a segment.
#[derive(Clone, Debug)]
pub enum Before {
    /// What was listed so far, and these gaps; mostly none.
    Gaps(Vec<Segment>),
    /// Nothing: it is the first, or the hole before it is longer than the window. So many discontinuities came
    /// before its own.
    Nothing(u64),
}

impl Sequence {
    /// What the log calls the rendition.
    pub fn rendition(&self) -> &str {
        &self.rendition
    }

    /// What its stream agrees on.
    pub fn agreement(&self) -> &Arc<Agreement> {
        &self.agreement
    }

    /// The number that a segment beginning at `start` will have; none if it would be given up.
    pub fn number_of(&self, start: Pts) -> Option<u64> {
        let Numbering::Aligned(grid) = self.agreement.numbering else { return Some(self.next) };
        let cell = grid.cell(start);
        let state = self.agreement.state();
        let waits = self.kept == Join::Broken && state.breaks.all() > state.breaks.until(start);
        let free = cell >= self.agreement.origin && self.last.is_none_or(|last| cell > last);
        (free && !waits).then(|| self.number(&state, cell))
    }

    /// Gives the segment that begins at `start` its place. `join` is how it follows what came before; what is listed
    /// so far lasts until `end`. To be asked once for each segment, in order, when it is listed or, where it is
    /// offered in parts, when it begins.
    ///
    /// # Errors
    /// If it has to be given up.
    pub fn place(&mut self, start: Pts, join: Join, end: Option<Pts>) -> Result<Placed, Refusal> {
        let agreement = Arc::clone(&self.agreement);
        let join = join.max(self.kept);
        let placed = match agreement.numbering {
            Numbering::Aligned(grid) => self.align(&agreement, grid, start, join, end),
            Numbering::Counted => Ok(self.count(&mut agreement.state(), start, join)),
        };
        self.kept = if placed.is_ok() { Join::Continuous } else { join.max(Join::Lost) };
        placed
    }

    /// Where the segment that begins at `start` ends if what should be in it up to `next`, where one begins, is
    /// lacking: there, or with its cell.
    pub fn end_of(&self, start: Pts, next: Pts) -> Pts {
        match self.agreement.numbering {
            Numbering::Aligned(grid) if grid.cell(next) > grid.cell(start) + 1 => grid.after(start),
            _ => next,
        }
    }

    /// What should be reserved now, if half of the last reservation is used up.
    pub fn restock(&mut self) -> Option<Reservation> {
        let state = &mut *self.agreement.state();
        state.stock.restock(state.next)
    }

    fn number(&self, state: &State, cell: i64) -> u64 {
        state.stock.first.media + (cell - self.agreement.origin).max(0) as u64
    }

    fn count(&mut self, state: &mut State, start: Pts, join: Join) -> Placed {
        let (sequence, first) = (self.next, self.last.is_none());
        (self.next, self.last) = (sequence + 1, Some(0));
        let before = if first {
            self.seen = state.breaks.until(start);
            Before::Nothing(self.seen - 1)
        } else {
            if join > Join::Continuous && state.breaks.all() == self.seen {
                state.breaks.push(start);
            }
            Before::Gaps(Vec::new())
        };
        let known = if join > Join::Continuous { state.breaks.all() } else { state.breaks.until(start) };
        let join = if first || known > self.seen { Join::Broken } else { Join::Continuous };
        self.seen += u64::from(!first && join == Join::Broken);
        let next = Numbers { media: self.next, discontinuity: state.breaks.all() };
        state.next = state.next.max(next);
        Placed { sequence, join, before }
    }

    fn align(
        &mut self,
        agreement: &Agreement,
        grid: CutGrid,
        start: Pts,
        join: Join,
        end: Option<Pts>,
    ) -> Result<Placed, Refusal> {
        let mut state = agreement.state();
        let state = &mut *state;
        let cell = grid.cell(start);
        let here = grid.instant(cell);
        if cell < agreement.origin {
            return Err(Refusal::TooEarly);
        }
        if self.last.is_some_and(|last| cell <= last) {
            return Err(Refusal::Taken);
        }
        let Some((last, end)) = self.last.zip(end) else {
            let before = Before::Nothing(state.breaks.until(here) - 1);
            return Ok(self.settle(state, cell, Join::Broken, before));
        };
        let edges = edges(grid, (last, end), (cell, start), agreement.target);
        if (join == Join::Broken || edges.is_none()) && !state.breaks.contain(here) {
            if state.breaks.all() == state.breaks.until(here) {
                state.breaks.push(grid.instant(cell.max(state.decided.saturating_add(1))));
                state.next.discontinuity = state.breaks.all();
            }
            if !state.breaks.contain(here) {
                return Err(Refusal::AwaitsDiscontinuity);
            }
        }
        let join = if state.breaks.contain(here) { Join::Broken } else { Join::Continuous };
        if start - end > agreement.length {
            let before = Before::Nothing(state.breaks.until(here) - u64::from(join == Join::Broken));
            return Ok(self.settle(state, cell, join, before));
        }
        let edges = edges.unwrap_or_else(|| (last + 1..=cell).map(|cell| grid.instant(cell)).collect());
        let gaps = edges.windows(2).zip(last + 1..cell).map(|(edge, cell)| {
            let join = if state.breaks.contain(grid.instant(cell)) { Join::Broken } else { Join::Continuous };
            Segment::gap(self.number(state, cell), edge[0], edge[1] - edge[0], join)
        });
        let before = Before::Gaps(gaps.collect());
        Ok(self.settle(state, cell, join, before))
    }

    fn settle(&mut self, state: &mut State, cell: i64, join: Join, before: Before) -> Placed {
        let sequence = self.number(state, cell);
        self.last = Some(cell);
        state.decided = state.decided.max(cell);
        state.next = state.next.max(Numbers { media: sequence + 1, discontinuity: state.breaks.all() });
        Placed { sequence, join, before }
    }
}

/// Where the gaps between a list that ends in the cell `last`, at `end`, and a segment that begins in `cell`, at
/// `start`, begin and end, if they can join both: each within what EXT-X-TARGETDURATION allows.
fn edges(
    grid: CutGrid,
    (last, end): (i64, Pts),
    (cell, start): (i64, Pts),
    target: TargetDuration,
) -> Option<Vec<Pts>> {
    let within = (last + 2..cell).map(|cell| grid.instant(cell));
    // Without a cell between, the one has to end where the other begins.
    let first = (cell > last + 1 || end != start).then_some(end);
    let edges: Vec<Pts> = first.into_iter().chain(within).chain([start]).collect();
    let join = edges.len() == (cell - last) as usize
        && edges.windows(2).all(|edge| edge[1] > edge[0] && target.allows(edge[1] - edge[0]));
    join.then_some(edges)
}
