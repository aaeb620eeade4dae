//! Segments fetched from a station, and what ffmpeg and ffprobe find in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use m3u8_rs::MediaPlaylist;

use crate::station::{Station, until};

/// A rendition's playlist, once it is there.
pub(crate) fn playlist(station: &Station, stream: &str) -> MediaPlaylist {
    let path = format!("/{stream}/video/index.m3u8");
    let reply = until(&path, Duration::from_secs(20), || {
        let reply = station.get(&path);
        (reply.status == 200).then_some(reply)
    });
    m3u8_rs::parse_media_playlist_res(&reply.body).expect("m3u8-rs reads the playlist")
}

/// The playlist once it lists at least so many seconds.
pub(crate) fn seconds(station: &Station, stream: &str, least: f64) -> MediaPlaylist {
    until(&format!("{least} s of {stream}"), Duration::from_secs_f64(least + 20.0), || {
        let playlist = playlist(station, stream);
        let length: f64 = playlist.segments.iter().map(|segment| f64::from(segment.duration)).sum();
        (length >= least).then_some(playlist)
    })
}

/// All segments of a playlist, one after the other in one file, and each by itself.
pub(crate) fn fetch(station: &Station, stream: &str, playlist: &MediaPlaylist) -> (PathBuf, Vec<PathBuf>) {
    let mut whole = Vec::new();
    let files = playlist.segments.iter().map(|segment| {
        let reply = station.get(&format!("/{stream}/video/{}", segment.uri));
        assert_eq!(reply.status, 200, "{}", segment.uri);
        whole.extend_from_slice(&reply.body);
        let path = station.dir().join(&segment.uri);
        fs::write(&path, reply.body).expect("room for a segment");
        path
    });
    let files = files.collect();
    let path = station.dir().join(format!("{stream}-whole.ts"));
    fs::write(&path, whole).expect("room for the segments");
    (path, files)
}

/// What a program says; it must succeed and complain of nothing.
pub(crate) fn say(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program} does not run: {error} (Debian: ffmpeg)"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && words.is_empty(), "{program} {arguments:?}: {words}");
    String::from_utf8(output.stdout).expect("text")
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a name in UTF-8")
}

/// What ffprobe tells of each packet of a track, a row of `fields` each.
pub(crate) fn packets(media: &Path, track: &str, fields: &str) -> Vec<Vec<String>> {
    let show = format!("packet={fields}");
    let rows = say(
        "ffprobe",
        &[
            "-v",
            "error",
            "-select_streams",
            track,
            "-show_entries",
            &show,
            "-of",
            "compact=nk=1:p=0",
            text(media),
        ],
    );
    let cells = |row: &str| row.split('|').map(str::to_owned).collect();
    rows.lines().filter(|row| !row.is_empty()).map(cells).collect()
}

/// The NAL unit types of the first access unit in a segment, as ffmpeg takes it out.
pub(crate) fn first_units(segment: &Path) -> Vec<u8> {
    let stream = segment.with_extension("h264");
    say(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-y",
            "-i",
            text(segment),
            "-map",
            "0:v",
            "-c",
            "copy",
            "-frames:v",
            "1",
            "-f",
            "h264",
            text(&stream),
        ],
    );
    let bytes = fs::read(&stream).expect("an elementary stream");
    bytes.windows(4).filter(|four| four[..3] == [0, 0, 1]).map(|four| four[3] & 0x1F).collect()
}
