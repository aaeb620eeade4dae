use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::metronome::{Jitter, Listener, click_at};
use super::*;

const START: i64 = 1_000_000_000;

/// A device seen from outside: samples by capture time, pushed as the line asks for them.
struct Feed {
    rate: u32,
    period: f64,
    /// Frames since `START`.
    count: u64,
    jitter: Jitter,
}

impl Feed {
    fn new(rate: u32, ppm: f64, jitter_ms: f64) -> Self {
        let period = 1e9 / (f64::from(rate) * (1.0 + ppm / 1e6));
        Self { rate, period, count: 0, jitter: Jitter::new(11, jitter_ms) }
    }

    fn captured(&self, frame: u64) -> Monotonic {
        Monotonic::from_nanos(START + (frame as f64 * self.period).round() as i64)
    }

    /// The next `frames` samples of what is heard, and when the last one was captured.
    fn take(&mut self, frames: usize, heard: impl Fn(Monotonic) -> f32) -> (Vec<f32>, Monotonic) {
        let samples = (1..=frames as u64).map(|n| heard(self.captured(self.count + n))).collect();
        self.count += frames as u64;
        (samples, self.jitter.shake(self.captured(self.count)))
    }
}

fn steady(feed: &Feed) -> (Steady, Arc<CaptureStats>) {
    let stats = Arc::new(CaptureStats::default());
    let mut steady = Steady::new(1, Monotonic::from_nanos(START), stats.clone());
    steady.begin(InputFormat { rate: feed.rate, channels: 1 }).expect("a format");
    (steady, stats)
}

/// Runs for `seconds` and gives every block to `hear`.
fn run(
    steady: &mut Steady,
    feed: &mut Feed,
    seconds: f64,
    sound: impl Fn(Monotonic) -> f32,
    mut hear: impl FnMut(&AudioBlock<'_>),
) {
    for _ in 0..(seconds / BLOCK_SECONDS) as usize {
        while steady.wanted() > 0 {
            let (samples, end) = feed.take(steady.wanted(), &sound);
            steady.push(&samples, Timing::Captured(end));
        }
        hear(&steady.block().expect("nothing is wanted"));
    }
}

#[test]
fn a_click_has_the_time_at_which_it_was_captured() {
    for rate in [8_000, 11_025, 32_000, 44_100, 48_000, 96_000, 192_000] {
        for ppm in [-200.0, 0.0, 200.0] {
            let mut feed = Feed::new(rate, ppm, 0.0);
            let (mut steady, _) = steady(&feed);
            let mut listener = Listener::default();
            run(&mut steady, &mut feed, 1.5, click_at, |block| listener.hear(block));
            assert_eq!(listener.clicks.len(), 5, "{rate} Hz");
            // Within the first seconds the loop is still learning the card: a fraction of 1 ms.
            assert!(listener.worst_ms(0) < 1.0, "{rate} Hz {ppm} ppm: {:?}", listener.clicks);
            if ppm == 0.0 {
                // A click is as wide as a sample at the lowest rate: half of it may be in doubt.
                assert!(listener.worst_ms(0) < 0.08, "{rate} Hz: {:?}", listener.clicks);
            }
        }
    }
}

#[test]
fn minutes_of_a_wrong_card_with_jittery_timestamps_stay_on_the_clock() {
    for ppm in [-1000.0, 1000.0] {
        let mut feed = Feed::new(48_000, ppm, 5.0);
        let (mut steady, stats) = steady(&feed);
        let mut listener = Listener::default();
        run(&mut steady, &mut feed, 240.0, click_at, |block| listener.hear(block));
        assert_eq!(listener.clicks.len(), 959, "every click is heard once");
        assert!(listener.worst_ms(0) < 20.0, "{}", listener.worst_ms(0));
        assert!(listener.worst_ms(START + 60_000_000_000) < 5.0);
        assert!((stats.ppm.get() - ppm).abs() < 20.0, "{}", stats.ppm.get());
        assert_eq!(stats.resyncs.get(), 0);
        // The first timestamp may be 5 ms early.
        assert!(stats.dropped.get() <= 32 + 240, "{}", stats.dropped.get());
    }
}

/// A step in phase, a click or a missing sample would all show in the second difference of a sine, which
/// never exceeds A ω².
#[test]
fn no_step_is_heard_in_a_sine() {
    let omega = 997.0 * std::f64::consts::TAU;
    let sine = |at: Monotonic| (0.5 * (omega * (at.as_nanos() - START) as f64 / 1e9).sin()) as f32;
    for (rate, ppm) in [(48_000, 1000.0), (44_100, -1000.0)] {
        let mut feed = Feed::new(rate, ppm, 5.0);
        let (mut steady, _) = steady(&feed);
        let mut past = [0.0f64; 2];
        let (mut worst, mut heard) = (0.0f64, 0);
        run(&mut steady, &mut feed, 60.0, sine, |block| {
            for sample in block.samples {
                let sample = f64::from(*sample);
                heard += 1;
                // The very beginning is a step out of silence.
                if heard > 4800 {
                    worst = worst.max((sample - 2.0 * past[1] + past[0]).abs());
                }
                past = [past[1], sample];
            }
        });
        let bound = 0.5 * (omega / f64::from(SAMPLE_RATE)).powi(2);
        assert!(worst < bound * 1.02, "{worst} against {bound} at {rate} Hz {ppm} ppm");
    }
}

#[test]
fn a_loss_becomes_silence_of_its_length() {
    for lost in [1u64, 47, 4_800, 48_000, 1_000_000] {
        for (ppm, settling) in [(0.0, 1.0), (300.0, 90.0)] {
            let mut feed = Feed::new(48_000, ppm, 0.0);
            let (mut steady, stats) = steady(&feed);
            run(&mut steady, &mut feed, settling, |_| 0.5, |_| ());
            let before = stats.silence.get();
            feed.count += lost;
            let (samples, end) = feed.take(steady.wanted(), |_| 0.5);
            steady.push(&samples, Timing::AfterLoss(end));
            let silent = stats.silence.get() - before;
            // To the sample; over minutes, to the few ppm to which the card is known by then.
            let bound = 1 + lost / 250_000;
            assert!(silent.abs_diff(lost) <= bound, "{lost} lost, {silent} silent");
            // And it is heard: that many samples near zero, give or take the filter's ringing.
            let mut quiet = 0u64;
            run(
                &mut steady,
                &mut feed,
                lost as f64 / 48_000.0 + 0.2,
                |_| 0.5,
                |block| {
                    quiet += block.samples.iter().filter(|s| s.abs() < 0.25).count() as u64;
                },
            );
            let expected = lost as f64 / (1.0 + ppm / 1e6);
            assert!((quiet as f64 - expected).abs() <= (1 + bound) as f64, "{lost} lost, {quiet} heard");
        }
    }
}

#[test]
fn a_jump_of_the_device_is_mended_once_and_a_late_timestamp_is_not_a_jump() {
    let mut feed = Feed::new(48_000, 0.0, 0.0);
    let (mut steady, stats) = steady(&feed);
    let mut listener = Listener::default();
    run(&mut steady, &mut feed, 3.0, click_at, |block| listener.hear(block));
    let (samples, end) = feed.take(steady.wanted(), click_at);
    steady.push(&samples, Timing::Captured(end + Duration::from_millis(500)));
    run(&mut steady, &mut feed, 3.0, click_at, |block| listener.hear(block));
    assert_eq!(stats.resyncs.get(), 0);
    assert!(listener.worst_ms(0) < 1.0);
    let before = stats.dropped.get();

    // Half a second vanishes without a word; then half a second comes twice.
    for (jump, mended) in [(24_000, 1), (-24_000, 2)] {
        feed.count = feed.count.checked_add_signed(jump).expect("frames");
        run(&mut steady, &mut feed, 3.0, |_| 0.0, |block| listener.hear(block));
        assert_eq!(stats.resyncs.get(), mended);
    }
    assert!((stats.dropped.get() - before).abs_diff(24_000) <= 1, "{}", stats.dropped.get());
    let settled = steady.next.to_monotonic().as_nanos();
    run(&mut steady, &mut feed, 3.0, click_at, |block| listener.hear(block));
    assert!(listener.worst_ms(settled) < 1.0, "{:?}", listener.clicks);
}

#[test]
fn the_buffers_of_the_line_never_grow() {
    let mut feed = Feed::new(44_100, 500.0, 2.0);
    let (mut steady, _) = steady(&feed);
    let room =
        |steady: &Steady| (steady.ready.capacity(), steady.waiting.capacity(), steady.block.capacity());
    let before = room(&steady);
    run(&mut steady, &mut feed, 10.0, |_| 0.0, |_| ());
    assert_eq!(room(&steady), before);
}

#[test]
fn channels_are_mixed_or_spread() {
    let cases: [(usize, usize, &[f32], &[f32]); 5] = [
        (1, 1, &[0.5], &[0.5]),
        (2, 1, &[0.5, -0.25], &[0.125]),
        (1, 2, &[0.5], &[0.5, 0.5]),
        (2, 2, &[0.5, -0.25], &[0.5, -0.25]),
        (4, 2, &[0.5, -0.25, 0.9, 0.9], &[0.5, -0.25]),
    ];
    for (given, wanted, frame, expected) in cases {
        let mut steady = Steady::new(wanted, Monotonic::from_nanos(START), Arc::new(CaptureStats::default()));
        steady.begin(InputFormat { rate: 48_000, channels: given }).expect("a format");
        let samples = frame.repeat(4_800);
        steady.push(&samples, Timing::Captured(Monotonic::from_nanos(START + 100_000_000)));
        steady.block().expect("a block");
        let block = steady.block().expect("another");
        assert_eq!(block.channels, wanted);
        for heard in block.samples.chunks_exact(wanted) {
            for (sample, expected) in heard.iter().zip(expected) {
                assert!((sample - expected).abs() < 1e-3, "{given} to {wanted}: {heard:?}");
            }
        }
    }
}

#[test]
fn impossible_formats_are_refused() {
    let mut steady = Steady::new(1, Monotonic::from_nanos(START), Arc::new(CaptureStats::default()));
    for (rate, channels) in [(0, 1), (48_000, 0), (3_999, 1), (u32::MAX, 2), (48_000, 65)] {
        assert!(steady.begin(InputFormat { rate, channels }).is_err(), "{rate} Hz, {channels}");
    }
}

/// Anything that may happen to a line.
#[derive(Clone, Debug)]
enum Event {
    Sound { frames: usize, shift_ms: i64 },
    Loss { frames: usize, lost_ms: i64 },
    Unstamped { frames: usize },
    Silence { ms: u64 },
    Begin { rate: u32, channels: usize },
}

fn event() -> impl Strategy<Value = Event> {
    let rate = prop::sample::select(vec![8_000u32, 44_100, 48_000, 96_000]);
    prop_oneof![
        8 => (0usize..3_000, -20i64..20).prop_map(|(frames, shift_ms)| Event::Sound { frames, shift_ms }),
        1 => (0usize..3_000, -3_000i64..3_000)
            .prop_map(|(frames, shift_ms)| Event::Sound { frames, shift_ms }),
        2 => (0usize..3_000, -50i64..2_000).prop_map(|(frames, lost_ms)| Event::Loss { frames, lost_ms }),
        1 => (0usize..3_000).prop_map(|frames| Event::Unstamped { frames }),
        2 => (0u64..2_000).prop_map(|ms| Event::Silence { ms }),
        1 => (rate, 1usize..5).prop_map(|(rate, channels)| Event::Begin { rate, channels }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes: block follows block, and all the time that passed is given, no more.
    #[test]
    fn the_timeline_never_breaks(events in prop::collection::vec(event(), 1..60), channels in 1usize..3) {
        let start = Monotonic::from_nanos(START);
        let mut steady = Steady::new(channels, start, Arc::new(CaptureStats::default()));
        let mut format = InputFormat { rate: 48_000, channels };
        let mut listener = Listener::default();
        for event in events {
            let after = |steady: &Steady, frames: usize, ms: i64| {
                let nanos = steady.time_after(frames).as_nanos() + ms * 1_000_000;
                Monotonic::from_nanos(nanos)
            };
            match event {
                Event::Sound { frames, shift_ms } => {
                    let end = after(&steady, frames, shift_ms);
                    steady.push(&vec![0.5; frames * format.channels], Timing::Captured(end));
                }
                Event::Loss { frames, lost_ms } => {
                    let end = after(&steady, frames, lost_ms);
                    steady.push(&vec![0.5; frames * format.channels], Timing::AfterLoss(end));
                }
                Event::Unstamped { frames } => {
                    steady.push(&vec![0.5; frames * format.channels], Timing::Unstamped);
                }
                Event::Silence { ms } => steady.silence(steady.time_after(0) + Duration::from_millis(ms)),
                Event::Begin { rate, channels } => {
                    format = InputFormat { rate, channels };
                    steady.begin(format).expect("a format");
                }
            }
            while let Some(block) = steady.block() {
                listener.hear(&block);
            }
            // What is given reaches as far as what came, but for the block being filled, the filter
            // and what the loop may still be away.
            let line = steady.time_after(0).nanos_since(start);
            let given = (steady.next - start.to_pts()).to_duration().as_nanos() as i64;
            prop_assert!((line - given).abs() < 150_000_000, "line {line} given {given}");
        }
    }
}
