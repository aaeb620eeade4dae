//! What multiplexing costs: one line per figure.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use outpost::base::{Pts, Span};
use outpost::container::ts::{Mark, Mux, PACKET_LEN, Record, Sink};
use outpost::media::FrameRate;
use outpost::media::grid::Cutter;
use outpost::media::packet::VideoConfig;
use outpost::media::{AacConfig, CutGrid, Entry, Packet, Program, Track};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system's allocator; only a counter is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps GlobalAlloc's contract, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, that is from the system.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Records in the ring.
const ROUND: usize = 1024;

/// Records written round and round, as into the ring.
struct Round {
    records: Vec<Record>,
    at: usize,
    packets: usize,
}

impl Round {
    fn new() -> Self {
        Self { records: vec![Record::default(); ROUND], at: 0, packets: 0 }
    }
}

impl Sink for Round {
    fn slot(&mut self, mark: Mark) -> &mut [u8; PACKET_LEN] {
        self.at = (self.at + 1) % ROUND;
        self.packets += usize::from(!matches!(mark, Mark::End { .. }));
        let record = &mut self.records[self.at];
        record.mark = mark;
        &mut record.packet
    }

    fn publish(&mut self) {
        black_box(&self.records);
    }
}

const FRAME: i64 = 1920;
/// 30 a second.
const PICTURE: i64 = 3000;

/// Lengths of AAC frames as an encoder at 64 kbit/s varies them: 171 bytes on average.
fn frame_len(n: i64) -> usize {
    171 + n as usize * 7919 % 81 - 40
}

fn audio_config() -> AacConfig {
    AacConfig::parse(&[0x11, 0x88]).expect("AAC-LC, 48 kHz, mono")
}

/// What this thread has used of the processor, whatever else the machine does.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every Linux has it").into()
}

/// What a stream carries besides its sound: pictures of the length this bit rate leaves, or none.
#[derive(Clone, Copy)]
enum Pictures {
    None,
    BitsPerSecond(usize),
}

impl Pictures {
    /// Bytes of the picture a segment begins with and of any other: of 60 pictures in two seconds the first
    /// takes as much as four.
    fn len(self, entry: Entry) -> usize {
        let Self::BitsPerSecond(bits) = self else { return 0 };
        let unit = bits / 8 * 2 / (59 + 4);
        if entry == Entry::Key { 4 * unit } else { unit }
    }
}

/// Runs `minutes` of a stream; gives packets, ADTS bytes, nanoseconds per packet, allocations.
fn run(program: &Program, pictures: Pictures, minutes: i64, target: Span) -> (usize, usize, f64, usize) {
    let data = vec![0x5A; 256 * 1024];
    let mut picture = data.clone();
    picture[..10].copy_from_slice(&[0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x41]);
    let (mut mux, mut sink) = (Mux::new(program), Round::new());
    let mut cutter = Cutter::new(CutGrid::new(target));
    let (mut adts, mut next_picture) = (0, 0);
    let allocations = ALLOCATIONS.load(Relaxed);
    let start = cpu_time();
    for n in 0..minutes * 60 * 90_000 / FRAME {
        let pts = Pts::from_ticks(n * FRAME);
        if program.video.is_none() && cutter.is_cut(pts) {
            mux.cut(pts, &mut sink);
        }
        if program.video.is_some() && pts.ticks() >= next_picture {
            let pts = Pts::from_ticks(next_picture);
            let entry = if cutter.is_cut(pts) { Entry::Key } else { Entry::Dependent };
            if entry == Entry::Key {
                mux.cut(pts, &mut sink);
            }
            let data = &picture[..pictures.len(entry)];
            let unit = Packet { track: Track::Video, pts, dts: pts, entry, data };
            mux.write(&unit, &mut sink).expect("in order");
            next_picture += PICTURE;
        }
        let data = &data[..frame_len(n)];
        adts += data.len() + 7;
        let unit = Packet { track: Track::Audio, pts, dts: pts, entry: Entry::Key, data };
        mux.write(&unit, &mut sink).expect("in order");
    }
    mux.flush(&mut sink);
    let nanos = (cpu_time() - start).as_nanos() as f64 / sink.packets as f64;
    (sink.packets, adts, nanos, ALLOCATIONS.load(Relaxed) - allocations)
}

fn main() {
    let radio = Program::audio_only(audio_config());
    let video = VideoConfig {
        codecs: "avc1.64001f".into(),
        size: "1280x720".parse().expect("a size"),
        rate: FrameRate::new(30, 1).expect("a rate"),
    };
    let camera = Program { video: Some(video), audio: Some(audio_config()) };
    let table = [
        ("64 kbit/s audio", &radio, Pictures::None, 20 * 60),
        ("500 kbit/s video and audio", &camera, Pictures::BitsPerSecond(500_000), 200),
        ("2 Mbit/s video and audio", &camera, Pictures::BitsPerSecond(2_000_000), 60),
        ("4 Mbit/s video and audio", &camera, Pictures::BitsPerSecond(4_000_000), 30),
    ];
    for (name, program, pictures, minutes) in table {
        // The best of five: other programs still take caches away.
        let runs: Vec<_> = (0..5).map(|_| run(program, pictures, minutes, Span::from_millis(2000))).collect();
        let best = runs.iter().map(|run| run.2).fold(f64::INFINITY, f64::min);
        println!("mux, {name}: {best:.1} ns per TS packet");
        let (packets, _, _, allocations) = runs[0];
        println!("mux, {name}: {:.3} allocations per TS packet", allocations as f64 / packets as f64);
    }
    for secs in [2, 4] {
        let (packets, adts, ..) = run(&radio, Pictures::None, 60, Span::from_millis(secs * 1000));
        let ratio = (packets * PACKET_LEN) as f64 / adts as f64;
        println!("mux, 64 kbit/s audio, {secs} s segments: {ratio:.4} TS bytes per ADTS byte");
    }
}
