//! A clip in an `<audio>` and in a `<video>`: it has its length at once, and can be sought in.

use std::time::Duration;

use crate::chromium::Browser;
use crate::outpost_program::Outpost;
use crate::{PATIENCE, alone, profile, temporary};

/// How long it takes until there is something to cut from.
const GROWING: Duration = Duration::from_secs(40);

/// Asks for five seconds that ended three seconds ago.
fn open(kind: &str, stream: &str) -> String {
    format!(
        "const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();
        const clip = window.clip = document.createElement('{kind}');
        clip.src = `/{stream}/clip?from=${{ago(8)}}&to=${{ago(3)}}`;
        clip.addEventListener('canplay', () => {{ clip.dataset.ready = 'yes' }}, {{ once: true }});
        clip.load();"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clip_plays_and_can_be_sought_in() {
    let _alone = alone().await;
    let (state, profile) = (temporary("clip-state"), profile("clip"));
    let outpost = Outpost::start(&["demo"], &[], &state);
    let browser = Browser::start(&profile).await;
    browser.open(&outpost.url("/radio")).await;
    // A clip that can be had is long enough.
    let long = "return fetch('/radio/audio/index.m3u8').then((it) => it.text())
        .then((it) => it.split('#EXTINF').length > 7)";
    browser.wait_until(long, GROWING).await;
    // Before it is touched, a page may not play.
    browser.click("#title").await;
    for (kind, stream, longest) in [("audio", "radio", 5.01), ("video", "camera", 9.0)] {
        browser.ask(&open(kind, stream)).await;
        browser.wait_until("return clip.dataset.ready === 'yes'", PATIENCE).await;
        let duration = browser.ask("return clip.duration").await.as_f64().expect("a number");
        assert!((4.95..longest).contains(&duration), "{stream}: {duration} s");
        browser.ask("clip.currentTime = 3.5; clip.play()").await;
        browser.wait_until("return clip.currentTime > 4 && !clip.seeking", PATIENCE).await;
        browser.ask("clip.currentTime = 0.5").await;
        browser.wait_until("return clip.currentTime > 1 && clip.currentTime < 3", PATIENCE).await;
        browser.wait_until("return clip.ended", PATIENCE).await;
        assert!(browser.ask("return clip.error === null").await.as_bool().expect("an answer"), "{stream}");
        if kind == "video" {
            let size = browser.ask("return clip.videoWidth > 0 && clip.videoHeight > 0").await;
            assert!(size.as_bool().expect("an answer"));
        }
    }
    assert_eq!(browser.console(), [""; 0], "the console");
}
