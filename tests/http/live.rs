//! The endless stream, with many clients of different minds.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::site::{Running, bytes_of, request, segment, tail, until};
use outpost::segment::Shelf;

const PIECE: usize = 188 * 200;
const PIECES: usize = 10;
const LEN: usize = PIECE * PIECES;
/// Of a stream that hundreds hear.
const SMALL: usize = 188 * 20;

/// A client that has read the head of its reply.
fn listen(server: &Running) -> BufReader<TcpStream> {
    let mut client = server.connect();
    client.write_all(request("GET", "/radio/live.ts", &[]).as_bytes()).expect("sent");
    let mut client = BufReader::new(client);
    assert_eq!(line(&mut client), "HTTP/1.1 200 OK");
    while !line(&mut client).is_empty() {}
    client
}

fn line(client: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    client.read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}

/// Reads chunk after chunk (RFC 9112, 7.1) while `more` wants it and the stream goes on.
fn read(client: &mut BufReader<TcpStream>, mut more: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut body = Vec::new();
    while more(&body) {
        let len = usize::from_str_radix(&line(client), 16).expect("the length of a chunk");
        if len == 0 {
            break;
        }
        let from = body.len();
        body.resize(from + len, 0);
        client.read_exact(&mut body[from..]).expect("a whole chunk");
        line(client);
    }
    body
}

/// Puts up segment after segment of pieces of this size, as fast as `pace` allows, until told to stop.
fn broadcast(server: &Running, piece: usize, pace: Duration, done: &AtomicBool) {
    for sequence in 10.. {
        let listed = (sequence - 5..sequence).map(|number| segment(number, piece * PIECES));
        server.list(&listed.collect::<Vec<_>>());
        for count in 0..=PIECES {
            server.rendition.extend(tail(sequence, piece, count));
            if done.load(Relaxed) {
                return;
            }
            std::thread::sleep(pace);
        }
    }
}

/// The bytes of segments of `len` one after another, from the beginning of any of them.
fn is_unbroken(body: &[u8], len: usize) -> bool {
    (0..200).any(|first| {
        body.chunks(len).zip(first..).all(|(part, sequence)| part == &bytes_of(sequence, len)[..part.len()])
    })
}

/// Whole packets, each the next one of its segment or the first of another.
fn jumps_to_beginnings(body: &[u8]) -> bool {
    let number = |packet: &[u8]| u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]);
    let packets: Vec<_> = body.chunks(188).collect();
    packets.iter().all(|packet| packet[4..].iter().all(|byte| *byte == packet[4]))
        && packets
            .windows(2)
            .all(|w| number(w[1]) == 0 || (number(w[1]) == number(w[0]) + 1 && w[1][4] == w[0][4]))
}

/// Ends a broadcast when dropped, also by an assertion that fails: its thread is waited for.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn fifty_clients_hear_every_byte_while_one_has_stopped_reading() {
    let server = Running::with(&[segment(9, LEN)], |config| config.patience.stall = Duration::from_secs(2));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ends = Ends(&done);
        scope.spawn(|| broadcast(&server, PIECE, Duration::from_millis(10), &done));
        let stalled = listen(&server);
        let readers: Vec<_> = (0..49)
            .map(|_| scope.spawn(|| read(&mut listen(&server), |body| body.len() < 4 * LEN)))
            .collect();
        until("all are counted", || server.station.listeners(Instant::now()) == 50);
        for reader in readers {
            let body = reader.join().expect("a reader");
            assert!(body.len() >= 4 * LEN && is_unbroken(&body, LEN), "{} bytes, broken", body.len());
        }
        until("the one that stopped is closed", || server.stats.stalled.get() == 1);
        until("nobody is left", || server.station.listeners(Instant::now()) == 0);
        drop(stalled);
    });
}

#[test]
fn hundreds_hear_every_byte_from_the_beginning_of_a_segment() {
    const LEN: usize = SMALL * PIECES;
    let server = Running::with(&[segment(9, LEN)], |_| {});
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ends = Ends(&done);
        scope.spawn(|| broadcast(&server, SMALL, Duration::from_millis(50), &done));
        let idle = listen(&server);
        let hear = || read(&mut listen(&server), |body| body.len() < 3 * LEN);
        let readers: Vec<_> = (0..300).map(|_| scope.spawn(hear)).collect();
        for reader in readers {
            let body = reader.join().expect("a reader");
            assert!(body.len() >= 3 * LEN && is_unbroken(&body, LEN), "{} bytes, broken", body.len());
        }
        drop(idle);
        until("nobody is left", || server.station.listeners(Instant::now()) == 0);
    });
}

#[test]
fn each_rendition_has_an_endless_stream() {
    let server = Running::with(&[segment(9, LEN)], |_| {});
    for (path, status) in
        [("/radio/live.ts", 200), ("/radio/audio/live.ts", 200), ("/radio/video/live.ts", 404)]
    {
        assert_eq!(server.ask(request("HEAD", path, &[])).status, status, "{path}");
    }
}

#[test]
fn a_client_that_fell_behind_goes_on_where_a_segment_begins() {
    let server = Running::with(&[segment(9, LEN)], |_| {});
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ends = Ends(&done);
        scope.spawn(|| broadcast(&server, PIECE, Duration::from_millis(1), &done));
        let mut client = listen(&server);
        // More than the kernel holds for the client goes by unread.
        let newest =
            || server.rendition.snapshot().and_then(|s| s.listed.last().map(|newest| newest.sequence));
        until("a good deal goes by", || newest() > Some(60));
        let mut skipped = None;
        let body = read(&mut client, |body| {
            if skipped.is_none() && server.rendition.skips.get() > 0 {
                skipped = Some(body.len());
            }
            // Whatever was under way when it skipped is at most three segments.
            skipped.is_none_or(|at| body.len() < at + 8 * LEN)
        });
        done.store(true, Relaxed);
        let missed = newest().map_or(0, |newest| (newest - 9) as usize * LEN).saturating_sub(body.len());
        assert!(missed > 10 * LEN, "it was not behind, or heard what was long past");
        assert!(jumps_to_beginnings(&body));
    });
}

#[test]
fn the_stream_ends_properly_when_the_server_stops() {
    let server = Running::with(&[segment(9, LEN)], |_| {});
    server.rendition.extend(tail(10, PIECE, 3));
    let mut client = listen(&server);
    let reader = std::thread::spawn(move || read(&mut client, |_| true));
    until("it listens", || server.stats.sent_bytes.get() > 3 * PIECE as u64);
    let took = server.stop();
    assert_eq!(reader.join().expect("a last chunk"), bytes_of(10, 3 * PIECE));
    assert!(took < Duration::from_secs(1), "{took:?}");
}
