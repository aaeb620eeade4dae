//! Snapshots made by hand, and playlists taken apart again.

use std::sync::Arc;
use std::time::Duration;

use outpost::base::{Pts, Span, Sync, WallReading};
use outpost::container::ts::Join;
use outpost::media::Entry;
use outpost::playlist::{Format, Latency, Style};
use outpost::segment::{
    Body, Dates, Edge, Init, Key, Part, PartList, Presence, Rate, Segment, Snapshot, TargetDuration,
};

use crate::script::{BOOT_HOUR, NOON};

/// Parts of 0.4 s, with room for one of 33 ms more.
pub(crate) const PART_TARGET: Span = Span::from_ticks(39_600);

pub(crate) fn low_latency() -> Style {
    Style { format: Format::Fmp4, latency: Latency::Low, keys: String::new() }
}

/// Two seconds after two seconds from noon on.
pub(crate) fn instant(n: u64) -> Pts {
    BOOT_HOUR.to_pts() + Span::from_millis(2000 * n as i64)
}

/// Segment number 100 + `n`, of two seconds.
pub(crate) fn segment(n: u64) -> Segment {
    Segment::plain(100 + n, instant(n), Span::from_millis(2000), Join::Continuous, Body::default())
}

pub(crate) fn broken(n: u64) -> Segment {
    Segment { join: Join::Broken, ..segment(n) }
}

pub(crate) fn gap(n: u64) -> Segment {
    Segment { presence: Presence::Gap, ..segment(n) }
}

pub(crate) fn enciphered(n: u64, key: u64) -> Segment {
    Segment { key: Some(Arc::new(Key { number: key, secret: [7; 16] })), ..segment(n) }
}

pub(crate) fn init(number: u64) -> Arc<Init> {
    Arc::new(Init { number, bytes: Default::default() })
}

/// The first `count` of the five parts of segment number 100 + `n`; one can begin with the first.
pub(crate) fn parts(n: u64, count: i64) -> PartList {
    let part = |index: i64| Part {
        start: instant(n) + Span::from_millis(400 * index),
        duration: Span::from_millis(400),
        entry: if index == 0 { Entry::Key } else { Entry::Dependent },
        presence: Presence::There,
        body: Body::default(),
    };
    (0..count).map(part).collect()
}

/// Segment number 100 + `n` in five parts.
pub(crate) fn parted(n: u64) -> Segment {
    Segment { init: Some(init(0)), parts: parts(n, 5), ..segment(n) }
}

/// The segment being written, number 100 + `n`.
pub(crate) fn edge(n: u64, count: i64) -> Edge {
    Edge {
        sequence: 100 + n,
        start: instant(n),
        join: Join::Continuous,
        init: init(0),
        parts: parts(n, count),
        part_target: PART_TARGET,
    }
}

/// After 7 discontinuities.
pub(crate) fn shelf(listed: impl IntoIterator<Item = Segment>, edge: Option<Edge>) -> Snapshot {
    let reading =
        WallReading { monotonic: BOOT_HOUR, wall: NOON, sync: Sync::Synchronised, suspended: Duration::ZERO };
    Snapshot {
        listed: listed.into_iter().map(Arc::new).collect(),
        retired: Arc::from([]),
        discontinuity_sequence: 7,
        target: TargetDuration(2),
        dates: Dates::of(&reading),
        redated: None,
        rate: Rate { peak: 75_000, average: 75_000 },
        edge: edge.map(Arc::new),
        markers: Default::default(),
    }
}

/// A playlist as its reader has it: what holds for each segment, whatever line said so.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) first: u64,
    pub(crate) skipped: usize,
    pub(crate) segments: Vec<Told>,
    /// Lines of which one holds for all, in order; those of the live edge too.
    pub(crate) rest: Vec<String>,
}

/// A segment, with the lines that hold for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) uri: String,
    pub(crate) key: String,
    pub(crate) map: String,
    /// Nanoseconds since 1970, reckoned on from the last date.
    pub(crate) date: i64,
    pub(crate) lines: Vec<String>,
}

/// Takes a playlist apart.
pub(crate) fn read(text: &str) -> Read {
    let mut read = Read { first: 0, skipped: 0, segments: Vec::new(), rest: Vec::new() };
    let mut told = Told::default();
    let mut millionths = 0;
    for line in text.lines() {
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXT-X-MEDIA-SEQUENCE" => read.first = value.parse().expect("a number"),
            "#EXT-X-SKIP" => {
                read.skipped = value.trim_start_matches("SKIPPED-SEGMENTS=").parse().expect("a number");
            }
            "#EXT-X-KEY" if value == "METHOD=NONE" => told.key.clear(),
            "#EXT-X-KEY" => told.key = value.to_owned(),
            "#EXT-X-MAP" => told.map = value.to_owned(),
            "#EXT-X-PROGRAM-DATE-TIME" => {
                let stamp: jiff::Timestamp = value.parse().expect("RFC 3339");
                told.date = stamp.as_microsecond();
            }
            "#EXTINF" => {
                let digits: String = value.chars().filter(char::is_ascii_digit).collect();
                millionths = digits.parse().expect("six decimals");
                told.lines.push(line.to_owned());
            }
            "#EXT-X-DISCONTINUITY" | "#EXT-X-GAP" | "#EXT-X-PART" => told.lines.push(line.to_owned()),
            "#EXT-X-VERSION" => {}
            _ if line.starts_with('#') => read.rest.push(line.to_owned()),
            _ => {
                let next = Told { uri: String::new(), lines: Vec::new(), ..told.clone() };
                read.segments.push(Told { uri: line.to_owned(), ..told });
                told = Told { date: next.date + millionths, ..next };
            }
        }
    }
    read.rest.append(&mut told.lines);
    read
}
