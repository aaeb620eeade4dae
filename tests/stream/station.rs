//! A running program with its configuration, and what it says of itself.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use m3u8_rs::MediaPlaylist;
use serde_json::Value;

use crate::http::{self, Reply};
use crate::outpost_program::Outpost;

/// The program, run with a file of its own in a folder of its own, which goes with it.
pub(crate) struct Station {
    program: Option<Outpost>,
    environment: Vec<(&'static str, OsString)>,
    dir: PathBuf,
}

impl Station {
    /// Serves the `[[stream]]` tables in `streams`.
    pub(crate) fn start(name: &str, streams: &str, environment: &[(&'static str, OsString)]) -> Self {
        let dir = folder(name);
        fs::write(dir.join("outpost.toml"), streams).expect("a configuration");
        let mut station = Self { program: None, environment: environment.to_vec(), dir };
        station.start_again();
        station
    }

    /// One stream named `radio`, its source an ALSA device, in segments of a second.
    pub(crate) fn hearing(name: &str, device: &str, environment: &[(&'static str, OsString)]) -> Self {
        Self::start(
            name,
            &stream("radio", &format!("kind = \"alsa\", device = \"{device}\""), ""),
            environment,
        )
    }

    /// One stream named `radio`, its source the embedded scanner, in segments of a second.
    pub(crate) fn scanner(name: &str, window: &str) -> Self {
        Self::start(name, &stream("radio", "kind = \"synth\"", window), &[])
    }

    pub(crate) fn start_again(&mut self) {
        let config = self.dir.join("outpost.toml");
        let arguments = ["run", config.to_str().expect("a name in UTF-8")];
        self.program = Some(Outpost::start(&arguments, &self.environment, &self.dir));
    }

    /// SIGKILL: no chance to put anything in order.
    pub(crate) fn kill(&mut self) {
        self.program = None;
    }

    fn program(&self) -> &Outpost {
        self.program.as_ref().expect("it runs")
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.program().address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program().child.id()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.program().url(path)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        http::get(self.address(), path)
    }

    pub(crate) fn status(&self, stream: &str) -> Value {
        let status: Value =
            serde_json::from_str(&self.get("/api/v1/status").text()).expect("a status in JSON");
        let streams = status["streams"].as_array().expect("a list of streams");
        streams.iter().find(|it| it["name"] == stream).expect("the stream").clone()
    }

    /// The sum over all samples of a metric.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics").text();
        let samples: Vec<f64> = metrics
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
            .map(|line| line.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a number"))
            .collect();
        assert!(!samples.is_empty(), "no metric {name}");
        samples.iter().sum()
    }

    pub(crate) fn playlist(&self, stream: &str) -> MediaPlaylist {
        let reply = self.get(&format!("/{stream}/audio/index.m3u8"));
        assert_eq!(reply.status, 200, "{stream}'s playlist");
        m3u8_rs::parse_media_playlist_res(&reply.body).expect("m3u8-rs reads the playlist")
    }

    /// Waits for the playlist to list something new: that playlist, and when it did.
    pub(crate) fn next_listing(&self, stream: &str) -> (MediaPlaylist, Instant) {
        let before = after_last(&self.playlist(stream));
        until("a new segment", Duration::from_secs(10), || {
            let playlist = self.playlist(stream);
            (after_last(&playlist) > before).then(|| (playlist, Instant::now()))
        })
    }

    /// Waits until the stream's source is `signal`, and has a cause or none: its status.
    pub(crate) fn until_signal(&self, stream: &str, signals: &[&str], limit: Duration) -> Value {
        until(&format!("the signal {signals:?} of {stream}"), limit, || {
            let status = self.status(stream);
            signals.iter().any(|it| status["signal"] == *it).then_some(status)
        })
    }

    /// Waits until the level is `rms` dBFS.
    pub(crate) fn until_level(&self, stream: &str, rms: std::ops::Range<f64>, limit: Duration) {
        until(&format!("a level of {rms:?} of {stream}"), limit, || {
            rms.contains(&self.status(stream)["level"]["rms_dbfs"].as_f64()?).then_some(())
        });
    }

    /// What it logged; never a panic.
    pub(crate) fn log(&self) -> String {
        let log = fs::read_to_string(self.dir.join("outpost.log")).expect("a log");
        assert!(!log.contains("panicked") && !log.contains("backtrace"), "{log}");
        log
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.dir.join("outpost.log")).unwrap_or_default();
            eprintln!("the program's log in {}:\n{log}", self.dir.display());
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// A `[[stream]]` table with segments of a second; `more` goes to the window, or begins another table.
pub(crate) fn stream(name: &str, source: &str, more: &str) -> String {
    format!(
        "[[stream]]\nname = \"{name}\"\naudio = {{ {source} }}\n[stream.window]\nsegment = \"1s\"\n{more}\n"
    )
}

/// An empty folder of a test's own.
pub(crate) fn folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("outpost-stream-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a temporary folder");
    dir
}

/// The media sequence number after the last one listed.
pub(crate) fn after_last(playlist: &MediaPlaylist) -> u64 {
    playlist.media_sequence + playlist.segments.len() as u64
}

/// How long a playlist lasts, in seconds.
pub(crate) fn length(playlist: &MediaPlaylist) -> f64 {
    playlist.segments.iter().map(|segment| f64::from(segment.duration)).sum()
}

/// When what is listed begins, in seconds since 1970.
pub(crate) fn begin(playlist: &MediaPlaylist) -> f64 {
    let first = playlist.segments.first().expect("a segment");
    let date = first.program_date_time.expect("EXT-X-PROGRAM-DATE-TIME on the first segment");
    date.timestamp_micros() as f64 / 1e6
}

/// Polls until `found` finds something.
pub(crate) fn until<T>(what: &str, limit: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
