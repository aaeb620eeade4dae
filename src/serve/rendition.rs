//! One rendition as the server holds it: what was last put on its shelf, written once for all, and who takes from it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

use super::hold::{InVain, targets};
use super::text::Text;
use crate::base::{Counter, Pts, Sync, WallTime};
use crate::playlist::{self, Extent, Format, Latency, Piece, Report, Style};
use crate::ring::Audience;
use crate::segment::{Init, Part, Presence, Segment, Shelf, Snapshot, Tail, TargetDuration};

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
    /// How often there was something new on its shelf.
    pub(super) changes: Counter,
    /// How often its live playlist was written, whole or as a delta.
    pub renders: Counter,
    /// How often a listener of the endless stream was too slow and lost some of it.
    pub skips: Counter,
}

/// What requests are answered from, replaced whole.
pub(super) struct Shown {
    pub(super) snapshot: Arc<Snapshot>,
    /// The playlist and its delta update, written when the first asks.
    whole: OnceLock<Text>,
    delta: OnceLock<Text>,
}

/// What there is of a part.
pub(super) enum PartOf<'a> {
    /// All of it.
    There(&'a Part),
    /// Nothing: it is the one being made, which playlists hint at.
    Next,
    /// Nothing, and it is not the next.
    Unknown,
}

impl Shown {
    fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, whole: OnceLock::new(), delta: OnceLock::new() }
    }

    /// The sequence number of the newest segment; something is always listed.
    pub(super) fn newest(&self) -> u64 {
        self.snapshot.listed.last().map_or(0, |newest| newest.sequence)
    }

    /// A segment that is listed, or retired and not yet gone; of a gap there is nothing.
    pub(super) fn segment(&self, sequence: u64) -> Option<&Arc<Segment>> {
        let find = |segments: &[Arc<Segment>]| {
            segments.binary_search_by_key(&sequence, |segment| segment.sequence).ok()
        };
        let Snapshot { listed, retired, .. } = &*self.snapshot;
        let found = find(listed).map(|at| &listed[at]).or_else(|| find(retired).map(|at| &retired[at]));
        found.filter(|segment| segment.presence == Presence::There)
    }

    /// A part of the segment being written, or of one that can be fetched.
    pub(super) fn part(&self, sequence: u64, index: u64) -> PartOf<'_> {
        let edge = self.snapshot.edge.as_deref();
        let (next, written) = edge.map_or((self.newest() + 1, &[][..]), |edge| (edge.sequence, &edge.parts));
        if (sequence, index) == (next, written.len() as u64) {
            return PartOf::Next;
        }
        let parts = match self.segment(sequence) {
            _ if sequence == next => written,
            Some(segment) => &segment.parts,
            None => &[],
        };
        let part = usize::try_from(index).ok().and_then(|index| parts.get(index));
        part.map_or(PartOf::Unknown, PartOf::There)
    }

    /// An initialisation section that something needs which can be fetched.
    pub(super) fn init(&self, number: u64) -> Option<&Arc<Init>> {
        let Snapshot { listed, retired, edge, .. } = &*self.snapshot;
        let segments = listed.iter().rev().chain(retired).filter_map(|segment| segment.init.as_ref());
        edge.iter().map(|edge| &edge.init).chain(segments).find(|init| init.number == number)
    }

    /// The secret of the key of this number, if a segment that can be fetched is enciphered with it. Most want the
    /// newest.
    pub(super) fn key(&self, number: u64) -> Option<[u8; 16]> {
        let Snapshot { listed, retired, .. } = &*self.snapshot;
        let keys = listed.iter().rev().chain(retired.iter().rev()).filter_map(|segment| segment.key.as_ref());
        keys.filter(|key| key.number == number).map(|key| key.secret).next()
    }

    /// When what ends there was complete; only if the clock is to be believed.
    pub(super) fn completed(&self, end: Pts) -> Option<Timestamp> {
        let dates = &self.snapshot.dates;
        matches!(dates.sync, Sync::Synchronised).then(|| timestamp(dates.at(end))).flatten()
    }

    /// When the newest segment was complete; only if the clock is to be believed.
    pub(super) fn modified(&self) -> Option<Timestamp> {
        self.snapshot.listed.last().and_then(|newest| self.completed(newest.start + newest.duration))
    }

    /// From when to when there is something listed.
    pub(super) fn extent(&self) -> Option<(WallTime, WallTime)> {
        let Snapshot { listed, dates, .. } = &*self.snapshot;
        let (first, last) = (listed.first()?, listed.last()?);
        Some((dates.at(first.start), dates.at(last.start + last.duration)))
    }
}

fn timestamp(wall: WallTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(wall.as_unix_nanos())).ok()
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

    /// The live playlist of what is shown: written once for all who ask for it. `reports` tells of the other
    /// renditions.
    pub(super) fn playlist<'a>(
        &self,
        shown: &'a Shown,
        extent: Extent,
        reports: impl FnOnce() -> Vec<Report>,
    ) -> &'a Text {
        let text = match extent {
            Extent::Whole => &shown.whole,
            Extent::Delta => &shown.delta,
        };
        text.get_or_init(|| {
            self.renders.increment();
            Text::new(Bytes::from(playlist::media(&shown.snapshot, &self.style, extent, &reports())))
        })
    }

    /// A finished playlist of a piece of what is shown; `None` if nothing of it is.
    pub(super) fn recording(&self, shown: &Shown, piece: &Piece) -> Option<Text> {
        playlist::recording(&shown.snapshot, &self.style, piece).map(|text| Text::new(Bytes::from(text)))
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
        self.shown.store(Some(Arc::new(Shown::new(snapshot))));
        self.changes.increment();
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
    use super::super::negotiate::Coding;
    use super::*;
    use crate::base::Span;
    use crate::container::ts::Join;
    use crate::media::Entry;
    use crate::segment::{Body, Edge};

    fn written<'a>(rendition: &Rendition, shown: &'a Shown, extent: Extent) -> &'a Text {
        rendition.playlist(shown, extent, Vec::new)
    }

    fn names(text: &Text) -> Vec<&str> {
        let text = std::str::from_utf8(text.bytes(Coding::Identity)).expect("text");
        text.lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn playlists_are_written_once_per_change_when_somebody_asks() {
        let rendition = rendition();
        assert!(rendition.shown().is_none() && rendition.snapshot().is_none());
        rendition.list(Arc::new(snapshot(vec![])));
        assert!(rendition.shown().is_none(), "an empty playlist helps nobody");
        rendition.list(Arc::new(snapshot(vec![segment(7)])));
        let first = rendition.shown().expect("listed");
        rendition.list(Arc::new(snapshot(vec![segment(7), segment(8)])));
        let second = rendition.shown().expect("listed");
        assert_eq!(rendition.renders.get(), 0, "nobody asked");
        let (one, two) =
            (written(&rendition, &first, Extent::Whole), written(&rendition, &second, Extent::Whole));
        assert_eq!((names(one), names(two)), (vec!["7.ts"], vec!["7.ts", "8.ts"]));
        assert_ne!(one.tag(Coding::Identity), two.tag(Coding::Identity));
        written(&rendition, &second, Extent::Whole);
        assert_eq!(rendition.renders.get(), 2);
        written(&rendition, &second, Extent::Delta);
        written(&rendition, &second, Extent::Delta);
        assert_eq!(rendition.renders.get(), 3);
    }

    #[test]
    fn listed_and_retired_segments_are_found_and_neither_gaps_nor_others() {
        let rendition = rendition();
        let gap = Segment { presence: Presence::Gap, ..segment(8) };
        let mut shelf = snapshot(vec![segment(7), gap, segment(9)]);
        shelf.retired = vec![Arc::new(segment(5)), Arc::new(segment(6))];
        rendition.list(Arc::new(shelf));
        let shown = rendition.shown().expect("listed");
        for sequence in 0..12 {
            let found = shown.segment(sequence).map(|segment| segment.sequence);
            assert_eq!(found, [5, 6, 7, 9].contains(&sequence).then_some(sequence));
        }
    }

    #[test]
    fn parts_are_there_or_next_or_unknown() {
        let parted = |sequence, count| Segment { parts: parts(count).into(), ..segment(sequence) };
        let init = |number| Arc::new(Init { number, bytes: Bytes::from_static(b"init") });
        let edge = |sequence, count| Edge {
            sequence,
            start: Pts::default(),
            join: Join::Continuous,
            init: init(2),
            parts: parts(count),
            part_target: Span::from_millis(210),
        };
        let shelf = |edge: Option<Edge>| {
            let listed = Segment { init: Some(init(1)), ..parted(8, 3) };
            let mut snapshot = snapshot(vec![parted(7, 2), listed]);
            snapshot.retired = vec![Arc::new(parted(6, 2))];
            snapshot.edge = edge.map(Arc::new);
            Shown::new(Arc::new(snapshot))
        };
        /// Segments and parts that are there, and the one that is next.
        type Case = (Option<(u64, usize)>, &'static [(u64, u64)], (u64, u64));
        let table: [Case; 3] = [
            (None, &[(6, 0), (6, 1), (7, 0), (7, 1), (8, 0), (8, 1), (8, 2)], (9, 0)),
            (Some((9, 0)), &[(6, 0), (6, 1), (7, 0), (7, 1), (8, 0), (8, 1), (8, 2)], (9, 0)),
            (Some((9, 2)), &[(6, 0), (6, 1), (7, 0), (7, 1), (8, 0), (8, 1), (8, 2), (9, 0), (9, 1)], (9, 2)),
        ];
        for (written, there, next) in table {
            let shown = shelf(written.map(|(sequence, count)| edge(sequence, count)));
            for number in (5..12).flat_map(|sequence| (0..5).map(move |part| (sequence, part))) {
                match shown.part(number.0, number.1) {
                    PartOf::There(_) => assert!(there.contains(&number), "{written:?} {number:?}"),
                    PartOf::Next => assert_eq!(number, next, "{written:?}"),
                    PartOf::Unknown => assert!(!there.contains(&number) && number != next, "{number:?}"),
                }
            }
            assert!(matches!(shown.part(u64::MAX, u64::MAX), PartOf::Unknown));
            let found = [0, 1, 2].map(|number| shown.init(number).is_some());
            assert_eq!(found, [false, true, written.is_some()]);
        }
    }

    fn parts(count: usize) -> Vec<Part> {
        let duration = Span::from_millis(200);
        vec![Part { start: Pts::default(), duration, entry: Entry::Key, body: Body::default() }; count]
    }

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
