//! One tag, one line.

use std::fmt::{self, Display, Formatter};

use super::multivariant::Variant;
use crate::base::time::TICKS_PER_SECOND;
use crate::base::{Pts, WallTime};

/// The protocol version whose features the playlists need: EXTINF with decimals (RFC 8216, section 7).
pub const VERSION: u8 = 3;

/// A line that begins with `#`, without its line feed.
#[derive(Clone, Copy, Debug)]
pub enum Tag<'a> {
    /// EXTM3U (4.3.1.1): the first line of every playlist.
    ExtM3u,
    /// EXT-X-VERSION (4.3.1.2).
    Version,
    /// EXT-X-INDEPENDENT-SEGMENTS (4.3.5.1): decoding can begin with every segment.
    IndependentSegments,
    /// EXT-X-TARGETDURATION (4.3.3.1), in seconds.
    TargetDuration(u32),
    /// EXT-X-MEDIA-SEQUENCE (4.3.3.2).
    MediaSequence(u64),
    /// EXT-X-DISCONTINUITY-SEQUENCE (4.3.3.3).
    DiscontinuitySequence(u64),
    /// EXT-X-DISCONTINUITY (4.3.2.3).
    Discontinuity,
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
}

impl Display for Tag<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExtM3u => f.write_str("#EXTM3U"),
            Self::Version => write!(f, "#EXT-X-VERSION:{VERSION}"),
            Self::IndependentSegments => f.write_str("#EXT-X-INDEPENDENT-SEGMENTS"),
            Self::TargetDuration(seconds) => write!(f, "#EXT-X-TARGETDURATION:{seconds}"),
            Self::MediaSequence(number) => write!(f, "#EXT-X-MEDIA-SEQUENCE:{number}"),
            Self::DiscontinuitySequence(number) => write!(f, "#EXT-X-DISCONTINUITY-SEQUENCE:{number}"),
            Self::Discontinuity => f.write_str("#EXT-X-DISCONTINUITY"),
            Self::ProgramDateTime(wall) => write!(f, "#EXT-X-PROGRAM-DATE-TIME:{wall}"),
            Self::Inf { start, end } => {
                let micros = micros(*end).saturating_sub(micros(*start)).max(0);
                write!(f, "#EXTINF:{}.{:06},", micros / 1_000_000, micros % 1_000_000)
            }
            Self::StreamInf(variant) => stream_inf(f, variant),
        }
    }
}

/// Microseconds of an instant. EXTINF is the difference of two rounded instants rather than a rounded
/// difference, so that the sum over any number of segments is off by a microsecond at most.
fn micros(instant: Pts) -> i64 {
    let (seconds, rest) =
        (instant.ticks().div_euclid(TICKS_PER_SECOND), instant.ticks().rem_euclid(TICKS_PER_SECOND));
    seconds
        .saturating_mul(1_000_000)
        .saturating_add((rest * 1_000_000 + TICKS_PER_SECOND / 2) / TICKS_PER_SECOND)
}

fn stream_inf(f: &mut Formatter<'_>, variant: &Variant) -> fmt::Result {
    let Variant { rate, codecs, resolution, frame_rate, .. } = variant;
    write!(f, "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={}", rate.peak, rate.average)?;
    write!(f, ",CODECS={}", Quoted(codecs))?;
    if let Some(resolution) = resolution {
        write!(f, ",RESOLUTION={}x{}", resolution.width, resolution.height)?;
    }
    if let Some(frame_rate) = frame_rate {
        write!(f, ",FRAME-RATE={frame_rate:.3}")?;
    }
    Ok(())
}

/// A quoted-string (4.2), without the characters it must not contain.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for allowed in self.0.split(|c: char| c == '"' || c.is_control()) {
            f.write_str(allowed)?;
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
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
        };
        let inf = |start, end| Tag::Inf { start: Pts::from_ticks(start), end: Pts::from_ticks(end) };
        let table = [
            (Tag::Version, "#EXT-X-VERSION:3"),
            (Tag::TargetDuration(2), "#EXT-X-TARGETDURATION:2"),
            (inf(0, 180_000), "#EXTINF:2.000000,"),
            (inf(0, 1), "#EXTINF:0.000011,"),
            (inf(1, 2), "#EXTINF:0.000011,"),
            (inf(4, 5), "#EXTINF:0.000012,"),
            (inf(0, 180_480), "#EXTINF:2.005333,"),
            (inf(180_480, 360_960), "#EXTINF:2.005334,"),
            (inf(-90_000, 90_000), "#EXTINF:2.000000,"),
            (inf(90_000, 0), "#EXTINF:0.000000,"),
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
