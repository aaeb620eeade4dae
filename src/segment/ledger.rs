//! Numbers that never go back: not after a restart, not after a power cut.
//!
//! Belongs here: where numbers begin, how far they are reserved, and the small file that remembers it. Does not:
//! which segment gets which (`sequence`).
//!
//! The file does not hold the numbers used last, which would mean a write per segment on an SD card, but
//! how far they are *reserved*. A run uses numbers below its reservation and extends it in time, so that streaming
//! writes nothing for the first hour and a little every few hours after. The next run begins where the reservation
//! ended. Players take a leap forward in their stride; a number that comes twice, for another segment, they do not.
//!
//! As long as the machine is not started anew the leap is a small one, for numbers grow no faster than seconds do:
//! segments last a second or more. Where a run has used no more than so many beyond the seconds since the file was
//! written, the next one begins above those ([`Near`]).
//!
//! Where the file is missing or unreadable the media sequence begins with the seconds since 1970. That is
//! no step back either, if these are counted where segments are cut ([`counted_at`]), unless the machine is started
//! anew a dozen times a day for days. Where numbers cannot be remembered and the clock is not set either, chance
//! makes it unlikely that they come twice; a clock that is set counts higher.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::base::random::by_chance;
use crate::base::{Monotonic, Span, WallReading, WallTime};

/// The fewest and the most media sequence numbers reserved at a time: more are when half are used, after an hour of
/// segments of 1 s at first, and of 2 s every six hours at last.
const FEWEST: u64 = 7_200;
const MOST: u64 = 21_600;
/// The same, beyond the seconds that pass while the machine runs.
const FEWEST_NEAR: u64 = 32;
/// Discontinuities reserved at a time. They are rare, and their number has to stay small: hls.js keeps a
/// list of that length, which it walks at each reload of the playlist and copies at each discontinuity. At
/// 700 that takes microseconds; at 20,000, where V8 makes the list a hash table, 2 ms each on a PC.
const DISCONTINUITIES: u64 = 8;
/// 2025-01-01 in seconds since 1970: where nothing is known, discontinuities are counted in days from here,
/// as from 1970 they would be 20,000 already.
const COUNTED_FROM: u64 = 1_735_689_600;
/// Leaves 30 bits of 64: fewer than there were seconds from 1970 until the clock is set.
const CHANCE_SHIFT: u32 = 34;
/// Larger numbers are not ours: players count in floating point, whole up to 2^53.
const LARGEST: u64 = 1 << 53;

/// The civil time from which a stream's numbers are counted if it is begun at `now` and its first unit is dated
/// `delay` back: that of the whole second of the media clock below. Segments begin and end there, so that not
/// even the first one, be it as short as it may, has the number of a second that has not begun.
pub fn counted_at(now: &WallReading, delay: Span) -> WallReading {
    let first = now.monotonic - delay.to_duration();
    now.moved_to(Monotonic::from_nanos(first.as_nanos().div_euclid(1_000_000_000) * 1_000_000_000))
}

/// Whole seconds since the machine was started.
fn uptime(at: Monotonic) -> u64 {
    u64::try_from(at.as_nanos().div_euclid(1_000_000_000)).unwrap_or(0)
}

/// A media sequence number and a discontinuity sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// RFC 8216, 4.3.3.2.
    pub media: u64,
    /// RFC 8216, 4.3.3.3.
    pub discontinuity: u64,
}

impl Numbers {
    /// Where to begin if nothing is known: the media sequence in seconds since 1970, the discontinuity
    /// sequence, which has to stay small, in days since 2025.
    fn from_clock(wall: WallTime) -> Self {
        let seconds = u64::try_from(wall.as_unix_nanos()).unwrap_or(0) / 1_000_000_000;
        Self { media: seconds, discontinuity: seconds.saturating_sub(COUNTED_FROM) / 86_400 }
    }

    pub(super) fn max(self, other: Self) -> Self {
        Self {
            media: self.media.max(other.media),
            discontinuity: self.discontinuity.max(other.discontinuity),
        }
    }
}

/// How far a stream's numbers are reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reserved {
    media: u64,
    discontinuity: u64,
    /// As long as the machine is not started anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    near: Option<Near>,
}

/// How far media sequence numbers are reserved as long as the machine is not started anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Near {
    /// Which start of the machine this is about.
    boot: Boot,
    /// In whole seconds since then.
    uptime: u64,
    /// So far at that moment, and by one more with each second.
    media: u64,
}

impl Reserved {
    fn numbers(&self) -> Numbers {
        Numbers { media: self.media, discontinuity: self.discontinuity }
    }

    /// What is reserved by this or by `other`.
    fn with(&self, other: &Self) -> Self {
        let Numbers { media, discontinuity } = self.numbers().max(other.numbers());
        Self { media, discontinuity, near: other.near.clone().or_else(|| self.near.clone()) }
    }

    /// Where a run begins on `boot`, at `uptime`: above all that may have been used.
    fn end(&self, boot: Option<&Boot>, uptime: u64) -> Numbers {
        let near = self.near.as_ref().filter(|near| Some(&near.boot) == boot);
        let media = near.and_then(|near| near.at(uptime)).map_or(self.media, |near| near.min(self.media));
        Numbers { media, ..self.numbers() }
    }
}

impl Near {
    /// How far at `uptime` seconds; `None` if that was before this was written, which is no uptime of this machine.
    fn at(&self, uptime: u64) -> Option<u64> {
        Some(self.media.saturating_add(uptime.checked_sub(self.uptime)?))
    }
}

/// Which start of the machine it is: another after each (random(4), boot_id).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Boot(String);

impl Boot {
    /// The one told from others by `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// That of the machine; `None` where the kernel does not tell.
    pub fn current() -> Option<Self> {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self::new(id.trim())).filter(|it| !it.0.is_empty())
    }
}

/// The file that remembers how far numbers are reserved, for all streams of a process.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    boot: Option<Boot>,
    /// When the file was last written before this run.
    dated: Option<WallTime>,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    reserved: BTreeMap<String, Reserved>,
    /// Whether the last write succeeded: failures are told once.
    written: bool,
}

impl Book {
    /// How far a stream's numbers are reserved. Earlier versions numbered each rendition for itself, as
    /// `stream/rendition`: the stream goes on above all of them.
    fn of(&self, stream: &str) -> Option<Reserved> {
        let own = self.reserved.iter().filter(|(key, _)| is_of(key, stream));
        own.map(|(_, reserved)| reserved.clone()).reduce(|one, other| one.with(&other))
    }

    fn set(&mut self, stream: &str, reserved: Reserved) {
        self.reserved.retain(|key, _| !is_of(key, stream));
        self.reserved.insert(stream.to_owned(), reserved);
    }
}

fn is_of(key: &str, stream: &str) -> bool {
    key.strip_prefix(stream).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Ledger {
    /// Reads the file at `path`. A missing one is what a first start finds; any other trouble is logged,
    /// and the numbers begin with the clock. On another `boot` than the file was written on, or where that is not
    /// known, numbers leap by thousands, else by dozens.
    pub fn open(path: impl Into<PathBuf>, boot: Option<Boot>) -> Arc<Self> {
        let path = path.into();
        let reserved = read(&path).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                warn!(
                    path = %path.display(), %error,
                    "cannot read the sequence numbers of the last run, going on from the clock; \
                     make the file readable or delete it"
                );
            }
            BTreeMap::new()
        });
        let dated = fs::metadata(&path).and_then(|file| file.modified()).ok().and_then(wall_time);
        Arc::new(Self { path, boot, dated, book: Mutex::new(Book { reserved, written: true }) })
    }

    fn known(&self, stream: &str) -> Option<Reserved> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).of(stream)
    }

    /// The stock of a stream's numbers, above all those it ever had, if it begins `at` the moment they are counted
    /// from. Writes the first reservation, and waits for the disk.
    pub(super) fn stock(self: &Arc<Self>, stream: &str, at: &WallReading) -> Stock {
        let (clock, uptime) = (Numbers::from_clock(at.wall), uptime(at.monotonic));
        let known = self.known(stream);
        let mut first = known.map_or(clock, |known| known.end(self.boot.as_ref(), uptime));
        if !self.reserve(stream, self.ahead(first, uptime, FEWEST, FEWEST_NEAR)) {
            // A file that can be read but not written tells the same numbers at every start. Runs since then
            // used no more of them than there were seconds, nor more than the clock says altogether.
            first = first.max(clock);
            if let Some(dated) = self.dated {
                let since = at.wall.as_unix_nanos().saturating_sub(dated.as_unix_nanos()).max(0);
                first.media = first.media.saturating_add(since as u64 / 1_000_000_000);
            }
            if !at.is_set() {
                first.media = first.media.saturating_add(by_chance() >> CHANCE_SHIFT);
            }
        }
        let reserved = self.ahead(first, uptime, FEWEST, FEWEST_NEAR);
        Stock { ledger: Arc::clone(self), stream: stream.to_owned(), first, reserved }
    }

    /// The stock of a stream's numbers that goes on with `first`, where an earlier run ended. What that has reserved
    /// still holds, and more is as soon as it is short; so this does not wait for the disk.
    pub(super) fn resume(self: &Arc<Self>, stream: &str, first: Numbers) -> Stock {
        let Numbers { media, discontinuity } = first;
        let reserved = self.known(stream).unwrap_or(Reserved { media, discontinuity, near: None });
        Stock { ledger: Arc::clone(self), stream: stream.to_owned(), first, reserved }
    }

    /// The reservation of `media` numbers from `next` on, and of `near` beyond the seconds after `uptime`.
    fn ahead(&self, next: Numbers, uptime: u64, media: u64, near: u64) -> Reserved {
        let near = |boot| Near { boot, uptime, media: next.media.saturating_add(near) };
        Reserved {
            media: next.media.saturating_add(media),
            discontinuity: next.discontinuity.saturating_add(DISCONTINUITIES),
            near: self.boot.clone().map(near),
        }
    }

    /// Raises a reservation and writes the file; says whether that succeeded.
    fn reserve(&self, stream: &str, until: Reserved) -> bool {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let reserved = book.of(stream).map_or_else(|| until.clone(), |known| known.with(&until));
        book.set(stream, reserved);
        let result = write(&self.path, &book.reserved);
        match (&result, book.written) {
            (Err(error), true) => warn!(
                path = %self.path.display(), %error,
                "cannot save the sequence numbers, after a restart they go on from the clock; \
                 make the directory writable and see that the disk is not full"
            ),
            (Ok(()), false) => info!(path = %self.path.display(), "sequence numbers are saved again"),
            _ => {}
        }
        book.written = result.is_ok();
        book.written
    }
}

fn wall_time(time: SystemTime) -> Option<WallTime> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(WallTime::from_unix_nanos(i64::try_from(since.as_nanos()).ok()?))
}

fn read(path: &Path) -> io::Result<BTreeMap<String, Reserved>> {
    let reserved: BTreeMap<String, Reserved> = serde_json::from_slice(&fs::read(path)?)?;
    let largest =
        |it: &Reserved| it.media.max(it.discontinuity).max(it.near.as_ref().map_or(0, |near| near.media));
    match reserved.values().find(|it| largest(it) > LARGEST) {
        Some(wrong) => Err(io::Error::other(format!("{wrong:?} is beyond all counting"))),
        None => Ok(reserved),
    }
}

/// Writes the file so that a power cut leaves the old one or the new one, never a part: into another
/// name, onto the disk, then renamed, and the renaming onto the disk too.
fn write(path: &Path, reserved: &BTreeMap<String, Reserved>) -> io::Result<()> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished)?;
    file.write_all(&serde_json::to_vec_pretty(reserved)?)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(directory)?.sync_all()
}

/// The numbers a run of one stream may use.
#[derive(Debug)]
pub(super) struct Stock {
    ledger: Arc<Ledger>,
    stream: String,
    pub(super) first: Numbers,
    reserved: Reserved,
}

impl Stock {
    /// What should be reserved now that `next` come next, if half of the last reservation is used up. It was `now` a
    /// moment ago.
    pub(super) fn restock(&mut self, next: Numbers, now: Monotonic) -> Option<Reservation> {
        let (used, uptime) = (next.media.saturating_sub(self.first.media), uptime(now));
        let (more, near) = (used.clamp(FEWEST, MOST), used.clamp(FEWEST_NEAR, FEWEST));
        let ends = |it: &Near| it.at(uptime).is_none_or(|end| next.media + FEWEST_NEAR / 2 > end);
        let low = next.media + more / 2 > self.reserved.media
            || self.reserved.near.as_ref().is_some_and(ends)
            || next.discontinuity + DISCONTINUITIES / 2 > self.reserved.discontinuity;
        low.then(|| {
            self.reserved = self.reserved.with(&self.ledger.ahead(next, uptime, more, near));
            let (ledger, stream) = (Arc::clone(&self.ledger), self.stream.clone());
            Reservation { ledger, stream, until: self.reserved.clone() }
        })
    }
}

/// Numbers still to be reserved.
#[derive(Debug)]
pub struct Reservation {
    ledger: Arc<Ledger>,
    stream: String,
    until: Reserved,
}

impl Reservation {
    /// Writes it down. Waits for the disk: not a thing to do where a stream is served.
    pub fn write(self) {
        self.ledger.reserve(&self.stream, self.until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Sync;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000_000;

    proptest! {
        #[test]
        fn a_run_that_forgot_its_numbers_uses_none_twice(
            began in 10 * SECOND..20 * SECOND,
            civil in 1_700_000_000 * SECOND..1_700_000_010 * SECOND,
            delay in 0..110_i64,
            segments in 1..6_i64,
            rest in 0..2 * SECOND,
        ) {
            let delay = Span::from_millis(delay);
            let at = |nanos: i64| WallReading {
                monotonic: Monotonic::from_nanos(nanos),
                wall: WallTime::from_unix_nanos(civil + nanos),
                sync: Sync::Synchronised,
                suspended: std::time::Duration::ZERO,
            };
            let number = |nanos| Numbers::from_clock(counted_at(&at(nanos), delay).wall).media as i64;
            // Segments of a second, the first one cut short by the grid; the last is listed when it is encoded.
            let delay = delay.to_duration().as_nanos() as i64;
            let first_cut = ((began - delay).div_euclid(SECOND) + 1) * SECOND;
            let last_listed = first_cut + (segments - 1) * SECOND + delay;
            prop_assert!(number(last_listed + rest) >= number(began) + segments);
        }
    }
}
