//! The time of day that is said within a stream, in ID3 tags beside transport streams' pictures and in `emsg` boxes of
//! fragmented MP4: players find it there, and it is the time that the playlist says (EXT-X-PROGRAM-DATE-TIME).

use std::fs;
use std::time::{Duration, Instant};

use crate::chromium::Browser;
use crate::libraries::{self, Case};
use crate::outpost_program::Outpost;
use crate::{alone, profile, temporary};

const STREAM: &str = "[[stream]]\nname = \"camera\"\nlow_latency = {}\nwindow.segment = \"1s\"\n\
    video = { kind = \"synth\", size = \"320x180\", rate = 25, bitrate = \"300k\" }\n\
    audio = { kind = \"synth\", sound = \"clapper\" }\n";

const CASES: [Case; 2] = [
    Case { path: "/camera/index.m3u8", pictures: true, low_latency: false, players: &["hls"] },
    Case { path: "/camera/ll/index.m3u8", pictures: true, low_latency: true, players: &["hls", "shaka"] },
];

/// How often the time is to be heard, and how long that may take.
const TOLD: usize = 3;
const PATIENCE: Duration = Duration::from_secs(30);
/// What the two may differ by, in seconds: players place what they fetch by its first picture or its first sound, which
/// are not of the same instant.
const BOUND: f64 = 0.15;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn players_read_the_time_within_a_stream_and_it_is_that_of_the_playlist() {
    let _alone = alone().await;
    let (state, profile) = (temporary("dates-state"), profile("dates"));
    let config = state.join("outpost.toml");
    fs::write(&config, STREAM).expect("a configuration");
    let outpost = Outpost::start(&["run", config.to_str().expect("UTF-8")], &[], &state);
    let browser = Browser::start(&profile).await;
    for case in &CASES {
        libraries::open(&browser, &outpost.url(case.path), case).await;
        let began = Instant::now();
        let looks = loop {
            let looks = libraries::look(&browser).await;
            let told = |look: &serde_json::Value| look["told"].as_array().map_or(0, Vec::len);
            if looks.len() == case.players.len() && looks.iter().all(|look| told(look) >= TOLD) {
                break looks;
            }
            assert!(began.elapsed() < PATIENCE, "{}: {looks:#?}\n{:#?}", case.path, browser.console());
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        for look in looks {
            let told = look["told"].as_array().expect("a list").iter();
            let off: Vec<f64> = told.filter_map(serde_json::Value::as_f64).collect();
            println!("{}, {}: said is what the playlist says but for {off:.3?} s", case.path, look["player"]);
            assert!(off.len() >= TOLD && off.iter().all(|off| off.abs() < BOUND), "{}: {look}", case.path);
        }
    }
}
