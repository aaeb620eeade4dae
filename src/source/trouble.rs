//! What is wrong with a device, before one says which device it is.

use super::kernel::Holder;
use super::{Signal, SourceError};

/// A [`SourceError`] that does not know yet which device it is about.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) signal: Signal,
    pub(super) problem: String,
    pub(super) remedy: &'static str,
}

impl Trouble {
    pub(super) fn new(signal: Signal, problem: impl Into<String>, remedy: &'static str) -> Self {
        Self { signal, problem: problem.into(), remedy }
    }

    /// Names the device.
    pub(super) fn with(self, device: &str) -> SourceError {
        SourceError {
            signal: self.signal,
            device: device.to_owned(),
            problem: self.problem,
            remedy: self.remedy.to_owned(),
        }
    }

    /// Another program has it.
    pub(super) fn busy(holder: Option<Holder>) -> Self {
        let problem = match holder {
            Some(Holder { pid, name: Some(name) }) => format!("{name} (process {pid}) has it"),
            Some(Holder { pid, name: None }) => format!("process {pid} has it"),
            None => "another program has it".to_owned(),
        };
        Self::new(Signal::Busy, problem, "stop that program, or choose another device")
    }
}
