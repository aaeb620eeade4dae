//! What a stream's pictures say about themselves, without making their thread wait.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::base::{Counter, Gauge, Pts};
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

/// So many kinds of pictures that went before are remembered at most.
const REMEMBERED: usize = 16;

/// What a stream is sending, and has sent: set by its own thread, read by anyone.
#[derive(Debug, Default)]
pub struct VideoInfo {
    now: ArcSwapOption<Sent>,
    /// What was sent before it, oldest first, and its last instant.
    before: ArcSwap<Vec<(VideoConfig, Pts)>>,
    /// What may be sent at any time.
    slate: Option<VideoConfig>,
}

impl VideoInfo {
    /// Of a stream whose slates, which may come at any time, are coded otherwise than its pictures.
    pub fn with_slate(slate: Option<VideoConfig>) -> Self {
        Self { slate, ..Self::default() }
    }

    /// What is being sent; `None` before the first picture of a camera whose H.264 is passed on.
    pub fn get(&self) -> Option<Arc<Sent>> {
        self.now.load_full()
    }

    /// What whoever plays a window that begins at `since` must be able to (RFC 8216, 4.3.4.2): what was sent in it, is
    /// sent, and may be. `None` while nothing of that is known.
    pub fn held(&self, since: Option<Pts>) -> Option<VideoConfig> {
        let (now, before) = (self.now.load(), self.before.load());
        let now = now.as_ref().map(|sent| &sent.config);
        let before = before.iter().filter(|(_, last)| since.is_some_and(|since| *last >= since));
        let all = now.into_iter().chain(&self.slate).chain(before.map(|(config, _)| config));
        all.fold(None, |held: Option<VideoConfig>, it| {
            Some(held.map_or_else(|| it.clone(), |held| held.with(it)))
        })
    }

    /// From here on this is sent; the last instant of what was sent before is `last`.
    pub(super) fn set(&self, sent: Sent, last: Option<Pts>) {
        let was = self.now.swap(Some(Arc::new(sent)));
        if let (Some(was), Some(last)) = (was, last) {
            let mut before = Vec::clone(&self.before.load());
            before.retain(|(config, _)| *config != was.config);
            before.push((was.config.clone(), last));
            before.drain(..before.len().saturating_sub(REMEMBERED));
            self.before.store(Arc::new(before));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::FrameRate;

    fn config(codecs: &str, size: &str) -> VideoConfig {
        let (size, rate) = (size.parse().expect("a size"), FrameRate::new(10, 1).expect("a rate"));
        VideoConfig { codecs: codecs.to_owned(), size, rate }
    }

    fn sent(codecs: &str, size: &str) -> Sent {
        Sent { config: config(codecs, size), encoder: String::new(), why: String::new() }
    }

    #[test]
    fn what_the_window_holds_is_told_as_long_as_it_does() {
        let at = |seconds: i64| Some(Pts::from_ticks(90_000 * seconds));
        let info = VideoInfo::default();
        assert_eq!(info.held(at(0)), None);
        info.set(sent("avc1.64001e", "640x480"), None);
        assert_eq!(info.held(None), Some(config("avc1.64001e", "640x480")));
        info.set(sent("avc1.42c01f", "1280x720"), at(10));
        info.set(sent("avc1.42c00d", "320x240"), at(20));
        let table = [
            (5, "avc1.64001f", "1280x720"),
            (10, "avc1.64001f", "1280x720"),
            (11, "avc1.42c01f", "1280x720"),
            (21, "avc1.42c00d", "320x240"),
        ];
        for (since, codecs, size) in table {
            assert_eq!(info.held(at(since)), Some(config(codecs, size)), "since {since}");
        }
        // However often they take turns.
        for n in 0..100 {
            info.set(sent("avc1.64001e", "640x480"), at(30 + n));
            info.set(sent("avc1.42c00d", "320x240"), at(30 + n));
        }
        assert_eq!(info.before.load().len(), 3);
    }

    #[test]
    fn a_slate_that_may_come_is_told_before_it_comes() {
        let info = VideoInfo::with_slate(Some(config("avc1.42c01f", "1280x720")));
        assert_eq!((info.get(), info.held(None)), (None, Some(config("avc1.42c01f", "1280x720"))));
        info.set(sent("avc1.64001e", "640x480"), None);
        assert_eq!(info.held(None), Some(config("avc1.64001f", "1280x720")));
    }
}
