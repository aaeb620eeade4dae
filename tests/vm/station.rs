//! Outpost in the test machine, as one sees it from outside.

use std::path::Path;
use std::time::{Duration, Instant};

use m3u8_rs::MediaPlaylist;
use serde_json::Value;

use crate::http;
use crate::machine::Machine;

/// How long the program may take until it serves: it is a debug build, and the machine is slow.
const START: Duration = Duration::from_secs(40);

/// A machine in which `outpost` runs.
pub(crate) struct Station {
    machine: Machine,
    listen: &'static str,
    pid: String,
}

impl Station {
    /// Serves the `[[stream]]` tables in `streams`.
    pub(crate) fn start(machine: Machine, streams: &str) -> Self {
        Self::start_at(machine, "0.0.0.0:8080", streams)
    }

    /// The same at `listen`, whose port is 8080.
    pub(crate) fn start_at(mut machine: Machine, listen: &'static str, streams: &str) -> Self {
        let pid = run(&mut machine, listen, streams);
        let mut station = Self { machine, listen, pid };
        station.wait_until_it_answers();
        station
    }

    /// Ends it, and serves other streams instead.
    pub(crate) fn restart(&mut self, streams: &str) {
        self.log();
        self.sh(&format!("kill {0}; while kill -0 {0}; do sleep 0.1; done 2>/dev/null", self.pid));
        self.pid = run(&mut self.machine, self.listen, streams);
        self.wait_until_it_answers();
    }

    fn wait_until_it_answers(&mut self) {
        let deadline = Instant::now() + START;
        while !self.try_get("/healthz") {
            let alive = format!("kill -0 {}", self.pid);
            let ended = self.machine.try_sh(&alive, Duration::from_secs(10)).status != 0;
            assert!(!ended, "outpost ended before it served");
            assert!(Instant::now() < deadline, "no answer after {START:?}");
        }
    }

    /// Runs a line of shell in there, which must succeed.
    pub(crate) fn sh(&mut self, command: &str) -> String {
        self.machine.sh(command)
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&mut self, signal: &str) {
        self.sh(&format!("kill -{signal} {}", self.pid));
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.machine.address())
    }

    /// Whether `path` is answered with success; there may be nobody yet.
    fn try_get(&self, path: &str) -> bool {
        crate::outpost_program::fetch(&self.url(path)).is_ok()
    }

    /// What stands at `path`.
    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        let reply = http::get(self.machine.address(), path);
        assert_eq!(reply.status, 200, "{path}");
        reply.body
    }

    fn text(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path)).expect("an answer in UTF-8")
    }

    /// A folder for whatever a test writes.
    pub(crate) fn folder(&self) -> &Path {
        self.machine.share()
    }

    pub(crate) fn status(&self, stream: &str) -> Value {
        let status: Value = serde_json::from_str(&self.text("/api/v1/status")).expect("JSON");
        let streams = status["streams"].as_array().expect("a list of streams");
        streams.iter().find(|it| it["name"] == stream).expect("the stream").clone()
    }

    /// The sum over all samples of a metric.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let metrics = self.text("/metrics");
        let samples: Vec<f64> = metrics
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
            .map(|line| line.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a number"))
            .collect();
        assert!(!samples.is_empty(), "no metric {name}");
        samples.iter().sum()
    }

    /// The media playlist of a rendition, such as `radio/audio`.
    pub(crate) fn playlist(&self, rendition: &str) -> MediaPlaylist {
        let text = self.text(&format!("/{rendition}/index.m3u8"));
        m3u8_rs::parse_media_playlist_res(text.as_bytes()).expect("m3u8-rs reads the playlist")
    }

    /// Waits until that many more segments are listed: the playlist.
    pub(crate) fn after_segments(&self, rendition: &str, more: u64) -> MediaPlaylist {
        let wanted = after_last(&self.playlist(rendition)) + more;
        // Segments last a second; the machine may be late, but not that late.
        self.until(&format!("{more} segments"), Duration::from_secs(10 + 2 * more), || {
            Some(self.playlist(rendition)).filter(|playlist| after_last(playlist) >= wanted)
        })
    }

    /// Waits until the stream is `signal`: its status.
    pub(crate) fn until_signal(&self, stream: &str, signals: &[&str], limit: Duration) -> Value {
        self.until(&format!("the signal {signals:?}"), limit, || {
            let status = self.status(stream);
            signals.iter().any(|it| status["signal"] == *it).then_some(status)
        })
    }

    /// Waits until the stream's level is `rms` dBFS.
    pub(crate) fn until_level(&self, stream: &str, rms: std::ops::Range<f64>, limit: Duration) {
        self.until(&format!("a level of {rms:?}"), limit, || {
            rms.contains(&self.status(stream)["level"]["rms_dbfs"].as_f64()?).then_some(())
        });
    }

    /// Polls until `found` finds something.
    pub(crate) fn until<T>(&self, what: &str, limit: Duration, mut found: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = found() {
                return found;
            }
            assert!(Instant::now() < deadline, "{what} did not come within {limit:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What it has logged so far.
    fn words(&self) -> String {
        std::fs::read_to_string(self.machine.share().join("outpost.log")).unwrap_or_default()
    }

    /// What it logged; never a panic.
    pub(crate) fn log(&self) -> String {
        let log = self.words();
        assert!(!log.contains("panicked") && !log.contains("backtrace"), "a panic");
        log
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the program's log:\n{}", self.words());
        }
    }
}

/// Starts the program: its process id.
fn run(machine: &mut Machine, listen: &str, streams: &str) -> String {
    std::fs::write(machine.share().join("outpost.toml"), streams).expect("a configuration");
    machine.sh(&format!(
        "STATE_DIRECTORY=/tmp ./outpost run outpost.toml --listen {listen} >outpost.log 2>&1 & echo $!"
    ))
}

/// A `[[stream]]` named `name` in segments of a second; `tracks` are its `video` and `audio` tables.
pub(crate) fn stream(name: &str, tracks: &str) -> String {
    format!("[[stream]]\nname = \"{name}\"\n{tracks}\nwindow = {{ segment = \"1s\" }}\n")
}

/// The media sequence number after the last one listed.
pub(crate) fn after_last(playlist: &MediaPlaylist) -> u64 {
    playlist.media_sequence + playlist.segments.len() as u64
}

/// The playlist `after` goes on where `before` was: no discontinuity, same segments, same target.
pub(crate) fn assert_unbroken(before: &MediaPlaylist, after: &MediaPlaylist) {
    assert_eq!(
        (after.media_sequence, after.discontinuity_sequence, after.target_duration),
        (before.media_sequence, before.discontinuity_sequence, before.target_duration)
    );
    for (segment, number) in after.segments.iter().zip(after.media_sequence..) {
        assert_eq!(segment.uri, format!("{number}.ts"));
        assert_eq!(segment.discontinuity, number == after.media_sequence, "{number}");
    }
    for (old, new) in before.segments.iter().zip(&after.segments) {
        assert_eq!((&old.uri, old.duration), (&new.uri, new.duration));
    }
    assert!(after_last(after) > after_last(before), "it goes on");
}
