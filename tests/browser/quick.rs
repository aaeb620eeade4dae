//! Low delay, for those who ask for it: sound and picture in parts of segments.

use std::path::Path;
use std::time::Duration;

use crate::chromium::Browser;
use crate::outpost_program::Outpost;
use crate::{PATIENCE, PLAYS, alone, profile, temporary};

const PICTURES: &str = "return document.getElementById('video').getVideoPlaybackQuality().totalVideoFrames";
const SOUND: &str = "return document.getElementById('video').webkitAudioDecodedByteCount";
const BEHIND: &str = "return Number(document.getElementById('behind').dataset.seconds)";
/// As near as that nobody gets with whole segments of 2 s, of which three are kept in hand.
const NEAR: f64 = 4.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_wants_low_delay_gets_it_and_may_give_it_back() {
    let _alone = alone().await;
    let (state, profile) = (temporary("quick-state"), profile("quick"));
    let outpost = Outpost::start(&["demo"], &[], &state);
    let browser = Browser::start(&profile).await;
    browser.open(&outpost.url("/camera")).await;
    browser.wait_until(PLAYS, PATIENCE).await;
    browser.click("#unmute").await;
    let ordinary = number(&browser, BEHIND).await;
    browser.click("#quick").await;
    browser.wait_until(&format!("{BEHIND} > 0 && {} < {NEAR}", &BEHIND["return ".len()..]), PATIENCE).await;
    assert!(ordinary > NEAR, "{ordinary} s with whole segments");

    let before = (number(&browser, PICTURES).await, number(&browser, SOUND).await);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = (number(&browser, PICTURES).await, number(&browser, SOUND).await);
    assert!(after.0 - before.0 > 75.0, "pictures shown: {before:?}, then {after:?}");
    assert!(after.1 - before.1 > 20_000.0, "bytes of sound decoded: {before:?}, then {after:?}");
    assert!(number(&browser, BEHIND).await < NEAR, "and still near");
    let picture = browser.screenshot().await;
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("quick.png"), picture)
        .expect("room for a picture");

    browser.click("#quick").await;
    browser.wait_until(&format!("{BEHIND} > {NEAR}"), PATIENCE).await;
    browser.wait_until(PLAYS, PATIENCE).await;
    assert_eq!(browser.console(), [""; 0], "the console");
}

async fn number(browser: &Browser, question: &str) -> f64 {
    browser.ask(question).await.as_f64().expect("a number")
}
