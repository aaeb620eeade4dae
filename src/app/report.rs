//! What the box says of itself over HTTP: status, levels, metrics, health.
//!
//! Belongs here: gathering the rooms' figures into one answer. Does not: counting anything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::base::{Clock, Monotonic, Pulse, Span, Sync};
use crate::observe::metrics::{self, Family};
use crate::pump::audio::PumpStats;
use crate::pump::level::{Activity, STEP};
use crate::pump::sink::SinkStats;
use crate::segment::{Dates, WindowStats};
use crate::serve::{Health, Report, ServeStats, Station};
use crate::source::{CaptureStats, Signal};

/// How many steps of the level trail are told: a minute.
const TOLD_STEPS: usize = 600;

/// One stream's figures, shared with the threads that keep them.
pub(super) struct StreamFigures {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) codecs: String,
    pub(super) bitrate: u32,
    pub(super) target: Span,
    /// What the encoder adds to the lag of every segment.
    pub(super) encoder_delay: Span,
    pub(super) source: String,
    pub(super) capture: Arc<CaptureStats>,
    pub(super) pump: Arc<PumpStats>,
    pub(super) ring: Arc<SinkStats>,
    pub(super) window: Arc<WindowStats>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) station: Arc<Station>,
}

/// Everything the box can say of itself.
pub(super) struct BoxReport {
    pub(super) streams: Vec<StreamFigures>,
    pub(super) serve: Arc<ServeStats>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) started: Monotonic,
}

#[derive(Serialize)]
struct Status<'a> {
    name: &'static str,
    version: &'static str,
    uptime_seconds: f64,
    now: String,
    clock: &'static str,
    streams: Vec<StreamStatus<'a>>,
}

#[derive(Serialize)]
struct StreamStatus<'a> {
    name: &'a str,
    title: &'a str,
    signal: Signal,
    signal_since: String,
    cause: Option<String>,
    source: SourceStatus<'a>,
    level: LevelStatus,
    listeners: usize,
    playlist: String,
    live_ts: String,
    codecs: &'a str,
    bitrate: u32,
    target_seconds: f64,
    window: WindowStatus,
}

#[derive(Serialize)]
struct SourceStatus<'a> {
    name: &'a str,
    drift_ppm: f64,
    clock_offset_ms: f64,
    losses: u64,
}

#[derive(Serialize)]
struct LevelStatus {
    rms_dbfs: f32,
    peak_dbfs: f32,
    on_air: bool,
}

#[derive(Serialize)]
struct WindowStatus {
    seconds: f64,
    segments: u64,
    bytes: u64,
    lag_ms: f64,
}

#[derive(Default, Serialize)]
struct Levels {
    step_ms: i64,
    end: Option<String>,
    rms_dbfs: Vec<f32>,
    peak_dbfs: Vec<f32>,
    on_air: Vec<u8>,
}

impl BoxReport {
    fn dates(&self) -> Dates {
        Dates::of(&self.clock.wall())
    }

    fn stream_status<'a>(&self, stream: &'a StreamFigures, dates: &Dates) -> StreamStatus<'a> {
        let state = stream.capture.condition.get();
        let level = stream.pump.levels.now();
        StreamStatus {
            name: &stream.name,
            title: &stream.title,
            signal: state.signal,
            signal_since: dates.at_monotonic(state.since).to_string(),
            cause: Some(state.cause.clone()).filter(|cause| !cause.is_empty()),
            source: SourceStatus {
                name: &stream.source,
                drift_ppm: tenths(stream.capture.ppm.get()),
                clock_offset_ms: tenths(stream.capture.offset_ms.get()),
                losses: stream.capture.losses.get(),
            },
            level: LevelStatus {
                rms_dbfs: level.rms,
                peak_dbfs: level.peak,
                on_air: level.activity == Activity::OnAir,
            },
            listeners: stream.station.listeners(Instant::now()),
            playlist: format!("/{}/index.m3u8", stream.name),
            live_ts: format!("/{}/live.ts", stream.name),
            codecs: &stream.codecs,
            bitrate: stream.bitrate,
            target_seconds: stream.target.as_secs_f64(),
            window: WindowStatus {
                seconds: stream.window.seconds.get(),
                segments: stream.window.listed.get() as u64,
                bytes: stream.window.bytes.get() as u64,
                lag_ms: tenths(stream.window.lag.get()),
            },
        }
    }

    /// The streams that have listed nothing for too long although they always should.
    fn stalled(&self) -> Vec<String> {
        let now = self.clock.now();
        self.streams
            .iter()
            .filter_map(|stream| {
                let age = stream.pulse.age(now);
                let patience = stream.target.to_duration() * 3 + Duration::from_secs(2);
                (age > patience)
                    .then(|| format!("{}: no segment for {:.0} s", stream.name, age.as_secs_f64()))
            })
            .collect()
    }

    fn families(&self) -> Vec<Family> {
        let wall = self.clock.wall();
        let synchronised = f64::from(u8::from(wall.sync == Sync::Synchronised));
        let uptime = wall.monotonic.since(self.started).as_secs_f64();
        let mut families = vec![
            Family::gauge("outpost_info", "The program's version")
                .with(&[("version", env!("CARGO_PKG_VERSION"))], 1.0),
            Family::gauge("outpost_uptime_seconds", "Time since the program started").with(&[], uptime),
            Family::gauge("outpost_clock_synchronised", "Whether the kernel believes its civil time")
                .with(&[], synchronised),
        ];
        families.extend(self.stream_families());
        families.extend(self.serve_families());
        families
    }

    /// One family for each figure of a stream, one sample for each stream.
    fn stream_families(&self) -> Vec<Family> {
        type Figure = fn(&StreamFigures) -> f64;
        let counters: [(&str, &str, Figure); 15] = [
            ("outpost_capture_losses", "Overruns (xruns) and other losses of captured sound", |s| {
                s.capture.losses.get() as f64
            }),
            ("outpost_capture_opened", "Times the device was opened", |s| s.capture.opened.get() as f64),
            (
                "outpost_capture_silence_frames",
                "Frames of silence put in for missing sound, at 48 kHz",
                |s| s.capture.silence.get() as f64,
            ),
            (
                "outpost_capture_dropped_frames",
                "Frames left out because their time was filled already",
                |s| s.capture.dropped.get() as f64,
            ),
            ("outpost_capture_resyncs", "Unannounced jumps of captured sound against the clock", |s| {
                s.capture.resyncs.get() as f64
            }),
            ("outpost_encoder_blocks", "Blocks of 1024 samples encoded", |s| s.pump.blocks.get() as f64),
            ("outpost_encoder_seconds", "Time spent on encoding and multiplexing", |s| {
                s.pump.busy_nanos.get() as f64 / 1e9
            }),
            ("outpost_encoder_errors", "Blocks the encoder refused", |s| s.pump.encoder_errors.get() as f64),
            ("outpost_ring_dropped_packets", "Packets dropped because the ring was full", |s| {
                s.ring.dropped.get() as f64
            }),
            ("outpost_ring_drops", "Times the ring was full", |s| s.ring.drops.get() as f64),
            ("outpost_lost_segments", "Segments given up before they were complete", |s| {
                s.window.lost.get() as f64
            }),
            ("outpost_segments", "Segments listed", |s| s.window.segments.get() as f64),
            ("outpost_discontinuities", "Segments that began with a discontinuity", |s| {
                s.window.discontinuities.get() as f64
            }),
            ("outpost_window_evictions", "Segments that went early because of the memory bound", |s| {
                s.window.evictions.get() as f64
            }),
            (
                "outpost_live_skips",
                "Times a listener of the endless stream was too slow and lost some of it",
                |s| s.station.skips.get() as f64,
            ),
        ];
        let gauges: [(&str, &str, Figure); 13] = [
            ("outpost_signal_live", "Whether the source delivers", |s| {
                f64::from(u8::from(s.capture.condition.get().signal == Signal::Live))
            }),
            ("outpost_level_rms_dbfs", "Level over the last tenth of a second", |s| {
                hundredths(s.pump.levels.now().rms)
            }),
            ("outpost_level_peak_dbfs", "Loudest sample of the last tenth of a second", |s| {
                hundredths(s.pump.levels.now().peak)
            }),
            ("outpost_capture_drift_ppm", "How much faster than it claims the device runs", |s| {
                s.capture.ppm.get()
            }),
            ("outpost_capture_offset_seconds", "Media time against the capture time of its sound", |s| {
                s.capture.offset_ms.get() / 1e3
            }),
            ("outpost_ring_depth_packets", "Packets in the ring not yet read", |s| s.ring.depth.get()),
            ("outpost_segment_lag_seconds", "From the end of the last segment's media to its listing", |s| {
                s.window.lag.get() / 1e3
            }),
            ("outpost_encoder_delay_seconds", "What the encoder itself adds to that", |s| {
                s.encoder_delay.as_secs_f64()
            }),
            ("outpost_window_bytes", "Bytes of all segments that can be fetched", |s| s.window.bytes.get()),
            ("outpost_window_seconds", "How long the playlist lasts", |s| s.window.seconds.get()),
            ("outpost_window_segments", "Segments in the playlist", |s| s.window.listed.get()),
            ("outpost_window_retired_segments", "Segments no longer listed but still served", |s| {
                s.window.retired.get()
            }),
            ("outpost_listeners", "People who listen", |s| s.station.listeners(Instant::now()) as f64),
        ];
        let fill = |family: Family, figure: Figure| {
            self.streams
                .iter()
                .fold(family, |family, stream| family.with(&[("stream", &stream.name)], figure(stream)))
        };
        let counters = counters.map(|(name, help, figure)| fill(Family::counter(name, help), figure));
        let gauges = gauges.map(|(name, help, figure)| fill(Family::gauge(name, help), figure));
        counters.into_iter().chain(gauges).collect()
    }

    fn serve_families(&self) -> Vec<Family> {
        let serve = &self.serve;
        let requests = serve.requests().filter(|(_, _, count)| *count > 0).fold(
            Family::counter("outpost_http_requests", "Requests answered"),
            |family, (kind, class, count)| {
                family.with(&[("kind", kind.name()), ("status", class.name())], count as f64)
            },
        );
        let count = |name, help, value: u64| Family::counter(name, help).with(&[], value as f64);
        vec![
            requests,
            count("outpost_http_sent_bytes", "Bytes handed to the kernel", serve.sent_bytes.get()),
            count("outpost_http_connections", "Connections accepted", serve.opened.get()),
            count(
                "outpost_http_refused",
                "Connections turned away, all places being taken",
                serve.refused.get(),
            ),
            count(
                "outpost_http_displaced",
                "Idle connections closed to make room for new ones",
                serve.displaced.get(),
            ),
            count(
                "outpost_http_slow_requests",
                "Connections closed for a slow request",
                serve.slow_requests.get(),
            ),
            count(
                "outpost_http_stalled",
                "Connections closed because their reply was not taken",
                serve.stalled.get(),
            ),
            count(
                "outpost_http_malformed",
                "Requests that were not HTTP, or too large",
                serve.malformed.get(),
            ),
            Family::gauge("outpost_http_open_connections", "Connections open now")
                .with(&[], serve.connections() as f64),
        ]
    }
}

fn tenths(value: f64) -> f64 {
    // Adding zero makes a plain one of the negative.
    (value * 10.0).round() / 10.0 + 0.0
}

/// A level as it is kept: in hundredths.
fn hundredths(level: f32) -> f64 {
    (f64::from(level) * 100.0).round() / 100.0
}

fn json(value: &impl Serialize) -> String {
    // Our own structs of numbers and strings always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}

impl Report for BoxReport {
    fn status(&self) -> String {
        let wall = self.clock.wall();
        let dates = Dates::of(&wall);
        json(&Status {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: tenths(wall.monotonic.since(self.started).as_secs_f64()),
            now: wall.wall.to_string(),
            clock: match wall.sync {
                Sync::Synchronised => "synchronised",
                Sync::Unsynchronised => "unsynchronised",
            },
            streams: self.streams.iter().map(|stream| self.stream_status(stream, &dates)).collect(),
        })
    }

    fn levels(&self, stream: &str) -> Option<String> {
        let stream = self.streams.iter().find(|it| it.name == stream)?;
        let mut levels = Levels { step_ms: STEP.to_duration().as_millis() as i64, ..Levels::default() };
        if let Some((end, steps)) = stream.pump.levels.last(TOLD_STEPS) {
            levels.end = Some(self.dates().at(end).to_string());
            for level in steps {
                levels.rms_dbfs.push(level.rms);
                levels.peak_dbfs.push(level.peak);
                levels.on_air.push(u8::from(level.activity == Activity::OnAir));
            }
        }
        Some(json(&levels))
    }

    fn metrics(&self) -> String {
        metrics::encode(self.families())
    }

    fn health(&self) -> Health {
        match self.stalled() {
            stalled if stalled.is_empty() => Health::Ok,
            stalled => Health::Degraded(stalled.join("; ")),
        }
    }
}
