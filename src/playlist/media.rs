//! The media playlist: what the window lists at one moment.

use std::fmt::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use super::query::Piece;
use super::style::{Extent, Format, Latency, Report, Skip, Style};
use super::tag::{Hold, PartName, Tag};
use crate::base::{Pts, Span, WallTime};
use crate::container::ts::Join;
use crate::media::marker::Marker;
use crate::segment::{Edge, Init, Key, PartList, Presence, Segment, Snapshot};

/// Room for the tags before the first segment, and for a segment's EXTINF and URI.
const HEAD_LEN: usize = 512;
const SEGMENT_LEN: usize = 48;
/// For a date range without a label.
const RANGE_LEN: usize = 160;
/// And for what stands at the live edge of a low-latency playlist.
const EDGE_LEN: usize = 8192;

/// The protocol version that knows EXT-X-GAP (rfc8216bis, section 8): a live playlist has it from the beginning, as a
/// version that came and went with the gaps would be a change nobody may make (6.2.1).
const LIVE_VERSION: u8 = 8;
/// That which knows EXT-X-SKIP: of deltas, and of all that is told at low latency.
const SKIP_VERSION: u8 = 9;
/// That which knows deltas without date ranges.
const RANGES_VERSION: u8 = 10;

/// The live playlist of one rendition (RFC 8216, 4.3.3). Segments are named relative to it,
/// `{media sequence}.ts` or `.m4s`.
///
/// It carries no EXT-X-PLAYLIST-TYPE, because segments leave it (6.2.1), and always a discontinuity
/// sequence, because a discontinuity may come (HLS Authoring Specification, 8.17). It always offers deltas:
/// an offer that came and went with the window's length would be a change nobody may make (6.2.1).
///
/// A delta that would leave nothing out is the whole playlist. `reports` are told at low latency only.
pub fn media(snapshot: &Snapshot, style: &Style, extent: Extent, reports: &[Report]) -> String {
    let skipped = match extent {
        Extent::Whole => 0,
        Extent::Delta(_) => skippable(snapshot),
    };
    let shown = skipped..snapshot.listed.len();
    let edge = snapshot.edge.as_deref().filter(|_| style.latency == Latency::Low);
    let mut writer = Writer::new(snapshot, style, &shown);
    // Writing to a String cannot fail.
    let _ = writer.live(shown, extent, edge, reports);
    writer.text
}

/// What is told to who asked for this: a delta that would leave nothing out is the whole playlist.
pub fn extent(snapshot: &Snapshot, asked: Extent) -> Extent {
    if skippable(snapshot) > 0 { asked } else { Extent::Whole }
}

/// Which of the segments kept (see [`Snapshot::kept`]) overlap `piece`; `None` if nothing of it can be fetched.
pub fn covered(snapshot: &Snapshot, piece: &Piece) -> Option<Range<usize>> {
    let (dates, [retired, listed]) = (&snapshot.dates, snapshot.kept());
    let count = |holds: &dyn Fn(&Arc<Segment>) -> bool| match retired.partition_point(holds) {
        all if all == retired.len() => all + listed.partition_point(holds),
        some => some,
    };
    let first = count(&|it| piece.from.is_some_and(|from| dates.end(it.start, it.duration) <= from));
    let end = count(&|it| piece.to.is_none_or(|to| dates.at(it.start) < to));
    // The oldest of those listed no longer can go with the next change: a player would come too late for it.
    let goes = first == 0 && end > 1 && !retired.is_empty();
    let shown = first + usize::from(goes)..end;
    let mut segments = retired.iter().chain(listed).skip(shown.start).take(shown.len());
    segments.any(|it| it.presence == Presence::There).then_some(shown)
}

/// A finished playlist of these of the segments kept (see [`Snapshot::kept`]).
///
/// It carries no EXT-X-PLAYLIST-TYPE: its segments leave it, oldest first, when they can be fetched no longer
/// (RFC 8216, 4.3.3.5).
pub fn recording(snapshot: &Snapshot, style: &Style, shown: Range<usize>) -> String {
    let mut writer = Writer::new(snapshot, style, &shown);
    // Writing to a String cannot fail.
    let _ = writer.finished(shown);
    writer.text
}

/// How many segments a delta leaves out: those further from the end of the last than the skip boundary
/// (rfc8216bis, 6.2.5.1).
fn skippable(snapshot: &Snapshot) -> usize {
    let boundary = snapshot.target.skip_boundary();
    // Whoever merges a delta holds on to the dates he was told, and may hold no two mappings (6.2.1). He last asked
    // half a boundary ago at most (6.3.7): by a whole one after a change, he was told all anew.
    let (redated, last) = (snapshot.redated, snapshot.listed.last());
    if redated.zip(last).is_some_and(|(redated, last)| last.start + last.duration < redated + boundary) {
        return 0;
    }
    let told = from_end(&snapshot.listed, Span::ZERO).take_while(|distance| *distance <= boundary);
    snapshot.listed.len() - told.count()
}

/// How far before the end of the playlist each of its segments ends, the last first, if `after` follows it: by what
/// they last, as readers reckon, who see no holes in media time.
fn from_end(segments: &[Arc<Segment>], after: Span) -> impl Iterator<Item = Span> {
    segments.iter().rev().scan(after, |distance, it| {
        let begin = *distance + it.duration;
        Some(std::mem::replace(distance, begin))
    })
}

/// How many of them begin with a discontinuity.
fn breaks<'a>(segments: impl IntoIterator<Item = &'a Arc<Segment>>) -> u64 {
    segments.into_iter().filter(|it| it.join == Join::Broken).count() as u64
}

/// Those that can be fetched.
fn there(segments: &[Arc<Segment>]) -> impl DoubleEndedIterator<Item = &Arc<Segment>> {
    segments.iter().filter(|it| it.presence == Presence::There)
}

/// What EXT-X-KEY says of the segments that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cipher {
    /// It must be told before the next segment.
    Untold,
    /// They are in the clear, as they are without the tag.
    Clear,
    /// They are enciphered with the key of this number.
    Key(u64),
}

/// Whether date ranges are told of which every reader has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Told,
    LeftOut,
}

/// Writes segment after segment, and remembers what holds on for the next.
struct Writer<'a> {
    snapshot: &'a Snapshot,
    style: &'a Style,
    text: String,
    /// What the last told EXT-X-KEY says.
    cipher: Cipher,
    /// Number of the initialisation section that holds.
    init: Option<u64>,
    /// The date of what follows, as it is reckoned from one above: media time and civil time run alike until something
    /// breaks, or the machine is suspended.
    dated: Option<WallTime>,
}

impl<'a> Writer<'a> {
    fn new(snapshot: &'a Snapshot, style: &'a Style, shown: &Range<usize>) -> Self {
        let edge = if snapshot.edge.is_some() { EDGE_LEN } else { 0 };
        let text = String::with_capacity(HEAD_LEN + edge + SEGMENT_LEN * shown.len());
        Self { snapshot, style, text, cipher: Cipher::Clear, init: None, dated: None }
    }

    fn live(
        &mut self,
        shown: Range<usize>,
        extent: Extent,
        edge: Option<&Edge>,
        reports: &[Report],
    ) -> fmt::Result {
        let Snapshot { listed, markers, .. } = self.snapshot;
        let known = match extent {
            Extent::Delta(Skip::DateRanges) if shown.start > 0 => Known::LeftOut,
            _ => Known::Told,
        };
        self.head(match (self.style.latency, shown.start, known) {
            (.., Known::LeftOut) => RANGES_VERSION,
            (Latency::Ordinary, 0, _) => LIVE_VERSION,
            _ => SKIP_VERSION,
        })?;
        let parts = match (self.style.latency, edge) {
            (Latency::Ordinary, _) => None,
            (Latency::Low, None) => Some(Hold::Segments),
            (Latency::Low, Some(edge)) => Some(Hold::Parts(edge.part_target)),
        };
        self.line(Tag::ServerControl { skip: self.snapshot.target.skip_boundary(), parts })?;
        if let Some(edge) = edge {
            self.line(Tag::PartInf(edge.part_target))?;
        }
        // Nothing listed, nothing numbered: the number to come is not known here, and a zero would be a step back.
        if let Some(first) = listed.first().map(|it| it.sequence).or(edge.map(|it| it.sequence)) {
            self.line(Tag::MediaSequence(first))?;
        }
        self.line(Tag::DiscontinuitySequence(self.snapshot.discontinuity_sequence))?;
        self.line(Tag::IndependentSegments)?;
        match (listed.first(), known) {
            (Some(first), Known::Told) => self.date_ranges(|| markers.told(first.start, None))?,
            (Some(first), Known::LeftOut) => self.date_ranges(|| markers.news(first.start))?,
            (None, _) => {}
        }
        if shown.start > 0 {
            let removed = (known == Known::LeftOut).then(|| markers.removed());
            self.line(Tag::Skip { segments: shown.start, removed })?;
            // The tags of what is left out are left out with it (rfc8216bis, 4.4.5.2). What still holds is told
            // again, so that a reader need not carry it over.
            if there(&listed[..shown.start]).next_back().is_some_and(|it| it.key.is_some()) {
                self.cipher = Cipher::Untold;
            }
        }
        let parts_from = edge.map_or(listed.len(), |edge| self.parts_from(edge)).max(shown.start);
        for segment in &listed[shown.start..parts_from] {
            self.segment(segment, None)?;
        }
        for segment in &listed[parts_from..] {
            self.segment(segment, Some(&segment.parts))?;
        }
        if let Some(edge) = edge {
            self.edge(edge)?;
        }
        // rfc8216bis, appendix B.1: of every other rendition.
        let reports = if self.style.latency == Latency::Low { reports } else { &[] };
        reports.iter().try_for_each(|report| self.line(Tag::RenditionReport(report)))
    }

    fn finished(&mut self, shown: Range<usize>) -> fmt::Result {
        let [retired, listed] = self.snapshot.kept();
        let markers = &self.snapshot.markers;
        let kept = || retired.iter().chain(listed);
        let segments = || kept().skip(shown.start).take(shown.len());
        // Counted back from the first listed to the oldest kept, and on from there to the first shown.
        let oldest = self.snapshot.discontinuity_sequence.saturating_sub(breaks(retired));
        self.head(self.lowest_version(segments()))?;
        if let Some(first) = segments().next() {
            self.line(Tag::MediaSequence(first.sequence))?;
        }
        self.line(Tag::DiscontinuitySequence(oldest + breaks(kept().take(shown.start))))?;
        self.line(Tag::IndependentSegments)?;
        if let (Some(first), Some(last)) = (segments().next(), segments().last()) {
            let end = last.start + last.duration;
            self.date_ranges(|| markers.told(first.start, Some(end)))?;
        }
        for segment in segments() {
            self.segment(segment, None)?;
        }
        self.line(Tag::EndList)
    }

    /// What happened from where the first of the segments told of begins (rfc8216bis, 6.2.1). There may be ten thousand:
    /// room is made for all of them at once.
    fn date_ranges<'m, M: Iterator<Item = &'m Arc<Marker>>>(&mut self, told: impl Fn() -> M) -> fmt::Result {
        self.text.reserve(RANGE_LEN * told().count());
        let dates = &self.snapshot.dates;
        told().try_for_each(|marker| self.line(Tag::DateRange { marker, dates }))
    }

    fn head(&mut self, version: u8) -> fmt::Result {
        self.line(Tag::ExtM3u)?;
        self.line(Tag::Version(version))?;
        self.line(Tag::TargetDuration(self.snapshot.target.0))
    }

    /// Of what never changes: the lowest that has all that is used (rfc8216bis, section 8).
    fn lowest_version<'s>(&self, mut shown: impl Iterator<Item = &'s Arc<Segment>>) -> u8 {
        let gaps = shown.any(|it| it.presence == Presence::Gap);
        match self.style.format {
            _ if gaps => LIVE_VERSION,
            Format::Fmp4 => 6,
            Format::TransportStream => 3,
        }
    }

    fn segment(&mut self, segment: &Segment, parts: Option<&PartList>) -> fmt::Result {
        let Segment { sequence, start, join, presence, .. } = *segment;
        let end = start + segment.duration;
        self.join(join)?;
        match (presence, segment.key.as_deref(), segment.init.as_deref()) {
            // Nothing is known of what would hold for it.
            (Presence::Gap, None, None) => self.date(start)?,
            (_, key, init) => self.open(start, key, init)?,
        }
        if let Some(parts) = parts {
            self.parts(sequence, parts)?;
        }
        if presence == Presence::Gap {
            self.line(Tag::Gap)?;
        }
        // Whoever comes out of a gap is told anew where he is.
        self.dated = (presence == Presence::There).then(|| self.snapshot.dates.end(start, segment.duration));
        let suffix = match self.style.format {
            Format::TransportStream => "ts",
            Format::Fmp4 => "m4s",
        };
        writeln!(self.text, "{}\n{sequence}.{suffix}", Tag::Inf { start, end })
    }

    /// The segment being written: its parts, and the one to come.
    fn edge(&mut self, edge: &Edge) -> fmt::Result {
        let Edge { sequence, start, join, init, parts, .. } = edge;
        if !parts.is_empty() {
            self.join(*join)?;
            self.open(*start, None, Some(init))?;
            self.parts(*sequence, parts)?;
        }
        self.line(Tag::PreloadHint(PartName { sequence: *sequence, part: parts.len() }))
    }

    fn join(&mut self, join: Join) -> fmt::Result {
        if join == Join::Continuous {
            return Ok(());
        }
        self.dated = None;
        self.line(Tag::Discontinuity)
    }

    /// What must stand before a segment and before its first part (rfc8216bis, 4.4.4.9).
    fn open(&mut self, start: Pts, key: Option<&Key>, init: Option<&Init>) -> fmt::Result {
        let cipher = key.map_or(Cipher::Clear, |key| Cipher::Key(key.number));
        if self.cipher != cipher {
            self.cipher = cipher;
            self.line(Tag::Key { key, prefix: &self.style.keys })?;
        }
        if let Some(init) = init.filter(|init| self.init != Some(init.number)) {
            self.init = Some(init.number);
            self.line(Tag::Map(init.number))?;
        }
        self.date(start)
    }

    fn date(&mut self, start: Pts) -> fmt::Result {
        let date = self.snapshot.dates.at(start);
        if self.dated == Some(date) { Ok(()) } else { self.line(Tag::ProgramDateTime(date)) }
    }

    fn parts(&mut self, sequence: u64, parts: &PartList) -> fmt::Result {
        for (index, part) in parts.iter().enumerate() {
            self.line(Tag::Part { name: PartName { sequence, part: index }, part })?;
        }
        Ok(())
    }

    /// The first of the segments listed that is told with its parts: those before it end three target durations or
    /// more before the end of the playlist (rfc8216bis, 6.2.2).
    fn parts_from(&self, edge: &Edge) -> usize {
        let Snapshot { listed, target, .. } = self.snapshot;
        let written = edge.parts.iter().fold(Span::ZERO, |sum, part| sum + part.duration);
        let bound = target.least_window();
        listed.len() - from_end(listed, written).take_while(|distance| *distance < bound).count()
    }

    fn line(&mut self, tag: Tag<'_>) -> fmt::Result {
        writeln!(self.text, "{tag}")
    }
}
