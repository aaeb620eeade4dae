//! A box that nobody has configured, or wrongly, as its owner first sees it.

use std::path::Path;
use std::time::Duration;

use crate::chromium::Browser;
use crate::machine::Machine;
use crate::outpost_program::Outpost;
use crate::{PATIENCE, alone, profile, temporary};

/// The tile of the card in socket 1-2 shows how loud it is.
const LOUD: &str = "const meter = document.querySelector('#stations a[href=\"/sound-1-2\"] meter'); \
    return Boolean(meter && !meter.hidden && meter.value > -20)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_plugs_in_a_card_sees_it_hears_which_it_is_and_what_to_write() {
    let _alone = alone().await;
    let (machine, profile) = (Machine::new("browser-found"), profile("found"));
    machine.configure("listem = 8080\n");
    let outpost = machine.start(&["run", "--unattended", "outpost.toml"], &[]);
    let browser = Browser::start(&profile).await;
    browser.open(&outpost.url("/")).await;
    let reads = |text: &str| format!("return document.body.innerText.includes({text:?})");
    browser.wait_until(&reads("Nothing found yet: plug in a sound card or a camera"), PATIENCE).await;
    browser.wait_until(&reads("outpost.toml:1: listem: unknown key; did you mean `listen`?"), PATIENCE).await;

    machine.plug("1-2", 7);
    machine.plug("1-3", 8);
    let _tone = machine.play_tone();
    browser.wait_until(LOUD, PATIENCE).await;
    browser.wait_until("return document.querySelectorAll('#stations a').length === 2", PATIENCE).await;
    browser.click("#found summary").await;
    browser.wait_until(&reads("name = \"sound-1-3\""), PATIENCE).await;
    let wide = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    assert_eq!(browser.ask(wide).await, true, "nothing is wider than the phone");
    let picture = browser.screenshot().await;
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("found.png"), picture)
        .expect("room for a picture");

    machine.configure(
        browser.ask("return document.getElementById('written').textContent").await.as_str().expect("text"),
    );
    let told = "return !document.getElementById('problems').hidden";
    browser.wait_until(&told.replace('!', ""), PATIENCE + Duration::from_secs(10)).await;
    browser.wait_until("return document.getElementById('found').hidden", PATIENCE).await;
    assert_eq!(browser.console(), [""; 0], "the console");
}

/// There is no camera to plug in here: the demo's is told as one that was found.
const AS_FOUND: &str = "const real = window.fetch; window.fetch = async (...asked) => { \
    const answer = await real(...asked); \
    if (asked[0] !== '/api/v1/status') return answer; \
    return Response.json({ ...await answer.json(), found: '[[stream]]' }); }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_among_what_was_found_shows_what_it_sees_anew_and_anew() {
    let _alone = alone().await;
    let (state, profile) = (temporary("found-state"), profile("found-still"));
    let outpost = Outpost::start(&["demo"], &[], &state);
    let browser = Browser::start(&profile).await;
    browser.before_every_page(AS_FOUND);
    browser.open(&outpost.url("/radio")).await;
    let still = "const image = document.querySelector('#stations a[href=\"/camera\"] img');";
    browser.wait_until(&format!("{still} return image?.naturalWidth > 0"), PATIENCE).await;
    let first = browser.ask(&format!("{still} return image.src")).await;
    browser
        .wait_until(&format!("{still} return image.src !== {first} && image.naturalWidth > 0"), PATIENCE)
        .await;
    let other = "return document.querySelector('#stations a[href=\"/radio\"] img').hidden";
    assert_eq!(browser.ask(other).await, true, "the radio has nothing to see");
    let picture = browser.screenshot().await;
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("still.png"), picture)
        .expect("room for a picture");
}
