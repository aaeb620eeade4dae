//! The test card comes out frame by frame, and its flash with its beep.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::card::{self, Frame};
use crate::eye::{self, fetch, first_units, packets};
use crate::station::{Station, until};

/// A small picture: two cores decode, encode and judge at the same time.
const CAMERA: &str = "[[stream]]
name = \"camera\"
[stream.video]
kind = \"synth\"
size = \"640x360\"
rate = 30
bitrate = \"1M\"
encoder = \"x264\"
[stream.audio]
kind = \"synth\"
sound = \"clapper\"
";

#[test]
fn a_minute_of_the_test_card_is_whole_in_order_and_in_step_with_its_sound() {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let station = Station::start("exact", CAMERA, &[]);
    let playlist = eye::seconds(&station, "camera", 4.0);
    let first = playlist.segments[0].program_date_time.expect("a date").timestamp_micros() as f64 / 1e6;
    assert!(
        (0.0..0.5).contains(&(first - started)),
        "the first picture came {:.3} s after the start",
        first - started
    );

    let playlist = eye::seconds(&station, "camera", 62.0);
    let (whole, files) = fetch(&station, "camera", &playlist);
    // Every segment can be begun with.
    for file in &files {
        let units = first_units(file);
        assert_eq!(units[..3], [9, 7, 8], "AUD, SPS, PPS: {units:?}");
        assert!(units[3..].iter().all(|unit| *unit == 5), "then IDR slices alone: {units:?}");
    }
    // No picture is missing, none comes twice or too early, each at its time.
    let frames = card::watch(&whole);
    assert!(frames.len() > 60 * 30);
    for (n, pair) in frames.windows(2).enumerate() {
        let [before, after] = pair else { unreachable!("windows of two") };
        assert_eq!(after.reading.counter, before.reading.counter + 1, "picture {n} at {:.3} s", before.pts);
        let step = after.pts - before.pts;
        assert!((step - 1.0 / 30.0).abs() < 0.0005, "picture {n}: {step} s");
    }
    for picture in packets(&whole, "v:0", "pts,dts") {
        assert_eq!(picture[0], picture[1], "no B-frames");
    }
    // The playlist says how long that is.
    let listed: f64 = playlist.segments.iter().map(|segment| f64::from(segment.duration)).sum();
    let shown = frames.len() as f64 / 30.0;
    assert!((listed - shown).abs() < 1.0 / 30.0, "EXTINF add up to {listed} s, the pictures to {shown} s");
    in_step(&frames, &card::hear(&whole));
    assert_eq!(station.metric("outpost_video_dropped_pictures_total"), 0.0);
    station.log();
}

/// Every flash has its beep within 20 ms.
fn in_step(frames: &[Frame], (begin, samples): &(f64, Vec<f32>)) {
    let flashes = card::flashes(frames);
    let beeps: Vec<_> = card::beeps(samples, 48_000).into_iter().map(|beep| begin + beep).collect();
    assert!(flashes.len() > 50, "{flashes:?}");
    for flash in flashes {
        let apart = beeps.iter().map(|beep| beep - flash).min_by(|a, b| a.abs().total_cmp(&b.abs()));
        let apart = apart.expect("a beep");
        assert!(apart.abs() < 0.020, "the beep comes {:.1} ms after the flash at {flash:.3} s", apart * 1e3);
    }
}

#[test]
fn pictures_alone_and_sound_alone_come_from_the_same_program() {
    let streams = "[[stream]]
name = \"mute\"
[stream.video]
kind = \"synth\"
size = \"320x240\"
rate = 15
[[stream]]
name = \"blind\"
[stream.audio]
kind = \"synth\"
";
    let station = Station::start("alone", streams, &[]);
    let playlist = eye::seconds(&station, "mute", 6.0);
    let (whole, _) = fetch(&station, "mute", &playlist);
    let frames = card::watch(&whole);
    assert!(frames.windows(2).all(|pair| pair[1].reading.counter == pair[0].reading.counter + 1));
    let tracks = eye::say(
        "ffprobe",
        &["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", eye::text(&whole)],
    );
    assert_eq!(
        tracks.split_whitespace().collect::<Vec<_>>(),
        ["h264", "h264"],
        "the program's list and the file's"
    );
    let sound = until("sound", Duration::from_secs(20), || {
        let reply = station.get("/blind/audio/index.m3u8");
        (reply.status == 200).then(|| reply.text())
    });
    assert!(sound.contains("#EXTINF"), "{sound}");
    let multivariant = station.get("/mute/index.m3u8").text();
    assert!(
        multivariant.contains("RESOLUTION=320x240") && multivariant.contains("FRAME-RATE=15.000"),
        "{multivariant}"
    );
    assert!(multivariant.contains("CODECS=\"avc1.42c0"), "{multivariant}");
}
