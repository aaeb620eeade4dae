//! Going on where an earlier run of the program has ended.
//!
//! Belongs here: what its windows say of numbers, discontinuities and dates, and where the next ones are. Does not: the
//! windows themselves (`store`, `window`).

use std::sync::Arc;

use super::breaks::Breaks;
use super::ledger::{Ledger, Numbers};
use super::sequence::Beginning;
use super::store::{Listing, Past};
use super::{Dates, Numbering, Segment, Store};
use crate::base::{Pts, Span, WallReading};
use crate::container::ts::Join;

/// Where the renditions of a stream go on.
pub(super) struct Resumption {
    origin: i64,
    first: Numbers,
    breaks: Breaks,
    decided: i64,
    dates: Dates,
}

impl Resumption {
    /// Where those go on that have left something in `stores`; `None` if none has. Units are dated at most `delay` back
    /// from the `reading`.
    ///
    /// Between what was and what comes stands one discontinuity, in all of them at the same place: where the first
    /// segment can begin.
    pub(super) fn of(
        stores: &[&Store],
        numbering: Numbering,
        reading: &WallReading,
        delay: Span,
    ) -> Option<Self> {
        let pasts: Vec<&Past> = stores.iter().filter_map(|store| store.past()).collect();
        let lasts = || pasts.iter().filter_map(|past| past.last());
        let newest = lasts().map(|it| &it.segment).max_by_key(|it| it.sequence)?;
        let now = reading.monotonic.to_pts() - delay;
        // Parts of what was being written were told under its number, which must not come again for others.
        let in_parts = lasts().any(|it| it.segment.init.is_some());
        let (origin, from, media, decided) = match numbering {
            Numbering::Aligned(grid) => {
                let known = grid.cell(newest.start);
                let free = if in_parts { grid.cell(reading.monotonic.to_pts()) + 1 } else { grid.cell(now) };
                let cell = free.max(known + 1);
                (cell, grid.instant(cell), newest.sequence + cell.abs_diff(known), known)
            }
            Numbering::Counted => (0, now, newest.sequence + 1 + u64::from(in_parts), i64::MIN),
        };

        let told = pasts.iter().map(|past| past.discontinuities()).max()?;
        // One that not all have told yet is still told by those others.
        let behind = lasts().map(|it| it.segment.start).min()?;
        let place = |segment: &Segment| match numbering {
            Numbering::Aligned(grid) => grid.instant(grid.cell(segment.start)),
            Numbering::Counted => segment.start,
        };
        let broken = pasts.iter().flat_map(|past| past.segments()).filter(|it| it.join == Join::Broken);
        let mut at: Vec<Pts> = broken.map(place).filter(|at| *at > behind).collect();
        at.sort_unstable();
        at.dedup();
        let mut breaks = Breaks::known(told, at);
        breaks.push(from);

        let newest = pasts.iter().max_by_key(|past| past.last().map(|it| it.listed))?;
        let mut dates = newest.dates;
        let slept = reading.suspended.saturating_sub(newest.suspended);
        dates.correct(reading, slept, from);
        let first = Numbers { media, discontinuity: breaks.all() };
        Some(Self { origin, first, breaks, decided, dates })
    }

    pub(super) fn beginning(self, ledger: &Arc<Ledger>, stream: &str) -> Beginning {
        let Self { origin, first, breaks, decided, dates } = self;
        Beginning { origin, stock: ledger.resume(stream, first), breaks, decided, dates }
    }
}

impl Past {
    fn last(&self) -> Option<&Listing> {
        self.listings.last()
    }

    /// All that was listed, oldest first.
    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.listings.iter().flat_map(|it| it.gaps.iter().chain([&it.segment]))
    }

    /// How many discontinuities were told.
    fn discontinuities(&self) -> u64 {
        let Some(last) = self.last() else { return 0 };
        let own = last.gaps.iter().chain([&last.segment]).filter(|it| it.join == Join::Broken);
        last.discontinuities + own.count() as u64
    }
}
