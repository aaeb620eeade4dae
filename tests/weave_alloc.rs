//! In its steady state the weaver takes no memory, and neither do the outlets before it, nor their taps: every allocation of
//! either thread is counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outpost::base::{Clock, Monotonic, Pts, SimClock, Span, Stop, WallTime};
use outpost::media::grid::Cutter;
use outpost::media::packet::VideoConfig;
use outpost::media::{AacConfig, CutGrid, Entry, FrameRate, Packet, Program, Track, part_target};
use outpost::pump::segments::Segments;
use outpost::pump::sink::{RecordSink, SinkStats};
use outpost::pump::tap::Tap;
use outpost::pump::weave::{run, weave};
use outpost::ring;

struct Counting;

thread_local! {
    // Of one thread alone: the test harness has another, which allocates when it likes.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system's allocator; only a counter is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
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

#[test]
fn no_unit_costs_an_allocation_once_the_rings_are_warm() {
    let start = Monotonic::from_nanos(1_000_000_000_000);
    let simulated = Arc::new(SimClock::new(start, WallTime::from_unix_nanos(0)));
    let clock = Arc::clone(&simulated) as Arc<dyn Clock>;
    let rate = FrameRate::new(30, 1).expect("a rate");
    let size = "1280x720".parse().expect("a size");
    let program = Program {
        video: Some(VideoConfig { codecs: "avc1.64001f".into(), size, rate }),
        audio: Some(AacConfig::parse(&[0x11, 0x88]).expect("valid")),
    };
    let (producer, mut records) = ring::channel(1 << 12).expect("an eventfd");
    let sink = Arc::new(SinkStats::default());
    let segments = Segments::new(
        "test",
        &program,
        RecordSink::new(producer, ring::Audience::default(), Arc::clone(&sink)),
        &clock,
    );
    let grid = CutGrid::new(Span::from_millis(2000));
    let frame = Span::from_ticks(1920);
    let (video, audio, weaver) = weave("test", segments, grid, (rate, frame), &clock).expect("eventfds");
    let target = part_target(Span::from_millis(200), &[rate.span(), frame]);
    let tap = |unit| {
        let (producer, units) = ring::channel(64).expect("an eventfd");
        (Tap::new(producer, Some(grid), (unit, target), &clock, Arc::default()), units)
    };
    let ((seen, mut pictures), (heard, mut sounds)) = (tap(rate.span()), tap(frame));
    let (mut video, mut audio) = (video.with_tap(seen), audio.with_tap(heard));
    let stats = weaver.stats();
    let stop = Stop::new();
    let weaving = std::thread::spawn(move || {
        let before = ALLOCATIONS.get();
        run(weaver, &stop);
        ALLOCATIONS.get() - before
    });

    let picture = vec![0x55; 40_000];
    let (mut cutter, mut cuts, mut sound) = (Cutter::new(grid), Cutter::new(grid), start.to_pts());
    let mut before = 0;
    for n in 0..3_000_i64 {
        if n == 100 {
            before = ALLOCATIONS.get();
        }
        let pts = start.to_pts() + Span::from_ticks(n * 3000);
        simulated.advance(pts.to_monotonic().since(simulated.now()));
        let packet = |track, pts: Pts, entry, data| Packet { track, pts, dts: pts, entry, data };
        // All sound before the picture, so that no cut has to wait for it.
        while sound < pts {
            if cuts.is_cut(sound) {
                audio.begin_segment(sound);
            }
            audio.write(&packet(Track::Audio, sound, Entry::Key, &picture[..171]));
            sound += frame;
        }
        let cut = cutter.is_cut(pts);
        if cut {
            video.begin_segment(pts);
        }
        // While the rings warm up all pictures are as long as the longest.
        let len = if n < 100 || cut { picture.len() } else { 20 + n as usize * 7919 % 9_000 };
        let entry = if cut { Entry::Key } else { Entry::Dependent };
        let written = sink.written.get();
        video.write(&packet(Track::Video, pts, entry, &picture[..len]));
        let patience = Instant::now() + Duration::from_secs(20);
        while sink.written.get() < written + len as u64 / 184 {
            assert!(Instant::now() < patience, "picture {n} is not written");
            std::thread::yield_now();
        }
        let count = records.read().len();
        records.release(count);
        for units in [&mut pictures, &mut sounds] {
            let count = units.read().len();
            units.release(count);
        }
    }
    assert_eq!(ALLOCATIONS.get() - before, 0, "in the outlets");
    drop((video, audio));
    // Logging that the end was reached, or anything else the thread does once, is no cost per unit.
    assert_eq!(weaving.join().expect("it ends"), 0, "in the weaver");
    assert_eq!((stats.video.dropped.get(), stats.audio.dropped.get(), sink.dropped.get()), (0, 0, 0));
    assert_eq!(stats.alone.get(), 0);
}
