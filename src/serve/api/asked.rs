//! What programs write: JSON, read strictly, and every fault told with its place.

use std::fmt;
use std::str::FromStr;

use hyper::StatusCode;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Fault;
use super::clocks::Reading;
use crate::base::near::{SIMILAR, nearest};
use crate::base::{Monotonic, WallTime};
use crate::media::marker::{Label, MarkerKind};
use crate::playlist::query;

/// The most that a level says either way, in dBFS.
const LEVELS: std::ops::RangeInclusive<f32> = -200.0..=20.0;

/// A marker that is to be set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMarker {
    pub(super) kind: Text<MarkerKind>,
    /// Now, unless told otherwise.
    pub(super) from: Option<When>,
    /// It goes on, unless told otherwise.
    pub(super) to: Option<When>,
    pub(super) level_dbfs: Option<Level>,
    pub(super) label: Option<Text<Label>>,
}

/// What is to become of one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Amendment {
    pub(super) to: Option<When>,
    pub(super) label: Option<Text<Label>>,
}

/// A word or a line that means something.
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: FromStr<Err = String>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A level in dBFS.
#[derive(Deserialize)]
#[serde(try_from = "f32")]
pub(super) struct Level(pub(super) f32);

impl TryFrom<f32> for Level {
    type Error = String;

    fn try_from(level: f32) -> Result<Self, String> {
        let told = format!("a level is from {} to {} dBFS", LEVELS.start(), LEVELS.end());
        LEVELS.contains(&level).then_some(Self(level)).ok_or(told)
    }
}

/// An instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    /// `"now"`
    Now,
    /// One clock's.
    At(Reading),
}

/// The clocks an instant can be told in; one of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clocks {
    wall: Option<Text<Date>>,
    media_seconds: Option<f64>,
    monotonic_ns: Option<i64>,
    segment: Option<Place>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    media_sequence: u64,
    #[serde(default)]
    offset_seconds: f64,
}

struct Date(WallTime);

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no date with time and offset, as 2025-11-20T12:00:00Z");
        query::instant(text).map(Self).ok_or_else(wrong)
    }
}

/// Exactly one of these, each of which may be there.
pub(super) fn one_of(readings: [Option<Reading>; 4]) -> Result<Reading, &'static str> {
    let mut there = readings.into_iter().flatten();
    match (there.next(), there.next()) {
        (Some(reading), None) => Ok(reading),
        (Some(_), Some(_)) => Err("an instant is told in one clock, not in several"),
        (None, _) => Err("an instant is told in one clock: wall, media_seconds, monotonic_ns, or a segment"),
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Instant;

        impl<'de> Visitor<'de> for Instant {
            type Value = When;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"now\", or an instant in one clock, as {\"wall\": \"2025-11-20T12:00:00Z\"}")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<When, E> {
                let other = || E::invalid_value(serde::de::Unexpected::Str(word), &self);
                (word == "now").then_some(When::Now).ok_or_else(other)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<When, A::Error> {
                let Clocks { wall, media_seconds, monotonic_ns, segment } =
                    Clocks::deserialize(MapAccessDeserializer::new(map))?;
                let reading = one_of([
                    wall.map(|Text(Date(wall))| Reading::Wall(wall)),
                    media_seconds.map(Reading::media),
                    monotonic_ns.map(|nanos| Reading::Monotonic(Monotonic::from_nanos(nanos))),
                    segment.map(|it| Reading::segment(it.media_sequence, it.offset_seconds)),
                ]);
                reading.map(When::At).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(Instant)
    }
}

/// Reads a body.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::new(StatusCode::BAD_REQUEST, in_words(&error)))
}

fn in_words(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let what = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    let names: Vec<&str> = what.split('`').skip(1).step_by(2).collect();
    let what = match names.split_first() {
        Some((name, known)) if what.starts_with("unknown field") => match nearest(name, known, SIMILAR) {
            Some(near) => format!("unknown field {name:?}; did you mean {near:?}?"),
            None => format!("unknown field {name:?}; what can stand here: {}", known.join(", ")),
        },
        _ => what.to_owned(),
    };
    format!("line {line}, column {column}: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Pts, Span};
    use proptest::prelude::*;

    #[test]
    fn an_instant_is_told_in_one_clock() {
        let at = |seconds: i64| Pts::default() + Span::from_millis(1000 * seconds);
        let table = [
            ("\"now\"", When::Now),
            (
                r#"{"wall": "2025-11-20T13:00:00.5+01:00"}"#,
                When::At(Reading::Wall(WallTime::from_unix_nanos(1_763_640_000_500_000_000))),
            ),
            (r#"{"media_seconds": 12}"#, When::At(Reading::Media(at(12)))),
            (r#"{"monotonic_ns": -5}"#, When::At(Reading::Monotonic(Monotonic::from_nanos(-5)))),
            (r#"{"segment": {"media_sequence": 7}}"#, When::At(Reading::Segment(7, Span::ZERO))),
            (
                r#"{"segment": {"media_sequence": 7, "offset_seconds": 1.5}, "wall": null}"#,
                When::At(Reading::Segment(7, Span::from_millis(1500))),
            ),
        ];
        for (json, expected) in table {
            assert_eq!(parse::<When>(json.as_bytes()).expect(json), expected, "{json}");
        }
    }

    #[test]
    fn faults_are_told_with_their_place() {
        let table = [
            ("", "line 1, column 0: EOF while parsing a value"),
            (
                "{\"kind\": \"door\",\n  \"labl\": \"x\"}",
                "line 2, column 8: unknown field \"labl\"; did you mean \"label\"?",
            ),
            (r#"{"kind": "door", "colour": 1}"#, "what can stand here: kind, from, to, level_dbfs, label"),
            (r#"{"label": "x"}"#, "missing field `kind`"),
            (r#"{"kind": "Door"}"#, "a kind is a word of at most 32 small letters"),
            (r#"{"kind": "door", "kind": "door"}"#, "duplicate field `kind`"),
            (r#"{"kind": "door", "label": " "}"#, "a label cannot be empty"),
            (r#"{"kind": "door", "level_dbfs": 100}"#, "a level is from -200 to 20 dBFS"),
            (r#"{"kind": "door", "from": "yesterday"}"#, "expected \"now\", or an instant in one clock"),
            (r#"{"kind": "door", "from": 7}"#, "expected \"now\", or an instant in one clock"),
            (r#"{"kind": "door", "from": {}}"#, "an instant is told in one clock: wall"),
            (r#"{"kind": "door", "from": {"wal": 7}}"#, "did you mean \"wall\"?"),
            (r#"{"kind": "door", "to": {"monotonic_ns": 7, "media_seconds": 7}}"#, "not in several"),
            (r#"{"kind": "door", "to": {"wall": "noon"}}"#, "\"noon\" is no date with time and offset"),
            (r#"{"kind": "door"} x"#, "line 1, column 18: trailing characters"),
        ];
        for (json, words) in table {
            let fault = parse::<NewMarker>(json.as_bytes()).err().expect(json);
            assert!(fault.why.contains(words) && fault.why.starts_with("line "), "{json}: {}", fault.why);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse::<NewMarker>(&body);
            let _ = parse::<Amendment>(&body);
        }
    }
}
