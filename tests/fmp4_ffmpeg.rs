//! Fragmented MP4 judged by ffmpeg, which also makes most of what goes into it.

#[path = "support/tool.rs"]
mod tool;

use std::path::Path;

use outpost::base::{Pts, Span};
use outpost::container::fmp4::{Mux, TrackConfig, init};
use outpost::media::aac::adts_frame_len;
use outpost::media::h264::{AccessUnits, NalType, ParameterSets, nal_units};
use outpost::media::{AacConfig, Entry, FrameRate, Packet, Track};

use tool::{Scratch, run, text};

/// What ffprobe says of a file's only stream, or of each of its packets.
fn probe(path: &Path, what: &str) -> Vec<String> {
    let said = run("ffprobe", &["-v", "warning", "-show_entries", what, "-of", "csv=p=0", text(path)]);
    let said = String::from_utf8(said).expect("text");
    said.lines().filter(|line| !line.is_empty()).map(|line| line.trim_end_matches(',').to_owned()).collect()
}

/// The decoded bytes' digest; decoding a file of ours says nothing, not even a warning.
fn digest(path: &Path) -> Vec<u8> {
    let level = if path.extension().is_some_and(|kind| kind == "mp4") { "warning" } else { "error" };
    run("ffmpeg", &["-v", level, "-i", text(path), "-fps_mode", "passthrough", "-f", "md5", "-"])
}

/// One second of a moving test card in four slices a picture, an IDR picture every 10, 25 a second.
fn film(size: &str) -> Vec<Vec<u8>> {
    let source = format!("testsrc2=s={size}:r=25:d=1");
    let make = ["-v", "error", "-f", "lavfi", "-i", &source, "-c:v", "libx264", "-preset", "ultrafast"];
    let slices =
        ["-g", "10", "-bf", "0", "-x264-params", "slices=4:aud=1:repeat-headers=1", "-f", "h264", "-"];
    let mut parser = AccessUnits::default();
    parser.push(&run("ffmpeg", &[&make[..], &slices].concat()));
    let mut units = Vec::new();
    for _ in 0..2 {
        while let Some(unit) = parser.next_unit() {
            units.push(unit.expect("ffmpeg writes no rubbish").to_vec());
        }
        parser.flush();
    }
    assert_eq!(units.len(), 25);
    units
}

fn entry(unit: &[u8]) -> Entry {
    let key = nal_units(unit).any(|nal| NalType::of(nal[0]) == NalType::Idr);
    if key { Entry::Key } else { Entry::Dependent }
}

/// Writes units in chunks of `len`.
fn write<'a>(track: &TrackConfig, units: impl Iterator<Item = Packet<'a>>, len: usize, path: &Path) {
    let (mut mux, mut file) = (Mux::new(track), vec![init(track)]);
    for (n, unit) in units.enumerate() {
        mux.push(&unit).expect("in order");
        if n % len == len - 1 {
            mux.finish(&mut file);
        }
    }
    mux.finish(&mut file);
    std::fs::write(path, file.concat()).expect("room on the disk");
}

#[test]
fn pictures_are_read_without_a_word_of_complaint() {
    let scratch = Scratch::new("fmp4-pictures");
    // The second is cropped: 1080 rows are no whole macroblocks.
    for (size, expected) in [("320x240", "h264,320,240,25/1"), ("1920x1080", "h264,1920,1080,25/1")] {
        let film = film(size);
        let sets = ParameterSets::of(&film[0]).expect("it begins with them");
        let track = TrackConfig::Video { sets, rate: FrameRate::new(25, 1).expect("a rate") };
        // Eleven hours after the machine's start.
        let start = 40_000 * 90_000;
        let units = film.iter().enumerate().map(|(n, data)| {
            let pts = Pts::from_ticks(start + n as i64 * 3_600);
            Packet { track: Track::Video, pts, dts: pts, entry: entry(data), data }
        });
        let (path, plain) = (scratch.file("film.mp4"), scratch.file("film.h264"));
        write(&track, units, 5, &path);
        std::fs::write(&plain, film.concat()).expect("room on the disk");

        assert_eq!(probe(&path, "stream=codec_name,width,height,avg_frame_rate"), [expected]);
        let expected: Vec<_> = film
            .iter()
            .enumerate()
            .map(|(n, data)| {
                let kept = |nal: &&[u8]| !matches!(nal[0] & 0x1F, 7..=9);
                let size: usize = nal_units(data).filter(kept).map(|nal| 4 + nal.len()).sum();
                let flags = if n % 10 == 0 { "K_" } else { "__" };
                let pts = start + n as i64 * 3_600;
                format!("{pts},{},3600,{size},{flags}", pts - 3_600)
            })
            .collect();
        assert_eq!(probe(&path, "packet=pts,dts,duration,size,flags"), expected);
        assert_eq!(digest(&path), digest(&plain));
    }
}

#[test]
fn pictures_that_jitter_are_shown_when_they_were_taken() {
    let scratch = Scratch::new("fmp4-jitter");
    let film = film("320x240");
    let sets = ParameterSets::of(&film[0]).expect("it begins with them");
    let track = TrackConfig::Video { sets, rate: FrameRate::new(25, 1).expect("a rate") };
    // Early and late by up to 5 ms, and one picture left out.
    let stamps: Vec<_> = (0..25).map(|n| 900_000 + (n + n / 13) * 3_600 + n * 7919 % 900 - 450).collect();
    let units = film.iter().zip(&stamps).map(|(data, pts)| {
        let pts = Pts::from_ticks(*pts);
        Packet { track: Track::Video, pts, dts: pts, entry: entry(data), data }
    });
    let path = scratch.file("film.mp4");
    write(&track, units, 4, &path);
    let found = probe(&path, "packet=pts");
    assert_eq!(found, stamps.iter().map(i64::to_string).collect::<Vec<_>>());
    digest(&path);
}

#[test]
fn sound_is_read_without_a_word_of_complaint() {
    let scratch = Scratch::new("fmp4-sound");
    let plain = scratch.file("tone.aac");
    let make = ["-v", "error", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=4"];
    run("ffmpeg", &[&make[..], &["-ac", "1", "-c:a", "aac", "-f", "adts", text(&plain)]].concat());
    let bytes = std::fs::read(&plain).expect("what ffmpeg wrote");
    let mut frames = Vec::new();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (frame, behind) = rest.split_at(adts_frame_len(rest).expect("a frame"));
        frames.push(&frame[7..]);
        rest = behind;
    }
    let track = TrackConfig::Audio(AacConfig::parse(&[0x12, 0x08]).expect("AAC-LC, 44.1 kHz, mono"));
    let start = Pts::from_ticks(900_000);
    let units = frames.iter().enumerate().map(|(n, data)| {
        let pts = start + Span::from_samples(n as i64 * 1024, 44_100);
        Packet { track: Track::Audio, pts, dts: pts, entry: Entry::Key, data }
    });
    let path = scratch.file("tone.mp4");
    write(&track, units, 9, &path);
    let expected = ["aac,LC,44100,1"];
    assert_eq!(probe(&path, "stream=codec_name,profile,sample_rate,channels"), expected);
    let packet = |(n, data): (usize, &&[u8])| format!("{},{}", 441_000 + n * 1024, data.len());
    let expected: Vec<_> = frames.iter().enumerate().map(packet).collect();
    assert_eq!(probe(&path, "packet=pts,size"), expected);
    assert_eq!(digest(&path), digest(&plain));
}

#[test]
#[cfg(feature = "fdk-aac")]
fn he_aac_is_told_by_its_configuration() {
    use outpost::encode::{self, AacParams, AacProfile};
    use outpost::media::{AudioBlock, Channels};

    let scratch = Scratch::new("fmp4-he");
    let params = AacParams { profile: AacProfile::He, channels: Channels::Stereo, bitrate: 48_000 };
    let mut encoder = encode::aac(params).expect("parameters that go together");
    let track = TrackConfig::Audio(encoder.config().clone());
    let samples: Vec<f32> = (0..2048).map(|n| (n as f32 / 20.0).sin() / 4.0).collect();
    let (mut mux, mut file, mut count) = (Mux::new(&track), vec![init(&track)], 0);
    for block in 0..96 {
        let pts = Pts::from_ticks(900_000) + Span::from_samples(block * 1024, 48_000);
        let block = AudioBlock { pts, channels: 2, samples: &samples };
        let mut take = |unit: &Packet<'_>| {
            mux.push(unit).expect("in order");
            count += 1;
        };
        encoder.encode(&block, &mut take).expect("it encodes");
    }
    mux.finish(&mut file);
    let path = scratch.file("he.mp4");
    std::fs::write(&path, file.concat()).expect("room on the disk");
    let about = probe(&path, "stream=codec_name,profile,sample_rate,channels");
    assert_eq!(about, ["aac,HE-AAC,48000,2"]);
    let found: Vec<i64> =
        probe(&path, "packet=pts").iter().map(|pts| pts.parse().expect("a number")).collect();
    assert_eq!(found.len(), count);
    assert!(found.windows(2).all(|pair| pair[1] - pair[0] == 2048), "{found:?}");
    digest(&path);
}
