//! What others may know of a camera while it runs, without making it wait.

use arc_swap::ArcSwapOption;

use super::VideoFormat;
use crate::base::{Counter, Gauge};
use crate::source::stats::Condition;

/// Figures of one camera.
#[derive(Debug, Default)]
pub struct CameraStats {
    /// How it is, since when and why.
    pub condition: Condition,
    /// What it delivers since it was last opened; none before.
    pub format: ArcSwapOption<VideoFormat>,
    /// Times it was opened.
    pub opened: Counter,
    /// Pictures it gave: those that were of use, and those for which whoever watches was too busy.
    pub pictures: Counter,
    /// Pictures lost before we saw them. Those left out because whoever watches was busy are not among them.
    pub missed: Counter,
    /// Pictures that were cut short or corrupt.
    pub damaged: Counter,
    /// Timestamps that could not be believed: zero, backwards, from the future.
    pub misdated: Counter,
    /// Pictures of the slate shown in its place.
    pub slates: Counter,
    /// Times its last picture was shown again because no other came in time.
    pub stills: Counter,
    /// Pictures per second over the last seconds.
    pub rate: Gauge,
}
