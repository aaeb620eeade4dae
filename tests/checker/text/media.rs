//! Media playlists.

use jiff::Timestamp;

use super::{Attributes, Line, lines};

/// A media playlist.
#[derive(Clone, Debug, Default)]
pub(crate) struct Media {
    pub(crate) text: String,
    pub(crate) version: Option<u64>,
    /// Seconds.
    pub(crate) target: Option<u64>,
    pub(crate) sequence: Option<u64>,
    pub(crate) discontinuity_sequence: Option<u64>,
    /// EXT-X-PLAYLIST-TYPE
    pub(crate) kind: Option<String>,
    pub(crate) independent: bool,
    pub(crate) ended: bool,
    pub(crate) start: Option<Attributes>,
    pub(crate) control: Option<Attributes>,
    /// Seconds.
    pub(crate) part_target: Option<f64>,
    /// SKIPPED-SEGMENTS, in a delta update.
    pub(crate) skipped: Option<u64>,
    /// RECENTLY-REMOVED-DATERANGES, where date ranges are left out too.
    pub(crate) removed: Option<Vec<String>>,
    /// Those written out, oldest first.
    pub(crate) segments: Vec<Segment>,
    /// What stands behind the last of them: parts of the next, perhaps none.
    pub(crate) edge: Segment,
    pub(crate) hints: Vec<Hint>,
    pub(crate) reports: Vec<Attributes>,
    pub(crate) dateranges: Vec<Attributes>,
    /// What is wrong with how it is written.
    pub(crate) faults: Vec<String>,
    /// Tags that come too late in their segment.
    pub(crate) late: Vec<String>,
    /// How long a picture or a frame of sound lasts, in seconds: as exact as durations have to be.
    pub(crate) frame: f64,
}

/// A segment, or the one that is being written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    /// Where its URI stands.
    pub(crate) line: usize,
    pub(crate) uri: String,
    /// Seconds, as EXTINF has them.
    pub(crate) duration: Option<f64>,
    pub(crate) discontinuity: bool,
    pub(crate) gap: bool,
    pub(crate) date: Option<Date>,
    pub(crate) key: Option<Attributes>,
    pub(crate) map: Option<Attributes>,
    pub(crate) byte_range: bool,
    pub(crate) parts: Vec<Part>,
}

/// EXT-X-PROGRAM-DATE-TIME.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Date {
    pub(crate) written: String,
    /// Seconds since 1970.
    pub(crate) seconds: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) line: usize,
    pub(crate) uri: String,
    /// Seconds.
    pub(crate) duration: f64,
    pub(crate) independent: bool,
    pub(crate) gap: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hint {
    pub(crate) kind: String,
    pub(crate) uri: String,
}

/// Tags that may stand once (RFC 8216, 4.3.3; rfc8216bis, 4.4.3).
const ONCE: [&str; 11] = [
    "#EXTM3U",
    "#EXT-X-VERSION",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-PLAYLIST-TYPE",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    "#EXT-X-SERVER-CONTROL",
    "#EXT-X-PART-INF",
    "#EXT-X-SKIP",
    "#EXT-X-ENDLIST",
];
/// Tags that stand before the first segment (4.3.3.2 and 4.3.3.3 say so of the two numbers).
const HEAD: [&str; 7] = [
    "#EXT-X-VERSION",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-SERVER-CONTROL",
    "#EXT-X-PART-INF",
    "#EXT-X-SKIP",
];

impl Media {
    /// Reads whatever can be read, and notes what cannot.
    pub(crate) fn read(text: &str) -> Self {
        let (lines, faults) = lines(text);
        let mut reader = Reader {
            media: Self { text: text.to_owned(), faults, frame: 1.0 / 30.0, ..Self::default() },
            ..Reader::default()
        };
        for (number, line) in lines {
            match line {
                Line::Tag(tag, value) => reader.tag(number, tag, value),
                Line::Uri(uri) => reader.uri(number, uri),
            }
        }
        reader.end()
    }

    /// The number of the first segment written out.
    pub(crate) fn first(&self) -> u64 {
        self.sequence.unwrap_or(0) + self.skipped.unwrap_or(0)
    }

    /// The number after the last one listed: that of the edge.
    pub(crate) fn next(&self) -> u64 {
        self.first() + self.segments.len() as u64
    }

    /// Seconds that are written out, parts of the edge included.
    pub(crate) fn length(&self) -> f64 {
        let whole: f64 = self.segments.iter().filter_map(|segment| segment.duration).sum();
        whole + self.edge.parts.iter().map(|part| part.duration).sum::<f64>()
    }

    pub(crate) fn target_seconds(&self) -> f64 {
        self.target.unwrap_or(0) as f64
    }

    /// An attribute of EXT-X-SERVER-CONTROL in seconds.
    pub(crate) fn control(&self, name: &str) -> Option<f64> {
        self.control.as_ref()?.number(name)
    }

    /// Whether it is made for low latency.
    pub(crate) fn has_parts(&self) -> bool {
        self.part_target.is_some() || self.with_edge().any(|segment| !segment.parts.is_empty())
    }

    /// The segments, and the one being written.
    pub(crate) fn with_edge(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().chain([&self.edge])
    }

    /// When each segment and the edge begin, in seconds since 1970, by the last date before and the durations since.
    pub(crate) fn dates(&self) -> Vec<(u64, f64)> {
        let mut at = None;
        let mut dates = Vec::new();
        for segment in self.with_edge() {
            at = segment.date.as_ref().map(|date| date.seconds).or(at);
            dates.extend(at.map(|at| (segment.number, at)));
            at = at.zip(segment.duration).map(|(at, duration)| at + duration);
        }
        dates
    }

    pub(crate) fn segment(&self, number: u64) -> Option<&Segment> {
        self.segments.get(usize::try_from(number.checked_sub(self.first())?).ok()?)
    }

    /// The last segment number and part of it: LAST-MSN and LAST-PART of a report about it (rfc8216bis, 4.4.5.4).
    pub(crate) fn last(&self) -> (u64, Option<u64>) {
        match self.edge.parts.len().checked_sub(1) {
            Some(part) => (self.next(), Some(part as u64)),
            None => {
                let parts = self.segments.last().map_or(0, |segment| segment.parts.len());
                (self.next().saturating_sub(1), parts.checked_sub(1).map(|part| part as u64))
            }
        }
    }
}

/// Seconds since 1970 of a date.
pub(crate) fn moment(date: &str) -> Option<f64> {
    date.parse::<Timestamp>().ok().map(|stamp| stamp.as_microsecond() as f64 / 1e6)
}

#[derive(Default)]
struct Reader {
    media: Media,
    seen: Vec<String>,
    now: Segment,
}

impl Reader {
    fn fault(&mut self, number: usize, what: impl AsRef<str>) {
        self.media.faults.push(format!("line {number}: {}", what.as_ref()));
    }

    fn tag(&mut self, number: usize, tag: &str, value: &str) {
        if ONCE.contains(&tag) && self.seen.iter().any(|seen| seen == tag) {
            self.fault(number, format!("{tag} stands twice"));
        }
        self.seen.push(tag.to_owned());
        let begun = !self.media.segments.is_empty() || self.now != Segment::default();
        if HEAD.contains(&tag) && begun {
            self.fault(number, format!("{tag} stands among the segments"));
        }
        if matches!(tag, "#EXT-X-DISCONTINUITY" | "#EXT-X-KEY" | "#EXT-X-MAP" | "#EXT-X-PROGRAM-DATE-TIME")
            && !self.now.parts.is_empty()
        {
            self.media.late.push(format!("line {number}: {tag} comes after a part of its segment"));
        }
        match tag {
            "#EXTM3U" => self.bare(number, tag, value),
            "#EXT-X-VERSION" => self.media.version = self.integer(number, tag, value),
            "#EXT-X-TARGETDURATION" => self.media.target = self.integer(number, tag, value),
            "#EXT-X-MEDIA-SEQUENCE" => self.media.sequence = self.integer(number, tag, value),
            "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                self.media.discontinuity_sequence = self.integer(number, tag, value);
            }
            "#EXT-X-PLAYLIST-TYPE" => {
                if value != "VOD" && value != "EVENT" {
                    self.fault(number, format!("no playlist is a {value:?}"));
                }
                self.media.kind = Some(value.to_owned());
            }
            "#EXT-X-INDEPENDENT-SEGMENTS" => {
                self.bare(number, tag, value);
                self.media.independent = true;
            }
            "#EXT-X-ENDLIST" => {
                self.bare(number, tag, value);
                self.media.ended = true;
            }
            "#EXTINF" => self.inf(number, value),
            "#EXT-X-DISCONTINUITY" => {
                self.bare(number, tag, value);
                self.now.discontinuity = true;
            }
            "#EXT-X-GAP" => {
                self.bare(number, tag, value);
                self.now.gap = true;
            }
            "#EXT-X-PROGRAM-DATE-TIME" => self.date(number, value),
            "#EXT-X-BYTERANGE" => self.now.byte_range = true,
            "#EXT-X-BITRATE" => {
                let _ = self.integer(number, tag, value);
            }
            _ => self.list(number, tag, value),
        }
    }

    fn list(&mut self, number: usize, tag: &str, value: &str) {
        let (list, faults) = Attributes::read(tag, value);
        for fault in faults {
            self.fault(number, fault);
        }
        let media = &mut self.media;
        match tag {
            "#EXT-X-START" => media.start = Some(list),
            "#EXT-X-SERVER-CONTROL" => media.control = Some(list),
            "#EXT-X-PART-INF" => media.part_target = list.number("PART-TARGET"),
            "#EXT-X-SKIP" => {
                media.skipped = list.number("SKIPPED-SEGMENTS");
                let removed = list.get("RECENTLY-REMOVED-DATERANGES");
                let ids =
                    |ids: &str| ids.split('\t').filter(|id| !id.is_empty()).map(str::to_owned).collect();
                media.removed = removed.map(ids);
            }
            "#EXT-X-KEY" => self.now.key = Some(list).filter(|key| key.get("METHOD") != Some("NONE")),
            "#EXT-X-MAP" => self.now.map = Some(list),
            "#EXT-X-DATERANGE" => {
                let dates = ["START-DATE", "END-DATE"].into_iter().filter_map(|name| list.get(name));
                let wrong: Vec<_> = dates.filter(|date| moment(date).is_none()).map(str::to_owned).collect();
                media.dateranges.push(list);
                wrong.iter().for_each(|date| self.fault(number, format!("{date} is no date")));
            }
            "#EXT-X-RENDITION-REPORT" => media.reports.push(list),
            "#EXT-X-PRELOAD-HINT" => media.hints.push(Hint {
                kind: list.get("TYPE").unwrap_or_default().to_owned(),
                uri: list.get("URI").unwrap_or_default().to_owned(),
            }),
            "#EXT-X-PART" => self.now.parts.push(Part {
                line: number,
                uri: list.get("URI").unwrap_or_default().to_owned(),
                duration: list.number("DURATION").unwrap_or(0.0),
                independent: list.says_yes("INDEPENDENT"),
                gap: list.says_yes("GAP"),
            }),
            _ => self.fault(number, format!("{tag} is no tag of a media playlist")),
        }
    }

    fn bare(&mut self, number: usize, tag: &str, value: &str) {
        if !value.is_empty() {
            self.fault(number, format!("{tag} has no value"));
        }
    }

    fn integer(&mut self, number: usize, tag: &str, value: &str) -> Option<u64> {
        let read = value.parse().ok().filter(|_| value.bytes().all(|byte| byte.is_ascii_digit()));
        if read.is_none() {
            self.fault(number, format!("{tag} has no number {value:?}"));
        }
        read
    }

    fn inf(&mut self, number: usize, value: &str) {
        let (seconds, _title) = value.split_once(',').unwrap_or((value, ""));
        let plain = seconds.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !value.contains(',') || !plain || seconds.parse::<f64>().is_err() {
            self.fault(number, format!("EXTINF is seconds and a comma, not {value:?}"));
        }
        if self.now.duration.is_some() {
            self.fault(number, "a second EXTINF");
        }
        self.now.duration = seconds.parse().ok();
    }

    fn date(&mut self, number: usize, value: &str) {
        match moment(value) {
            Some(seconds) => self.now.date = Some(Date { written: value.to_owned(), seconds }),
            None => self.fault(number, format!("{value} is no date")),
        }
    }

    fn uri(&mut self, number: usize, uri: &str) {
        if self.now.duration.is_none() {
            self.fault(number, "a segment without EXTINF");
        }
        let (key, map) = (self.now.key.clone(), self.now.map.clone());
        let mut segment = std::mem::take(&mut self.now);
        (segment.uri, segment.line, segment.number) = (uri.to_owned(), number, self.media.next());
        self.media.segments.push(segment);
        // Both hold for what follows, until replaced (4.3.2.4, 4.3.2.5).
        (self.now.key, self.now.map) = (key, map);
    }

    fn end(mut self) -> Media {
        if self.now.duration.is_some() {
            self.media.faults.push("the last EXTINF has no segment".to_owned());
        }
        self.now.number = self.media.next();
        self.media.edge = self.now;
        self.media
    }
}
