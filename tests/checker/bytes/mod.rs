//! What is in segments, as far as rules ask: a reader of its own, so that the project's does not judge itself.

pub(crate) mod fmp4;
pub(crate) mod ts;

/// A segment as its bytes tell it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Look {
    /// When its leading track (pictures, else sound) begins, in seconds, and after how many the clock wraps.
    pub(crate) start: f64,
    pub(crate) wraps: Option<f64>,
    /// How long that track lasts, where that can be read off the segment alone.
    pub(crate) duration: Option<f64>,
    /// Whether its first picture can be begun with; sound always can.
    pub(crate) independent: bool,
}
