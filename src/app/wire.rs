//! All rooms joined into one program.

use std::net::SocketAddr;
use std::time::Duration;

use super::check::{Level, Opened, Probe};
use super::config::{Config, StreamConfig};
use super::devices::DeviceRow;
use crate::base::Stop;
use crate::source::SourceError;

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

/// Opens the sources of all streams, to try them.
pub fn probe(streams: &[StreamConfig]) -> impl Probe {
    struct Nothing(usize);

    impl Probe for Nothing {
        fn opened(&mut self) -> Vec<Result<Opened, SourceError>> {
            (0..self.0).map(|_| Ok(Opened("nothing yet".to_owned()))).collect()
        }

        fn levels(&mut self, _: Duration) -> Vec<Option<Level>> {
            vec![None; self.0]
        }
    }

    Nothing(streams.len())
}
