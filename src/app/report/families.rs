//! `/metrics`: one family for each figure, one sample in it for each stream that has it.

use std::sync::Arc;
use std::time::Instant;

use super::{
    BoxReport, CodedFigures, LowFigures, PictureFigures, RenditionFigures, SoundFigures, StreamFigures,
};
use crate::base::Sync;
use crate::detect::Health;
use crate::keep::KeepStats;
use crate::observe::metrics::{Family, Kind};
use crate::pump::weave::WeaveStats;
use crate::serve::ServeStats;
use crate::source::Signal;

/// A figure: its metric, in a sentence, how it moves, and where it stands.
type Figure<T> = (&'static str, &'static str, Kind, fn(&T) -> f64);

use Kind::{Counter, Gauge};

const OF_STREAMS: &[Figure<StreamFigures>] = &[
    ("outpost_signal_live", "Whether everything the stream is made of delivers", Gauge, |s| {
        live(s.state().signal)
    }),
    (
        "outpost_live_skips",
        "Times a listener of the endless stream was too slow and lost some of it",
        Counter,
        |s| s.station.renditions().map(|it| it.skips.get()).sum::<u64>() as f64,
    ),
    (
        "outpost_playlist_renders",
        "Media playlists written, each for all who ask until the next change",
        Counter,
        |s| s.station.renditions().map(|it| it.renders.get()).sum::<u64>() as f64,
    ),
    ("outpost_listeners", "People who listen", Gauge, |s| s.station.listeners(Instant::now()) as f64),
];

const OF_LOW_LATENCY: &[Figure<LowFigures>] = &[
    ("outpost_part_lag_seconds", "From the coding of a part's last unit to the part's listing", Gauge, |l| {
        l.window.part_lag.get() / 1e3
    }),
    ("outpost_low_latency_dropped_units", "Units lost because the ring was full", Counter, |l| {
        l.lane.dropped.get() as f64
    }),
    (
        "outpost_low_latency_early_pictures",
        "Pictures lost because they came sooner than foreseen, after their segment was ended",
        Counter,
        |l| l.lane.early.get() as f64,
    ),
    ("outpost_low_latency_gaps", "Gaps listed in the place of lost segments", Counter, |l| {
        l.window.gaps.get() as f64
    }),
    ("outpost_low_latency_lost", "Segments and units given up", Counter, |l| l.window.lost.get() as f64),
    ("outpost_low_latency_window_bytes", "Bytes of all segments that can be fetched", Gauge, |l| {
        l.window.bytes.get()
    }),
];

const OF_RENDITIONS: &[Figure<RenditionFigures>] = &[
    ("outpost_ring_dropped_packets", "Packets dropped because the ring was full", Counter, |r| {
        r.ring.dropped.get() as f64
    }),
    ("outpost_ring_drops", "Times the ring was full", Counter, |r| r.ring.drops.get() as f64),
    ("outpost_ring_depth_packets", "Packets in the ring not yet read", Gauge, |r| r.ring.depth.get()),
    ("outpost_segments", "Segments listed", Counter, |r| r.window.segments.get() as f64),
    ("outpost_lost_segments", "Segments given up before they were complete", Counter, |r| {
        r.window.lost.get() as f64
    }),
    ("outpost_discontinuities", "Segments that began with a discontinuity", Counter, |r| {
        r.window.discontinuities.get() as f64
    }),
    ("outpost_segment_lag_seconds", "From the end of the last segment's media to its listing", Gauge, |r| {
        r.window.lag.get() / 1e3
    }),
    ("outpost_window_bytes", "Bytes of all segments that can be fetched", Gauge, |r| r.window.bytes.get()),
    ("outpost_window_seconds", "How long the playlist lasts", Gauge, |r| r.window.seconds.get()),
    ("outpost_window_segments", "Segments in the playlist", Gauge, |r| r.window.listed.get()),
    ("outpost_window_retired_segments", "Segments no longer listed but still served", Gauge, |r| {
        r.window.retired.get()
    }),
    ("outpost_window_evictions", "Segments that went early because of the memory bound", Counter, |r| {
        r.window.evictions.get() as f64
    }),
    ("outpost_window_gaps", "Gaps listed in the place of lost segments", Counter, |r| {
        r.window.gaps.get() as f64
    }),
];

const OF_KEPT: &[Figure<KeepStats>] = &[
    (
        "outpost_keep_well",
        "Whether nothing keeps files from being written; the status names it",
        Gauge,
        |k| f64::from(u8::from(k.cause.get().is_none())),
    ),
    ("outpost_keep_files", "Files of the stream in its folder", Gauge, |k| k.files.get()),
    ("outpost_keep_bytes", "Bytes of those files", Gauge, |k| k.bytes.get()),
    ("outpost_keep_lost_seconds", "What left the window before it could be written", Counter, |k| {
        k.lost.get() as f64 / 1e3
    }),
];

const OF_SOUND: &[Figure<SoundFigures>] = &[
    ("outpost_capture_live", "Whether the sound card delivers", Gauge, |s| {
        live(s.capture.condition.get().signal)
    }),
    ("outpost_capture_losses", "Overruns (xruns) and other losses of captured sound", Counter, |s| {
        s.capture.losses.get() as f64
    }),
    ("outpost_capture_opened", "Times the device was opened", Counter, |s| s.capture.opened.get() as f64),
    (
        "outpost_capture_silence_frames",
        "Frames of silence put in for missing sound, at 48 kHz",
        Counter,
        |s| s.capture.silence.get() as f64,
    ),
    (
        "outpost_capture_dropped_frames",
        "Frames left out because their time was filled already",
        Counter,
        |s| s.capture.dropped.get() as f64,
    ),
    ("outpost_capture_resyncs", "Unannounced jumps of captured sound against the clock", Counter, |s| {
        s.capture.resyncs.get() as f64
    }),
    ("outpost_capture_drift_ppm", "How much faster than it claims the device runs", Gauge, |s| {
        s.capture.ppm.get()
    }),
    ("outpost_capture_offset_seconds", "Media time against the capture time of its sound", Gauge, |s| {
        s.capture.offset_ms.get() / 1e3
    }),
    ("outpost_level_rms_dbfs", "Level over the last tenth of a second", Gauge, |s| {
        hundredths(s.pump.levels.now().rms)
    }),
    ("outpost_level_peak_dbfs", "Loudest sample of the last tenth of a second", Gauge, |s| {
        hundredths(s.pump.levels.now().peak)
    }),
    (
        "outpost_receiver_well",
        "Whether nothing is heard that ails the receiver; the status names it",
        Gauge,
        |s| f64::from(u8::from(s.pump.health.get() == Health::Well)),
    ),
    ("outpost_encoder_blocks", "Blocks of 1024 samples encoded", Counter, |s| s.pump.blocks.get() as f64),
    ("outpost_encoder_seconds", "Time spent on encoding and multiplexing sound", Counter, |s| {
        s.pump.busy_nanos.get() as f64 / 1e9
    }),
    ("outpost_encoder_errors", "Blocks the encoder refused", Counter, |s| s.pump.encoder_errors.get() as f64),
    ("outpost_encoder_delay_seconds", "What the AAC encoder adds to the lag of a segment", Gauge, |s| {
        s.encoder_delay.as_secs_f64()
    }),
];

const OF_PICTURES: &[Figure<PictureFigures>] = &[
    ("outpost_camera_live", "Whether the camera delivers", Gauge, |p| live(p.camera.condition.get().signal)),
    ("outpost_camera_opened", "Times the camera was opened", Counter, |p| p.camera.opened.get() as f64),
    ("outpost_camera_pictures", "Pictures the camera gave, damaged ones apart", Counter, |p| {
        p.camera.pictures.get() as f64
    }),
    (
        "outpost_camera_missed",
        "Pictures lost before they were seen, by the camera, its cable or its driver",
        Counter,
        |p| p.camera.missed.get() as f64,
    ),
    ("outpost_camera_damaged", "Pictures that were cut short or corrupt", Counter, |p| {
        p.camera.damaged.get() as f64
    }),
    ("outpost_camera_misdated", "Pictures whose timestamp could not be believed", Counter, |p| {
        p.camera.misdated.get() as f64
    }),
    ("outpost_camera_slates", "Pictures of the slate shown in place of the camera's", Counter, |p| {
        p.camera.slates.get() as f64
    }),
    (
        "outpost_camera_stills",
        "Times the camera's last picture was shown again because it paused",
        Counter,
        |p| p.camera.stills.get() as f64,
    ),
    ("outpost_camera_rate_hertz", "Pictures a second over the last seconds", Gauge, |p| p.camera.rate.get()),
];

const OF_CODED: &[Figure<CodedFigures>] = &[
    ("outpost_video_pictures", "Pictures there were for the stream, slates and stills too", Counter, |c| {
        c.stats.pictures.get() as f64
    }),
    ("outpost_video_sent", "Of those, encoded or passed through", Counter, |c| c.stats.sent.get() as f64),
    ("outpost_video_idrs", "Of those sent, where decoding can begin", Counter, |c| c.stats.idrs.get() as f64),
    ("outpost_video_bytes", "Bytes of coded pictures", Counter, |c| c.stats.bytes.get() as f64),
    (
        "outpost_video_dropped",
        "Of those, left out because the encoder could not keep up, or there was none",
        Counter,
        |c| c.stats.dropped.get() as f64,
    ),
    ("outpost_video_errors", "Pictures that could not be encoded or passed through", Counter, |c| {
        c.stats.errors.get() as f64
    }),
    ("outpost_video_seconds", "Time spent on scaling and encoding pictures", Counter, |c| {
        c.stats.busy_nanos.get() as f64 / 1e9
    }),
    ("outpost_video_step", "How many of the configured overload steps are taken", Gauge, |c| {
        c.stats.step.get()
    }),
];

const OF_SHOWN: &[Figure<RenditionFigures>] = &[
    (
        "outpost_picture_lag_seconds",
        "From the capture of pictures to their packets in the ring: mean over 5 s, pictures at cuts apart",
        Gauge,
        |r| r.lag.mean.get(),
    ),
    ("outpost_picture_lag_greatest_seconds", "The same: the greatest", Gauge, |r| r.lag.greatest.get()),
    (
        "outpost_picture_lag_at_cuts_seconds",
        "The same of pictures at cuts, which wait for the sound before them: the greatest",
        Gauge,
        |r| r.lag.at_cuts.get(),
    ),
];

/// Of sound that has pictures to it.
const OF_LIPS: &[Figure<SoundFigures>] = &[(
    "outpost_lip_sync_offset_seconds",
    "How much later than its picture sound is shown, by the instants both were captured at: the lip-sync error",
    Gauge,
    |s| s.lip_sync_ms() / 1e3,
)];

const OF_BOTH: &[Figure<WeaveStats>] = &[
    (
        "outpost_weave_sound_behind_seconds",
        "How much longer sound takes from capture to being sent than its picture; no error",
        Gauge,
        |w| w.sound_behind.get() / 1e3,
    ),
    (
        "outpost_weave_alone",
        "Segments that began without the other track, waited for in vain",
        Counter,
        |w| w.alone.get() as f64,
    ),
    ("outpost_weave_dropped", "Pictures and frames of sound lost on the way to the weaver", Counter, |w| {
        (w.video.dropped.get() + w.audio.dropped.get()) as f64
    }),
];

/// Every family there is.
pub(super) fn of(report: &BoxReport) -> Vec<Family> {
    let wall = report.clock.wall();
    let synchronised = f64::from(u8::from(wall.sync == Sync::Synchronised));
    let uptime = wall.monotonic.since(report.started).as_secs_f64();
    let mut families = vec![
        Family::gauge("outpost_info", "The program's version")
            .with(&[("version", env!("CARGO_PKG_VERSION"))], 1.0),
        Family::gauge("outpost_uptime_seconds", "Time since the program started").with(&[], uptime),
        Family::gauge("outpost_clock_synchronised", "Whether the kernel believes its civil time")
            .with(&[], synchronised),
    ];
    let streams = &**report.streams.load();
    families.extend(of_parts(streams, OF_STREAMS, |stream| Some(stream)));
    families.extend(of_parts(streams, OF_KEPT, |stream| stream.keep.as_deref()));
    families.extend(of_parts(streams, OF_SOUND, |stream| stream.sound.as_ref()));
    families.extend(of_parts(streams, OF_PICTURES, |stream| stream.picture.as_ref()));
    families.extend(of_parts(streams, OF_LIPS, |stream| stream.picture.as_ref().and(stream.sound.as_ref())));
    families.extend(of_renditions(streams, OF_RENDITIONS, |rendition| Some(rendition)));
    families.extend(of_renditions(streams, OF_CODED, |rendition| rendition.coded.as_ref()));
    families
        .extend(of_renditions(streams, OF_SHOWN, |rendition| rendition.coded.as_ref().and(Some(rendition))));
    families.extend(of_renditions(streams, OF_BOTH, |rendition| rendition.weave.as_deref()));
    families.extend(of_low_latency(streams));
    families.extend(of_server(&report.serve));
    families
}

/// The figures of the renditions with low latency; none where it is not offered.
fn of_low_latency(streams: &[Arc<StreamFigures>]) -> impl Iterator<Item = Family> {
    let there = streams.iter().any(|stream| !stream.low_latency.is_empty());
    OF_LOW_LATENCY.iter().filter(move |_| there).map(move |(name, help, kind, figure)| {
        let family = match kind {
            Counter => Family::counter(name, help),
            Gauge => Family::gauge(name, help),
        };
        let all = streams.iter().flat_map(|stream| stream.low_latency.iter().map(move |low| (stream, low)));
        all.fold(family, |family, (stream, low)| {
            family.with(&[("stream", &stream.name), ("rendition", &low.name)], figure(low))
        })
    })
}

/// The figures of what `part` finds in each stream; none of what no stream has.
fn of_parts<'a, T>(
    streams: &'a [Arc<StreamFigures>],
    figures: &'a [Figure<T>],
    part: fn(&StreamFigures) -> Option<&T>,
) -> impl Iterator<Item = Family> + 'a {
    let parts =
        streams.iter().filter_map(move |stream| Some((part(stream)?, vec![("stream", &*stream.name)])));
    of_all(parts.collect(), figures)
}

/// The figures of what `part` finds in each rendition.
fn of_renditions<'a, T>(
    streams: &'a [Arc<StreamFigures>],
    figures: &'a [Figure<T>],
    part: fn(&RenditionFigures) -> Option<&T>,
) -> impl Iterator<Item = Family> + 'a {
    let all = streams.iter().flat_map(|stream| stream.renditions.iter().map(move |it| (stream, it)));
    let parts = all.filter_map(move |(stream, rendition)| {
        Some((part(rendition)?, vec![("stream", &*stream.name), ("rendition", &*rendition.name)]))
    });
    of_all(parts.collect(), figures)
}

/// What has figures, and its labels.
type Labelled<'a, T> = Vec<(&'a T, Vec<(&'static str, &'a str)>)>;

fn of_all<'a, T>(parts: Labelled<'a, T>, figures: &'a [Figure<T>]) -> impl Iterator<Item = Family> + 'a {
    figures.iter().filter_map(move |(name, help, kind, figure)| {
        let family = match kind {
            Counter => Family::counter(name, help),
            Gauge => Family::gauge(name, help),
        };
        let sample = |family: Family, (part, labels): &(&T, Vec<_>)| family.with(labels, figure(part));
        (!parts.is_empty()).then(|| parts.iter().fold(family, sample))
    })
}

fn live(signal: Signal) -> f64 {
    f64::from(u8::from(signal == Signal::Live))
}

/// A level as it is kept: in hundredths.
fn hundredths(level: f32) -> f64 {
    (f64::from(level) * 100.0).round() / 100.0
}

fn of_server(serve: &ServeStats) -> Vec<Family> {
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
        count("outpost_http_refused", "Connections turned away, all places being taken", serve.refused.get()),
        count("outpost_http_denied", "Requests without the right to what they asked for", serve.denied.get()),
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
        count("outpost_http_held", "Requests that had to wait for what they asked for", serve.held.get()),
        Family::gauge("outpost_http_waiting", "Requests that wait now").with(&[], serve.waiting() as f64),
        count("outpost_http_malformed", "Requests that were not HTTP, or too large", serve.malformed.get()),
        Family::gauge("outpost_http_open_connections", "Connections open now")
            .with(&[], serve.connections() as f64),
    ]
}
