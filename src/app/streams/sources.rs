//! The devices that a configuration names, each once however many streams use it.

use std::sync::Arc;

use crate::app::config::{
    AudioSettings, BitRate, Encoder, Length, Name, PictureSource, SoundSource, StreamConfig, VideoSettings,
};
use crate::base::{Chain, Clock, Span};
use crate::encode::choose::{self, EncoderKind};
use crate::encode::{Tuning, VideoParams};
use crate::media::Pick;
use crate::source::AudioDevice;
use crate::source::alsa::AlsaDevice;
use crate::source::command::{CommandAudio, CommandVideo};
use crate::source::synth::{Sound, Synth, SynthOptions};
use crate::source::video::synth::{CardOptions, TestCard};
use crate::source::video::v4l2::{self, Delivery, FormatChoice, Layout, V4l2Device};
use crate::source::video::{Coding, VideoDevice, Wanted};

/// A sound card, and the streams that hear it.
pub(super) struct Heard<'a> {
    pub(super) source: &'a SoundSource,
    pub(super) streams: Vec<(&'a StreamConfig, &'a AudioSettings)>,
}

/// A camera, and the streams that show it.
pub(in crate::app) struct Seen<'a> {
    /// Of the first stream; in what concerns the camera the others have the same.
    pub(in crate::app) settings: &'a VideoSettings,
    pub(super) streams: Vec<(&'a StreamConfig, &'a VideoSettings)>,
}

/// A sound card, and how it is opened: where both are the same, it is open already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct CardKey {
    source: SoundSource,
    channels: usize,
}

/// A camera, and how it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct SceneKey {
    source: PictureSource,
    /// Whose it is: of test cards each stream has its own.
    owner: Option<Name>,
    wanted: Wanted,
    choice: Choice,
}

/// Who is to code a camera's pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// We.
    Encoded,
    /// It does, and is asked for this bit rate, and for a key frame so often.
    Copied(BitRate, Length),
    /// It, if it can.
    Open(BitRate, Length),
}

/// The sources of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::app) struct Keys {
    pub(in crate::app) card: Option<CardKey>,
    pub(in crate::app) scene: Option<SceneKey>,
}

/// Of each of these streams, in their order.
pub(in crate::app) fn keys(streams: &[StreamConfig]) -> Vec<Keys> {
    let (heard, seen) = (heard(streams), seen(streams));
    let of = |stream| Keys {
        card: heard.iter().find(|card| card.is_heard_by(stream)).map(Heard::key),
        scene: seen.iter().find(|scene| scene.shows(stream)).map(Seen::key),
    };
    streams.iter().map(of).collect()
}

/// Every sound card.
pub(super) fn heard(streams: &[StreamConfig]) -> Vec<Heard<'_>> {
    let mut cards: Vec<Heard<'_>> = Vec::new();
    for (stream, audio) in streams.iter().filter_map(|stream| Some((stream, stream.audio.as_ref()?))) {
        match cards.iter_mut().find(|card| *card.source == audio.source) {
            Some(card) => card.streams.push((stream, audio)),
            None => cards.push(Heard { source: &audio.source, streams: vec![(stream, audio)] }),
        }
    }
    cards
}

/// Every camera.
pub(in crate::app) fn seen(streams: &[StreamConfig]) -> Vec<Seen<'_>> {
    let mut cameras: Vec<Seen<'_>> = Vec::new();
    for (stream, video) in streams.iter().filter_map(|stream| Some((stream, stream.video.as_ref()?))) {
        match cameras.iter_mut().find(|camera| camera.settings.source.is_same_device(&video.source)) {
            Some(camera) => camera.streams.push((stream, video)),
            None => cameras.push(Seen { settings: video, streams: vec![(stream, video)] }),
        }
    }
    cameras
}

impl Heard<'_> {
    /// Whether the stream hears this card.
    pub(super) fn is_heard_by(&self, stream: &StreamConfig) -> bool {
        self.streams.iter().any(|(it, _)| std::ptr::eq(*it, stream))
    }

    pub(super) fn key(&self) -> CardKey {
        CardKey { source: self.source.clone(), channels: self.channels() }
    }

    /// How many of the card's channels are of use.
    pub(super) fn channels(&self) -> usize {
        if self.streams.iter().all(|(_, audio)| audio.channels == Pick::Mono) { 1 } else { 2 }
    }
}

impl Seen<'_> {
    /// Whether the camera's pictures are encoded here, or its H.264 passed through: decided once, before it is
    /// opened. A camera that leaves it open is asked; one that is not there will be asked for pictures.
    pub(in crate::app) fn coding(&self) -> Coding {
        match self.choice() {
            Choice::Copied(..) => Coding::H264,
            Choice::Encoded => Coding::Raw,
            Choice::Open(..) => natural_coding(self.settings),
        }
    }

    fn choice(&self) -> Choice {
        let encoders = || self.streams.iter().map(|(_, video)| video.encoder);
        let (bitrate, segment) = (self.settings.bitrate, self.segment());
        if encoders().any(|encoder| encoder == Encoder::Copy) {
            return Choice::Copied(bitrate, segment);
        }
        let raw = encoders().any(|encoder| encoder != Encoder::Auto)
            || self.streams.iter().any(|(stream, _)| !stream.ladder.is_empty());
        if raw { Choice::Encoded } else { Choice::Open(bitrate, segment) }
    }

    pub(super) fn key(&self) -> SceneKey {
        let source = self.settings.source.clone();
        let shared = source.is_same_device(&source);
        let owner = self.streams.first().filter(|_| !shared).map(|(stream, _)| stream.name.clone());
        SceneKey { source, owner, wanted: wanted(self.settings), choice: self.choice() }
    }

    /// Whether the stream shows this camera.
    pub(in crate::app) fn shows(&self, stream: &StreamConfig) -> bool {
        self.streams.iter().any(|(it, _)| std::ptr::eq(*it, stream))
    }

    /// What its slate says; of several streams the first one's.
    pub(super) fn title(&self) -> &str {
        self.streams.first().map_or("", |(stream, _)| &stream.title)
    }

    /// How far apart segments begin: where the camera codes itself, it is asked for key frames so often.
    fn segment(&self) -> Length {
        self.streams.first().map_or(Length(Span::ZERO), |(stream, _)| stream.window.segment)
    }
}

/// What a source gives that nobody asks for anything else.
fn natural_coding(video: &VideoSettings) -> Coding {
    match &video.source {
        PictureSource::Synth => Coding::Raw,
        PictureSource::Command { output, .. } => output.coding(),
        PictureSource::V4l2 { format: FormatChoice::Only(Layout::H264), .. } => Coding::H264,
        PictureSource::V4l2 { format: FormatChoice::Only(_), .. } => Coding::Raw,
        PictureSource::V4l2 { device, .. } => match v4l2::codes_h264(device, wanted(video)) {
            Ok(Some(_)) => Coding::H264,
            Ok(None) => Coding::Raw,
            Err(error) => {
                tracing::info!(%error, "the camera cannot be asked what it can do; its pictures will be encoded");
                Coding::Raw
            }
        },
    }
}

/// What the configuration wants to see.
pub(super) fn wanted(video: &VideoSettings) -> Wanted {
    Wanted { size: video.size, rate: video.rate }
}

/// The device behind a sound source.
pub(in crate::app) fn card(
    source: &SoundSource,
    channels: usize,
    clock: &Arc<dyn Clock>,
) -> Box<dyn AudioDevice> {
    let synth = |sound| {
        let device = Synth::new(SynthOptions::new(sound, channels), Arc::clone(clock));
        Box::new(device) as Box<dyn AudioDevice>
    };
    match source {
        SoundSource::Alsa { device } => Box::new(AlsaDevice::new(device.clone())),
        SoundSource::Scanner { seed } => synth(Sound::Scanner { seed: *seed }),
        SoundSource::Clapper => synth(Sound::Clapper),
        SoundSource::Command { command, input } => Box::new(CommandAudio::new(command.clone(), *input)),
    }
}

/// The device behind a source of pictures.
pub(in crate::app) fn camera(
    seen: &Seen<'_>,
    coding: Coding,
    clock: &Arc<dyn Clock>,
) -> Box<dyn VideoDevice> {
    let video = seen.settings;
    let wanted = wanted(video);
    match &video.source {
        PictureSource::Synth => {
            let title = seen.title().to_owned();
            Box::new(TestCard::new(CardOptions { wanted, title, start: 0 }, Arc::clone(clock)))
        }
        PictureSource::Command { command, output } => {
            Box::new(CommandVideo::new(command.clone(), *output, wanted))
        }
        PictureSource::V4l2 { device, format, controls } => {
            let delivery = match coding {
                Coding::Raw => Delivery::Raw,
                Coding::H264 => Delivery::H264 {
                    key_frames: seen.segment().0.to_duration(),
                    bitrate: Some(video.bitrate.0),
                },
            };
            let (id, format, controls) = (device.clone(), *format, controls.clone());
            Box::new(V4l2Device::new(v4l2::Settings { id, wanted, delivery, format, controls }))
        }
    }
}

/// What codes a stream's pictures if they are encoded here.
pub(super) fn kind(encoder: Encoder) -> EncoderKind {
    match encoder {
        // A stream that passes H.264 through encodes its slates alone, and those anything can.
        Encoder::X264 | Encoder::Copy => EncoderKind::X264,
        Encoder::M2m => EncoderKind::M2m,
        Encoder::Auto => EncoderKind::Auto,
    }
}

/// What is asked of the encoder.
pub(super) fn params(video: &VideoSettings) -> VideoParams {
    let VideoSettings { size, rate, preset, bitrate, .. } = *video;
    VideoParams { size, rate, tuning: Tuning { bitrate: bitrate.0, rate }, preset }
}

/// What codes the pictures of this camera for `video`, and why; or why nothing can.
pub(in crate::app) fn encoder(coding: Coding, video: &VideoSettings) -> String {
    if coding == Coding::H264 {
        return "passed through: what the source codes itself; no motion is found in it".to_owned();
    }
    match choose::video(kind(video.encoder), params(video)) {
        Ok(choice) => format!("{} ({})", choice.encoder.name(), choice.why),
        Err(error) => Chain(&error).to_string(),
    }
}
