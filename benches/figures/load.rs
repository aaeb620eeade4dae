//! Load on an HTTP server, over loopback and for a bounded time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::process;

/// How long each load lasts.
const SECONDS: f64 = 3.0;

/// How long a connection says nothing until it counts as idle: a player's pause between two segments, and
/// the ten seconds after which our server gives back memory that is free.
const IDLE: Duration = Duration::from_secs(12);

/// Processor seconds the server `pid` spends on one request of `url`, as `wrk` sends them over `connections`
/// connections. What it spends besides, `idle` processor seconds in a second, is taken off.
pub(crate) fn cpu_per_request(pid: u32, idle: f64, url: &str, connections: u32) -> Result<f64, String> {
    let before = process::cpu_seconds(pid);
    let wrk = Command::new("wrk")
        .args([
            "-t1",
            &format!("-c{connections}"),
            &format!("-d{SECONDS}s"),
            "-H",
            "Accept-Encoding: gzip",
            url,
        ])
        .output()
        .map_err(|error| format!("wrk does not run: {error}; .ci/setup bench installs it"))?;
    let spent = process::cpu_seconds(pid) - before - idle * SECONDS;
    let said = String::from_utf8_lossy(&wrk.stdout);
    if !wrk.status.success() || said.contains("Non-2xx") || said.contains("Socket errors") {
        return Err(format!("wrk {url}: {said}{}", String::from_utf8_lossy(&wrk.stderr)));
    }
    let requests =
        said.lines().find_map(|line| line.split_once(" requests in ")?.0.trim().parse::<f64>().ok());
    requests
        .map(|requests| spent / requests)
        .ok_or_else(|| format!("wrk {url} told no number of requests: {said}"))
}

/// KiB of the server `pid` that one idle connection holds, after one request for `path` on each of `count`.
pub(crate) fn kib_per_idle_connection(
    pid: u32,
    address: SocketAddr,
    path: &str,
    count: u32,
) -> Result<f64, String> {
    // What the first requests make once and for all is not the connections'.
    drop(open(address, path, 8)?);
    let before = process::pss_kib(pid);
    let held = open(address, path, count)?;
    sleep(IDLE);
    let after = process::pss_kib(pid);
    drop(held);
    Ok((after - before) / f64::from(count))
}

fn open(address: SocketAddr, path: &str, count: u32) -> Result<Vec<TcpStream>, String> {
    (0..count)
        .map(|n| {
            let connection = TcpStream::connect(address)?;
            connection.set_read_timeout(Some(Duration::from_secs(5)))?;
            write!(&connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
            read_reply(&connection).map(|()| connection).map_err(|error| {
                std::io::Error::new(error.kind(), format!("connection {n} of {count}: {error}"))
            })
        })
        .collect::<std::io::Result<_>>()
        .map_err(|error| format!("{address}{path}: {error}"))
}

/// Reads one whole reply, whose length must be given.
fn read_reply(connection: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.starts_with("http/1.1 ") && !line.starts_with("http/1.1 200") {
            return Err(std::io::Error::other(line));
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
        if line.is_empty() {
            return reader.read_exact(&mut vec![0; length]);
        }
    }
}
