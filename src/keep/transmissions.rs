//! Each transmission as a file of its own.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::folder::Folder;
use super::{KeepStats, Moment, Outlook, Progress, Task};
use crate::base::{Pts, Span};
use crate::clip::{self, Kind};
use crate::media::marker::{Marker, MarkerId, MarkerKind};
use crate::segment::{Segment, Snapshot};
use crate::timeline::{Change, Revision, Timeline};

/// A clip that lacks less than that at its end lacks nothing: units do not end where a transmission does.
const SHORT: Span = Span::from_millis(200);

/// The transmissions that are still to be written.
pub(super) struct Transmissions {
    timeline: Arc<Timeline>,
    /// What is known of it.
    revision: Revision,
    kind: Kind,
    queue: Queue,
    stats: Arc<KeepStats>,
}

impl Transmissions {
    /// Those that this timeline tells of from now on, in files of at most `piece`.
    pub(super) fn new(timeline: &Arc<Timeline>, kind: Kind, piece: Span, stats: &Arc<KeepStats>) -> Self {
        let (timeline, stats) = (Arc::clone(timeline), Arc::clone(stats));
        let revision = timeline.shown().revision;
        Self { timeline, revision, kind, queue: Queue::new(piece), stats }
    }
}

impl Task for Transmissions {
    fn follow(&mut self, snapshot: &Snapshot) {
        let (revision, changes) = self.timeline.since(self.revision, usize::MAX);
        self.revision = revision;
        let set = |change| match change {
            (_, Change::Set(marker)) => Some(marker),
            (_, Change::Removed(_)) => None,
        };
        match changes {
            Some(changes) => changes.into_iter().filter_map(set).for_each(|it| self.queue.hear(&it)),
            // Too much has happened since: what is still known of it.
            None => self.timeline.shown().markers.iter().for_each(|it| self.queue.hear(it)),
        }
        if let Some(kept) = snapshot.span() {
            self.stats.lose(self.queue.forget_before(kept.start));
        }
    }

    fn write(&mut self, snapshot: Arc<Snapshot>, folder: &Folder, now: &Moment) -> io::Result<Progress> {
        let Some(kept) = snapshot.span() else { return Ok(Progress::Idle) };
        let Some(span) = self.queue.due(kept, now.outlook) else { return Ok(Progress::Idle) };
        let segments: Vec<_> = snapshot.kept().into_iter().flatten().cloned().collect();
        let Ok(clip) = clip::cut(&segments, span.clone(), self.kind) else {
            // There is nothing of that time: it is a gap.
            self.stats.lose(span.end - span.start);
            self.queue.done(span.end);
            return Ok(Progress::Wrote);
        };
        let begun = snapshot.dates.at(clip.span.start);
        let needed = |it: &Arc<Segment>| clip.pieces.iter().any(|piece| piece.sequence == it.sequence);
        let segments: Vec<_> = segments.into_iter().filter(needed).collect();
        drop(snapshot);
        let size = clip.size() as u64;
        folder.with_room(size, None, &now.wall, || {
            folder.save(begun, self.kind, |file| {
                file.write_all(&clip.head)?;
                clip.pieces.iter().zip(&segments).try_for_each(|(piece, segment)| {
                    let bytes = piece.bytes(segment);
                    file.write_all(&bytes.ok_or_else(|| io::Error::other("a segment cannot be read"))?)
                })
            })
        })?;
        let lacking = span.end - clip.span.end;
        if lacking > SHORT {
            self.stats.lose(lacking);
        }
        self.queue.done(span.end);
        Ok(Progress::Wrote)
    }
}

/// What is wanted, and how far it has come.
struct Queue {
    wishes: VecDeque<Wish>,
    /// Where the newest began.
    newest: Option<Pts>,
    piece: Span,
}

/// A transmission, or what is left of it.
#[derive(Clone, Debug, PartialEq)]
struct Wish {
    id: MarkerId,
    /// What is not written yet, with air around it.
    from: Pts,
    /// `None` while it goes on.
    to: Option<Pts>,
}

impl Queue {
    fn new(piece: Span) -> Self {
        Self { wishes: VecDeque::new(), newest: None, piece }
    }

    /// Takes a marker as it is now. One transmission follows the other.
    fn hear(&mut self, marker: &Marker) {
        if marker.kind != MarkerKind::TRANSMISSION {
            return;
        }
        let to = marker.to.map(|to| to + clip::AFTER);
        match self.wishes.iter_mut().rfind(|wish| wish.id == marker.id) {
            Some(wish) => wish.to = to.or(wish.to),
            None if self.newest >= Some(marker.from) => {}
            None => {
                // If nobody has told its end, it is over by now.
                if let Some(last) = self.wishes.back_mut() {
                    last.to.get_or_insert(marker.from);
                }
                self.newest = Some(marker.from);
                let (id, from) = (marker.id.clone(), marker.from - clip::BEFORE);
                self.wishes.push_back(Wish { id, from, to });
            }
        }
    }

    /// Gives up what lies before the window; says how much that is. The air before a transmission is no loss.
    fn forget_before(&mut self, start: Pts) -> Span {
        let mut lost = Span::ZERO;
        for wish in &mut self.wishes {
            let gone = start.min(wish.to.unwrap_or(start)) - wish.from;
            if gone > Span::ZERO {
                lost += if gone > clip::BEFORE { gone } else { Span::ZERO };
                wish.from += gone;
            }
        }
        self.wishes.retain(|wish| wish.to.is_none_or(|to| to > wish.from));
        lost
    }

    /// The next piece that is there as a whole; in the end, what there is.
    fn due(&self, kept: Range<Pts>, outlook: Outlook) -> Option<Range<Pts>> {
        let wish = self.wishes.front()?;
        let full = wish.from + self.piece;
        let end = wish.to.map_or(full, |to| to.min(full));
        let end = match outlook {
            Outlook::GoesOn => end,
            Outlook::Last => end.min(kept.end),
        };
        (end <= kept.end && wish.from < end).then_some(wish.from..end)
    }

    /// The first is written up to there.
    fn done(&mut self, until: Pts) {
        if let Some(wish) = self.wishes.front_mut() {
            wish.from = until;
            if wish.to.is_some_and(|to| to <= until) {
                self.wishes.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Pts {
        Pts::default() + Span::from_millis(millis)
    }

    fn marker(count: u64, from: i64, to: Option<i64>) -> Marker {
        let (id, kind) = (MarkerId::new(1, count), MarkerKind::TRANSMISSION);
        Marker { id, kind, from: at(from), to: to.map(at), level: None, label: None, edition: 0 }
    }

    fn queue(markers: &[Marker]) -> Queue {
        let mut queue = Queue::new(Span::from_millis(60_000));
        markers.iter().for_each(|it| queue.hear(it));
        queue
    }

    /// What is written when the window has come to these ends, one after the other.
    fn written(queue: &mut Queue, ends: &[i64], outlook: Outlook) -> Vec<(i64, i64)> {
        let mut all = Vec::new();
        for end in ends {
            while let Some(span) = queue.due(at(0)..at(*end), outlook) {
                all.push((span.start.ticks() / 90, span.end.ticks() / 90));
                queue.done(span.end);
            }
        }
        all
    }

    #[test]
    fn a_transmission_is_written_when_it_is_there_with_its_air() {
        use Outlook::{GoesOn, Last};
        let begun = || queue(&[marker(1, 10_000, None)]);
        let over = || queue(&[marker(1, 10_000, None), marker(1, 10_000, Some(12_000))]);
        type Case<'a> = (Queue, &'a [i64], Outlook, &'a [(i64, i64)]);
        let table: [Case<'_>; 9] = [
            (begun(), &[30_000], GoesOn, &[]),
            (begun(), &[30_000], Last, &[(9_700, 30_000)]),
            (begun(), &[80_000], GoesOn, &[(9_700, 69_700)]),
            (begun(), &[140_000], GoesOn, &[(9_700, 69_700), (69_700, 129_700)]),
            (over(), &[12_400], GoesOn, &[]),
            (over(), &[12_400, 12_500, 20_000], GoesOn, &[(9_700, 12_500)]),
            (over(), &[12_400], Last, &[(9_700, 12_400)]),
            (
                queue(&[marker(1, 1_000, Some(2_000)), marker(2, 5_000, Some(65_000))]),
                &[70_000],
                GoesOn,
                &[(700, 2_500), (4_700, 64_700), (64_700, 65_500)],
            ),
            (
                queue(&[marker(1, 1_000, None), marker(2, 5_000, Some(6_000)), marker(1, 1_000, None)]),
                &[4_000, 70_000],
                GoesOn,
                &[(700, 5_000), (4_700, 6_500)],
            ),
        ];
        for (mut queue, ends, outlook, expected) in table {
            assert_eq!(written(&mut queue, ends, outlook), expected, "{ends:?} {outlook:?}");
        }
    }

    #[test]
    fn what_is_told_again_is_not_written_again() {
        let over = marker(1, 1_000, Some(2_000));
        let mut queue = queue(std::slice::from_ref(&over));
        assert_eq!(written(&mut queue, &[5_000], Outlook::GoesOn).len(), 1);
        queue.hear(&over);
        assert_eq!(written(&mut queue, &[9_000], Outlook::Last), []);
    }

    #[test]
    fn other_markers_are_nothing_to_it() {
        let motion = Marker { kind: MarkerKind::MOTION, ..marker(1, 0, Some(1_000)) };
        assert!(queue(&[motion]).wishes.is_empty());
    }

    #[test]
    fn what_leaves_the_window_is_lost_and_counted() {
        let all =
            || queue(&[marker(1, 1_000, Some(2_000)), marker(2, 5_000, Some(8_000)), marker(3, 9_000, None)]);
        // Where the window begins; what is lost, how many are left, and where the first of those goes on.
        for (start, lost, left, from) in [
            (500, 0, 3, 700),
            (900, 0, 3, 900),
            (1_500, 800, 3, 1_500),
            (3_000, 1_800, 2, 4_700),
            (5_700, 1_800 + 1_000, 2, 5_700),
            (8_800, 1_800 + 3_800, 1, 8_800),
            (19_700, 1_800 + 3_800 + 11_000, 1, 19_700),
        ] {
            let mut queue = all();
            let found = queue.forget_before(at(start));
            assert_eq!((found, queue.wishes.len()), (Span::from_millis(lost), left), "{start}");
            assert_eq!(queue.wishes[0].from, at(from), "{start}");
            assert_eq!(queue.forget_before(at(start)), Span::ZERO, "counted once");
        }
    }
}
