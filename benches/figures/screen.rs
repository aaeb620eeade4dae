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
const STILLS: u32 = 9;
const BETWEEN_STILLS: Duration = Duration::from_millis(1_130);
const WATCHED: Duration = Duration::from_secs(30);
/// How long the player may take to begin.
const PATIENCE: Duration = Duration::from_secs(20);

/// The hls.js that our own page has.
const LIBRARY: &str = "/assets/hls.min.js";
const PLAYER: &str = include_str!("screen.js");

/// How a stream is played.
struct Case {
    name: &'static str,
    /// Of its stream, besides the pictures.
    settings: &'static str,
    path: &'static str,
    /// Given to hls.js; all else is its default.
    low_latency: bool,
}

const LOW: Case = Case {
    name: "low latency",
    settings: "low_latency = { part = \"200ms\" }",
    path: "/card/ll/index.m3u8",
    low_latency: true,
};
const ORDINARY: Case = Case {
    name: "segments of 1 s",
    settings: "window = { segment = \"1s\" }",
    path: "/card/index.m3u8",
    low_latency: false,
};

/// What was seen on the screen; all in milliseconds.
struct Seen {
    /// Sorted.
    ages: Vec<f64>,
    /// For how long a picture stood at most.
    longest: f64,
}

impl Seen {
    fn percentile(&self, percent: usize) -> f64 {
        let last = self.ages.len().saturating_sub(1);
        self.ages.get(last * percent / 100).copied().unwrap_or(f64::NAN)
    }
}

/// Both ways, one after the other.
pub(crate) fn rows(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let low = runtime.block_on(watch(dir, &LOW))?;
    let ordinary = runtime.block_on(watch(dir, &ORDINARY))?;
    let row = |name, limit, value| Row::limit(name, limit, value, "ms");
    Ok(vec![
        row("capture -> screen in hls.js, 200 ms parts, median", 1_000.0, low.percentile(50)),
        row("the same, 95 of 100", 1_300.0, low.percentile(95)).with_peer("longest still", low.longest, "ms"),
        row("capture -> screen in hls.js, 1 s segments, median", 4_000.0, ordinary.percentile(50))
            .with_peer("95 of 100", ordinary.percentile(95), "ms")
            .with_peer("longest still", ordinary.longest, "ms"),
    ])
}

async fn watch(dir: &Path, case: &Case) -> Result<Seen, Box<dyn Error>> {
    eprintln!("From capture to screen, {}: 50 s", case.name);
    let dir = dir.join(case.name.replace(' ', "-"));
    fs::create_dir_all(&dir)?;
    let configuration = dir.join("outpost.toml");
    let secured = free_address();
    fs::write(&configuration, written(&secured.to_string(), case.settings))?;
    let outpost = Outpost::start(&["run", &configuration.display().to_string()], &[], &dir);
    let browser = Browser::start(&dir.join("profile")).await;
    // A document of our own, so that all comes over the same HTTP/2, and without a policy for scripts.
    browser.open(&format!("https://{secured}/api/v1/status")).await;
    browser.ask(PLAYER).await;
    let options = if case.low_latency { json!({ "lowLatencyMode": true }) } else { json!({}) };
    browser.ask(&format!("return figure.start({}, {}, {options})", json!(LIBRARY), json!(case.path))).await;
    browser.wait_until("return document.querySelector('video').currentTime > 0.5", PATIENCE).await;
    for _ in 0..STILLS {
        tokio::time::sleep(BETWEEN_STILLS).await;
        browser.ask("return figure.calibrate('/card/snapshot.jpg')").await;
    }
    browser.ask("figure.forget()").await;
    tokio::time::sleep(WATCHED).await;
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
    let ages = told["ages"].as_array().ok_or("the page tells no ages")?;
    let mut ages: Vec<f64> = ages.iter().filter_map(Value::as_f64).collect();
    ages.sort_by(f64::total_cmp);
    let number = |name: &str| told[name].as_f64().unwrap_or(f64::NAN);
    eprintln!(
        "    {} pictures, {} that could not be read; in doubt by {:.0} ms; the player says {:.0} ms and wants {:.0}; by the \
         playlist's dates {:.0} ms; {}; {}",
        ages.len(),
        told["unreadable"],
        number("doubt"),
        number("player"),
        number("target"),
        number("dated"),
        told["protocol"],
        told["faults"],
    );
    if number("doubt") < 0.0 {
        return Err("the still pictures contradict each other".into());
    }
    Ok(Seen { ages, longest: number("longest") })
}
