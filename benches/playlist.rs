//! What a change of the list costs: a snapshot of six hours of enciphered sound, its playlist as text and a delta
//! of that, the playlist of a part, and each gzipped.

use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outpost::base::{Monotonic, Pts, Span, Sync, WallReading, WallTime};
use outpost::container::ts::Join;
use outpost::media::Entry;
use outpost::playlist::{Extent, Format, Latency, Skip, Style, media};
use outpost::segment::window::Window;
use outpost::segment::{
    Body, Dates, Edge, Init, Key, Part, PartList, Presence, Segment, SegmentConfig, Snapshot,
};

/// Six hours of segments of 2 s.
const SEGMENTS: u64 = 10_800;
/// Segments to a key: a minute.
const KEPT: u64 = 30;
/// Segments of a low-latency window, and parts to one.
const SHORT: u64 = 15;
const PARTS: i64 = 5;

/// Of so many segments, made of plain ones by `finish`.
fn window(count: u64, finish: impl Fn(Segment) -> Segment) -> Window {
    let monotonic = Monotonic::from_nanos(0);
    let wall = WallTime::from_unix_nanos(1_763_640_000_000_000_000);
    let reading = WallReading { monotonic, wall, sync: Sync::Synchronised, suspended: Duration::ZERO };
    let config = SegmentConfig {
        length: Span::from_millis(6 * 3_600_000),
        bytes: usize::MAX / 8,
        ..SegmentConfig::default()
    };
    let mut window = Window::new(&config, Dates::of(&reading));
    let duration = Span::from_samples(94 * 1024, 48_000);
    let mut start = Pts::default();
    for sequence in 0..count {
        let body = Body { chunks: Arc::from([]), len: 17_000 };
        let join = if sequence == 0 { Join::Broken } else { Join::Continuous };
        let sequence = 1_763_640_000 + sequence;
        start += duration;
        window.push(finish(Segment::plain(sequence, start, duration, join, body)), start.to_monotonic());
    }
    window
}

fn enciphered(segment: Segment) -> Segment {
    let key = Key { number: segment.sequence / KEPT, secret: [0; 16] };
    Segment { key: Some(Arc::new(key)), ..segment }
}

fn parts(start: Pts, count: i64) -> PartList {
    let duration = Span::from_millis(400);
    let at = |index| start + Span::from_ticks(index * duration.ticks());
    let (entry, presence, body) = (Entry::Key, Presence::There, Body::default());
    (0..count).map(|index| Part { start: at(index), duration, entry, presence, body: body.clone() }).collect()
}

/// A short window in parts, with all but one of the parts of the segment being written.
fn low_latency() -> Snapshot {
    let init = Arc::new(Init { number: 0, bytes: Default::default() });
    let parted = |segment: Segment| {
        let parts = parts(segment.start, PARTS);
        Segment { init: Some(Arc::clone(&init)), parts, ..segment }
    };
    let whole = window(SHORT, parted).snapshot();
    let last = whole.listed.last().expect("several are listed");
    let start = last.start + last.duration;
    let edge = Edge {
        sequence: last.sequence + 1,
        start,
        join: Join::Continuous,
        init: Arc::clone(&init),
        parts: parts(start, PARTS - 1),
        part_target: Span::from_millis(440),
    };
    Snapshot { edge: Some(Arc::new(edge)), ..(*whole).clone() }
}

/// Microseconds per call, the best of several rounds.
fn measure(mut work: impl FnMut()) -> f64 {
    let round = |work: &mut dyn FnMut()| {
        let (started, mut count) = (Instant::now(), 0u32);
        while started.elapsed() < Duration::from_millis(100) {
            work();
            count += 1;
        }
        started.elapsed().as_secs_f64() * 1e6 / f64::from(count)
    };
    (0..5).map(|_| round(&mut work)).fold(f64::INFINITY, f64::min)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).expect("memory does not fail")
}

/// Tells what a playlist costs.
fn tell(what: &str, snapshot: &Snapshot, style: &Style, extent: Extent) {
    let text = media(snapshot, style, extent, &[]);
    let micros = measure(|| drop(black_box(media(black_box(snapshot), style, extent, &[]))));
    println!("{what}: {micros:.1} µs, {} bytes", text.len());
    let micros = measure(|| drop(black_box(gzip(black_box(&text)))));
    println!("{what}, gzip: {micros:.1} µs, {} bytes", gzip(&text).len());
}

fn main() {
    let style = |format, latency| Style { format, latency, keys: "../keys/".to_owned() };
    let ordinary = style(Format::TransportStream, Latency::Ordinary);
    let window = window(SEGMENTS, enciphered);
    println!("snapshot of {SEGMENTS} segments: {:.1} µs", measure(|| drop(black_box(window.snapshot()))));
    let hours = window.snapshot();
    tell(&format!("{SEGMENTS} enciphered segments"), &hours, &ordinary, Extent::Whole);
    tell(
        &format!("a delta of {SEGMENTS} enciphered segments"),
        &hours,
        &ordinary,
        Extent::Delta(Skip::Segments),
    );
    let low = style(Format::Fmp4, Latency::Low);
    tell(&format!("{SHORT} segments in parts"), &low_latency(), &low, Extent::Whole);
}
