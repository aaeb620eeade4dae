use std::ops::Range;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use super::super::Coding;
use super::super::Shot;
use super::super::synth::{CardOptions, TestCard};
use super::*;
use crate::base::{SimClock, Span};
use crate::media::{CutGrid, FrameRate, Picture, Planes, Size};
use crate::source::metronome::sim_clock;
use crate::sys::clock::RealClock;

mod script;

const SECOND: i64 = 1_000_000_000;
const MS: i64 = 1_000_000;

fn wanted() -> Wanted {
    Wanted { size: Size::new(160, 120).expect("a size"), rate: FrameRate::new(25, 1).expect("a rate") }
}

fn error(signal: Signal) -> SourceError {
    let (problem, remedy) = (format!("{signal:?}"), "wait".to_owned());
    SourceError { signal, device: "scripted".to_owned(), problem, remedy }
}

/// What can befall a camera for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Not there: reads and opening fail.
    Gone,
    /// Opens, but gives nothing, and answers at once.
    Dead,
    /// Gives pictures of no use.
    Damaged,
    /// Its timestamps are wrong by so many milliseconds; the first one tells zero.
    Wrong(i64),
    /// Its timestamps are always these nanoseconds.
    Stuck(i64),
    /// In the dark: a picture every so many milliseconds, as far apart as it exposes them.
    Dark(i64),
}

/// A camera of 25 pictures a second that come 30 ms after they were captured.
#[derive(Clone)]
struct Staged {
    clock: Arc<SimClock>,
    /// Troubles by nanoseconds of the clock.
    troubles: Vec<(Range<i64>, Trouble)>,
    format: VideoFormat,
    picture: Picture,
    /// When its last picture was captured.
    taken: i64,
}

const INTERVAL: i64 = 40 * MS;
const LAG: i64 = 30 * MS;

impl Staged {
    fn new(clock: &Arc<SimClock>, troubles: &[(Range<i64>, Trouble)]) -> Box<Self> {
        let format =
            VideoFormat { coding: Coding::Raw, rate: wanted().rate, about: "25 a second".to_owned() };
        let (clock, troubles) = (clock.clone(), troubles.to_vec());
        Box::new(Self { clock, troubles, format, picture: Picture::black(wanted().size), taken: 0 })
    }

    fn trouble(&self) -> Option<Trouble> {
        let now = self.clock.now().as_nanos();
        self.troubles.iter().find(|(when, _)| when.contains(&now)).map(|(_, trouble)| *trouble)
    }
}

impl VideoDevice for Staged {
    fn name(&self) -> &str {
        "staged"
    }

    fn open(&mut self) -> Result<Box<dyn VideoInput>, SourceError> {
        match self.trouble() {
            Some(Trouble::Gone) => Err(error(Signal::NoDevice)),
            _ => Ok(Box::new(self.clone())),
        }
    }
}

impl VideoInput for Staged {
    fn format(&self) -> &VideoFormat {
        &self.format
    }

    fn read(&mut self, patience: Duration) -> Result<Glimpse<'_>, SourceError> {
        let now = self.clock.now();
        match self.trouble() {
            Some(Trouble::Gone) => return Err(error(Signal::NoDevice)),
            Some(Trouble::Dead) => return Ok(Glimpse::Nothing),
            _ => {}
        }
        let interval = if let Some(Trouble::Dark(ms)) = self.trouble() { ms * MS } else { INTERVAL };
        let newest = (now.as_nanos() - LAG) / interval;
        let before = if self.taken == 0 { newest } else { self.taken / interval };
        let next = newest.max(before + 1);
        let missed = (newest - before - 1).max(0) as u32;
        let comes = Monotonic::from_nanos(next * interval + LAG);
        let limit = now + patience;
        self.clock.sleep_until(comes.min(limit), &Stop::new());
        if comes > limit {
            return Ok(Glimpse::Nothing);
        }
        self.taken = next * interval;
        let captured = match self.trouble() {
            Some(Trouble::Damaged) => return Ok(Glimpse::Damaged("half of it is missing")),
            Some(Trouble::Wrong(ms)) => self.taken + ms * MS,
            Some(Trouble::Stuck(nanos)) => nanos,
            _ => self.taken,
        };
        let image = Image::Raw(self.picture.planes());
        let captured = Monotonic::from_nanos(captured);
        Ok(Glimpse::Shot(Shot { captured, missed, image, memory: None }))
    }

    fn last(&self) -> Option<Image<'_>> {
        (self.taken > 0).then(|| Image::Raw(self.picture.planes()))
    }
}

/// What was seen: each view's time on the media clock and when it came.
#[derive(Default)]
struct Seen {
    views: Vec<(Pts, Monotonic, Origin)>,
}

impl Seen {
    fn note(&mut self, view: &View<'_>, now: Monotonic) {
        if let Some((last, ..)) = self.views.last() {
            assert!(view.pts > *last, "{:?} after {last:?} at {now:?}", view.pts);
        }
        let Image::Raw(Planes::I420([luma, ..])) = view.image else { panic!("{:?}", view.image) };
        assert_eq!(luma.data.len(), 160 * 120);
        self.views.push((view.pts, now, view.origin));
    }

    fn live(&self, when: Range<i64>) -> usize {
        self.of(Origin::Live, when).count()
    }

    fn of(&self, origin: Origin, when: Range<i64>) -> impl Iterator<Item = Pts> {
        let within = move |at: &Monotonic| when.contains(&at.as_nanos());
        self.views.iter().filter(move |(_, at, o)| *o == origin && within(at)).map(|(pts, ..)| *pts)
    }

    /// The longest time without a view of this origin, from `begin`.
    fn longest_gap(&self, origin: Option<Origin>, begin: Monotonic) -> Duration {
        let mut last = begin;
        let mut longest = Duration::ZERO;
        for (_, at, o) in &self.views {
            if origin.is_none_or(|origin| *o == origin) {
                longest = longest.max(at.since(last));
            }
            last = *at;
        }
        longest
    }
}

impl Seen {
    /// The longest time from one view to the next on the media clock, from view number `first` on.
    fn widest_step(&self, first: usize) -> Duration {
        let steps = self.views[first..].windows(2).map(|pair| (pair[1].0 - pair[0].0).to_duration());
        steps.max().unwrap_or_default()
    }
}

fn watch(clock: &Arc<SimClock>, device: Box<dyn VideoDevice>, seconds: i64) -> (Seen, Arc<CameraStats>) {
    let stats = Arc::new(CameraStats::default());
    let mut camera = Camera::new(device, wanted(), "Pole", clock.clone(), stats.clone());
    let stop = Stop::new();
    let mut seen = Seen::default();
    let end = clock.now() + Duration::from_secs(seconds as u64);
    while clock.now() < end {
        let view = camera.next(&stop).expect("it is not stopped");
        seen.note(&view, clock.now());
    }
    (seen, stats)
}

#[test]
fn a_camera_is_seen_at_the_time_of_its_pictures() {
    let clock = sim_clock();
    let (seen, stats) = watch(&clock, Staged::new(&clock, &[]), 20);
    assert_eq!(seen.of(Origin::Slate, 0..i64::MAX).count(), 0, "it opened at once");
    assert!(seen.views.len().abs_diff(20 * 25) <= 2, "{}", seen.views.len());
    // The first one had waited before it was asked for.
    assert!(
        seen.views.iter().skip(1).all(|(pts, now, _)| (*now - Duration::from_millis(30)).to_pts() == *pts)
    );
    assert_eq!(stats.condition.get().signal, Signal::Live);
    assert_eq!((stats.opened.get(), stats.misdated.get(), stats.damaged.get()), (1, 0, 0));
    assert_eq!(stats.pictures.get(), seen.views.len() as u64);
    assert!((stats.rate.get() - 25.0).abs() < 0.6, "{}", stats.rate.get());
    assert_eq!(stats.format.load().as_ref().map(|format| format.about.clone()), Some("25 a second".into()));
}

#[test]
fn whatever_befalls_a_camera_a_slate_stands_in_and_it_comes_back_in_time() {
    // The trouble; after how many milliseconds at most the slate stands; how long until live again.
    for (trouble, slate_after, live_after) in
        [(Trouble::Gone, 150, 1_200), (Trouble::Dead, 1_200, 2_000), (Trouble::Damaged, 1_200, 2_000)]
    {
        let clock = sim_clock();
        let troubles = [(0..4 * SECOND, trouble), (20 * SECOND..40 * SECOND, trouble)];
        let (seen, stats) = watch(&clock, Staged::new(&clock, &troubles), 59);
        let first = seen.views[0].1.as_nanos() - SECOND;
        assert!(first <= 200 * MS, "{trouble:?}: the first one after {first} ns");
        assert_eq!(seen.live(0..4 * SECOND), 0);
        for (ends, lasts) in [(4, 16), (40, 20)] {
            let back = ends * SECOND;
            let live = seen.live(back..back + lasts * SECOND) as i64;
            assert!(
                live >= (lasts * SECOND - live_after * MS) / INTERVAL,
                "{trouble:?} until {ends} s: {live}"
            );
        }
        let gone = 20 * SECOND;
        assert!(seen.of(Origin::Slate, gone..gone + slate_after * MS + 1).count() >= 1, "{trouble:?}");
        let slates: Vec<_> = seen.of(Origin::Slate, gone + 1_200 * MS..40 * SECOND).collect();
        assert!(slates.len().abs_diff(188) <= 2, "{trouble:?}: {}", slates.len());
        let grid = Span::from_millis(100).ticks();
        assert!(slates.iter().all(|pts| pts.ticks() % grid == 0), "{trouble:?}: {slates:?}");
        assert_eq!(stats.condition.get().signal, Signal::Live);
        assert_eq!(stats.slates.get(), seen.of(Origin::Slate, 0..i64::MAX).count() as u64);
    }
}

#[test]
fn the_cause_is_told_with_its_remedy_and_since_when() {
    let causes = [
        (Trouble::Gone, Signal::NoDevice, "NoDevice; wait", 0, 0.0),
        (Trouble::Dead, Signal::Stalled, "it is open, but has given no picture for 1 s; unplug it", 1, 0.0),
        (Trouble::Damaged, Signal::Failed, "every picture is damaged (half of it is missing); try", 1, 1.0),
    ];
    for (trouble, signal, cause, named_after, damaged) in causes {
        let clock = sim_clock();
        let began = 4 * SECOND;
        let (_, stats) = watch(&clock, Staged::new(&clock, &[(began..i64::MAX, trouble)]), 8);
        let state = stats.condition.get();
        assert_eq!(state.signal, signal);
        assert!(state.cause.starts_with(cause), "{}", state.cause);
        let since = state.since.as_nanos() - began;
        assert!((0..=named_after * SECOND + 200 * MS).contains(&since), "{trouble:?} {since}");
        assert_eq!(stats.damaged.get() > 0, damaged > 0.0);
        assert_eq!(stats.rate.get(), 0.0);
    }
}

#[test]
fn a_few_damaged_pictures_are_left_out_and_counted() {
    let clock = sim_clock();
    let troubles = [(5 * SECOND..5 * SECOND + 400 * MS, Trouble::Damaged)];
    let (seen, stats) = watch(&clock, Staged::new(&clock, &troubles), 10);
    assert_eq!(stats.damaged.get(), 10);
    assert_eq!((stats.slates.get(), stats.opened.get()), (0, 1));
    assert!(seen.widest_step(1) <= PAUSE, "the last good one is shown meanwhile");
}

#[test]
fn a_camera_that_pauses_shows_its_last_picture_again() {
    let clock = sim_clock();
    let troubles = [(5 * SECOND + 20 * MS..5 * SECOND + 920 * MS, Trouble::Dead)];
    let (seen, stats) = watch(&clock, Staged::new(&clock, &troubles), 10);
    let stills: Vec<_> = seen.of(Origin::Still, 0..i64::MAX).map(|pts| pts.ticks()).collect();
    // The last picture of the camera was captured at 5.00 s, the next one at 5.88 s.
    let beats: Vec<_> = (51..59).map(|beat| beat * 9_000).collect();
    assert_eq!(stills, beats);
    assert_eq!((stats.stills.get(), stats.slates.get(), stats.opened.get()), (8, 0, 1));
    assert_eq!(stats.condition.get().signal, Signal::Live);
    assert!(seen.widest_step(1) <= PAUSE, "{:?}", seen.widest_step(1));
    // Pictures of the camera are dated as ever.
    let live: Vec<_> = seen.of(Origin::Live, 0..i64::MAX).collect();
    assert!(live.iter().all(|pts| pts.ticks() % 3_600 == 0), "{live:?}");
}

#[test]
fn where_a_segment_begins_there_is_a_picture_whatever_the_camera_does() {
    let dark = [110, 125, 160, 200, 250, 333, 500, 900].map(Trouble::Dark);
    let gone = [Trouble::Gone, Trouble::Dead, Trouble::Damaged];
    let allowed = Span::from_millis(110).ticks();
    for trouble in dark.into_iter().chain(gone) {
        for grid in [1_000, 700, 330] {
            let clock = sim_clock();
            let troubles: Vec<_> = (2..20)
                .map(|n| (3 * n * SECOND + n * 70 * MS, (n % 4) * 490 * MS + 300 * MS))
                .map(|(begin, length)| (begin..begin + length, trouble))
                .collect();
            let (seen, _) = watch(&clock, Staged::new(&clock, &troubles), 60);
            let grid = CutGrid::new(Span::from_millis(grid));
            let mut next = grid.after(seen.views[0].0);
            for (pts, ..) in &seen.views {
                if *pts >= next {
                    assert!((*pts - next).ticks() <= allowed, "{trouble:?}: {pts:?} for {next:?}");
                    next = grid.after(*pts);
                }
            }
        }
    }
}

#[test]
fn few_pictures_are_enough_where_few_are_wanted() {
    for rate in [1, 2, 5, 9, 10, 25] {
        let clock = sim_clock();
        let interval = 1_000 / i64::from(rate);
        let rate = FrameRate::new(rate, 1).expect("a rate");
        let stats = Arc::new(CameraStats::default());
        let mut device = Staged::new(&clock, &[(0..i64::MAX, Trouble::Dark(interval))]);
        device.format.rate = rate;
        let wanted = Wanted { rate, ..wanted() };
        let mut camera = Camera::new(device, wanted, "Pole", clock.clone(), stats.clone());
        let stop = Stop::new();
        let end = clock.now() + Duration::from_secs(20);
        while clock.now() < end {
            let view = camera.next(&stop).expect("it is not stopped");
            assert_ne!(view.origin, Origin::Still, "{rate} a second, {:?}", view.pts);
        }
        assert_eq!(stats.stills.get(), 0);
    }
}

#[test]
fn pictures_left_out_because_one_looked_too_long_are_not_the_camera_s_loss() {
    let clock = sim_clock();
    let stats = Arc::new(CameraStats::default());
    let mut camera = Camera::new(Staged::new(&clock, &[]), wanted(), "Pole", clock.clone(), stats.clone());
    let stop = Stop::new();
    let (mut views, mut missed) = (0, 0);
    let end = clock.now() + Duration::from_secs(20);
    while clock.now() < end {
        let view = camera.next(&stop).expect("it is not stopped");
        assert_eq!(view.origin, Origin::Live, "no still where one need only look: {:?}", view.pts);
        (views, missed) = (views + 1, missed + u64::from(view.missed));
        // Three pictures' time for every second one.
        clock.advance(Duration::from_millis(if views % 2 == 0 { 130 } else { 10 }));
    }
    assert!(missed > 100 && (views + missed).abs_diff(500) <= 5, "{views} seen, {missed} missed");
    assert_eq!((stats.missed.get(), stats.stills.get()), (0, 0));
    assert_eq!(stats.pictures.get(), views + missed);
    assert!((stats.rate.get() - 25.0).abs() < 2.0, "{} a second it gives", stats.rate.get());
}

#[test]
fn impossible_timestamps_are_counted_and_guessed() {
    for (trouble, misdated) in [
        (Trouble::Stuck(0), true),
        (Trouble::Stuck(6 * SECOND), true),
        (Trouble::Wrong(200), true),
        (Trouble::Wrong(-5_000), true),
        (Trouble::Wrong(60), false),
    ] {
        let clock = sim_clock();
        let (seen, stats) = watch(&clock, Staged::new(&clock, &[(5 * SECOND..8 * SECOND, trouble)]), 12);
        assert!(seen.views.len().abs_diff(12 * 25) <= 2, "{trouble:?}");
        // Sixty milliseconds are more than it lags, but nothing that cannot be.
        assert_eq!(stats.misdated.get() >= 70, misdated, "{trouble:?}: {}", stats.misdated.get());
        for (pts, now, _) in &seen.views {
            let off = now.nanos_since(pts.to_monotonic());
            assert!((-150 * MS..=2 * SECOND).contains(&off), "{trouble:?}: {off} ns");
        }
        let late: Vec<_> = seen.of(Origin::Live, 9 * SECOND..13 * SECOND).collect();
        assert!(late.windows(2).all(|w| (w[1] - w[0]).ticks() == 3_600), "true ones are taken as they are");
    }
}

/// A device whose opening waits until it is told to go on, or takes its time by the clock.
struct Slow {
    inner: Box<Staged>,
    gate: Receiver<()>,
}

impl VideoDevice for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn open(&mut self) -> Result<Box<dyn VideoInput>, SourceError> {
        self.gate.recv_timeout(Duration::from_secs(60)).map_err(|_| error(Signal::Failed))?;
        self.inner.open()
    }
}

fn slow(clock: &Arc<SimClock>) -> (Box<Slow>, Sender<()>) {
    let (open, gate) = channel();
    (Box::new(Slow { inner: Staged::new(clock, &[]), gate }), open)
}

#[test]
fn the_slate_goes_on_while_a_device_is_being_opened() {
    let clock = sim_clock();
    let began = clock.now();
    let (device, open) = slow(&clock);
    let stats = Arc::new(CameraStats::default());
    let mut camera = Camera::new(device, wanted(), "Pole", clock.clone(), stats.clone());
    let stop = Stop::new();
    let mut seen = Seen::default();
    // Each of them waits for the opener by the real clock, too.
    for _ in 0..8 {
        let view = camera.next(&stop).expect("it is not stopped");
        assert_eq!(view.origin, Origin::Slate);
        seen.note(&view, clock.now());
    }
    assert_eq!(stats.condition.get().signal, Signal::Starting);
    assert!(seen.longest_gap(None, began) <= GRACE, "{:?}", seen.longest_gap(None, began));
    clock.advance(WAKING);
    for _ in 0..3 {
        seen.note(&camera.next(&stop).expect("it is not stopped"), clock.now());
    }
    let state = stats.condition.get();
    assert_eq!((state.signal, stats.opened.get()), (Signal::Stalled, 0));
    assert!(state.cause.starts_with("opening it has taken more than 5 s; unplug"), "{}", state.cause);
    open.send(()).expect("somebody waits");
    while stats.condition.get().signal != Signal::Live {
        let before = clock.now();
        seen.note(&camera.next(&stop).expect("it is not stopped"), clock.now());
        assert!(clock.now().since(before) <= GRACE);
    }
    assert_eq!(stats.opened.get(), 1);
}

#[test]
fn stopping_ends_every_wait() {
    let begin = |device: Box<dyn VideoDevice>, until: Origin, limit: Duration| {
        let stop = Stop::new();
        let (tell, begun) = channel();
        let waiter = std::thread::spawn({
            let stop = stop.clone();
            move || {
                let stats = Arc::new(CameraStats::default());
                let mut camera = Camera::new(device, wanted(), "Pole", Arc::new(RealClock), stats);
                while let Some(view) = camera.next(&stop) {
                    if view.origin == until {
                        // The receiver takes one word only.
                        let _ = tell.send(());
                    }
                }
            }
        });
        begun.recv().expect("a view");
        let asked = Instant::now();
        stop.stop();
        waiter.join().expect("the thread ends");
        assert!(asked.elapsed() < limit + 5 * PATIENCE, "{:?}", asked.elapsed());
    };
    let clock = sim_clock();
    begin(Staged::new(&clock, &[(0..i64::MAX, Trouble::Gone)]), Origin::Slate, Duration::ZERO);
    begin(Staged::new(&clock, &[(0..i64::MAX, Trouble::Dead)]), Origin::Slate, Duration::ZERO);
    let (device, _open) = slow(&clock);
    begin(device, Origin::Slate, FAREWELL);
    let options = CardOptions { wanted: wanted(), title: "Card".to_owned(), start: 0 };
    begin(Box::new(TestCard::new(options, Arc::new(RealClock))), Origin::Live, Duration::ZERO);
}

/// Tells when it is closed.
struct Told(Sender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// A device that takes a while to open, until the gate is gone.
struct Tardy {
    gate: Receiver<()>,
    closed: Option<Told>,
}

struct TardyInput {
    format: VideoFormat,
    _closed: Option<Told>,
}

impl VideoDevice for Tardy {
    fn name(&self) -> &str {
        "tardy"
    }

    fn open(&mut self) -> Result<Box<dyn VideoInput>, SourceError> {
        let _ = self.gate.recv_timeout(Duration::from_millis(300));
        let format = VideoFormat { coding: Coding::Raw, rate: wanted().rate, about: String::new() };
        Ok(Box::new(TardyInput { format, _closed: self.closed.take() }))
    }
}

impl VideoInput for TardyInput {
    fn format(&self) -> &VideoFormat {
        &self.format
    }

    fn read(&mut self, _: Duration) -> Result<Glimpse<'_>, SourceError> {
        Ok(Glimpse::Nothing)
    }
}

#[test]
fn what_is_just_being_opened_is_closed_before_the_keeper_is_gone() {
    let clock = sim_clock();
    let (_open, gate) = channel();
    let (tell, closed) = channel();
    let device = Tardy { gate, closed: Some(Told(tell)) };
    let mut camera = Camera::new(Box::new(device), wanted(), "Pole", clock, Arc::default());
    assert_eq!(camera.next(&Stop::new()).map(|view| view.origin), Some(Origin::Slate));
    drop(camera);
    assert!(closed.try_recv().is_ok(), "it is closed");
}

/// H.264 of one byte a picture; gone after three pictures.
struct Coded {
    clock: Arc<SimClock>,
    format: VideoFormat,
    /// One more for each input that is not closed.
    open: Arc<()>,
}

struct CodedInput {
    clock: Arc<SimClock>,
    left: u32,
    unit: [u8; 1],
    format: VideoFormat,
    _open: Arc<()>,
}

impl VideoDevice for Coded {
    fn name(&self) -> &str {
        "coded"
    }

    fn open(&mut self) -> Result<Box<dyn VideoInput>, SourceError> {
        assert_eq!(Arc::strong_count(&self.open), 2, "what was open before is closed first");
        let (clock, format) = (self.clock.clone(), self.format.clone());
        Ok(Box::new(CodedInput { clock, left: 3, unit: [9], format, _open: self.open.clone() }))
    }
}

impl VideoInput for CodedInput {
    fn format(&self) -> &VideoFormat {
        &self.format
    }

    fn read(&mut self, _: Duration) -> Result<Glimpse<'_>, SourceError> {
        self.left = self.left.checked_sub(1).ok_or_else(|| error(Signal::NoDevice))?;
        self.clock.advance(Duration::from_millis(40));
        Ok(Glimpse::Shot(Shot {
            captured: self.clock.now(),
            missed: 1,
            image: Image::H264(&self.unit),
            memory: None,
        }))
    }
}

#[test]
fn coded_pictures_pass_and_ten_thousand_openings_cost_nothing() {
    let clock = sim_clock();
    let format = VideoFormat { coding: Coding::H264, rate: wanted().rate, about: String::new() };
    let open = Arc::new(());
    let device = Coded { clock: clock.clone(), format, open: open.clone() };
    let stats = Arc::new(CameraStats::default());
    let mut camera = Camera::new(Box::new(device), wanted(), "Pole", clock.clone(), stats.clone());
    let stop = Stop::new();
    let threads = || std::fs::read_dir("/proc/self/task").expect("Linux").count();
    let (mut last, mut most) = (Pts::default(), 0);
    while stats.opened.get() < 10_000 {
        let view = camera.next(&stop).expect("it is not stopped");
        assert!(view.pts > last);
        last = view.pts;
        match (view.image, view.origin) {
            (Image::H264([9]), Origin::Live) | (Image::Raw(_), Origin::Slate) => {}
            other => panic!("{other:?}"),
        }
        if stats.opened.get() == 100 {
            most = threads();
        }
    }
    // Other tests run threads of their own beside this one.
    assert!(threads() < most + 50, "{} threads, {most} at first", threads());
    let opened = stats.opened.get();
    assert!(stats.pictures.get().abs_diff(3 * opened) <= 3 && stats.missed.get() == stats.pictures.get());
}
