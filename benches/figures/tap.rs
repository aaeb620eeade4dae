//! From a tap on what was said an hour ago to its sound: our own page in Chromium, and the whole program behind it.
//!
//! Nobody waits an hour for that. The program goes by a clock that begins in the past, where an hour takes as long as its
//! sound takes to be captured, encoded and cut; once it is now, the clock goes as the machine's does. So the window is filled,
//! and its transmissions are found, as they always are, and the stream is live when it is tapped on.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use outpost::app::wire::{Hangup, Orders};
use outpost::app::{self, Config};
use outpost::base::{Clock, Monotonic, Stop, WallReading};
use outpost::sys::clock::RealClock;
use serde_json::Value;

use crate::chromium::Browser;
use crate::outpost::{fetch, free_address};
use crate::peers::Running;
use crate::table::Row;

/// The word that makes this program the server, by a configuration.
pub(crate) const PAST: &str = "--from-the-past";
/// How far back the clock begins. All that is tapped on was said an hour ago or more.
const BEGIN: Duration = Duration::from_secs(68 * 60);
const LONG_AGO: f64 = 3_600.0;
/// How often something is tapped on, each time something that is so many seconds of media away from what was heard
/// before: no segment is fetched twice.
const TAPS: usize = 5;
const APART: f64 = 80.0;
/// How long the past may take to pass.
const PASSING: Duration = Duration::from_secs(400);
/// How long the page may take for anything.
const PATIENCE: Duration = Duration::from_secs(20);
/// The serving side gets a turn between two blocks of sound, so that it reads each before the ring is full.
const BREATH: Duration = Duration::from_micros(20);

const LIST: &str = "/api/v1/streams/radio/markers?kind=transmission";

/// Notes when the finger comes down, and when there is sound: a hundred times what hisses between transmissions.
const LISTEN: &str = "const context = new AudioContext();
    const ear = new AnalyserNode(context, { fftSize: 512 });
    context.createMediaElementSource(document.getElementById('audio')).connect(ear).connect(context.destination);
    const samples = new Float32Array(ear.fftSize);
    window.figure = { tapped: null, heard: null };
    addEventListener('pointerdown', ({ isTrusted, timeStamp }) => { if (isTrusted) figure.tapped = timeStamp; }, true);
    setInterval(() => {
        ear.getFloatTimeDomainData(samples);
        if (samples.some((it) => Math.abs(it) > 0.02)) figure.heard ??= performance.now();
    }, 5);";

pub(crate) fn rows(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("From tap to sound: an hour is filled first, for a minute or more");
    let dir = dir.join("tap");
    fs::create_dir_all(&dir)?;
    let configuration = dir.join("outpost.toml");
    let origin = free_address().to_string();
    fs::write(&configuration, written(&origin, &dir))?;
    let mut program = Command::new(std::env::current_exe()?);
    let _program = Running::start(program.args([PAST, &configuration.display().to_string()]))?;
    let origin = format!("http://{origin}");
    let long_ago = fill(&origin)?;

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut took = runtime.block_on(tap(&origin, &dir, &long_ago));
    eprintln!("    {took:.0?} ms");
    took.sort_by(f64::total_cmp);
    let row = |name, value| Row::limit(name, 1_000.0, value, "ms");
    Ok(vec![
        row("tap -> sound of an hour ago, on the page, median", took[took.len() / 2]),
        row("the same, the slowest of five", took[took.len() - 1]),
    ])
}

fn written(listen: &str, dir: &Path) -> String {
    format!(
        "listen = \"{listen}\"
state_dir = \"{}\"
[[stream]]
name = \"radio\"
audio = {{ kind = \"synth\" }}
window = {{ length = \"90min\", memory = \"128MiB\" }}
",
        dir.display()
    )
}

/// Is the server, until killed.
pub(crate) fn serve(configuration: PathBuf) -> Result<(), Box<dyn Error>> {
    let read = Arc::new(move || Config::load(&configuration));
    let clock = Arc::new(Hurrying(AtomicI64::new((RealClock.now() - BEGIN).as_nanos())));
    Ok(app::run(&Orders { read, clock, hangup: Hangup::Rereads, unattended: None }, &|_| {})?)
}

/// The machine's clocks as they were some time ago; who waits for an instant that is past need not. Nanoseconds; once an
/// instant is waited for that is still to come, it is now.
struct Hurrying(AtomicI64);

impl Clock for Hurrying {
    fn now(&self) -> Monotonic {
        Monotonic::from_nanos(self.0.load(Relaxed)).min(RealClock.now())
    }

    fn wall(&self) -> WallReading {
        let (monotonic, now) = (self.now(), RealClock.wall());
        WallReading { monotonic, wall: now.at(monotonic), ..now }
    }

    fn sleep_until(&self, deadline: Monotonic, stop: &Stop) -> bool {
        if deadline >= RealClock.now() {
            self.0.store(i64::MAX, Relaxed);
            return RealClock.sleep_until(deadline, stop);
        }
        self.0.fetch_max(deadline.as_nanos(), Relaxed);
        sleep(BREATH);
        stop.is_stopped()
    }
}

/// Waits until it is now; gives the names of transmissions of an hour ago and more, the oldest first.
fn fill(origin: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let began = Instant::now();
    let list = loop {
        if began.elapsed() > PASSING {
            return Err(format!("an hour has not passed in {PASSING:?}").into());
        }
        sleep(Duration::from_secs(1));
        let Ok(told) = fetch(&format!("{origin}{LIST}")) else { continue };
        let list = serde_json::from_str::<Value>(&told)?["markers"].as_array().cloned().unwrap_or_default();
        // They are at most twenty seconds apart.
        if list.last().is_some_and(|it| begin(it) > now() - 30.0) {
            break list;
        }
    };
    eprintln!("    {:?} of it took {:?}, with {} transmissions", BEGIN, began.elapsed(), list.len());
    let playlist = fetch(&format!("{origin}/radio/audio/index.m3u8"))?;
    let count = |tag: &str| playlist.lines().filter(|line| *line == tag).count();
    // The first segment of all begins with one.
    if count("#EXT-X-GAP") > 0 || count("#EXT-X-DISCONTINUITY") > 1 {
        return Err("the past went by too fast: something of it is missing".into());
    }
    let mut chosen: Vec<&Value> = Vec::new();
    for it in &list {
        if chosen.last().is_none_or(|last| begin(it) > begin(last) + APART) {
            chosen.push(it);
        }
    }
    chosen.truncate(TAPS);
    let long_ago = now() - LONG_AGO;
    if chosen.len() < TAPS || chosen.iter().any(|it| begin(it) > long_ago) {
        return Err(format!("too little was said an hour ago: {chosen:?}").into());
    }
    Ok(chosen.iter().filter_map(|it| Some(it["id"].as_str()?.to_owned())).collect())
}

/// In seconds of the media clock, as what follows.
fn begin(marker: &Value) -> f64 {
    marker["from"]["media_seconds"].as_f64().unwrap_or(f64::NAN)
}

fn now() -> f64 {
    RealClock.now().as_nanos() as f64 / 1e9
}

/// Taps on each of them, on a page just opened; gives the milliseconds from the finger to the sound.
async fn tap(origin: &str, dir: &Path, ids: &[String]) -> Vec<f64> {
    let browser = Browser::start(&dir.join("profile")).await;
    let mut took = Vec::new();
    for id in ids {
        browser.open(&format!("{origin}/radio")).await;
        browser.wait_until("return document.querySelector('#list .said') !== null", PATIENCE).await;
        // A tap on something else, after which browsers allow sound: the ear is there before what is measured begins.
        browser.click("#closer").await;
        browser.ask(LISTEN).await;
        // The rows near the screen are made. Of those below, the page knows where they are to be.
        let row = format!("#list [data-id=\"{id}\"] .hear");
        let shown = format!(
            "const row = document.querySelector('{row}');
             if (row) row.scrollIntoView({{ block: 'center' }});
             else for (const it of [document.getElementById('roll'), document.scrollingElement]) it.scrollTop = \
                 it.scrollTop > 0 ? it.scrollTop - 200 : 1e9;
             return row !== null;"
        );
        browser.wait_until(&shown, PATIENCE).await;
        browser.ask("figure.heard = null").await;
        browser.click(&row).await;
        browser.wait_until("return figure.heard !== null", PATIENCE).await;
        let waited = browser.ask("return figure.heard - figure.tapped").await;
        // It is that which is heard, and nothing else.
        let right = format!(
            "return document.querySelector('#list [aria-current]')?.closest('li').dataset.id === '{id}'
                 && Number(document.getElementById('behind').dataset.seconds) > {LONG_AGO}"
        );
        browser.wait_until(&right, PATIENCE).await;
        took.push(waited.as_f64().unwrap_or(f64::NAN));
    }
    took
}
