//! The demo, played by programs we did not write.

mod support {
    pub(crate) mod outpost;
    pub(crate) mod players;
}

use std::time::Duration;

use support::outpost::Outpost;
use support::players::PLAYERS;

/// A minute of sound must have come out of each within this: the minute, and what a player takes to start.
const LIMIT: Duration = Duration::from_secs(80);

#[test]
fn every_player_plays_a_minute_of_the_demo_without_a_complaint() {
    // Not in the target folder: VLC runs as `nobody`, who cannot enter a home.
    let dir = std::env::temp_dir().join(format!("outpost-players-{}", std::process::id()));
    let outpost = Outpost::start(&["demo"], &[], &dir);
    let url = outpost.url("/radio/index.m3u8");
    let complaints: Vec<String> = std::thread::scope(|scope| {
        let (url, dir) = (&url, &dir);
        let playing = PLAYERS.map(|player| {
            scope.spawn(move || {
                let played = player.play(url, 60.0, LIMIT, &dir.join(player.name));
                println!("{}: {:.1} s of sound", player.name, played.heard);
                played.complaints.into_iter().map(move |complaint| format!("{}: {complaint}", player.name))
            })
        });
        playing.into_iter().flat_map(|player| player.join().expect("the player was watched")).collect()
    });
    assert!(complaints.is_empty(), "what they said is in {}:\n{}", dir.display(), complaints.join("\n"));
    let _ = std::fs::remove_dir_all(dir);
}
