//! What the query of a playlist's URL asks for.
//!
//! Names and values are percent-decoded; names nobody knows are somebody else's and ignored.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;

use super::style::{Extent, Skip};
use crate::base::WallTime;

/// What a reader wants to be told, and when: the delivery directives (rfc8216bis, 6.2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `_HLS_msn` and `_HLS_part`: what the playlist must have before it is sent.
    pub awaits: Option<Awaited>,
    /// `_HLS_skip`; what else it may be one day is answered with the whole playlist, which helps every reader.
    pub extent: Extent,
}

/// What a held request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// `_HLS_msn`: the media sequence number of a segment.
    pub sequence: u64,
    /// `_HLS_part`: one of its parts, counted from 0; or the whole segment.
    pub part: Option<u64>,
}

/// From when to when. An end that is not said is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Piece {
    /// `from`: nothing that ends before.
    pub from: Option<WallTime>,
    /// `to`: nothing that begins after.
    pub to: Option<WallTime>,
}

/// What is wrong with a query, in words for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Once is enough.
    #[error("{0} is there more than once")]
    Twice(&'static str),
    /// Digits, up to 2^64 − 1.
    #[error("{name}={value} is no whole number from 0 up to 2^64 - 1")]
    Number {
        /// Of the parameter.
        name: &'static str,
        /// As it was read.
        value: String,
    },
    /// rfc8216bis, 6.2.5.2: it MUST be refused.
    #[error("_HLS_part needs _HLS_msn beside it: a part of which segment?")]
    PartOfNothing,
    /// RFC 3339.
    #[error("{name}={value} is no date with time and offset, as 2025-11-20T12:00:00Z")]
    Date {
        /// Of the parameter.
        name: &'static str,
        /// As it was read.
        value: String,
    },
    /// The ends are in the wrong order.
    #[error("from is not before to: nothing lies between them")]
    Backwards,
    /// A percent sign without two hexadecimal digits, or bytes that are no UTF-8.
    #[error("the value of {0} is not percent-encoded text")]
    Encoding(&'static str),
}

impl Directives {
    /// Reads a query, without its `?`.
    ///
    /// # Errors
    /// As [`QueryError`] says; all of them are bad requests.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let sequence = number(query, "_HLS_msn")?;
        let part = number(query, "_HLS_part")?;
        let awaits = match (sequence, part) {
            (Some(sequence), part) => Some(Awaited { sequence, part }),
            (None, Some(_)) => return Err(QueryError::PartOfNothing),
            (None, None) => None,
        };
        let extent = match parameter(query, "_HLS_skip")?.as_deref() {
            Some("YES") => Extent::Delta(Skip::Segments),
            Some("v2") => Extent::Delta(Skip::DateRanges),
            _ => Extent::Whole,
        };
        Ok(Self { awaits, extent })
    }
}

impl Piece {
    /// Reads a query, without its `?`. `None` if it asks for no piece but for what is live.
    ///
    /// # Errors
    /// As [`QueryError`] says; all of them are bad requests.
    pub fn parse(query: &str) -> Result<Option<Self>, QueryError> {
        let (from, to) = (date(query, "from")?, date(query, "to")?);
        match (from, to) {
            (None, None) => Ok(None),
            (Some(from), Some(to)) if from >= to => Err(QueryError::Backwards),
            _ => Ok(Some(Self { from, to })),
        }
    }

    /// As much of it as there can be by `now`; one that is all to come is left as it is.
    pub fn by(self, now: WallTime) -> Self {
        let to = self.to.map_or(now, |to| to.min(now));
        match self.from {
            Some(from) if from >= to => self,
            _ => Self { to: Some(to), ..self },
        }
    }
}

impl fmt::Display for Piece {
    /// The query that asks for it, to the nanosecond.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends =
            [("from", self.from), ("to", self.to)].into_iter().filter_map(|(name, at)| Some((name, at?)));
        for (place, (name, at)) in ends.enumerate() {
            let stamp = Timestamp::from_nanosecond(at.as_unix_nanos().into()).map_err(|_| fmt::Error)?;
            write!(f, "{}{name}={stamp}", if place > 0 { "&" } else { "" })?;
        }
        Ok(())
    }
}

/// The whole number that the parameter `name` has for its value, if it is there.
///
/// # Errors
/// If it is none.
pub fn number(query: &str, name: &'static str) -> Result<Option<u64>, QueryError> {
    let Some(value) = parameter(query, name)? else { return Ok(None) };
    // Digits alone: the standard library would read `+5` as well.
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| value.parse().ok()).flatten();
    number.map(Some).ok_or_else(|| QueryError::Number { name, value: value.into_owned() })
}

/// What RFC 3339 writes, if it is that.
pub fn instant(text: &str) -> Option<WallTime> {
    let stamp: Timestamp = text.parse().ok()?;
    i64::try_from(stamp.as_nanosecond()).ok().map(WallTime::from_unix_nanos)
}

/// The date that the parameter `name` has for its value, if it is there: RFC 3339. A plus is a plus, as in every URL
/// that is no form.
///
/// # Errors
/// If it is none.
pub fn date(query: &str, name: &'static str) -> Result<Option<WallTime>, QueryError> {
    let Some(value) = parameter(query, name)? else { return Ok(None) };
    instant(&value).map(Some).ok_or_else(|| QueryError::Date { name, value: value.into_owned() })
}

/// The value of the parameter `name`, if it is there; empty where it has none.
///
/// # Errors
/// If it is there twice, or no percent-encoded text.
pub fn parameter<'a>(query: &'a str, name: &'static str) -> Result<Option<Cow<'a, str>>, QueryError> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut values = pairs.filter(|(raw, _)| decode(raw).is_some_and(|read| read == name));
    let Some((_, raw)) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(QueryError::Twice(name));
    }
    decode(raw).map(Some).ok_or(QueryError::Encoding(name))
}

/// RFC 3986, 2.1.
fn decode(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('%') {
        return Some(Cow::Borrowed(raw));
    }
    let mut pieces = raw.as_bytes().split(|byte| *byte == b'%');
    let mut bytes = pieces.next()?.to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_first_chunk::<2>()?;
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        bytes.extend_from_slice(rest);
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn directives() {
        let awaited = |sequence, part| Some(Awaited { sequence, part });
        let table = [
            ("", None, Extent::Whole),
            ("&&=&a=b", None, Extent::Whole),
            ("_HLS_msn=7", awaited(7, None), Extent::Whole),
            ("_HLS_part=2&_HLS_msn=7&_HLS_skip=YES", awaited(7, Some(2)), Extent::Delta(Skip::Segments)),
            ("_HLS_skip=v2", None, Extent::Delta(Skip::DateRanges)),
            ("_HLS_skip=NO&_HLS_report=/a", None, Extent::Whole),
            ("_HLS_skip", None, Extent::Whole),
            ("_hls_msn=7", None, Extent::Whole),
            ("%5fHLS%5Fmsn=%37", awaited(7, None), Extent::Whole),
            ("_HLS_msn=18446744073709551615", awaited(u64::MAX, None), Extent::Whole),
            ("%=&%zz=1&x=%&_HLS_msn=007", awaited(7, None), Extent::Whole),
        ];
        for (query, awaits, extent) in table {
            assert_eq!(Directives::parse(query), Ok(Directives { awaits, extent }), "{query}");
        }
    }

    #[test]
    fn bad_directives_and_dates_are_told_in_words() {
        let table = [
            ("_HLS_msn=", "_HLS_msn= is no whole number from 0 up to 2^64 - 1"),
            ("_HLS_msn", "_HLS_msn= is no whole number from 0 up to 2^64 - 1"),
            ("_HLS_msn=-1", "_HLS_msn=-1 is no whole number from 0 up to 2^64 - 1"),
            ("_HLS_msn=+1", "_HLS_msn=+1 is no whole number from 0 up to 2^64 - 1"),
            (
                "_HLS_msn=18446744073709551616",
                "_HLS_msn=18446744073709551616 is no whole number from 0 up to 2^64 - 1",
            ),
            ("_HLS_msn=1&_HLS_part=x", "_HLS_part=x is no whole number from 0 up to 2^64 - 1"),
            ("_HLS_msn=1&a&_HLS%5Fmsn=1", "_HLS_msn is there more than once"),
            ("_HLS_skip=YES&_HLS_skip=YES", "_HLS_skip is there more than once"),
            ("_HLS_part=0", "_HLS_part needs _HLS_msn beside it: a part of which segment?"),
            ("_HLS_msn=%8", "the value of _HLS_msn is not percent-encoded text"),
            ("_HLS_msn=%ff", "the value of _HLS_msn is not percent-encoded text"),
            ("from=", "from= is no date with time and offset, as 2025-11-20T12:00:00Z"),
            ("to=2025-11-20", "to=2025-11-20 is no date with time and offset, as 2025-11-20T12:00:00Z"),
            (
                "from=2025-11-20T12:00:00",
                "from=2025-11-20T12:00:00 is no date with time and offset, as 2025-11-20T12:00:00Z",
            ),
            (
                "to=9999-01-01T00:00:00Z",
                "to=9999-01-01T00:00:00Z is no date with time and offset, as 2025-11-20T12:00:00Z",
            ),
            (
                "from=2025-11-20T12:00:00Z&to=2025-11-20T13:00:00%2B01:00",
                "from is not before to: nothing lies between them",
            ),
        ];
        for (query, words) in table {
            let piece = Piece::parse(query).map(|_| ());
            let error = Directives::parse(query).map(|_| ()).and(piece).expect_err(query);
            assert_eq!(error.to_string(), words, "{query}");
        }
    }

    #[test]
    fn pieces() {
        let noon = Some(WallTime::from_unix_nanos(1_763_640_000_000_000_000));
        let later = Some(WallTime::from_unix_nanos(1_763_640_000_500_000_000));
        let table = [
            ("", None),
            ("until=2025-11-20T12:00:00Z", None),
            ("from=2025-11-20T12:00:00Z", Some(Piece { from: noon, to: None })),
            ("to=2025-11-20T13:00:00+01:00", Some(Piece { from: None, to: noon })),
            (
                "to=2025-11-20T12%3A00%3A00.5Z&from=2025-11-20t13:00:00%2b01:00",
                Some(Piece { from: noon, to: later }),
            ),
        ];
        for (query, piece) in table {
            assert_eq!(Piece::parse(query), Ok(piece), "{query}");
        }
    }

    fn encoded(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(query in "(_HLS_(msn|part|skip)|from|to|[%=&a-z0-9+:TZ-]|\\PC){0,12}") {
            let _ = Directives::parse(&query);
            let _ = Piece::parse(&query);
        }

        #[test]
        fn encoding_changes_nothing(msn: u64, part: u64, nanos: i64, hide: bool) {
            let hidden = |text: &str| if hide { encoded(text) } else { text.to_owned() };
            let query = format!("{}={}&{}={}", hidden("_HLS_msn"), hidden(&msn.to_string()), "_HLS_part", part);
            let awaits = Some(Awaited { sequence: msn, part: Some(part) });
            prop_assert_eq!(Directives::parse(&query), Ok(Directives { awaits, extent: Extent::Whole }));

            // As it is written in a playlist, in milliseconds.
            let wall = WallTime::from_unix_nanos(nanos);
            let query = format!("{}={}", hidden("from"), hidden(&wall.to_string()));
            let piece = Piece::parse(&query).expect("a date").expect("a piece");
            let apart = nanos - piece.from.expect("it is there").as_unix_nanos();
            prop_assert!((0..1_000_000).contains(&apart), "{apart}");
        }

        #[test]
        fn a_piece_is_read_as_it_is_written(from: Option<i64>, to: Option<i64>) {
            let [from, to] = [from, to].map(|nanos| nanos.map(WallTime::from_unix_nanos));
            let piece = Some(Piece { from, to }).filter(|_| from.or(to).is_some());
            prop_assume!(from.zip(to).is_none_or(|(from, to)| from < to));
            let query = piece.map(|piece| piece.to_string()).unwrap_or_default();
            prop_assert_eq!(Piece::parse(&query), Ok(piece), "{}", query);
        }
    }
}
