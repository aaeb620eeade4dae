//! What ffmpeg and ffprobe see in the pictures of a stream.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::station::Station;

/// Of all pictures here: the smallest a webcam of vivid has.
pub(crate) const WIDTH: usize = 320;
pub(crate) const HEIGHT: usize = 180;

/// Pictures as decoded, in the order of their display.
pub(crate) struct Film {
    frames: Vec<Frame>,
    /// When each segment begins, in seconds.
    begins: Vec<f64>,
}

/// One picture.
pub(crate) struct Frame {
    /// In seconds.
    pub(crate) pts: f64,
    luma: Vec<u8>,
}

impl Film {
    /// Fetches the segments with these media sequence numbers, and has them decoded. Each begins with a key
    /// frame; nobody has anything to complain of.
    pub(crate) fn fetch(station: &Station, rendition: &str, numbers: RangeInclusive<u64>) -> Self {
        let file = station.folder().join("film.ts");
        let mut film = Vec::new();
        let mut begins = Vec::new();
        for number in numbers {
            let segment = station.bytes(&format!("/{rendition}/{number}.ts"));
            fs::write(&file, &segment).expect("a segment");
            let first = probe(&file, &["-read_intervals", "%+#1", "-show_entries", "packet=pts_time,flags"]);
            let (pts, flags) = first.split_once(',').expect("a packet");
            assert!(flags.starts_with('K'), "segment {number} begins with {first:?}, not with a key frame");
            begins.push(pts.parse().expect("a PTS"));
            film.extend(segment);
        }
        fs::write(&file, film).expect("a file");
        assert_eq!(
            probe(&file, &["-show_entries", "stream=codec_name,width,height,pix_fmt"]).lines().next(),
            Some("h264,320,180,yuv420p")
        );
        let pts = probe(&file, &["-show_entries", "frame=pts_time"]);
        let pts = pts.lines().map(|line| line.trim_end_matches(',').parse().expect("a PTS"));
        let luma = said(
            Command::new("ffmpeg").args(["-nostdin", "-v", "warning", "-xerror", "-i"]).arg(&file).args([
                "-an",
                "-fps_mode",
                "passthrough",
                "-enc_time_base",
                "1:90000",
                "-vf",
                "extractplanes=y",
                "-f",
                "rawvideo",
                "-pix_fmt",
                "gray",
                "-",
            ]),
        );
        let luma = luma.chunks_exact(WIDTH * HEIGHT);
        assert_eq!(luma.len(), pts.clone().count(), "ffmpeg decodes what ffprobe sees");
        let frames: Vec<_> = pts.zip(luma).map(|(pts, luma)| Frame { pts, luma: luma.to_vec() }).collect();
        assert!(
            frames.is_sorted_by(|a, b| a.pts < b.pts),
            "pictures in order, each later than the one before"
        );
        Self { frames, begins }
    }

    pub(crate) fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// How long each segment lasts, except the last: from its first picture to that of the next.
    pub(crate) fn lengths(&self) -> Vec<f64> {
        self.begins.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// All but the last segment's pictures.
    pub(crate) fn without_last(mut self) -> Self {
        let last = self.begins.pop().unwrap_or_default();
        self.frames.retain(|frame| frame.pts < last);
        self
    }
}

impl Frame {
    /// Mean luma.
    pub(crate) fn brightness(&self) -> f64 {
        self.luma.iter().map(|luma| f64::from(*luma)).sum::<f64>() / self.luma.len() as f64
    }

    /// Where the ramp from black to white breaks off from white to black: the column right of the edge.
    pub(crate) fn edge(&self) -> Option<usize> {
        let column = |x: usize| -> i64 {
            self.luma.chunks_exact(WIDTH).map(|row| i64::from(row[x % WIDTH])).sum::<i64>() / HEIGHT as i64
        };
        let columns: Vec<i64> = (0..WIDTH).map(column).collect();
        let fall = |x: usize| columns[(x + WIDTH - 2) % WIDTH] - columns[(x + 1) % WIDTH];
        let edge = (0..WIDTH).max_by_key(|x| fall(*x))?;
        (fall(edge) > 100).then_some(edge)
    }
}

/// ffprobe's answer about the pictures in `file`, as CSV.
fn probe(file: &Path, questions: &[&str]) -> String {
    let answer = said(
        Command::new("ffprobe")
            .args(["-v", "warning", "-select_streams", "v", "-of", "csv=p=0"])
            .args(questions)
            .arg(file),
    );
    String::from_utf8(answer).expect("ASCII")
}

/// What a program says that has nothing to complain of.
fn said(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().expect("it starts (Debian: ffmpeg)");
    let complaints = crate::ear::complaints(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{command:?}: {complaints}");
    output.stdout
}
