//! Replies: status, header fields, body.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION,
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, LAST_MODIFIED, LOCATION, REFERRER_POLICY, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};
use jiff::Timestamp;

use super::access::Denial;
use super::body::{Body, Pieces};
use super::clip::Delivery;
use super::negotiate::{self, Coding, Slice};
use super::rendition::Rendition;
use super::route::{METHODS, Verb};
use super::shown::Shown;
use super::text::{self, Text};
use crate::base::WallTime;
use crate::clip::Kind;
use crate::observe::metrics;
use crate::playlist::{Format, Latency};
use crate::segment::{Part, Segment};

pub(super) type Reply = Response<Body>;

pub(super) const PLAYLIST: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
const TRANSPORT_STREAM: HeaderValue = HeaderValue::from_static("video/mp2t");
const JPEG: HeaderValue = HeaderValue::from_static("image/jpeg");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const METRICS: HeaderValue = HeaderValue::from_static(metrics::CONTENT_TYPE);

/// A segment never changes under its number.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=3600, immutable");
/// The page may change with the next start of the program: ask, and get 304.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// Nobody else's, and to be asked for again: the same time may have other dates by then.
const OWN: HeaderValue = HeaderValue::from_static("private, no-cache");
const NEVER: HeaderValue = HeaderValue::from_static("no-store");
/// What is not there now may be there soon.
const BRIEFLY: HeaderValue = HeaderValue::from_static("public, max-age=1");

/// Fields a page from elsewhere may read and send (CORS, Fetch standard 3.2).
const EXPOSED: HeaderValue = HeaderValue::from_static("Age, Content-Range, Date, ETag");
const SENDABLE: HeaderValue =
    HeaderValue::from_static("Authorization, Range, If-Range, If-None-Match, If-Modified-Since");
const A_DAY: HeaderValue = HeaderValue::from_static("86400");

fn reply(status: StatusCode, kind: HeaderValue, cache: HeaderValue, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    // Room for all that follow: the map never grows.
    headers.reserve(12);
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, cache);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

fn field(reply: &mut Reply, name: HeaderName, value: impl Into<HeaderValue>) {
    reply.headers_mut().insert(name, value.into());
}

fn formatted(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits and punctuation are a field value")
}

fn modified_field(reply: &mut Reply, modified: Option<Timestamp>) {
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    let date = modified.and_then(|stamp| printer.timestamp_to_rfc9110_string(&stamp).ok());
    if let Some(date) = date.and_then(|date| HeaderValue::try_from(date).ok()) {
        field(reply, LAST_MODIFIED, date);
    }
}

/// A text held in both codings: whichever the client likes, or 304.
pub(super) fn text(
    asked: &HeaderMap,
    text: &Text,
    kind: HeaderValue,
    cache: HeaderValue,
    modified: Option<Timestamp>,
) -> Reply {
    let coding = negotiate::coding(asked);
    let tag = text.tag(coding);
    let mut reply = if negotiate::is_unchanged(asked, tag, modified) {
        unchanged(cache)
    } else {
        let mut whole = reply(StatusCode::OK, kind, cache, Body::Full(text.bytes(coding).clone()));
        if coding == Coding::Gzip {
            field(&mut whole, CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        modified_field(&mut whole, modified);
        whole
    };
    field(&mut reply, ETAG, tag.clone());
    field(&mut reply, VARY, ACCEPT_ENCODING);
    reply
}

const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");

/// 304 carries the fields that keep a cache's copy fresh (RFC 9110, 15.4.5).
fn unchanged(cache: HeaderValue) -> Reply {
    let mut reply = Response::new(Body::Empty);
    *reply.status_mut() = StatusCode::NOT_MODIFIED;
    field(&mut reply, CACHE_CONTROL, cache);
    reply
}

/// A file of the page.
pub(super) fn asset(asked: &HeaderMap, text_of: &Text, kind: HeaderValue) -> Reply {
    text(asked, text_of, kind, REVALIDATE, None)
}

/// The page itself, and what it may load (see [`super::page::policy`]).
pub(super) fn page(asked: &HeaderMap, text_of: &Text, kind: HeaderValue, policy: &HeaderValue) -> Reply {
    let mut reply = asset(asked, text_of, kind);
    field(&mut reply, CONTENT_SECURITY_POLICY, policy.clone());
    field(&mut reply, REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    reply
}

/// Media that never change under their name.
pub(super) struct Media<'a> {
    kind: HeaderValue,
    tag: HeaderValue,
    cache: HeaderValue,
    content: Content<'a>,
    len: usize,
    /// When they were complete.
    completed: Option<Timestamp>,
    /// What they are called where they are saved.
    name: Option<HeaderValue>,
}

enum Content<'a> {
    Chunks(&'a Arc<[Bytes]>),
    Clip(Delivery),
}

impl Content<'_> {
    fn body(self, range: Range<usize>) -> Body {
        match self {
            Self::Chunks(chunks) => Body::Chunks(Pieces::new(chunks.clone(), range)),
            Self::Clip(clip) => Body::Clip(Box::new(clip.range(range))),
        }
    }
}

impl<'a> Media<'a> {
    pub(super) fn segment(rendition: &Rendition, shown: &Shown, segment: &'a Segment) -> Self {
        let Segment { sequence, start, duration, body, .. } = segment;
        let [fragment, _] = fragmented(rendition);
        let kind = match rendition.format() {
            Format::TransportStream => TRANSPORT_STREAM,
            Format::Fmp4 => fragment,
        };
        // Sequence numbers are never used twice; the media time guards against a lost record of them.
        let tag = formatted(format!("\"{sequence:x}-{:x}-{:x}\"", start.ticks(), body.len));
        let completed = shown.completed(*start, *duration);
        Self { completed, ..Self::chunks(kind, tag, &body.chunks, body.len) }
    }

    /// Part number `index` of segment `sequence`.
    pub(super) fn part(
        rendition: &Rendition,
        shown: &Shown,
        (sequence, index): (u64, u64),
        part: &'a Part,
    ) -> Self {
        let Part { start, duration, body, .. } = part;
        let [kind, _] = fragmented(rendition);
        let tag = formatted(format!("\"{sequence:x}.{index:x}-{:x}-{:x}\"", start.ticks(), body.len));
        let completed = shown.completed(*start, *duration);
        Self { completed, ..Self::chunks(kind, tag, &body.chunks, body.len) }
    }

    /// An initialisation section, whose bytes are all of `chunks`.
    pub(super) fn init(rendition: &Rendition, chunks: &'a Arc<[Bytes]>) -> Self {
        let (len, bytes) = (chunks.iter().map(Bytes::len).sum(), chunks.first().map_or(&[][..], |it| it));
        let tag = formatted(format!("\"{:016x}\"", text::hash(bytes)));
        let [_, kind] = fragmented(rendition);
        Self::chunks(kind, tag, chunks, len)
    }

    fn chunks(kind: HeaderValue, tag: HeaderValue, chunks: &'a Arc<[Bytes]>, len: usize) -> Self {
        let (cache, content) = (FOR_GOOD, Content::Chunks(chunks));
        Self { kind, tag, cache, content, len, completed: None, name: None }
    }

    /// A clip, and what it is called.
    pub(super) fn clip(delivery: Delivery, name: HeaderValue) -> Self {
        let (clip, len) = (delivery.clip(), delivery.left());
        let kind = HeaderValue::from_static(match clip.kind {
            Kind::M4a => "audio/mp4",
            Kind::Aac => "audio/aac",
            Kind::Mp4 => "video/mp4",
            Kind::Ts => "video/mp2t",
        });
        let (span, head) = (&clip.span, text::hash(&clip.head));
        let tag = format!("\"{:x}-{:x}-{len:x}-{head:x}\"", span.start.ticks(), span.end.ticks());
        let (tag, content) = (formatted(tag), Content::Clip(delivery));
        Self { kind, tag, cache: OWN, content, len, completed: None, name: Some(name) }
    }
}

/// The types of what is fetched of fragmented MP4, and of what a decoder must have read before.
fn fragmented(rendition: &Rendition) -> [HeaderValue; 2] {
    // For segments of sound alone no type of their own is registered.
    let types =
        if rendition.is_sound() { ["audio/mp4", "audio/mp4"] } else { ["video/iso.segment", "video/mp4"] };
    types.map(HeaderValue::from_static)
}

/// All of it, or the range that was asked for.
pub(super) fn media(verb: Verb, asked: &HeaderMap, media: Media<'_>) -> Reply {
    let Media { kind, tag, cache, content, len, completed, name } = media;
    let mut reply = if negotiate::is_unchanged(asked, &tag, completed) {
        unchanged(cache)
    } else {
        // A range has a meaning for GET alone (RFC 9110, 14.2).
        let slice = if verb == Verb::Get { negotiate::part(asked, &tag, len) } else { Slice::Whole };
        match slice {
            Slice::Whole => reply(StatusCode::OK, kind, cache, content.body(0..len)),
            Slice::Bytes(range) => {
                let extent = format!("bytes {}-{}/{len}", range.start, range.end - 1);
                let mut part = reply(StatusCode::PARTIAL_CONTENT, kind, cache, content.body(range));
                field(&mut part, CONTENT_RANGE, formatted(extent));
                part
            }
            Slice::Beyond => {
                let mut beyond = plain(StatusCode::RANGE_NOT_SATISFIABLE, "no byte of that range is there\n");
                field(&mut beyond, CONTENT_RANGE, formatted(format!("bytes */{len}")));
                return beyond;
            }
        }
    };
    field(&mut reply, ETAG, tag);
    field(&mut reply, ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(name) = name {
        field(&mut reply, CONTENT_DISPOSITION, name);
    }
    modified_field(&mut reply, completed);
    reply
}

/// How long a cache may give out a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasting {
    /// Half a target duration: a new one is due no later than after one and a half (RFC 8216, 6.2.1), and players
    /// come back after a half (6.3.4).
    Live,
    /// Six: it was held until it had what was asked for, and whoever asks for the same later wants no less
    /// (rfc8216bis, appendix B.1).
    Held,
}

/// A playlist. That of ordinary latency has a date; parts come too fast for one of whole seconds.
pub(super) fn playlist(
    asked: &HeaderMap,
    rendition: &Rendition,
    shown: &Shown,
    text_of: &Text,
    lasting: Lasting,
) -> Reply {
    let target = shown.snapshot.target.0;
    let seconds = match lasting {
        Lasting::Live => target / 2,
        Lasting::Held => target.saturating_mul(6),
    };
    let modified = match rendition.latency() {
        Latency::Ordinary => shown.modified(),
        Latency::Low => None,
    };
    text(asked, text_of, PLAYLIST, formatted(format!("public, max-age={seconds}")), modified)
}

/// The bytes of a key: whoever may have them asks here, and no cache in between gives them to others.
pub(super) fn key(secret: [u8; 16]) -> Reply {
    reply(StatusCode::OK, OCTETS, NEVER, Body::Full(Bytes::copy_from_slice(&secret)))
}

/// 401 where nothing was shown that could be judged (RFC 9110, 11.6.1), 403 where it was not good enough.
pub(super) fn denied(denial: Denial) -> Reply {
    let status = if denial == Denial::Missing { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    let reply = plain(status, format!("{denial}\n"));
    if status == StatusCode::UNAUTHORIZED { challenge(reply) } else { reply }
}

/// The endless transport stream.
pub(super) fn live(body: Body) -> Reply {
    reply(StatusCode::OK, TRANSPORT_STREAM, NEVER, body)
}

/// An answer of the API.
pub(super) fn json(text: String) -> Reply {
    api(StatusCode::OK, text)
}

/// A long answer of the API.
pub(super) fn list(asked: &HeaderMap, text_of: &Text) -> Reply {
    text(asked, text_of, JSON, NEVER, None)
}

/// An answer of the API, good or bad.
pub(super) fn api(status: StatusCode, text: String) -> Reply {
    reply(status, JSON, NEVER, Body::Full(Bytes::from(text)))
}

/// 201: it is there now, and where.
pub(super) fn created(text: String, place: &str) -> Reply {
    let mut reply = api(StatusCode::CREATED, text);
    field(&mut reply, LOCATION, formatted(place.to_owned()));
    reply
}

/// 204: it is gone.
pub(super) fn removed() -> Reply {
    let mut reply = Response::new(Body::Empty);
    *reply.status_mut() = StatusCode::NO_CONTENT;
    field(&mut reply, CACHE_CONTROL, NEVER);
    reply
}

/// The same, saying that a token is wanted (RFC 9110, 11.6.1).
pub(super) fn challenge(mut reply: Reply) -> Reply {
    field(&mut reply, WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    reply
}

/// The same, saying in how many seconds to try again.
pub(super) fn again(mut reply: Reply, seconds: u32) -> Reply {
    field(&mut reply, RETRY_AFTER, seconds);
    reply
}

/// The same, saying which methods there are.
pub(super) fn allowing(mut reply: Reply, methods: &'static str) -> Reply {
    field(&mut reply, ALLOW, HeaderValue::from_static(methods));
    reply
}

/// Events as they come.
pub(super) fn events(body: Body) -> Reply {
    reply(StatusCode::OK, EVENTS, NEVER, body)
}

/// A photo: of one moment, and kept by nobody.
pub(super) fn snapshot(jpeg: Bytes) -> Reply {
    reply(StatusCode::OK, JPEG, NEVER, Body::Full(jpeg))
}

/// 404: the stream is there and gives no photos, and why.
pub(super) fn no_snapshots(why: &str) -> Reply {
    plain(StatusCode::NOT_FOUND, format!("this stream has no snapshot: {why}\n"))
}

/// 503: no picture came in time; ask again in so many seconds.
pub(super) fn no_snapshot_now(why: &str, seconds: u32) -> Reply {
    again(plain(StatusCode::SERVICE_UNAVAILABLE, format!("no snapshot now: {why}\n")), seconds)
}

/// The metrics.
pub(super) fn metrics(text: String) -> Reply {
    reply(StatusCode::OK, METRICS, NEVER, Body::Full(Bytes::from(text)))
}

pub(super) fn unknown() -> Reply {
    plain(StatusCode::NOT_FOUND, "nothing is here; the page is at /\n")
}

/// A line for people.
pub(super) fn plain(status: StatusCode, line: impl Into<Bytes>) -> Reply {
    let cache = if status == StatusCode::NOT_FOUND { BRIEFLY } else { NEVER };
    reply(status, PLAIN, cache, Body::Full(line.into()))
}

/// 400: every request of HTTP/1.1 names its host (RFC 9112, 3.2).
pub(super) fn no_host() -> Reply {
    plain(StatusCode::BAD_REQUEST, "a request names the host it is for\n")
}

/// 400: the query cannot be answered, and why.
pub(super) fn bad_query(why: &impl std::fmt::Display) -> Reply {
    plain(StatusCode::BAD_REQUEST, format!("{why}\n"))
}

/// 414: what it asks for would have to be waited for, and it says too much to be kept.
pub(super) fn long_target() -> Reply {
    plain(StatusCode::URI_TOO_LONG, "a request that has to wait may have an address of 2,048 bytes\n")
}

/// 404: nothing of the piece that was asked for is kept, and what is.
pub(super) fn no_recording(kept: Option<(WallTime, WallTime)>) -> Reply {
    let kept = kept.map_or_else(String::new, |(first, last)| format!(": there is from {first} to {last}"));
    plain(StatusCode::NOT_FOUND, format!("nothing of that time is kept{kept}\n"))
}

/// 404: there is no such clip, and why.
pub(super) fn no_clip(why: &impl std::fmt::Display) -> Reply {
    plain(StatusCode::NOT_FOUND, format!("{why}\n"))
}

/// 405, and which methods there are.
pub(super) fn wrong_method() -> Reply {
    let reply = plain(StatusCode::METHOD_NOT_ALLOWED, "this is only read: GET, HEAD or OPTIONS\n");
    allowing(reply, METHODS)
}

/// 503: it did not come while it was waited for, and what that is; ask again in so many seconds.
pub(super) fn not_yet(what: &str, seconds: u32) -> Reply {
    again(plain(StatusCode::SERVICE_UNAVAILABLE, format!("{what}\n")), seconds)
}

/// The answer to OPTIONS: what may be done. For what may be read from elsewhere, [`allow_origin`] adds the rest.
pub(super) fn options(methods: &'static str) -> Reply {
    let mut reply = Response::new(Body::Empty);
    *reply.status_mut() = StatusCode::NO_CONTENT;
    allowing(reply, methods)
}

/// Lets web pages of this origin read the reply. They may not write, whatever the methods are.
pub(super) fn allow_origin(reply: &mut Reply, origin: &HeaderValue) {
    field(reply, ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if reply.status() == StatusCode::NO_CONTENT {
        field(reply, ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        field(reply, ACCESS_CONTROL_ALLOW_HEADERS, SENDABLE);
        field(reply, ACCESS_CONTROL_MAX_AGE, A_DAY);
    } else {
        field(reply, ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// What HEAD gets: the fields without the body, its length among them (RFC 9110, 9.3.2).
pub(super) fn without_body(mut reply: Reply) -> Reply {
    if let Some(len) = http_body::Body::size_hint(reply.body()).exact().filter(|_| has_length(reply.status()))
    {
        field(&mut reply, CONTENT_LENGTH, len);
    }
    *reply.body_mut() = Body::Empty;
    reply
}

fn has_length(status: StatusCode) -> bool {
    status != StatusCode::NOT_MODIFIED && status != StatusCode::NO_CONTENT
}
