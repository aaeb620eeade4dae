//! A rendition's window in memory that outlives the process, so that the next one goes on with it.
//!
//! Belongs here: what of a window is written there, and how it is read again. Does not: who keeps the memory meanwhile,
//! or how a window goes on.
//!
//! The segments of the window lie there and nowhere else: each is copied once, when it is listed. What was written is
//! taken for hostile when it is read: another version of the program may have done it, or have been killed while it did.

mod entry;
mod record;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::entry::Entry;
use self::record::Unread;
use super::{Before, Dates, Segment};
use crate::base::{Monotonic, Pts};
use crate::sys::lasting::{Lasting, Piece};

/// What may be in a store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Title {
    /// The program that made it.
    version: String,
    /// Which rendition it is of, and in what terms it goes on.
    rendition: String,
    terms: String,
}

/// Where one rendition's window is kept.
#[derive(Debug)]
pub struct Store {
    // Dropped before the pieces, which stay then.
    memory: Lasting,
    _title: Piece,
    /// The segments that are in the window, with their numbers, oldest first.
    held: VecDeque<(u64, Piece)>,
    /// What is to be said of the next segment.
    before: Option<(u64, Vec<Segment>)>,
    past: Option<Past>,
    /// What stood in another store, and can still be fetched.
    ended: Option<Past>,
    /// Whether the last segment had room: failures are told once.
    has_room: bool,
}

/// What an earlier run has left of a rendition.
#[derive(Debug)]
pub enum Left {
    /// To be gone on with.
    Same(Box<Store>),
    /// The stream was configured otherwise since: nothing comes after it, but whoever was told of it may still ask.
    Changed {
        /// The window.
        past: Option<Past>,
        /// The terms then.
        before: String,
    },
}

/// A window as an earlier run has left it.
#[derive(Clone, Debug)]
pub struct Past {
    /// Oldest first; at least one.
    pub(super) listings: Vec<Listing>,
    /// The dates of all of them, and how long the machine had been suspended when that was written.
    pub(super) dates: Dates,
    pub(super) suspended: Duration,
}

/// A segment as it was listed.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    /// How many discontinuities were told before its gaps and itself.
    pub(super) discontinuities: u64,
    /// What was listed before it because nothing came.
    pub(super) gaps: Vec<Segment>,
    pub(super) segment: Segment,
    pub(super) listed: Monotonic,
    /// Number and beginning of the first that was in the list it came to.
    pub(super) front: Option<(u64, Pts)>,
}

/// Why what an earlier run has left is not gone on with.
#[derive(Debug, thiserror::Error)]
pub enum Discarded {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// It is another rendition's.
    #[error("it is that of {0}")]
    Other(String),
}

impl Store {
    /// An empty one for `rendition`. Windows that begin under other `terms` do not go on with it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn new(rendition: &str, terms: &str) -> io::Result<Self> {
        let mut memory = Lasting::new()?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let title = Title { version, rendition: rendition.to_owned(), terms: terms.to_owned() };
        let (title, _) = record::write(&mut memory, &title, std::iter::empty())?;
        Ok(Self::of(memory, title))
    }

    /// What an earlier run has left of `rendition`, until `now`.
    ///
    /// # Errors
    /// If it is of no use.
    pub fn open(memory: OwnedFd, rendition: &str, terms: &str, now: Monotonic) -> Result<Left, Discarded> {
        let unreadable = |error: Unread| Discarded::Unreadable(error.to_string());
        let mut memory = Lasting::open(memory).map_err(|error| unreadable(error.into()))?;
        let Some((title, piece, _)) = record::read::<Title>(&mut memory).map_err(unreadable)? else {
            return Err(Discarded::Unreadable("it is empty".to_owned()));
        };
        if title.rendition != rendition {
            return Err(Discarded::Other(title.rendition));
        }
        let mut store = Self::of(memory, piece);
        store
            .read(rendition, now)
            .map_err(|why| Discarded::Unreadable(format!("{why} (of {})", title.version)))?;
        if title.terms == terms {
            Ok(Left::Same(Box::new(store)))
        } else {
            Ok(Left::Changed { past: store.past, before: title.terms })
        }
    }

    /// The same, beside which what is left of another can still be fetched.
    pub fn beside(self, ended: Option<Past>) -> Self {
        Self { ended, ..self }
    }

    fn of(memory: Lasting, title: Piece) -> Self {
        Self {
            memory,
            _title: title,
            held: VecDeque::new(),
            before: None,
            past: None,
            ended: None,
            has_room: true,
        }
    }

    /// What keeps it, for whoever is to hold it meanwhile.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.memory.descriptor()
    }

    /// Reads all segments there are, up to one that was not written to its end.
    fn read(&mut self, rendition: &str, now: Monotonic) -> Result<(), Unread> {
        let mut past: Option<Past> = None;
        loop {
            let (entry, piece, bytes) = match record::read::<Entry>(&mut self.memory) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                // That at which the program was killed.
                Err(error @ (Unread::Spoilt | Unread::Layout)) => {
                    tracing::info!(rendition, "one segment less outlasted the restart: {error}");
                    self.memory.cut();
                    break;
                }
                Err(error) => return Err(error),
            };
            let (dates, suspended) = (entry.dates, entry.suspended);
            let last = past.as_ref().and_then(|past| past.listings.last());
            let listing = entry.listing(&bytes, last.map(|it| &it.segment)).ok_or(Unread::Spoilt)?;
            let Listing { segment, listed, gaps, .. } = &listing;
            let first = gaps.first().unwrap_or(segment);
            let follows = |Listing { segment: last, listed: before, .. }: &Listing| {
                last.sequence < first.sequence && last.start < segment.start && before <= listed
            };
            if *listed > now || segment.start > now.to_pts() || !last.is_none_or(follows) {
                return Err(Unread::Spoilt);
            }
            self.held.push_back((segment.sequence, piece));
            let past = past.get_or_insert(Past { listings: Vec::new(), dates, suspended });
            (past.dates, past.suspended) = (dates, suspended);
            past.listings.push(listing);
        }
        self.past = past;
        Ok(())
    }

    /// What an earlier run has left, if anything.
    pub(super) fn past(&self) -> Option<&Past> {
        self.past.as_ref()
    }

    /// The same, which is no longer kept for others.
    pub(super) fn take_past(&mut self) -> Option<Past> {
        self.past.take()
    }

    /// What is no longer listed and can still be fetched.
    pub(super) fn take_ended(&mut self) -> Option<Past> {
        self.ended.take()
    }

    /// What is listed before the next segment; so far `discontinuities` were told.
    pub(super) fn prepare(&mut self, before: &Before, discontinuities: u64) {
        match before {
            Before::Anew { discontinuities, gaps } => self.before = Some((*discontinuities, gaps.clone())),
            Before::Gaps(gaps) => {
                let (_, before) = self.before.get_or_insert((discontinuities, Vec::new()));
                before.extend_from_slice(gaps);
            }
        }
    }

    /// Moves a segment that is being listed into this memory, in a list that begins with `front`; `discontinuities` were
    /// told before it. Where there is no room, it stays where it is.
    pub(super) fn keep(
        &mut self,
        segment: Segment,
        discontinuities: u64,
        listed: Monotonic,
        dates: (Dates, Duration),
        front: Option<(u64, Pts)>,
    ) -> Segment {
        let before = self.before.take().unwrap_or((discontinuities, Vec::new()));
        let entry = Entry::of(&segment, before, listed, front, dates);
        match record::write(&mut self.memory, &entry, Entry::bytes(&segment)) {
            Ok((piece, bytes)) => {
                self.has_room = true;
                self.held.push_back((segment.sequence, piece));
                entry::moved(segment, bytes)
            }
            Err(error) => {
                if std::mem::replace(&mut self.has_room, false) {
                    tracing::warn!(
                        %error,
                        "no memory in which a segment would outlast a restart; it is lost with the next one"
                    );
                }
                segment
            }
        }
    }

    /// Lets go of what is before that number.
    pub(super) fn forget_before(&mut self, sequence: u64) {
        while self.held.pop_front_if(|(held, _)| *held < sequence).is_some() {}
    }
}

#[cfg(test)]
mod tests;
