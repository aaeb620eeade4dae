//! What is kept in a folder: whole files, whatever becomes of the program or the disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::clips::{loud, pitch, quiet, samples, spoken};
use crate::station::{Station, folder, stream, until};

const PATIENCE: Duration = Duration::from_secs(40);

/// What configures it.
fn keep(folder: &Path, more: &str) -> String {
    format!("[stream.keep]\nfolder = {folder:?}\n{more}\n")
}

/// The files of the stream `radio`, the oldest first.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|it| it.expect("an entry").path()).collect();
    files.retain(|it| it.to_string_lossy().contains("Z-radio."));
    files.sort();
    files
}

fn whole(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut files = files(folder);
    files.retain(|it| it.to_string_lossy().ends_with(end));
    files
}

/// All that was kept, in one.
fn bytes(files: &[PathBuf]) -> Vec<u8> {
    files.iter().flat_map(|it| fs::read(it).expect("a file")).collect()
}

/// The segments listed now.
fn segments(station: &Station) -> Vec<Vec<u8>> {
    let playlist = station.playlist("radio");
    let fetch = |uri: &str| {
        let reply = station.get(&format!("/radio/audio/{uri}"));
        assert_eq!(reply.status, 200, "{uri}");
        reply.body
    };
    playlist.segments.iter().map(|it| fetch(&it.uri)).collect()
}

/// Asks the program to end, and waits until it has.
fn terminate(station: &Station) {
    let pid = station.pid();
    let done = Command::new("kill").args(["-TERM", &pid.to_string()]).status().expect("kill runs");
    assert!(done.success());
    until("the end", PATIENCE, || {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        state.rsplit(')').next()?.trim_start().starts_with('Z').then_some(())
    });
}

fn kept(station: &Station) -> Value {
    station.status("radio")["keep"].clone()
}

/// Waits until it is kept well, or not: with its cause.
fn until_kept(station: &Station, state: &str, cause: &str) -> Value {
    until(&format!("{state} {cause}"), PATIENCE, || {
        let kept = kept(station);
        let told = kept["cause"].as_str().unwrap_or_default();
        (kept["state"] == state && told.contains(cause)).then(|| kept.clone())
    })
}

#[test]
fn each_transmission_becomes_a_file_that_plays() {
    let place = folder("kept-spoken");
    let station = Station::start("kept-a", &stream("radio", &spoken(), &keep(&place, "")), &[]);
    let found =
        until("two transmissions", PATIENCE, || Some(whole(&place, ".m4a")).filter(|found| found.len() >= 2));
    for (file, (hertz, seconds)) in found.iter().zip([(700.0, 2.0), (1100.0, 1.5)]) {
        let name = file.to_str().expect("UTF-8");
        quiet("ffprobe", &["-v", "warning", "-show_streams", name]);
        let samples = samples(file);
        let length = samples.len() as f64 / 48_000.0;
        assert!((length - seconds - 0.8).abs() < 0.35, "{length} s of {seconds} s and air");
        let middle = &samples[samples.len() / 2 - 12_000..samples.len() / 2 + 12_000];
        assert!(loud(middle) && (pitch(middle) - hertz).abs() < 5.0, "{} Hz of {hertz}", pitch(middle));
    }
    until("figures", PATIENCE, || (kept(&station)["files"].as_u64() >= Some(2)).then_some(()));
    assert_eq!(kept(&station)["state"], "well");
    assert_eq!(station.metric("outpost_keep_lost_seconds_total"), 0.0);
    drop(station);
    fs::remove_dir_all(&place).expect("removed");
}

#[test]
fn a_transmission_beside_pictures_is_a_film() {
    let place = folder("kept-film");
    let camera = format!(
        "[[stream]]\nname = \"radio\"\nwindow.segment = \"1s\"\n\
         video = {{ kind = \"synth\", size = \"320x180\", rate = 10, bitrate = \"200k\" }}\n\
         audio = {{ {} }}\n{}",
        spoken(),
        keep(&place, "")
    );
    let station = Station::start("kept-e", &camera, &[]);
    let found = until("a film", PATIENCE, || whole(&place, ".mp4").pop());
    let name = found.to_str().expect("UTF-8");
    let told = quiet("ffprobe", &["-v", "warning", "-show_streams", "-show_format", "-of", "json", name]);
    let told: Value = serde_json::from_slice(&told).expect("JSON");
    let kinds: Vec<_> = (0..2).map(|n| told["streams"][n]["codec_name"].clone()).collect();
    assert_eq!(kinds, ["h264", "aac"]);
    let length: f64 = told["format"]["duration"].as_str().and_then(|it| it.parse().ok()).expect("a number");
    assert!((2.4..4.3).contains(&length), "from the key frame before: {length} s");
    // Its last second and a half is tone, but for the air and what the squelch hangs.
    let samples = samples(&found);
    let tone = &samples[samples.len() - 72_000..samples.len() - 60_000];
    assert!(loud(tone) && (pitch(tone) - 700.0).abs() < 8.0, "{} Hz", pitch(tone));
    drop(station);
    fs::remove_dir_all(&place).expect("removed");
}

#[test]
fn everything_is_there_but_for_the_last_seconds_of_a_power_cut() {
    let place = folder("kept-everything");
    let source = "kind = \"synth\"";
    let more = keep(&place, "what = \"everything\"");
    let mut station = Station::start("kept-b", &stream("radio", source, &more), &[]);
    let first = until("two writes", PATIENCE, || {
        let found = bytes(&files(&place));
        (!found.is_empty()).then_some(found.len())
    });
    until("a second write", PATIENCE, || (bytes(&files(&place)).len() > first).then_some(()));
    let sent = segments(&station);
    station.kill();
    let before = files(&place);
    let found = bytes(&before);
    let (mut length, mut there) = (0, 0);
    for segment in &sent {
        let Some(kept) = found.get(length..length + segment.len()) else { break };
        assert_eq!(kept, segment, "segment {there}");
        (length, there) = (length + segment.len(), there + 1);
    }
    assert!(there + 12 >= sent.len(), "{there} of {} segments of a second", sent.len());
    for file in &before {
        quiet("ffmpeg", &["-v", "warning", "-i", file.to_str().expect("UTF-8"), "-f", "null", "-"]);
    }

    // After a restart another file; asked to end, it writes all there is.
    station.start_again();
    until("a playlist", PATIENCE, || {
        let reply = station.get("/radio/audio/index.m3u8");
        (reply.status == 200 && reply.text().matches("#EXTINF").count() >= 4).then_some(())
    });
    let sent = segments(&station).concat();
    terminate(&station);
    let mut after = files(&place);
    after.retain(|it| !before.contains(it));
    assert!(!after.is_empty() && bytes(&before) == found, "what was there is left alone");
    assert!(bytes(&after).starts_with(&sent), "{} of {} bytes", bytes(&after).len(), sent.len());
    drop(station);
    fs::remove_dir_all(&place).expect("removed");
}

#[test]
fn an_enciphered_stream_is_kept_in_the_clear() {
    let place = folder("kept-clear");
    let more = format!("[stream.encryption]\nrotate = 3\n{}", keep(&place, "what = \"everything\""));
    let station = Station::start("kept-c", &stream("radio", "kind = \"synth\"", &more), &[]);
    let found = until("a file", PATIENCE, || files(&place).pop());
    let heard = samples(&found).len() as f64 / 48_000.0;
    assert!(heard > 8.0, "{heard} s");
    drop(station);
    fs::remove_dir_all(&place).expect("removed");
}

/// A disk in memory, which goes with it.
struct Disk(PathBuf);

impl Disk {
    fn insert(name: &str) -> Self {
        let disk = Self(folder(name));
        disk.mount(&["-t", "tmpfs", "-o", "size=4m", "none"]);
        disk
    }

    fn mount(&self, arguments: &[&str]) {
        let done = Command::new("mount").args(arguments).arg(&self.0).output().expect("mount runs");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "this test mounts a disk, and needs root for that: {said}");
    }

    fn pull(&self) -> bool {
        Command::new("umount").arg(&self.0).status().is_ok_and(|it| it.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.pull();
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_disk_that_is_full_read_only_or_pulled_stops_nothing() {
    let disk = Disk::insert("kept-disk");
    let place = disk.0.join("radio");
    fs::create_dir(&place).expect("a folder");
    let (old, foreign) = (place.join("2020-01-01T00-00-00Z-radio.ts"), place.join("film.mkv"));
    fs::write(&old, vec![0; 60 << 10]).expect("room");
    fs::write(&foreign, vec![0; (4 << 20) - (150 << 10)]).expect("room");
    // In segments of a second it is written each three.
    let more = format!("length = \"6s\"\n{}", keep(&place, "what = \"everything\""));
    let station = Station::start("kept-d", &stream("radio", "kind = \"synth\"", &more), &[]);
    let goes_on = || drop(station.next_listing("radio"));

    // Full: the oldest of ours goes, and when there is none, it is told.
    let full = until_kept(&station, "trouble", "No space left");
    assert!(!old.exists() && foreign.exists() && full["files"].as_u64() >= Some(1), "{full}");
    goes_on();
    assert_eq!(station.metric("outpost_keep_well"), 0.0);
    until("losses", PATIENCE, || (kept(&station)["lost_seconds"].as_f64() > Some(0.0)).then_some(()));
    fs::remove_file(&foreign).expect("deleted");
    until_kept(&station, "well", "");
    let before = files(&place);

    disk.mount(&["-o", "remount,ro"]);
    until_kept(&station, "trouble", "Read-only");
    goes_on();
    disk.mount(&["-o", "remount,rw"]);
    until_kept(&station, "well", "");
    assert_eq!(files(&place)[..before.len()], before, "nothing is gone");

    assert!(until("the disk pulled", PATIENCE, || Some(disk.pull()).filter(|it| *it)));
    until_kept(&station, "trouble", "plug in");
    goes_on();
    disk.mount(&["-t", "tmpfs", "-o", "size=4m", "none"]);
    fs::create_dir(&place).expect("a folder");
    until_kept(&station, "well", "");
    until("a file", PATIENCE, || files(&place).pop());

    let log = station.log();
    for (told, times) in [("cannot keep in", 3), ("keeping again in", 3)] {
        assert_eq!(log.matches(told).count(), times, "{told}: {log}");
    }
}
