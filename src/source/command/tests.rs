//! With real programs: what they print, what they say, how they end, and who is left.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::base::{Clock, Monotonic};
use crate::media::h264::AccessUnits;
use crate::media::{FrameRate, Planes, Size};
use crate::source::video::{Coding, Glimpse, Image, VideoDevice, VideoInput, Wanted};
use crate::source::{Signal, SourceError};
use crate::sys::clock::RealClock;

const FILM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/ts/pictures.h264");
/// Longer than any of this takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_millis(100);

fn line(words: &[&str]) -> Option<CommandLine> {
    CommandLine::new(words.iter().map(|word| (*word).to_owned()).collect())
}

#[test]
fn a_command_is_shown_as_a_shell_would_take_it() {
    let words = ["sh", "-c", "echo 'a  b' $HOME; x", "", "rate=48000,1"];
    let shown = line(&words).expect("a program").to_string();
    assert_eq!(shown, r"sh -c 'echo '\''a  b'\'' $HOME; x' '' rate=48000,1");
    let script = format!("printf '%s\\n' {shown}");
    let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().collect::<Vec<_>>(), words);
}

#[test]
fn what_cannot_be_started_is_no_command() {
    assert_eq!((line(&[]), line(&[""]), line(&["echo", "a\0b"])), (None, None, None));
}

fn size(text: &str) -> Size {
    text.parse().expect("a size")
}

fn device(words: &[&str], output: VideoOutput, rate: u32) -> CommandVideo {
    let rate = FrameRate::new(rate, 1).expect("a rate");
    CommandVideo::new(line(words).expect("a program"), output, Wanted { size: size("64x48"), rate })
}

fn script(text: &str) -> CommandVideo {
    device(&["sh", "-c", text], VideoOutput::H264, 25)
}

fn open(device: &mut CommandVideo) -> Box<dyn VideoInput> {
    device.open().expect("it can be started")
}

/// A picture: when it was captured, when it was given, how many were missed before it, and its bytes.
struct Seen {
    captured: Monotonic,
    given: Monotonic,
    missed: u32,
    bytes: Vec<u8>,
}

/// What came: pictures, the words about damaged ones, and the error with which it ended.
#[derive(Default)]
struct Watched {
    pictures: Vec<Seen>,
    damaged: Vec<&'static str>,
    error: Option<SourceError>,
    reads: usize,
}

impl Watched {
    fn error(&self) -> String {
        self.error.as_ref().expect("it ended").to_string()
    }

    /// Captured in order, none from the future, and all within `late` of being given.
    fn assert_dated(&self, late: Duration) {
        assert!(self.pictures.windows(2).all(|pair| pair[0].captured < pair[1].captured));
        for Seen { captured, given, .. } in &self.pictures {
            assert!(captured <= given && given.since(*captured) <= late, "{captured:?} {given:?}");
        }
    }

    /// Seconds from the first picture to the last.
    fn span(&self) -> f64 {
        let [first, .., last] = &self.pictures[..] else { panic!("{} pictures", self.pictures.len()) };
        last.captured.since(first.captured).as_secs_f64()
    }
}

/// Watches until `count` pictures came, or an error, or `limit` is over.
fn watch(input: &mut dyn VideoInput, count: usize, limit: Duration) -> Watched {
    let mut watched = Watched::default();
    let end = Instant::now() + limit;
    while watched.pictures.len() < count && watched.error.is_none() && Instant::now() < end {
        watched.reads += 1;
        match input.read(PATIENCE) {
            Ok(Glimpse::Shot(shot)) => {
                let bytes = match shot.image {
                    Image::H264(unit) => unit.to_vec(),
                    Image::Raw(Planes::I420(planes)) => planes.map(|plane| plane.data).concat(),
                    Image::Raw(Planes::Nv12(planes)) => planes.map(|plane| plane.data).concat(),
                };
                let (captured, missed) = (shot.captured, shot.missed);
                watched.pictures.push(Seen { captured, given: RealClock.now(), missed, bytes });
            }
            Ok(Glimpse::Damaged(words)) => watched.damaged.push(words),
            Ok(Glimpse::Nothing) => {}
            Err(error) => watched.error = Some(error),
        }
    }
    watched
}

fn pictures_of_the_film() -> Vec<Vec<u8>> {
    let mut parser = AccessUnits::default();
    parser.push(&fs::read(FILM).expect("it is in the repository"));
    let mut units = Vec::new();
    for _ in 0..2 {
        while let Some(unit) = parser.next_unit() {
            units.push(unit.expect("sound").to_vec());
        }
        parser.flush();
    }
    units
}

fn bytes(watched: &Watched) -> Vec<&[u8]> {
    watched.pictures.iter().map(|seen| &seen.bytes[..]).collect()
}

#[test]
fn a_file_that_is_printed_at_once_is_played_at_its_own_rate() {
    // The film says 25 a second, whatever was wanted.
    let mut device = device(&["cat", FILM], VideoOutput::H264, 60);
    let mut input = open(&mut device);
    assert_eq!(input.format().coding, Coding::H264);
    let watched = watch(&mut *input, usize::MAX, LONG);
    assert_eq!(bytes(&watched), pictures_of_the_film());
    watched.assert_dated(Duration::from_millis(200));
    // It may come sooner, as it fits in the pipe: nothing tells it from what a camera printed before we came.
    assert!((99.0 * 0.02..99.0 * 0.04 + 0.3).contains(&watched.span()), "{}", watched.span());
    assert!(watched.error().contains("it ended without an error"), "{}", watched.error());
}

#[test]
fn a_program_that_never_waits_is_held_to_the_clock() {
    let mut device = script(&format!("while :; do cat {FILM}; done"));
    let watched = watch(&mut *open(&mut device), 100, LONG);
    let given = watched.pictures[99].given.since(watched.pictures[50].given).as_secs_f64();
    assert!((1.8..2.6).contains(&given), "49 intervals of 40 ms took {given} s");
    watched.assert_dated(Duration::from_millis(200));
}

#[test]
fn a_camera_s_pictures_come_as_soon_as_they_are_whole() {
    // As rpicam-vid does: a picture at a time, at its own pace, which is 20 a second here.
    let words = ["-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=20", "-c:v", "libx264"];
    let more = ["-preset", "ultrafast", "-tune", "zerolatency", "-flush_packets", "1", "-f", "h264", "-"];
    let mut device = device(&[&["ffmpeg"], &words[..], &more].concat(), VideoOutput::H264, 30);
    let watched = watch(&mut *open(&mut device), 80, LONG);
    assert_eq!((watched.pictures.len(), &watched.damaged[..]), (80, &[][..]), "{:?}", watched.error);
    watched.assert_dated(Duration::from_millis(300));
    let pace = watched.pictures[79].captured.since(watched.pictures[30].captured).as_secs_f64() / 49.0;
    assert!((pace - 0.05).abs() < 0.005, "{pace} s between pictures");
}

#[test]
fn pictures_that_come_whole_are_not_waited_for_until_one_does_not() {
    // A picture every 40 ms: many whole ones, one in two pieces, and whole ones again.
    let picture = r"\000\000\001\011\360\000\000\001\101\232";
    let whole = format!("printf '{picture}whole'; sleep 0.04;");
    let pieces = format!("printf '{picture}begun'; sleep 0.01; printf 'late'; sleep 0.03;");
    let text =
        format!("for n in $(seq 90); do {whole} done; for n in $(seq 3); do {pieces} {whole} done; sleep 9");
    let mut device = script(&text);
    let watched = watch(&mut *open(&mut device), 96, LONG);
    let given = |seen: &Seen| seen.given.since(seen.captured);
    let (early, proven) = (&watched.pictures[10..50], &watched.pictures[70..90]);
    let median = |seen: &[Seen]| {
        let mut waits: Vec<_> = seen.iter().map(given).collect();
        waits.sort();
        waits[waits.len() / 2]
    };
    println!("{:?} {:?}", median(early), median(proven));
    assert_eq!(watched.damaged, ["the rest of a picture came late"]);
    let endings: Vec<_> = watched.pictures[90..]
        .iter()
        .map(|seen| String::from_utf8_lossy(&seen.bytes[10..]).into_owned())
        .collect();
    assert_eq!(endings, ["begun", "whole", "begunlate", "whole", "begunlate", "whole"]);
}

#[test]
fn rubbish_is_named_and_costs_next_to_nothing() {
    let mut device = script("exec yes");
    let watched = watch(&mut *open(&mut device), 1, LONG);
    assert!(watched.error().contains("what it prints is no H.264"), "{}", watched.error());
    assert!(watched.error().contains("exec yes"), "names the command: {}", watched.error());
    // Slices of nothing, as fast as they can be printed: told one by one, at the pace of pictures.
    let mut device = script(r"while :; do printf '\000\000\001\001\100\000\000\001\011\360'; done");
    let watched = watch(&mut *open(&mut device), 1, Duration::from_secs(1));
    assert!(watched.damaged.contains(&"a picture without its beginning"));
    assert!(watched.reads < 40, "{} reads in a second", watched.reads);
}

#[test]
fn a_program_that_prints_nothing_is_waited_for_without_haste() {
    let mut device = script("exec sleep 60");
    let watched = watch(&mut *open(&mut device), 1, Duration::from_secs(1));
    assert!(watched.error.is_none() && (5..=11).contains(&watched.reads), "{} reads", watched.reads);
}

#[test]
fn ends_are_told_with_the_program_s_last_words() {
    let table = [
        (
            "echo starting >&2; echo 'no cameras available' >&2; exit 3",
            "it ended with exit status 3, saying \"no cameras available\"",
        ),
        ("kill -9 $$", "it was ended by SIGKILL"),
        ("exit 0", "it ended without an error;"),
        ("exec >&-; echo bye >&2; sleep 60", "it closed its output, but runs on, saying \"bye\""),
        ("printf '\\033[31mred\\007 \\r\\n\\n' >&2; exit 1", "saying \"\u{FFFD}[31mred\u{FFFD}\""),
        // What a grandchild says counts too.
        ("sh -c 'echo deep >&2; exit 5'; exit 5", "exit status 5, saying \"deep\""),
    ];
    for (text, expected) in table {
        let mut device = script(text);
        let watched = watch(&mut *open(&mut device), 1, LONG);
        let error = watched.error.expect("it ended");
        assert!(error.to_string().contains(expected), "{text}: {error}");
        assert_eq!((error.signal, error.device), (Signal::Failed, device.name().to_owned()));
    }
}

#[test]
fn what_cannot_be_started_says_what_helps() {
    let directory = scratch("start");
    let file = directory.join("script");
    fs::write(&file, "#!/bin/sh\n").expect("a scratch file");
    let file = file.to_str().expect("plain");
    let table = [
        ("outpost-no-such-program", Signal::NoDevice, "there is no such program; install it"),
        (file, Signal::Failed, "it may not be run; make it executable"),
    ];
    for (program, signal, expected) in table {
        let error = device(&[program], VideoOutput::H264, 25).open().err().expect("it cannot be started");
        assert_eq!(error.signal, signal);
        assert!(error.to_string().contains(program) && error.to_string().contains(expected), "{error}");
    }
    let _ = fs::remove_dir_all(directory);
}

#[test]
fn endless_talk_holds_nothing_up() {
    let mut device = script(&format!("yes chatter >&2 & exec cat {FILM}"));
    let watched = watch(&mut *open(&mut device), 40, LONG);
    assert_eq!(watched.pictures.len(), 40, "{:?}", watched.error);
    watched.assert_dated(Duration::from_millis(300));
}

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("outpost-command-{name}-{}", std::process::id()));
    fs::create_dir_all(&path).expect("a scratch directory");
    path
}

/// Waits until `condition`, and fails if that takes too long.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is there and has not ended.
fn is_alive(pid: &str) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // Its name in brackets, then its state; Z is one that has ended and waits to be told so.
    !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

/// Starts a script that writes the process ids of all its processes to `$PIDS`, drops it, and says how long
/// that took with and without waiting for its end.
fn end_of(name: &str, processes: usize, text: &str) -> (Duration, Duration) {
    let directory = scratch(name);
    let file = directory.join("pids");
    let pids = || -> Vec<String> {
        fs::read_to_string(&file).unwrap_or_default().lines().map(str::to_owned).collect()
    };
    let mut device = script(&format!("PIDS={}\n{text}", file.display()));
    let input = open(&mut device);
    wait_until("all have begun", || pids().len() == processes);
    let pids = pids();
    assert!(pids.iter().all(|pid| is_alive(pid)), "{pids:?}");
    let began = Instant::now();
    drop(input);
    let dropped = began.elapsed();
    drop(device);
    let ended = began.elapsed();
    assert!(!pids.iter().any(|pid| is_alive(pid)), "one of {pids:?} is left");
    let _ = fs::remove_dir_all(directory);
    (dropped, ended)
}

#[test]
fn grandchildren_end_with_their_program() {
    let (_, ended) = end_of(
        "family",
        3,
        "sleep 300 & echo $! >> $PIDS; sleep 300 & echo $! >> $PIDS; echo $$ >> $PIDS; wait",
    );
    assert!(ended < Duration::from_secs(5), "{ended:?}");
    // Also those whose program has ended already.
    end_of("orphans", 1, "sleep 300 & echo $! >> $PIDS; exit 0");
}

#[test]
fn whoever_does_not_end_is_killed_and_nobody_waits_meanwhile() {
    let stubborn = "trap '' TERM; echo $$ >> $PIDS; while :; do sleep 0.05; done";
    let (dropped, ended) = end_of("stubborn", 1, stubborn);
    assert!(dropped < Duration::from_secs(1), "the keeper goes on: {dropped:?}");
    assert!((2.0..6.0).contains(&ended.as_secs_f64()), "{ended:?}");
}

#[test]
fn it_is_not_started_twice_at_the_same_time() {
    let directory = scratch("twice");
    let file = directory.join("ready");
    let stubborn = "while :; do sleep 0.05; done";
    let mut device = script(&format!("trap '' TERM; echo > {}; {stubborn}", file.display()));
    let input = open(&mut device);
    wait_until("it has begun", || file.exists());
    drop(input);
    let error = device.open().err().expect("the first one is still there");
    assert_eq!(error.signal, Signal::Busy);
    wait_until("it can be started again", || device.open().is_ok());
    let _ = fs::remove_dir_all(directory);
}

/// Frames that are all of one value, which is their number.
fn frames(count: u8, bytes: usize) -> PathBuf {
    let path = scratch(&format!("frames-{count}-{bytes}")).join("frames");
    let mut file = fs::File::create(&path).expect("a scratch file");
    for number in 0..count {
        file.write_all(&vec![number; bytes]).expect("room");
    }
    path
}

#[test]
fn frames_are_given_whole_and_in_order() {
    let table = [(VideoOutput::Yu12, 4608), (VideoOutput::Nv12, 4608), (VideoOutput::Yuyv, 6144)];
    for (output, bytes) in table {
        let file = frames(20, bytes);
        let name = file.to_str().expect("plain");
        // The last frame is not whole.
        let text = format!("cat {name}; head -c 100 {name}");
        let mut device = device(&["sh", "-c", &text], output, 50);
        let mut input = open(&mut device);
        assert_eq!(input.format().coding, Coding::Raw);
        let watched = watch(&mut *input, usize::MAX, LONG);
        let mut next = 0;
        for seen in &watched.pictures {
            next += seen.missed;
            assert_eq!(seen.bytes, vec![next as u8; 4608], "{output}");
            next += 1;
        }
        assert!(next == 20 && watched.pictures.len() > 10, "{next}");
        watched.assert_dated(Duration::from_millis(200));
        let _ = fs::remove_dir_all(file.parent().expect("a directory"));
    }
}

#[test]
fn a_slow_reader_sees_fewer_frames_and_not_older_ones() {
    // 50 a second from a program that has its own pace, read at 5 a second.
    let source =
        ["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=50", "-f", "rawvideo"];
    let mut device = device(&[&source[..], &["-pix_fmt", "yuv420p", "-"]].concat(), VideoOutput::Yu12, 50);
    let mut input = open(&mut device);
    assert_eq!(watch(&mut *input, 1, LONG).pictures.len(), 1);
    let (began, mut frames) = (Instant::now(), 0);
    for _ in 0..10 {
        thread::sleep(Duration::from_millis(200));
        let watched = watch(&mut *input, 1, LONG);
        frames += 1 + watched.pictures[0].missed;
    }
    // Within what a start and a busy machine may shift.
    let due = began.elapsed().as_secs_f64() * 50.0;
    assert!((f64::from(frames) - due).abs() < 25.0, "{frames} of {due}");
}

#[test]
fn colours_of_yuyv_are_kept() {
    let source = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "smptebars=s=64x48", "-frames:v", "1"];
    let raw = |format| [&source[..], &["-pix_fmt", format, "-f", "rawvideo", "-"]].concat();
    let picture = |output, format| {
        let watched = watch(&mut *open(&mut device(&raw(format), output, 25)), 1, LONG);
        assert_eq!(watched.pictures.len(), 1, "{:?}", watched.error);
        watched.pictures[0].bytes.clone()
    };
    let (direct, unpacked) = (picture(VideoOutput::Yu12, "yuv420p"), picture(VideoOutput::Yuyv, "yuyv422"));
    let error = |range: std::ops::Range<usize>| -> f64 {
        let pairs = direct[range.clone()].iter().zip(&unpacked[range.clone()]);
        pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / range.len() as f64
    };
    // Luma is the same; chroma is filtered a little otherwise at the borders of the bars.
    assert!(
        error(0..3072) < 0.5 && error(3072..3840) < 4.0 && error(3840..4608) < 4.0,
        "{}",
        error(3072..4608)
    );
}
