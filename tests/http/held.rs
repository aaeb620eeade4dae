//! Low latency: requests that are held until there is what they ask for.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::site::{Answer, PART, Running, bytes_of, low_snapshot, request, until};
use outpost::segment::Shelf;
use outpost::serve::{Class, Kind};

const MEDIA: &str = "/radio/ll/video/index.m3u8";

fn radio(parts: usize) -> Running {
    let server = Running::empty(|_| {});
    server.list_low(parts);
    server
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).expect("text")
}

#[test]
fn a_reload_is_held_until_the_playlist_has_it_and_written_once_for_all() {
    let server = radio(0);
    let paths =
        ["?_HLS_msn=10&_HLS_part=0", "?_HLS_msn=10&_HLS_part=0&_HLS_skip=YES", "?_HLS_msn=9&_HLS_part=2"];
    std::thread::scope(|scope| {
        let ask = |place: usize| {
            let path = format!("{MEDIA}{}", paths[place % paths.len()]);
            let server = &server;
            scope.spawn(move || server.get(&path, &["Accept-Encoding: gzip;q=0"]))
        };
        let waiters: Vec<_> = (0..48).map(ask).collect();
        until("all are held", || server.stats.waiting() == 48);
        assert_eq!(server.low[0].renders.get(), 0, "nobody has had an answer");
        server.list_low(1);
        for waiter in waiters {
            let answer = waiter.join().expect("an answer");
            assert_eq!((answer.status, answer.field("cache-control")), (200, "public, max-age=12"));
            assert!(text(&answer).contains("10.0.m4s"), "{}", text(&answer));
        }
    });
    until("nobody is held", || server.stats.waiting() == 0);
    let told = "a delta that leaves nothing out is the whole";
    assert_eq!((server.low[0].renders.get(), server.stats.held.get()), (1, 48), "{told}");
}

#[test]
fn what_is_there_already_is_sent_at_once_and_whole() {
    let server = radio(1);
    for query in ["", "?_HLS_msn=0", "?_HLS_msn=7&_HLS_part=0", "?_HLS_msn=9", "?_HLS_msn=10&_HLS_part=0"] {
        let answer = server.get(&format!("{MEDIA}{query}"), &[]);
        assert_eq!(answer.status, 200, "{query}");
        assert!(text(&answer).contains("7.m4s") && text(&answer).contains("10.0.m4s"), "{query}");
        assert_eq!(answer.field("last-modified"), "", "parts come faster than dates can tell");
    }
    assert_eq!(server.stats.held.get(), 0);
    let report = "#EXT-X-RENDITION-REPORT:URI=\"../audio/index.m3u8\",LAST-MSN=10,LAST-PART=0";
    assert!(text(&server.get(MEDIA, &[])).contains(report));
}

#[test]
fn what_nobody_can_know_of_is_refused_with_the_reason() {
    let server = radio(1);
    let table = [
        ("?_HLS_part=1", "_HLS_part needs _HLS_msn beside it: a part of which segment?\n"),
        ("?_HLS_msn=-1", "_HLS_msn=-1 is no whole number from 0 up to 2^64 - 1\n"),
        ("?_HLS_msn=12", "the playlist will not have that for a while; ask for what comes next\n"),
        (
            "?_HLS_msn=10&_HLS_part=9",
            "the playlist will not have that for a while; ask for what comes next\n",
        ),
    ];
    for (query, reason) in table {
        let answer = server.get(&format!("{MEDIA}{query}"), &[]);
        assert_eq!((answer.status, text(&answer)), (400, reason), "{query}");
        assert_eq!(answer.field("access-control-allow-origin"), "*", "{query}");
    }
    // Playlists of ordinary latency do not offer to hold requests, and hold none.
    server.list(&[7, 8, 9].map(|sequence| crate::site::segment(sequence, 10)));
    for query in ["?_HLS_msn=10", "?_HLS_msn=99", "?_HLS_msn=10&_HLS_part=3"] {
        assert_eq!(server.get(&format!("/radio/audio/index.m3u8{query}"), &[]).status, 200, "{query}");
    }
    assert_eq!(server.stats.held.get(), 0);
}

#[test]
fn what_does_not_come_in_three_target_durations_is_given_up() {
    let server = radio(1);
    let start = Instant::now();
    let answer = server.get(&format!("{MEDIA}?_HLS_msn=10&_HLS_part=1"), &[]);
    assert_eq!((answer.status, answer.field("retry-after")), (503, "1"));
    assert_eq!(text(&answer), "the playlist has not come so far in three target durations\n");
    assert!((3..10).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[test]
fn the_part_that_was_hinted_at_is_sent_once_all_of_it_is_there() {
    let server = radio(1);
    std::thread::scope(|scope| {
        let waiters = ["X: y", "Range: bytes=0-9"].map(|line| {
            let server = &server;
            scope.spawn(move || server.get("/radio/ll/video/10.1.m4s", &[line]))
        });
        until("both are held", || server.stats.waiting() == 2);
        assert_eq!(server.stats.sent_bytes.get(), 0, "not a byte before the last is there");
        server.list_low(2);
        let [whole, range] = waiters.map(|waiter| waiter.join().expect("an answer"));
        assert_eq!((whole.status, &whole.body[..]), (200, &bytes_of(10, 2 * PART)[PART..]));
        assert_eq!((range.status, range.body.len()), (206, 10));
    });
    // The hint of a segment's end names the first part of the next one.
    std::thread::scope(|scope| {
        server.list_low_at(11, 0);
        let waiter = scope.spawn(|| server.get("/radio/ll/video/11.0.m4s", &[]));
        until("it is held", || server.stats.waiting() == 1);
        server.list_low_at(11, 1);
        assert_eq!(waiter.join().expect("an answer").body, bytes_of(11, PART));
    });
    let parts =
        server.stats.requests().find(|(kind, class, _)| (*kind, *class) == (Kind::Part, Class::Success));
    assert_eq!(parts.map(|(.., count)| count), Some(3));
}

#[test]
fn a_part_that_never_came_is_not_found() {
    let server = radio(2);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| server.get("/radio/ll/video/10.2.m4s", &[]));
        until("it is held", || server.stats.waiting() == 1);
        // The segment ended with the part before.
        server.list_low_at(11, 0);
        assert_eq!(waiter.join().expect("an answer").status, 404);
    });
}

#[test]
fn held_requests_end_with_the_server_and_with_their_client() {
    let server = radio(1);
    let path = format!("{MEDIA}?_HLS_msn=10&_HLS_part=1");
    let mut gone = server.connect();
    gone.write_all(request("GET", &path, &[]).as_bytes()).expect("sent");
    until("it is held", || server.stats.waiting() == 1);
    drop(gone);
    until("its client is gone", || server.stats.waiting() == 0);

    let mut client = server.connect();
    client.write_all(request("GET", &path, &[]).as_bytes()).expect("sent");
    until("it is held", || server.stats.waiting() == 1);
    let took = server.stop();
    assert!(took < Duration::from_secs(1), "{took:?}");
    let mut heard = String::new();
    client.read_to_string(&mut heard).expect("an answer");
    assert!(heard.starts_with("HTTP/1.1 503 "), "{heard}");
}

#[test]
fn a_lineup_is_offered_once_all_of_it_has_begun() {
    let server = Running::empty(|_| {});
    std::thread::scope(|scope| {
        server.low[1].list(Arc::new(low_snapshot(10, 0)));
        let waiter = scope.spawn(|| server.get("/radio/ll/index.m3u8", &[]));
        until("it is held", || server.stats.waiting() == 1);
        server.low[0].list(Arc::new(low_snapshot(10, 0)));
        let answer = waiter.join().expect("an answer");
        assert_eq!((answer.status, text(&answer)), (200, "#EXTM3U\n0/index.m3u8\n1/index.m3u8\n"));
    });
}

#[test]
fn what_is_kept_of_a_request_that_waits_is_bounded() {
    let server = radio(1);
    let path = format!("{MEDIA}?_HLS_msn=10&_HLS_part=1");
    let long = "x".repeat(3000);
    let refused = server.get(&format!("{path}&x={long}"), &[]);
    assert_eq!((refused.status, refused.field("access-control-allow-origin")), (414, "*"));
    std::thread::scope(|scope| {
        let lines =
            [format!("Cookie: {long}"), format!("If-None-Match: {long}"), "Accept-Encoding: gzip".into()];
        let (server, path) = (&server, &path);
        let waiter = scope.spawn(move || server.get(path, &lines.each_ref().map(String::as_str)));
        until("it is held", || server.stats.waiting() == 1);
        server.list_low(2);
        let answer = waiter.join().expect("an answer");
        assert_eq!((answer.status, answer.field("content-encoding")), (200, "gzip"));
    });
    // What need not wait may say what it likes.
    assert_eq!(server.get(&format!("{path}&x={long}"), &[]).status, 200);
}
