//! Clips over real sockets: ranges, names, refusals, and how many at one time. What is in them, others judge.

use std::io::{Read, Write};

use outpost::base::WallTime;
use outpost::segment::Shelf;
use outpost::serve::{Class, Kind};

use crate::site::{NOW, Running, bytes_of, request, segment, snapshot, until};

/// Segments 7 to 9, of two seconds each: number 7 begins 14 s after the clock's zero.
const LEN: usize = 188 * 1000;

fn running() -> Running {
    Running::with(&[7, 8, 9].map(|sequence| segment(sequence, LEN)), |_| {})
}

/// The address of what was from so many milliseconds after the clock's zero to so many.
fn address(from: i64, to: i64) -> String {
    let date = |millis: i64| WallTime::from_unix_nanos(NOW.as_unix_nanos() + millis * 1_000_000);
    format!("/radio/clip?from={}&to={}&format=ts", date(from), date(to))
}

#[test]
fn a_clip_is_fetched_whole_or_in_ranges_of_the_same_bytes() {
    let server = running();
    let path = address(14_500, 17_000);
    let expected = [bytes_of(7, LEN), bytes_of(8, LEN)].concat();
    let whole = server.get(&path, &[]);
    assert_eq!((whole.status, whole.body == expected), (200, true));
    let (tag, length) = (whole.field("etag").to_owned(), expected.len().to_string());
    for (name, value) in [
        ("content-type", "video/mp2t"),
        ("content-length", length.as_str()),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, no-cache"),
        ("content-disposition", "inline; filename=\"Radio 2023-11-14 22.13.34 UTC.ts\""),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(whole.field(name), value, "{name}");
    }
    let head = server.ask(request("HEAD", &path, &[]));
    assert_eq!((head.status, head.field("content-length"), head.field("etag")), (200, &*length, &*tag));
    assert!(head.body.is_empty());
    // Within the first segment, across both, within the second, from the end.
    for (range, bytes) in [
        ("0-99", 0..100),
        ("187000-188999", 187_000..189_000),
        ("200000-200000", 200_000..200_001),
        ("-10", 2 * LEN - 10..2 * LEN),
        ("375000-", 375_000..2 * LEN),
    ] {
        let part = server.get(&path, &[&format!("Range: bytes={range}"), &format!("If-Range: {tag}")]);
        assert_eq!((part.status, &part.body[..]), (206, &expected[bytes.clone()]), "{range}");
        let extent = format!("bytes {}-{}/{length}", bytes.start, bytes.end - 1);
        assert_eq!((part.field("content-range"), part.field("etag")), (&*extent, &*tag));
    }
    assert_eq!(server.get(&path, &["Range: bytes=376000-"]).status, 416);
    assert_eq!(server.get(&path, &[&format!("If-None-Match: {tag}")]).status, 304);
    let saved = server.get(&format!("{path}&download"), &[]);
    assert!(saved.field("content-disposition").starts_with("attachment; "));
    let counted = |class| {
        let found = server.stats.requests().find(|(kind, of, _)| (*kind, *of) == (Kind::Clip, class));
        found.expect("counted").2
    };
    assert_eq!((counted(Class::Success), counted(Class::Redirection)), (8, 1));
}

#[test]
fn what_is_not_there_is_refused_in_words() {
    let server = running();
    let marker = |id: &str| format!("/radio/clip?marker={id}");
    for (path, status, words) in [
        (address(0, 10_000), 404, "nothing of that time is kept: there is from 2023-11-14T22:13:34.000Z to "),
        (address(20_000, 25_000), 404, "nothing of that time is kept: there is from "),
        (address(16_000, 15_000), 400, "from is not before to"),
        (marker("1-2"), 404, "no marker is called \"1-2\"; it may have left the window"),
        ("/radio/clip".to_owned(), 400, "a clip of what?"),
        (
            address(14_000, 15_000).replace("format=ts", "format=mp4"),
            404,
            "this stream has nothing for that format",
        ),
        // These are no transport streams.
        (address(14_000, 15_000).replace("format=ts", "format=m4a"), 404, "there is no sound in that time"),
        ("/closed/clip?marker=1-2".to_owned(), 401, "this needs a token"),
        ("/nobody/clip?marker=1-2".to_owned(), 404, "nothing is here"),
    ] {
        let answer = server.get(&path, &[]);
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!((answer.status, said.starts_with(words)), (status, true), "{path}: {said}");
    }
}

#[test]
fn a_few_clips_are_under_way_at_one_time_and_whoever_leaves_makes_room() {
    let server = Running::empty(|_| {});
    // More than sockets hold.
    let segments = [7, 8, 9].map(|sequence| segment(sequence, 8 << 20));
    server.rendition.list(std::sync::Arc::new(snapshot(&segments)));
    let path = address(14_000, 20_000);
    let readers: Vec<_> = (0..6)
        .map(|_| {
            let mut reader = server.connect();
            reader.write_all(request("GET", &path, &[]).as_bytes()).expect("a request is taken");
            // It is under way with its first byte.
            reader.read_exact(&mut [0]).expect("an answer begins");
            reader
        })
        .collect();
    let refused = server.get(&path, &[]);
    assert_eq!((refused.status, refused.field("retry-after")), (503, "2"));
    // Others are served all the while.
    assert_eq!(server.get("/radio/audio/7.ts", &["Range: bytes=0-0"]).status, 206);
    drop(readers);
    until("room for another", || server.get(&path, &["Range: bytes=0-9"]).status == 206);
}

#[test]
fn a_slow_reader_keeps_nothing_that_has_left_the_window() {
    let server = Running::empty(|_| {});
    let list = |numbers: [u64; 3]| {
        server.rendition.list(std::sync::Arc::new(snapshot(&numbers.map(|it| segment(it, 8 << 20)))));
    };
    list([7, 8, 9]);
    let last = std::sync::Arc::downgrade(&server.rendition.snapshot().expect("listed").listed[2]);
    let mut reader = server.connect();
    reader.write_all(request("GET", &address(14_000, 20_000), &[]).as_bytes()).expect("a request is taken");
    reader.read_exact(&mut [0]).expect("an answer begins");
    list([10, 11, 12]);
    until("the last is gone, which is not under way", || last.strong_count() == 0);
    let mut rest = Vec::new();
    // However the connection ends, it ends too soon.
    let _ = reader.read_to_end(&mut rest);
    assert!(rest.len() < 3 * (8 << 20), "{} bytes", rest.len());
    assert_eq!(server.get(&address(20_000, 22_000), &["Range: bytes=0-9"]).status, 206, "others are served");
}
