//! The program is killed, and started again by systemd: who listens and looks on notices nothing but the cut.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::chromium::Browser;
use crate::libraries::{self, Case};
use crate::manager::Manager;
use crate::{PATIENCE, alone, profile, temporary};

const STREAM: &str = "[[stream]]\nname = \"camera\"\n\
    video = { kind = \"synth\", size = \"320x180\", rate = 15, bitrate = \"200k\" }\n\
    audio = { kind = \"synth\" }\nwindow.segment = \"1s\"\n";
const CASE: Case = Case { path: "/camera/index.m3u8", pictures: true, low_latency: false, players: &["hls"] };

/// How long they are watched after each restart: longer than what a player has loaded before it.
const WATCHED: Duration = Duration::from_secs(12);
/// A player that has run dry stands still for longer: it waits for a segment.
const STANDSTILL: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_does_not_stall_while_the_program_is_started_again() {
    let _alone = alone().await;
    let (state, profile) = (temporary("restart-state"), profile("restart"));
    fs::create_dir_all(&*state).expect("a folder");
    let config = state.join("outpost.toml");
    fs::write(&config, STREAM).expect("a configuration");
    let mut manager = Manager::start(&state, &config);
    let browser = Browser::start(&profile).await;
    libraries::open(&browser, &manager.url(&CASE.path[1..]), &CASE).await;
    watch(&browser, PATIENCE, |played| played > 8.0).await;
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let away = manager.restart(signal, "healthz");
        let stood = watch(&browser, WATCHED, |_| false).await;
        println!("{signal}: nobody answered for {away:?}; the position stood still for {stood:?} at most");
        assert!(stood < STANDSTILL, "it stalled for {stood:?}: {:#?}", libraries::look(&browser).await);
    }
}

/// Until so many seconds were played, or so much time has passed: how long the position stood still at most.
async fn watch(browser: &Browser, time: Duration, enough: impl Fn(f64) -> bool) -> Duration {
    let began = Instant::now();
    let (mut longest, mut moved, mut last) = (Duration::ZERO, began, 0.0);
    while began.elapsed() < time && !enough(last) {
        let looks = libraries::look(browser).await;
        let position = looks.first().and_then(|look| look["position"].as_f64()).unwrap_or(0.0);
        if position > last {
            (moved, last) = (Instant::now(), position);
        }
        longest = longest.max(moved.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    longest
}
