//! From the configuration to the parts of each stream, joined but not yet running.

mod keep;
mod low_latency;
mod protection;
mod rendition;
mod sources;
mod stored;
mod stream;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::protection::Protection;
use super::config::{StreamConfig, TokenError};
use super::report::StreamFigures;
use crate::base::Clock;
use crate::detect::Event;
use crate::encode::{EncodeError, VideoError};
use crate::ring::Consumer;
use crate::segment::{Boot, Ledger, Vault, VaultError};
use crate::serve::Access;
use crate::source::CaptureStats;
use crate::source::capture::Capture;
use crate::source::video::{Camera, CameraStats, Coding};
use crate::timeline::Scribe;

pub(super) use self::keep::writer;
pub(super) use self::low_latency::LowReading;
pub(super) use self::rendition::Reading;
pub(super) use self::sources::{CardKey, Keys, SceneKey, Seen, camera, card, encoder, keys, seen};
pub(super) use self::stored::{Kept, Taken, Windows};
pub(super) use self::stream::Built;

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

/// The serving side of one stream.
pub(super) struct Feed {
    pub(super) figures: StreamFigures,
    /// Of each rendition, in the order of the figures.
    pub(super) readings: Vec<Reading>,
    /// Of each low-latency rendition.
    pub(super) low_latency: Vec<LowReading>,
    /// What is heard and seen in it.
    pub(super) events: Vec<EventReading>,
    /// Where its windows are.
    pub(super) stored: Taken,
}

/// What is heard or seen in a stream, and what writes it down.
pub(super) struct EventReading {
    pub(super) scribe: Scribe,
    pub(super) ring: Consumer<Event>,
}

/// Streams that are to be built.
pub(super) struct Order {
    /// All there will be, in the order people see.
    pub(super) streams: Vec<StreamConfig>,
    /// Of each, whether it runs already.
    pub(super) runs: Vec<Runs>,
    /// The sources that run already, and go on.
    pub(super) cards: Vec<(CardKey, CardFigures)>,
    pub(super) scenes: Vec<(SceneKey, SceneFigures)>,
    pub(super) state_dir: PathBuf,
    pub(super) ledger: Arc<Ledger>,
    /// Windows from before, which go on.
    pub(super) kept: Kept,
    pub(super) clock: Arc<dyn Clock>,
}

/// Whether a stream runs already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runs {
    /// And goes on.
    Already,
    /// It is to be built.
    NotYet,
}

/// Of a sound card.
pub(super) type CardFigures = Arc<CaptureStats>;
/// Of a camera: what it turned out to deliver, too.
pub(super) type SceneFigures = (Coding, Arc<CameraStats>);

/// What has been built.
#[derive(Default)]
pub(super) struct Parts {
    /// The sources that do not run yet.
    pub(super) cards: Vec<(CardKey, CardFigures, Capture)>,
    pub(super) scenes: Vec<(SceneKey, SceneFigures, Camera)>,
    /// Of each stream, in their order.
    pub(super) streams: Vec<Part>,
}

/// One of the streams.
pub(super) enum Part {
    /// It goes on; who may have it may be others.
    GoesOn(Access),
    /// It is to begin.
    Begins(Box<Built>),
}

/// The file that keys are made from, if any are needed.
pub(super) fn secret(streams: &[StreamConfig], state_dir: &Path) -> Option<PathBuf> {
    let enciphered = streams.iter().any(|stream| stream.encryption.is_some());
    enciphered.then(|| state_dir.join(SECRET))
}

/// The ledger of all streams that keep their state there.
pub(super) fn ledger(state_dir: &Path) -> Arc<Ledger> {
    Ledger::open(state_dir.join(LEDGER), Boot::current())
}

/// Builds the streams that do not run yet, and the sources that do not. A source that several streams name is opened
/// once. Waits for the disk, and for devices that are asked what they can do; opens none.
///
/// # Errors
/// If an encoder refuses its parameters, there is nothing to make keys from, a token cannot be read, or the system has
/// no descriptors left.
pub(super) fn build(order: &mut Order) -> Result<Parts, BuildError> {
    let Order { streams, ledger, kept, clock, .. } = order;
    let vault = secret(streams, &order.state_dir).map(|path| Vault::open(&path)).transpose();
    let vault = vault.map_err(BuildError::Keys)?;
    let (heard, seen) = (sources::heard(streams), seen(streams));
    let cards: Vec<_> = heard.iter().map(|card| Source::of(card.key(), &order.cards, Arc::default)).collect();
    let scene =
        |scene: &Seen<'_>| Source::of(scene.key(), &order.scenes, || (scene.coding(), Arc::default()));
    let scenes: Vec<_> = seen.iter().map(scene).collect();

    let mut parts = Parts::default();
    for (stream, runs) in streams.iter().zip(&order.runs) {
        let protection = Protection::of(stream, vault.as_ref(), clock)?;
        parts.streams.push(match runs {
            Runs::Already => Part::GoesOn(protection.access),
            Runs::NotYet => {
                let card = heard.iter().zip(&cards).find(|(card, _)| card.is_heard_by(stream));
                let scene = seen.iter().zip(&scenes).find(|(scene, _)| scene.shows(stream));
                let camera = scene.map(|(_, it)| (it.figures.0, &it.figures.1));
                let capture = card.map(|(_, it)| &it.figures);
                let built = stream::build(stream, camera, capture, protection, (ledger, kept), clock)?;
                Part::Begins(Box::new(built))
            }
        });
    }
    // Media time begins now.
    for (heard, Source { key, figures, .. }) in
        heard.iter().zip(cards).filter(|(_, it)| it.runs == Runs::NotYet)
    {
        let device = card(heard.source, heard.channels(), clock);
        let capture = Capture::new(device, heard.channels(), Arc::clone(clock), Arc::clone(&figures));
        parts.cards.push((key, figures, capture));
    }
    for (seen, Source { key, figures, .. }) in
        seen.iter().zip(scenes).filter(|(_, it)| it.runs == Runs::NotYet)
    {
        let device = camera(seen, figures.0, clock);
        let wanted = sources::wanted(seen.settings);
        let camera = Camera::new(device, wanted, seen.title(), Arc::clone(clock), Arc::clone(&figures.1));
        parts.scenes.push((key, figures, camera));
    }
    kept.give_up();
    Ok(parts)
}

/// A source, and what is known of it.
struct Source<K, F> {
    key: K,
    figures: F,
    runs: Runs,
}

impl<K: PartialEq, F: Clone> Source<K, F> {
    fn of(key: K, running: &[(K, F)], new: impl FnOnce() -> F) -> Self {
        match running.iter().find(|(it, _)| *it == key) {
            Some((_, figures)) => Self { key, figures: figures.clone(), runs: Runs::Already },
            None => Self { key, figures: new(), runs: Runs::NotYet },
        }
    }
}
