//! Scripted encoders on a simulated clock; what comes out is judged by the demultiplexer.

mod ladder;

use std::process::Command;
use std::sync::Mutex;

use super::*;
use crate::base::{Counter, Monotonic, SimClock, WallTime};
use crate::container::ts::{Demux, Event, Join, Mark, Record};
use crate::encode::{Ask, Preset, Tuning, VideoEncoder, VideoError};
use crate::media::h264::AccessUnits;
use crate::media::{Entry, Packet, Picture, Planes, Program, Track, VideoConfig, VideoFrame};
use crate::pump::seats::seats;
use crate::pump::segments::Segments;
use crate::pump::sink::{RecordSink, SinkStats};
use crate::ring::{self, Audience, Consumer};
use crate::source::video::Wanted;
use crate::source::video::synth::{CardOptions, TestCard};

const START: i64 = 100_123_456_789;

fn rate(hertz: u32) -> FrameRate {
    FrameRate::new(hertz, 1).expect("a rate")
}

fn size(text: &str) -> Size {
    text.parse().expect("a size")
}

fn params() -> VideoParams {
    let tuning = Tuning { bitrate: 2_000_000, rate: rate(30) };
    VideoParams { size: size("320x180"), rate: rate(30), tuning, preset: Preset::Ultrafast }
}

fn config(size: Size) -> VideoConfig {
    VideoConfig { codecs: "avc1.42c01f".into(), size, rate: rate(30) }
}

/// What the encoders were asked, in one line each.
type Log = Arc<Mutex<Vec<String>>>;

/// An encoder that gives tiny units, takes its time, and fails after so many pictures.
struct Scripted {
    name: &'static str,
    config: VideoConfig,
    clock: Arc<SimClock>,
    cost: fn(Tuning, Monotonic) -> Duration,
    tuning: Tuning,
    left: u32,
    log: Log,
    records: Arc<SinkStats>,
}

impl VideoEncoder for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    fn config(&self) -> &VideoConfig {
        &self.config
    }

    fn encode(
        &mut self,
        frame: &VideoFrame<'_>,
        ask: Ask,
        unit: &mut dyn FnMut(&Packet<'_>),
    ) -> Result<(), VideoError> {
        assert_eq!(frame.size, self.config.size);
        let Planes::I420([luma, ..]) = frame.planes else { panic!("planar") };
        assert!(luma.data.len() >= self.config.size.width() * self.config.size.height());
        if self.left == 0 {
            let (encoder, reason) = (self.name.to_owned(), "gone".to_owned());
            return Err(VideoError::Encoder { encoder, reason });
        }
        self.left -= 1;
        self.clock.advance((self.cost)(self.tuning, self.clock.now()));
        let (entry, nal) = match ask {
            Ask::Idr => (Entry::Key, 0x65),
            Ask::Any => (Entry::Dependent, 0x41),
        };
        if ask == Ask::Idr {
            say(&self.log, format!("{} idr {}", self.name, self.records.written.get()));
        }
        let data = [0, 0, 0, 1, 9, 0xF0, 0, 0, 1, nal, 7];
        unit(&Packet { track: Track::Video, pts: frame.pts, dts: frame.pts, entry, data: &data });
        Ok(())
    }

    fn tune(&mut self, tuning: Tuning) -> Result<(), VideoError> {
        say(&self.log, format!("{} {} at {}", self.name, tuning.bitrate / 1000, tuning.rate));
        self.tuning = tuning;
        Ok(())
    }
}

fn say(log: &Log, line: String) {
    log.lock().expect("one thread").push(line);
}

/// What came out, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Begin(Pts, Join),
    End(Pts),
}

struct Rig {
    clock: Arc<SimClock>,
    records: Consumer<Record>,
    sink: Arc<SinkStats>,
    log: Log,
    stats: Arc<VideoStats>,
    info: Arc<VideoInfo>,
    picture: Picture,
    streams: Vec<VideoStream>,
    sizes: Sizes,
    marks: Vec<Came>,
    bytes: Vec<u8>,
    /// Pictures given.
    count: i64,
}

impl Rig {
    fn new() -> Self {
        let (now, wall) = (Monotonic::from_nanos(START), WallTime::EARLIEST);
        let (_, records) = ring::channel(1).expect("an eventfd");
        Self {
            clock: Arc::new(SimClock::new(now, wall)),
            records,
            sink: Arc::default(),
            log: Arc::default(),
            stats: Arc::default(),
            info: Arc::default(),
            picture: Picture::black(params().size),
            streams: vec![],
            sizes: Sizes::default(),
            marks: vec![],
            bytes: vec![],
            count: 0,
        }
    }

    fn scripted(&self, name: &'static str, size: Size, left: u32) -> Scripted {
        let (clock, log, records) = (Arc::clone(&self.clock), Arc::clone(&self.log), Arc::clone(&self.sink));
        let cost = |_, _| Duration::from_millis(5);
        let tuning = params().tuning;
        Scripted { name, config: config(size), clock, cost, tuning, left, log, records }
    }

    fn with(mut self, mode: VideoMode, steps: &[Step]) -> Self {
        let (producer, records) = ring::channel(1 << 14).expect("an eventfd");
        self.records = records;
        let program = Program { video: Some(config(params().size)), audio: None };
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let sink = RecordSink::new(producer, Audience::default(), Arc::clone(&self.sink));
        let segments = Segments::new("test", &program, sink, &clock);
        let grid = CutGrid::new(Span::from_millis(2000));
        let (stats, info) = (Arc::clone(&self.stats), Arc::clone(&self.info));
        let outlet = Outlet::direct(segments);
        self.streams = vec![VideoStream::new("test", mode, grid, outlet, stats, info, steps)];
        self
    }

    /// The camera's next picture, `seconds` after the one before.
    fn show(&mut self, seconds: f64, image: Option<&[u8]>, origin: Origin) -> Pts {
        let due = Monotonic::from_nanos(START) + Duration::from_secs_f64(self.count as f64 * seconds);
        self.count += 1;
        self.clock.advance(due.since(self.clock.now()));
        let image = image.map_or(Image::Raw(self.picture.planes()), Image::H264);
        let view = View { pts: due.to_pts(), image, memory: None, origin, missed: 0 };
        carry(&view, &mut self.streams, &mut self.sizes, &*self.clock);
        self.read();
        due.to_pts()
    }

    fn read(&mut self) {
        loop {
            let records = self.records.read();
            let count = records.len();
            for record in records {
                match record.mark {
                    Mark::Begin { at, join } => self.marks.push(Came::Begin(at, join)),
                    Mark::End { at } => {
                        self.marks.push(Came::End(at));
                        continue;
                    }
                    Mark::Continue => {}
                }
                self.bytes.extend(record.packet);
            }
            if count == 0 {
                return;
            }
            self.records.release(count);
        }
    }

    fn raw(&mut self, pictures: u32) -> Vec<Pts> {
        (0..pictures).map(|_| self.show(1.0 / 30.0, None, Origin::Live)).collect()
    }

    fn units(&mut self) -> Vec<(Pts, Entry)> {
        self.streams.iter_mut().for_each(|stream| stream.gate.finish());
        self.read();
        let mut units = Vec::new();
        let mut take = |event: Event<'_>| match event {
            Event::Unit(unit) => units.push((unit.pts, unit.entry)),
            Event::Clock { .. } => {}
            Event::Fault { fault, .. } => panic!("{fault}"),
        };
        let mut demux = Demux::new(Monotonic::from_nanos(START).to_pts());
        demux.feed(&self.bytes, &mut take);
        demux.finish(take);
        units
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().expect("one thread"))
    }
}

fn encode(encoder: Scripted, encoders: Encoders) -> VideoMode {
    let camera = Wanted { size: params().size, rate: params().rate };
    VideoMode::Encode { choice: choice(encoder), params: params(), camera, encoders }
}

fn choice(encoder: Scripted) -> Choice {
    Choice { encoder: Box::new(encoder), why: "scripted".into() }
}

fn none() -> Encoders {
    Box::new(|_| Err(VideoError::Missing))
}

#[test]
fn segments_begin_on_the_grid_and_end_before_the_next_is_encoded() {
    let rig = Rig::new();
    let first = rig.scripted("first", params().size, 10_000);
    let mut rig = rig.with(encode(first, none()), &[]);
    let stamps = rig.raw(200);
    let units = rig.units();
    assert_eq!(units.iter().map(|(pts, _)| *pts).collect::<Vec<_>>(), stamps);
    let mut cutter = crate::media::grid::Cutter::new(CutGrid::new(Span::from_millis(2000)));
    let cuts: Vec<_> = stamps.iter().copied().filter(|pts| cutter.is_cut(*pts)).collect();
    let keys: Vec<_> = units.iter().filter(|unit| unit.1 == Entry::Key).map(|unit| unit.0).collect();
    assert_eq!((&keys, cuts.len()), (&cuts, 4));
    let expected: Vec<_> = cuts
        .iter()
        .enumerate()
        .flat_map(|(n, at)| [(n > 0).then_some(Came::End(*at)), Some(Came::Begin(*at, Join::Continuous))])
        .flatten()
        .collect();
    assert_eq!(rig.marks, expected);
    // A picture is one packet here; PAT, PMT and the time begin a segment, and its End is there before the next IDR.
    let places: Vec<_> =
        cuts.iter().map(|cut| stamps.iter().position(|pts| pts == cut).expect("it is one")).collect();
    let asked: Vec<_> =
        places.iter().enumerate().map(|(n, place)| format!("first idr {}", place + 4 * n)).collect();
    assert_eq!(rig.log(), asked);
    let stats = &rig.stats;
    let counted =
        [&stats.pictures, &stats.sent, &stats.idrs, &stats.dropped, &stats.errors].map(Counter::get);
    assert_eq!(counted, [200, 200, 4, 0, 0]);
    assert_eq!((stats.bytes.get(), stats.busy_nanos.get()), (200 * 11, 200 * 5_000_000));
}

#[test]
fn an_encoder_that_fails_is_replaced_and_no_picture_is_lost() {
    let rig = Rig::new();
    let first = rig.scripted("first", params().size, 40);
    let mut second = Some(rig.scripted("second", size("160x90"), 1000));
    let encoders: Encoders = Box::new(move |failed| {
        assert_eq!(failed.map(ToString::to_string).as_deref(), Some("first: gone"));
        Ok(choice(second.take().expect("asked once")))
    });
    let mut rig = rig.with(encode(first, encoders), &[]);
    assert_eq!(rig.info.get().expect("known").encoder, "first");
    let stamps = rig.raw(45);
    let units = rig.units();
    assert_eq!(units.iter().map(|unit| unit.0).collect::<Vec<_>>(), stamps);
    assert_eq!(units[40].1, Entry::Key);
    assert_eq!(rig.marks.last(), Some(&Came::Begin(stamps[40], Join::Broken)));
    let sent = rig.info.get().expect("known");
    assert_eq!((&*sent.encoder, sent.config.size), ("second", size("160x90")));
    assert_eq!((rig.stats.errors.get(), rig.stats.dropped.get()), (1, 0));
}

#[test]
fn encoders_that_do_not_hold_are_tried_less_and_less_often() {
    let rig = Rig::new();
    let first = rig.scripted("first", params().size, 40);
    let attempts = Arc::new(Counter::default());
    let parts = (Arc::clone(&attempts), Arc::clone(&rig.clock), Arc::clone(&rig.log), Arc::clone(&rig.sink));
    let encoders: Encoders = Box::new(move |_| {
        let (attempts, clock, log, records) = &parts;
        attempts.increment();
        let (clock, log, records) = (Arc::clone(clock), Arc::clone(log), Arc::clone(records));
        let left = match attempts.get() {
            // None is there, some fail at once, the last one is well.
            3..=5 => return Err(VideoError::Missing),
            1..10 => 0,
            _ => u32::MAX,
        };
        let (cost, tuning) = (|_, _| Duration::ZERO, params().tuning);
        let config = config(params().size);
        Ok(choice(Scripted { name: "other", config, clock, cost, tuning, left, log, records }))
    });
    let mut rig = rig.with(encode(first, encoders), &[]);
    rig.raw(30 * 20);
    assert!((4..=6).contains(&attempts.get()), "{} in 20 s", attempts.get());
    rig.raw(30 * 400);
    assert_eq!(attempts.get(), 10);
    let lost = rig.stats.dropped.get();
    rig.raw(30 * 10);
    assert_eq!(rig.stats.dropped.get(), lost);
    let units = rig.units();
    assert_eq!((units.len() as u64, units[40].1), (30 * 430 - lost, Entry::Key));
    let broken = rig.marks.iter().filter(|mark| matches!(mark, Came::Begin(_, Join::Broken))).count();
    assert_eq!(broken, 1, "one hole, one discontinuity");
}

#[test]
fn a_board_that_does_not_keep_up_uses_less_and_leaves_out_every_second_picture() {
    let rig = Rig::new();
    let mut first = rig.scripted("first", params().size, u32::MAX);
    first.cost = |_, _| Duration::from_millis(40);
    let steps = [Step::Bitrate(1_200_000), Step::Rate(rate(15))];
    let mut rig = rig.with(encode(first, none()), &steps);
    rig.raw(30 * 20);
    let tunings: Vec<_> = rig.log().into_iter().filter(|line| line.contains("at")).collect();
    assert_eq!(tunings, ["first 1200 at 30", "first 1200 at 15"]);
    assert_eq!((rig.stats.step.get(), rig.stats.errors.get()), (2.0, 0));
    let before = rig.stats.sent.get();
    rig.raw(30 * 2);
    assert_eq!(rig.stats.sent.get() - before, 30);
    assert_eq!(rig.stats.sent.get() + rig.stats.dropped.get(), rig.stats.pictures.get());
}

#[test]
fn when_there_is_room_again_what_was_given_up_is_taken_back() {
    let rig = Rig::new();
    let mut first = rig.scripted("first", params().size, u32::MAX);
    // Half a minute of something else beside it.
    first.cost = |_, now| {
        let busy = now.nanos_since(Monotonic::from_nanos(START)) < 30_000_000_000;
        Duration::from_millis(if busy { 40 } else { 10 })
    };
    let steps = [Step::Bitrate(1_200_000), Step::Rate(rate(15))];
    let mut rig = rig.with(encode(first, none()), &steps);
    rig.raw(30 * 30);
    assert_eq!(rig.stats.step.get(), 2.0);
    rig.raw(30 * 100);
    let tunings: Vec<_> = rig.log().into_iter().filter(|line| line.contains("at")).collect();
    let expected = ["first 1200 at 30", "first 1200 at 15", "first 1200 at 30", "first 2000 at 30"];
    assert_eq!((tunings, rig.stats.step.get()), (expected.map(str::to_owned).to_vec(), 0.0));
    let dropped = rig.stats.dropped.get();
    rig.raw(30 * 10);
    assert_eq!(rig.stats.dropped.get(), dropped, "all pictures again");
    let units = rig.units();
    assert!(units.is_sorted_by_key(|unit| unit.0));
    assert!(!rig.marks.iter().skip(1).any(|mark| matches!(mark, Came::Begin(_, Join::Broken))));
}

#[test]
fn pictures_nobody_had_time_to_look_at_count_as_dropped() {
    let rig = Rig::new();
    let first = rig.scripted("first", params().size, u32::MAX);
    let mut rig = rig.with(encode(first, none()), &[]);
    let planes = rig.picture.clone();
    for n in 0..10 {
        let pts = Pts::from_ticks(n * 6_000);
        let image = Image::Raw(planes.planes());
        let view = View { pts, image, memory: None, origin: Origin::Live, missed: (n % 2) as u32 };
        carry(&view, &mut rig.streams, &mut rig.sizes, &*rig.clock);
    }
    let stats = &rig.stats;
    assert_eq!([&stats.pictures, &stats.sent, &stats.dropped].map(Counter::get), [15, 10, 5]);
}

#[test]
fn snapshots_are_of_the_camera_and_strange_pictures_are_lost() {
    let rig = Rig::new();
    let first = rig.scripted("first", params().size, u32::MAX);
    let mut rig = rig.with(encode(first, none()), &[]);
    let shutter = rig.streams[0].shutter().expect("pictures are seen");
    shutter.ask();
    rig.show(0.1, None, Origin::Slate);
    rig.show(0.1, None, Origin::Still);
    assert!(shutter.latest().is_none());
    let taken = rig.show(0.1, None, Origin::Live);
    rig.show(0.1, None, Origin::Live);
    assert_eq!(shutter.latest().map(|photo| photo.taken), Some(taken));
    rig.show(0.1, Some(&[0, 0, 1, 0x65]), Origin::Live);
    assert_eq!((rig.stats.dropped.get(), rig.stats.sent.get()), (1, 4));
}

#[test]
fn the_thread_carries_a_camera_until_it_is_stopped() {
    let rig = Rig::new();
    let first = rig.scripted("first", params().size, 100);
    let stop = Stop::new();
    let encoders: Encoders = Box::new({
        let stop = stop.clone();
        move |_| {
            stop.stop();
            Err(VideoError::Missing)
        }
    });
    let clock = Arc::clone(&rig.clock) as Arc<dyn Clock>;
    let wanted = Wanted { size: params().size, rate: rate(30) };
    let options = CardOptions { wanted, title: "Pole".into(), start: 0 };
    let card = Box::new(TestCard::new(options, Arc::clone(&clock)));
    let camera = Camera::new(card, wanted, "Pole", Arc::clone(&clock), Arc::default());
    let mut rig = rig.with(encode(first, encoders), &[]);
    let (usher, seats) = seats();
    rig.streams.drain(..).for_each(|stream| usher.seat(Pts::from_ticks(i64::MIN), stream));
    run(camera, seats, &*clock, &stop);
    let units = rig.units();
    assert_eq!((units.len(), units[0].1), (100, Entry::Key));
    assert!(units.is_sorted_by_key(|unit| unit.0));
    assert_eq!((rig.stats.dropped.get(), rig.stats.errors.get()), (1, 1));
}

/// Access units of a film that ffmpeg made: ten pictures a second, an IDR each second.
fn film(size: &str) -> Vec<Vec<u8>> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &format!("testsrc2=s={size}:r=10:d=6")])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0", "-f", "h264", "-"])
        .output()
        .expect("this test needs ffmpeg (apt-get install ffmpeg)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut parser, mut units) = (AccessUnits::default(), Vec::new());
    parser.push(&output.stdout);
    for _ in 0..2 {
        while let Some(unit) = parser.next_unit() {
            units.push(unit.expect("ffmpeg writes no rubbish").to_vec());
        }
        parser.flush();
    }
    assert_eq!(units.len(), 60);
    units
}

#[test]
fn what_the_camera_made_is_passed_on_and_never_mixed_with_slates() {
    let rig = Rig::new();
    let opened = Arc::new(Counter::default());
    let parts = (Arc::clone(&opened), Arc::clone(&rig.clock), Arc::clone(&rig.log), Arc::clone(&rig.sink));
    let encoders: Encoders = Box::new(move |failed| {
        assert!(failed.is_none());
        let (opened, clock, log, records) = &parts;
        opened.increment();
        let (clock, log, records) = (Arc::clone(clock), Arc::clone(log), Arc::clone(records));
        let (cost, tuning, left) = (|_, _| Duration::ZERO, params().tuning, u32::MAX);
        let config = config(params().size);
        Ok(choice(Scripted { name: "slate", config, clock, cost, tuning, left, log, records }))
    });
    let longest = Span::from_millis(4000);
    let mut rig = rig.with(VideoMode::Copy { size: params().size, rate: rate(10), longest, encoders }, &[]);
    assert!(rig.streams[0].shutter().is_none() && rig.info.get().is_none());
    let (film, other) = (film("320x180"), film("640x360"));
    let mut sent: Vec<(Pts, &str)> = Vec::new();
    let slates = |rig: &mut Rig, sent: &mut Vec<_>, count| {
        for _ in 0..count {
            sent.push((rig.show(0.1, None, Origin::Slate), "slate"));
        }
    };
    let live = |rig: &mut Rig, sent: &mut Vec<_>, units: &[Vec<u8>], name| {
        for unit in units {
            sent.push((rig.show(0.1, Some(unit), Origin::Live), name));
        }
    };
    slates(&mut rig, &mut sent, 25);
    assert_eq!(rig.info.get().expect("known").encoder, "slate");
    // It does not begin with an IDR: the slate goes on in place of seven.
    live(&mut rig, &mut sent, &film[3..10], "slate");
    live(&mut rig, &mut sent, &film[10..48], "camera");
    assert_eq!(rig.info.get().expect("known").encoder, "copy");
    slates(&mut rig, &mut sent, 15);
    live(&mut rig, &mut sent, &film[..20], "camera again");
    live(&mut rig, &mut sent, &other[..15], "another camera");
    assert_eq!(rig.info.get().expect("known").config.size, size("640x360"));
    // Only the slates are of level 3.1.
    let held = |since: Pts| rig.info.held(Some(since)).expect("known").codecs;
    let [begin, end] = [sent[0].0, sent[sent.len() - 1].0];
    assert_eq!((&*held(begin), &*held(end)), ("avc1.42c01f", &*rig.info.get().expect("known").config.codecs));

    let units = rig.units();
    let stamps: Vec<_> = sent.iter().map(|unit| unit.0).collect();
    assert_eq!(units.iter().map(|unit| unit.0).collect::<Vec<_>>(), stamps);
    assert_eq!(opened.get(), 2, "the slates' encoder is there only while there are slates");
    // Where the source changes, a broken join with an IDR; everywhere else segments follow each other.
    let begins: Vec<_> = rig
        .marks
        .iter()
        .filter_map(|mark| if let Came::Begin(at, join) = mark { Some((*at, *join)) } else { None })
        .collect();
    for (at, join) in &begins {
        let place = stamps.iter().position(|pts| pts == at).expect("a unit");
        assert_eq!(units[place].1, Entry::Key);
        let changed = place > 0 && sent[place].1 != sent[place - 1].1;
        assert_eq!(*join == Join::Broken, changed, "at {place}");
    }
    assert_eq!(begins.iter().filter(|begin| begin.1 == Join::Broken).count(), 4);
    // The camera's IDRs are a second apart, so are the cuts from the instants of the grid, at most.
    let camera = begins.iter().filter(|(at, _)| *at > stamps[25] && *at < stamps[60]).count();
    assert!((1..=3).contains(&camera), "{camera}");
    assert_eq!(rig.stats.errors.get(), 0);
}

#[test]
fn a_camera_that_gives_nothing_to_begin_with_leaves_the_stream_going() {
    let rig = Rig::new();
    let mut slate = Some(rig.scripted("slate", params().size, u32::MAX));
    let encoders: Encoders = Box::new(move |_| Ok(choice(slate.take().expect("asked once"))));
    let longest = Span::from_millis(4000);
    let mut rig = rig.with(VideoMode::Copy { size: params().size, rate: rate(30), longest, encoders }, &[]);
    // Not one IDR picture, and no slate before it.
    let rest = film("320x180").swap_remove(3);
    let first = rig.show(1.0 / 30.0, Some(&rest), Origin::Live);
    for _ in 1..300 {
        rig.show(1.0 / 30.0, Some(&rest), Origin::Live);
    }
    let units = rig.units();
    assert!(units[0].0 - first <= Span::from_millis(500), "the first IDR comes as soon as ever");
    let steps: Vec<_> = units.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(steps.iter().all(|step| *step <= Span::from_millis(134)), "{steps:?}");
    let ends = rig.marks.iter().filter(|mark| matches!(mark, Came::End(_))).count();
    assert!(ends >= 4, "{ends} segments in 10 s");
    assert_eq!(rig.stats.errors.get(), 179, "after 4 s it is told");
}
