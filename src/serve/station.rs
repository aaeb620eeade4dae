//! One stream as the server holds it: its renditions, and who takes from them.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use bytes::Bytes;

use super::access::Access;
use super::listeners::Listeners;
use super::rendition::Rendition;
use super::snapshot::Snapshots;
use super::text::Text;
use crate::segment::Snapshot;

/// A multivariant playlist's text from what the renditions of its lineup have on their shelves, in their order.
pub type MultivariantRenderer = Box<dyn Fn(&[Option<Arc<Snapshot>>]) -> String + Send + std::marker::Sync>;

/// Renditions that one multivariant playlist offers.
pub struct Lineup {
    renditions: Vec<Arc<Rendition>>,
    render: MultivariantRenderer,
    rendered: ArcSwapOption<Rendered>,
}

/// A multivariant playlist, and after how many changes of its renditions it was written.
struct Rendered {
    changes: u64,
    text: Text,
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

    /// The multivariant playlist: rendered when it is asked for, once per change.
    pub(super) fn multivariant(&self) -> Text {
        let changes = self.renditions.iter().map(|rendition| rendition.renders.get()).sum();
        if let Some(rendered) = self.rendered.load().as_ref().filter(|it| it.changes == changes) {
            return rendered.text.clone();
        }
        let snapshots: Vec<_> = self.renditions.iter().map(|rendition| rendition.snapshot()).collect();
        let text = Text::new(Bytes::from((self.render)(&snapshots)));
        self.rendered.store(Some(Arc::new(Rendered { changes, text: text.clone() })));
        text
    }
}

/// One stream.
pub struct Station {
    name: String,
    title: String,
    ordinary: Lineup,
    low_latency: Option<Lineup>,
    snapshots: Snapshots,
    access: Access,
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
        let patience = ordinary.renditions.iter().map(|rendition| rendition.patience()).max();
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            ordinary,
            low_latency,
            snapshots,
            access: Access::Open,
            listeners: Mutex::new(Listeners::new(patience.unwrap_or_default())),
        }
    }

    /// The same, of which what is guarded is guarded so.
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Who may have what is guarded of it: keys, the endless streams, photos.
    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    /// Its place in the URLs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What people call it.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What every player can play.
    pub fn ordinary(&self) -> &Lineup {
        &self.ordinary
    }

    /// What plays with low latency, if it is offered.
    pub fn low_latency(&self) -> Option<&Lineup> {
        self.low_latency.as_ref()
    }

    /// The rendition that a player begins with, and whose endless stream is the stream's.
    pub(super) fn first(&self) -> Option<&Arc<Rendition>> {
        self.ordinary.renditions.first()
    }

    /// Its photos.
    pub(super) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// How many listen: those who fetched a playlist or a segment within the last four target durations, told
    /// apart by address and user agent, and the connections of the endless streams.
    pub fn listeners(&self, now: Instant) -> usize {
        let endless: usize = self.ordinary.renditions.iter().map(|rendition| rendition.listeners()).sum();
        self.crowd().count(now) + endless
    }

    pub(super) fn saw(&self, address: IpAddr, agent: &[u8], now: Instant) {
        self.crowd().saw(address, agent, now);
    }

    fn crowd(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server stops: ends all that waits for more.
    pub(super) fn close(&self) {
        let lineups = std::iter::once(&self.ordinary).chain(&self.low_latency);
        lineups.flat_map(|lineup| &lineup.renditions).for_each(|rendition| rendition.close());
    }
}

impl fmt::Debug for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Station").field("name", &self.name).finish_non_exhaustive()
    }
}
