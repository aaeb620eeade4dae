//! What the transport stream adds to pictures and sound, beside ffmpeg's, from the same elementary streams.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use outpost::base::{Pts, Span};
use outpost::container::ts::{Demux, Event, Mark, Mux, PACKET_LEN, Record, Sink};
use outpost::media::aac::ADTS_HEADER_LEN;
use outpost::media::grid::Cutter;
use outpost::media::{AacConfig, CutGrid, Entry, FrameRate, Packet, Program, Track, VideoConfig};

use crate::table::Row;

/// What ffmpeg's HLS adds may not be exceeded; it is measured here as well.
const RATES: [(&str, &str); 3] = [
    ("TS bytes per ES byte, 500 kbit/s", "436k"),
    ("the same, 2 Mbit/s", "1936k"),
    ("the same, 4 Mbit/s", "3936k"),
];

/// A unit of its own.
struct Unit {
    head: Packet<'static>,
    data: Vec<u8>,
}

/// Counts packets.
#[derive(Default)]
struct Tally {
    scratch: Record,
    packets: usize,
}

impl Sink for Tally {
    fn slot(&mut self, mark: Mark) -> &mut [u8; PACKET_LEN] {
        self.packets += usize::from(!matches!(mark, Mark::End { .. }));
        &mut self.scratch.packet
    }

    fn publish(&mut self) {}
}

/// A minute at each rate: 720p30 with 64 kbit/s of sound, cut every two seconds by both.
pub(crate) fn rows(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("The transport stream's overhead, beside ffmpeg");
    RATES.iter().map(|(figure, rate)| row(figure, rate, dir)).collect()
}

fn row(figure: &'static str, rate: &str, dir: &Path) -> Result<Row, Box<dyn Error>> {
    let dir = dir.join(rate);
    fs::create_dir_all(&dir)?;
    let (clip, playlist) = (dir.join("clip.ts"), dir.join("index.m3u8"));
    let source = "testsrc2=size=1280x720:rate=30,noise=alls=12:allf=t";
    let mut make = Command::new("ffmpeg");
    make.args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", source]);
    make.args(["-f", "lavfi", "-i", "anoisesrc=amplitude=0.1:sample_rate=48000", "-ac", "1", "-t", "60"]);
    make.args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "60", "-aud", "1"]);
    make.args(["-b:v", rate, "-maxrate", rate, "-bufsize", rate, "-c:a", "aac", "-b:a", "64k"]);
    run(make.arg(&clip))?;
    let mut copy = Command::new("ffmpeg");
    copy.args(["-nostdin", "-v", "error", "-y", "-i"]).arg(&clip);
    copy.args(["-c", "copy", "-f", "hls", "-hls_time", "2", "-hls_list_size", "0"]).arg(&playlist);
    run(&mut copy)?;

    let units = units(&fs::read(&clip)?);
    let elementary: usize = units.iter().map(|unit| unit.data.len() + header(unit.head.track)).sum();
    let ours = multiplexed(&units)? * PACKET_LEN;
    let theirs: u64 = fs::read_dir(&dir)?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("index"))
        .filter(|entry| entry.path().extension().is_some_and(|kind| kind == "ts"))
        .filter_map(|entry| entry.metadata().ok())
        .map(|file| file.len())
        .sum();
    fs::remove_dir_all(&dir)?;
    let ratios = [ours as f64, theirs as f64].map(|bytes| bytes / elementary as f64);
    Ok(Row::beside(figure, 1.0, "ffmpeg hls", ratios, ""))
}

fn header(track: Track) -> usize {
    match track {
        Track::Video => 0,
        Track::Audio => ADTS_HEADER_LEN,
    }
}

/// The units of a transport stream, in the order in which they are decoded.
fn units(stream: &[u8]) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut demux = Demux::new(Pts::default());
    let mut take = |event: Event<'_>| {
        if let Event::Unit(unit) = event {
            units.push(Unit { data: unit.data.to_vec(), head: Packet { data: &[], ..unit } });
        }
    };
    demux.feed(stream, &mut take);
    demux.finish(&mut take);
    units.sort_by_key(|unit| unit.head.dts);
    units
}

/// How many packets we make of them.
fn multiplexed(units: &[Unit]) -> Result<usize, Box<dyn Error>> {
    let video = VideoConfig {
        codecs: "avc1.42c01f".into(),
        size: "1280x720".parse()?,
        rate: FrameRate::new(30, 1).ok_or("a rate")?,
    };
    let program = Program { video: Some(video), audio: Some(AacConfig::parse(&[0x11, 0x88])?) };
    let mut cutter = Cutter::new(CutGrid::new(Span::from_millis(2000)));
    let (mut mux, mut tally) = (Mux::new(&program), Tally::default());
    for Unit { head, data } in units {
        if (head.track, head.entry) == (Track::Video, Entry::Key) && cutter.is_cut(head.pts) {
            mux.cut(head.pts, &mut tally);
        }
        mux.write(&Packet { data, ..*head }, &mut tally)?;
    }
    mux.flush(&mut tally);
    Ok(tally.packets)
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status().map_err(|error| format!("ffmpeg does not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("ffmpeg: {status}").into()) }
}
