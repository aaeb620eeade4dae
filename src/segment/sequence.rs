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
//!
//! Where segments are counted, a discontinuity has an instant: that at which the first rendition breaks there. Each
//! rendition tells it with its first segment from then on. Where pictures break is known as soon as they are written
//! (`pump::breaks`), so that sound which is cut after that instant and listed before the pictures tells it, too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::breaks::Breaks;
use super::dates::{Correction, Dates};
use super::ledger::{Ledger, Numbers, Reservation, Stock, counted_at};
use super::resume::Resumption;
use super::{Segment, SegmentConfig, Store, TargetDuration};
use crate::base::random::by_chance;
use crate::base::{Monotonic, Pts, Span, WallReading};
use crate::container::ts::Join;
use crate::media::CutGrid;
use crate::pump::breaks::Breaks as Pictures;
use crate::timeline::Timeline;

/// How the segments of a stream are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// By the cell of the grid they begin in.
    Aligned(CutGrid),
    /// One after the other, each rendition for itself: where segments end when a camera's key frames come, or
    /// pictures are further apart than instants of the grid.
    Counted,
}

/// What is offered side by side: renditions between which players change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lineup {
    /// In whole segments.
    Segments,
    /// In parts of them.
    Parts,
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
    /// Counted: where pictures broke.
    pictures: Arc<Pictures>,
    /// One mapping for all.
    dates: ArcSwap<Dates>,
    /// What happened when, told by all of them.
    timeline: Arc<Timeline>,
}

#[derive(Debug)]
struct State {
    stock: Stock,
    /// Above all numbers used so far.
    next: Numbers,
    breaks: Breaks,
    /// How many of `pictures` are among them.
    followed: usize,
    /// The last cell that any rendition has begun.
    decided: i64,
    /// Before these, nothing is listed, in segments and in parts.
    fronts: [Pts; 2],
    /// When the clocks were looked at last, and how long the machine had been suspended then.
    looked: Monotonic,
    suspended: Duration,
}

/// Where and how the renditions of a stream begin.
pub(super) struct Beginning {
    pub(super) origin: i64,
    pub(super) stock: Stock,
    pub(super) breaks: Breaks,
    pub(super) decided: i64,
    pub(super) dates: Dates,
}

impl State {
    /// Takes up where `pictures` broke since it was asked last.
    fn follow(&mut self, pictures: &Pictures) {
        while let Some(at) = pictures.after(self.followed) {
            self.followed = self.followed.wrapping_add(1);
            self.breaks.push(at);
        }
    }
}

impl Agreement {
    /// What happened when in the stream.
    pub fn timeline(&self) -> &Arc<Timeline> {
        &self.timeline
    }

    /// The agreement of the renditions of `stream`, which begin at `reading` with units dated at most `delay` back.
    /// They go on with what an earlier run has left in their `stores`. Else their numbers are above all those the stream
    /// ever had; waits for the disk to reserve the first of them.
    pub fn new(
        ledger: &Arc<Ledger>,
        stream: &str,
        numbering: Numbering,
        config: &SegmentConfig,
        reading: &WallReading,
        delay: Span,
        stores: &[&Store],
    ) -> Arc<Self> {
        let Beginning { origin, stock, breaks, decided, dates } =
            match Resumption::of(stores, numbering, reading, delay) {
                Some(resumed) => resumed.beginning(ledger, stream),
                None => Self::begin(ledger, stream, numbering, reading, delay),
            };
        let state = State {
            next: stock.first,
            breaks,
            followed: 0,
            stock,
            decided,
            fronts: [Pts::from_ticks(i64::MIN); 2],
            looked: reading.monotonic,
            suspended: reading.suspended,
        };
        let target = TargetDuration::of(config.target);
        let length = config.length.max(target.least_window());
        // No two runs begin in the same nanosecond, unless the clock begins anew each time.
        let run = if reading.is_set() { reading.wall.as_unix_nanos() as u64 } else { by_chance() };
        let timeline = Timeline::new(run);
        let (state, dates) = (Mutex::new(state), ArcSwap::from_pointee(dates));
        let pictures = Arc::default();
        Arc::new(Self { numbering, target, length, origin, state, pictures, dates, timeline })
    }

    /// Where a stream begins of which no earlier run has left anything.
    fn begin(
        ledger: &Arc<Ledger>,
        stream: &str,
        numbering: Numbering,
        reading: &WallReading,
        delay: Span,
    ) -> Beginning {
        let (origin, counted) = match numbering {
            Numbering::Aligned(grid) => {
                let cell = grid.cell(reading.monotonic.to_pts() - delay);
                (cell, reading.moved_to(grid.instant(cell).to_monotonic()))
            }
            Numbering::Counted => (0, counted_at(reading, delay)),
        };
        let stock = ledger.stock(stream, &counted);
        // Every run begins with a discontinuity.
        let breaks = Breaks::after(stock.first.discontinuity + 1);
        Beginning { origin, stock, breaks, decided: i64::MIN, dates: Dates::of(reading) }
    }

    /// Where pictures broke, for whoever writes them to tell: where segments are counted. On the grid, a break is told
    /// with a cell.
    pub fn pictures(&self) -> Option<&Arc<Pictures>> {
        (self.numbering == Numbering::Counted).then_some(&self.pictures)
    }

    /// The numbers of one of them; `rendition` is what the log calls it.
    pub fn sequence(self: &Arc<Self>, rendition: &str) -> Sequence {
        let next = self.state().stock.first.media;
        let (last, kept, lineup) = (None, Join::Continuous, Lineup::Segments);
        let (agreement, rendition) = (Arc::clone(self), rendition.to_owned());
        Sequence { agreement, rendition, lineup, last, next, seen: 0, kept }
    }

    /// Looks at the clocks: whether the civil one was set, or the machine was suspended. Says so once, to whoever
    /// asks first.
    pub fn look(&self, reading: &WallReading) -> Option<Correction> {
        let mut state = self.state();
        let State { breaks, decided, looked, suspended, next, .. } = &mut *state;
        let before = std::mem::replace(looked, reading.monotonic).to_pts();
        let known = std::mem::replace(suspended, reading.suspended.max(*suspended));
        let slept = reading.suspended.saturating_sub(known);
        // What had begun when all was well keeps its dates.
        let since = match self.numbering {
            Numbering::Aligned(grid) => grid.instant((grid.cell(before) + 1).max(decided.saturating_add(1))),
            Numbering::Counted => reading.monotonic.to_pts(),
        };
        let mut dates = self.dates();
        let correction = dates.correct(reading, slept, since)?;
        self.dates.store(Arc::new(dates));
        if let Correction::Suspended { .. } = correction {
            if !breaks.contain(since) {
                breaks.push(since);
            }
            next.discontinuity = breaks.all();
        }
        Some(correction)
    }

    /// The dates of all renditions. Waits for nobody.
    pub fn dates(&self) -> Dates {
        **self.dates.load()
    }

    /// The same, and how long the machine had been suspended when they were looked at last.
    pub(super) fn dated(&self) -> (Dates, Duration) {
        let state = self.state();
        (self.dates(), state.suspended)
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
    pub(super) lineup: Lineup,
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
    /// Nothing of what was: it is the first, or the hole before it is longer than the window.
    Anew {
        /// So many discontinuities came before the first of what is listed now, its own not counted.
        discontinuities: u64,
        /// Of a hole its last three target durations: no live playlist is shorter once it was as long (rfc8216bis,
        /// 6.2.2).
        gaps: Vec<Segment>,
    },
}

impl Before {
    /// The gaps that are listed.
    pub fn gaps(&self) -> &[Segment] {
        let (Self::Gaps(gaps) | Self::Anew { gaps, .. }) = self;
        gaps
    }

    /// The same.
    pub(super) fn gaps_mut(&mut self) -> &mut [Segment] {
        let (Self::Gaps(gaps) | Self::Anew { gaps, .. }) = self;
        gaps
    }
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

    /// Goes on after `last`, before which and with which an earlier run has told `discontinuities`. Says whether that
    /// is in its place.
    pub(super) fn resume(&mut self, last: &Segment, discontinuities: u64) -> bool {
        match self.agreement.numbering {
            Numbering::Aligned(grid) => {
                let (cell, first) = (grid.cell(last.start), self.agreement.state().stock.first.media);
                let ahead = self.agreement.origin.checked_sub(cell).and_then(|it| u64::try_from(it).ok());
                if ahead.and_then(|ahead| last.sequence.checked_add(ahead)) != Some(first) {
                    return false;
                }
                self.last = Some(cell);
            }
            // The number after it may have been told, and no cell says how long what had it would have been.
            Numbering::Counted if last.init.is_some() => return false,
            Numbering::Counted => (self.last, self.next) = (Some(0), last.sequence + 1),
        }
        self.seen = discontinuities;
        true
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
            Numbering::Counted => {
                let mut state = agreement.state();
                state.follow(&agreement.pictures);
                Ok(self.count(&mut state, start, join))
            }
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

    /// Where no window of its lineup lists anything before. `own` is where one begins that lacks memory: the others
    /// become as short, as lists may differ at their ends by less than a target duration (rfc8216bis, 6.2.4).
    pub(super) fn front(&self, own: Option<Pts>) -> Pts {
        let front = &mut self.agreement.state().fronts[self.lineup as usize];
        *front = own.map_or(*front, |own| own.max(*front));
        *front
    }

    /// What should be reserved now, if half of the last reservation is used up.
    pub fn restock(&mut self) -> Option<Reservation> {
        let state = &mut *self.agreement.state();
        state.stock.restock(state.next, state.looked)
    }

    fn number(&self, state: &State, cell: i64) -> u64 {
        state.stock.first.media.saturating_add_signed(cell - self.agreement.origin)
    }

    fn count(&mut self, state: &mut State, start: Pts, join: Join) -> Placed {
        let (join, before) = if self.last.replace(0).is_none() {
            self.seen = state.breaks.until(start);
            (Join::Broken, Before::Anew { discontinuities: self.seen - 1, gaps: Vec::new() })
        } else {
            if join > Join::Continuous && state.breaks.until(start) == self.seen {
                state.breaks.meet(self.seen, start);
            }
            (self.cross(state, start), Before::Gaps(Vec::new()))
        };
        let sequence = self.next;
        self.next += 1;
        let next = Numbers { media: self.next, discontinuity: state.breaks.all() };
        state.next = state.next.max(next);
        Placed { sequence, join, before }
    }

    /// Counted: how what begins at `start` joins what is told before it. Of several discontinuities since, it tells
    /// one, as a segment has one tag, and the next segment another.
    fn cross(&mut self, state: &State, start: Pts) -> Join {
        if state.breaks.until(start) <= self.seen {
            return Join::Continuous;
        }
        self.seen += 1;
        Join::Broken
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
            let before = Before::Anew { discontinuities: state.breaks.until(here) - 1, gaps: Vec::new() };
            return Ok(self.settle(state, cell, Join::Broken, before));
        };
        // Of a hole longer than the window its end is told, as if what is listed lasted until there.
        let (least, cell_len) = (agreement.target.least_window().ticks(), grid.target().ticks());
        let told = (least + cell_len - 1).div_euclid(cell_len);
        let anew = start - end > agreement.length && cell - last > told + 1;
        let (last, end) = if anew { (cell - told - 1, grid.instant(cell - told)) } else { (last, end) };
        let edges = edges(grid, (last, end), (cell, start), agreement.target);
        // One that stands before a gap between both says it of them, too.
        let told =
            join == Join::Broken && (last + 1..cell).any(|cell| state.breaks.contain(grid.instant(cell)));
        if (join == Join::Broken && !told || edges.is_none()) && !state.breaks.contain(here) {
            if state.breaks.all() == state.breaks.until(here) {
                state.breaks.push(grid.instant(cell.max(state.decided.saturating_add(1))));
                state.next.discontinuity = state.breaks.all();
            }
            if !state.breaks.contain(here) {
                return Err(Refusal::AwaitsDiscontinuity);
            }
        }
        let join_of = |cell| {
            let breaks = state.breaks.contain(grid.instant(cell));
            if breaks { Join::Broken } else { Join::Continuous }
        };
        let edges = edges.unwrap_or_else(|| (last + 1..=cell).map(|cell| grid.instant(cell)).collect());
        let gaps = edges.windows(2).zip(last + 1..cell).map(|(edge, cell)| {
            Segment::gap(self.number(state, cell), edge[0], edge[1] - edge[0], join_of(cell))
        });
        let (join, gaps) = (join_of(cell), gaps.collect());
        let before = if anew {
            let own = u64::from(join_of(last + 1) == Join::Broken);
            Before::Anew { discontinuities: state.breaks.until(grid.instant(last + 1)) - own, gaps }
        } else {
            Before::Gaps(gaps)
        };
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
