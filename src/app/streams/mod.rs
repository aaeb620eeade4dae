//! From the configuration to the parts of each stream, joined but not yet running.

mod keep;
mod low_latency;
mod protection;
mod rendition;
mod sources;
mod stored;
mod stream;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use self::protection::Protection;
use self::stream::Built;
use super::config::{Config, TokenError};
use super::report::StreamFigures;
use crate::base::Clock;
use crate::detect::Event;
use crate::encode::{EncodeError, VideoError};
use crate::keep::Writer;
use crate::pump::audio::AudioStream;
use crate::pump::video::VideoStream;
use crate::pump::weave::Weaver;
use crate::ring::Consumer;
use crate::segment::{Ledger, Vault, VaultError};
use crate::source::CaptureStats;
use crate::source::capture::Capture;
use crate::source::video::{Camera, CameraStats};
use crate::timeline::Scribe;

pub(super) use self::low_latency::LowReading;
pub(super) use self::rendition::Reading;
pub(super) use self::sources::{Seen, camera, card, encoder, seen};
pub(super) use self::stored::Kept;

/// The file in the state directory that keeps sequence numbers from going back.
const LEDGER: &str = "sequence.json";
/// And the one that keys are made from.
const SECRET: &str = "secret";

/// Why a stream cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The encoder of its sound refuses.
    #[error("stream {stream}")]
    Sound {
        /// The stream's name.
        stream: String,
        /// The encoder's reason.
        source: EncodeError,
    },
    /// There is no encoder for its pictures.
    #[error("stream {stream}")]
    Pictures {
        /// The stream's name.
        stream: String,
        /// The encoder's reason.
        source: VideoError,
    },
    /// There is nothing to make keys from, and in the clear it is not to be served.
    #[error(transparent)]
    Keys(VaultError),
    /// There is no token to let people in by.
    #[error("stream {stream}")]
    Token {
        /// The stream's name.
        stream: String,
        /// Why not.
        source: TokenError,
    },
    /// No descriptor is left for its rings.
    #[error("stream {stream}: no file descriptor left for its rings; raise `ulimit -n`")]
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

/// A camera with all streams that show it: the work of one thread.
pub(super) struct Scene {
    pub(super) camera: Camera,
    pub(super) streams: Vec<VideoStream>,
}

/// The serving side of one stream.
pub(super) struct Feed {
    pub(super) figures: StreamFigures,
    /// Of each rendition, in the order of the figures.
    pub(super) readings: Vec<Reading>,
    /// Of each low-latency rendition.
    pub(super) low_latency: Vec<LowReading>,
    /// What is heard and seen in it.
    pub(super) events: Vec<EventReading>,
    /// What writes it to a disk, if anything does.
    pub(super) keep: Option<Writer>,
}

/// What is heard or seen in a stream, and what writes it down.
pub(super) struct EventReading {
    pub(super) scribe: Scribe,
    pub(super) ring: Consumer<Event>,
}

/// Everything that is to run.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) cards: Vec<Card>,
    pub(super) scenes: Vec<Scene>,
    /// Of the renditions with pictures and sound.
    pub(super) weavers: Vec<Weaver>,
    /// In the order of the configuration, which is the order people see.
    pub(super) feeds: Vec<Feed>,
}

/// The file that keys are made from, if any are needed.
pub(super) fn secret(config: &Config) -> Option<PathBuf> {
    let enciphered = config.streams.iter().any(|stream| stream.encryption.is_some());
    enciphered.then(|| config.state_dir.join(SECRET))
}

/// Builds all streams. A source that several of them name is opened once. Windows that were `kept` go on.
///
/// # Errors
/// If an encoder refuses its parameters, there is nothing to make keys from, or the system has no descriptors left.
pub(super) fn build(config: &Config, mut kept: Kept, clock: &Arc<dyn Clock>) -> Result<Parts, BuildError> {
    let ledger = Ledger::open(config.state_dir.join(LEDGER));
    let vault = secret(config).map(|path| Vault::open(&path)).transpose();
    let vault = vault.map_err(BuildError::Keys)?;
    let (heard, seen) = (sources::heard(&config.streams), seen(&config.streams));
    let capture_stats: Vec<_> = heard.iter().map(|_| Arc::new(CaptureStats::default())).collect();
    let camera_stats: Vec<_> = seen.iter().map(|_| Arc::new(CameraStats::default())).collect();
    let codings: Vec<_> = seen.iter().map(Seen::coding).collect();

    let mut parts = Parts::default();
    let mut sounds: Vec<Vec<AudioStream>> = heard.iter().map(|_| Vec::new()).collect();
    let mut pictures: Vec<Vec<VideoStream>> = seen.iter().map(|_| Vec::new()).collect();
    for stream in &config.streams {
        let card = heard.iter().position(|card| card.is_heard_by(stream));
        let scene = seen.iter().position(|scene| scene.shows(stream));
        let camera = scene.map(|scene| (codings[scene], &camera_stats[scene]));
        let capture = card.map(|card| &capture_stats[card]);
        let protection = Protection::of(stream, vault.as_ref(), clock)?;
        let Built { audio, videos, weavers, feed } =
            stream::build(stream, camera, capture, protection, (&ledger, &mut kept), clock)?;
        if let (Some(card), Some(audio)) = (card, audio) {
            sounds[card].push(audio);
        }
        if let Some(scene) = scene {
            pictures[scene].extend(videos);
        }
        parts.weavers.extend(weavers);
        parts.feeds.push(feed);
    }
    for ((heard, stats), streams) in heard.iter().zip(capture_stats).zip(sounds) {
        let device = card(heard.source, heard.channels(), clock);
        let capture = Capture::new(device, heard.channels(), Arc::clone(clock), stats);
        parts.cards.push(Card { capture, streams });
    }
    for (((seen, coding), stats), streams) in seen.iter().zip(codings).zip(camera_stats).zip(pictures) {
        let device = camera(seen, coding, clock);
        let wanted = sources::wanted(seen.settings);
        let camera = Camera::new(device, wanted, seen.title(), Arc::clone(clock), stats);
        parts.scenes.push(Scene { camera, streams });
    }
    Ok(parts)
}
