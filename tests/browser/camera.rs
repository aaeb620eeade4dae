//! A station with pictures: seen in silence at once, heard after a tap, whatever plays it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chromium::{Browser, SCREEN};
use crate::eye::Drawn;
use crate::outpost_program::{Outpost, fetch};
use crate::{PATIENCE, PLAYS, RETURN, alone, profile, temporary};

/// What the page shows.
const SEE: &str = "const $ = (id) => document.getElementById(id);
    const video = $('video');
    return {
        state: document.documentElement.dataset.state,
        title: $('title').textContent,
        position: video.currentTime,
        muted: video.muted,
        unmute: !$('unmute').hidden,
        badge: $('badge').hidden ? null : $('badge').textContent,
        size: [video.videoWidth, video.videoHeight],
        shown: video.getVideoPlaybackQuality().totalVideoFrames,
        poster: new URL(video.poster).pathname,
        box: video.clientWidth / video.clientHeight,
        width: document.documentElement.scrollWidth,
        air: $('air-words').textContent,
        sentence: $('sentence').textContent,
        notice: $('notice').hidden ? null : $('notice').textContent,
        stations: [...document.querySelectorAll('#stations .name')].map((name) => name.textContent),
        unseen: [...document.querySelectorAll('button, a[href]')].filter((it) => it.offsetParent)
            .filter((it) => it.offsetWidth < 44 || it.offsetHeight < 44
                || !(it.getAttribute('aria-label') ?? it.innerText).trim()).map((it) => it.outerHTML),
    };";

/// Keeps the loudest sample of what is played in `window.loudest`.
const HEAR: &str = "const video = document.getElementById('video');
    const context = new AudioContext();
    const ear = new AnalyserNode(context, { fftSize: 32768 });
    new MediaStreamAudioSourceNode(context, { mediaStream: video.captureStream() }).connect(ear);
    const samples = new Float32Array(ear.fftSize);
    window.loudest = 0;
    setInterval(() => {
        ear.getFloatTimeDomainData(samples);
        window.loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), window.loudest);
    }, 250);";

/// How Apple's browsers are known to the page. Chromium has an HLS player of its own, too.
const AS_APPLE: &str = "HTMLMediaElement.prototype.getStartDate = () => new Date(NaN);";

const FULL: &str = "return document.fullscreenElement?.id === 'screen'
    && document.getElementById('full').getAttribute('aria-label') === 'Leave full screen'
    && document.getElementById('screen').clientHeight === innerHeight";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_sees_the_demo_in_silence_and_hears_it_after_a_tap() {
    let _alone = alone().await;
    let (state, profile) = (temporary("camera-state"), profile("camera"));
    let outpost = Outpost::start(&["demo"], &[], &state);
    let browser = Browser::start(&profile).await;
    browser.open(&outpost.url("/")).await;
    browser.wait_until("return !document.getElementById('play').disabled", PATIENCE).await;
    browser.click("#stations a[href='/camera']").await;
    browser.wait_until(PLAYS, PATIENCE).await;
    let before = see(&browser).await;
    assert_eq!((&before["muted"], &before["unmute"]), (&true.into(), &true.into()), "{before}");
    assert_eq!(before["sentence"], "Playing without sound");
    browser.click("#unmute").await;
    browser.ask(HEAR).await;
    follows_the_card(&browser).await;
    let after = see(&browser).await;
    save("camera", &browser).await;
    assert_eq!((&after["muted"], &after["unmute"]), (&false.into(), &false.into()), "{after}");
    assert_eq!((&after["title"], &after["sentence"]), (&"Demo camera".into(), &"Playing".into()));
    assert_eq!(after["size"], json!([1280, 720]));
    assert_eq!(after["poster"], "/camera/snapshot.jpg");
    assert_eq!((&after["badge"], &after["air"]), (&"Live".into(), &"Live".into()), "{after}");
    assert_eq!(after["stations"], json!(["Demo radio", "Demo camera"]));
    assert_eq!((&after["width"], &after["notice"]), (&SCREEN.0.into(), &Value::Null), "{after}");
    assert_eq!(after["unseen"], json!([]), "too small for a thumb, or without a name");
    assert!((after["box"].as_f64().expect("a number") - 16.0 / 9.0).abs() < 0.02, "{after}");
    assert!(more("shown", &before, &after) > 60.0, "{before}\n{after}");
    let loudest = browser.ask("return 20 * Math.log10(window.loudest)").await;
    let beep = loudest.as_f64().is_some_and(|level| (-14.0..-10.0).contains(&level));
    assert!(beep, "the beep has -12 dBFS, heard were {loudest}");

    browser.click("#full").await;
    browser.wait_until(FULL, PATIENCE).await;
    browser.click("#full").await;
    browser.wait_until("return document.fullscreenElement === null", PATIENCE).await;
    assert_eq!(browser.console(), [""; 0], "the console");

    // On to the radio, which has no picture, and back.
    browser.click("#stations a[href='/radio']").await;
    browser.wait_until("return document.getElementById('screen').hidden", PATIENCE).await;
    browser.wait_until(PLAYS, PATIENCE).await;
    browser.click("#stations a[href='/camera']").await;
    browser.wait_until(PLAYS, PATIENCE).await;
    assert_eq!(see(&browser).await["muted"], false, "who had sound keeps it");
    assert_eq!(browser.console(), [""; 0], "the console");

    browser.ask("window.loadedOnce = true").await;
    let address = outpost.address;
    drop(outpost); // SIGKILL
    browser.wait_until("return document.documentElement.dataset.state === 'error'", PATIENCE).await;
    let outpost = Outpost::start_at(address, &["demo"], &[], &state);
    sees_again(&browser, &outpost).await;
    follows_the_card(&browser).await;
    assert_eq!(browser.ask("return window.loadedOnce").await, true, "it was loaded anew");
    let _failed = browser.console(); // requests, while the server was away
    follows_the_card(&browser).await;
    assert_eq!(browser.console(), [""; 0], "the console, once the server is back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_plays_hls_itself_sees_and_hears_it_too() {
    let _alone = alone().await;
    let (state, profile) = (temporary("native-state"), profile("native"));
    let outpost = Outpost::start(&["demo"], &[], &state);
    let browser = Browser::start(&profile).await;
    browser.before_every_page(AS_APPLE);
    browser.open(&outpost.url("/camera")).await;
    browser.wait_until(PLAYS, PATIENCE).await;
    browser.click("#unmute").await;
    follows_the_card(&browser).await;
    let look = see(&browser).await;
    assert_eq!((&look["muted"], &look["size"]), (&false.into(), &json!([1280, 720])), "{look}");
    browser.click("#stations a[href='/radio']").await;
    browser.wait_until("return document.getElementById('audio').currentTime > 2", PATIENCE).await;
    browser.wait_until(PLAYS, PATIENCE).await;
    assert_eq!(browser.ask("return window.Hls === undefined").await, true, "hls.js was not needed");
    assert_eq!(browser.console(), [""; 0], "the console");
}

async fn see(browser: &Browser) -> Value {
    browser.ask(SEE).await
}

fn more(name: &str, before: &Value, after: &Value) -> f64 {
    after[name].as_f64().expect("a number") - before[name].as_f64().expect("a number")
}

async fn save(name: &str, browser: &Browser) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
    fs::write(path, browser.screenshot().await).expect("room for a picture");
}

/// What is drawn is the card, and its counter goes on as the player's time does: 30 a second.
async fn follows_the_card(browser: &Browser) {
    let mut seen = Vec::new();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        let drawn = Drawn::now(browser).await;
        let reading = drawn.card().unwrap_or_else(|why| panic!("at {:.2} s: {why}", drawn.position));
        seen.push((drawn.position, f64::from(reading.counter)));
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    for pair in seen.windows(2) {
        let [(earlier, before), (later, after)] = [pair[0], pair[1]];
        assert!(after >= before, "the counter goes back: {seen:?}");
        let drift = (after - before) / 30.0 - (later - earlier);
        assert!(drift.abs() < 0.35, "{drift:.2} s between counter and player: {seen:?}");
    }
    let (first, last) = (seen[0].1, seen[seen.len() - 1].1);
    assert!((75.0..180.0).contains(&(last - first)), "four seconds of pictures: {seen:?}");
}

/// Ends when the page shows what the new server sends.
async fn sees_again(browser: &Browser, outpost: &Outpost) {
    let began = Instant::now();
    loop {
        let status: Value =
            serde_json::from_str(&fetch(&outpost.url("/api/v1/status")).expect("the status")).expect("JSON");
        let look = see(browser).await;
        let watched = status["streams"][1]["listeners"] == 1;
        if watched && look["state"] == "playing" && look["notice"].is_null() {
            println!("seen again {:.1} s after the server was back", began.elapsed().as_secs_f64());
            return;
        }
        assert!(began.elapsed() < RETURN, "{look}\n{status}\n{:#?}", browser.console());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
