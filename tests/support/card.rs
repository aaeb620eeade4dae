//! Reads the test card and hears the clapper in what an independent decoder made of the output.
//!
//! Belongs here: finding counter, flash and beep. Does not: judging when they should have been.

use std::path::Path;
use std::process::Command;

/// What the upper part of the card shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    Bars,
    Flash,
}

/// What can be read from one picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The frame counter.
    pub counter: u32,
    pub light: Light,
}

/// One decoded picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Its PTS in seconds, as the decoder tells it.
    pub pts: f64,
    pub reading: Reading,
}

/// Reads the card from a luma plane of `width` × `height`, limited range, rows without padding.
///
/// The blocks stand in the lowest twelfth of the picture (at least 8 rows), 32 in a row, the highest bit on the
/// left, white for 1. Of each only the middle is read: its edges suffer first where bits are short.
///
/// # Errors
/// If a block is neither black nor white, or the upper part neither bars nor flash.
pub fn read(luma: &[u8], width: usize, height: usize) -> Result<Reading, String> {
    assert_eq!(luma.len(), width * height, "a plane of {width}x{height}");
    let mean = |x: usize, columns: usize, y: usize, rows: usize| {
        let samples = luma.chunks_exact(width).skip(y).take(rows).flat_map(|row| &row[x..x + columns]);
        samples.map(|sample| f64::from(*sample)).sum::<f64>() / (columns * rows) as f64
    };
    let strip = (height / 12).max(8);
    let mut counter = 0;
    for block in 0..32 {
        let (left, right) = (width * block / 32, width * (block + 1) / 32);
        let inset = (right - left) / 4;
        let level = mean(left + inset, right - left - 2 * inset, height - strip * 3 / 4, strip / 2);
        counter = counter << 1
            | match level {
                ..90.0 => 0,
                160.0.. => 1,
                _ => return Err(format!("bit {} has luma {level:.0}", 31 - block)),
            };
    }
    let bars: [f64; 7] =
        std::array::from_fn(|bar| mean(width * (2 * bar + 1) / 14 - width / 28, width / 14, 0, height / 2));
    let light = match bars {
        bars if bars.iter().all(|level| *level > 190.0) => Light::Flash,
        [.., green, _, red, blue] if green > red && red > blue && (70.0..160.0).contains(&green) => {
            Light::Bars
        }
        _ => return Err(format!("neither bars nor flash: {bars:.0?}")),
    };
    Ok(Reading { counter, light })
}

/// Decodes the picture of `media` (a file or an address) with ffmpeg and reads each frame.
///
/// # Panics
/// If ffmpeg cannot decode it, warns about it, or a picture is not the card.
pub fn watch(media: &Path) -> Vec<Frame> {
    let listing = run(Command::new("ffprobe").args(["-v", "error", "-select_streams", "v:0"]).args([
        "-show_entries",
        "frame=pts_time:stream=width,height",
        "-of",
        "csv",
        &media.display().to_string(),
    ]));
    let listing = String::from_utf8(listing).expect("ffprobe writes text");
    // A transport stream's lines begin with the program, and end with side data.
    let rows = |kind: &'static str| listing.lines().filter_map(move |line| Some(line.split_once(kind)?.1));
    let (width, height) = rows("stream,").next().and_then(|size| size.split_once(',')).expect("a stream");
    let [width, height] = [width, height].map(|side| side.parse::<usize>().expect("a number"));
    let time = |row: &str| row.split(',').next().and_then(|pts| pts.parse().ok());
    let pts: Vec<f64> = rows("frame,").map(|row| time(row).expect("every frame has a PTS")).collect();
    let pixels = run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(media).args([
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        // Else pictures closer together than the rate claims would fall on the same instant.
        "-enc_time_base",
        "1:90000",
        "-vf",
        "extractplanes=y",
        "-f",
        "rawvideo",
        "-",
    ]));
    let frames = pixels.chunks_exact(width * height);
    assert_eq!(frames.len(), pts.len(), "ffprobe and ffmpeg see as many frames");
    let read = |(luma, pts): (&[u8], &f64)| Frame {
        pts: *pts,
        reading: read(luma, width, height).unwrap_or_else(|why| panic!("frame at {pts} s: {why}")),
    };
    frames.zip(&pts).map(read).collect()
}

/// The sound of `media` as one channel at 48 kHz, and when its first sample is heard, in seconds.
///
/// # Panics
/// If ffmpeg cannot decode it, or warns about it.
pub fn hear(media: &Path) -> (f64, Vec<f32>) {
    let listing = run(Command::new("ffprobe").args(["-v", "error", "-select_streams", "a:0"]).args([
        "-read_intervals",
        "%+#1",
        "-show_entries",
        "packet=pts_time",
        "-of",
        "compact=nk=1:p=0",
        &media.display().to_string(),
    ]));
    let listing = String::from_utf8(listing).expect("ffprobe writes text");
    let first = listing.lines().find_map(|line| line.split('|').next()?.parse().ok()).expect("a time");
    let bytes = run(Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(media)
        .args(["-map", "0:a:0", "-ac", "1", "-ar", "48000", "-f", "f32le", "-"]));
    (first, bytes.as_chunks().0.iter().map(|sample| f32::from_le_bytes(*sample)).collect())
}

/// When each flash begins: the PTS of its first frame. One that is on from the start is left out.
pub fn flashes(frames: &[Frame]) -> Vec<f64> {
    let begins =
        |pair: &&[Frame]| (pair[0].reading.light, pair[1].reading.light) == (Light::Bars, Light::Flash);
    frames.windows(2).filter(begins).map(|pair| pair[1].pts).collect()
}

/// Seconds without a beep before one is taken to begin.
pub const PAUSE: f64 = 0.2;

/// When each beep begins, in seconds from the first of `samples` (mono, full scale ±1.0): where the sound
/// reaches half of the clapper's -12 dBFS after a [`PAUSE`]. So none is found in the first of them.
pub fn beeps(samples: &[f32], rate: u32) -> Vec<f64> {
    let loud = 0.5 * 10f32.powf(-12.0 / 20.0);
    let pause = (PAUSE * f64::from(rate)) as usize;
    let mut last = None;
    let mut found = Vec::new();
    for (at, _) in samples.iter().enumerate().filter(|(_, sample)| sample.abs() >= loud) {
        if last.map_or(at > pause, |last| at - last > pause) {
            found.push(at as f64 / f64::from(rate));
        }
        last = Some(at);
    }
    found
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e} (Debian package ffmpeg)"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && words.is_empty(), "{command:?}: {} {words}", output.status);
    output.stdout
}
