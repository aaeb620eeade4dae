//! A track's units through its tap, the ring and the assembler, onto a shelf: what readers see, part by part.

use std::sync::{Arc, Mutex};

use outpost::base::{Clock, Monotonic, Pts, Pulse, SimClock, Span, WallTime};
use outpost::container::ts::Join;
use outpost::media::grid::Cutter;
use outpost::media::{
    AacConfig, CutGrid, Entry, FrameRate, Packet, Program, Track, Unit, VideoConfig, part_target,
};
use outpost::pump::outlet::Outlet;
use outpost::pump::segments::Segments;
use outpost::pump::sink::RecordSink;
use outpost::pump::tap::Tap;
use outpost::ring;
use outpost::segment::{
    Agreement, Keeper, Ledger, LowLatency, Numbering, PartList, Presence, Records, SegmentConfig, Shelf,
    Snapshot, Supply, Tail, TrackKind, WindowStats,
};
use proptest::prelude::*;

use crate::script::Scratch;

const START: i64 = 1_000_000_000_000;
const GRID: Span = Span::from_millis(2000);

/// All that was ever shown.
#[derive(Default)]
struct Shown(Mutex<Vec<Arc<Snapshot>>>);

impl Shelf for Shown {
    fn list(&self, snapshot: Arc<Snapshot>) {
        self.0.lock().expect("nobody panicked").push(snapshot);
    }

    fn extend(&self, _: Tail) {}
}

/// What is shown when these pictures, or frames of sound, come; instants in ticks after the start.
fn shown(kind: &TrackKind, instants: &[i64]) -> (Span, Vec<Arc<Snapshot>>) {
    let aligned = Numbering::Aligned(CutGrid::new(GRID));
    let (target, all, _) = shown_to(kind, aligned, instants, instants.len(), |_| true, |_| true);
    (target, all)
}

/// The same, to one who has a ring of so many places, and reads it after the `n`-th unit if `reads(n)`; which has media
/// in it if `full(n)`.
fn shown_to(
    kind: &TrackKind,
    numbering: Numbering,
    instants: &[i64],
    places: usize,
    reads: impl Fn(usize) -> bool,
    full: impl Fn(usize) -> bool,
) -> (Span, Vec<Arc<Snapshot>>, Arc<WindowStats>) {
    let scratch = Scratch::new("low-latency");
    let start = Monotonic::from_nanos(START);
    let simulated = Arc::new(SimClock::new(start, WallTime::from_unix_nanos(1_800_000_000_000_000_000)));
    let clock = Arc::clone(&simulated) as Arc<dyn Clock>;
    let grid = CutGrid::new(GRID);
    let foreseen = (numbering != Numbering::Counted).then_some(grid);
    let config = SegmentConfig { target: GRID, length: Span::from_millis(30_000), bytes: 64 << 20 };
    let ledger = Ledger::open(scratch.file(), None);
    let agreement = Agreement::new(&ledger, "s", numbering, &config, &clock.wall(), Span::ZERO, &[]);

    let (track, program) = match kind {
        TrackKind::Audio(config) => (Track::Audio, Program { video: None, audio: Some(config.clone()) }),
        TrackKind::Video(rate) => {
            let size = "320x240".parse().expect("a size");
            let config = VideoConfig { codecs: "avc1.42c01e".into(), size, rate: *rate };
            (Track::Video, Program { video: Some(config), audio: None })
        }
    };
    let (records, _ignored) = ring::channel(1 << 10).expect("an eventfd");
    let sink = RecordSink::new(records, ring::Audience::default(), Arc::default());
    let segments = Segments::new("s", &program, sink, &clock);
    let target = part_target(Span::from_millis(200), &[kind.unit()]);
    let (units, mut ring) = ring::channel::<Unit>(places.max(1)).expect("an eventfd");
    let tap = Tap::new(units, foreseen, (kind.unit(), target), &clock, Arc::default());
    let mut outlet = Outlet::direct(segments).with_tap(tap);
    let mut cutter = Cutter::new(grid);
    let mut script = Script::default();
    for (n, ticks) in instants.iter().enumerate() {
        let pts = start.to_pts() + Span::from_ticks(*ticks);
        let cut = cutter.is_cut(pts);
        if cut {
            outlet.begin_segment(pts);
        }
        let entry = if cut || track == Track::Audio { Entry::Key } else { Entry::Dependent };
        let data = match (entry, full(n)) {
            (Entry::Key, true) => KEY,
            (Entry::Key, false) => &KEY[..KEY.len() - SLICE_LEN],
            (Entry::Dependent, true) => DEPENDENT,
            (Entry::Dependent, false) => DELIMITER,
        };
        outlet.write(&Packet { track, pts, dts: pts, entry, data });
        while reads(n) && !ring.read().is_empty() {
            script.units.extend_from_slice(ring.read());
            let count = ring.read().len();
            ring.release(count);
        }
    }
    drop(outlet);

    let shelf = Arc::new(Shown::default());
    let pulse = Arc::new(Pulse::new(start));
    let to = Arc::clone(&shelf) as Arc<dyn Shelf>;
    let keeper = Keeper::new(config, agreement.sequence("s/ll"), clock, to, pulse);
    let mut low = LowLatency::new(kind.clone(), target, keeper);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(low.drive(&mut script)).expect("units are there");
    let all = std::mem::take(&mut *shelf.0.lock().expect("nobody panicked"));
    (target, all, low.stats())
}

/// What was read of a ring.
#[derive(Default)]
struct Script {
    units: Vec<Unit>,
    released: usize,
}

impl Records<Unit> for Script {
    async fn ready(&mut self) -> std::io::Result<Supply> {
        Ok(if self.released < self.units.len() { Supply::Open } else { Supply::Closed })
    }

    fn read(&mut self) -> &[Unit] {
        &self.units[self.released..]
    }

    fn release(&mut self, count: usize) {
        self.released += count;
    }
}

/// An IDR picture with its parameter sets, and another picture, as far as a container looks at them.
const KEY: &[u8] = &[
    0, 0, 0, 1, 0x67, 0x42, 0xC0, 0x1F, 0xDA, 0x01, 0x40, 0x16, 0xEC, 0x04, 0x40, 0, 0, 3, 0, 0x40, 0, 0,
    0x0F, 0x23, 0xC6, 0x0C, 0xA8, 0, 0, 0, 1, 0x68, 0xCE, 0x3C, 0x80, 0, 0, 0, 1, 0x65, 0x88, 0x84,
];
const SLICE_LEN: usize = 7;
const DEPENDENT: &[u8] = &[0, 0, 0, 1, 0x41, 0x9a, 0x02, 0x04, 0x11];
const DELIMITER: &[u8] = &[0, 0, 0, 1, 0x09, 0xf0];

/// How long all pictures of a chunk last, by its trun (ISO/IEC 14496-12, 8.8.8); `None` of sound.
fn pictures_last(chunk: &[u8]) -> Option<Span> {
    let at = chunk.windows(4).position(|it| it == b"trun")? + 4;
    let word = |n: usize| u32::from_be_bytes(chunk[at + 4 * n..][..4].try_into().expect("four bytes"));
    let (flags, count) = (word(0) & 0xFF_FFFF, word(1) as usize);
    // Each has its duration, size, flags and offset of composition.
    let is_video = flags & 0xF00 == 0xF00;
    is_video.then(|| Span::from_ticks((0..count).map(|n| i64::from(word(3 + 4 * n))).sum()))
}

/// Holds what was shown to what readers may rely on; gives the segments of the last.
fn judge(target: Span, all: &[Arc<Snapshot>]) -> Result<(), TestCaseError> {
    let mut known: Vec<((u64, usize), Pts, Span)> = Vec::new();
    let edge = all[0].edge.as_ref().map(|edge| edge.sequence);
    let first = all[0].listed.first().map(|it| it.sequence).or(edge).expect("something is shown");
    for snapshot in all {
        let edge = snapshot.edge.as_ref().expect("there always is one");
        let next = snapshot.listed.last().map(|last| last.sequence + 1);
        prop_assert!(next.is_none_or(|next| next == edge.sequence), "the edge follows the list");
        let listed = snapshot
            .listed
            .iter()
            .flat_map(|it| it.parts.iter().enumerate().map(|(n, part)| ((it.sequence, n), part)));
        let written = edge.parts.iter().enumerate().map(|(n, part)| ((edge.sequence, n), part));
        let (mut end, mut count) = (None, 0);
        for (name, part) in listed.chain(written) {
            prop_assert!(part.duration <= target && part.duration > Span::ZERO, "{:?}", name);
            prop_assert!(end.is_none_or(|end| end == part.start), "{:?} does not follow", name);
            end = Some(part.start + part.duration);
            let lasts = pictures_last(&part.body.chunks.concat());
            let drift = lasts.map_or(Span::ZERO, |lasts| lasts - part.duration);
            prop_assert_eq!(drift, Span::ZERO, "the media of {:?} last longer than it says", name);
            match known.iter().find(|(known, ..)| *known == name) {
                None => known.push((name, part.start, part.duration)),
                Some((_, start, duration)) => {
                    prop_assert_eq!((*start, *duration), (part.start, part.duration), "{:?} changed", name);
                }
            }
            count += 1;
        }
        prop_assert!(count > 0);
        for segment in snapshot.listed.iter() {
            let first_part = segment.parts.get(0).expect("one at least");
            let sum = segment.parts.iter().fold(Span::ZERO, |sum, part| sum + part.duration);
            prop_assert_eq!(sum, segment.duration, "parts together are their segment");
            let bytes: usize = segment.parts.iter().map(|part| part.body.len).sum();
            let chunks: usize = segment.parts.iter().map(|part| part.body.chunks.len()).sum();
            prop_assert_eq!((bytes, chunks), (segment.body.len, segment.body.chunks.len()));
            prop_assert_eq!(segment.body.chunks[0].as_ptr(), first_part.body.chunks[0].as_ptr());
            prop_assert_eq!(first_part.entry, Entry::Key);
            prop_assert_eq!(
                segment.join == Join::Broken,
                segment.sequence == first,
                "of {}",
                segment.sequence
            );
        }
    }
    Ok(())
}

#[test]
fn sound_is_shown_part_by_part() {
    let kind = TrackKind::Audio(AacConfig::parse(&[0x11, 0x88]).expect("valid"));
    let instants: Vec<_> = (0..1000).map(|n| n * 1920).collect();
    let (target, all) = shown(&kind, &instants);
    judge(target, &all).expect("as it should be");
    assert!(all.len() > 100 && all.last().expect("shown").listed.len() > 9, "{}", all.len());
}

/// What is shown of pictures, 30 a second, of which the reader missed some and some are empty, and the figures.
fn pictures(
    numbering: Numbering,
    missed: std::ops::Range<usize>,
    empty: std::ops::Range<usize>,
) -> (Vec<Arc<Snapshot>>, Arc<WindowStats>) {
    let kind = TrackKind::Video(FrameRate::new(30, 1).expect("a rate"));
    let instants: Vec<_> = (0..missed.end.max(150) as i64 + 330).map(|n| n * 3000).collect();
    let (reads, full) = (|n| !missed.contains(&n), |n| !empty.contains(&n));
    let (target, all, stats) = shown_to(&kind, numbering, &instants, 16, reads, full);
    follow(target, &all);
    (all, stats)
}

/// The last playlist of pictures, 30 a second, of which the reader missed some: each of its segments by its cell,
/// `~` if it is a gap, `/` if it breaks with the one before, and how many of its parts are there and are not.
fn after_overflow(numbering: Numbering, missed: std::ops::Range<usize>) -> Vec<String> {
    let (all, _) = pictures(numbering, missed, 0..0);
    let last = all.last().expect("shown");
    let first = last.listed[0].sequence;
    let parts = |parts: &PartList| {
        let there = parts.iter().filter(|part| part.presence == Presence::There).count();
        format!("{there}+{}", parts.len() - there)
    };
    let told = last.listed.iter().map(|it| {
        let gap = if it.presence == Presence::Gap { "~" } else { "" };
        let join = if it.join == Join::Broken { "/" } else { "" };
        format!("{join}{gap}{} {}", it.sequence - first, parts(&it.parts))
    });
    told.collect()
}

/// Every playlist tells of the time without a hole, and no part changes once it is told.
fn follow(target: Span, all: &[Arc<Snapshot>]) {
    let mut known = std::collections::BTreeMap::new();
    for snapshot in all {
        let mut end = None;
        for segment in snapshot.listed.iter() {
            assert!(segment.init.is_some(), "{} has no EXT-X-MAP", segment.sequence);
            let follows = segment.join == Join::Broken || end.is_none_or(|end| end == segment.start);
            assert!(follows, "{} does not follow", segment.sequence);
            end = Some(segment.start + segment.duration);
            if !segment.parts.is_empty() {
                let sum = segment.parts.iter().fold(Span::ZERO, |sum, part| sum + part.duration);
                assert_eq!(sum, segment.duration, "parts of {}", segment.sequence);
            }
        }
        let edge = snapshot.edge.as_ref().expect("there always is one");
        let listed = snapshot.listed.iter().map(|it| (it.sequence, &it.parts));
        for (sequence, parts) in listed.chain([(edge.sequence, &edge.parts)]) {
            for (n, part) in parts.iter().enumerate() {
                assert!(part.duration > Span::ZERO && part.duration <= target);
                let now = (part.start, part.duration, part.presence);
                assert_eq!(*known.entry((sequence, n)).or_insert(now), now, "part {n} of {sequence}");
            }
        }
    }
}

#[test]
fn what_a_slow_reader_missed_is_a_gap_and_time_goes_on() {
    let aligned = Numbering::Aligned(CutGrid::new(GRID));
    // Nothing missed: 60 pictures to a segment, 6 to a part.
    let whole = ["/0 10+0", "1 10+0", "2 10+0", "3 10+0", "4 10+0", "5 10+0", "6 10+0"];
    assert_eq!(after_overflow(aligned, 0..0)[..7], whole);
    // Sixteen more get through to one who reads no more after the second of segment 2; the rest of it is missed.
    assert_eq!(
        after_overflow(aligned, 122..150)[..7],
        ["/0 10+0", "1 10+0", "~2 3+7", "3 10+0", "4 10+0", "5 10+0", "6 10+0"]
    );
    // Where segments are counted, too.
    let counted = after_overflow(Numbering::Counted, 122..150);
    assert_eq!(counted[..7], ["/0 10+0", "1 10+0", "~2 3+7", "3 10+0", "4 10+0", "5 10+0", "6 10+0"]);
    // What is missing then breaks, as no cell says how long it was.
    assert_eq!(
        after_overflow(Numbering::Counted, 122..190)[..6],
        ["/0 10+0", "1 10+0", "2 3+0", "/3 10+0", "4 10+0", "5 10+0"]
    );
    // The same, and all of the next: of that there is nothing.
    assert_eq!(
        after_overflow(aligned, 122..190)[..7],
        ["/0 10+0", "1 10+0", "~2 3+7", "~3 0+0", "4 10+0", "5 10+0", "6 10+0"]
    );
    // More than the window: of that the last three target durations.
    let told = after_overflow(aligned, 122..1290);
    let (gaps, there) = told.split_at(told.len() - 5);
    assert!((3..=4).contains(&gaps.len()) && gaps.iter().all(|it| it.starts_with('~')), "{told:?}");
    assert!(there.iter().all(|it| it.ends_with(" 10+0") && !it.starts_with('/')), "{told:?}");
    // What came before it has left the window by then, but for what three target durations need.
    assert_eq!(
        after_overflow(Numbering::Counted, 122..1290),
        ["0 3+0", "/1 10+0", "2 10+0", "3 10+0", "4 10+0", "5 10+0"]
    );
    // Whole segments alone.
    assert_eq!(
        after_overflow(aligned, 104..150)[..7],
        ["/0 10+0", "1 10+0", "~2 0+0", "3 10+0", "4 10+0", "5 10+0", "6 10+0"]
    );
}

#[test]
fn whatever_is_missing_is_told_as_a_gap() {
    let (aligned, counted) = (Numbering::Aligned(CutGrid::new(GRID)), Numbering::Counted);
    /// Pictures missed, and empty ones; where gaps are in milliseconds, one after the other taken for one; how many.
    type Case = (
        Numbering,
        std::ops::Range<usize>,
        std::ops::Range<usize>,
        &'static [(i64, i64)],
        std::ops::Range<u64>,
    );
    let table: [Case; 8] = [
        (aligned, 0..0, 0..0, &[], 0..1),
        (aligned, 122..150, 0..0, &[(4600, 6000)], 1..2),
        (counted, 122..150, 0..0, &[(4600, 6000)], 1..2),
        (aligned, 122..190, 0..0, &[(4600, 8000)], 2..3),
        // Longer than the window.
        (aligned, 122..1290, 0..0, &[(4600, 44_000)], 4..6),
        (aligned, 104..150, 0..0, &[(4000, 6000)], 1..2),
        // A segment without media.
        (aligned, 0..0, 60..120, &[(2000, 4000)], 1..2),
        // No gap but a discontinuity.
        (counted, 122..190, 0..0, &[], 0..1),
    ];
    for (numbering, missed, empty, expected, count) in table {
        let (all, stats) = pictures(numbering, missed.clone(), empty.clone());
        let start = Monotonic::from_nanos(START).to_pts();
        let mut gaps: Vec<(i64, i64)> = Vec::new();
        for marker in all.last().expect("shown").markers.all.iter() {
            let end = marker.to.expect("it is over");
            let (from, to) = ((marker.from - start).ticks() / 90, (end - start).ticks() / 90);
            match gaps.last_mut() {
                Some((_, end)) if *end == from => *end = to,
                _ => gaps.push((from, to)),
            }
        }
        assert_eq!(gaps, expected, "{numbering:?}, {missed:?} missed, {empty:?} empty");
        assert!(count.contains(&stats.gaps.get()), "{missed:?}, {empty:?}: {}", stats.gaps.get());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn pictures_are_shown_part_by_part_whatever_their_jitter(
        rate in 5u32..50,
        phase in 0i64..3000,
        jitter in proptest::collection::vec(-400i64..400, 200..300),
    ) {
        let kind = TrackKind::Video(FrameRate::new(rate, 1).expect("a rate"));
        let unit = kind.unit().ticks();
        let instants: Vec<_> =
            jitter.iter().enumerate().map(|(n, jitter)| 1000 + phase + unit * n as i64 + jitter).collect();
        let (target, all) = shown(&kind, &instants);
        prop_assert!(all.len() > 10);
        judge(target, &all)?;
    }
}
