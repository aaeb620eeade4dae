use std::time::Instant;

use proptest::prelude::*;

use super::super::metronome::{Listener, Metronome, Trouble, sim_clock};
use super::super::synth::{Sound, Synth, SynthOptions};
use super::*;
use crate::base::SimClock;
use crate::sys::clock::RealClock;

const SECOND: i64 = 1_000_000_000;

/// Frames that may be left out once: the sound before the line's beginning, which is half a filter after
/// the first block's, and the first timestamp's jitter.
const BEGINNING: u64 = 36 + 96;

/// Runs for `seconds` of the simulated clock; media time must stay close to it all the while.
fn listen(
    clock: &Arc<SimClock>,
    device: Box<dyn AudioDevice>,
    seconds: i64,
) -> (Listener, Arc<CaptureStats>) {
    listen_with(clock, device, seconds, Duration::from_millis(350))
}

fn listen_with(
    clock: &Arc<SimClock>,
    device: Box<dyn AudioDevice>,
    seconds: i64,
    late: Duration,
) -> (Listener, Arc<CaptureStats>) {
    let stats = Arc::new(CaptureStats::default());
    let mut capture = Capture::new(device, 1, clock.clone(), stats.clone());
    let mut listener = Listener::default();
    let stop = Stop::new();
    let end = clock.now() + Duration::from_secs(seconds as u64);
    while clock.now() < end {
        let block = capture.next(&stop).expect("it is not stopped");
        let media = block.pts.to_monotonic();
        listener.hear(&block);
        let now = clock.now();
        assert!(now.since(media) < late, "{:?} late at {now:?}", now.since(media));
        assert!(media.since(now) < Duration::from_millis(60), "{:?} early", media.since(now));
    }
    (listener, stats)
}

fn near(clicks: usize, expected: usize) -> bool {
    clicks.abs_diff(expected) <= 2
}

#[test]
fn a_card_is_heard_at_the_time_of_its_sound() {
    let clock = sim_clock();
    let device = Metronome { ppm: 400.0, jitter_ms: 2.0, ..Metronome::new(&clock, 44_100) };
    // The block's last sample is given when it is captured: a block and the filter's look-ahead.
    let (listener, stats) = listen_with(&clock, Box::new(device), 120, Duration::from_millis(32));
    assert!(near(listener.clicks.len(), 480), "{}", listener.clicks.len());
    assert!(listener.worst_ms(60 * SECOND) < 1.0, "{}", listener.worst_ms(60 * SECOND));
    assert_eq!(stats.condition.get().signal, Signal::Live);
    assert_eq!((stats.opened.get(), stats.resyncs.get()), (1, 0));
    assert!(stats.dropped.get() < BEGINNING, "{}", stats.dropped.get());
    assert!((stats.ppm.get() - 400.0).abs() < 15.0, "{}", stats.ppm.get());
}

#[test]
fn whatever_befalls_a_card_sound_is_in_its_place_before_and_after() {
    let cases = [Trouble::Gone, Trouble::Busy, Trouble::Dead];
    for trouble in cases {
        let clock = sim_clock();
        let mut device = Metronome::new(&clock, 48_000);
        device.troubles = vec![(0..3 * SECOND, trouble), (20 * SECOND..40 * SECOND, trouble)];
        device.formats = vec![
            InputFormat { rate: 48_000, channels: 1 },
            InputFormat { rate: 48_000, channels: 2 },
            InputFormat { rate: 44_100, channels: 2 },
        ];
        let (listener, stats) = listen(&clock, Box::new(device), 60);
        assert!(listener.worst_ms(0) < 1.0, "{trouble:?}: {:?}", listener.clicks);
        // 17 s and 21 s of sound at four clicks a second, less what waiting to open again took.
        assert!((120..=152).contains(&listener.clicks.len()), "{trouble:?}: {}", listener.clicks.len());
        assert_eq!(stats.condition.get().signal, Signal::Live, "{trouble:?}");
        assert!(stats.opened.get() >= 2);
        let silent = stats.silence.get() / 48_000;
        assert!((21..=32).contains(&silent), "{trouble:?}: {silent} s of silence");
    }
}

#[test]
fn the_cause_is_told_with_its_remedy_and_since_when() {
    let causes = [
        (Trouble::Gone, Signal::NoDevice, "NoDevice; wait", 0),
        (Trouble::Busy, Signal::Busy, "Busy; wait", 0),
        // It never gave any: a sound server's sink that wakes up deserves as long.
        (Trouble::Dead, Signal::Stalled, "it is open, but has given no sound for 3 s; unplug it", 3),
    ];
    for (trouble, signal, cause, named_after) in causes {
        let clock = sim_clock();
        let began = clock.now();
        let mut device = Metronome::new(&clock, 48_000);
        device.troubles = vec![(0..i64::MAX, trouble)];
        let (listener, stats) = listen(&clock, Box::new(device), 30);
        let state = stats.condition.get();
        assert_eq!(state.signal, signal);
        assert!(state.cause.starts_with(cause), "{}", state.cause);
        assert!(state.since.since(began) <= Duration::from_millis(named_after * 1000 + 100), "{state:?}");
        assert!(listener.clicks.is_empty());
        // 30 s with waits of 0.25, 0.5, 1, 2, 4, 5, 5, … s between attempts.
        assert!(stats.opened.get() <= 10, "{}", stats.opened.get());
    }
}

#[test]
fn an_overrun_is_silence_of_its_length_and_counted() {
    let clock = sim_clock();
    let mut device = Metronome::new(&clock, 48_000);
    device.losses = vec![(5 * SECOND, Duration::from_millis(700)), (9 * SECOND, Duration::from_millis(30))];
    let stats = {
        let (listener, stats) = listen_with(&clock, Box::new(device), 20, Duration::from_secs(1));
        assert!(listener.worst_ms(0) < 0.2, "{}", listener.worst_ms(0));
        stats
    };
    assert_eq!(stats.losses.get(), 2);
    // The line begins with the filter's length of silence.
    assert!(stats.silence.get().abs_diff(48 * 730) <= 64, "{}", stats.silence.get());
}

/// A card during a read of which, once, the whole process is stopped for three seconds.
struct WhileStopped(Metronome, Arc<SimClock>);

struct ReadWhileStopped(Box<dyn AudioInput>, Arc<SimClock>, Monotonic);

impl AudioDevice for WhileStopped {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn open(&mut self) -> Result<Box<dyn AudioInput>, SourceError> {
        let at = self.1.now() + Duration::from_secs(10);
        Ok(Box::new(ReadWhileStopped(self.0.open()?, self.1.clone(), at)))
    }
}

impl AudioInput for ReadWhileStopped {
    fn format(&self) -> InputFormat {
        self.0.format()
    }

    fn read(&mut self, into: &mut Vec<f32>, frames: usize, wait: Duration) -> Result<Heard, SourceError> {
        if self.1.now() >= self.2 {
            self.2 = self.1.now() + Duration::from_secs(3600);
            self.1.advance(Duration::from_secs(3));
            return Ok(Heard::Nothing);
        }
        self.0.read(into, frames, wait)
    }
}

#[test]
fn a_process_that_was_stopped_blames_no_device() {
    let clock = sim_clock();
    let mut device = Metronome::new(&clock, 48_000);
    let began = clock.now();
    device.losses = vec![((began + Duration::from_secs(10)).as_nanos(), Duration::from_secs(3))];
    let device = WhileStopped(device, clock.clone());
    let (listener, stats) = listen_with(&clock, Box::new(device), 30, Duration::from_secs(4));
    assert_eq!((stats.opened.get(), stats.losses.get()), (1, 1));
    let state = stats.condition.get();
    assert!(state.signal == Signal::Live && state.since.since(began) < Duration::from_secs(1), "{state:?}");
    assert!(listener.worst_ms(0) < 1.0);
}

#[test]
fn a_card_that_takes_long_to_open_costs_no_time() {
    let clock = sim_clock();
    let mut device = Metronome::new(&clock, 48_000);
    device.opening = Duration::from_secs(3);
    device.troubles = vec![(10 * SECOND..12 * SECOND, Trouble::Gone)];
    let (listener, stats) = listen_with(&clock, Box::new(device), 60, Duration::from_millis(3_500));
    assert!(listener.worst_ms(0) < 1.0);
    assert!(listener.clicks.len() > 150, "{}", listener.clicks.len());
    assert_eq!(stats.condition.get().signal, Signal::Live);
}

/// Gives whatever is asked for at once, as ALSA's `file` plugin does, and calls it as old as its buffer is long.
#[derive(Clone)]
struct Unpaced {
    clock: Arc<SimClock>,
    buffer: Duration,
}

impl AudioDevice for Unpaced {
    fn name(&self) -> &str {
        "unpaced"
    }

    fn open(&mut self) -> Result<Box<dyn AudioInput>, SourceError> {
        Ok(Box::new(self.clone()))
    }
}

impl AudioInput for Unpaced {
    fn format(&self) -> InputFormat {
        InputFormat { rate: 44_100, channels: 2 }
    }

    fn read(&mut self, into: &mut Vec<f32>, frames: usize, _: Duration) -> Result<Heard, SourceError> {
        into.resize(frames * 2, 0.25);
        self.clock.advance(Duration::from_micros(20));
        Ok(Heard::Frames { frames, end: self.clock.now() - self.buffer })
    }
}

#[test]
fn a_device_without_pace_is_held_to_the_clock() {
    for buffer in [0, 200, 800].map(Duration::from_millis) {
        let clock = sim_clock();
        let device = Unpaced { clock: clock.clone(), buffer };
        let (listener, stats) = listen(&clock, Box::new(device), 120);
        // 46.875 blocks a second.
        assert!(listener.blocks.abs_diff(120 * 46_875 / 1_000) <= 15, "{}", listener.blocks);
        assert_eq!((stats.condition.get().signal, stats.opened.get()), (Signal::Live, 1), "{buffer:?}");
        assert!(stats.ppm.get().abs() < 1.0, "{}", stats.ppm.get());
        // Whoever is that old is read away until it is clear that there is no end of it.
        let dropped = if buffer.is_zero() { 9_600 } else { 11 * 48_000 };
        assert!(stats.silence.get() < 4_800 && stats.dropped.get() < dropped, "{buffer:?}: {stats:?}");
        assert_eq!(stats.resyncs.get(), 0);
    }
}

#[test]
fn the_imaginary_card_is_held_to_the_clock_for_a_quarter_of_an_hour() {
    for ppm in [-1000.0, 1000.0] {
        let clock = sim_clock();
        let tone = Sound::Tone { frequency: 440.0, dbfs: -6.0 };
        let options = SynthOptions { ppm, ..SynthOptions::new(tone, 1) };
        let device = Synth::new(options, clock.clone());
        let (_, stats) = listen_with(&clock, Box::new(device), 900, Duration::from_millis(45));
        assert!((stats.ppm.get() - ppm).abs() < 1.0, "{}", stats.ppm.get());
        assert!(stats.offset_ms.get().abs() < 0.1, "{}", stats.offset_ms.get());
        assert_eq!(stats.resyncs.get(), 0);
        assert!(stats.dropped.get() < BEGINNING, "{}", stats.dropped.get());
    }
}

#[test]
fn stopping_ends_every_wait() {
    let absent = |clock: &Arc<SimClock>| {
        let mut device = Metronome::new(clock, 48_000);
        device.troubles = vec![(0..i64::MAX, Trouble::Gone)];
        device
    };
    let clock = sim_clock();
    let stop = Stop::new();
    let mut capture =
        Capture::new(Box::new(absent(&clock)), 1, clock.clone(), Arc::new(CaptureStats::default()));
    assert!(capture.next(&stop).is_some());
    stop.stop();
    assert!(capture.next(&stop).is_none());

    // On the real clock, with a device that is away: from another thread, while it waits.
    let stop = Stop::new();
    let (first, begun) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn({
        let stop = stop.clone();
        let device = absent(&clock);
        move || {
            let stats = Arc::new(CaptureStats::default());
            let mut capture = Capture::new(Box::new(device), 1, Arc::new(RealClock), stats);
            while capture.next(&stop).is_some() {
                // The receiver takes one word only.
                let _ = first.send(());
            }
        }
    });
    begun.recv().expect("a block of silence");
    let asked = Instant::now();
    stop.stop();
    waiter.join().expect("the thread ends");
    assert!(asked.elapsed() < 2 * PATIENCE, "{:?}", asked.elapsed());
}

/// What a device does when it is asked.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// Sound, this much less or more than asked for, with a timestamp wrong by so much.
    Sound { more: i64, wrong_ms: i64 },
    /// The same after so much time in which nothing was kept.
    Loss { ms: u64 },
    /// Nothing, after so long.
    Nothing { ms: u64 },
    /// An error; opening again gives another format.
    Fail { signal: Signal, rate: u32, channels: usize },
}

fn answer() -> impl Strategy<Value = Answer> {
    let signal = prop::sample::select(vec![Signal::NoDevice, Signal::Busy, Signal::Failed]);
    let rate = prop::sample::select(vec![0u32, 8_000, 44_100, 48_000, 96_000]);
    prop_oneof![
        12 => (-2_000i64..2_000, -20i64..20).prop_map(|(more, wrong_ms)| Answer::Sound { more, wrong_ms }),
        1 => (-2_000i64..2_000, -3_000i64..9_000)
            .prop_map(|(more, wrong_ms)| Answer::Sound { more, wrong_ms }),
        2 => (0u64..1_000).prop_map(|ms| Answer::Loss { ms }),
        2 => (0u64..300).prop_map(|ms| Answer::Nothing { ms }),
        1 => (signal, rate, 0usize..4)
            .prop_map(|(signal, rate, channels)| Answer::Fail { signal, rate, channels }),
    ]
}

/// A device that answers by a script, over and over.
#[derive(Clone)]
struct Scripted {
    clock: Arc<SimClock>,
    script: Arc<[Answer]>,
    at: usize,
    format: InputFormat,
}

impl Scripted {
    fn answer(&mut self) -> Answer {
        self.at += 1;
        self.script[self.at % self.script.len()]
    }
}

impl AudioDevice for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn open(&mut self) -> Result<Box<dyn AudioInput>, SourceError> {
        if let Answer::Fail { signal, rate, channels } = self.answer() {
            self.format = InputFormat { rate, channels };
            let device = self.name().to_owned();
            return Err(SourceError { signal, device, problem: "no".to_owned(), remedy: "wait".to_owned() });
        }
        Ok(Box::new(self.clone()))
    }
}

impl AudioInput for Scripted {
    fn format(&self) -> InputFormat {
        self.format
    }

    fn read(&mut self, into: &mut Vec<f32>, frames: usize, _: Duration) -> Result<Heard, SourceError> {
        let mut give = |frames: usize| {
            into.resize(frames * self.format.channels, 0.5);
            self.clock.advance(Duration::from_secs_f64(frames as f64 / f64::from(self.format.rate)));
            self.clock.now()
        };
        match self.script[(self.at + 1) % self.script.len()] {
            Answer::Sound { more, wrong_ms } => {
                let frames = usize::try_from(frames as i64 + more).unwrap_or(0);
                let end = give(frames).as_nanos() + wrong_ms * 1_000_000;
                self.at += 1;
                Ok(Heard::Frames { frames, end: Monotonic::from_nanos(end) })
            }
            Answer::Loss { ms } => {
                let end = give(frames) + Duration::from_millis(ms);
                self.clock.advance(Duration::from_millis(ms));
                self.at += 1;
                Ok(Heard::AfterLoss { frames, end })
            }
            Answer::Nothing { ms } => {
                self.clock.advance(Duration::from_millis(ms));
                self.at += 1;
                Ok(Heard::Nothing)
            }
            Answer::Fail { signal, .. } => {
                self.at += 1;
                let (problem, remedy) = ("gone".to_owned(), "wait".to_owned());
                Err(SourceError { signal, device: "scripted".to_owned(), problem, remedy })
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever a device does, block follows block and media time stays with the clock.
    #[test]
    fn no_device_breaks_the_timeline(script in prop::collection::vec(answer(), 1..40)) {
        let clock = sim_clock();
        let format = InputFormat { rate: 48_000, channels: 2 };
        let device = Scripted { clock: clock.clone(), script: script.into(), at: 0, format };
        // What is longest: 5,000 frames at 8 kHz, a loss of 1 s, and the slack.
        listen_with(&clock, Box::new(device), 10, Duration::from_secs(3));
    }
}
