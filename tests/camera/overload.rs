//! An encoder that cannot keep up, from outside: it gives way, and says so, but never falls behind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::card;
use crate::eye::{self, fetch};
use crate::station::{Station, until};

/// More than any board can encode.
const TOO_MUCH: &str = "[[stream]]
name = \"camera\"
[stream.window]
segment = \"1500ms\"
[stream.video]
kind = \"synth\"
size = \"1920x1080\"
rate = 240
preset = \"fast\"
bitrate = \"8M\"
overload = [\"4M\", \"2M\", \"10fps\"]
encoder = \"x264\"
";

/// Keeps every core busy until dropped.
struct Burden(Arc<AtomicBool>);

impl Burden {
    fn new() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        for _ in 0..cores {
            let over = Arc::clone(&over);
            std::thread::spawn(move || while !over.load(Ordering::Relaxed) {});
        }
        Self(over)
    }
}

impl Drop for Burden {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn too_much_is_met_by_fewer_bits_and_fewer_pictures_and_never_by_delay() {
    let _alone = crate::MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let burden = Burden::new();
    let station = Station::start("overload", TOO_MUCH, &[]);
    station.until_signal("camera", &["live"], Duration::from_secs(20));
    let begun = Instant::now();
    let (mut lags, mut steps) = (Vec::new(), Vec::new());
    until("the last step down", Duration::from_secs(50), || {
        let status = station.status("camera");
        let lag = status["window"]["lag_ms"].as_f64().expect("a lag");
        if lags.last() != Some(&lag) {
            lags.push(lag);
        }
        let step = status["picture"]["step"].as_str().map(str::to_owned);
        if steps.last() != Some(&step) {
            steps.push(step);
        }
        steps.last().is_some_and(|step| step.as_deref() == Some("10fps")).then_some(())
    });
    drop(burden);
    let steps: Vec<_> = steps.iter().flatten().collect();
    assert_eq!(steps, ["4M", "2M", "10fps"], "in their order");
    let worst = lags.iter().copied().fold(0.0, f64::max);
    assert!(worst < 1_500.0, "segments come {worst} ms late: {lags:?}");
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (early, late) = lags.split_at(lags.len() / 2);
    assert!(mean(late) < mean(early) + 500.0, "ever later: {lags:?}");

    // What was left out is told as what it is, and nothing else is.
    let picture = station.status("camera")["picture"].clone();
    let number = |name: &str| picture[name].as_u64().expect(name);
    assert!(number("dropped") > 60, "{picture}");
    let taken = station.metric("outpost_video_pictures_total");
    let full = begun.elapsed().as_secs_f64() * 240.0;
    assert!(taken > 0.8 * full, "{taken} of about {full} pictures are accounted for");

    // Evenly: never a long hole, and at last as many as that step allows.
    let lengths = |playlist: &m3u8_rs::MediaPlaylist| -> Vec<f32> {
        playlist.segments.iter().map(|segment| segment.duration).collect()
    };
    let listed: f32 = lengths(&eye::playlist(&station, "camera")).iter().sum();
    let playlist = eye::seconds(&station, "camera", f64::from(listed) + 5.0);
    let broken = playlist.segments.iter().skip(1).position(|segment| segment.discontinuity);
    assert_eq!(broken, None, "of segments of {:.3?} s", lengths(&playlist));
    let (_, files) = fetch(&station, "camera", &playlist);
    for (n, file) in files.iter().enumerate().skip(files.len().saturating_sub(6)) {
        let frames = card::watch(file);
        let steps: Vec<f64> = frames.windows(2).map(|pair| pair[1].pts - pair[0].pts).collect();
        assert!(frames.windows(2).all(|pair| pair[1].reading.counter > pair[0].reading.counter), "in order");
        assert!(steps.iter().all(|step| *step < 0.5), "segment {n}: {steps:.3?}");
        if n + 2 >= files.len() {
            // Others on the machine may hold up one or two.
            let even = steps.iter().filter(|step| (0.05..0.15).contains(*step)).count();
            assert!(even * 4 >= steps.len() * 3, "segment {n}: {steps:.3?}");
        }
    }

    let log = station.log();
    let told = log.lines().filter(|line| line.contains("down to")).count();
    assert_eq!(told, 3, "each step is said once:\n{log}");
}
