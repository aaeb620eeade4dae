//! The end of the way: where segments begin, and what is counted.

use std::sync::Arc;

use crate::base::Pts;
use crate::encode::Ask;
use crate::media::grid::{CutGrid, Cutter};
use crate::media::{Entry, Packet, VideoFrame};
use crate::pump::governor::Need;
use crate::pump::outlet::Outlet;

use super::coder::{Coder, Outcome};
use super::sizes::Sizes;
use super::stats::{Sent, VideoInfo, VideoStats};

pub(super) struct Gate {
    pub(super) stats: Arc<VideoStats>,
    grid: CutGrid,
    cutter: Cutter,
    outlet: Outlet,
    info: Arc<VideoInfo>,
    /// Whether anything was sent since the last interruption.
    flowing: bool,
    /// The last instant of which something was sent.
    last: Option<Pts>,
}

impl Gate {
    pub(super) fn new(grid: CutGrid, outlet: Outlet, stats: Arc<VideoStats>, info: Arc<VideoInfo>) -> Self {
        Self { stats, grid, cutter: Cutter::new(grid), outlet, info, flowing: false, last: None }
    }

    /// From here on this is sent, which does not follow what was sent before.
    pub(super) fn change(&mut self, sent: Option<Sent>) {
        if std::mem::take(&mut self.flowing) {
            self.outlet.interrupt();
        }
        self.cutter = Cutter::new(self.grid);
        if let Some(sent) = sent {
            self.info.set(sent, self.last);
        }
    }

    /// Whether a segment begins with the camera's picture at `pts`.
    pub(super) fn need(&self, pts: Pts) -> Need {
        if self.cutter.is_due(pts) { Need::Cut } else { Need::Any }
    }

    /// Encodes a picture and sends it; with another encoder it is tried once more.
    pub(super) fn encode(&mut self, coder: &mut Coder, frame: &VideoFrame<'_>, sizes: &mut Sizes) {
        let mut outcome = self.try_encode(coder, frame, sizes);
        if outcome == Outcome::Opened {
            self.change(coder.sent());
            outcome = self.try_encode(coder, frame, sizes);
        }
        if outcome != Outcome::Encoded {
            self.stats.dropped.increment();
            // Whatever comes next needs what is lost, or another encoder made it.
            self.change(coder.sent());
        }
    }

    fn try_encode(&mut self, coder: &mut Coder, frame: &VideoFrame<'_>, sizes: &mut Sizes) -> Outcome {
        // The picture's instant is known before it is encoded: the segment before is complete now.
        let ask = if self.cutter.is_cut(frame.pts) {
            self.outlet.begin_segment(frame.pts);
            Ask::Idr
        } else {
            Ask::Any
        };
        coder.encode(frame, sizes, ask, &mut |unit| self.send(unit))
    }

    /// Sends a unit of the camera; a segment begins with the first IDR picture at or after each instant.
    pub(super) fn pass(&mut self, unit: &Packet<'_>) {
        if unit.entry == Entry::Key && self.cutter.is_cut(unit.pts) {
            self.outlet.begin_segment(unit.pts);
        }
        self.send(unit);
    }

    fn send(&mut self, unit: &Packet<'_>) {
        (self.flowing, self.last) = (true, Some(unit.pts));
        self.stats.sent.increment();
        self.stats.idrs.add(u64::from(unit.entry == Entry::Key));
        self.stats.bytes.add(unit.data.len() as u64);
        self.outlet.write(unit);
    }

    /// Nothing more will come.
    pub(super) fn finish(&mut self) {
        self.outlet.finish();
    }
}
