//! A stream's markers as they come, change and go: server-sent events (WHATWG HTML, 9.2).
//!
//! A reader is a revision and nothing else: what is new is looked up for it when it takes more, so that a slow one
//! costs as little as a quick one, and one that was away for long is told to list again.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::futures::OwnedNotified;
use tokio::time::{Instant, Sleep};

use super::clocks::Clocks;
use super::{json, told};
use crate::segment::Dates;
use crate::serve::station::Station;
use crate::timeline::{Change, Revision};

/// After so long without an event a comment is sent: whoever is on the way shall see that the connection lives.
const BEAT: Duration = Duration::from_secs(15);

/// So many changes are told in one go; what a reader takes slowly is not all in memory meanwhile.
const AT_ONCE: usize = 64;

/// One reader's place among the changes.
#[derive(Debug)]
pub(in crate::serve) struct Events {
    station: Arc<Station>,
    place: Place,
    /// By which civil times were told; others are told by listing again.
    dates: Option<Dates>,
    /// Made before the last look at the timeline: no change is missed.
    change: Pin<Box<OwnedNotified>>,
    beat: Pin<Box<Sleep>>,
}

/// Up to where a reader knows everything.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// It has just come, and knows this or nothing.
    Begin(Option<Revision>),
    /// It has been told everything up to there.
    Told(Revision),
}

impl Events {
    /// What comes from now on; or since a revision, as far as that can be told.
    pub(super) fn new(station: &Arc<Station>, since: Option<Revision>) -> Self {
        Self {
            station: station.clone(),
            place: Place::Begin(since),
            dates: None,
            change: Box::pin(station.timeline().change()),
            beat: Box::pin(tokio::time::sleep(BEAT)),
        }
    }

    /// The next events, as soon as there are any; `None` when the server stops.
    pub(in crate::serve) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if self.station.timeline().is_closed() {
                return Poll::Ready(None);
            }
            let mut text = self.news();
            if text.is_empty() && self.beat.as_mut().poll(context).is_ready() {
                self.station.forget();
                text = self.news();
                if text.is_empty() {
                    text.push_str(":\n\n");
                }
            }
            if !text.is_empty() {
                self.beat.as_mut().reset(Instant::now() + BEAT);
                return Poll::Ready(Some(Bytes::from(text)));
            }
            if self.change.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            let change = self.station.timeline().change();
            self.change.set(change);
        }
    }

    fn news(&mut self) -> String {
        let clocks = Clocks::of(&self.station);
        let dates = clocks.listed_dates();
        let (begins, since) = match self.place {
            Place::Begin(since) => (true, since),
            Place::Told(since) => (false, Some(since)),
        };
        let redated = match self.dates {
            Some(known) => dates.is_some_and(|dates| dates != known),
            // By which dates it was told before, nobody knows.
            None => begins && since.is_some_and(|since| self.station.dating().is_corrected_since(since)),
        };
        self.dates = dates.or(self.dates);
        let (now, changes) = self.station.timeline().since(since.unwrap_or_default(), AT_ONCE);
        let changes = changes.filter(|_| !redated);
        // More may follow where there are as many as may be told in one go.
        let full = changes.as_ref().filter(|it| it.len() == AT_ONCE).and_then(|it| it.last());
        self.place = match full {
            Some((made, _)) if begins => Place::Begin(Some(*made)),
            Some((made, _)) => Place::Told(*made),
            None => Place::Told(now),
        };
        let mut text = String::new();
        match &changes {
            Some(changes) => changes.iter().for_each(|(made, change)| match change {
                Change::Set(marker) => write(&mut text, *made, "marker", &told::marker(marker, &clocks)),
                Change::Removed(id) => write(&mut text, *made, "removed", &json(&Gone { id: id.as_str() })),
            }),
            None if since.is_some() => write(&mut text, now, "reset", &json(&At { revision: now.0 })),
            None => {}
        }
        if begins && full.is_none() {
            write(&mut text, now, "revision", &json(&At { revision: now.0 }));
        }
        text
    }
}

/// All up to this revision is told.
#[derive(Serialize)]
struct At {
    revision: u64,
}

/// What is not there any more.
#[derive(Serialize)]
struct Gone<'a> {
    id: &'a str,
}

/// An event as it is sent, with the revision it leads to.
fn write(text: &mut String, revision: Revision, name: &str, data: &str) {
    // Writing to a String cannot fail; and JSON as we write it is one line.
    let _ = write!(text, "event: {name}\nid: {}\ndata: {data}\n\n", revision.0);
}
