//! What is played, and how it becomes something else while the program runs.
//!
//! Belongs here: what is configured, or where nothing is, what is found; and what is said when either changes. Does not:
//! noticing that it did (`wire`, `watch`).

use std::io;
use std::sync::Arc;

use super::change::Change;
use super::config::{Config, Plugged};
use super::found::Found;
use super::report::BoxReport;
use super::stage::Stage;
use super::wire::{Reread, RunError};
use crate::base::Chain;

/// A stage, and what it was given to play.
pub(super) struct Playing {
    stage: Stage,
    /// As it was read.
    config: Config,
    found: Found,
    report: Arc<BoxReport>,
}

impl Playing {
    /// Nothing yet on this stage.
    pub(super) fn new(stage: Stage, config: &Config, report: Arc<BoxReport>) -> Self {
        let config = Config { streams: Vec::new(), ..config.clone() };
        Self { stage, config, found: Found::default(), report }
    }

    /// Plays what `config` says from now on, or what is found where it names no stream.
    ///
    /// # Errors
    /// As [`Stage::play`].
    pub(super) async fn play(&mut self, config: Config) -> Result<Change, RunError> {
        if finds(&config) {
            self.look().await?;
        }
        self.stage(config).await
    }

    async fn stage(&mut self, config: Config) -> Result<Change, RunError> {
        let (mut filled, mut text) = (config.clone(), None);
        if finds(&config) {
            let (streams, written) = self.found.streams();
            filled.streams = streams;
            text = Some(Arc::new(written));
        }
        let change = self.stage.play(filled).await?;
        if text.is_some() {
            let streams = if change.fates.is_empty() { "nothing yet".to_owned() } else { change.to_string() };
            tracing::info!("no stream is configured, what is plugged in is streamed: {streams}");
        }
        self.report.found.store(text);
        self.config = config;
        Ok(change)
    }

    /// Something was plugged in or unplugged: plays what is new, if that is wanted.
    ///
    /// # Errors
    /// As [`Stage::play`], but for what cannot be built, which is told.
    pub(super) async fn devices(&mut self) -> Result<(), RunError> {
        if !finds(&self.config) || !self.look().await? {
            return Ok(());
        }
        match self.stage(self.config.clone()).await {
            Err(RunError::Build(error)) => {
                tracing::error!("what is found is not streamed: {}", Chain(&error))
            }
            played => drop(played?),
        }
        Ok(())
    }

    /// Looks what is there; says whether something of it is new.
    async fn look(&mut self) -> Result<bool, RunError> {
        let before = self.found.clone();
        // Devices are asked their names.
        self.found.add(tokio::task::spawn_blocking(Found::now).await.map_err(io::Error::from)?);
        Ok(self.found != before)
    }

    /// Goes over to another configuration, if it can be. Says what that changed, or why it is not taken.
    ///
    /// # Errors
    /// If the system is at its end.
    pub(super) async fn reload(&mut self, reread: Reread) -> Result<(), RunError> {
        let read = tokio::task::spawn_blocking(move || reread()).await.map_err(io::Error::from)?;
        let played = match read {
            Ok(config) => self.play(config).await,
            Err(error) => Err(error.into()),
        };
        match played {
            Ok(change) => {
                tracing::info!("the new configuration holds: {change}");
                if !change.later.is_empty() {
                    let keys = change.later.join(", ");
                    tracing::warn!("what it says of {keys} needs a restart, and is as it was until then");
                }
                self.report.refused.store(None);
                Ok(())
            }
            Err(error @ (RunError::Config(_) | RunError::Build(_))) => {
                let why = refuse(&error, "", &self.report);
                tracing::error!("the new configuration is not taken, all goes on as before: {why}");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The first stream that ended although nobody ended it, and why; waits until there is one.
    pub(super) async fn ended(&mut self) -> RunError {
        self.stage.ended().await
    }

    /// Ends everything.
    pub(super) async fn close(self) {
        self.stage.close().await;
    }
}

/// Whether what is plugged in is streamed.
fn finds(config: &Config) -> bool {
    config.streams.is_empty() && config.plugged == Plugged::Streamed
}

/// A configuration is not taken: has that told, and what that means, and gives it in one line.
pub(super) fn refuse(error: &RunError, meanwhile: &str, report: &BoxReport) -> String {
    let why = Chain(error).to_string();
    // What is wrong stands in the first line; those behind it show the place.
    let why = format!("{}{meanwhile}", why.lines().next().unwrap_or_default());
    report.refused.store(Some(Arc::new(why.clone())));
    why
}
