//! A stream of several renditions: the same time has the same number in all of them, and begins with the same
//! picture.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use m3u8_rs::{MediaPlaylist, MediaSegment};

use crate::eye::{first_units, packets, say, text};
use crate::station::{Station, until};

const CAMERA: &str = "[[stream]]
name = \"camera\"
video = { kind = \"synth\", size = \"640x360\", rate = 30, bitrate = \"1M\", encoder = \"x264\" }
audio = { kind = \"synth\", sound = \"clapper\" }
[[stream.rendition]]
size = \"320x180\"
bitrate = \"300k\"
encoder = \"x264\"
[[stream.rendition]]
name = \"thumb\"
size = \"160x90\"
rate = 10
bitrate = \"100k\"
encoder = \"x264\"
";
const RENDITIONS: [(&str, Option<&str>); 4] = [
    ("video", Some("640x360 30/1")),
    ("180p", Some("320x180 30/1")),
    ("thumb", Some("160x90 10/1")),
    ("audio", None),
];

fn playlist(station: &Station, rendition: &str) -> MediaPlaylist {
    let path = format!("/camera/{rendition}/index.m3u8");
    let reply = until(&path, Duration::from_secs(20), || {
        let reply = station.get(&path);
        (reply.status == 200).then_some(reply)
    });
    m3u8_rs::parse_media_playlist_res(&reply.body).expect("m3u8-rs reads the playlist")
}

/// Each segment with its number and its date in seconds: that of the list's first, and as much as has been listed
/// since.
fn dated(playlist: &MediaPlaylist) -> Vec<(u64, f64, &MediaSegment)> {
    let mut date = f64::NAN;
    let dated = playlist.segments.iter().zip(playlist.media_sequence..).map(|(segment, number)| {
        if let Some(told) = segment.program_date_time {
            date = told.timestamp_micros() as f64 / 1e6;
        }
        let begins = date;
        date += f64::from(segment.duration);
        (number, begins, segment)
    });
    dated.collect()
}

fn fetch(station: &Station, rendition: &str, segment: &MediaSegment) -> PathBuf {
    let reply = station.get(&format!("/camera/{rendition}/{}", segment.uri));
    assert_eq!(reply.status, 200, "{rendition}: {}", segment.uri);
    let path = station.dir().join(format!("{rendition}-{}", segment.uri));
    fs::write(&path, reply.body).expect("room for a segment");
    path
}

/// PTS of a segment's first unit of a track.
fn first_pts(file: &Path, track: &str) -> i64 {
    packets(file, track, "pts")[0][0].parse().expect("a PTS")
}

#[test]
fn renditions_agree_on_numbers_dates_and_cuts() {
    let _alone = crate::MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let station = Station::start("ladder", CAMERA, &[]);
    until("twelve seconds of all", Duration::from_secs(40), || {
        let lists = RENDITIONS.map(|(rendition, _)| playlist(&station, rendition).segments.len());
        lists.iter().all(|count| *count >= 7).then_some(())
    });
    let lists = RENDITIONS.map(|(rendition, _)| playlist(&station, rendition));
    let all = lists.each_ref().map(dated);
    for list in &lists {
        assert_eq!(list.target_duration, lists[0].target_duration);
        assert_eq!(list.discontinuity_sequence, lists[0].discontinuity_sequence);
    }
    for (number, date, segment) in all[0].iter().skip(1).take(4) {
        let mut cuts: Vec<i64> = Vec::new();
        for (((rendition, format), list), others) in RENDITIONS.iter().zip(&lists).zip(&all) {
            let name = format!("{rendition}/{number}");
            let (_, other, twin) = others.iter().find(|other| other.0 == *number).expect(&name);
            assert!((other - date).abs() < 0.034, "{name} begins {:.3} s later", other - date);
            assert_eq!(twin.discontinuity, segment.discontinuity, "{name}");
            assert!(twin.duration.round() as u64 <= list.target_duration, "{name}");
            let file = fetch(&station, rendition, twin);
            let sound = first_pts(&file, "a:0");
            let Some(format) = format else {
                assert!((sound - cuts[0]).abs() < 90_000 / 20, "{name}: cut where the pictures are");
                continue;
            };
            cuts.push(first_pts(&file, "v:0"));
            let units = first_units(&file);
            assert_eq!(units[..3], [9, 7, 8], "{name}: AUD, SPS, PPS: {units:?}");
            assert!(units[3..].iter().all(|unit| *unit == 5), "{name}: then IDR slices alone: {units:?}");
            let shown = say(
                "ffprobe",
                &[
                    "-v",
                    "error",
                    "-select_streams",
                    "v:0",
                    "-show_entries",
                    "stream=width,height,r_frame_rate",
                    "-of",
                    "csv=p=0",
                    text(&file),
                ],
            );
            let shown = shown.lines().next().unwrap_or_default().replacen(',', "x", 1).replace(',', " ");
            assert_eq!(shown.trim(), *format, "{name}");
        }
        assert!(cuts.iter().all(|cut| *cut == cuts[0]), "{number} begins with the same picture: {cuts:?}");
    }
    multivariant(&station);
    let status = station.status("camera");
    let names: Vec<_> =
        status["renditions"].as_array().expect("a list").iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["video", "180p", "thumb", "audio"]);
    assert!(station.get("/metrics").text().contains("rendition=\"thumb\""));
    let log = station.log();
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

/// What a player can choose between.
fn multivariant(station: &Station) {
    let reply = station.get("/camera/index.m3u8");
    let master = m3u8_rs::parse_master_playlist_res(&reply.body).expect("m3u8-rs reads the playlist");
    let variants: Vec<_> = master
        .variants
        .iter()
        .map(|variant| {
            let size = variant.resolution.map(|size| format!("{}x{}", size.width, size.height));
            let codecs = variant.codecs.as_deref().unwrap_or_default().split(',').count();
            (variant.uri.as_str(), size.unwrap_or_default(), codecs, variant.frame_rate.unwrap_or_default())
        })
        .collect();
    assert_eq!(
        variants,
        [
            ("video/index.m3u8", "640x360".to_owned(), 2, 30.0),
            ("180p/index.m3u8", "320x180".to_owned(), 2, 30.0),
            ("thumb/index.m3u8", "160x90".to_owned(), 2, 10.0),
            ("audio/index.m3u8", String::new(), 1, 0.0),
        ]
    );
    let rates: Vec<_> = master.variants.iter().map(|variant| variant.bandwidth).collect();
    assert!(rates.windows(2).all(|two| two[0] > two[1]), "each takes less than the one before: {rates:?}");
}
