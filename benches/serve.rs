//! The server's cost beside nginx's in the same run, over loopback: CPU per playlist request and per gigabyte of
//! segments (wrk asks), memory per idle connection. Needs nginx and wrk (Debian packages nginx-light, wrk).

#[path = "../tests/http/site.rs"]
#[allow(dead_code, reason = "the bench needs only some of the tools")]
mod site;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use site::{Running, bytes_of, segment, until};

const SEGMENT: usize = 700_000;
const CONNECTIONS: usize = 64;
const IDLE: usize = 1_000;
const ROUNDS: usize = 3;
const PLAYLIST_PATH: &str = "/radio/audio/index.m3u8";
const SEGMENT_PATH: &str = "/radio/audio/7.ts";

/// A web server that is a process.
trait Peer {
    fn name(&self) -> &'static str;
    fn address(&self) -> SocketAddr;
    fn process(&self) -> u32;
}

impl Peer for Running {
    fn name(&self) -> &'static str {
        "outpost"
    }
    fn address(&self) -> SocketAddr {
        self.address
    }
    fn process(&self) -> u32 {
        std::process::id()
    }
}

/// nginx with one worker, serving the same bytes from tmpfs.
struct Nginx {
    address: SocketAddr,
    master: Child,
    folder: PathBuf,
}

impl Nginx {
    fn start(playlist: &[u8]) -> Self {
        let folder = Path::new("/dev/shm").join(format!("outpost-bench-{}", std::process::id()));
        let audio = folder.join("radio/audio");
        fs::create_dir_all(&audio).expect("tmpfs in /dev/shm");
        fs::write(audio.join("index.m3u8"), playlist).expect("written");
        fs::write(audio.join("7.ts"), bytes_of(7, SEGMENT)).expect("written");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let at = folder.display();
        let settings = format!(
            "user root; worker_processes 1; daemon off; pid {at}/pid; error_log {at}/errors;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;\n\
             types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}\n\
             server {{ listen {address}; root {at}; }} }}\n"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, settings).expect("written");
        let master = Command::new("nginx").arg("-e").arg(folder.join("errors")).arg("-c").arg(&file).spawn();
        let master = master.expect("nginx runs (Debian package: nginx-light)");
        until("nginx listens", || TcpStream::connect(address).is_ok());
        Self { address, master, folder }
    }
}

impl Peer for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }
    fn address(&self) -> SocketAddr {
        self.address
    }
    /// The worker: the master only waits.
    fn process(&self) -> u32 {
        let master = self.master.id();
        let children =
            fs::read_to_string(format!("/proc/{master}/task/{master}/children")).expect("nginx lives");
        children.trim().parse().expect("one worker")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, so that the worker ends with its master.
        let master = nix::unistd::Pid::from_raw(self.master.id() as i32);
        let _ = nix::sys::signal::kill(master, nix::sys::signal::SIGTERM);
        let _ = self.master.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// CPU seconds a process has used (proc_pid_stat(5), utime and stime in ticks of 10 ms).
fn cpu(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("the process lives");
    let fields: Vec<_> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

/// Proportional set size in bytes.
fn pss(process: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("the process lives");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).expect("a line with Pss");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1024.0
}

/// Requests wrk made in some seconds at so many connections.
fn load(peer: &dyn Peer, path: &str, connections: usize) -> f64 {
    let url = format!("http://{}{path}", peer.address());
    let mut wrk = Command::new("wrk");
    wrk.args(["-t", "1", "-d", "4s", "-c", &connections.to_string(), &url]);
    let output = wrk.output().expect("wrk runs (Debian package: wrk)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("Non-2xx"), "{text}");
    let line = text.lines().find(|line| line.contains(" requests in ")).unwrap_or_else(|| panic!("{text}"));
    line.trim().split(' ').next().and_then(|count| count.parse().ok()).expect("a number of requests")
}

/// CPU seconds per request.
fn cost(peer: &dyn Peer, path: &str, connections: usize) -> f64 {
    let before = cpu(peer.process());
    let requests = load(peer, path, connections);
    (cpu(peer.process()) - before) / requests
}

fn idle(peer: &dyn Peer) -> f64 {
    let ask = |client: &mut TcpStream| {
        let said = format!("GET {PLAYLIST_PATH} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a phone\r\n\r\n");
        client.write_all(said.as_bytes()).expect("sent");
        assert!(client.read(&mut [0; 8192]).expect("an answer") > 0);
    };
    let connect = || TcpStream::connect(peer.address()).expect("accepted");
    let crowd = |count| {
        let mut clients: Vec<_> = (0..count).map(|_| connect()).collect();
        clients.iter_mut().for_each(ask);
        clients
    };
    // Some connections first, for what is paid once.
    let first = crowd(IDLE / 4);
    let before = pss(peer.process());
    let clients = crowd(IDLE);
    let each = (pss(peer.process()) - before) / IDLE as f64;
    drop((first, clients));
    each
}

fn main() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the hard limit is allowed");
    let segments: Vec<_> = (0..40).map(|n| segment(n, if n == 7 { SEGMENT } else { 10 })).collect();
    let outpost = Running::with(&segments, |config| {
        config.max_connections = 2 * IDLE;
        config.patience.request = Duration::from_secs(300);
    });
    let playlist = outpost.get(PLAYLIST_PATH, &[]).body;
    let nginx = Nginx::start(&playlist);
    let peers: [&dyn Peer; 2] = [&outpost, &nginx];
    for peer in peers {
        println!("{:8} idle connection  {:8.1} KiB", peer.name(), idle(peer) / 1024.0);
    }
    for _ in 0..ROUNDS {
        for peer in peers {
            let micros = cost(peer, PLAYLIST_PATH, CONNECTIONS) * 1e6;
            println!("{:8} playlist, {} B  {micros:8.2} µs CPU per request", peer.name(), playlist.len());
        }
    }
    for connections in [4, CONNECTIONS] {
        for _ in 0..ROUNDS {
            for peer in peers {
                let seconds = cost(peer, SEGMENT_PATH, connections) / SEGMENT as f64 * 1e9;
                println!("{:8} segment, {connections:2} conn {seconds:8.3} s CPU per GB", peer.name());
            }
        }
    }
}
