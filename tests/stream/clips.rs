//! What was said, as a file: the right transmission, and nothing that a player complains of.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::station::{Station, stream, until};

/// Silence and two tones of their own pitch, again and again: from 2 to 4 s, and from 7 to 8.5 s.
const SPOKEN: &str = "aevalsrc=0.3*sin(2*PI*700*t)*between(mod(t\\,10)\\,2\\,4)\
    +0.3*sin(2*PI*1100*t)*between(mod(t\\,10)\\,7\\,8.5):s=48000";
const PATIENCE: Duration = Duration::from_secs(30);
const GUARDED: &str = "[stream.encryption]\nrotate = 3\n[stream.access]\ntoken = \"0123456789abcdef\"";

/// Where that comes from.
pub(crate) fn spoken() -> String {
    format!(
        "kind = \"command\", input = {{ rate = 48000, channels = 1 }}, command = [\"ffmpeg\", \"-nostdin\", \"-v\", \
         \"error\", \"-re\", \"-f\", \"lavfi\", \"-i\", {SPOKEN:?}, \"-f\", \"s16le\", \"pipe:1\"]"
    )
}

/// What a program that says nothing else prints.
pub(crate) fn quiet(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().expect("it starts (Debian: ffmpeg, curl)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{program} {arguments:?}: {said}");
    output.stdout
}

/// Fetches a clip into a file.
fn saved(station: &Station, path: &str, name: &str) -> PathBuf {
    let reply = station.get(path);
    let file = station.dir().join(name);
    assert_eq!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
    std::fs::write(&file, &reply.body).expect("room on the disk");
    file
}

pub(crate) fn samples(file: &std::path::Path) -> Vec<f32> {
    let file = file.to_str().expect("UTF-8");
    let pcm = quiet("ffmpeg", &["-v", "error", "-i", file, "-map", "0:a", "-f", "f32le", "-"]);
    pcm.chunks_exact(4).map(|it| f32::from_le_bytes(it.try_into().expect("four bytes"))).collect()
}

/// Of a tone, in hertz.
pub(crate) fn pitch(samples: &[f32]) -> f64 {
    let up = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
    up as f64 * 48_000.0 / samples.len() as f64
}

pub(crate) fn loud(samples: &[f32]) -> bool {
    samples.iter().fold(0.0f32, |most, it| most.max(it.abs())) > 0.1
}

#[test]
fn a_clip_of_a_transmission_is_that_transmission_with_a_little_air() {
    let station = Station::start("clips", &stream("radio", &spoken(), ""), &[]);
    let ended = |count: usize| {
        until("transmissions", PATIENCE, || {
            let told = station.get("/api/v1/streams/radio/markers?kind=transmission").text();
            let told: Value = serde_json::from_str(&told).expect("JSON");
            let told = told["markers"].as_array().expect("a list");
            let ended: Vec<_> = told.iter().filter(|it| !it["to"].is_null()).cloned().collect();
            (ended.len() >= count).then_some(ended)
        })
    };
    for (index, (hertz, seconds)) in [(700.0, 2.0), (1100.0, 1.5)].into_iter().enumerate() {
        // As soon as it has ended: its last segment is still to come.
        let marker = &ended(index + 1)[index];
        let id = marker["id"].as_str().expect("a name");
        let samples = samples(&saved(&station, &format!("/radio/clip?marker={id}"), "clip.m4a"));
        let length = samples.len() as f64 / 48_000.0;
        assert!((length - seconds - 0.8).abs() < 0.35, "{length} s of {seconds} s and air");
        let middle = &samples[samples.len() / 2 - 12_000..samples.len() / 2 + 12_000];
        assert!(loud(middle) && (pitch(middle) - hertz).abs() < 5.0, "{} Hz of {hertz}", pitch(middle));
        assert!(!loud(&samples[..6_000]), "air before");
        // By its time, there is no silence in it but for what it is heard late.
        let at = |end: &str| marker[end]["wall"].as_str().expect("a date").to_owned();
        let piece = format!("/radio/clip?from={}&to={}", at("from"), at("to"));
        let by_time = self::samples(&saved(&station, &piece, "piece.m4a"));
        let from_to = |it: &str| marker[it]["media_seconds"].as_f64().expect("a number");
        let meant = from_to("to") - from_to("from");
        assert!((by_time.len() as f64 / 48_000.0 - meant).abs() < 0.03, "{} samples", by_time.len());
        for format in ["aac", "ts"] {
            let file = saved(&station, &format!("{piece}&format={format}"), &format!("piece.{format}"));
            assert!(loud(&self::samples(&file)), "{format}");
        }
    }
}

#[test]
fn clips_of_an_enciphered_stream_are_for_those_who_may_have_its_keys() {
    let station = Station::start("clips-guarded", &stream("radio", "kind = \"synth\"", GUARDED), &[]);
    until("a window", PATIENCE, || {
        let reply = station.get("/radio/audio/index.m3u8");
        (reply.status == 200 && reply.text().matches("#EXTINF").count() >= 6).then_some(())
    });
    let now = jiff::Timestamp::now();
    let ago = |seconds: i64| now - jiff::SignedDuration::from_secs(seconds);
    let path = format!("/radio/clip?from={}&to={}", ago(5), ago(3));
    assert_eq!(station.get(&path).status, 401);
    let (bearer, file) = ("Authorization: Bearer 0123456789abcdef", station.dir().join("clip.m4a"));
    let file_name = file.to_str().expect("UTF-8");
    quiet("curl", &["-sS", "--fail", "-H", bearer, "-o", file_name, &station.url(&path)]);
    let length = samples(&file).len() as f64 / 48_000.0;
    assert!((length - 2.0).abs() < 0.03, "{length} s");
}

#[test]
fn a_clip_of_a_camera_begins_with_a_key_frame_and_both_tracks_together() {
    let camera = "[[stream]]\nname = \"camera\"\nwindow.segment = \"1s\"\n\
        video = { kind = \"synth\", size = \"320x180\", rate = 25, bitrate = \"300k\" }\n\
        audio = { kind = \"synth\", sound = \"clapper\" }\n";
    let station = Station::start("clips-camera", camera, &[]);
    until("a window", PATIENCE, || {
        let reply = station.get("/camera/video/index.m3u8");
        (reply.status == 200 && reply.text().matches("#EXTINF").count() >= 6).then_some(())
    });
    let now = jiff::Timestamp::now();
    let ago = |millis: i64| now - jiff::SignedDuration::from_millis(millis);
    let file = saved(&station, &format!("/camera/clip?from={}&to={}", ago(5_000), ago(2_500)), "clip.mp4");
    let file = file.to_str().expect("UTF-8");
    let told = quiet("ffprobe", &["-v", "warning", "-show_streams", "-show_format", "-of", "json", file]);
    let told: Value = serde_json::from_slice(&told).expect("JSON");
    let kinds: Vec<_> = (0..2).map(|n| told["streams"][n]["codec_name"].clone()).collect();
    assert_eq!(kinds, ["h264", "aac"]);
    for stream in told["streams"].as_array().expect("a list") {
        assert_eq!(stream["start_time"], "0.000000", "{stream}");
    }
    let length: f64 = told["format"]["duration"].as_str().and_then(|it| it.parse().ok()).expect("a number");
    assert!((2.4..3.6).contains(&length), "from the key frame before: {length} s");
    let first = quiet(
        "ffprobe",
        &["-v", "warning", "-select_streams", "v", "-show_entries", "packet=flags", "-of", "csv=p=0", file],
    );
    assert!(first.starts_with(b"K"));
    quiet("ffmpeg", &["-v", "warning", "-i", file, "-f", "null", "-"]);
    // Its sound alone.
    let path = format!("/camera/clip?from={}&to={}&format=m4a", ago(5_000), ago(4_000));
    let alone = samples(&saved(&station, &path, "clip.m4a"));
    assert!((alone.len() as f64 / 48_000.0 - 1.0).abs() < 0.03, "{} samples", alone.len());
}
