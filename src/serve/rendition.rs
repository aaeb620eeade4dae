//! One rendition as the server holds it: what was last put on its shelf, rendered once, and who takes from it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use hyper::header::HeaderValue;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::text::Text;
use crate::base::{Counter, Sync, WallTime};
use crate::ring::Audience;
use crate::segment::{Segment, Shelf, Snapshot, Tail, TargetDuration};

/// How long a request waits at most for a rendition to begin.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// So much is enough to begin with, in however few segments.
const ENOUGH: Duration = Duration::from_secs(12);

/// A media playlist's text from what is on the shelf.
pub type Renderer = Box<dyn Fn(&Snapshot) -> String + Send + std::marker::Sync>;

/// One rendition of a stream: a [`Shelf`] on one side, replies on the other.
pub struct Rendition {
    name: String,
    target: TargetDuration,
    render: Renderer,
    shown: ArcSwapOption<Shown>,
    tail: ArcSwapOption<Tail>,
    changed: Arc<Notify>,
    /// Whether there was ever enough for a player to begin with.
    begun: AtomicBool,
    closing: AtomicBool,
    /// Of the endless stream.
    audience: Audience,
    /// How often its playlist was rendered.
    pub renders: Counter,
    /// How often a listener of the endless stream was too slow and lost some of it.
    pub skips: Counter,
}

/// What requests are answered from, replaced whole.
pub(super) struct Shown {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) media: Text,
    /// When it was put up; only if the clock is to be believed.
    pub(super) modified: Option<Timestamp>,
    /// How long a cache may give out the playlists.
    pub(super) cache: HeaderValue,
}

impl Shown {
    /// The sequence number of the newest segment; something is always listed.
    pub(super) fn newest(&self) -> u64 {
        self.snapshot.listed.last().map_or(0, |newest| newest.sequence)
    }

    /// A segment that is listed, or retired and not yet gone.
    pub(super) fn segment(&self, sequence: u64) -> Option<&Arc<Segment>> {
        let find = |segments: &[Arc<Segment>]| {
            segments.binary_search_by_key(&sequence, |segment| segment.sequence).ok()
        };
        let Snapshot { listed, retired, .. } = &*self.snapshot;
        find(listed).map(|at| &listed[at]).or_else(|| find(retired).map(|at| &retired[at]))
    }

    /// When a segment was complete; only if the clock is to be believed.
    pub(super) fn completed(&self, segment: &Segment) -> Option<Timestamp> {
        let dates = &self.snapshot.dates;
        let wall = dates.at(segment.start + segment.duration);
        matches!(dates.sync, Sync::Synchronised).then(|| timestamp(wall)).flatten()
    }
}

fn timestamp(wall: WallTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(wall.as_unix_nanos())).ok()
}

impl Rendition {
    /// A rendition with nothing on its shelf yet.
    ///
    /// `name` is its folder in the URLs: `video`, `audio`, `ll/video`. `render` writes its playlist, whose segments
    /// are named relative to it.
    pub fn new(name: &str, target: TargetDuration, render: Renderer) -> Self {
        Self {
            name: name.to_owned(),
            target,
            render,
            shown: ArcSwapOption::empty(),
            tail: ArcSwapOption::empty(),
            changed: Arc::new(Notify::new()),
            begun: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            audience: Audience::default(),
            renders: Counter::default(),
            skips: Counter::default(),
        }
    }

    /// The same, whose endless stream's listeners are counted in `audience`.
    pub fn with_audience(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    /// Its folder in the URLs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is on the shelf now; `None` until the first segment is listed.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.shown.load().as_ref().map(|shown| shown.snapshot.clone())
    }

    /// How many listen to its endless stream.
    pub(super) fn listeners(&self) -> usize {
        self.audience.count()
    }

    /// Counts a listener of the endless stream until the guard is dropped.
    pub(super) fn tune_in(self: &Arc<Self>) -> TunedIn {
        self.audience.join();
        TunedIn(self.clone())
    }

    /// What playlists are answered from; `None` until there is enough for a player to begin with.
    pub(super) fn playlists(&self) -> Option<Arc<Shown>> {
        self.shown().filter(|_| self.begun.load(Relaxed))
    }

    /// What is listed now; `None` until the first segment is.
    pub(super) fn shown(&self) -> Option<Arc<Shown>> {
        self.shown.load_full()
    }

    /// The segment being written, once there is one.
    pub(super) fn tail(&self) -> Option<Arc<Tail>> {
        self.tail.load_full()
    }

    /// Ends with the next change after this call.
    pub(super) fn change(&self) -> OwnedNotified {
        self.changed.clone().notified_owned()
    }

    /// Waits until there are playlists, but not for ever.
    pub(super) async fn beginning(&self) -> Option<Arc<Shown>> {
        let patience = tokio::time::sleep(targets(self.target, 5).min(LONGEST_WAIT));
        tokio::pin!(patience);
        loop {
            let change = self.change();
            if let Some(shown) = self.playlists() {
                return Some(shown);
            }
            if self.is_closing() {
                return None;
            }
            tokio::select! {
                () = change => {}
                () = &mut patience => return None,
            }
        }
    }

    /// How long a listener who fetches nothing is still one.
    pub(super) fn patience(&self) -> Duration {
        targets(self.target, 4)
    }

    /// How long to wait before asking again for what is not there yet, in seconds.
    pub(super) fn retry_after(&self) -> u32 {
        self.target.0.max(1)
    }

    /// The server stops: ends all that waits for more.
    pub(super) fn close(&self) {
        self.closing.store(true, Relaxed);
        self.changed.notify_waiters();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }
}

impl Shelf for Rendition {
    fn list(&self, snapshot: Arc<Snapshot>) {
        if snapshot.listed.is_empty() {
            return;
        }
        if suffices(&snapshot) {
            self.begun.store(true, Relaxed);
        }
        let now = snapshot.listed.last().map(|newest| snapshot.dates.at(newest.start + newest.duration));
        let shown = Shown {
            media: Text::new(Bytes::from((self.render)(&snapshot))),
            modified: now.filter(|_| snapshot.dates.sync == Sync::Synchronised).and_then(timestamp),
            cache: half_a_target(snapshot.target),
            snapshot,
        };
        self.shown.store(Some(Arc::new(shown)));
        self.renders.increment();
        self.changed.notify_waiters();
    }

    fn extend(&self, tail: Tail) {
        self.tail.store(Some(Arc::new(tail)));
        self.changed.notify_waiters();
    }
}

/// Whether a player can begin with it. One that begins with the only segment there is has played it when
/// the next is not there yet, and stutters; three target durations is what the protocol has it stay behind
/// (RFC 8216, 6.3.3). With long segments that would be a long silence after a start, so less will do.
fn suffices(snapshot: &Snapshot) -> bool {
    let listed: Duration = snapshot.listed.iter().map(|segment| segment.duration.to_duration()).sum();
    // The grid's first segment is a short one: what counts is the rounding to whole segments.
    listed + targets(snapshot.target, 1) / 2 >= targets(snapshot.target, 3).min(ENOUGH)
}

/// A live playlist may be kept for half a target duration: a new one is due no later than after one and a
/// half (RFC 8216, 6.2.1), and players come back after a half (6.3.4).
fn half_a_target(target: TargetDuration) -> HeaderValue {
    HeaderValue::try_from(format!("public, max-age={}", target.0 / 2)).expect("digits are a field value")
}

fn targets(target: TargetDuration, count: u32) -> Duration {
    Duration::from_secs(u64::from(target.0.max(1)) * u64::from(count))
}

impl fmt::Debug for Rendition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendition").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Somebody listens to the endless stream.
#[derive(Debug)]
pub(super) struct TunedIn(Arc<Rendition>);

impl TunedIn {
    pub(super) fn rendition(&self) -> &Rendition {
        &self.0
    }
}

impl Drop for TunedIn {
    fn drop(&mut self) {
        self.0.audience.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::super::live::tests::{rendition, segment, snapshot};
    use super::super::negotiate::Coding;
    use super::*;

    #[test]
    fn playlists_are_rendered_once_per_change() {
        let rendition = rendition();
        assert!(rendition.shown().is_none() && rendition.snapshot().is_none());
        rendition.list(Arc::new(snapshot(vec![])));
        assert!(rendition.shown().is_none(), "an empty playlist helps nobody");
        rendition.list(Arc::new(snapshot(vec![segment(7)])));
        let first = rendition.shown().expect("listed");
        rendition.list(Arc::new(snapshot(vec![segment(7), segment(8)])));
        let second = rendition.shown().expect("listed");
        assert_eq!(rendition.renders.get(), 2);
        assert_eq!(first.media.bytes(Coding::Identity), "media 7");
        assert_eq!(second.media.bytes(Coding::Identity), "media 7 8");
        assert_ne!(first.media.tag(Coding::Identity), second.media.tag(Coding::Identity));
        assert_eq!(second.cache, "public, max-age=1");
    }

    #[test]
    fn listed_and_retired_segments_are_found_and_no_others() {
        let rendition = rendition();
        let mut shelf = snapshot(vec![segment(7), segment(8)]);
        shelf.retired = vec![Arc::new(segment(5)), Arc::new(segment(6))];
        rendition.list(Arc::new(shelf));
        let shown = rendition.shown().expect("listed");
        for sequence in 0..12 {
            let found = shown.segment(sequence).map(|segment| segment.sequence);
            assert_eq!(found, (5..=8).contains(&sequence).then_some(sequence));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_beginning_is_waited_for_but_not_for_ever() {
        let rendition = Arc::new(rendition());
        let start = tokio::time::Instant::now();
        assert!(rendition.beginning().await.is_none());
        assert_eq!(start.elapsed(), Duration::from_secs(10));

        let waiter = tokio::spawn({
            let rendition = rendition.clone();
            async move { rendition.beginning().await.is_some() }
        });
        tokio::task::yield_now().await;
        rendition.list(Arc::new(snapshot(vec![segment(7), segment(8)])));
        assert!(rendition.shown().is_some() && rendition.playlists().is_none(), "a player would stutter");
        rendition.list(Arc::new(snapshot(vec![segment(7), segment(8), segment(9)])));
        assert!(waiter.await.expect("no panic"));
        rendition.list(Arc::new(snapshot(vec![segment(9)])));
        assert!(rendition.playlists().is_some(), "who has begun goes on");
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }
}
