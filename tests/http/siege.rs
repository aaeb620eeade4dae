//! What clients that mean ill, or merely vanish, cannot do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::site::{Running, request, segment, tail, until};
use outpost::segment::Shelf;
use socket2::{Domain, Socket, Type};

const BIG: usize = 16 << 20;
const QUICK: Duration = Duration::from_millis(300);

fn read_reply(client: &mut TcpStream) -> String {
    let mut heard = [0; 4096];
    let count = client.read(&mut heard).expect("an answer");
    String::from_utf8_lossy(&heard[..count]).into_owned()
}

fn is_closed(client: &mut TcpStream) -> bool {
    matches!(client.read(&mut [0; 4096]), Ok(0) | Err(_))
}

const KEEP: &[u8] = b"GET /api/v1/status HTTP/1.1\r\nHost: test\r\n\r\n";

#[test]
fn rubbish_is_refused_and_does_no_harm() {
    let server = Running::with(&[segment(7, 10)], |_| {});
    let long = |len: usize| "a".repeat(len);
    let table: [(String, u16); 11] = [
        ("rubbish\r\n\r\n".into(), 400),
        ("\0\u{1}\u{2}\u{3}\r\n\r\n".into(), 400),
        ("GET / HTTP/9.9\r\n\r\n".into(), 400),
        ("GET /radio HTTP/1.1\r\nno colon\r\n\r\n".into(), 400),
        ("GET /ra dio HTTP/1.1\r\n\r\n".into(), 400),
        ("GET /\0 HTTP/1.1\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".into(), 400),
        (format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", long(20_000)), 431),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200)), 431),
        (format!("GET /{} HTTP/1.1\r\n\r\n", long(20_000)), 431),
    ];
    for (said, status) in &table {
        assert_eq!(server.ask(said).status, *status, "{:.60}", said.escape_debug());
    }
    // The largest header block a client may send is still read.
    assert_eq!(server.get("/api/v1/status", &[&format!("X: {}", long(16_000))]).status, 200);
    until("rubbish is counted", || server.stats.malformed.get() == table.len() as u64);
    assert_eq!(server.get("/api/v1/status", &[]).status, 200);
}

#[test]
fn a_body_that_never_comes_is_not_waited_for() {
    let server = Running::with(&[segment(7, 10)], |config| config.patience.request = QUICK);
    let mut client = server.connect();
    client
        .write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n")
        .expect("sent");
    assert!(read_reply(&mut client).starts_with("HTTP/1.1 200 "));
    until("the connection ends", || server.stats.connections() == 0);
}

#[test]
fn headers_sent_drop_by_drop_are_cut_off() {
    let server = Running::with(&[segment(7, 10)], |config| config.patience.request = QUICK);
    let mut client = server.connect();
    client.set_nodelay(true).expect("an option");
    let start = Instant::now();
    let said = request("GET", "/", &["X: y"; 100]);
    let sent = said.bytes().take_while(|byte| {
        std::thread::sleep(Duration::from_millis(20));
        client.write_all(&[*byte]).is_ok()
    });
    let sent = sent.count();
    assert!(start.elapsed() < Duration::from_secs(5), "still open after {sent} bytes");
    until("it is counted", || server.stats.slow_requests.get() == 1);
}

#[test]
fn an_idle_connection_is_closed_in_time() {
    let server = Running::with(&[segment(7, 10)], |config| config.patience.request = QUICK);
    let mut client = server.connect();
    client.write_all(KEEP).expect("sent");
    assert!(read_reply(&mut client).starts_with("HTTP/1.1 200 "));
    assert!(is_closed(&mut client));
}

#[test]
fn a_connection_at_rest_serves_the_next_request_and_is_closed_in_time_too() {
    let server = Running::with(&[segment(7, 10)], |config| config.patience.request = Duration::from_secs(3));
    let mut client = server.connect();
    for rests in 1..=2 {
        client.write_all(KEEP).expect("sent");
        assert!(read_reply(&mut client).starts_with("HTTP/1.1 200 "), "after {} rests", rests - 1);
        until("the connection rests", || server.stats.rests.get() == rests);
    }
    let silent = Instant::now();
    assert!(is_closed(&mut client));
    assert!(silent.elapsed() < Duration::from_secs(4), "{:?}", silent.elapsed());
    until("it is counted", || server.stats.slow_requests.get() == 1);
    assert_eq!(server.stats.rests.get(), 2);
}

#[test]
fn half_a_request_is_no_rest() {
    let server = Running::with(&[segment(7, 10)], |config| config.patience.request = Duration::from_secs(2));
    let mut client = server.connect();
    client.write_all(KEEP).expect("sent");
    assert!(read_reply(&mut client).starts_with("HTTP/1.1 200 "));
    client.write_all(&KEEP[..20]).expect("sent");
    assert!(is_closed(&mut client), "what never ends is cut off");
    until("it is counted", || server.stats.slow_requests.get() == 1);
    assert_eq!(server.stats.rests.get(), 0);
}

#[test]
fn clients_that_vanish_in_the_middle_leave_nothing_behind() {
    let server = Running::with(&[segment(7, BIG)], |_| {});
    for round in 0..20 {
        let mut client = server.connect();
        client.write_all(request("GET", "/radio/audio/7.ts", &[]).as_bytes()).expect("sent");
        client.read_exact(&mut [0; 1000]).expect("the beginning");
        if round % 2 == 0 {
            client.shutdown(Shutdown::Both).expect("gone");
        }
    }
    until("all connections end", || server.stats.connections() == 0);
    assert_eq!(server.get("/api/v1/status", &[]).status, 200);
}

#[test]
fn a_client_that_stops_reading_is_closed_and_a_slow_one_is_not() {
    let server = Running::with(&[segment(7, BIG)], |config| config.patience.stall = QUICK);
    let ask = || {
        let mut client = server.connect();
        client.write_all(request("GET", "/radio/audio/7.ts", &[]).as_bytes()).expect("sent");
        client
    };
    let (stalled, mut slow) = (ask(), ask());
    // Reads for three times as long as a stalled client may take, a little at a time.
    let (mut read, start, mut piece) = (0, Instant::now(), vec![0; 512 * 1024]);
    while start.elapsed() < 3 * QUICK {
        read += slow.read(&mut piece).expect("the slow client is served");
        std::thread::sleep(Duration::from_millis(30));
    }
    until("the stalled client is closed", || server.stats.stalled.get() == 1);
    loop {
        match slow.read(&mut piece).expect("the slow client is served to its end") {
            0 => break,
            count => read += count,
        }
    }
    assert!(read > BIG, "{read} bytes with the header block");
    drop(stalled);
}

#[test]
fn a_client_that_reads_drop_by_drop_is_closed() {
    let server = Running::with(&[segment(7, BIG)], |config| config.patience.stall = QUICK);
    let socket = Socket::new(Domain::for_address(server.address), Type::STREAM, None).expect("a socket");
    // The least there is: its window opens by little.
    socket.set_recv_buffer_size(1).expect("an option");
    socket.connect(&server.address.into()).expect("the server accepts");
    let mut client = TcpStream::from(socket);
    client.write_all(request("GET", "/radio/audio/7.ts", &[]).as_bytes()).expect("sent");
    let start = Instant::now();
    while server.stats.stalled.get() == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "it is never closed");
        let _ = client.read(&mut [0; 100]);
        std::thread::sleep(QUICK / 20);
    }
    until("the connection is gone", || server.stats.connections() == 0);
}

#[test]
fn the_longest_idle_connection_makes_room() {
    let server = Running::with(&[segment(7, 10)], |config| config.max_connections = 3);
    let mut clients: Vec<_> = (0..3)
        .map(|_| {
            let mut client = server.connect();
            client.write_all(KEEP).expect("sent");
            read_reply(&mut client);
            client
        })
        .collect();
    // The first speaks again: now the second has been idle for longest.
    clients[0].write_all(KEEP).expect("sent");
    read_reply(&mut clients[0]);
    assert_eq!(server.get("/api/v1/status", &[]).status, 200);
    assert!(is_closed(&mut clients[1]));
    for open in [0, 2] {
        clients[open].write_all(KEEP).expect("sent");
        assert!(read_reply(&mut clients[open]).starts_with("HTTP/1.1 200 "), "client {open}");
    }
    assert_eq!((server.stats.displaced.get(), server.stats.refused.get()), (1, 0));
}

#[test]
fn one_client_more_than_can_be_served_is_told_so() {
    let server = Running::with(&[segment(7, 10)], |config| config.max_connections = 2);
    server.rendition.extend(tail(8, 188, 1));
    let listen = || {
        let mut client = server.connect();
        client.write_all(request("GET", "/radio/live.ts", &[]).as_bytes()).expect("sent");
        assert!(read_reply(&mut client).starts_with("HTTP/1.1 200 "));
        client
    };
    let (first, _second) = (listen(), listen());
    let refused = server.get("/radio/index.m3u8", &[]);
    assert_eq!((refused.status, refused.field("retry-after")), (503, "5"));
    drop(first);
    until("there is room again", || server.get("/radio/index.m3u8", &[]).status == 200);
}

#[test]
fn stopping_lets_a_request_finish_and_takes_no_longer_than_allowed() {
    let server =
        Running::with(&[segment(7, BIG)], |config| config.patience.shutdown = Duration::from_secs(5));
    let mut idle = server.connect();
    idle.write_all(KEEP).expect("sent");
    read_reply(&mut idle);
    let mut busy = server.connect();
    busy.write_all(request("GET", "/radio/audio/7.ts", &[]).as_bytes()).expect("sent");
    let mut heard = vec![0; 1000];
    busy.read_exact(&mut heard).expect("the beginning");
    let address = server.address;
    let rest = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        busy.read_to_end(&mut heard).expect("all of it");
        heard.len()
    });
    let took = server.stop();
    assert!(rest.join().expect("read") > BIG);
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert!(is_closed(&mut idle));
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");

    let server = Running::with(&[segment(7, BIG)], |config| config.patience.shutdown = QUICK);
    let mut stalled = server.connect();
    stalled.write_all(request("GET", "/radio/audio/7.ts", &[]).as_bytes()).expect("sent");
    stalled.read_exact(&mut [0; 1000]).expect("the beginning");
    let took = server.stop();
    assert!(took >= QUICK && took < Duration::from_secs(4), "{took:?}");
}
