//! The bytes of a clip, made one segment after the other as its reader takes them.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use crate::clip::Clip;
use crate::segment::Segment;

/// One reader's way through a clip. Of the segments it holds those that are still to come.
#[derive(Debug)]
pub(in crate::serve) struct Delivery {
    clip: Arc<Clip>,
    segments: VecDeque<Arc<Segment>>,
    /// What comes next: the head, or what is made of the first of the segments.
    next: Next,
    /// Bytes of it that are not wanted, and how many are from there on.
    skip: usize,
    left: usize,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Next {
    Head,
    Piece(usize),
    /// A piece that is being made, on a thread beside.
    Made(JoinHandle<Option<Bytes>>, usize),
}

impl Delivery {
    /// All of it. `segments` are those its pieces are cut from; `place` is given back in the end.
    pub(super) fn new(clip: Arc<Clip>, segments: Vec<Arc<Segment>>, place: OwnedSemaphorePermit) -> Self {
        let left = clip.size();
        Self { clip, segments: segments.into(), next: Next::Head, skip: 0, left, _place: place }
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

    /// The next bytes; `None` when all are gone. Should a piece fail to be made, it ends too soon, and its reader sees
    /// that.
    pub(in crate::serve) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while self.left > 0 {
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
