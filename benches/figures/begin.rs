//! How soon a service is of use: from its start until there is something to play; and how long it is away when it is
//! killed, and started again by what stands in for systemd.
//!
//! Segments begin with the second, and it starts at any moment: the first one lasts anything up to a whole.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::manager::Manager;
use crate::table::Row;

/// Starts at instants spread over a second.
const STARTS: u32 = 10;

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
const PLAYLISTS: [&str; 2] = ["radio/audio/", "camera/video/"];

pub(crate) fn rows(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("From the start to what can be played, {STARTS} times: about {} s", 5 * STARTS);
    let (configuration, place) = (dir.join("begin.toml"), dir.join("begin"));
    fs::write(&configuration, STREAMS)?;
    let (mut ready, mut playable, mut away) = (Vec::new(), Vec::new(), Vec::new());
    for start in 0..STARTS {
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place)?;
        sleep(Duration::from_secs(1) * start / STARTS);
        let began = Instant::now();
        let mut manager = Manager::start(&place, &configuration);
        manager.hear_until("told READY=1");
        ready.push(began.elapsed().as_secs_f64());
        // Held until a player can begin without running dry at once.
        PLAYLISTS.iter().for_each(|path| drop(manager.playlist(path)));
        playable.push(began.elapsed().as_secs_f64());
        away.push(manager.restart(Signal::SIGKILL, &format!("{}index.m3u8", PLAYLISTS[0])).as_secs_f64());
    }
    let [ready, playable, away] = [ready, playable, away].map(|mut taken| {
        taken.sort_by(f64::total_cmp);
        eprintln!("    {taken:.2?} s");
        (taken[taken.len() / 2], taken[taken.len() - 1])
    });
    Ok(vec![
        Row::limit("service started -> first segment of each stream listed", 1.5, ready.0, "s")
            .with_peer("at most", ready.1, "s")
            .with_peer("3 s of it, which playlists wait for", playable.0, "s"),
        Row::limit("killed, and taken up again from systemd's store: away", 0.5, away.0, "s")
            .with_peer("at most", away.1, "s"),
    ])
}
