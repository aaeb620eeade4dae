//! What multiplexing costs: one line per figure.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use outpost::base::{Pts, Span};
use outpost::container::fmp4::{self, TrackConfig};
use outpost::container::ts::{Mark, Mux, PACKET_LEN, Record, Sink};
use outpost::media::FrameRate;
use outpost::media::grid::Cutter;
use outpost::media::h264::ParameterSets;
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

/// An access unit's bytes: a delimiter, and slices of what a coder writes, which is hardly other than noise.
fn picture() -> Vec<u8> {
    let mut noise = 1_u32;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    })
    .take(256 * 1024)
    .collect();
    // Where it would look like a start code, a coder would prevent it.
    (2..bytes.len()).for_each(|at| bytes[at] |= u8::from(bytes[at - 2..at] == [0, 0]) << 7);
    bytes[..10].copy_from_slice(&[0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x41]);
    bytes[3000..3004].copy_from_slice(&[0, 0, 1, 0x41]);
    bytes
}

/// Plays `minutes` of a stream: gives each unit, and whether a segment begins with it. Gives the bytes of all.
fn play(
    picture: &[u8],
    pictures: Pictures,
    minutes: i64,
    target: Span,
    mut each: impl FnMut(&Packet<'_>, bool),
) -> usize {
    let sound = [0x5A; 1024];
    let radio = matches!(pictures, Pictures::None);
    let mut cutter = Cutter::new(CutGrid::new(target));
    let (mut bytes, mut next_picture) = (0, 0);
    let mut give = |track: Track, pts: Pts, entry: Entry, data: &[u8], begins: bool| {
        each(&Packet { track, pts, dts: pts, entry, data }, begins);
        bytes += data.len();
    };
    for n in 0..minutes * 60 * 90_000 / FRAME {
        let pts = Pts::from_ticks(n * FRAME);
        if !radio && pts.ticks() >= next_picture {
            let pts = Pts::from_ticks(next_picture);
            let begins = cutter.is_cut(pts);
            let entry = if begins { Entry::Key } else { Entry::Dependent };
            give(Track::Video, pts, entry, &picture[..pictures.len(entry)], begins);
            next_picture += PICTURE;
        }
        let begins = radio && cutter.is_cut(pts);
        give(Track::Audio, pts, Entry::Key, &sound[..frame_len(n)], begins);
    }
    bytes
}

/// What a run showed.
struct Run {
    nanos: f64,
    /// Bytes of units.
    bytes: usize,
    packets: usize,
    /// Bytes of ADTS frames.
    adts: usize,
    allocations: usize,
}

/// Runs `minutes` of a stream through the transport stream's multiplexer; `note` says at which segments the time
/// is told.
fn transport(
    program: &Program,
    pictures: Pictures,
    minutes: i64,
    target: Span,
    note: impl Fn(usize) -> bool,
) -> Run {
    let (mut mux, mut sink) = (Mux::with_notes(program), Round::new());
    let (mut adts, mut segments, picture) = (0, 0, picture());
    let allocations = ALLOCATIONS.load(Relaxed);
    let start = cpu_time();
    let bytes = play(&picture, pictures, minutes, target, |unit, begins| {
        if begins {
            mux.cut(unit.pts, &mut sink);
        }
        mux.write(unit, &mut sink).expect("in order");
        if begins {
            if note(segments) {
                mux.note(unit.pts, &TAG, &mut sink).expect("it is short");
            }
            segments += 1;
        }
        if unit.track == Track::Audio {
            adts += unit.data.len() + 7;
        }
    });
    mux.flush(&mut sink);
    let nanos = (cpu_time() - start).as_nanos() as f64;
    let allocations = ALLOCATIONS.load(Relaxed) - allocations;
    Run { nanos, bytes, packets: sink.packets, adts, allocations }
}

/// As long as a tag with the time.
const TAG: [u8; 54] = [0; 54];
/// How many pieces of fragments are held before their memory is given back: some 200 KB, as the records that go round.
const PIECES: usize = 16;

/// Runs the same through the multiplexers of fragmented MP4, one for each track, in parts of 200 ms.
fn fragments(pictures: Pictures, minutes: i64) -> Run {
    let picture = picture();
    let sets = [&[0, 0, 0, 1][..], SPS, &[0, 0, 0, 1], PPS, &picture[6..]].concat();
    let sets = ParameterSets::of(&sets).expect("whole sets");
    let rate = FrameRate::new(30, 1).expect("a rate");
    let mut video = (fmp4::Mux::new(&TrackConfig::Video { sets, rate }), 6, 0);
    let mut audio = (fmp4::Mux::new(&TrackConfig::Audio(audio_config())), 9, 0);
    let mut out = Vec::new();
    let allocations = ALLOCATIONS.load(Relaxed);
    let start = cpu_time();
    let bytes = play(&picture, pictures, minutes, Span::from_millis(2000), |unit, _| {
        let (mux, part, units) = match unit.track {
            Track::Video => &mut video,
            Track::Audio => &mut audio,
        };
        mux.push(unit).expect("in order");
        *units += 1;
        if *units == *part {
            *units = 0;
            mux.finish(&mut out);
            black_box(&out);
            if out.len() > PIECES {
                out.clear();
            }
        }
    });
    let nanos = (cpu_time() - start).as_nanos() as f64;
    let allocations = ALLOCATIONS.load(Relaxed) - allocations;
    Run { nanos, bytes, packets: 0, adts: 0, allocations }
}

/// 1280x720, as a camera writes it.
const SPS: &[u8] = &[
    0x67, 0x42, 0xC0, 0x1F, 0xDA, 0x01, 0x40, 0x16, 0xEC, 0x04, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0F, 0x23,
    0xC6, 0x0C, 0xA8,
];
const PPS: &[u8] = &[0x68, 0xCE, 0x3C, 0x80];

/// The run that took the least time: other programs still take caches away.
fn best(runs: &[Run]) -> f64 {
    runs.iter().map(|run| run.nanos).fold(f64::INFINITY, f64::min)
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
    let target = Span::from_millis(2000);
    for (name, program, pictures, minutes) in table {
        // By turns, so that both meet the same machine.
        let (ts, mp4): (Vec<_>, Vec<_>) = (0..5)
            .map(|_| (transport(program, pictures, minutes, target, |_| true), fragments(pictures, minutes)))
            .unzip();
        let Run { packets, allocations, bytes, .. } = ts[0];
        println!("mux, {name}: {:.1} ns per TS packet", best(&ts) / packets as f64);
        println!("mux, {name}: {:.3} allocations per TS packet", allocations as f64 / packets as f64);
        let [ts_byte, mp4_byte] = [best(&ts), best(&mp4)].map(|nanos| nanos / bytes as f64);
        println!("mux, {name}: {ts_byte:.4} ns per byte in TS, {mp4_byte:.4} in fMP4");
        println!("fMP4, {name}: {:.3} of the time of TS", mp4_byte / ts_byte);
    }
    for secs in [2, 4] {
        // As the pump tells the time: each eleven seconds or more.
        let each = 11_usize.div_ceil(secs);
        let target = Span::from_millis(secs as i64 * 1000);
        let run = transport(&radio, Pictures::None, 60, target, |segment| segment % each == 0);
        let ratio = (run.packets * PACKET_LEN) as f64 / run.adts as f64;
        println!("mux, 64 kbit/s audio, {secs} s segments: {ratio:.4} TS bytes per ADTS byte");
    }
}
