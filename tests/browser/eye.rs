//! What is drawn: the screen, and the picture in the page.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::card;
use crate::chromium::{Browser, DENSITY, SCREEN};

/// Each third of the screen has something on it, and the colours are the page's.
pub(crate) fn looks_drawn(png: &[u8]) {
    let (width, height) = ((SCREEN.0 * DENSITY) as usize, (SCREEN.1 * DENSITY) as usize);
    let pixels = pixels(png);
    assert_eq!(pixels.len(), width * height * 3, "not {width} × {height}");
    for (which, third) in pixels.chunks(pixels.len() / 3).take(3).enumerate() {
        let mut counts = BTreeMap::<&[u8], usize>::new();
        for pixel in third.chunks(3) {
            *counts.entry(pixel).or_default() += 1;
        }
        let ground = counts.values().copied().max().unwrap_or(0);
        let drawn = third.len() / 3 - ground;
        assert!(drawn > third.len() / 3 / 100, "third {which} is empty: {drawn} pixels drawn");
    }
}

/// Three bytes each, as ffmpeg decodes them.
fn pixels(png: &[u8]) -> Vec<u8> {
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "png_pipe", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg runs (Debian: ffmpeg)");
    ffmpeg.stdin.take().expect("piped above").write_all(png).expect("ffmpeg reads the picture");
    ffmpeg.wait_with_output().expect("ffmpeg ends").stdout
}

/// The picture of the page's `<video>`, taken down to 320 × 180.
pub(crate) const SMALL: (usize, usize) = (320, 180);
/// Its luma, limited range as in BT.601, and where in the stream it stands.
const DRAWN: &str = "const video = document.getElementById('video');
    const context = new OffscreenCanvas(320, 180).getContext('2d', { willReadFrequently: true });
    context.drawImage(video, 0, 0, 320, 180);
    const { data } = context.getImageData(0, 0, 320, 180);
    const luma = [];
    for (let i = 0; i < data.length; i += 4) {
        luma.push(Math.round(16 + (65.5 * data[i] + 128.6 * data[i + 1] + 25 * data[i + 2]) / 255));
    }
    return { position: video.currentTime, luma };";

/// One picture as the page shows it.
pub(crate) struct Drawn {
    /// Seconds, as the player counts them.
    pub(crate) position: f64,
    luma: Vec<u8>,
}

impl Drawn {
    pub(crate) async fn now(browser: &Browser) -> Self {
        let drawn = browser.ask(DRAWN).await;
        let luma = drawn["luma"].as_array().expect("a list");
        let luma = luma.iter().filter_map(Value::as_u64).filter_map(|level| u8::try_from(level).ok());
        Self { position: drawn["position"].as_f64().expect("a number"), luma: luma.collect() }
    }

    /// What the test card says.
    pub(crate) fn card(&self) -> Result<card::Reading, String> {
        card::read(&self.luma, SMALL.0, SMALL.1)
    }

    /// 16 is black, 235 white.
    pub(crate) fn brightness(&self) -> f64 {
        self.luma.iter().map(|level| f64::from(*level)).sum::<f64>() / self.luma.len() as f64
    }
}
