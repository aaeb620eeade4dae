//! In its steady state the weaver takes no memory, and neither do the outlets before it, nor their taps: every allocation of
//! either thread is counted. On the other side a part takes what a part is, however much stands before it in its window.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outpost::base::{Clock, Monotonic, Pts, Pulse, SimClock, Span, Stop, WallTime};
use outpost::media::grid::Cutter;
use outpost::media::packet::VideoConfig;
use outpost::media::{
    AacConfig, CutGrid, Entry, FrameRate, Packet, PartEnd, Place, Program, Track, Unit, part_target,
};
use outpost::pump::segments::Segments;
use outpost::pump::sink::{RecordSink, SinkStats};
use outpost::pump::tap::Tap;
use outpost::pump::weave::{run, weave};
use outpost::ring;
use outpost::segment::{
    Agreement, Keeper, Ledger, LowLatency, Numbering, Records, SegmentConfig, Shelf, Snapshot, Supply, Tail,
    TrackKind,
};

struct Counting;

thread_local! {
    // Of one thread alone: the test harness has another, which allocates when it likes.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system's allocator; only a counter is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        BYTES.set(BYTES.get() + layout.size());
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
    let simulated = Arc::new(SimClock::new(start, WallTime::EARLIEST));
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

/// Frames of sound of 1920 ticks, as a tap tells them: nine to a part, and cut on a grid of two seconds.
struct Sound {
    units: Vec<Unit>,
    next: usize,
}

impl Sound {
    fn new(begin: Pts, seconds: i64) -> Self {
        let grid = CutGrid::new(Span::from_millis(2000));
        let at = |n: i64| begin + Span::from_ticks(1920 * n);
        let mut within = 0;
        let unit = |n: i64| {
            let begins = n == 0 || grid.cell(at(n)) > grid.cell(at(n - 1));
            within = if begins { 1 } else { within + 1 };
            let ends = grid.cell(at(n + 1)) > grid.cell(at(n));
            Unit {
                place: if begins { Place::Begins } else { Place::Follows },
                part: if ends {
                    PartEnd::Ends
                } else if within % 9 == 0 {
                    PartEnd::Closes
                } else {
                    PartEnd::Open
                },
                entry: Entry::Key,
                pts: at(n),
                dts: at(n),
                arrived: at(n).to_monotonic(),
                data: vec![7; 171],
            }
        };
        Self { units: (0..seconds * 90_000 / 1920).map(unit).collect(), next: 0 }
    }
}

impl Records<Unit> for Sound {
    async fn ready(&mut self) -> std::io::Result<Supply> {
        Ok(if self.next < self.units.len() { Supply::Open } else { Supply::Closed })
    }

    fn read(&mut self) -> &[Unit] {
        &self.units[self.next..self.units.len().min(self.next + 1)]
    }

    fn release(&mut self, count: usize) {
        self.next += count;
    }
}

/// Bytes taken for each part but those that end a segment, in their order.
#[derive(Default)]
struct Costs(std::sync::Mutex<(usize, Vec<usize>)>);

impl Shelf for Costs {
    fn list(&self, snapshot: Arc<Snapshot>) {
        let mut costs = self.0.lock().expect("nobody panicked");
        let now = BYTES.get();
        let parts = snapshot.edge.as_ref().map_or(0, |edge| edge.parts.len());
        // The first and the second of a segment make room for those that follow.
        if parts > 2 {
            let cost = now - costs.0;
            costs.1.push(cost);
        }
        costs.0 = BYTES.get();
    }

    fn extend(&self, _: Tail) {}
}

#[test]
fn a_part_takes_what_a_part_is_however_long_the_window() {
    let start = Monotonic::from_nanos(1_000_000_000_000);
    let clock: Arc<dyn Clock> = Arc::new(SimClock::new(start, WallTime::EARLIEST));
    let kind = TrackKind::Audio(AacConfig::parse(&[0x11, 0x88]).expect("valid"));
    let target = part_target(Span::from_millis(200), &[kind.unit()]);
    let length = Span::from_millis(1_200_000);
    let config = SegmentConfig { target: Span::from_millis(2000), length, bytes: 1 << 30 };
    let folder = std::env::temp_dir().join(format!("outpost-part-alloc-{}", std::process::id()));
    let ledger = Ledger::open(folder.join("sequence"), None);
    let numbering = Numbering::Aligned(CutGrid::new(config.target));
    let agreement = Agreement::new(&ledger, "s", numbering, &config, &clock.wall(), Span::ZERO, &[]);
    let costs = Arc::new(Costs::default());
    let (shelf, pulse) = (Arc::clone(&costs) as Arc<dyn Shelf>, Arc::new(Pulse::new(start)));
    let keeper = Keeper::new(config, agreement.sequence("s/ll"), clock, shelf, pulse);
    let mut low = LowLatency::new(kind, target, keeper);
    let mut sound = Sound::new(start.to_pts(), 1000);
    costs.0.lock().expect("nobody panicked").1.reserve(1 << 14);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(low.drive(&mut sound)).expect("units are there");
    let _ = std::fs::remove_dir_all(folder);

    let costs = std::mem::take(&mut costs.0.lock().expect("nobody panicked").1);
    assert!(costs.len() > 3000, "{}", costs.len());
    let mean = |costs: &[usize]| costs.iter().sum::<usize>() / costs.len();
    let (early, late) = (mean(&costs[..500]), mean(&costs[costs.len() - 500..]));
    println!("{early} bytes for a part in the first minutes, {late} beside 500 segments");
    assert!(late <= early + 64, "{early} bytes for a part at first, {late} at last");
    assert!(late < 3 * 9 * 171, "{late} bytes for a part of {}", 9 * 171);
}
