//! The endless transport stream: each client reads from the same bytes as everybody else, with nothing of its
//! own but a place in them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::sync::futures::OwnedNotified;

use super::access::Expiry;
use super::body::Pieces;
use super::connection::Busy;
use super::rendition::{Rendition, TunedIn};
use super::shown::Shown;
use crate::segment::Tail;

/// A client may be this many segments behind the one being written; then it goes on with the newest.
pub(super) const LAG: u64 = 3;

/// One client's place in the endless stream.
#[derive(Debug)]
pub(super) struct Live {
    listener: TunedIn,
    _busy: Busy,
    /// The segment it reads.
    sequence: u64,
    /// How many bytes of it are gone.
    offset: usize,
    /// When its client may hear no more, if that is known.
    expiry: Option<Expiry>,
    /// Made before the last look at the rendition: no change is missed.
    change: Pin<Box<OwnedNotified>>,
}

impl Live {
    /// Begins with the segment being written, or with the newest whole one if nothing of that is there yet.
    pub(super) fn new(rendition: &Arc<Rendition>, shown: &Shown, busy: Busy, expiry: Option<Expiry>) -> Self {
        let change = Box::pin(rendition.change());
        let sequence = match rendition.tail() {
            Some(tail) if !tail.chunks.is_empty() => tail.sequence,
            _ => shown.newest(),
        };
        Self { listener: rendition.tune_in(), _busy: busy, sequence, offset: 0, expiry, change }
    }

    /// The next bytes, as soon as there are any; `None` when the server stops, or the client's right to them is over.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Pieces>> {
        loop {
            if self.listener.rendition().is_closing() {
                return Poll::Ready(None);
            }
            if self.expiry.as_ref().is_some_and(Expiry::is_over) {
                let rendition = self.listener.rendition().name();
                tracing::debug!(
                    rendition,
                    "an endless stream ends: the address it was asked for by has expired"
                );
                return Poll::Ready(None);
            }
            if let Some(pieces) = self.next() {
                return Poll::Ready(Some(pieces));
            }
            ready!(self.change.as_mut().poll(context));
            let change = self.listener.rendition().change();
            self.change.set(change);
        }
    }

    /// Everything between this client's place and the end of that segment, as far as it is written.
    fn next(&mut self) -> Option<Pieces> {
        let rendition = self.listener.rendition();
        let shown = rendition.shown()?;
        // After the first segment is listed it can take a moment until there is anything of the second.
        let tail = rendition
            .tail()
            .unwrap_or_else(|| Arc::new(Tail { sequence: shown.newest() + 1, chunks: Arc::from([]) }));
        loop {
            match tail.sequence.checked_sub(self.sequence) {
                Some(0) => {
                    let written = length(&tail.chunks);
                    if written < self.offset {
                        // Begun anew under the same number: what was there before is lost.
                        self.offset = 0;
                    }
                    let pieces = Pieces::new(tail.chunks.clone(), self.offset..written);
                    self.offset = written;
                    return pieces.has_remaining().then_some(pieces);
                }
                Some(1..=LAG) => {
                    let segment = shown.segment(self.sequence);
                    if segment.is_none() && shown.newest() < self.sequence {
                        // Complete but not listed yet, which takes but a moment.
                        return None;
                    }
                    let chunks = segment.and_then(|segment| rendition.clear(segment));
                    let pieces = chunks.map(|chunks| {
                        let len = length(&chunks);
                        Pieces::new(chunks, self.offset.min(len)..len)
                    });
                    (self.sequence, self.offset) = (self.sequence + 1, 0);
                    if let Some(pieces) = pieces.filter(Buf::has_remaining) {
                        return Some(pieces);
                    }
                }
                _ => {
                    rendition.skips.increment();
                    (self.sequence, self.offset) = (tail.sequence, 0);
                }
            }
        }
    }
}

fn length(chunks: &[Bytes]) -> usize {
    chunks.iter().map(Bytes::len).sum()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::{Clock, Monotonic, Pts, SimClock, Span, WallTime};
    use crate::container::ts::Join;
    use crate::playlist::{Format, Latency, Style};
    use crate::segment::{Body, Dates, Rate, Segment, Shelf, Snapshot, Tail, TargetDuration};
    use crate::serve::connection::Activity;
    use std::task::Waker;

    pub(in crate::serve) fn rendition() -> Rendition {
        Rendition::new("audio", TargetDuration(2), style(Latency::Ordinary))
    }

    pub(in crate::serve) fn style(latency: Latency) -> Style {
        let format = match latency {
            Latency::Ordinary => Format::TransportStream,
            Latency::Low => Format::Fmp4,
        };
        Style { format, latency, keys: "../keys/".to_owned() }
    }

    /// A segment of two seconds whose bytes are its sequence number, in three pieces.
    pub(in crate::serve) fn segment(sequence: u64) -> Segment {
        let start = Pts::from_ticks(sequence as i64 * 180_000);
        let chunks = pieces(sequence, 3);
        let body = Body { len: length(&chunks), chunks };
        Segment::plain(sequence, start, Span::from_millis(2000), Join::Continuous, body)
    }

    pub(in crate::serve) fn snapshot(listed: Vec<Segment>) -> Snapshot {
        let clock =
            SimClock::new(Monotonic::from_nanos(0), WallTime::from_unix_nanos(1_700_000_000_000_000_000));
        Snapshot {
            listed: listed.into_iter().map(Arc::new).collect(),
            retired: Arc::from([]),
            discontinuity_sequence: 0,
            target: TargetDuration(2),
            dates: Dates::of(&clock.wall()),
            redated: None,
            rate: Rate::default(),
            edge: None,
            markers: Default::default(),
        }
    }

    fn pieces(sequence: u64, count: usize) -> Arc<[Bytes]> {
        (0..count)
            .map(|piece| Bytes::from(format!("{sequence}{} ", char::from(b'a' + piece as u8))))
            .collect()
    }

    /// What the segmenter does: the tail of segment `sequence` has `count` pieces, all before it are listed.
    fn advance(rendition: &Rendition, sequence: u64, count: usize) {
        rendition.list(Arc::new(snapshot((sequence - 3..sequence).map(segment).collect())));
        rendition.extend(Tail { sequence, chunks: pieces(sequence, count) });
    }

    fn tune_in(rendition: &Arc<Rendition>) -> Live {
        let shown = rendition.shown().expect("something is listed");
        Live::new(
            rendition,
            &shown,
            Busy::new(&Arc::new(Activity::new(Monotonic::default())), Monotonic::default()),
            None,
        )
    }

    /// Everything that can be had at once.
    fn drain(live: &mut Live) -> String {
        let mut context = Context::from_waker(Waker::noop());
        let mut text = Vec::new();
        while let Poll::Ready(Some(mut pieces)) = live.poll_next(&mut context) {
            let len = pieces.remaining();
            text.extend_from_slice(&pieces.copy_to_bytes(len));
        }
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn a_client_reads_from_the_segment_being_written_and_goes_on_from_there() {
        let rendition = Arc::new(rendition());
        advance(&rendition, 10, 1);
        let mut live = tune_in(&rendition);
        let steps = [(10, 1, "10a "), (10, 3, "10b 10c "), (10, 3, ""), (11, 0, ""), (11, 2, "11a 11b ")];
        for (sequence, count, expected) in steps {
            advance(&rendition, sequence, count);
            assert_eq!(drain(&mut live), expected, "at {sequence} with {count}");
        }
        advance(&rendition, 13, 1);
        assert_eq!(drain(&mut live), "11c 12a 12b 12c 13a ");
        assert_eq!(rendition.skips.get(), 0);
    }

    #[test]
    fn a_client_begins_with_the_newest_whole_segment_where_nothing_newer_is_there() {
        let rendition = Arc::new(rendition());
        advance(&rendition, 10, 0);
        assert_eq!(drain(&mut tune_in(&rendition)), "9a 9b 9c ");
    }

    #[test]
    fn a_client_need_not_wait_for_a_second_segment_to_hear_the_first() {
        let rendition = Arc::new(rendition());
        rendition.list(Arc::new(snapshot(vec![segment(9)])));
        let mut live = tune_in(&rendition);
        assert_eq!(drain(&mut live), "9a 9b 9c ");
        advance(&rendition, 10, 1);
        assert_eq!(drain(&mut live), "10a ");
    }

    #[test]
    fn a_slow_client_skips_ahead_to_where_a_segment_begins() {
        let rendition = Arc::new(rendition());
        advance(&rendition, 10, 1);
        let mut live = tune_in(&rendition);
        advance(&rendition, 10 + LAG, 1);
        assert!(drain(&mut live).starts_with("10a 10b 10c 11a "), "not yet too slow");
        advance(&rendition, 20, 2);
        assert_eq!(drain(&mut live), "20a 20b ");
        assert_eq!(rendition.skips.get(), 1);
    }

    #[test]
    fn the_tail_may_move_on_before_the_segment_is_listed() {
        let rendition = Arc::new(rendition());
        advance(&rendition, 10, 3);
        let mut live = tune_in(&rendition);
        assert_eq!(drain(&mut live), "10a 10b 10c ");
        rendition.extend(Tail { sequence: 11, chunks: pieces(11, 1) });
        assert_eq!(drain(&mut live), "");
        advance(&rendition, 11, 2);
        assert_eq!(drain(&mut live), "11a 11b ");
    }

    #[test]
    fn a_segment_given_up_and_begun_anew_is_read_from_its_start() {
        let rendition = Arc::new(rendition());
        advance(&rendition, 10, 3);
        let mut live = tune_in(&rendition);
        assert_eq!(drain(&mut live), "10a 10b 10c ");
        advance(&rendition, 10, 1);
        assert_eq!(drain(&mut live), "10a ");
    }

    #[test]
    fn listeners_are_counted_while_they_listen_and_the_stream_ends_with_the_server() {
        let rendition = Arc::new(rendition());
        advance(&rendition, 10, 1);
        let (mut one, two) = (tune_in(&rendition), tune_in(&rendition));
        assert_eq!(rendition.listeners(), 2);
        drop(two);
        assert_eq!(rendition.listeners(), 1);
        drain(&mut one);
        rendition.close();
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(one.poll_next(&mut context), Poll::Ready(None)));
    }
}
