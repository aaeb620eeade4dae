//! The demo's page in Chromium, as a listener with a phone meets it.

mod support {
    pub(crate) mod browser;
    pub(crate) mod outpost;
}

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::browser::{Browser, DENSITY, SCREEN};
use support::outpost::{Outpost, fetch};

/// A debug build, a browser starting cold, and two cores for both.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long sound is listened to.
const LISTENING: Duration = Duration::from_secs(8);
/// After this at the latest, whoever was listening hears a server that died and came back.
const RETURN: Duration = Duration::from_secs(30);

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
const PLAYS: &str = "return document.documentElement.dataset.state === 'playing'";
const SILENT: &str = "return document.documentElement.dataset.state !== 'playing'
    && document.getElementById('notice').innerText.startsWith('Outpost does not answer')";

fn temporary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("browser-{}-{name}", std::process::id()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_hears_the_demo_and_hears_it_again_after_a_crash() {
    let (state, profile) = (temporary("state"), temporary("profile"));
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

    drop(browser);
    let _ = fs::remove_dir_all(profile);
    let _ = fs::remove_dir_all(state);
}

/// What the page shows of a station with pictures.
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
        notice: $('notice').hidden ? null : $('notice').textContent,
        stations: [...document.querySelectorAll('#stations .name')].map((name) => name.textContent),
    };";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_sees_the_demo_in_silence_and_hears_it_after_a_tap() {
    let (state, profile) = (temporary("camera-state"), temporary("camera-profile"));
    let outpost = Outpost::start(&["demo"], &[], &state);
    let browser = Browser::start(&profile).await;
    browser.open(&outpost.url("/camera")).await;
    browser.wait_until(PLAYS, PATIENCE).await;
    let before = browser.ask(SEE).await;
    assert_eq!((&before["muted"], &before["unmute"]), (&true.into(), &true.into()), "{before}");
    browser.click("#unmute").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = browser.ask(SEE).await;
    let picture = browser.screenshot().await;
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("camera.png"), &picture)
        .expect("room for a picture");
    assert_eq!((&after["muted"], &after["unmute"]), (&false.into(), &false.into()), "{after}");
    assert_eq!(after["title"], "Demo camera");
    assert_eq!(after["size"], serde_json::json!([1280, 720]));
    assert_eq!(after["poster"], "/camera/snapshot.jpg");
    assert_eq!((&after["badge"], &after["air"]), (&"Live".into(), &"Live".into()), "{after}");
    assert_eq!(after["stations"], serde_json::json!(["Demo radio", "Demo camera"]));
    assert_eq!((&after["width"], &after["notice"]), (&SCREEN.0.into(), &Value::Null), "{after}");
    assert!((after["box"].as_f64().expect("a number") - 16.0 / 9.0).abs() < 0.02, "{after}");
    let more =
        |name: &str| after[name].as_f64().expect("a number") - before[name].as_f64().expect("a number");
    assert!((2.0..5.0).contains(&more("position")) && more("shown") > 30.0, "{before}\n{after}");
    assert_eq!(browser.console(), [""; 0], "the console");

    // On to the radio, which has no picture, and back.
    let tune = |name: &str| format!("document.querySelector(`#stations a[href='/{name}']`).click()");
    browser.ask(&tune("radio")).await;
    browser.wait_until("return document.getElementById('screen').hidden", PATIENCE).await;
    browser.wait_until(PLAYS, PATIENCE).await;
    browser.ask(&tune("camera")).await;
    browser.wait_until(PLAYS, PATIENCE).await;
    assert_eq!(browser.ask(SEE).await["muted"], false, "who had sound keeps it");
    assert_eq!(browser.console(), [""; 0], "the console");
    drop(browser);
    let _ = fs::remove_dir_all(profile);
    let _ = fs::remove_dir_all(state);
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

/// Each third of the screen has something on it, and the colours are the page's.
fn looks_drawn(png: &[u8]) {
    let (width, height) = ((SCREEN.0 * DENSITY) as usize, (SCREEN.1 * DENSITY) as usize);
    let pixels = pixels(png);
    assert_eq!(pixels.len(), width * height * 3, "not {width} × {height}");
    for (which, third) in pixels.chunks(pixels.len() / 3).take(3).enumerate() {
        let mut counts = BTreeMap::<&[u8], usize>::new();
        for pixel in third.chunks(3) {
            *counts.entry(pixel).or_default() += 1;
        }
        let ground = counts.values().copied().max().unwrap_or(0);
        let drawn = third.len() / 3 - ground;
        assert!(drawn > third.len() / 3 / 100, "third {which} is empty: {drawn} pixels drawn");
    }
}

/// Three bytes each, as ffmpeg decodes them.
fn pixels(png: &[u8]) -> Vec<u8> {
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "png_pipe", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg runs (Debian: ffmpeg)");
    ffmpeg.stdin.take().expect("piped above").write_all(png).expect("ffmpeg reads the picture");
    ffmpeg.wait_with_output().expect("ffmpeg ends").stdout
}

/// The files Chromium asked for are those the page is made of, and each arrives as it lies in the repository:
/// with its type, compressed where asked, and not a second time where it is known.
async fn everything_loaded(browser: &Browser, outpost: &Outpost) {
    let asked = browser
        .ask("return performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname)")
        .await;
    let asked: BTreeSet<_> = asked.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    for name in ["app.js", "feed.js", "meter.js", "player.js", "words.js", "hls.light.min.js", "style.css"] {
        assert!(asked.contains(format!("/assets/{name}").as_str()), "{name} was not loaded: {asked:?}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve/page");
    for file in fs::read_dir(folder).expect("the page's folder") {
        let file = file.expect("a file of the page").path();
        let name = file.file_name().and_then(|name| name.to_str()).expect("a plain name");
        let url = outpost.url(&match name {
            "index.html" => "/".to_owned(),
            _ => format!("/assets/{name}"),
        });
        arrives(&url, name, &fs::read(&file).expect("readable"));
    }
}

fn arrives(url: &str, name: &str, content: &[u8]) {
    let kind = match name.rsplit_once('.').expect("a suffix").1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webmanifest" => "application/manifest+json",
        _ => "text/plain; charset=utf-8",
    };
    let (head, body) = curl(url, &["--compressed"]);
    assert_eq!(body, content, "{name} arrives otherwise than it lies there");
    assert_eq!(head["content-type"], kind, "{name}");
    assert_eq!(head["content-encoding"], "gzip", "{name}");
    assert_eq!(head["x-content-type-options"], "nosniff", "{name}");
    if name == "index.html" {
        assert_eq!(
            head["content-security-policy"],
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
             connect-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; manifest-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
    }
    let known = format!("If-None-Match: {}", head["etag"]);
    let (head, body) = curl(url, &["--compressed", "--header", &known]);
    assert_eq!((head["status"].as_str(), body.len()), ("HTTP/1.1 304 Not Modified", 0), "{name}");
}

/// The fields of the answer, names in small letters, its first line as `status`; and its body, decompressed.
fn curl(url: &str, words: &[&str]) -> (BTreeMap<String, String>, Vec<u8>) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "10", "--include"])
        .args(words)
        .arg(url)
        .output()
        .expect("curl runs (Debian: curl)");
    let answer = output.stdout;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("{url}: {}", String::from_utf8_lossy(&output.stderr)));
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let fields = head.lines().map(|line| line.split_once(": ").unwrap_or(("status", line)));
    (
        fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
        answer[end + 4..].to_vec(),
    )
}
