//! What well-meaning clients get.

use std::io::Read;
use std::process::Command;
use std::time::Duration;

use crate::site::{Answer, PART, Running, bytes_of, request, segment};
use flate2::read::GzDecoder;
use outpost::segment::{Presence, Segment};
use outpost::serve::{Class, Kind, Report, ServeConfig, ServeStats, Server, Site};

const LEN: usize = 200_000;
const MEDIA: &str = "/radio/audio/index.m3u8";

fn radio() -> Running {
    Running::with(&[segment(7, LEN), segment(8, LEN)], |_| {})
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).expect("text")
}

#[test]
fn each_path_gives_its_kind_with_its_fields() {
    let server = radio();
    server.list_low(1);
    let table = [
        ("/", 200, "text/html; charset=utf-8", "no-cache"),
        ("/radio", 200, "text/html; charset=utf-8", "no-cache"),
        ("/assets/app.js", 200, "text/javascript; charset=utf-8", "no-cache"),
        ("/radio/index.m3u8", 200, "application/vnd.apple.mpegurl", "public, max-age=1"),
        (MEDIA, 200, "application/vnd.apple.mpegurl", "public, max-age=1"),
        ("/radio/audio/7.ts", 200, "video/mp2t", "public, max-age=3600, immutable"),
        ("/radio/ll/index.m3u8", 200, "application/vnd.apple.mpegurl", "public, max-age=1"),
        ("/radio/ll/video/index.m3u8", 200, "application/vnd.apple.mpegurl", "public, max-age=1"),
        ("/radio/ll/video/9.m4s", 200, "video/iso.segment", "public, max-age=3600, immutable"),
        ("/radio/ll/video/9.1.m4s", 200, "video/iso.segment", "public, max-age=3600, immutable"),
        ("/radio/ll/audio/10.0.m4s", 200, "audio/mp4", "public, max-age=3600, immutable"),
        ("/radio/ll/video/init-1.mp4", 200, "video/mp4", "public, max-age=3600, immutable"),
        ("/radio/ll/audio/init-1.mp4", 200, "audio/mp4", "public, max-age=3600, immutable"),
        ("/radio/ll/video/init-2.mp4", 404, "text/plain; charset=utf-8", "public, max-age=1"),
        ("/radio/ll/video/9.2.m4s", 404, "text/plain; charset=utf-8", "public, max-age=1"),
        ("/radio/ll/video/10.2.m4s", 404, "text/plain; charset=utf-8", "public, max-age=1"),
        ("/radio/ll/video/9.ts", 404, "text/plain; charset=utf-8", "public, max-age=1"),
        ("/radio/keys/1.key", 404, "text/plain; charset=utf-8", "public, max-age=1"),
        ("/sound/ll/index.m3u8", 404, "text/plain; charset=utf-8", "public, max-age=1"),
        ("/api/v1/status", 200, "application/json", "no-store"),
        ("/api/v1/streams/radio/levels", 200, "application/json", "no-store"),
        ("/healthz", 503, "text/plain; charset=utf-8", "no-store"),
        ("/radio/audio/6.ts", 404, "text/plain; charset=utf-8", "public, max-age=1"),
        ("/radio/audio/9.ts", 404, "text/plain; charset=utf-8", "public, max-age=1"),
        ("/radio/video/7.ts", 404, "text/plain; charset=utf-8", "public, max-age=1"),
        ("/other/index.m3u8", 404, "text/plain; charset=utf-8", "public, max-age=1"),
        ("/other", 404, "text/plain; charset=utf-8", "public, max-age=1"),
        ("/assets/../app.js", 404, "text/plain; charset=utf-8", "public, max-age=1"),
        ("/%zz", 400, "text/plain; charset=utf-8", "no-store"),
    ];
    for (path, status, kind, cache) in table {
        let answer = server.get(path, &[]);
        let seen = (answer.status, answer.field("content-type"), answer.field("cache-control"));
        assert_eq!(seen, (status, kind, cache), "{path}");
        assert_eq!(answer.field("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.field("content-length"), answer.body.len().to_string(), "{path}");

        let head = server.ask(request("HEAD", path, &[]));
        assert_eq!(head.status, status, "HEAD {path}");
        assert!(head.body.is_empty(), "HEAD {path}");
        for name in ["content-type", "cache-control", "content-length", "etag", "last-modified", "vary"] {
            assert_eq!(head.field(name), answer.field(name), "HEAD {path}: {name}");
        }
    }
    assert_eq!(server.get("/radio/audio/8.ts", &[]).body, bytes_of(8, LEN));
    assert_eq!(server.get("/radio/audio/8.ts", &[]).field("last-modified"), "Tue, 14 Nov 2023 22:13:38 GMT");
    assert_eq!(text(&server.get("/healthz", &[])), "radio: no device\n");
    assert!(server.get("/", &[]).field("content-security-policy").starts_with("default-src 'none'; "));
    let counted = |kind, class| {
        server.stats.requests().find(|(k, c, _)| (*k, *c) == (kind, class)).map(|(_, _, count)| count)
    };
    assert_eq!(counted(Kind::Segment, Class::Success), Some(6));
    assert_eq!(counted(Kind::Part, Class::Success), Some(4));
    assert_eq!(counted(Kind::Part, Class::ClientError), Some(4));
    assert_eq!(counted(Kind::Init, Class::Success), Some(4));
    assert_eq!(counted(Kind::Segment, Class::ClientError), Some(6));
    assert!(server.stats.sent_bytes.get() > 3 * LEN as u64);
}

#[test]
fn a_snapshot_is_made_when_asked_for_and_at_most_once_a_second() {
    let server = radio();
    let first = server.get("/radio/snapshot.jpg", &[]);
    assert_eq!((first.status, text(&first)), (200, "picture 1"));
    let fields =
        ["content-type", "cache-control", "access-control-allow-origin"].map(|name| first.field(name));
    assert_eq!(fields, ["image/jpeg", "no-store", "*"]);
    let head = server.ask(request("HEAD", "/radio/snapshot.jpg", &[]));
    assert_eq!((head.status, head.field("content-length"), head.body.len()), (200, "9", 0));
    assert_eq!(text(&server.get("/radio/snapshot.jpg", &[])), "picture 1", "shared by all who ask meanwhile");
    let next =
        std::iter::repeat_with(|| server.get("/radio/snapshot.jpg", &[])).find(|it| text(it) != "picture 1");
    assert_eq!(next.as_ref().map(text), Some("picture 2"));
    assert_eq!(server.ask(request("OPTIONS", "/radio/snapshot.jpg", &[])).status, 204);

    let none = server.get("/sound/snapshot.jpg", &[]);
    assert_eq!((none.status, text(&none)), (404, "this stream has no snapshot: it has sound alone\n"));
    assert_eq!(server.get("/other/snapshot.jpg", &[]).status, 404);
}

#[test]
fn the_endless_stream_has_a_head_without_a_length() {
    let server = radio();
    let head = server.ask(request("HEAD", "/radio/live.ts", &[]));
    assert_eq!(
        (head.status, head.field("content-type"), head.field("content-length")),
        (200, "video/mp2t", "")
    );
}

#[test]
fn a_request_that_names_no_host_is_refused() {
    let server = radio();
    // RFC 9112, 3.2; HTTP/1.0 did not know the field.
    assert_eq!(server.ask("GET /radio/index.m3u8 HTTP/1.1\r\nConnection: close\r\n\r\n").status, 400);
    assert_eq!(server.ask("GET /radio/index.m3u8 HTTP/1.0\r\n\r\n").status, 200);
}

#[test]
fn other_methods_are_refused_and_told_which_there_are() {
    let server = radio();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        let answer = server.ask(request(method, "/radio/index.m3u8", &[]));
        assert_eq!((answer.status, answer.field("allow")), (405, "GET, HEAD, OPTIONS"), "{method}");
        assert_eq!(server.ask(request(method, "/no/such", &[])).status, 404, "{method}");
    }
}

#[test]
fn pages_of_the_allowed_origin_may_read_media_and_nothing_else_is_shared() {
    let origin = "https://example.org";
    let server = Running::with(&[segment(7, 10)], |config| config.allowed_origin = origin.to_owned());
    for path in [MEDIA, "/radio/index.m3u8", "/radio/audio/7.ts", "/api/v1/status", "/radio/audio/99.ts"] {
        let answer = server.get(path, &["Origin: https://example.org"]);
        assert_eq!(answer.field("access-control-allow-origin"), origin, "{path}");
        assert_eq!(answer.field("access-control-expose-headers"), "Age, Content-Range, Date, ETag", "{path}");
        let preflight = server.ask(request("OPTIONS", path, &["Access-Control-Request-Method: GET"]));
        assert_eq!(preflight.status, 204, "{path}");
        assert_eq!(preflight.field("access-control-allow-methods"), "GET, HEAD, OPTIONS", "{path}");
    }
    for path in ["/radio/audio/nothing", "/radio/ll/nothing/index.m3u8", "/%72adio/nothing"] {
        let answer = server.get(path, &[]);
        assert_eq!((answer.status, answer.field("access-control-allow-origin")), (404, origin), "{path}");
        // Whoever asks beforehand whether he may ask is to see the 404, not that he may not (Fetch standard, 3.2).
        let preflight = server.ask(request("OPTIONS", path, &["Access-Control-Request-Method: GET"]));
        assert_eq!(
            (preflight.status, preflight.field("access-control-allow-origin")),
            (204, origin),
            "{path}"
        );
    }
    let answer = server.ask(request("POST", MEDIA, &[]));
    assert_eq!((answer.status, answer.field("access-control-allow-origin")), (405, origin));
    for path in ["/", "/metrics", "/healthz", "/assets/app.js", "/nothing/at/all"] {
        assert_eq!(server.get(path, &[]).field("access-control-allow-origin"), "", "{path}");
    }
}

#[test]
fn compressed_and_plain_are_the_same_text_under_different_tags() {
    let server = radio();
    for path in ["/", "/assets/style.css", "/radio/index.m3u8", MEDIA] {
        let plain = server.get(path, &[]);
        let packed = server.get(path, &["Accept-Encoding: gzip"]);
        assert_eq!(
            (plain.field("content-encoding"), packed.field("content-encoding")),
            ("", "gzip"),
            "{path}"
        );
        assert_eq!((plain.field("vary"), packed.field("vary")), ("Accept-Encoding", "Accept-Encoding"));
        let mut unpacked = Vec::new();
        GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, plain.body, "{path}");
        assert_ne!(plain.field("etag"), packed.field("etag"), "{path}");
    }
}

#[test]
fn what_a_client_has_is_not_sent_again_until_it_changes() {
    let server = radio();
    server.list_low(1);
    for path in ["/", MEDIA, "/radio/audio/7.ts", "/radio/ll/video/10.0.m4s", "/radio/ll/audio/init-1.mp4"] {
        let first = server.get(path, &[]);
        let condition = format!("If-None-Match: {}", first.field("etag"));
        let again = server.get(path, &[&condition]);
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.field("etag"), first.field("etag"), "{path}");
        assert_eq!(again.field("cache-control"), first.field("cache-control"), "{path}");
    }
    let before = server.get(MEDIA, &[]);
    let condition = format!("If-None-Match: {}", before.field("etag"));
    let date = format!("If-Modified-Since: {}", before.field("last-modified"));
    assert_eq!(server.get(MEDIA, &[&date]).status, 304);
    server.list(&[segment(7, LEN), segment(8, LEN), segment(9, LEN)]);
    assert_eq!(server.get(MEDIA, &[&condition]).status, 200);
    assert_eq!(server.get(MEDIA, &[&date]).status, 200);
}

#[test]
fn a_part_of_a_segment() {
    let server = radio();
    let path = "/radio/audio/7.ts";
    let whole = bytes_of(7, LEN);
    for (range, first, end) in [
        ("0-0", 0, 1),
        ("65530-65545", 65_530, 65_546), // across two pieces
        ("199999-", 199_999, LEN),
        ("-188", LEN - 188, LEN),
        ("100-999999999", 100, LEN),
    ] {
        let answer = server.get(path, &[&format!("Range: bytes={range}")]);
        assert_eq!((answer.status, &answer.body[..]), (206, &whole[first..end]), "{range}");
        assert_eq!(answer.field("content-range"), format!("bytes {first}-{}/{LEN}", end - 1));
    }
    let beyond = server.get(path, &["Range: bytes=200000-"]);
    assert_eq!((beyond.status, beyond.field("content-range")), (416, "bytes */200000"));
    let stale = server.get(path, &["Range: bytes=0-0", "If-Range: \"another\""]);
    assert_eq!((stale.status, stale.body.len()), (200, LEN));
    server.list_low(1);
    for (path, range, first) in
        [("/radio/ll/video/9.m4s", "2990-3009", 2990), ("/radio/ll/video/9.1.m4s", "10-29", PART + 10)]
    {
        let answer = server.get(path, &[&format!("Range: bytes={range}")]);
        assert_eq!((answer.status, &answer.body[..]), (206, &bytes_of(9, 2 * PART)[first..first + 20]));
    }
    let init = server.get("/radio/ll/video/init-1.mp4", &["Range: bytes=0-3"]);
    assert_eq!((init.status, text(&init), init.field("content-range")), (206, "ftyp", "bytes 0-3/13"));
    // A range of a HEAD has no meaning (RFC 9110, 14.2).
    let head = server.ask(request("HEAD", path, &["Range: bytes=0-0"]));
    assert_eq!((head.status, head.field("content-length")), (200, "200000"));
}

#[test]
fn curl_agrees() {
    let server = radio();
    let curl = |arguments: &[&str], path: &str| {
        let url = format!("http://{}{path}", server.address);
        let mut command = Command::new("curl");
        let output = command.args(["--silent", "--show-error", "--fail"]).args(arguments).arg(&url).output();
        let output = output.expect("curl runs (Debian package: curl)");
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    assert_eq!(curl(&["--compressed"], MEDIA), server.get(MEDIA, &[]).body);
    assert_eq!(curl(&["--range", "100-187"], "/radio/audio/7.ts"), &bytes_of(7, LEN)[100..188]);
    assert_eq!(curl(&["--http1.0"], "/radio/audio/8.ts"), bytes_of(8, LEN));
    // Two requests over one connection.
    let url = format!("http://{}/radio/audio/7.ts", server.address);
    let used = server.stats.opened.get();
    assert_eq!(curl(&[&url], "/radio/audio/8.ts"), [bytes_of(7, LEN), bytes_of(8, LEN)].concat());
    assert_eq!(server.stats.opened.get(), used + 1);
}

#[test]
fn the_first_playlist_is_waited_for() {
    let server = Running::empty(|_| {});
    let early = server.get(MEDIA, &[]);
    assert_eq!((early.status, early.field("retry-after")), (503, "1"));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| server.get(MEDIA, &[]));
        crate::site::until("a second connection", || server.stats.opened.get() == 2);
        let enough = [7, 8, 9].map(|sequence| segment(sequence, 10));
        // One segment does not suffice for a playlist, which names all three in the end.
        server.list(&enough[..1]);
        server.list(&enough);
        let answer = waiter.join().expect("an answer");
        let named = String::from_utf8_lossy(&answer.body).matches(".ts").count();
        assert_eq!((answer.status, named), (200, 3));
    });
}

#[test]
fn a_gap_is_fetched_as_a_transport_stream_of_null_packets() {
    let gap = Segment { presence: Presence::Gap, ..segment(8, 0) };
    let server = Running::with(&[segment(7, 10), gap, segment(9, 10)], |_| {});
    let found = [7, 8, 9].map(|number| server.get(&format!("/radio/audio/{number}.ts"), &[]));
    assert_eq!(found.each_ref().map(|it| it.status), [200; 3]);
    // Sync byte, PID 0x1FFF, payload alone (ISO/IEC 13818-1, 2.4.3.2 and 2.4.3.3).
    let (packets, rest) = found[1].body.as_chunks::<188>();
    assert!(rest.is_empty() && !packets.is_empty(), "{} bytes", found[1].body.len());
    assert!(packets.iter().all(|packet| packet.starts_with(&[0x47, 0x1f, 0xff, 0x10])));
    assert!(text(&server.get(MEDIA, &[])).contains("#EXT-X-GAP"));
}

#[test]
fn a_piece_of_the_window_is_a_finished_playlist() {
    let segments: Vec<_> = (7..17).map(|sequence| segment(sequence, 10)).collect();
    let server = Running::with(&segments, |_| {});
    // Segment n begins 2 n seconds after 22:13:20.
    let piece = "from=2023-11-14T22:13:41Z&to=2023-11-14T22:13:45Z";
    let answer = server.get(&format!("{MEDIA}?{piece}"), &[]);
    assert_eq!((answer.status, answer.field("cache-control")), (200, "public, max-age=1"));
    let names: Vec<_> = text(&answer).lines().filter(|line| line.ends_with(".ts")).collect();
    assert_eq!(names, ["10.ts", "11.ts", "12.ts"]);
    assert!(text(&answer).ends_with("#EXT-X-ENDLIST\n"));
    // Directives are ignored where the list has ended (rfc8216bis, 6.2.5).
    for directives in ["_HLS_part=1", "_HLS_msn=x", "_HLS_msn=99&_HLS_skip=YES&_HLS_skip=YES"] {
        let same = server.get(&format!("{MEDIA}?{piece}&{directives}"), &[]);
        assert_eq!((same.status, text(&same)), (200, text(&answer)), "{directives}");
    }
    assert!(!text(&server.get(MEDIA, &[])).contains("#EXT-X-ENDLIST"));

    let whole = server.get(&format!("/radio/index.m3u8?x=y&{piece}"), &[]);
    assert_eq!(text(&whole), format!("#EXTM3U\n0/index.m3u8?{piece}\n"));
    assert_eq!(text(&server.get("/radio/index.m3u8?x=y", &[])), "#EXTM3U\n0/index.m3u8\n");

    let past = server.get(&format!("{MEDIA}?to=2023-11-14T22:13:00Z"), &[]);
    let kept = "there is from 2023-11-14T22:13:34.000Z to 2023-11-14T22:13:54.000Z";
    assert_eq!((past.status, text(&past)), (404, &*format!("nothing of that time is kept: {kept}\n")));
    for query in ["from=yesterday", "from=2023-11-14T22:13:45Z&to=2023-11-14T22:13:41Z"] {
        for path in [MEDIA, "/radio/index.m3u8"] {
            assert_eq!(server.get(&format!("{path}?{query}"), &[]).status, 400, "{path}?{query}");
        }
    }
}

#[test]
fn a_piece_is_handed_on_to_the_nanosecond_and_ends_no_later_than_now() {
    let segments: Vec<_> = (7..17).map(|sequence| segment(sequence, 10)).collect();
    let server = Running::with(&segments, |_| {});
    let day = |time: &str| format!("2023-11-14T{time}Z");
    let now = day("22:13:54");
    let table = [
        (Some("22:13:41.0001"), Some("22:13:41.0009"), "22:13:41.0001", "22:13:41.0009"),
        (Some("22:13:41"), None, "22:13:41", "22:13:54"),
        (Some("22:13:41"), Some("23:00:00"), "22:13:41", "22:13:54"),
        (None, Some("23:00:00"), "", "22:13:54"),
    ];
    for (from, to, handed_from, handed_to) in table {
        let ends = [("from", from), ("to", to)].map(|(name, at)| Some(format!("{name}={}", day(at?))));
        let query = ends.into_iter().flatten().collect::<Vec<_>>().join("&");
        let from = if handed_from.is_empty() { String::new() } else { format!("from={}&", day(handed_from)) };
        let expected = format!("{from}to={}", day(handed_to));
        let list = server.get(&format!("/radio/index.m3u8?{query}"), &[]);
        assert_eq!(text(&list), format!("#EXTM3U\n0/index.m3u8?{expected}\n"), "{query}");
        let before = server.get(&format!("{MEDIA}?{expected}"), &[]);
        assert_eq!(before.status, 200, "{expected}");
    }
    // What came since is no part of what was handed on.
    let path = format!("{MEDIA}?to={now}");
    let before = server.get(&path, &[]);
    server.list(&(7..20).map(|sequence| segment(sequence, 10)).collect::<Vec<_>>());
    assert_eq!(text(&server.get(&path, &[])), text(&before));
    // Of what is all to come there is nothing yet.
    let future = format!("from={}", day("23:00:00"));
    assert_eq!(
        text(&server.get(&format!("/radio/index.m3u8?{future}"), &[])),
        format!("#EXTM3U\n0/index.m3u8?{future}\n")
    );
    assert_eq!(server.get(&format!("{MEDIA}?{future}"), &[]).status, 404);
}

#[test]
fn listeners_are_told_apart_by_what_they_say_they_are() {
    let server = radio();
    for agent in ["phone", "phone", "laptop"] {
        server.get(MEDIA, &[&format!("User-Agent: {agent}")]);
    }
    server.get("/api/v1/status", &["User-Agent: somebody who only looks"]);
    assert_eq!(server.station.listeners(std::time::Instant::now()), 2);
    assert_eq!(server.station.listeners(std::time::Instant::now() + Duration::from_secs(4)), 0);
}

struct Silent;

impl Report for Silent {
    fn status(&self) -> String {
        String::new()
    }
    fn levels(&self, _: &str) -> Option<String> {
        None
    }
    fn metrics(&self) -> String {
        String::new()
    }
    fn health(&self) -> outpost::serve::Health {
        outpost::serve::Health::Ok
    }
}

#[test]
fn an_address_that_cannot_be_listened_on_is_named_with_the_remedy() {
    let server = radio();
    let bind = |listen: std::net::SocketAddr| {
        let stats = std::sync::Arc::new(ServeStats::default());
        let site = Site { stations: vec![], report: std::sync::Arc::new(Silent), stats };
        Server::bind(&ServeConfig { listen, ..ServeConfig::default() }, site)
    };
    let taken = bind(server.address).err().map(|error| error.to_string()).unwrap_or_default();
    let port = server.address.port();
    let expected = format!("cannot listen on 127.0.0.1:{port}: another program has this port");
    assert!(taken.starts_with(&expected), "{taken}");
    let next = port.checked_add(1).unwrap_or(8080);
    assert!(taken.ends_with(&format!("as with --listen 127.0.0.1:{next}")), "{taken}");
    // TEST-NET-1 (RFC 5737) is nobody's address, but may become ours.
    let elsewhere = bind(std::net::SocketAddr::from(([192, 0, 2, 1], 0))).expect("it is waited for");
    assert_eq!(elsewhere.local_addr().ip().to_string(), "192.0.2.1");
    let any = bind("[::]:0".parse().expect("an address")).expect("all addresses");
    let port = any.local_addr().port();
    for loopback in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        std::net::TcpStream::connect(&loopback).expect("both families are heard");
    }
    // A port alone says the same, and no shell takes it for a pattern.
    let taken = bind(any.local_addr()).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(taken.ends_with(&format!("as with --listen {}", port.checked_add(1).unwrap_or(8080))), "{taken}");
}
