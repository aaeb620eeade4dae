//! hls.js, Shaka Player and video.js, side by side on the same stream: each of them plays it, in real time, and goes
//! on while its source does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::chromium::Browser;
use crate::lost::filmed;
use crate::outpost_program::Outpost;
use crate::{PATIENCE, alone, profile, temporary, website};

/// How long each stream is watched.
const WATCHED: Duration = Duration::from_secs(6);

/// How many such stretches they have to settle.
const STRETCHES: usize = 3;

/// What is played: its path, whether there is something to see, and by whom.
pub(crate) struct Case {
    pub(crate) path: &'static str,
    pub(crate) pictures: bool,
    pub(crate) low_latency: bool,
    pub(crate) players: &'static [&'static str],
}

const ALL: &[&str] = &["hls", "shaka", "videojs"];
/// video.js takes a multivariant playlist of low latency for an ordinary one, or fails, as it likes.
const QUICK: &[&str] = &["hls", "shaka"];

const CASES: [Case; 5] = [
    Case { path: "/camera/index.m3u8", pictures: true, low_latency: false, players: ALL },
    Case { path: "/radio/index.m3u8", pictures: false, low_latency: false, players: ALL },
    Case { path: "/closed/index.m3u8", pictures: true, low_latency: false, players: ALL },
    Case { path: "/camera/ll/index.m3u8", pictures: true, low_latency: true, players: QUICK },
    Case { path: "/radio/ll/index.m3u8", pictures: false, low_latency: true, players: QUICK },
];

/// Pictures small enough for three players and the program on two cores.
const STREAMS: &str = r#"
[[stream]]
name = "radio"
audio.kind = "synth"
low_latency = {}

[[stream]]
name = "camera"
video = { kind = "synth", size = "640x360", rate = 30, bitrate = "600k" }
rendition = [{ size = "320x180", bitrate = "200k" }]
audio = { kind = "synth", sound = "clapper" }
low_latency = {}

[[stream]]
name = "closed"
video = { kind = "synth", size = "640x360", rate = 30, bitrate = "300k" }
audio = { kind = "synth", sound = "clapper" }
encryption.rotate = 2
"#;

/// The folder with the players, of the versions in `package.json`; fetched once.
fn players() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("players");
    let wanted = include_str!("package.json");
    let done = dir.join("installed.json");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return dir;
    }
    fs::create_dir_all(&dir).expect("a folder for the players");
    fs::write(dir.join("package.json"), wanted).expect("room for a file");
    let npm = Command::new("npm")
        .args([
            "install",
            "--no-package-lock",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .current_dir(&dir)
        .output()
        .unwrap_or_else(|error| {
            panic!("npm does not run: {error}; .ci/setup test installs it (Debian: npm)")
        });
    let said = String::from_utf8_lossy(&npm.stderr);
    assert!(npm.status.success(), "npm cannot fetch the players of tests/browser/package.json: {said}");
    fs::write(done, wanted).expect("room for a file");
    dir
}

/// The page that has them all, playing `url`.
pub(crate) async fn open(browser: &Browser, url: &str, case: &Case) {
    let players = players();
    let site = website::serve(move |path| match path.strip_prefix("/node_modules/") {
        Some(_) => players.join(&path[1..]),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(&path[1..]),
    });
    let low = if case.low_latency { "&low=1" } else { "" };
    let players = case.players.join(",");
    browser.open(&format!("http://{site}/players.html?url={url}&players={players}{low}")).await;
}

pub(crate) async fn look(browser: &Browser) -> Vec<Value> {
    let looks = browser.ask("return window.look()").await;
    looks.as_array().expect("a list").iter().filter(|look| !look.is_null()).cloned().collect()
}

fn position(look: &Value) -> f64 {
    look["position"].as_f64().expect("a number")
}

/// Waits until `good` holds of all `count` of them.
async fn until(browser: &Browser, count: usize, what: &str, good: impl Fn(&Value) -> bool) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let looks = look(browser).await;
        if looks.len() == count && looks.iter().all(&good) {
            return looks;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: {looks:#?}\n{:#?}", browser.console());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How all are before and after a stretch, which took so many seconds.
async fn stretch(browser: &Browser) -> (Vec<Value>, Vec<Value>, f64) {
    let (before, began) = (look(browser).await, Instant::now());
    tokio::time::sleep(WATCHED).await;
    (before, look(browser).await, began.elapsed().as_secs_f64())
}

/// Whether one has played as long as has passed.
fn is_even(before: &Value, after: &Value, passed: f64) -> bool {
    (position(after) - position(before) - passed).abs() < 1.0
}

/// Waits until all `count` of them play, and holds that they do so in real time.
async fn play(browser: &Browser, count: usize, what: &str) -> Vec<Value> {
    let begun = until(browser, count, what, |look| position(look) > 0.5 && look["paused"] == false).await;
    // Some jump to the live edge at first, and again once they know where it is; close behind it, one that ran dry at
    // first waits some seconds. Who stutters on does so in the last stretch, too.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (mut before, mut after, mut passed) = stretch(browser).await;
    for _ in 1..STRETCHES {
        if before.iter().zip(&after).all(|(before, after)| is_even(before, after, passed)) {
            break;
        }
        println!("{what}: not settled yet");
        (before, after, passed) = stretch(browser).await;
    }
    assert_eq!(begun.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        let played = position(after) - position(before);
        assert!(
            is_even(before, after, passed),
            "{what}: {played:.1} s of {passed:.1} s were played: {after}"
        );
        for nothing in ["faults", "misses"] {
            assert_eq!(after[nothing], Value::Array(Vec::new()), "{what}: {after}");
        }
        let heard = after["decoded"].as_f64().zip(before["decoded"].as_f64());
        let heard = heard.map_or(0.0, |(after, before)| after - before);
        println!("{what}: {} is {} s behind, {heard} bytes of sound", after["player"], after["behind"]);
    }
    after
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_players_of_web_sites_play_each_stream() {
    let _alone = alone().await;
    let (state, profile) = (temporary("libraries-state"), profile("libraries"));
    let config = state.join("outpost.toml");
    fs::write(&config, STREAMS).expect("a configuration");
    let outpost = Outpost::start(&["run", config.to_str().expect("UTF-8")], &[], &state);
    let browser = Browser::start(&profile).await;
    for case in &CASES {
        open(&browser, &outpost.url(case.path), case).await;
        for look in play(&browser, case.players.len(), case.path).await {
            let seen = look["size"] != serde_json::json!([0, 0]);
            assert_eq!(seen, case.pictures, "{}: {look}", case.path);
            assert!(look["decoded"].as_f64().is_some_and(|bytes| bytes > 0.0), "{}: {look}", case.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_goes_and_comes_back_is_no_end_to_them() {
    let _alone = alone().await;
    let (state, profile) = (temporary("libraries-lost-state"), profile("libraries-lost"));
    let (outpost, cameras) = filmed(&state);
    let browser = Browser::start(&profile).await;
    let brighter = |than: f64| move |look: &Value| look["brightness"].as_f64().is_some_and(|it| it > than);
    let darker = |than: f64| move |look: &Value| look["brightness"].as_f64().is_some_and(|it| it < than);
    for (name, camera) in cameras {
        let [case, ..] = &CASES;
        let count = case.players.len();
        open(&browser, &outpost.url(&format!("/{name}/index.m3u8")), case).await;
        until(&browser, count, name, brighter(80.0)).await;
        camera.pull();
        until(&browser, count, &format!("{name}: the slate"), darker(60.0)).await;
        camera.plug_in();
        until(&browser, count, &format!("{name}: the camera is back"), brighter(80.0)).await;
        play(&browser, count, name).await;
    }
}
