//! What the client's header fields ask for: encoding, range, condition (RFC 9110). Pure.

use std::ops::Range;

use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};
use jiff::Timestamp;

/// How a text travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
}

/// The coding to use for a text held in both forms (RFC 9110, 12.5.3): gzip if the client takes it and does
/// not like identity better.
pub(super) fn coding(headers: &HeaderMap) -> Coding {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for element in elements(headers.get_all(ACCEPT_ENCODING).iter()) {
        let mut parts = element.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = weight(parts);
        let slot = match name {
            "*" => &mut any,
            _ if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => &mut gzip,
            _ if name.eq_ignore_ascii_case("identity") => &mut identity,
            _ => continue,
        };
        *slot = Some(weight);
    }
    let gzip = gzip.or(any).unwrap_or(0);
    if gzip > 0 && gzip >= identity.unwrap_or(0) { Coding::Gzip } else { Coding::Identity }
}

/// The weight (RFC 9110, 12.4.2) in thousandths; 1000 without one, 0 for nonsense.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> u16 {
    let written = parameters.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    let Some(written) = written else { return 1000 };
    match written.parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0) as u16,
        _ => 0,
    }
}

/// The elements of a comma-separated list field.
fn elements<'a>(values: impl Iterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a str> {
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

/// Whether the client already has what it asks for (RFC 9110, 13.2.2, steps 3 and 4).
pub(super) fn is_unchanged(headers: &HeaderMap, tag: &HeaderValue, modified: Option<Timestamp>) -> bool {
    if headers.contains_key(IF_NONE_MATCH) {
        return elements(headers.get_all(IF_NONE_MATCH).iter()).any(|known| {
            known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes()
        });
    }
    let since = headers.get(IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
    let since = since.and_then(|text| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok());
    // A date on the wire has whole seconds.
    matches!((since, modified), (Some(since), Some(modified)) if modified.as_second() <= since.as_second())
}

/// Which bytes of a body are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slice {
    /// All of them: no range, or one that may be ignored (RFC 9110, 14.2).
    Whole,
    /// These, not empty and within the body.
    Bytes(Range<usize>),
    /// Some that are not there: 416.
    Beyond,
}

/// Reads Range and If-Range for a body of `len` bytes with this strong validator.
///
/// One range at a time: several, or another unit, are answered with the whole, as RFC 9110, 14.2 allows. So
/// is an If-Range that holds a date.
pub(super) fn part(headers: &HeaderMap, tag: &HeaderValue, len: usize) -> Slice {
    let asked = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let Some(spec) = asked.and_then(|text| text.strip_prefix("bytes=")) else { return Slice::Whole };
    if headers.get(IF_RANGE).is_some_and(|condition| condition != tag) {
        return Slice::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return Slice::Whole };
    match (position(first), position(last)) {
        (Position::At(first), Position::None) => slice(first, len, len),
        (Position::At(first), Position::At(last)) if first <= last => {
            slice(first, last.saturating_add(1), len)
        }
        (Position::None, Position::At(suffix)) => slice(len.saturating_sub(suffix), len, len),
        _ => Slice::Whole,
    }
}

enum Position {
    None,
    At(usize),
    Nonsense,
}

fn position(digits: &str) -> Position {
    if digits.is_empty() {
        return Position::None;
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Position::Nonsense;
    }
    // More digits than fit are a position like any other, beyond the end of every body.
    Position::At(digits.parse().unwrap_or(usize::MAX))
}

fn slice(first: usize, end: usize, len: usize) -> Slice {
    let end = end.min(len);
    if first < end { Slice::Bytes(first..end) } else { Slice::Beyond }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderName;
    use proptest::prelude::*;

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a field value")))
            .collect()
    }

    #[test]
    fn gzip_goes_to_those_who_take_it() {
        let table = [
            (None, Coding::Identity),
            (Some(""), Coding::Identity),
            (Some("gzip"), Coding::Gzip),
            (Some("GZIP"), Coding::Gzip),
            (Some("x-gzip"), Coding::Gzip),
            (Some("gzip, deflate, br, zstd"), Coding::Gzip),
            (Some("br;q=1.0, gzip;q=0.8, *;q=0.1"), Coding::Gzip),
            (Some("gzip;q=0"), Coding::Identity),
            (Some("gzip; q=0.000"), Coding::Identity),
            (Some("*"), Coding::Gzip),
            (Some("*;q=0"), Coding::Identity),
            (Some("*, gzip;q=0"), Coding::Identity),
            (Some("deflate, br"), Coding::Identity),
            (Some("identity"), Coding::Identity),
            (Some("identity;q=1, gzip;q=0.5"), Coding::Identity),
            (Some("identity;q=0.5, gzip"), Coding::Gzip),
            (Some("gzip;q=rubbish"), Coding::Identity),
            (Some("gzip;q=7"), Coding::Identity),
            (Some("gzip;q=NaN"), Coding::Identity),
            (Some("notgzip"), Coding::Identity),
        ];
        for (field, expected) in table {
            let fields: Vec<_> = field.map(|value| (ACCEPT_ENCODING, value)).into_iter().collect();
            assert_eq!(coding(&headers(&fields)), expected, "{field:?}");
        }
    }

    #[test]
    fn one_range_at_a_time() {
        let table = [
            ("bytes=0-0", Slice::Bytes(0..1)),
            ("bytes=0-", Slice::Bytes(0..1000)),
            ("bytes=10-19", Slice::Bytes(10..20)),
            ("bytes=999-", Slice::Bytes(999..1000)),
            ("bytes=990-5000", Slice::Bytes(990..1000)),
            ("bytes=-1", Slice::Bytes(999..1000)),
            ("bytes=-5000", Slice::Bytes(0..1000)),
            ("bytes=0-99999999999999999999999", Slice::Bytes(0..1000)),
            ("bytes=0-18446744073709551615", Slice::Bytes(0..1000)),
            ("bytes=1000-", Slice::Beyond),
            ("bytes=99999999999999999999999-", Slice::Beyond),
            ("bytes=-0", Slice::Beyond),
            ("bytes=20-10", Slice::Whole),
            ("bytes=0-1,5-6", Slice::Whole),
            ("bytes=-", Slice::Whole),
            ("bytes=", Slice::Whole),
            ("bytes=a-b", Slice::Whole),
            ("bytes=+1-2", Slice::Whole),
            ("bytes=--1", Slice::Whole),
            ("lines=1-2", Slice::Whole),
        ];
        let tag = HeaderValue::from_static("\"t\"");
        for (field, expected) in table {
            assert_eq!(part(&headers(&[(RANGE, field)]), &tag, 1000), expected, "{field}");
        }
        assert_eq!(part(&headers(&[(RANGE, "bytes=0-")]), &tag, 0), Slice::Beyond);
        for (condition, expected) in
            [("\"t\"", Slice::Bytes(0..1)), ("W/\"t\"", Slice::Whole), ("\"other\"", Slice::Whole)]
        {
            let fields = headers(&[(RANGE, "bytes=0-0"), (IF_RANGE, condition)]);
            assert_eq!(part(&fields, &tag, 1000), expected, "{condition}");
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
        let modified = Timestamp::from_second(1_700_000_000).expect("in range");
        let table: &[(&[(HeaderName, &str)], bool)] = &[
            (&[], false),
            (&[(IF_NONE_MATCH, "\"a\"")], true),
            (&[(IF_NONE_MATCH, "W/\"a\"")], true),
            (&[(IF_NONE_MATCH, "\"b\", \"a\"")], true),
            (&[(IF_NONE_MATCH, "*")], true),
            (&[(IF_NONE_MATCH, "a")], false),
            (&[(IF_NONE_MATCH, "\"b\"")], false),
            (&[(IF_MODIFIED_SINCE, DATE)], true),
            (&[(IF_MODIFIED_SINCE, "Tue, 14 Nov 2023 22:13:19 GMT")], false),
            (&[(IF_MODIFIED_SINCE, "yesterday")], false),
            // The tag decides where both are given.
            (&[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, DATE)], false),
        ];
        let tag = HeaderValue::from_static("\"a\"");
        for (fields, expected) in table {
            assert_eq!(is_unchanged(&headers(fields), &tag, Some(modified)), *expected, "{fields:?}");
        }
        assert!(!is_unchanged(&headers(&[(IF_MODIFIED_SINCE, DATE)]), &tag, None));
    }

    proptest! {
        #[test]
        fn no_field_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40), len in 0usize..10) {
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            let all = [ACCEPT_ENCODING, RANGE, IF_RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE];
            let headers: HeaderMap = all.into_iter().map(|name| (name, value.clone())).collect();
            let tag = HeaderValue::from_static("\"a\"");
            coding(&headers);
            is_unchanged(&headers, &tag, Timestamp::from_second(0).ok());
            part(&headers, &tag, len);
        }

        #[test]
        fn a_range_lies_within_the_body(spec in "[0-9]{0,3}-[0-9]{0,3}", len in 0usize..200) {
            let headers = headers(&[(RANGE, &format!("bytes={spec}"))]);
            if let Slice::Bytes(range) = part(&headers, &HeaderValue::from_static("\"a\""), len) {
                prop_assert!(range.start < range.end && range.end <= len);
            }
        }
    }
}
