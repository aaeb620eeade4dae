//! Ten thousand random requests, clients that vanish and clients that dawdle: nobody else notices.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use outpost::base::Random;

use crate::http::{End, connect, harass};
use crate::station::{Station, after_last, until};

const REQUESTS: usize = 10_000;
const CLIENTS: usize = 8;
const SEED: u64 = 20_261_120;
const MEBI: f64 = 1_048_576.0;

/// The same dice on every machine.
struct Dice(Random);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        (self.0.bits() % limit as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.0.bits() as u8).collect()
    }

    /// A request that is more or less HTTP.
    fn request(&mut self, segment: &str) -> Vec<u8> {
        let paths = [
            "/",
            "/radio/index.m3u8",
            "/radio/audio/index.m3u8",
            "/radio/live.ts",
            "/metrics",
            "/healthz",
            "/api/v1/status",
            "/radio/../etc/passwd",
            "//",
            "*",
            "/%00",
            "/radio/audio/-1.ts",
            "/\u{e4}",
            "/radio/audio/99999999999999999999999.ts",
            "http://elsewhere/",
            segment,
        ];
        let methods = ["GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "G\0T"];
        let fields = [
            "Range: bytes=0-",
            "Range: bytes=-1",
            "Range: bytes=9-1",
            "Range: bytes=18446744073709551615-",
            "Accept-Encoding: gzip",
            "Accept-Encoding: gzip;q=9",
            "If-None-Match: *",
            "If-Modified-Since: never",
            "Content-Length: 5",
            "Content-Length: -5",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Connection: upgrade",
            "Host:",
            "no colon",
            "Origin: null",
        ];
        let mut said =
            format!("{} {} HTTP/1.{}\r\n", self.one(&methods), self.one(&paths), self.below(3)).into_bytes();
        for _ in 0..self.below(5) {
            said.extend(self.one(&fields).bytes().chain(*b"\r\n"));
        }
        said.extend(b"Host: test\r\n\r\n");
        match self.below(4) {
            0 => said.truncate(self.below(said.len())),
            1 => {
                let at = self.below(said.len());
                said.splice(at..at, self.bytes(20));
            }
            2 if self.below(10) == 0 => said = self.bytes(30_000),
            _ => {}
        }
        said
    }

    fn end(&mut self) -> End {
        [End::Vanish, End::ReadSome, End::Hear, End::Hear][self.below(4)]
    }
}

/// Throws `count` requests at the program, from several connections at once.
fn attack(address: SocketAddr, segment: &str, count: usize, seed: u64) {
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let mut dice = Dice(Random::new(seed + client as u64));
            scope.spawn(move || {
                for _ in 0..count / CLIENTS {
                    let said = dice.request(segment);
                    let end = dice.end();
                    // Only one who says that nothing more will come may wait for an end.
                    harass(address, &said, if said.starts_with(b"GET /") { end } else { End::Hear });
                }
            });
        }
    });
}

/// Memory besides the segments themselves, in bytes. Of what files hold its share would grow whenever another
/// test's program ends.
fn memory(station: &Station) -> f64 {
    let rollup =
        fs::read_to_string(format!("/proc/{}/smaps_rollup", station.pid())).expect("a running program");
    let pss = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss_Anon:")?.trim().strip_suffix(" kB")?.parse().ok());
    let pss: f64 = pss.expect("a proportional set size");
    pss * 1024.0 - station.metric("outpost_window_bytes")
}

/// A client that asks for the endless stream and takes a little of it now and then.
fn dawdle(address: SocketAddr, over: &AtomicBool) {
    let mut server = connect(address);
    server.write_all(b"GET /radio/live.ts HTTP/1.1\r\nHost: test\r\n\r\n").expect("a request");
    while !over.load(Ordering::Relaxed) {
        let _ = server.read(&mut [0; 100]);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Ends what goes on meanwhile, also when the test has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Follows the playlist: each segment once, in sequence. Says how many there were.
fn follow(station: &Station, over: &AtomicBool) -> usize {
    let mut next = after_last(&station.playlist("radio"));
    let mut fetched = 0;
    while !over.load(Ordering::Relaxed) {
        let end = after_last(&station.playlist("radio"));
        assert!(end <= next + 1, "{next} was not seen in time: {end}");
        if end > next {
            let segment = station.get(&format!("/radio/audio/{next}.ts"));
            assert!(
                segment.status == 200 && segment.body.len().is_multiple_of(188),
                "{next}: {}",
                segment.status
            );
            (next, fetched) = (end, fetched + 1);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    fetched
}

#[test]
fn ten_thousand_random_requests_leave_no_trace() {
    let station = Station::scanner("hostile", "");
    let (playlist, _) = station.next_listing("radio");
    let segment = format!("/radio/audio/{}.ts", playlist.media_sequence);
    let address = station.address();
    let alone = || {
        // The one that asks.
        until("all others to be gone", Duration::from_secs(15), || {
            (station.metric("outpost_http_open_connections") <= 1.0).then_some(())
        });
    };
    attack(address, &segment, REQUESTS / 5, SEED);
    alone();
    let before = memory(&station);
    let (over, start) = (AtomicBool::new(false), Instant::now());
    let followed = std::thread::scope(|scope| {
        let follower = scope.spawn(|| follow(&station, &over));
        for _ in 0..4 {
            scope.spawn(|| dawdle(address, &over));
        }
        let over = Over(&over);
        attack(address, &segment, REQUESTS, SEED + 100);
        // Fast as that is: some segments have to come meanwhile.
        until("five seconds", Duration::from_secs(6), || (start.elapsed().as_secs() >= 5).then_some(()));
        drop(over);
        follower.join().expect("the follower was served")
    });
    let expected = start.elapsed().as_secs() as usize;
    assert!(followed + 1 >= expected, "{followed} segments in {expected} s");
    alone();
    let grown = memory(&station) - before;
    assert!(grown < 2.0 * MEBI, "{:.2} MiB more than before", grown / MEBI);
    assert_eq!(station.get("/healthz").text().trim(), "ok");
    assert_eq!(station.metric("outpost_ring_dropped_packets_total"), 0.0);
    let log = station.log();
    assert!(log.lines().all(|line| !line.contains("WARN") && !line.contains("ERROR")), "{log}");
}
