//! The figures we promise, each beside the peer that needs the same for the same work in the same run.
//!
//! Ratios matter, seconds do not: they are the machine's. It takes about twelve minutes, uses loopback and
//! /dev/shm only, and leaves nothing behind.

mod begin;
mod camera;
#[path = "../../tests/support/browser.rs"]
#[allow(dead_code)] // The tests use more of it.
mod chromium;
mod copy;
mod crowd;
mod detect;
mod lines;
mod load;
#[path = "../../tests/support/manager.rs"]
#[allow(dead_code)] // The tests use more of it.
mod manager;
mod markers;
#[path = "../../tests/support/outpost.rs"]
mod outpost;
mod overhead;
mod peers;
mod process;
#[path = "../../tests/support/pulse.rs"]
#[allow(dead_code, unreachable_pub)] // The tests use more of it.
mod pulse;
mod rest;
mod screen;
mod segments;
mod table;
mod tap;
mod waiters;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::outpost as outpost_program;
use crate::outpost::{Outpost, fetch, free_address};
use crate::pulse::Pulse;
use crate::table::{Row, Verdict};

/// How long the live stream is watched.
const WATCHED: Duration = Duration::from_secs(30);
/// How long everything may take to find its pace before that.
const SETTLING: Duration = Duration::from_secs(6);
/// Below the server's limit, and below the 1,024 files a process may have open.
const IDLE_CONNECTIONS: u32 = 900;

const PLAYLIST: &str = "/radio/audio/index.m3u8";
/// Metrics read from /metrics: seconds from the last captured sample of the newest segment to its listing;
/// how much of that the encoder must have, because it looks ahead; bytes held in windows.
const CAPTURE_TO_LISTED: &str = "outpost_segment_lag_seconds";
const ENCODER_DELAY: &str = "outpost_encoder_delay_seconds";
const WINDOW_BYTES: &str = "outpost_window_bytes";

type Measure = fn(&Path) -> Result<Vec<Row>, Box<dyn Error>>;

/// What is measured, in this order; words on the command line choose among them.
const GROUPS: [(&str, Measure); 14] = [
    ("mux", lines::mux),
    ("playlist", lines::playlist),
    ("detect", detect::rows),
    ("markers", markers::rows),
    ("begin", begin::rows),
    ("overhead", overhead::rows),
    ("camera", camera::rows),
    ("copy", copy::rows),
    ("rest", rest::rows),
    ("waiters", waiters::rows),
    ("live", live),
    ("crowd", crowd::rows),
    ("screen", screen::rows),
    ("tap", tap::rows),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, address] = arguments.as_slice()
        && word == segments::ORIGIN
    {
        return segments::serve(address.parse()?);
    }
    if let [_, word, configuration] = arguments.as_slice()
        && word == tap::PAST
    {
        return tap::serve(configuration.into());
    }
    let wanted: Vec<&str> =
        arguments.iter().skip(1).map(String::as_str).filter(|word| *word != "--bench").collect();
    if let Some(unknown) = wanted.iter().find(|word| GROUPS.iter().all(|(name, _)| name != *word)) {
        let groups: Vec<&str> = GROUPS.iter().map(|(name, _)| *name).collect();
        return Err(format!("there are no figures called {unknown}; there are {}", groups.join(", ")).into());
    }
    let scratch = Scratch::new()?;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (name, measure) in GROUPS.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name)) {
        match measure(&scratch.0) {
            Ok(measured) => rows.extend(measured),
            Err(error) => {
                eprintln!("    {name}: {error}");
                failed.push(*name);
            }
        }
    }
    table::print(&rows);
    let missed = rows.iter().filter(|row| row.verdict != Verdict::Met).count();
    println!("\n{} of {} figures met.", rows.len() - missed, rows.len());
    if failed.is_empty() { Ok(()) } else { Err(format!("not measured: {}", failed.join(", ")).into()) }
}

/// Lifts the limit of open files as far as it goes, and tells how many that are.
fn open_files() -> Result<u64, Box<dyn Error>> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// A folder in RAM, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let dir = PathBuf::from(format!("/dev/shm/outpost-figures-{}", std::process::id()));
        fs::create_dir_all(dir.join("ffmpeg"))?;
        fs::create_dir_all(dir.join("www"))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One sound card, heard by us and by ffmpeg at the same time; then our server beside nginx.
fn live(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("A live stream in real time, beside ffmpeg: {} s", (SETTLING + WATCHED).as_secs());
    let card = Pulse::present();
    let _sound = card.play_tone(440.0, 0.3);
    let environment = card.environment();
    let configuration = dir.join("scanner.toml");
    fs::write(&configuration, scanner())?;
    let configuration = configuration.display().to_string();
    let outpost = Outpost::start(&["run", &configuration], &environment, &dir.join("outpost"));
    let ffmpeg = peers::ffmpeg(&environment, &dir.join("ffmpeg"))?;
    sleep(SETTLING);

    let pids = [outpost.child.id(), ffmpeg.pid()];
    let before = pids.map(process::cpu_seconds);
    let mut capture_lag = f64::NAN;
    for _ in 0..WATCHED.as_secs() {
        sleep(Duration::from_secs(1));
        let metrics = fetch(&outpost.url("/metrics"))?;
        // `max` takes the number where the other is none.
        capture_lag = capture_lag.max(metric(&metrics, CAPTURE_TO_LISTED));
    }
    let after = pids.map(process::cpu_seconds);
    let [ours, theirs] = [0, 1].map(|n| (after[n] - before[n]) / WATCHED.as_secs_f64());
    let metrics = fetch(&outpost.url("/metrics"))?;
    let window_kib = metric(&metrics, WINDOW_BYTES) / 1024.0;
    let encoder_delay = metric(&metrics, ENCODER_DELAY);
    let [our_mib, their_mib] =
        [process::pss_kib(pids[0]) - window_kib, process::pss_kib(pids[1])].map(|kib| kib / 1024.0);
    drop(ffmpeg);

    let mut rows = vec![
        Row::beside("audio stream, CPU per second", 0.5, "ffmpeg", [ours * 1e3, theirs * 1e3], "ms"),
        Row::limit("memory (PSS) besides the window", 10.0, our_mib, "MiB")
            .with_peer("ffmpeg", their_mib, "MiB"),
        Row::limit("last sample captured -> segment listed", 60.0, capture_lag * 1e3, "ms"),
        Row::limit(
            "the same without the encoder's look-ahead",
            10.0,
            (capture_lag - encoder_delay) * 1e3,
            "ms",
        ),
    ];
    rows.extend(served(&outpost, ours, dir)?);
    Ok(rows)
}

/// Our server beside nginx with the same playlist, the same segment, the same idle connections.
fn served(outpost: &Outpost, our_idle: f64, dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("The server, beside nginx: 65 s");
    let www = dir.join("www");
    let playlist = fetch(&outpost.url(PLAYLIST))?;
    fs::write(www.join("index.m3u8"), playlist)?;
    let zipped = Command::new("gzip").arg("--keep").arg(www.join("index.m3u8")).status()?;
    if !zipped.success() {
        return Err(format!("gzip: {zipped}").into());
    }
    fs::write(www.join("segment.ts"), segments::content())?;
    let address = free_address();
    let nginx = peers::nginx(address, &www)?;

    let pid = outpost.child.id();
    // First, before any load leaves memory behind in which they would find room.
    let idle = load::kib_per_idle_connection(pid, outpost.address, PLAYLIST, IDLE_CONNECTIONS)?;
    let nginx_idle = load::kib_per_idle_connection(nginx.pid(), address, "/index.m3u8", IDLE_CONNECTIONS)?;

    let playlists = best(
        || load::cpu_per_request(pid, our_idle, &outpost.url(PLAYLIST), 64),
        || load::cpu_per_request(nginx.pid(), 0.0, &format!("http://{address}/index.m3u8"), 64),
    )?;
    let (origin, segment) = segments::start(free_address())?;
    let segments = best(
        || load::cpu_per_request(origin.pid(), 0.0, &segment, 16),
        || load::cpu_per_request(nginx.pid(), 0.0, &format!("http://{address}/segment.ts"), 16),
    )?;
    drop(origin);

    let microseconds = playlists.map(|seconds| seconds * 1e6);
    let per_gb = segments.map(|seconds| seconds / segments::LEN as f64 * 1e9);
    Ok(vec![
        Row::beside("playlist, 64 connections, CPU each", 0.7, "nginx", microseconds, "us"),
        Row::beside("segment of 700 KB, CPU per GB", 1.1, "nginx", per_gb, "s"),
        Row::limit("idle keep-alive connection", 12.0, idle, "KiB").with_peer("nginx", nginx_idle, "KiB"),
    ])
}

/// The least either needs in three rounds, one after the other: what else the machine does only ever adds.
fn best(
    ours: impl Fn() -> Result<f64, String>,
    theirs: impl Fn() -> Result<f64, String>,
) -> Result<[f64; 2], String> {
    let mut least = [f64::INFINITY; 2];
    for _ in 0..3 {
        least = [least[0].min(ours()?), least[1].min(theirs()?)];
    }
    Ok(least)
}

fn scanner() -> String {
    format!(
        "[[stream]]
name = \"radio\"
[stream.audio]
kind = \"alsa\"
device = \"{}\"
channels = \"mono\"
bitrate = \"64k\"
[stream.window]
segment = \"2s\"
",
        peers::DEVICE
    )
}

/// The greatest value of a metric over all its labels; not a number if it is not there.
fn metric(text: &str, name: &str) -> f64 {
    text.lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .fold(f64::NAN, f64::max)
}
