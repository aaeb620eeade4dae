//! The bytes of a clip, made one segment after the other as its reader takes them.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use crate::clip::Clip;
use crate::segment::Segment;

/// A clip may be under way for twice its length, and so long at least.
const AT_LEAST: Duration = Duration::from_secs(60);

/// One reader's way through a clip. Of the segments it holds none: where one has left the window before its turn, or the
/// time is up, it ends too soon.
#[derive(Debug)]
pub(in crate::serve) struct Delivery {
    clip: Arc<Clip>,
    /// Those that are still to come.
    segments: VecDeque<Weak<Segment>>,
    /// What comes next: the head, or what is made of the first of the segments.
    next: Next,
    /// Bytes of it that are not wanted, and how many are from there on.
    skip: usize,
    left: usize,
    place: Place,
}

/// A place among those that are under way, for a time.
#[derive(Debug)]
struct Place(JoinHandle<()>);

impl Place {
    /// Given back when that time is over, or sooner if this is dropped: a reader who takes his bytes one by one is
    /// asked nothing meanwhile.
    fn new(permit: OwnedSemaphorePermit, time: Duration) -> Self {
        Self(tokio::spawn(async move {
            tokio::time::sleep(time).await;
            drop(permit);
        }))
    }

    fn is_over(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
enum Next {
    Head,
    Piece(usize),
    /// A piece that is being made, on a thread beside.
    Made(JoinHandle<Option<Bytes>>, usize),
}

impl Delivery {
    /// All of it. `segments` are those its pieces are cut from; the place is given back in the end.
    pub(super) fn new(clip: Arc<Clip>, segments: &[Arc<Segment>], permit: OwnedSemaphorePermit) -> Self {
        let length = clip.span.end - clip.span.start;
        let place = Place::new(permit, (length + length).to_duration().max(AT_LEAST));
        let (left, segments) = (clip.size(), segments.iter().map(Arc::downgrade).collect());
        Self { clip, segments, next: Next::Head, skip: 0, left, place }
    }

    /// These bytes of it.
    pub(in crate::serve) fn range(self, range: Range<usize>) -> Self {
        Self { skip: range.start, left: range.len(), ..self }
    }

    pub(in crate::serve) fn clip(&self) -> &Clip {
        &self.clip
    }

    /// Bytes that are still to come.
    pub(in crate::serve) fn left(&self) -> usize {
        self.left
    }

    /// The next bytes; `None` when all are gone. Should a piece fail to be made, or its segment be gone, it ends too soon,
    /// and its reader sees that.
    pub(in crate::serve) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while self.left > 0 && !self.place.is_over() {
            let len = match &mut self.next {
                Next::Head => self.clip.head.len(),
                Next::Piece(index) => self.clip.pieces.get(*index).map_or(usize::MAX, |piece| piece.len),
                Next::Made(made, index) => {
                    let (made, index) = (ready!(Pin::new(made).poll(context)), *index);
                    self.next = Next::Piece(index + 1);
                    return Poll::Ready(made.ok().flatten().map(|bytes| self.take(&bytes)));
                }
            };
            let wanted = self.skip < len;
            match self.next {
                Next::Head => {
                    self.next = Next::Piece(0);
                    if wanted {
                        let head = self.clip.head.clone();
                        return Poll::Ready(Some(self.take(&head)));
                    }
                }
                Next::Piece(index) => {
                    let Some(segment) = self.segments.pop_front() else { return Poll::Ready(None) };
                    self.next = Next::Piece(index + 1);
                    if wanted {
                        let Some(segment) = segment.upgrade() else { return Poll::Ready(None) };
                        let clip = Arc::clone(&self.clip);
                        let work = move || clip.pieces.get(index)?.bytes(&segment);
                        self.next = Next::Made(tokio::task::spawn_blocking(work), index);
                        continue;
                    }
                }
                Next::Made(..) => {}
            }
            self.skip -= len;
        }
        Poll::Ready(None)
    }

    /// What is wanted of these bytes.
    fn take(&mut self, bytes: &Bytes) -> Bytes {
        let begin = self.skip.min(bytes.len());
        let end = bytes.len().min(begin.saturating_add(self.left));
        (self.skip, self.left) = (0, self.left - (end - begin));
        bytes.slice(begin..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Pts, Span};
    use crate::clip::Kind;
    use std::future::poll_fn;
    use tokio::sync::Semaphore;
    use tokio::time::{advance, sleep};

    #[tokio::test(start_paused = true)]
    async fn a_clip_is_under_way_for_twice_its_length_and_a_minute_at_least() {
        let under_way = Arc::new(Semaphore::new(1));
        for (length, limit) in [(10, 60), (30, 60), (31, 62), (1800, 3600)] {
            let span = Pts::default()..Pts::default() + Span::from_millis(1000 * length);
            let clip = Clip { kind: Kind::Ts, head: Bytes::from_static(b"head"), pieces: Vec::new(), span };
            let clip = Arc::new(clip);
            let deliver = || {
                let permit = under_way.clone().try_acquire_owned().expect("a place");
                Delivery::new(clip.clone(), &[], permit)
            };
            let mut whole = deliver();
            sleep(Duration::from_secs(limit - 1)).await;
            assert_eq!(under_way.available_permits(), 0, "{length} s");
            assert_eq!(poll_fn(|context| whole.poll_next(context)).await.as_deref(), Some(&b"head"[..]));
            drop(whole);
            // The place is given back by a task that has to have its turn.
            advance(Duration::ZERO).await;
            let mut slow = deliver();
            sleep(Duration::from_secs(limit + 1)).await;
            assert_eq!(under_way.available_permits(), 1, "{length} s: it makes room though nobody asks it");
            assert_eq!((poll_fn(|context| slow.poll_next(context)).await, slow.left()), (None, 4));
        }
    }
}
