//! Which path means what: total, and the only place where a path is read.
//!
//! A path is split at its slashes, each piece is percent-decoded once, and the pieces are compared with the
//! words below. Nothing is normalised: `//`, `.` and `..` are names nobody has. Queries choose nothing.

use std::borrow::Cow;

use hyper::Method;

/// First pieces of a path that are the server's own, and so no stream's name.
pub const RESERVED: [&str; 4] = ["api", "assets", "healthz", "metrics"];
/// Longest stream name.
const NAME_LEN: usize = 63;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// The page; with a stream chosen if the path names one.
    Page { stream: Option<Cow<'a, str>> },
    /// A file of the page.
    Asset { name: Cow<'a, str> },
    /// `/{stream}/index.m3u8`
    Multivariant { stream: Cow<'a, str> },
    /// `/{stream}/{rendition}/index.m3u8`
    Media { stream: Cow<'a, str>, rendition: Cow<'a, str> },
    /// `/{stream}/{rendition}/{sequence}.ts`
    Segment { stream: Cow<'a, str>, rendition: Cow<'a, str>, sequence: u64 },
    /// `/{stream}/live.ts`
    Live { stream: Cow<'a, str> },
    /// `/{stream}/snapshot.jpg`
    Snapshot { stream: Cow<'a, str> },
    /// `/healthz`
    Health,
    /// `/metrics`
    Metrics,
    /// `/api/v1/status`
    Status,
    /// `/api/v1/streams/{stream}/levels`
    Levels { stream: Cow<'a, str> },
}

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Head,
    Options,
}

/// Why a request leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 400: the path is not one.
    Malformed,
    /// 404: nothing has this path.
    Unknown,
    /// 405: the path exists, and is only read.
    Method,
}

/// The methods every path takes: the value of Allow.
pub(super) const METHODS: &str = "GET, HEAD, OPTIONS";

/// Whether a stream can have this name: lower-case letters, digits, `-` and `_`, beginning with a letter or
/// digit, 63 characters at most, and no word the server uses itself.
pub fn is_stream_name(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= NAME_LEN
        && name.bytes().next().is_some_and(word)
        && name.bytes().all(|byte| word(byte) || byte == b'-' || byte == b'_')
        && !RESERVED.contains(&name)
}

/// Reads method and path (as in the request line, without the query).
pub(super) fn parse<'a>(method: &Method, path: &'a str) -> Result<(Verb, Route<'a>), Refusal> {
    let route = parse_path(path)?;
    let verb = match *method {
        Method::GET => Verb::Get,
        Method::HEAD => Verb::Head,
        Method::OPTIONS => Verb::Options,
        _ => return Err(Refusal::Method),
    };
    Ok((verb, route))
}

fn parse_path(path: &str) -> Result<Route<'_>, Refusal> {
    let mut rest = path.strip_prefix('/').ok_or(Refusal::Malformed)?.split('/');
    // No path has more than five pieces; a sixth only has to show that it is there.
    let mut pieces: [Cow<'_, str>; 6] = Default::default();
    let mut count = 0;
    for (place, raw) in pieces.iter_mut().zip(&mut rest) {
        *place = decode(raw)?;
        count += 1;
    }
    let [a, b, c, d, e, _] = pieces;
    let named = is_stream_name(&a);
    let route = match (count, &*a, &*b, &*c, &*d, &*e) {
        (1, "", ..) => Route::Page { stream: None },
        (1, "healthz", ..) => Route::Health,
        (1, "metrics", ..) => Route::Metrics,
        (2, "assets", ..) => Route::Asset { name: b },
        (3, "api", "v1", "status", ..) => Route::Status,
        (5, "api", "v1", "streams", name, "levels") if is_stream_name(name) => Route::Levels { stream: d },
        (1, ..) | (2, _, "", ..) if named => Route::Page { stream: Some(a) },
        (2, _, "index.m3u8", ..) if named => Route::Multivariant { stream: a },
        (2, _, "live.ts", ..) if named => Route::Live { stream: a },
        (2, _, "snapshot.jpg", ..) if named => Route::Snapshot { stream: a },
        (3, _, _, "index.m3u8", ..) if named => Route::Media { stream: a, rendition: b },
        (3, _, _, file, ..) if named => {
            let sequence = sequence(file).ok_or(Refusal::Unknown)?;
            Route::Segment { stream: a, rendition: b, sequence }
        }
        _ => return Err(Refusal::Unknown),
    };
    Ok(route)
}

/// `{sequence}.ts`, in the one way in which playlists write it: no sign, no leading zero.
fn sequence(file: &str) -> Option<u64> {
    let digits = file.strip_suffix(".ts")?;
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

    fn get(path: &str) -> Result<Route<'_>, Refusal> {
        parse(&Method::GET, path).map(|(_, route)| route)
    }

    #[test]
    fn paths_and_their_meaning() {
        let stream = || Cow::from("radio");
        let rendition = || Cow::from("audio");
        let table = [
            ("/", Route::Page { stream: None }),
            ("/radio", Route::Page { stream: Some(stream()) }),
            ("/radio/", Route::Page { stream: Some(stream()) }),
            ("/assets/app.js", Route::Asset { name: "app.js".into() }),
            ("/radio/index.m3u8", Route::Multivariant { stream: stream() }),
            ("/%72adio/index%2em3u8", Route::Multivariant { stream: stream() }),
            ("/radio/audio/index.m3u8", Route::Media { stream: stream(), rendition: rendition() }),
            ("/radio/audio/0.ts", Route::Segment { stream: stream(), rendition: rendition(), sequence: 0 }),
            (
                "/radio/audio/18446744073709551615.ts",
                Route::Segment { stream: stream(), rendition: rendition(), sequence: u64::MAX },
            ),
            ("/radio/live.ts", Route::Live { stream: stream() }),
            ("/radio/snapshot.jpg", Route::Snapshot { stream: stream() }),
            ("/healthz", Route::Health),
            ("/metrics", Route::Metrics),
            ("/api/v1/status", Route::Status),
            ("/api/v1/streams/radio/levels", Route::Levels { stream: stream() }),
        ];
        for (path, route) in table {
            assert_eq!(get(path), Ok(route), "{path}");
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
            "/radio%00",
            "/api/v1/streams/api/levels",
            "/api/v1/streams/radio/levels/",
            "/a/b/c/d/e/f/g",
        ];
        for path in unknown {
            assert_eq!(get(path), Err(Refusal::Unknown), "{path}");
        }
        for path in ["", "*", "radio", "/%", "/%7", "/%zz", "/%+7", "/%ff", "/radio/%c3%28"] {
            assert_eq!(get(path), Err(Refusal::Malformed), "{path}");
        }
    }

    #[test]
    fn only_reading_is_allowed() {
        let cases = [
            (Method::GET, Ok(Verb::Get)),
            (Method::HEAD, Ok(Verb::Head)),
            (Method::OPTIONS, Ok(Verb::Options)),
            (Method::POST, Err(Refusal::Method)),
            (Method::DELETE, Err(Refusal::Method)),
            (Method::from_bytes(b"get").expect("a token"), Err(Refusal::Method)),
        ];
        for (method, verb) in cases {
            assert_eq!(parse(&method, "/radio").map(|(verb, _)| verb), verb, "{method}");
            assert_eq!(parse(&method, "/no/such/path/at/all").err(), Some(Refusal::Unknown), "{method}");
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
            let _ = get(&path);
        }

        #[test]
        fn any_likely_path_has_an_answer(path in "(/(%[0-9a-f]{0,2}|radio|audio|api|v1|index\\.m3u8|[0-9]{0,21}\\.ts|\\.\\.)?){0,7}") {
            let _ = get(&path);
        }

        #[test]
        fn segments_are_found_under_the_name_playlists_give_them(sequence: u64) {
            let path = format!("/radio/audio/{sequence}.ts");
            let route = Route::Segment { stream: "radio".into(), rendition: "audio".into(), sequence };
            prop_assert_eq!(get(&path), Ok(route));
        }
    }
}
