//! What is on a rendition's shelf at one moment, and how it is found there.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;

use super::texts::Texts;
use crate::base::{Pts, Span, Sync, WallTime};
use crate::segment::{Init, Part, PartList, Presence, Segment, Snapshot};

/// What requests are answered from, replaced whole.
pub(super) struct Shown {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) texts: Texts,
}

/// What there is of a part.
pub(super) enum PartOf<'a> {
    /// All of it.
    There(&'a Part),
    /// Nothing: it is the one being made, which playlists hint at.
    Next,
    /// Nothing, and it is not the next.
    Unknown,
}

impl Shown {
    pub(super) fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, texts: Texts::default() }
    }

    /// The sequence number of the newest segment; something is always listed.
    pub(super) fn newest(&self) -> u64 {
        self.snapshot.listed.last().map_or(0, |newest| newest.sequence)
    }

    /// What is fetched as a segment: one that is there, or what stands in for a gap.
    pub(super) fn file(&self, sequence: u64) -> Option<Cow<'_, Segment>> {
        let there = self.segment(sequence).map(|segment| Cow::Borrowed(&**segment));
        there.or_else(|| self.known(sequence)?.filled().map(Cow::Owned))
    }

    /// A segment that is listed, or retired and not yet gone; none that is a gap.
    pub(super) fn segment(&self, sequence: u64) -> Option<&Arc<Segment>> {
        self.known(sequence).filter(|segment| segment.presence == Presence::There)
    }

    fn known(&self, sequence: u64) -> Option<&Arc<Segment>> {
        let find = |segments: &[Arc<Segment>]| {
            segments.binary_search_by_key(&sequence, |segment| segment.sequence).ok()
        };
        let Snapshot { listed, retired, .. } = &*self.snapshot;
        find(listed).map(|at| &listed[at]).or_else(|| find(retired).map(|at| &retired[at]))
    }

    /// A part of the segment being written, or of one that is listed or was; of a gap, too, some may be there.
    pub(super) fn part(&self, sequence: u64, index: u64) -> PartOf<'_> {
        let edge = self.snapshot.edge.as_deref();
        let next = edge.map_or(self.newest() + 1, |edge| edge.sequence);
        let parts = match edge {
            Some(edge) if sequence == next => Some(&edge.parts),
            _ => self.known(sequence).map(|segment| &segment.parts),
        };
        if (sequence, index) == (next, parts.map_or(0, PartList::len) as u64) {
            return PartOf::Next;
        }
        let part = usize::try_from(index).ok().and_then(|index| parts?.get(index));
        part.filter(|part| part.presence == Presence::There).map_or(PartOf::Unknown, PartOf::There)
    }

    /// An initialisation section that something needs which can be fetched.
    pub(super) fn init(&self, number: u64) -> Option<&Arc<Init>> {
        let Snapshot { listed, retired, edge, .. } = &*self.snapshot;
        let segments = listed.iter().rev().chain(retired.iter()).filter_map(|segment| segment.init.as_ref());
        edge.iter().map(|edge| &edge.init).chain(segments).find(|init| init.number == number)
    }

    /// The secret of the key of this number, if a segment that can be fetched is enciphered with it. Most want the
    /// newest.
    pub(super) fn key(&self, number: u64) -> Option<[u8; 16]> {
        let Snapshot { listed, retired, .. } = &*self.snapshot;
        let keys = listed.iter().rev().chain(retired.iter().rev()).filter_map(|segment| segment.key.as_ref());
        keys.filter(|key| key.number == number).map(|key| key.secret).next()
    }

    /// Whether a playlist of it names keys.
    pub(super) fn is_enciphered(&self) -> bool {
        let Snapshot { listed, retired, .. } = &*self.snapshot;
        listed.iter().rev().chain(retired.iter()).any(|segment| segment.key.is_some())
    }

    /// When what begins at `start` and lasts for `duration` was complete; only if the clock is to be believed.
    pub(super) fn completed(&self, start: Pts, duration: Span) -> Option<Timestamp> {
        let dates = &self.snapshot.dates;
        matches!(dates.sync, Sync::Synchronised).then(|| timestamp(dates.end(start, duration))).flatten()
    }

    /// When the newest segment was complete; only if the clock is to be believed.
    pub(super) fn modified(&self) -> Option<Timestamp> {
        self.snapshot.listed.last().and_then(|newest| self.completed(newest.start, newest.duration))
    }

    /// From when to when there is something kept.
    pub(super) fn extent(&self) -> Option<(WallTime, WallTime)> {
        let (dates, [retired, listed]) = (&self.snapshot.dates, self.snapshot.kept());
        let (first, last) = (retired.iter().chain(listed).next()?, listed.last()?);
        Some((dates.at(first.start), dates.end(last.start, last.duration)))
    }
}

fn timestamp(wall: WallTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(wall.as_unix_nanos())).ok()
}

#[cfg(test)]
mod tests {
    use super::super::live::tests::{rendition, segment, snapshot};
    use super::*;
    use crate::container::ts::Join;
    use crate::media::Entry;
    use crate::segment::{Body, Edge, Shelf};
    use bytes::Bytes;

    #[test]
    fn listed_and_retired_segments_are_found_and_gaps_as_what_stands_in_for_them() {
        let rendition = rendition();
        let gap = Segment { presence: Presence::Gap, ..segment(8) };
        let mut shelf = snapshot(vec![segment(7), gap, segment(9)]);
        shelf.retired = Arc::from([Arc::new(segment(5)), Arc::new(segment(6))]);
        rendition.list(Arc::new(shelf));
        let shown = rendition.shown().expect("listed");
        for sequence in 0..12 {
            let found = shown.segment(sequence).map(|segment| segment.sequence);
            assert_eq!(found, [5, 6, 7, 9].contains(&sequence).then_some(sequence));
            let file = shown.file(sequence).map(|file| (file.sequence, file.presence));
            let presence = if sequence == 8 { Presence::Gap } else { Presence::There };
            assert_eq!(file, (5..10).contains(&sequence).then_some((sequence, presence)));
        }
    }

    #[test]
    fn parts_are_there_or_next_or_unknown() {
        let parted = |sequence, count| Segment { parts: parts(count), ..segment(sequence) };
        let init = |number| Arc::new(Init { number, bytes: Bytes::from_static(b"init") });
        let edge = |sequence, count| Edge {
            sequence,
            start: Pts::default(),
            join: Join::Continuous,
            init: init(2),
            parts: parts(count),
            part_target: Span::from_millis(210),
        };
        let shelf = |edge: Option<Edge>| {
            let listed = Segment { init: Some(init(1)), ..parted(8, 3) };
            let mut snapshot = snapshot(vec![parted(7, 2), listed]);
            snapshot.retired = Arc::from([Arc::new(parted(6, 2))]);
            snapshot.edge = edge.map(Arc::new);
            Shown::new(Arc::new(snapshot))
        };
        /// Segments and parts that are there, and the one that is next.
        type Case = (Option<(u64, usize)>, &'static [(u64, u64)], (u64, u64));
        let table: [Case; 3] = [
            (None, &[(6, 0), (6, 1), (7, 0), (7, 1), (8, 0), (8, 1), (8, 2)], (9, 0)),
            (Some((9, 0)), &[(6, 0), (6, 1), (7, 0), (7, 1), (8, 0), (8, 1), (8, 2)], (9, 0)),
            (Some((9, 2)), &[(6, 0), (6, 1), (7, 0), (7, 1), (8, 0), (8, 1), (8, 2), (9, 0), (9, 1)], (9, 2)),
        ];
        for (written, there, next) in table {
            let shown = shelf(written.map(|(sequence, count)| edge(sequence, count)));
            for number in (5..12).flat_map(|sequence| (0..5).map(move |part| (sequence, part))) {
                match shown.part(number.0, number.1) {
                    PartOf::There(_) => assert!(there.contains(&number), "{written:?} {number:?}"),
                    PartOf::Next => assert_eq!(number, next, "{written:?}"),
                    PartOf::Unknown => assert!(!there.contains(&number) && number != next, "{number:?}"),
                }
            }
            assert!(matches!(shown.part(u64::MAX, u64::MAX), PartOf::Unknown));
            let found = [0, 1, 2].map(|number| shown.init(number).is_some());
            assert_eq!(found, [false, true, written.is_some()]);
        }
    }

    fn parts(count: usize) -> PartList {
        let (start, duration) = (Pts::default(), Span::from_millis(200));
        let (entry, presence, body) = (Entry::Key, Presence::There, Body::default());
        vec![Part { start, duration, entry, presence, body }; count].into_iter().collect()
    }
}
