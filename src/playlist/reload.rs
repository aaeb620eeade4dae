//! Whether a request for a playlist is answered now (rfc8216bis, 6.2.5.2).

use super::query::{Awaited, Directives};
use crate::base::time::TICKS_PER_SECOND;
use crate::segment::Snapshot;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The playlist has what it asks for, or had.
    Ready,
    /// It will have it soon: hold the request.
    Wait,
    /// It asks for what no reader of the playlist can know of: a bad request.
    TooFar,
}

/// Judges a request for a playlist whose readers may have their requests held.
pub fn judge(snapshot: &Snapshot, directives: &Directives) -> Verdict {
    let Some(Awaited { sequence, part }) = directives.awaits else { return Verdict::Ready };
    // One may wait for the first segment of all, whatever its number will be.
    let Some(next) = next(snapshot) else { return Verdict::Wait };
    // The last segment, which is the one before the next, and two.
    if sequence > next.saturating_add(1) {
        return Verdict::TooFar;
    }
    let Some(part) = part else {
        return if sequence < next { Verdict::Ready } else { Verdict::Wait };
    };
    let there = snapshot.edge.as_ref().map_or(0, |edge| edge.parts.len() as u64);
    if sequence < next {
        // Past the end of a complete segment, it is part 0 of the following one.
        let complete = snapshot.listed.iter().rev().find(|it| it.sequence == sequence);
        let past = complete.is_some_and(|it| part >= it.parts.len() as u64);
        return if past && sequence + 1 == next && there == 0 { Verdict::Wait } else { Verdict::Ready };
    }
    // Of the segment after the next, all that is still to come of the next lies before.
    let beyond =
        if sequence == next { part.saturating_add(1).saturating_sub(there) } else { part.saturating_add(1) };
    match beyond {
        0 => Verdict::Ready,
        beyond if beyond <= advance_part_limit(snapshot) => Verdict::Wait,
        _ => Verdict::TooFar,
    }
}

/// Media sequence number of the segment that comes after the last complete one.
fn next(snapshot: &Snapshot) -> Option<u64> {
    let edge = snapshot.edge.as_ref().map(|edge| edge.sequence);
    edge.or_else(|| snapshot.listed.last().map(|last| last.sequence + 1))
}

/// How many parts ahead one may ask: those of three seconds, or three.
fn advance_part_limit(snapshot: &Snapshot) -> u64 {
    let target = snapshot.edge.as_ref().map_or(TICKS_PER_SECOND, |edge| edge.part_target.ticks());
    let limit = 3 * TICKS_PER_SECOND / target.clamp(1, TICKS_PER_SECOND);
    u64::try_from(limit).unwrap_or(3)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::Verdict::{Ready, TooFar, Wait};
    use super::*;
    use crate::base::{Monotonic, Pts, Span, Sync, WallReading, WallTime};
    use crate::container::ts::Join;
    use crate::media::Entry;
    use crate::segment::{Body, Dates, Edge, Init, Part, PartList, Presence, Rate, Segment, TargetDuration};

    fn parts(count: usize) -> PartList {
        let (start, duration, entry) = (Pts::default(), Span::from_millis(400), Entry::Key);
        vec![Part { start, duration, entry, presence: Presence::There, body: Body::default() }; count]
            .into_iter()
            .collect()
    }

    /// Segments 100 to 102 of five parts, and `count` parts of 103.
    fn snapshot(edge: Option<usize>) -> Snapshot {
        let (monotonic, wall) = (Monotonic::default(), WallTime::default());
        let whole = |sequence| {
            let (start, duration) = (Pts::default(), Span::from_millis(2000));
            let plain = Segment::plain(sequence, start, duration, Join::Continuous, Body::default());
            Arc::new(Segment { parts: parts(5), ..plain })
        };
        let edge = edge.map(|count| Edge {
            sequence: 103,
            start: Pts::default(),
            join: Join::Continuous,
            init: Arc::new(Init { number: 0, bytes: Default::default() }),
            parts: parts(count),
            part_target: Span::from_millis(440),
        });
        Snapshot {
            listed: (100..103).map(whole).collect(),
            retired: Arc::from([]),
            discontinuity_sequence: 0,
            target: TargetDuration(2),
            dates: Dates::of(&WallReading {
                monotonic,
                wall,
                sync: Sync::Synchronised,
                suspended: Duration::ZERO,
            }),
            redated: None,
            rate: Rate::default(),
            edge: edge.map(Arc::new),
            markers: Default::default(),
        }
    }

    fn asked(snapshot: &Snapshot, sequence: u64, part: Option<u64>) -> Verdict {
        let directives = Directives { awaits: Some(Awaited { sequence, part }), ..Directives::default() };
        judge(snapshot, &directives)
    }

    #[test]
    fn what_is_there_is_told_and_what_is_to_come_is_awaited() {
        // Six parts ahead are those of three seconds: 3 / 0.44.
        let table = [
            // No segment too old, listed or not.
            (0, 0, None, Ready),
            (0, 0, Some(u64::MAX), Ready),
            (0, 102, None, Ready),
            (0, 102, Some(4), Ready),
            // Segments, and the last one's number and two.
            (2, 103, None, Wait),
            (2, 104, None, Wait),
            (2, 105, None, TooFar),
            (2, u64::MAX, None, TooFar),
            (2, u64::MAX, Some(0), TooFar),
            // Parts.
            (2, 103, Some(1), Ready),
            (2, 103, Some(2), Wait),
            (2, 103, Some(7), Wait),
            (2, 103, Some(8), TooFar),
            (2, 103, Some(u64::MAX), TooFar),
            (0, 103, Some(0), Wait),
            // Part 0 of the following segment, asked for by another name.
            (0, 102, Some(5), Wait),
            (0, 102, Some(u64::MAX), Wait),
            (1, 102, Some(5), Ready),
            (0, 101, Some(5), Ready),
            // Of the segment after the next.
            (2, 104, Some(0), Wait),
            (2, 104, Some(5), Wait),
            (2, 104, Some(6), TooFar),
            (2, 104, Some(u64::MAX), TooFar),
        ];
        for (count, sequence, part, verdict) in table {
            let found = asked(&snapshot(Some(count)), sequence, part);
            assert_eq!(found, verdict, "{count} parts of 103, asked for {sequence} {part:?}");
        }
        assert_eq!(judge(&snapshot(Some(0)), &Directives::default()), Ready);
    }

    #[test]
    fn segments_may_be_awaited_without_parts() {
        let none = snapshot(None);
        let table = [(102, None, Ready), (103, None, Wait), (104, None, Wait), (105, None, TooFar)];
        for (sequence, part, verdict) in table {
            assert_eq!(asked(&none, sequence, part), verdict, "{sequence} {part:?}");
        }
        assert_eq!(asked(&none, 103, Some(2)), Wait);
        assert_eq!(asked(&none, 103, Some(3)), TooFar);
        assert_eq!(asked(&Snapshot { listed: Arc::from([]), ..none }, 7, Some(9)), Wait);
    }
}
