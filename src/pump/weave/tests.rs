//! Two simulated tracks through real rings, woven, and judged by the demultiplexer.

use super::*;
use crate::base::{Pts, SimClock, WallTime};
use crate::container::ts::{Demux, Event, Join, Mark, Record};
use crate::media::packet::VideoConfig;
use crate::media::{AacConfig, Entry, Packet, Program};
use crate::pump::sink::{RecordSink, SinkStats};
use proptest::prelude::*;

/// The media begin here: 12 s on the clock, an instant of the grid.
const ORIGIN: i64 = 12_000_000_000;
const FRAME: Span = Span::from_ticks(1920);
const GRID: Span = Span::from_millis(2000);

/// A unit, and when it comes to its outlet.
#[derive(Clone, Debug)]
struct Coming {
    at: Monotonic,
    track: Track,
    pts: Pts,
    place: Place,
}

/// One segment as it came out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    at: Pts,
    join: Join,
    end: Option<Pts>,
    packets: Vec<u8>,
}

impl Segment {
    fn units(&self, of: Track) -> Vec<Pts> {
        let mut found = Vec::new();
        let mut take = |event: Event<'_>| match event {
            Event::Unit(unit) if unit.track == of => found.push(unit.pts),
            Event::Fault { fault, at } => panic!("{fault} at byte {at}"),
            _ => {}
        };
        let mut demux = Demux::new(self.at);
        demux.feed(&self.packets, &mut take);
        demux.finish(take);
        found
    }

    /// Whether the first media in it are a picture's.
    fn begins_with_picture(&self) -> bool {
        // Behind PAT and PMT; the PID's low byte of the video is 0.
        self.packets.get(2 * 188 + 1..2 * 188 + 3).is_some_and(|pid| pid == [0x41, 0x00])
    }
}

struct Rig {
    clock: Arc<SimClock>,
    outlets: [Option<Outlet>; 2],
    weaver: Weaver,
    wait: Option<Wait>,
    records: Consumer<Record>,
    segments: Vec<Segment>,
}

fn lc() -> AacConfig {
    AacConfig::parse(&[0x11, 0x88]).expect("valid")
}

fn rate() -> FrameRate {
    FrameRate::new(30, 1).expect("a rate")
}

impl Rig {
    fn new() -> Self {
        let clock = Arc::new(SimClock::new(Monotonic::from_nanos(ORIGIN), WallTime::EARLIEST));
        let video = VideoConfig {
            codecs: "avc1.64001f".into(),
            size: "64x64".parse().expect("a size"),
            rate: rate(),
        };
        let program = Program { video: Some(video), audio: Some(lc()) };
        let (producer, records) = ring::channel(1 << 16).expect("an eventfd");
        let dynamic = Arc::clone(&clock) as Arc<dyn Clock>;
        let sink = RecordSink::new(producer, ring::Audience::default(), Arc::<SinkStats>::default());
        let segments = Segments::new("test", &program, sink, &dynamic);
        let (video, audio, weaver) =
            weave("test", segments, CutGrid::new(GRID), (rate(), FRAME), &dynamic).expect("eventfds");
        let mut rig = Self {
            clock,
            outlets: [Some(video), Some(audio)],
            weaver,
            wait: None,
            records,
            segments: vec![],
        };
        rig.work();
        rig
    }

    fn now(&self) -> Monotonic {
        self.clock.now()
    }

    fn work(&mut self) {
        self.wait = self.weaver.work();
        loop {
            let records = self.records.read();
            let count = records.len();
            for record in records {
                match record.mark {
                    Mark::Begin { at, join } => {
                        self.segments.push(Segment { at, join, end: None, packets: record.packet.to_vec() });
                    }
                    Mark::Continue => {
                        self.segments.last_mut().expect("begun").packets.extend(record.packet);
                    }
                    Mark::End { at } => self.segments.last_mut().expect("begun").end = Some(at),
                }
            }
            if count == 0 {
                return;
            }
            self.records.release(count);
        }
    }

    /// Lets time pass, waking the weaver when it asked to be.
    fn pass(&mut self, until: Monotonic) {
        while let Some(Wait::For(_, due)) = self.wait
            && due <= until
        {
            self.clock.advance(due.since(self.now()));
            self.work();
        }
        self.clock.advance(until.since(self.now()));
    }

    /// Hands a unit over, and wakes the weaver if it listens to that track.
    fn hand(&mut self, unit: &Coming) {
        self.pass(unit.at);
        let outlet = self.outlets[unit.track as usize].as_mut().expect("open");
        match unit.place {
            Place::Follows => {}
            Place::Begins | Place::Resumes => outlet.begin_segment(unit.pts),
            Place::Breaks => outlet.interrupt(),
        }
        let entry = match (unit.track, unit.place) {
            (Track::Video, Place::Follows) => Entry::Dependent,
            _ => Entry::Key,
        };
        let data = match unit.track {
            Track::Video => &[0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x65, 7][..],
            Track::Audio => &[7; 100],
        };
        outlet.write(&Packet { track: unit.track, pts: unit.pts, dts: unit.pts, entry, data });
        if self.wait.is_none_or(|wait| match wait {
            Wait::For(track, _) => track == unit.track,
            Wait::ForEither => true,
        }) {
            self.work();
        }
    }

    /// How many units wait.
    fn waiting(&mut self) -> usize {
        self.weaver.video.read().len() + self.weaver.audio.read().len()
    }

    /// Both tracks end.
    fn finish(mut self) -> Vec<Segment> {
        self.outlets = [None, None];
        self.work();
        assert_eq!(self.wait, None, "nothing more can come");
        self.weaver.segments.finish();
        self.work();
        self.segments
    }
}

/// Pictures for `seconds` from `from` nanoseconds behind the origin, the delays of their units taken in turn
/// from `delays`, in milliseconds.
fn pictures(from: i64, seconds: i64, delays: &[i64]) -> Vec<Coming> {
    let mut cutter = crate::media::grid::Cutter::new(CutGrid::new(GRID));
    let unit = |n: i64| {
        let captured = Monotonic::from_nanos(ORIGIN + from + n * 1_000_000_000 / 30);
        let place = if cutter.is_cut(captured.to_pts()) { Place::Begins } else { Place::Follows };
        (captured, captured.to_pts(), place)
    };
    come(Track::Video, (0..seconds * 30).map(unit), delays)
}

fn sounds(from: i64, seconds: i64, delays: &[i64]) -> Vec<Coming> {
    let start = Monotonic::from_nanos(ORIGIN + from).to_pts();
    let unit = |n: i64| {
        let pts = start + Span::from_ticks(n * FRAME.ticks());
        (pts.to_monotonic(), pts, Place::Follows)
    };
    come(Track::Audio, (0..seconds * 47).map(unit), delays)
}

fn come(track: Track, units: impl Iterator<Item = (Monotonic, Pts, Place)>, delays: &[i64]) -> Vec<Coming> {
    let mut last = Monotonic::default();
    units
        .enumerate()
        .map(|(n, (captured, pts, place))| {
            let delay = Duration::from_millis(delays[n % delays.len()] as u64);
            // In order, however late.
            last = last.max(captured + delay);
            Coming { at: last, track, pts, place }
        })
        .collect()
}

fn merged(a: &[Coming], b: &[Coming]) -> Vec<Coming> {
    let mut all = [a, b].concat();
    all.sort_by_key(|unit| unit.at);
    all
}

fn stamps(units: &[Coming]) -> Vec<Pts> {
    units.iter().map(|unit| unit.pts).collect()
}

/// All units of a track that came out, segment by segment.
fn woven(segments: &[Segment], track: Track) -> Vec<Pts> {
    segments.iter().flat_map(|segment| segment.units(track)).collect()
}

/// Each segment follows the one before and holds exactly the units of its time; sound from before the first
/// picture is in the first.
fn assert_exact(segments: &[Segment], video: &[Coming], audio: &[Coming]) {
    let cuts: Vec<_> = video.iter().filter(|unit| unit.place == Place::Begins).map(|unit| unit.pts).collect();
    assert_eq!(segments.iter().map(|segment| segment.at).collect::<Vec<_>>(), cuts);
    for (n, segment) in segments.iter().enumerate() {
        let end = cuts.get(n + 1).copied();
        assert_eq!((segment.join, segment.end), (Join::Continuous, end));
        assert!(segment.begins_with_picture());
        let within = |pts: &Pts| (n == 0 || *pts >= cuts[n]) && end.is_none_or(|end| *pts < end);
        for (track, units) in [(Track::Video, video), (Track::Audio, audio)] {
            let expected: Vec<_> = stamps(units).into_iter().filter(within).collect();
            assert_eq!(segment.units(track), expected, "{track:?} of segment {n}");
        }
    }
}

#[test]
fn a_picture_is_written_when_it_comes_and_a_segment_ends_with_its_sound() {
    let (video, audio) = (pictures(0, 9, &[5]), sounds(0, 9, &[110]));
    let mut rig = Rig::new();
    let mut held = 0;
    for unit in merged(&video, &audio) {
        rig.hand(&unit);
        let at_cut = (unit.pts.ticks() % GRID.ticks()) < Span::from_millis(160).ticks();
        if unit.track == Track::Video && !at_cut {
            assert_eq!(rig.waiting(), 0, "a picture waits {:?}", unit.pts);
        }
        held = held.max(rig.waiting());
    }
    assert!(held <= 20, "{held} units waited at once");
    let offset = rig.weaver.stats().sound_behind.get();
    assert!((offset - 105.0).abs() < 0.5, "{offset}");
    assert_eq!(rig.weaver.stats().alone.get(), 0);
    assert_exact(&rig.finish(), &video, &audio);
}

#[test]
fn one_track_gone_for_good_holds_the_other_up_once() {
    for gone in [Track::Video, Track::Audio] {
        let mut lengths = [9, 9];
        lengths[gone as usize] = 3;
        let (video, audio) = (pictures(0, lengths[0], &[5]), sounds(0, lengths[1], &[50]));
        let mut rig = Rig::new();
        for unit in merged(&video, &audio) {
            rig.hand(&unit);
            let away = rig.now().since(Monotonic::from_nanos(ORIGIN + 3_000_000_000));
            if unit.track != gone && away > PATIENCE_LIMIT {
                assert_eq!(rig.waiting(), 0, "{gone:?} is gone, {:?} waits", unit.pts);
            }
        }
        assert!(rig.weaver.stats().alone.get() >= 3);
        let segments = rig.finish();
        assert_eq!(woven(&segments, Track::Video), stamps(&video));
        assert_eq!(woven(&segments, Track::Audio), stamps(&audio));
        assert_eq!(segments.len(), 5, "cut on the grid all the same");
        assert!(segments.windows(2).all(|pair| pair[0].end == Some(pair[1].at)));
        assert!(segments.iter().all(|segment| segment.join == Join::Continuous));
    }
}

/// Longer than a track is waited for after its last unit, whichever it is.
const PATIENCE_LIMIT: Duration = Duration::from_millis(400 + 100 + 34);

#[test]
fn sound_waits_a_second_for_the_first_picture_and_then_goes_on_alone() {
    let audio = sounds(0, 5, &[50]);
    let (late, never) = (pictures(700_000_000, 4, &[5]), Vec::new());
    for video in [late, never] {
        let mut rig = Rig::new();
        for unit in merged(&video, &audio) {
            rig.hand(&unit);
            let waited = rig.now().since(Monotonic::from_nanos(ORIGIN)).as_millis();
            let begins = if video.is_empty() { 1000 } else { 705 };
            // Sound comes every 21 ms.
            assert!(waited.abs_diff(begins) < 25 || rig.segments.is_empty() == (waited < begins), "{waited}");
        }
        let segments = rig.finish();
        assert_eq!(segments[0].begins_with_picture(), !video.is_empty());
        assert_eq!(woven(&segments, Track::Audio), stamps(&audio));
        assert_eq!(woven(&segments, Track::Video), stamps(&video));
        assert!(segments.windows(2).all(|pair| pair[0].end == Some(pair[1].at)));
    }
}

#[test]
fn an_interruption_is_one_for_both_tracks() {
    let (mut video, audio) = (pictures(0, 4, &[5]), sounds(0, 4, &[80]));
    video[75].place = Place::Breaks;
    let mut rig = Rig::new();
    merged(&video, &audio).iter().for_each(|unit| rig.hand(unit));
    let segments = rig.finish();
    let joins: Vec<_> = segments.iter().map(|segment| (segment.at, segment.join)).collect();
    let cuts = [video[0].pts, video[60].pts, video[75].pts];
    assert_eq!(joins, [(cuts[0], Join::Continuous), (cuts[1], Join::Continuous), (cuts[2], Join::Broken)]);
    assert!(segments[1].units(Track::Audio).iter().all(|pts| *pts < cuts[2]));
    assert!(segments[2].units(Track::Audio).iter().all(|pts| *pts >= cuts[2]));
    assert_eq!(woven(&segments, Track::Audio), stamps(&audio));
}

#[test]
fn pictures_too_many_are_dropped_to_the_next_that_begins_anew() {
    let video = pictures(0, 6, &[5]);
    let mut rig = Rig::new();
    // The weaver does not run: its ring has room for 64 pictures.
    rig.wait = Some(Wait::For(Track::Audio, Monotonic::from_nanos(i64::MAX)));
    video[..100].iter().for_each(|unit| rig.hand(unit));
    let stats = rig.weaver.stats();
    let lost = |stats: &WeaveStats| (stats.video.drops.get(), stats.video.dropped.get());
    assert_eq!(lost(&stats), (1, 36));
    rig.work();
    rig.wait = None;
    video[100..].iter().for_each(|unit| rig.hand(unit));
    assert_eq!(lost(&stats), (1, 56), "up to the next one that begins a segment");
    let segments = rig.finish();
    let expected = [&video[..64], &video[120..]].concat();
    assert_eq!(woven(&segments, Track::Video), stamps(&expected));
    assert_eq!(segments.last().expect("segments").at, video[120].pts);
}

#[test]
fn the_thread_writes_everything_and_ends_with_its_tracks_or_when_stopped() {
    for stopped in [false, true] {
        let Rig { mut outlets, weaver, mut records, .. } = Rig::new();
        let stop = Stop::new();
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || run(weaver, &stop)
        });
        let outlet = outlets[0].as_mut().expect("open");
        for unit in pictures(0, 1, &[0]) {
            if unit.place == Place::Begins {
                outlet.begin_segment(unit.pts);
            }
            let entry = if unit.place == Place::Begins { Entry::Key } else { Entry::Dependent };
            let data = &[0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x65, 7];
            outlet.write(&Packet { track: Track::Video, pts: unit.pts, dts: unit.pts, entry, data });
        }
        if stopped {
            stop.stop();
        } else {
            outlets = [None, None];
        }
        thread.join().expect("it ends");
        drop(outlets);
        let mut count = 0;
        while !records.read().is_empty() {
            let some = records.read().len();
            count += some;
            records.release(some);
        }
        assert!(stopped || count == 3 + 30, "{count} packets");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn segments_hold_exactly_their_time_while_both_tracks_are_in_time(
        behind in 0i64..600_000_000,
        from in 0i64..150_000_000,
        // A unit is waited for until 400 ms after its time.
        late in proptest::collection::vec(0i64..399, 1..50),
        later in proptest::collection::vec(0i64..399, 1..50),
    ) {
        let (video, audio) = (pictures(behind, 7, &late), sounds(behind + from, 7, &later));
        let mut rig = Rig::new();
        rig.pass(Monotonic::from_nanos(ORIGIN + behind / 2));
        merged(&video, &audio).iter().for_each(|unit| rig.hand(unit));
        assert_exact(&rig.finish(), &video, &audio);
    }

    #[test]
    fn whatever_comes_when_all_is_written_once_in_order_and_soon(
        late in proptest::collection::vec(0i64..3000, 1..20),
        later in proptest::collection::vec(0i64..3000, 1..20),
        (from, until) in (0i64..5, 1i64..6),
        (from_too, until_too) in (0i64..5, 1i64..6),
    ) {
        let video = pictures(from * 1_000_000_000, until, &late);
        let audio = sounds(from_too * 1_000_000_000, until_too, &later);
        let mut rig = Rig::new();
        for unit in merged(&video, &audio) {
            // However much comes at once, the other track is awaited for so long at most.
            rig.hand(&unit);
            let now = rig.now();
            let oldest = |ring: &mut Consumer<Unit>| ring.read().first().map(|unit| unit.arrived);
            for arrived in [oldest(&mut rig.weaver.video), oldest(&mut rig.weaver.audio)].into_iter().flatten() {
                prop_assert!(now.since(arrived) <= Duration::from_millis(1000));
            }
        }
        let stats = rig.weaver.stats();
        let segments = rig.finish();
        let dropped = stats.video.dropped.get() + stats.audio.dropped.get();
        for (track, units) in [(Track::Video, &video), (Track::Audio, &audio)] {
            let found = woven(&segments, track);
            prop_assert!(found.is_sorted());
            prop_assert_eq!(dropped, 0);
            prop_assert_eq!(found, stamps(units));
        }
        for pair in segments.windows(2) {
            prop_assert!(pair[0].at < pair[1].at);
            prop_assert_eq!(pair[0].end, Some(pair[1].at));
        }
    }
}
