//! Long playlists: written once for all who want the same, while others are served.

use std::io::{Read, Write};
use std::sync::Arc;

use flate2::read::GzDecoder;
use outpost::base::{Pts, WallTime};
use outpost::segment::{Key, Segment, Shelf};
use outpost::serve::Pass;

use crate::site::{Answer, NOW, Running, TOKEN, request, segment, snapshot, until};

/// Six hours of segments of 2 s.
const SEGMENTS: u64 = 10_800;
const GZIP: &str = "Accept-Encoding: gzip";

fn six_hours() -> Running {
    let server = Running::empty(|_| {});
    let of = |sequence: u64| {
        let key = Some(Arc::new(Key { number: sequence / 30, secret: [0; 16] }));
        Segment { key, ..segment(sequence, 0) }
    };
    let listed: Vec<Segment> = (0..SEGMENTS).map(of).collect();
    server.closed.list(Arc::new(snapshot(&listed)));
    server
}

fn text(answer: &Answer) -> String {
    assert_eq!((answer.status, answer.field("content-encoding")), (200, "gzip"));
    let mut text = String::new();
    GzDecoder::new(&answer.body[..]).read_to_string(&mut text).expect("gzip");
    text
}

/// A recording from so many milliseconds after the first segment's beginning.
fn from(server: &Running, millis: i64) -> String {
    let dates = server.closed.snapshot().expect("something is listed").dates;
    let at = dates.at(Pts::default()).as_unix_nanos() + millis * 1_000_000;
    format!("/closed/audio/index.m3u8?from={}", WallTime::from_unix_nanos(at))
}

#[test]
fn a_recording_is_written_once_for_all_who_ask_for_the_same_segments() {
    let server = six_hours();
    std::thread::scope(|scope| {
        let ask = |millis| {
            let (server, path) = (&server, from(&server, millis));
            scope.spawn(move || text(&server.get(&path, &[GZIP])))
        };
        let texts: Vec<_> = (0..12).map(ask).collect();
        let texts: Vec<_> = texts.into_iter().map(|it| it.join().expect("an answer")).collect();
        assert!(texts[0].contains("\n10799.ts\n#EXT-X-ENDLIST") && texts.iter().all(|it| *it == texts[0]));
    });
    assert_eq!(server.closed.renders.get(), 1);
    let waited = server.stats.held.get();
    assert!(server.get(&from(&server, 500), &[GZIP]).status == 200 && server.stats.held.get() == waited);
}

#[test]
fn who_has_a_pass_gets_a_playlist_with_it_and_the_same_again() {
    let server = six_hours();
    let expires = WallTime::from_unix_nanos(NOW.as_unix_nanos() + 60_000_000_000);
    let pass = Pass::sign(&TOKEN.parse().expect("a token"), "closed", expires);
    let path = format!("/closed/audio/index.m3u8?{pass}");
    let first = server.get(&path, &[GZIP]);
    assert_eq!(text(&first).matches(&format!(".key?{pass}\"")).count(), 360);
    let again = server.get(&path, &[GZIP, &format!("If-None-Match: {}", first.field("etag"))]);
    assert_eq!((again.status, server.closed.renders.get()), (304, 1));
}

#[test]
fn others_are_served_while_long_ones_are_written() {
    const COUNT: i64 = 40;
    let server = six_hours();
    server.list_low(1);
    let ask = |number: i64| {
        let mut client = server.connect();
        let said = request("GET", &from(&server, 2000 * number), &[GZIP]);
        client.write_all(said.as_bytes()).expect("sent");
        client
    };
    let clients: Vec<_> = (1..=COUNT).map(ask).collect();
    until("the first is being written", || server.stats.waiting() > 0);
    assert_eq!(server.get("/radio/ll/video/10.0.m4s", &[]).status, 200);
    let written = server.closed.renders.get();
    assert!(written < COUNT as u64, "a part was not sent before all of them were written");
    println!("a part was sent when {written} of {COUNT} were written");
    for mut client in clients {
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).expect("an answer");
        let heard = String::from_utf8_lossy(&heard[..12]).into_owned();
        // On a machine that is far too busy some are not written in time.
        assert!(heard == "HTTP/1.1 200" || heard == "HTTP/1.1 503", "{heard}");
    }
}
