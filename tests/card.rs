//! The test card, coded as badly as a stream may ever be, is still read without an error.

mod support;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use outpost::base::{Monotonic, SimClock, WallTime};
use outpost::media::{FrameRate, Picture, Planes, Size};
use outpost::source::synth::{Sound, Synth, SynthOptions};
use outpost::source::video::synth::{CardOptions, TestCard};
use outpost::source::video::{Glimpse, Image, VideoDevice, VideoInput, Wanted};
use outpost::source::{AudioDevice, Capture};
use support::card::{self, Light};

fn clock() -> Arc<SimClock> {
    Arc::new(SimClock::new(Monotonic::from_nanos(1_300_000_000), WallTime::from_unix_nanos(0)))
}

fn open(clock: &Arc<SimClock>, size: Size, start: u32) -> Box<dyn VideoInput> {
    let rate = FrameRate::new(30, 1).expect("a rate");
    let options = CardOptions { wanted: Wanted { size, rate }, title: "Clapper".to_owned(), start };
    TestCard::new(options, clock.clone()).open().expect("it is always there")
}

/// Codes four seconds of the card with x264 ultrafast at `bitrate`.
fn coded(size: Size, start: u32, bitrate: &str) -> PathBuf {
    let file = std::env::temp_dir().join(format!("outpost-card-{}-{size}-{start}.ts", std::process::id()));
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-y", "-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-r", "30"])
        .args(["-s", &size.to_string(), "-i", "-", "-c:v", "libx264", "-preset", "ultrafast", "-tune"])
        .args(["zerolatency", "-b:v", bitrate, "-maxrate", bitrate, "-bufsize", bitrate])
        .arg(&file)
        .stdin(Stdio::piped())
        .spawn()
        .expect("ffmpeg runs (Debian package ffmpeg)");
    let mut pipe = ffmpeg.stdin.take().expect("a pipe");
    let mut input = open(&clock(), size, start);
    for _ in 0..120 {
        let Ok(Glimpse::Shot(shot)) = input.read(Duration::from_secs(1)) else { panic!("no shot") };
        let Image::Raw(Planes::I420(planes)) = shot.image else { panic!("{shot:?}") };
        planes.iter().for_each(|plane| pipe.write_all(plane.data).expect("ffmpeg takes it"));
    }
    drop(pipe);
    assert!(ffmpeg.wait().expect("it ends").success());
    file
}

#[test]
fn counter_and_flash_survive_x264_at_low_bitrates() {
    for (size, start, bitrate) in
        [("160x120", 0, "60k"), ("640x360", u32::MAX - 60, "250k"), ("1280x720", 0xAAAA_AAAA, "600k")]
    {
        let file = coded(size.parse().expect("a size"), start, bitrate);
        let frames = card::watch(&file);
        std::fs::remove_file(&file).expect("it was written");
        let counters: Vec<_> = frames.iter().map(|frame| frame.reading.counter).collect();
        let expected: Vec<_> = (0..120).map(|n| start.wrapping_add(n)).collect();
        assert_eq!(counters, expected, "{size}");
        // It begins 0.7 s before a whole second.
        let flashes: Vec<_> = card::flashes(&frames).iter().map(|pts| pts - frames[0].pts).collect();
        let close = |(at, expected): (&f64, f64)| (at - expected).abs() < 1e-3;
        assert!(flashes.len() == 4 && flashes.iter().zip([0.7, 1.7, 2.7, 3.7]).all(close), "{flashes:?}");
        let lit = frames.iter().filter(|frame| frame.reading.light == Light::Flash).count();
        assert_eq!(lit, 4 * 3, "100 ms each, {size}");
    }
}

#[test]
fn what_is_not_the_card_is_not_read() {
    let size: Size = "320x240".parse().expect("a size");
    let grey = vec![126; 320 * 240];
    assert_eq!(card::read(&grey, 320, 240), Err("bit 31 has luma 126".to_owned()));
    let black = Picture::black(size);
    let Planes::I420([luma, ..]) = black.planes() else { panic!("it is planar") };
    let error = card::read(luma.data, 320, 240).expect_err("black has no bars");
    assert!(error.starts_with("neither bars nor flash"), "{error}");
}

#[test]
fn beeps_begin_with_the_flashes() {
    let clock = clock();
    let options = SynthOptions::new(Sound::Clapper, 1);
    let mut input = Synth::new(options, clock.clone()).open().expect("it is always there");
    let mut samples = Vec::new();
    while samples.len() < 4 * 48_000 {
        let got = input.read(&mut samples, 4_800, Duration::from_secs(1)).expect("no errors");
        assert!(matches!(got, Capture::Frames { .. }), "{got:?}");
    }
    let beeps = card::beeps(&samples, 48_000);
    // A sine of 1 kHz takes a twelfth of a millisecond to reach half of its peak.
    let close = |(at, expected): (&f64, f64)| (-2e-5..2e-4).contains(&(at - expected));
    assert!(beeps.len() == 4 && beeps.iter().zip([0.7, 1.7, 2.7, 3.7]).all(close), "{beeps:?}");
}
