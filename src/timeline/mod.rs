//! What happened when: the markers of one stream.
//!
//! Belongs here: keeping them, in order and within bounds, and showing them. Does not: finding out what happens
//! (`detect`), or writing it down for players (`playlist`) and programs (`serve`).

mod log;
mod scribe;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

pub use log::{Draft, Extent, Log, Refusal, Revision};
pub use scribe::Scribe;

use crate::base::Pts;
use crate::media::marker::Marker;

/// The markers of a stream: one list for all its renditions, and for all who read or write it.
///
/// The lock is for those who write, and they are on the serving side; who reads takes what was shown last.
#[derive(Debug)]
pub struct Timeline {
    log: Mutex<Log>,
    shown: ArcSwap<Shown>,
}

/// All markers at one moment: immutable, replaced whole.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// How often they changed.
    pub revision: Revision,
    /// In order of their beginnings.
    pub markers: Arc<[Arc<Marker>]>,
}

impl Timeline {
    /// Without a marker. `run` is a number by which chance tells this run of the program from all others.
    pub fn new(run: u64) -> Arc<Self> {
        Arc::new(Self { log: Mutex::new(Log::new(run)), shown: ArcSwap::default() })
    }

    /// All there are.
    pub fn shown(&self) -> Arc<Shown> {
        self.shown.load_full()
    }

    /// Lets `write` change the log; shows what has changed.
    pub fn write<T>(&self, write: impl FnOnce(&mut Log) -> T) -> T {
        let mut log = self.log();
        let done = write(&mut log);
        if log.revision() != self.shown.load().revision {
            let (revision, markers) = (log.revision(), Arc::from(log.markers()));
            self.shown.store(Arc::new(Shown { revision, markers }));
        }
        done
    }

    /// Forgets what ended before the window begins.
    pub fn forget_before(&self, oldest: Pts) {
        let over = |it: &Arc<Marker>| it.from < oldest && it.to.is_some_and(|to| to < oldest);
        if self.shown.load().markers.first().is_some_and(over) {
            self.write(|log| log.forget_before(oldest));
        }
    }

    /// A writer that panicked has left the log as it was, or changed.
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
