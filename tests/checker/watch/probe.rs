//! What ffprobe finds in a segment.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use serde_json::Value;

use crate::seen::{Probe, Rendition};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Looks at the last segment that was fetched; `None` if none was.
pub(super) fn probe(rendition: &Rendition) -> Option<Probe> {
    let segments = rendition.segments();
    let (segment, body) = segments.iter().rev().find_map(|it| Some((it, rendition.clear(&it.uri)?)))?;
    let init = segment.map.as_ref().and_then(|map| rendition.clear(map.get("URI")?));
    let name = format!("outpost-checker-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
    let path = std::env::temp_dir().join(name);
    fs::write(&path, [init.unwrap_or_default(), body].concat()).expect("a temporary file");
    let said = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-show_entries"])
        .arg("stream=codec_name,profile,level,width,height,avg_frame_rate")
        .arg(&path)
        .output()
        .expect("ffprobe runs (Debian: ffmpeg)");
    let _ = fs::remove_file(&path);
    let said: Value = serde_json::from_slice(&said.stdout).expect("ffprobe writes JSON");
    let mut probe = Probe::default();
    for track in said["streams"].as_array().into_iter().flatten() {
        match track["codec_name"].as_str() {
            Some("aac") => probe.sounds += 1,
            Some("h264") => {
                let profile = match track["profile"].as_str() {
                    Some("Constrained Baseline" | "Baseline") => 66,
                    Some("Main") => 77,
                    Some("High") => 100,
                    other => panic!("a profile nobody makes: {other:?}"),
                };
                let level = track["level"].as_u64().and_then(|level| u8::try_from(level).ok());
                probe.avc = level.map(|level| (profile, level));
                probe.size = Some(format!("{}x{}", track["width"], track["height"]));
                let rate = track["avg_frame_rate"].as_str().and_then(|it| it.split_once('/'));
                probe.rate = rate.and_then(|(a, b)| Some(a.parse::<f64>().ok()? / b.parse::<f64>().ok()?));
            }
            _ => {}
        }
    }
    Some(probe)
}
