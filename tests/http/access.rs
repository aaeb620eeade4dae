//! Keys and what else is guarded: who gets it, and how an address that is signed hands that on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use flate2::read::GzDecoder;
use outpost::base::WallTime;
use outpost::segment::{Key, Segment, Shelf, Snapshot};
use outpost::serve::{Class, Kind, Pass};

use crate::site::{Answer, NOW, Running, TOKEN, request, segment, snapshot, tail, until};

const BEARER: &str = "Authorization: Bearer 0123456789abcdef";
const MEDIA: &str = "/closed/audio/index.m3u8";

/// Segments 7 to 10, two to a key; 5 and 6 are listed no longer.
fn closed() -> Running {
    let running = Running::empty(|_| {});
    let enciphered = |sequence: u64| {
        let number = sequence / 2;
        let key = Some(Arc::new(Key { number, secret: [number as u8; 16] }));
        Segment { key, ..segment(sequence, 1000) }
    };
    let listed = [7, 8, 9, 10].map(enciphered);
    let retired = [5, 6].map(|sequence| Arc::new(enciphered(sequence))).to_vec();
    running.closed.list(Arc::new(Snapshot { retired: retired.into(), ..snapshot(&listed) }));
    running
}

/// What is behind the `?` of an address that plays for so many seconds more.
fn pass(stream: &str, seconds: i64) -> String {
    let expires = WallTime::from_unix_nanos(NOW.as_unix_nanos() + seconds * 1_000_000_000);
    Pass::sign(&TOKEN.parse().expect("a token"), stream, expires).to_string()
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).expect("text")
}

#[test]
fn what_is_guarded_is_given_to_those_who_may() {
    let server = closed();
    let (good, late, other) = (pass("closed", 1), pass("closed", 0), pass("radio", 1));
    let wrong = "Authorization: Bearer 0123456789abcdeF";
    for path in ["/closed/keys/4.key", "/closed/live.ts", "/closed/audio/live.ts", "/closed/snapshot.jpg"] {
        let head = |query: &str, lines: &[&str]| {
            let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
            server.ask(request("HEAD", &path, lines))
        };
        let table = [
            (head("", &[]), 401),
            (head("", &[wrong]), 403),
            (head(&late, &[]), 403),
            (head(&other, &[]), 403),
            (head(&format!("{good}0"), &[]), 403),
            (head(&good, &[wrong]), 403),
            (head("", &[BEARER]), 200),
            (head(&good, &[]), 200),
            (head(&late, &[BEARER]), 200),
        ];
        for (row, (answer, status)) in table.iter().enumerate() {
            assert_eq!(answer.status, *status, "{path}, row {row}");
            assert_eq!(answer.field("cache-control"), "no-store", "{path}, row {row}");
            assert_eq!(answer.field("access-control-allow-origin"), "*", "{path}, row {row}");
            let challenge = if *status == 401 { "Bearer" } else { "" };
            assert_eq!(answer.field("www-authenticate"), challenge, "{path}, row {row}");
        }
    }
    assert_eq!(server.stats.denied.get(), 4 * 6);
    let told = server.get(&format!("/closed/keys/4.key?{late}"), &[]);
    assert_eq!(text(&told), "this address has expired; ask for a new one where you have it from\n");
    // A page from elsewhere may ask whether it may send a token.
    let asked = server.ask(request("OPTIONS", "/closed/keys/4.key", &[]));
    assert_eq!(asked.status, 204);
    assert!(asked.field("access-control-allow-headers").contains("Authorization"));
    // Playlists and segments are for everybody.
    for path in ["/closed/index.m3u8", MEDIA, "/closed/audio/7.ts"] {
        assert_eq!(server.get(path, &[]).status, 200, "{path}");
        assert_eq!(server.get(&format!("{path}?{late}"), &[wrong]).status, 200, "{path}");
    }
}

#[test]
fn keys_can_be_had_as_long_as_segments_need_them() {
    let server = closed();
    for (number, there) in
        [(1, false), (2, true), (3, true), (4, true), (5, true), (6, false), (u64::MAX, false)]
    {
        let answer = server.get(&format!("/closed/keys/{number}.key"), &[BEARER]);
        assert_eq!(answer.status, if there { 200 } else { 404 }, "{number}");
        if there {
            assert_eq!(answer.body, [number as u8; 16], "{number}");
            assert_eq!(answer.field("content-type"), "application/octet-stream", "{number}");
        }
    }
    assert_eq!(server.get("/radio/keys/4.key", &[]).status, 404, "a stream in the clear");
    assert_eq!(server.get("/other/keys/4.key", &[]).status, 404, "no stream");
    assert_eq!(server.get("/closed/keys/99.key", &[]).status, 401, "nobody is told which there are");
    let counted =
        |class| server.stats.requests().find(|it| (it.0, it.1) == (Kind::Key, class)).map(|it| it.2);
    assert_eq!((counted(Class::Success), counted(Class::ClientError)), (Some(4), Some(6)));
}

#[test]
fn a_signature_is_handed_on_from_playlist_to_playlist_to_key() {
    let server = closed();
    let good = pass("closed", 60);
    let uris = |answer: &Answer| {
        let lines = text(answer).lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        uris(&server.get(&format!("/closed/index.m3u8?{good}"), &[])),
        [format!("0/index.m3u8?{good}")]
    );
    let piece = "from=2020-01-01T00:00:00Z";
    let answer = server.get(&format!("/closed/index.m3u8?{piece}&{good}"), &[]);
    assert!(
        uris(&answer)[0].contains("?from=2020-01-01T00:00:00")
            && uris(&answer)[0].ends_with(&format!("&{good}"))
    );

    let plain = server.get(MEDIA, &[]);
    assert!(text(&plain).contains("URI=\"../keys/4.key\""), "{}", text(&plain));
    let signed = server.get(&format!("{MEDIA}?{good}"), &[]);
    assert_eq!(text(&signed), text(&plain).replace(".key\"", &format!(".key?{good}\"")));
    assert_ne!(signed.field("etag"), plain.field("etag"));
    let packed = server.get(&format!("{MEDIA}?{good}"), &["Accept-Encoding: gzip"]);
    let mut unpacked = String::new();
    GzDecoder::new(&packed.body[..]).read_to_string(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, text(&signed));
    let recorded = server.get(&format!("{MEDIA}?{piece}&{good}"), &[]);
    assert!(
        text(&recorded).contains(&format!(".key?{good}\"")) && text(&recorded).contains("#EXT-X-ENDLIST")
    );
    // One that is good for nothing is not handed on, nor is what somebody would have others read.
    for query in [pass("closed", 0), pass("radio", 60), "expires=1&signature=%22%0a%23EXT".to_owned()] {
        assert_eq!(text(&server.get(&format!("{MEDIA}?{query}"), &[])), text(&plain), "{query}");
        assert_eq!(
            uris(&server.get(&format!("/closed/index.m3u8?{query}"), &[])),
            ["0/index.m3u8"],
            "{query}"
        );
    }
}

#[test]
fn an_endless_stream_ends_when_its_address_expires_and_not_for_who_has_the_token() {
    let server = closed();
    server.closed.extend(tail(11, 188, 1));
    let listen = |query: &str, lines: &[&str]| {
        let mut client = server.connect();
        let said = request("GET", &format!("/closed/live.ts?{query}"), lines);
        client.write_all(said.as_bytes()).expect("sent");
        client
    };
    let good = pass("closed", 60);
    let (mut guest, mut owner) = (listen(&good, &[]), listen(&good, &[BEARER]));
    let packets = |heard: &[u8]| heard.windows(184).filter(|it| it.iter().all(|byte| *byte == 11)).count();
    let hear = |client: &mut TcpStream, heard: &mut Vec<u8>, count: usize| {
        let mut more = [0; 4096];
        while packets(heard) < count {
            let len = client.read(&mut more).expect("it goes on");
            assert!(len > 0, "it ended after {} packets", packets(heard));
            heard.extend_from_slice(&more[..len]);
        }
    };
    let (mut heard, mut all) = (Vec::new(), Vec::new());
    hear(&mut guest, &mut heard, 1);
    server.clock.advance(Duration::from_millis(59_999));
    server.closed.extend(tail(11, 188, 2));
    hear(&mut guest, &mut heard, 2);
    server.clock.advance(Duration::from_millis(1));
    server.closed.extend(tail(11, 188, 3));
    guest.read_to_end(&mut heard).expect("it ends");
    assert!(heard.ends_with(b"\r\n0\r\n\r\n"), "as a stream that is over");
    assert_eq!(packets(&heard), 2, "and nothing after that");
    hear(&mut owner, &mut all, 3);
}

#[test]
fn what_is_waited_for_is_not_given_to_who_may_not_have_it_any_more() {
    let server = Running::empty(|_| {});
    let query = pass("closed", 60);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| server.get(&format!("/closed/live.ts?{query}"), &[]));
        until("it is held", || server.stats.waiting() == 1);
        server.clock.advance(Duration::from_secs(60));
        server.closed.list(Arc::new(snapshot(&[7, 8, 9].map(|sequence| segment(sequence, 1000)))));
        assert_eq!(waiter.join().expect("an answer").status, 403);
    });
}

#[test]
fn the_page_may_ask_for_keys_where_they_are_kept_and_nowhere_else() {
    let policy = closed().get("/closed", &[]).field("content-security-policy").to_owned();
    assert!(policy.contains("; connect-src 'self' https://keys.example.org:8443; media-src"), "{policy}");
}
