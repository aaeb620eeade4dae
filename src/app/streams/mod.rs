//! From the configuration to the parts of each stream, joined but not yet running.

use std::io;
use std::sync::Arc;

use super::config::{AudioSettings, Config, SoundSource, StreamConfig, VideoSettings};
use super::report::StreamFigures;
use crate::base::{Clock, Pulse};
use crate::container::ts::Record;
use crate::encode::{self, AacParams, EncodeError};
use crate::media::{CutGrid, Pick};
use crate::playlist::{self, Variant};
use crate::pump::audio::{AudioStream, PumpStats};
use crate::pump::sink::{RecordSink, SinkStats};
use crate::ring;
use crate::segment::{Ledger, SegmentConfig, Segmenter, TargetDuration};
use crate::serve::{Render, Snapshots, Station};
const RENDITION: &str = "audio";
use crate::source::alsa::AlsaDevice;
use crate::source::capture::Capture;
use crate::source::synth::{Sound, Synth, SynthOptions};
use crate::source::{AudioDevice, CaptureStats};

/// How many packets wait between the two sides at most: seconds of sound, while 192 KiB are cheap.
const RING_PACKETS: usize = 1024;
/// The file in the state directory that keeps sequence numbers from going back.
const LEDGER: &str = "sequence.json";

/// Why a stream cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Its encoder refuses.
    #[error("stream {stream}")]
    Encoder {
        /// The stream's name.
        stream: String,
        /// The encoder's reason.
        source: EncodeError,
    },
    /// No descriptor is left for its ring.
    #[error("stream {stream}: no file descriptor left for its ring; raise `ulimit -n`")]
    Ring {
        /// The stream's name.
        stream: String,
        /// What the kernel says.
        source: io::Error,
    },
}

/// A sound card with all streams that hear it: the work of one thread.
pub(super) struct Card {
    pub(super) capture: Capture,
    pub(super) streams: Vec<AudioStream>,
}

/// The serving side of one stream.
pub(super) struct Feed {
    pub(super) figures: StreamFigures,
    pub(super) segmenter: Segmenter,
    pub(super) ring: ring::Consumer<Record>,
}

/// Builds all streams. A source that several of them name is opened once.
///
/// # Errors
/// If an encoder refuses its parameters or the system has no descriptors left.
pub(super) fn build(config: &Config, clock: &Arc<dyn Clock>) -> Result<(Vec<Card>, Vec<Feed>), BuildError> {
    let ledger = Ledger::open(config.state_dir.join(LEDGER));
    let (mut cards, mut feeds) = (Vec::new(), Vec::new());
    for source in sources(&config.streams) {
        let streams = || {
            config.streams.iter().filter_map(|stream| {
                Some((stream, stream.audio.as_ref().filter(|audio| audio.source == *source)?))
            })
        };
        let channels = if streams().all(|(_, audio)| audio.channels == Pick::Mono) { 1 } else { 2 };
        let stats = Arc::new(CaptureStats::default());
        let device = card(source, channels, clock);
        let capture = Capture::new(device, channels, Arc::clone(clock), Arc::clone(&stats));
        let mut card = Card { capture, streams: Vec::new() };
        for (stream, audio) in streams() {
            let (audio, feed) = build_stream(stream, audio, &stats, &ledger, clock)?;
            card.streams.push(audio);
            feeds.push(feed);
        }
        cards.push(card);
    }
    // In the order of the configuration, which is the order people see.
    feeds.sort_by_key(|feed| {
        config.streams.iter().position(|stream| stream.name.as_str() == feed.figures.name)
    });
    Ok((cards, feeds))
}

/// Every source once.
fn sources(streams: &[StreamConfig]) -> Vec<&SoundSource> {
    let mut sources = Vec::new();
    for source in streams.iter().filter_map(|stream| Some(&stream.audio.as_ref()?.source)) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    sources
}

/// The device behind a source.
pub(super) fn card(source: &SoundSource, channels: usize, clock: &Arc<dyn Clock>) -> Box<dyn AudioDevice> {
    match source {
        SoundSource::Alsa { device } => Box::new(AlsaDevice::new(device.clone())),
        SoundSource::Scanner { seed } => {
            let options = SynthOptions::new(Sound::Scanner { seed: *seed }, channels);
            Box::new(Synth::new(options, Arc::clone(clock)))
        }
        _ => unimplemented!(),
    }
}
pub(super) fn mode(_: &VideoSettings) {}
pub(super) fn camera(
    _: &VideoSettings,
    _: &str,
    _: (),
    _: &Arc<dyn Clock>,
) -> Box<dyn crate::source::video::VideoDevice> {
    unimplemented!()
}
pub(super) fn encoder(_: &VideoSettings) -> String {
    String::new()
}

fn build_stream(
    stream: &StreamConfig,
    settings: &AudioSettings,
    capture: &Arc<CaptureStats>,
    ledger: &Arc<Ledger>,
    clock: &Arc<dyn Clock>,
) -> Result<(AudioStream, Feed), BuildError> {
    let name = stream.name.as_str();
    let params = AacParams {
        profile: settings.profile,
        bitrate: settings.bitrate.0,
        channels: settings.channels.channels(),
    };
    let encoder =
        encode::aac(params).map_err(|source| BuildError::Encoder { stream: name.to_owned(), source })?;
    let (producer, consumer) =
        ring::channel(RING_PACKETS).map_err(|source| BuildError::Ring { stream: name.to_owned(), source })?;
    let codecs = encoder.config().codecs();
    let target = stream.window.segment.0;
    let segments = SegmentConfig {
        target,
        length: stream.window.length.0,
        bytes: usize::try_from(stream.window.memory.0).unwrap_or(usize::MAX),
    };
    let station = Arc::new(Station::new(
        name,
        &stream.title,
        RENDITION,
        TargetDuration::of(target),
        render(codecs.clone()),
        Snapshots::None("x"),
    ));
    let pulse = Arc::new(Pulse::new(clock.now()));
    let sequence = ledger.sequence(&format!("{name}/{RENDITION}"), clock.wall().wall);
    let segmenter =
        Segmenter::new(segments, sequence, Arc::clone(clock), Arc::clone(&station) as _, Arc::clone(&pulse));
    let (pump, ring) = (Arc::new(PumpStats::default()), Arc::new(SinkStats::default()));
    let figures = StreamFigures {
        name: name.to_owned(),
        title: stream.title.clone(),
        bitrate: params.bitrate,
        target: TargetDuration::of(target),
        picture: None,
        sound: Some(super::report::SoundFigures {
            source: settings.source.to_string(),
            codecs,
            encoder_delay: encoder.delay(),
            capture: Arc::clone(capture),
            pump: Arc::clone(&pump),
        }),
        ring: Arc::clone(&ring),
        window: segmenter.stats(),
        pulse,
        station,
    };
    let sink = RecordSink::new(producer, ring);
    let audio = AudioStream::new(name, settings.channels, encoder, CutGrid::new(target), sink, pump);
    Ok((audio, Feed { figures, segmenter, ring: consumer }))
}

fn render(codecs: String) -> Render {
    Render {
        media: Box::new(playlist::media),
        multivariant: Box::new(move |snapshot| {
            playlist::multivariant(&[Variant {
                uri: format!("{RENDITION}/index.m3u8"),
                rate: snapshot.rate,
                codecs: codecs.clone(),
                resolution: None,
                frame_rate: None,
            }])
        }),
    }
}
