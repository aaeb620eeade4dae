//! All rooms joined into one program.

use std::net::SocketAddr;
use std::time::Duration;

use super::check::{Level, Probe};
use super::config::{Config, StreamConfig};
use super::devices::DeviceRow;
use crate::base::Stop;
use crate::source::{Signal, SourceError};

/// Why Outpost could not run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RunError(pub String);

/// Serves everything in `config` until `stop`. Calls `serving` once it answers, with the address it has
/// got.
///
/// # Errors
/// If it cannot start, or if what it stands on fails for good.
pub fn run(config: Config, stop: Stop, serving: &dyn Fn(SocketAddr)) -> Result<(), RunError> {
    let _ = (config, stop, serving);
    Err(RunError("this build cannot serve yet".to_owned()))
}

/// The capture devices of this machine.
pub fn devices() -> Vec<DeviceRow> {
    Vec::new()
}

/// The sources of all streams, to be tried.
pub fn probe(streams: &[StreamConfig]) -> impl Probe {
    Nothing(streams.iter().map(|stream| stream.source.to_string()).collect())
}

/// Stands in for sources until they are wired.
struct Nothing(Vec<String>);

impl Probe for Nothing {
    fn open(&mut self) -> Vec<Result<String, SourceError>> {
        let error = |device: &String| SourceError {
            signal: Signal::Failed,
            device: device.clone(),
            problem: "this build cannot listen yet".to_owned(),
            remedy: "wait for the next".to_owned(),
        };
        self.0.iter().map(|device| Err(error(device))).collect()
    }

    fn levels(&mut self, _: Duration) -> Vec<Option<Level>> {
        vec![None; self.0.len()]
    }
}
