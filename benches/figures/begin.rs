//! How soon a service is of use: from its start to a playlist that can be played. Segments begin with the second, and
//! it starts at any moment: the first one lasts anything up to a whole. And how long it is away when it is killed.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::manager::Manager;
use crate::outpost::{Outpost, fetch};
use crate::table::Row;

const RESTARTS: usize = 5;
/// Starts at instants spread over a second.
const STARTS: u32 = 10;
const PATIENCE: Duration = Duration::from_secs(20);

const STREAMS: &str = "[[stream]]
name = \"radio\"
audio.kind = \"synth\"
window.segment = \"1s\"
[[stream]]
name = \"camera\"
video = { kind = \"synth\", size = \"640x360\", rate = 30, bitrate = \"500k\" }
audio.kind = \"synth\"
window.segment = \"1s\"
";
const PLAYLISTS: [&str; 2] = ["/radio/audio/", "/camera/video/"];

pub(crate) fn rows(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("From the start to a playlist that can be played, {STARTS} times: about {} s", 2 * STARTS);
    let (configuration, state) = (dir.join("begin.toml"), dir.join("begin"));
    fs::write(&configuration, STREAMS)?;
    let mut taken = Vec::new();
    for start in 0..STARTS {
        let _ = fs::remove_dir_all(&state);
        sleep(Duration::from_secs(1) * start / STARTS);
        let began = Instant::now();
        let outpost = Outpost::start(&["run", &configuration.display().to_string()], &[], &state);
        while !PLAYLISTS.iter().all(|path| is_playable(&outpost, path)) {
            if began.elapsed() > PATIENCE {
                return Err("there is no segment yet".into());
            }
            sleep(Duration::from_millis(5));
        }
        taken.push(began.elapsed().as_secs_f64());
    }
    let mut away = Vec::new();
    fs::create_dir_all(dir.join("managed"))?;
    let mut manager = Manager::start(&dir.join("managed"), &configuration);
    for _ in 0..RESTARTS {
        sleep(Duration::from_secs(2));
        away.push(manager.restart(Signal::SIGKILL, "radio/audio/index.m3u8").as_secs_f64());
    }
    Ok(vec![
        worst("service started -> first playlist that can be played, at most", 1.5, taken),
        worst("killed, and taken up again from systemd's store: away, at most", 0.5, away),
    ])
}

fn worst(figure: &'static str, limit: f64, mut taken: Vec<f64>) -> Row {
    taken.sort_by(f64::total_cmp);
    eprintln!("    {taken:.2?} s");
    let [.., worst] = taken[..] else { return Row::limit(figure, limit, f64::NAN, "s") };
    Row::limit(figure, limit, worst, "s").with_peer("median", taken[taken.len() / 2], "s")
}

/// A segment is listed once it can be fetched, which others show (`tests/stream`).
fn is_playable(outpost: &Outpost, path: &str) -> bool {
    let playlist = fetch(&outpost.url(&format!("{path}index.m3u8"))).unwrap_or_default();
    playlist.contains("#EXTINF") && !playlist.contains("#EXT-X-GAP")
}
