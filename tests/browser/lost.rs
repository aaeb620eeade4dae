//! A camera that goes and comes back: the page says so in words, shows the slate, and plays on without being loaded
//! again, also where passing H.264 through makes it a discontinuity.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::chromium::Browser;
use crate::eye::Drawn;
use crate::outpost_program::Outpost;
use crate::{PATIENCE, PLAYS, alone, profile, temporary};

const SAYS_LOST: &str = "const notice = document.getElementById('notice');
    return !notice.hidden && notice.textContent.startsWith('No picture from the camera ')
        && document.getElementById('notice-detail').textContent !== ''
        && document.getElementById('air-words').textContent === 'No picture'
        && document.getElementById('badge').hidden";
const SAYS_LIVE: &str = "return document.getElementById('notice').hidden
    && document.getElementById('badge').textContent === 'Live'";

/// A program as a camera, with a cable that can be pulled.
pub(crate) struct Camera {
    pid: PathBuf,
    away: PathBuf,
}

impl Camera {
    fn new(dir: &Path, name: &str) -> Self {
        Self { pid: dir.join(format!("{name}.pid")), away: dir.join(format!("{name}.away")) }
    }

    /// Its stream: a bright moving picture, `coded` by ffmpeg.
    fn stream(&self, name: &str, output: &str, coded: &str) -> String {
        let script = format!(
            "if [ -e {0} ]; then echo 'the cable is out' >&2; exit 1; fi; echo $$ > {1}; exec ffmpeg -nostdin \
             -v error -re -f lavfi -i testsrc2=size=320x180:rate=15 {coded} pipe:1",
            self.away.display(),
            self.pid.display()
        );
        format!(
            "[[stream]]\nname = \"{name}\"\n[stream.window]\nsegment = \"1s\"\n[stream.video]\nkind = \"command\"\n\
             command = [\"sh\", \"-c\", {script:?}]\noutput = \"{output}\"\nsize = \"320x180\"\nrate = 15\n"
        )
    }

    pub(crate) fn pull(&self) {
        fs::write(&self.away, "").expect("a file");
        let pid: i32 = fs::read_to_string(&self.pid).expect("it ran").trim().parse().expect("a number");
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    }

    pub(crate) fn plug_in(&self) {
        fs::remove_file(&self.away).expect("it was away");
    }
}

/// The program with two cameras, each by the name of its stream: one whose pictures are encoded, and one whose H.264 is
/// passed through.
pub(crate) fn filmed(state: &Path) -> (Outpost, [(&'static str, Camera); 2]) {
    let (raw, coded) = (Camera::new(state, "raw"), Camera::new(state, "coded"));
    let config = state.join("outpost.toml");
    let streams = [
        raw.stream("raw", "yu12", "-pix_fmt yuv420p -f rawvideo"),
        coded.stream("coded", "h264", "-c:v libx264 -preset ultrafast -tune zerolatency -g 15 -f h264"),
    ];
    fs::write(&config, streams.concat()).expect("a configuration");
    let outpost = Outpost::start(&["run", config.to_str().expect("UTF-8")], &[], state);
    (outpost, [("raw", raw), ("coded", coded)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_goes_is_missed_in_words_and_seen_again_without_loading_anew() {
    let _alone = alone().await;
    let (state, profile) = (temporary("lost-state"), profile("lost"));
    let (outpost, cameras) = filmed(&state);
    let browser = Browser::start(&profile).await;
    for (name, camera) in cameras {
        browser.open(&outpost.url(&format!("/{name}"))).await;
        browser.wait_until(PLAYS, PATIENCE).await;
        browser.ask("window.loadedOnce = true").await;
        let first = until_drawn(&browser, 80.0..235.0).await;
        camera.pull();
        browser.wait_until(SAYS_LOST, PATIENCE).await;
        let slate = until_drawn(&browser, 16.0..60.0).await;
        assert!(browser.ask(SAYS_LOST).await == true, "{name}: the slate is shown, and the words remain");
        browser.wait_until(PLAYS, PATIENCE).await;
        camera.plug_in();
        let back = until_drawn(&browser, 80.0..235.0).await;
        browser.wait_until(SAYS_LIVE, PATIENCE).await;
        browser.wait_until(PLAYS, PATIENCE).await;
        assert!(first.position < slate.position && slate.position < back.position, "{name}: time goes on");
        let (at, began) = (Drawn::now(&browser).await.position, Instant::now());
        tokio::time::sleep(Duration::from_secs(4)).await;
        let played = Drawn::now(&browser).await.position - at - began.elapsed().as_secs_f64();
        assert!(played.abs() < 1.0, "{name}: {played:.1} s beside real time");
        assert_eq!(browser.ask("return window.loadedOnce").await, true, "{name} was loaded anew");
        assert_eq!(browser.console(), [""; 0], "{name}: the console");
    }
}

/// Waits for a picture as bright as `wanted`.
async fn until_drawn(browser: &Browser, wanted: std::ops::Range<f64>) -> Drawn {
    let began = Instant::now();
    loop {
        let drawn = Drawn::now(browser).await;
        if wanted.contains(&drawn.brightness()) {
            return drawn;
        }
        let page = || browser.ask("return document.body.innerText");
        if began.elapsed() > PATIENCE {
            panic!("{} is not in {wanted:?}: {}", drawn.brightness(), page().await);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
