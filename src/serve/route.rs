//! Which path means what: total, and the only place where a path is read.
//!
//! A path is split at its slashes, each piece is percent-decoded once, and the pieces are compared with the
//! words below. Nothing is normalised: `//`, `.` and `..` are names nobody has. Queries are read elsewhere, where
//! they mean something.

use std::borrow::Cow;

use hyper::Method;

use crate::playlist::Latency;

/// First pieces of a path that are the server's own, and so no stream's name.
pub const RESERVED: [&str; 4] = ["api", "assets", "healthz", "metrics"];
/// Second pieces of a path that are the server's own, and so no rendition's name.
const FOLDERS: [&str; 2] = [LOW_LATENCY, KEYS];
const LOW_LATENCY: &str = "ll";
const KEYS: &str = "keys";
/// Longest stream name.
const NAME_LEN: usize = 63;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// The page; with a stream chosen if the path names one.
    Page { stream: Option<Cow<'a, str>> },
    /// A file of the page.
    Asset { name: Cow<'a, str> },
    /// `/{stream}/index.m3u8`, `/{stream}/ll/index.m3u8`
    Multivariant { stream: Cow<'a, str>, latency: Latency },
    /// `/{stream}/{rendition}/index.m3u8`
    Media { folder: Folder<'a> },
    /// `/{stream}/{rendition}/{sequence}.ts`, `/{stream}/ll/{rendition}/{sequence}.m4s`
    Segment { folder: Folder<'a>, sequence: u64 },
    /// `/{stream}/ll/{rendition}/{sequence}.{part}.m4s`
    Part { folder: Folder<'a>, sequence: u64, part: u64 },
    /// `/{stream}/ll/{rendition}/init-{number}.mp4`
    Init { folder: Folder<'a>, number: u64 },
    /// `/{stream}/keys/{number}.key`
    Key { stream: Cow<'a, str>, number: u64 },
    /// `/{stream}/{rendition}/live.ts`; `/{stream}/live.ts` is the first rendition's.
    Live { stream: Cow<'a, str>, rendition: Option<Cow<'a, str>> },
    /// `/{stream}/snapshot.jpg`
    Snapshot { stream: Cow<'a, str> },
    /// `/{stream}/clip`
    Clip { stream: Cow<'a, str> },
    /// `/healthz`
    Health,
    /// `/metrics`
    Metrics,
    /// `/api/v1/status`
    Status,
    /// `/api/v1/streams/{stream}/levels`
    Levels { stream: Cow<'a, str> },
    /// `/api/v1/openapi.json`
    Description,
    /// Below `/api/v1/streams/{stream}/`.
    Timeline { stream: Cow<'a, str>, about: About },
}

/// What of a stream's time is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// `markers`
    Markers,
    /// `markers/events`
    Events,
    /// `markers/{id}`
    Marker(String),
    /// `time`
    Time,
}

/// A rendition's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder<'a> {
    pub(super) stream: Cow<'a, str>,
    pub(super) latency: Latency,
    pub(super) rendition: Cow<'a, str>,
}

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Head,
    Options,
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 400: it is not one.
    Malformed,
    /// 404: nothing has it.
    Unknown,
}

/// The methods every path takes: the value of Allow.
pub(super) const METHODS: &str = "GET, HEAD, OPTIONS";

impl Route<'_> {
    /// The methods it takes.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Timeline { about: About::Markers, .. } => "GET, HEAD, OPTIONS, POST",
            Self::Timeline { about: About::Marker(_), .. } => "GET, HEAD, OPTIONS, PATCH, DELETE",
            _ => METHODS,
        }
    }
}

/// Whether a path is one of the API's, which is for programs.
pub(super) fn is_api(path: &str) -> bool {
    path.starts_with("/api/")
}

/// Whether a stream can have this name: lower-case letters, digits, `-` and `_`, beginning with a letter or
/// digit, 63 characters at most, and no word the server uses itself.
pub fn is_stream_name(name: &str) -> bool {
    is_word(name) && !RESERVED.contains(&name)
}

/// Whether a rendition can have this name: spelt as a stream's, and no word the server uses itself.
pub fn is_rendition_name(name: &str) -> bool {
    is_word(name) && !FOLDERS.contains(&name)
}

fn is_word(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= NAME_LEN
        && name.bytes().next().is_some_and(word)
        && name.bytes().all(|byte| word(byte) || byte == b'-' || byte == b'_')
}

impl Verb {
    /// Reads the method; `None` for one that is not only reading.
    pub(super) fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET => Some(Self::Get),
            Method::HEAD => Some(Self::Head),
            Method::OPTIONS => Some(Self::Options),
            _ => None,
        }
    }
}

/// The first piece of a path, where a stream's name stands.
pub(super) fn first_piece(path: &str) -> Option<Cow<'_, str>> {
    decode(path.strip_prefix('/')?.split('/').next()?).ok()
}

/// Reads a path (as in the request line, without the query).
pub(super) fn parse(path: &str) -> Result<Route<'_>, Refusal> {
    let mut rest = path.strip_prefix('/').ok_or(Refusal::Malformed)?.split('/');
    // No path has more than six pieces; a seventh only has to show that it is there.
    let mut pieces: [Cow<'_, str>; 7] = Default::default();
    let mut count = 0;
    for (place, raw) in pieces.iter_mut().zip(&mut rest) {
        *place = decode(raw)?;
        count += 1;
    }
    let [a, b, c, d, e, f, _] = pieces;
    let named = is_stream_name(&a);
    let route = match (count, &*a, &*b, &*c, &*d, &*e, &*f) {
        (1, "", ..) => Route::Page { stream: None },
        (1, "healthz", ..) => Route::Health,
        (1, "metrics", ..) => Route::Metrics,
        (2, "assets", ..) => Route::Asset { name: b },
        (3, "api", "v1", "status", ..) => Route::Status,
        (3, "api", "v1", "openapi.json", ..) => Route::Description,
        (5, "api", "v1", "streams", name, "levels", _) if is_stream_name(name) => Route::Levels { stream: d },
        (5 | 6, "api", "v1", "streams", name, what, which) if is_stream_name(name) => {
            let about = match (count, what, which) {
                (5, "markers", _) => About::Markers,
                (5, "time", _) => About::Time,
                (6, "markers", "events") => About::Events,
                (6, "markers", id) if !id.is_empty() => About::Marker(id.to_owned()),
                _ => return Err(Refusal::Unknown),
            };
            Route::Timeline { stream: d, about }
        }
        (1, ..) | (2, _, "", ..) if named => Route::Page { stream: Some(a) },
        (2, _, "index.m3u8", ..) if named => Route::Multivariant { stream: a, latency: Latency::Ordinary },
        (2, _, "live.ts", ..) if named => Route::Live { stream: a, rendition: None },
        (2, _, "snapshot.jpg", ..) if named => Route::Snapshot { stream: a },
        (2, _, "clip", ..) if named => Route::Clip { stream: a },
        (3, _, LOW_LATENCY, "index.m3u8", ..) if named => {
            Route::Multivariant { stream: a, latency: Latency::Low }
        }
        (3, _, KEYS, file, ..) if named => {
            let number = file.strip_suffix(".key").and_then(number).ok_or(Refusal::Unknown)?;
            Route::Key { stream: a, number }
        }
        (3, _, rendition, "live.ts", ..) if named && is_rendition_name(rendition) => {
            Route::Live { stream: a, rendition: Some(b) }
        }
        (3, _, rendition, file, ..) if named && is_rendition_name(rendition) => {
            let name = Name::of(file).ok_or(Refusal::Unknown)?;
            within(Folder { stream: a, latency: Latency::Ordinary, rendition: b }, name)?
        }
        (4, _, LOW_LATENCY, rendition, file, ..) if named && is_rendition_name(rendition) => {
            let name = Name::of(file).ok_or(Refusal::Unknown)?;
            within(Folder { stream: a, latency: Latency::Low, rendition: c }, name)?
        }
        _ => return Err(Refusal::Unknown),
    };
    Ok(route)
}

/// The file of this name in a rendition's folder. Ordinary renditions are transport streams, those of low latency
/// are fragmented MP4.
fn within(folder: Folder<'_>, name: Name) -> Result<Route<'_>, Refusal> {
    match (folder.latency, name) {
        (_, Name::Playlist) => Ok(Route::Media { folder }),
        (Latency::Ordinary, Name::Ts { sequence }) | (Latency::Low, Name::M4s { sequence, part: None }) => {
            Ok(Route::Segment { folder, sequence })
        }
        (Latency::Low, Name::M4s { sequence, part: Some(part) }) => {
            Ok(Route::Part { folder, sequence, part })
        }
        (Latency::Low, Name::Init { number }) => Ok(Route::Init { folder, number }),
        _ => Err(Refusal::Unknown),
    }
}

/// A file's name, in the one way in which playlists write it.
enum Name {
    Playlist,
    Ts { sequence: u64 },
    M4s { sequence: u64, part: Option<u64> },
    Init { number: u64 },
}

impl Name {
    fn of(file: &str) -> Option<Self> {
        if file == "index.m3u8" {
            return Some(Self::Playlist);
        }
        if let Some(init) = file.strip_prefix("init-") {
            return init.strip_suffix(".mp4").and_then(number).map(|number| Self::Init { number });
        }
        if let Some(sequence) = file.strip_suffix(".ts") {
            return number(sequence).map(|sequence| Self::Ts { sequence });
        }
        let stem = file.strip_suffix(".m4s")?;
        let (sequence, part) = match stem.split_once('.') {
            None => (stem, None),
            Some((sequence, part)) => (sequence, Some(number(part)?)),
        };
        Some(Self::M4s { sequence: number(sequence)?, part })
    }
}

/// A number without sign or leading zero.
fn number(digits: &str) -> Option<u64> {
    let plain =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    plain.then(|| digits.parse().ok()).flatten()
}

/// Percent-decodes one piece of a path (RFC 3986, 2.1): every `%` has two hexadecimal digits behind it, and
/// what comes out is UTF-8.
fn decode(raw: &str) -> Result<Cow<'_, str>, Refusal> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut bytes = raw.bytes();
    let mut decoded = Vec::with_capacity(raw.len());
    let digit = |bytes: &mut std::str::Bytes<'_>| {
        bytes.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or(Refusal::Malformed)
    };
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => (digit(&mut bytes)? << 4 | digit(&mut bytes)?) as u8,
            plain => plain,
        });
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folder(latency: Latency) -> Folder<'static> {
        Folder { stream: "radio".into(), latency, rendition: "audio".into() }
    }

    #[test]
    fn paths_and_their_meaning() {
        let stream = || Cow::from("radio");
        let (ordinary, low) = (|| folder(Latency::Ordinary), || folder(Latency::Low));
        let table = [
            ("/", Route::Page { stream: None }),
            ("/radio", Route::Page { stream: Some(stream()) }),
            ("/radio/", Route::Page { stream: Some(stream()) }),
            ("/assets/app.js", Route::Asset { name: "app.js".into() }),
            ("/radio/index.m3u8", Route::Multivariant { stream: stream(), latency: Latency::Ordinary }),
            ("/%72adio/index%2em3u8", Route::Multivariant { stream: stream(), latency: Latency::Ordinary }),
            ("/radio/ll/index.m3u8", Route::Multivariant { stream: stream(), latency: Latency::Low }),
            ("/radio/audio/index.m3u8", Route::Media { folder: ordinary() }),
            ("/radio/ll/audio/index.m3u8", Route::Media { folder: low() }),
            ("/radio/audio/0.ts", Route::Segment { folder: ordinary(), sequence: 0 }),
            (
                "/radio/audio/18446744073709551615.ts",
                Route::Segment { folder: ordinary(), sequence: u64::MAX },
            ),
            ("/radio/ll/audio/7.m4s", Route::Segment { folder: low(), sequence: 7 }),
            ("/radio/ll/audio/7.0.m4s", Route::Part { folder: low(), sequence: 7, part: 0 }),
            ("/radio/ll/audio/init-1.mp4", Route::Init { folder: low(), number: 1 }),
            ("/radio/keys/12.key", Route::Key { stream: stream(), number: 12 }),
            ("/radio/live.ts", Route::Live { stream: stream(), rendition: None }),
            ("/radio/audio/live.ts", Route::Live { stream: stream(), rendition: Some("audio".into()) }),
            ("/radio/snapshot.jpg", Route::Snapshot { stream: stream() }),
            ("/radio/clip", Route::Clip { stream: stream() }),
            ("/healthz", Route::Health),
            ("/metrics", Route::Metrics),
            ("/api/v1/status", Route::Status),
            ("/api/v1/streams/radio/levels", Route::Levels { stream: stream() }),
            ("/api/v1/streams/radio/markers", Route::Timeline { stream: stream(), about: About::Markers }),
            (
                "/api/v1/streams/radio/markers/events",
                Route::Timeline { stream: stream(), about: About::Events },
            ),
        ];
        for (path, route) in table {
            assert_eq!(parse(path), Ok(route), "{path}");
        }
    }

    #[test]
    fn paths_without_meaning() {
        let unknown = [
            "//",
            "/.",
            "/..",
            "/../radio",
            "/Radio",
            "/-radio",
            "/api",
            "/api/",
            "/api/v1",
            "/api/v1/status/",
            "/api/v2/status",
            "/assets",
            "/metrics/",
            "/healthz/",
            "/metrics/live.ts",
            "/radio//",
            "/radio/index.m3u",
            "/radio/snapshot.jpeg",
            "/radio/audio/snapshot.jpg",
            "/radio%2findex.m3u8",
            "/radio/audio/",
            "/radio/audio/+1.ts",
            "/radio/audio/01.ts",
            "/radio/audio/.ts",
            "/radio/audio/1.ts/",
            "/radio/audio/18446744073709551616.ts",
            "/radio/audio/1.TS",
            "/radio/audio/1.m4s",
            "/radio/audio/1.0.m4s",
            "/radio/audio/init-1.mp4",
            "/radio/ll",
            "/radio/ll/",
            "/radio/ll/live.ts",
            "/radio/ll/1.ts",
            "/radio/ll/audio/1.ts",
            "/radio/ll/audio/live.ts",
            "/radio/ll/audio/1.0.0.m4s",
            "/radio/ll/audio/1.00.m4s",
            "/radio/ll/audio/1..m4s",
            "/radio/ll/audio/.0.m4s",
            "/radio/ll/audio/init-.mp4",
            "/radio/ll/audio/init-01.mp4",
            "/radio/ll/ll/index.m3u8",
            "/radio/ll/keys/1.key",
            "/radio/keys/index.m3u8",
            "/radio/keys/live.ts",
            "/radio/keys/1.ts",
            "/radio/keys/01.key",
            "/radio%00",
            "/api/v1/streams/api/levels",
            "/api/v1/streams/radio/levels/",
            "/api/v1/streams/radio/markers/",
            "/api/v1/streams/radio/markers/1/2",
            "/api/v1/streams/radio/time/1",
            "/a/b/c/d/e/f/g",
        ];
        for path in unknown {
            assert_eq!(parse(path), Err(Refusal::Unknown), "{path}");
        }
        for path in ["", "*", "radio", "/%", "/%7", "/%zz", "/%+7", "/%ff", "/radio/%c3%28"] {
            assert_eq!(parse(path), Err(Refusal::Malformed), "{path}");
        }
    }

    #[test]
    fn only_reading_is_allowed() {
        let cases = [
            (Method::GET, Some(Verb::Get)),
            (Method::HEAD, Some(Verb::Head)),
            (Method::OPTIONS, Some(Verb::Options)),
            (Method::POST, None),
            (Method::DELETE, None),
            (Method::from_bytes(b"get").expect("a token"), None),
        ];
        for (method, verb) in cases {
            assert_eq!(Verb::of(&method), verb, "{method}");
        }
    }

    #[test]
    fn the_first_piece_is_decoded_as_the_others_are() {
        let table =
            [("/radio/x/y", Some("radio")), ("/%72adio", Some("radio")), ("/", Some("")), ("*", None)];
        for (path, first) in table {
            assert_eq!(first_piece(path).as_deref(), first, "{path}");
        }
    }

    #[test]
    fn names_a_rendition_can_have() {
        for (name, can) in [("video", true), ("720p", true), ("ll", false), ("keys", false), ("A", false)] {
            assert_eq!(is_rendition_name(name), can, "{name}");
        }
    }

    #[test]
    fn names_a_stream_can_have() {
        let longest = "a".repeat(63);
        for name in ["radio", "7", "tower-2", "a_b", &longest] {
            assert!(is_stream_name(name), "{name}");
        }
        let too_long = "a".repeat(64);
        for name in ["", "-a", "_a", "A", "a.b", "a b", "ä", "api", "assets", "healthz", "metrics", &too_long]
        {
            assert!(!is_stream_name(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(path in "\\PC{0,80}") {
            let _ = parse(&path);
        }

        #[test]
        fn any_likely_path_has_an_answer(path in "(/(%[0-9a-f]{0,2}|radio|ll|keys|audio|api|v1|index\\.m3u8|(init-)?[0-9]{0,21}(\\.[0-9]{0,3})?\\.(ts|m4s|mp4|key)|\\.\\.)?){0,7}") {
            let _ = parse(&path);
        }

        #[test]
        fn media_are_found_under_the_names_playlists_give_them(sequence: u64, part: u64) {
            let folder = folder(Latency::Low);
            let segment = format!("/radio/ll/audio/{sequence}.m4s");
            prop_assert_eq!(parse(&segment), Ok(Route::Segment { folder: folder.clone(), sequence }));
            let path = format!("/radio/ll/audio/{sequence}.{part}.m4s");
            prop_assert_eq!(parse(&path), Ok(Route::Part { folder, sequence, part }));
        }
    }
}
