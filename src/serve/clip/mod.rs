//! Clips: what is asked for, cutting it on a thread beside, and its bytes on their way.

mod ask;
mod delivery;
mod name;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(super) use ask::order;
pub(super) use delivery::Delivery;
pub(super) use name::Disposition;

use super::aside::Aside;
use super::rendition::Rendition;
use super::reply::{self, Media, Reply};
use super::route::Verb;
use super::shown::Shown;
use crate::base::Pts;
use crate::clip::{self, Clip, Kind, Refusal};
use crate::segment::Segment;

/// How many clips are under way at one time, from their cutting to their last byte: each holds a segment's bytes.
const UNDER_WAY: usize = 6;
/// How many of the last are remembered, without their media: players ask for one range after the other.
const REMEMBERED: usize = 8;
/// How soon it is worth asking again, in seconds.
const LATER: u32 = 2;

/// A clip that is wanted.
pub(super) struct Order {
    pub(super) rendition: Arc<Rendition>,
    pub(super) shown: Arc<Shown>,
    pub(super) span: Range<Pts>,
    pub(super) kind: Kind,
    /// The stream's.
    pub(super) title: String,
    pub(super) disposition: Disposition,
}

/// Who cuts clips: one at a time.
pub(super) struct Cutter {
    turn: Aside,
    under_way: Arc<Semaphore>,
    last: Arc<Mutex<Last>>,
}

/// The last clips, the newest first.
type Last = VecDeque<(Wanted, Arc<Clip>)>;

/// What a clip is known by.
struct Wanted {
    rendition: Arc<Rendition>,
    span: Range<Pts>,
    kind: Kind,
}

impl Default for Cutter {
    fn default() -> Self {
        Self { turn: Aside::default(), under_way: Arc::new(Semaphore::new(UNDER_WAY)), last: Arc::default() }
    }
}

impl Cutter {
    /// The answer to an order: the clip, or why there is none.
    pub(super) async fn cut(&self, order: &Order, verb: Verb, asked: &HeaderMap) -> Reply {
        let Ok(place) = Arc::clone(&self.under_way).try_acquire_owned() else {
            return reply::not_yet("too many clips are under way; ask again in a moment", LATER);
        };
        let remembered = find(&self.last, &Wanted::of(order)).and_then(|clip| order.needing(clip));
        let found = match remembered {
            Some(found) => found,
            None => match tokio::time::timeout(order.rendition.patience(), self.made(order)).await {
                Ok(Some(Ok(made))) => made,
                Ok(Some(Err(Refusal::Nothing(what)))) => return reply::no_clip(&Refusal::Nothing(what)),
                Ok(Some(Err(refusal))) => return reply::bad_query(&refusal),
                Ok(None) | Err(_) => {
                    return reply::not_yet("the clip was not cut in three target durations", LATER);
                }
            },
        };
        order.reply(found, place, verb, asked)
    }

    /// Cuts it on another thread when it is its turn, unless somebody else's turn has made it. `None` if that work fell
    /// down.
    async fn made(&self, order: &Order) -> Option<Result<(Arc<Clip>, Vec<Arc<Segment>>), Refusal>> {
        let (shown, wanted, last) = (Arc::clone(&order.shown), Wanted::of(order), Arc::clone(&self.last));
        let work = move || {
            if let Some(found) = find(&last, &wanted).filter(|clip| segments(&shown, clip).is_some()) {
                return Ok(found);
            }
            let kept: Vec<_> = shown.snapshot.kept().into_iter().flatten().cloned().collect();
            let clip = Arc::new(clip::cut(&kept, wanted.span.clone(), wanted.kind)?);
            // Whoever asked may be gone by now, and ask again: it is remembered here.
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            last.truncate(REMEMBERED - 1);
            last.push_front((wanted, Arc::clone(&clip)));
            Ok(clip)
        };
        match self.turn.done(work).await? {
            Ok(clip) => order.needing(clip).map(Ok),
            Err(refusal) => Some(Err(refusal)),
        }
    }
}

/// One that was cut before.
fn find(last: &Mutex<Last>, wanted: &Wanted) -> Option<Arc<Clip>> {
    let last = last.lock().unwrap_or_else(PoisonError::into_inner);
    last.iter().find(|(it, _)| it.is(wanted)).map(|(_, clip)| Arc::clone(clip))
}

/// Those that a clip's pieces are cut from, if all of them are there.
fn segments(shown: &Shown, clip: &Clip) -> Option<Vec<Arc<Segment>>> {
    clip.pieces.iter().map(|piece| shown.segment(piece.sequence).cloned()).collect()
}

impl Wanted {
    fn of(order: &Order) -> Self {
        Self { rendition: Arc::clone(&order.rendition), span: order.span.clone(), kind: order.kind }
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.rendition, &other.rendition) && self.span == other.span && self.kind == other.kind
    }
}

impl Order {
    /// A clip with what its pieces are cut from, if all of that is there.
    fn needing(&self, clip: Arc<Clip>) -> Option<(Arc<Clip>, Vec<Arc<Segment>>)> {
        let segments = segments(&self.shown, &clip)?;
        Some((clip, segments))
    }

    fn reply(
        &self,
        (clip, segments): (Arc<Clip>, Vec<Arc<Segment>>),
        place: OwnedSemaphorePermit,
        verb: Verb,
        asked: &HeaderMap,
    ) -> Reply {
        let date = self.shown.snapshot.dates.at(clip.span.start);
        let name = name::field(self.disposition, &self.title, date, clip.kind);
        reply::media(verb, asked, Media::clip(Delivery::new(clip, &segments, place), name))
    }
}
