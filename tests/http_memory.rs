//! What connections and requests cost the server in memory, as the kernel counts it.

#[path = "http/site.rs"]
#[allow(dead_code, reason = "these tests need only some of the tools")]
mod site;

use std::io::{Read, Write};
use std::net::TcpStream;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use site::{Running, segment, until};

const IDLE: usize = 1_000;

/// Proportional set size of this process in bytes (proc_pid_smaps_rollup(5)).
fn pss() -> usize {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("a Linux kernel since 4.14");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).expect("a line with Pss");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

fn keep_alive(client: &mut TcpStream, path: &str) {
    let said = format!("GET {path} HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: a phone\r\n\r\n");
    client.write_all(said.as_bytes()).expect("sent");
    let mut heard = [0; 8192];
    assert!(client.read(&mut heard).expect("an answer") > 0);
}

/// A small generator (xorshift), so that the run is the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Something a client might say: right, nearly right, or noise.
fn random_request(dice: &mut Dice) -> Vec<u8> {
    const METHODS: [&str; 5] = ["GET", "HEAD", "OPTIONS", "POST", "get"];
    const PATHS: [&str; 12] = [
        "/",
        "/radio",
        "/radio/index.m3u8",
        "/radio/audio/index.m3u8",
        "/radio/audio/7.ts",
        "/radio/audio/99.ts",
        "/assets/app.js",
        "/api/v1/status",
        "/%2e%2e/etc/passwd",
        "/%",
        "//",
        "/api/v1/streams/radio/levels",
    ];
    const LINES: [&str; 8] = [
        "Accept-Encoding: gzip",
        "Range: bytes=0-99",
        "Range: bytes=-",
        "If-None-Match: *",
        "Connection: close",
        "Content-Length: 5",
        "X: \u{fffd}",
        "Transfer-Encoding: chunked",
    ];
    let mut said = format!("{} {} HTTP/1.1\r\n", METHODS[dice.below(5)], PATHS[dice.below(12)]);
    for _ in 0..dice.below(4) {
        said += &format!("{}\r\n", LINES[dice.below(8)]);
    }
    let mut said = format!("{said}User-Agent: {}\r\n\r\n", dice.below(usize::MAX)).into_bytes();
    if dice.below(4) == 0 {
        for _ in 0..=dice.below(5) {
            let place = dice.below(said.len());
            said[place] = dice.below(256) as u8;
        }
    }
    said
}

/// A request as browsers send them, for what is not there yet.
fn held(client: &mut TcpStream) {
    let said = format!(
        "GET /sound/audio/index.m3u8?_HLS_msn=1 HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: {agent}\r\n\
         Accept: */*\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
         Cache-Control: no-cache\r\nConnection: keep-alive\r\nCookie: session={cookie}\r\nDNT: 1\r\n\
         Origin: https://example.org\r\nReferer: https://example.org/listen/to/the/tower\r\n\
         Sec-CH-UA: \"Chromium\";v=\"142\"\r\nSec-CH-UA-Mobile: ?0\r\nSec-CH-UA-Platform: \"Linux\"\r\n\
         Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: cross-site\r\nPragma: no-cache\r\n\r\n",
        agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0",
        cookie = "x".repeat(4000),
    );
    client.write_all(said.as_bytes()).expect("sent");
}

// One test, so that nothing else of this process is measured with it.
#[test]
fn memory_is_small_per_connection_and_returns_to_where_it_was() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the hard limit is allowed");
    let server = Running::with(&[segment(7, 700_000)], |config| config.max_connections = 2 * IDLE);
    // Some connections first, for what is paid once: tables, the allocator's pools, the page compressed.
    let crowd = |count| {
        let mut clients: Vec<_> = (0..count).map(|_| server.connect()).collect();
        for client in &mut clients {
            keep_alive(client, "/radio/audio/index.m3u8");
        }
        clients
    };
    let first = crowd(IDLE / 4);

    let before = pss();
    let clients = crowd(IDLE);
    let each = pss().saturating_sub(before) / IDLE;
    println!("an idle connection: {each} bytes");
    // 12 KiB is the aim, which `benches/serve.rs` shows; page boundaries move this by a few hundred bytes.
    assert!(each <= 13 * 1024, "an idle connection costs {each} bytes");
    drop((first, clients));
    until("all connections end", || server.stats.connections() == 0);

    let mut clients: Vec<_> = (0..IDLE).map(|_| server.connect()).collect();
    until("all are connected", || server.stats.connections() == IDLE as u64);
    let before = pss();
    clients.iter_mut().for_each(held);
    until("all are held", || server.stats.waiting() == IDLE as u64);
    let each = pss().saturating_sub(before) / IDLE;
    println!("a request that is held: {each} bytes");
    // As long as it waits; what it came with is gone.
    assert!(each <= 4 * 1024, "a held request costs {each} bytes");
    drop(clients);
    until("all connections end", || server.stats.connections() == 0);

    let mut dice = Dice(0x6F75_7470_6F73_7421);
    let mut siege = |count| {
        for _ in 0..count {
            let mut client = server.connect();
            let said = random_request(&mut dice);
            // Some vanish at once, some say half and vanish, some listen for a moment.
            let part = if dice.below(5) == 0 { dice.below(said.len()) } else { said.len() };
            let _ = client.write_all(&said[..part]);
            if part == said.len() && dice.below(3) > 0 {
                let _ = client.shutdown(std::net::Shutdown::Write);
                let _ = client.read(&mut [0; 512]);
            }
        }
        until("all connections end", || server.stats.connections() == 0);
        pss()
    };
    // The first thousand fill what is kept for good: the allocator's pools, the table of listeners.
    let (settled, after) = (siege(1_000), siege(9_000));
    println!("after 1,000 random requests {settled} bytes, after 10,000 {after}");
    assert!(after <= settled + (1 << 20), "grew from {settled} to {after} bytes");
    keep_alive(&mut server.connect(), "/radio/audio/index.m3u8");
}
