//! What a picture costs before it is encoded, beside libswscale and libjpeg-turbo in the same run.
//!
//! Processor time, not time: the machine may be busy. Of each the best of several rounds, in turns.

#[path = "figures/table.rs"]
#[allow(dead_code)] // The other figures use more of it.
mod table;

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use outpost::media::{Picture, Plane, Planes, Size};
use outpost::pixel::{Scaler, jpeg, yuyv};
use turbojpeg::{Decompressor, YuvImage, yuv_pixels_len};

use crate::table::Row;

const ROUNDS: usize = 5;
/// Different pictures, more than the caches hold.
const PICTURES: usize = 16;
/// How often each is taken in a round.
const TURNS: usize = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = Scratch::new()?;
    let size: Size = "1280x720".parse()?;
    let mut rows = unpacking(&scratch, size)?;
    rows.extend(reading(&scratch, size)?);
    rows.extend(scaling(&scratch, size)?);
    table::print(&rows);
    Ok(())
}

/// YUYV beside libswscale.
fn unpacking(scratch: &Scratch, size: Size) -> Result<Vec<Row>, Box<dyn Error>> {
    let (file, pictures) = scratch.raw(size, "yuyv422", 2 * size.width() * size.height())?;
    let mut into = Picture::black(size);
    let input = format!("-f rawvideo -pix_fmt yuyv422 -s {size} -i {file}");
    let figures = best(
        || {
            each(&pictures, |picture| {
                yuyv::to_i420(picture, 2 * size.width(), &mut into)?;
                Ok(())
            })
        },
        || beyond(&input, "", "-vf format=yuv420p"),
    )?;
    Ok(vec![Row::beside("YUYV 720p to 4:2:0, CPU each", 1.0, "libswscale", figures, "us")])
}

/// MJPEG, 4:2:2 as most cameras have it, beside libjpeg-turbo without anything around it, and beside ffmpeg.
fn reading(scratch: &Scratch, size: Size) -> Result<Vec<Row>, Box<dyn Error>> {
    let (file, pictures) = scratch.mjpeg(size)?;
    let bytes: usize = pictures.iter().map(Vec::len).sum();
    println!("MJPEG: {} KiB a picture", bytes / pictures.len() / 1024);
    let mut into = Picture::black(size);
    let mut decoder = jpeg::Decoder::new()?;
    let mut library = Decompressor::new()?;
    let mut coded = Vec::new();
    let mut ours = || each(&pictures, |picture| Ok(decoder.decode(picture, &mut into)?));
    let beside_library = best(&mut ours, || {
        each(&pictures, |picture| {
            let header = library.read_header(picture)?;
            let (width, height, subsamp) = (header.width, header.height, header.subsamp);
            coded.resize(yuv_pixels_len(width, 1, height, subsamp)?, 0);
            let image = YuvImage { pixels: coded.as_mut_slice(), width, align: 1, height, subsamp };
            Ok(library.decompress_to_yuv(picture, image)?)
        })
    })?;
    let input = format!("-threads 1 -i {file}");
    let beside_ffmpeg =
        best(&mut ours, || beyond(&input, "-c copy", "-vf scale=out_range=tv,format=yuv420p"))?;
    Ok(vec![
        Row::beside("MJPEG 720p to 4:2:0, CPU each", 1.15, "libjpeg-turbo", beside_library, "us"),
        Row::beside("the same", 1.0, "ffmpeg", beside_ffmpeg, "us"),
    ])
}

/// To smaller sizes, beside libswscale with the same filter.
fn scaling(scratch: &Scratch, size: Size) -> Result<Vec<Row>, Box<dyn Error>> {
    let (file, pictures) = scratch.raw(size, "yuv420p", size.bytes())?;
    let input = format!("-f rawvideo -pix_fmt yuv420p -s {size} -i {file}");
    Ok(vec![
        scaled("720p to 640x360, CPU each", &input, size, &pictures, "640:360:flags=area")?,
        scaled("720p to 960x540, CPU each", &input, size, &pictures, "960:540:flags=bilinear")?,
    ])
}

fn scaled(
    figure: &'static str,
    input: &str,
    size: Size,
    pictures: &[Vec<u8>],
    filter: &str,
) -> Result<Row, Box<dyn Error>> {
    let (width, luma) = (size.width(), size.width() * size.height());
    let to: Vec<&str> = filter.split(':').collect();
    let mut into = Picture::black(format!("{}x{}", to[0], to[1]).parse()?);
    let mut scaler = Scaler::new();
    let figures = best(
        || {
            each(pictures, |picture| {
                let (y, chroma) = picture.split_at(luma);
                let (u, v) = chroma.split_at(luma / 4);
                let planes = [(y, width), (u, width / 2), (v, width / 2)];
                let planes = Planes::I420(planes.map(|(data, stride)| Plane { data, stride }));
                scaler.scale(size, &planes, &mut into)?;
                Ok(())
            })
        },
        || beyond(input, "", &format!("-vf scale={filter}")),
    )?;
    // Seldom needed: a camera is asked for the size that is wanted.
    Ok(Row::beside(figure, 3.0, "libswscale", figures, "us"))
}

type Cost = Result<f64, Box<dyn Error>>;

/// The least either needs in turns, in microseconds a picture: what else the machine does only ever adds.
fn best(
    mut ours: impl FnMut() -> Cost,
    mut theirs: impl FnMut() -> Cost,
) -> Result<[f64; 2], Box<dyn Error>> {
    let mut least = [f64::INFINITY; 2];
    for _ in 0..ROUNDS {
        least = [least[0].min(ours()?), least[1].min(theirs()?)];
    }
    Ok(least.map(|seconds| seconds / (PICTURES * TURNS) as f64 * 1e6))
}

/// Seconds of this thread for every picture some times over, each as ffmpeg's reader leaves it to ffmpeg: just
/// copied, and as far as it goes still in the caches.
fn each(pictures: &[Vec<u8>], mut work: impl FnMut(&[u8]) -> Result<(), Box<dyn Error>>) -> Cost {
    let mut taken = Duration::ZERO;
    let mut read = Vec::new();
    for picture in (0..TURNS).flat_map(|_| pictures) {
        read.clear();
        read.extend_from_slice(picture);
        let before = cpu_time()?;
        work(black_box(&read))?;
        taken += cpu_time()? - before;
    }
    Ok(taken.as_secs_f64())
}

fn cpu_time() -> nix::Result<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from)
}

/// Seconds ffmpeg needs with `work` beyond what it needs with `idle`, for the same pictures.
fn beyond(input: &str, idle: &str, work: &str) -> Cost {
    let seconds = |output: &str| -> Cost {
        let repeat = TURNS - 1;
        let words = format!(
            "-nostdin -hide_banner -benchmark -filter_threads 1 -stream_loop {repeat} {input} {output} -f null -"
        );
        let ran = Command::new("ffmpeg").args(words.split_whitespace()).output()?;
        let log = String::from_utf8_lossy(&ran.stderr);
        let wanted = format!("frame={}fps", PICTURES * TURNS);
        if !ran.status.success() || !log.replace(' ', "").contains(&wanted) {
            return Err(format!("ffmpeg {words}: {}, and not {wanted}:\n{log}", ran.status).into());
        }
        let bench = log.lines().find_map(|line| line.strip_prefix("bench: utime=")).ok_or("no benchmark")?;
        let mut numbers =
            bench.split(|c: char| !c.is_ascii_digit() && c != '.').filter(|word| !word.is_empty());
        let mut next = || numbers.next().and_then(|word| word.parse::<f64>().ok()).ok_or("no number");
        Ok(next()? + next()?)
    };
    // Of each its own best: what is left is the difference of two quiet runs.
    let least =
        |output: &str| -> Cost { (0..3).try_fold(f64::INFINITY, |least, _| Ok(seconds(output)?.min(least))) };
    Ok(least(work)? - least(idle)?)
}

/// A file for ffmpeg, and the pictures in it for us.
type Pictures = (String, Vec<Vec<u8>>);

/// A folder in RAM, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let dir = PathBuf::from(format!("/dev/shm/outpost-pixel-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn ffmpeg(&self, words: &str) -> Result<(), Box<dyn Error>> {
        let ran = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y"])
            .args(words.split_whitespace())
            .status()
            .map_err(|error| format!("ffmpeg does not start: {error}; .ci/setup bench installs it"))?;
        if ran.success() { Ok(()) } else { Err(format!("ffmpeg {words}: {ran}").into()) }
    }

    /// A moving picture with the noise of a camera, as a file of raw pictures and as these.
    fn raw(&self, size: Size, format: &str, len: usize) -> Result<Pictures, Box<dyn Error>> {
        let file = self.path(format);
        self.ffmpeg(&format!("{} -pix_fmt {format} -f rawvideo {file}", source(size)))?;
        let pictures = fs::read(&file)?.chunks_exact(len).map(<[u8]>::to_vec).collect();
        Ok((file, pictures))
    }

    /// The same as MJPEG.
    fn mjpeg(&self, size: Size) -> Result<Pictures, Box<dyn Error>> {
        let file = self.path("mjpeg.avi");
        let coding = "-pix_fmt yuvj422p -c:v mjpeg -huffman default -q:v 6";
        self.ffmpeg(&format!("{} {coding} {file}", source(size)))?;
        self.ffmpeg(&format!("-i {file} -c copy -f image2 {}", self.path("%d.jpg")))?;
        let pictures = (1..=PICTURES).map(|n| fs::read(self.path(&format!("{n}.jpg"))));
        Ok((file, pictures.collect::<Result<_, _>>()?))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn source(size: Size) -> String {
    format!("-f lavfi -i testsrc2=size={size}:rate=30 -vf noise=alls=8:allf=t -frames:v {PICTURES}")
}
