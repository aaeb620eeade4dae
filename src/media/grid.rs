//! The cut grid: segments begin at computed instants, the same ones in every rendition.

use crate::base::{Pts, Span};

/// The instants `k × target` of the media clock, for all whole k.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutGrid {
    target: Span,
}

impl CutGrid {
    /// A grid with `target` between two cuts (at least one tick).
    pub fn new(target: Span) -> Self {
        Self { target: target.max(Span::from_ticks(1)) }
    }

    /// The distance between two cuts.
    pub fn target(&self) -> Span {
        self.target
    }

    /// The cell that `pts` lies in: that from k × target to the next instant is cell k.
    pub fn cell(&self, pts: Pts) -> i64 {
        pts.ticks().div_euclid(self.target.ticks())
    }

    /// The instant with which a cell begins.
    pub fn instant(&self, cell: i64) -> Pts {
        Pts::from_ticks(cell.saturating_mul(self.target.ticks()))
    }

    /// The first instant of the grid strictly after `pts`.
    pub fn after(&self, pts: Pts) -> Pts {
        self.instant(self.cell(pts) + 1)
    }
}

/// Says at which units to cut: at the first one that reaches each instant of the grid.
#[derive(Clone, Copy, Debug)]
pub struct Cutter {
    grid: CutGrid,
    next: Option<Pts>,
}

impl Cutter {
    /// A cutter that has seen nothing: the first unit begins a segment.
    pub fn new(grid: CutGrid) -> Self {
        Self { grid, next: None }
    }

    /// Whether a segment would begin with a unit at `pts`.
    pub fn is_due(&self, pts: Pts) -> bool {
        self.next.is_none_or(|next| pts >= next)
    }

    /// Whether a segment begins with the unit at `pts`. Ask once for each unit that may begin one, in order.
    pub fn is_cut(&mut self, pts: Pts) -> bool {
        let cut = self.is_due(pts);
        if cut {
            self.next = Some(self.grid.after(pts));
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_fall_on_the_first_frame_at_or_after_each_instant() {
        let mut cutter = Cutter::new(CutGrid::new(Span::from_millis(2000)));
        let frame = Span::from_samples(1024, 48_000);
        let start = 90_000;
        let cuts: Vec<_> = (0..400)
            .map(|n| Pts::from_ticks(start + n * frame.ticks()))
            .filter(|pts| cutter.is_cut(*pts))
            .map(|pts| pts.ticks())
            .collect();
        // The first unit, then each 180,000 × k, rounded up to the beginning of a frame of 1,920 ticks.
        assert_eq!(cuts, [90_000, 180_240, 360_720, 541_200, 721_680]);
    }

    #[test]
    fn a_gap_over_several_instants_is_one_cut() {
        let mut cutter = Cutter::new(CutGrid::new(Span::from_millis(1000)));
        let at = |secs: i64| Pts::from_ticks(secs * 90_000);
        assert!(cutter.is_cut(at(0)));
        assert!(cutter.is_cut(at(10)));
        assert!(!cutter.is_cut(at(10) + Span::from_ticks(1)));
        assert!(cutter.is_cut(at(11)));
    }
}
