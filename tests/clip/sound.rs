//! Clips of sound are exact to the sample.

use outpost::clip::{Kind, LONGEST, Refusal, cut};

use crate::tool::Scratch;
use crate::window::{RATE, at, heard, mono, probe, radio, sweep, write};

/// All the sweep, as the same decoder hears it.
fn whole(scratch: &Scratch) -> Vec<f32> {
    let config = mono();
    let framed = sweep().iter().flat_map(|it| {
        let header = config.adts_header(it.len()).expect("short enough");
        [&header[..], it].concat()
    });
    let path = scratch.file("whole.aac");
    std::fs::write(&path, framed.collect::<Vec<_>>()).expect("room on the disk");
    heard(&path)
}

fn samples(millis: i64) -> usize {
    (millis * i64::from(RATE) / 1000) as usize
}

#[test]
fn a_clip_has_the_very_samples_that_were_asked_for() {
    let scratch = Scratch::new("clip-sound");
    let (window, whole) = (radio(), whole(&scratch));
    // Within a segment, across segments, from the very beginning, whole frames, to the end and beyond.
    for (from, to) in [(500, 1_500), (1_333, 5_777), (0, 1_000), (128, 1_280), (7_001, 9_000), (3_000, 3_010)]
    {
        let path = write(&scratch, &window, (from, to), Kind::M4a).expect("a clip");
        let heard = heard(&path);
        let end = samples(to).min(sweep().len() * 1024);
        let expected = &whole[samples(from)..end];
        // ffmpeg 5 decodes the last frame to its end, whatever the edit list says.
        let more = heard.len().checked_sub(expected.len());
        assert!(more.is_some_and(|it| it < 1024), "{from}..{to}: {} for {}", heard.len(), expected.len());
        let off = heard.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-4, "{from}..{to}: off by {off}");
        let told =
            probe(&path, "a", "format=duration:stream=codec_name,profile,sample_rate,channels,start_time");
        assert_eq!(told[0], format!("aac,LC,{RATE},1,0.000000"));
        let seconds: f64 = told[1].parse().expect("a number");
        assert!((seconds - expected.len() as f64 / f64::from(RATE)).abs() < 0.0011, "{told:?}");
    }
}

#[test]
fn adts_has_whole_frames_whose_middle_lies_within() {
    let scratch = Scratch::new("clip-adts");
    let window = radio();
    let path = write(&scratch, &window, (1_333, 5_777), Kind::Aac).expect("a clip");
    // Frames of 1,024 samples; the 62nd's middle lies at 1,333.3 ms.
    let count = (0..sweep().len()).filter(|n| (1_333..5_777).contains(&((n * 1024 + 512) / 48))).count();
    assert_eq!(probe(&path, "a", "packet=size").len(), count);
    assert_eq!(heard(&path).len(), count * 1024);
}

/// ADTS names the core coder alone, and so does the clip: what is above it, decoders find.
#[test]
#[cfg(feature = "fdk-aac")]
fn he_aac_is_cut_as_exactly() {
    let scratch = Scratch::new("clip-he");
    let window = crate::window::thrifty();
    let path = write(&scratch, &window, (1_333, 5_777), Kind::M4a).expect("a clip");
    // Where the configuration does not say it, ffmpeg expects parametric stereo of one channel.
    assert_eq!(probe(&path, "a", "stream=codec_name,profile,sample_rate"), ["aac,HE-AACv2,48000"]);
    let heard = heard(&path);
    let (expected, frame) = (samples(5_777) - samples(1_333), 2048);
    assert!((expected - 2..expected + frame).contains(&heard.len()), "{} for {expected}", heard.len());
    let crossings = heard.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count() as f64;
    let hertz = crossings * f64::from(RATE) / heard.len() as f64;
    assert!((hertz - 440.0).abs() < 1.0, "{hertz} Hz");
}

#[test]
fn what_cannot_be_cut_is_refused() {
    let window = radio();
    let refused = |from, to, kind| cut(&window, at(from)..at(to), kind).map(|_| ());
    for kind in [Kind::M4a, Kind::Aac, Kind::Mp4, Kind::Ts] {
        assert!(matches!(refused(-9_000, -5_000, kind), Err(Refusal::Nothing(_))), "{kind:?}");
        assert!(matches!(refused(20_000, 25_000, kind), Err(Refusal::Nothing(_))), "{kind:?}");
        let long = LONGEST.ticks() / 90 + 1;
        assert!(matches!(refused(0, long, kind), Err(Refusal::TooLong(_))), "{kind:?}");
    }
    assert_eq!(refused(0, 5_000, Kind::Mp4), Err(Refusal::Nothing("picture to begin with")));
}
