//! One tag, one line.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use super::multivariant::{Group, Variant};
use super::style::Report;
use crate::base::time::TICKS_PER_SECOND;
use crate::base::{Pts, Span, WallTime};
use crate::media::Entry;
use crate::media::marker::{Marker, ends_line};
use crate::segment::{Dates, Key, Part, Presence};

/// A line that begins with `#`, without its line feed.
///
/// Clauses are of RFC 8216, from `ServerControl` on of rfc8216bis.
#[derive(Clone, Copy, Debug)]
pub enum Tag<'a> {
    /// EXTM3U (4.3.1.1): the first line of every playlist.
    ExtM3u,
    /// EXT-X-VERSION (4.3.1.2).
    Version(u8),
    /// EXT-X-INDEPENDENT-SEGMENTS (4.3.5.1): decoding can begin with every segment.
    IndependentSegments,
    /// EXT-X-TARGETDURATION (4.3.3.1), in seconds.
    TargetDuration(u32),
    /// EXT-X-MEDIA-SEQUENCE (4.3.3.2).
    MediaSequence(u64),
    /// EXT-X-DISCONTINUITY-SEQUENCE (4.3.3.3).
    DiscontinuitySequence(u64),
    /// EXT-X-ENDLIST (4.3.3.4).
    EndList,
    /// EXT-X-DISCONTINUITY (4.3.2.3).
    Discontinuity,
    /// EXT-X-KEY (4.3.2.4); without a key, what follows is in the clear. The initialisation vector is the
    /// media sequence number, as it is where none is told.
    Key {
        /// What the segments that follow are enciphered with.
        key: Option<&'a Key>,
        /// What stands before its name.
        prefix: &'a str,
    },
    /// EXT-X-MAP (4.3.2.5): `init-{number}.mp4`.
    Map(u64),
    /// EXT-X-PROGRAM-DATE-TIME (4.3.2.6).
    ProgramDateTime(WallTime),
    /// EXTINF (4.3.2.1), between two instants.
    Inf {
        /// PTS of the segment's first unit.
        start: Pts,
        /// PTS of the first unit of the next.
        end: Pts,
    },
    /// EXT-X-STREAM-INF (4.3.4.2).
    StreamInf(&'a Variant),
    /// EXT-X-MEDIA (4.3.4.1), for sound.
    Media {
        /// The sound.
        group: &'a Group,
        /// What is appended to its URI.
        query: Option<&'a str>,
    },
    /// EXT-X-SERVER-CONTROL (4.4.3.8).
    ServerControl {
        /// CAN-SKIP-UNTIL.
        skip: Span,
        /// CAN-BLOCK-RELOAD and PART-HOLD-BACK.
        parts: Option<Hold>,
    },
    /// EXT-X-PART-INF (4.4.3.7): PART-TARGET.
    PartInf(Span),
    /// EXT-X-GAP (4.4.4.7): what follows was lost.
    Gap,
    /// EXT-X-PART (4.4.4.9).
    Part {
        /// Where it is found.
        name: PartName,
        /// How long it is, whether decoding can begin with it, and whether it can be fetched.
        part: &'a Part,
    },
    /// EXT-X-DATERANGE (RFC 8216, 4.3.2.7): what happened, from when to when.
    DateRange {
        /// What happened.
        marker: &'a Marker,
        /// When.
        dates: &'a Dates,
    },
    /// EXT-X-SKIP (4.4.5.2): so many segments are as they were.
    Skip {
        /// SKIPPED-SEGMENTS.
        segments: usize,
        /// RECENTLY-REMOVED-DATERANGES, where date ranges are left out, too.
        removed: Option<&'a [Arc<Marker>]>,
    },
    /// EXT-X-PRELOAD-HINT (4.4.5.3): the part that comes next.
    PreloadHint(PartName),
    /// EXT-X-RENDITION-REPORT (4.4.5.4).
    RenditionReport(&'a Report),
}

/// That requests are held, and how far behind the end of the playlist its readers stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// By whole segments.
    Segments,
    /// By parts, whose PART-TARGET this is.
    Parts(Span),
}

/// Where a part is found: `{sequence}.{part}.m4s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartName {
    /// Media sequence number of its segment.
    pub sequence: u64,
    /// Counted from 0.
    pub part: usize,
}

impl Display for Tag<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExtM3u => f.write_str("#EXTM3U"),
            Self::Version(version) => write!(f, "#EXT-X-VERSION:{version}"),
            Self::IndependentSegments => f.write_str("#EXT-X-INDEPENDENT-SEGMENTS"),
            Self::TargetDuration(seconds) => write!(f, "#EXT-X-TARGETDURATION:{seconds}"),
            Self::MediaSequence(number) => write!(f, "#EXT-X-MEDIA-SEQUENCE:{number}"),
            Self::DiscontinuitySequence(number) => write!(f, "#EXT-X-DISCONTINUITY-SEQUENCE:{number}"),
            Self::EndList => f.write_str("#EXT-X-ENDLIST"),
            Self::Discontinuity => f.write_str("#EXT-X-DISCONTINUITY"),
            Self::Key { key: None, .. } => f.write_str("#EXT-X-KEY:METHOD=NONE"),
            Self::Key { key: Some(key), prefix } => {
                let number = key.number;
                write!(f, "#EXT-X-KEY:METHOD=AES-128,URI={}", Quoted(format_args!("{prefix}{number}.key")))
            }
            Self::Map(number) => write!(f, "#EXT-X-MAP:URI=\"init-{number}.mp4\""),
            Self::ProgramDateTime(wall) => write!(f, "#EXT-X-PROGRAM-DATE-TIME:{wall}"),
            Self::Inf { start, end } => {
                write!(f, "#EXTINF:{},", Seconds(micros(*end).saturating_sub(micros(*start))))
            }
            Self::StreamInf(variant) => stream_inf(f, variant),
            Self::Media { group, query } => media(f, group, *query),
            Self::ServerControl { skip, parts } => server_control(f, *skip, *parts),
            Self::PartInf(target) => write!(f, "#EXT-X-PART-INF:PART-TARGET={}", ceiling(*target)),
            Self::Gap => f.write_str("#EXT-X-GAP"),
            Self::Part { name, part } => {
                // Rounded down, and the target up: no part may seem longer than it.
                let duration = floor(part.duration);
                write!(f, "#EXT-X-PART:DURATION={duration},URI=\"{name}\"")?;
                if part.entry == Entry::Key {
                    f.write_str(",INDEPENDENT=YES")?;
                }
                if part.presence == Presence::Gap {
                    f.write_str(",GAP=YES")?;
                }
                Ok(())
            }
            Self::DateRange { marker, dates } => date_range(f, marker, dates),
            Self::Skip { segments, removed } => skip(f, *segments, *removed),
            Self::PreloadHint(name) => write!(f, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{name}\""),
            Self::RenditionReport(Report { uri, sequence, part }) => {
                write!(f, "#EXT-X-RENDITION-REPORT:URI={},LAST-MSN={sequence}", Quoted(uri))?;
                part.map_or(Ok(()), |part| write!(f, ",LAST-PART={part}"))
            }
        }
    }
}

impl Display for PartName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.m4s", self.sequence, self.part)
    }
}

/// Attributes of ours begin with `X-`, and a number below zero is none of those they may have: it is text.
fn date_range(f: &mut Formatter<'_>, marker: &Marker, dates: &Dates) -> fmt::Result {
    let Marker { id: _, kind, from, to, level, label, edition: _ } = marker;
    let (id, begun) = (marker.range(), dates.at(*from));
    write!(f, "#EXT-X-DATERANGE:ID=\"{id}\",CLASS=\"outpost.{kind}\",START-DATE=\"{begun}\"")?;
    if let Some(to) = to {
        // In civil time, which went on while the machine was suspended.
        let nanos = dates.at(*to).as_unix_nanos().saturating_sub(begun.as_unix_nanos());
        write!(f, ",DURATION={}", Seconds(nanos / 1000))?;
    }
    if let Some(level) = level {
        write!(f, ",X-OUTPOST-LEVEL=\"{}\"", Tenths(*level))?;
    }
    label.as_ref().map_or(Ok(()), |label| write!(f, ",X-OUTPOST-LABEL={}", Quoted(label.as_str())))
}

/// Microseconds of an instant. EXTINF is the difference of two rounded instants rather than a rounded
/// difference, so that the sum over any number of segments is off by a microsecond at most.
fn micros(instant: Pts) -> i64 {
    whole_micros(instant.ticks(), TICKS_PER_SECOND / 2)
}

/// Microseconds of so many ticks, rounded down after `more` millionths of a tick are added.
fn whole_micros(ticks: i64, more: i64) -> i64 {
    let (seconds, rest) = (ticks.div_euclid(TICKS_PER_SECOND), ticks.rem_euclid(TICKS_PER_SECOND));
    seconds.saturating_mul(1_000_000).saturating_add((rest * 1_000_000 + more) / TICKS_PER_SECOND)
}

fn floor(span: Span) -> Seconds {
    Seconds(whole_micros(span.ticks(), 0))
}

fn ceiling(span: Span) -> Seconds {
    Seconds(whole_micros(span.ticks(), TICKS_PER_SECOND - 1))
}

/// A decimal number of seconds (4.2), told as microseconds.
struct Seconds(i64);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Digit by digit from the last: a playlist of six hours has 10,800 of them, and padding takes its time.
        let mut rest = self.0.max(0);
        let mut text = [b'.'; 20];
        let mut at = text.len();
        let point = at - 7;
        while at >= point || rest > 0 {
            at -= 1;
            if at != point {
                text[at] = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text[at..]).map_err(|_| fmt::Error)?)
    }
}

/// A number with one digit behind the point.
struct Tenths(f32);

impl Display for Tenths {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // As whole numbers: floating point is written exactly and then rounded, which takes its time.
        let tenths = (self.0 * 10.0).round() as i32;
        let sign = if tenths < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{}", tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10)
    }
}

fn stream_inf(f: &mut Formatter<'_>, variant: &Variant) -> fmt::Result {
    let Variant { uri: _, rate, codecs, resolution, frame_rate, audio } = variant;
    write!(f, "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={}", rate.peak, rate.average)?;
    write!(f, ",CODECS={}", Quoted(codecs))?;
    if let Some(resolution) = resolution {
        write!(f, ",RESOLUTION={}x{}", resolution.width, resolution.height)?;
    }
    if let Some(frame_rate) = frame_rate {
        write!(f, ",FRAME-RATE={frame_rate:.3}")?;
    }
    if let Some(audio) = audio {
        write!(f, ",AUDIO={}", Quoted(audio))?;
    }
    Ok(())
}

fn media(f: &mut Formatter<'_>, group: &Group, query: Option<&str>) -> fmt::Result {
    let Group { id, name, language, channels, uri } = group;
    write!(f, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID={},NAME={}", Quoted(id), Quoted(name))?;
    if let Some(language) = language {
        write!(f, ",LANGUAGE={}", Quoted(language))?;
    }
    write!(f, ",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"{channels}\"")?;
    write!(f, ",URI={}", Quoted(Bare { uri, query }))
}

fn server_control(f: &mut Formatter<'_>, skip: Span, parts: Option<Hold>) -> fmt::Result {
    f.write_str("#EXT-X-SERVER-CONTROL:")?;
    if parts.is_some() {
        f.write_str("CAN-BLOCK-RELOAD=YES,")?;
    }
    if let Some(Hold::Parts(target)) = parts {
        // HLS Authoring Specification, 14.3: three times the target, as it is told.
        write!(f, "PART-HOLD-BACK={},", Seconds(ceiling(target).0.saturating_mul(3)))?;
    }
    write!(f, "CAN-SKIP-UNTIL={},CAN-SKIP-DATERANGES=YES", ceiling(skip))
}

fn skip(f: &mut Formatter<'_>, segments: usize, removed: Option<&[Arc<Marker>]>) -> fmt::Result {
    write!(f, "#EXT-X-SKIP:SKIPPED-SEGMENTS={segments}")?;
    let Some(removed) = removed else { return Ok(()) };
    f.write_str(",RECENTLY-REMOVED-DATERANGES=\"")?;
    for (count, marker) in removed.iter().enumerate() {
        write!(f, "{}{}", if count > 0 { "\t" } else { "" }, marker.range())?;
    }
    f.write_str("\"")
}

/// A URI, with a query if there is one, on a line of its own.
pub(super) struct Bare<'a> {
    pub(super) uri: &'a str,
    pub(super) query: Option<&'a str>,
}

impl Display for Bare<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri)?;
        self.query.map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

/// A quoted-string (4.2), without the characters it must not contain.
struct Quoted<T>(T);

impl<T: Display> Display for Quoted<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        f.write_str("\"")?;
        write!(Allowed(f), "{}", self.0)?;
        f.write_str("\"")
    }
}

struct Allowed<'a, 'b>(&'a mut Formatter<'b>);

impl fmt::Write for Allowed<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.split(|c: char| c == '"' || ends_line(c)).try_for_each(|allowed| self.0.write_str(allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::media::marker::{MarkerId, MarkerKind};
    use crate::segment::Rate;
    use proptest::prelude::*;

    #[test]
    fn lines() {
        let variant = |codecs: &str| Variant {
            uri: String::new(),
            rate: Rate { peak: 70_000, average: 69_000 },
            codecs: codecs.to_owned(),
            resolution: None,
            frame_rate: None,
            audio: None,
        };
        let told = Marker {
            id: MarkerId::new(10, 1),
            kind: MarkerKind::GAP,
            from: Pts::from_ticks(0),
            to: Some(Pts::from_ticks(1)),
            level: None,
            label: None,
            edition: 0,
        };
        let removed = [Arc::new(told.amended(Some(Pts::from_ticks(2)), None, None)), Arc::new(told)];
        let removed = [&removed[1], &removed[0]].map(Arc::clone);
        let inf = |start, end| Tag::Inf { start: Pts::from_ticks(start), end: Pts::from_ticks(end) };
        let table = [
            (Tag::Version(3), "#EXT-X-VERSION:3"),
            (Tag::Skip { segments: 7, removed: None }, "#EXT-X-SKIP:SKIPPED-SEGMENTS=7"),
            (
                Tag::Skip { segments: 7, removed: Some(&removed) },
                "#EXT-X-SKIP:SKIPPED-SEGMENTS=7,RECENTLY-REMOVED-DATERANGES=\"a-1\ta-1.1\"",
            ),
            (Tag::TargetDuration(2), "#EXT-X-TARGETDURATION:2"),
            (inf(0, 180_000), "#EXTINF:2.000000,"),
            (inf(0, 1), "#EXTINF:0.000011,"),
            (inf(1, 2), "#EXTINF:0.000011,"),
            (inf(4, 5), "#EXTINF:0.000012,"),
            (inf(0, 180_480), "#EXTINF:2.005333,"),
            (inf(180_480, 360_960), "#EXTINF:2.005334,"),
            (inf(-90_000, 90_000), "#EXTINF:2.000000,"),
            (inf(90_000, 0), "#EXTINF:0.000000,"),
            (inf(0, 90_000 * 12_345), "#EXTINF:12345.000000,"),
            (inf(i64::MIN, i64::MAX), "#EXTINF:9223372036854.775807,"),
            (
                Tag::StreamInf(&variant("mp4a.40.2")),
                "#EXT-X-STREAM-INF:BANDWIDTH=70000,AVERAGE-BANDWIDTH=69000,CODECS=\"mp4a.40.2\"",
            ),
            (
                Tag::StreamInf(&variant("a\",B=\"\r\nc")),
                "#EXT-X-STREAM-INF:BANDWIDTH=70000,AVERAGE-BANDWIDTH=69000,CODECS=\"a,B=c\"",
            ),
        ];
        for (tag, line) in table {
            assert_eq!(tag.to_string(), line);
        }
        for (level, text) in [(-20.46, "-20.5"), (-0.04, "0.0"), (-0.06, "-0.1"), (3.0, "3.0")] {
            assert_eq!(Tenths(level).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn any_sum_of_durations_is_within_a_microsecond(
            start in 0i64..(1 << 50),
            lengths in proptest::collection::vec(1i64..200_000, 1..200),
        ) {
            let mut at = Pts::from_ticks(start);
            let mut sum = 0i128;
            for length in &lengths {
                let end = at + Span::from_ticks(*length);
                let line = Tag::Inf { start: at, end }.to_string();
                let digits: String = line.chars().filter(char::is_ascii_digit).collect();
                sum += digits.parse::<i128>().expect("digits");
                at = end;
            }
            let ticks: i128 = lengths.iter().map(|it| i128::from(*it)).sum();
            prop_assert!((sum * 90 - ticks * 1000).abs() <= 90, "{sum} µs for {ticks} ticks");
        }
    }
}
