//! The parts of one stream: encoders, the way into the rings of its renditions, and what serves them.

use std::sync::Arc;

use super::low_latency::{self, Plan};
use super::protection::Protection;
use super::rendition::{Common, Made, longest_segment};
use super::sources::{kind, params, wanted};
use super::stored::Kept;
use super::{BuildError, EventReading, Feed};
use crate::app::config::{AudioSettings, Step, StreamConfig, VideoSettings};
use crate::app::report::{CodedFigures, PictureFigures, RenditionFigures, SoundFigures, StreamFigures};
use crate::base::{Clock, Pts, Span};
use crate::detect::Event;
use crate::encode::choose::{self, EncoderKind};
use crate::encode::{self, AacParams, AudioEncoder};
use crate::media::aac::AacConfig;
use crate::media::{CutGrid, FrameRate, Program, VideoConfig};
use crate::pixel;
use crate::playlist::{self, Resolution, Variant};
use crate::pump::audio::{AudioStream, PumpStats};
use crate::pump::outlet::Outlet;
use crate::pump::snapshot::Shutter;
use crate::pump::video::{self, Encoders, VideoInfo, VideoMode, VideoStats, VideoStream};
use crate::pump::weave::{Weaver, weave};
use crate::ring::{self, Producer};
use crate::segment::Ledger;
use crate::serve::{Lineup, MultivariantRenderer, Photos, Snapshots, Station};
use crate::source::CaptureStats;
use crate::source::video::{CameraStats, Coding, Wanted};
use crate::timeline::Scribe;

/// How many events may wait to be written down: there are a few in a minute.
const EVENTS: usize = 64;
/// Of snapshots, 1 to 100: no loss is to be seen at arm's length.
const SNAPSHOT_QUALITY: u8 = 85;
/// How often a camera that is away is made up for, in pictures a second.
const SLATE_RATE: u32 = 10;

/// One stream, ready to be put where its threads and its server want it.
pub(in crate::app) struct Built {
    /// Its renditions with pictures.
    pub(in crate::app) videos: Vec<VideoStream>,
    pub(in crate::app) audio: Option<AudioStream>,
    pub(in crate::app) weavers: Vec<Weaver>,
    pub(in crate::app) feed: Feed,
    /// What was captured before has no place in it.
    pub(in crate::app) begun: Pts,
}

/// What is built so far.
#[derive(Default)]
struct Parts {
    videos: Vec<VideoStream>,
    weavers: Vec<Weaver>,
    /// Of the sound, one for each rendition.
    outlets: Vec<Outlet>,
    made: Vec<Offered>,
}

/// What a rendition is to the serving side.
struct Offered {
    reading: super::Reading,
    shelf: Arc<crate::serve::Rendition>,
    figures: RenditionFigures,
}

/// Builds a stream. `camera` tells how its camera's pictures come and holds that camera's figures, `capture` those
/// of its sound card;
/// `protection` keeps it from those it is not for; it goes on with what runs `before` have left.
///
/// # Errors
/// If an encoder refuses its parameters or the system has no descriptors left.
pub(super) fn build(
    stream: &StreamConfig,
    camera: Option<(Coding, &Arc<CameraStats>)>,
    capture: Option<&Arc<CaptureStats>>,
    protection: Protection,
    before: (&Arc<Ledger>, &mut Kept),
    clock: &Arc<dyn Clock>,
) -> Result<Built, BuildError> {
    let coding = camera.map(|(coding, _)| coding);
    let sound = stream.audio.as_ref().zip(capture);
    let sound = sound.map(|(audio, capture)| Ok((audio, capture, aac(stream.name.as_str(), audio)?)));
    let sound = sound.transpose()?;
    let delay = sound.as_ref().map_or(Span::ZERO, |(.., encoder)| encoder.delay());
    let common = Common::new(stream, coding, delay, &protection, before, clock);
    let begun = clock.now().to_pts();
    let heard = sound.as_ref().map(|(.., encoder)| encoder.config().clone());

    let mut low = stream.low_latency.as_ref().map(|it| Plan::new(&common, it, heard.as_ref()));
    let mut parts = Parts::default();
    if let Some(coding) = coding {
        for (name, settings) in stream.pictures() {
            parts.picture(&common, stream, (name, settings), coding, heard.as_ref(), low.as_mut())?;
        }
    }
    if let (Some(config), Some(settings)) = (&heard, &stream.audio) {
        let program = Program { video: None, audio: Some(config.clone()) };
        let Made { segments, reading, shelf, figures } =
            common.make("audio", settings.bitrate.0, &program)?;
        let mut outlet = Outlet::direct(segments);
        if let Some(low) = &mut low {
            outlet = low.sound(outlet, config, settings.bitrate.0)?;
        }
        parts.outlets.push(common.following(outlet));
        parts.made.push(Offered { reading, shelf, figures });
    }

    let Parts { mut videos, weavers, outlets, made } = parts;
    let picture = stream.video.as_ref().zip(camera).map(|(video, (_, camera))| PictureFigures {
        source: video.source.to_string(),
        camera: Arc::clone(camera),
        shutter: videos.first().and_then(VideoStream::shutter),
    });
    let (mut audio, mut sounds, mut events) = (None, None, Vec::new());
    // All renditions show the same; what passes through is not seen here.
    if let (Some(video), Some(motion), Some(Coding::Raw)) = (videos.first_mut(), &stream.motion, coding) {
        let (told, reading) = events_of(&common)?;
        video.watch(motion.clone(), told);
        events.push(reading);
    }
    if let Some((settings, capture, encoder)) = sound {
        let pump = Arc::new(PumpStats::default());
        sounds = Some(SoundFigures {
            source: settings.source.to_string(),
            codecs: encoder.config().codecs(),
            encoder_delay: encoder.delay(),
            capture: Arc::clone(capture),
            pump: Arc::clone(&pump),
        });
        let grid = CutGrid::new(stream.window.segment.0);
        let name = stream.name.as_str();
        let stream = AudioStream::new(name, settings.channels, encoder, grid, outlets, pump);
        let (told, reading) = events_of(&common)?;
        audio = Some(stream.with_activity(settings.activity, told));
        events.push(reading);
    }
    let low = low.map(Plan::offer);
    let feed = Feed { events, ..feed(stream, &common, made, low, picture, sounds) };
    Ok(Built { videos, audio, weavers, feed, begun })
}

/// The way of what happens from one of the stream's threads into its timeline.
fn events_of(common: &Common<'_>) -> Result<(Producer<Event>, EventReading), BuildError> {
    let name = common.stream.name.as_str();
    let (told, ring) =
        ring::channel(EVENTS).map_err(|source| BuildError::Ring { stream: name.to_owned(), source })?;
    let scribe = Scribe::new(Arc::clone(common.agreement.timeline()));
    Ok((told, EventReading { scribe, ring }))
}

impl Parts {
    /// Adds a rendition with pictures, and the sound to them if there is some.
    fn picture(
        &mut self,
        common: &Common<'_>,
        stream: &StreamConfig,
        (name, settings): (&str, &VideoSettings),
        coding: Coding,
        sound: Option<&AacConfig>,
        low: Option<&mut Plan<'_>>,
    ) -> Result<(), BuildError> {
        let label = format!("{}/{name}", stream.name);
        let (mode, slate) = mode(stream, &label, settings, coding)?;
        let program = Program { video: Some(description(&mode)), audio: sound.cloned() };
        let bitrate = settings.bitrate.0 + stream.audio.as_ref().map_or(0, |audio| audio.bitrate.0);
        let Made { segments, reading, shelf, mut figures } = common.make(name, bitrate, &program)?;
        let grid = CutGrid::new(stream.window.segment.0);
        let outlet = match sound {
            Some(sound) => {
                let frame = Span::from_samples(i64::from(sound.frame_samples()), sound.rate());
                let (pictures, sounds, weaver) =
                    weave(&label, segments, grid, (settings.rate, frame), common.clock)
                        .map_err(|source| BuildError::Ring { stream: label.clone(), source })?;
                figures.weave = Some(weaver.stats());
                self.weavers.push(weaver);
                self.outlets.push(sounds);
                pictures
            }
            None => Outlet::direct(segments),
        };
        let (stats, info) = (Arc::new(VideoStats::default()), Arc::new(VideoInfo::with_slate(slate)));
        let steps: Vec<_> = settings.overload.iter().copied().map(step).collect();
        let outlet = match low {
            Some(low) => low.pictures(outlet, name, settings, &info)?,
            None => outlet,
        };
        let outlet = if self.videos.is_empty() { common.leading(outlet) } else { outlet };
        let (counted, told) = (Arc::clone(&stats), Arc::clone(&info));
        self.videos.push(VideoStream::new(&label, mode, grid, outlet, counted, told, &steps));
        let steps = settings.overload.iter().map(Step::to_string).collect();
        figures.coded = Some(CodedFigures { stats, info, steps });
        self.made.push(Offered { reading, shelf, figures });
        Ok(())
    }
}

fn aac(stream: &str, audio: &AudioSettings) -> Result<Box<dyn AudioEncoder>, BuildError> {
    let AudioSettings { profile, bitrate, channels, .. } = *audio;
    encode::aac(AacParams { profile, bitrate: bitrate.0, channels: channels.channels() })
        .map_err(|source| BuildError::Sound { stream: stream.to_owned(), source })
}

/// How pictures become units: decided now, for as long as the stream runs. And what slates are, if they are coded
/// otherwise.
fn mode(
    config: &StreamConfig,
    label: &str,
    video: &VideoSettings,
    coding: Coding,
) -> Result<(VideoMode, Option<VideoConfig>), BuildError> {
    let (kind, mut params) = (kind(video.encoder), params(video));
    if coding == Coding::H264 {
        // Slates alone are encoded.
        params.rate = FrameRate::new(SLATE_RATE, 1).unwrap_or(params.rate);
        params.tuning.rate = params.rate;
    }
    let encoders = |kind| -> Encoders {
        Box::new(move |failed| match failed {
            None => choose::video(kind, params),
            Some(failed) => choose::instead(failed, params),
        })
    };
    if coding == Coding::H264 {
        tracing::info!(
            stream = label,
            "pictures are passed through as the source codes them; no motion is found in them"
        );
        // Whoever begins to watch is told of slates before there is one; what ails their encoder is told then.
        let slate = choose::video(EncoderKind::X264, params).map(|slates| slates.encoder.config().clone());
        let mode = VideoMode::Copy {
            size: video.size,
            rate: video.rate,
            longest: longest_segment(config, Some(coding)),
            encoders: encoders(EncoderKind::X264),
        };
        return Ok((mode, slate.ok()));
    }
    let choice = choose::video(kind, params)
        .map_err(|source| BuildError::Pictures { stream: label.to_owned(), source })?;
    tracing::info!(stream = label, encoder = choice.encoder.name(), why = choice.why, "pictures are encoded");
    let camera = config.video.as_ref().map_or(Wanted { size: params.size, rate: params.rate }, wanted);
    Ok((VideoMode::Encode { choice, params, camera, encoders: encoders(kind) }, None))
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

/// The serving side.
fn feed(
    stream: &StreamConfig,
    common: &Common<'_>,
    made: Vec<Offered>,
    low: Option<low_latency::Offered>,
    picture: Option<PictureFigures>,
    sound: Option<SoundFigures>,
) -> Feed {
    let name = stream.name.as_str();
    let snapshots = match (&picture, picture.as_ref().and_then(|picture| picture.shutter.clone())) {
        (_, Some(shutter)) => Snapshots::of(Arc::new(Lens(shutter))),
        (Some(_), None) => Snapshots::None("its pictures are passed through as the camera codes them"),
        (None, None) => Snapshots::None("it has sound alone, no picture"),
    };
    let offers = made.iter().map(|Offered { figures, .. }| Offer {
        rendition: figures.name.clone(),
        pictures: figures.coded.as_ref().map(|coded| Arc::clone(&coded.info)),
        sound: sound.as_ref().map(|sound| sound.codecs.clone()),
    });
    let multivariant = multivariant(offers.collect());
    let (mut readings, mut shelves, mut renditions) = (Vec::new(), Vec::new(), Vec::new());
    for Offered { reading, shelf, figures } in made {
        readings.push(reading);
        shelves.push(shelf);
        renditions.push(figures);
    }
    let lineup = Lineup::new(shelves, multivariant);
    let (mut low_lineup, mut low_readings, mut low_figures) = (None, Vec::new(), Vec::new());
    if let Some(low_latency::Offered { lineup, readings, figures }) = low {
        (low_lineup, low_readings, low_figures) = (Some(lineup), readings, figures);
    }
    let timeline = Arc::clone(common.agreement.timeline());
    let station = Station::new(name, &stream.title, lineup, low_lineup, snapshots)
        .with_access(common.protection.access.clone())
        .with_timeline(timeline, Arc::clone(common.clock));
    let station = Arc::new(station);
    let figures = StreamFigures {
        name: name.to_owned(),
        title: stream.title.clone(),
        target: common.target(),
        renditions,
        low_latency: low_figures,
        picture,
        sound,
        keep: None,
        station,
    };
    Feed { figures, readings, low_latency: low_readings, events: Vec::new(), stored: common.stores().taken() }
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

/// What the multivariant playlist says of a rendition.
struct Offer {
    rendition: String,
    pictures: Option<Arc<VideoInfo>>,
    sound: Option<String>,
}

/// The multivariant playlist, with what is in the window at that moment.
fn multivariant(offers: Vec<Offer>) -> MultivariantRenderer {
    Box::new(move |snapshots, query| {
        let variants = offers.iter().zip(snapshots).map(|(offer, snapshot)| {
            let since = snapshot.as_ref().and_then(|it| it.start());
            let config = offer.pictures.as_ref().and_then(|pictures| pictures.held(since));
            let codecs =
                config.as_ref().map(|config| &*config.codecs).into_iter().chain(offer.sound.as_deref());
            Variant {
                uri: format!("{}/index.m3u8", offer.rendition),
                rate: snapshot.as_ref().map(|it| it.rate).unwrap_or_default(),
                codecs: codecs.collect::<Vec<_>>().join(","),
                resolution: config.as_ref().map(|VideoConfig { size, .. }| Resolution {
                    width: size.width() as u32,
                    height: size.height() as u32,
                }),
                frame_rate: config.as_ref().map(|config| config.rate.hertz()),
                audio: None,
            }
        });
        playlist::multivariant(&variants.collect::<Vec<_>>(), &[], query)
    })
}
