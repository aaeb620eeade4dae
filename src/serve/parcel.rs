//! A reply until its last byte is taken: what of it waits, and how long it has been waiting.
//!
//! HTTP/2 takes a whole segment at once and sends it as its client allows, without a word to whoever gave it. What
//! tells of its way is the bytes themselves: they are moved on as they are written, and dropped when they are gone.

use std::convert::Infallible;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Frame, SizeHint};

use super::body::{Body, Data};
use super::connection::{Busy, Resting, Turn};
use super::handler::Answer;
use super::reply::Reply;

/// The answer to a request, whose body is watched.
pub(super) struct Answered<'a> {
    answer: Answer<'a>,
    busy: Option<Busy>,
}

impl<'a> Answered<'a> {
    pub(super) fn new(answer: Answer<'a>, busy: Busy) -> Self {
        Self { answer, busy: Some(busy) }
    }
}

impl Future for Answered<'_> {
    type Output = Result<hyper::Response<Watched>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(reply): Result<Reply, Infallible> = ready!(Pin::new(&mut self.answer).poll(context));
        let busy = self.busy.take();
        Poll::Ready(Ok(reply.map(|body| {
            let rest = busy.as_ref().filter(|_| matches!(body, Body::Events(_))).map(Busy::rest);
            Watched { body, busy, _rest: rest }
        })))
    }
}

/// The body of a reply; its request goes on until it, and all that came of it, is gone.
pub(super) struct Watched {
    body: Body,
    busy: Option<Busy>,
    /// There if it is news that come now and then.
    _rest: Option<Resting>,
}

impl http_body::Body for Watched {
    type Data = Parcel;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Parcel>, Infallible>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let parcel = |data: Data| {
            let turn = self.busy.as_ref().map(|busy| busy.turn(data.remaining()));
            Parcel { data, turn }
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(parcel))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes of a reply on their way to the client.
pub(super) struct Parcel {
    data: Data,
    turn: Option<Turn>,
}

impl Buf for Parcel {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
        if let Some(turn) = &mut self.turn {
            turn.taken(count, self.data.remaining());
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.data.chunks_vectored(slices)
    }
}
