//! Sound alone, and sound with pictures, in each way they are offered, played by programs we did not write.

mod support {
    pub(crate) mod outpost;
    #[allow(dead_code)]
    pub(crate) mod players;
}

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use support::outpost::Outpost;
use support::players::{Media, PLAYERS, Player};

/// What a player may take to start, on a machine with two cores and eight players.
const START: Duration = Duration::from_secs(20);
/// Pictures a second of the test card below.
const RATE: f64 = 30.0;

/// Two cores carry the players of one test.
static PLAYING: Mutex<()> = Mutex::new(());

/// Whether there are discontinuities in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joins {
    Whole,
    Broken,
}

/// What is played: its address, what is in it and how many pictures a second at least, and who is known not to.
struct Case {
    url: String,
    media: Media,
    rate: f64,
    joins: Joins,
    refused_by: Option<&'static str>,
}

/// A test card that two cores can decode many times at once, and one that is away half of the time.
fn cameras(dir: &Path) -> String {
    let script = format!(
        "sleep 4; exec ffmpeg -nostdin -v error -re -f lavfi -i testsrc2=size=320x180:rate={RATE} -t 4 \
         -c:v libx264 -preset ultrafast -tune zerolatency -g {RATE} -f h264 pipe:1 2>{}/errors",
        dir.display()
    );
    format!(
        "[[stream]]\nname = \"camera\"\nvideo = {{ kind = \"synth\", size = \"320x180\", rate = {RATE} }}\n\
         audio = {{ kind = \"synth\", sound = \"clapper\" }}\n\
         [[stream]]\nname = \"broken\"\naudio = {{ kind = \"synth\" }}\n[stream.video]\nkind = \"command\"\n\
         command = [\"sh\", \"-c\", {script:?}]\noutput = \"h264\"\nsize = \"320x180\"\nrate = {RATE}\n"
    )
}

#[test]
fn every_player_plays_a_minute_of_the_demo_without_a_complaint() {
    let _alone = PLAYING.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = folder("demo");
    let outpost = Outpost::start(&["demo"], &[], &dir);
    play(&[sound(outpost.url("/radio/index.m3u8"))], 60.0, &dir);
    let _ = fs::remove_dir_all(dir);
}

#[test]
fn every_player_plays_pictures_and_sound_as_a_playlist_and_as_an_endless_stream() {
    let _alone = PLAYING.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = folder("camera");
    fs::create_dir_all(&dir).expect("a folder");
    let config = dir.join("outpost.toml");
    fs::write(&config, cameras(&dir)).expect("a configuration");
    let outpost = Outpost::start(&["run", config.to_str().expect("UTF-8")], &[], &dir);
    let whole = |path: &str| both(outpost.url(path), RATE);
    play(&[whole("/camera/index.m3u8"), whole("/camera/live.ts")], 30.0, &dir.join("whole"));
    // A slate has ten pictures a second; there may be one all the time.
    let broken = Case { joins: Joins::Broken, ..both(outpost.url("/broken/index.m3u8"), 9.0) };
    play(&[broken], 30.0, &dir.join("broken"));
    let _ = fs::remove_dir_all(dir);
}

/// What else there is than ordinary playlists in the clear.
const OTHERWISE: &str = r#"
[[stream]]
name = "radio"
audio.kind = "synth"
low_latency = {}

[[stream]]
name = "camera"
video = { kind = "synth", size = "320x180", rate = 15, bitrate = "300k" }
audio = { kind = "synth", sound = "clapper" }
low_latency = {}

[[stream]]
name = "closed"
video = { kind = "synth", size = "320x180", rate = 15, bitrate = "300k" }
audio = { kind = "synth", sound = "clapper" }
encryption.rotate = 2
"#;

#[test]
fn every_player_plays_what_is_enciphered_or_in_parts_or_endless() {
    let _alone = PLAYING.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = folder("otherwise");
    fs::create_dir_all(&dir).expect("a folder");
    let config = dir.join("outpost.toml");
    fs::write(&config, OTHERWISE).expect("a configuration");
    let outpost = Outpost::start(&["run", config.to_str().expect("UTF-8")], &[], &dir);
    let cases = [sound(outpost.url("/radio/ll/index.m3u8")), sound(outpost.url("/radio/live.ts"))];
    play(&cases, 8.0, &dir.join("sound"));
    let cases = [
        both(outpost.url("/closed/index.m3u8"), 9.0),
        // It shows the pictures, and lets hear two seconds at most.
        Case { refused_by: Some("VLC"), ..both(outpost.url("/camera/ll/index.m3u8"), 9.0) },
    ];
    play(&cases, 8.0, &dir.join("both"));
    let _ = fs::remove_dir_all(dir);
}

fn sound(url: String) -> Case {
    Case { url, media: Media::Sound, rate: 0.0, joins: Joins::Whole, refused_by: None }
}

fn both(url: String, rate: f64) -> Case {
    Case { url, media: Media::Both, rate, joins: Joins::Whole, refused_by: None }
}

/// Not in the target folder: VLC runs as `nobody`, who cannot enter a home.
fn folder(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("outpost-players-{}-{name}", std::process::id()))
}

/// Lets every player play so many seconds of each, and holds that none complains.
fn play(cases: &[Case], seconds: f64, dir: &Path) {
    let faults: Vec<String> = std::thread::scope(|scope| {
        let mut playing = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            for player in &PLAYERS {
                let dir = dir.join(format!("{}-{number}", player.name));
                playing.push(scope.spawn(move || judged(player, case, seconds, &dir)));
            }
        }
        playing.into_iter().flat_map(|player| player.join().expect("the player was watched")).collect()
    });
    assert!(faults.is_empty(), "what they said is in {}:\n{}", dir.display(), faults.join("\n"));
}

/// All that is to be said against how `player` plays `case`.
fn judged(player: &'static Player, case: &Case, seconds: f64, dir: &Path) -> Vec<String> {
    let Case { url, media, rate, joins, refused_by } = case;
    // Who does not play it is not waited for as long as who has only not begun.
    let start = if *refused_by == Some(player.name) { START / 4 } else { START };
    let limit = Duration::from_secs_f64(seconds) + start;
    let mut played = player.play(url, *media, seconds, limit, dir);
    println!("{} {url}: {:.1} s of sound, {:.0} pictures", player.name, played.heard, played.seen);
    if *refused_by == Some(player.name) {
        let plays =
            played.faults.is_empty().then(|| "plays it by now; docs/players.md says otherwise".into());
        played.faults = plays.into_iter().collect();
    } else {
        if played.seen < 0.9 * rate * played.heard {
            played.faults.push(format!("only {:.0} pictures", played.seen));
        }
        // At a discontinuity VLC 3 throws its decoder away, and calls what that leaves behind errors.
        if player.name != "VLC" || *joins == Joins::Whole {
            played.faults.append(&mut played.complaints);
        }
    }
    played.faults.into_iter().map(|fault| format!("{} {url}: {fault}", player.name)).collect()
}
