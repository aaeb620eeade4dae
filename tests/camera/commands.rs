//! Programs as cameras: what they give is streamed, what they do wrong is named, and the stream goes on.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::card;
use crate::eye::{self, fetch, packets, say, text};
use crate::station::{Station, folder, until};

fn camera(command: &str, output: &str, more: &str) -> String {
    format!(
        "[[stream]]\nname = \"camera\"\n[stream.window]\nsegment = \"1s\"\n[stream.video]\nkind = \"command\"\n\
         command = [\"sh\", \"-c\", {command:?}]\noutput = \"{output}\"\nsize = \"320x240\"\nrate = 15\n{more}\n"
    )
}

/// Captured H.264: ten seconds of pictures at 15 a second, a key frame each second.
fn capture(dir: &Path) -> String {
    let path = dir.join("captured.h264");
    say(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x240:rate=15",
            "-t",
            "10",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-g",
            "15",
            "-f",
            "h264",
            text(&path),
        ],
    );
    path.display().to_string()
}

fn signal(station: &Station, signals: &[&str]) -> Value {
    station.until_signal("camera", signals, Duration::from_secs(20))
}

#[test]
fn h264_from_a_program_passes_through_unchanged_and_a_slate_stands_in_for_it() {
    let dir = folder("captured-file");
    let file = capture(&dir);
    let pids = dir.join("pid");
    // As rpicam-vid does it: each picture when it is due. It ends with its file, and is started again.
    let command = format!(
        "echo $$ > {}; exec ffmpeg -nostdin -v error -re -r 15 -i {file} -c copy -flush_packets 1 -f h264 pipe:1",
        pids.display()
    );
    let station = Station::start("passthrough", &camera(&command, "h264", ""), &[]);
    signal(&station, &["live"]);
    let playlist = eye::seconds(&station, "camera", 8.0);
    let (whole, files) = fetch(&station, "camera", &playlist);
    // What was captured is what is streamed: the pictures of one whole segment are found in the capture.
    let digests = |media: &Path| {
        let hash = say("ffmpeg", &["-v", "error", "-i", text(media), "-map", "0:v", "-f", "framemd5", "-"]);
        let rows = hash.lines().filter(|row| !row.starts_with('#'));
        rows.filter_map(|row| row.rsplit(',').next().map(|it| it.trim().to_owned())).collect::<Vec<_>>()
    };
    let captured = digests(Path::new(&file));
    let streamed = digests(&files[files.len() - 2]);
    let known = streamed.iter().filter(|picture| captured.contains(picture)).count();
    assert!(known >= 14 && known == streamed.len(), "{known} of {} pictures", streamed.len());
    let keys = packets(&whole, "v:0", "pts_time,flags");
    assert!(keys.iter().filter(|row| row[1].starts_with('K')).count() >= playlist.segments.len());

    // It is killed, and comes back by itself.
    let pid: i32 = fs::read_to_string(&pids).expect("its pid").trim().parse().expect("a number");
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    until("a discontinuity", Duration::from_secs(20), || {
        let playlist = eye::playlist(&station, "camera");
        playlist.segments.iter().skip(1).any(|segment| segment.discontinuity).then_some(())
    });
    signal(&station, &["live"]);
    station.log();
    let _ = fs::remove_dir_all(dir);
}

#[test]
fn a_file_that_is_poured_out_at_once_is_held_to_the_clock() {
    let dir = folder("poured-file");
    let file = capture(&dir);
    let station =
        Station::start("poured", &camera(&format!("while cat {file}; do :; done"), "h264", ""), &[]);
    signal(&station, &["live"]);
    let begun = eye::seconds(&station, "camera", 3.0);
    let later = eye::seconds(&station, "camera", 13.0);
    let last = |playlist: &m3u8_rs::MediaPlaylist| playlist.media_sequence + playlist.segments.len() as u64;
    assert!(last(&later) - last(&begun) <= 13, "ten seconds more took no less than about ten");
    assert_eq!(signal(&station, &["live"])["picture"]["slates"], 0, "it never ran dry");
    let _ = fs::remove_dir_all(dir);
}

#[test]
fn raw_pictures_go_and_come_back_without_a_discontinuity() {
    let dir = folder("raw-pid");
    let pids = dir.join("pid");
    let command = format!(
        "echo $$ > {}; exec ffmpeg -nostdin -v error -re -f lavfi -i testsrc2=size=320x240:rate=15 -pix_fmt yuv420p \
         -f rawvideo pipe:1",
        pids.display()
    );
    let station = Station::start("raw", &camera(&command, "yu12", "encoder = \"x264\""), &[]);
    signal(&station, &["live"]);
    let pid: i32 = fs::read_to_string(&pids).expect("its pid").trim().parse().expect("a number");
    kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("it runs");
    let stalled = signal(&station, &["stalled"]);
    assert!(stalled["cause"].as_str().is_some_and(|cause| !cause.is_empty()), "{stalled}");
    signal(&station, &["live"]);
    let slates = station.metric("outpost_video_slate_pictures_total");
    assert!(slates > 0.0);
    let playlist = eye::seconds(&station, "camera", 6.0);
    let skipped = playlist.segments.iter().skip(1).any(|segment| segment.discontinuity);
    assert!(!skipped, "the viewer sees a slate, and no break");
    let (whole, _) = fetch(&station, "camera", &playlist);
    let pts: Vec<f64> =
        packets(&whole, "v:0", "pts_time").iter().map(|row| row[0].parse().expect("a time")).collect();
    let widest = pts.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(pts.windows(2).all(|pair| pair[1] > pair[0]), "in order");
    assert!(widest < 1.5, "{widest} s between two pictures");
    station.log();
    let _ = fs::remove_dir_all(dir);
}

#[test]
fn what_a_program_does_wrong_is_named_and_survived() {
    let table = [
        ("exec /no/such/program", "h264", &["no-device", "failed"][..], "not found"),
        ("echo 'no camera here' >&2; exit 3", "h264", &["failed", "no-device"], "no camera here"),
        ("exec yes", "h264", &["failed", "stalled"], "H.264"),
        ("exec sleep 1000", "h264", &["stalled"], "no picture"),
        ("head -c 1000 /dev/urandom; sleep 1000", "yu12", &["stalled", "failed"], ""),
        // H.264, but not one IDR picture to begin with.
        (
            "exec ffmpeg -nostdin -v error -re -f lavfi -i testsrc2=s=320x180:r=15 -c:v libx264 -preset ultrafast \
             -bsf:v filter_units=remove_types=5 -f h264 pipe:1",
            "h264",
            &["live"],
            "",
        ),
    ];
    let streams: Vec<String> = table
        .iter()
        .enumerate()
        .map(|(n, (command, output, ..))| {
            camera(command, output, "encoder = \"auto\"").replace("\"camera\"", &format!("\"camera{n}\""))
        })
        .collect();
    let station = Station::start("wrong", &streams.concat(), &[]);
    for (n, (command, _, signals, words)) in table.iter().enumerate() {
        let name = format!("camera{n}");
        let status = station.until_signal(&name, signals, Duration::from_secs(20));
        let cause = status["cause"].as_str().unwrap_or_default();
        assert!(cause.contains(words), "{command}: {cause}");
        // There is a picture all the same: the slate.
        let playlist = eye::seconds(&station, &name, 3.0);
        let (whole, _) = fetch(&station, &name, &playlist);
        assert!(packets(&whole, "v:0", "pts").len() > 20, "{command}");
    }
    let log = station.log();
    assert!(log.lines().count() < 60, "said once, not each time:\n{log}");
}

#[test]
fn the_card_read_back_through_a_program_is_the_card() {
    // Our own test card, as a program would give it: through one stream into a file, and out of it again.
    let station = Station::start(
        "source",
        "[[stream]]\nname = \"camera\"\n[stream.video]\nkind = \"synth\"\nsize = \"320x240\"\nrate = 15\nbitrate = \"1M\"\n",
        &[],
    );
    let playlist = eye::seconds(&station, "camera", 6.0);
    let (whole, _) = fetch(&station, "camera", &playlist);
    let dir = folder("reread-file");
    let stream = dir.join("card.h264");
    say(
        "ffmpeg",
        &["-v", "error", "-i", text(&whole), "-map", "0:v", "-c", "copy", "-f", "h264", text(&stream)],
    );
    drop(station);
    let command = format!("cat {}; sleep 1000", stream.display());
    let station = Station::start("reread", &camera(&command, "h264", "encoder = \"copy\""), &[]);
    let playlist = eye::seconds(&station, "camera", 4.0);
    let (whole, _) = fetch(&station, "camera", &playlist);
    let frames = card::watch(&whole);
    assert!(frames.windows(2).all(|pair| pair[1].reading.counter == pair[0].reading.counter + 1));
    // What waits in the pipe at the beginning, and what is left in it at the end, is caught up with.
    let begun = frames[0].pts;
    let steps: Vec<(f64, f64)> =
        frames.windows(2).map(|pair| (pair[0].pts - begun, pair[1].pts - pair[0].pts)).collect();
    let steady = |(at, step): &(f64, f64)| !(1.0..3.5).contains(at) || (step - 1.0 / 15.0).abs() < 0.02;
    assert!(steps.iter().all(steady), "{steps:.3?}");
    let _ = fs::remove_dir_all(dir);
}
