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
use crate::ring::spsc;

/// How many markers may wait to be told in the stream itself.
const NOTICES: usize = 64;

/// The markers of a stream: one list for all its renditions, and for all who read or write it.
///
/// The lock is for those who write, and they are on the serving side; who reads takes what was shown last.
#[derive(Debug)]
pub struct Timeline {
    book: Mutex<Book>,
    shown: ArcSwap<Shown>,
}

/// The log, and where its news go.
#[derive(Debug)]
struct Book {
    log: Log,
    notices: Vec<Notices>,
}

/// A way on which markers are told, as they are set and as they change. Never waited on: what has no room is left out.
struct Notices(spsc::Producer<Option<Arc<Marker>>>);

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notices(..)")
    }
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
        let book = Book { log: Log::new(run), notices: Vec::new() };
        Arc::new(Self { book: Mutex::new(book), shown: ArcSwap::default() })
    }

    /// All there are.
    pub fn shown(&self) -> Arc<Shown> {
        self.shown.load_full()
    }

    /// From now on, each marker as it is set and as it changes: for who tells of it in the stream itself. There is
    /// always something in what is published.
    pub fn notices(&self) -> spsc::Consumer<Option<Arc<Marker>>> {
        let (notices, ring) = spsc::channel(NOTICES);
        self.book().notices.push(Notices(notices));
        ring
    }

    /// Lets `write` change the log; shows what has changed.
    pub fn write<T>(&self, write: impl FnOnce(&mut Log) -> T) -> T {
        let mut book = self.book();
        let Book { log, notices } = &mut *book;
        let done = write(log);
        if log.revision() != self.shown.load().revision {
            let (revision, markers) = (log.revision(), Arc::from(log.markers()));
            self.shown.store(Arc::new(Shown { revision, markers }));
        }
        for marker in log.news() {
            notices.iter_mut().for_each(|way| way.tell(&marker));
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
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notices {
    fn tell(&mut self, marker: &Arc<Marker>) {
        if let Some(slot) = self.0.slot() {
            *slot = Some(Arc::clone(marker));
            self.0.publish();
        }
    }
}
