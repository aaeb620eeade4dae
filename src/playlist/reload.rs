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
