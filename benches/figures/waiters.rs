//! How soon those who wait for a part are answered: our server, and as many connections as hold a request each.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::Bytes;
use outpost::base::{Clock, Monotonic, Pts, SimClock, Span, WallTime};
use outpost::container::ts::Join;
use outpost::media::Entry;
use outpost::playlist::{Format, Latency, Style};
use outpost::segment::{
    Body, Dates, Edge, Init, Part, PartList, Presence, Rate, Segment, Shelf, Snapshot, TargetDuration,
};
use outpost::serve::{Lineup, Rendition, ServeConfig, ServeStats, Server, Site, Snapshots, Station};

use crate::segments::Silent;
use crate::table::Row;

/// Parts of 200 ms in segments of 2 s, at 300 kbit/s; a window of 30 s.
const PARTS: u64 = 10;
const PART_LEN: usize = 7_500;
const SEGMENTS: u64 = 15;
/// Parts waited for, after a first that is not measured; the median counts.
const ROUNDS: u64 = 9;
/// The number of the segment that is being written.
const EDGE: u64 = 1_000;

pub(crate) fn rows(_: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("Requests that wait for a part: 5 s");
    crate::open_files()?;
    let stage = Stage::set()?;
    Ok(vec![
        Row::limit("part published -> 1 waiting request answered", 5.0, stage.median(1)?, "ms"),
        Row::limit("part published -> 1,000 waiting requests answered", 30.0, stage.median(1_000)?, "ms"),
    ])
}

/// A server on a thread of its own, which ends with the program.
struct Stage {
    address: SocketAddr,
    rendition: Arc<Rendition>,
    stats: Arc<ServeStats>,
}

impl Stage {
    fn set() -> Result<Self, Box<dyn Error>> {
        let style = Style { format: Format::Fmp4, latency: Latency::Low, keys: "../keys/".to_owned() };
        let rendition = Arc::new(Rendition::new("video", TargetDuration(2), style));
        let none = Lineup::new(Vec::new(), Box::new(|_, _| String::new()));
        let low = Lineup::new(vec![rendition.clone()], Box::new(|_, _| String::new()));
        let station = Station::new("tower", "Tower", none, Some(low), Snapshots::None("it is but bytes"));
        let stats = Arc::new(ServeStats::default());
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = ServeConfig { listen, max_connections: 2_000, ..ServeConfig::default() };
        let site = Site { stations: vec![Arc::new(station)], report: Arc::new(Silent), stats: stats.clone() };
        let server = Server::bind(&config, site)?;
        let address = server.local_addr();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || runtime.block_on(server.run(std::future::pending())));
        Ok(Self { address, rendition, stats })
    }

    /// Milliseconds from the publication of a part to the last byte of the last of `count` replies.
    fn median(&self, count: usize) -> Result<f64, Box<dyn Error>> {
        self.rendition.list(Arc::new(snapshot(0)));
        let clients = (0..count).map(|_| TcpStream::connect(self.address));
        let mut clients = clients.collect::<io::Result<Vec<_>>>()?;
        let mut took = Vec::new();
        for part in 0..=ROUNDS {
            for client in &mut clients {
                client.set_read_timeout(Some(Duration::from_secs(5)))?;
                ask(client, part)?;
            }
            while self.stats.waiting() < count as u64 {
                sleep(Duration::from_millis(1));
            }
            let snapshot = Arc::new(snapshot(part + 1));
            let published = Instant::now();
            self.rendition.list(snapshot);
            clients.iter_mut().try_for_each(|client| read_reply(client, part))?;
            took.push(published.elapsed().as_secs_f64() * 1e3);
        }
        took.remove(0);
        took.sort_by(f64::total_cmp);
        Ok(took[took.len() / 2])
    }
}

fn ask(client: &mut TcpStream, part: u64) -> io::Result<()> {
    let path = format!("/tower/ll/video/index.m3u8?_HLS_msn={EDGE}&_HLS_part={part}");
    let head = format!("GET {path} HTTP/1.1\r\nHost: tower\r\nAccept-Encoding: gzip\r\n\r\n");
    client.write_all(head.as_bytes())
}

fn read_reply(client: &mut TcpStream, part: u64) -> io::Result<()> {
    let mut heard = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = client.read(&mut buffer)?;
        heard.extend_from_slice(&buffer[..count]);
        let head = heard.windows(4).position(|it| it == b"\r\n\r\n").map(|at| at + 4);
        let length = head.and_then(|end| {
            let text = String::from_utf8_lossy(&heard[..end]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            length.filter(|_| text.starts_with("http/1.1 200")).map(|len: usize| end + len)
        });
        match length {
            Some(length) if heard.len() >= length => return Ok(()),
            None if head.is_some() || count == 0 => {
                let heard = String::from_utf8_lossy(&heard).into_owned();
                return Err(io::Error::other(format!("part {part}: {heard}")));
            }
            _ => {}
        }
    }
}

/// A whole window, and so many parts of segment [`EDGE`].
fn snapshot(count: u64) -> Snapshot {
    let init = Arc::new(Init { number: 1, bytes: Bytes::from_static(b"init") });
    let parts = |sequence: u64, count: u64| -> PartList {
        let start = |place: u64| Pts::from_ticks((sequence * 180_000 + place * 18_000) as i64);
        let bytes = Bytes::from(vec![sequence as u8; PART_LEN]);
        let part = |place| Part {
            start: start(place),
            duration: Span::from_millis(200),
            entry: if place == 0 { Entry::Key } else { Entry::Dependent },
            presence: Presence::There,
            body: Body { chunks: Arc::from([bytes.clone()]), len: PART_LEN },
        };
        (0..count).map(part).collect()
    };
    let segment = |sequence: u64| {
        let parts = parts(sequence, PARTS);
        let chunks: Arc<[Bytes]> = parts.iter().flat_map(|it| it.body.chunks.iter().cloned()).collect();
        let body = Body { len: chunks.iter().map(Bytes::len).sum(), chunks };
        let start = Pts::from_ticks(sequence as i64 * 180_000);
        let plain = Segment::plain(sequence, start, Span::from_millis(2000), Join::Continuous, body);
        Arc::new(Segment { init: Some(init.clone()), parts, ..plain })
    };
    let edge = Edge {
        sequence: EDGE,
        start: Pts::from_ticks(EDGE as i64 * 180_000),
        join: Join::Continuous,
        init: init.clone(),
        parts: parts(EDGE, count),
        part_target: Span::from_millis(210),
    };
    let clock = SimClock::new(Monotonic::default(), WallTime::from_unix_nanos(1_700_000_000_000_000_000));
    Snapshot {
        listed: (EDGE - SEGMENTS..EDGE).map(segment).collect(),
        retired: Arc::from([]),
        discontinuity_sequence: 0,
        target: TargetDuration(2),
        dates: Dates::of(&clock.wall()),
        redated: None,
        rate: Rate::default(),
        edge: Some(Arc::new(edge)),
        markers: Default::default(),
    }
}
