//! `/api/v1/status`: how everything is, for programs and for the page.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::{BoxReport, CodedFigures, PictureFigures, RenditionFigures, SoundFigures, StreamFigures, tenths};
use crate::base::Sync;
use crate::keep::KeepStats;
use crate::pump::level::Activity;
use crate::segment::{Dates, WindowStats};
use crate::source::Signal;

#[derive(Serialize)]
pub(super) struct Status<'a> {
    name: &'static str,
    version: &'static str,
    uptime_seconds: f64,
    now: String,
    clock: &'static str,
    /// What is wrong with the configuration, or with the machine.
    problems: Vec<String>,
    /// The streams as they would be written in a configuration, if they come of what is plugged in.
    found: Option<String>,
    streams: Vec<StreamStatus<'a>>,
}

#[derive(Serialize)]
struct StreamStatus<'a> {
    name: &'a str,
    title: &'a str,
    signal: Signal,
    signal_since: String,
    cause: Option<String>,
    picture: Option<PictureStatus<'a>>,
    source: Option<SourceStatus<'a>>,
    level: Option<LevelStatus>,
    /// How the receiver is, as far as it can be heard.
    health: Option<HealthStatus>,
    /// What is kept of it on a disk, if anything is to be.
    keep: Option<KeepStatus>,
    listeners: usize,
    playlist: String,
    /// The same at low latency, if it is offered so.
    low_latency: Option<String>,
    live_ts: String,
    codecs: String,
    bitrate: u32,
    target_seconds: f64,
    window: WindowStatus,
    renditions: Vec<RenditionStatus<'a>>,
}

#[derive(Serialize)]
struct RenditionStatus<'a> {
    name: &'a str,
    playlist: String,
    bitrate: u32,
    /// Of its pictures, if it has some.
    coded: Option<CodedStatus<'a>>,
    window: WindowStatus,
}

#[derive(Serialize)]
struct PictureStatus<'a> {
    name: &'a str,
    signal: Signal,
    cause: Option<String>,
    /// What the camera delivers, and why that was chosen.
    format: Option<String>,
    /// Pictures a second of late.
    rate: f64,
    missed: u64,
    damaged: u64,
    misdated: u64,
    slates: u64,
    stills: u64,
    /// Of the first rendition.
    #[serde(flatten)]
    coded: Option<CodedStatus<'a>>,
    /// From capture to the ring, on average, pictures at cuts apart.
    lag_ms: f64,
    /// How much later than its picture sound is shown, if there is any.
    lip_sync_ms: Option<f64>,
    snapshot: Option<String>,
}

#[derive(Serialize)]
struct CodedStatus<'a> {
    encoder: Option<String>,
    encoder_why: Option<String>,
    width: Option<usize>,
    height: Option<usize>,
    sent: u64,
    dropped: u64,
    errors: u64,
    /// What is given up at the moment because the board does not keep up.
    step: Option<&'a str>,
}

#[derive(Serialize)]
struct SourceStatus<'a> {
    name: &'a str,
    signal: Signal,
    cause: Option<String>,
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
struct HealthStatus {
    state: &'static str,
    advice: Option<&'static str>,
}

#[derive(Serialize)]
struct KeepStatus {
    state: &'static str,
    cause: Option<String>,
    files: u64,
    bytes: u64,
    lost_seconds: f64,
}

#[derive(Serialize)]
struct WindowStatus {
    seconds: f64,
    segments: u64,
    bytes: u64,
    lag_ms: f64,
}

/// The state of the whole box now.
pub(super) fn of<'a>(report: &BoxReport, streams: &'a [Arc<StreamFigures>]) -> Status<'a> {
    let wall = report.clock.wall();
    let dates = Dates::of(&wall);
    Status {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: tenths(wall.monotonic.since(report.started).as_secs_f64()),
        now: wall.wall.to_string(),
        clock: match wall.sync {
            Sync::Synchronised => "synchronised",
            Sync::Unsynchronised => "unsynchronised",
        },
        problems: report.problems(),
        found: report.found.load().as_deref().cloned(),
        streams: streams.iter().map(|stream| stream_status(stream, &dates)).collect(),
    }
}

fn stream_status<'a>(stream: &'a StreamFigures, dates: &Dates) -> StreamStatus<'a> {
    let state = stream.state();
    StreamStatus {
        name: &stream.name,
        title: &stream.title,
        signal: state.signal,
        signal_since: dates.at_monotonic(state.since).to_string(),
        cause: some(&state.cause),
        picture: stream.picture.as_ref().map(|picture| picture_status(stream, picture)),
        source: stream.sound.as_ref().map(source_status),
        level: stream.sound.as_ref().map(level_status),
        health: stream.sound.as_ref().map(health_status),
        keep: stream.keep.as_deref().map(keep_status),
        listeners: stream.station.listeners(Instant::now()),
        playlist: format!("/{}/index.m3u8", stream.name),
        low_latency: stream.station.low_latency().map(|_| format!("/{}/ll/index.m3u8", stream.name)),
        live_ts: format!("/{}/live.ts", stream.name),
        codecs: stream.codecs(),
        bitrate: stream.first().bitrate,
        target_seconds: stream.target.span().as_secs_f64(),
        window: window_status(&stream.first().window),
        renditions: stream.renditions.iter().map(|it| rendition_status(stream, it)).collect(),
    }
}

fn rendition_status<'a>(stream: &StreamFigures, rendition: &'a RenditionFigures) -> RenditionStatus<'a> {
    let RenditionFigures { name, bitrate, window, coded, .. } = rendition;
    RenditionStatus {
        name,
        playlist: format!("/{}/{name}/index.m3u8", stream.name),
        bitrate: *bitrate,
        coded: coded.as_ref().map(coded_status),
        window: window_status(window),
    }
}

fn window_status(window: &WindowStats) -> WindowStatus {
    WindowStatus {
        seconds: window.seconds.get(),
        segments: window.listed.get() as u64,
        bytes: window.bytes.get() as u64,
        lag_ms: tenths(window.lag.get()),
    }
}

fn some(cause: &str) -> Option<String> {
    Some(cause.to_owned()).filter(|cause| !cause.is_empty())
}

fn picture_status<'a>(stream: &'a StreamFigures, picture: &'a PictureFigures) -> PictureStatus<'a> {
    let PictureFigures { source, camera, shutter } = picture;
    let state = camera.condition.get();
    PictureStatus {
        name: source,
        signal: state.signal,
        cause: some(&state.cause),
        format: camera.format.load().as_ref().map(|format| format.about.clone()),
        rate: tenths(camera.rate.get()),
        missed: camera.missed.get(),
        damaged: camera.damaged.get(),
        misdated: camera.misdated.get(),
        slates: camera.slates.get(),
        stills: camera.stills.get(),
        coded: stream.first().coded.as_ref().map(coded_status),
        lag_ms: tenths(stream.first().lag.mean.get() * 1e3),
        lip_sync_ms: stream.sound.as_ref().map(|sound| tenths(sound.lip_sync_ms())),
        snapshot: shutter.as_ref().map(|_| format!("/{}/snapshot.jpg", stream.name)),
    }
}

fn coded_status(coded: &CodedFigures) -> CodedStatus<'_> {
    let CodedFigures { stats, info, steps } = coded;
    let sent = info.get();
    let taken = stats.step.get() as usize;
    CodedStatus {
        encoder: sent.as_ref().map(|sent| sent.encoder.clone()),
        encoder_why: sent.as_ref().map(|sent| sent.why.clone()),
        width: sent.as_ref().map(|sent| sent.config.size.width()),
        height: sent.as_ref().map(|sent| sent.config.size.height()),
        sent: stats.sent.get(),
        dropped: stats.dropped.get(),
        errors: stats.errors.get(),
        step: taken.checked_sub(1).and_then(|last| steps.get(last)).map(String::as_str),
    }
}

fn source_status(sound: &SoundFigures) -> SourceStatus<'_> {
    let state = sound.capture.condition.get();
    SourceStatus {
        name: &sound.source,
        signal: state.signal,
        cause: some(&state.cause),
        drift_ppm: tenths(sound.capture.ppm.get()),
        clock_offset_ms: tenths(sound.capture.offset_ms.get()),
        losses: sound.capture.losses.get(),
    }
}

fn level_status(sound: &SoundFigures) -> LevelStatus {
    let level = sound.pump.levels.now();
    LevelStatus { rms_dbfs: level.rms, peak_dbfs: level.peak, on_air: level.activity == Activity::OnAir }
}

fn health_status(sound: &SoundFigures) -> HealthStatus {
    let health = sound.pump.health.get();
    let advice = Some(health.advice()).filter(|advice| !advice.is_empty());
    HealthStatus { state: health.name(), advice }
}

fn keep_status(keep: &KeepStats) -> KeepStatus {
    let cause = keep.cause.get();
    KeepStatus {
        state: if cause.is_none() { "well" } else { "trouble" },
        cause,
        files: keep.files.get() as u64,
        bytes: keep.bytes.get() as u64,
        lost_seconds: tenths(keep.lost.get() as f64 / 1e3),
    }
}
