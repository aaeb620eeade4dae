//! From capture to the screen: hls.js in Chromium plays the test card, and reads off it how old each picture is when
//! it is shown.
//!
//! Each picture of the card has a number, and one is captured each thirtieth of a second. When the first was, still
//! pictures tell: such a one is captured after it is asked for, and before it is there. So neither the dates in the
//! playlist nor the player's own reckoning are believed.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::chromium::Browser;
use crate::outpost::{Outpost, free_address};
use crate::table::Row;

/// Still pictures asked for before anything is looked at; a second and a bit apart, as there is one a second.
const STILLS: u32 = 7;
const BETWEEN_STILLS: Duration = Duration::from_millis(1_130);
/// How long after a start pictures may still come as they like, and how long they are watched then. Together they are
/// no multiple of a segment, so that starts fall anywhere in one.
const CALMING: Duration = Duration::from_millis(3_170);
const WATCHED: Duration = Duration::from_secs(5);
/// How long a player may take to begin.
const PATIENCE: Duration = Duration::from_secs(20);

/// The hls.js that our own page has.
const LIBRARY: &str = "/assets/hls.min.js";
const WATCHER: &str = include_str!("screen.js");

/// How a stream is played.
struct Case {
    name: &'static str,
    /// Of its stream, besides the pictures.
    settings: &'static str,
    player: Player,
    /// How often it is started. A player keeps the distance it begins with, and that is chance: the newest segment is
    /// up to its whole length old.
    starts: u32,
}

enum Player {
    /// hls.js with nothing but defaults, one of which is `lowLatencyMode`, and this playlist.
    Library(&'static str),
    /// Our own page, told to keep the delay low.
    Page,
}

const LOW: &str = "low_latency = { part = \"200ms\" }";
const CASES: [Case; 3] = [
    Case {
        name: "hls.js, parts of 200 ms",
        settings: LOW,
        player: Player::Library("/card/ll/index.m3u8"),
        starts: 6,
    },
    Case { name: "the page, parts of 200 ms", settings: LOW, player: Player::Page, starts: 3 },
    Case {
        name: "hls.js, segments of 1 s",
        settings: "window = { segment = \"1s\" }",
        player: Player::Library("/card/index.m3u8"),
        starts: 6,
    },
];

impl Player {
    async fn open(&self, browser: &Browser, origin: &str) {
        // The status is a document without a policy for scripts: hls.js is loaded beside it, over the same HTTP/2.
        let path = if matches!(self, Self::Page) { "/card" } else { "/api/v1/status" };
        browser.open(&format!("{origin}{path}")).await;
        browser.ask(WATCHER).await;
        if matches!(self, Self::Page) {
            browser.wait_until("return document.documentElement.dataset.state === 'playing'", PATIENCE).await;
            browser.ask("figure.watch(document.getElementById('video'))").await;
        }
    }

    /// Starts it for the first time, or anew.
    async fn start(&self, browser: &Browser, number: u32) {
        match self {
            Self::Library(path) => {
                browser.ask(&format!("return figure.play({}, {})", json!(LIBRARY), json!(path))).await;
            }
            Self::Page => {
                if number > 0 {
                    browser.click("#quick").await;
                }
                browser.click("#quick").await;
            }
        }
        browser.ask("figure.restart()").await;
        browser.wait_until("return figure.count > 15", PATIENCE).await;
    }
}

/// Titles of what is noted: when still pictures are asked for, where something plays by then, and after each start.
const BEFORE: &str = "before";
const STARTED: &str = "started";

/// What was seen on the screen; all in milliseconds.
struct Seen {
    /// Sorted.
    ages: Vec<f64>,
    /// The same of what played before.
    before: Vec<f64>,
    /// For how long a picture stood at most.
    longest: f64,
}

impl Seen {
    fn percentile(&self, percent: usize) -> f64 {
        percentile(&self.ages, percent)
    }
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).copied().unwrap_or(f64::NAN)
}

/// All of them, one after the other.
pub(crate) fn rows(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut seen = Vec::new();
    for case in &CASES {
        seen.push(runtime.block_on(watch(dir, case))?);
    }
    let [library, page, ordinary] = seen.as_slice() else { return Err("not all was seen".into()) };
    let row = |name, limit, value| Row::limit(name, limit, value, "ms");
    let still = |row: Row, seen: &Seen| row.with_peer("longest still", seen.longest, "ms");
    Ok(vec![
        row("capture -> screen, hls.js, 200 ms parts, median", 1_000.0, library.percentile(50)),
        still(row("the same, 95 of 100", 1_300.0, library.percentile(95)), library),
        row("capture -> screen, the page at low delay, median", 1_000.0, page.percentile(50)).with_peer(
            "without it, 2 s segments",
            percentile(&page.before, 50),
            "ms",
        ),
        still(row("the same, 95 of 100", 1_300.0, page.percentile(95)), page),
        still(
            row("capture -> screen, hls.js, 1 s segments, median", 4_000.0, ordinary.percentile(50)),
            ordinary,
        )
        .with_peer("95 of 100", ordinary.percentile(95), "ms"),
    ])
}

async fn watch(dir: &Path, case: &Case) -> Result<Seen, Box<dyn Error>> {
    let seconds = BETWEEN_STILLS * STILLS + (CALMING + WATCHED) * case.starts;
    eprintln!("From capture to screen, {}: {} s", case.name, seconds.as_secs());
    let dir = dir.join(case.name.replace([' ', ','], "-"));
    fs::create_dir_all(&dir)?;
    let configuration = dir.join("outpost.toml");
    let secured = free_address();
    fs::write(&configuration, written(&secured.to_string(), case.settings))?;
    let outpost = Outpost::start(&["run", &configuration.display().to_string()], &[], &dir);
    let browser = Browser::start(&dir.join("profile")).await;
    case.player.open(&browser, &format!("https://{secured}")).await;
    browser.ask(&format!("figure.note({})", json!(BEFORE))).await;
    for _ in 0..STILLS {
        tokio::time::sleep(BETWEEN_STILLS).await;
        browser.ask("return figure.calibrate('/card/snapshot.jpg')").await;
    }
    browser.ask("figure.note(null)").await;
    for start in 0..case.starts {
        case.player.start(&browser, start).await;
        tokio::time::sleep(CALMING).await;
        browser.ask(&format!("figure.note({})", json!(STARTED))).await;
        tokio::time::sleep(WATCHED).await;
        browser.ask("figure.note(null)").await;
    }
    let told = browser.ask("return figure.tell()").await;
    drop((browser, outpost));
    seen(&told)
}

fn written(secured: &str, settings: &str) -> String {
    format!(
        "[https]
listen = \"{secured}\"
[[stream]]
name = \"card\"
video = {{ kind = \"synth\", size = \"640x360\", rate = 30, bitrate = \"600k\" }}
{settings}
"
    )
}

fn seen(told: &Value) -> Result<Seen, Box<dyn Error>> {
    let sorted = |title: &str| -> Vec<f64> {
        let ages = told["ages"][title].as_array().map_or(&[][..], Vec::as_slice);
        let mut ages: Vec<f64> = ages.iter().filter_map(Value::as_f64).collect();
        ages.sort_by(f64::total_cmp);
        ages
    };
    let (ages, before) = (sorted(STARTED), sorted(BEFORE));
    let number = |name: &str| told[name].as_f64().unwrap_or(f64::NAN);
    eprintln!(
        "    {} pictures, {} that could not be read; in doubt by {:.0} ms; the player says {:.0} ms and wants {:.0}; \
         {}; {}",
        ages.len(),
        told["unreadable"],
        number("doubt"),
        number("player"),
        number("target"),
        told["protocol"],
        told["faults"],
    );
    if number("doubt") < 0.0 {
        return Err("the still pictures contradict each other".into());
    }
    let longest = told["longest"][STARTED].as_f64().unwrap_or(f64::NAN);
    Ok(Seen { ages, before, longest })
}
