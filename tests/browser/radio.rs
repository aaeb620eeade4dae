//! A station without pictures: it waits for a tap, then is heard, also after the server was killed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::chromium::{Browser, SCREEN};
use crate::eye::looks_drawn;
use crate::files::everything_loaded;
use crate::outpost_program::{Outpost, fetch};
use crate::{PATIENCE, PLAYS, RETURN, alone, profile, temporary};

/// How long sound is listened to.
const LISTENING: Duration = Duration::from_secs(8);

/// Everything the page shows and does, at one instant.
const LOOK: &str = "const $ = (id) => document.getElementById(id);
    const { metadata, playbackState } = navigator.mediaSession;
    return {
        state: document.documentElement.dataset.state,
        position: $('audio').currentTime,
        db: $('meter').dataset.db,
        air: $('air').dataset.air,
        behind: Number($('behind').dataset.seconds),
        title: $('title').textContent,
        session: [metadata?.title, metadata?.artist, metadata?.artwork[0].src, playbackState],
        width: document.documentElement.scrollWidth,
        notice: $('notice').hidden ? null : $('notice').textContent,
    };";
const SILENT: &str = "return document.documentElement.dataset.state !== 'playing'
    && document.getElementById('notice').innerText.startsWith('Outpost does not answer')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_hears_the_demo_and_hears_it_again_after_a_crash() {
    let _alone = alone().await;
    let (state, profile) = (temporary("state"), profile("radio"));
    let outpost = Outpost::start(&["demo"], &[], &state);
    let browser = Browser::start(&profile).await;

    browser.open(&outpost.url("/")).await;
    browser.wait_until("return !document.getElementById('play').disabled", PATIENCE).await;
    assert_eq!(browser.ask(LOOK).await["state"], "idle", "it waits for a tap");
    browser.click("#play").await;
    browser.wait_until(PLAYS, PATIENCE).await;
    let looks = listen(&browser).await;
    looks_alive(&looks);
    let picture = browser.screenshot().await;
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("page.png"), &picture).expect("room for a picture");
    looks_drawn(&picture);
    everything_loaded(&browser, &outpost).await;
    assert_eq!(browser.console(), [""; 0], "the console");

    browser.ask("window.loadedOnce = true").await;
    let address = outpost.address;
    drop(outpost); // SIGKILL
    browser.wait_until(SILENT, PATIENCE).await; // all that was loaded has been heard, and the page says why
    let outpost = Outpost::start_at(address, &["demo"], &[], &state);
    hears_again(&browser, &outpost).await;
    // The server was away: requests failed, and nothing else did.
    let (failed, other): (Vec<_>, Vec<_>) =
        browser.console().into_iter().partition(|line| line.contains("net::ERR_"));
    assert!(!failed.is_empty() && other.is_empty(), "the console: {failed:#?}\nand {other:#?}");
    listen(&browser).await;
    assert_eq!(browser.console(), [""; 0], "the console, once the server is back");

    browser.open(&outpost.url("/radio")).await;
    browser.wait_until("return !document.getElementById('play').disabled", PATIENCE).await;
    let look = browser.ask(LOOK).await;
    assert_eq!((&look["title"], &look["state"]), (&Value::from("Demo radio"), &Value::from("idle")));
    assert_eq!(browser.console(), [""; 0], "the console at /radio");
    let nowhere = fetch(&outpost.url("/nowhere")).expect_err("no such stream");
    assert!(nowhere.contains("404"), "{nowhere}");
}

/// Watches the page while it plays, and holds that it plays in real time.
async fn listen(browser: &Browser) -> Vec<Value> {
    let mut looks = vec![browser.ask(LOOK).await];
    let began = Instant::now();
    while began.elapsed() < LISTENING {
        tokio::time::sleep(Duration::from_millis(150)).await;
        looks.push(browser.ask(LOOK).await);
    }
    let passed = began.elapsed().as_secs_f64();
    let position =
        |look: Option<&Value>| look.and_then(|look| look["position"].as_f64()).expect("a position");
    let played = position(looks.last()) - position(looks.first());
    assert!((played - passed).abs() < 0.5, "{played:.2} s were played in {passed:.2} s");
    looks
}

fn looks_alive(looks: &[Value]) {
    for look in looks {
        assert_eq!(look["state"], "playing", "{look}");
        assert_eq!(look["title"], "Demo radio", "{look}");
        assert_eq!(look["notice"], Value::Null, "{look}");
        assert_eq!(look["width"], SCREEN.0, "wider than the phone: {look}");
        assert!(look["air"] == "on" || look["air"] == "quiet", "{look}");
        let behind = look["behind"].as_f64().expect("a number");
        assert!((2.0..15.0).contains(&behind), "{look}");
        let session = &look["session"];
        assert_eq!(session[0], "Demo radio", "{look}");
        assert_eq!(session[1], "Live", "{look}");
        assert!(session[2].as_str().is_some_and(|icon| icon.ends_with("/assets/icon.png")), "{look}");
        assert_eq!(session[3], "playing", "{look}");
    }
    let levels: BTreeSet<_> = looks.iter().filter_map(|look| look["db"].as_str()).collect();
    assert!(levels.len() >= 5 && !levels.contains(""), "the meter showed only {levels:?}");
}

/// Ends when the page plays what the new server sends, without having been loaded again.
async fn hears_again(browser: &Browser, outpost: &Outpost) {
    let began = Instant::now();
    loop {
        let status = fetch(&outpost.url("/api/v1/status")).expect("the status");
        let status: Value = serde_json::from_str(&status).expect("JSON");
        let look = browser.ask(LOOK).await;
        if status["streams"][0]["listeners"] == 1 && look["state"] == "playing" && look["notice"].is_null() {
            break;
        }
        assert!(began.elapsed() < RETURN, "{look}\n{status}\n{:#?}", browser.console());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("heard again {:.1} s after the server was back", began.elapsed().as_secs_f64());
    assert_eq!(browser.ask("return window.loadedOnce").await, true, "it was loaded anew");
}
