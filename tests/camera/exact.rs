//! The test card comes out frame by frame, and its flash with its beep.

use std::sync::PoisonError;
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
    let _alone = crate::MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
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
    let frames = card::watch(&whole);
    let pictures = all_there(&frames, 30.0, &station);
    assert!(pictures > 60 * 30);
    for picture in packets(&whole, "v:0", "pts,dts") {
        assert_eq!(picture[0], picture[1], "no B-frames");
    }
    // The playlist says how long that is.
    let listed: f64 = playlist.segments.iter().map(|segment| f64::from(segment.duration)).sum();
    let shown = f64::from(pictures) / 30.0;
    assert!((listed - shown).abs() < 1.0 / 30.0, "EXTINF add up to {listed} s, the pictures to {shown} s");
    in_step(&frames, &card::hear(&whole));
    station.log();
}

/// No picture comes twice or too early, each comes at its time, and none is missing but those the program says it
/// left out, which it may on a machine that is busy with something else. Says how many there were, those among
/// them.
fn all_there(frames: &[Frame], rate: f64, station: &Station) -> u32 {
    let mut missing = 0;
    for (n, pair) in frames.windows(2).enumerate() {
        let [before, after] = pair else { unreachable!("windows of two") };
        let (counter, next) = (before.reading.counter, after.reading.counter);
        assert!(next > counter, "picture {n} at {:.3} s: {next} after {counter}", before.pts);
        missing += next - counter - 1;
        let step = after.pts - before.pts;
        assert!((step - f64::from(next - counter) / rate).abs() < 0.0005, "picture {n}: {step} s");
    }
    let pictures = frames.len() as u32 + missing;
    let told = station.metric("outpost_video_dropped_total") + station.metric("outpost_camera_missed_total");
    assert!(f64::from(missing) <= told, "{missing} pictures are missing, and {told} were told of");
    assert!(told == 0.0 || is_busy(), "{told} pictures were left out although there was time for them");
    assert!(missing * 20 < pictures, "{missing} of {pictures} are missing: too busy a machine to judge");
    pictures
}

/// Whether others wanted more than all there is of the processors, over the last minute.
fn is_busy() -> bool {
    let loads = std::fs::read_to_string("/proc/loadavg").expect("Linux");
    let load: f64 = loads.split(' ').next().and_then(|load| load.parse().ok()).expect("a number");
    load > std::thread::available_parallelism().map_or(1, |cores| cores.get()) as f64
}

/// Every flash has its beep within 20 ms, but for one at the very beginning, of which the sound may have no beginning.
fn in_step(frames: &[Frame], (begin, samples): &(f64, Vec<f32>)) {
    // Where a picture is missing, it may be the one with which the flash began.
    let whole = frames.chunk_by(|before, after| after.reading.counter == before.reading.counter + 1);
    let flashes: Vec<_> = whole.flat_map(card::flashes).collect();
    let beeps: Vec<_> = card::beeps(samples, 48_000).into_iter().map(|beep| begin + beep).collect();
    assert!(flashes.len() > 50, "{flashes:?}");
    for flash in flashes.into_iter().filter(|flash| *flash > begin + card::PAUSE + 0.020) {
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
    all_there(&frames, 15.0, &station);
    let tracks = eye::say(
        "ffprobe",
        &["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", eye::text(&whole)],
    );
    assert_eq!(
        tracks.split_whitespace().collect::<Vec<_>>(),
        ["h264", "timed_id3", "h264", "timed_id3"],
        "the program's list and the file's: pictures, and the time of day"
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
