//! Everything, in a transport stream for each hour.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::Folder;
use super::{KeepStats, Moment, Outlook, Progress, Task, WRITE};
use crate::base::{Pts, Span, WallTime};
use crate::clip::Kind;
use crate::segment::{Presence, Segment, Snapshot, crypt};

/// The longest that anything waits for being written: what a power cut may cost.
const DELAY: Span = Span::from_millis(10_000);
const HOUR_NANOS: i64 = 3_600_000_000_000;

/// One file after the other.
pub(super) struct Hours {
    plan: Plan,
    open: Option<Open>,
    /// The first segment that is not written, and where it begins, once there was one.
    next: Option<(u64, Pts)>,
    stats: Arc<KeepStats>,
}

/// When something is written, and where to.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// How long segments wait for each other.
    delay: Span,
    /// The largest file: the bound of all must not hang on one.
    largest: u64,
}

/// The file being written. It is closed between two writes, so that its disk can be taken away.
#[derive(Clone, Debug)]
struct Open {
    path: PathBuf,
    state: Filled,
}

/// What is in a file: of which hour, and how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Filled {
    hour: i64,
    bytes: u64,
}

/// What is to be written at one time.
#[derive(Debug, PartialEq, Eq)]
struct Batch {
    /// How many segments.
    count: usize,
    /// Whether it goes on in the file that is open.
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    GoesOn,
    Anew,
}

/// What is known of a segment to decide on.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    hour: i64,
    length: Span,
    bytes: u64,
}

fn hour(at: WallTime) -> i64 {
    at.as_unix_nanos().div_euclid(HOUR_NANOS)
}

impl Hours {
    /// Where so many bytes may lie, and the window is so long.
    pub(super) fn new(bytes: u64, window: Span, stats: &Arc<KeepStats>) -> Self {
        Self { plan: Plan::of(bytes, window), open: None, next: None, stats: Arc::clone(stats) }
    }
}

impl Task for Hours {
    fn renew(&mut self, bytes: u64, window: Span) {
        self.plan = Plan::of(bytes, window);
        // Goes on in another file.
        self.open = None;
    }

    fn open(&self) -> Option<&Path> {
        self.open.as_ref().map(|open| &*open.path)
    }

    fn follow(&mut self, snapshot: &Snapshot) {
        let Some(oldest) = all(snapshot).next() else { return };
        let (next, start) = *self.next.get_or_insert((oldest.sequence, oldest.start));
        if oldest.sequence > next {
            self.stats.lose(oldest.start - start);
            self.next = Some((oldest.sequence, oldest.start));
        }
    }

    fn write(&mut self, snapshot: Arc<Snapshot>, folder: &Folder, now: &Moment) -> io::Result<Progress> {
        let Some((next, _)) = self.next else { return Ok(Progress::Idle) };
        let there = |it: &&Arc<Segment>| it.sequence >= next && it.presence == Presence::There;
        let segments: Vec<_> = all(&snapshot).filter(there).cloned().collect();
        let dates = snapshot.dates;
        drop(snapshot);
        let waiting = |it: &Arc<Segment>| {
            let (hour, bytes) = (hour(dates.at(it.start)), it.body.len as u64);
            Waiting { hour, length: it.duration, bytes }
        };
        let waiting: Vec<_> = segments.iter().map(waiting).collect();
        let Some(Batch { count, place }) =
            self.plan.due(&waiting, self.open.as_ref().map(|it| it.state), now.outlook)
        else {
            return Ok(Progress::Idle);
        };
        let batch = &segments[..count];
        let mut bytes = Vec::with_capacity(batch.iter().map(|it| it.body.len).sum());
        for segment in batch {
            // A key that does not fit its segment is none of the disk's trouble.
            let chunks = crypt::clear(segment).unwrap_or_default();
            chunks.iter().for_each(|chunk| bytes.extend_from_slice(chunk));
        }
        let (first, last) = (&batch[0], &batch[count - 1]);
        let (begun, after) = (dates.at(first.start), (last.sequence + 1, last.start + last.duration));
        drop(segments);
        if place == Place::Anew {
            self.open = None;
        }
        let open = self.open.take();
        let path = open.as_ref().map(|it| it.path.clone());
        let mut target = Target { open, folder, begun };
        let written =
            folder.with_room(bytes.len() as u64, path.as_deref(), &now.wall, || target.append(&bytes));
        self.open = target.open;
        written?;
        self.next = Some(after);
        Ok(Progress::Wrote)
    }
}

/// Where a batch goes: to what is open, or to a new file.
struct Target<'a> {
    open: Option<Open>,
    folder: &'a Folder,
    begun: WallTime,
}

impl Target<'_> {
    /// Writes it onto the disk, all of it or nothing.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut file, open) = match self.open.take().map(|open| Ok((again(&open)?, open))) {
            Some(Ok((Some(file), open))) => (file, open),
            Some(Err(error)) => return Err(error),
            Some(Ok((None, _))) | None => {
                let (file, path) = self.folder.create(self.begun, Kind::Ts)?;
                (file, Open { path, state: Filled { hour: hour(self.begun), bytes: 0 } })
            }
        };
        let before = open.state.bytes;
        match file.write_all(bytes).and_then(|()| file.sync_data()) {
            Ok(()) => {
                let state = Filled { bytes: before + bytes.len() as u64, ..open.state };
                self.open = Some(Open { state, ..open });
                Ok(())
            }
            Err(error) => {
                // Nobody knows how much of it is there.
                let as_before = if before == 0 { fs::remove_file(&open.path) } else { file.set_len(before) };
                self.open = as_before.ok().filter(|()| before > 0).map(|()| open);
                Err(error)
            }
        }
    }
}

/// The file that is open, to go on with; `None` if it is not what it was.
fn again(open: &Open) -> io::Result<Option<File>> {
    match OpenOptions::new().append(true).open(&open.path) {
        Ok(file) => Ok((file.metadata()?.len() == open.state.bytes).then_some(file)),
        Err(gone) if gone.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// All that can be fetched, oldest first.
fn all(snapshot: &Snapshot) -> impl Iterator<Item = &Arc<Segment>> {
    snapshot.retired.iter().chain(&*snapshot.listed)
}

impl Plan {
    fn of(bytes: u64, window: Span) -> Self {
        Self { delay: DELAY.min(Span::from_ticks(window.ticks() / 2)), largest: bytes / 4 }
    }

    /// What is to be written of what waits, in its order: enough of it for one write, what has waited long enough, or what
    /// ends a file; in the end, what there is.
    fn due(&self, waiting: &[Waiting], open: Option<Filled>, outlook: Outlook) -> Option<Batch> {
        let first = waiting.first()?;
        let goes_on = |it: &Filled| it.hour == first.hour && it.bytes + first.bytes <= self.largest;
        let (place, before) = match open.filter(goes_on) {
            Some(open) => (Place::GoesOn, open.bytes),
            None => (Place::Anew, 0),
        };
        let (mut count, mut bytes, mut length) = (0, 0, Span::ZERO);
        for it in waiting {
            let full = before + bytes + it.bytes > self.largest;
            if count > 0 && (full || it.hour != first.hour) {
                return Some(Batch { count, place });
            }
            (count, bytes, length) = (count + 1, bytes + it.bytes, length + it.length);
            if bytes >= WRITE as u64 {
                return Some(Batch { count, place });
            }
        }
        (length >= self.delay || outlook == Outlook::Last).then_some(Batch { count, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_something_is_written_and_where_to() {
        use Outlook::{GoesOn as On, Last};
        use Place::{Anew, GoesOn};
        let plan = Plan { delay: Span::from_millis(10_000), largest: 3 * WRITE as u64 };
        let kib = |hour, count: u64| Waiting { hour, length: Span::from_millis(2_000), bytes: count * 1024 };
        let at = |hour, kib: u64| Some(Filled { hour, bytes: kib * 1024 });
        let small = |hour, count: usize| vec![kib(hour, 16); count];
        let turning = [small(7, 2), small(8, 3)].concat();
        // What waits, what is open; how many are written, and where to.
        let table = [
            (vec![], None, Last, None),
            (small(7, 4), None, On, None),
            (small(7, 4), None, Last, Some((4, Anew))),
            (small(7, 5), None, On, Some((5, Anew))),
            (small(7, 5), at(7, 900), On, Some((5, GoesOn))),
            (small(7, 5), at(6, 900), On, Some((5, Anew))),
            (small(7, 5), at(8, 900), On, Some((5, Anew))),
            (turning.clone(), at(7, 900), On, Some((2, GoesOn))),
            (turning, None, On, Some((2, Anew))),
            (vec![kib(7, 400); 4], at(7, 10), On, Some((3, GoesOn))),
            (vec![kib(7, 5000); 2], None, On, Some((1, Anew))),
            (vec![kib(7, 500); 2], at(7, 3072 - 500), On, Some((1, GoesOn))),
            (vec![kib(7, 500); 2], at(7, 3072 - 499), On, None),
            (vec![kib(7, 500); 3], at(7, 3072 - 499), On, Some((3, Anew))),
        ];
        for (waiting, open, outlook, expected) in table {
            let found = plan.due(&waiting, open, outlook);
            let expected = expected.map(|(count, place)| Batch { count, place });
            assert_eq!(found, expected, "{waiting:?} {open:?} {outlook:?}");
        }
    }
}
