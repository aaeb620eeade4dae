//! What was said, heard again: a transmission is tapped on, and it is the one that sounds; then the next, the one before,
//! and several without the silence between them. Each has a pitch of its own, by which it is known.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::chromium::{Browser, DENSITY, SCREEN};
use crate::outpost_program::{Outpost, fetch};
use crate::{PATIENCE, PLAYS, alone, profile, temporary};

/// Two seconds and a half of a tone in every five; the eight pitches are 150 Hz apart.
const TONES: &str =
    "aevalsrc=0.3*sin(2*PI*t*(500+150*floor(mod(t\\,40)/5)))*between(mod(t\\,5)\\,1.5\\,4):s=48000";
const EVERY: f64 = 5.0;
const PITCHES: u64 = 8;

fn pitch(nth: u64) -> f64 {
    500.0 + 150.0 * (nth % PITCHES) as f64
}

/// How long it may take from a tap to the sound, and from the server's word to the page's, in milliseconds.
const AT_ONCE: f64 = 1000.0;
/// Less than the silence there is between two, in milliseconds.
const SKIPPED: f64 = 1100.0;

/// Keeps what is heard in `window.heard`: when (ms), at what pitch (Hz; 0 for silence).
const LISTEN: &str = "const context = new AudioContext();
    const ear = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
    context.createMediaElementSource(document.getElementById('audio')).connect(ear).connect(context.destination);
    const bins = new Float32Array(ear.frequencyBinCount);
    window.heard = [];
    setInterval(() => {
        ear.getFloatFrequencyData(bins);
        const loudest = bins.reduce((most, it, i) => (it > bins[most] ? i : most), 0);
        const pitch = bins[loudest] > -45 ? (loudest * context.sampleRate) / ear.fftSize : 0;
        window.heard.push([performance.now(), pitch]);
    }, 40);";

const HEARD: &str = "const since = window.heard; window.heard = []; return since";

/// Taps on the row of a transmission as a thumb does, and notes when.
fn tap(id: &str) -> String {
    format!(
        "const row = document.querySelector('#list [data-id=\"{id}\"] .hear');
         row.scrollIntoView({{ block: 'center' }});
         window.heard = [];
         window.tapped = performance.now();
         row.click();"
    )
}

fn press(key: &str) -> String {
    format!(
        "window.heard = [];
         window.tapped = performance.now();
         document.body.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true, cancelable: true }}))"
    )
}

/// A transmission: its name, and which of the tones it is.
#[derive(Clone, Debug)]
struct Said {
    id: String,
    nth: u64,
}

/// Those that are over, in order. The first is the first tone.
fn said(outpost: &Outpost) -> Vec<Said> {
    let list = fetch(&outpost.url("/api/v1/streams/radio/markers?kind=transmission")).expect("the list");
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let list = list["markers"].as_array().expect("a list").clone();
    let begin = |it: &Value| it["from"]["media_seconds"].as_f64().expect("a number");
    let first = list.first().map_or(0.0, begin);
    let over = list.iter().filter(|it| !it["to"].is_null());
    over.map(|it| Said {
        id: it["id"].as_str().expect("a name").to_owned(),
        nth: ((begin(it) - first) / EVERY).round() as u64,
    })
    .collect()
}

/// Waits until the tone is heard and nothing else but silence before; says how many milliseconds after the tap.
async fn hears(browser: &Browser, said: &Said) -> f64 {
    let began = Instant::now();
    let mut heard = Vec::new();
    loop {
        let told = browser.ask(HEARD).await;
        let tapped = browser.ask("return window.tapped").await.as_f64().expect("a number");
        for it in told.as_array().expect("a list") {
            heard.push((it[0].as_f64().expect("ms") - tapped, it[1].as_f64().expect("Hz")));
        }
        // What sounded before the tap is in the ear for a moment.
        let mut tones = heard.iter().filter(|(at, pitch)| *at > 200.0 && *pitch > 0.0);
        let is_it = |found: f64| (found - pitch(said.nth)).abs() < 12.0;
        if let Some((at, _)) = heard.iter().find(|(_, pitch)| is_it(*pitch)) {
            return *at;
        }
        assert!(tones.next().is_none(), "not {said:?} at {} Hz: {heard:?}", pitch(said.nth));
        assert!(began.elapsed() < PATIENCE, "{said:?} is not heard: {heard:?} {:?}", browser.console());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The tones heard, each with its first and last instant.
fn stretches(heard: &[(f64, f64)]) -> Vec<(u64, f64, f64)> {
    let mut found: Vec<(u64, f64, f64)> = Vec::new();
    for (at, hertz) in heard.iter().filter(|(_, hertz)| *hertz > 0.0) {
        let nth = ((hertz - 500.0) / 150.0).round() as u64;
        match found.last_mut() {
            Some((last, _, end)) if *last == nth => *end = *at,
            _ => found.push((nth, *at, *at)),
        }
    }
    found
}

async fn save(name: &str, browser: &Browser) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
    fs::write(path, browser.screenshot().await).expect("room for a picture");
}

fn radio(state: &Path) -> Outpost {
    let config = state.join("outpost.toml");
    let source = format!(
        "kind = \"command\", input = {{ rate = 48000, channels = 1 }}, command = [\"ffmpeg\", \"-nostdin\", \"-v\", \
         \"error\", \"-re\", \"-f\", \"lavfi\", \"-i\", {TONES:?}, \"-f\", \"s16le\", \"pipe:1\"]"
    );
    let stream = format!("[[stream]]\nname = \"radio\"\ntitle = \"Attic scanner\"\naudio = {{ {source} }}\n");
    fs::write(&config, stream).expect("a configuration");
    Outpost::start(&["run", config.to_str().expect("UTF-8")], &[], state)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_tapped_on_is_heard_then_the_next_and_several_without_silence() {
    let _alone = alone().await;
    let (state, profile) = (temporary("heard-state"), profile("heard"));
    let outpost = radio(&state);
    let browser = Browser::start(&profile).await;
    browser.open(&outpost.url("/radio")).await;
    let many = "return document.querySelectorAll('#list .said[data-on=no]').length >= 6";
    browser.wait_until(many, Duration::from_secs(60)).await;
    browser.click("#closer").await; // a tap, after which browsers allow sound
    browser.ask(LISTEN).await;

    let list = said(&outpost);
    browser.ask(&tap(&list[2].id)).await;
    println!("from nothing to sound: {:.0} ms", hears(&browser, &list[2]).await);
    browser.ask(&tap(&list[0].id)).await;
    let took = hears(&browser, &list[0]).await;
    println!("from one to another: {took:.0} ms");
    assert!(took < AT_ONCE, "heard {took:.0} ms after the tap");
    let marked = "return document.querySelector('#list [aria-current]')?.closest('li').dataset.id";
    assert_eq!(browser.ask(marked).await, list[0].id, "what is heard is marked");
    let title = "return navigator.mediaSession.metadata.title";
    let title = browser.ask(title).await;
    assert!(title.as_str().is_some_and(|it| it.ends_with(" · Attic scanner") && it.len() > 20), "{title}");
    save("heard", &browser).await;

    for (key, nth) in [("n", 1), ("n", 2), ("r", 2), ("p", 1), ("p", 0)] {
        browser.ask(&press(key)).await;
        hears(&browser, &list[nth]).await;
    }

    // Back to back: without skipping there are two seconds and a half of silence.
    browser.ask(&tap(&list[3].id)).await;
    hears(&browser, &list[3]).await;
    browser.ask(&press("s")).await;
    assert_eq!(browser.ask("return document.getElementById('skip').ariaPressed").await, "true");
    // Not with the first of all, which may have begun before the stream did.
    browser.ask(&tap(&list[1].id)).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    let told = browser.ask("return window.heard.map(([at, pitch]) => [at - window.tapped, pitch])").await;
    let heard: Vec<(f64, f64)> = serde_json::from_value(told).expect("pairs");
    let tones = stretches(&heard);
    println!("heard, one after the other: {tones:.0?}");
    let order: Vec<u64> = tones.iter().map(|(nth, ..)| *nth).filter(|nth| *nth < PITCHES).collect();
    let at = order.iter().position(|nth| *nth == 1).expect("what was tapped on");
    assert_eq!(order[at..at + 3], [1, 2, 3], "{tones:?}");
    for pair in tones[at..at + 3].windows(2) {
        let silence = pair[1].1 - pair[0].2;
        assert!(silence < SKIPPED, "{silence:.0} ms of silence: {tones:?}");
    }
    for (_, from, to) in &tones[at..at + 3] {
        assert!((to - from - 2500.0).abs() < 400.0, "the whole of it: {tones:?}");
    }

    browser.ask(&press("l")).await;
    let near = "return Number(document.getElementById('behind').dataset.seconds) < 12";
    browser.wait_until(near, PATIENCE).await;
    browser.wait_until(PLAYS, PATIENCE).await;
    // At live it waits for the next, and does not run ahead.
    let (position, began) =
        (browser.ask("return document.getElementById('audio').currentTime").await, Instant::now());
    tokio::time::sleep(Duration::from_secs(6)).await;
    let now = browser.ask("return document.getElementById('audio').currentTime").await;
    let played = now.as_f64().expect("s") - position.as_f64().expect("s");
    assert!((played - began.elapsed().as_secs_f64()).abs() < 1.6, "{played:.2} s were played");
    browser.ask("document.getElementById('skip').click()").await;
    browser.ask(&press(" ")).await;
    browser.wait_until("return document.documentElement.dataset.state === 'paused'", PATIENCE).await;
    browser.ask(&tap(&list[3].id)).await;
    hears(&browser, &list[3]).await;
    times_of_day_are_gone_to(&browser).await;
    what_was_chosen_is_remembered(&browser, &outpost).await;
    assert_eq!(browser.console(), [""; 0], "the console");
}

async fn times_of_day_are_gone_to(browser: &Browser) {
    let told = |text: &str| format!("return document.getElementById('told').textContent.includes('{text}')");
    // "14:05:00 – 14:10:00", with what was asked for in the middle.
    let middle = "const [then, from, to] = [document.getElementById('time').value,
            ...document.getElementById('past-title').textContent.split(' – ')]
            .map((it) => Date.parse(`1 Jan 2000 ${it}`));
        return Math.abs((then - from) / (to - from) - 0.5) < 0.1";
    let asked = [
        ("'nonsense'", told("Write a time of day")),
        ("text(Date.now() - 7_200_000)", told("has left the window")),
        ("text(Date.now() - 30_000)", middle.to_owned()),
    ];
    for (time, good) in asked {
        browser
            .ask(&format!(
                "const text = (date) => new Date(date).toTimeString().slice(0, 8);
                 document.getElementById('time').value = {time};
                 document.getElementById('find').requestSubmit();"
            ))
            .await;
        browser.wait_until(&good, PATIENCE).await;
    }
}

async fn what_was_chosen_is_remembered(browser: &Browser, outpost: &Outpost) {
    browser
        .ask(
            "document.getElementById('volume').value = 0.4;
             document.getElementById('volume').dispatchEvent(new Event('input'));
             document.getElementById('skip').click();",
        )
        .await;
    browser.open(&outpost.url("/")).await;
    let chosen = "return [document.getElementById('audio').volume, document.getElementById('volume').value,
        document.getElementById('skip').ariaPressed].join(' ')";
    assert_eq!(browser.ask(chosen).await, "0.4 0.4 true");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_is_shared_and_what_ends_is_told_at_once() {
    let _alone = alone().await;
    let (state, profile) = (temporary("shared-state"), profile("shared"));
    let outpost = radio(&state);
    let browser = Browser::start(&profile).await;
    browser.open(&outpost.url("/radio")).await;
    let many = "return document.querySelectorAll('#list .said[data-on=no]').length >= 3";
    browser.wait_until(many, Duration::from_secs(60)).await;

    // The page notes when each row says that it is over.
    browser
        .ask(
            "window.over = {};
             setInterval(() => document.querySelectorAll('#list .said[data-on=no]')
                 .forEach((row) => window.over[row.dataset.id] ??= Date.now()), 20);",
        )
        .await;
    let mut late = Vec::new();
    for _ in 0..3 {
        let known = said(&outpost).len();
        let (new, told) = loop {
            let list = said(&outpost);
            if list.len() > known {
                break (list[known].clone(), std::time::SystemTime::now());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let told = told.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64() * 1000.0;
        browser.wait_until(&format!("return window.over['{}'] !== undefined", new.id), PATIENCE).await;
        let shown = browser.ask(&format!("return window.over['{}']", new.id)).await;
        late.push(shown.as_f64().expect("ms") - told);
    }
    println!("on the page, after the server told: {late:.0?} ms");
    assert!(late.iter().all(|late| *late < AT_ONCE), "{late:?}");

    // A link to a transmission, as the page gives it, opened by somebody else.
    let list = said(&outpost);
    let shared = &list[1];
    browser.before_every_page("navigator.share = async (what) => { window.shared = what; };");
    browser.open(&outpost.url("/radio")).await;
    let there = format!("return document.querySelector('#list [data-id=\"{}\"]') !== null", shared.id);
    browser.wait_until(&there, PATIENCE).await;
    browser
        .ask(&format!("document.querySelector('#list [data-id=\"{}\"] [data-act=share]').click()", shared.id))
        .await;
    let link = browser.ask("return window.shared?.url").await.as_str().expect("an address").to_owned();
    assert!(link.starts_with(&outpost.url("/radio?at=20")) && link.ends_with('Z'), "{link}");
    browser.open(&link).await;
    browser
        .wait_until(
            "return document.getElementById('sentence').textContent.startsWith('Tap to hear ')",
            PATIENCE,
        )
        .await;
    save("shared", &browser).await;
    browser.click("#closer").await;
    browser.ask(LISTEN).await;
    browser.ask("window.tapped = performance.now()").await;
    browser.click("#play").await;
    hears(&browser, shared).await;
    let file =
        browser.ask("return document.querySelector('#list [data-heard=yes] a').getAttribute('href')").await;
    assert_eq!(file, format!("/radio/clip?marker={}&download", shared.id));
    assert_eq!(browser.console(), [""; 0], "the console");

    browser.open(&outpost.url("/radio?at=2020-01-01T12:00:00Z")).await;
    browser
        .wait_until(
            "return document.getElementById('told').textContent.includes('has left the window')",
            PATIENCE,
        )
        .await;
    assert_eq!(browser.ask("return document.getElementById('sentence').textContent").await, "Tap to listen");
    assert_eq!(browser.console(), [""; 0], "the console");
}

/// An Apple browser, as far as one can be had here: it plays by itself and tells the date of what it plays. Chromium's
/// own player cannot go back in what is live, so it is given a finished piece of the window.
const AS_APPLE: &str = "const piece = `?from=${new Date(Date.now() - 60_000).toISOString()}\
        &to=${new Date(Date.now() - 2000).toISOString()}`.replace(/\\s/g, '');
    const asked = new XMLHttpRequest();
    asked.open('GET', `/radio/audio/index.m3u8${piece}`, false);
    asked.send();
    const start = new Date(/PROGRAM-DATE-TIME:(.*)/.exec(asked.responseText)[1].trim());
    HTMLMediaElement.prototype.getStartDate = () => start;
    const { get, set } = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'src');
    Object.defineProperty(HTMLMediaElement.prototype, 'src', {
        get,
        set() { set.call(this, `/radio/audio/index.m3u8${piece}`); },
    });";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_plays_hls_itself_hears_what_is_tapped_on_too() {
    let _alone = alone().await;
    let (state, profile) = (temporary("own-state"), profile("own"));
    let outpost = radio(&state);
    let browser = Browser::start(&profile).await;
    browser.open(&outpost.url("/radio")).await;
    let many = "return document.querySelectorAll('#list .said[data-on=no]').length >= 5";
    browser.wait_until(many, Duration::from_secs(60)).await;
    browser.before_every_page(AS_APPLE);
    browser.open(&outpost.url("/radio")).await;
    browser.wait_until(many, PATIENCE).await;
    browser.click("#closer").await;
    browser.ask(LISTEN).await;
    let list = said(&outpost);
    browser.ask(&tap(&list[1].id)).await;
    hears(&browser, &list[1]).await;
    browser.ask(&tap(&list[3].id)).await;
    hears(&browser, &list[3]).await;
    for (key, nth) in [("p", 2), ("r", 2), ("n", 3)] {
        browser.ask(&press(key)).await;
        hears(&browser, &list[nth]).await;
    }
    assert_eq!(browser.ask("return window.Hls === undefined").await, true, "hls.js was not needed");
    assert_eq!(browser.console(), [""; 0], "the console");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_fits_screens_of_every_shape() {
    let _alone = alone().await;
    let (state, profile) = (temporary("shapes-state"), profile("shapes"));
    let outpost = Outpost::start(&["demo"], &[], &state);
    let browser = Browser::start(&profile).await;
    browser.open(&outpost.url("/radio")).await;
    browser.wait_until("return document.querySelectorAll('#list .said').length >= 1", PATIENCE).await;
    for station in ["radio", "camera"] {
        browser.ask(&format!("document.querySelector('#stations a[href=\"/{station}\"]').click()")).await;
        browser.wait_until(&format!("return location.pathname === '/{station}'"), PATIENCE).await;
        for (width, height, density) in
            [(360, 640, 2), (SCREEN.0, SCREEN.1, DENSITY), (844, 390, 2), (1280, 800, 1)]
        {
            browser.resize(width, height, density);
            tokio::time::sleep(Duration::from_millis(600)).await;
            save(&format!("{station}-{width}"), &browser).await;
            let wide = browser.ask("return document.documentElement.scrollWidth <= innerWidth").await;
            assert_eq!(wide, true, "{station} is wider than {width}");
            let small = browser
                .ask(
                    "return [...document.querySelectorAll('button, a[href], input')].filter((it) => it.offsetParent)
                        .filter((it) => it.id !== 'seek' && (it.offsetWidth < 44 || it.offsetHeight < 44)
                            || !(it.getAttribute('aria-label') ?? it.innerText).trim()).map((it) => it.outerHTML)",
                )
                .await;
            assert_eq!(small, serde_json::json!([]), "too small for a thumb, or without a name, at {width}");
            let play = browser
                .ask("return document.getElementById('play').getBoundingClientRect().bottom < innerHeight")
                .await;
            assert_eq!(play, true, "{station}: what plays is in sight at {width}");
        }
    }
    assert_eq!(browser.console(), [""; 0], "the console");
}
