//! Threads that end when they are told to.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use tokio::sync::mpsc::{self, Receiver};

use crate::base::{Clock, Stop};

/// A thread of the capture side, or one that writes files. Told to end when dropped.
#[derive(Debug)]
pub(super) struct Thread {
    stop: Stop,
    /// Closed when its work is over, and all it had is dropped.
    over: Receiver<Infallible>,
}

impl Thread {
    /// Begins `work`, which ends soon after the flag it is given is raised.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(super) fn spawn(
        name: &str,
        clock: &Arc<dyn Clock>,
        work: impl FnOnce(&dyn Clock, &Stop) + Send + 'static,
    ) -> io::Result<Self> {
        let (clock, stop, (going, over)) = (Arc::clone(clock), Stop::new(), mpsc::channel(1));
        let told = stop.clone();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // A thread that panics says so itself; this is dropped all the same.
            let _going = going;
            work(&*clock, &told);
        })?;
        Ok(Self { stop, over })
    }

    /// Tells it to end.
    pub(super) fn stop(&self) {
        self.stop.stop();
    }

    /// Waits until it has ended.
    pub(super) async fn over(&mut self) {
        self.over.recv().await;
    }

    /// The same, for a thread that waits.
    pub(super) fn wait(mut self) {
        self.over.blocking_recv();
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop();
    }
}
