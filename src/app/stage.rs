//! What runs: sources and streams, begun and ended while the program goes on.
//!
//! Belongs here: the one way in which a stream begins, at the start as with another configuration, and the one in
//! which it ends. Does not: what a stream is made of (`streams`), or which of them a change concerns (`change`).

use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

use super::change::{self, Change, Fate};
use super::config::Config;
use super::report::BoxReport;
use super::running::{Running, Sources, Writing};
use super::streams::{
    self, Built, CardFigures, CardKey, Kept, Keys, Order, Part, Parts, Runs, SceneFigures, SceneKey, Windows,
};
use super::threads::Thread;
use super::wire::{RunError, serve_config};
use crate::base::{Clock, Stop};
use crate::pump;
use crate::pump::audio::AudioStream;
use crate::pump::video::VideoStream;
use crate::segment::Ledger;
use crate::serve::Board;

/// How long what begins waits for what ends: for its devices, which are to be opened again. A program that does not heed
/// SIGTERM takes that long.
const LETTING_GO: Duration = Duration::from_secs(5);
/// How long the program waits at its end for what is kept to be on its disk.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// All that runs.
pub(super) struct Stage {
    clock: Arc<dyn Clock>,
    ledger: Arc<Ledger>,
    /// Windows that the run before has left, until they go on.
    kept: Kept,
    windows: Windows,
    board: Arc<Board>,
    report: Arc<BoxReport>,
    /// What it runs by.
    config: Config,
    cards: Sources<CardKey, CardFigures, AudioStream>,
    scenes: Sources<SceneKey, SceneFigures, VideoStream>,
    /// In the order people see.
    streams: Vec<Running>,
    /// Streams and sources that were told to end.
    ending: Vec<Running>,
    letting_go: Vec<Thread>,
    /// What still writes files of streams that have ended.
    writing: Writing,
}

impl Stage {
    /// With nothing on it yet; what is played by `config` and those that follow it is shown on `board` and told by
    /// `report`. Windows that were `kept` go on.
    pub(super) fn new(
        config: &Config,
        kept: Kept,
        clock: Arc<dyn Clock>,
        board: Arc<Board>,
        report: Arc<BoxReport>,
    ) -> Self {
        Self {
            clock,
            ledger: streams::ledger(&config.state_dir),
            kept,
            windows: Windows::default(),
            board,
            report,
            config: Config { streams: Vec::new(), ..config.clone() },
            cards: Sources::new("capture"),
            scenes: Sources::new("camera"),
            streams: Vec::new(),
            ending: Vec::new(),
            letting_go: Vec::new(),
            writing: Writing::new(),
        }
    }

    /// Runs what `config` says from now on; says what that changed. Streams that are not concerned notice nothing.
    ///
    /// # Errors
    /// [`RunError::Build`] if it cannot be; then nothing has changed. Any other: the system is at its end.
    pub(super) async fn play(&mut self, config: Config) -> Result<Change, RunError> {
        let change = change::between(&self.config, &config);
        let keys = streams::keys(&config.streams);
        let runs = |fate: Fate| if fate.runs() { Runs::Already } else { Runs::NotYet };
        let mut order = Order {
            streams: config.streams.clone(),
            runs: change.fates.iter().map(|(_, fate)| runs(*fate)).collect(),
            cards: self.cards.known(),
            scenes: self.scenes.known(),
            state_dir: self.config.state_dir.clone(),
            ledger: Arc::clone(&self.ledger),
            kept: std::mem::take(&mut self.kept),
            clock: Arc::clone(&self.clock),
        };
        // Disks and devices take their time; who is served does not wait for them. Numbers are reserved meanwhile above
        // those of what still runs, which uses up half of its own before it reserves more: sixteen segments at least.
        let built = tokio::task::spawn_blocking(move || streams::build(&mut order));
        let Parts { cards, scenes, streams } = built.await.map_err(io::Error::from)??;

        let goes_on = |running: &Running| change.runs(running.name());
        self.end(goes_on, &keys, LETTING_GO).await;
        for (key, figures, capture) in cards {
            let work =
                move |seats, clock: &dyn Clock, stop: &Stop| pump::audio::run(capture, seats, clock, stop);
            self.cards.begin(key, figures, &self.clock, work)?;
        }
        for (key, figures, camera) in scenes {
            let work =
                move |seats, clock: &dyn Clock, stop: &Stop| pump::video::run(camera, seats, clock, stop);
            self.scenes.begin(key, figures, &self.clock, work)?;
        }
        let mut before = std::mem::take(&mut self.streams);
        for ((config, keys), part) in config.streams.iter().zip(&keys).zip(streams) {
            let at = before.iter().position(|it| it.name() == config.name.as_str());
            let mut running = match (part, at) {
                (Part::GoesOn(access), Some(at)) => {
                    let mut running = before.swap_remove(at);
                    running.renew(config, access);
                    running
                }
                (Part::GoesOn(_), None) => continue,
                (Part::Begins(built), _) => {
                    let Built { videos, audio, weavers, mut feed, begun } = *built;
                    self.windows.keep(config.name.as_str(), std::mem::take(&mut feed.stored));
                    self.cards.seat(keys.card.as_ref(), begun, audio);
                    self.scenes.seat(keys.scene.as_ref(), begun, videos);
                    Running::begin(feed, weavers, &self.clock)?
                }
            };
            running.keep(config, &mut self.writing, &self.clock)?;
            self.streams.push(running);
        }
        self.windows.forget_all_but(|stream| config.streams.iter().any(|it| it.name.as_str() == stream));
        self.show(&config)?;
        let Config { listen, https, state_dir, .. } = &self.config;
        let (listen, https, state_dir) = (*listen, https.clone(), state_dir.clone());
        self.config = Config { listen, https, state_dir, ..config };
        Ok(change)
    }

    /// The first stream that ended although nobody ended it, and why; waits until there is one.
    pub(super) async fn ended(&mut self) -> RunError {
        std::future::poll_fn(|context| {
            let ended = self.streams.iter_mut().find_map(|stream| match stream.poll_ended(context) {
                Poll::Ready(error) => Some(error),
                Poll::Pending => None,
            });
            ended.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Ends everything.
    pub(super) async fn close(mut self) {
        // Nobody is left behind: whoever told us to end says how long that may take.
        self.end(|_| false, &[], Duration::MAX).await;
        // What a disk has not taken by then is lost.
        let written = async {
            for (_, thread) in &mut self.writing {
                thread.over().await;
            }
        };
        let _ = timeout(LAST_WRITES, written).await;
    }

    /// Ends the streams that do not go on, and the sources that are not in `keys`; waits for them for so long.
    async fn end(&mut self, goes_on: impl Fn(&Running) -> bool, keys: &[Keys], patience: Duration) {
        for mut stream in self.streams.extract_if(.., |it| !goes_on(it)) {
            self.cards.dismiss(stream.name());
            self.scenes.dismiss(stream.name());
            stream.stop(&mut self.writing);
            self.ending.push(stream);
        }
        let is_card = |key: &CardKey| keys.iter().any(|it| it.card.as_ref() == Some(key));
        let is_scene = |key: &SceneKey| keys.iter().any(|it| it.scene.as_ref() == Some(key));
        self.letting_go.extend(self.cards.retain(is_card));
        self.letting_go.extend(self.scenes.retain(is_scene));
        // Whoever stops waiting leaves them where the end of the program finds them.
        let over = async {
            while let Some(source) = self.letting_go.last_mut() {
                source.over().await;
                self.letting_go.pop();
            }
            while let Some(stream) = self.ending.last_mut() {
                stream.over().await;
                self.ending.pop();
            }
        };
        if timeout(patience, over).await.is_err() {
            tracing::warn!("a device does not let go; it is no longer waited for");
        }
    }

    /// Shows who is served now.
    fn show(&self, config: &Config) -> Result<(), RunError> {
        let figures: Vec<_> = self.streams.iter().map(Running::figures).collect();
        let stations = figures.iter().map(|stream| Arc::clone(&stream.station)).collect();
        self.board.post(stations, &serve_config(config))?;
        self.report.streams.store(Arc::new(figures));
        Ok(())
    }
}
