//! A camera box beside ffmpeg: the same pictures and the same sound into both, at the same time.
//!
//! The pictures come through a pipe (raw, or as H.264), because this needs no kernel driver and costs both
//! the same; the sound comes from the same ALSA device.

use std::error::Error;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::metric;
use crate::outpost::{Outpost, fetch};
use crate::peers::{self, Running};
use crate::process;
use crate::pulse::Pulse;
use crate::table::Row;

/// How long each pair is watched, and how long it may take to find its pace before that.
const WATCHED: Duration = Duration::from_secs(20);
const SETTLING: Duration = Duration::from_secs(8);

const WINDOW_BYTES: &str = "outpost_window_bytes";
const PICTURES: &str = "outpost_video_sent_total";
const DROPPED: &str = "outpost_video_dropped_pictures_total";

/// Slices coded at the same time: as many as we do.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get).min(4)
}

/// What both pairs cost.
pub(crate) fn rows(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = encoded(dir)?;
    rows.extend(passed_through(dir)?);
    Ok(rows)
}

/// 720p30 through x264 ultrafast at 2 Mbit/s, with sound.
pub(crate) fn encoded(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("Pictures encoded by x264, with sound, beside ffmpeg: {} s", (SETTLING + WATCHED).as_secs());
    let pictures = dir.join("pictures.yuv");
    let mut make = Command::new("ffmpeg");
    make.args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30"]);
    make.args(["-t", "10", "-pix_fmt", "yuv420p", "-f", "rawvideo"]).arg(&pictures);
    succeed(&mut make)?;
    let feed = format!("while cat '{}'; do :; done", pictures.display());

    let card = Pulse::present();
    let _sound = card.play_tone(440.0, 0.3);
    let environment = card.environment();
    let configuration = write(
        dir,
        &format!(
            "[[stream]]
name = \"camera\"
[stream.video]
kind = \"command\"
command = [\"sh\", \"-c\", {feed:?}]
output = \"yu12\"
size = \"1280x720\"
rate = 30
encoder = \"x264\"
preset = \"ultrafast\"
bitrate = \"2M\"
[stream.audio]
kind = \"alsa\"
device = \"{}\"
bitrate = \"64k\"
",
            peers::DEVICE
        ),
    )?;
    let outpost = Outpost::start(&["run", &configuration], &environment, &dir.join("camera"));

    let mut feeder = feeder(Command::new("sh").args(["-c", &feed]))?;
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-thread_queue_size", "8"]);
    ffmpeg
        .args(["-re", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "1280x720", "-r", "30", "-i", "pipe:0"]);
    ffmpeg.args(["-thread_queue_size", "64", "-f", "alsa", "-ar", "48000", "-ac", "1", "-i", peers::DEVICE]);
    ffmpeg.args(["-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-preset", "ultrafast"]);
    ffmpeg.args([
        "-tune",
        "zerolatency",
        "-threads",
        &threads().to_string(),
        "-g",
        "60",
        "-sc_threshold",
        "0",
    ]);
    ffmpeg.args(["-b:v", "2M", "-maxrate", "2M", "-bufsize", "2M", "-c:a", "aac", "-b:a", "64k"]);
    let ffmpeg = hls(&mut ffmpeg, &dir.join("ffmpeg-camera"), feeder.take_output())
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .spawn()
        .map(Running::from)?;

    let Cost { ours, theirs, memory } = watch(&outpost, &ffmpeg)?;
    let metrics = fetch(&outpost.url("/metrics"))?;
    let (encoded, dropped) = (metric(&metrics, PICTURES), metric(&metrics, DROPPED));
    eprintln!("    {encoded} pictures encoded, {dropped} dropped");
    drop((ffmpeg, feeder));
    fs::remove_file(pictures)?;
    Ok(vec![
        Row::beside("720p30 x264 + AAC, CPU per second", 0.95, "ffmpeg", [ours * 1e3, theirs * 1e3], "ms"),
        Row::beside("the same, memory (PSS) besides the window", 0.7, "ffmpeg", memory, "MiB"),
    ])
}

/// 2 Mbit/s of H.264, in real time, as a camera codes it.
pub(crate) fn passed_through(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("H.264 passed through, beside ffmpeg: {} s", (SETTLING + WATCHED).as_secs());
    let clip = dir.join("clip.h264");
    let mut make = Command::new("ffmpeg");
    make.args(["-nostdin", "-v", "error", "-y", "-f", "lavfi"]);
    make.args(["-i", "testsrc2=size=1280x720:rate=30,noise=alls=8:allf=t", "-t", "60", "-c:v", "libx264"]);
    make.args(["-preset", "ultrafast", "-tune", "zerolatency", "-g", "60", "-b:v", "2M", "-maxrate", "2M"]);
    succeed(make.args(["-bufsize", "2M", "-f", "h264"]).arg(&clip))?;
    let clip_path = clip.display().to_string();
    // It writes each picture when it is due, as rpicam-vid does.
    let feed = [
        "-nostdin",
        "-v",
        "error",
        "-re",
        "-r",
        "30",
        "-i",
        &clip_path,
        "-c",
        "copy",
        "-flush_packets",
        "1",
        "-f",
        "h264",
        "pipe:1",
    ];
    let words: Vec<String> = feed.iter().map(|word| format!("{word:?}")).collect();
    let configuration = write(
        dir,
        &format!(
            "[[stream]]
name = \"camera\"
[stream.video]
kind = \"command\"
command = [\"ffmpeg\", {}]
output = \"h264\"
size = \"1280x720\"
rate = 30
encoder = \"copy\"
",
            words.join(", ")
        ),
    )?;
    let outpost = Outpost::start(&["run", &configuration], &[], &dir.join("copy"));
    let mut feeder = feeder(Command::new("ffmpeg").args(feed))?;
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-f", "h264", "-r", "30", "-i", "pipe:0", "-c", "copy"]);
    let ffmpeg =
        hls(&mut ffmpeg, &dir.join("ffmpeg-copy"), feeder.take_output()).spawn().map(Running::from)?;
    let Cost { ours, theirs, .. } = watch(&outpost, &ffmpeg)?;
    Ok(vec![Row::beside(
        "2 Mbit/s H.264 passed through, CPU per second",
        0.5,
        "ffmpeg",
        [ours * 1e3, theirs * 1e3],
        "ms",
    )])
}

/// Processor seconds per second, and memory in MiB without our window.
struct Cost {
    ours: f64,
    theirs: f64,
    memory: [f64; 2],
}

/// Watches both; the program that feeds ours is its child, and is not counted.
fn watch(outpost: &Outpost, ffmpeg: &Running) -> Result<Cost, Box<dyn Error>> {
    sleep(SETTLING);
    let pids = [outpost.child.id(), ffmpeg.pid()];
    let before = pids.map(process::own_cpu_seconds);
    sleep(WATCHED);
    let after = pids.map(process::own_cpu_seconds);
    let [ours, theirs] = [0, 1].map(|n| (after[n] - before[n]) / WATCHED.as_secs_f64());
    let window = metric(&fetch(&outpost.url("/metrics"))?, WINDOW_BYTES) / 1024.0;
    let memory =
        [process::own_pss_kib(pids[0]) - window, process::own_pss_kib(pids[1])].map(|kib| kib / 1024.0);
    Ok(Cost { ours, theirs, memory })
}

/// A program whose output another reads.
fn feeder(command: &mut Command) -> Result<Running, Box<dyn Error>> {
    Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map(Running::from)?)
}

fn hls<'a>(ffmpeg: &'a mut Command, dir: &Path, input: Stdio) -> &'a mut Command {
    // The folder lies beside the others in RAM; that it is there already is no harm.
    let _ = fs::create_dir_all(dir);
    ffmpeg.args(["-f", "hls", "-hls_time", "2", "-hls_list_size", "60", "-hls_flags"]);
    ffmpeg.arg("delete_segments+program_date_time").arg(dir.join("index.m3u8")).stdin(input)
}

fn write(dir: &Path, configuration: &str) -> Result<String, Box<dyn Error>> {
    let path: PathBuf = dir.join("camera.toml");
    fs::write(&path, configuration)?;
    Ok(path.display().to_string())
}

fn succeed(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status().map_err(|error| format!("ffmpeg does not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("ffmpeg: {status}").into()) }
}
