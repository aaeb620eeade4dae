//! What a camera box costs besides its encoders: the whole program with the test card and the clapper, beside
//! both encoders alone, given the same pictures and the same sound at the same pace, in this process.
//!
//! And how old its pictures are when they are in the ring.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use outpost::base::{Clock, Counter, Span, Stop};
use outpost::encode::choose::{self, EncoderKind};
use outpost::encode::{self, AacParams, AacProfile, Ask, Preset, Tuning, VideoEncoder, VideoParams};
use outpost::media::grid::Cutter;
use outpost::media::{AudioBlock, Channels, CutGrid, FrameRate, VideoFrame};
use outpost::source::synth::{Sound, Synth, SynthOptions};
use outpost::source::video::synth::{CardOptions, TestCard};
use outpost::source::video::{Glimpse, Image, VideoDevice, Wanted};
use outpost::source::{AudioDevice, Capture};
use outpost::sys::clock::RealClock;

use crate::outpost::{Outpost, fetch};
use crate::table::Row;
use crate::{metric, process};

const SETTLING: Duration = Duration::from_secs(8);
/// What is looked at by itself: as long as the figures of pictures are gathered.
const ROUND: Duration = Duration::from_secs(5);
const ROUNDS: usize = 8;
const BLOCK: usize = 1024;

const LAG: &str = "outpost_picture_lag_seconds";
const GREATEST_LAG: &str = "outpost_picture_lag_greatest_seconds";
const BUSY: &str = "outpost_video_seconds_total";
const SENT: &str = "outpost_video_sent_total";

const CAMERA: &str = "[[stream]]
name = \"camera\"
[stream.video]
kind = \"synth\"
size = \"1280x720\"
rate = 30
encoder = \"x264\"
bitrate = \"2M\"
[stream.audio]
kind = \"synth\"
sound = \"clapper\"
bitrate = \"64k\"
";

/// Both, watched at the same time.
pub(crate) fn rows(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let watched = SETTLING + ROUND * ROUNDS as u32;
    eprintln!("The test card with its clapper, beside the encoders alone: {} s", watched.as_secs());
    let configuration = dir.join("card.toml");
    fs::write(&configuration, CAMERA)?;
    let outpost = Outpost::start(&["run", &configuration.display().to_string()], &[], &dir.join("card"));
    let alone = Encoders::start()?;
    sleep(SETTLING);

    let pid = outpost.child.id();
    let cpu = || [process::own_cpu_seconds(pid), alone.cpu_seconds()];
    let coded = || -> Result<_, String> {
        let metrics = fetch(&outpost.url("/metrics"))?;
        Ok([BUSY, SENT].map(|name| metric(&metrics, name)))
    };
    let (begin, mut before) = (coded()?, cpu());
    let (mut rests, mut lags, mut greatest) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        sleep(ROUND);
        let now = cpu();
        rests.push(((now[0] - before[0]) - (now[1] - before[1])) / ROUND.as_secs_f64() * 1e3);
        before = now;
        let metrics = fetch(&outpost.url("/metrics"))?;
        lags.push(metric(&metrics, LAG) * 1e3);
        greatest.push(metric(&metrics, GREATEST_LAG) * 1e3);
    }
    let end = coded()?;
    let encode = (end[0] - begin[0]) / (end[1] - begin[1]) * 1e3;
    eprintln!("    {rests:.1?} {lags:.1?} {greatest:.1?} {encode:.1} ms a picture");
    // One frame interval and one encode.
    let limit = (1e3 / 30.0 + encode).round();
    Ok(vec![
        Row::limit("720p30 + AAC, CPU per second besides the encoders", 8.0, median(rests), "ms"),
        Row::limit("picture captured -> in the ring, cuts apart", limit, median(lags), "ms").with_peer(
            "greatest of 5 s",
            median(greatest),
            "ms",
        ),
    ])
}

/// The one in the middle: what else the machine does disturbs some rounds.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Both encoders at work, each in a thread of its own.
struct Encoders {
    stop: Stop,
    /// Nanoseconds of processor time that went into making what they are given.
    making: Arc<Counter>,
    threads: Vec<JoinHandle<()>>,
}

impl Encoders {
    fn start() -> Result<Self, Box<dyn Error>> {
        let rate = FrameRate::new(30, 1).ok_or("a rate")?;
        let wanted = Wanted { size: "1280x720".parse()?, rate };
        let tuning = Tuning { bitrate: 2_000_000, rate };
        let params = VideoParams { size: wanted.size, rate, tuning, preset: Preset::Ultrafast };
        let video = choose::video(EncoderKind::X264, params)?.encoder;
        let params = AacParams { profile: AacProfile::Lc, bitrate: 64_000, channels: Channels::Mono };
        let audio = encode::aac(params)?;
        let (stop, making) = (Stop::new(), Arc::new(Counter::default()));
        let pictures = {
            let (stop, making) = (stop.clone(), Arc::clone(&making));
            thread::spawn(move || encode_pictures(video, wanted, &making, &stop))
        };
        let sound = {
            let (stop, making) = (stop.clone(), Arc::clone(&making));
            thread::spawn(move || encode_sound(audio, &making, &stop))
        };
        Ok(Self { stop, making, threads: vec![pictures, sound] })
    }

    fn cpu_seconds(&self) -> f64 {
        process::own_cpu_seconds(std::process::id()) - self.making.get() as f64 / 1e9
    }
}

impl Drop for Encoders {
    fn drop(&mut self) {
        self.stop.stop();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(RealClock)
}

/// What `make` gives, its cost to this thread added to `making`.
fn made<T>(making: &Counter, make: impl FnOnce() -> T) -> T {
    let spent = || process::thread_time().unwrap_or_default();
    let before = spent();
    let made = make();
    making.add((spent() - before).as_nanos() as u64);
    made
}

fn encode_pictures(mut encoder: Box<dyn VideoEncoder>, wanted: Wanted, making: &Counter, stop: &Stop) {
    let options = CardOptions { wanted, title: "camera".to_owned(), start: 0 };
    let mut card = TestCard::new(options, clock()).open().expect("it is always there");
    let mut cutter = Cutter::new(CutGrid::new(Span::from_millis(2000)));
    while !stop.is_stopped() {
        let glimpse = made(making, || card.read(Duration::from_millis(100)));
        let Ok(Glimpse::Shot(shot)) = glimpse else { continue };
        let Image::Raw(planes) = shot.image else { continue };
        let pts = shot.captured.to_pts();
        let ask = if cutter.is_cut(pts) { Ask::Idr } else { Ask::Any };
        let frame = VideoFrame { pts, size: wanted.size, planes, memory: None };
        encoder.encode(&frame, ask, &mut |_| {}).expect("it encodes");
    }
}

fn encode_sound(mut encoder: Box<dyn encode::AudioEncoder>, making: &Counter, stop: &Stop) {
    let mut card =
        Synth::new(SynthOptions::new(Sound::Clapper, 1), clock()).open().expect("it is always there");
    let mut samples = Vec::with_capacity(BLOCK);
    let mut pts = RealClock.now().to_pts();
    while !stop.is_stopped() {
        samples.clear();
        let heard = made(making, || card.read(&mut samples, BLOCK, Duration::from_millis(100)));
        let Ok(Capture::Frames { .. } | Capture::AfterLoss { .. }) = heard else { continue };
        let block = AudioBlock { pts, channels: 1, samples: &samples };
        encoder.encode(&block, &mut |_| {}).expect("it encodes");
        pts += Span::from_ticks(1920);
    }
}
