//! What happened when: the markers of one stream.
//!
//! Belongs here: keeping them, in order and within bounds, and showing them. Does not: finding out what happens
//! (`detect`), or writing it down for players (`playlist`) and programs (`serve`).

mod draft;
mod log;
mod scribe;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

pub use draft::{Draft, Extent, Refusal};
pub use log::{Change, Log, Revision};
pub use scribe::Scribe;

use crate::base::Pts;
use crate::media::marker::Marker;
use crate::ring::spsc;

/// How many markers may wait to be told in the stream itself.
const NOTICES: usize = 64;

/// The markers of a stream: one list for all its renditions, and for all who read or write it.
///
/// The lock is for those who write and those who follow, and they are on the serving side; who reads takes what was
/// shown last.
#[derive(Debug)]
pub struct Timeline {
    book: Mutex<Book>,
    shown: ArcSwap<Shown>,
    changed: Arc<Notify>,
    closed: AtomicBool,
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
        let log = Log::new(run);
        let shown = ArcSwap::from_pointee(Shown { revision: log.revision(), markers: Arc::default() });
        Arc::new(Self {
            book: Mutex::new(Book { log, notices: Vec::new() }),
            shown,
            changed: Arc::default(),
            closed: AtomicBool::new(false),
        })
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
        let before = log.revision();
        let done = write(log);
        if log.revision() != before {
            let (revision, markers) = (log.revision(), Arc::from(log.markers()));
            self.shown.store(Arc::new(Shown { revision, markers }));
            self.changed.notify_waiters();
        }
        for (_, change) in log.since(before).into_iter().flatten() {
            if let Change::Set(marker) = change {
                notices.iter_mut().for_each(|way| way.tell(marker));
            }
        }
        done
    }

    /// Ends with the next change after this call, or when nobody is to wait any more.
    pub fn change(&self) -> OwnedNotified {
        Arc::clone(&self.changed).notified_owned()
    }

    /// Which revision it is now, and what has changed since `revision`, as [`Log::since`] tells it: the first `most` of it.
    pub fn since(&self, revision: Revision, most: usize) -> (Revision, Option<Vec<(Revision, Change)>>) {
        let log = &self.book().log;
        (log.revision(), log.since(revision).map(|changes| changes.take(most).cloned().collect()))
    }

    /// Nobody is to wait for changes any more.
    pub fn close(&self) {
        self.closed.store(true, Relaxed);
        self.changed.notify_waiters();
    }

    /// Whether nobody is to wait any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Forgets what ended before the window begins.
    pub fn forget_before(&self, oldest: Pts) {
        let over = |it: &Arc<Marker>| log::is_over(it, oldest);
        let shown = self.shown.load();
        if shown.markers.iter().take_while(|it| it.from < oldest).any(over) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;

    #[test]
    fn what_goes_on_keeps_nothing_else_that_is_over() {
        let at = |seconds: i64| Pts::default() + Span::from_millis(1000 * seconds);
        let timeline = Timeline::new(1);
        let draft = |from, to: Option<i64>| {
            let kind = "gap".parse().expect("a kind");
            Draft { kind, from: at(from), to: to.map(at), level: None, label: None }
        };
        timeline.write(|log| {
            [(1, None), (2, Some(3)), (4, Some(9))].map(|(from, to)| log.add_ours(draft(from, to)))
        });
        timeline.forget_before(at(5));
        let begun: Vec<_> = timeline.shown().markers.iter().map(|it| it.from).collect();
        assert_eq!(begun, [at(1), at(4)]);
    }
}
