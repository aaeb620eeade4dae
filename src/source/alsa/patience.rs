//! Calls that have no deadline of their own. Opening and closing a PCM may take half a minute when a sound
//! server is frozen, or a USB card; whoever has to go on meanwhile lets a thread of its own wait for it.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::AlsaInput;
use crate::source::{AudioInput, Capture, InputFormat, SourceError};

/// How long we wait ourselves. A healthy device needs a few milliseconds.
const DEADLINE: Duration = Duration::from_millis(500);

/// A call under way.
pub(super) struct Call<T>(Receiver<T>);

/// What has become of a call.
pub(super) enum Outcome<T> {
    Done(T),
    /// Still under way: ask again later.
    Pending(Call<T>),
    /// It never came to an end: there was no thread to be had for it.
    Lost,
}

impl<T: Send + 'static> Call<T> {
    pub(super) fn start(call: impl FnOnce() -> T + Send + 'static) -> Self {
        let (done, outcome) = mpsc::sync_channel(1);
        // Without a thread `done` is dropped, and the outcome is that there is none.
        let _ = thread::Builder::new().name("alsa".to_owned()).spawn(move || done.send(call()));
        Self(outcome)
    }

    pub(super) fn wait(self) -> Outcome<T> {
        match self.0.recv_timeout(DEADLINE) {
            Ok(value) => Outcome::Done(value),
            Err(RecvTimeoutError::Timeout) => Outcome::Pending(self),
            Err(RecvTimeoutError::Disconnected) => Outcome::Lost,
        }
    }
}

/// An opened PCM that does not hold up whoever closes it.
pub(super) struct Closing(Option<AlsaInput>, InputFormat);

impl Closing {
    pub(super) fn new(input: AlsaInput) -> Self {
        let format = input.format();
        Self(Some(input), format)
    }
}

impl AudioInput for Closing {
    fn format(&self) -> InputFormat {
        self.1
    }

    fn read(
        &mut self,
        into: &mut Vec<f32>,
        frames: usize,
        patience: Duration,
    ) -> Result<Capture, SourceError> {
        match &mut self.0 {
            Some(input) => input.read(into, frames, patience),
            None => Ok(Capture::Nothing), // only while it is dropped
        }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        // Waited for all the same: a device opened again at once must not find itself busy.
        let input = self.0.take();
        Call::start(move || drop(input)).wait();
    }
}
