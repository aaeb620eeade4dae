//! The bodies of replies: the bytes in RAM themselves, never a copy of them but for clips, a segment at a time.

use std::convert::Infallible;
use std::io::IoSlice;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};

use super::api::Events;
use super::clip::Delivery;
use super::live::Live;

/// The body of a reply.
#[derive(Debug)]
pub(super) enum Body {
    Empty,
    Full(Bytes),
    Chunks(Pieces),
    Live(Live),
    Events(Box<Events>),
    Clip(Box<Delivery>),
}

/// What a body gives to the connection.
#[derive(Debug)]
pub(super) enum Data {
    Whole(Bytes),
    Pieces(Pieces),
}

/// A range of bytes that lies in several pieces; written with as few writev(2) as the kernel takes.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    chunks: Arc<[Bytes]>,
    /// The piece that comes next.
    index: usize,
    /// What is already gone of it; always less than its length while anything is left.
    offset: usize,
    left: usize,
}

impl Pieces {
    /// The bytes `range` of what the chunks hold together; as far as they hold it.
    pub(super) fn new(chunks: Arc<[Bytes]>, range: Range<usize>) -> Self {
        let len = chunks.iter().map(Bytes::len).sum::<usize>();
        let end = range.end.min(len);
        let start = range.start.min(end);
        let mut pieces = Self { chunks, index: 0, offset: 0, left: end };
        pieces.advance(start);
        pieces
    }
}

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        let Some(chunk) = self.chunks.get(self.index) else { return &[] };
        let rest = &chunk[self.offset..];
        &rest[..rest.len().min(self.left)]
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.left, "advanced past the end");
        self.left -= count;
        self.offset += count;
        while let Some(chunk) = self.chunks.get(self.index).filter(|chunk| chunk.len() <= self.offset) {
            self.offset -= chunk.len();
            self.index += 1;
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut skip, mut left, mut used) = (self.offset, self.left, 0);
        for chunk in &self.chunks[self.index..] {
            if left == 0 || used == slices.len() {
                break;
            }
            let rest = &chunk[skip..];
            let rest = &rest[..rest.len().min(left)];
            skip = 0;
            if !rest.is_empty() {
                slices[used] = IoSlice::new(rest);
                left -= rest.len();
                used += 1;
            }
        }
        used
    }
}

impl Buf for Data {
    fn remaining(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.remaining(),
            Self::Pieces(pieces) => pieces.remaining(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes.chunk(),
            Self::Pieces(pieces) => pieces.chunk(),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Whole(bytes) => bytes.advance(count),
            Self::Pieces(pieces) => pieces.advance(count),
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        match self {
            Self::Whole(bytes) => bytes.chunks_vectored(slices),
            Self::Pieces(pieces) => pieces.chunks_vectored(slices),
        }
    }
}

impl http_body::Body for Body {
    type Data = Data;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, Infallible>>> {
        if let Self::Live(live) = &mut *self {
            return live.poll_next(context).map(|pieces| pieces.map(|p| Ok(Frame::data(Data::Pieces(p)))));
        }
        if let Self::Events(events) = &mut *self {
            return events.poll_next(context).map(|text| text.map(|it| Ok(Frame::data(Data::Whole(it)))));
        }
        if let Self::Clip(clip) = &mut *self {
            return clip.poll_next(context).map(|bytes| bytes.map(|it| Ok(Frame::data(Data::Whole(it)))));
        }
        let data = match std::mem::replace(&mut *self, Self::Empty) {
            Self::Full(bytes) => Some(Data::Whole(bytes)),
            Self::Chunks(pieces) => Some(Data::Pieces(pieces)),
            Self::Empty | Self::Live(_) | Self::Events(_) | Self::Clip(_) => None,
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Chunks(pieces) => SizeHint::with_exact(pieces.remaining() as u64),
            Self::Clip(clip) => SizeHint::with_exact(clip.left() as u64),
            Self::Live(_) | Self::Events(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunked(lengths: &[usize]) -> (Vec<u8>, Arc<[Bytes]>) {
        let mut next = 0u8;
        let chunks: Vec<Bytes> = lengths
            .iter()
            .map(|len| {
                (0..*len)
                    .map(|_| {
                        next = next.wrapping_add(1);
                        next
                    })
                    .collect()
            })
            .collect();
        (chunks.concat(), chunks.into())
    }

    proptest! {
        #[test]
        fn pieces_are_the_range_however_they_are_taken(
            lengths in proptest::collection::vec(0usize..6, 0..8),
            range in (0usize..50, 0usize..50),
            steps in proptest::collection::vec(1usize..7, 0..60),
        ) {
            let (whole, chunks) = chunked(&lengths);
            let end = range.1.min(whole.len());
            let expected = &whole[range.0.min(end)..end];
            let mut pieces = Pieces::new(chunks, range.0..range.1);
            prop_assert_eq!(pieces.remaining(), expected.len());

            let mut slices = [IoSlice::new(&[]); 16];
            let used = pieces.chunks_vectored(&mut slices);
            let vectored: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.iter().copied()).collect();
            prop_assert_eq!(&vectored[..], expected);

            let mut taken = Vec::new();
            for step in steps.into_iter().chain(std::iter::repeat(1)) {
                if !pieces.has_remaining() {
                    break;
                }
                let chunk = pieces.chunk();
                prop_assert!(!chunk.is_empty(), "bytes are left but none are shown");
                let step = step.min(chunk.len());
                taken.extend_from_slice(&chunk[..step]);
                pieces.advance(step);
            }
            prop_assert_eq!(&taken[..], expected);
        }
    }
}
