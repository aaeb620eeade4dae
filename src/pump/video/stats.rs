//! What a stream's pictures say about themselves, without making their thread wait.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::base::{Counter, Gauge};
use crate::media::VideoConfig;

/// Figures of one stream's pictures.
#[derive(Debug, Default)]
pub struct VideoStats {
    /// Pictures that came or would have come, slates and repeated ones too.
    pub pictures: Counter,
    /// Pictures, or access units of the camera, that were sent.
    pub sent: Counter,
    /// Of those, where decoding can begin.
    pub idrs: Counter,
    /// Bytes of them.
    pub bytes: Counter,
    /// Pictures left out: because the one before took until the next was there, because the rate was lowered, or
    /// because nothing could encode them.
    pub dropped: Counter,
    /// Pictures an encoder refused, and access units that could not be passed on.
    pub errors: Counter,
    /// Time spent on scaling, encoding and handing on, in nanoseconds.
    pub busy_nanos: Counter,
    /// How many of the configured steps are taken because the board does not keep up.
    pub step: Gauge,
}

/// What is being sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What a decoder must know.
    pub config: VideoConfig,
    /// What encodes, for people.
    pub encoder: String,
    /// Why it and no other.
    pub why: String,
}

/// What a stream is sending now: set by its own thread, read by anyone.
#[derive(Debug, Default)]
pub struct VideoInfo(ArcSwapOption<Sent>);

impl VideoInfo {
    /// What is being sent; `None` before the first picture of a camera whose H.264 is passed on.
    pub fn get(&self) -> Option<Arc<Sent>> {
        self.0.load_full()
    }

    pub(super) fn set(&self, sent: Sent) {
        self.0.store(Some(Arc::new(sent)));
    }
}
