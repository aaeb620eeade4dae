//! A server of ours with one segment of picture and sound on its shelf, as large as they get: this version
//! makes sound only, whose segments are small. It runs as a process of its own, so that what it costs can be told.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use outpost::base::{Clock, Monotonic};
use outpost::base::{Pts, SimClock, Span, WallTime};
use outpost::container::ts::{Join, PACKET_LEN};
use outpost::playlist::{Format, Latency, Style};
use outpost::segment::{Body, Dates, Rate, Segment, Shelf, Snapshot, TargetDuration};
use outpost::serve::{
    Health, Lineup, Rendition, Report, ServeConfig, ServeStats, Server, Site, Snapshots, Station,
};

use crate::peers::{self, Running};

/// Bytes of the segment: 2.8 s at 2 Mbit/s.
pub(crate) const LEN: usize = 700_000 / PACKET_LEN * PACKET_LEN;
/// The word that makes this program the server.
pub(crate) const ORIGIN: &str = "--segment-origin";
/// Segments lie in memory in pieces of this size, see `segment::collector`.
const PIECE: usize = 174 * PACKET_LEN;

/// Starts the server, and waits until it serves; with it comes the segment's address.
pub(crate) fn start(address: SocketAddr) -> io::Result<(Running, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    let server = Running::start(command.args([ORIGIN, &address.to_string()]))?;
    peers::wait_for("our server", || std::net::TcpStream::connect(address).is_ok())?;
    Ok((server, format!("http://{address}/wide/audio/0.ts")))
}

/// What the segment holds: bytes that do not compress, of no meaning.
pub(crate) fn content() -> Vec<u8> {
    (0..LEN as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Is the server, until killed.
pub(crate) fn serve(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let target = TargetDuration(3);
    let (format, latency) = (Format::TransportStream, Latency::Ordinary);
    let style = Style { format, latency, keys: "../keys/".to_owned() };
    let rendition = Arc::new(Rendition::new("audio", target, style));
    rendition.list(Arc::new(snapshot(target)));
    let lineup = Lineup::new(vec![rendition], Box::new(|_, _| String::new()));
    let station = Arc::new(Station::new("wide", "Wide", lineup, None, Snapshots::None("it is but bytes")));
    let config = ServeConfig { listen: address, ..ServeConfig::default() };
    let site =
        Site { stations: vec![station], report: Arc::new(Silent), stats: Arc::new(ServeStats::default()) };
    let server = Server::bind(&config, site)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(server.run(std::future::pending()))?)
}

fn snapshot(target: TargetDuration) -> Snapshot {
    let content = bytes::Bytes::from(content());
    let chunks = (0..LEN).step_by(PIECE).map(|at| content.slice(at..LEN.min(at + PIECE))).collect();
    let body = Body { chunks, len: LEN };
    let segment = Segment::plain(0, Pts::from_ticks(0), Span::from_millis(2800), Join::Continuous, body);
    let clock = SimClock::new(Monotonic::from_nanos(0), WallTime::from_unix_nanos(0));
    Snapshot {
        listed: Arc::from([Arc::new(segment)]),
        retired: Arc::from([]),
        discontinuity_sequence: 0,
        target,
        dates: Dates::of(&clock.wall()),
        redated: None,
        rate: Rate::default(),
        edge: None,
        markers: Arc::default(),
    }
}

/// Has nothing to tell.
pub(crate) struct Silent;

impl Report for Silent {
    fn status(&self) -> String {
        String::new()
    }

    fn levels(&self, _: &str) -> Option<String> {
        None
    }

    fn metrics(&self) -> String {
        String::new()
    }

    fn health(&self) -> Health {
        Health::Ok
    }
}
