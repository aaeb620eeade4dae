//! How old pictures are when their bytes are in the ring.
//!
//! Belongs here: making figures of that, those of pictures at a cut apart. Does not: what holds pictures up.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{Gauge, Monotonic, Pts};

/// How long is looked at before the figures change.
const WINDOW: Duration = Duration::from_secs(5);

/// From the capture of pictures to their publishing in the ring, in seconds, over five seconds at a time; zero
/// before. Pictures held up at a cut are those that begin a segment, which wait for the sound before them, and
/// those captured while they waited.
#[derive(Debug, Default)]
pub struct LagStats {
    /// On average, of those not held up at a cut.
    pub mean: Gauge,
    /// At most, of the same.
    pub greatest: Gauge,
    /// At most, of those held up at a cut.
    pub at_cuts: Gauge,
}

/// Looks at pictures as they are published.
pub(super) struct Lag {
    stats: Arc<LagStats>,
    window: Window,
    /// When the segment's first picture was published; none while it is awaited.
    opened: Option<Monotonic>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    begin: Monotonic,
    count: u32,
    sum: Duration,
    greatest: Duration,
    at_cuts: Duration,
}

impl Window {
    fn new(begin: Monotonic) -> Self {
        let none = Duration::ZERO;
        Self { begin, count: 0, sum: none, greatest: none, at_cuts: none }
    }
}

impl Lag {
    pub(super) fn new(now: Monotonic) -> Self {
        Self { stats: Arc::default(), window: Window::new(now), opened: None }
    }

    pub(super) fn stats(&self) -> Arc<LagStats> {
        Arc::clone(&self.stats)
    }

    /// A segment begins.
    pub(super) fn cut(&mut self) {
        self.opened = None;
    }

    /// A picture was published.
    pub(super) fn published(&mut self, captured: Pts, now: Monotonic) {
        let Self { stats, window, opened } = self;
        let captured = captured.to_monotonic();
        let lag = now.since(captured);
        if captured <= *opened.get_or_insert(now) {
            window.at_cuts = window.at_cuts.max(lag);
        } else {
            window.count += 1;
            window.sum += lag;
            window.greatest = window.greatest.max(lag);
        }
        if now.since(window.begin) >= WINDOW {
            stats.mean.set((window.sum / window.count.max(1)).as_secs_f64());
            stats.greatest.set(window.greatest.as_secs_f64());
            stats.at_cuts.set(window.at_cuts.as_secs_f64());
            *window = Window::new(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;

    #[test]
    fn pictures_held_up_at_a_cut_are_told_apart() {
        let start = Monotonic::from_nanos(100_000_000_000);
        let mut lag = Lag::new(start);
        let stats = lag.stats();
        // 30 pictures a second, published 10 ms after their capture, every seventh 12 ms; those that begin a
        // segment of two seconds, and the two captured meanwhile, at the earliest 80 ms after the cut.
        for n in 0..=150 {
            let into_segment = n % 60;
            if into_segment == 0 {
                lag.cut();
            }
            let captured = start.to_pts() + Span::from_ticks(n * 3000);
            let late = match into_segment {
                0..3 => Span::from_ticks(80 * 90 - into_segment * 3000),
                _ if n % 7 == 0 => Span::from_millis(12),
                _ => Span::from_millis(10),
            };
            assert_eq!(stats.mean.get(), 0.0, "not before five seconds are over");
            lag.published(captured, (captured + late).to_monotonic());
        }
        assert!((0.0102..0.0104).contains(&stats.mean.get()), "{stats:?}");
        assert!((stats.greatest.get() - 0.012).abs() < 1e-4, "{stats:?}");
        assert!((stats.at_cuts.get() - 0.080).abs() < 1e-4, "{stats:?}");
    }
}
