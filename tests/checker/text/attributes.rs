//! Attribute lists (RFC 8216, 4.2): names, values, and of which kind each value has to be.

/// What an attribute's value has to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    /// `0x` and digits.
    Hex,
    /// Digits, perhaps with a point; never a sign.
    Float,
    SignedFloat,
    Quoted,
    /// One of these words, without quotes.
    Word(&'static [&'static str]),
    /// `1280x720`
    Resolution,
}

/// Whether a tag makes sense without an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

use Kind::{Float, Hex, Integer, Quoted, Resolution, SignedFloat, Word};
use Need::{Optional, Required};

const YES: Kind = Word(&["YES"]);
const YES_NO: Kind = Word(&["YES", "NO"]);

/// The attributes a tag may have.
type Form = &'static [(&'static str, Kind, Need)];

/// Which attributes there are, by tag (RFC 8216, 4.3; rfc8216bis, 4.4).
const FORMS: [(&str, Form); 15] = [
    (
        "#EXT-X-STREAM-INF",
        &[
            ("BANDWIDTH", Integer, Required),
            ("AVERAGE-BANDWIDTH", Integer, Optional),
            ("SCORE", Float, Optional),
            ("CODECS", Quoted, Optional),
            ("SUPPLEMENTAL-CODECS", Quoted, Optional),
            ("RESOLUTION", Resolution, Optional),
            ("FRAME-RATE", Float, Optional),
            ("VIDEO-RANGE", Word(&["SDR", "HLG", "PQ"]), Optional),
            ("STABLE-VARIANT-ID", Quoted, Optional),
            ("AUDIO", Quoted, Optional),
            ("VIDEO", Quoted, Optional),
            ("SUBTITLES", Quoted, Optional),
            ("CLOSED-CAPTIONS", Word(&["NONE"]), Optional),
        ],
    ),
    (
        "#EXT-X-MEDIA",
        &[
            ("TYPE", Word(&["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"]), Required),
            ("GROUP-ID", Quoted, Required),
            ("NAME", Quoted, Required),
            ("URI", Quoted, Optional),
            ("LANGUAGE", Quoted, Optional),
            ("ASSOC-LANGUAGE", Quoted, Optional),
            ("DEFAULT", YES_NO, Optional),
            ("AUTOSELECT", YES_NO, Optional),
            ("FORCED", YES_NO, Optional),
            ("CHARACTERISTICS", Quoted, Optional),
            ("CHANNELS", Quoted, Optional),
            ("STABLE-RENDITION-ID", Quoted, Optional),
        ],
    ),
    ("#EXT-X-START", &[("TIME-OFFSET", SignedFloat, Required), ("PRECISE", YES_NO, Optional)]),
    (
        "#EXT-X-KEY",
        &[
            ("METHOD", Word(&["NONE", "AES-128", "SAMPLE-AES"]), Required),
            ("URI", Quoted, Optional),
            ("IV", Hex, Optional),
            ("KEYFORMAT", Quoted, Optional),
            ("KEYFORMATVERSIONS", Quoted, Optional),
        ],
    ),
    ("#EXT-X-MAP", &[("URI", Quoted, Required), ("BYTERANGE", Quoted, Optional)]),
    (
        "#EXT-X-DATERANGE",
        &[
            ("ID", Quoted, Required),
            ("START-DATE", Quoted, Required),
            ("CLASS", Quoted, Optional),
            ("END-DATE", Quoted, Optional),
            ("DURATION", Float, Optional),
            ("PLANNED-DURATION", Float, Optional),
            ("END-ON-NEXT", YES, Optional),
        ],
    ),
    (
        "#EXT-X-SERVER-CONTROL",
        &[
            ("CAN-SKIP-UNTIL", Float, Optional),
            ("CAN-SKIP-DATERANGES", YES_NO, Optional),
            ("HOLD-BACK", Float, Optional),
            ("PART-HOLD-BACK", Float, Optional),
            ("CAN-BLOCK-RELOAD", YES_NO, Optional),
        ],
    ),
    ("#EXT-X-PART-INF", &[("PART-TARGET", Float, Required)]),
    (
        "#EXT-X-PART",
        &[
            ("URI", Quoted, Required),
            ("DURATION", Float, Required),
            ("INDEPENDENT", YES, Optional),
            ("BYTERANGE", Quoted, Optional),
            ("GAP", YES, Optional),
        ],
    ),
    (
        "#EXT-X-PRELOAD-HINT",
        &[
            ("TYPE", Word(&["PART", "MAP"]), Required),
            ("URI", Quoted, Required),
            ("BYTERANGE-START", Integer, Optional),
            ("BYTERANGE-LENGTH", Integer, Optional),
        ],
    ),
    (
        "#EXT-X-RENDITION-REPORT",
        &[("URI", Quoted, Required), ("LAST-MSN", Integer, Required), ("LAST-PART", Integer, Optional)],
    ),
    (
        "#EXT-X-SKIP",
        &[("SKIPPED-SEGMENTS", Integer, Required), ("RECENTLY-REMOVED-DATERANGES", Quoted, Optional)],
    ),
    (
        "#EXT-X-SESSION-KEY",
        &[
            ("METHOD", Word(&["AES-128", "SAMPLE-AES"]), Required),
            ("URI", Quoted, Required),
            ("IV", Hex, Optional),
        ],
    ),
    (
        "#EXT-X-SESSION-DATA",
        &[("DATA-ID", Quoted, Required), ("VALUE", Quoted, Optional), ("URI", Quoted, Optional)],
    ),
    (
        "#EXT-X-DEFINE",
        &[("NAME", Quoted, Optional), ("VALUE", Quoted, Optional), ("IMPORT", Quoted, Optional)],
    ),
];

/// Attributes in the order in which they stand, quotes taken off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes(Vec<(String, String)>);

impl Attributes {
    /// The attributes of `tag`, and what is wrong with them.
    pub(crate) fn read(tag: &str, text: &str) -> (Self, Vec<String>) {
        let mut faults = Vec::new();
        let form = FORMS.iter().find(|(name, _)| *name == tag).map_or(&[][..], |(_, form)| form);
        let mut found: Vec<(String, String)> = Vec::new();
        for piece in split(text) {
            let Some((name, value)) = piece.split_once('=') else {
                faults.push(format!("{piece:?} is no attribute"));
                continue;
            };
            let word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || !name.chars().all(word) {
                faults.push(format!("{name:?} is no attribute's name"));
            }
            if found.iter().any(|(known, _)| known == name) {
                faults.push(format!("{name} stands twice"));
            }
            let client_defined = tag == "#EXT-X-DATERANGE" && name.starts_with("X-");
            match form.iter().find(|(known, ..)| *known == name) {
                Some((_, kind, _)) if !is_of(*kind, value) => {
                    faults.push(format!("{name}={value} is not {kind:?}"))
                }
                None if !client_defined => faults.push(format!("{tag} has no attribute {name}")),
                _ => {}
            }
            found.push((name.to_owned(), value.trim_matches('"').to_owned()));
        }
        let missing =
            form.iter().filter(|(name, _, need)| *need == Required && !found.iter().any(|it| it.0 == *name));
        faults.extend(missing.map(|(name, ..)| format!("{tag} needs {name}")));
        (Self(found), faults)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Names and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The number an attribute tells; one that is none counts as missing, and has been told of.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }

    pub(crate) fn says_yes(&self, name: &str) -> bool {
        self.get(name) == Some("YES")
    }
}

/// The pieces between commas that stand in no quotes.
fn split(text: &str) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .collect()
}

fn is_of(kind: Kind, value: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let float = |text: &str| {
        let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
        digits(whole) && digits(rest)
    };
    match kind {
        Integer => digits(value) && value.parse::<u64>().is_ok(),
        Hex => value
            .strip_prefix("0x")
            .or(value.strip_prefix("0X"))
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())),
        Float => float(value),
        SignedFloat => float(value.strip_prefix('-').unwrap_or(value)),
        Quoted => {
            value.len() >= 2
                && value.starts_with('"')
                && value.ends_with('"')
                && !value[1..value.len() - 1].contains('"')
        }
        Word(words) => words.contains(&value),
        Resolution => value.split_once('x').is_some_and(|(width, height)| digits(width) && digits(height)),
    }
}
