//! What a change of the list costs: a snapshot of 450 segments, its playlist as text, and that gzipped.

use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outpost::base::{Monotonic, Pts, Span, Sync, WallReading, WallTime};
use outpost::container::ts::Join;
use outpost::playlist::media;
use outpost::segment::window::Window;
use outpost::segment::{Body, Dates, Segment, SegmentConfig};

const SEGMENTS: u64 = 450;

fn window() -> Window {
    let monotonic = Monotonic::from_nanos(0);
    let wall = WallTime::from_unix_nanos(1_763_640_000_000_000_000);
    let reading = WallReading { monotonic, wall, sync: Sync::Synchronised, suspended: Duration::ZERO };
    let mut window = Window::new(&SegmentConfig::default(), Dates::of(&reading));
    let duration = Span::from_samples(94 * 1024, 48_000);
    let mut start = Pts::default();
    for sequence in 0..SEGMENTS {
        let body = Body { chunks: Arc::from([]), len: 17_000 };
        let join = if sequence == 0 { Join::Broken } else { Join::Continuous };
        let sequence = 1_763_640_000 + sequence;
        start += duration;
        window.push(Segment::plain(sequence, start, duration, join, body), start.to_monotonic());
    }
    window
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

fn main() {
    let window = window();
    let snapshot = window.snapshot();
    let text = media(&snapshot);
    let listed = snapshot.listed.len();
    println!("snapshot of {listed} segments: {:.1} µs", measure(|| drop(black_box(window.snapshot()))));
    let micros = measure(|| drop(black_box(media(black_box(&snapshot)))));
    println!("media playlist of {listed} segments: {micros:.1} µs, {} bytes", text.len());
    let micros = measure(|| drop(black_box(gzip(black_box(&text)))));
    println!("gzip of that playlist: {micros:.1} µs, {} bytes", gzip(&text).len());
}
