//! A ring that plays a script against a simulated clock, and a shelf that keeps what it was told.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outpost::base::{Clock, Monotonic, Pts, Pulse, SimClock, Span, WallTime};
use outpost::container::ts::{Join, Mark, PACKET_LEN, Record};
use outpost::playlist::{self, Extent, Format, Latency, Style};
use outpost::segment::{
    Agreement, Keeper, Ledger, Numbering, Records, SegmentConfig, Segmenter, Shelf, Snapshot, Store, Supply,
    Tail, WindowStats,
};

/// 2025-11-20T12:00:00Z, and an hour after boot.
pub(crate) const NOON: WallTime = WallTime::from_unix_nanos(1_763_640_000_000_000_000);
pub(crate) const BOOT_HOUR: Monotonic = Monotonic::from_nanos(3_600_000_000_000);

/// What the playlists of a transport stream are like.
pub(crate) fn transport_stream() -> Style {
    let (format, latency) = (Format::TransportStream, Latency::Ordinary);
    Style { format, latency, keys: "../keys/".to_owned() }
}

/// The playlist of a transport stream.
pub(crate) fn playlist(snapshot: &Snapshot) -> String {
    playlist::media(snapshot, &transport_stream(), Extent::Whole, &[])
}

pub(crate) fn clock() -> Arc<SimClock> {
    Arc::new(SimClock::new(BOOT_HOUR, NOON))
}

pub(crate) fn begin(at: Pts, join: Join) -> Record {
    Record { mark: Mark::Begin { at, join }, packet: [0x47; PACKET_LEN] }
}

pub(crate) fn end(at: Pts) -> Record {
    Record { mark: Mark::End { at }, ..Record::default() }
}

/// A whole segment of `packets` packets.
pub(crate) fn segment(at: Pts, duration: Span, packets: usize, join: Join) -> Vec<Record> {
    let mut records = vec![begin(at, join)];
    records.resize(packets, Record::default());
    records.push(end(at + duration));
    records
}

/// Records that come one batch after the other, each when its time has come.
pub(crate) struct Script {
    pub(crate) clock: Arc<SimClock>,
    pub(crate) batches: VecDeque<(Duration, Vec<Record>)>,
    front: Vec<Record>,
}

impl Script {
    pub(crate) fn new(
        clock: &Arc<SimClock>,
        batches: impl IntoIterator<Item = (Duration, Vec<Record>)>,
    ) -> Self {
        Self { clock: Arc::clone(clock), batches: batches.into_iter().collect(), front: Vec::new() }
    }
}

impl Records for Script {
    async fn ready(&mut self) -> io::Result<Supply> {
        if self.front.is_empty() {
            let Some((wait, records)) = self.batches.pop_front() else { return Ok(Supply::Closed) };
            self.clock.advance(wait);
            self.front = records;
        }
        Ok(Supply::Open)
    }

    fn read(&mut self) -> &[Record] {
        &self.front
    }

    fn release(&mut self, count: usize) {
        self.front.drain(..count);
    }
}

/// Everything a shelf was told, and when.
pub(crate) struct Recorder {
    clock: Arc<SimClock>,
    pub(crate) lists: Mutex<Vec<(Monotonic, Arc<Snapshot>)>>,
    pub(crate) tails: Mutex<Vec<Tail>>,
}

impl Recorder {
    pub(crate) fn new(clock: &Arc<SimClock>) -> Arc<Self> {
        Arc::new(Self { clock: Arc::clone(clock), lists: Mutex::default(), tails: Mutex::default() })
    }

    /// The list as it is now.
    pub(crate) fn last(&self) -> Arc<Snapshot> {
        let lists = self.lists.lock().expect("nobody panicked");
        Arc::clone(&lists.last().expect("something was listed").1)
    }
}

impl Shelf for Recorder {
    fn list(&self, snapshot: Arc<Snapshot>) {
        self.lists.lock().expect("nobody panicked").push((self.clock.now(), snapshot));
    }

    fn extend(&self, tail: Tail) {
        self.tails.lock().expect("nobody panicked").push(tail);
    }
}

/// A directory of its own for one test, gone afterwards.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("outpost-{name}-{}-{}", unique.0, unique.1));
        std::fs::create_dir_all(&path).expect("a directory in the temporary one");
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("sequence.json")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A segmenter with all that stands around it.
pub(crate) struct Bench {
    pub(crate) clock: Arc<SimClock>,
    pub(crate) shelf: Arc<Recorder>,
    pub(crate) stats: Arc<WindowStats>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) segmenter: Segmenter,
}

impl Bench {
    /// With segments counted from where `ledger` says, or from where the clock does.
    pub(crate) fn new(config: SegmentConfig, ledger: &Arc<Ledger>) -> Self {
        let clock = clock();
        let (counted, now) = (Numbering::Counted, clock.wall());
        let agreement = Agreement::new(ledger, "radio", counted, &config, &now, Span::ZERO, &[]);
        Self::with(config, &clock, &agreement)
    }

    /// A rendition of a stream that has others.
    pub(crate) fn with(config: SegmentConfig, clock: &Arc<SimClock>, agreement: &Arc<Agreement>) -> Self {
        Self::stored(config, clock, agreement, None)
    }

    /// The same, whose window lies in `store`.
    pub(crate) fn stored(
        config: SegmentConfig,
        clock: &Arc<SimClock>,
        agreement: &Arc<Agreement>,
        store: Option<Store>,
    ) -> Self {
        let clock = Arc::clone(clock);
        let shelf = Recorder::new(&clock);
        let sequence = agreement.sequence("radio/audio");
        let pulse = Arc::new(Pulse::new(clock.now()));
        let keeper = Keeper::new(config, sequence, clock.clone(), shelf.clone(), pulse.clone());
        let keeper = match store {
            Some(store) => keeper.with_store(store),
            None => keeper,
        };
        let segmenter = Segmenter::new(keeper);
        let stats = segmenter.stats();
        Self { clock, shelf, stats, pulse, segmenter }
    }

    /// Plays batches to their end.
    pub(crate) fn play(&mut self, batches: impl IntoIterator<Item = (Duration, Vec<Record>)>) {
        let mut script = Script::new(&self.clock, batches);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(self.segmenter.drive(&mut script)).expect("a script does not fail");
    }
}
