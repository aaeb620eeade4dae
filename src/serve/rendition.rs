//! One rendition as the server holds it: what was last put on its shelf, written once for all, and who takes from it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

use super::hold::{InVain, targets};
use super::shown::Shown;
use crate::base::Counter;
use crate::playlist::{Format, Latency, Style};
use crate::ring::Audience;
use crate::segment::{Segment, Shelf, Snapshot, Tail, TargetDuration};

/// How long a request waits at most for a rendition to begin.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// So much is enough to begin with, in however few segments.
const ENOUGH: Duration = Duration::from_secs(12);
/// How many segments before the one being written are kept for the endless stream: one for each it may lag behind.
const PAST: usize = super::live::LAG as usize;
/// The rendition of sound alone.
const SOUND: &str = "audio";

/// One rendition of a stream: a [`Shelf`] on one side, replies on the other.
pub struct Rendition {
    name: String,
    target: TargetDuration,
    style: Style,
    shown: ArcSwapOption<Shown>,
    tail: ArcSwapOption<Tail>,
    /// The last tails of the segments before, newest first: enciphered segments are found in the clear there alone.
    past: ArcSwap<Vec<Arc<Tail>>>,
    changed: Arc<Notify>,
    /// Since when there is enough for a player to begin with.
    begun: OnceLock<Instant>,
    closing: AtomicBool,
    /// Of the endless stream.
    audience: Audience,
    /// How often there was another newest segment: multivariant playlists change with these, and not with parts.
    pub(super) changes: Counter,
    /// How often a playlist of it was written, each for all who want the same.
    pub renders: Counter,
    /// How often a listener of the endless stream was too slow and lost some of it.
    pub skips: Counter,
}

impl Rendition {
    /// A rendition with nothing on its shelf yet.
    ///
    /// `name` is its folder in the URLs, within that of its lineup: `video`, `720p`; `audio` is sound alone.
    pub fn new(name: &str, target: TargetDuration, style: Style) -> Self {
        Self {
            name: name.to_owned(),
            target,
            style,
            shown: ArcSwapOption::empty(),
            tail: ArcSwapOption::empty(),
            past: ArcSwap::default(),
            changed: Arc::new(Notify::new()),
            begun: OnceLock::new(),
            closing: AtomicBool::new(false),
            audience: Audience::default(),
            changes: Counter::default(),
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

    /// Whether it is sound alone.
    pub(super) fn is_sound(&self) -> bool {
        self.name == SOUND
    }

    pub(super) fn style(&self) -> &Style {
        &self.style
    }

    pub(super) fn format(&self) -> Format {
        self.style.format
    }

    pub(super) fn latency(&self) -> Latency {
        self.style.latency
    }

    /// What stands before a key's name in its playlists.
    pub(super) fn keys(&self) -> &str {
        &self.style.keys
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
        self.shown().filter(|_| self.begun.get().is_some())
    }

    /// Since when there are playlists.
    pub(super) fn begun(&self) -> Option<Instant> {
        self.begun.get().copied()
    }

    /// What is listed now; `None` until the first segment is.
    pub(super) fn shown(&self) -> Option<Arc<Shown>> {
        self.shown.load_full()
    }

    /// The segment being written, once there is one.
    pub(super) fn tail(&self) -> Option<Arc<Tail>> {
        self.tail.load_full()
    }

    /// The bytes of a segment that is listed no longer than the endless stream needs it, in the clear.
    pub(super) fn clear(&self, segment: &Segment) -> Option<Arc<[Bytes]>> {
        if segment.key.is_none() {
            return Some(segment.body.chunks.clone());
        }
        let past = self.past.load();
        let tail = self.tail().filter(|tail| tail.sequence == segment.sequence);
        tail.iter().chain(&**past).find(|tail| tail.sequence == segment.sequence).map(|it| it.chunks.clone())
    }

    /// Ends with the next change after this call.
    pub(super) fn change(&self) -> OwnedNotified {
        self.changed.clone().notified_owned()
    }

    /// Waits until that holds of it, but not for ever, nor for a server that stops.
    pub(super) async fn until(
        &self,
        patience: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> Result<(), InVain> {
        let patience = tokio::time::sleep(patience);
        tokio::pin!(patience);
        loop {
            // Made before the look: no change is missed.
            let change = self.change();
            if holds(self) {
                return Ok(());
            }
            if self.is_closing() {
                return Err(InVain);
            }
            tokio::select! {
                () = change => {}
                () = &mut patience => return Err(InVain),
            }
        }
    }

    /// How long a request waits for it to begin.
    pub(super) fn first_patience(&self) -> Duration {
        targets(self.target, 5).min(LONGEST_WAIT)
    }

    /// How long a request waits for what comes next: after three target durations something is wrong
    /// (rfc8216bis, 6.2.5.2).
    pub(super) fn patience(&self) -> Duration {
        targets(self.target, 3)
    }

    /// How long a listener who fetches nothing is still one.
    pub(super) fn memory(&self) -> Duration {
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
        if self.begun.get().is_none() && suffices(&snapshot) {
            self.begun.get_or_init(Instant::now);
        }
        let shown = Arc::new(Shown::new(snapshot));
        let before = self.shown.swap(Some(shown.clone()));
        if before.is_none_or(|before| before.newest() != shown.newest()) {
            self.changes.increment();
        }
        self.changed.notify_waiters();
    }

    fn extend(&self, tail: Tail) {
        let sequence = tail.sequence;
        let before = self.tail.swap(Some(Arc::new(tail))).filter(|before| before.sequence != sequence);
        if let Some(before) = before {
            let kept: Vec<_> =
                std::iter::once(before).chain(self.past.load().iter().cloned()).take(PAST).collect();
            self.past.store(Arc::new(kept));
        }
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
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_beginning_is_waited_for_but_not_for_ever() {
        let rendition = Arc::new(rendition());
        let beginning = |rendition: Arc<Rendition>| async move {
            rendition.until(rendition.first_patience(), |it| it.playlists().is_some()).await
        };
        let start = Instant::now();
        assert_eq!(beginning(rendition.clone()).await, Err(InVain));
        assert_eq!(start.elapsed(), Duration::from_secs(10));

        let waiter = tokio::spawn(beginning(rendition.clone()));
        tokio::task::yield_now().await;
        rendition.list(Arc::new(snapshot(vec![segment(7), segment(8)])));
        assert!(rendition.shown().is_some() && rendition.playlists().is_none(), "a player would stutter");
        rendition.list(Arc::new(snapshot(vec![segment(7), segment(8), segment(9)])));
        assert_eq!(waiter.await.expect("no panic"), Ok(()));
        rendition.list(Arc::new(snapshot(vec![segment(9)])));
        assert!(rendition.playlists().is_some(), "who has begun goes on");
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_server_that_stops() {
        let rendition = Arc::new(rendition());
        let waiter = tokio::spawn({
            let rendition = rendition.clone();
            async move { rendition.until(Duration::from_secs(60), |_| false).await }
        });
        tokio::task::yield_now().await;
        rendition.close();
        let start = Instant::now();
        assert_eq!(waiter.await.expect("no panic"), Err(InVain));
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
