//! Flash and beep stay together: at the start, and after twelve hours with a sound card that is wrong.
//!
//! Both tracks take the whole way (drift control, both encoders, weaver, multiplexer) on one simulated clock,
//! stepped in turns; ffmpeg decodes what comes out.

mod support;

use std::sync::Arc;
use std::time::Duration;

use outpost::base::{Clock, Monotonic, Pts, SimClock, Span, Stop, WallTime};
use outpost::container::ts::{Mark, Record};
use outpost::encode::choose::{self, EncoderKind};
use outpost::encode::{self, AacParams, AacProfile, Preset, Tuning, VideoParams};
use outpost::media::{Channels, CutGrid, FrameRate, Pick, Program};
use outpost::pump::audio::AudioStream;
use outpost::pump::segments::Segments;
use outpost::pump::sink::{RecordSink, SinkStats};
use outpost::pump::video::{Sizes, VideoMode, VideoStream};
use outpost::pump::weave::{Weaver, weave};
use outpost::ring::{self, Consumer};
use outpost::source::CaptureStats;
use outpost::source::capture::Capture;
use outpost::source::synth::{Sound, Synth, SynthOptions};
use outpost::source::video::synth::{CardOptions, TestCard};
use outpost::source::video::{Camera, CameraStats, Origin, Wanted};
use support::card;

/// What is decoded and judged.
const WATCHED: Span = Span::from_millis(10_000);
const TICKS: f64 = 90_000.0;

/// A sound card whose crystal is wrong by `ppm`.
fn sound_card(ppm: f64, clock: &Arc<dyn Clock>, stats: &Arc<CaptureStats>) -> Capture {
    let options = SynthOptions { ppm, ..SynthOptions::new(Sound::Clapper, 1) };
    Capture::new(Box::new(Synth::new(options, Arc::clone(clock))), 1, Arc::clone(clock), Arc::clone(stats))
}

fn camera(wanted: Wanted, clock: &Arc<dyn Clock>) -> Camera {
    let card =
        TestCard::new(CardOptions { wanted, title: "Clapper".to_owned(), start: 0 }, Arc::clone(clock));
    Camera::new(Box::new(card), wanted, "Clapper", Arc::clone(clock), Arc::<CameraStats>::default())
}

/// One stream with both tracks, from what its sources give to the bytes of its segments.
struct Stream {
    video: VideoStream,
    audio: AudioStream,
    weaver: Weaver,
    records: Consumer<Record>,
    bytes: Vec<u8>,
}

impl Stream {
    fn new(Wanted { size, rate }: Wanted, clock: &Arc<dyn Clock>) -> Self {
        let tuning = Tuning { bitrate: 600_000, rate };
        let params = VideoParams { size, rate, tuning, preset: Preset::Ultrafast };
        let choice = choose::video(EncoderKind::X264, params).expect("x264 (build with its feature)");
        let aac = AacParams { profile: AacProfile::Lc, bitrate: 64_000, channels: Channels::Mono };
        let aac = encode::aac(aac).expect("fdk-aac (build with its feature)");
        let program =
            Program { video: Some(choice.encoder.config().clone()), audio: Some(aac.config().clone()) };
        let frame = Span::from_samples(i64::from(aac.config().frame_samples()), aac.config().rate());
        let (producer, records) = ring::channel(1 << 12).expect("an eventfd");
        let sink = RecordSink::new(producer, ring::Audience::default(), Arc::<SinkStats>::default());
        let segments = Segments::new("clapper", &program, sink, clock);
        let grid = CutGrid::new(Span::from_millis(2000));
        let (video, audio, weaver) =
            weave("clapper", segments, grid, (rate, frame), clock).expect("eventfds");
        let encoders = Box::new(move |_: Option<&_>| choose::video(EncoderKind::X264, params));
        let camera = Wanted { size, rate };
        let mode = VideoMode::Encode { choice, params, camera, encoders };
        Self {
            video: VideoStream::new("clapper", mode, grid, video, Arc::default(), Arc::default(), &[]),
            audio: AudioStream::new("clapper", Pick::Mono, aac, grid, vec![audio], Arc::default()),
            weaver,
            records,
            bytes: Vec::new(),
        }
    }

    fn carry_on(&mut self) {
        self.weaver.catch_up();
        loop {
            let records = self.records.read();
            if records.is_empty() {
                return;
            }
            let packets = records.iter().filter(|record| !matches!(record.mark, Mark::End { .. }));
            self.bytes.extend(packets.flat_map(|record| record.packet));
            let count = records.len();
            self.records.release(count);
        }
    }
}

/// Lets a sound card that is wrong by `ppm` run for `before`, then judges ten seconds of sound and picture.
fn judge(ppm: f64, before: Duration) {
    let start = Monotonic::from_nanos(1_000_300_000_000);
    let simulated = Arc::new(SimClock::new(start, WallTime::EARLIEST));
    let clock = Arc::clone(&simulated) as Arc<dyn Clock>;
    let (stop, stats) = (Stop::new(), Arc::<CaptureStats>::default());
    let mut sound = sound_card(ppm, &clock, &stats);
    let end = (start + before).to_pts();
    let mut heard = start.to_pts();
    while heard < end {
        heard = sound.next(&stop).expect("never stopped").pts;
    }
    assert!(before.is_zero() || (stats.ppm.get() - ppm).abs() < 1.0, "{} ppm", stats.ppm.get());

    let size = "640x360".parse().expect("a size");
    let wanted = Wanted { size, rate: FrameRate::new(30, 1).expect("a rate") };
    let (mut camera, mut stream) = (camera(wanted, &clock), Stream::new(wanted, &clock));
    let mut seen: Option<Pts> = None;
    let end = clock.now().to_pts() + WATCHED;
    while heard < end {
        // Whoever is behind: then no picture is missed, and no sound.
        if seen.is_none_or(|seen| seen <= heard) {
            let view = camera.next(&stop).expect("never stopped");
            // The camera is opened by a thread, which the simulated clock does not wait for.
            if view.origin == Origin::Live {
                seen = Some(view.pts);
                stream.video.feed(&view, &mut Sizes::default());
            }
        } else {
            let block = sound.next(&stop).expect("never stopped");
            heard = block.pts;
            stream.audio.feed(&block);
        }
        stream.carry_on();
    }
    assert_eq!(stats.losses.get() + stats.resyncs.get(), 0, "no sound was lost");

    let hours = before.as_secs() / 3600;
    let file = std::env::temp_dir().join(format!("outpost-clapper-{}-{ppm}-{hours}.ts", std::process::id()));
    std::fs::write(&file, &stream.bytes).expect("room for ten seconds");
    let frames = card::watch(&file);
    let (first, samples) = card::hear(&file);
    std::fs::remove_file(&file).expect("it was written");

    assert!(frames.windows(2).all(|pair| pair[1].reading.counter == pair[0].reading.counter + 1));
    let begin = start.to_pts().ticks() as f64 / TICKS + before.as_secs_f64();
    assert!((frames[0].pts - begin).abs() < 1.0, "the media are {begin} s old, not {}", frames[0].pts);
    let beeps: Vec<_> = card::beeps(&samples, 48_000).into_iter().map(|beep| first + beep).collect();
    let flashes = card::flashes(&frames);
    assert!(flashes.len() >= 9, "{flashes:?}");
    let nearest = |flash: f64| {
        let apart = beeps.iter().map(|beep| beep - flash);
        apart.min_by(|a, b| a.abs().total_cmp(&b.abs())).expect("a beep")
    };
    let apart: Vec<_> = flashes.iter().map(|flash| nearest(*flash)).collect();
    println!("{ppm} ppm, after {hours} h: the beep comes {apart:.4?} s after the flash");
    assert!(flashes.iter().all(|flash| (flash - flash.round()).abs() < 1e-3), "{flashes:?}");
    assert!(apart.iter().all(|apart| apart.abs() < 0.020), "{apart:?} s");
}

const TWELVE_HOURS: Duration = Duration::from_secs(12 * 3600);

#[test]
fn flash_and_beep_begin_together() {
    for ppm in [300.0, -300.0] {
        judge(ppm, Duration::ZERO);
    }
}

#[test]
fn twelve_hours_with_a_card_that_is_too_fast_do_not_part_them() {
    judge(300.0, TWELVE_HOURS);
}
