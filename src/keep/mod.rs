//! Recording to a folder: transmissions as files of their own, or everything, by the hour.
//!
//! Belongs here: which part of the window goes into which file, writing it, and keeping the folder within its bounds.
//! Does not: how a clip is made (`clip`), or what a stream's window is (`segment`).
//!
//! A plain thread for each stream looks at the newest snapshot now and then. The window is its buffer: what is not
//! written yet is read from there when its time has come, so a slow disk costs no memory, and makes nobody wait.

mod folder;
mod hours;
mod name;
mod transmissions;
mod trouble;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytesize::ByteSize;

use self::folder::Folder;
use self::hours::Hours;
use self::transmissions::Transmissions;
use self::trouble::Trouble;
use crate::base::{Clock, Counter, Gauge, Monotonic, Span, Stop, WallReading};
use crate::clip::Kind;
use crate::segment::Snapshot;
use crate::timeline::Timeline;

pub use self::trouble::Cause;

/// How often the window is looked at: far more often than anything leaves it.
const LOOK: Duration = Duration::from_secs(1);
/// How often the folder is looked at although nothing is to be written: what is too old goes, trouble is noticed.
const ROUND: Duration = Duration::from_secs(60);
/// So much is written at one time, if there is as much.
const WRITE: usize = 1 << 20;
/// The longest file of a transmission; a longer one has several.
const LONGEST: Span = Span::from_millis(10 * 60_000);

/// What is kept of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// Each transmission, as a file of its own.
    Transmissions,
    /// All of it, in a transport stream for each hour.
    Everything,
}

impl What {
    /// As it is configured.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transmissions => "transmissions",
            Self::Everything => "everything",
        }
    }
}

/// How a stream is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where; it is never made, so that nothing is written to what lies below a disk that is not there.
    pub folder: PathBuf,
    /// What.
    pub what: What,
    /// Bytes of all its files.
    pub bytes: ByteSize,
    /// How long after its beginning a file goes.
    pub age: Option<Span>,
}

impl Settings {
    /// The longest file of a transmission where the window is so long: half of it, so that there is time to write it.
    pub fn piece(window: Span) -> Span {
        LONGEST.min(Span::from_ticks(window.ticks() / 2))
    }
}

/// Figures of what is kept of one stream.
#[derive(Debug, Default)]
pub struct KeepStats {
    /// Files in the folder that are this stream's.
    pub files: Gauge,
    /// Their bytes.
    pub bytes: Gauge,
    /// Milliseconds of what was to be kept and was not.
    pub lost: Counter,
    /// What keeps it from writing, if anything does.
    pub cause: Cause,
}

impl KeepStats {
    /// Counts what was to be kept and is gone; less than a frame is nothing.
    fn lose(&self, span: Span) {
        self.lost.add(span.to_duration().as_millis() as u64);
    }
}

/// Where the newest snapshot is had from; `None` while there is none.
pub type Source = Box<dyn Fn() -> Option<Arc<Snapshot>> + Send>;

/// Writes the files of one stream.
pub struct Writer {
    stream: String,
    source: Source,
    kind: Kind,
    window: Span,
    timeline: Arc<Timeline>,
    /// As it is to be kept, and as it is.
    wanted: Arc<ArcSwap<Settings>>,
    settings: Arc<Settings>,
    folder: Folder,
    task: Box<dyn Task>,
    stats: Arc<KeepStats>,
    trouble: Trouble,
    /// When the folder was looked at last.
    looked: Option<Monotonic>,
}

/// What becomes of the window.
trait Task: Send {
    /// Takes what is new, and counts what has left the window.
    fn follow(&mut self, snapshot: &Snapshot);

    /// All files may take so many bytes from now on, where the window is so long.
    fn renew(&mut self, _bytes: u64, _window: Span) {}

    /// Writes what is due next, if anything is.
    fn write(&mut self, snapshot: Arc<Snapshot>, folder: &Folder, now: &Moment) -> io::Result<Progress>;

    /// The file that is written from one look to the next.
    fn open(&self) -> Option<&Path> {
        None
    }
}

/// One look: what time it is, for what is too old, and whether another follows.
struct Moment {
    wall: WallReading,
    outlook: Outlook,
}

/// Whether there will be another look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlook {
    GoesOn,
    Last,
}

impl Writer {
    /// Of the stream `name`, out of snapshots of one of its renditions, whose window is so long; transmissions become
    /// files of `kind`. What is `wanted` may change.
    pub fn new(
        name: &str,
        wanted: &Arc<ArcSwap<Settings>>,
        window: Span,
        kind: Kind,
        timeline: &Arc<Timeline>,
        source: Source,
    ) -> Self {
        let (settings, stats) = (wanted.load_full(), Arc::<KeepStats>::default());
        Self {
            stream: name.to_owned(),
            source,
            kind,
            window,
            timeline: Arc::clone(timeline),
            wanted: Arc::clone(wanted),
            folder: Folder::new(name, &settings, &stats),
            task: task(&settings, window, kind, timeline, &stats),
            trouble: Trouble::new(name, &settings.folder, &stats),
            settings,
            stats,
            looked: None,
        }
    }

    /// Goes over to what is wanted now, if that is something else. What was not written yet is written as is wanted now.
    fn renew(&mut self) {
        let wanted = self.wanted.load_full();
        let before = std::mem::replace(&mut self.settings, wanted);
        if self.settings == before {
            return;
        }
        let Self { stream, settings, kind, window, timeline, stats, .. } = self;
        self.folder = Folder::new(stream, settings, stats);
        self.trouble = Trouble::new(stream, &settings.folder, stats);
        stats.cause.clear();
        self.looked = None;
        if settings.what == before.what {
            self.task.renew(settings.bytes.0, *window);
        } else {
            self.task = task(settings, *window, *kind, timeline, stats);
        }
    }

    /// Its figures.
    pub fn stats(&self) -> Arc<KeepStats> {
        Arc::clone(&self.stats)
    }

    /// Writes until stopped, and then what there still is.
    pub fn run(mut self, clock: &dyn Clock, stop: &Stop) {
        while !stop.wait(LOOK) {
            self.renew();
            self.look(clock, Outlook::GoesOn);
        }
        self.look(clock, Outlook::Last);
    }

    fn look(&mut self, clock: &dyn Clock, outlook: Outlook) {
        let (now, snapshot) = (clock.now(), self.newest());
        if !self.trouble.is_over_or_due(now) {
            return;
        }
        let done = self.work(snapshot, now, &Moment { wall: clock.wall(), outlook });
        // Disks take their time.
        self.trouble.tell(done, clock.now());
    }

    /// What there is now; what is gone by now is counted.
    fn newest(&mut self) -> Option<Arc<Snapshot>> {
        let snapshot = (self.source)()?;
        self.task.follow(&snapshot);
        Some(snapshot)
    }

    /// Writes all that is due, and keeps the folder within its bounds.
    fn work(
        &mut self,
        mut snapshot: Option<Arc<Snapshot>>,
        now: Monotonic,
        moment: &Moment,
    ) -> io::Result<()> {
        let mut wrote = false;
        // A snapshot holds all of the window: none is held while a disk takes its time.
        while let Some(it) = snapshot.take() {
            if let Progress::Wrote = self.task.write(it, &self.folder, moment)? {
                wrote = true;
                snapshot = self.newest();
            }
        }
        let due = self.looked.is_none_or(|at| now.since(at) >= ROUND);
        if self.trouble.lasts() && !wrote {
            self.folder.try_out(self.task.open(), &moment.wall)?;
        } else if due {
            self.folder.tidy(0, self.task.open(), &moment.wall)?;
        }
        if due {
            self.looked = Some(now);
        }
        Ok(())
    }
}

fn task(
    settings: &Settings,
    window: Span,
    kind: Kind,
    timeline: &Arc<Timeline>,
    stats: &Arc<KeepStats>,
) -> Box<dyn Task> {
    match settings.what {
        What::Transmissions => Box::new(Transmissions::new(timeline, kind, Settings::piece(window), stats)),
        What::Everything => Box::new(Hours::new(settings.bytes.0, window, stats)),
    }
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Something was written; there may be more.
    Wrote,
    /// Nothing is due.
    Idle,
}
