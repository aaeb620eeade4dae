//! How soon a server answers whose window is full of markers: our server, and one connection.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use outpost::base::{Clock, Monotonic, Pts, SimClock, Span, WallTime};
use outpost::container::ts::Join;
use outpost::media::marker::MarkerKind;
use outpost::playlist::{Format, Latency, Style};
use outpost::segment::{Body, Dates, Markers, Rate, Segment, Shelf, Snapshot, TargetDuration};
use outpost::serve::{Lineup, Rendition, ServeConfig, ServeStats, Server, Site, Snapshots, Station};
use outpost::timeline::{Draft, Timeline};

use crate::segments::Silent;
use crate::table::Row;

/// What a stream keeps at most, in a window of six hours: a transmission every other second.
const MARKERS: i64 = 10_000;
const SEGMENTS: u64 = 10_800;
/// Questions of each kind, each after a change; the median counts.
const ROUNDS: u64 = 9;

pub(crate) fn rows(_: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("10,000 markers");
    let stage = Stage::set()?;
    let list = "/api/v1/streams/tower/markers";
    let asked = [
        ("10,000 markers: playlist asked for -> first bytes", "/tower/audio/index.m3u8".to_owned()),
        ("the same, its delta", "/tower/audio/index.m3u8?_HLS_skip=v2".to_owned()),
        ("the same, all of them in JSON", list.to_owned()),
        ("the same, those of the last minutes", format!("{list}?from=2023-11-15T04:10:00Z")),
    ];
    let row = |(figure, path): (&'static str, String)| {
        let [first, last] = stage.median(&path)?;
        Ok(Row::limit(figure, 5.0, first, "ms").with_peer("last byte", last, "ms"))
    };
    asked.into_iter().map(row).collect()
}

/// A server on a thread of its own, which ends with the program.
struct Stage {
    address: SocketAddr,
    rendition: Arc<Rendition>,
    timeline: Arc<Timeline>,
    clock: Arc<SimClock>,
}

impl Stage {
    fn set() -> Result<Self, Box<dyn Error>> {
        let clock = Arc::new(SimClock::new(
            at(2 * SEGMENTS as i64).to_monotonic(),
            WallTime::from_unix_nanos(1_700_021_600_000_000_000),
        ));
        let style = Style {
            format: Format::TransportStream,
            latency: Latency::Ordinary,
            keys: "../keys/".to_owned(),
        };
        let rendition = Arc::new(Rendition::new("audio", TargetDuration(2), style));
        let lineup = Lineup::new(vec![rendition.clone()], Box::new(|_, _| String::new()));
        let timeline = Timeline::new(1);
        timeline.write(|log| (0..MARKERS).for_each(|n| drop(log.add_ours(transmission(2 * n)))));
        let station = Station::new("tower", "Tower", lineup, None, Snapshots::None("it is but bytes"))
            .with_timeline(timeline.clone(), clock.clone());
        let stats = Arc::new(ServeStats::default());
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = ServeConfig { listen, ..ServeConfig::default() };
        let site = Site { stations: vec![Arc::new(station)], report: Arc::new(Silent), stats };
        let server = Server::bind(&config, site)?;
        let address = server.local_addr();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || runtime.block_on(server.run(std::future::pending())));
        Ok(Self { address, rendition, timeline, clock })
    }

    /// Milliseconds from asking for `path` to the first bytes of the reply, and to its last: it is the first since
    /// something changed, and written as a whole before any of it is sent.
    fn median(&self, path: &str) -> Result<[f64; 2], Box<dyn Error>> {
        let mut client = TcpStream::connect(self.address)?;
        client.set_read_timeout(Some(Duration::from_secs(5)))?;
        let question = format!("GET {path} HTTP/1.1\r\nHost: tower\r\n\r\n");
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            self.timeline.write(|log| drop(log.add_ours(transmission(2 * MARKERS))));
            self.rendition.list(Arc::new(self.snapshot(round)));
            let asked = Instant::now();
            client.write_all(question.as_bytes())?;
            let begun = read_reply(&mut client)?;
            last.push(asked.elapsed().as_secs_f64() * 1e3);
            first.push(begun.duration_since(asked).as_secs_f64() * 1e3);
        }
        Ok([first, last].map(|mut took| {
            took.sort_by(f64::total_cmp);
            took[took.len() / 2]
        }))
    }

    fn snapshot(&self, round: u64) -> Snapshot {
        let body = Body { chunks: Arc::from([Bytes::from_static(&[0x47; 188])]), len: 188 };
        let segment = |n: u64| {
            let join = if n == 0 { Join::Broken } else { Join::Continuous };
            Arc::new(Segment::plain(n, at(2 * n as i64), Span::from_millis(2000), join, body.clone()))
        };
        Snapshot {
            listed: (round..round + SEGMENTS).map(segment).collect(),
            retired: Arc::from([]),
            discontinuity_sequence: 0,
            target: TargetDuration(2),
            dates: Dates::of(&self.clock.wall()),
            redated: None,
            rate: Rate::default(),
            edge: None,
            markers: Markers::new(self.timeline.shown().markers.clone()),
        }
    }
}

fn at(seconds: i64) -> Pts {
    Monotonic::default().to_pts() + Span::from_millis(1000 * seconds)
}

fn transmission(seconds: i64) -> Draft {
    let (from, to) = (at(seconds), Some(at(seconds + 1)));
    Draft { kind: MarkerKind::TRANSMISSION, from, to, level: Some(-20.5), label: None }
}

/// Reads a reply to its end; when it began.
fn read_reply(client: &mut TcpStream) -> io::Result<Instant> {
    let mut heard = Vec::new();
    let mut begun = None;
    let mut buffer = vec![0; 256 * 1024];
    let mut length = None;
    while length.is_none_or(|length| heard.len() < length) {
        let count = client.read(&mut buffer)?;
        begun.get_or_insert_with(Instant::now);
        heard.extend_from_slice(&buffer[..count]);
        let head = heard.windows(4).position(|it| it == b"\r\n\r\n").map(|at| at + 4);
        if let (None, Some(head)) = (length, head) {
            let text = String::from_utf8_lossy(&heard[..head]).to_ascii_lowercase();
            let body =
                text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            length = body.filter(|_| text.starts_with("http/1.1 200")).map(|len| head + len);
            heard.reserve(length.unwrap_or_default());
            if length.is_none() {
                return Err(io::Error::other(String::from_utf8_lossy(&heard).into_owned()));
            }
        } else if count == 0 {
            return Err(io::Error::other("the server hung up"));
        }
    }
    Ok(begun.unwrap_or_else(Instant::now))
}
