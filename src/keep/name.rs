//! What files are called: `2026-11-20T14-03-22Z-radio.m4a`, the time of their beginning in UTC and the stream's name.
//!
//! Only what is called exactly so is ours, and only that is ever deleted. No colon: FAT has none.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::WallTime;
use crate::clip::Kind;

const STAMP: &str = "%Y-%m-%dT%H-%M-%SZ";
/// How long a stamp is, in bytes.
const STAMP_LEN: usize = 20;
/// What a file is called before it is whole.
const PART: &str = ".part";

const NANOS: i64 = 1_000_000_000;

/// Whether a file is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Whole,
    /// It was being written when the program or the power went.
    Part,
}

/// A file of this stream that begins at `at`.
pub(super) fn of(stream: &str, at: WallTime, kind: Kind) -> String {
    let stamp = Timestamp::from_second(at.as_unix_nanos().div_euclid(NANOS)).unwrap_or_default();
    format!("{}-{stream}.{}", stamp.strftime(STAMP), kind.extension())
}

/// The same before it is whole.
pub(super) fn part(name: &str) -> String {
    format!("{name}{PART}")
}

/// When a file of this stream begins, and whether it is whole; `None` of any other.
pub(super) fn read(stream: &str, name: &str) -> Option<(WallTime, State)> {
    let (whole, state) = match name.strip_suffix(PART) {
        Some(whole) => (whole, State::Part),
        None => (name, State::Whole),
    };
    let (stamp, rest) = whole.split_at_checked(STAMP_LEN)?;
    let civil = jiff::civil::DateTime::strptime(STAMP, stamp).ok()?;
    let second = civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    let begun = WallTime::from_unix_nanos(second.checked_mul(NANOS)?);
    let kind = rest.strip_prefix('-')?.strip_prefix(stream)?.strip_prefix('.')?.parse().ok()?;
    // Nothing that is merely read alike.
    (of(stream, begun, kind) == whole).then_some((begun, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> WallTime {
        WallTime::from_unix_nanos(second * NANOS)
    }

    #[test]
    fn names_tell_when_and_of_what() {
        let at = WallTime::from_unix_nanos(1_763_640_000_900_000_000);
        let name = of("radio", at, Kind::M4a);
        assert_eq!(name, "2025-11-20T12-00-00Z-radio.m4a");
        assert_eq!(read("radio", &name), Some((second(1_763_640_000), State::Whole)));
        assert_eq!(read("radio", &part(&name)), Some((second(1_763_640_000), State::Part)));
        assert_eq!(of("radio", second(-1), Kind::Ts), "1969-12-31T23-59-59Z-radio.ts");
    }

    #[test]
    fn nothing_else_is_ours() {
        for name in [
            "2025-11-20T12-00-00Z-radio-2.m4a",
            "2025-11-20T12-00-00Z-adio.m4a",
            "2025-11-20T12-00-00Z-radio.mp3",
            "2025-11-20T12-00-00Z-radio.m4a.part.part",
            "2025-11-20T12-00-00Z-radio.m4a ",
            "2025-11-20T12-00-00Z-radio",
            "2025-11-31T12-00-00Z-radio.m4a",
            "2025-11-20T25-00-00Z-radio.m4a",
            "2025-11-20T12:00:00Z-radio.m4a",
            "2025-11-20T12-00-00+radio.m4a",
            "+025-11-20T12-00-00Z-radio.m4a",
            "2025-1-20T12-00-000Z-radio.m4a",
            "Attic radio 2025-11-20 12.00.00 UTC.m4a",
            "é025-11-20T12-00-00Z-radio.m4a",
            "radio.m4a",
            "",
        ] {
            assert_eq!(read("radio", name), None, "{name}");
        }
    }
}
