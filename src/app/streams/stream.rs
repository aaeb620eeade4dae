//! The parts of one stream: encoders, the way into its ring, and what serves it.

use std::sync::Arc;

use super::sources::{kind, params};
use super::{BuildError, Feed};
use crate::app::config::{AudioSettings, Step, StreamConfig, VideoSettings};
use crate::app::report::{PictureFigures, SoundFigures, StreamFigures};
use crate::base::{Clock, Pts, Pulse, Span};
use crate::container::ts::{PACKET_LEN, Record};
use crate::encode::choose::{self, EncoderKind};
use crate::encode::{self, AacParams, AudioEncoder};
use crate::media::{CutGrid, Program, VideoConfig};
use crate::pixel;
use crate::playlist::{self, Format, Latency, Resolution, Style, Variant};
use crate::pump::audio::{AudioStream, PumpStats};
use crate::pump::outlet::Outlet;
use crate::pump::segments::Segments;
use crate::pump::sink::{RecordSink, SinkStats};
use crate::pump::snapshot::Shutter;
use crate::pump::video::{self, Encoders, VideoInfo, VideoMode, VideoStats, VideoStream};
use crate::pump::weave::{Weaver, weave};
use crate::ring::{self, Audience};
use crate::segment::{Agreement, Ledger, Numbering, SegmentConfig, Segmenter, TargetDuration};
use crate::serve::{Lineup, MultivariantRenderer, Photos, Rendition, Snapshots, Station};
use crate::source::CaptureStats;
use crate::source::video::{CameraStats, Coding};

/// How much waits between the two sides at most, in packets: seconds of sound, while 192 KiB are cheap; and so many
/// seconds of whatever the stream is.
const RING_PACKETS: usize = 1024;
const RING_SECONDS: usize = 2;
/// What sources that code themselves are taken to use at least, in bits per second: not all let themselves be told.
const CODED_BITRATE: u32 = 8_000_000;
/// Of snapshots, 1 to 100: no loss is to be seen at arm's length.
const SNAPSHOT_QUALITY: u8 = 85;

/// One stream, ready to be put where its threads and its server want it.
pub(super) struct Built {
    pub(super) video: Option<VideoStream>,
    pub(super) audio: Option<AudioStream>,
    pub(super) weaver: Option<Weaver>,
    pub(super) feed: Feed,
}

/// Builds a stream. `camera` tells how its camera's pictures come and holds that camera's figures, `capture` those
/// of its sound card.
///
/// # Errors
/// If an encoder refuses its parameters or the system has no descriptors left.
pub(super) fn build(
    stream: &StreamConfig,
    camera: Option<(Coding, &Arc<CameraStats>)>,
    capture: Option<&Arc<CaptureStats>>,
    ledger: &Arc<Ledger>,
    clock: &Arc<dyn Clock>,
) -> Result<Built, BuildError> {
    let name = stream.name.as_str();
    let coding = camera.map(|(coding, _)| coding);
    let no_ring = |source| BuildError::Ring { stream: name.to_owned(), source };
    let sound = stream.audio.as_ref().zip(capture);
    let sound = sound.map(|(audio, capture)| Ok((audio, capture, aac(name, audio)?))).transpose()?;
    let picture = stream.video.as_ref().zip(camera);
    let picture = picture.map(|(video, (coding, camera))| Ok((video, camera, mode(stream, video, coding)?)));
    let picture = picture.transpose()?;

    let program = Program {
        video: picture.as_ref().map(|(.., mode)| description(mode)),
        audio: sound.as_ref().map(|(.., encoder)| encoder.config().clone()),
    };
    let (ring_stats, audience) = (Arc::new(SinkStats::default()), Audience::default());
    let (producer, ring) = ring::channel(ring_packets(stream.bitrate().0, coding)).map_err(no_ring)?;
    let sink = RecordSink::new(producer, audience.clone(), Arc::clone(&ring_stats));
    let segments = Segments::new(name, &program, sink, clock);
    let lag = segments.lag();
    let grid = CutGrid::new(stream.window.segment.0);
    let (mut video_outlet, mut audio_outlet, mut weaver) = (None, None, None);
    match (&program.video, &program.audio) {
        (Some(video), Some(audio)) => {
            let frame = Span::from_samples(i64::from(audio.frame_samples()), audio.rate());
            let woven = weave(name, segments, grid, (video.rate, frame), clock).map_err(no_ring)?;
            (video_outlet, audio_outlet, weaver) = (Some(woven.0), Some(woven.1), Some(woven.2));
        }
        (Some(_), None) => video_outlet = Some(Outlet::direct(segments)),
        (None, _) => audio_outlet = Some(Outlet::direct(segments)),
    }

    let (mut video, mut picture_figures) = (None, None);
    if let Some(((settings, camera, mode), outlet)) = picture.zip(video_outlet) {
        let (stats, info) = (Arc::new(VideoStats::default()), Arc::new(VideoInfo::default()));
        let steps: Vec<_> = settings.overload.iter().copied().map(step).collect();
        let pictures =
            VideoStream::new(name, mode, grid, outlet, Arc::clone(&stats), Arc::clone(&info), &steps);
        picture_figures = Some(PictureFigures {
            source: settings.source.to_string(),
            camera: Arc::clone(camera),
            stats,
            info,
            steps: settings.overload.iter().map(Step::to_string).collect(),
            shutter: pictures.shutter(),
            lag,
            weave: weaver.as_ref().map(Weaver::stats),
        });
        video = Some(pictures);
    }
    let (mut audio, mut sound_figures) = (None, None);
    if let Some(((settings, capture, encoder), outlet)) = sound.zip(audio_outlet) {
        let pump = Arc::new(PumpStats::default());
        sound_figures = Some(SoundFigures {
            source: settings.source.to_string(),
            codecs: encoder.config().codecs(),
            encoder_delay: encoder.delay(),
            capture: Arc::clone(capture),
            pump: Arc::clone(&pump),
        });
        audio = Some(AudioStream::new(name, settings.channels, encoder, grid, outlet, pump));
    }
    let feed = Serving { stream, coding, ring_stats, audience, ledger, clock }.feed(
        picture_figures,
        sound_figures,
        ring,
    );
    Ok(Built { video, audio, weaver, feed })
}

fn aac(stream: &str, audio: &AudioSettings) -> Result<Box<dyn AudioEncoder>, BuildError> {
    let AudioSettings { profile, bitrate, channels, .. } = *audio;
    encode::aac(AacParams { profile, bitrate: bitrate.0, channels: channels.channels() })
        .map_err(|source| BuildError::Sound { stream: stream.to_owned(), source })
}

/// How pictures become units: decided now, for as long as the program runs.
fn mode(config: &StreamConfig, video: &VideoSettings, coding: Coding) -> Result<VideoMode, BuildError> {
    let stream = config.name.as_str();
    let (kind, params) = (kind(video.encoder), params(video));
    let encoders = |kind| -> Encoders {
        Box::new(move |failed| match failed {
            None => choose::video(kind, params),
            Some(failed) => choose::instead(failed, params),
        })
    };
    if coding == Coding::H264 {
        tracing::info!(stream, "pictures are passed through as the source codes them");
        return Ok(VideoMode::Copy {
            size: video.size,
            rate: video.rate,
            longest: longest_segment(config, Some(coding)),
            encoders: encoders(EncoderKind::X264),
        });
    }
    let choice = choose::video(kind, params)
        .map_err(|source| BuildError::Pictures { stream: stream.to_owned(), source })?;
    tracing::info!(stream, encoder = choice.encoder.name(), why = choice.why, "pictures are encoded");
    Ok(VideoMode::Encode { choice, params, encoders: encoders(kind) })
}

/// What is known of the pictures before the first. Of those passed through the rest comes with them.
fn description(mode: &VideoMode) -> VideoConfig {
    match mode {
        VideoMode::Encode { choice, .. } => choice.encoder.config().clone(),
        VideoMode::Copy { size, rate, .. } => VideoConfig { codecs: String::new(), size: *size, rate: *rate },
    }
}

fn step(step: Step) -> video::Step {
    match step {
        Step::Bitrate(bitrate) => video::Step::Bitrate(bitrate.0),
        Step::Rate(rate) => video::Step::Rate(rate),
    }
}

fn ring_packets(bitrate: u32, coding: Option<Coding>) -> usize {
    let bitrate = if coding == Some(Coding::H264) { bitrate.max(CODED_BITRATE) } else { bitrate };
    (bitrate as usize / 8 / PACKET_LEN * RING_SECONDS).max(RING_PACKETS)
}

/// What the serving side of a stream is made from.
struct Serving<'a> {
    stream: &'a StreamConfig,
    coding: Option<Coding>,
    ring_stats: Arc<SinkStats>,
    audience: Audience,
    ledger: &'a Arc<Ledger>,
    clock: &'a Arc<dyn Clock>,
}

impl Serving<'_> {
    fn feed(
        self,
        picture: Option<PictureFigures>,
        sound: Option<SoundFigures>,
        ring: ring::Consumer<Record>,
    ) -> Feed {
        let Self { stream, coding, ring_stats, audience, ledger, clock } = self;
        let name = stream.name.as_str();
        let longest = longest_segment(stream, coding);
        let window = SegmentConfig {
            target: longest,
            length: stream.window.length.0.max(Span::from_ticks(3 * longest.ticks())),
            bytes: usize::try_from(stream.window.memory.0).unwrap_or(usize::MAX),
        };
        let target = TargetDuration::of(longest);
        let rendition = if picture.is_some() { "video" } else { "audio" };
        let snapshots = match (&picture, picture.as_ref().and_then(|picture| picture.shutter.clone())) {
            (_, Some(shutter)) => Snapshots::of(Arc::new(Lens(shutter))),
            (Some(_), None) => Snapshots::None("its pictures are passed through as the camera codes them"),
            (None, None) => Snapshots::None("it has sound alone, no picture"),
        };
        let codecs = sound.as_ref().map(|sound| sound.codecs.clone());
        let pictures = picture.as_ref().map(|picture| Arc::clone(&picture.info));
        let (format, latency) = (Format::TransportStream, Latency::Ordinary);
        let style = Style { format, latency, keys: "../keys/".to_owned() };
        let shelf = Rendition::new(rendition, target, style).with_audience(audience);
        let shelf = Arc::new(shelf);
        let lineup = Lineup::new(vec![Arc::clone(&shelf)], multivariant(rendition, codecs, pictures));
        let station = Arc::new(Station::new(name, &stream.title, lineup, None, snapshots));
        let pulse = Arc::new(Pulse::new(clock.now()));
        // A stream with pictures begins with one, and those are not held back.
        let delay = sound.as_ref().filter(|_| picture.is_none()).map_or(Span::ZERO, |it| it.encoder_delay);
        let numbering = numbering(stream, coding);
        let agreement = Agreement::new(ledger, name, numbering, &window, &clock.wall(), delay);
        let sequence = agreement.sequence(&format!("{name}/{rendition}"));
        let segmenter = Segmenter::new(window, sequence, Arc::clone(clock), shelf as _, Arc::clone(&pulse));
        let figures = StreamFigures {
            name: name.to_owned(),
            title: stream.title.clone(),
            bitrate: stream.bitrate().0,
            target,
            picture,
            sound,
            ring: ring_stats,
            window: segmenter.stats(),
            pulse,
            station,
        };
        Feed { figures, segmenter, ring }
    }
}

/// How long a segment can be. Sources that code themselves send key frames when they like; of others the first
/// picture at or after an instant of the grid is coded so, which at few pictures a second is much later.
fn longest_segment(stream: &StreamConfig, coding: Option<Coding>) -> Span {
    let segment = stream.window.segment.0;
    let late = stream.video.as_ref().map_or(Span::ZERO, |video| video.rate.span());
    match coding {
        Some(Coding::H264) => segment + segment,
        _ if late > Span::from_millis(100) => segment + late,
        _ => segment,
    }
}

/// Whether every cell of the grid has the beginning of one segment: not where a source's key frames decide, nor where
/// pictures are about as far apart as the grid's instants.
fn numbering(stream: &StreamConfig, coding: Option<Coding>) -> Numbering {
    let segment = stream.window.segment.0;
    let picture = stream.video.as_ref().map_or(Span::ZERO, |video| video.rate.span());
    match coding {
        Some(Coding::H264) => Numbering::Counted,
        _ if picture + picture > segment => Numbering::Counted,
        _ => Numbering::Aligned(CutGrid::new(segment)),
    }
}

/// A stream's photos, of what its camera shows.
struct Lens(Arc<Shutter>);

impl Photos for Lens {
    fn ask(&self) {
        self.0.ask();
    }

    fn taken(&self) -> Option<Pts> {
        self.0.latest().map(|photo| photo.taken)
    }

    fn jpeg(&self) -> Result<Vec<u8>, String> {
        let photo = self.0.latest().ok_or("no picture was taken yet")?;
        pixel::jpeg::encode(&photo.picture, SNAPSHOT_QUALITY).map_err(|error| error.to_string())
    }
}

/// The multivariant playlist, with what is being sent at that moment.
fn multivariant(
    rendition: &'static str,
    sound: Option<String>,
    pictures: Option<Arc<VideoInfo>>,
) -> MultivariantRenderer {
    Box::new(move |snapshots, query| {
        let sent = pictures.as_ref().and_then(|pictures| pictures.get());
        let config = sent.as_ref().map(|sent| &sent.config);
        let codecs: Vec<&str> =
            config.map(|config| &*config.codecs).into_iter().chain(sound.as_deref()).collect();
        let variant = Variant {
            uri: format!("{rendition}/index.m3u8"),
            rate: snapshots.first().and_then(|it| it.as_ref()).map(|it| it.rate).unwrap_or_default(),
            codecs: codecs.join(","),
            resolution: config.map(|VideoConfig { size, .. }| Resolution {
                width: size.width() as u32,
                height: size.height() as u32,
            }),
            frame_rate: config.map(|config| config.rate.hertz()),
            audio: None,
        };
        playlist::multivariant(&[variant], &[], query)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_holds_two_seconds_and_a_picture_that_takes_all_bits_of_one() {
        let (raw, coded) = (Some(Coding::Raw), Some(Coding::H264));
        let table = [
            (64_000, None, 64_000),
            (2_064_000, raw, 2_064_000),
            (4_064_000, raw, 4_064_000),
            (20_000_000, raw, 20_000_000),
            // A camera that does what it likes.
            (2_064_000, coded, 8_000_000),
        ];
        for (bitrate, coding, used) in table {
            let bytes = ring_packets(bitrate, coding) * PACKET_LEN;
            assert!(
                bytes + 2 * PACKET_LEN >= used as usize / 8 * RING_SECONDS,
                "{bitrate} {coding:?}: {bytes}"
            );
        }
    }
}
