//! One stream as the server holds it: its renditions, and who takes from them.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use tokio::time::Instant;

use super::access::Access;
use super::api::{Dating, Lists, Pace};
use super::hold::InVain;
use super::listeners::Listeners;
use super::rendition::Rendition;
use super::snapshot::Snapshots;
use super::text::Text;
use crate::base::{Clock, Pts, WallTime};
use crate::playlist::{Latency, Report};
use crate::segment::Snapshot;
use crate::sys::clock::RealClock;
use crate::timeline::{Extent, Timeline};

/// A multivariant playlist's text from what the renditions of its lineup have on their shelves, in their order; none
/// of those that have not begun. The query, without its `?`, is handed on to every playlist in it.
pub type MultivariantRenderer =
    Box<dyn Fn(&[Option<Arc<Snapshot>>], Option<&str>) -> String + Send + std::marker::Sync>;

/// Renditions that one multivariant playlist offers.
pub struct Lineup {
    renditions: Vec<Arc<Rendition>>,
    render: MultivariantRenderer,
    rendered: ArcSwapOption<Rendered>,
}

/// A multivariant playlist, and after how many segments of its renditions it was written.
struct Rendered {
    changes: u64,
    text: Arc<Text>,
}

impl Lineup {
    /// These renditions, the first of them the one a player begins with.
    pub fn new(renditions: Vec<Arc<Rendition>>, render: MultivariantRenderer) -> Self {
        Self { renditions, render, rendered: ArcSwapOption::empty() }
    }

    /// Its renditions.
    pub fn renditions(&self) -> &[Arc<Rendition>] {
        &self.renditions
    }

    pub(super) fn find(&self, name: &str) -> Option<&Arc<Rendition>> {
        self.renditions.iter().find(|rendition| rendition.name() == name)
    }

    /// The multivariant playlist: written when it is asked for, once per segment where no query is handed on.
    pub(super) fn multivariant(&self, query: Option<&str>) -> Arc<Text> {
        let changes = self.renditions.iter().map(|rendition| rendition.changes.get()).sum();
        let rendered = self.rendered.load();
        if let Some(rendered) = rendered.as_ref().filter(|it| it.changes == changes && query.is_none()) {
            return rendered.text.clone();
        }
        let begun = |rendition: &Arc<Rendition>| Some(rendition.playlists()?.snapshot.clone());
        let snapshots: Vec<_> = self.renditions.iter().map(begun).collect();
        let text = Arc::new(Text::new(Bytes::from((self.render)(&snapshots, query))));
        if query.is_none() {
            self.rendered.store(Some(Arc::new(Rendered { changes, text: text.clone() })));
        }
        text
    }

    /// Up to when all that have begun have something listed: what comes next in any of them begins no sooner.
    pub(super) fn end(&self) -> Option<WallTime> {
        self.renditions.iter().filter_map(|it| Some(it.playlists()?.extent()?.1)).min()
    }

    /// How far the other renditions have come: every playlist of low latency tells of all the others (rfc8216bis,
    /// appendix B.1).
    pub(super) fn reports(&self, reporting: &Rendition) -> Vec<Report> {
        let others = self.renditions.iter().filter(|it| it.name() != reporting.name());
        let report = |other: &Arc<Rendition>| {
            Report::of(&format!("../{}/index.m3u8", other.name()), &*other.snapshot()?)
        };
        match reporting.latency() {
            Latency::Ordinary => Vec::new(),
            Latency::Low => others.filter_map(report).collect(),
        }
    }

    /// Whether nothing is to be waited for before it is offered: all renditions have begun, or the others had long
    /// enough since the first did.
    pub(super) fn is_complete(&self) -> bool {
        let late = |since: Instant| self.renditions.iter().all(|it| since.elapsed() >= it.first_patience());
        self.renditions.iter().all(|it| it.begun().is_some()) || self.begun().is_some_and(late)
    }

    /// Waits until all renditions have begun, within bounds; in vain if none has.
    pub(super) async fn beginning(&self) -> Result<(), InVain> {
        let since = self.begun().unwrap_or_else(Instant::now);
        for rendition in &self.renditions {
            let left = rendition.first_patience().saturating_sub(since.elapsed());
            // Whether it came is told by what has begun in the end.
            let _ = rendition.until(left, |it| it.begun().is_some()).await;
        }
        let closing = self.renditions.iter().any(|it| it.is_closing());
        self.begun().filter(|_| !closing).map(|_| ()).ok_or(InVain)
    }

    /// Since when the first of them has begun.
    fn begun(&self) -> Option<Instant> {
        self.renditions.iter().filter_map(|it| it.begun()).min()
    }
}

/// One stream.
pub struct Station {
    name: String,
    title: ArcSwap<String>,
    ordinary: Arc<Lineup>,
    low_latency: Option<Arc<Lineup>>,
    snapshots: Snapshots,
    access: ArcSwap<Access>,
    timeline: Arc<Timeline>,
    clock: Arc<dyn Clock>,
    pace: Pace,
    lists: Lists,
    dating: Dating,
    listeners: Mutex<Listeners>,
}

impl Station {
    /// A stream of these renditions; `low_latency` is offered beside them, under `ll/`.
    ///
    /// `name` is its place in the URLs (see [`super::is_stream_name`]), `title` is what people read.
    pub fn new(
        name: &str,
        title: &str,
        ordinary: Lineup,
        low_latency: Option<Lineup>,
        snapshots: Snapshots,
    ) -> Self {
        let patience = ordinary.renditions.iter().map(|rendition| rendition.memory()).max();
        Self {
            name: name.to_owned(),
            title: ArcSwap::from_pointee(title.to_owned()),
            ordinary: Arc::new(ordinary),
            low_latency: low_latency.map(Arc::new),
            snapshots,
            access: ArcSwap::from_pointee(Access::Open),
            timeline: Timeline::new(0),
            clock: Arc::new(RealClock),
            pace: Pace::default(),
            lists: Lists::default(),
            dating: Dating::default(),
            listeners: Mutex::new(Listeners::new(patience.unwrap_or_default())),
        }
    }

    /// The same, of which what is guarded is guarded so.
    pub fn with_access(self, access: Access) -> Self {
        Self { access: ArcSwap::from_pointee(access), ..self }
    }

    /// The same, in which this happens, by this clock.
    pub fn with_timeline(self, timeline: Arc<Timeline>, clock: Arc<dyn Clock>) -> Self {
        Self { timeline, clock, ..self }
    }

    /// Is called and guarded so from now on. Who is being served goes on as he was let in.
    pub fn renew(&self, title: &str, access: Access) {
        self.title.store(Arc::new(title.to_owned()));
        self.access.store(Arc::new(access));
    }

    /// What happened when.
    pub fn timeline(&self) -> &Arc<Timeline> {
        &self.timeline
    }

    /// What time it is.
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// How fast it may be written to.
    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// The lists of what happened.
    pub(super) fn lists(&self) -> &Lists {
        &self.lists
    }

    /// By which dates it was told.
    pub(super) fn dating(&self) -> &Dating {
        &self.dating
    }

    /// Of what time something can be said: of what can be fetched in any rendition, and what will be.
    pub(super) fn extent(&self) -> Extent {
        let now = self.clock.now().to_pts();
        let oldest = self.renditions().filter_map(|it| it.snapshot()?.start()).min();
        // Before anything can be fetched nothing is gone.
        Extent { oldest: oldest.unwrap_or(Pts::from_ticks(i64::MIN)), now }
    }

    /// Forgets the markers of what nobody can fetch any more.
    pub fn forget(&self) {
        self.timeline.forget_before(self.extent().oldest);
    }

    /// Who may have what is guarded of it: keys, the endless streams, photos, clips.
    pub(super) fn access(&self) -> Arc<Access> {
        self.access.load_full()
    }

    /// The secret of the key of this number, if anything that can be fetched is enciphered with it.
    pub(super) fn key(&self, number: u64) -> Option<[u8; 16]> {
        self.ordinary.renditions.iter().find_map(|rendition| rendition.shown()?.key(number))
    }

    /// Its place in the URLs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What people call it.
    pub fn title(&self) -> Arc<String> {
        self.title.load_full()
    }

    /// What every player can play.
    pub fn ordinary(&self) -> &Lineup {
        &self.ordinary
    }

    /// What plays with low latency, if it is offered.
    pub fn low_latency(&self) -> Option<&Lineup> {
        self.low_latency.as_deref()
    }

    /// Every rendition, ordinary ones first.
    pub fn renditions(&self) -> impl Iterator<Item = &Arc<Rendition>> {
        std::iter::once(&self.ordinary).chain(&self.low_latency).flat_map(|it| it.renditions())
    }

    /// What is offered at this latency.
    pub(super) fn lineup(&self, latency: Latency) -> Option<&Arc<Lineup>> {
        match latency {
            Latency::Ordinary => Some(&self.ordinary),
            Latency::Low => self.low_latency.as_ref(),
        }
    }

    /// The rendition that a player begins with, and whose endless stream is the stream's.
    pub fn first(&self) -> Option<&Arc<Rendition>> {
        self.ordinary.renditions.first()
    }

    /// Its photos.
    pub(super) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// How many listen: those who fetched a playlist or a segment within the last four target durations, told
    /// apart by address and user agent, and the connections of the endless streams.
    pub fn listeners(&self, now: std::time::Instant) -> usize {
        let endless: usize = self.ordinary.renditions.iter().map(|rendition| rendition.listeners()).sum();
        self.crowd().count(now) + endless
    }

    pub(super) fn saw(&self, address: IpAddr, agent: &[u8], now: std::time::Instant) {
        self.crowd().saw(address, agent, now);
    }

    fn crowd(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It ends, or the server does: ends all that waits for more.
    pub(super) fn close(&self) {
        self.renditions().for_each(|rendition| rendition.close());
        self.timeline.close();
    }
}

impl fmt::Debug for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Station").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::live::tests::{segment, snapshot, style};
    use super::super::negotiate::Coding;
    use super::*;
    use crate::base::{Counter, Span};
    use crate::container::ts::Join;
    use crate::media::Entry;
    use crate::segment::{Body, Edge, Init, Part, Presence, Shelf, TargetDuration};
    use std::time::Duration;

    fn lineup(latency: Latency) -> Arc<Lineup> {
        let rendition = |name| Arc::new(Rendition::new(name, TargetDuration(2), style(latency)));
        let offered = |snapshots: &[Option<Arc<Snapshot>>], query: Option<&str>| {
            let begun = snapshots.iter().map(|it| if it.is_some() { "there " } else { "not " });
            format!("{}{}", begun.collect::<String>(), query.unwrap_or("-"))
        };
        Arc::new(Lineup::new(vec![rendition("video"), rendition("audio")], Box::new(offered)))
    }

    fn begin(rendition: &Rendition) {
        rendition.list(Arc::new(snapshot(vec![segment(7), segment(8), segment(9)])));
    }

    fn offered(lineup: &Lineup, query: Option<&str>) -> String {
        String::from_utf8(lineup.multivariant(query).bytes(Coding::Identity).to_vec()).expect("text")
    }

    #[tokio::test(start_paused = true)]
    async fn a_lineup_is_offered_when_all_have_begun_or_the_late_ones_had_their_time() {
        let lineup = lineup(Latency::Ordinary);
        let start = Instant::now();
        assert_eq!(lineup.beginning().await, Err(InVain), "none has begun");
        assert_eq!(start.elapsed(), Duration::from_secs(10));

        begin(&lineup.renditions[1]);
        assert!(!lineup.is_complete());
        tokio::time::advance(Duration::from_secs(4)).await;
        let begun = Instant::now();
        assert_eq!(lineup.beginning().await, Ok(()));
        assert_eq!(begun.elapsed(), Duration::from_secs(6), "since the first began, not since it was asked");
        assert!(lineup.is_complete());
        assert_eq!(offered(&lineup, None), "not there -");

        begin(&lineup.renditions[0]);
        assert_eq!(offered(&lineup, None), "there there -", "a change");
        assert_eq!(offered(&lineup, Some("from=x")), "there there from=x");
        assert_eq!(offered(&lineup, None), "there there -", "a query is nobody else's");
    }

    #[test]
    fn what_parts_do_not_change_is_not_written_anew_with_each() {
        let rendition = Arc::new(Rendition::new("video", TargetDuration(2), style(Latency::Low)));
        let written = Arc::new(Counter::default());
        let count = Arc::clone(&written);
        let render = move |_: &[Option<Arc<Snapshot>>], _: Option<&str>| {
            count.increment();
            String::new()
        };
        let lineup = Lineup::new(vec![rendition.clone()], Box::new(render));
        let init = Arc::new(Init { number: 0, bytes: Bytes::new() });
        for (newest, expected) in [(9, 1), (10, 2), (10, 2), (12, 3)] {
            for count in 0..3 {
                let (start, duration, entry) = (Pts::default(), Span::from_millis(200), Entry::Key);
                let (presence, body) = (Presence::There, Body::default());
                let part = Part { start, duration, entry, presence, body };
                let (init, join) = (init.clone(), Join::Continuous);
                let (sequence, parts) = (newest + 1, vec![part; count].into_iter().collect());
                let edge = Edge { sequence, start, join, init, parts, part_target: duration };
                let listed = snapshot((7..=newest).map(segment).collect());
                rendition.list(Arc::new(Snapshot { edge: Some(Arc::new(edge)), ..listed }));
                lineup.multivariant(None);
            }
            assert_eq!(written.get(), expected, "up to segment {newest}");
        }
    }

    #[test]
    fn playlists_of_low_latency_tell_of_the_others_in_their_lineup() {
        let lineup = lineup(Latency::Low);
        assert_eq!(lineup.reports(&lineup.renditions[0]), [], "it lists nothing yet");
        begin(&lineup.renditions[1]);
        let expected = Report { uri: "../audio/index.m3u8".to_owned(), sequence: 9, part: None };
        assert_eq!(lineup.reports(&lineup.renditions[0]), [expected]);
        let ordinary = self::lineup(Latency::Ordinary);
        begin(&ordinary.renditions[1]);
        assert_eq!(ordinary.reports(&ordinary.renditions[0]), []);
    }
}
