//! A server that has run out of file descriptors goes on once there are some. In a process of its own, for the
//! limit is the process's.

#[path = "http/site.rs"]
#[allow(dead_code, reason = "this test needs only some of the tools")]
mod site;

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use site::{LIMIT, Running, request, segment};

const PATH: &str = "/radio/index.m3u8";

#[test]
fn running_out_of_descriptors_is_survived() {
    let server = Running::with(&[segment(7, 10)], |_| {});
    assert_eq!(server.get(PATH, &[]).status, 200);
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, 64, hard).expect("a lower limit is allowed");
    site::until("the first connection ends", || server.stats.connections() == 0);

    // One descriptor is left for a client, none for the server's side of it.
    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    hoard.pop();
    let mut client = server.connect();
    client.write_all(request("GET", PATH, &[]).as_bytes()).expect("sent");
    client.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let early = client.read(&mut [0; 16]).map_err(|error| error.kind());
    assert_eq!(early, Err(ErrorKind::WouldBlock), "there was a descriptor after all");
    hoard.pop();
    client.set_read_timeout(Some(LIMIT)).expect("a timeout");
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).expect("an answer");
    assert!(heard.starts_with(b"HTTP/1.1 200 "));
    drop(client);

    // Where a connection is idle, it gives way.
    site::until("that connection ends", || server.stats.connections() == 0);
    let mut idle = server.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").expect("sent");
    assert!(idle.read(&mut [0; 1024]).expect("an answer") > 0);
    hoard.pop();
    assert_eq!(server.get(PATH, &[]).status, 200);
    assert_eq!(server.stats.displaced.get(), 1);
}
