//! The window as a line: one goes back on it with a thumb, hears what was, and returns.

use std::path::Path;
use std::time::Duration;

use crate::chromium::Browser;
use crate::outpost_program::Outpost;
use crate::{PATIENCE, PLAYS, alone, profile, temporary};

/// How long it takes until there is a line to seek on, and then some.
const GROWING: Duration = Duration::from_secs(60);
/// Moves the thumb to the beginning of the line, and holds it there.
const DRAG: &str = "const seek = document.getElementById('seek');
    seek.value = seek.min;
    seek.dispatchEvent(new Event('input'));
    return [document.getElementById('place-at').textContent, Number(seek.max) - Number(seek.min)];";
const RELEASE: &str = "document.getElementById('seek').dispatchEvent(new Event('change'))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thumb_goes_back_to_the_beginning_of_the_window_and_returns() {
    let _alone = alone().await;
    let (state, profile) = (temporary("seek-state"), profile("seek"));
    let outpost = Outpost::start(&["demo"], &[], &state);
    let browser = Browser::start(&profile).await;
    browser.open(&outpost.url("/radio")).await;
    browser.wait_until("return !document.getElementById('play').disabled", PATIENCE).await;
    browser.click("#play").await;
    browser.wait_until(PLAYS, PATIENCE).await;

    browser.wait_until("return !document.getElementById('place').hidden", GROWING).await;
    let before = behind(&browser).await;
    let told = browser.ask(DRAG).await;
    let (words, length) = (told[0].as_str().expect("words"), told[1].as_f64().expect("seconds"));
    assert!(words.contains(" back"), "while it is held it says where that would lead: {words:?}");
    let picture = browser.screenshot().await;
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("seek.png"), picture)
        .expect("room for a picture");
    assert!((behind(&browser).await - before).abs() < 2.0, "nothing moves before it is let go");
    browser.ask(RELEASE).await;
    browser.wait_until(PLAYS, PATIENCE).await;
    let after = behind(&browser).await;
    assert!(
        (after - before - length).abs() < 4.0,
        "{before} s behind, then {after} s, on a line of {length} s"
    );

    browser.click("#live").await;
    let near = format!("return Number(document.getElementById('behind').dataset.seconds) < {}", before + 3.0);
    browser.wait_until(&near, PATIENCE).await;
    assert_eq!(browser.console(), [""; 0], "the console");
}

async fn behind(browser: &Browser) -> f64 {
    // Numbers are written a few times a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let told = browser.ask("return Number(document.getElementById('behind').dataset.seconds)").await;
    told.as_f64().expect("a number")
}
