//! A server in this process with one hand-made station, and a client that says exactly what it is told to.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use outpost::base::{Clock, Monotonic, Pts, SimClock, Span, WallTime};
use outpost::container::ts::Join;
use outpost::media::Entry;
use outpost::playlist::{Format, Latency, Style};
use outpost::segment::{
    Body, Dates, Edge, Init, Part, PartList, Presence, Rate, Segment, Shelf, Snapshot, Tail, TargetDuration,
};
use outpost::serve::{
    Access, Health, Lineup, Photos, Rendition, Report, ServeConfig, ServeStats, Server, Site, Snapshots,
    Station, Writers,
};
use outpost::timeline::Timeline;
use tokio::sync::oneshot;

/// What opens `/closed`, and what time it is there.
pub(crate) const TOKEN: &str = "0123456789abcdef";
pub(crate) const NOW: WallTime = WallTime::from_unix_nanos(1_700_000_000_000_000_000);

/// What tells this run from others: its revisions begin at 7.
const RUN: u64 = 7 << 20;

/// The port of the site: any free one of this machine alone.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
/// No wait in these tests takes longer, unless something is wrong.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// What the report says, fixed.
struct Told;

impl Report for Told {
    fn status(&self) -> String {
        "{\"name\":\"outpost\"}".to_owned()
    }
    fn levels(&self, stream: &str) -> Option<String> {
        (stream == "radio").then(|| "{\"step_ms\":100}".to_owned())
    }
    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }
    fn health(&self) -> Health {
        Health::Degraded("radio: no device".to_owned())
    }
}

/// A camera whose pictures are the numbers of those it was asked for.
#[derive(Default)]
struct Camera(AtomicI64);

impl Photos for Camera {
    fn ask(&self) {
        self.0.fetch_add(1, Relaxed);
    }
    fn taken(&self) -> Option<Pts> {
        Some(Pts::from_ticks(self.0.load(Relaxed)))
    }
    fn jpeg(&self) -> Result<Vec<u8>, String> {
        Ok(format!("picture {}", self.0.load(Relaxed)).into_bytes())
    }
}

/// A server that serves.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) https: Option<SocketAddr>,
    pub(crate) station: Arc<Station>,
    pub(crate) rendition: Arc<Rendition>,
    /// `/closed`, whose keys are guarded.
    pub(crate) closed: Arc<Rendition>,
    /// What time it is there.
    pub(crate) clock: Arc<SimClock>,
    /// What happened when in `/radio`.
    pub(crate) timeline: Arc<Timeline>,
    /// `ll/video` and `ll/audio`.
    pub(crate) low: [Arc<Rendition>; 2],
    pub(crate) stats: Arc<ServeStats>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts with nothing on the shelf of `/radio`.
    pub(crate) fn empty(adjust: impl FnOnce(&mut ServeConfig)) -> Self {
        let multivariant = |begun: &[Option<_>], query: Option<&str>| {
            let query = query.map_or_else(String::new, |query| format!("?{query}"));
            let uris = begun.iter().enumerate().filter(|(_, begun)| begun.is_some());
            uris.fold("#EXTM3U\n".to_owned(), |text, (place, _)| format!("{text}{place}/index.m3u8{query}\n"))
        };
        let rendition = |name, latency| {
            let format = match latency {
                Latency::Ordinary => Format::TransportStream,
                Latency::Low => Format::Fmp4,
            };
            let style = Style { format, latency, keys: "../keys/".to_owned() };
            Arc::new(Rendition::new(name, TargetDuration(1), style))
        };
        let keys_elsewhere = |keys: &str| {
            let (format, latency) = (Format::TransportStream, Latency::Ordinary);
            let style = Style { format, latency, keys: keys.to_owned() };
            Arc::new(Rendition::new("audio", TargetDuration(1), style))
        };
        let low = ["video", "audio"].map(|name| rendition(name, Latency::Low));
        let low_latency = Lineup::new(low.to_vec(), Box::new(multivariant));
        let audio = rendition("audio", Latency::Ordinary);
        let lineup = Lineup::new(vec![audio.clone()], Box::new(multivariant));
        let snapshots = Snapshots::of(Arc::new(Camera::default()));
        let clock = Arc::new(SimClock::new(Monotonic::default(), NOW));
        let timeline = Timeline::new(RUN);
        let station = Station::new("radio", "Radio", lineup, Some(low_latency), snapshots)
            .with_timeline(timeline.clone(), clock.clone());
        let station = Arc::new(station);
        let silent = keys_elsewhere("https://keys.example.org:8443/sound/");
        let lineup = Lineup::new(vec![silent], Box::new(multivariant));
        let none = Snapshots::None("it has sound alone");
        let deaf = Arc::new(Station::new("sound", "Sound", lineup, None, none));
        let closed = rendition("audio", Latency::Ordinary);
        let lineup = Lineup::new(vec![closed.clone()], Box::new(multivariant));
        let snapshots = Snapshots::of(Arc::new(Camera::default()));
        let guarded = Station::new("closed", "Closed", lineup, None, snapshots)
            .with_access(Access::Token(TOKEN.parse().expect("a token"), clock.clone()));
        let stats = Arc::new(ServeStats::default());
        let writers = Writers { token: None, names: vec!["test".to_owned()] };
        let mut config = ServeConfig { listen: ANY_PORT, writers, ..ServeConfig::default() };
        adjust(&mut config);
        let site = Site {
            stations: vec![station.clone(), deaf, Arc::new(guarded)],
            report: Arc::new(Told),
            stats: stats.clone(),
        };
        let server = Server::bind(&config, site).expect("a free port");
        let (address, https) = (server.local_addr(), server.https_addr());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let stopped = async { drop(stopped.await) };
            runtime.expect("a runtime").block_on(server.run(stopped)).expect("the server runs");
        });
        Self {
            address,
            https,
            station,
            rendition: audio,
            closed,
            clock,
            timeline,
            low,
            stats,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Starts with these segments listed, in the middle of a stream: there were others before.
    pub(crate) fn with(segments: &[Segment], adjust: impl FnOnce(&mut ServeConfig)) -> Self {
        let running = Self::empty(adjust);
        running.list(&[1, 2, 3].map(|sequence| segment(sequence, 10)));
        running.list(segments);
        running
    }

    pub(crate) fn list(&self, segments: &[Segment]) {
        self.rendition.list(Arc::new(snapshot(segments)));
    }

    /// Puts up segments 7 to 9 of two parts each at low latency, and so many parts of segment 10.
    pub(crate) fn list_low(&self, parts: usize) {
        self.list_low_at(10, parts);
    }

    /// The same with the three segments before this one.
    pub(crate) fn list_low_at(&self, sequence: u64, parts: usize) {
        for rendition in &self.low {
            rendition.list(Arc::new(low_snapshot(sequence, parts)));
        }
    }

    /// Says this and reads until the server closes.
    pub(crate) fn ask(&self, said: impl AsRef<[u8]>) -> Answer {
        let mut client = self.connect();
        // A server that refuses in the middle of a request closes while we still write.
        let _ = client.write_all(said.as_ref());
        let mut heard = Vec::new();
        let _ = client.read_to_end(&mut heard);
        Answer::parse(&heard)
    }

    /// A GET with these further lines of the header block.
    pub(crate) fn get(&self, path: &str, lines: &[&str]) -> Answer {
        self.ask(request("GET", path, lines))
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).expect("the server accepts");
        client.set_read_timeout(Some(LIMIT)).expect("a timeout");
        client
    }

    /// Tells the server to stop and says how long that took.
    pub(crate) fn stop(mut self) -> Duration {
        let start = Instant::now();
        self.end();
        start.elapsed()
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends without a panic");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

/// A request after whose answer the server closes.
pub(crate) fn request(method: &str, path: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{lines}\r\n")
}

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(heard: &[u8]) -> Self {
        let end = heard.windows(4).position(|w| w == b"\r\n\r\n");
        let Some(end) = end else { return Self { status: 0, fields: HashMap::new(), body: heard.to_vec() } };
        let head = String::from_utf8_lossy(&heard[..end]);
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let fields = lines.filter_map(|line| line.split_once(": "));
        let fields = fields.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Self { status: status.unwrap_or(0), fields, body: heard[end + 4..].to_vec() }
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// A segment of two seconds and `len` bytes that differ from those of every other one, in pieces of 64 KiB.
pub(crate) fn segment(sequence: u64, len: usize) -> Segment {
    let chunks: Vec<Bytes> = bytes_of(sequence, len).chunks(64 * 1024).map(Bytes::copy_from_slice).collect();
    let start = Pts::from_ticks(sequence as i64 * 180_000);
    let body = Body { chunks: chunks.into(), len };
    Segment::plain(sequence, start, Span::from_millis(2000), Join::Continuous, body)
}

/// Its bytes: packets of 188, each with its number in the first four and the segment's in all others.
pub(crate) fn bytes_of(sequence: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![sequence as u8; len];
    for (packet, number) in bytes.chunks_mut(188).zip(0u32..) {
        let count = packet.len().min(4);
        packet[..count].copy_from_slice(&number.to_be_bytes()[..count]);
    }
    bytes
}

pub(crate) fn snapshot(segments: &[Segment]) -> Snapshot {
    let clock = SimClock::new(Monotonic::default(), WallTime::from_unix_nanos(1_700_000_000_000_000_000));
    Snapshot {
        listed: segments.iter().cloned().map(Arc::new).collect(),
        retired: Arc::from([]),
        discontinuity_sequence: 0,
        target: TargetDuration(2),
        dates: Dates::of(&clock.wall()),
        redated: None,
        rate: Rate::default(),
        edge: None,
        markers: Default::default(),
    }
}

/// Bytes of each part.
pub(crate) const PART: usize = 3000;

/// Three segments of two parts before segment `sequence`, and so many parts of that.
pub(crate) fn low_snapshot(sequence: u64, parts: usize) -> Snapshot {
    let init = Arc::new(Init { number: 1, bytes: Bytes::from_static(b"ftyp and moov") });
    let listed = (sequence - 3..sequence).map(|sequence| {
        let parts = parts_of(sequence, 2);
        let chunks: Arc<[Bytes]> = parts.iter().flat_map(|it| it.body.chunks.iter().cloned()).collect();
        let body = Body { chunks, len: 2 * PART };
        Segment { body, init: Some(init.clone()), parts, ..segment(sequence, 0) }
    });
    let edge = Edge {
        sequence,
        start: Pts::from_ticks(sequence as i64 * 180_000),
        join: Join::Continuous,
        init: init.clone(),
        parts: parts_of(sequence, parts),
        part_target: Span::from_millis(1000),
    };
    Snapshot { edge: Some(Arc::new(edge)), ..snapshot(&listed.collect::<Vec<_>>()) }
}

fn parts_of(sequence: u64, count: usize) -> PartList {
    let bytes = bytes_of(sequence, PART * count);
    let parts = bytes.chunks(PART).zip(0..).map(|(bytes, place)| Part {
        start: Pts::from_ticks(sequence as i64 * 180_000 + place * 90_000),
        duration: Span::from_millis(1000),
        entry: if place == 0 { Entry::Key } else { Entry::Dependent },
        presence: Presence::There,
        body: Body { chunks: Arc::from([Bytes::copy_from_slice(bytes)]), len: bytes.len() },
    });
    parts.collect()
}

/// The tail of a segment of `whole` pieces of `piece` bytes, of which `count` are written.
pub(crate) fn tail(sequence: u64, piece: usize, count: usize) -> Tail {
    let bytes = bytes_of(sequence, piece * count);
    Tail { sequence, chunks: bytes.chunks(piece).map(Bytes::copy_from_slice).collect() }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
