//! What clients of HTTP/2 that mean ill cannot do. They speak in frames made by hand (RFC 9113, 4.1).

use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::site::{Running, segment, until};
use crate::tls::{Client, connect, folder, own};

const BIG: usize = 16 << 20;
const QUICK: Duration = Duration::from_millis(400);
/// More than any attack here needs.
const ENOUGH: usize = 16 << 20;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header block that asks for `path` with this method (RFC 7541, 6: two indexed fields, two literal ones).
fn block(method: u8, path: &str) -> Vec<u8> {
    let mut block = vec![method, 0x87, 0x01, 4];
    block.extend(b"test");
    block.extend([0x04, u8::try_from(path.len()).expect("a short path")]);
    block.extend(path.as_bytes());
    block
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(GET, path))
}

/// A server, and the folder of its certificate.
fn serve(name: &str, adjust: impl FnOnce(&mut outpost::serve::ServeConfig)) -> (Running, PathBuf) {
    let folder = folder(name);
    let server = Running::with(&[segment(7, BIG)], |config| {
        config.https = Some(own(&folder));
        adjust(config);
    });
    (server, folder)
}

/// A client that has said its preface (RFC 9113, 3.4) with these settings.
fn greet((server, folder): &(Running, PathBuf), settings: &[(u16, u32)]) -> Client {
    let mut client = connect(server, folder, &[b"h2"]);
    let payload: Vec<u8> = settings
        .iter()
        .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
        .collect();
    let said = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &payload)].concat();
    client.write_all(&said).expect("sent");
    client
}

/// The next frame: its kind, its stream and its payload; nothing when the connection has ended. Pings are answered.
fn hear(client: &mut Client) -> Option<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    client.read_exact(&mut head).ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    client.read_exact(&mut payload).ok()?;
    if (head[3], head[4]) == (PING, 0) {
        client.write_all(&frame(PING, ACK, 0, &payload)).ok()?;
    }
    Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}

/// Listens until a frame of this kind comes for this stream.
fn hear_of(client: &mut Client, kind: u8, stream: u32) -> Vec<u8> {
    loop {
        let (heard, of, payload) = hear(client).expect("the connection goes on");
        assert_ne!(heard, GOAWAY, "{payload:?}");
        if (heard, of) == (kind, stream) {
            return payload;
        }
    }
}

#[test]
fn floods_cost_the_attacker_the_connection_and_nobody_else_anything() {
    let site = serve("floods", |_| {});
    let odd = |number: usize| 2 * number as u32 + 1;
    type Frames = Box<dyn Fn(usize) -> Vec<u8>>;
    let table: [(&str, Vec<u8>, Frames); 10] = [
        ("pings", Vec::new(), Box::new(|_| frame(PING, 0, 0, &[7; 8]))),
        ("answers to pings", Vec::new(), Box::new(|_| frame(PING, ACK, 0, &[7; 8]))),
        ("settings", Vec::new(), Box::new(|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]))),
        ("empty settings", Vec::new(), Box::new(|_| frame(SETTINGS, 0, 0, &[]))),
        ("priorities", Vec::new(), Box::new(move |n| frame(PRIORITY, 0, odd(n), &[0, 0, 0, 0, 1]))),
        ("windows", get(1, "/radio/live.ts"), Box::new(|_| frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]))),
        (
            "empty data",
            frame(HEADERS, END_HEADERS, 1, &block(POST, "/radio/live.ts")),
            Box::new(|_| frame(DATA, 0, 1, &[])),
        ),
        (
            "header blocks without an end",
            frame(HEADERS, END_STREAM, 1, &block(GET, "/radio/live.ts")),
            Box::new(|_| frame(CONTINUATION, 0, 1, b"\x00\x01x\x01y")),
        ),
        (
            "empty continuations",
            frame(HEADERS, END_STREAM, 1, &block(GET, "/radio/live.ts")),
            Box::new(|_| frame(CONTINUATION, 0, 1, &[])),
        ),
        (
            "requests taken back",
            Vec::new(),
            Box::new(move |n| {
                [get(odd(n), "/radio/live.ts"), frame(RST_STREAM, 0, odd(n), &[0, 0, 0, 8])].concat()
            }),
        ),
    ];
    for (name, first, next) in &table {
        let mut client = greet(&site, &[]);
        client.write_all(first).expect("sent");
        // What comes back is read beside, as by an attacker who keeps TCP alive.
        let start = Instant::now();
        let (mut said, mut number) = (0, 0);
        client.sock.set_nonblocking(true).expect("an option");
        let ended = loop {
            let frames: Vec<u8> = (number..number + 100).flat_map(next).collect();
            number += 100;
            let mut left = &frames[..];
            let lost = loop {
                let written = client.write(left);
                let heard = client.read(&mut [0; 64 * 1024]);
                let over = |result: &std::io::Result<usize>| match result {
                    Ok(count) => *count == 0,
                    Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
                };
                if (!left.is_empty() && over(&written)) || over(&heard) {
                    break true;
                }
                left = &left[written.unwrap_or(0)..];
                if left.is_empty() {
                    break false;
                }
                assert!(start.elapsed() < Duration::from_secs(30), "{name}: stuck after {said} bytes");
            };
            said += frames.len();
            if lost || said > ENOUGH {
                break lost;
            }
        };
        assert!(ended, "{name}: still open after {said} bytes");
        until("the connection is gone", || site.0.stats.connections() == 0);
        println!("{name}: closed after {said} bytes");
    }
    assert_eq!(site.0.get("/api/v1/status", &[]).status, 200);
}

#[test]
fn replies_that_are_not_taken_are_given_up_though_the_client_goes_on_to_speak() {
    let site = serve("stalled", |config| config.patience.stall = QUICK);
    // SETTINGS_INITIAL_WINDOW_SIZE 0: nothing may be sent to it.
    let mut client = greet(&site, &[(4, 0)]);
    for stream in [1, 3, 5] {
        client.write_all(&get(stream, "/radio/audio/7.ts")).expect("sent");
    }
    hear_of(&mut client, HEADERS, 5);
    let start = Instant::now();
    while site.0.stats.stalled.get() == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "it is never closed");
        let _ = client.write_all(&frame(PING, 0, 0, &[1; 8]));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(start.elapsed() > QUICK / 2, "{:?}", start.elapsed());
    until("the connection is gone", || site.0.stats.connections() == 0);
}

#[test]
fn replies_that_are_taken_byte_by_byte_are_given_up_too() {
    let site = serve("drops", |config| config.patience.stall = QUICK);
    let mut client = greet(&site, &[(4, 0)]);
    client.write_all(&get(1, "/radio/audio/7.ts")).expect("sent");
    hear_of(&mut client, HEADERS, 1);
    let start = Instant::now();
    while site.0.stats.stalled.get() == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "it is never closed");
        // It may not be there to hear it any more.
        let _ = client.write_all(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]));
        std::thread::sleep(QUICK / 8);
    }
    until("the connection is gone", || site.0.stats.connections() == 0);
}

#[test]
fn a_slow_client_is_served_to_the_end() {
    let site = serve("slow", |config| config.patience.stall = QUICK);
    let mut client = greet(&site, &[]);
    client.write_all(&get(1, "/radio/audio/7.ts")).expect("sent");
    let (start, mut read) = (Instant::now(), 0);
    // Opens the window late each time, for three times as long as it may stall, and then as it likes.
    while read < BIG {
        let (kind, stream, payload) = hear(&mut client).expect("it is served");
        if (kind, stream) == (DATA, 1) && !payload.is_empty() {
            read += payload.len();
            if start.elapsed() < 3 * QUICK {
                std::thread::sleep(QUICK / 8);
            }
            let more = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
            let said = [frame(WINDOW_UPDATE, 0, 0, &more), frame(WINDOW_UPDATE, 0, 1, &more)].concat();
            client.write_all(&said).expect("sent");
        }
    }
    assert_eq!((read, site.0.stats.stalled.get()), (BIG, 0));
}

#[test]
fn an_idle_connection_is_closed_in_time_but_not_while_a_request_is_held() {
    let site = serve("idle", |config| {
        config.patience.request = QUICK;
        config.patience.stall = QUICK;
    });
    let mut client = greet(&site, &[]);
    // Held until that stream begins, or until it is clear that it won't.
    let start = Instant::now();
    client.write_all(&get(1, "/sound/audio/index.m3u8")).expect("sent");
    hear_of(&mut client, HEADERS, 1);
    assert!(start.elapsed() > 2 * QUICK, "{:?}", start.elapsed());
    let answered = Instant::now();
    let mut goodbye = false;
    while let Some((kind, ..)) = hear(&mut client) {
        goodbye |= kind == GOAWAY;
    }
    assert!(goodbye, "it is told");
    assert!(answered.elapsed() < Duration::from_secs(5), "{:?}", answered.elapsed());
    until("it is counted", || site.0.stats.slow_requests.get() == 1);
}

#[test]
fn requests_beyond_the_limits_are_refused_one_by_one() {
    let site = serve("limits", |_| {});
    let mut client = greet(&site, &[(4, 0)]);
    // Header fields of more than 16 KiB in all: 431 (RFC 6585, 5).
    let mut large = block(GET, "/");
    for _ in 0..100 {
        large.extend(b"\x00\x01x\x7f\x49");
        large.extend([b'y'; 200]);
    }
    let (first, rest) = large.split_at(16_000);
    client.write_all(&frame(HEADERS, END_STREAM, 1, first)).expect("sent");
    client.write_all(&frame(CONTINUATION, END_HEADERS, 1, rest)).expect("sent");
    let refused = hear_of(&mut client, HEADERS, 1);
    // "431" in the code of Huffman (RFC 7541, B), as the value of :status (A, 8).
    assert!(refused.starts_with(&[0x48, 0x83, 0x69, 0x90, 0xff]), "{refused:x?}");
    // One request more than may be open is refused, and the others are not.
    for number in 0..=100 {
        client.write_all(&get(3 + 2 * number, "/radio/audio/7.ts")).expect("sent");
    }
    assert_eq!(hear_of(&mut client, RST_STREAM, 203), [0, 0, 0, 7], "REFUSED_STREAM");
    assert_eq!(site.0.get("/api/v1/status", &[]).status, 200);
}

#[test]
fn who_only_waits_for_news_does_not_keep_others_out() {
    let site = serve("news", |config| config.max_connections = 1);
    let mut client = greet(&site, &[]);
    client.write_all(&get(1, "/api/v1/streams/radio/markers/events")).expect("sent");
    hear_of(&mut client, DATA, 1);
    until("it is at rest, and makes room", || site.0.get("/api/v1/status", &[]).status == 200);
    assert_eq!(site.0.stats.displaced.get(), 1);
}
